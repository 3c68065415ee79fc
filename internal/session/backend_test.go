package session_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/patdesk/patdesk/internal/session"
	"github.com/patdesk/patdesk/internal/session/sessiontest"
)

func TestDirIsABackend(t *testing.T) {
	t.Parallel()
	sessiontest.TestBackend(t, func(t *testing.T) session.Backend {
		t.Helper()
		return openDir(t, filepath.Join(t.TempDir(), "sessions"), time.Now)
	})
}

func TestMemoryIsABackend(t *testing.T) {
	t.Parallel()
	sessiontest.TestBackend(t, func(*testing.T) session.Backend { return sessiontest.NewMemory(time.Now) })
}

func openDir(tb testing.TB, path string, now func() time.Time) *session.Dir {
	tb.Helper()
	d, err := session.OpenDir(path, now)
	if err != nil {
		tb.Fatal(err)
	}
	return d
}
