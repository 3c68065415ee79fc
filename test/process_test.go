package test

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/patdesk/patdesk/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

// process is the program running by itself.
type process struct {
	t    *testing.T
	cmd  *exec.Cmd
	log  *testkit.Log
	done chan struct{}
}

// startBinary runs the built program in dir with these settings and little else in its environment.
func startBinary(t *testing.T, dir string, env ...string) *process {
	t.Helper()
	return startProgram(t, testkit.Program(t), dir, env...)
}

// startProgram is startBinary for any build of the program.
func startProgram(t *testing.T, path, dir string, env ...string) *process {
	t.Helper()
	p := &process{t: t, log: &testkit.Log{}, done: make(chan struct{})}
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
	if code := p.cmd.ProcessState.ExitCode(); code != 0 {
		p.t.Errorf("ended with %d:\n%s", code, p.log)
	}
}
