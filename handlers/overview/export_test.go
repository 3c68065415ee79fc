package overview

import (
	"encoding/csv"
	"strings"
	"testing"
)

// Whatever separates where a file is opened, no cell of a text begins with what a spreadsheet takes for a formula; and
// a text that couldn't be one stays as it is.
func TestInert(t *testing.T) {
	for _, text := range []string{
		"=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1", "\u00a0=1", "＝1", "x;=1+1", "x; =1", "x;\"=1\"", "x\t=1", "x\n=1", "x\r\n+1", "x|@a", "a;-1;=2;+3", "x;\t=1", "\";=1;\"", "x;;=1", "=1;=2", "x;＠a", "x\u2028=1", ";=cmd|' /C calc'!A0",
	} {
		got := inert(text)
		for _, comma := range []rune{',', ';', '\t', '|'} {
			for _, line := range strings.FieldsFunc(`a,"`+strings.ReplaceAll(got, `"`, `""`)+`",b`, func(r rune) bool { return r == '\n' || r == '\r' }) {
				for _, cell := range append(cells(line, comma), cells(got, comma)...) {
					cell = strings.TrimLeft(cell, "\" \u00a0\t")
					if strings.HasPrefix(cell, "=") || strings.HasPrefix(cell, "+") || strings.HasPrefix(cell, "-") || strings.HasPrefix(cell, "@") || strings.HasPrefix(cell, "＝") || strings.HasPrefix(cell, "＠") {
						t.Errorf("%q became %q: separated by %q a cell is %q", text, got, comma, cell)
					}
				}
			}
		}
	}
	for _, text := range []string{"", "Nightly build", "a=b", "a-b", "1+1", "me@contoso.com", "a; b", "a;b=c", "x|y", "it's"} {
		if got := inert(text); got != text {
			t.Errorf("%q became %q", text, got)
		}
	}
}

// cells are those of a line as a lenient program reads it.
func cells(line string, comma rune) []string {
	r := csv.NewReader(strings.NewReader(line))
	r.Comma, r.LazyQuotes, r.FieldsPerRecord = comma, true, -1
	all, _ := r.ReadAll() // what can't be read has no cells
	var out []string
	for _, row := range all {
		out = append(out, row...)
	}
	return append(out, strings.FieldsFunc(line, func(c rune) bool { return c == comma && comma != ',' })...)
}
