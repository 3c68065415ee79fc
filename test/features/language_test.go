package features

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"
	"golang.org/x/net/html"

	"github.com/patdesk/patdesk/internal/testkit/apptest"
	"github.com/patdesk/patdesk/internal/webtest"
	"github.com/patdesk/patdesk/templates"
)

const pseudoName = "⟦Éñğļíšĥ⟧"

// The language that is chosen at the foot of a page lasts: in this browser, through signing in and out.
func TestChosenLanguageLasts(t *testing.T) {
	t.Parallel()
	d := apptest.Start(t, apptest.Options{Pseudo: true})
	language := func(b *webtest.Browser) string { return b.Page.Find("html").AttrOr("lang", "") }
	b := d.Browser()
	if got := language(b); got != "en" {
		t.Fatalf("starts in %q", got)
	}
	b.Open(d.URL + "/sign-in?return=%2Fscopes").Press(pseudoName)
	if got := language(b); got != "en-XA" || b.URL.Path != "/sign-in" || b.URL.Query().Get("return") != "/scopes" {
		t.Errorf("chosen at the sign-in page: %q at %s", got, b.URL)
	}
	b.Click("⟦Šíğñ íñ⟧").Press("Continue as " + apptest.Mona)
	if b.Open(d.URL + "/tokens"); language(b) != "en-XA" || b.Page.Find(".account").Length() != 1 {
		t.Errorf("after signing in: %q\n%s", language(b), b.Text())
	}
	if got := language(d.Browser()); got != "en" {
		t.Errorf("another browser is in %q", got)
	}
	b.Open(d.URL + "/tokens?q=build").Press("English")
	if got := language(b); got != "en" || b.URL.Path != "/tokens" || b.URL.Query().Get("q") != "build" {
		t.Errorf("back to English: %q at %s", got, b.URL)
	}
	b.Post(d.URL+"/language", map[string][]string{"language": {"xx"}})
	if b.Status != http.StatusBadRequest {
		t.Errorf("a language that isn't offered: %d", b.Status)
	}
}

// Without a choice, the browser's languages count, on every kind of page and in the names that programs read.
func TestBrowsersLanguages(t *testing.T) {
	t.Parallel()
	d := apptest.Start(t, apptest.Options{})
	for accept, want := range map[string][2]string{
		"":                                 {"en", "Sign in"},
		"ko-KR,ko;q=0.9,en-US;q=0.8":       {"ko", "로그인"},
		"zh-HK,zh;q=0.9,en;q=0.8":          {"zh-Hant", "登入"},
		"zh-CN,zh;q=0.9,en;q=0.8":          {"en", "Sign in"},
		strings.Repeat("ko-KR;q=x,", 2000): {"en", "Sign in"},
	} {
		b := d.Browser()
		b.Edit(func(r *http.Request) { r.Header.Set("Accept-Language", accept) })
		for _, path := range []string{"/sign-in", "/scopes", "/nowhere"} {
			if got := b.Open(d.URL+path).Page.Find("html").AttrOr("lang", ""); got != want[0] {
				t.Errorf("%.30q: %s is in %q", accept, path, got)
			}
		}
		if b.Open(d.URL + "/sign-in"); !strings.Contains(b.Text(), want[1]) {
			t.Errorf("%.30q: no %q in %s", accept, want[1], b.Text())
		}
		b.Page.Find("form[action$='/language'] button").Each(func(_ int, button *goquery.Selection) {
			if current := button.AttrOr("aria-pressed", "") == "true"; current != (button.AttrOr("lang", "") == want[0]) {
				t.Errorf("%.30q: %q is marked: %t", accept, button.Text(), current)
			}
		})
	}
}

// englishTerm is Azure DevOps' own term beside its translation, which people have to find on Microsoft's pages.
var englishTerm = regexp.MustCompile(`⟧ \([A-Za-z][^()]*\)`)

// saidOutside are the words of a page that stand in no words file. What comes from outside is left out: names, ids,
// dates for machines, what is marked as not to be translated.
func saidOutside(b *webtest.Browser, known []string) []string {
	var out []string
	check := func(text string) {
		left := englishTerm.ReplaceAllString(text, "⟧")
		for _, one := range known {
			left = strings.ReplaceAll(left, one, "")
		}
		if regexp.MustCompile(`[A-Za-z]`).MatchString(left) {
			out = append(out, webtest.Fold(text))
		}
	}
	b.Page.Find("script, style, noscript, code, kbd, bdi, [translate=no]").Remove()
	b.Page.Find("*").Each(func(_ int, e *goquery.Selection) {
		for _, name := range []string{"alt", "aria-label", "data-all", "data-done", "data-failed", "data-label", "data-none", "data-one", "placeholder", "title"} {
			check(e.AttrOr(name, ""))
		}
		for child := range e.Nodes[0].ChildNodes() {
			if child.Type == html.TextNode {
				check(child.Data)
			}
		}
	})
	return out
}

// The running program says nothing that a translator can't reach.
func TestEveryPageIsTranslated(t *testing.T) {
	t.Parallel()
	o := apptest.Seeded()
	o.Pseudo = true
	d := apptest.Start(t, o)
	b := d.Browser().Press(pseudoName)
	known := []string{"patdesk", "authorizationId", "UTC", "Outlook", "Google", "Apple", "English", apptest.Mona, "Firefox", "Go-http-client/1.1", "Go-http-client/2.0", "vso.future_thing_manage", "development"}
	known = append(known, "Git Credential Manager", "Visual Studio Code", "Visual Studio", "Azure Artifacts Credential Provider")
	for _, organization := range d.Sim.Organizations() {
		known = append(known, organization.Name)
		for _, token := range d.Sim.Tokens(organization.Name) {
			known = append(known, token.DisplayName)
		}
	}
	for _, person := range d.Sim.People() {
		known = append(known, person.Name, person.Username)
	}
	slices.SortFunc(known, func(a, b string) int { return len(b) - len(a) })
	check := func(what string) {
		t.Helper()
		if b.Page.Find("html").AttrOr("lang", "") != "en-XA" {
			t.Errorf("%s: in another language", what)
		}
		for _, text := range saidOutside(b, known) {
			t.Errorf("%s: %q", what, text)
		}
	}
	check("/sign-in")
	b.Click("⟦Šíğñ íñ⟧").Press("Continue as " + apptest.Mona)
	for _, path := range []string{"/tokens", "/tokens?organization=contoso", "/tokens/new", "/scopes", "/changes", "/sessions", "/organizations", "/calendar", "/bulk", "/sign-out", "/nowhere"} {
		b.Open(d.URL + path)
		check(path)
	}
	apptest.OpenWhole(t, b, d.URL+"/tokens")
	check("/overview")
	apptest.OpenWhole(t, b, d.URL+"/global-tokens")
	check("/global-tokens")
}

// A calendar keeps the language in which it was made, whatever its program asks for, until its owner changes it. A CSV
// file has the headings of the page that led to it; JSON has ids in every language.
func TestCalendarsAndFilesInALanguage(t *testing.T) {
	t.Parallel()
	d := apptest.Start(t, apptest.Seeded())
	b := d.SignedIn(apptest.Mona)
	address := apptest.NewCalendar(t, b, d.URL)
	read := func(title string) {
		t.Helper()
		feed := apptest.ReadFeed(t, d, http.MethodGet, address, "Accept-Language", "zh-TW")
		if _, ok := feed.Events(t)[title]; !ok {
			t.Errorf("no %q in\n%s", title, feed.Body)
		}
	}
	read("Token expires: Terraform (contoso)")
	b.Open(d.URL + "/calendar")
	if b.Has("button", "Write them in English") {
		t.Error("a choice of what is so already")
	}
	b.Press("한국어")
	if !strings.Contains(b.Text(), "일정의 언어English") {
		t.Errorf("the page doesn't say what the calendar is written in:\n%s", b.Text())
	}
	b.Press("한국어로 작성")
	read("토큰 만료: Terraform (contoso)")
	answer := apptest.ReadFeed(t, d, http.MethodGet, address, "Accept-Language", "en")
	if answer.Header.Get("Content-Language") != "ko" || !slices.Contains(answer.Header.Values("Vary"), "Accept-Language") {
		t.Errorf("head: %v", answer.Header)
	}
	apptest.OpenWhole(t, b, d.URL+"/overview")
	if b.Open(d.URL + "/overview.csv"); !strings.HasPrefix(b.Body, "\ufeff이름,조직,") || !strings.Contains(b.Body, ",active,") {
		t.Errorf("CSV: %.200s", b.Body)
	}
	if b.Open(d.URL + "/overview.json"); !strings.Contains(b.Body, `"organization": "contoso"`) || !strings.Contains(b.Body, `"status": "active"`) {
		t.Errorf("JSON: %.200s", b.Body)
	}
}

// A language that is added is offered at the foot and to those whose browser asks for it. What its file lacks is said in
// English.
func TestLanguageIsAdded(t *testing.T) {
	t.Parallel()
	polish, err := templates.Translation("pl.json", []byte(`{"language.name": "Polski", "scopes.title": "Zakresy", "scopes.heading": "Zakresy", "column.scopes": "Zakresy"}`))
	if err != nil {
		t.Fatal(err)
	}
	d := apptest.Start(t, apptest.Options{More: templates.Languages{polish}})
	b := d.Browser()
	b.Edit(func(r *http.Request) { r.Header.Set("Accept-Language", "pl-PL,pl;q=0.9,en;q=0.8") })
	if b.Open(d.URL + "/scopes"); b.Page.Find("html").AttrOr("lang", "") != "pl" || b.Heading() != "Zakresy" || !strings.Contains(b.Text(), "High privilege") {
		t.Errorf("in Polish: %q\n%s", b.Heading(), b.Text())
	}
	if b.Press("English"); b.Heading() != "Scopes" {
		t.Errorf("in English: %q", b.Heading())
	}
	if b.Press("Polski"); b.Heading() != "Zakresy" {
		t.Errorf("in Polish again: %q", b.Heading())
	}
}
