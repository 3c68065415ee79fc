package main

import (
	"bytes"
	"context"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/patdesk/patdesk/config"
	"github.com/patdesk/patdesk/internal/simulator"
	"github.com/patdesk/patdesk/internal/webtest"
)

// desk is the whole program, running, and the services it talks to.
type desk struct {
	t    testing.TB
	url  string
	sim  *simulator.Simulator
	log  *logBuffer
	trip http.RoundTripper // of browsers; nil: one that trusts the simulator
	stop func() int        // ends it gracefully and returns the exit code
}

// deskOptions changes what startDesk starts.
type deskOptions struct {
	sim  simulator.Options
	env  map[string]string // settings over the usual ones
	tls  bool              // browsers meet the simulator over TLS too
	demo bool              // as -demo serves it
	now  func() time.Time  // the program's clock; the simulator has its own

	stopTimeout time.Duration                                    // of a graceful stop
	cutOff      bool                                             // the stop is to run into its timeout
	readTimeout time.Duration                                    // of one request
	callTimeout time.Duration                                    // of one call to Azure DevOps
	pause       func(ctx context.Context, d time.Duration) error // between two tries or looks

	wrap func(http.RoundTripper) http.RoundTripper // stands between the program and the services
}

// people of the simulator.
const (
	mona  = "Mona Rivera"
	jonas = "Jonas Weber"
)

// startDesk starts the program against a simulator of its own, on free ports.
func startDesk(t testing.TB, o deskOptions) *desk {
	t.Helper()
	sim := simulator.New(o.sim)
	start := sim.Start
	if o.tls {
		start = sim.StartTLS
	}
	if err := start(context.Background()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sim.Close)
	return startDeskOn(t, sim, o, t.TempDir()+"/sessions")
}

// startDeskOn starts the program on an existing simulator and session folder.
func startDeskOn(t testing.TB, sim *simulator.Simulator, o deskOptions, dir string) *desk {
	t.Helper()
	env := map[string]string{
		"CLIENT_ID": sim.ClientID(), "CLIENT_SECRET": sim.ClientSecret(), "AUTHORITY": sim.Authority(), "ENDPOINT": sim.Endpoint(),
		"DISCOVERY_ENDPOINT": sim.DiscoveryEndpoint(), "SESSION_DIR": dir, "LISTEN_ADDRESS": "127.0.0.1:0", "LOG_LEVEL": "debug", "SHUTDOWN_DELAY": "0s",
	}
	for name, value := range o.env {
		env[name] = value
	}
	cfg, err := config.Load(func(name string) string { return env[name] }, "")
	if err != nil {
		t.Fatal(err)
	}
	d := &desk{t: t, sim: sim, log: &logBuffer{}}
	client := sim.Client()
	if o.wrap != nil {
		client = &http.Client{Transport: o.wrap(client.Transport)}
	}
	ctx, cancel := context.WithCancel(context.Background())
	ready, ended := make(chan string, 1), make(chan int, 1)
	go func() {
		ended <- serve(ctx, setup{
			config: cfg, client: client, demo: o.demo, now: o.now, stopTimeout: o.stopTimeout, callTimeout: o.callTimeout, readTimeout: o.readTimeout, pause: o.pause, stdout: d.log, stderr: d.log, listening: func(public string) { ready <- public },
		})
	}()
	select {
	case d.url = <-ready:
	case code := <-ended:
		t.Fatalf("ended with %d before it served:\n%s", code, d.log)
	case <-time.After(30 * time.Second):
		t.Fatalf("doesn't serve:\n%s", d.log)
	}
	sim.SetRedirectURIs(d.url + cfg.RedirectPath)
	sim.SetPostLogoutURIs(d.url + "/")
	var once sync.Once
	code := 0
	d.stop = func() int { once.Do(func() { cancel(); code = <-ended }); return code }
	t.Cleanup(func() {
		if got := d.stop(); (got == exitOK) == o.cutOff {
			t.Errorf("ended with %d:\n%s", got, d.log)
		}
	})
	return d
}

// browser opens a window on the start page.
func (d *desk) browser() *webtest.Browser {
	d.t.Helper()
	b := webtest.New(d.t, d.transport())
	return b.Open(d.url + "/")
}

func (d *desk) transport() http.RoundTripper {
	if d.trip != nil {
		return d.trip
	}
	return d.sim.Client().Transport
}

// signedIn opens a window and signs in as person.
func (d *desk) signedIn(person string) *webtest.Browser {
	d.t.Helper()
	b := d.browser()
	signIn(b, person)
	if b.Status != http.StatusOK || !b.Has("button", "Sign out") {
		d.t.Fatalf("signing in ended at %s (%d):\n%s\n%s", b.URL, b.Status, b.Text(), d.log)
	}
	return b
}

// signIn goes on from a page with a "Sign in" link.
func signIn(b *webtest.Browser, person string) { b.Click("Sign in").Press("Continue as " + person) }

// secretOf is the secret that the page shows, "" if none.
func secretOf(b *webtest.Browser) string {
	return strings.TrimSpace(b.Page.Find("#secret").Text())
}

// logBuffer collects what the program writes.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// length is how much was written so far; since is what was written after that.
func (l *logBuffer) length() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Len()
}

func (l *logBuffer) since(length int) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.buf.Bytes()[length:])
}

func query(pairs ...string) string {
	q := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		q.Set(pairs[i], pairs[i+1])
	}
	return "?" + q.Encode()
}
