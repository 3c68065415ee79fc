//go:build unix

package backing

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/patdesk/patdesk/internal/testkit"
)

// socketFolder has a short path, as sockets need.
func socketFolder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "s") //nolint:usetesting // t.TempDir's are too long
	testkit.Must(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// leaveDead leaves a socket as a killed process does.
func leaveDead(t *testing.T, path string) {
	t.Helper()
	l, err := net.Listen("unix", path)
	testkit.Must(t, err)
	own, ok := l.(*net.UnixListener)
	if !ok {
		t.Fatalf("it is a %T", l)
	}
	own.SetUnlinkOnClose(false)
	testkit.Must(t, l.Close())
}

// A socket lets its owner and group connect, whatever the umask says, and is gone when it is closed.
func TestSocketsRights(t *testing.T) {
	for _, mask := range []int{0, 0o022, 0o077} {
		path := filepath.Join(socketFolder(t), "p.sock")
		before := syscall.Umask(mask)
		l, err := Listen(t.Context(), "unix:"+path)
		syscall.Umask(before)
		testkit.Must(t, err)
		info, err := os.Lstat(path)
		testkit.Must(t, err)
		if info.Mode() != os.ModeSocket|0o660 {
			t.Errorf("umask %o: %v", mask, info.Mode())
		}
		testkit.Must(t, l.Close())
		if _, err := os.Lstat(path); !os.IsNotExist(err) {
			t.Errorf("it is still there: %v", err)
		}
	}
}

// What a dead process has left is replaced; a live socket, and what isn't a socket, stays as it is.
func TestSocketsInTheWay(t *testing.T) {
	t.Parallel()
	dir := socketFolder(t)
	dead, live, file, link := filepath.Join(dir, "dead"), filepath.Join(dir, "live"), filepath.Join(dir, "file"), filepath.Join(dir, "link")
	leaveDead(t, dead)
	alive, err := Listen(t.Context(), "unix:"+live)
	testkit.Must(t, err)
	defer alive.Close()
	testkit.Must(t, os.WriteFile(file, []byte("canary"), 0o600))
	testkit.Must(t, os.Symlink(dead, link))
	testkit.Must(t, os.Mkdir(filepath.Join(dir, "folder"), 0o700))
	for path, want := range map[string]string{
		dead: "", live: "is taken by another program", file: "isn't a socket", link: "isn't a socket", filepath.Join(dir, "folder"): "isn't a socket",
		filepath.Join(dir, "none", "x"): "a folder that doesn't exist", filepath.Join(file, "x"): "a folder that doesn't exist",
	} {
		l, err := Listen(t.Context(), "unix:"+path)
		switch {
		case err == nil:
			testkit.Must(t, l.Close())
			if want != "" {
				t.Errorf("%s: it is listened on", path)
			}
		case want == "" || !strings.Contains(ListenFault("LISTEN_ADDRESS", "unix:"+path, err).Problem, want):
			t.Errorf("%s: %v", path, ListenFault("LISTEN_ADDRESS", "unix:"+path, err))
		}
	}
	if content, err := os.ReadFile(file); err != nil || string(content) != "canary" {
		t.Errorf("the file: %q, %v", content, err)
	}
	if c, err := net.Dial("unix", live); err != nil {
		t.Errorf("the live socket: %v", err)
	} else {
		c.Close()
	}
}

// Of many that find a dead socket at once, exactly one gets its path, and keeps it.
func TestRaceForADeadSocket(t *testing.T) {
	t.Parallel()
	for range 20 {
		path := filepath.Join(socketFolder(t), "p.sock")
		leaveDead(t, path)
		got := make([]net.Listener, 8)
		var all sync.WaitGroup
		for i := range got {
			all.Go(func() { got[i], _ = Listen(t.Context(), "unix:"+path) })
		}
		all.Wait()
		n := 0
		for _, l := range got {
			if l != nil {
				n++
				t.Cleanup(func() { _ = l.Close() })
			}
		}
		if c, err := net.Dial("unix", path); n != 1 || err != nil {
			t.Fatalf("%d listen, %v", n, err)
		} else {
			c.Close()
		}
	}
}

// Who was replaced by hand doesn't take away the other's socket when it ends.
func TestAnothersSocketStays(t *testing.T) {
	t.Parallel()
	path := filepath.Join(socketFolder(t), "p.sock")
	first, err := Listen(t.Context(), "unix:"+path)
	testkit.Must(t, err)
	testkit.Must(t, os.Remove(path))
	second, err := Listen(t.Context(), "unix:"+path)
	testkit.Must(t, err)
	defer second.Close()
	testkit.Must(t, first.Close())
	if c, err := net.Dial("unix", path); err != nil {
		t.Error(err)
	} else {
		c.Close()
	}
}
