// Package e2e drives a real Chromium over the whole program, started as a person starts it: the demo.
package e2e

import (
	"bufio"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sync"
	"syscall"
	"testing"
)

// binary builds the program once.
var binary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "patdesk-e2e-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "patdesk")
	build := exec.Command("go", "build", "-o", path, "..")
	build.Stderr = os.Stderr
	return path, build.Run()
})

func TestMain(m *testing.M) {
	code := m.Run()
	closeBrowser()
	if path, err := binary(); err == nil {
		_ = os.RemoveAll(filepath.Dir(path)) // a leftover in the temporary folder is no failure
	}
	os.Exit(code)
}

// demo is the running program.
type demo struct {
	t     *testing.T
	url   string // what it says to open
	panel string // where its services are made to fail
}

var saysOpen = regexp.MustCompile(`open (http://\S+) .* fail at (http://\S+)\.$`)

// startDemo runs the demo with these settings ("NAME=value") and little else in its environment.
func startDemo(t *testing.T, settings ...string) *demo {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command(path, "-demo", "-listen", "localhost:0")
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
