package overview

import (
	"testing"

	"github.com/patdesk/patdesk/handlers/web/tokenlist"
	"github.com/patdesk/patdesk/internal/testkit"
)

func TestTemplatesFitTheirPages(t *testing.T) {
	t.Parallel()
	testkit.FitTemplates(t, map[string]any{"overview": overviewPage{}, "tokens": tokenListPage{}, "tokens/token-row": tokenlist.Row{}, "overview/attention-line": attentionLine{}})
}
