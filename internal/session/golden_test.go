package session_test

import (
	"testing"

	"github.com/patdesk/patdesk/internal/session"
	"github.com/patdesk/patdesk/internal/session/sessiontest"
)

func TestStoredForms(t *testing.T) { sessiontest.Golden(t, session.StoredForms()) }
