package test

import (
	"bytes"
	"crypto/tls"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/patdesk/patdesk/internal/simulator"
	"github.com/patdesk/patdesk/internal/testkit"
	"github.com/patdesk/patdesk/internal/webtest"
)

// What the security tests stand on: a clock, a reverse proxy before one or several programs, a record of every
// answer that a browser got, and a gate before the services. docs/security.md says which promise each test shows.

// testClock stands still until it is moved. It starts at the real time, by which MSAL judges its tokens.
type testClock struct {
	mu sync.Mutex
	at time.Time
}

func newTestClock() *testClock { return &testClock{at: time.Now()} }

func (c *testClock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *testClock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// front is a reverse proxy at the public address of one or several programs that share a session folder.
type front struct {
	url    string // BASE_URL
	path   string // "" or the sub-path
	server *httptest.Server
	log    *testkit.Log // what went wrong on the way to the programs

	mu      sync.Mutex
	targets []*url.URL
	next    int
	only    int // one of targets; -1: each in turn
	strip   bool
}

// place is how the public address looks.
type place struct {
	https bool
	path  string // "" or "/pat"
	strip bool   // the proxy takes the path off
}

func startFront(t testing.TB, p place) *front {
	t.Helper()
	f := &front{path: p.path, only: -1, strip: p.strip, log: &testkit.Log{}}
	proxy := &httputil.ReverseProxy{ErrorLog: slog.NewLogLogger(slog.NewTextHandler(f.log, nil), slog.LevelError), Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(f.target())
		r.Out.Host = r.In.Host
		if f.strip {
			r.Out.URL.Path, r.Out.URL.RawPath = strings.TrimPrefix(r.Out.URL.Path, f.path), strings.TrimPrefix(r.Out.URL.RawPath, f.path)
		}
	}}
	if p.https {
		f.server = httptest.NewTLSServer(wholeRequests(proxy))
	} else {
		f.server = httptest.NewServer(wholeRequests(proxy))
	}
	t.Cleanup(f.server.Close)
	f.url = f.server.URL + p.path
	return f
}

// wholeRequests reads a form before it is passed on, as nginx does. Without that, Go's proxy cuts an answer now and then
// that comes while it still looks whether the form has ended: the server before it has closed the form by then.
func wholeRequests(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			panic(http.ErrAbortHandler) // the browser has gone
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		next.ServeHTTP(w, r)
	})
}

func (f *front) target() *url.URL {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.only >= 0 {
		return f.targets[f.only]
	}
	f.next++
	return f.targets[f.next%len(f.targets)]
}

// use sends everything to one of the programs from now on.
func (f *front) use(i int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.only = i
}

// startBehind starts n programs on one session folder behind one public address.
func startBehind(t testing.TB, p place, n int, o deskOptions) (*front, []*desk) {
	t.Helper()
	sim := simulator.New(o.sim)
	if err := sim.StartTLS(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sim.Close)
	f, dir := startFront(t, p), t.TempDir()+"/sessions"
	env := map[string]string{"BASE_URL": f.url}
	for name, value := range o.env {
		env[name] = value
	}
	o.env = env
	pool := sim.CertPool()
	if p.https {
		pool.AddCert(f.server.Certificate())
	}
	trip := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, MaxIdleConnsPerHost: 64}
	t.Cleanup(trip.CloseIdleConnections)
	var desks []*desk
	for range n {
		d := startDeskOn(t, sim, o, dir)
		d.trip = trip
		f.targets = append(f.targets, &url.URL{Scheme: "http", Host: d.at})
		desks = append(desks, d)
	}
	return f, desks
}

// seen is one answer of the program as it went over the wire, with the request that it answers.
type seen struct {
	method string
	url    *url.URL
	sent   http.Header
	status int
	header http.Header
	body   string
}

// head is the size of the answer's head in bytes.
func (s *seen) head() int {
	var b bytes.Buffer
	_ = s.header.Write(&b) // a buffer takes everything
	return len("HTTP/1.1 421 Misdirected Request\r\n") + b.Len() + len("\r\n")
}

// tape records every answer that comes from base's host.
type tape struct {
	next http.RoundTripper
	host string

	mu  sync.Mutex
	all []seen
}

// record makes the program's browsers write down what they get. It is called before the first is opened.
func record(t testing.TB, d *desk) *tape {
	t.Helper()
	base, err := url.Parse(d.url)
	if err != nil {
		t.Fatal(err)
	}
	r := &tape{next: d.transport(), host: base.Host}
	d.trip = r
	return r
}

func (r *tape) RoundTrip(request *http.Request) (*http.Response, error) {
	answer, err := r.next.RoundTrip(request)
	if err != nil || request.URL.Host != r.host {
		return answer, err
	}
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return nil, err
	}
	_ = answer.Body.Close() // read to its end
	answer.Body = io.NopCloser(bytes.NewReader(body))
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, seen{request.Method, request.URL, request.Header.Clone(), answer.StatusCode, answer.Header.Clone(), string(body)})
	return answer, nil
}

func (r *tape) answers() []seen {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]seen(nil), r.all...)
}

// gate holds fitting requests to the services until it is opened.
type gate struct {
	next    http.RoundTripper
	fits    func(*http.Request) bool
	arrived chan struct{} // one for each request held
	opened  chan struct{}
	once    sync.Once
}

func newGate(fits func(*http.Request) bool) *gate {
	return &gate{fits: fits, arrived: make(chan struct{}, 1000), opened: make(chan struct{})}
}

func (g *gate) wrap(next http.RoundTripper) http.RoundTripper {
	g.next = next
	return g
}

// wait waits until a request is held.
func (g *gate) wait(t testing.TB) {
	t.Helper()
	select {
	case <-g.arrived:
	case <-time.After(time.Minute):
		t.Fatal("nothing came to the gate")
	}
}

func (g *gate) open() { g.once.Do(func() { close(g.opened) }) }

func (g *gate) RoundTrip(r *http.Request) (*http.Response, error) {
	if g.fits(r) {
		g.arrived <- struct{}{}
		select {
		case <-g.opened:
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
	}
	return g.next.RoundTrip(r)
}

// refreshes says if a request asks Entra for new tokens with a refresh token.
func refreshes(r *http.Request) bool {
	if r.Method != http.MethodPost || !strings.HasSuffix(r.URL.Path, "/oauth2/v2.0/token") || r.GetBody == nil {
		return false
	}
	body, err := r.GetBody()
	if err != nil {
		return false
	}
	defer body.Close()
	content, err := io.ReadAll(body)
	return err == nil && strings.Contains(string(content), "grant_type=refresh_token")
}

// signedInAt signs in and ends at a page of ours.
func (d *desk) signedInAt(person, path string) *webtest.Browser {
	d.t.Helper()
	b := webtest.New(d.t, d.transport()).Open(d.url + "/sign-in" + query("return", path))
	signIn(b, person)
	if b.Status != http.StatusOK || !b.Has("button", "Sign out") {
		d.t.Fatalf("signing in ended at %s (%d):\n%s\n%s", b.URL, b.Status, b.Text(), d.log)
	}
	return b
}

// aging stands before Entra and, while it is on, says of every access token that its time is over already.
type aging struct {
	next http.RoundTripper
	on   atomic.Bool
}

func (a *aging) wrap(next http.RoundTripper) http.RoundTripper {
	a.next = next
	return a
}

var expiresIn = regexp.MustCompile(`"expires_in":\d+`)

func (a *aging) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := a.next.RoundTrip(r)
	if err != nil || !a.on.Load() || !strings.HasSuffix(r.URL.Path, "/oauth2/v2.0/token") {
		return answer, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return nil, err
	}
	body = expiresIn.ReplaceAll(body, []byte(`"expires_in":0`))
	answer.Body, answer.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	answer.Header.Del("Content-Length")
	return answer, nil
}

// signedInStale signs in so that the next call to Azure DevOps needs a fresh access token.
func (d *desk) signedInStale(a *aging, person string) *webtest.Browser {
	d.t.Helper()
	a.on.Store(true)
	defer a.on.Store(false)
	return d.signedInAt(person, "/changes")
}

// cookiesOf are a browser's cookies for the program, by name.
func cookiesOf(t testing.TB, b *webtest.Browser, address string) map[string]string {
	t.Helper()
	at, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, c := range b.Jar().Cookies(at) {
		all[c.Name] = c.Value
	}
	return all
}

// sessionCookie is the one cookie that holds the session.
func sessionCookie(t testing.TB, b *webtest.Browser, address string) *http.Cookie {
	t.Helper()
	for name, value := range cookiesOf(t, b, address) {
		if strings.Contains(name, "patdesk-session") {
			return &http.Cookie{Name: name, Value: value, Path: "/"}
		}
	}
	t.Fatal("no session cookie")
	return nil
}

// plant gives a browser a cookie for the program, as another page of the same host could.
func plant(t testing.TB, b *webtest.Browser, address string, cookies ...*http.Cookie) {
	t.Helper()
	at, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	b.Jar().SetCookies(at, cookies)
}
