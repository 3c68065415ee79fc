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
	mainJob(b, startDemo(t), nil, func(secret string) {
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
	mainJob(b, startDemo(t), nil, func(string) {
		b.do("no Copy button", chromedp.WaitNotVisible(button("Copy")))
	})
}

func mainJob(b *tab, d *demo, in speech, take func(secret string)) {
	b.t.Helper()
	b.open(d.url)
	b.press(in.link("Sign in"))
	b.press(button("Continue as Mona Rivera"))
	b.press(in.link("New token"))
	b.do("fill in", chromedp.SendKeys(in.field("Name"), "deploy-web"), chromedp.Click(in.choice("Expiry", "90 days")), chromedp.Click(in.choice("Code", "Read & write")))
	b.press(in.button("Create token"))

	secret := b.secret()
	if len(secret) != 84 {
		b.t.Errorf("the secret is %q", secret)
	}
	take(secret)
	b.press(in.button("I have saved it"))
	if strings.Contains(b.text(), secret) {
		b.t.Error("the secret is shown after it was saved")
	}

	b.press(in.link("deploy-web"))
	b.press(in.link("Rotate"))
	b.press(in.button("Rotate"))
	second := b.secret()
	if len(second) != 84 || second == secret {
		b.t.Errorf("the new secret is %q", second)
	}
	b.press(in.button("I have saved it"))
	b.press(in.button("Revoke the old token"))

	b.press(in.link("Back to tokens"))
	b.press(in.link("deploy-web"))
	b.do("ask", chromedp.Click(in.link("Revoke")))
	b.see(in.button("Revoke"))
	b.press(in.button("Revoke"))
	b.see(in.words("no longer works"))
	b.do("sign out", chromedp.Click(in.button("Sign out")))
	b.see(in.link("Sign in"))
	b.quiet()
}
