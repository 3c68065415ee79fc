package changes

import (
	"testing"

	"github.com/patdesk/patdesk/handlers/web/outcome"
	"github.com/patdesk/patdesk/internal/testkit"
)

func TestTemplatesFitTheirPages(t *testing.T) {
	t.Parallel()
	testkit.FitTemplates(t, map[string]any{"operation": outcome.Page{}, "changes": changesPage{}})
}
