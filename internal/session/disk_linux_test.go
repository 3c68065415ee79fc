package session_test

import (
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/patdesk/patdesk/internal/session"
	"github.com/patdesk/patdesk/internal/session/sessiontest"
	"github.com/patdesk/patdesk/internal/testkit"
)

// disk is a folder whose disk can be filled and emptied.
type disk struct {
	dir         string
	fill, empty func()
}

// limitedDisk needs no rights: the system cuts off what this process writes to a file.
func limitedDisk(t *testing.T) disk {
	t.Helper()
	var before syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &before); err != nil {
		t.Fatal(err)
	}
	limit := func(bytes uint64) func() {
		return func() {
			if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: bytes, Max: before.Max}); err != nil {
				t.Fatal(err)
			}
		}
	}
	return disk{t.TempDir(), limit(100), limit(before.Cur)}
}

// TestWriteCutOff runs in a process of its own, because the limit is the process's.
func TestWriteCutOff(t *testing.T) {
	t.Parallel()
	const inside = "SESSION_TEST_LIMITED"
	if os.Getenv(inside) != "" {
		testDiskFull(t, limitedDisk(t))
		return
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestWriteCutOff$")
	cmd.Env = append(os.Environ(), inside+"=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v:\n%s", err, out)
	}
}

// TestDiskFull is the same with real disks, where they may be mounted: one without room, and one that takes no more
// files.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	if !sessiontest.MayMount() {
		return
	}
	t.Run("bytes", func(t *testing.T) {
		d := sessiontest.NewDisk(t, "size=128k")
		testDiskFull(t, disk{d.Dir, d.Fill, d.Empty})
	})
	t.Run("files", func(t *testing.T) {
		d := sessiontest.NewDisk(t, "size=1m,nr_inodes=100")
		testDiskFull(t, disk{d.Dir, d.FillInodes, d.Empty})
	})
}

func testDiskFull(t *testing.T, full disk) {
	t.Helper()
	d := openDir(t, full.dir, time.Now)
	c := testkit.NewClock()
	m := newManager(t, d, session.Options{Now: c.Now, Log: slog.New(slog.DiscardHandler)})
	b := newBrowser(t, m)
	b.signIn(mona, "cache")
	create(t, d, noteKey, "old", hour())
	_, version, err := d.Read(t.Context(), noteKey.Name())
	if err != nil {
		t.Fatal(err)
	}
	another := session.Key{Kind: "note", ID: "another"}
	large := make([]byte, 10_000)

	full.fill()
	if err := d.Update(t.Context(), noteKey.Name(), version, large, hour()); !errors.Is(err, session.ErrUnavailable) {
		t.Errorf("Update: %v, want ErrUnavailable", err)
	}
	if err := d.Create(t.Context(), another.Name(), large, hour()); !errors.Is(err, session.ErrUnavailable) {
		t.Errorf("Create: %v, want ErrUnavailable", err)
	}
	if err := d.Ping(t.Context()); !errors.Is(err, session.ErrUnavailable) {
		t.Errorf("Ping: %v, want ErrUnavailable", err)
	}
	c.Move(2 * time.Minute)
	if s := b.open(); s.Person() != mona {
		t.Error("a session can't be used while nothing can be written")
	}
	if err := b.open().Tokens().Save(t.Context(), large); !errors.Is(err, session.ErrUnavailable) {
		t.Errorf("Save: %v, want ErrUnavailable", err)
	}
	wantValue(t, d, noteKey, "old")
	wantGone(t, d, another)
	if left := files(t, filepath.Join(full.dir, ".tmp")); len(left) != 0 {
		t.Errorf("temporary files were left: %v", left)
	}
	if err := d.Delete(t.Context(), noteKey.Name()); err != nil {
		t.Errorf("Delete: %v", err)
	}

	full.empty()
	create(t, d, noteKey, string(large), hour())
	if err := d.Ping(t.Context()); err != nil {
		t.Errorf("Ping: %v", err)
	}
	if got, err := b.open().Tokens().Load(t.Context()); string(got) != "cache" {
		t.Errorf("the token cache is %q, %v", got, err)
	}
}
