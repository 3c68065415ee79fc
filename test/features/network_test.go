package features

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/patdesk/patdesk/internal/freeport"
	"github.com/patdesk/patdesk/internal/simulator"
	"github.com/patdesk/patdesk/internal/testkit"
	"github.com/patdesk/patdesk/internal/testkit/apptest"
	"github.com/patdesk/patdesk/internal/webtest"
)

// The running log names who keeps a sign-in from Entra ID, as -check does: the proxy and what it wants, the authority
// that isn't trusted, the name that isn't known. Each failure is one record.
func TestLogNamesWhatTheNetworkDoes(t *testing.T) {
	t.Parallel()
	sim := simulator.New(simulator.Options{})
	testkit.Must(t, sim.StartTLS(context.Background()))
	t.Cleanup(sim.Close)
	proxy := func(status int) (name, address string) {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
		}))
		t.Cleanup(server.Close)
		return server.Listener.Addr().String(), server.URL
	}
	wants, wanting := proxy(http.StatusProxyAuthRequired)
	bars, barring := proxy(http.StatusForbidden)
	fails, failing := proxy(http.StatusBadGateway)
	hangsUp, err := net.Listen("tcp", "127.0.0.1:0")
	testkit.Must(t, err)
	t.Cleanup(func() { hangsUp.Close() })
	const away = "https://login.patdesk.invalid/c0470500-de30-4000-8000-00000000000a"
	for name, c := range map[string]struct{ authority, proxy, words string }{
		"a proxy that wants a password":   {away, wanting, "the proxy " + wants + " wants user and password (407)"},
		"a proxy that bars the host":      {away, barring, "the proxy " + bars + " doesn't let this call through (403)"},
		"a proxy that can't get there":    {away, failing, "the proxy " + fails + " doesn't let this call through (502)"},
		"a proxy that is gone":            {away, "http://127.0.0.1:" + freeport.Port(t), "the proxy in HTTPS_PROXY can't be reached"},
		"an authority that isn't trusted": {sim.Authority(), "", "it shows a certificate of an authority that isn't trusted here ("},
		"a name that isn't known":         {away, "", "its name can't be looked up"},
		"a host that refuses":             {"https://127.0.0.1:" + freeport.Port(t) + "/c0470500-de30-4000-8000-00000000000a", "", "connection refused"},
	} {
		t.Run(name, func(t *testing.T) {
			port := freeport.Port(t)
			env := []string{"CLIENT_ID=" + sim.ClientID(), "CLIENT_SECRET=canary", "AUTHORITY=" + c.authority, "LISTEN_ADDRESS=localhost:" + port}
			if c.proxy != "" {
				env = append(env, "HTTPS_PROXY="+strings.Replace(c.proxy, "://", "://user:canary@", 1))
			}
			process := apptest.StartBinary(t, t.TempDir(), env...)
			process.WaitFor("serving")
			if b := webtest.New(t, nil).Open("http://localhost:" + port + "/sign-in/start"); b.Status != http.StatusServiceUnavailable {
				t.Errorf("%d\n%s", b.Status, b.Text())
			}
			process.WaitFor("path=/sign-in/start")
			log := process.Log.String()
			if strings.Count(log, c.words) != 1 || strings.Count(log, "no usable answer from Entra") != 1 || strings.Contains(log, "canary") {
				t.Errorf("want once %q:\n%s", c.words, log)
			}
			process.Terminate()
		})
	}
}

// So it does of calls to Azure DevOps.
func TestLogNamesWhatTheNetworkDoesToAzureDevOps(t *testing.T) {
	t.Parallel()
	sim := simulator.New(simulator.Options{Seed: true})
	testkit.Must(t, sim.StartTLS(context.Background()))
	t.Cleanup(sim.Close)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	testkit.Must(t, os.WriteFile(ca, sim.CertPEM(), 0o600))
	for status, words := range map[int]string{http.StatusProxyAuthRequired: "wants user and password (407)", http.StatusForbidden: "doesn't let this call through (403)"} {
		proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
		port := freeport.Port(t)
		sim.SetRedirectURIs("http://localhost:" + port + "/getAToken")
		process := apptest.StartBinary(t, t.TempDir(), "CLIENT_ID="+sim.ClientID(), "CLIENT_SECRET="+sim.ClientSecret(), "AUTHORITY="+sim.Authority(),
			"LISTEN_ADDRESS=localhost:"+port, "HTTPS_PROXY="+proxy.URL, "SSL_CERT_FILE="+ca, "ORGANIZATIONS=contoso", "ENDPOINT=https://vssps.patdesk.invalid")
		process.WaitFor("serving")
		b := webtest.New(t, sim.Client().Transport).Open("http://localhost:" + port)
		apptest.SignIn(b, apptest.Mona)
		b.Open("http://localhost:" + port + "/tokens?organization=contoso")
		testkit.Until(t, "the log has it", func() bool {
			return strings.Contains(process.Log.String(), "connection: the proxy "+proxy.Listener.Addr().String()+" "+words)
		})
		process.Terminate()
		proxy.Close()
	}
}
