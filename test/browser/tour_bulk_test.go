package browser

import (
	"fmt"

	"github.com/chromedp/chromedp"
)

// bulk leads through the pages about many tokens at once.
func (r tour) bulk() {
	r.t.Helper()
	r.list("contoso", "&status=all&sort=name")
	r.do("tick", chromedp.Click(pickBox("Old laptop")), chromedp.Click(pickBox("Terraform")), chromedp.Click(pickBox("vsce publish")))
	r.stop("tokens-chosen", "that match")
	r.press(r.in.button("Revoke selected"))
	r.stop("bulk-revoke", "What will happen")
	r.press(r.in.link("Cancel"))
	r.list("fabrikam", "")
	r.do("all that match", chromedp.Click(chromedp.CSS("#pick-all")))
	r.press(r.in.button("Extend selected"))
	r.stop("bulk-extend", "What will happen")
	r.list("fabrikam", "")
	r.do("all that match", chromedp.Click(chromedp.CSS("#pick-all")))
	r.press(r.in.button("Rotate selected"))
	r.stop("bulk-rotate", "What will happen")
	r.demo.fail("resetAfterDoing", "create")
	r.press(startButton)
	r.stop("bulk-partly", "Find out")
	r.stop("bulk-secrets", "Download them as a file")
	r.do("open the download", chromedp.Click(chromedp.CSS(".download summary")))
	r.press(r.in.button("Download the secrets"))
	r.stop("bulk-download-refused", "Nothing was downloaded")
	r.press(r.in.with("button", "I have saved all"))
	r.stop("bulk-old-tokens", "The new secrets are in place")
	r.press(r.in.with("button", "Keep all old"))
	r.press(r.in.with("table//a", "Find out"))
	r.at("bulk-unknown")
	r.press(r.in.link("Changes"))
	r.stop("changes-bulk", "the latest first")
	r.list("northwind-labs", "&q=no+such")
	r.list("northwind-labs", "")
	r.open(r.demo.url + "/bulk/no-such")
	r.stop("bulk-not-found", "There is no such bulk change")
}

// pickBox is the box that selects a token.
func pickBox(name string) chromedp.Search {
	return chromedp.Search(fmt.Sprintf(`//tr[th//a[normalize-space()=%q]]//input`, name))
}

// startButton confirms the plan that is shown.
const startButton = chromedp.Search(`//*[contains(@class, "form-foot")]//button`)
