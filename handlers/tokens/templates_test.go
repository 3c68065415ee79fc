package tokens

import (
	"testing"

	"github.com/patdesk/patdesk/handlers/web/tokenform"
	"github.com/patdesk/patdesk/internal/testkit"
)

func TestTemplatesFitTheirPages(t *testing.T) {
	t.Parallel()
	testkit.FitTemplates(t, map[string]any{
		"organizations": organizationsPage{}, "token": tokenPage{}, "token-adopt": adoptPage{}, "token-new": tokenform.Page{},
		"token-edit": tokenform.Page{}, "token-revoke": revokePage{}, "token-rotate": rotatePage{}, "scopes": scopesPage{},
	})
}
