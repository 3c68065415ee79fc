package entra

import (
	"context"

	"github.com/AzureAD/microsoft-authentication-library-for-go/apps/confidential"
)

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
