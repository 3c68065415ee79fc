package main

import (
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
	"time"
)

// binaries is the folder of the programs that tests have built.
var binaries string

// binary builds the program once for all tests that need it as a process of its own.
var binary = sync.OnceValues(func() (string, error) { return build("patdesk") })

// faultBinary is the program with the named points at which a worker can be held: see internal/operation/faultpoints.go.
var faultBinary = sync.OnceValues(func() (string, error) { return build("patdesk-faultpoints", "-tags", "faultpoints") })

// build builds as scripts/build does: what is tested is what is released, and both share what was compiled.
func build(name string, flags ...string) (string, error) {
	path := filepath.Join(binaries, name)
	cmd := exec.Command("go", append(append([]string{"build", "-trimpath", "-buildvcs=false", "-o", path}, flags...), ".")...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
	output, err := cmd.CombinedOutput()
	if err != nil {
		return "", &buildError{string(output), err}
	}
	return path, nil
}

type buildError struct {
	output string
	err    error
}

func (e *buildError) Error() string { return e.err.Error() + "\n" + e.output }

func TestMain(m *testing.M) {
	flag.Parse()
	// Most of these tests wait: for processes, for services that take their time. So twice as many run at once as usual.
	if parallel := flag.Lookup("test.parallel"); parallel.Value.String() == parallel.DefValue {
		_ = flag.Set("test.parallel", strconv.Itoa(2*runtime.GOMAXPROCS(0))) // a number
	}
	dir, err := os.MkdirTemp("", "patdesk-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	binaries = dir
	code := m.Run()
	_ = os.RemoveAll(dir) // a leftover in the temporary folder is no failure
	os.Exit(code)
}

// process is the program running by itself.
type process struct {
	t    *testing.T
	cmd  *exec.Cmd
	log  *logBuffer
	done chan struct{}
}

// startBinary runs the built program in dir with these settings and little else in its environment.
func startBinary(t *testing.T, dir string, env ...string) *process {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	return startProgram(t, path, dir, env...)
}

// startProgram is startBinary for any build of the program.
func startProgram(t *testing.T, path, dir string, env ...string) *process {
	t.Helper()
	p := &process{t: t, log: &logBuffer{}, done: make(chan struct{})}
	p.cmd = exec.Command(path)
	p.cmd.Dir, p.cmd.Env = dir, append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir}, env...)
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { _ = p.cmd.Wait(); close(p.done) }()
	t.Cleanup(func() { _ = p.cmd.Process.Kill(); <-p.done })
	return p
}

// waitFor waits until the log holds text.
func (p *process) waitFor(text string) {
	p.t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(30 * time.Second)
	for !strings.Contains(p.log.String(), text) {
		select {
		case <-tick.C:
		case <-p.done:
			if !strings.Contains(p.log.String(), text) {
				p.t.Fatalf("ended before it said %q:\n%s", text, p.log)
			}
			return
		case <-limit:
			p.t.Fatalf("doesn't say %q:\n%s", text, p.log)
		}
	}
}

// terminate asks the process to stop and checks that it does so in order.
func (p *process) terminate() {
	p.t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Fatal(err)
	}
	select {
	case <-p.done:
	case <-time.After(30 * time.Second):
		p.t.Fatalf("doesn't stop:\n%s", p.log)
	}
	if code := p.cmd.ProcessState.ExitCode(); code != exitOK {
		p.t.Errorf("ended with %d:\n%s", code, p.log)
	}
}
