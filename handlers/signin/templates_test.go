package signin

import (
	"testing"

	"github.com/patdesk/patdesk/internal/testkit"
)

func TestTemplatesFitTheirPages(t *testing.T) {
	t.Parallel()
	testkit.FitTemplates(t, map[string]any{"sign-in": signInPage{}, "sign-out": signOutPage{}, "signed-out": signedOutPage{}})
}
