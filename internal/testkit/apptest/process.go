package apptest

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/patdesk/patdesk/internal/testkit"
)

// Process is the program running by itself.
type Process struct {
	t    *testing.T
	Cmd  *exec.Cmd
	Log  *testkit.Log
	Done chan struct{}
}

// StartBinary runs the built program in dir with these settings and little else in its environment.
func StartBinary(t *testing.T, dir string, env ...string) *Process {
	t.Helper()
	return startProgram(t, testkit.Program(t), dir, env...)
}

// startProgram is startBinary for any build of the program.
func startProgram(t *testing.T, path, dir string, env ...string) *Process {
	t.Helper()
	return StartWith(t, func(cmd *exec.Cmd) {
		cmd.Path, cmd.Args = path, []string{path}
		cmd.Dir, cmd.Env = dir, append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir}, env...)
	})
}

// StartWith runs what prepare makes of a command. Whatever it prints is its log.
func StartWith(t *testing.T, prepare func(*exec.Cmd)) *Process {
	t.Helper()
	p := &Process{t: t, Cmd: &exec.Cmd{}, Log: &testkit.Log{}, Done: make(chan struct{})}
	prepare(p.Cmd)
	p.Cmd.Stdout, p.Cmd.Stderr = p.Log, p.Log
	if err := p.Cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { _ = p.Cmd.Wait(); close(p.Done) }()
	t.Cleanup(func() { _ = p.Cmd.Process.Kill(); <-p.Done })
	return p
}

// WaitFor waits until the log holds text.
func (p *Process) WaitFor(text string) {
	p.t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(30 * time.Second)
	for !strings.Contains(p.Log.String(), text) {
		select {
		case <-tick.C:
		case <-p.Done:
			if !strings.Contains(p.Log.String(), text) {
				p.t.Fatalf("ended before it said %q:\n%s", text, p.Log)
			}
			return
		case <-limit:
			p.t.Fatalf("doesn't say %q:\n%s", text, p.Log)
		}
	}
}

// Terminate asks the process to stop and checks that it does so in order.
func (p *Process) Terminate() {
	p.t.Helper()
	if err := p.Cmd.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Fatal(err)
	}
	select {
	case <-p.Done:
	case <-time.After(30 * time.Second):
		p.t.Fatalf("doesn't stop:\n%s", p.Log)
	}
	if code := p.Cmd.ProcessState.ExitCode(); code != 0 {
		p.t.Errorf("ended with %d:\n%s", code, p.Log)
	}
}
