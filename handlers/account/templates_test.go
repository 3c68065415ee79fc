package account

import (
	"testing"

	"github.com/patdesk/patdesk/internal/testkit"
)

func TestTemplatesFitTheirPages(t *testing.T) {
	t.Parallel()
	testkit.FitTemplates(t, map[string]any{"sessions": sessionsPage{}, "calendar": calendarPage{}, "shortcuts": shortcutsPage{}, "jump": jumpPage{}, "vaults": vaultsPage{}})
}
