package templates_test

import (
	"regexp"
	"slices"
	"testing"

	"golang.org/x/text/feature/plural"
	"golang.org/x/text/language"

	"github.com/patdesk/patdesk/templates"
)

func TestChoose(t *testing.T) {
	both := templates.Languages{english, templates.Pseudo()}
	for _, c := range []struct{ choice, accept, want string }{
		{"", "", "en"},
		{"", "en-GB,en;q=0.9", "en"},
		{"", "de-DE,de;q=0.9", "en"},
		{"", "en-XA", "en"}, // only on purpose
		{"", "*", "en"},
		{"", "en-GB", "en"},
		{"", "not a header;;q=7,,", "en"},
		{"en-XA", "en-GB", "en-XA"},
		{"en", "en-XA", "en"},
		{"xx", "de", "en"}, // chosen when it was offered still
		{"<script>", "", "en"},
	} {
		if got := both.Choose(c.choice, c.accept).Language(); got != c.want {
			t.Errorf("%q, %q: %s, want %s", c.choice, c.accept, got, c.want)
		}
	}
	if got := templates.Offered().Choose("en-XA", "en-XA").Language(); got != "en" {
		t.Errorf("%s is chosen and isn't offered", got)
	}
}

// Every language says what English says: the same messages, each filled with the same values and with the same tags, in
// all the plural forms that CLDR has for it.
func TestLanguagesAreComplete(t *testing.T) {
	parts := regexp.MustCompile(`\.[A-Z][A-Za-z]*\b|</?\w+[^>]*>`)
	for _, w := range append(templates.Offered(), templates.Pseudo()) {
		if got := w.Keys(); !slices.Equal(got, english.Keys()) {
			t.Errorf("%s has other messages than English: %d, not %d", w.Language(), len(got), len(english.Keys()))
		}
		needed := pluralForms(language.MustParse(w.Language()))
		for _, key := range w.Keys() {
			forms, theirs := w.Forms(key), english.Forms(key)
			if len(theirs) > 1 {
				for _, form := range needed {
					if forms[form] == "" {
						t.Errorf("%s: %s lacks the form %q", w.Language(), key, form)
					}
				}
			} else if len(forms) > 1 {
				t.Errorf("%s: %s has plural forms", w.Language(), key)
			}
			want := unordered(parts.FindAllString(theirs["other"], -1))
			if got := unordered(parts.FindAllString(forms["other"], -1)); !slices.Equal(got, want) {
				t.Errorf("%s: %s has %q, English has %q", w.Language(), key, got, want)
			}
		}
	}
}

func unordered(found []string) []string {
	slices.Sort(found)
	return slices.Compact(found)
}

// pluralForms are CLDR's names of the forms that whole numbers have in a language.
func pluralForms(tag language.Tag) []string {
	names := map[plural.Form]string{plural.Zero: "zero", plural.One: "one", plural.Two: "two", plural.Few: "few", plural.Many: "many", plural.Other: "other"}
	var out []string
	for n := range 200 {
		if form := names[plural.Cardinal.MatchPlural(tag, n, 0, 0, 0, 0)]; !slices.Contains(out, form) {
			out = append(out, form)
		}
	}
	return out
}

func TestNumbers(t *testing.T) {
	for n, want := range map[int]string{0: "0", 999: "999", 1024: "1,024"} {
		if got := english.Number(n); got != want {
			t.Errorf("%d is %q", n, got)
		}
	}
	if got := english.Text("time.in.days", "Count", 1024); got != "in 1,024 days" {
		t.Errorf("%q", got)
	}
}
