package preflight

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/patdesk/patdesk/internal/freeport"
	"github.com/patdesk/patdesk/internal/simulator"
	"github.com/patdesk/patdesk/internal/testkit"
	"github.com/patdesk/patdesk/internal/testkit/apptest"
)

// What keeps patdesk from listening is found before the start; one that runs already is no fault.
func TestCheckFindsWhatListeningFinds(t *testing.T) {
	t.Parallel()
	sim := startSimulator(t)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	testkit.Must(t, err)
	defer taken.Close()
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "ok\n") }))
	defer other.Close()
	running := apptest.Start(t, apptest.Options{Env: map[string]string{"METRICS_ADDRESS": "127.0.0.1:0"}})
	for name, c := range map[string]struct {
		setting, address, outcome, words string
		offline                          bool
	}{
		"free":                       {"LISTEN_ADDRESS", "localhost:" + freeport.Port(t), "ok", "is free", false},
		"free for metrics":           {"METRICS_ADDRESS", "localhost:" + freeport.Port(t), "ok", "is free", true},
		"any free port":              {"LISTEN_ADDRESS", "localhost:0", "ok", "is free", false},
		"taken":                      {"LISTEN_ADDRESS", taken.Addr().String(), "failed", "is taken by another program. Stop that one, or choose another port", true},
		"taken by something with ok": {"LISTEN_ADDRESS", other.Listener.Addr().String(), "failed", "is taken by another program", false},
		"taken for metrics":          {"METRICS_ADDRESS", taken.Addr().String(), "failed", "is taken by another program", true},
		"a patdesk that runs":        {"LISTEN_ADDRESS", running.Address, "ok", "A patdesk that is running has", false},
		"its metrics":                {"METRICS_ADDRESS", strings.TrimPrefix(running.Metrics, "http://"), "ok", "A patdesk that is running has", false},
		"another machine's":          {"LISTEN_ADDRESS", "192.0.2.1:80", "failed", "is not an address of this machine", true},
		"another machine's IPv6":     {"LISTEN_ADDRESS", "[2001:db8::1]:80", "failed", "can't be listened on", true},
		"no such name":               {"METRICS_ADDRESS", "no.such.invalid:1", "failed", "can't be listened on", true},
	} {
		env := map[string]string{c.setting: c.address, "BASE_URL": "https://p.example", "TRUSTED_PROXIES": "10.0.0.1"}
		got := checked{env: env, offline: c.offline}.do(t, sim)
		if got.says(c.setting, c.outcome, c.words); (got.code == exitOK) != (c.outcome == "ok") {
			t.Errorf("%s: ended with %d", name, got.code)
		}
	}
	checked{env: map[string]string{"LISTEN_ADDRESS": "localhost:0"}, offline: true}.do(t, sim).says("Address", "warning", "leaves the port to the start")
}

// What listens on all addresses is asked at one that needs no look-up.
func TestDialHere(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		":5000": "tcp 127.0.0.1:5000", "0.0.0.0:5000": "tcp 127.0.0.1:5000", "[::]:5000": "tcp 127.0.0.1:5000", "localhost:5000": "tcp localhost:5000",
		"10.0.0.7:80": "tcp 10.0.0.7:80", "unix:/run/p.sock": "unix /run/p.sock", "unix:///run/p.sock": "unix /run/p.sock",
	} {
		if network, target, _, err := dialHere(address); err != nil || network+" "+target != want {
			t.Errorf("%s: %s %s, %v", address, network, target, err)
		}
	}
	if _, _, _, err := dialHere("5000"); !errors.Is(err, ErrAddress) {
		t.Errorf("a port alone: %v", err)
	}
}

// A collector that doesn't take traces is found, whatever it does instead.
func TestCheckOfACollector(t *testing.T) {
	t.Parallel()
	sim := startSimulator(t)
	answering := func(status int) string {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method != http.MethodPost || r.URL.Path != "/v1/traces" || r.Header.Get("Content-Type") != "application/x-protobuf" || r.Header.Get("Api-Key") != "canary" {
				status = http.StatusTeapot
			}
			w.WriteHeader(status)
		}))
		t.Cleanup(server.Close)
		return server.URL
	}
	gRPC, err := net.Listen("tcp", "127.0.0.1:0")
	testkit.Must(t, err)
	t.Cleanup(func() { gRPC.Close() })
	go func() {
		for {
			c, err := gRPC.Accept()
			if err != nil {
				return
			}
			_, _ = c.Write([]byte("\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x05\x00\x00\x40\x00")) // SETTINGS of HTTP/2
			c.Close()
		}
	}()
	for endpoint, want := range map[string]string{
		apptest.StartCollector(t).URL:          "ok The collector at 127.0.0.1 takes them",
		answering(http.StatusOK):               "ok The collector at 127.0.0.1 takes them",
		answering(http.StatusUnauthorized):     "warning The collector at 127.0.0.1 refuses them (401). People are served all the same, without traces. Look at OTEL_EXPORTER_OTLP_HEADERS",
		answering(http.StatusForbidden):        "warning The collector at 127.0.0.1 refuses them (403)",
		answering(http.StatusNotFound):         "warning 127.0.0.1 answers 404, which a collector doesn't",
		"http://127.0.0.1:" + freeport.Port(t): "warning 127.0.0.1, asked directly, refuses the connection",
		"http://" + gRPC.Addr().String():       "warning 127.0.0.1 answers otherwise than over HTTP",
		"http://no.such.invalid:4318":          "warning no.such.invalid, asked directly, isn't a name that this machine can look up",
	} {
		got := checked{env: map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_EXPORTER_OTLP_HEADERS": "api-key=canary"}}.do(t, sim)
		outcome, words, _ := strings.Cut(want, " ")
		got.says("Traces", outcome, words)
	}
}

// The credential is tried only when that is asked for, and Entra ID's answer is told apart from everything else.
func TestCheckOfTheCredential(t *testing.T) {
	t.Parallel()
	sim := startSimulator(t)
	key, certificate := testkit.NewCertificate(t, 100*24*time.Hour)
	otherKey, other := testkit.NewCertificate(t, 100*24*time.Hour)
	sim.RegisterCertificate(certificate)
	sim.SetFederatedAssertions("a.federated.token")
	file := func(content string) string {
		path := filepath.Join(t.TempDir(), "file")
		testkit.Must(t, os.WriteFile(path, []byte(content), 0o600))
		return path
	}
	tenant := simulator.DefaultTenantID
	for name, c := range map[string]struct {
		env            map[string]string
		outcome, words string
	}{
		"right secret":            {map[string]string{"CLIENT_SECRET": sim.ClientSecret()}, "ok", "Entra ID takes the credential"},
		"wrong secret":            {nil, "failed", "Entra ID refuses the credential (AADSTS7000215): nobody could sign in. It isn't the client secret of this app"},
		"right certificate":       {map[string]string{"CLIENT_SECRET": "", "CLIENT_CERTIFICATE_FILE": file(testkit.PEM(t, key, certificate))}, "ok", "takes the credential"},
		"another certificate":     {map[string]string{"CLIENT_SECRET": "", "CLIENT_CERTIFICATE_FILE": file(testkit.PEM(t, otherKey, other))}, "failed", "AADSTS700027"},
		"right federated token":   {map[string]string{"CLIENT_SECRET": "", "AZURE_FEDERATED_TOKEN_FILE": file("a.federated.token\n")}, "ok", "takes the credential"},
		"another federated token": {map[string]string{"CLIENT_SECRET": "", "AZURE_FEDERATED_TOKEN_FILE": file("another.federated.token")}, "failed", "refuses the credential (AADSTS"},
		"another app":             {map[string]string{"CLIENT_SECRET": sim.ClientSecret(), "CLIENT_ID": "3b2f1c9e-7a44-4b1c-9c55-0f6a5d1e2c3b"}, "failed", "AADSTS700016"},
		"single permissions":      {map[string]string{"CLIENT_SECRET": sim.ClientSecret(), "SCOPE": "499b84ac-1321-427f-aa17-267ca6975798/vso.pats"}, "ok", "takes the credential"},
	} {
		t.Run(name, func(t *testing.T) {
			env := map[string]string{"AUTHORITY": strings.TrimSuffix(sim.Authority(), tenantOf(sim.Authority())) + tenant}
			for name, value := range c.env {
				env[name] = value
			}
			got := checked{env: env, try: true}.do(t, sim)
			got.says("Sign-in", c.outcome, c.words)
			if got := (checked{env: env}).do(t, sim); strings.Contains(got.output, "Sign-in  ") {
				t.Errorf("it is tried without being asked for:\n%s", got.output)
			}
		})
	}
	env := map[string]string{"CLIENT_SECRET": sim.ClientSecret(), "AUTHORITY": strings.TrimSuffix(sim.Authority(), tenantOf(sim.Authority())) + "organizations"}
	checked{env: env, try: true}.do(t, sim).says("Sign-in", "warning", "AUTHORITY names none")
	env["ALLOWED_TENANTS"] = tenant
	checked{env: env, try: true}.do(t, sim).says("Sign-in", "ok", "takes the credential")
	nobody := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return nil, net.ErrClosed }, DialTLSContext: func(context.Context, string, string) (net.Conn, error) { return nil, net.ErrClosed }}
	checked{env: env, try: true, base: nobody}.do(t, sim).says("Sign-in", "failed", "can't be reached")
}
