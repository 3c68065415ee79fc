package browser

import (
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// all is the box for all that match.
const all = chromedp.CSS("#pick-all")

// What is chosen is what is seen: while a filter is typed, after sorting and searching, and on a plan.
func TestWhatIsSeenIsWhatIsChosen(t *testing.T) {
	t.Parallel()
	b, d := openTab(t), startDemo(t)
	b.through(windows[0])
	b.open(d.url)
	b.signIn("Mona Rivera")
	list := d.url + "/tokens?organization=contoso"
	b.open(list)
	b.do("type a filter", chromedp.SendKeys(chromedp.CSS("#q"), "npm"))
	b.see(words("All 1 that match"))
	b.see(words("1 of 17 tokens"))
	b.do("all that match", chromedp.Click(all))
	b.see(words("1 selected in 1 organization"))
	b.press(button("Revoke selected"))
	b.see(words("Revoke one token?"))

	b.open(list)
	b.do("two", chromedp.Click(pickBox("npm restore on CI")), chromedp.Click(pickBox("Terraform")))
	b.press(button("Name"))
	if n := b.boxes(); n != 2 {
		t.Errorf("after sorting %d boxes are ticked", n)
	}
	b.do("type a filter", chromedp.SendKeys(chromedp.CSS("#q"), "npm"))
	b.see(words("1 of them isn't shown here."))
	b.press(button("Search"))
	b.see(words("1 of them isn't shown here."))
	b.see(words("2 selected in 1 organization"))
	b.press(button("Extend selected"))
	b.do("one year", chromedp.Click(choice("Expiry", "One year")))
	b.see(words(time.Now().UTC().AddDate(0, 0, 365).Format("2 Jan 2006")))
	b.see(words("Extend 2 tokens"))

	b.open(d.url + "/tokens")
	b.do("all that match", chromedp.Click(all))
	b.do("choose a filter", chromedp.Click(chromedp.CSS(".filters summary")), chromedp.SetValue(field("Scope"), "vso.packaging"))
	read(b, "tell of it", chromedp.Evaluate[bool](`document.getElementById("filter-scope").dispatchEvent(new Event("change", {bubbles: true}))`))
	b.see(words("apply the filter first"))
	if !read(b, "disabled", chromedp.Evaluate[bool](`document.getElementById("pick-all").disabled && document.querySelector("[data-picking] button").disabled`)) {
		t.Error("all that match can be chosen although the filter shows others")
	}
	b.press(button("Apply"))
	read(b, "the focus where it was", chromedp.Poll[bool](`location.hash === "#tokens" && document.activeElement.id === "apply"`))
	b.quiet()
}
