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
	p.Tokens = templates.Rows[tokenRow]{p.Tokens[1], p.Tokens[1]}
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
	later := at(4)
	for at := range p.Tokens { // a list is looked for by its first row
		last := of("en")
		for what, change := range map[string]func(*tokenRow){
			"name": func(r *tokenRow) { r.Name = "another" }, "selected": func(r *tokenRow) { r.Picked = !r.Picked }, "end": func(r *tokenRow) { r.Expires = later },
			"columns": func(r *tokenRow) { r.Several.Statuses = !r.Several.Statuses }, "address": func(r *tokenRow) { r.URL = "/elsewhere" },
		} {
			change(&p.Tokens[at])
			other := of("en")
			if other == last {
				t.Errorf("with another %s in row %d the rows are the same", what, at)
			}
			last = other
		}
	}
	all := of("en")
	p.Tokens = p.Tokens[:1]
	if fewer := of("en"); fewer == all {
		t.Error("a list that has lost its last row is the same")
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
