package browser

import (
	"fmt"
	"testing"

	"github.com/chromedp/chromedp"
)

// boxes counts the boxes of tokens that are ticked.
func (b *tab) boxes() int {
	b.t.Helper()
	return read(b, "ticked boxes", chromedp.Evaluate[int](`document.querySelectorAll("input[name=token]:checked").length`))
}

// box is the n-th box of a list, from 1.
func box(n int) chromedp.Search {
	return chromedp.Search(fmt.Sprintf(`(//input[@name="token"])[%d]`, n))
}

// shiftClick clicks with the Shift key held down.
func (b *tab) shiftClick(on chromedp.Search) {
	b.t.Helper()
	nodes := read(b, "find "+string(on), chromedp.Nodes(on))
	b.do("click with Shift", chromedp.MouseClickNode(nodes[0], chromedp.ButtonModifiers(chromedp.ModifierShift)))
}

// Tokens are chosen with Shift, by the page and all that match; the work is followed live, and nothing reloads under
// the fingers of whoever has secrets to copy.
func TestBulkInABrowser(t *testing.T) {
	t.Parallel()
	b, d := openTab(t), startDemo(t)
	b.through(windows[0]) // in a narrow window there is no head of the table
	b.open(d.url)
	b.signIn("Mona Rivera")
	b.open(d.url + "/tokens?organization=contoso&sort=name")
	b.do("a range", chromedp.Click(box(2)))
	b.shiftClick(box(6))
	if n := b.boxes(); n != 5 {
		t.Errorf("a click with Shift ticks %d boxes", n)
	}
	b.see(words("5 selected in 1 organization"))
	b.do("a part of it again", chromedp.Click(box(3)))
	b.shiftClick(box(4))
	if n := b.boxes(); n != 3 {
		t.Errorf("a click with Shift that unticks leaves %d boxes", n)
	}
	b.do("the whole page", chromedp.Click(chromedp.CSS("#pick-page")))
	if n, all := b.boxes(), read(b, "rows", chromedp.Evaluate[int](`document.querySelectorAll("#token-rows tr").length`)); n != all {
		t.Errorf("%d of %d are ticked", n, all)
	}
	b.do("nothing", chromedp.Click(chromedp.CSS("#pick-page")))
	if read(b, "disabled", chromedp.Evaluate[bool](`document.querySelector("[data-picking] button").disabled`)) != true {
		t.Error("with nothing chosen the buttons can be pressed")
	}

	b.open(d.url + "/tokens?organization=fabrikam")
	rows := read(b, "rows", chromedp.Evaluate[int](`document.querySelectorAll("#token-rows tr").length`))
	b.do("all that match", chromedp.Click(chromedp.CSS("#pick-all")))
	b.see(words(fmt.Sprintf("%d selected in 1 organization", rows)))
	b.press(button("Rotate selected"))
	d.failAlways("slow", "create")
	b.press(startButton)
	b.do("mark the page", chromedp.Click(chromedp.CSS("h1")))
	read(b, "mark the page", chromedp.Evaluate[string](`document.body.dataset.same = "yes"`))
	b.see(words("In progress"))
	b.see(words("Secret waiting")) // the first is done: the page says so without being loaded anew
	if read(b, "mark", chromedp.Evaluate[string](`document.body.dataset.same ?? "gone"`)) != "yes" {
		t.Error("while it goes on, the page is loaded anew")
	}
	d.mend()
	b.see(words("I have saved all"))
	b.allowClipboard()
	b.do("copy the second", chromedp.Click(chromedp.Search(`(//button[@data-copies])[2]`)))
	b.see(words("Copied the secret of"))
	second := read(b, "second", chromedp.TextContent(chromedp.CSS("#secret-2")))
	if copied := read(b, "clipboard", chromedp.Evaluate[string](`navigator.clipboard.readText()`, chromedp.EvalAwaitPromise)); copied != second || copied == "" {
		t.Errorf("copied was %q instead of %q", copied, second)
	}
	b.quiet()
}

// Without JavaScript the page reloads itself until the work is over.
func TestBulkWithoutScripts(t *testing.T) {
	t.Parallel()
	b, d := openTab(t), startDemo(t)
	b.withoutScripts()
	b.open(d.url)
	b.signIn("Mona Rivera")
	b.open(d.url + "/tokens?organization=fabrikam")
	b.do("choose", chromedp.Click(chromedp.CSS("#pick-all")), chromedp.WaitNotVisible(chromedp.CSS("#pick-page")))
	b.press(button("Rotate selected"))
	d.failAlways("slow", "create")
	b.press(startButton)
	b.see(words("This page reloads by itself"))
	d.mend()
	b.see(words("I have saved all"))
	b.quiet()
}
