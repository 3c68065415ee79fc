package browser

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// Selectors that find a control as a person does: by its words.
func button(name string) chromedp.Search {
	return chromedp.Search(fmt.Sprintf(`//button[normalize-space()=%q]`, name))
}

// fold is what opens and closes a part of a page.
func fold(name string) chromedp.Search {
	return chromedp.Search(fmt.Sprintf(`//summary[normalize-space()=%q]`, name))
}

func link(name string) chromedp.Search {
	return chromedp.Search(fmt.Sprintf(`//a[normalize-space()=%q]`, name))
}

func field(label string) chromedp.Search {
	return chromedp.Search(fmt.Sprintf(`//*[@id=//label[normalize-space()=%q]/@for]`, label))
}

// choice is a radio button of a group, by its label.
func choice(group, label string) chromedp.Search {
	return chromedp.Search(fmt.Sprintf(`//fieldset[legend[normalize-space()=%q]]//label[normalize-space()=%q]`, group, label))
}

// words is the first piece of the page itself, not of the frame around it, that has this text.
func words(text string) chromedp.Search {
	return chromedp.Search(fmt.Sprintf(`(//main//*[text()[contains(., %q)]])[1]`, text))
}

const secretField = chromedp.CSS(`#secret`)

// tab is one tab of a real browser, for a test that ends at the first step that fails.
type tab struct {
	t   *testing.T
	ctx context.Context

	mu         sync.Mutex
	complaints []string   // of the console: errors, warnings, violations of the content security policy
	asked      []*url.URL // everything that was asked for
}

// openTab opens a tab in a browser that tests share.
func openTab(t *testing.T) *tab {
	t.Helper()
	return openTabIn(t, sharedChromium(headlessShell()))
}

// openKeepingTab is openTab for tests that go back: in a browser that keeps pages for that.
func openKeepingTab(t *testing.T) *tab {
	t.Helper()
	return openTabIn(t, sharedChromium(wholeChromium))
}

// tabLimit bounds what one test does in its tab.
func tabLimit() time.Duration {
	if *gallery != "" || *lighthouse != "" {
		return 55 * time.Minute
	}
	return 12 * time.Minute
}

func openTabIn(t *testing.T, c *chromium) *tab {
	t.Helper()
	if c.err != nil {
		t.Fatalf("no browser: %v", c.err)
	}
	ctx, cancel := context.WithTimeout(c.ctx, tabLimit())
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx, chromedp.WithNewBrowserContext())
	t.Cleanup(cancel)
	b := &tab{t: t, ctx: ctx}
	if err := chromedp.Listen(ctx, b.hear); err != nil {
		t.Fatal(err)
	}
	b.do("open the tab", command(cdplog.Enable, cdp.Empty{}),
		command(emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: true}))
	return b
}

// command is a command of the DevTools protocol as a step.
func command[P, R any](c cdp.Command[P, R], params P) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, c, params)
		return err
	})
}

func (b *tab) hear(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *cdplog.EventEntryAdded:
		if level := string(e.Entry.Level); (level == "error" || level == "warning") && !announced(e.Entry.Text) {
			b.complaints = append(b.complaints, e.Entry.Text+" "+e.Entry.URL)
		}
	case *runtime.EventExceptionThrown:
		b.complaints = append(b.complaints, e.ExceptionDetails.Text)
	case *network.EventRequestWillBeSent:
		if to, err := url.Parse(e.Request.URL); err == nil && to.Scheme != "data" {
			b.asked = append(b.asked, to)
		}
	}
}

// announced says that a console line only repeats the status of an answer: a page that tells of a failure has one on
// purpose.
func announced(text string) bool {
	return strings.HasPrefix(text, "Failed to load resource: the server responded with a status of ")
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
const stepLimit = time.Minute

func (b *tab) step() (context.Context, context.CancelFunc) {
	return context.WithTimeout(b.ctx, stepLimit)
}

// open goes to an address.
func (b *tab) open(address string) {
	b.t.Helper()
	b.do("open "+address, chromedp.Navigate(address))
}

// press clicks what leads to another page and waits until that one is there.
func (b *tab) press(control chromedp.Search) {
	b.t.Helper()
	b.leave("press "+string(control), chromedp.Click(control))
}

// leave takes steps that lead to another page and waits until that one is there.
func (b *tab) leave(what string, steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := b.step()
	defer cancel()
	if _, err := chromedp.RunResponse(ctx, steps...); err != nil {
		b.fail(what, err)
	}
}

// ask clicks what leads to a page that only asks, or to a dialog over this one where there is JavaScript, and waits until
// it says that.
func (b *tab) ask(control chromedp.Search, says string) {
	b.t.Helper()
	b.do("press "+string(control), chromedp.Click(control))
	b.see(words(says))
}

// see waits for something to be shown.
func (b *tab) see(what chromedp.Search) {
	b.t.Helper()
	b.do("see "+string(what), chromedp.WaitVisible(what))
}

func (b *tab) fail(what string, err error) {
	b.t.Helper()
	page, _ := chromedp.Run(b.ctx, chromedp.Evaluate[string](`location.href + "\n" + document.body.innerText.slice(0, 1500)`)) // for the message only
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

// template chooses a template on the form for a new token, which loads a page where there are no scripts.
func (b *tab) template(name string) {
	b.t.Helper()
	b.do("template "+name, chromedp.Click(button(name)), chromedp.WaitVisible(chromedp.Search(fmt.Sprintf(`//button[@aria-pressed="true"][normalize-space()=%q]`, name))))
}

func (b *tab) secret() string {
	b.t.Helper()
	return read(b, "secret", chromedp.TextContent(secretField))
}

// path is the address of the page without its host.
func (b *tab) path() string {
	b.t.Helper()
	at, err := url.Parse(read(b, "address", chromedp.Location()))
	if err != nil {
		b.t.Fatal(err)
	}
	return at.RequestURI()
}

// signIn goes on from a page with a "Sign in" link.
func (b *tab) signIn(person string) {
	b.t.Helper()
	b.press(link("Sign in"))
	b.press(button("Continue as " + person))
}

// signOut signs out and waits for the way over Entra to end where it began.
func (b *tab) signOut() {
	b.t.Helper()
	b.do("sign out", chromedp.Click(chromedp.Search(`(//button[normalize-space()="Sign out"])[last()]`))) // the page's own stands behind the frame's
	b.see(link("Sign in"))
}

// withoutScripts switches JavaScript off, for this tab.
func (b *tab) withoutScripts() {
	b.t.Helper()
	b.do("switch JavaScript off", command(emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true}))
}

// allowClipboard lets the test read what Copy has copied.
func (b *tab) allowClipboard() {
	b.t.Helper()
	b.do("allow the clipboard", chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		within := chromedp.FromContext(ctx).BrowserContextID
		for _, name := range []string{"clipboard-read", "clipboard-write"} {
			_, err := cdp.Call(ctx, chromedp.FromContext(ctx).Browser, browser.SetPermission, browser.SetPermissionParams{
				Permission: &browser.PermissionDescriptor{Name: name}, Setting: browser.PermissionSettingGranted, BrowserContextID: within,
			})
			if err != nil {
				return err
			}
		}
		return nil
	}))
}

// quiet checks that the console had nothing to complain of, and that nobody but the demo and its stand-in of Microsoft
// was asked for anything.
func (b *tab) quiet() {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.complaints) > 0 {
		b.t.Errorf("the console complains:\n%s", strings.Join(b.complaints, "\n"))
	}
	for _, to := range b.asked {
		if name := to.Hostname(); name != "localhost" && name != "127.0.0.1" {
			b.t.Errorf("somebody else was asked for %s", to)
		}
	}
}

// visited says if an address with this path was asked for; what stands before it doesn't matter.
func (b *tab) visited(path string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.ContainsFunc(b.asked, func(to *url.URL) bool { return strings.HasSuffix(to.Path, path) })
}
