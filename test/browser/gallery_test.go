package browser

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/patdesk/patdesk/internal/testkit"
)

// gallery is where pictures of every page are put, in every state, window and language: "make gallery". Without it
// TestGallery takes two pages, to throw away, and TestClickThrough looks at each page through three windows of seven.
var gallery = flag.String("gallery", "", "folder for pictures of every page, in light and dark, on a desktop and a phone, in each language")

// A window is what a page is looked at with.
type window struct {
	name          string
	width, height int64 // in CSS pixels
	dark          bool
	forced        bool // forced colours, as Windows' contrast themes have them
	large         bool // text alone at 200 % (WCAG 2.2, 1.4.4)
}

var windows = []window{
	{name: "desktop-light", width: 1280, height: 900}, {name: "desktop-dark", width: 1280, height: 900, dark: true},
	{name: "phone-light", width: 390, height: 844}, {name: "phone-dark", width: 390, height: 844, dark: true},
}

// otherWindows are those of readers with other needs.
var otherWindows = []window{
	{name: "large-text", width: 1280, height: 900, large: true},
	{name: "narrow", width: 320, height: 640},                                    // a desktop at 400 % (WCAG 2.2, 1.4.10)
	{name: "forced-colours", width: 1280, height: 900, dark: true, forced: true}, // the last, as Chromium paints the ground black from then on
}

// through makes the tab a window of that kind.
func (b *tab) through(w window) {
	b.t.Helper()
	scheme, colours, size := "light", "none", ""
	if w.dark {
		scheme = "dark"
	}
	if w.forced {
		colours = "active"
	}
	if w.large {
		size = "200%"
	}
	b.do("look through "+w.name, chromedp.EmulateViewport(w.width, w.height),
		command(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}, {Name: "forced-colors", Value: colours}},
		}),
		chromedp.Evaluate[chromedp.Void](fmt.Sprintf(`document.documentElement?.style.setProperty("font-size", %q)`, size)))
}

// TestGallery takes pictures of pages, and checks each where it takes all of them.
func TestGallery(t *testing.T) {
	t.Parallel()
	if *gallery == "" {
		into, r := t.TempDir(), tour{tab: openTab(t), demo: startDemo(t)}
		r.open(r.demo.url)
		r.picture(into, "sign-in", testkit.Sample(t, 1, windows))
		r.signIn("Mona Rivera")
		r.picture(into, "tokens", testkit.Sample(t, 1, windows))
		return
	}
	for _, language := range append([]language{{"en", "English"}}, languages...) {
		var in speech // the tour's own words are English
		if language.tag != "en" {
			in = speak(t, language.tag)
		}
		folder := filepath.Join(*gallery, language.tag)
		if err := os.MkdirAll(folder, 0o750); err != nil {
			t.Fatal(err)
		}
		for name, part := range parts {
			t.Run(language.tag+" "+name, func(t *testing.T) {
				t.Parallel()
				r, all := tour{tab: openTab(t), demo: part.start(t), in: in}, slices.Concat(windows, otherWindows)
				r.at = func(name string) {
					if name == "overview" { // for the README
						r.save(filepath.Join(folder, "overview.png"))
					}
					r.picture(folder, name, all)
					r.accessible(name, all, len(windows))
				}
				r.into(language.name)
				part.through(r)
				r.quiet()
			})
		}
	}
}

// tallest is the most of a page that a picture shows, in CSS pixels: enough to see how a long list goes on.
const tallest int64 = 3000

// picture takes the page as each window shows it.
func (r tour) picture(folder, name string, windows []window) {
	r.t.Helper()
	for _, w := range windows {
		r.through(w)
		w.height = min(tallest, read(r.tab, "height", chromedp.Evaluate[int64](`document.documentElement.scrollHeight`)))
		r.through(w) // as tall as the page, so that what sticks to the window's edge covers nothing
		r.save(filepath.Join(folder, name+"-"+w.name+".png"))
	}
	r.through(windows[0])
}

// save takes a picture of what the window shows.
func (r tour) save(path string) {
	r.t.Helper()
	if err := os.WriteFile(path, read(r.tab, "picture", chromedp.CaptureScreenshot()), 0o600); err != nil {
		r.t.Fatal(err)
	}
}
