package bench

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/patdesk/patdesk/internal/freeport"
	"github.com/patdesk/patdesk/internal/simulator"
	"github.com/patdesk/patdesk/internal/testkit/apptest"
	"github.com/patdesk/patdesk/internal/webtest"
)

const (
	people       = 64 // each may have a bounded number of calls under way
	tokens       = 100
	ended        = 19 // of them: the list shows the others
	organization = "contoso"
	listPath     = "/tokens?organization=" + organization
)

// upstream is Azure DevOps with answers of a fixed size: those of the simulator, each made once. Whatever else is asked
// goes to the simulator.
type upstream struct {
	*httptest.Server
	sim   *simulator.Simulator
	delay atomic.Int64 // time.Duration
	held  sync.Map     // access tokens whose calls for lists get no answer
	last  atomic.Value // the access token of the last call for a list: a string
	lists atomic.Int64 // calls for a list

	waiting atomic.Int64 // calls that have been held up
	other   atomic.Int64 // calls for anything else, Entra's among them

	mu    sync.Mutex
	known map[string]*httptest.ResponseRecorder // by address
	own   map[call]*httptest.ResponseRecorder
}

func startUpstream(t *testing.T) *upstream {
	t.Helper()
	u := startUpstreamOf(t, simulated(people))
	addTokens(u.sim)
	return u
}

// startUpstreamOf is startUpstream of other people and organizations, without tokens.
func startUpstreamOf(t *testing.T, o simulator.Options) *upstream {
	t.Helper()
	sim := simulator.New(o)
	if err := sim.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sim.Close)
	u := &upstream{sim: sim, known: map[string]*httptest.ResponseRecorder{}, own: map[call]*httptest.ResponseRecorder{}}
	to, err := url.Parse(sim.Endpoint())
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{Transport: sim.Client().Transport, Rewrite: func(r *httputil.ProxyRequest) { r.Out.URL.Scheme, r.Out.URL.Host = to.Scheme, to.Host }}
	u.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet || !strings.HasSuffix(r.URL.Path, "/pats") {
			u.other.Add(1)
			proxy.ServeHTTP(w, r)
			return
		}
		u.lists.Add(1)
		bearer := r.Header.Get("Authorization")
		u.last.Store(bearer)
		if _, ok := u.held.Load(bearer); ok {
			u.waiting.Add(1)
			<-r.Context().Done()
			return
		}
		answer := u.answer(proxy, r)
		if delay := time.Duration(u.delay.Load()); delay > 0 {
			timer := time.NewTimer(delay)
			defer timer.Stop()
			select {
			case <-timer.C:
			case <-r.Context().Done():
			}
		}
		w.Header().Set("Content-Type", answer.Header().Get("Content-Type"))
		w.WriteHeader(answer.Code)
		_, _ = w.Write(answer.Body.Bytes())
	}))
	u.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError) // wrk gives up calls at its end
	u.StartTLS()
	t.Cleanup(u.Close)
	return u
}

// simulated is a simulator with so many people in one organization.
func simulated(people int) simulator.Options {
	o := simulator.Options{Organizations: []simulator.Organization{{Name: organization, ID: "00000000-0b60-4000-8000-000000000001", TenantID: simulator.DefaultTenantID}}}
	for i := range people {
		o.People = append(o.People, simulator.Person{
			Name: fmt.Sprintf("Person %d", i), Username: fmt.Sprintf("person%d@contoso.example", i),
			ObjectID: fmt.Sprintf("30aa0000-de30-4000-8000-%012d", i+1), TenantID: simulator.DefaultTenantID, Organizations: []string{organization},
		})
	}
	return o
}

// addTokens gives the first one their tokens.
func addTokens(sim *simulator.Simulator) {
	now := time.Now()
	for i := range tokens {
		ends := now.AddDate(0, 0, 1+i%90)
		if i < ended {
			ends = now.AddDate(0, 0, -1-i)
		}
		sim.AddToken(simulator.Token{
			DisplayName: fmt.Sprintf("ci-deploy-%03d", i), Organization: organization, Scope: "vso.build_execute vso.code_write vso.packaging",
			ValidFrom: now.AddDate(0, 0, -90), ValidTo: ends,
		})
	}
}

// answer is the list as the simulator gave it to the first person who asked, with names of tokens that are the caller's
// own: nothing that was kept of one person's list serves another.
func (u *upstream) answer(from http.Handler, r *http.Request) *httptest.ResponseRecorder {
	u.mu.Lock()
	defer u.mu.Unlock()
	address := r.URL.RequestURI()
	if u.known[address] == nil {
		answer := httptest.NewRecorder()
		r.Header.Set("Accept-Encoding", "identity")
		from.ServeHTTP(answer, r)
		if answer.Code != http.StatusOK {
			return answer
		}
		u.known[address] = answer
	}
	own := call{address, r.Header.Get("Authorization")}
	if u.own[own] == nil {
		answer := *u.known[address]
		name := fmt.Appendf(nil, "ci-dep%03d-", len(u.own)%1000)
		answer.Body = bytes.NewBuffer(bytes.ReplaceAll(answer.Body.Bytes(), []byte("ci-deploy-"), name))
		u.own[own] = &answer
	}
	return u.own[own]
}

// call is a call for a list: its address, and whose it is.
type call struct{ address, bearer string }

// authorities writes the certificates that the program has to trust.
func (u *upstream) authorities(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "authorities.pem")
	content := append(u.sim.CertPEM(), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: u.Certificate().Raw})...)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// patdesk is the program as it is released, in a process of its own, with people signed in.
type patdesk struct {
	*apptest.Process // the present run
	url, metrics     string
	cookies          []string // one Cookie header for each person
	dir              string   // where it runs
	env              []string
}

func startPatdesk(t *testing.T, u *upstream, people int, settings ...string) *patdesk {
	t.Helper()
	address, metrics := freeport.Address(t, "127.0.0.1"), freeport.Address(t, "127.0.0.1")
	p := &patdesk{url: "http://" + address, metrics: "http://" + metrics + "/metrics"}
	u.sim.SetRedirectURIs(p.url + "/getAToken")
	dir := t.TempDir()
	p.dir, p.env = dir, append([]string{
		"CLIENT_ID=" + u.sim.ClientID(), "CLIENT_SECRET=" + u.sim.ClientSecret(), "AUTHORITY=" + u.sim.Authority(), "ENDPOINT=" + u.URL + "/",
		"DISCOVERY_ENDPOINT=" + u.sim.DiscoveryEndpoint(), "SESSION_DIR=" + dir + "/sessions", "LISTEN_ADDRESS=" + address, "METRICS_ADDRESS=" + metrics,
		"SSL_CERT_FILE=" + u.authorities(t), "SHUTDOWN_DELAY=0s", "RATE_LIMIT_SIGN_INS=0",
	}, settings...)
	p.start(t)
	for i := range people {
		b := p.signedIn(t, u, fmt.Sprintf("Person %d", i))
		if b.Open(p.url + listPath); b.Status != http.StatusOK || !strings.Contains(b.Text(), "-099") {
			t.Fatalf("the list of person %d: %d\n%s\n%s", i, b.Status, b.Text(), p.Log)
		}
		p.cookies = append(p.cookies, header(b.Jar(), b.URL))
	}
	return p
}

// signedIn is a browser of somebody who has signed in.
func (p *patdesk) signedIn(t *testing.T, u *upstream, person string) *webtest.Browser {
	t.Helper()
	b := webtest.New(t, u.sim.Client().Transport)
	apptest.SignIn(b.Open(p.url+"/"), person)
	return b
}

// start starts it, once more where it was ended.
func (p *patdesk) start(t *testing.T) {
	t.Helper()
	p.Process = apptest.StartBinary(t, p.dir, p.env...)
	p.WaitFor("msg=serving address")
}

func header(jar http.CookieJar, at *url.URL) string {
	var all []string
	for _, c := range jar.Cookies(at) {
		all = append(all, c.Name+"="+c.Value)
	}
	return strings.Join(all, "; ")
}

// floorsUpstream is the environment variable that makes this test's program the floor.
const floorsUpstream = "PATDESK_BENCH_UPSTREAM"

// serveFloor passes every request on as the call for a list, as little as a page can cost.
func serveFloor(list string) {
	to, err := url.Parse(list)
	if err != nil {
		panic(err)
	}
	transport := &http.Transport{MaxIdleConnsPerHost: 1000, TLSClientConfig: &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12}}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println("floor at http://" + listener.Addr().String())
	panic(http.Serve(listener, &httputil.ReverseProxy{Transport: transport, Rewrite: func(r *httputil.ProxyRequest) {
		r.Out.URL, r.Out.Host = to, to.Host
		r.Out.Header.Del("Cookie")
	}}))
}

// startFloor starts that as a process of its own.
func startFloor(t *testing.T, u *upstream) (address string, pid int) {
	t.Helper()
	u.mu.Lock()
	var list string
	for address := range u.known {
		list = u.URL + address
	}
	u.mu.Unlock()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), floorsUpstream+"="+list)
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(strings.TrimPrefix(line, "floor at ")), cmd.Process.Pid
}

// get opens a page once.
func get(t *testing.T, address, cookie, encoding string) (size int) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Cookie", cookie)
	r.Header.Set("Accept-Encoding", encoding)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	n, err := io.Copy(io.Discard, answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("%s: %d, %v", address, answer.StatusCode, err)
	}
	return int(n)
}
