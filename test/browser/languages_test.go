package browser

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"github.com/patdesk/patdesk/internal/testkit"
)

// A language of the pages, with its name for itself.
type language struct{ tag, name string }

// languages are those besides English.
var languages = []language{{"ko", "한국어"}, {"zh-Hant", "繁體中文"}}

// speech finds what a page says in one language by what it is in English; its zero value is English. It has each text
// with those that stand for it.
type speech map[string][]string

// speak reads the words of a language.
func speak(t *testing.T, tag string) speech {
	t.Helper()
	english, theirs, s := messages(t, "en"), messages(t, tag), speech{}
	for key, texts := range english {
		for _, text := range texts {
			for _, translated := range theirs[key] {
				s[text] = append(s[text], translated, translated+" ("+text+")") // scopes have their English term beside them
			}
		}
	}
	return s
}

// messages are the texts of a language by their key: one, or one for each plural.
func messages(t *testing.T, tag string) map[string][]string {
	t.Helper()
	content, err := os.ReadFile("../../templates/words/" + tag + ".json")
	if err != nil {
		t.Fatal(err)
	}
	var all map[string]any
	if err := json.Unmarshal(content, &all); err != nil {
		t.Fatal(err)
	}
	out := map[string][]string{}
	for key, value := range all {
		switch value := value.(type) {
		case string:
			out[key] = []string{value}
		case map[string]any:
			for _, form := range value {
				text, _ := form.(string)
				out[key] = append(out[key], text)
			}
		}
	}
	return out
}

var (
	tags     = regexp.MustCompile(`<[^>]*>`)
	fillings = regexp.MustCompile(`\{\{.*?\}\}|<[^>]*>`)
)

// called is what holds in XPath of an element that is called so. XPath knows no escapes, so nothing is quoted as in Go.
func (s speech) called(english string) string {
	any := []string{fmt.Sprintf(`normalize-space()="%s"`, english)}
	for text, theirs := range s {
		if tags.ReplaceAllString(text, "") == english {
			for _, name := range theirs {
				any = append(any, fmt.Sprintf(`normalize-space()="%s"`, tags.ReplaceAllString(name, "")))
			}
		}
	}
	return strings.Join(any, " or ")
}

// saying is what holds in XPath of an element that has the text: in other languages, of each message that has it the
// longest part between what is filled in.
func (s speech) saying(english string) string {
	any := []string{fmt.Sprintf(`contains(., "%s")`, english)}
	for text, theirs := range s {
		if strings.Contains(text, english) {
			parts := fillings.Split(theirs[0], -1)
			longest := slices.MaxFunc(parts, func(a, b string) int { return len(a) - len(b) })
			any = append(any, fmt.Sprintf(`contains(., "%s")`, strings.TrimSpace(longest)))
		}
	}
	return strings.Join(any, " or ")
}

func (s speech) button(name string) chromedp.Search {
	return chromedp.Search(`//button[` + s.called(name) + `]`)
}

func (s speech) link(name string) chromedp.Search {
	return chromedp.Search(`//a[` + s.called(name) + `]`)
}

func (s speech) field(label string) chromedp.Search {
	return chromedp.Search(`//*[@id=//label[` + s.called(label) + `]/@for]`)
}

func (s speech) choice(group, label string) chromedp.Search {
	return chromedp.Search(`//fieldset[legend[` + s.called(group) + `]]//label[` + s.called(label) + `]`)
}

// with is the first of these elements ("button") that has the text.
func (s speech) with(element, text string) chromedp.Search {
	return chromedp.Search(`(//main//` + element + `[` + s.saying(text) + `])[1]`)
}

func (s speech) words(text string) chromedp.Search {
	return chromedp.Search(`(//main//*[text()[` + s.saying(text) + `]])[1]`)
}

// The main job in the other languages: one asked for by the browser, one chosen at the foot of the page. The reader's
// time zone is known from the second page on. A short run has one of them.
func TestMainJobInOtherLanguages(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	for _, i := range testkit.Sample(t, 1, []int{0, 1}) {
		b, language := openTab(t), languages[i]
		b.do("live in Seoul", command(emulation.SetTimezoneOverride, emulation.SetTimezoneOverrideParams{TimezoneID: "Asia/Seoul"}))
		if i == 0 {
			b.do("ask for "+language.tag, command(network.Enable, network.EnableParams{}),
				command(network.SetExtraHTTPHeaders, network.SetExtraHTTPHeadersParams{Headers: network.Headers{"Accept-Language": language.tag + "-KR,en;q=0.5"}}))
		}
		b.open(d.url)
		if i > 0 {
			b.press(button(language.name))
		}
		b.inLanguage(language.tag)
		mainJob(b, d, speak(t, language.tag), func(string) {
			b.inLanguage(language.tag)
			if foot := read(b, "foot", chromedp.Evaluate[string](`document.querySelector("footer").innerText`)); !strings.Contains(foot, "Asia/Seoul") {
				t.Errorf("the time zone isn't known: %q", foot)
			}
		})
		b.inLanguage(language.tag)
	}
}

func (b *tab) inLanguage(tag string) {
	b.t.Helper()
	if got := read(b, "language", chromedp.Evaluate[string](`document.documentElement.lang`)); got != tag {
		b.t.Errorf("%s is in %q, not %q", b.path(), got, tag)
	}
}

// No page is wider than its window, in any language, on a desktop and a small phone (WCAG 2.2, 1.4.10), and those
// in other languages can be used by those who don't see them. A short run opens a third of the pages.
func TestNoPageIsTooWide(t *testing.T) {
	t.Parallel()
	d, b := startDemo(t), openTab(t)
	b.open(d.url)
	b.widths()
	b.signIn("Mona Rivera")
	type page struct {
		in language
		at string
		by window // that it is checked through for those who don't see it; none for the time, and where TestClickThrough does
	}
	var pages []page
	paths := b.mainPaths(d)
	for i, in := range append([]language{{"en", "English"}}, languages...) {
		for n, path := range paths {
			p := page{in: in, at: path}
			if i > 0 && n%len(languages) == i-1 {
				p.by = windows[n%len(windows)]
			}
			pages = append(pages, p)
		}
	}
	shown := ""
	for _, p := range testkit.Sample(t, len(pages)/3, pages) {
		if p.in.tag != shown {
			b.press(button(p.in.name))
			shown = p.in.tag
		}
		b.open(d.url + p.at)
		b.widths()
		if p.by.name != "" {
			b.accessible(p.in.tag+" "+p.at, []window{p.by}, 1)
		}
	}
}

// mainPaths are the pages that a person who is signed in can open by their address.
func (b *tab) mainPaths(d *demo) []string {
	b.t.Helper()
	b.open(d.url + "/tokens?organization=contoso")
	token := read(b, "a token", chromedp.Evaluate[string](`[...document.querySelectorAll("main a")].map(a => a.pathname).find(p => /^\/tokens\/contoso\/[^/]+$/.test(p))`))
	return []string{
		"/overview", "/tokens?organization=contoso", "/tokens?organization=northwind-labs", "/tokens/new?organization=contoso", token, token + "/edit", token + "/rotate",
		token + "/revoke", "/global-tokens", "/organizations", "/changes", "/scopes", "/calendar", "/sessions", "/sign-out", "/no/such/page",
	}
}

// widths looks at the page through windows of two widths; make gallery tries more.
func (b *tab) widths() {
	b.t.Helper()
	for _, width := range []int64{1280, 320} {
		b.do("make the window narrow", chromedp.EmulateViewport(width, 800))
		if more := read(b, "width", chromedp.Evaluate[int64](`document.documentElement.scrollWidth - innerWidth`)); more > 0 {
			lang := read(b, "language", chromedp.Evaluate[string](`document.documentElement.lang`))
			b.t.Errorf("%s in %s is %d pixels wider than a window of %d", b.path(), lang, more, width)
		}
	}
}
