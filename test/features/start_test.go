package features

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/patdesk/patdesk/config"
	"github.com/patdesk/patdesk/internal/app"
	"github.com/patdesk/patdesk/internal/freeport"
	"github.com/patdesk/patdesk/internal/simulator"
	"github.com/patdesk/patdesk/internal/testkit"
	"github.com/patdesk/patdesk/internal/testkit/apptest"
	"github.com/patdesk/patdesk/internal/webtest"
)

// failsToStart is all that the program says about why it doesn't start with these settings, which by themselves are
// right.
func failsToStart(t *testing.T, env map[string]string) string {
	t.Helper()
	cfg, err := config.Load(func(name string) string { return env[name] }, "")
	if err != nil {
		t.Fatal(err)
	}
	log := &testkit.Log{}
	if _, err = app.New(t.Context(), cfg, app.Options{Log: log}); err == nil {
		t.Fatal("it starts")
	}
	return log.String() + err.Error()
}

// healthcheck asks the program at that address as a container does, and with more arguments as a test of the Helm chart does.
func healthcheck(t *testing.T, address string, args ...string) (code int, stderr string) {
	t.Helper()
	var said strings.Builder
	cmd := exec.CommandContext(t.Context(), testkit.Program(t), append([]string{"-healthcheck"}, args...)...)
	cmd.Env, cmd.Dir, cmd.Stderr = []string{"LISTEN_ADDRESS=" + address}, t.TempDir(), &said
	_ = cmd.Run() // the exit code has it
	return cmd.ProcessState.ExitCode(), said.String()
}

func TestHealth(t *testing.T) {
	t.Parallel()
	d := apptest.Start(t, apptest.Options{})
	for path, want := range map[string]string{"/healthz": "ok", "/readyz": "ready"} {
		b := webtest.New(t, nil).Open(d.URL + path)
		if b.Status != http.StatusOK || !strings.Contains(b.Body, want) {
			t.Errorf("%s: %d %q", path, b.Status, b.Body)
		}
	}
	if code, stderr := healthcheck(t, d.Address); code != 0 {
		t.Errorf("-healthcheck: %d %s", code, stderr)
	}
	if code, stderr := healthcheck(t, "0.0.0.0:1", "-listen", d.Address); code != 0 {
		t.Errorf("-healthcheck -listen: %d %s", code, stderr)
	}
	d.Sim.Close() // no reason to restart, or to send visitors elsewhere
	for _, path := range []string{"/healthz", "/readyz"} {
		if b := webtest.New(t, nil).Open(d.URL + path); b.Status != http.StatusOK {
			t.Errorf("%s without Entra ID and Azure DevOps: %d", path, b.Status)
		}
	}
	testkit.Must(t, d.Stop())
	if code, stderr := healthcheck(t, d.Address); code != 1 || stderr == "" {
		t.Errorf("-healthcheck of a stopped program: %d %s", code, stderr)
	}
}

// The built binary, with settings alone, against services behind TLS that it has to be told to trust: as with a
// stand-in that isn't ours.
func TestSettingsAlone(t *testing.T) {
	t.Parallel()
	sim := simulator.New(simulator.Options{Seed: true})
	if err := sim.StartTLS(context.Background()); err != nil {
		t.Fatal(err)
	}
	defer sim.Close()
	dir := t.TempDir()
	// The authority is in a folder, as Kubernetes mounts a ConfigMap or a Secret: behind links.
	authorities := filepath.Join(dir, "authorities")
	testkit.Must(t, os.MkdirAll(filepath.Join(authorities, "..2026_01_02"), 0o700))
	testkit.Must(t, os.WriteFile(filepath.Join(authorities, "..2026_01_02", "ca.crt"), sim.CertPEM(), 0o600))
	testkit.Must(t, os.Symlink("..2026_01_02", filepath.Join(authorities, "..data")))
	testkit.Must(t, os.Symlink("..data/ca.crt", filepath.Join(authorities, "ca.crt")))
	port := freeport.Port(t)
	settings := fmt.Sprintf("CLIENT_ID = %q\nCLIENT_SECRET = %q\nAUTHORITY = %q\nENDPOINT = '%s/contoso/_apis/Tokens/Pats?api-version=6.1-preview'\n"+
		"DISCOVERY_ENDPOINT=%s\nSCOPE = [\"499b84ac-1321-427f-aa17-267ca6975798/.default\"]\nREDIRECT_PATH = \"/getAToken\"  # as registered\nSESSION_TYPE = \"filesystem\"\n",
		sim.ClientID(), sim.ClientSecret(), sim.Authority(), sim.Endpoint(), sim.DiscoveryEndpoint())
	if err := os.WriteFile(filepath.Join(dir, ".env"), []byte(settings), 0o600); err != nil {
		t.Fatal(err)
	}
	address := "http://localhost:" + port
	sim.SetRedirectURIs(address + "/getAToken")
	process := apptest.StartBinary(t, dir, "SSL_CERT_DIR="+authorities, "LISTEN_ADDRESS=localhost:"+port)
	process.WaitFor("serving")
	b := webtest.New(t, sim.Client().Transport).Open(address)
	apptest.SignIn(b, apptest.Mona)
	if b.Status != http.StatusOK || !strings.Contains(b.Text(), "Nightly backup of repositories") {
		t.Fatalf("%d %s\n%s\n%s", b.Status, b.URL, b.Text(), process.Log)
	}
	if b.Has("link", "fabrikam") {
		t.Error("ENDPOINT names one organization, but another one is offered")
	}
	process.Terminate()
}
