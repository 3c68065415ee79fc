package web

import (
	"testing"

	"github.com/patdesk/patdesk/internal/session/sessiontest"
)

// What a form that is kept through a sign-in leaves in the records of internal/session.
func TestStoredForms(t *testing.T) {
	t.Parallel()
	sessiontest.Golden(t, map[string]any{"draft": &Draft{}})
}
