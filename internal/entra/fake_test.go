package entra

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const (
	fakeClient = "11111111-2222-3333-4444-555555555555"
	fakeSecret = "canary-client-secret"
	fakeTenant = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"
	fakePerson = "99999999-8888-7777-6666-555555555555"
)

// fake is a token endpoint that answers in whatever shape a test wants, beside metadata and keys. Unlike the simulator
// it checks nothing.
type fake struct {
	t testing.TB

	mu       sync.Mutex
	metadata map[string]any // merged into the metadata; nil values are left out
	claims   map[string]any // merged into the ID token
	fields   map[string]any // merged into the token answer
	instead  http.HandlerFunc
	document http.HandlerFunc // instead of the metadata
	keys     http.HandlerFunc // instead of the keys
	nonce    string
	calls    map[string]int
	forms    []map[string]string
	signer   fakeKey
	number   int // of tokens issued
}

type fakeKey struct {
	id  string
	key *rsa.PrivateKey
}

// fakeKeys are made once: that takes a good part of a second.
var fakeKeys = sync.OnceValue(func() []fakeKey {
	var keys []fakeKey
	for _, id := range []string{"first", "second", "third"} {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			panic(err)
		}
		keys = append(keys, fakeKey{id, key})
	}
	return keys
})

func newFake(t testing.TB) *fake {
	t.Helper()
	return &fake{t: t, calls: map[string]int{}, signer: fakeKeys()[0]}
}

// set changes the fake under its lock.
func (f *fake) set(change func(*fake)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(f)
}

func (f *fake) count(call string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls[call]
}

// lastForm is the last one that the token endpoint got.
func (f *fake) lastForm() map[string]string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.forms) == 0 {
		return nil
	}
	return f.forms[len(f.forms)-1]
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/organizations/v2.0/.well-known/openid-configuration", "/" + fakeTenant + "/v2.0/.well-known/openid-configuration":
		f.note("metadata")
		f.answer(w, r, func(f *fake) http.HandlerFunc { return f.document }, f.metadataAnswer)
	case "/keys":
		f.note("keys")
		f.answer(w, r, func(f *fake) http.HandlerFunc { return f.keys }, f.keysAnswer)
	case "/token":
		_ = r.ParseForm()
		form := map[string]string{}
		for name := range r.PostForm {
			form[name] = r.PostForm.Get(name)
		}
		f.set(func(f *fake) { f.forms = append(f.forms, form) })
		f.note("token")
		f.answer(w, r, func(f *fake) http.HandlerFunc { return f.instead }, f.tokenAnswer)
	default:
		f.note("unknown")
		http.NotFound(w, r)
	}
}

func (f *fake) note(call string) { f.set(func(f *fake) { f.calls[call]++ }) }

func (f *fake) answer(w http.ResponseWriter, r *http.Request, choose func(*fake) http.HandlerFunc, usual func() map[string]any) {
	f.mu.Lock()
	instead := choose(f)
	f.mu.Unlock()
	if instead != nil {
		instead(w, r)
		return
	}
	giveJSON(w, http.StatusOK, usual())
}

func giveJSON(w http.ResponseWriter, status int, value any) {
	content, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(content)
}

// refusing answers with an OAuth error.
func refusing(status int, fields map[string]any) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { giveJSON(w, status, fields) }
}

// raw answers with a body as it is.
func raw(status int, contentType, body string, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}
}

func (f *fake) metadataAnswer() map[string]any {
	f.mu.Lock()
	defer f.mu.Unlock()
	return merged(map[string]any{
		"issuer":                 host + "/{tenantid}/v2.0",
		"authorization_endpoint": host + "/authorize",
		"token_endpoint":         host + "/token",
		"jwks_uri":               host + "/keys",
		"end_session_endpoint":   host + "/logout",
	}, f.metadata)
}

func (f *fake) keysAnswer() map[string]any {
	f.mu.Lock()
	defer f.mu.Unlock()
	return map[string]any{"keys": []jose.JSONWebKey{{Key: f.signer.key.Public(), KeyID: f.signer.id, Use: "sig"}}}
}

func (f *fake) tokenAnswer() map[string]any {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.number++
	n := strconv.Itoa(f.number)
	answer := map[string]any{
		"token_type": "Bearer", "expires_in": 3600, "scope": apiScope,
		"access_token": "canary-access-" + n, "refresh_token": "canary-refresh-" + n, "id_token": f.idToken(),
		"client_info": base64.RawURLEncoding.EncodeToString([]byte(`{"uid":"` + fakePerson + `","utid":"` + fakeTenant + `"}`)),
	}
	return merged(answer, f.fields)
}

// idToken is signed with the fake's key; f is locked.
func (f *fake) idToken() string { return sign(f.t, f.signer, merged(f.goodClaims(f.nonce), f.claims)) }

// goodClaims are an ID token's as they should be.
func (f *fake) goodClaims(nonce string) map[string]any {
	now := time.Now().Unix()
	return map[string]any{
		"iss": host + "/" + fakeTenant + "/v2.0", "aud": fakeClient, "sub": "canary-subject", "nonce": nonce,
		"tid": fakeTenant, "oid": fakePerson, "name": "Mona Rivera", "preferred_username": mona,
		"iat": now, "nbf": now, "exp": now + 3600,
	}
}

func sign(t testing.TB, k fakeKey, claims map[string]any) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: k.key, KeyID: k.id}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return serialized(t, signer, claims)
}

func serialized(t testing.TB, signer jose.Signer, claims map[string]any) string {
	t.Helper()
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	text, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// merged is base with changes; nil takes a field away.
func merged(base, changes map[string]any) map[string]any {
	maps.Copy(base, changes)
	maps.DeleteFunc(base, func(_ string, v any) bool { return v == nil })
	return base
}

// newFakeWorld is a Provider at a fake.
func newFakeWorld(t *testing.T, edit ...func(*Options)) (*world, *fake) {
	t.Helper()
	f := newFake(t)
	return worldAt(t, f, edit...), f
}

// finishFake is a whole sign-in at a fake, which may fail.
func (w *world) finishFake(f *fake) (Identity, []byte, error) {
	w.t.Helper()
	_, a := w.begin(BeginOptions{})
	f.set(func(f *fake) { f.nonce = a.Nonce })
	return w.Finish(w.t.Context(), a, backWith(a))
}

func backWith(a Attempt, more ...string) url.Values {
	query := url.Values{"state": {a.State}, "code": {"canary-code"}}
	for i := 0; i+1 < len(more); i += 2 {
		query.Add(more[i], more[i+1])
	}
	return query
}

// signedInAt is a whole sign-in at a fake.
func (w *world) signedInAt(f *fake) (Identity, *memoryCache) {
	w.t.Helper()
	id, blob, err := w.finishFake(f)
	if err != nil {
		w.t.Fatalf("finish: %v", err)
	}
	return id, newCache(blob)
}
