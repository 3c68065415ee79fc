package browser

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// gallery is where pictures of every page are put: "make gallery". Without it TestGallery takes two pages, to throw
// away, and TestClickThrough looks at each page through two windows of four.
var gallery = flag.String("gallery", "", "folder for pictures of every page, in light and dark, on a desktop and a phone")

// A window is what a page is looked at with.
type window struct {
	name          string
	width, height int64
	dark          bool
}

// In CSS pixels.
var windows = []window{
	{"desktop-light", 1280, 900, false}, {"desktop-dark", 1280, 900, true},
	{"phone-light", 390, 844, false}, {"phone-dark", 390, 844, true},
}

// through makes the tab a window of that kind.
func (b *tab) through(w window) {
	b.t.Helper()
	scheme := "light"
	if w.dark {
		scheme = "dark"
	}
	b.do("look through "+w.name, chromedp.EmulateViewport(w.width, w.height),
		command(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
		}))
}

// TestGallery takes pictures of pages.
func TestGallery(t *testing.T) {
	t.Parallel()
	b, d := openTab(t), startDemo(t)
	r := tour{tab: b, demo: d, at: func(string) {}}
	if *gallery == "" {
		into := t.TempDir()
		r.open(d.url)
		r.picture(into, "sign-in")
		r.signIn("Mona Rivera")
		r.picture(into, "tokens")
		return
	}
	if err := os.MkdirAll(*gallery, 0o750); err != nil {
		t.Fatal(err)
	}
	r.at = func(name string) {
		r.picture(*gallery, name)
		if name == "overview" { // for the README
			r.save(filepath.Join(*gallery, "overview.png"))
		}
	}
	r.all()
	r.translated(*gallery)
}

// translated takes the pages that have an address in the other languages.
func (r tour) translated(folder string) {
	r.t.Helper()
	r.open(r.demo.url)
	r.signIn("Mona Rivera")
	paths := r.mainPaths(r.demo)
	for _, language := range languages {
		r.press(button(language.name))
		for i, path := range paths {
			r.open(r.demo.url + path)
			name := strings.NewReplacer("/", "-", "?", "-", "=", "-").Replace(strings.TrimPrefix(path, "/"))
			r.picture(folder, fmt.Sprintf("%s-%02d-%.60s", language.tag, i+1, name))
		}
	}
}

// tallest is the most of a page that a picture shows, in CSS pixels: enough to see how a long list goes on.
const tallest int64 = 3000

// picture takes the page as each window shows it.
func (r tour) picture(folder, name string) {
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
