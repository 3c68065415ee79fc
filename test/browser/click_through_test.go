package browser

import (
	"os/exec"
	"slices"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/patdesk/patdesk/internal/testkit"
)

// Every page and form, clicked through with the strict content security policy: nobody else is asked for anything, the
// console stays empty, and each page can be used by those who don't see it, or see it on a phone or with large text. A short
// run goes through one of the parts, and looks at every fourth of its pages for that.
func TestClickThrough(t *testing.T) {
	t.Parallel()
	if _, err := axe(); err != nil {
		if _, none := exec.LookPath("npm"); none == nil {
			t.Errorf("scripts/test-deps fetches axe-core, but: %v", err)
		}
		t.Logf("there is no npm here, so pages are checked without axe-core: %v", err)
	}
	for _, name := range testkit.Sample(t, 1, partNames) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			quarter := testkit.Sample(t, 1, []int{0, 1, 2, 3})
			r, stops := tour{tab: openTab(t), demo: parts[name].start(t)}, 0
			r.at = func(name string) {
				// For the time: each page in three windows, two of which differ in both respects, and with axe in one of them.
				first := []int{0, 1, 3, 2}[stops%4]
				r.fits(name)
				by := []window{windows[first], windows[3-first], otherWindows[stops%len(otherWindows)]}
				if slices.Contains(quarter, stops%4) {
					r.accessible(name, by, 1)
				}
				stops++
			}
			parts[name].through(r)
			r.quiet()
		})
	}
}

// fits checks what only one page has to be: the form for a new token short, and the list worth printing, with names that
// are no smaller than the scopes beside them.
func (r tour) fits(name string) {
	r.t.Helper()
	r.through(windows[0])
	switch name {
	case "new":
		if height := read(r.tab, "height", chromedp.Evaluate[int](`document.documentElement.scrollHeight`)); height >= 1500 {
			r.t.Errorf("the form for a new token is %d px high before anything is unfolded", height)
		}
	case "tokens":
		r.do("look at the print", command(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Media: "print"}))
		if !read(r.tab, "sizes", chromedp.Evaluate[bool](`(() => {
			const size = (part) => parseFloat(getComputedStyle(document.querySelector("#token-rows tr:last-child " + part)).fontSize);
			return size("th a") >= size("td:nth-child(3)") && !document.querySelector("#token-rows input").offsetParent;
		})()`)) {
			r.t.Error("on paper scopes are larger than names, or boxes are printed")
		}
		r.through(windows[0])
	}
}

// The same with JavaScript switched off; in a short run another part.
func TestClickThroughWithoutScripts(t *testing.T) {
	t.Parallel()
	for _, name := range testkit.SampleFor(t, 1, 1, partNames) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := tour{tab: openTab(t), demo: parts[name].start(t), at: func(string) {}}
			r.withoutScripts()
			parts[name].through(r)
			r.quiet()
		})
	}
}
