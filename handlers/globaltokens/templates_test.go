package globaltokens

import (
	"testing"

	"github.com/patdesk/patdesk/internal/testkit"
)

func TestTemplatesFitTheirPages(t *testing.T) {
	t.Parallel()
	testkit.FitTemplates(t, map[string]any{"global-tokens": globalTokensPage{}, "global-replace": globalReplacePage{}, "global-result": replacedPage{}})
}
