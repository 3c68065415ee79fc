package batch

import (
	"testing"

	"github.com/patdesk/patdesk/internal/session/sessiontest"
)

func TestStoredForms(t *testing.T) {
	sessiontest.Golden(t, map[string]any{kindBatch: &Batch{}, kindOpen: &Summary{}})
}
