package simulator

import (
	"cmp"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// entraState is what Entra ID remembers; guarded by Simulator.mu.
type entraState struct {
	redirectURIs   []string
	postLogoutURIs []string
	keys           []signingKey // newest first
	certificates   []*x509.Certificate
	assertions     []string
	codes          map[string]*authorization
	refreshTokens  map[string]*refreshToken
	accessTokens   map[string]*accessToken
	issued         int // since the expired ones were last thrown away
}

// authorization is what a code stands for.
type authorization struct {
	person      Person
	redirectURI string
	scopes      []string
	nonce       string
	challenge   string // PKCE, S256
	claims      string // the claims parameter, JSON
	expires     time.Time
	redeemed    bool
}

// refreshToken is what a refresh token stands for.
type refreshToken struct {
	person  Person
	scopes  []string
	claims  string
	expires time.Time
	revoked bool
}

// accessToken is what a bearer stands for.
type accessToken struct {
	person  Person
	app     bool     // the application itself, no person: client_credentials
	scopes  []string // of Azure DevOps, without the resource's id
	vaults  bool     // it is for Azure Key Vault
	claims  string
	expires time.Time
}

// signingKey signs ID tokens.
type signingKey struct {
	id  string
	key *rsa.PrivateKey
}

// firstKey is made once per process: making one takes a good part of a second. strangerKey is never published.
var (
	firstKey    = sync.OnceValue(newSigningKey)
	strangerKey = sync.OnceValue(newSigningKey)
)

func newSigningKey() signingKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err) // only for a size that isn't supported
	}
	return signingKey{id: randomText(20), key: key}
}

func newEntraState(o Options) entraState {
	return entraState{
		redirectURIs:  slices.Clone(o.RedirectURIs),
		keys:          []signingKey{firstKey()},
		codes:         map[string]*authorization{},
		refreshTokens: map[string]*refreshToken{},
		accessTokens:  map[string]*accessToken{},
	}
}

// RotateKeys makes a new key and signs with it from now on. The one before stays published, older ones don't.
func (s *Simulator) RotateKeys() {
	k := newSigningKey()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.entra.keys = []signingKey{k, s.entra.keys[0]}
}

// RegisterCertificate lets the application prove itself with this certificate's key.
func (s *Simulator) RegisterCertificate(c *x509.Certificate) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.entra.certificates = append(s.entra.certificates, c)
}

// SetFederatedAssertions replaces the assertions of a federated identity that prove that the caller is the application,
// as a workload identity's file holds them.
func (s *Simulator) SetFederatedAssertions(assertions ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.entra.assertions = slices.Clone(assertions)
}

// ExpireAccessTokens makes all access tokens worthless, as if their time were up.
func (s *Simulator) ExpireAccessTokens() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.entra.accessTokens)
}

// RevokeSignIns revokes all refresh tokens, as an administrator's "revoke sessions" does; access tokens live on until
// they expire.
func (s *Simulator) RevokeSignIns() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.entra.refreshTokens {
		t.revoked = true
	}
}

// BearerClaims reports with which claims parameter (JSON, "" for none) a bearer was asked for; ok is false for one that
// isn't valid.
func (s *Simulator) BearerClaims(bearer string) (claims string, ok bool) {
	t, ok := s.accessToken(bearer)
	return t.claims, ok
}

// forget throws away what has expired, now and then; s.mu is held.
func (e *entraState) forget(now time.Time) {
	if e.issued++; e.issued < 1000 {
		return
	}
	e.issued = 0
	maps.DeleteFunc(e.codes, func(_ string, a *authorization) bool { return now.After(a.expires.Add(codeLifetime)) })
	maps.DeleteFunc(e.accessTokens, func(_ string, t *accessToken) bool { return now.After(t.expires) })
	maps.DeleteFunc(e.refreshTokens, func(_ string, t *refreshToken) bool { return now.After(t.expires) })
}

// serveEntra routes what machines ask Entra ID; false if it isn't for it.
func (s *Simulator) serveEntra(w http.ResponseWriter, r *http.Request) bool {
	tenant, rest, ok := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	if !ok {
		return false
	}
	switch rest {
	case "v2.0/.well-known/openid-configuration":
		s.serve(w, r, CallMetadata, "", func(x *exchange) *answer { return s.metadata(x, tenant) })
	case "discovery/v2.0/keys":
		s.serve(w, r, CallJWKS, "", s.jwks)
	case "oauth2/v2.0/token":
		s.serve(w, r, CallToken, "", func(x *exchange) *answer { return s.token(x, tenant) })
	default:
		return false
	}
	return true
}

// metadata answers openid-configuration. For the shared tenants the issuer has the placeholder {tenantid}, which a
// client must replace by the token's tid.
func (s *Simulator) metadata(x *exchange, tenant string) *answer {
	id, ok := s.tenantByName(tenant)
	if !ok {
		return x.entraError(unknownTenant(tenant))
	}
	if x.r.Method != http.MethodGet {
		return htmlAnswer(http.StatusMethodNotAllowed, "Method not allowed")
	}
	machine, browser := s.machineBase(x.r), s.browserBase(x.r)
	doc := map[string]any{
		"issuer":                                machine + "/" + cmp.Or(id, "{tenantid}") + "/v2.0",
		"authorization_endpoint":                browser + "/" + tenant + "/oauth2/v2.0/authorize",
		"end_session_endpoint":                  browser + "/" + tenant + "/oauth2/v2.0/logout",
		"token_endpoint":                        machine + "/" + tenant + "/oauth2/v2.0/token",
		"jwks_uri":                              machine + "/" + tenant + "/discovery/v2.0/keys",
		"token_endpoint_auth_methods_supported": []string{"client_secret_post", "private_key_jwt", "client_secret_basic"},
		"response_modes_supported":              []string{"query"},
		"response_types_supported":              []string{"code"},
		"subject_types_supported":               []string{"pairwise"},
		"id_token_signing_alg_values_supported": []string{"RS256"},
		"scopes_supported":                      []string{"openid", "profile", "email", "offline_access"},
		"claims_supported": []string{"sub", "iss", "aud", "exp", "iat", "nonce", "name", "oid", "tid",
			"preferred_username", "ver"},
		"http_logout_supported":           true,
		"frontchannel_logout_supported":   true,
		"request_uri_parameter_supported": false,
		"tenant_region_scope":             nil,
		"cloud_instance_name":             "simulator.example",
	}
	if s.o.ResponseIssuer {
		doc["authorization_response_iss_parameter_supported"] = true
	}
	if x.has("metadataWrongIssuer") {
		doc["issuer"] = "https://evil.example/" + cmp.Or(id, "{tenantid}") + "/v2.0"
	}
	return entraJSON(http.StatusOK, doc)
}

// jwks publishes the keys as Entra does: without alg, with the issuer's placeholder.
func (s *Simulator) jwks(x *exchange) *answer {
	s.mu.Lock()
	keys := slices.Clone(s.entra.keys)
	s.mu.Unlock()
	var published []map[string]any
	for _, k := range keys {
		published = append(published, map[string]any{
			"kty": "RSA", "use": "sig", "kid": k.id, "x5t": k.id,
			"n":      base64.RawURLEncoding.EncodeToString(k.key.N.Bytes()),
			"e":      "AQAB",
			"issuer": s.machineBase(x.r) + "/{tenantid}/v2.0",
		})
	}
	return entraJSON(http.StatusOK, map[string]any{"keys": published})
}

func entraJSON(status int, v any) *answer {
	a := newAnswer(status, "application/json; charset=utf-8", encode(v))
	a.header.Set("Cache-Control", "no-store, no-cache")
	a.header.Set("Pragma", "no-cache")
	return a
}

// randomText is n random bytes in base64url.
func randomText(n int) string {
	b := make([]byte, n)
	rand.Read(b) // never fails, see crypto/rand
	return base64.RawURLEncoding.EncodeToString(b)
}
