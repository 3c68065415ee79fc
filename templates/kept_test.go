package templates_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/patdesk/patdesk/templates"
)

// A row that is kept is the one that would be made anew: whatever differs in what it shows makes another one, each
// language has its own, and what somebody else chose is escaped as everywhere.
func TestRowsAreKeptByWhatTheyShow(t *testing.T) {
	p := fullList()
	p.Tokens = p.Tokens[1:2]
	p.Tokens[0].Name = "kept " + hostile
	of := func(language string) string {
		var b strings.Builder
		for _, w := range templates.Offered() {
			if w.Language() == language {
				if err := w.Render(&b, "tokens", p); err != nil {
					t.Fatal(err)
				}
			}
		}
		_, rows, _ := strings.Cut(b.String(), `<tbody id="token-rows"`)
		rows, _, _ = strings.Cut(rows, "</tbody>")
		return rows
	}
	first := of("en")
	if again := of("en"); again != first || strings.Contains(first, "<script") || !strings.Contains(first, "kept ") {
		t.Errorf("%s\nbecame\n%s", first, again)
	}
	if other := of("ko"); other == first || !strings.Contains(other, "kept ") {
		t.Error("Korean rows are English ones:", other)
	}
	for what, change := range map[string]func(){
		"name": func() { p.Tokens[0].Name = "another" }, "selected": func() { p.Tokens[0].Picked = true }, "end": func() { p.Tokens[0].Expires = at(4) },
		"columns": func() { p.Tokens[0].Several.Statuses = false }, "address": func() { p.Tokens[0].URL = "/elsewhere" },
	} {
		change()
		if other := of("en"); other == first {
			t.Errorf("with another %s the row is the same", what)
		}
	}
}

// A page whose parts were kept is the one that would be made anew, whatever other pages they were kept by.
func TestPartsAreKeptByWhatTheyShow(t *testing.T) {
	fresh := map[string]string{}
	for _, w := range templates.Offered() {
		for i, s := range samples() {
			templates.ForgetKept()
			fresh[fmt.Sprint(w.Language(), i)] = renderIn(t, w, s)
		}
	}
	for range 2 {
		for _, w := range templates.Offered() {
			for i, s := range samples() {
				if got := renderIn(t, w, s); got != fresh[fmt.Sprint(w.Language(), i)] {
					t.Errorf("%s, %s in %s differs from what was made anew:\n%s", s.page, s.state, w.Language(), got)
				}
			}
		}
	}
}

func renderIn(t *testing.T, w *templates.Words, s sample) string {
	t.Helper()
	var b strings.Builder
	if err := w.Render(&b, s.page, s.data); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// Parts stay in memory after their page: none names a field that holds a secret or something for one answer only.
func TestPartsHaveNoSecret(t *testing.T) {
	t.Parallel()
	kept := 0
	for name, fields := range templates.KeptFields(english) {
		kept++
		for _, field := range fields {
			if regexp.MustCompile(`Secret|Form$|RequestID|Address$|Notice`).MatchString(field) {
				t.Errorf("%s is kept and has %s", name, field)
			}
		}
	}
	if kept < 5 {
		t.Errorf("only %d parts are kept", kept)
	}
}
