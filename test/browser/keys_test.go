package browser

import (
	"strings"
	"testing"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// focused is what a person would type into, or press Enter on.
func (b *tab) focused() string {
	b.t.Helper()
	return read(b, "focus", chromedp.Evaluate[string](`document.activeElement.id || document.activeElement.innerText || document.activeElement.tagName`))
}

// slash presses the key as a keyboard does. What chromedp.KeyEvent sends is typed even where a page has taken the key.
func slash() []chromedp.Action[chromedp.Void] {
	var steps []chromedp.Action[chromedp.Void]
	for _, event := range kb.Encode('/') {
		if event.Type == kb.KeyDown {
			event.Type = input.DispatchKeyEventTypeRawKeyDown
		}
		steps = append(steps, command(input.DispatchKeyEvent, *event))
	}
	return steps
}

// dialog is what a dialog has that this text begins.
func dialog(text string) chromedp.Search {
	return chromedp.Search(`(//dialog//*[starts-with(normalize-space(), "` + text + `")])[1]`)
}

// Everything that the page of shortcuts lists works, and nothing while somebody types.
func TestShortcuts(t *testing.T) {
	t.Parallel()
	b, d := openTab(t), startDemo(t)
	b.open(d.url)
	b.signIn("Mona Rivera")
	b.open(d.url + "/tokens?organization=contoso")
	b.do("help", chromedp.KeyEvent("?"))
	b.see(dialog("Keyboard shortcuts"))
	b.do("nothing else", chromedp.KeyEvent("n"), chromedp.KeyEvent(kb.Escape))
	b.do("search", slash()...)
	if got := b.focused(); got != "q" {
		t.Errorf("/ leads to %q", got)
	}
	b.do("type", chromedp.KeyEvent("n/?"))
	if got := read(b, "typed", chromedp.Value(chromedp.CSS("main input[type=search]"))); got != "n/?" || strings.Contains(b.path(), "new") {
		t.Errorf("%q is typed at %s", got, b.path())
	}
	b.do("jump", chromedp.KeyEvent("k", chromedp.KeyModifiers(chromedp.ModifierCtrl)))
	b.see(dialog("Go to"))
	b.do("narrow", chromedp.KeyEvent("terraf"))
	b.leave("the first", chromedp.KeyEvent(kb.Enter))
	b.see(words("About this token"))
	b.leave("a new token", chromedp.KeyEvent("n"))
	if !strings.HasPrefix(b.path(), "/tokens/new") {
		t.Errorf("n leads to %s", b.path())
	}
	b.open(d.url + "/shortcuts")
	b.press(button("Switch single keys off"))
	b.do("press a key", chromedp.KeyEvent("n"), chromedp.KeyEvent("?"))
	if b.path() != "/shortcuts" || read(b, "dialogs", chromedp.Evaluate[int](`document.querySelectorAll("dialog").length`)) != 0 {
		t.Errorf("switched off, a key leads to %s", b.path())
	}
	b.quiet()
}

// Each row has its actions in a menu, which keys alone open, walk through and leave.
func TestRowMenu(t *testing.T) {
	t.Parallel()
	b, d := openTab(t), startDemo(t)
	b.open(d.url)
	b.signIn("Mona Rivera")
	chosen := func() string {
		return read(b, "focused", chromedp.Evaluate[string](`document.activeElement.textContent`))
	}
	for width, height := range map[int64]int64{1280: 900, 390: 844} {
		b.do("take a window", chromedp.EmulateViewport(width, height))
		b.open(d.url + "/tokens?organization=contoso&q=Terraform")
		b.do("open its menu", chromedp.Focus(chromedp.CSS(".do")), chromedp.KeyEvent(kb.Enter))
		if got := chosen(); got != "Rotate" {
			t.Errorf("%d px: the menu begins with %q", width, got)
		}
		b.do("go down", chromedp.KeyEvent(kb.ArrowDown))
		if got := chosen(); got != "Edit" {
			t.Errorf("%d px: then comes %q", width, got)
		}
		b.do("go back", chromedp.KeyEvent(kb.Escape))
		if got := chosen(); got != "⋯" {
			t.Errorf("%d px: Escape leads to %q", width, got)
		}
		exact := read(b, "exact moment", chromedp.Evaluate[string](`getComputedStyle(document.querySelector("tr:has(:focus) time"), "::after").content`))
		if width > 1000 && !strings.Contains(exact, " UTC") {
			t.Errorf("beside the focus, the exact moment is %q", exact)
		}
		b.do("again", chromedp.KeyEvent(kb.Enter))
		b.leave("rotate", chromedp.KeyEvent(kb.Enter))
		b.see(words("Rotate Terraform"))
	}
	b.quiet()
}

// A page that only asks is a dialog over the page that led to it; its form does what the page's does.
func TestRevokeInADialog(t *testing.T) {
	t.Parallel()
	b, d := openTab(t), startDemo(t)
	b.open(d.url)
	b.signIn("Mona Rivera")
	b.open(d.url + "/tokens?organization=contoso&status=all")
	b.press(link("Terraform"))
	at := b.path()
	b.do("ask", chromedp.Click(link("Revoke")))
	b.see(dialog("Revoke Terraform?"))
	b.do("no", chromedp.Click(chromedp.Search(`//dialog//a[normalize-space()="Cancel"]`)), chromedp.WaitNotPresent(chromedp.CSS("dialog")))
	if b.path() != at {
		t.Errorf("Cancel leads to %s", b.path())
	}
	b.do("ask", chromedp.Click(link("Revoke")))
	b.see(dialog("Revoke Terraform?"))
	b.accessible("revoke-dialog", windows[1:2], 1)
	way{b, clicked}.led(chromedp.Search(`//dialog//button[normalize-space()="Revoke"]`), "no longer works")
	b.quiet()
}
