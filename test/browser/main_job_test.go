package browser

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// The main job in a real browser: sign in, create, copy, rotate, revoke, sign out.
func TestMainJob(t *testing.T) {
	t.Parallel()
	b := openTab(t)
	b.allowClipboard()
	mainJob(b, startDemo(t), func(secret string) {
		b.do("copy", chromedp.Click(button("Copy")))
		b.see(words("Copied"))
		copied := read(b, "clipboard", chromedp.Evaluate[string](`navigator.clipboard.readText()`, chromedp.EvalAwaitPromise))
		if copied != secret {
			t.Errorf("the secret is %q, copied was %q", secret, copied)
		}
	})
}

// The same with JavaScript switched off. Nothing is offered that needs it.
func TestMainJobWithoutScripts(t *testing.T) {
	t.Parallel()
	b := openTab(t)
	b.withoutScripts()
	mainJob(b, startDemo(t), func(string) {
		b.do("no Copy button", chromedp.WaitNotVisible(button("Copy")))
	})
}

func mainJob(b *tab, d *demo, take func(secret string)) {
	b.t.Helper()
	b.open(d.url)
	b.signIn("Mona Rivera")
	b.press(link("New token"))
	b.do("fill in", chromedp.SendKeys(field("Name"), "deploy-web"), chromedp.Click(choice("Expiry", "90 days")), chromedp.Click(choice("Code", "Read & write")))
	b.press(button("Create token"))

	secret := b.secret()
	if len(secret) != 84 {
		b.t.Errorf("the secret is %q", secret)
	}
	take(secret)
	b.press(button("I have saved it"))
	if strings.Contains(b.text(), secret) {
		b.t.Error("the secret is shown after it was saved")
	}

	b.press(link("deploy-web"))
	b.press(link("Rotate"))
	b.press(button("Rotate"))
	second := b.secret()
	if len(second) != 84 || second == secret {
		b.t.Errorf("the new secret is %q", second)
	}
	b.press(button("I have saved it"))
	b.press(button("The new one is in place"))

	b.press(link("Back to tokens"))
	b.press(link("deploy-web"))
	b.ask(link("Revoke"), "This can't be undone")
	b.press(button("Revoke"))
	b.see(words("no longer works"))
	b.signOut()
	b.quiet()
}
