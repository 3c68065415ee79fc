package calendar

import (
	"testing"

	"github.com/patdesk/patdesk/internal/session/sessiontest"
)

func TestStoredForms(t *testing.T) {
	sessiontest.Golden(t, map[string]any{kindFeed: &feed{}, kindAddress: &owner{}, kindPart: &Part{}})
}
