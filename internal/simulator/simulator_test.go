package simulator_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/patdesk/patdesk/internal/simulator"
	"github.com/patdesk/patdesk/internal/testkit"
)

const (
	redirectURI = "http://localhost:5000/getAToken"
	resource    = "499b84ac-1321-427f-aa17-267ca6975798"
	scopes      = resource + "/.default openid profile offline_access"
	version     = "7.1-preview.1"
)

func newClock() *testkit.Clock {
	return testkit.NewClockAt(time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC))
}

// start serves a simulator until the test ends.
func start(t *testing.T, o simulator.Options) *simulator.Simulator {
	t.Helper()
	if o.RedirectURIs == nil {
		o.RedirectURIs = []string{redirectURI}
	}
	s := simulator.New(o)
	if err := s.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// pkce is a verifier with its challenge.
func pkce() (verifier, challenge string) {
	b := make([]byte, 32)
	rand.Read(b)
	verifier = base64.RawURLEncoding.EncodeToString(b)
	sum := sha256.Sum256([]byte(verifier))
	return verifier, base64.RawURLEncoding.EncodeToString(sum[:])
}

// get fetches JSON.
func getJSON(t *testing.T, s *simulator.Simulator, address string) map[string]any {
	t.Helper()
	a := do(t, s.Client(), http.MethodGet, address, nil, nil)
	if a.status != http.StatusOK {
		t.Fatalf("%s: %d %s", address, a.status, a.body)
	}
	return a.object(t)
}

// reply is a whole answer.
type reply struct {
	status int
	header http.Header
	body   string
	err    error // while the body was read
}

func (r reply) object(t *testing.T) map[string]any {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal([]byte(r.body), &v); err != nil {
		t.Fatalf("%v: %s", err, r.body)
	}
	return v
}

// do makes a call; a failure of the connection is the reply's err.
func do(t *testing.T, c *http.Client, method, address string, header http.Header, body io.Reader) reply {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, address, body)
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range header {
		r.Header[k] = v
	}
	direct := *c
	direct.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	a, err := direct.Do(r)
	if err != nil {
		return reply{err: err}
	}
	defer a.Body.Close()
	b, err := io.ReadAll(a.Body)
	return reply{a.StatusCode, a.Header, string(b), err}
}

// authorizeURL builds an authorization request; extra overrides, "" takes away.
func authorizeURL(t *testing.T, s *simulator.Simulator, extra map[string]string) string {
	t.Helper()
	meta := getJSON(t, s, s.Authority()+"/v2.0/.well-known/openid-configuration")
	q := url.Values{"client_id": {s.ClientID()}, "redirect_uri": {redirectURI}, "response_type": {"code"},
		"response_mode": {"query"}, "scope": {scopes}, "state": {"the state/+?"}, "nonce": {"the nonce"}}
	for k, v := range extra {
		q.Set(k, v)
		if v == "" {
			q.Del(k)
		}
	}
	return text(meta, "authorization_endpoint") + "?" + q.Encode()
}

func text(m map[string]any, name string) string {
	v, ok := m[name].(string)
	if !ok {
		return ""
	}
	return v
}

// tokenCall posts to the token endpoint, with the client's secret.
func tokenCall(t *testing.T, s *simulator.Simulator, form url.Values) reply {
	t.Helper()
	full := url.Values{"client_id": {s.ClientID()}, "client_secret": {s.ClientSecret()}, "client_info": {"1"}}
	for k, v := range form {
		full[k] = v
		if len(v) == 1 && v[0] == "" {
			full.Del(k)
		}
	}
	return do(t, s.Client(), http.MethodPost, s.Authority()+"/oauth2/v2.0/token",
		http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}, strings.NewReader(full.Encode()))
}

// code lets a person approve, and returns the code with the verifier that goes with it.
func code(t *testing.T, s *simulator.Simulator, person string, extra map[string]string) (code, verifier string) {
	t.Helper()
	verifier, challenge := pkce()
	all := map[string]string{"code_challenge": challenge, "code_challenge_method": "S256"}
	for k, v := range extra {
		all[k] = v
	}
	back, err := testkit.Approve(t.Context(), s, authorizeURL(t, s, all), person)
	if err != nil {
		t.Fatal(err)
	}
	if back.Query().Get("code") == "" {
		t.Fatalf("no code: %s", back)
	}
	return back.Query().Get("code"), verifier
}

// signIn returns the answer of the token endpoint for a person.
func signIn(t *testing.T, s *simulator.Simulator, person string, extra map[string]string) map[string]any {
	t.Helper()
	c, verifier := code(t, s, person, extra)
	a := tokenCall(t, s, url.Values{"grant_type": {"authorization_code"}, "code": {c}, "code_verifier": {verifier},
		"redirect_uri": {redirectURI}, "scope": {scopes}})
	if a.status != http.StatusOK {
		t.Fatalf("token: %d %s", a.status, a.body)
	}
	return a.object(t)
}

// bearer signs a person in and returns the access token.
func bearer(t *testing.T, s *simulator.Simulator, person string) string {
	t.Helper()
	return text(signIn(t, s, person, nil), "access_token")
}

// api calls the PAT API or discovery; a body that isn't a string is sent as JSON.
func api(t *testing.T, s *simulator.Simulator, token, method, path string, body any) reply {
	t.Helper()
	header := http.Header{"Authorization": {"Bearer " + token}}
	var sent io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		sent = strings.NewReader(b)
		header.Set("Content-Type", "application/json")
	default:
		j, err := json.Marshal(b)
		if err != nil {
			t.Fatal(err)
		}
		sent = bytes.NewReader(j)
		header.Set("Content-Type", "application/json")
	}
	return do(t, s.Client(), method, s.Endpoint()+path, header, sent)
}

// pats is the path of the PAT API with a version and a query.
func pats(organization, query string) string {
	return "/" + organization + "/_apis/tokens/pats?api-version=" + version + query
}

// wish is a token to create.
func wish(name string) map[string]any {
	return map[string]any{"displayName": name, "scope": "vso.code", "allOrgs": false,
		"validTo": time.Now().Add(48 * time.Hour).UTC().Format(time.RFC3339Nano)}
}
