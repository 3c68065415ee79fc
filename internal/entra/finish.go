package entra

import (
	"context"
	"crypto/subtle"
	"errors"
	"net/url"
	"slices"
	"strings"

	"github.com/AzureAD/microsoft-authentication-library-for-go/apps/confidential"
)

// Identity is who signed in, from the checked ID token.
type Identity struct {
	TenantID, ObjectID string // tid, oid
	Name, Username     string // name, preferred_username; may be empty
	Account            string // MSAL's home account id, for AccessToken
}

// Finish checks the redirect's query against the attempt, redeems the code and checks the ID token. It returns who
// signed in and the token cache to keep with the new session. Errors are of type *Error.
//
// The caller has taken the attempt out of its store before, so that no query is redeemed twice.
func (p *Provider) Finish(ctx context.Context, a Attempt, query url.Values) (Identity, []byte, error) {
	code, err := p.checkQuery(ctx, a, query)
	if err != nil {
		return Identity{}, nil, err
	}
	x, cache := &exchange{mayAsk: true}, &sessionCache{}
	result, err := p.redeem(withExchange(ctx, x), cache, a, code)
	if err != nil {
		return Identity{}, nil, redemptionError(x, err)
	}
	if x.idToken == "" || result.Account.IsZero() {
		return Identity{}, nil, forged("the token response has no ID token")
	}
	claims, err := p.checkIDToken(ctx, x.idToken, a.Nonce)
	if err != nil {
		return Identity{}, nil, err
	}
	if err := p.checkResponseIssuer(ctx, query, claims); err != nil {
		return Identity{}, nil, err
	}
	return Identity{
		TenantID: claims.TenantID, ObjectID: claims.ObjectID, Name: claims.Name, Username: claims.username(),
		Account: result.Account.HomeAccountID,
	}, cache.blob, nil
}

// checkQuery checks what the browser brought back, before anything is sent.
func (p *Provider) checkQuery(ctx context.Context, a Attempt, query url.Values) (code string, err error) {
	for _, name := range []string{"state", "code", "error", "iss"} {
		if len(query[name]) > 1 {
			return "", forged("the redirect carries " + name + " more than once")
		}
	}
	state := query.Get("state")
	if state == "" || a.State == "" || subtle.ConstantTimeCompare([]byte(state), []byte(a.State)) != 1 {
		return "", forged("state doesn't fit")
	}
	if p.o.Now().Sub(a.Started) > attemptLife {
		return "", &Error{Kind: KindExpired}
	}
	if iss := query.Get("iss"); iss != "" && !p.knownIssuer(ctx, iss) {
		return "", forged("the response's issuer is another one")
	}
	if query.Get("error") != "" {
		return "", classify(oauthError{
			Error: query.Get("error"), Suberror: query.Get("error_subcode"), Description: query.Get("error_description"), Claims: query.Get("claims"),
		})
	}
	if code = query.Get("code"); code == "" {
		return "", forged("the redirect carries neither code nor error")
	}
	return code, nil
}

func (p *Provider) redeem(ctx context.Context, cache *sessionCache, a Attempt, code string) (confidential.AuthResult, error) {
	client, err := p.client(cache)
	if err != nil {
		return confidential.AuthResult{}, misconfigured(err)
	}
	options := []confidential.AcquireByAuthCodeOption{confidential.WithChallenge(a.Verifier)}
	if a.Claims != "" {
		options = append(options, confidential.WithClaims(a.Claims))
	}
	return client.AcquireTokenByAuthCode(ctx, code, a.RedirectURI, p.o.Scopes, options...)
}

// redemptionError prefers what the wire has seen: MSAL's errors may hold the whole answer.
func redemptionError(x *exchange, err error) *Error {
	var own *Error
	switch {
	case x.failure != nil:
		return x.failure
	case errors.As(err, &own):
		return own
	case isAssertionFault(err):
		return misconfigured(errors.New("the federated token file can't be read or is empty"))
	default:
		return trouble(err)
	}
}

func isAssertionFault(err error) bool {
	return strings.Contains(err.Error(), "entra: the federated token file")
}

// knownIssuer compares the iss response parameter (RFC 9207) as far as that is possible before the tenant is known.
func (p *Provider) knownIssuer(ctx context.Context, iss string) bool {
	m, err := p.configuration(ctx)
	if err != nil {
		return false
	}
	if prefix, suffix, found := strings.Cut(m.Issuer, tenantPlaceholder); found {
		return strings.HasPrefix(iss, prefix) && strings.HasSuffix(iss, suffix) && len(iss) > len(prefix)+len(suffix)
	}
	return iss == m.Issuer
}

// checkResponseIssuer compares it whole, now that the tenant is known. It is asked for only where the metadata says
// that it is sent: Entra sends none.
func (p *Provider) checkResponseIssuer(ctx context.Context, query url.Values, claims idClaims) error {
	m, err := p.configuration(ctx)
	if err != nil {
		return err
	}
	iss := query.Get("iss")
	if iss == "" && m.SendsIssuer {
		return forged("the response's issuer is missing")
	}
	if iss != "" && iss != m.issuerOf(claims.TenantID) {
		return forged("the response's issuer is another one")
	}
	return nil
}

// tenantAllowed says if people of this tenant are let in.
func (p *Provider) tenantAllowed(tenant string) bool {
	if own := p.authorityTenant(); plainGUID.MatchString(own) && len(own) == 36 && !strings.EqualFold(own, tenant) {
		return false
	}
	return len(p.o.AllowedTenants) == 0 ||
		slices.ContainsFunc(p.o.AllowedTenants, func(t string) bool { return strings.EqualFold(t, tenant) })
}
