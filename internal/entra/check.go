package entra

import "context"

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
