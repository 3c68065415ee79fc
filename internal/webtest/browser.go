// Package webtest is a browser without JavaScript, for tests: it keeps cookies, follows redirects and finds links,
// fields and buttons by the names that a person reads. It knows HTML and nothing of patdesk.
package webtest

import (
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"
	"golang.org/x/net/html"
)

const maxBody = 64 << 20

// Browser is one browser window with its cookies.
type Browser struct {
	t      testing.TB
	client *http.Client

	URL    *url.URL // of the page shown
	Status int
	Header http.Header
	Body   string
	Page   *goquery.Document
	Hops   []*http.Response // answers of the last visit, redirects first; bodies are closed

	typed map[*html.Node]string   // what was typed or chosen, by control
	tick  map[*html.Node]bool     // checkboxes and radio buttons touched
	extra func(req *http.Request) // changes every request before it is sent
	site  string                  // what led to the page being opened, as Sec-Fetch-Site names it
}

// New opens a browser. transport may be nil.
func New(t testing.TB, transport http.RoundTripper) *Browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	b := &Browser{t: t}
	b.client = &http.Client{
		Jar: jar, Transport: transport, Timeout: 2 * time.Minute,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return b
}

// Edit lets f change every request before it is sent (a header, the host).
func (b *Browser) Edit(f func(*http.Request)) { b.extra = f }

// Jar is the browser's cookies.
func (b *Browser) Jar() http.CookieJar { return b.client.Jar }

// Twin is a second window of the same browser: it shares the cookies.
func (b *Browser) Twin() *Browser {
	twin := &Browser{t: b.t, extra: b.extra}
	client := *b.client
	twin.client = &client
	return twin
}

// Open visits address, absolute or relative to the page shown, as one that is typed.
func (b *Browser) Open(address string) *Browser {
	b.t.Helper()
	b.site = "none"
	b.visit(http.MethodGet, b.resolve(address), nil, true)
	return b
}

// OpenOnce visits address and follows no redirect.
func (b *Browser) OpenOnce(address string) *Browser {
	b.t.Helper()
	b.site = "none"
	b.visit(http.MethodGet, b.resolve(address), nil, false)
	return b
}

// Post sends a form by hand.
func (b *Browser) Post(address string, form url.Values) *Browser {
	b.t.Helper()
	b.visit(http.MethodPost, b.resolve(address), form, true)
	return b
}

func (b *Browser) resolve(address string) *url.URL {
	b.t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		b.t.Fatalf("address %q: %v", address, err)
	}
	if b.URL != nil {
		u = b.URL.ResolveReference(u)
	}
	return u
}

const maxHops = 20

func (b *Browser) visit(method string, to *url.URL, form url.Values, follow bool) {
	b.t.Helper()
	b.Hops = nil
	for range maxHops {
		response, body := b.send(method, to, form)
		b.Hops = append(b.Hops, response)
		location := response.Header.Get("Location")
		if !follow || location == "" || response.StatusCode < 300 || response.StatusCode > 399 {
			b.show(to, response, body)
			return
		}
		next, err := to.Parse(location)
		if err != nil {
			b.t.Fatalf("redirect to %q: %v", location, err)
		}
		if response.StatusCode != http.StatusTemporaryRedirect && response.StatusCode != http.StatusPermanentRedirect {
			method, form = http.MethodGet, nil
		}
		to = next
	}
	b.t.Fatalf("more than %d redirects, the last to %s", maxHops, to)
}

func (b *Browser) send(method string, to *url.URL, form url.Values) (*http.Response, string) {
	b.t.Helper()
	var content io.Reader = http.NoBody
	if method == http.MethodPost {
		content = strings.NewReader(form.Encode())
	}
	request, err := http.NewRequestWithContext(context.Background(), method, to.String(), content)
	if err != nil {
		b.t.Fatal(err)
	}
	if method == http.MethodPost {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		request.Header.Set("Origin", to.Scheme+"://"+to.Host)
	}
	request.Header.Set("Accept-Encoding", "identity") // Edit may ask for more
	if method == http.MethodGet {
		request.Header.Set("Sec-Fetch-Site", b.site)
	}
	if b.extra != nil {
		b.extra(request)
	}
	response, err := b.client.Do(request)
	if err != nil {
		b.t.Fatalf("%s %s: %v", method, to, err)
	}
	defer response.Body.Close()
	body, err := plain(response)
	if err != nil {
		b.t.Fatalf("%s %s: reading the answer: %v", method, to, err)
	}
	return response, body
}

// plain reads an answer, unpacked if it is compressed.
func plain(response *http.Response) (string, error) {
	content := io.LimitReader(response.Body, maxBody)
	if response.Header.Get("Content-Encoding") == "gzip" {
		unpacked, err := gzip.NewReader(content)
		if err != nil {
			return "", err
		}
		content = io.LimitReader(unpacked, maxBody)
	}
	body, err := io.ReadAll(content)
	return string(body), err
}

func (b *Browser) show(at *url.URL, response *http.Response, body string) {
	b.t.Helper()
	b.URL, b.Status, b.Header, b.Body = at, response.StatusCode, response.Header, body
	b.typed, b.tick = map[*html.Node]string{}, map[*html.Node]bool{}
	page, err := goquery.NewDocumentFromReader(strings.NewReader(body))
	if err != nil {
		b.t.Fatalf("%s: %v", at, err)
	}
	b.Page = page
}

// Text is what the page says, with white space folded.
func (b *Browser) Text() string { return Fold(b.Page.Find("body").Text()) }

// Heading is the page's h1.
func (b *Browser) Heading() string { return Fold(b.Page.Find("h1").First().Text()) }

// Fold makes every run of white space one blank.
func Fold(s string) string { return strings.Join(strings.Fields(s), " ") }

// Name is a control's accessible name, as far as our pages need it: aria-label, labelling elements, label, text, value.
func (b *Browser) Name(s *goquery.Selection) string {
	if label, ok := s.Attr("aria-label"); ok {
		return Fold(label)
	}
	if ids, ok := s.Attr("aria-labelledby"); ok {
		var parts []string
		for _, id := range strings.Fields(ids) {
			parts = append(parts, b.Page.Find("#"+id).Text())
		}
		return Fold(strings.Join(parts, " "))
	}
	if id, ok := s.Attr("id"); ok {
		if label := b.Page.Find(fmt.Sprintf("label[for=%q]", id)); label.Length() > 0 {
			return Fold(label.First().Text())
		}
	}
	if goquery.NodeName(s) == "input" || goquery.NodeName(s) == "select" || goquery.NodeName(s) == "textarea" {
		if label := s.Closest("label"); label.Length() > 0 {
			return Fold(label.Text())
		}
		if kind := s.AttrOr("type", ""); kind == "submit" || kind == "button" {
			return Fold(s.AttrOr("value", ""))
		}
		return ""
	}
	return Fold(s.Text())
}

// find returns the only element of selector with this name.
func (b *Browser) find(within *goquery.Selection, selector, name string) *goquery.Selection {
	b.t.Helper()
	var names []string
	found := within.Find(selector).FilterFunction(func(_ int, s *goquery.Selection) bool {
		names = append(names, b.Name(s))
		return b.Name(s) == name
	})
	if found.Length() != 1 {
		b.t.Fatalf("%s (%d): %d of %s are named %q; there are %q\n%s", b.URL, b.Status, found.Length(), selector, name, slices.Compact(names), b.Text())
	}
	return found
}

// Has reports whether the page has a control of that role ("link", "button", "field", "group") and name.
func (b *Browser) Has(role, name string) bool {
	return b.Page.Find(roles[role]).FilterFunction(func(_ int, s *goquery.Selection) bool { return b.roleName(role, s) == name }).Length() > 0
}

func (b *Browser) roleName(role string, s *goquery.Selection) string {
	if role == "group" {
		return Fold(s.ChildrenFiltered("legend").First().Text())
	}
	return b.Name(s)
}

var roles = map[string]string{
	"link": "a[href]", "button": "button, input[type=submit]", "field": "input:not([type=hidden]), select, textarea", "group": "fieldset",
}

// Click follows the only link with this name.
func (b *Browser) Click(name string) *Browser {
	b.t.Helper()
	to := b.resolve(b.find(b.Page.Selection, roles["link"], name).AttrOr("href", ""))
	b.site = "same-origin"
	b.visit(http.MethodGet, to, nil, true)
	return b
}

// Fill types into the field with this label, or chooses in a select by the option's text or value.
func (b *Browser) Fill(label, value string) *Browser {
	b.t.Helper()
	field := b.find(b.Page.Selection, `input:not([type=hidden]):not([type=radio]):not([type=checkbox]), select, textarea`, label)
	if goquery.NodeName(field) == "select" {
		value = b.optionValue(field, value)
	}
	b.typed[field.Get(0)] = value
	return b
}

func (b *Browser) optionValue(field *goquery.Selection, choice string) string {
	b.t.Helper()
	found := field.Find("option").FilterFunction(func(_ int, s *goquery.Selection) bool {
		return Fold(s.Text()) == choice || s.AttrOr("value", "") == choice
	})
	if found.Length() == 0 {
		b.t.Fatalf("%s: no option %q in %s", b.URL, choice, Fold(field.Text()))
	}
	return found.First().AttrOr("value", Fold(found.First().Text()))
}

// Choose selects the radio button with this label in the fieldset with this legend.
func (b *Browser) Choose(group, label string) *Browser {
	b.t.Helper()
	box := b.Page.Find("fieldset").FilterFunction(func(_ int, s *goquery.Selection) bool { return b.roleName("group", s) == group })
	if box.Length() != 1 {
		b.t.Fatalf("%s: %d fieldsets are named %q", b.URL, box.Length(), group)
	}
	radio := b.find(box, "input[type=radio]", label)
	name := radio.AttrOr("name", "")
	b.Page.Find(fmt.Sprintf("input[type=radio][name=%q]", name)).Each(func(_ int, s *goquery.Selection) { b.tick[s.Get(0)] = false })
	b.tick[radio.Get(0)] = true
	return b
}

// Check ticks the checkbox with this label.
func (b *Browser) Check(label string) *Browser {
	b.t.Helper()
	b.tick[b.find(b.Page.Selection, "input[type=checkbox]", label).Get(0)] = true
	return b
}

// Press presses the only button with this name: its form is sent with what was typed.
func (b *Browser) Press(name string) *Browser {
	b.t.Helper()
	method, to, values := b.Form(name)
	b.site = "same-origin"
	b.visit(method, to, values, true)
	return b
}

// Form is what pressing a button would send.
func (b *Browser) Form(button string) (method string, to *url.URL, values url.Values) {
	b.t.Helper()
	pressed := b.find(b.Page.Selection, roles["button"], button)
	form := pressed.Closest("form")
	if id, ok := pressed.Attr("form"); ok {
		form = b.Page.Find("form#" + id)
	}
	if form.Length() == 0 {
		b.t.Fatalf("%s: the button %q belongs to no form", b.URL, button)
	}
	values = b.values(form)
	if name, ok := pressed.Attr("name"); ok {
		values.Add(name, pressed.AttrOr("value", ""))
	}
	method = strings.ToUpper(pressed.AttrOr("formmethod", form.AttrOr("method", "get")))
	to = b.resolve(pressed.AttrOr("formaction", form.AttrOr("action", b.URL.String())))
	if method == http.MethodGet {
		to.RawQuery, values = values.Encode(), nil
	}
	return method, to, values
}

// values is what a form holds: its own fields and those that name it by their form attribute.
func (b *Browser) values(form *goquery.Selection) url.Values {
	values := url.Values{}
	fields := form.Find("input, select, textarea")
	if id, ok := form.Attr("id"); ok {
		fields = fields.AddSelection(b.Page.Find(fmt.Sprintf("[form=%q]", id)).Filter("input, select, textarea"))
	}
	fields.Each(func(_ int, s *goquery.Selection) {
		name := s.AttrOr("name", "")
		if _, disabled := s.Attr("disabled"); disabled || name == "" {
			return
		}
		if value, ok := b.value(s); ok {
			values.Add(name, value)
		}
	})
	return values
}

func (b *Browser) value(s *goquery.Selection) (string, bool) {
	node := s.Get(0)
	typed, touched := b.typed[node]
	switch kind := s.AttrOr("type", "text"); {
	case goquery.NodeName(s) == "select":
		if touched {
			return typed, true
		}
		option := s.Find("option[selected]")
		if option.Length() == 0 {
			option = s.Find("option")
		}
		return option.First().AttrOr("value", Fold(option.First().Text())), option.Length() > 0
	case kind == "submit" || kind == "button" || kind == "image" || kind == "reset":
		return "", false
	case kind == "radio" || kind == "checkbox":
		on, set := b.tick[node]
		if !set {
			_, on = s.Attr("checked")
		}
		return s.AttrOr("value", "on"), on
	case touched:
		return typed, true
	case goquery.NodeName(s) == "textarea":
		return s.Text(), true
	default:
		return s.AttrOr("value", ""), true
	}
}
