//go:build unix

package session_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/patdesk/patdesk/internal/session"
)

func TestOpenDirTrustsOnlyItsOwnFolder(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		make  func(t *testing.T, dir string) error
		error string // "" if it is taken
	}{
		{"not there", func(*testing.T, string) error { return nil }, ""},
		{"0700", folder(0o700), ""},
		{"readable by others", folder(0o755), ""},
		{"writable by the group", folder(0o770), "others can write"},
		{"writable by all", folder(0o777), "others can write"},
		{"writable by all, sticky", folder(0o777 | fs.ModeSticky), "others can write"},
		{"a link", linkToFolder, "is a link"},
		{"a file", func(_ *testing.T, dir string) error { return os.WriteFile(dir, nil, 0o600) }, "not a directory"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "sessions")
			if err := c.make(t, dir); err != nil {
				t.Fatal(err)
			}
			for _, path := range []string{dir, dir + "/"} {
				_, err := session.OpenDir(path, time.Now)
				if c.error == "" && err != nil || c.error != "" && (err == nil || !strings.Contains(err.Error(), c.error)) {
					t.Errorf("OpenDir(%q): %v, want %q", path, err, c.error)
				}
			}
			if info, err := os.Lstat(dir); c.error == "" && (err != nil || info.Mode().Perm() != 0o700) {
				t.Errorf("the folder is %v, %v; want mode 0700", info.Mode(), err)
			}
		})
	}
}

func linkToFolder(t *testing.T, dir string) error {
	t.Helper()
	return os.Symlink(t.TempDir(), dir)
}

func folder(mode fs.FileMode) func(*testing.T, string) error {
	return func(_ *testing.T, dir string) error {
		return errors.Join(os.Mkdir(dir, 0o700), os.Chmod(dir, mode))
	}
}

// TestFolderOfAnotherUser needs no other user: the owner of the root folder is one to everybody but root, and root can
// give a folder away.
func TestFolderOfAnotherUser(t *testing.T) {
	t.Parallel()
	dir := "/"
	if os.Geteuid() == 0 {
		dir = t.TempDir()
		if err := os.Chown(dir, 65534, 65534); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := session.OpenDir(dir, time.Now); err == nil || !strings.Contains(err.Error(), "another user") {
		t.Errorf("OpenDir: %v, want it refused", err)
	}
}

func TestPingSeesThatOthersMayWrite(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	d := openDir(t, dir, time.Now)
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := d.Ping(t.Context()); !errors.Is(err, session.ErrUnavailable) {
		t.Errorf("Ping: %v, want ErrUnavailable", err)
	}
}

func TestModesWhateverTheUmask(t *testing.T) { // not beside other tests: the umask is the process's
	dir := filepath.Join(t.TempDir(), "sessions")
	defer syscall.Umask(syscall.Umask(0))
	d := openDir(t, dir, time.Now)
	if _, err := session.LoadOrCreateKeys(dir); err != nil {
		t.Fatal(err)
	}
	create(t, d, noteKey, "value", hour())
	create(t, d, session.Key{Kind: "note", Group: "mona", ID: "1"}, "value", hour())
	release, err := d.Lock(t.Context(), noteKey.Name())
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	seen := 0
	err = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		want := fs.FileMode(0o600)
		if e.IsDir() {
			want = 0o700
		}
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("%s has mode %v (%v), want %v", path, info.Mode(), err, want)
		}
		seen++
		return nil
	})
	if err != nil || seen < 10 {
		t.Errorf("saw %d files and folders, %v", seen, err)
	}
}

func TestLinksAreNotFollowed(t *testing.T) {
	t.Parallel()
	outside := t.TempDir()
	foreign := openDir(t, outside, time.Now)
	create(t, foreign, noteKey, "planted", hour())
	inside := session.Key{Kind: "note", ID: "2"}

	for _, c := range []struct {
		name  string
		plant func(dir string) error
	}{
		{"to a record outside", func(dir string) error { return os.Symlink(noteFile(outside), noteFile(dir)) }},
		{"to another record", func(dir string) error {
			id := inside.Name().ID
			return os.Symlink(filepath.Join("..", id[:2], id), noteFile(dir))
		}},
		{"to nothing", func(dir string) error { return os.Symlink("nowhere", noteFile(dir)) }},
		{"a pipe", func(dir string) error { return syscall.Mkfifo(noteFile(dir), 0o600) }},
		{"a folder", func(dir string) error { return os.Mkdir(noteFile(dir), 0o700) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			d := openDir(t, dir, time.Now)
			create(t, d, inside, "inside", hour())
			create(t, d, noteKey, "value", hour())
			if err := errors.Join(os.Remove(noteFile(dir)), c.plant(dir)); err != nil {
				t.Fatal(err)
			}
			wantGone(t, d, noteKey)
			if err := d.Delete(t.Context(), noteKey.Name()); err != nil {
				t.Errorf("Delete: %v", err)
			}
			create(t, d, noteKey, "again", hour())
			wantValue(t, d, noteKey, "again")
			wantValue(t, d, inside, "inside")
			wantValue(t, foreign, noteKey, "planted")
		})
	}
}

func TestFoldersThatAreLinksLeadNowhere(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"note", ".tmp", ".locks"} {
		t.Run(name, func(t *testing.T) {
			dir, outside := t.TempDir(), t.TempDir()
			d := openDir(t, dir, time.Now)
			if err := os.Symlink(outside, filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
			if err := d.Create(t.Context(), noteKey.Name(), []byte("secret"), hour()); !errors.Is(err, session.ErrUnavailable) {
				t.Errorf("Create: %v, want ErrUnavailable", err)
			}
			if written := files(t, outside); len(written) != 0 {
				t.Errorf("written outside: %v", written)
			}
		})
	}
}
