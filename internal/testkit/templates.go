package testkit

import (
	"strings"
	"testing"

	"github.com/jba/templatecheck"

	"github.com/patdesk/patdesk/templates"
)

// FitTemplates checks templates against the structs of their pages, given by template, "page/part" for a part that is made
// by itself of something else: a field that was renamed fails here and not in front of a person, also inside a range that
// happens to be empty.
func FitTemplates(t *testing.T, pages map[string]any) {
	t.Helper()
	for name, data := range pages {
		name, part, _ := strings.Cut(name, "/")
		set := templates.Offered()[0].Page(name)
		if set != nil && part != "" {
			set = set.Lookup(part)
		}
		if set == nil {
			t.Errorf("there is no template %q", name)
			continue
		}
		for _, part := range append([]string{set.Name()}, templates.KeptParts(set)...) {
			if err := templatecheck.CheckHTML(set.Lookup(part), data); err != nil {
				t.Errorf("%s: %s: %v", name, part, err)
			}
		}
	}
}
