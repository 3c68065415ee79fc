package features

import (
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/patdesk/patdesk/internal/freeport"
	"github.com/patdesk/patdesk/internal/testkit"
	"github.com/patdesk/patdesk/internal/testkit/apptest"
)

// asStranger has cmd run the program as a user of the group 0 that owns nothing here, as OpenShift does, if this one is
// root. The program is handed over opened, since that user can't reach its folder.
func asStranger(t *testing.T, cmd *exec.Cmd, uid uint32) {
	t.Helper()
	cmd.Path = testkit.Program(t)
	if os.Geteuid() != 0 {
		return // a second user takes root; modes are looked at all the same
	}
	program, err := os.Open(cmd.Path)
	testkit.Must(t, err)
	t.Cleanup(func() { program.Close() })
	cmd.Path, cmd.ExtraFiles = "/proc/self/fd/3", []*os.File{program}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: 0}}
}

// On a volume of root's with modes for its group, and with secrets that the group can read, patdesk runs under whatever
// user, on purpose only, and never where everybody has access.
func TestFolderOfItsGroup(t *testing.T) {
	t.Parallel()
	address := "127.0.0.1:" + freeport.Port(t)
	secrets, volume := t.TempDir(), t.TempDir()
	testkit.Must(t, os.Chmod(filepath.Dir(volume), 0o755))
	secret := func(name, content string) string {
		path := filepath.Join(secrets, name)
		testkit.Must(t, os.WriteFile(path, []byte(content), 0o440)) // as a cluster mounts them
		return path
	}
	base := aloneEnv("", "LISTEN_ADDRESS="+address, "CLIENT_SECRET=", "CLIENT_SECRET_FILE="+secret("client_secret", "canary-7c1f"), "SESSION_DIR="+volume)
	keys := "SESSION_KEYS_FILE=" + secret("session_keys", "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\n")
	end := func(env []string, args ...string) (code int, said string) {
		cmd := exec.CommandContext(t.Context(), testkit.Program(t), args...)
		cmd.Dir, cmd.Env = "/", env
		asStranger(t, cmd, 1_000_660_000)
		out, _ := cmd.CombinedOutput() // the exit code says it
		return cmd.ProcessState.ExitCode(), strings.Join(strings.Fields(string(out)), " ")
	}
	for _, c := range []struct {
		name  string
		mode  fs.FileMode
		env   []string
		start int
		words string
	}{
		{"not on purpose", 0o770, []string{keys}, 2, "everybody in its group may use it: SESSION_DIR_GROUP=true."},
		{"without keys from elsewhere", 0o770, []string{"SESSION_DIR_GROUP=true"}, 2, "SESSION_KEYS is not set"},
		{"everybody's", 0o777, []string{keys, "SESSION_DIR_GROUP=true"}, 2, "others than its group can get at the folder"},
		{"a word that isn't known", 0o770, []string{keys, "SESSION_DIR_GROUP=perhaps"}, 2, "SESSION_DIR_GROUP is neither true nor false"},
	} {
		testkit.Must(t, os.Chmod(volume, c.mode|fs.ModeSetgid))
		env := append(base, c.env...)
		if code, said := end(env); code != c.start || !strings.Contains(said, c.words) {
			t.Errorf("%s: the start ended with %d:\n%s", c.name, code, said)
		}
		if code, said := end(env, "-check", "-offline"); code == 0 || !strings.Contains(strings.ToLower(said), strings.ToLower(c.words)) {
			t.Errorf("%s: -check ended with %d:\n%s", c.name, code, said)
		}
	}
	testkit.Must(t, os.Chmod(volume, 0o770|fs.ModeSetgid))
	env := append(base, keys, "SESSION_DIR_GROUP=true")
	if code, said := end(env, "-check", "-offline"); code != 0 || !strings.Contains(said, "can be written, and is closed to all but its owner and its group.") {
		t.Errorf("-check ended with %d:\n%s", code, said)
	}
	for _, uid := range []uint32{1_000_660_000, 1_000_670_000} {
		p := apptest.StartWith(t, func(cmd *exec.Cmd) {
			cmd.Args, cmd.Dir, cmd.Env = []string{"patdesk"}, "/", env
			asStranger(t, cmd, uid)
		})
		p.WaitFor("msg=serving")
		r, err := http.Get("http://" + address + "/readyz")
		testkit.Must(t, err)
		r.Body.Close()
		if r.StatusCode != http.StatusOK {
			t.Errorf("user %d isn't ready: %d\n%s", uid, r.StatusCode, p.Log)
		}
		p.Terminate()
	}
}
