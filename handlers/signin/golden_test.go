package signin

import (
	"testing"

	"github.com/patdesk/patdesk/internal/session/sessiontest"
)

// What a sign-in that was begun leaves in the records of internal/session.
func TestStoredForms(t *testing.T) {
	sessiontest.Golden(t, map[string]any{"attempt": &attempt{}})
}
