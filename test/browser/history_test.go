package browser

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

func (b *tab) history() []*page.NavigationEntry {
	b.t.Helper()
	return read(b, "history", chromedp.NavigationEntries()).Entries
}

// back goes back by one page.
func (b *tab) back() {
	b.t.Helper()
	entries := b.history()
	b.goTo(entries[len(entries)-2])
}

// goTo goes back or forth to an entry of the history. What the browser has kept is shown without being loaded.
func (b *tab) goTo(entry *page.NavigationEntry) {
	b.t.Helper()
	b.arrive("go to "+entry.URL, command(page.NavigateToHistoryEntry, page.NavigateToHistoryEntryParams{EntryID: entry.ID}))
}

// pressKept is press on a page that the browser may have kept. It leads to another page of ours.
func (b *tab) pressKept(name string) {
	b.t.Helper()
	click := fmt.Sprintf(`[...document.querySelectorAll("button")].find((b) => b.textContent.trim() === %q).click()`, name)
	b.arrive("press "+name, command(runtime.Evaluate, runtime.EvaluateParams{Expression: click}))
}

// arrive takes a step and waits for the page that it leads to, be it loaded or kept.
func (b *tab) arrive(what string, step chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	top := func(e page.EventFrameNavigated) bool { return e.Frame.ParentID == "" }
	read(b, what, chromedp.WaitEvent(page.FrameNavigated, top, step))
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for b.now(`document.readyState`) != "complete" {
		<-tick.C
	}
}

// now is what an expression gives on the page that the tab shows at this moment, be it loaded or kept.
func (b *tab) now(expression string) string {
	b.t.Helper()
	return read(b, expression, func(ctx context.Context, target *chromedp.Target) (string, error) {
		var value string
		for {
			result, err := cdp.Call(ctx, target, runtime.Evaluate, runtime.EvaluateParams{Expression: expression})
			if err == nil {
				return value, json.Unmarshal([]byte(result.Result.Value), &value)
			}
			if ctx.Err() != nil {
				return "", err // otherwise the page is just being changed for another
			}
		}
	})
}
