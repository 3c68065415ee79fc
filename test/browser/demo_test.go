// Package browser drives a real Chromium over the whole program, started as a person starts it: the demo.
package browser

import (
	"bufio"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"syscall"
	"testing"

	"github.com/patdesk/patdesk/internal/simulator"
	"github.com/patdesk/patdesk/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m, closeBrowsers) }

// demo is the running program.
type demo struct {
	t     *testing.T
	url   string // what it says to open
	panel string // where its services are made to fail

	// Of a program in this process, see startVaults.
	sim   *simulator.Simulator
	clock *testkit.Clock
}

var saysOpen = regexp.MustCompile(`open (http://\S+) .* fail at (http://\S+)\.$`)

// startDemo runs the demo with these settings ("NAME=value") and little else in its environment.
func startDemo(t *testing.T, settings ...string) *demo {
	t.Helper()
	command := exec.Command(testkit.Program(t), "-demo", "-listen", "localhost:0")
	command.Dir = t.TempDir()
	command.Env = append(settings, "PATH="+os.Getenv("PATH"), "HOME="+command.Dir)
	output, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := command.Process.Signal(syscall.SIGTERM); err == nil {
			_ = command.Wait() // its exit code is another test's business
		}
	})
	lines := bufio.NewScanner(output)
	for lines.Scan() {
		if found := saysOpen.FindStringSubmatch(lines.Text()); found != nil {
			return &demo{t: t, url: found[1], panel: found[2]}
		}
	}
	t.Fatal("the demo doesn't say what to open")
	return nil
}

// fail makes the services fail once: the fault's name, and which call it hits ("" for the next one that it can).
func (d *demo) fail(fault, call string) {
	d.t.Helper()
	d.post(url.Values{"fault": {fault}, "call": {call}, "times": {"once"}})
}

// failAlways makes the services fail until mend.
func (d *demo) failAlways(fault, call string) {
	d.t.Helper()
	d.post(url.Values{"fault": {fault}, "call": {call}, "times": {"always"}})
}

// mend switches all faults off.
func (d *demo) mend() {
	d.t.Helper()
	d.post(url.Values{"do": {"clear"}})
}

func (d *demo) post(form url.Values) {
	d.t.Helper()
	answer, err := http.PostForm(d.panel, form)
	if err != nil {
		d.t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		d.t.Fatalf("%v is answered with %s", form, answer.Status)
	}
}
