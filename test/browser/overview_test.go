package browser

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// One list of one organization hangs for good. The tokens of the others are there meanwhile, with the page's script,
// which exchanges parts of it, and without any, when the browser reloads it.
func TestOverviewWhileOneOrganizationHangs(t *testing.T) {
	t.Parallel()
	for name, scripts := range map[string]bool{"with JavaScript": true, "without": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, d := openTab(t), startDemo(t)
			if !scripts {
				b.withoutScripts()
			}
			b.open(d.url + "/sign-in?return=/changes")
			b.signIn("Mona Rivera")
			d.fail("hang", "list")
			b.open(d.url + "/tokens")
			b.see(words("2 of 3 organizations loaded"))
			b.see(words("Still loading"))
			if scripts {
				heard := read(b, "heard", chromedp.Poll[string](`document.getElementById("arrived")?.textContent`))
				if !strings.Contains(heard, "2 of 3 organizations loaded") {
					t.Errorf("read aloud is %q", heard)
				}
			}
			if rows := read(b, "rows", chromedp.Evaluate[int](`document.querySelectorAll("#token-rows tr").length`)); rows < 10 {
				t.Errorf("%d tokens beside the organization that hangs", rows)
			}
			b.do("search", chromedp.SendKeys(field("Search"), "publish"))
			b.press(button("Search"))
			b.see(chromedp.Search(`//*[@id="token-rows"]//a[contains(., "publish")]`))
			b.quiet()
		})
	}
}
