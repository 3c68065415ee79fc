package handlers

import (
	"testing"

	"github.com/patdesk/patdesk/internal/session/sessiontest"
)

// What a sign-in and a form leave in the records of internal/session.
func TestStoredForms(t *testing.T) {
	sessiontest.Golden(t, map[string]any{"draft": &draft{}, "attempt": &attempt{}})
}
