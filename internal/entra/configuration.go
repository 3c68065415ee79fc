package entra

import (
	"context"
	"encoding/json"
	"net/url"
	"strings"

	"github.com/AzureAD/microsoft-authentication-library-for-go/apps/confidential"
)

// tenantPlaceholder stands in the issuer of an authority for several tenants.
const tenantPlaceholder = "{tenantid}"

// configuration is what we read of the OpenID configuration; MSAL reads it too
// (https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderMetadata).
type configuration struct {
	Issuer        string `json:"issuer"`
	Authorization string `json:"authorization_endpoint"`
	Token         string `json:"token_endpoint"`
	KeysURL       string `json:"jwks_uri"`
	EndSession    string `json:"end_session_endpoint"`
	SendsIssuer   bool   `json:"authorization_response_iss_parameter_supported"`
}

func (m configuration) issuerOf(tenant string) string {
	return strings.ReplaceAll(m.Issuer, tenantPlaceholder, tenant)
}

// tenant is the one whose issuer this is; "" if it issues for several, or doesn't say.
func (m configuration) tenant() string {
	u, err := url.Parse(m.Issuer)
	if err != nil {
		return ""
	}
	for _, part := range strings.Split(u.Path, "/") {
		if isTenantID(part) {
			return part
		}
	}
	return ""
}

// isTenantID reports whether s is a tenant's id, not one of its domains.
func isTenantID(name string) bool { return len(name) == 36 && plainGUID.MatchString(name) }

func (p *Provider) configuration(ctx context.Context) (configuration, error) {
	body, err := p.wire.documents.get(ctx, p.metadata)
	if err != nil {
		return configuration{}, networkError(err)
	}
	var m configuration
	if json.Unmarshal(body, &m) != nil { // checked when it came
		return configuration{}, networkError(errUnusable)
	}
	return m, nil
}

// MetadataError is why the authority's metadata couldn't be fetched when that was last tried; nil if it could, or
// wasn't tried yet. Nothing is fetched.
func (p *Provider) MetadataError() error {
	_, _, err := p.wire.documents.peek(p.metadata)
	return err
}

// SignOutURL is Entra's address for ending its own session
// (https://openid.net/specs/openid-connect-rpinitiated-1_0.html). postLogout is honoured if it is registered with the
// app. Without metadata it is put together the way that all of Entra's authorities have it.
func (p *Provider) SignOutURL(ctx context.Context, postLogout, loginHint string) string {
	address := p.o.Authority + "/oauth2/v2.0/logout"
	if m, err := p.configuration(ctx); err == nil && m.EndSession != "" {
		address = m.EndSession
	}
	u, err := url.Parse(address)
	if err != nil || !isAddress(address, "https", "http") {
		return ""
	}
	query := u.Query()
	query.Set("post_logout_redirect_uri", postLogout)
	query.Set("client_id", p.o.ClientID)
	if loginHint != "" {
		query.Set("logout_hint", loginHint)
	}
	u.RawQuery = query.Encode()
	return u.String()
}

// ConsentURL is the page on which an administrator grants the app its permissions for everybody
// (https://learn.microsoft.com/entra/identity/enterprise-apps/grant-admin-consent).
func (p *Provider) ConsentURL() string {
	return p.o.Authority + "/adminconsent?" + url.Values{"client_id": {p.o.ClientID}}.Encode()
}

// Found is what Check has seen.
type Found struct {
	Issuer string
	Keys   int // that signatures can be checked with
}

// Check fetches the authority's metadata and keys, and has MSAL judge them, as the first sign-in would. It asks for no
// token. Errors are of type *Error.
func (p *Provider) Check(ctx context.Context) (Found, error) {
	m, err := p.configuration(ctx)
	if err != nil {
		return Found{}, err
	}
	x := &exchange{}
	if _, err := p.authorizeURL(withExchange(ctx, x), Attempt{}); err != nil {
		return Found{}, p.fault(x, err)
	}
	if m.KeysURL == "" {
		return Found{Issuer: m.Issuer}, nil
	}
	body, err := p.wire.documents.get(ctx, m.KeysURL)
	if err != nil {
		return Found{}, networkError(err)
	}
	return Found{Issuer: m.Issuer, Keys: len(parseKeys(body).Keys)}, nil
}

// TryCredential asks Entra whether it takes the credential: for a token of the app itself, which is thrown away. That is
// the one grant for which Entra has to judge the credential and nothing else
// (https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow). resource is what the token
// would be for. The authority must name one tenant. Errors are of type *Error.
func (p *Provider) TryCredential(ctx context.Context, resource string) error {
	credential, err := p.credential(ctx)
	if err != nil {
		return networkError(err)
	}
	client, err := p.client(credential, &sessionCache{})
	if err != nil {
		return networkError(err)
	}
	x := &exchange{mayAsk: true, trial: true}
	_, err = client.AcquireTokenByCredential(withExchange(ctx, x), []string{resource + "/.default"}, confidential.WithTenantID(p.authorityTenant()))
	if err == nil || x.answered { // what MSAL thinks of a token that isn't kept is all the same
		return nil
	}
	return p.fault(x, err)
}
