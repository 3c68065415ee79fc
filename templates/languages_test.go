package templates_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/nicksnyder/go-i18n/v2/i18n"
	"golang.org/x/text/feature/plural"
	"golang.org/x/text/language"

	"github.com/patdesk/patdesk/templates"
)

// translation are words of a language that is offered in tests only.
func translation(t *testing.T, name, content string) *templates.Words {
	t.Helper()
	w, err := templates.Translation(name, []byte(content))
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func TestChoose(t *testing.T) {
	t.Parallel()
	all := templates.Languages{english, translation(t, "ko.json", "{}"), translation(t, "zh-Hant.json", "{}"), templates.Pseudo()}
	for _, c := range []struct{ choice, accept, want string }{
		{"", "", "en"},
		{"", "en-GB,en;q=0.9", "en"},
		{"", "de-DE,de;q=0.9", "en"},
		{"", "de-DE,de;q=0.9,ko;q=0.1", "ko"},
		{"", "en-XA", "en"}, // only on purpose
		{"", "*", "en"},
		{"", "ko-KR,ko;q=0.9,en-US;q=0.8", "ko"},
		{"", "en;q=0.5,KO-kr;q=0.6", "ko"},
		{"", "ko;q=0,en;q=0.1", "en"}, // anything but Korean
		{"", "zh-TW", "zh-Hant"},
		{"", "zh-HK,zh;q=0.9,en;q=0.8", "zh-Hant"},
		{"", "zh-MO", "zh-Hant"},
		{"", "zh-Hant", "zh-Hant"},
		{"", "zh-Hant-CN", "zh-Hant"},
		// Who reads Simplified Chinese gets the next language on the list, and Traditional Chinese where that's all.
		{"", "zh-CN,zh;q=0.9,en;q=0.8", "en"},
		{"", "zh-CN,ko;q=0.1", "ko"},
		{"", "zh-CN,zh;q=0.8,zh-TW;q=0.7,zh-HK;q=0.5,en-US;q=0.3", "zh-Hant"},
		{"", "zh-CN,zh;q=0.9", "zh-Hant"},
		{"", "zh-Hans-HK", "zh-Hant"},
		{"", "zh", "zh-Hant"},
		{"", "zh-CN,de;q=0.5,*;q=0.1", "zh-Hant"},
		// Nothing to go by, or far too much.
		{"", "not a header;;q=7,,", "en"},
		{"", "ko;q=abc", "en"},
		{"", "ko," + strings.Repeat("de-AT,", 100_000), "ko"},
		{"", strings.Repeat("ko", 100_000), "en"},
		{"", strings.Repeat("a-", 100_000), "en"},
		{"", "\x00\xff,ko\r\nSet-Cookie: x=1", "en"},
		{"en-XA", "en-GB", "en-XA"},
		{"en", "en-XA", "en"},
		{"ko", "zh-TW", "ko"},
		{"zh", "ko", "ko"},
		{"xx", "de", "en"}, // chosen when it was offered still
		{"<script>", "", "en"},
	} {
		if got := all.Choose(c.choice, c.accept).Language(); got != c.want {
			t.Errorf("%q, %.60q: %s, want %s", c.choice, c.accept, got, c.want)
		}
	}
	if got := templates.Offered().Choose("en-XA", "en-XA").Language(); got != "en" {
		t.Errorf("%s is chosen and isn't offered", got)
	}
}

// What a translation lacks is said in English, as it is for a moment after a message was added.
func TestMissingMessagesAreEnglish(t *testing.T) {
	t.Parallel()
	w := translation(t, "ko.json", `{"column.name": "이름", "column.created": "", "time.in.days": "{{.Count}}일 후", "no.such": "?"}`)
	for key, want := range map[string]string{"column.name": "이름", "column.created": "Created", "column.expires": "Expires", "no.such": "Something went wrong"} {
		if got := w.Text(key); got != want {
			t.Errorf("%s: %q", key, got)
		}
	}
	if got := w.Text("time.in.days", "Count", 1); got != "1일 후" {
		t.Errorf("%q", got)
	}
	if got := w.Text("time.in.hours", "Count", 1); got != "in 1 hours" { // Korean has one form only
		t.Errorf("%q", got)
	}
	for _, s := range samples() {
		if err := w.Render(io.Discard, s.page, s.data); err != nil {
			t.Error(err)
		}
	}
	for name, content := range map[string]string{"words.json": "{}", "ko.json": "{", "": ""} {
		if _, err := templates.Translation(name, []byte(content)); err == nil {
			t.Errorf("%q with %q is a language", name, content)
		}
	}
}

// Every language says what English says: the same messages, each filled with the same values and with the same tags, in
// all the plural forms that CLDR has for it.
func TestLanguagesAreComplete(t *testing.T) {
	t.Parallel()
	for _, w := range templates.Offered() {
		name := "words/" + w.Language() + ".json"
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		file, err := i18n.ParseMessageFileBytes(content, name, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, fault := range incomplete(file.Tag, file.Messages) {
			t.Errorf("%s: %s", name, fault)
		}
	}
}

// incomplete says what a translation lacks, or has beyond English.
func incomplete(tag language.Tag, messages []*i18n.Message) (faults []string) {
	add := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	parts := regexp.MustCompile(`\{\{.*?\}\}|</?\w+[^>]*>`)
	needed, missing := pluralForms(tag), map[string]bool{}
	for _, key := range english.Keys() {
		missing[key] = true
	}
	for _, m := range messages {
		theirs := english.Forms(m.ID)
		if len(theirs) == 0 {
			add("%s isn't in English", m.ID)
			continue
		}
		delete(missing, m.ID)
		forms := map[string]string{"zero": m.Zero, "one": m.One, "two": m.Two, "few": m.Few, "many": m.Many, "other": m.Other}
		for form, text := range forms {
			wanted := form == "other" || len(theirs) > 1 && slices.Contains(needed, form)
			switch {
			case wanted && strings.TrimSpace(text) == "":
				add("%s lacks the form %q", m.ID, form)
			case !wanted && text != "":
				add("%s has the form %q, which the language doesn't", m.ID, form)
			}
		}
		want := unordered(parts.FindAllString(theirs["other"], -1))
		if got := unordered(parts.FindAllString(m.Other, -1)); !slices.Equal(got, want) {
			add("%s has %q, English has %q", m.ID, got, want)
		}
	}
	for key := range missing {
		add("%s is missing", key)
	}
	slices.Sort(faults)
	return faults
}

// Each of these is found, or the test above says nothing.
func TestIncompleteIsSeen(t *testing.T) {
	t.Parallel()
	polish := func(edit func(map[string]*i18n.Message)) []string {
		all := map[string]*i18n.Message{}
		for _, key := range english.Keys() {
			f := english.Forms(key)
			all[key] = &i18n.Message{ID: key, Other: f["other"], One: f["one"]}
			if f["one"] != "" {
				all[key].Few, all[key].Many = f["other"], f["other"]
			}
		}
		edit(all)
		return incomplete(language.Polish, slices.Collect(maps.Values(all)))
	}
	for want, edit := range map[string]func(map[string]*i18n.Message){
		"":                                   func(map[string]*i18n.Message) {},
		"column.name is missing":             func(m map[string]*i18n.Message) { delete(m, "column.name") },
		"no.such isn't in English":           func(m map[string]*i18n.Message) { m["no.such"] = &i18n.Message{ID: "no.such", Other: "x"} },
		`column.name lacks the form "other"`: func(m map[string]*i18n.Message) { m["column.name"].Other = " " },
		`time.in.days lacks the form "many"`: func(m map[string]*i18n.Message) { m["time.in.days"].Many = "" },
		`column.name has the form "one", which the language doesn't`:            func(m map[string]*i18n.Message) { m["column.name"].One = "x" },
		`date.andWhen has ["{{.Date}}"], English has ["{{.Date}}" "{{.When}}"]`: func(m map[string]*i18n.Message) { m["date.andWhen"].Other = "{{.Date}}" },
		`column.name has ["<b>"], English has []`:                               func(m map[string]*i18n.Message) { m["column.name"].Other = "<b>Name" },
	} {
		got := polish(edit)
		if want == "" && len(got) == 0 {
			continue
		}
		if len(got) != 1 || got[0] != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// A fourth language is a file, as docs/translating.md has it: Polish here, with three plural forms.
func TestFourthLanguage(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile("words/en.json") // step 1: copy and translate
	if err != nil {
		t.Fatal(err)
	}
	var all map[string]any
	if err := json.Unmarshal(source, &all); err != nil {
		t.Fatal(err)
	}
	for key, text := range all {
		if forms, ok := text.(map[string]any); ok {
			all[key] = map[string]any{"one": forms["one"], "few": forms["other"], "many": forms["other"], "other": forms["other"]}
		}
	}
	all["language.name"], all["time.in.days"] = "Polski", map[string]string{"one": "za {{.Count}} dzień", "few": "za {{.Count}} dni (few)", "many": "za {{.Count}} dni", "other": "za {{.Count}} dnia"}
	content, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	file, err := i18n.ParseMessageFileBytes(content, "pl.json", nil) // step 3: nothing is missing
	if err != nil {
		t.Fatal(err)
	}
	for _, fault := range incomplete(file.Tag, file.Messages) {
		t.Error(fault)
	}
	polish := translation(t, "pl.json", string(content))
	offered := append(templates.Offered(), polish) // step 2
	if got := offered.Choose("", "pl-PL,pl;q=0.9,en;q=0.8"); got != polish {
		t.Errorf("a Polish browser gets %s", got.Language())
	}
	for n, want := range map[int]string{1: "za 1 dzień", 3: "za 3 dni (few)", 5: "za 5 dni", 22: "za 22 dni (few)"} {
		if got := polish.Text("time.in.days", "Count", n); got != want {
			t.Errorf("%d: %q", n, got)
		}
	}
	for _, s := range samples() {
		var page bytes.Buffer
		if err := polish.Render(&page, s.page, s.data); err != nil {
			t.Error(err)
		}
		if got := parsed(t, page.String()).Find("html").AttrOr("lang", ""); got != "pl" {
			t.Errorf("%s is in %q", s.page, got)
		}
	}
}

// Every page can be drawn in every language.
func TestPagesInEveryLanguage(t *testing.T) {
	t.Parallel()
	for _, w := range templates.Offered()[1:] {
		for _, s := range samples() {
			var page bytes.Buffer
			if err := w.Render(&page, s.page, s.data); err != nil {
				t.Fatal(err)
			}
			checkWellFormed(t, page.String())
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
	t.Parallel()
	for n, want := range map[int]string{0: "0", 999: "999", 1024: "1,024"} {
		if got := english.Number(n); got != want {
			t.Errorf("%d is %q", n, got)
		}
	}
	if got := english.Text("time.in.days", "Count", 1024); got != "in 1,024 days" {
		t.Errorf("%q", got)
	}
}
