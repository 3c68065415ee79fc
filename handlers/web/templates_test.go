package web_test

import (
	"testing"

	"github.com/patdesk/patdesk/handlers/web"
	"github.com/patdesk/patdesk/internal/testkit"
)

func TestTemplatesFitTheirPages(t *testing.T) {
	t.Parallel()
	testkit.FitTemplates(t, map[string]any{"problem": web.ProblemPage{}})
}
