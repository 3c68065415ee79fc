package testkit

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/gofrs/flock"
)

// Root is the folder of the module.
var Root = moduleRoot()

// moduleRoot is looked for once, at the start: tests change the working directory.
func moduleRoot() string {
	dir, err := os.Getwd()
	for err == nil && dir != filepath.Dir(dir) {
		if _, missing := os.Stat(filepath.Join(dir, "go.mod")); missing == nil {
			return dir
		}
		dir = filepath.Dir(dir)
	}
	return "."
}

// ReadFile reads a file of the module, by its path from the root.
func ReadFile(t testing.TB, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(Root, filepath.FromSlash(path)))
	if err != nil {
		t.Fatal(err)
	}
	return content
}

var (
	program       = sync.OnceValues(func() (string, error) { return build("patdesk") })
	faultsProgram = sync.OnceValues(func() (string, error) { return build("patdesk-faultpoints", "-tags", "faultpoints") })

	// builds is the folder of the programs that were built, made for the first of them.
	builds = sync.OnceValues(func() (string, error) { return os.MkdirTemp("", "patdesk-test-") })
	built  bool
)

// Program builds the program, once for all tests of a package, and returns its path.
func Program(t testing.TB) string {
	t.Helper()
	return path(t, program)
}

// FaultsProgram is Program with the named points at which a worker can be held: see internal/operation/faultpoints.go.
func FaultsProgram(t testing.TB) string {
	t.Helper()
	return path(t, faultsProgram)
}

func path(t testing.TB, of func() (string, error)) string {
	t.Helper()
	path, err := of()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// build builds as scripts/build does: what is tested is what is released, and both share what was compiled. Linking, which
// takes seconds, is done once for all packages that are tested, and not again until something has changed; each has its own
// copy, which stays the same while it runs.
func build(name string, flags ...string) (string, error) {
	dir, err := builds()
	if err != nil {
		return "", err
	}
	built = true
	shared := filepath.Join(Root, ".bin", "tests", name)
	if err := os.MkdirAll(filepath.Dir(shared), 0o750); err != nil {
		return "", err
	}
	lock := flock.New(shared + ".lock")
	if err := lock.Lock(); err != nil {
		return "", err
	}
	defer func() { _ = lock.Unlock() }() // ends with the process, too
	cmd := exec.Command("go", append(append([]string{"build", "-trimpath", "-buildvcs=false", "-o", shared}, flags...), ".")...)
	cmd.Dir, cmd.Env = Root, append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
	if output, err := cmd.CombinedOutput(); err != nil {
		return "", errors.New(err.Error() + "\n" + strings.TrimSpace(string(output)))
	}
	content, err := os.ReadFile(shared)
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, name)
	syscall.ForkLock.RLock() // or a process that starts meanwhile holds the file open, and "text file busy" is what it ends with
	defer syscall.ForkLock.RUnlock()
	return path, os.WriteFile(path, content, 0o755)
}

// Main is TestMain of packages that build the program: it cleans up after them, and does what else they want done last.
//
// Most of their tests wait: for processes, for services that take their time. So twice as many run at once as usual.
func Main(m *testing.M, last ...func()) {
	flag.Parse()
	if parallel := flag.Lookup("test.parallel"); parallel.Value.String() == parallel.DefValue {
		_ = flag.Set("test.parallel", strconv.Itoa(2*runtime.GOMAXPROCS(0))) // a number
	}
	code := m.Run()
	for _, f := range last {
		f()
	}
	if built {
		dir, err := builds()
		if err == nil {
			err = os.RemoveAll(dir)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err) // a leftover in the temporary folder is no failure
		}
	}
	os.Exit(code)
}
