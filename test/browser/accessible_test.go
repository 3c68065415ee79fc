package browser

import (
	_ "embed"
	"os"
	"path/filepath"
	"sync"

	"github.com/chromedp/chromedp"
)

//go:embed rules.js
var ownRules string

// axe is axe-core (https://github.com/dequelabs/axe-core), which scripts/test-deps fetches. It isn't part of this
// repository; where it can't be had our own rules are all there is.
var axe = sync.OnceValues(func() (source string, err error) {
	text, err := os.ReadFile(filepath.Join("..", "..", ".bin", "axe", "node_modules", "axe-core", "axe.min.js"))
	return string(text), err
})

// runAxe gives the faults that axe finds by WCAG and by its best practices, with where they are. What an open menu covers,
// or the bar at the window's edge comes near, can be uncovered, so that isn't one.
const runAxe = `(async () => {
	const bars = [...document.querySelectorAll(".form-foot, .pick-bar")];
	for (const bar of bars) bar.style.position = "static";
	const found = await axe.run(document, {resultTypes: ["violations"], preload: false, rules: {"target-size": {enabled: true}}});
	for (const bar of bars) bar.style.position = "";
	return found.violations.flatMap((v) => v.nodes.map((n) => v.id + ": " + n.target.join(" ") + " " + (n.any[0]?.message ?? n.failureSummary)))
		.filter((fault) => !fault.includes("partially obscured"));
})()`

// accessible checks the page in these windows: in each by our own rules, and in the first few by those of axe.
func (b *tab) accessible(name string, through []window, few int) {
	b.t.Helper()
	source, missing := axe()
	if missing == nil && few > 0 {
		b.do("load axe", chromedp.Evaluate[chromedp.Void]("{"+source+"\n}"))
	}
	for i, w := range through {
		b.through(w)
		faults := read(b, "our own rules", chromedp.Evaluate[[]string](ownRules))
		if missing == nil && i < few {
			faults = append(faults, read(b, "axe", chromedp.Evaluate[[]string](runAxe, chromedp.EvalAwaitPromise))...)
		}
		for _, fault := range faults {
			b.t.Errorf("%s, %s: %s", name, w.name, fault)
		}
	}
	b.through(windows[0])
}
