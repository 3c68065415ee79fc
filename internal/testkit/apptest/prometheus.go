package apptest

import (
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/patdesk/patdesk/internal/freeport"
	"github.com/patdesk/patdesk/internal/testkit"
)

// Prometheus is a real one that runs until the test ends.
type Prometheus struct {
	Log testkit.Log

	t   testing.TB
	url string
}

// StartPrometheus starts one with the prometheus.yml in dir, where it keeps its data, too.
func StartPrometheus(t testing.TB, dir string) *Prometheus {
	t.Helper()
	program, err := exec.LookPath("prometheus")
	if err != nil {
		t.Fatalf("prometheus is missing; scripts/test-deps installs it: %v", err)
	}
	listen := freeport.Address(t, "127.0.0.1")
	p := &Prometheus{t: t, url: "http://" + listen}
	server := exec.CommandContext(t.Context(), program, "--config.file="+filepath.Join(dir, "prometheus.yml"), "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+listen)
	server.Stdout, server.Stderr = &p.Log, &p.Log
	testkit.Must(t, server.Start())
	t.Cleanup(func() { _ = server.Process.Kill(); _ = server.Wait() })
	return p
}

// Ask is what it answers at a path of its API, "" before it listens.
func (p *Prometheus) Ask(path string) string {
	p.t.Helper()
	request, err := http.NewRequestWithContext(p.t.Context(), http.MethodGet, p.url+path, http.NoBody)
	testkit.Must(p.t, err)
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return ""
	}
	defer answer.Body.Close()
	body, _ := io.ReadAll(answer.Body)
	return string(body)
}
