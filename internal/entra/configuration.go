package entra

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"strings"
)

// tenantPlaceholder stands in the issuer of an authority for several tenants.
const tenantPlaceholder = "{tenantid}"

// configuration is what we read of the OpenID configuration; MSAL reads the rest
// (https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderMetadata).
type configuration struct {
	Issuer      string `json:"issuer"`
	KeysURL     string `json:"jwks_uri"`
	EndSession  string `json:"end_session_endpoint"`
	SendsIssuer bool   `json:"authorization_response_iss_parameter_supported"`
}

func (m configuration) issuerOf(tenant string) string {
	return strings.ReplaceAll(m.Issuer, tenantPlaceholder, tenant)
}

func (p *Provider) configuration(ctx context.Context) (configuration, error) {
	body, err := p.wire.memo.get(ctx, p.metadata)
	if err != nil {
		return configuration{}, trouble(err)
	}
	var m configuration
	if err := json.Unmarshal(body, &m); err != nil || m.Issuer == "" {
		return configuration{}, &Error{Kind: KindUnavailable, Err: errors.New("the metadata can't be used")}
	}
	return m, nil
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
	if err != nil || u.Scheme != "https" && u.Scheme != "http" {
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
