package apptest

import (
	"context"
	"io"
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
	"github.com/patdesk/patdesk/templates"
)

// Program is the whole program, running, and the services it talks to.
type Program struct {
	T       testing.TB
	URL     string
	Address string // host:port that it listens on
	Metrics string // where it answers Prometheus
	Sim     *simulator.Simulator
	Log     *testkit.Log
	Via     http.RoundTripper // of browsers; nil: one that trusts the simulator
	Stop    func() error      // ends it gracefully
}

// Options changes what Start starts.
type Options struct {
	Sim    simulator.Options
	Env    map[string]string   // settings over the usual ones
	Demo   bool                // as -demo serves it
	Pseudo bool                // with the pseudo-language
	More   templates.Languages // with these
	Now    func() time.Time    // the program's clock; the simulator has its own

	StopTimeout time.Duration                                    // of a graceful stop
	CutOff      bool                                             // the stop is to run into its timeout
	ReadTimeout time.Duration                                    // of one request
	CallTimeout time.Duration                                    // of one call to Azure DevOps
	Pause       func(ctx context.Context, d time.Duration) error // between two tries or looks

	Wrap func(http.RoundTripper) http.RoundTripper // stands between the program and the services
}

// Some people of the simulator.
const (
	Mona  = "Mona Rivera"
	Jonas = "Jonas Weber"
)

// Start starts the program against a simulator of its own, on free ports.
func Start(t testing.TB, o Options) *Program {
	t.Helper()
	sim := simulator.New(o.Sim)
	if err := sim.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sim.Close)
	return StartOn(t, sim, o, t.TempDir()+"/sessions")
}

// StartOn starts the program on an existing simulator and session folder.
func StartOn(t testing.TB, sim *simulator.Simulator, o Options, dir string) *Program {
	t.Helper()
	env := map[string]string{
		"CLIENT_ID": sim.ClientID(), "CLIENT_SECRET": sim.ClientSecret(), "AUTHORITY": sim.Authority(), "ENDPOINT": sim.Endpoint(),
		"DISCOVERY_ENDPOINT": sim.DiscoveryEndpoint(), "SESSION_DIR": dir, "LISTEN_ADDRESS": "127.0.0.1:0", "LOG_LEVEL": "debug", "SHUTDOWN_DELAY": "0s",
	}
	for name, value := range o.Env {
		env[name] = value
	}
	cfg, err := config.Load(func(name string) string { return env[name] }, "")
	if err != nil {
		t.Fatal(err)
	}
	d := &Program{T: t, Sim: sim, Log: &testkit.Log{}}
	client := sim.Client()
	if o.Wrap != nil {
		client = &http.Client{Transport: o.Wrap(client.Transport)}
	}
	program, err := app.New(context.Background(), cfg, app.Options{
		Log: d.Log, Client: client, Demo: o.Demo, Pseudo: o.Pseudo, More: o.More, Now: o.Now, Pause: o.Pause, StopTimeout: o.StopTimeout, CallTimeout: o.CallTimeout, ReadTimeout: o.ReadTimeout,
	})
	if err != nil {
		t.Fatalf("%v\n%s", err, d.Log)
	}
	d.URL, d.Address, d.Metrics, d.Stop = program.URL(), program.Address(), "http://"+program.MetricsAddress(), program.Stop
	sim.SetRedirectURIs(d.URL + cfg.RedirectPath)
	sim.SetPostLogoutURIs(d.URL + "/")
	go func() { _ = program.Serve(context.Background()) }() // stop has the error
	t.Cleanup(func() {
		if err := d.Stop(); (err == nil) == o.CutOff {
			t.Errorf("ended with %v:\n%s", err, d.Log)
		}
	})
	return d
}

// Browser opens a window on the start page.
func (p *Program) Browser() *webtest.Browser {
	p.T.Helper()
	b := webtest.New(p.T, p.Transport())
	return b.Open(p.URL + "/")
}

// Transport is the way of browsers to the program and its services.
func (p *Program) Transport() http.RoundTripper {
	if p.Via != nil {
		return p.Via
	}
	return p.Sim.Client().Transport
}

// SignedIn opens a window and signs in as person.
func (p *Program) SignedIn(person string) *webtest.Browser {
	p.T.Helper()
	b := p.Browser()
	SignIn(b, person)
	if b.Status != http.StatusOK || !b.Has("button", "Sign out") {
		p.T.Fatalf("signing in ended at %s (%d):\n%s\n%s", b.URL, b.Status, b.Text(), p.Log)
	}
	return b
}

// SignIn goes on from a page with a "Sign in" link.
func SignIn(b *webtest.Browser, person string) { b.Click("Sign in").Press("Continue as " + person) }

// SecretOf is the secret that the page shows, "" if none.
func SecretOf(b *webtest.Browser) string {
	return strings.TrimSpace(b.Page.Find("#secret").Text())
}

// Query is a query of names and values.
func Query(pairs ...string) string {
	q := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		q.Set(pairs[i], pairs[i+1])
	}
	return "?" + q.Encode()
}

// Scrape asks an address as Prometheus does.
func Scrape(t testing.TB, method, address string) (*http.Response, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, address, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer, string(body)
}
