package e2e

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// The main job in a real browser: sign in, create, copy, rotate, revoke, sign out.
func TestMainJob(t *testing.T) {
	b := openTab(t)
	b.allowClipboard()
	b.do("open", chromedp.Navigate(startDemo(t)))
	b.press(link("Sign in"))
	b.press(button("Continue as Mona Rivera"))
	b.press(link("New token"))
	b.do("fill in", chromedp.SendKeys(field("Name"), "deploy-web"), chromedp.Click(radio("Expiry", "90 days")), chromedp.Click(radio("Code", "Read & write")))
	b.press(button("Create token"))

	secret := read(b, "secret", chromedp.TextContent(secretField))
	b.do("copy", chromedp.Click(button("Copy")), chromedp.WaitVisible(chromedp.Search(`//*[@role="status"][contains(., "opied")]`)))
	copied := read(b, "clipboard", chromedp.Evaluate[string](`navigator.clipboard.readText()`, chromedp.EvalAwaitPromise))
	if len(secret) != 84 || copied != secret {
		t.Errorf("the secret is %q, copied was %q", secret, copied)
	}
	b.press(button("I have saved it"))
	if strings.Contains(b.text(), secret) {
		t.Error("the secret is shown after it was saved")
	}

	b.press(link("deploy-web"))
	b.press(link("Rotate"))
	b.press(button("Rotate"))
	second := read(b, "new secret", chromedp.TextContent(secretField))
	if len(second) != 84 || second == secret {
		t.Errorf("the new secret is %q", second)
	}
	b.press(button("I have saved it"))
	b.press(button("The new one is in place"))

	b.press(link("Back to tokens"))
	b.press(link("deploy-web"))
	b.press(link("Revoke"))
	b.press(button("Revoke"))
	b.press(button("Sign out"))
	b.do("back", chromedp.NavigateBack())
	if page := b.text(); strings.Contains(page, second) || strings.Contains(page, "Sign out") {
		t.Errorf("Back after signing out shows\n%s", page)
	}
	b.quiet()
}
