package test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/patdesk/patdesk/config"
	"github.com/patdesk/patdesk/internal/app"
	"github.com/patdesk/patdesk/internal/simulator"
	"github.com/patdesk/patdesk/internal/testkit"
	"github.com/patdesk/patdesk/internal/webtest"
)

// desk is the whole program, running, and the services it talks to.
type desk struct {
	t       testing.TB
	url     string
	at      string // host:port that it listens on
	metrics string // where it answers Prometheus
	sim     *simulator.Simulator
	log     *testkit.Log
	trip    http.RoundTripper // of browsers; nil: one that trusts the simulator
	stop    func() error      // ends it gracefully
}

// deskOptions changes what startDesk starts.
type deskOptions struct {
	sim    simulator.Options
	env    map[string]string // settings over the usual ones
	tls    bool              // browsers meet the simulator over TLS too
	demo   bool              // as -demo serves it
	pseudo bool              // with the pseudo-language
	now    func() time.Time  // the program's clock; the simulator has its own

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
	d := &desk{t: t, sim: sim, log: &testkit.Log{}}
	client := sim.Client()
	if o.wrap != nil {
		client = &http.Client{Transport: o.wrap(client.Transport)}
	}
	program, err := app.New(context.Background(), cfg, app.Options{
		Log: d.log, Client: client, Demo: o.demo, Pseudo: o.pseudo, Now: o.now, Pause: o.pause, StopTimeout: o.stopTimeout, CallTimeout: o.callTimeout, ReadTimeout: o.readTimeout,
	})
	if err != nil {
		t.Fatalf("%v\n%s", err, d.log)
	}
	d.url, d.at, d.metrics, d.stop = program.URL(), program.Address(), "http://"+program.MetricsAddress(), program.Stop
	sim.SetRedirectURIs(d.url + cfg.RedirectPath)
	sim.SetPostLogoutURIs(d.url + "/")
	go func() { _ = program.Serve(context.Background()) }() // stop has the error
	t.Cleanup(func() {
		if err := d.stop(); (err == nil) == o.cutOff {
			t.Errorf("ended with %v:\n%s", err, d.log)
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

func query(pairs ...string) string {
	q := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		q.Set(pairs[i], pairs[i+1])
	}
	return "?" + q.Encode()
}
