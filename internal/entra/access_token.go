package entra

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/AzureAD/microsoft-authentication-library-for-go/apps/confidential"
)

// TokenCache is one session's token cache, kept by the session store.
type TokenCache interface {
	Version(ctx context.Context) (string, error)          // of its content: another one has another; "" if there is none
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
	return p.accessToken(ctx, want{c, account, p.o.Scopes})
}

// OtherAccessToken is AccessToken for another resource than the API, out of the same sign-in. Its failures are that
// resource's alone: they never end the sign-in. KindConsent: a sign-in that asks for these scopes is needed.
func (p *Provider) OtherAccessToken(ctx context.Context, c TokenCache, account string, scopes []string) (string, error) {
	return p.accessToken(ctx, want{c, account, scopes})
}

// want is whose access token is wanted, and for what.
type want struct {
	cache   TokenCache
	account string
	scopes  []string
}

// key names it inside this process.
func (w want) key() string { return w.cache.Key() + " " + strings.Join(w.scopes, " ") }

// other reports whether it isn't for the API, which the sign-in is for.
func (p *Provider) other(w want) bool { return !slices.Equal(w.scopes, p.o.Scopes) }

func (p *Provider) accessToken(ctx context.Context, w want) (string, error) {
	held, err := p.peek(ctx, w)
	switch {
	case err != nil:
		return "", err
	case held.over:
		return "", p.signInAgain(ctx, w, &Error{})
	case held.token != "":
		if held.due { // good still, but its time has come: behind the scenes
			p.startRefresh(w)
		}
		return held.token, nil
	}
	select {
	case result := <-p.startRefresh(w):
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

// peek looks into the cache. Opening one, and having MSAL read it, takes long, so what was found is known for as long as
// it would be found again: while the cache has the same content.
func (p *Provider) peek(ctx context.Context, w want) (holding, error) {
	version, err := w.cache.Version(ctx)
	if err != nil {
		return holding{}, err
	}
	key := w.key() + " " + w.account + " " + version
	if known, ok := p.peeked.Get(key); ok && time.Now().Before(known.until) { // MSAL's clock
		return known, nil
	}
	blob, err := w.cache.Load(ctx)
	if err != nil {
		return holding{}, err
	}
	held, err := p.look(ctx, blob, w)
	if err == nil && held.token != "" && !held.due {
		p.peeked.Add(key, held)
	}
	return held, err
}

const manyPeeked = 2000 // caches whose token is known, of some 2 KB

// look has MSAL look into a cache.
func (p *Provider) look(ctx context.Context, blob []byte, w want) (holding, error) {
	client, err := p.client(offlineCredential, &sessionCache{blob: blob})
	if err != nil {
		return holding{}, err
	}
	x := &exchange{offline: true}
	result, err := silent(withExchange(ctx, x), client, w)
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

func silent(ctx context.Context, client confidential.Client, w want) (confidential.AuthResult, error) {
	return client.AcquireTokenSilent(ctx, w.scopes, confidential.WithSilentAccount(confidential.Account{HomeAccountID: w.account}))
}

// signInAgain ends the sign-in: with what the cache holds no token can be had any more. cause may say why. Where the
// token would have been for another resource, the sign-in may serve the API still; it isn't asked for again at once.
func (p *Provider) signInAgain(ctx context.Context, w want, cause *Error) error {
	again := &Error{Kind: KindInteraction, Code: cause.Code, AADSTS: cause.AADSTS, CorrelationID: cause.CorrelationID, Claims: cause.Claims}
	if !p.other(w) {
		if err := w.cache.Drop(ctx); err != nil {
			return err
		}
		return again
	}
	if cause.Kind != "" {
		again = cause
	}
	p.pauses.start(w.key(), again, 0)
	return again
}
