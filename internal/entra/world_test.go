package entra

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/patdesk/patdesk/internal/simulator"
	"github.com/patdesk/patdesk/internal/testkit"
)

const (
	host        = "https://entra.test" // of the simulator and of the fake endpoint; only in memory
	redirectURI = "https://patdesk.test/getAToken"
	apiScope    = "499b84ac-1321-427f-aa17-267ca6975798/.default"
	mona        = simulator.Mona
)

// bubble runs f with a clock of its own, which MSAL follows too: it stands still while anything is going on, and jumps
// when everything waits. Servers in memory belong to the bubble as well.
func bubble(t *testing.T, f func(*testing.T)) { t.Helper(); synctest.Test(t, f) }

// pass moves the bubble's clock on, and lets everything that falls due be done.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// inMemory is a transport whose connections end at the handler without touching the network. The bytes on them are
// those of HTTP/1.1; only TLS is left out.
func inMemory(t testing.TB, h http.Handler) *http.Transport {
	t.Helper()
	l := &pipes{accept: make(chan net.Conn), closed: make(chan struct{})}
	server := &http.Server{ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError), Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.TLS = &tls.ConnectionState{} // as it would be
		h.ServeHTTP(w, r)
	})}
	go func() { _ = server.Serve(l) }()
	transport := &http.Transport{DialTLSContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return l.dial(ctx) }}
	t.Cleanup(func() {
		_ = server.Close()
		transport.CloseIdleConnections()
	})
	return transport
}

type pipes struct {
	accept chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (p *pipes) dial(ctx context.Context) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case p.accept <- server:
		return client, nil
	case <-p.closed:
		return nil, errors.New("connection refused")
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.accept:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { p.once.Do(func() { close(p.closed) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "memory", Net: "memory"} }

// world is a Provider and the service it talks to.
type world struct {
	t         *testing.T
	sim       *simulator.Simulator
	transport *http.Transport
	options   Options
	log       *testkit.Log
	*Provider
}

// newWorld is a Provider at a simulator. Both follow the clock of the bubble, if there is one.
func newWorld(t *testing.T, o simulator.Options, edit ...func(*Options)) *world {
	t.Helper()
	o.RedirectURIs = append(o.RedirectURIs, redirectURI)
	sim := simulator.New(o)
	t.Cleanup(sim.Close)
	w := worldAt(t, sim.Handler(), append([]func(*Options){func(o *Options) {
		o.ClientID, o.Credential = sim.ClientID(), Credential{Secret: sim.ClientSecret()}
	}}, edit...)...)
	w.sim = sim
	return w
}

// worldAt is a Provider at any service.
func worldAt(t *testing.T, h http.Handler, edit ...func(*Options)) *world {
	t.Helper()
	w := &world{t: t, transport: inMemory(t, h), log: &testkit.Log{}}
	w.options = Options{
		ClientID: fakeClient, Authority: host + "/organizations", Scopes: []string{apiScope}, Credential: Credential{Secret: fakeSecret},
		HTTPClient: &http.Client{Transport: w.transport}, Log: slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	for _, f := range edit {
		f(&w.options)
	}
	w.Provider = w.another()
	return w
}

// another is one more Provider with the same options, as a second process would have.
func (w *world) another() *Provider {
	w.t.Helper()
	p, err := New(w.options)
	if err != nil {
		w.t.Fatal(err)
	}
	return p
}

// begin starts a sign-in.
func (w *world) begin(o BeginOptions) (address *url.URL, a Attempt) {
	w.t.Helper()
	if o.RedirectURI == "" {
		o.RedirectURI = redirectURI
	}
	text, a, err := w.Begin(w.t.Context(), o)
	if err != nil {
		w.t.Fatalf("begin: %v", err)
	}
	if address, err = url.Parse(text); err != nil {
		w.t.Fatal(err)
	}
	return address, a
}

// approve presses "Continue as" on the simulator's page, and returns what the browser brings back.
func (w *world) approve(authorize *url.URL, person string) url.Values {
	w.t.Helper()
	return w.press(authorize, url.Values{"person": {person}})
}

func (w *world) press(authorize *url.URL, form url.Values) url.Values {
	w.t.Helper()
	client := &http.Client{Transport: w.transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	answer, err := client.Post(authorize.String(), "application/x-www-form-urlencoded", strings.NewReader(form.Encode()))
	if err != nil {
		w.t.Fatal(err)
	}
	defer answer.Body.Close()
	back, err := answer.Location()
	if err != nil {
		page, _ := io.ReadAll(answer.Body)
		w.t.Fatalf("the sign-in page answered %s\n%s", answer.Status, page)
	}
	return back.Query()
}

// finish is a whole sign-in, which may fail.
func (w *world) finish(person string) (Identity, []byte, error) {
	w.t.Helper()
	address, a := w.begin(BeginOptions{})
	return w.Finish(w.t.Context(), a, w.approve(address, person))
}

// signedIn is a whole sign-in, and the session's cache after it.
func (w *world) signedIn() (Identity, *memoryCache) {
	w.t.Helper()
	id, blob, err := w.finish(mona)
	if err != nil {
		w.t.Fatalf("finish: %v", err)
	}
	return id, newCache(blob)
}

// token is an access token that must be had.
func (w *world) token(c TokenCache, account string) string {
	w.t.Helper()
	token, err := w.AccessToken(w.t.Context(), c, account)
	if err != nil || token == "" {
		w.t.Fatalf("no access token: %v", err)
	}
	return token
}

// memoryCache is a session's TokenCache in memory, for any number of Providers.
type memoryCache struct {
	key  string
	lock chan struct{}

	mu                         sync.Mutex
	blob                       []byte
	ended                      bool
	loads, saves, drops, locks int
	failing                    map[string]error // by method
}

var errEnded = errors.New("the session has ended")

var cacheNumber struct {
	sync.Mutex
	n int
}

func newCache(blob []byte) *memoryCache {
	cacheNumber.Lock()
	defer cacheNumber.Unlock()
	cacheNumber.n++
	return &memoryCache{key: fmt.Sprint("session ", cacheNumber.n), lock: make(chan struct{}, 1), blob: blob, failing: map[string]error{}}
}

func (c *memoryCache) Key() string { return c.key }

func (c *memoryCache) Version(context.Context) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return fmt.Sprintf("%x", sha256.Sum256(c.blob)), c.failing["Load"]
}

func (c *memoryCache) Load(context.Context) ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.loads++
	return bytes.Clone(c.blob), c.failing["Load"]
}

func (c *memoryCache) Save(ctx context.Context, blob []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case c.ended:
		return errEnded
	case c.failing["Save"] != nil:
		return c.failing["Save"]
	}
	c.saves++
	c.blob = bytes.Clone(blob)
	return nil
}

func (c *memoryCache) Drop(context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.failing["Drop"]; err != nil {
		return err
	}
	c.drops++
	c.blob = nil
	return nil
}

func (c *memoryCache) Lock(ctx context.Context) (func(), error) {
	c.mu.Lock()
	err := c.failing["Lock"]
	c.locks++
	c.mu.Unlock()
	if err != nil {
		return nil, err
	}
	select {
	case c.lock <- struct{}{}:
		return func() { <-c.lock }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (c *memoryCache) fail(method string, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failing[method] = err
}

func (c *memoryCache) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended, c.blob = true, nil
}

// counts are the calls so far.
func (c *memoryCache) counts() (saves, drops int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.saves, c.drops
}

// kindOf is the Kind of an *Error, "" for nil and for others.
func kindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return ""
}

// wantKind fails unless err is of that kind.
func wantKind(t *testing.T, err error, want Kind) {
	t.Helper()
	_ = asKind(t, err, want)
}

// asKind is the *Error of that kind that err must be.
func asKind(t *testing.T, err error, want Kind) *Error {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) || e.Kind != want {
		t.Fatalf("got %v, want kind %s", err, want)
	}
	return e
}

// aged is a token cache whose access token has expired.
func aged(t *testing.T, blob []byte) []byte {
	t.Helper()
	var sections map[string]map[string]map[string]any
	if err := json.Unmarshal(blob, &sections); err != nil {
		t.Fatal(err)
	}
	for _, token := range sections["AccessToken"] {
		token["expires_on"] = "1"
	}
	changed, err := json.Marshal(sections)
	if err != nil {
		t.Fatal(err)
	}
	return changed
}
