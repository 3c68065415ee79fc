package e2e

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// Selectors that find a control as a person does: by its words.
func button(name string) chromedp.Search {
	return chromedp.Search(fmt.Sprintf(`//button[normalize-space()=%q]`, name))
}

func link(name string) chromedp.Search {
	return chromedp.Search(fmt.Sprintf(`//a[normalize-space()=%q]`, name))
}

func field(label string) chromedp.Search {
	return chromedp.Search(fmt.Sprintf(`//*[@id=//label[normalize-space()=%q]/@for]`, label))
}

func radio(group, label string) chromedp.Search {
	return chromedp.Search(fmt.Sprintf(`//fieldset[legend[normalize-space()=%q]]//label[normalize-space()=%q]`, group, label))
}

const secretField = chromedp.CSS(`#secret`)

// tab is one tab of a real browser, for a test that ends at the first step that fails.
type tab struct {
	t   *testing.T
	ctx context.Context

	mu         sync.Mutex
	complaints []string // of the console: errors, warnings, violations of the content security policy
}

func openTab(t *testing.T, more ...chromedp.ExecAllocatorOption) *tab {
	t.Helper()
	b := &tab{t: t, ctx: openBrowser(t, more...)}
	err := chromedp.Listen(b.ctx, func(event any) {
		switch e := event.(type) {
		case *cdplog.EventEntryAdded:
			b.complain(string(e.Entry.Level), e.Entry.Text+" "+e.Entry.URL)
		case *runtime.EventExceptionThrown:
			b.complain("error", e.ExceptionDetails.Text)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	b.do("watch the console", chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, cdplog.Enable, cdp.Empty{})
		return err
	}))
	return b
}

func (b *tab) complain(level, text string) {
	if level != "error" && level != "warning" {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.complaints = append(b.complaints, text)
}

// do takes steps that stay on the page.
func (b *tab) do(what string, steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := b.step()
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		b.fail(what, err)
	}
}

// stepLimit bounds one step: a control that isn't there must not hold up the test.
const stepLimit = 20 * time.Second

func (b *tab) step() (context.Context, context.CancelFunc) {
	return context.WithTimeout(b.ctx, stepLimit)
}

// press clicks what leads to another page and waits until that one is there.
func (b *tab) press(control chromedp.Search) {
	b.t.Helper()
	ctx, cancel := b.step()
	defer cancel()
	if _, err := chromedp.RunResponse(ctx, chromedp.Click(control)); err != nil {
		b.fail("press "+string(control), err)
	}
}

func (b *tab) fail(what string, err error) {
	b.t.Helper()
	page, _ := chromedp.Run(b.ctx, chromedp.Evaluate[string](`location.href + "\n" + document.body.innerText`)) // for the message only
	b.t.Fatalf("%s: %v\n%s", what, err, page)
}

// read returns what an action finds on the page.
func read[T any](b *tab, what string, a chromedp.Action[T]) T {
	b.t.Helper()
	ctx, cancel := b.step()
	defer cancel()
	value, err := chromedp.Run(ctx, a)
	if err != nil {
		b.fail(what, err)
	}
	return value
}

func (b *tab) text() string {
	b.t.Helper()
	return read(b, "text", chromedp.Evaluate[string](`document.body.innerText`))
}

// allowClipboard lets the test read what Copy has copied.
func (b *tab) allowClipboard() {
	b.t.Helper()
	b.do("allow the clipboard", chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		for _, name := range []string{"clipboard-read", "clipboard-write"} {
			_, err := cdp.Call(ctx, chromedp.FromContext(ctx).Browser, browser.SetPermission, browser.SetPermissionParams{
				Permission: &browser.PermissionDescriptor{Name: name}, Setting: browser.PermissionSettingGranted,
			})
			if err != nil {
				return err
			}
		}
		return nil
	}))
}

// quiet checks that the console had nothing to complain of.
func (b *tab) quiet() {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.complaints) > 0 {
		b.t.Errorf("the console complains:\n%s", strings.Join(b.complaints, "\n"))
	}
}
