package apptest

import (
	"bytes"
	"crypto/tls"
	"fmt"
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

// Front is a reverse proxy at the public address of one or several programs that share a session folder.
type Front struct {
	URL    string // BASE_URL
	path   string // "" or the sub-path
	server *httptest.Server
	log    *testkit.Log // what went wrong on the way to the programs

	mu      sync.Mutex
	Targets []*url.URL
	next    int
	only    int // one of targets; -1: each in turn
	strip   bool
}

// PublicAddress is how the public address looks.
type PublicAddress struct {
	Https bool
	Path  string // "" or "/pat"
	Strip bool   // the proxy takes the path off
}

func startFront(t testing.TB, p PublicAddress) *Front {
	t.Helper()
	f := &Front{path: p.Path, only: -1, strip: p.Strip, log: &testkit.Log{}}
	proxy := &httputil.ReverseProxy{ErrorLog: slog.NewLogLogger(slog.NewTextHandler(f.log, nil), slog.LevelError), Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(f.target())
		r.Out.Host = r.In.Host
		if f.strip {
			r.Out.URL.Path, r.Out.URL.RawPath = strings.TrimPrefix(r.Out.URL.Path, f.path), strings.TrimPrefix(r.Out.URL.RawPath, f.path)
		}
	}}
	if p.Https {
		f.server = httptest.NewTLSServer(WholeRequests(proxy))
	} else {
		f.server = httptest.NewServer(WholeRequests(proxy))
	}
	t.Cleanup(f.server.Close)
	f.URL = f.server.URL + p.Path
	return f
}

// WholeRequests reads a form before it is passed on, as nginx does. Without that, Go's proxy cuts an answer now and
// then that comes while it still looks whether the form has ended: the server before it has closed the form by then.
func WholeRequests(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			panic(http.ErrAbortHandler) // the browser has gone
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		next.ServeHTTP(w, r)
	})
}

func (f *Front) target() *url.URL {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.only >= 0 {
		return f.Targets[f.only]
	}
	f.next++
	return f.Targets[f.next%len(f.Targets)]
}

// Use sends everything to one of the programs from now on.
func (f *Front) Use(i int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.only = i
}

// StartBehind starts n programs on one session folder behind one public address.
func StartBehind(t testing.TB, p PublicAddress, n int, o Options) (*Front, []*Program) {
	t.Helper()
	sim := simulator.New(o.Sim)
	if err := sim.StartTLS(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sim.Close)
	f, dir := startFront(t, p), t.TempDir()+"/sessions"
	env := map[string]string{"BASE_URL": f.URL}
	for name, value := range o.Env {
		env[name] = value
	}
	o.Env = env
	pool := sim.CertPool()
	if p.Https {
		pool.AddCert(f.server.Certificate())
	}
	trip := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, MaxIdleConnsPerHost: 64}
	t.Cleanup(trip.CloseIdleConnections)
	var programs []*Program
	for range n {
		d := StartOn(t, sim, o, dir)
		d.Via = trip
		f.Targets = append(f.Targets, &url.URL{Scheme: "http", Host: d.Address})
		programs = append(programs, d)
	}
	return f, programs
}

// Exchange is one answer of the program as it went over the wire, with the request that it answers.
type Exchange struct {
	Method string
	URL    *url.URL
	Sent   http.Header
	Status int
	Header http.Header
	Body   string
}

// Head is the size of the answer's head in bytes.
func (s *Exchange) Head() int {
	var b bytes.Buffer
	_ = s.Header.Write(&b) // a buffer takes everything
	return len("HTTP/1.1 421 Misdirected Request\r\n") + b.Len() + len("\r\n")
}

// All is the answer as text.
func (s *Exchange) All() string {
	var head strings.Builder
	_ = s.Header.Write(&head) // a builder takes everything
	return fmt.Sprintf("%d\n%s\n%s", s.Status, head.String(), s.Body)
}

// Recorder records every answer that comes from one host.
type Recorder struct {
	next http.RoundTripper
	host string

	mu  sync.Mutex
	all []Exchange
}

// Record makes the program's browsers write down what they get. It is called before the first is opened.
func Record(t testing.TB, d *Program) *Recorder {
	t.Helper()
	base, err := url.Parse(d.URL)
	if err != nil {
		t.Fatal(err)
	}
	r := &Recorder{next: d.Transport(), host: base.Host}
	d.Via = r
	return r
}

// RoundTrip implements http.RoundTripper.
func (r *Recorder) RoundTrip(request *http.Request) (*http.Response, error) {
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
	r.all = append(r.all, Exchange{request.Method, request.URL, request.Header.Clone(), answer.StatusCode, answer.Header.Clone(), string(body)})
	return answer, nil
}

// Answers are those that came so far.
func (r *Recorder) Answers() []Exchange {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]Exchange(nil), r.all...)
}

// Gate holds fitting requests to the services until it is opened.
type Gate struct {
	next    http.RoundTripper
	fits    func(*http.Request) bool
	arrived chan struct{} // one for each request held
	opened  chan struct{}
	once    sync.Once
}

// NewGate returns one that holds the requests that fit.
func NewGate(fits func(*http.Request) bool) *Gate {
	return &Gate{fits: fits, arrived: make(chan struct{}, 1000), opened: make(chan struct{})}
}

// Wrap is for Options.Wrap.
func (g *Gate) Wrap(next http.RoundTripper) http.RoundTripper {
	g.next = next
	return g
}

// Wait waits until a request is held.
func (g *Gate) Wait(t testing.TB) {
	t.Helper()
	select {
	case <-g.arrived:
	case <-time.After(time.Minute):
		t.Fatal("nothing came to the gate")
	}
}

// Open lets everything through.
func (g *Gate) Open() { g.once.Do(func() { close(g.opened) }) }

// RoundTrip implements http.RoundTripper.
func (g *Gate) RoundTrip(r *http.Request) (*http.Response, error) {
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

// SignedInAt signs in and ends at a page of ours.
func (p *Program) SignedInAt(person, path string) *webtest.Browser {
	p.T.Helper()
	b := webtest.New(p.T, p.Transport()).Open(p.URL + "/sign-in" + Query("return", path))
	SignIn(b, person)
	if b.Status != http.StatusOK || !b.Has("button", "Sign out") {
		p.T.Fatalf("signing in ended at %s (%d):\n%s\n%s", b.URL, b.Status, b.Text(), p.Log)
	}
	return b
}

// Aging stands before Entra and, while it is on, says of every access token that its time is over already.
type Aging struct {
	next http.RoundTripper
	On   atomic.Bool
}

// Wrap is for Options.Wrap.
func (a *Aging) Wrap(next http.RoundTripper) http.RoundTripper {
	a.next = next
	return a
}

var expiresIn = regexp.MustCompile(`"expires_in":\d+`)

// RoundTrip implements http.RoundTripper.
func (a *Aging) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := a.next.RoundTrip(r)
	if err != nil || !a.On.Load() || !strings.HasSuffix(r.URL.Path, "/oauth2/v2.0/token") {
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

// CookiesOf are a browser's cookies for the program, by name.
func CookiesOf(t testing.TB, b *webtest.Browser, address string) map[string]string {
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

// SessionCookie is the one cookie that holds the session.
func SessionCookie(t testing.TB, b *webtest.Browser, address string) *http.Cookie {
	t.Helper()
	for name, value := range CookiesOf(t, b, address) {
		if strings.Contains(name, "patdesk-session") {
			return &http.Cookie{Name: name, Value: value, Path: "/"}
		}
	}
	t.Fatal("no session cookie")
	return nil
}

// PlantCookies gives a browser a cookie for the program, as another page of the same host could.
func PlantCookies(t testing.TB, b *webtest.Browser, address string, cookies ...*http.Cookie) {
	t.Helper()
	at, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	b.Jar().SetCookies(at, cookies)
}
