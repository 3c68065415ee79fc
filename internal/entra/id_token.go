package entra

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// clockSkew is how far Entra's clock and ours may be apart.
const clockSkew = 5 * time.Minute

// signatures are the ones accepted. "none" and every shared-key algorithm are not among them.
var signatures = []jose.SignatureAlgorithm{jose.RS256, jose.PS256, jose.ES256, jose.RS384, jose.RS512, jose.PS384, jose.PS512, jose.ES384}

// idClaims is what we read of an ID token
// (https://learn.microsoft.com/entra/identity-platform/id-token-claims-reference).
type idClaims struct {
	Issuer    string       `json:"iss"`
	Subject   string       `json:"sub"`
	Audience  jwt.Audience `json:"aud"`
	Party     string       `json:"azp"` // the app it was issued to
	Expires   float64      `json:"exp"` // seconds since 1970
	NotBefore float64      `json:"nbf"`
	Nonce     string       `json:"nonce"`
	TenantID  string       `json:"tid"`
	ObjectID  string       `json:"oid"`
	Name      string       `json:"name"`
	Preferred string       `json:"preferred_username"`
	UPN       string       `json:"upn"`
	Email     string       `json:"email"`
}

const (
	// maxUsername is the longest that an address or a user principal name can be, in bytes
	// (https://www.rfc-editor.org/errata/eid1690).
	maxUsername = 254
	maxName     = 256 // of what is shown of a name
)

// displayName is the beginning of a name that is too long to be one.
func (c idClaims) displayName() string {
	if len(c.Name) <= maxName {
		return c.Name
	}
	return strings.ToValidUTF8(c.Name[:maxName], "") + "…"
}

// username is for showing only, and as a hint for the next sign-in; tid and oid identify the person. What is too long
// to be one is none.
func (c idClaims) username() string {
	for _, name := range []string{c.Preferred, c.UPN, c.Email} {
		if name != "" && len(name) <= maxUsername {
			return name
		}
	}
	return ""
}

// unverified reads a token's claims without checking anything.
func unverified(raw string) (idClaims, error) {
	var c idClaims
	parts := strings.Split(raw, ".")
	if len(parts) != 3 {
		return c, errors.New("not three parts")
	}
	payload, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[1], "="))
	if err != nil {
		return c, err
	}
	return c, json.Unmarshal(payload, &c)
}

// isFor reports whether a token is meant for an app: alone, or for others too but issued to it (OpenID Connect Core
// 3.1.3.7, items 3 to 5).
func (c idClaims) isFor(app string) bool {
	if !c.Audience.Contains(app) || c.Party != "" && c.Party != app {
		return false
	}
	others := slices.ContainsFunc(c.Audience, func(a string) bool { return a != app })
	return !others || c.Party == app
}

// forMSAL is a token with only what MSAL reads of it, in the types that it takes. MSAL checks no signature, and this
// one isn't read again.
func (c idClaims) forMSAL() string {
	audience := ""
	if len(c.Audience) > 0 {
		audience = c.Audience[0]
	}
	payload, err := json.Marshal(map[string]any{
		"iss": c.Issuer, "sub": c.Subject, "aud": audience, "exp": int64(c.Expires), "tid": c.TenantID, "oid": c.ObjectID, "preferred_username": c.Preferred,
	})
	if err != nil { // strings and a number
		return ""
	}
	return "e30." + base64.RawURLEncoding.EncodeToString(payload) + "."
}

// checkIDToken checks an ID token as OpenID Connect Core 3.1.3.7 asks.
func (p *Provider) checkIDToken(ctx context.Context, raw, nonce string) (idClaims, error) {
	m, err := p.configuration(ctx)
	if err != nil {
		return idClaims{}, err
	}
	token, err := jwt.ParseSigned(raw, signatures)
	if err != nil {
		return idClaims{}, forged("the ID token isn't signed in an accepted way")
	}
	if err := p.checkSignature(ctx, m, token); err != nil {
		return idClaims{}, err
	}
	var c idClaims
	if err := token.UnsafeClaimsWithoutVerification(&c); err != nil {
		return idClaims{}, forged("the ID token's claims can't be read")
	}
	now := p.o.Now()
	switch {
	case nonce == "" || c.Nonce != nonce:
		return idClaims{}, forged("the ID token's nonce is another one")
	case !c.isFor(p.o.ClientID):
		return idClaims{}, forged("the ID token is for another app")
	case c.TenantID == "" || c.ObjectID == "":
		return idClaims{}, forged("the ID token names no tenant or no person")
	case c.Issuer != m.issuerOf(c.TenantID) || m.tenant() != "" && !strings.EqualFold(m.tenant(), c.TenantID):
		return idClaims{}, forged("the ID token is from another issuer")
	case !now.Before(at(c.Expires).Add(clockSkew)):
		return idClaims{}, forged("the ID token has expired")
	case c.NotBefore != 0 && now.Add(clockSkew).Before(at(c.NotBefore)):
		return idClaims{}, forged("the ID token isn't valid yet")
	case !p.TenantAllowed(c.TenantID):
		return idClaims{}, &Error{Kind: KindWrongTenant}
	}
	return c, nil
}

func at(seconds float64) time.Time {
	if math.IsNaN(seconds) || seconds < 0 || seconds > 1<<40 {
		return time.Time{}
	}
	return time.Unix(int64(seconds), 0)
}

// keysLongest is how long keys are good for that can't be fetched again: so long an outage of theirs keeps no user from
// signing in, and so long a key that was withdrawn meanwhile can be believed.
const keysLongest = 24 * time.Hour

// checkSignature checks the signature with the keys that the metadata names. They are fetched again, at most every half
// minute, for a key that isn't among them. Without keys no token is accepted.
func (p *Provider) checkSignature(ctx context.Context, m configuration, token *jwt.JSONWebToken) error {
	if m.KeysURL == "" {
		return errNoKeys
	}
	body, err := p.wire.documents.get(ctx, m.KeysURL)
	if err == nil && p.wire.documents.age(m.KeysURL) >= keysLongest {
		body, err = p.wire.documents.wait(ctx, m.KeysURL)
	}
	if err != nil {
		p.o.Log.Error("nobody can sign in: Entra's signing keys can't be had")
		return errNoKeys
	}
	if verifies(token, parseKeys(body)) {
		return nil
	}
	if body, ok := p.wire.documents.getNewer(ctx, m.KeysURL); ok && verifies(token, parseKeys(body)) {
		return nil
	}
	return forged("the ID token's signature doesn't verify")
}

var errNoKeys = &Error{Kind: KindUnavailable, Err: errors.New("the ID token can't be checked: Entra's signing keys can't be had")}

func verifies(token *jwt.JSONWebToken, keys jose.JSONWebKeySet) bool {
	var claims map[string]any
	id := token.Headers[0].KeyID
	return slices.ContainsFunc(keys.Keys, func(key jose.JSONWebKey) bool {
		return (id == "" || key.KeyID == id) && key.Use != "enc" && token.Claims(key.Key, &claims) == nil
	})
}

// parseKeys reads a key set one key at a time: a key of a kind that we don't know must not spoil the others.
func parseKeys(body []byte) jose.JSONWebKeySet {
	var raw struct{ Keys []json.RawMessage }
	var set jose.JSONWebKeySet
	if json.Unmarshal(body, &raw) != nil {
		return set
	}
	for _, one := range raw.Keys {
		var key jose.JSONWebKey
		if json.Unmarshal(one, &key) == nil && key.IsPublic() {
			set.Keys = append(set.Keys, key)
		}
	}
	return set
}
