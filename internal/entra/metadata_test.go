package entra

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/patdesk/patdesk/internal/simulator"
)

func TestMetadataIsFetchedOnce(t *testing.T) {
	t.Parallel()
	w, f := newFakeWorld(t)
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			if _, _, err := w.Begin(t.Context(), BeginOptions{RedirectURI: redirectURI}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for range 20 {
		id, c := w.signedInAt(f)
		w.token(c, id.Account)
	}
	if f.count("metadata") != 1 || f.count("keys") != 1 {
		t.Errorf("metadata fetched %d times, keys %d times", f.count("metadata"), f.count("keys"))
	}
}

// An hour later it is fetched again, once, and nobody waits for that.
func TestMetadataIsRenewed(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		w, f := newFakeWorld(t)
		w.begin(BeginOptions{})
		pass(documentFresh - time.Second)
		w.begin(BeginOptions{})
		if f.count("metadata") != 1 {
			t.Error("fetched before its time")
		}
		pass(time.Second)
		gate := make(chan struct{})
		f.set(func(f *fake) {
			f.metadata = map[string]any{"authorization_endpoint": host + "/moved"}
			f.document = func(rw http.ResponseWriter, _ *http.Request) { <-gate; giveJSON(rw, http.StatusOK, f.metadataAnswer()) }
		})
		start := time.Now()
		for range 20 {
			if address, _ := w.begin(BeginOptions{}); address.Path != "/authorize" {
				t.Error("not what is there")
			}
		}
		close(gate)
		synctest.Wait()
		if address, _ := w.begin(BeginOptions{}); address.Path != "/moved" || time.Since(start) != 0 {
			t.Errorf("%s after %s", address.Path, time.Since(start))
		}
		if f.count("metadata") != 2 {
			t.Errorf("fetched %d times", f.count("metadata"))
		}
	})
}

// badDocuments are answers that must not take the place of a good one.
var badDocuments = map[string]http.HandlerFunc{
	"down":           raw(http.StatusServiceUnavailable, "text/html", "down"),
	"not found":      raw(http.StatusNotFound, "application/json", `{}`),
	"a web page":     raw(http.StatusOK, "text/html", "<!DOCTYPE html><title>Captive portal</title>"),
	"empty":          raw(http.StatusOK, "application/json", ""),
	"empty object":   raw(http.StatusOK, "application/json", "{}"),
	"null":           raw(http.StatusOK, "application/json", "null"),
	"wrong types":    raw(http.StatusOK, "application/json", `{"issuer":7}`),
	"half of it":     raw(http.StatusOK, "application/json", `{"issuer":"`+host+`/{tenantid}/v2.0"}`),
	"a redirect":     raw(http.StatusFound, "text/html", "", "Location", "https://evil.example/"),
	"too large":      raw(http.StatusOK, "application/json", `{"x":"`+strings.Repeat("x", 2<<20)+`"}`),
	"reset":          func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	"wrong issuer":   raw(http.StatusOK, "application/json", `{"issuer":"https://evil.example/v2.0","authorization_endpoint":"`+host+`/authorize","token_endpoint":"`+host+`/token"}`),
	"no address":     raw(http.StatusOK, "application/json", `{"issuer":"`+host+`/v2.0","authorization_endpoint":"::","token_endpoint":"`+host+`/token"}`),
	"javascript":     raw(http.StatusOK, "application/json", `{"issuer":"`+host+`/v2.0","authorization_endpoint":"javascript:alert(1)","token_endpoint":"`+host+`/token"}`),
	"token nowhere":  raw(http.StatusOK, "application/json", `{"issuer":"`+host+`/v2.0","authorization_endpoint":"`+host+`/authorize","token_endpoint":"::"}`),
	"token in clear": raw(http.StatusOK, "application/json", `{"issuer":"`+host+`/v2.0","authorization_endpoint":"`+host+`/authorize","token_endpoint":"http://entra.test/token"}`),
}

// While the metadata can't be had nobody can sign in, but all who are signed in stay so, with and without a valid
// token, and all is well as soon as it comes back.
func TestMetadataOutOfReach(t *testing.T) {
	t.Parallel()
	for name, answer := range badDocuments {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w, f := newFakeWorld(t)
				f.fields = map[string]any{"refresh_in": 60}
				_, expired := w.signedInAt(f)
				pass(time.Hour)
				id, c := w.signedInAt(f)
				pass(2 * time.Minute) // due for renewal
				f.set(func(f *fake) { f.document = answer })
				fresh := w.another() // has just started
				for range 3 {
					if _, err := fresh.AccessToken(t.Context(), c, id.Account); err != nil {
						t.Fatalf("a valid token: %v", err)
					}
					pass(time.Minute)
				}
				_, err := fresh.AccessToken(t.Context(), expired, id.Account)
				wantKind(t, err, KindUnavailable)
				for _, session := range []*memoryCache{c, expired} {
					if _, drops := session.counts(); drops != 0 {
						t.Error("a sign-in was dropped")
					}
				}
				_, _, err = fresh.Begin(t.Context(), BeginOptions{RedirectURI: redirectURI})
				wantKind(t, err, KindUnavailable)
				f.set(func(f *fake) { f.document = nil })
				pass(longestPause)
				if _, _, err = fresh.Begin(t.Context(), BeginOptions{RedirectURI: redirectURI}); err != nil {
					t.Errorf("afterwards: %v", err)
				}
				if _, err = fresh.AccessToken(t.Context(), expired, id.Account); err != nil {
					t.Errorf("afterwards: %v", err)
				}
			})
		})
	}
}

// A document that was good is kept whatever comes instead of a new one.
func TestGoodMetadataIsKept(t *testing.T) {
	t.Parallel()
	for name, answer := range badDocuments {
		if name == "wrong issuer" || name == "reset" { // MSAL's own judgement; net/http asks twice
			continue
		}
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w, f := newFakeWorld(t)
				w.begin(BeginOptions{})
				f.set(func(f *fake) { f.document = answer })
				for range 3 {
					pass(2 * documentFresh)
					w.begin(BeginOptions{})
					synctest.Wait()
				}
				if f.count("metadata") != 4 || !strings.Contains(w.log.String(), "kept=true") {
					t.Errorf("fetched %d times; log %s", f.count("metadata"), w.log)
				}
			})
		})
	}
}

// While it fails it is asked for every three seconds at most, however many people come.
func TestMetadataPause(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		w, f := newFakeWorld(t)
		f.document = raw(http.StatusServiceUnavailable, "text/html", "down")
		for range 10 {
			for range 20 {
				_, _, err := w.Begin(t.Context(), BeginOptions{})
				wantKind(t, err, KindUnavailable)
			}
			pass(memoPause)
		}
		if f.count("metadata") != 10 {
			t.Errorf("fetched %d times", f.count("metadata"))
		}
		// Neither is it fetched over and over while there is an old one.
		f.set(func(f *fake) { f.document = nil })
		w.begin(BeginOptions{})
		pass(documentFresh)
		f.set(func(f *fake) { f.document = raw(http.StatusServiceUnavailable, "text/html", "down") })
		for range 20 {
			w.begin(BeginOptions{})
			synctest.Wait()
		}
		if f.count("metadata") != 12 {
			t.Errorf("fetched %d times", f.count("metadata"))
		}
	})
}

// The first to need it may leave: the others get it.
func TestMetadataOutlivesItsFirstCaller(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		w, f := newFakeWorld(t)
		gate := make(chan struct{})
		f.document = func(rw http.ResponseWriter, _ *http.Request) { <-gate; giveJSON(rw, http.StatusOK, f.metadataAnswer()) }
		ctx, leave := context.WithCancel(t.Context())
		first, second := make(chan error, 1), make(chan error, 1)
		go func() { _, _, err := w.Begin(ctx, BeginOptions{}); first <- err }()
		synctest.Wait()
		go func() { _, _, err := w.Begin(t.Context(), BeginOptions{}); second <- err }()
		synctest.Wait()
		leave()
		if err := <-first; kindOf(err) != KindUnavailable || !errors.Is(err, context.Canceled) {
			t.Errorf("who left got %v", err)
		}
		close(gate)
		if err := <-second; err != nil || f.count("metadata") != 1 {
			t.Errorf("who stayed got %v after %d calls", err, f.count("metadata"))
		}
	})
}

// Metadata that never comes: a bounded wait for those who need it, none for those with a token.
func TestMetadataHangs(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		w := newWorld(t, simulator.Options{RefreshIn: time.Minute})
		id, c := w.signedIn()
		pass(2 * time.Minute)
		w.sim.SetFault("metadataHang", simulator.FaultOptions{})
		fresh := w.another()
		start := time.Now()
		if _, err := fresh.AccessToken(t.Context(), c, id.Account); err != nil || time.Since(start) != 0 {
			t.Errorf("a valid token after %s: %v", time.Since(start), err)
		}
		_, _, err := fresh.Begin(t.Context(), BeginOptions{})
		wantKind(t, err, KindUnavailable)
		if took := time.Since(start); took > documentTimeout {
			t.Errorf("took %s", took)
		}
	})
}

func TestFaultsOfTheMetadataAtTheSimulator(t *testing.T) {
	t.Parallel()
	for _, fault := range []string{"metadataDown", "metadataHTML", "metadataWrongIssuer"} {
		w := newWorld(t, simulator.Options{})
		w.sim.SetFault(fault, simulator.FaultOptions{})
		_, _, err := w.Begin(t.Context(), BeginOptions{})
		wantKind(t, err, KindUnavailable)
	}
}

func TestSignOutURL(t *testing.T) {
	t.Parallel()
	w, f := newFakeWorld(t)
	const back = "https://patdesk.test/?signed-out=1"
	check := func(p *Provider, hint, want string) {
		t.Helper()
		u, err := url.Parse(p.SignOutURL(t.Context(), back, hint))
		if err != nil {
			t.Fatal(err)
		}
		q := u.Query()
		if u.Scheme+"://"+u.Host+u.Path != want || q.Get("post_logout_redirect_uri") != back || q.Get("client_id") != fakeClient || q.Get("logout_hint") != hint {
			t.Errorf("got %s", u)
		}
	}
	check(w.Provider, "", host+"/logout")
	check(w.Provider, mona, host+"/logout")
	f.set(func(f *fake) { f.metadata = map[string]any{"end_session_endpoint": nil} })
	check(w.another(), "", host+"/organizations/oauth2/v2.0/logout")
	f.set(func(f *fake) { f.document = raw(http.StatusServiceUnavailable, "text/html", "down") })
	check(w.another(), "", host+"/organizations/oauth2/v2.0/logout")
	f.set(func(f *fake) {
		f.document, f.metadata = nil, map[string]any{"end_session_endpoint": "javascript:alert(1)"}
	})
	if got := w.another().SignOutURL(t.Context(), back, ""); got != "" {
		t.Errorf("got %s", got)
	}
}

// One certificate authority, several tenants in one issuer: whose metadata it is.
func TestIssuerOfATenant(t *testing.T) {
	t.Parallel()
	for issuer, want := range map[string]string{
		"https://login.microsoftonline.com/{tenantid}/v2.0":         "",
		"https://login.microsoftonline.com/" + fakeTenant + "/v2.0": fakeTenant,
		"https://sts.example/" + fakeTenant:                         fakeTenant,
		"https://sts.example/realm":                                 "",
		"https://" + fakeTenant + ".example/v2.0":                   "",
		"::": "",
		"https://login.microsoftonline.com/aaaaaaaa-bbbb/aaaa/v2.0/": "",
	} {
		if got := (configuration{Issuer: issuer}).tenant(); got != want {
			t.Errorf("%s: %q", issuer, got)
		}
	}
}

func TestProviderOptions(t *testing.T) {
	t.Parallel()
	good := Options{ClientID: fakeClient, Authority: host + "/organizations", Scopes: []string{apiScope}, Credential: Credential{Secret: "s"}}
	if _, err := New(good); err != nil {
		t.Fatal(err)
	}
	for name, edit := range map[string]func(*Options){
		"no client id":  func(o *Options) { o.ClientID = "" },
		"no scope":      func(o *Options) { o.Scopes = nil },
		"no authority":  func(o *Options) { o.Authority = "" },
		"http":          func(o *Options) { o.Authority = "http://entra.test/organizations" },
		"no tenant":     func(o *Options) { o.Authority = host },
		"no tenant, /":  func(o *Options) { o.Authority = host + "/" },
		"no address":    func(o *Options) { o.Authority = "::" },
		"no credential": func(o *Options) { o.Credential = Credential{} },
	} {
		o := good
		edit(&o)
		if _, err := New(o); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}
