package handlers

import (
	"maps"
	"testing"

	"github.com/jba/templatecheck"

	"github.com/patdesk/patdesk/handlers/account"
	"github.com/patdesk/patdesk/handlers/bulk"
	"github.com/patdesk/patdesk/handlers/changes"
	"github.com/patdesk/patdesk/handlers/globaltokens"
	"github.com/patdesk/patdesk/handlers/overview"
	"github.com/patdesk/patdesk/handlers/signin"
	"github.com/patdesk/patdesk/handlers/tokens"
	"github.com/patdesk/patdesk/handlers/web"
	"github.com/patdesk/patdesk/templates"
)

// Every template is checked against the struct of its page: a field that was renamed fails here and not in front of a
// person, also inside a range that happens to be empty.
func TestTemplatesFitTheirPages(t *testing.T) {
	pages := map[string]any{}
	for _, area := range []map[string]any{
		web.Pages(), signin.Pages(), account.Pages(), tokens.Pages(), overview.Pages(), globaltokens.Pages(), changes.Pages(), bulk.Pages(),
	} {
		maps.Copy(pages, area)
	}
	for name, data := range pages {
		set := templates.Offered()[0].Page(name)
		if set == nil {
			t.Errorf("there is no template %q", name)
			continue
		}
		if err := templatecheck.CheckHTML(set, data); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, name := range templates.Names() {
		if _, ok := pages[name]; !ok {
			t.Errorf("no page uses the template %q", name)
		}
	}
}
