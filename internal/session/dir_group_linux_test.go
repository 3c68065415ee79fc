package session_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/patdesk/patdesk/internal/session"
)

// asUser has cmd run as another user of the group 0, if this one is root. The program is handed over opened, since that
// user may not reach its folder.
func asUser(t *testing.T, cmd *exec.Cmd, uid, group uint32) {
	t.Helper()
	if os.Geteuid() != 0 {
		return // a second user takes root; the others' modes are tried by this one
	}
	program, err := os.Open(cmd.Path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { program.Close() })
	cmd.Path, cmd.ExtraFiles = "/proc/self/fd/3", []*os.File{program}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: group}}
}

// volume is a folder that others can reach, as far as its mode lets them.
func volume(t *testing.T, mode fs.FileMode) string {
	t.Helper()
	dir := t.TempDir()
	if err := errors.Join(os.Chmod(filepath.Dir(dir), 0o755), os.Chmod(dir, mode)); err != nil {
		t.Fatal(err)
	}
	return dir
}

// Users who change with each start share a folder of root's by its group, and nobody else sees anything of it.
func TestGroupFolderOfChangingUsers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		mode fs.FileMode
		sub  string
	}{{"the volume", 0o770, ""}, {"the volume with its group handed down", 0o770 | fs.ModeSetgid, ""}, {"a folder in it", 0o770, "sessions"}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := volume(t, c.mode)
			for n, want := range []string{"0", fmt.Sprint(groupRecords)} {
				cmd := process(t, "use a group's folder", filepath.Join(dir, c.sub))
				asUser(t, cmd, 1_000_660_000+uint32(n), 0)
				if out, err := cmd.Output(); err != nil || string(out) != want {
					t.Fatalf("user %d found %s records, want %s: %v", n, out, want, err)
				}
			}
			files := 0
			err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
				if err != nil {
					return err
				}
				info, err := e.Info()
				if err == nil && info.Mode().Perm()&0o007 != 0 {
					t.Errorf("%s can be used by everybody: %v", path, info.Mode())
				}
				if err == nil && c.mode&fs.ModeSetgid != 0 && e.IsDir() && info.Mode()&fs.ModeSetgid == 0 {
					t.Errorf("%s doesn't hand its group down: %v", path, info.Mode())
				}
				files++
				return err
			})
			if err != nil || files < groupRecords/2 {
				t.Errorf("%d files, %v", files, err)
			}
		})
	}
}

// What is its group's is taken only on purpose, and never what is anybody's or another group's.
func TestOpenGroupDir(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		mode  fs.FileMode
		error string // "" if it is taken
		group bool   // without the group it is refused as one that is its group's
	}{
		{"its owner's", 0o700, "", false},
		{"its group's", 0o770, "", true},
		{"its group's, handed down", 0o770 | fs.ModeSetgid, "", true},
		{"readable by its group", 0o750, "", false},
		{"readable by everybody", 0o775, "others than its group", false},
		{"to be entered by everybody", 0o771, "others than its group", false},
		{"everybody's", 0o777, "others than its group", false},
	} {
		dir := filepath.Join(t.TempDir(), "sessions")
		if err := folder(c.mode)(t, dir); err != nil {
			t.Fatal(err)
		}
		if _, err := session.InspectDir(dir); errors.Is(err, session.ErrGroupFolder) != c.group {
			t.Errorf("%s, InspectDir: %v", c.name, err)
		}
		_, inspected := session.InspectGroupDir(dir)
		_, opened := session.OpenGroupDir(dir, time.Now)
		for _, err := range []error{inspected, opened} {
			if c.error == "" && err != nil || c.error != "" && (err == nil || !strings.Contains(err.Error(), c.error)) {
				t.Errorf("%s: %v, want %q", c.name, err, c.error)
			}
		}
	}
}

// A process outside of the group of another user's folder doesn't use it, even if it could.
func TestGroupFolderOfOthers(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		return // as above
	}
	dir := volume(t, 0o770)
	cmd := process(t, "use a group's folder", dir)
	var said strings.Builder
	cmd.Stderr = &said
	asUser(t, cmd, 1_000_660_000, 1_000_660_000)
	if err := cmd.Run(); err == nil || !strings.Contains(said.String(), "another user and another group") {
		t.Errorf("%v: %s", err, said.String())
	}
}
