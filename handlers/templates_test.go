package handlers

import (
	"testing"

	"github.com/jba/templatecheck"

	"github.com/patdesk/patdesk/templates"
)

// Every template is checked against the struct of its page: a field that was renamed fails here and not in front of a
// person, also inside a range that happens to be empty.
func TestTemplatesFitTheirPages(t *testing.T) {
	pages := map[string]any{
		"sign-in": signInPage{}, "sign-out": signOutPage{}, "signed-out": signedOutPage{}, "problem": problemPage{},
		"tokens": tokenListPage{}, "token": tokenPage{}, "token-new": tokenFormPage{}, "token-edit": tokenFormPage{},
		"token-revoke": revokePage{}, "token-rotate": rotatePage{}, "operation": operationPage{}, "organizations": organizationsPage{},
		"changes": changesPage{}, "scopes": scopesPage{}, "sessions": sessionsPage{}, "overview": overviewPage{},
		"global-tokens": globalTokensPage{}, "global-replace": globalReplacePage{}, "global-result": replacedPage{}, "calendar": calendarPage{},
		"bulk": bulkPage{}, "bulk-plan": bulkPlanPage{}, "bulk-run": bulkRunPage{},
	}
	for name, data := range pages {
		set := templates.Page(name)
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
