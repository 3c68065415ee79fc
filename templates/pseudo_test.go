package templates_test

import (
	"bytes"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"
	"golang.org/x/net/html"

	"github.com/patdesk/patdesk/templates"
)

// untranslated are words that are the same in every language: names of products and of the API's own fields, and UTC.
var untranslated = []string{"patdesk", "authorizationId", "UTC", "Outlook", "Google", "Apple"}

// saying are the attributes that people read or hear, and those from which scripts take what they show.
var saying = []string{"alt", "aria-label", "data-all", "data-done", "data-failed", "data-label", "data-many", "data-none", "data-one", "placeholder", "title"}

// A page says nothing that stands outside the words files. What fills it is data here.
func TestPagesHaveNoWordsOfTheirOwn(t *testing.T) {
	t.Parallel()
	for _, s := range samples() {
		var page bytes.Buffer
		if err := templates.Pseudo().Render(&page, s.page, s.data); err != nil {
			t.Fatal(err)
		}
		data := append(stringsOf(reflect.ValueOf(s.data)), untranslated...)
		slices.SortFunc(data, func(a, b string) int { return len(b) - len(a) })
		d := parsed(t, page.String())
		if got := d.Find("html").AttrOr("lang", ""); got != "en-XA" {
			t.Errorf("%s/%s is in %q", s.page, s.state, got)
		}
		for _, text := range said(d) {
			left := text
			for _, one := range data {
				left = strings.ReplaceAll(left, one, "")
			}
			if word := regexp.MustCompile(`[A-Za-z]+`).FindString(strings.ReplaceAll(left, "{count}", "")); word != "" {
				t.Errorf("%s/%s: %q is outside the words files, in %q", s.page, s.state, word, text)
			}
		}
	}
}

// said is every text of a page that people get to see or hear.
func said(d *goquery.Document) []string {
	var out []string
	d.Find("script, style, kbd").Remove()
	d.Find("noscript").Each(func(_ int, e *goquery.Selection) {
		if inner, err := goquery.NewDocumentFromReader(strings.NewReader(e.Text())); err == nil {
			out = append(out, said(inner)...)
		}
		e.Remove()
	})
	d.Find("*").Each(func(_ int, e *goquery.Selection) {
		for _, name := range saying {
			if value, ok := e.Attr(name); ok {
				out = append(out, value)
			}
		}
		for child := range e.Nodes[0].ChildNodes() {
			if child.Type == html.TextNode && strings.TrimSpace(child.Data) != "" {
				out = append(out, child.Data)
			}
		}
	})
	return out
}

// stringsOf are all strings within a value.
func stringsOf(v reflect.Value) []string {
	var out []string
	switch v.Kind() {
	case reflect.String:
		if v.Len() > 0 {
			out = append(out, v.String())
		}
	case reflect.Struct:
		for _, field := range v.Fields() {
			out = append(out, stringsOf(field)...)
		}
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			out = append(out, stringsOf(v.Index(i))...)
		}
	case reflect.Pointer:
		if !v.IsNil() {
			out = append(out, stringsOf(v.Elem())...)
		}
	}
	return out
}

// Azure DevOps' own term stands beside a translation, and no browser translates it.
func TestTermsStandBesideTheirTranslation(t *testing.T) {
	t.Parallel()
	p := newForm()
	p.FullName = term{Text: "전체 액세스", English: "Full access"}
	label := parsed(t, render(t, "token-new", p)).Find(`label[for="full"]`)
	if english := label.Find(`[lang="en"][translate="no"]`); english.Text() != "(Full access)" || label.Text() != "전체 액세스 (Full access)" {
		t.Errorf("the label is %q, of which %q is marked as English", label.Text(), english.Text())
	}
}
