package entra

import (
	"context"
	"crypto/sha256"
	"time"

	"github.com/AzureAD/microsoft-authentication-library-for-go/apps/confidential"
)

// TokenCache is one session's token cache, kept by the session store.
type TokenCache interface {
	Load(ctx context.Context) ([]byte, error)             // nil, nil if there is none
	Save(ctx context.Context, blob []byte) error          // must not revive a session that ended
	Drop(ctx context.Context) error                       // the sign-in is over
	Lock(ctx context.Context) (release func(), err error) // held during a refresh: one at a time, over processes
	Key() string                                          // names the session inside this process; no secret
}

const (
	refreshTimeout = 40 * time.Second // of a refresh: waiting for the lock, and the call
	saveTimeout    = 10 * time.Second // of keeping what it brought, even if that came at the last moment
)

// AccessToken returns an access token for the API that is good for some minutes. As a rule it comes from the cache,
// without lock and without network. When it has to be refreshed, one call does it for all who wait, in this process and
// in others; sessions don't wait for one another. Errors: *Error, or the cache's own.
func (p *Provider) AccessToken(ctx context.Context, c TokenCache, account string) (string, error) {
	blob, err := c.Load(ctx)
	if err != nil {
		return "", err
	}
	held, err := p.peek(ctx, blob, account)
	switch {
	case err != nil:
		return "", err
	case held.over:
		return "", p.signInAgain(ctx, c, &Error{})
	case held.token != "":
		if held.due { // good still, but its time has come: behind the scenes
			p.startRefresh(c, account)
		}
		return held.token, nil
	}
	select {
	case result := <-p.startRefresh(c, account):
		token, _ := result.Val.(string)
		return token, result.Err
	case <-ctx.Done():
		return "", networkError(ctx.Err())
	}
}

// holding is what a cache has to give without a call.
type holding struct {
	token string // good still; "" if there is none
	due   bool   // a token is to be asked for: this one is getting old, or there is none
	over  bool   // there is nothing that a token could be had with

	until time.Time // the same cache holds the same token, and it isn't due
}

// peek looks into a cache. MSAL takes long to read one, so what it has found is known for as long as it would find the
// same in a cache of the same content.
func (p *Provider) peek(ctx context.Context, blob []byte, account string) (holding, error) {
	key := sha256.Sum256(append([]byte(account+"\n"), blob...))
	if known, ok := p.peeked.Get(key); ok && time.Now().Before(known.until) { // MSAL's clock
		return known, nil
	}
	held, err := p.look(ctx, blob, account)
	if err == nil && held.token != "" && !held.due {
		p.peeked.Add(key, held)
	}
	return held, err
}

const manyPeeked = 2000 // caches whose token is known, of some 2 KB

// look has MSAL look into a cache.
func (p *Provider) look(ctx context.Context, blob []byte, account string) (holding, error) {
	client, err := p.client(offlineCredential, &sessionCache{blob: blob})
	if err != nil {
		return holding{}, err
	}
	x := &exchange{offline: true}
	result, err := silent(withExchange(ctx, x), client, p.o.Scopes, account)
	switch {
	case err == nil && result.Account.IsZero() && result.IDToken.RawToken == "":
		return holding{over: true}, nil // a token of the app, not of the person: never to be used
	case err == nil:
		until := result.ExpiresOn.Add(-msalMargin)
		if due := result.Metadata.RefreshOn; !due.IsZero() && due.Before(until) {
			until = due
		}
		return holding{token: result.AccessToken, due: x.refused, until: until}, nil
	case x.refused:
		return holding{due: true}, nil
	case ctx.Err() != nil:
		return holding{}, networkError(ctx.Err())
	default:
		return holding{over: true}, nil
	}
}

func silent(ctx context.Context, client confidential.Client, scopes []string, account string) (confidential.AuthResult, error) {
	return client.AcquireTokenSilent(ctx, scopes, confidential.WithSilentAccount(confidential.Account{HomeAccountID: account}))
}

// signInAgain ends the sign-in: with what the cache holds no token can be had any more. cause may say why.
func (p *Provider) signInAgain(ctx context.Context, c TokenCache, cause *Error) error {
	if err := c.Drop(ctx); err != nil {
		return err
	}
	return &Error{Kind: KindInteraction, Code: cause.Code, AADSTS: cause.AADSTS, CorrelationID: cause.CorrelationID, Claims: cause.Claims}
}
