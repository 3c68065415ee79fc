package entra

import (
	"context"
	"errors"
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
	firstPause     = time.Second      // after a failed refresh, doubled each time
	longestPause   = time.Minute
	maxPauses      = 10_000
)

// AccessToken returns an access token for the API that is good for some minutes. As a rule it comes from the cache,
// without lock and without network. When it has to be refreshed, one call does it for all who wait, in this process
// and in others; sessions don't wait for one another. Errors: *Error, or the cache's own.
func (p *Provider) AccessToken(ctx context.Context, c TokenCache, account string) (string, error) {
	blob, err := c.Load(ctx)
	if err != nil {
		return "", err
	}
	x := &exchange{account: account}
	token, _, err := p.silent(ctx, x, blob, account)
	switch {
	case err == nil:
		if x.refused { // good still, but MSAL would renew it: behind the scenes
			p.refreshing.DoChan(c.Key(), func() (any, error) { return p.refresh(c, account) })
		}
		return token, nil
	case !x.refused:
		return "", p.interaction(ctx, c, err)
	}
	done := p.refreshing.DoChan(c.Key(), func() (any, error) { return p.refresh(c, account) })
	select {
	case result := <-done:
		token, _ := result.Val.(string)
		return token, result.Err
	case <-ctx.Done():
		return "", trouble(ctx.Err())
	}
}

// silent asks MSAL for a token. Whether that may use the network, the exchange says.
func (p *Provider) silent(ctx context.Context, x *exchange, blob []byte, account string) (token string, cache *sessionCache, err error) {
	cache = &sessionCache{blob: blob}
	client, err := p.client(cache)
	if err != nil {
		return "", nil, misconfigured(err)
	}
	result, err := client.AcquireTokenSilent(withExchange(ctx, x), p.o.Scopes, confidential.WithSilentAccount(confidential.Account{HomeAccountID: account}))
	if err != nil {
		return "", cache, err
	}
	if result.Account.IsZero() && result.IDToken.RawToken == "" {
		return "", cache, errAppOnly // a token of the app, not of the person: never to be used
	}
	return result.AccessToken, cache, nil
}

// interaction ends the sign-in: the cache holds nothing that a token could be had with.
func (p *Provider) interaction(ctx context.Context, c TokenCache, cause error) error {
	var own *Error
	if errors.As(cause, &own) && own.Kind == KindMisconfigured {
		return own
	}
	if ctx.Err() != nil {
		return trouble(ctx.Err())
	}
	if err := c.Drop(ctx); err != nil {
		return err
	}
	return &Error{Kind: KindInteraction}
}

// pause is how long a session's token isn't asked for again after that failed.
type pause struct {
	until  time.Time
	length time.Duration
	err    *Error
}

// refresh gets a new token for the session, alone. It belongs to no request: the first to need it may leave.
func (p *Provider) refresh(c TokenCache, account string) (string, error) {
	if paused := p.paused(c.Key()); paused != nil {
		return "", paused
	}
	ctx, cancel := context.WithTimeout(context.Background(), refreshTimeout)
	defer cancel()
	release, err := c.Lock(ctx)
	if err != nil {
		return "", err
	}
	defer release()
	blob, err := c.Load(ctx)
	if err != nil {
		return "", err
	}
	// Somebody else may have been quicker.
	peek := &exchange{account: account}
	if token, _, err := p.silent(ctx, peek, blob, account); err == nil && !peek.refused {
		return token, nil
	}
	x := &exchange{account: account, mayAsk: true}
	token, cache, err := p.silent(ctx, x, blob, account)
	if failure := x.failure; failure != nil { // MSAL keeps quiet about it while the old token is good
		return "", p.refreshFailed(ctx, c, failure)
	}
	if err != nil {
		return "", p.interaction(ctx, c, err)
	}
	p.resume(c.Key())
	if cache.changed {
		if err := c.Save(ctx, cache.blob); err != nil {
			return "", err
		}
	}
	return token, nil
}

func (p *Provider) refreshFailed(ctx context.Context, c TokenCache, failure *Error) error {
	if failure.Kind == KindUnavailable || failure.Kind == KindMisconfigured || failure.Kind == KindOther {
		p.delay(c.Key(), failure)
		return failure
	}
	// Every other refusal means that this sign-in is over; MSAL would keep the dead refresh token.
	if err := c.Drop(ctx); err != nil {
		return err
	}
	return &Error{Kind: KindInteraction, Code: failure.Code, AADSTS: failure.AADSTS, CorrelationID: failure.CorrelationID, Claims: failure.Claims}
}

func (p *Provider) paused(key string) *Error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if rest, ok := p.pauses[key]; ok && p.o.Now().Before(rest.until) {
		return rest.err
	}
	return nil
}

func (p *Provider) resume(key string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.pauses, key)
}

func (p *Provider) delay(key string, err *Error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.o.Now()
	if len(p.pauses) >= maxPauses {
		for k, rest := range p.pauses {
			if now.After(rest.until) {
				delete(p.pauses, k)
			}
		}
	}
	length := max(firstPause, min(longestPause, 2*p.pauses[key].length), err.RetryAfter)
	p.pauses[key] = pause{until: now.Add(length), length: length, err: err}
}
