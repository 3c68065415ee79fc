package keyvault

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
)

const (
	vaultURL  = "https://patdesk.vault.azure.net"
	challenge = `Bearer authorization="https://login.microsoftonline.com/aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee", resource="https://vault.azure.net"`
)

// standIn is a Key Vault as the SDK meets it: without a bearer there is a challenge, with one the newest version of a
// secret (https://learn.microsoft.com/rest/api/keyvault/secrets/get-secret/get-secret).
type standIn struct {
	mu        sync.Mutex
	challenge string
	secrets   map[string]map[string]any
	instead   http.HandlerFunc
	calls     int
	bearers   []string
	paths     []string
}

func (s *standIn) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls++
	bearer := r.Header.Get("Authorization")
	if bearer == "" {
		w.Header().Set("WWW-Authenticate", s.challenge)
		refuse(w, http.StatusUnauthorized, "Unauthorized")
		return
	}
	s.bearers, s.paths = append(s.bearers, bearer), append(s.paths, r.URL.Path)
	if s.instead != nil {
		s.instead(w, r)
		return
	}
	name := strings.TrimSuffix(strings.TrimPrefix(r.URL.Path, "/secrets/"), "/")
	secret, ok := s.secrets[name]
	if !ok || r.URL.Query().Get("api-version") == "" {
		refuse(w, http.StatusNotFound, "SecretNotFound")
		return
	}
	answer := map[string]any{"id": vaultURL + "/secrets/" + name + "/0123456789abcdef", "attributes": map[string]any{"enabled": true}}
	for k, v := range secret {
		answer[k] = v
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(answer)
}

// set changes the stand-in under its lock.
func (s *standIn) set(f func(*standIn)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(s)
}

func refuse(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"error": map[string]any{"code": code, "message": "canary message of the vault"}})
}

// person is an identity that may read the vault.
type person struct {
	mu    sync.Mutex
	err   error
	asked []policy.TokenRequestOptions
}

func (p *person) GetToken(_ context.Context, o policy.TokenRequestOptions) (azcore.AccessToken, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked = append(p.asked, o)
	return azcore.AccessToken{Token: "canary-bearer", ExpiresOn: time.Now().Add(time.Hour)}, p.err
}

// newStandIn serves over TLS on loopback; the transport leads every host there.
func newStandIn(t *testing.T) (*standIn, *http.Client) {
	t.Helper()
	s := &standIn{challenge: challenge, secrets: map[string]map[string]any{}}
	server := httptest.NewUnstartedServer(s)
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	server.StartTLS()
	t.Cleanup(server.Close)
	client := server.Client()
	transport, ok := client.Transport.(*http.Transport)
	if !ok {
		t.Fatalf("a transport of another kind: %T", client.Transport)
	}
	trust := transport.TLSClientConfig
	trust.ServerName, trust.NextProtos = "example.com", nil // which the certificate is for
	transport.DialTLSContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&tls.Dialer{Config: trust}).DialContext(ctx, "tcp", server.Listener.Addr().String())
	}
	return s, client
}

func newVault(t *testing.T, o Options, client *http.Client) (*Vault, *person) {
	t.Helper()
	p := &person{}
	o.HTTPClient, o.retryDelay = client, time.Millisecond
	if o.URL == "" {
		o.URL = vaultURL
	}
	if o.Identity == nil {
		o.Identity = p
	}
	v, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return v, p
}

func TestSecret(t *testing.T) {
	s, client := newStandIn(t)
	v, p := newVault(t, Options{Secret: "patdesk-secret"}, client)
	if s.calls != 0 {
		t.Error("New made a call")
	}
	s.secrets["patdesk-secret"] = map[string]any{"value": "canary-1"}
	for _, want := range []string{"canary-1", "canary-1", "canary-2"} { // rotated in between
		s.set(func(s *standIn) { s.secrets["patdesk-secret"]["value"] = want })
		c, err := v.Read(t.Context())
		if err != nil || c.Secret != want || c.Certificate != nil {
			t.Errorf("got %d bytes, %v", len(c.Secret), err)
		}
		if text := fmt.Sprintf("%v %+v %#v %s", c, c, c, c.LogValue()); strings.Contains(text, "canary") {
			t.Errorf("printed: %s", text)
		}
	}
	if s.calls != 4 || len(s.bearers) != 3 || s.bearers[0] != "Bearer canary-bearer" { // one challenge, three reads
		t.Errorf("%d calls, %d with a bearer", s.calls, len(s.bearers))
	}
	if o := p.asked[0]; len(o.Scopes) != 1 || o.Scopes[0] != "https://vault.azure.net/.default" || o.TenantID != "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee" {
		t.Errorf("asked for %+v", o)
	}
	if s.paths[0] != "/secrets/patdesk-secret/" { // without a version: the newest
		t.Errorf("read %s", s.paths[0])
	}
}

func TestShapesOfSecrets(t *testing.T) {
	const pemText = "-----BEGIN PRIVATE KEY-----\ncanary\n-----END PRIVATE KEY-----\n-----BEGIN CERTIFICATE-----\ncanary\n-----END CERTIFICATE-----\n"
	pfx := base64.StdEncoding.EncodeToString([]byte("canary pfx"))
	for name, c := range map[string]struct {
		secret      map[string]any
		certificate bool // it is read as a certificate
		want        string
		reason      Reason
	}{
		"secret":                      {map[string]any{"value": "canary"}, false, "canary", ""},
		"secret of some type":         {map[string]any{"value": "canary", "contentType": "client secret of patdesk"}, false, "canary", ""},
		"secret with a newline":       {map[string]any{"value": "canary\r\n"}, false, "canary", ""},
		"secret, really PEM":          {map[string]any{"value": pemText, "contentType": "application/x-pem-file"}, false, pemText, ""},
		"secret, really PFX":          {map[string]any{"value": pfx, "contentType": "application/x-pkcs12"}, false, "canary pfx", ""},
		"secret, empty":               {map[string]any{"value": " \n"}, false, "", ReasonEmpty},
		"secret, no value":            {map[string]any{}, false, "", ReasonEmpty},
		"certificate, PFX":            {map[string]any{"value": pfx, "contentType": "application/x-pkcs12"}, true, "canary pfx", ""},
		"certificate, PEM":            {map[string]any{"value": pemText, "contentType": "application/x-pem-file"}, true, pemText, ""},
		"certificate, type with more": {map[string]any{"value": pfx + "\n", "contentType": "Application/X-PKCS12; charset=x"}, true, "canary pfx", ""},
		"certificate, no base64":      {map[string]any{"value": "***canary", "contentType": "application/x-pkcs12"}, true, "", ReasonUnreadable},
		"certificate, really secret":  {map[string]any{"value": "canary"}, true, "", ReasonNotACertificate},
		"certificate, empty":          {map[string]any{"value": "", "contentType": "application/x-pkcs12"}, true, "", ReasonEmpty},
	} {
		t.Run(name, func(t *testing.T) {
			s, client := newStandIn(t)
			s.secrets["app"] = c.secret
			o := Options{Secret: "app"}
			if c.certificate {
				o = Options{Certificate: "app"}
			}
			v, _ := newVault(t, o, client)
			got, err := v.Read(t.Context())
			if c.reason != "" {
				wantReason(t, err, c.reason)
				return
			}
			if err != nil || got.Secret+string(got.Certificate) != c.want || (got.Secret != "") == (got.Certificate != nil) {
				t.Errorf("got %d and %d bytes, %v", len(got.Secret), len(got.Certificate), err)
			}
		})
	}
}

// wantReason fails unless err is for that reason, and tells nothing of the vault.
func wantReason(t *testing.T, err error, want Reason) {
	t.Helper()
	_ = asReason(t, err, want)
}

func asReason(t *testing.T, err error, want Reason) *Error {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) || e.Reason != want {
		t.Fatalf("got %v, want %q", err, want)
	}
	for ; err != nil; err = errors.Unwrap(err) {
		if text := fmt.Sprintf("%v %+v %#v", err, err, err); strings.Contains(text, "canary") || strings.Contains(text, "vault.azure.net") {
			t.Errorf("told: %s", text)
		}
	}
	return e
}

func TestRefusals(t *testing.T) {
	refusing := func(status int, code string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "0")
			refuse(w, status, code)
		}
	}
	for name, c := range map[string]struct {
		instead   http.HandlerFunc
		want      Reason
		code      string
		temporary bool
		calls     int // with a bearer
	}{
		"not found":    {refusing(http.StatusNotFound, "SecretNotFound"), ReasonNotFound, "SecretNotFound", false, 1},
		"forbidden":    {refusing(http.StatusForbidden, "Forbidden"), ReasonForbidden, "Forbidden", false, 1},
		"hostile code": {refusing(http.StatusForbidden, "<script>canary</script>"), ReasonForbidden, "", false, 1},
		"bad request":  {refusing(http.StatusBadRequest, "BadParameter"), ReasonOther, "BadParameter", false, 1},
		"throttled":    {refusing(http.StatusTooManyRequests, "Throttled"), ReasonUnavailable, "Throttled", true, 3},
		"down":         {refusing(http.StatusServiceUnavailable, "ServiceUnavailable"), ReasonUnavailable, "ServiceUnavailable", true, 3},
		"HTML":         {func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>canary") }, ReasonUnavailable, "", true, 1},
		"cut JSON":     {func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"value":"canary`) }, ReasonUnavailable, "", true, 1},
		"wrong types":  {func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"value":["canary"]}`) }, ReasonUnavailable, "", true, 1},
		"a redirect": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://evil.example/", http.StatusFound)
		}, ReasonOther, "", false, 1},
		"reset at once": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, ReasonUnavailable, "", true, 0},
	} {
		t.Run(name, func(t *testing.T) {
			s, client := newStandIn(t)
			s.instead = c.instead
			v, _ := newVault(t, Options{Secret: "app"}, client)
			_, err := v.Read(t.Context())
			e := asReason(t, err, c.want)
			if e.Code != c.code || e.Temporary() != c.temporary {
				t.Errorf("code %q, temporary %t", e.Code, e.Temporary())
			}
			if c.calls != 0 && len(s.bearers) != c.calls {
				t.Errorf("%d calls", len(s.bearers))
			}
		})
	}
}

// A vault that isn't one doesn't get a bearer, and odd challenges are survived.
func TestChallenges(t *testing.T) {
	for name, text := range map[string]string{
		"none":             "",
		"empty":            "Bearer ",
		"another resource": `Bearer authorization="https://login.microsoftonline.com/x", resource="https://graph.microsoft.com"`,
		"another's vault":  `Bearer authorization="https://login.microsoftonline.com/x", resource="https://evil.example"`,
		"short address":    `Bearer authorization="https:", resource="https://vault.azure.net"`,
		"Basic":            `Basic realm="canary"`,
	} {
		t.Run(name, func(t *testing.T) {
			s, client := newStandIn(t)
			s.challenge = text
			v, p := newVault(t, Options{Secret: "app"}, client)
			_, err := v.Read(t.Context())
			var e *Error
			if !errors.As(err, &e) {
				t.Fatalf("got %v", err)
			}
			wantReason(t, err, e.Reason)
			if len(s.bearers)+len(p.asked) != 0 || e.Temporary() {
				t.Errorf("%d bearers went out; %v", len(s.bearers), err)
			}
		})
	}
}

func TestIdentities(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		want Reason
	}{
		"none":    {azidentity.NewCredentialUnavailableError("canary"), ReasonNoIdentity},
		"refused": {&azidentity.AuthenticationFailedError{RawResponse: &http.Response{StatusCode: http.StatusBadRequest}}, ReasonNoIdentity},
		"later":   {&azidentity.AuthenticationFailedError{RawResponse: &http.Response{StatusCode: http.StatusServiceUnavailable}}, ReasonUnavailable},
		"network": {&azidentity.AuthenticationFailedError{}, ReasonUnavailable},
		"other":   {errors.New("canary"), ReasonNoIdentity},
	} {
		t.Run(name, func(t *testing.T) {
			_, client := newStandIn(t)
			v, _ := newVault(t, Options{Secret: "app", Identity: &person{err: c.err}}, client)
			_, err := v.Read(t.Context())
			wantReason(t, err, c.want)
		})
	}
}

// A vault that doesn't answer is given up with the caller's patience.
func TestHang(t *testing.T) {
	s, client := newStandIn(t)
	arrived, gate := make(chan struct{}), make(chan struct{})
	s.instead = func(http.ResponseWriter, *http.Request) { close(arrived); <-gate }
	defer close(gate)
	v, _ := newVault(t, Options{Secret: "app"}, client)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-arrived; cancel() }()
	_, err := v.Read(ctx)
	if e := asReason(t, err, ReasonUnavailable); !errors.Is(e, context.Canceled) || !e.Temporary() {
		t.Errorf("got %v", e)
	}
}

// Nobody's certificate but a trusted one is talked to.
func TestUntrustedVault(t *testing.T) {
	s, client := newStandIn(t)
	transport, _ := client.Transport.(*http.Transport)
	transport.TLSClientConfig.RootCAs = nil
	transport.TLSClientConfig.ServerName = ""
	v, _ := newVault(t, Options{Secret: "app"}, client)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	_, err := v.Read(ctx)
	wantReason(t, err, ReasonUnavailable)
	if s.calls != 0 {
		t.Error("something was sent")
	}
}

// The usual identity: the managed one of an App Service, whose endpoint is given by the environment.
func TestManagedIdentity(t *testing.T) {
	s, client := newStandIn(t)
	s.secrets["app"] = map[string]any{"value": "canary"}
	var asked []string
	endpoint := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.Query().Get("resource")+" "+r.Header.Get("X-Identity-Header"))
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{"access_token": "canary-managed", "expires_on": fmt.Sprint(time.Now().Add(time.Hour).Unix()), "token_type": "Bearer", "resource": "https://vault.azure.net"})
	}))
	defer endpoint.Close()
	t.Setenv("IDENTITY_ENDPOINT", endpoint.URL+"/msi/token")
	t.Setenv("IDENTITY_HEADER", "header")
	t.Setenv("AZURE_CLIENT_ID", rand.Text()) // the library keeps an identity's token for as long as the process lives
	t.Setenv("AZURE_TOKEN_CREDENTIALS", "ManagedIdentityCredential")
	v, err := New(Options{URL: vaultURL, Secret: "app", HTTPClient: client})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if c, err := v.Read(t.Context()); err != nil || c.Secret != "canary" {
			t.Fatalf("got %v", err)
		}
	}
	if len(asked) != 1 || asked[0] != "https://vault.azure.net header" || s.bearers[0] != "Bearer canary-managed" {
		t.Errorf("asked for %q", asked)
	}
	// Told to use what isn't there, it says so.
	t.Setenv("AZURE_TOKEN_CREDENTIALS", "WorkloadIdentityCredential")
	v, err = New(Options{URL: vaultURL, Secret: "app", HTTPClient: client})
	if err == nil {
		_, err = v.Read(t.Context())
	}
	wantReason(t, err, ReasonNoIdentity)
}

func TestOptions(t *testing.T) {
	for name, o := range map[string]Options{
		"nothing": {}, "no address": {Secret: "a"}, "no name": {URL: vaultURL}, "both": {URL: vaultURL, Secret: "a", Certificate: "b"},
	} {
		if _, err := New(o); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	// The usual identity is found only when it is needed.
	if _, err := New(Options{URL: vaultURL, Secret: "a"}); err != nil {
		t.Error(err)
	}
}
