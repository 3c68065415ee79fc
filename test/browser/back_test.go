package browser

import (
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// Going back after signing out shows neither a secret nor a page of the person who was signed in, whatever the browser
// keeps of the pages it leaves.
func TestBackAfterSignOut(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		flags []chromedp.ExecAllocatorOption
		keeps bool
	}{
		"pages are kept": {keeps: true, flags: []chromedp.ExecAllocatorOption{
			chromedp.Flag("enable-features", "BackForwardCache,CacheControlNoStoreEnterBackForwardCache")}},
		"no page is kept": {flags: []chromedp.ExecAllocatorOption{chromedp.Flag("disable-back-forward-cache", true)}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := openTab(t) // keeps none in the headless shell
			if c.keeps || headlessShell() == wholeChromium {
				chromium := startChromium(c.flags...)
				t.Cleanup(chromium.stop)
				b = openTabIn(t, chromium)
			}
			if keeps := b.keepsPages(); keeps != c.keeps {
				t.Fatalf("the browser keeps pages: %v", keeps)
			}
			d := startDemo(t)
			b.open(d.url)
			b.signIn("Mona Rivera")
			b.press(link("NuGet publish"))
			b.press(link("Back to tokens"))
			b.press(link("New token"))
			b.do("fill in", chromedp.SendKeys(field("Name"), "left behind"), chromedp.Click(choice("Code", "Read")))
			b.press(button("Create token"))
			secret := b.secret()
			b.ask(button("Sign out"), "A secret is still waiting for you")
			b.signOut()
			entries := b.history()
			for _, entry := range slices.Backward(entries[:len(entries)-1]) { // the last one is where the tab is
				if !strings.HasPrefix(entry.URL, d.url) {
					continue // Entra's
				}
				b.goTo(entry)
				if shown := b.now(`document.body.innerText`); strings.Contains(shown, secret) || strings.Contains(shown, "Mona") || strings.Contains(shown, "NuGet") {
					t.Errorf("Back to %s shows\n%s", entry.URL, shown)
				}
			}
		})
	}
}

// keepsPages says if the browser shows a page that it left, which may be kept, from its back/forward cache.
func (b *tab) keepsPages() bool {
	b.t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, `<!doctype html><title>new</title><a href="/next">next</a>
			<script>addEventListener("pageshow", (e) => { if (e.persisted) document.title = "kept"; })</script>`)
	}))
	b.t.Cleanup(s.Close)
	b.open(s.URL)
	b.press(link("next"))
	before := b.history()
	b.goTo(before[len(before)-2])
	return b.now(`document.title`) == "kept"
}
