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
)

// disk is a folder whose disk can be filled and emptied.
type disk struct {
	dir         string
	fill, empty func(*testing.T)
}

// limitedDisk needs no rights: the system cuts off what this process writes to a file.
func limitedDisk(t *testing.T) disk {
	t.Helper()
	var before syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &before); err != nil {
		t.Fatal(err)
	}
	limit := func(bytes uint64) func(*testing.T) {
		return func(t *testing.T) {
			t.Helper()
			if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: bytes, Max: before.Max}); err != nil {
				t.Fatal(err)
			}
		}
	}
	return disk{t.TempDir(), limit(100), limit(before.Cur)}
}

// smallDisk is a real one of 128 KB, which takes the right to mount it.
func smallDisk(t *testing.T) disk {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=128k,mode=0700"); err != nil {
		t.Fatalf("mounting a small disk: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Errorf("unmounting: %v", err)
		}
	})
	ballast := filepath.Join(dir, "ballast")
	return disk{
		dir: dir,
		fill: func(t *testing.T) {
			t.Helper()
			if err := os.WriteFile(ballast, make([]byte, 1<<20), 0o600); !errors.Is(err, syscall.ENOSPC) {
				t.Fatalf("filling the disk: %v", err)
			}
		},
		empty: func(t *testing.T) {
			t.Helper()
			if err := os.Remove(ballast); err != nil {
				t.Fatal(err)
			}
		},
	}
}

// TestWriteCutOff runs in a process of its own, because the limit is the process's.
func TestWriteCutOff(t *testing.T) {
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

// TestDiskFull is the same with a real disk, where that may be mounted.
func TestDiskFull(t *testing.T) {
	if mayMount() {
		testDiskFull(t, smallDisk(t))
	}
}

// mayMount says if this process may mount a disk, as root outside of a container may.
func mayMount() bool {
	dir, err := os.MkdirTemp("", "mount")
	if err != nil {
		return false
	}
	defer func() { _ = os.Remove(dir) }()
	if syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=4k") != nil {
		return false
	}
	return syscall.Unmount(dir, 0) == nil
}

func testDiskFull(t *testing.T, full disk) {
	t.Helper()
	d := openDir(t, full.dir, time.Now)
	c := newClock()
	m := newManager(t, d, session.Options{Now: c.now, Log: slog.New(slog.DiscardHandler)})
	b := newBrowser(t, m)
	b.signIn(mona, "cache")
	create(t, d, noteKey, "old", hour())
	_, version, err := d.Read(t.Context(), noteKey.Name())
	if err != nil {
		t.Fatal(err)
	}
	another := session.Key{Kind: "note", ID: "another"}
	large := make([]byte, 10_000)

	full.fill(t)
	if err := d.Update(t.Context(), noteKey.Name(), version, large, hour()); !errors.Is(err, session.ErrUnavailable) {
		t.Errorf("Update: %v, want ErrUnavailable", err)
	}
	if err := d.Create(t.Context(), another.Name(), large, hour()); !errors.Is(err, session.ErrUnavailable) {
		t.Errorf("Create: %v, want ErrUnavailable", err)
	}
	if err := d.Ping(t.Context()); !errors.Is(err, session.ErrUnavailable) {
		t.Errorf("Ping: %v, want ErrUnavailable", err)
	}
	c.pass(2 * time.Minute)
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

	full.empty(t)
	create(t, d, noteKey, string(large), hour())
	if err := d.Ping(t.Context()); err != nil {
		t.Errorf("Ping: %v", err)
	}
	if got, err := b.open().Tokens().Load(t.Context()); string(got) != "cache" {
		t.Errorf("the token cache is %q, %v", got, err)
	}
}
