package browser

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/patdesk/patdesk/internal/testkit"
)

// twice runs a test with JavaScript and without; a short run has one of them.
func twice(t *testing.T, open func(*testing.T) *tab, test func(t *testing.T, b *tab)) {
	t.Helper()
	t.Parallel()
	for _, scripts := range testkit.Sample(t, 1, []bool{true, false}) {
		t.Run(map[bool]string{true: "with scripts", false: "without scripts"}[scripts], func(t *testing.T) {
			t.Parallel()
			b := open(t)
			if !scripts {
				b.withoutScripts()
			}
			test(t, b)
		})
	}
}

// one checks that there is exactly one active token of that name.
func (b *tab) one(d *demo, name string) {
	b.t.Helper()
	b.open(d.url + "/tokens?organization=contoso&q=" + name)
	rows := read(b, "rows", chromedp.Evaluate[int](`document.querySelectorAll("tbody tr").length`))
	if rows != 1 {
		b.t.Errorf("%d tokens are named %s", rows, name)
	}
}

// A form makes one token: however its button is pressed, and also after going back to it.
func TestOneTokenPerForm(t *testing.T) {
	twice(t, openKeepingTab, func(t *testing.T, b *tab) {
		d := startDemo(t)
		b.open(d.url)
		b.signIn("Mona Rivera")

		b.press(link("New token"))
		b.do("fill in", chromedp.Click(choice("Code", "Read")), chromedp.SendKeys(field("Name"), "by-enter"))
		b.leave("Enter in the name", chromedp.SendKeys(field("Name"), kb.Enter))
		b.secret()
		b.press(button("I have saved it"))
		b.one(d, "by-enter")

		b.press(link("New token"))
		b.do("fill in", chromedp.SendKeys(field("Name"), "by-two-clicks"), chromedp.Click(choice("Code", "Read")))
		b.leave("press twice", chromedp.DoubleClick(button("Create token")))
		b.see(words("by-two-clicks"))
		b.secret()
		b.one(d, "by-two-clicks")
		b.press(link("Show the secret"))
		b.press(button("I have saved it"))

		b.press(link("Back to tokens"))
		b.press(link("New token"))
		b.do("fill in", chromedp.SendKeys(field("Name"), "and-back"))
		b.template("Publish packages")
		b.press(button("Create token"))
		secret := b.secret()
		b.back()
		b.pressKept("Create token")
		if again := b.secret(); again != secret {
			t.Errorf("going back and pressing again shows %q, not %q", again, secret)
		}
		b.back()
		b.open(read(b, "address", chromedp.Location()))
		b.see(words("has been sent already"))
		b.press(button("Create token"))
		if again := b.secret(); again != secret {
			t.Errorf("loading the form again and pressing again shows %q, not %q", again, secret)
		}
		b.one(d, "and-back")
		b.quiet()
	})
}

// A secret that was saved is not shown again, not by going back either to a page that the browser has kept.
func TestBackAfterSaving(t *testing.T) {
	t.Parallel()
	b, d := openKeepingTab(t), startDemo(t)
	b.open(d.url)
	b.signIn("Mona Rivera")
	b.press(link("New token"))
	b.do("fill in", chromedp.SendKeys(field("Name"), "saved"), chromedp.Click(choice("Code", "Read")))
	b.press(button("Create token"))
	secret := b.secret()
	b.press(link("Back to tokens"))
	b.press(link("Show the secret"))
	b.press(button("I have saved it"))
	b.press(link("Back to tokens"))
	entries := b.history()
	for _, entry := range slices.Backward(entries[:len(entries)-1]) {
		b.goTo(entry)
		if shown := b.now(`document.body.innerText`); strings.Contains(shown, secret) {
			t.Errorf("Back to %s shows the secret", entry.URL)
		}
	}
	b.quiet()
}

// A rotation is not begun a second time by going back to its form.
func TestBackAfterRotating(t *testing.T) {
	t.Parallel()
	b, d := openKeepingTab(t), startDemo(t)
	b.open(d.url)
	b.signIn("Mona Rivera")
	b.open(d.url + "/tokens?organization=contoso&q=Build+agent")
	b.press(link("Build agent pool"))
	b.press(link("Rotate"))
	b.press(button("Rotate"))
	secret := b.secret()
	b.back()
	b.pressKept("Rotate")
	if again := b.secret(); again != secret {
		t.Errorf("going back and pressing again shows %q, not %q", again, secret)
	}
	b.back()
	b.open(read(b, "address", chromedp.Location()))
	if again := b.secret(); again != secret {
		t.Errorf("loading the form again shows %q, not %q", again, secret)
	}
	b.quiet()
}

// Everything in the form for a new token can be done with the keyboard, and typing what one looks for narrows the list.
func TestNewTokenByKeyboard(t *testing.T) {
	t.Parallel()
	b, d := openTab(t), startDemo(t)
	b.open(d.url)
	b.signIn("Mona Rivera")
	b.press(link("New token"))

	b.do("narrow the list", chromedp.SendKeys(field("Find by job or scope"), "nuget"), chromedp.WaitNotVisible(choice("Code", "Read")),
		chromedp.WaitVisible(choice("Packaging", "Read & write")), chromedp.SendKeys(field("Find by job or scope"), kb.Enter))
	if at := b.path(); !strings.HasPrefix(at, "/tokens/new") {
		t.Errorf("Enter while narrowing the list leads to %s", at)
	}
	b.do("see all again", chromedp.SendKeys(field("Find by job or scope"), strings.Repeat(kb.Backspace, len("nuget"))), chromedp.WaitVisible(choice("Code", "Read")))

	b.do("type the name", chromedp.SendKeys(field("Name"), "by-keyboard"))
	day := time.Now().UTC().AddDate(0, 0, 45)
	b.do("choose a date", chromedp.Focus(chromedp.CSS("#expiry-30")), chromedp.KeyEvent(strings.Repeat(kb.ArrowRight, 4)+kb.Tab+day.Format("01022006")))
	b.do("choose a level", chromedp.Focus(chromedp.CSS(`input[name="scope-code"]:checked`)), chromedp.KeyEvent(kb.ArrowRight+kb.ArrowRight))
	b.see(words("1 scope selected"))
	b.do("and Full access too", chromedp.Focus(fold("Other scopes and Full access")), chromedp.KeyEvent(kb.Enter), chromedp.Focus(field("Full access")), chromedp.KeyEvent(" "))
	b.see(words("Choose either Full access or single scopes"))
	b.do("or rather not", chromedp.KeyEvent(" "))
	b.leave("press the button", chromedp.Focus(button("Create token")), chromedp.KeyEvent(kb.Enter))
	b.secret()
	if shown := b.text(); !strings.Contains(shown, day.Format("2 Jan 2006")) || !strings.Contains(shown, "Code: Read & write") {
		t.Errorf("the date or the scope isn't the one that was typed:\n%s", shown)
	}
	b.quiet()
}

// A session that ended meanwhile costs one sign-in and nothing that was typed.
func TestSessionEndsWhileTyping(t *testing.T) {
	twice(t, openTab, func(t *testing.T, b *tab) {
		d := startDemo(t)
		b.open(d.url)
		b.signIn("Mona Rivera")
		b.press(link("New token"))
		b.do("name it", chromedp.SendKeys(field("Name"), "kept")) // or the template proposes a name
		b.template("Publish packages")
		b.do("fill in", chromedp.Click(choice("Expiry", "60 days")))

		other := openTab(t)
		other.open(d.url)
		other.signIn("Mona Rivera")
		other.press(link("Sessions"))
		other.press(button("End all my other sessions"))
		other.see(words("One other session was ended"))

		b.press(button("Create token"))
		b.see(words("What you typed is kept"))
		b.signIn("Mona Rivera")
		if name := read(b, "name", chromedp.Value(field("Name"))); name != "kept" {
			t.Errorf("the name is %q", name)
		}
		b.press(button("Create token"))
		b.secret()
		if shown := b.text(); !strings.Contains(shown, time.Now().UTC().AddDate(0, 0, 60).Format("2 Jan 2006")) || !strings.Contains(shown, "Packaging: Read & write") {
			t.Errorf("the expiry or the scope isn't the one that was chosen:\n%s", shown)
		}
		b.quiet()
	})
}

// Signing out leads over Entra, whose sign-in ends too, and back; declining there leads to a page that says so.
func TestSignOutAndDecline(t *testing.T) {
	twice(t, openTab, func(t *testing.T, b *tab) {
		d := startDemo(t)
		b.open(d.url)
		b.signIn("Mona Rivera")
		b.signOut()
		if at := b.path(); at != "/" {
			t.Errorf("signing out ends at %s", at)
		}
		if !b.visited("/oauth2/v2.0/logout") {
			t.Error("signing out doesn't lead over Entra")
		}
		b.press(link("Sign in"))
		b.press(button("Decline"))
		b.see(words("You declined the sign-in"))
		b.press(link("Sign in again"))
		b.press(button("Continue as Jonas Weber"))
		b.see(words("Jonas: package feed"))
		b.quiet()
	})
}
