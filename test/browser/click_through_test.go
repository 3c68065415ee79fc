package browser

import (
	"os/exec"
	"testing"
)

// Every page and form, clicked through with the strict content security policy: nobody else is asked for anything, the
// console stays empty, and each page can be used by those who don't see it, or see it on a phone or with large text.
func TestClickThrough(t *testing.T) {
	t.Parallel()
	if _, err := axe(); err != nil {
		if _, none := exec.LookPath("npm"); none == nil {
			t.Errorf("scripts/test-deps fetches axe-core, but: %v", err)
		}
		t.Logf("there is no npm here, so pages are checked without axe-core: %v", err)
	}
	for half, through := range halves {
		t.Run(half, func(t *testing.T) {
			t.Parallel()
			r, stops := tour{tab: openTab(t), demo: startDemo(t)}, 0
			r.at = func(name string) {
				// For the time: each page in three windows, two of which differ in both respects, and with axe in one of them.
				first := []int{0, 1, 3, 2}[stops%4]
				r.accessible(name, []window{windows[first], windows[3-first], otherWindows[stops%len(otherWindows)]}, 1)
				stops++
			}
			through(r)
			r.quiet()
		})
	}
}

// The same with JavaScript switched off.
func TestClickThroughWithoutScripts(t *testing.T) {
	t.Parallel()
	for half, through := range halves {
		t.Run(half, func(t *testing.T) {
			t.Parallel()
			r := tour{tab: openTab(t), demo: startDemo(t), at: func(string) {}}
			r.withoutScripts()
			through(r)
			r.quiet()
		})
	}
}
