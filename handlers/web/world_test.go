package web_test

import (
	"bytes"
	"crypto/tls"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/patdesk/patdesk/handlers"
	"github.com/patdesk/patdesk/handlers/web"

	"github.com/patdesk/patdesk/internal/audit"
	"github.com/patdesk/patdesk/internal/azuredevops"
	"github.com/patdesk/patdesk/internal/batch"
	"github.com/patdesk/patdesk/internal/calendar"
	"github.com/patdesk/patdesk/internal/entra"
	"github.com/patdesk/patdesk/internal/operation"
	"github.com/patdesk/patdesk/internal/session"
	"github.com/patdesk/patdesk/internal/session/sessiontest"
	"github.com/patdesk/patdesk/internal/simulator"
	"github.com/patdesk/patdesk/internal/testkit"
)

// world is the handlers over a store in memory and services in the same process: fast enough for fuzzing.
type world struct {
	t   testing.TB
	h   *handlers.Handlers
	sim *simulator.Simulator
	log *testkit.Log

	store *sessiontest.Memory
}

const (
	localAddress = "http://localhost:5000"
	fakeServices = "https://services.example"
)

func newWorld(t testing.TB, change func(*handlers.Options)) *world {
	t.Helper()
	w := &world{t: t, log: &testkit.Log{}, store: sessiontest.NewMemory(time.Now)}
	w.sim = simulator.New(simulator.Options{Seed: true, RedirectURIs: []string{localAddress + "/getAToken"}})
	log := slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	sessions, err := session.New(w.store, session.Options{
		Keys: [][]byte{bytes.Repeat([]byte("k"), session.KeySize)}, IdleTimeout: time.Hour, Lifetime: 12 * time.Hour, Now: time.Now, Log: log,
	})
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: inProcess{w.sim.Handler()}}
	provider, err := entra.New(entra.Options{
		ClientID: w.sim.ClientID(), Authority: fakeServices + "/organizations", Scopes: []string{"499b84ac-1321-427f-aa17-267ca6975798/.default"},
		Credential: entra.Credential{Secret: w.sim.ClientSecret()}, HTTPClient: client, Log: log,
	})
	if err != nil {
		t.Fatal(err)
	}
	local, err := url.Parse(localAddress)
	if err != nil {
		t.Fatal(err)
	}
	o := handlers.Options{
		Options: web.Options{
			Sessions: sessions, Entra: provider, Local: local, RedirectPath: "/getAToken", Log: log,
			Journal: operation.New(sessions.Records(), operation.Options{
				DisplayTime: time.Minute, Now: time.Now, Log: log, Observe: audit.Operations(log),
			}),
			API: azuredevops.New(azuredevops.Options{Endpoint: fakeServices, APIVersion: "7.1-preview.1", DiscoveryEndpoint: fakeServices, HTTPClient: client}),
		},
		Calendar: calendar.New(sessions.Records(), time.Now), AzureURL: "https://dev.azure.com",
	}
	o.Batches = batch.New(sessions.Records(), o.Journal)
	if change != nil {
		change(&o)
	}
	if w.h, err = handlers.New(o); err != nil {
		t.Fatal(err)
	}
	return w
}

// inProcess hands requests to a handler instead of the network.
type inProcess struct{ h http.Handler }

func (p inProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	recorder, served := httptest.NewRecorder(), r.Clone(r.Context())
	served.TLS, served.Host = &tls.ConnectionState{}, r.URL.Host
	p.h.ServeHTTP(recorder, served)
	answer := recorder.Result()
	answer.Request = r
	return answer, nil
}

// ask sends a request to the program.
func (w *world) ask(r *http.Request) *httptest.ResponseRecorder {
	recorder := httptest.NewRecorder()
	w.h.Routes().ServeHTTP(recorder, r)
	return recorder
}

// get opens a path at the local address, with cookies.
func (w *world) get(target string, cookies ...*http.Cookie) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, localAddress+"/", http.NoBody)
	path, query, _ := strings.Cut(target, "?")
	r.URL = &url.URL{Path: path, RawQuery: query}
	for _, c := range cookies {
		r.AddCookie(c)
	}
	return w.ask(r)
}
