package entra

import (
	"context"
	"crypto/subtle"
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
	cache := &sessionCache{}
	x, result, err := p.redeem(ctx, cache, a, code)
	if err != nil {
		return Identity{}, nil, p.fault(x, err)
	}
	if x.idToken == "" || result.Account.IsZero() {
		return Identity{}, nil, forged("the token response has no ID token that can be read")
	}
	claims, err := p.checkIDToken(ctx, x.idToken, a.Nonce)
	if err != nil {
		return Identity{}, nil, err
	}
	if err := p.checkResponseIssuer(ctx, query.Get("iss"), claims); err != nil {
		return Identity{}, nil, err
	}
	return Identity{
		TenantID: claims.TenantID, ObjectID: claims.ObjectID, Name: claims.displayName(), Username: claims.username(),
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
	if state == "" || subtle.ConstantTimeCompare([]byte(state), []byte(a.State)) != 1 {
		return "", forged("state doesn't fit")
	}
	if age := p.o.Now().Sub(a.Started); age > attemptLife || age < -clockSkew {
		return "", &Error{Kind: KindExpired}
	}
	if err := p.checkIssuer(ctx, query); err != nil {
		return "", err
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

func (p *Provider) redeem(ctx context.Context, cache *sessionCache, a Attempt, code string) (x *exchange, result confidential.AuthResult, err error) {
	options := []confidential.AcquireByAuthCodeOption{confidential.WithChallenge(a.Verifier)}
	if a.Claims != "" {
		options = append(options, confidential.WithClaims(a.Claims))
	}
	x, err = p.ask(ctx, "", cache, func(ctx context.Context, client confidential.Client) (err error) {
		result, err = client.AcquireTokenByAuthCode(ctx, code, a.RedirectURI, p.scopesOf(a), options...)
		return err
	})
	return x, result, err
}

// checkIssuer compares the iss response parameter (RFC 9207) before the code is sent anywhere, as far as that is
// possible while the tenant isn't known. It is asked for only where the metadata says that it is sent: Entra sends
// none.
func (p *Provider) checkIssuer(ctx context.Context, query url.Values) error {
	m, err := p.configuration(ctx)
	if err != nil {
		return err
	}
	iss := query.Get("iss")
	prefix, suffix, several := strings.Cut(m.Issuer, tenantPlaceholder)
	switch {
	case iss == "" && m.SendsIssuer:
		return forged("the response's issuer is missing")
	case iss == "" && !query.Has("iss"):
		return nil
	case several && strings.HasPrefix(iss, prefix) && strings.HasSuffix(iss, suffix) && len(iss) > len(prefix)+len(suffix):
		return nil
	case !several && iss == m.Issuer:
		return nil
	default:
		return errOtherIssuer
	}
}

var errOtherIssuer = forged("the response's issuer is another one")

// checkResponseIssuer compares it whole, now that the tenant is known.
func (p *Provider) checkResponseIssuer(ctx context.Context, iss string, claims idClaims) error {
	m, err := p.configuration(ctx)
	switch {
	case err != nil:
		return err
	case iss != "" && iss != m.issuerOf(claims.TenantID):
		return errOtherIssuer
	default:
		return nil
	}
}

// TenantAllowed reports whether people of this tenant are let in. Settings may have changed since they were.
func (p *Provider) TenantAllowed(tenant string) bool {
	if own := p.authorityTenant(); isTenantID(own) && !strings.EqualFold(own, tenant) {
		return false
	}
	return len(p.o.AllowedTenants) == 0 ||
		slices.ContainsFunc(p.o.AllowedTenants, func(t string) bool { return strings.EqualFold(t, tenant) })
}
