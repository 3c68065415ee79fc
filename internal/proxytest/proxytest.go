// Package proxytest runs real reverse proxies for tests, with the very examples of deploy/proxy: nothing in them is
// changed but ports, files and where patdesk is, so that an example that doesn't work fails a test. It needs nginx,
// caddy, apache2 and haproxy. Everything listens on free ports of this machine and ends with the test.
package proxytest

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/patdesk/patdesk/internal/freeport"
)

// startLimit is how long a proxy may take to listen, or to end, on a busy machine.
const startLimit = 30 * time.Second

// Programs are the proxies that Debian has, by the names of their packages. Example takes "traefik", too.
func Programs() []string { return []string{"nginx", "caddy", "apache2", "haproxy"} }

// Example is one of the examples, with what is filled in.
type Example struct {
	Program  string
	Path     string   // of the program; "" for where it is found
	Folder   string   // deploy/proxy, from where the test runs
	Subpath  bool     // below /pat
	Strip    bool     // the variant that takes /pat off
	Inner    bool     // the variant for the second of two proxies, as README.md describes it
	Once     bool     // HAProxy alone: a request that fails isn't tried again, so that no failure is hidden
	Backends []string // host:port of patdesk and its replicas
}

// URL is the address that people open, as the examples have it.
func (e Example) URL() string {
	if e.Subpath {
		return "https://tools.contoso.com/pat"
	}
	return "https://patdesk.contoso.com"
}

// Host is the name in URL.
func (e Example) Host() string {
	if e.Subpath {
		return "tools.contoso.com"
	}
	return "patdesk.contoso.com"
}

// Proxy is one that runs.
type Proxy struct {
	Example
	HTTPS string // host:port where it listens
	IPv6  string // the same, with IPv6; "" where this machine has none
	HTTP  string // without TLS; the examples below a sub-path don't listen there

	tb    testing.TB
	dir   string
	cmd   *exec.Cmd
	log   *output
	ended chan struct{}
}

// Start runs an example and waits until it listens.
func Start(tb testing.TB, e Example) *Proxy {
	tb.Helper()
	if _, ok := examples[e.Program]; !ok {
		tb.Fatalf("no proxy is called %q", e.Program)
	}
	path, err := lookPath(cmp.Or(e.Path, e.Program))
	if err != nil {
		tb.Fatalf("%s is missing; scripts/test-deps installs it: %v", e.Program, err)
	}
	var p *Proxy
	for range 5 { // another program may take a port before the proxy does
		p = &Proxy{Example: e, tb: tb, log: &output{}, dir: tempDir(tb)}
		p.HTTPS, p.HTTP, p.IPv6 = freeport.Address(tb, "127.0.0.1"), freeport.Address(tb, "127.0.0.1"), freeport.Address(tb, "::1")
		p.run(path, p.prepare())
		if p.listens() {
			tb.Cleanup(func() {
				p.stop()
				if tb.Failed() {
					text := p.log.String()
					tb.Logf("%s said last:\n%s", e.Program, text[max(0, len(text)-2000):])
				}
			})
			return p
		}
		p.stop()
		if !strings.Contains(strings.ToLower(p.log.String()), "in use") {
			break
		}
	}
	tb.Fatalf("%s doesn't start:\n%s", e.Program, p.log)
	return nil
}

// lookPath finds servers also where Debian puts them and not every user looks.
func lookPath(program string) (string, error) {
	path, err := exec.LookPath(program)
	if err != nil {
		if elsewhere, found := exec.LookPath("/usr/sbin/" + program); found == nil {
			return elsewhere, nil
		}
	}
	return path, err
}

// tempDir is a folder that the proxy can enter as another user, too, if it is started as root.
func tempDir(tb testing.TB) string {
	tb.Helper()
	dir, err := os.MkdirTemp("", "proxytest-") //nolint:usetesting // tb.TempDir's paths are too long for some sockets
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil { //nolint:gosec // see above; what is secret in it has a mode of its own
		tb.Fatal(err)
	}
	return dir
}

func (p *Proxy) run(path string, args []string) {
	p.tb.Helper()
	p.cmd = exec.CommandContext(context.WithoutCancel(p.tb.Context()), path, args...) //nolint:gosec // for tests
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = p.dir, p.log, p.log
	p.cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + p.dir}
	p.cmd.WaitDelay = time.Second // a child that lives on must not hold up the test
	if err := p.cmd.Start(); err != nil {
		p.tb.Fatal(err)
	}
	ended := make(chan struct{})
	p.ended = ended
	go func() { _ = p.cmd.Wait(); close(ended) }()
}

// listens waits until patdesk answers through the proxy; false if that ended.
func (p *Proxy) listens() bool {
	limit := time.After(startLimit)
	for !p.answers() {
		select {
		case <-p.ended:
			return false
		case <-limit:
			return false
		case <-time.After(10 * time.Millisecond):
		}
	}
	return true
}

func (p *Proxy) answers() bool {
	ctx, cancel := context.WithTimeout(p.tb.Context(), time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, p.URL()+"/healthz", http.NoBody)
	if err != nil {
		p.tb.Fatal(err)
	}
	answer, err := p.Transport(p.HTTPS, "", nil).RoundTrip(request)
	if err != nil {
		return false
	}
	_ = answer.Body.Close() // its head says all
	return answer.StatusCode == http.StatusOK && answer.Header.Get("X-Request-Id") != ""
}

func (p *Proxy) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	select {
	case <-p.ended:
	case <-time.After(startLimit):
		_ = p.cmd.Process.Kill()
		<-p.ended
	}
}

// Transport is a browser's way to the proxy, under its public name: to the address at, one of the proxy's, coming from
// the address from of this machine, "" for any, and trusting its certificate and those in also, which may be nil. Other
// addresses are reached as usual.
func (p *Proxy) Transport(at, from string, also *x509.CertPool) *http.Transport {
	pool := x509.NewCertPool()
	if also != nil {
		pool = also.Clone()
	}
	pool.AddCert(authority().cert)
	trip := &http.Transport{
		TLSClientConfig:   &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12},
		ForceAttemptHTTP2: true, // as browsers do
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			var d net.Dialer
			switch address {
			case p.Host() + ":443":
				address = at
				if from != "" {
					d.LocalAddr = &net.TCPAddr{IP: net.ParseIP(from)}
				}
			case p.Host() + ":80":
				address = p.HTTP
			}
			return d.DialContext(ctx, network, address)
		},
	}
	p.tb.Cleanup(trip.CloseIdleConnections) // keeps the stop of a proxy from waiting for its browsers
	return trip
}

// write writes a file of the proxy's own and returns its path.
func (p *Proxy) write(name, content string) string {
	p.tb.Helper()
	path := filepath.Join(p.dir, name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		p.tb.Fatal(err)
	}
	return path
}

// output collects what a proxy says.
type output struct {
	mu   sync.Mutex
	text strings.Builder
}

// Write implements io.Writer.
func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// Plain is an address without TLS that leads to the proxy's own: for another proxy before it, whose example speaks to
// patdesk without TLS.
func (p *Proxy) Plain(tb testing.TB) string {
	tb.Helper()
	l, err := (&net.ListenConfig{}).Listen(tb.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = l.Close() }) // no client is left
	pool := x509.NewCertPool()
	pool.AddCert(authority().cert)
	to := tls.Dialer{Config: &tls.Config{RootCAs: pool, ServerName: p.Host(), MinVersion: tls.VersionTLS12}}
	go func() {
		for {
			from, err := l.Accept()
			if err != nil {
				return
			}
			go p.relay(from, &to)
		}
	}()
	return l.Addr().String()
}

// relay copies both ways until one side is done.
func (p *Proxy) relay(from net.Conn, to *tls.Dialer) {
	defer func() { _ = from.Close() }()
	onward, err := to.DialContext(context.Background(), "tcp", p.HTTPS)
	if err != nil {
		return
	}
	defer func() { _ = onward.Close() }()
	done := make(chan struct{}, 2)
	for _, way := range [][2]net.Conn{{from, onward}, {onward, from}} {
		go func() {
			_, _ = io.Copy(way[0], way[1]) // an error is the end, too
			done <- struct{}{}
		}()
	}
	<-done
}
