package operation

import (
	"testing"

	"github.com/patdesk/patdesk/internal/session/sessiontest"
)

func TestStoredForms(t *testing.T) {
	t.Parallel()
	sessiontest.Golden(t, map[string]any{
		kindOperation: &record{}, kindSecret: &keptSecret{}, kindUnfinished: &marker{},
	})
}
