package preflight

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/patdesk/patdesk/config"
	"github.com/patdesk/patdesk/internal/freeport"
	"github.com/patdesk/patdesk/internal/session/redisstore/redistest"
	"github.com/patdesk/patdesk/internal/simulator"
	"github.com/patdesk/patdesk/internal/testkit"
)

// checked is one -check in this process.
type checked struct {
	env     map[string]string // settings over the usual ones
	base    http.RoundTripper // nil: one that reaches the simulator
	ahead   time.Duration     // of this machine's clock
	offline bool
	limit   time.Duration // 0: the usual one
	try     bool          // -credential
}

// The exit codes of the program.
const (
	exitOK      = 0
	exitFailed  = 1
	exitMisused = 2
)

// check is what -check prints for these settings, and the exit code that follows.
func check(t *testing.T, c Check) table {
	t.Helper()
	c.Config, c.Err = config.Load(c.Getenv, "")
	var out strings.Builder
	failed, err := c.Run(t.Context(), &out)
	switch {
	case err != nil:
		return table{t, exitMisused, out.String() + "\n" + err.Error()}
	case failed > 0:
		return table{t, exitFailed, out.String()}
	default:
		return table{t, exitOK, out.String()}
	}
}

// table is what it printed.
type table struct {
	t      *testing.T
	code   int
	output string
}

// do runs the check against sim.
func (c checked) do(t *testing.T, sim *simulator.Simulator) table {
	t.Helper()
	env := map[string]string{
		"CLIENT_ID": sim.ClientID(), "CLIENT_SECRET": "canary-secret", "AUTHORITY": sim.Authority(), "ENDPOINT": sim.Endpoint(),
		"DISCOVERY_ENDPOINT": sim.DiscoveryEndpoint(), "SESSION_DIR": filepath.Join(t.TempDir(), "data", "sessions"),
		"LISTEN_ADDRESS": "localhost:" + freeport.Port(t),
	}
	for name, value := range c.env {
		env[name] = value
	}
	if c.base == nil {
		c.base = sim.Client().Transport
	}
	got := check(t, Check{
		Getenv: func(name string) string { return env[name] }, Offline: c.offline, Base: c.base, Limit: c.limit, Try: c.try,
		Now: func() time.Time { return time.Now().Add(c.ahead) },
	})
	if strings.Contains(got.output, "canary") {
		t.Errorf("it tells a secret:\n%s", got.output)
	}
	return got
}

// says checks one row: how it ended, and words of it wherever lines are broken.
func (g table) says(what, outcome, words string) {
	g.t.Helper()
	var row []string
	within := false
	for line := range strings.Lines(g.output) {
		if !strings.HasPrefix(line, " ") {
			within = strings.HasPrefix(line, what+"  ")
		}
		if within {
			row = append(row, strings.Fields(line)...)
		}
	}
	text := strings.Join(row, " ")
	if !strings.HasPrefix(text, what+" "+outcome+" ") || !strings.Contains(text, words) {
		g.t.Errorf("%s: want %s and %q, got %q in\n%s", what, outcome, words, text, g.output)
	}
}

func (g table) ends(code int) {
	g.t.Helper()
	if g.code != code {
		g.t.Errorf("ended with %d, want %d:\n%s", g.code, code, g.output)
	}
}

// All is well, and nothing was done but looking.
func TestCheckAllIsWell(t *testing.T) {
	t.Parallel()
	sim := startSimulator(t)
	dir := filepath.Join(t.TempDir(), "data", "sessions")
	got := checked{env: map[string]string{"SESSION_DIR": dir, "BASE_URL": "https://tools.contoso.com/pat"}}.do(t, sim)
	got.ends(exitOK)
	got.says("Address", "ok", "the redirect URIs https://tools.contoso.com/pat/getAToken and, for signing out, https://tools.contoso.com/pat/.")
	got.says("Credential", "ok", "A client secret.")
	got.says("Session keys", "ok", "None yet")
	got.says("Session folder", "ok", "isn't there yet")
	got.says("Entra ID", "ok", "127.0.0.1 answers, directly. Its issuer is")
	got.says("Azure DevOps", "ok", "answers, directly")
	got.says("Discovery", "ok", "answers, directly")
	got.says("Clock", "ok", "within a minute")
	if _, err := os.Stat(filepath.Dir(dir)); !os.IsNotExist(err) {
		t.Errorf("the folder was made: %v", err)
	}
	calls := sim.AllCalls()
	if calls[simulator.CallToken]+calls[simulator.CallAuthorize]+calls[simulator.CallCreate] != 0 || calls[simulator.CallJWKS] != 1 {
		t.Errorf("called %v", calls)
	}
	for _, r := range sim.Requests() {
		if r.Method != http.MethodGet || r.Header.Get("Authorization") != "" || r.Body != "" {
			t.Errorf("%s %s with %q", r.Method, r.Path, r.Body)
		}
	}
	for line := range strings.Lines(got.output) {
		if len(line) > 121 && !strings.HasPrefix(line, "warning:") {
			t.Errorf("a long line: %q", line)
		}
	}
}

// A vault is asked what it wants a token for; one that doesn't exist, or that isn't a vault, is seen.
func TestCheckVaults(t *testing.T) {
	t.Parallel()
	sim := startSimulator(t)
	got := checked{env: map[string]string{"VAULTS": simulator.TeamVault}}.do(t, sim)
	got.ends(exitOK)
	got.says("Vault", "ok", "team-vault.vault.azure.net answers, directly. What people may do there, their sign-in decides.")
	got = checked{env: map[string]string{"VAULTS": "https://nowhere.vault.azure.net"}}.do(t, sim)
	got.ends(exitFailed)
	got.says("Vault", "failed", "nowhere.vault.azure.net")
	sim.SetFault("vaultForeignChallenge", simulator.FaultOptions{})
	checked{env: map[string]string{"VAULTS": simulator.TeamVault}}.do(t, sim).says("Vault", "warning", "not as a vault does")
}

// With ORGANIZATIONS nobody's organizations are looked up, so that service isn't tried.
func TestCheckWithOrganizations(t *testing.T) {
	t.Parallel()
	sim := startSimulator(t)
	got := checked{env: map[string]string{"ORGANIZATIONS": "contoso", "DISCOVERY_ENDPOINT": "https://127.0.0.1:1"}}.do(t, sim)
	got.ends(exitOK)
	if strings.Contains(got.output, "Discovery") || sim.Calls(simulator.CallList) != 1 {
		t.Errorf("%v\n%s", sim.AllCalls(), got.output)
	}
}

func TestCheckOffline(t *testing.T) {
	t.Parallel()
	sim := startSimulator(t)
	got := checked{offline: true, env: map[string]string{"HTTPS_PROXY": "http://127.0.0.1:1", "SSL_CERT_FILE": "/nonexistent/ca.pem"}}.do(t, sim)
	got.ends(exitFailed)
	got.says("SSL_CERT_FILE", "failed", "can't be read")
	checked{offline: true, env: map[string]string{"TRUSTED_PROXIES": "10.0.0.0/24"}}.do(t, sim).says("Address", "warning", "Set BASE_URL to the address that people open.")
	if len(sim.AllCalls()) > 0 || !strings.Contains(got.output, "The network was left out") || strings.Contains(got.output, "Clock") {
		t.Errorf("%v\n%s", sim.AllCalls(), got.output)
	}
}

// The clock is compared with the answers' Date.
func TestCheckClock(t *testing.T) {
	t.Parallel()
	sim := startSimulator(t)
	for _, c := range []struct {
		ahead          time.Duration
		code           int
		outcome, words string
	}{
		{30 * time.Second, exitOK, "ok", "within a minute"},
		{2 * time.Minute, exitOK, "warning", "is 2m0s ahead"},
		{-10 * time.Minute, exitFailed, "failed", "behind. Every sign-in would be refused. Set it by the network"},
	} {
		got := checked{ahead: c.ahead}.do(t, sim)
		got.ends(c.code)
		// Whole seconds and a loaded machine: what is ahead by two minutes may show as 1m59s.
		words := regexp.MustCompile(`is \d+m\d+s`).ReplaceAllString(got.output, "is 2m0s")
		table{t, got.code, words}.says("Clock", c.outcome, c.words)
	}
}

// pki is an authority of our own, and a certificate of it.
type pki struct {
	file string // of the authority, PEM
	pool *x509.CertPool
	pair tls.Certificate
}

func makePKI(t *testing.T, until time.Time, names ...string) pki {
	t.Helper()
	made := func(template, parent *x509.Certificate, signer *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey) {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if parent == nil {
			parent, signer = template, key
		}
		der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
		if err != nil {
			t.Fatal(err)
		}
		c, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		return c, key
	}
	ca, caKey := made(&x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Contoso Inspection"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}, nil, nil)
	leaf, key := made(&x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "leaf"}, NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: until,
		DNSNames: names, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, ca, caKey)
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(ca)
	return pki{file, pool, tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: key}}
}

// serveTLS serves h with the certificate and returns its address.
func serveTLS(t *testing.T, p pki, h http.Handler) string {
	t.Helper()
	server := httptest.NewUnstartedServer(h)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{p.pair}, MinVersion: tls.VersionTLS12}
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	server.StartTLS()
	t.Cleanup(server.Close)
	return server.URL
}

// What the network does to a call is said of the service that it happens to, with what to do.
func TestCheckOfServicesThatFail(t *testing.T) {
	t.Parallel()
	sim := startSimulator(t)
	good := makePKI(t, time.Now().Add(time.Hour), "localhost")
	nameless := makePKI(t, time.Now().Add(time.Hour))
	expired := makePKI(t, time.Now().Add(-time.Hour), "localhost")
	hang, stop := context.WithCancel(context.Background())
	answer := func(status int, header, value, body string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set(header, value)
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		})
	}
	plain := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(plain.Close)
	unanswered := serveTLS(t, good, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-hang.Done():
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(stop) // before the server is closed
	for name, c := range map[string]struct {
		address    string // in place of the service's
		trust      *x509.CertPool
		entra, api string // words, of rows that have failed
		apiOutcome string // if that is another one
		limit      time.Duration
	}{
		"refused":      {address: "https://127.0.0.1:" + freeport.Port(t), entra: "127.0.0.1, asked directly, refuses the connection. Look if host and port are right", api: "refuses the connection"},
		"hanging":      {address: unanswered, trust: good.pool, limit: time.Second, entra: "doesn't answer. Something on the way swallows the call.", api: "doesn't answer"},
		"unknown CA":   {address: serveTLS(t, good, http.NotFoundHandler()), trust: x509.NewCertPool(), entra: `an authority that isn't trusted here ("CN=Contoso Inspection"). If that is the authority by which your network inspects traffic`, api: "name that in SSL_CERT_FILE"},
		"expired":      {address: serveTLS(t, expired, http.NotFoundHandler()), trust: expired.pool, entra: "a certificate that isn't valid today (until 20", api: "Look at this machine's clock"},
		"another name": {address: strings.Replace(serveTLS(t, nameless, http.NotFoundHandler()), "127.0.0.1", "localhost", 1), trust: nameless.pool, entra: "localhost, asked directly, shows a certificate for another name", api: "for another name"},
		"no TLS":       {address: "https://" + plain.Listener.Addr().String(), entra: "doesn't speak TLS on that port", api: "doesn't speak TLS"},
		"unknown name": {address: "https://nobody.invalid", limit: 3 * time.Second, entra: "nobody.invalid, asked directly,", api: "nobody.invalid, asked directly,"},
		"no tenant": {
			address: serveTLS(t, good, answer(400, "X-MSEDGE-Ref", "1", `{"error":"invalid_tenant","error_description":"AADSTS90002: canary"}`)), trust: good.pool,
			entra: `knows no tenant "contoso.example" (400). Put the "Directory (tenant) ID"`, api: "answers, directly", apiOutcome: "ok",
		},
		"a sign-in page of the network": {
			address: serveTLS(t, good, answer(200, "Content-Type", "text/html", "<h1>Welcome to the airport</h1>")), trust: good.pool,
			entra: "but not as Entra ID does", api: "answers 200, directly, but without the marks of Azure DevOps", apiOutcome: "warning",
		},
		"a way to a sign-in page of the network": {
			address: serveTLS(t, good, answer(302, "Location", "https://portal.corp.example/login?for=canary", "")), trust: good.pool,
			entra: "but not as Entra ID does: it leads to portal.corp.example. Look", api: "without the marks of Azure DevOps: it leads to portal.corp.example. Look", apiOutcome: "warning",
		},
		"broken": {
			address: serveTLS(t, good, answer(503, "Retry-After", "1", "canary")), trust: good.pool,
			entra: "answers 503, directly. Try again later", api: "answers 503", apiOutcome: "warning",
		},
		"another issuer": {
			address: serveTLS(t, good, answer(200, "ActivityId", "1", `{"issuer":"https://evil.example/canary","authorization_endpoint":"https://evil.example/a","token_endpoint":"https://evil.example/t"}`)),
			trust:   good.pool, entra: "not as Entra ID does", api: "answers", apiOutcome: "ok",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			base := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: c.trust, MinVersion: tls.VersionTLS12}, DisableKeepAlives: true}
			got := checked{base: base, limit: c.limit, env: map[string]string{
				"AUTHORITY": c.address + "/contoso.example", "ENDPOINT": c.address + "/contoso",
			}}.do(t, sim)
			got.ends(exitFailed)
			got.says("Entra ID", "failed", c.entra)
			outcome := c.apiOutcome
			if outcome == "" {
				outcome = "failed"
			}
			got.says("Azure DevOps", outcome, c.api)
		})
	}
}

// connectProxy is a proxy that wants a user, writes down whom it is asked for, and brings all to one address.
type connectProxy struct {
	to     string
	refuse string // a host

	mu    sync.Mutex
	asked []string
}

func (p *connectProxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	p.asked = append(p.asked, r.Method+" "+r.Host)
	p.mu.Unlock()
	host, _, _ := net.SplitHostPort(r.Host)
	switch {
	case r.Header.Get("Proxy-Authorization") != "Basic "+base64.StdEncoding.EncodeToString([]byte("clerk:canary-proxy")):
		http.Error(w, "canary", http.StatusProxyAuthRequired)
		return
	case r.Method != http.MethodConnect || host == p.refuse:
		http.Error(w, "canary", http.StatusForbidden)
		return
	}
	there, err := net.Dial("tcp", p.to)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer there.Close()
	here, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer here.Close()
	_, _ = io.WriteString(here, "HTTP/1.1 200 Connection established\r\n\r\n")
	go func() { _, _ = io.Copy(there, bufio.NewReader(buffered)) }()
	_, _ = io.Copy(here, there)
}

// The built program goes through the proxy of the environment and trusts the authority of the environment, as it will
// when it runs.
func TestCheckThroughAProxyWithAnAuthorityOfItsOwn(t *testing.T) {
	t.Parallel()
	own := makePKI(t, time.Now().Add(time.Hour), "login.patdesk.test", "vssps.patdesk.test", "app.patdesk.test")
	sim := simulator.New(simulator.Options{})
	services, err := url.Parse(serveTLS(t, own, sim.Handler()))
	if err != nil {
		t.Fatal(err)
	}
	path := testkit.Program(t)
	for name, c := range map[string]struct {
		userinfo, noProxy, refuse, ca string
		code                          int
		want                          map[string][2]string
	}{
		"all is well": {"clerk:canary-proxy@", "", "", own.file, exitOK, map[string][2]string{
			"Proxy": {"ok", "(with a user), set by HTTPS_PROXY."}, "SSL_CERT_FILE": {"ok", "1 certificates"},
			"Entra ID": {"ok", "login.patdesk.test answers, through the proxy http://127.0.0.1:"}, "Azure DevOps": {"ok", "vssps.patdesk.test answers, through the proxy"},
			"Discovery": {"ok", "through the proxy"}, "Clock": {"ok", ""},
		}},
		"no password":     {"", "", "", own.file, exitFailed, map[string][2]string{"Entra ID": {"failed", "wants user and password (407). Put them into HTTPS_PROXY"}}},
		"a host refused":  {"clerk:canary-proxy@", "", "vssps.patdesk.test", own.file, exitFailed, map[string][2]string{"Entra ID": {"ok", ""}, "Azure DevOps": {"failed", "doesn't let vssps.patdesk.test through (403)"}}},
		"around it":       {"clerk:canary-proxy@", "app.patdesk.test", "", own.file, exitFailed, map[string][2]string{"Entra ID": {"ok", ""}, "Discovery": {"failed", "app.patdesk.test, asked directly,"}}},
		"CA not trusted":  {"clerk:canary-proxy@", "", "", "", exitFailed, map[string][2]string{"Entra ID": {"failed", `asked through the proxy http://127.0.0.1:`}, "Azure DevOps": {"failed", `isn't trusted here ("CN=Contoso Inspection")`}}},
		"no address":      {"clerk:canary-proxy@%zz/", "", "", own.file, exitFailed, map[string][2]string{"Proxy": {"failed", "isn't an address"}, "Entra ID": {"failed", "login.patdesk.test, asked directly,"}}},
		"an empty bundle": {"clerk:canary-proxy@", "", "", "/dev/null", exitFailed, map[string][2]string{"SSL_CERT_FILE": {"failed", "No certificate in PEM"}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			proxy := &connectProxy{to: services.Host, refuse: c.refuse}
			server := httptest.NewServer(proxy)
			t.Cleanup(server.Close)
			dir := t.TempDir()
			cmd := exec.CommandContext(t.Context(), path, "-check")
			cmd.Dir = dir
			cmd.Env = []string{
				"CLIENT_ID=" + sim.ClientID(), "CLIENT_SECRET=canary-secret", "AUTHORITY=https://login.patdesk.test/organizations",
				"ENDPOINT=https://vssps.patdesk.test", "DISCOVERY_ENDPOINT=https://app.patdesk.test",
				"HTTPS_PROXY=" + strings.Replace(server.URL, "http://", "http://"+c.userinfo, 1), "NO_PROXY=" + c.noProxy, "SSL_CERT_FILE=" + c.ca,
			}
			output, _ := cmd.CombinedOutput()
			got := table{t, cmd.ProcessState.ExitCode(), string(output)}
			got.ends(c.code)
			for what, row := range c.want {
				got.says(what, row[0], row[1])
			}
			if strings.Contains(got.output, "canary") {
				t.Errorf("it tells a password:\n%s", got.output)
			}
			proxy.mu.Lock()
			defer proxy.mu.Unlock()
			asked := strings.Join(proxy.asked, "\n")
			if strings.Contains(c.userinfo, "/") {
				return
			}
			if !strings.Contains(asked, "CONNECT login.patdesk.test:443") || strings.Contains(asked, "app.patdesk.test") == (c.noProxy != "") {
				t.Errorf("the proxy was asked for\n%s", asked)
			}
			if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
				t.Errorf("left behind: %v %v", left, err)
			}
		})
	}
}

// A proxy's address that is none is said to be none, and its password isn't shown.
func TestCheckOfProxySettings(t *testing.T) {
	t.Parallel()
	sim := startSimulator(t)
	checked{env: map[string]string{"HTTP_PROXY": "http://p:1"}}.do(t, sim).says("Proxy", "warning", "for which HTTPS_PROXY counts")
	checked{env: map[string]string{"NO_PROXY": "a.example"}}.do(t, sim).says("Proxy", "ok", "names no proxy")
	checked{env: map[string]string{"https_proxy": "clerk:canary@p:3128"}}.do(t, sim).says("Proxy", "ok", "http://p:3128 (with a user), set by https_proxy")
	checked{env: map[string]string{"HTTPS_PROXY": "http://clerk:canary@p:port"}}.do(t, sim).says("Proxy", "failed", "HTTPS_PROXY isn't an address, so it is passed over in silence or taken for another one. Put http://host:port there")
}

// Redis is asked for all that patdesk will ask of it, and for nothing that stays.
func TestCheckOfRedis(t *testing.T) {
	t.Parallel()
	sim := startSimulator(t)
	server := redistest.Start(t)
	server.Do("ACL", "SETUSER", "full", "on", ">canary-password", "resetchannels", "~patdesk:*", "+@all", "-@dangerous", "+info")
	server.Do("ACL", "SETUSER", "noindex", "on", ">canary-password", "resetchannels", "~patdesk:*", "+@all", "-@dangerous", "+info", "-zadd")
	server.Do("ACL", "SETUSER", "noscripts", "on", ">canary-password", "resetchannels", "~patdesk:*", "+@all", "-@dangerous", "+info", "-eval")
	server.Do("ACL", "SETUSER", "reader", "on", ">canary-password", "resetchannels", "~patdesk:*", "+@read", "+ping")
	server.Do("ACL", "SETUSER", "elsewhere", "on", ">canary-password", "resetchannels", "~other:*", "+@all", "-@dangerous", "+info")
	for _, c := range []struct {
		url, outcome, words string
	}{
		{"redis://full:canary-password@" + server.Addr, "ok", server.Addr + " can be used: a record was written, read, changed, locked and deleted."},
		{"redis://noindex:canary-password@" + server.Addr, "failed", "Writing a record: ERR The user executing the script can't run this command"},
		{"redis://noscripts:canary-password@" + server.Addr, "failed", "no permissions to run the 'eval' command. Its user lacks a right: docs/redis.md"},
		{"redis://reader:canary-password@" + server.Addr, "failed", "Its user lacks a right: docs/redis.md"},
		{"redis://elsewhere:canary-password@" + server.Addr, "failed", "Its user lacks a right: docs/redis.md"},
		{"redis://full:canary-wrong@" + server.Addr, "failed", "refuses user and password"},
		{"rediss://full:canary-password@" + server.Addr, "failed", "and if host, port and TLS (rediss://) in REDIS_URL are right"},
		{"redis://full:canary-password@127.0.0.1:" + freeport.Port(t), "failed", "connection refused. Look if it runs"},
	} {
		got := checked{env: map[string]string{"SESSION_TYPE": "redis", "REDIS_URL": c.url, "SESSION_KEYS": testkit.OldKey}}.do(t, sim)
		got.says("Redis", c.outcome, c.words)
		got.says("Session keys", "ok", "1 in SESSION_KEYS. New records are encrypted with key ")
		if keys := fmt.Sprint(server.Do("KEYS", "*")); strings.Contains(keys, "probe") {
			t.Errorf("%s: left behind: %s", c.url, keys)
		}
	}
	server.Do("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
	checked{env: map[string]string{"SESSION_TYPE": "redis", "REDIS_URL": "redis://" + server.Addr, "SESSION_KEYS": testkit.OldKey}}.do(t, sim).
		says("Redis", "warning", "redis drops records when its memory is full")
	server.Do("CONFIG", "SET", "maxmemory-policy", "noeviction")
	redistest.StartReplica(t, server)
	server.Do("ACL", "SETUSER", "nowait", "on", ">canary-password", "~*", "+@all", "-wait")
	env := map[string]string{"SESSION_TYPE": "redis", "REDIS_URL": "redis://nowait:canary-password@" + server.Addr, "SESSION_KEYS": testkit.OldKey}
	checked{env: env}.do(t, sim).says("Redis", "warning", "lets patdesk not use WAIT")
	env["REDIS_URL"] += "?wait=false"
	checked{env: env}.do(t, sim).says("Redis", "ok", "can be used: a record was written")
	server.Hang()
	defer server.Wake()
	checked{limit: time.Second, env: map[string]string{"SESSION_TYPE": "redis", "REDIS_URL": "redis://" + server.Addr, "SESSION_KEYS": testkit.OldKey}}.do(t, sim).
		says("Redis", "failed", "Look if it runs")
}

// A Redis of Azure is tried with a token, and whoever doesn't give one out is named.
func TestCheckOfRedisByIdentity(t *testing.T) {
	sim := startSimulator(t)
	certificates := redistest.MakeCertificates(t)
	server := redistest.StartTLS(t, certificates)
	token := testkit.TokenOf("the-identity")
	server.Do("ACL", "SETUSER", "the-identity", "on", ">"+token, "~*", "+@all")
	env := map[string]string{
		"SESSION_TYPE": "redis", "SESSION_KEYS": testkit.OldKey, "REDIS_URL": "rediss://" + server.Addr + "?auth=entra&ca=" + certificates.CA,
	}
	for _, c := range []struct {
		status               int
		token, result, words string
	}{
		{http.StatusOK, token, "ok", "(TLS) can be used: a record was written"},
		{http.StatusOK, testkit.TokenOf("another"), "failed", "It refuses the token of Entra ID: give the identity an access policy"},
		{http.StatusBadGateway, "", "failed", "It can't be signed in to: what gives out tokens of Entra ID doesn't answer. Give this machine a managed or workload identity"},
	} {
		testkit.StartIdentity(t).Set(c.status, c.token, time.Hour)
		checked{env: env}.do(t, sim).says("Redis", c.result, c.words)
	}
}

// The mark by which operators compare the keys of replicas depends on the newest key alone, and isn't a part of it.
func TestCheckMarksKeys(t *testing.T) {
	t.Parallel()
	sim := startSimulator(t)
	marked := func(keys string) string {
		got := checked{offline: true, env: map[string]string{"SESSION_KEYS": keys}}.do(t, sim)
		found := regexp.MustCompile(`key [0-9a-f]{8};`).FindString(got.output)
		if found == "" {
			t.Errorf("no mark in\n%s", got.output)
		}
		return found
	}
	one := marked(testkit.NewKey)
	if marked(testkit.NewKey+","+testkit.OldKey) != one || marked(testkit.OldKey) == one {
		t.Error("the mark isn't the newest key's")
	}
	raw, _ := base64.StdEncoding.DecodeString(testkit.NewKey)
	if strings.Contains(fmt.Sprintf("%x", raw), one[4:12]) {
		t.Error("the mark is a part of the key")
	}
}

func TestCheckOfTheSessionFolder(t *testing.T) {
	t.Parallel()
	sim := startSimulator(t)
	made := func(mode os.FileMode) string {
		dir := filepath.Join(t.TempDir(), "sessions")
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(dir, mode); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(made(0o700), link); err != nil {
		t.Fatal(err)
	}
	kept, damaged := made(0o700), made(0o700)
	if err := os.WriteFile(filepath.Join(kept, "keys"), []byte(testkit.NewKey+"\n"+testkit.OldKey+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(damaged, "keys"), []byte("canary"), 0o600); err != nil {
		t.Fatal(err)
	}
	under := filepath.Join(kept, "keys", "sessions")
	for dir, want := range map[string][2]string{
		made(0o700): {"ok", "can be written, and is closed to others"}, made(0o755): {"warning", "can be read by others"},
		made(0o777): {"failed", "thers can write the folder"}, link: {"failed", "is a link"}, kept: {"ok", ""}, damaged: {"failed", "isn't the base64"},
		under: {"failed", "not a directory"}, "/proc/patdesk/sessions": {"failed", "SESSION_DIR can't be used"},
	} {
		got := checked{offline: true, env: map[string]string{"SESSION_DIR": dir}}.do(t, sim)
		got.says("Session folder", want[0], want[1])
		if dir == kept {
			got.says("Session keys", "ok", "2 in SESSION_DIR")
		}
	}
	left, err := os.ReadDir(kept)
	if err != nil || len(left) != 1 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

// The federated token's issuer and subject are said, which have to stand in the app registration.
func TestCheckOfAFederatedToken(t *testing.T) {
	t.Parallel()
	sim := startSimulator(t)
	token := func(claims string) string {
		return "canary." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".canary"
	}
	for content, want := range map[string][2]string{
		token(`{"iss":"https://oidc.example/","sub":"system:serviceaccount:patdesk:patdesk","exp":4102444800}`): {"ok", `the issuer "https://oidc.example/" and the subject "system:serviceaccount:patdesk:patdesk"`},
		token(`{"iss":"https://oidc.example/","sub":"s","exp":1}`):                                              {"failed", "has expired"},
		token(`{}`): {"failed", "holds something else"}, "canary": {"failed", "holds something else"},
	} {
		file := filepath.Join(t.TempDir(), "token")
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		checked{offline: true, env: map[string]string{"CLIENT_SECRET": "", "AZURE_FEDERATED_TOKEN_FILE": file}}.do(t, sim).says("Credential", want[0], want[1])
	}
}

// startSimulator starts one.
func startSimulator(t *testing.T) *simulator.Simulator {
	t.Helper()
	sim := simulator.New(simulator.Options{})
	if err := sim.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return sim
}

// A vault is read as at start; here that it can't be is a failure.
func TestCheckOfAKeyVault(t *testing.T) {
	sim := startSimulator(t)
	vault, client := testkit.StartVault(t, sim)
	env := map[string]string{"CLIENT_SECRET": "", "KEY_VAULT_URL": testkit.VaultURL, "KEY_VAULT_SECRET": "app"}
	vault.Set(http.StatusOK, "canary", "")
	got := checked{base: client.Transport, env: env}.do(t, sim)
	got.ends(exitOK)
	got.says("Credential", "ok", "A client secret, read from patdesk.vault.azure.net, directly.")
	vault.Set(http.StatusForbidden, "canary", "")
	got = checked{base: client.Transport, env: env}.do(t, sim)
	got.ends(exitFailed)
	got.says("Credential", "failed", `the role "Key Vault Secrets User"`)
	checked{base: client.Transport, env: env, offline: true}.do(t, sim).says("Credential", "ok", "wasn't asked")

	env = map[string]string{"CLIENT_SECRET": "", "KEY_VAULT_URL": testkit.VaultURL, "KEY_VAULT_CERTIFICATE": "app"}
	key, certificate := testkit.NewCertificate(t, 7*24*time.Hour+time.Hour)
	vault.Set(http.StatusOK, testkit.PEM(t, key, certificate), "application/x-pem-file")
	got = checked{base: client.Transport, env: env}.do(t, sim)
	got.ends(exitOK)
	got.says("Credential", "warning", "7 more days")

	nobody := &http.Transport{DialTLSContext: func(ctx context.Context, _, address string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "tcp", "127.0.0.1:"+freeport.Port(t))
	}}
	checked{base: nobody, env: env}.do(t, sim).says("Credential", "failed", "patdesk.vault.azure.net, asked directly, refuses the connection")
}

// -check says how long a certificate lasts, and what is wrong with it.
func TestCheckOfACertificate(t *testing.T) {
	good, goodCertificate := testkit.NewCertificate(t, 100*24*time.Hour+time.Hour)
	soon, soonCertificate := testkit.NewCertificate(t, 7*24*time.Hour+time.Hour)
	expired, expiredCertificate := testkit.NewCertificate(t, -time.Hour)
	for name, c := range map[string]struct {
		content, want string
		code          int
	}{
		"good":          {testkit.PEM(t, good, goodCertificate), "\nCLIENT_CERTIFICATE_FILE: the certificate can be used for 100 more days, until " + goodCertificate.NotAfter.UTC().Format(time.DateOnly), exitOK},
		"ends soon":     {testkit.PEM(t, soon, soonCertificate), "warning: CLIENT_CERTIFICATE_FILE: the certificate can be used for 7 more days", exitOK},
		"expired":       {testkit.PEM(t, expired, expiredCertificate), "CLIENT_CERTIFICATE_FILE can't be used: it expired on ", exitMisused},
		"another's key": {testkit.PEM(t, good, soonCertificate), "CLIENT_CERTIFICATE_FILE can't be used: its key doesn't belong to its certificate", exitMisused},
		"no key":        {testkit.PEM(t, nil, goodCertificate), "CLIENT_CERTIFICATE_FILE can't be used: it holds no private key", exitMisused},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "app.pem")
			if err := os.WriteFile(file, []byte(c.content), 0o600); err != nil {
				t.Fatal(err)
			}
			env := map[string]string{"CLIENT_ID": "3b2f1c9e-7a44-4b1c-9c55-0f6a5d1e2c3b", "CLIENT_CERTIFICATE_FILE": file, "LISTEN_ADDRESS": "localhost:" + freeport.Port(t), "AUTHORITY": "https://login.microsoftonline.com/11111111-2222-3333-4444-555555555555"}
			got := check(t, Check{Getenv: func(name string) string { return env[name] }, Offline: true, Now: time.Now})
			if got.code != c.code || !strings.Contains("\n"+got.output, c.want) {
				t.Errorf("%d\n%s", got.code, got.output)
			}
		})
	}
}
