package entra

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/patdesk/patdesk/internal/simulator"
	"github.com/patdesk/patdesk/internal/testkit"
)

// Every flow and every fault, with everything secret marked: none of it may turn up in an error or in the log. The
// simulator says what it has handed out; descriptions are those that Entra writes for developers.
func TestNothingSecretIsReported(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		w := newWorld(t, simulator.Options{KeepSecrets: true, RefreshIn: time.Minute})
		var told strings.Builder
		var attempts []string
		note := func(err error) {
			for _, text := range allTexts(err) {
				told.WriteString(text + "\n")
			}
			if err != nil {
				w.options.Log.Error("as the program logs it", "error", err)
			}
		}
		for _, fault := range append([]string{""}, faultsOfEntra()...) {
			p := w.another()
			w.Provider = p
			if fault != "" {
				w.sim.SetFault(fault, simulator.FaultOptions{Delay: 5 * time.Second})
			}
			text, a, err := p.Begin(t.Context(), BeginOptions{RedirectURI: redirectURI, LoginHint: mona})
			attempts = append(attempts, a.State, a.Nonce, a.Verifier)
			note(err)
			if err == nil {
				address, _ := url.Parse(text)
				q := w.approve(address, mona)
				attempts = append(attempts, q["code"]...)
				_, _, err = p.Finish(t.Context(), a, q)
				note(err)
			}
			w.sim.ClearFaults()
			pass(memoPause)
			id, c := w.signedIn()
			if fault != "" {
				w.sim.SetFault(fault, simulator.FaultOptions{Delay: 5 * time.Second})
			}
			for _, age := range []time.Duration{2 * time.Minute, 2 * time.Hour} { // behind the scenes, and needed
				pass(age)
				_, err = w.AccessToken(t.Context(), c, id.Account)
				note(err)
				pass(time.Minute)
			}
			w.sim.ClearFaults()
		}
		all := told.String() + w.log.String()
		secrets := append(w.sim.Secrets(), attempts...)
		if len(secrets) < 500 || len(all) < 10_000 {
			t.Fatalf("only %d secrets and %d bytes", len(secrets), len(all))
		}
		for _, secret := range append(secrets, "canary", "AADSTS50173: ", "The provided grant", "Trace ID", "Timestamp", "<html", "<script") {
			if len(secret) >= 8 && strings.Contains(all, secret) {
				i := strings.Index(all, secret)
				t.Errorf("told: …%s…", all[max(0, i-100):min(len(all), i+100)])
			}
		}
		t.Logf("%d secrets looked for in %d bytes", len(secrets), len(all))
	})
}

func faultsOfEntra() []string {
	var names []string
	for _, f := range simulator.Faults() {
		if strings.HasPrefix(f.Group, "Entra ID") {
			names = append(names, f.Name)
		}
	}
	return names
}

// The same for answers that hold tokens where none are expected, and for each kind of credential.
func TestNothingSecretIsReportedOfOddAnswers(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("canary-assertion"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, certificate := certified(t)
	good := `{"access_token":"canary-access","refresh_token":"canary-refresh","id_token":"canary.canary.canary"`
	bodies := []http.HandlerFunc{
		raw(200, "application/json", good), // cut off
		raw(200, "application/json", good+`,"expires_in":{}}`),
		raw(200, "application/json", good+`,"error":"canary canary","error_description":"canary"}`),
		raw(200, "application/json", good+`,"token_type":"canary"}`),
		raw(200, "application/json", good+`,"client_info":"canary"}`),
		raw(200, "text/html", "canary"),
		raw(302, "text/html", "canary", "Location", host+"/canary?code=canary"),
		raw(400, "application/json", `{"error":"canary canary","error_description":"canary","correlation_id":"canary!","suberror":"canary","claims":"canary"}`),
		raw(400, "application/json", `{"error":"invalid_grant","error_description":"canary AADSTS70000: canary","error_uri":"canary"}`),
		raw(500, "application/json", good+"}"),
		raw(201, "application/json", good+"}"),
		func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("Content-Length", "500")
			_, _ = io.WriteString(rw, good)
		},
	}
	for _, credential := range []Credential{{Secret: "canary-secret"}, {AssertionFile: file}, {Certificate: certificate},
		{Current: func(context.Context) (Credential, error) { return Credential{Secret: "canary-secret"}, nil }}} {
		w, f := newFakeWorld(t, func(o *Options) { o.Credential = credential })
		for _, body := range bodies {
			f.set(func(f *fake) { f.instead = nil })
			id, c := w.signedInAt(f)
			c.blob = aged(t, c.blob)
			f.set(func(f *fake) { f.instead = body })
			_, err := w.AccessToken(t.Context(), c, id.Account)
			_, a := w.begin(BeginOptions{})
			_, _, signIn := w.Finish(t.Context(), a, backWith(a))
			if signIn == nil { // a refresh needs less
				t.Fatal("taken")
			}
			w.options.Log.Error("as the program logs it", "error", err, "sign_in", signIn)
			for _, text := range append(append(allTexts(err), allTexts(signIn)...), w.log.String()) {
				if strings.Contains(text, "canary") {
					t.Fatalf("%s: told: %s", credential, text)
				}
			}
		}
	}
}

// Over real TLS: a certificate that isn't trusted is a word for the operator, and no secret goes out.
func TestUntrustedCertificate(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	server := httptest.NewUnstartedServer(f)
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	server.StartTLS()
	defer server.Close()
	w, _ := newFakeWorld(t)
	w.options.HTTPClient, w.options.Authority = nil, server.URL+"/organizations"
	_, _, err := w.another().Begin(t.Context(), BeginOptions{})
	if e := asKind(t, err, KindUnavailable); !strings.Contains(e.Error(), "certificate") || strings.Contains(e.Error(), server.URL) {
		t.Errorf("got %v", e)
	}
	if f.count("metadata")+f.count("token") != 0 {
		t.Error("something was sent")
	}
}

// The simulator as a program of its own, over TLS.
func TestOverTLS(t *testing.T) {
	t.Parallel()
	sim := simulator.New(simulator.Options{RedirectURIs: []string{redirectURI}})
	if err := sim.StartTLS(t.Context()); err != nil {
		t.Fatal(err)
	}
	p, err := New(Options{
		ClientID: sim.ClientID(), Authority: sim.Authority(), Scopes: []string{apiScope}, Credential: Credential{Secret: sim.ClientSecret()},
		HTTPClient: sim.Client(), Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	address, a, err := p.Begin(t.Context(), BeginOptions{RedirectURI: redirectURI})
	if err != nil {
		t.Fatal(err)
	}
	back, err := testkit.Approve(t.Context(), sim, address, mona)
	if err != nil {
		t.Fatal(err)
	}
	id, blob, err := p.Finish(t.Context(), a, back.Query())
	if err != nil {
		t.Fatal(err)
	}
	c := newCache(aged(t, blob))
	if token, err := p.AccessToken(t.Context(), c, id.Account); err != nil || token == "" {
		t.Error(err)
	}
	sim.SetFault("tokenReset", simulator.FaultOptions{})
	c.blob = aged(t, c.blob)
	_, err = p.AccessToken(t.Context(), c, id.Account)
	wantKind(t, err, KindUnavailable)
	if errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
