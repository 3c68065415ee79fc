package entra

import (
	"context"
	"errors"
	"time"

	"github.com/AzureAD/microsoft-authentication-library-for-go/apps/confidential"
	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/patdesk/patdesk/internal/panics"
)

// startRefresh has the session's token refreshed, or joins the refresh that is under way.
func (p *Provider) startRefresh(w want) <-chan panics.Result {
	return p.refreshing.DoChan(w.key(), func() (any, error) {
		token, err := panics.Try(func() (string, error) { return p.refresh(w) })
		return token, contained(p.o.Log, "refreshing an access token", err)
	})
}

// refresh gets a token for the session that is as new as can be, alone. It belongs to no request: the first to need it
// may leave.
func (p *Provider) refresh(w want) (token string, err error) {
	if err := p.pauses.err(w.key()); err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(context.Background(), refreshTimeout)
	defer cancel()
	release, err := w.cache.Lock(ctx)
	if err != nil {
		return "", err
	}
	defer release()
	blob, err := w.cache.Load(ctx)
	if err != nil {
		return "", err
	}
	held, err := p.look(ctx, blob, w)
	switch {
	case err != nil:
		return "", err
	case held.over:
		return "", p.signInAgain(ctx, w, &Error{})
	case !held.due: // another request was quicker
		return held.token, nil
	}
	cache := &sessionCache{blob: blob}
	token, failure := p.redeemRefreshToken(ctx, cache, w)
	// What came is kept though the time for it be over.
	ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), saveTimeout)
	defer cancel()
	if failure != nil {
		return p.refreshFailed(ctx, w, held.token, failure)
	}
	if err := w.cache.Save(ctx, cache.blob); err != nil {
		p.o.Refreshed(refreshFailed)
		p.pauses.start(w.key(), err, 0)
		return "", err
	}
	p.o.Refreshed(refreshOK)
	p.pauses.rest.Remove(w.key())
	return token, nil
}

var errNothingNew = errors.New("MSAL asked for no token")

func (p *Provider) redeemRefreshToken(ctx context.Context, cache *sessionCache, w want) (string, *Error) {
	var result confidential.AuthResult
	x, err := p.ask(ctx, w.account, cache, func(ctx context.Context, client confidential.Client) (err error) {
		result, err = silent(ctx, client, w)
		return err
	})
	switch {
	case err != nil || x.failure != nil: // MSAL keeps quiet about a failure while the old token is good
		return "", p.fault(x, err)
	case !x.answered:
		return "", &Error{Kind: KindOther, Err: errNothingNew}
	default:
		return result.AccessToken, nil
	}
}

// refreshFailed decides what a failure means. A token that is good still is used up, whatever Entra said: only when the
// sign-in itself was revoked, that is the end of it.
func (p *Provider) refreshFailed(ctx context.Context, w want, held string, failure *Error) (string, error) {
	temporary := failure.Kind == KindUnavailable || failure.Kind == KindMisconfigured || failure.Kind == KindTooLong || failure.Kind == KindOther
	revoked := failure.Kind == KindInteraction && failure.Code == "invalid_grant"
	if !temporary && (held == "" || revoked) {
		if !p.other(w) { // else no one has to sign in again
			p.o.Refreshed(refreshSignIn)
		}
		return "", p.signInAgain(ctx, w, failure) // MSAL would keep the dead refresh token
	}
	p.pauses.start(w.key(), failure, failure.RetryAfter)
	p.o.Log.Warn("an access token could not be refreshed", "error", failure, "valid_still", held != "")
	if held != "" {
		p.o.Refreshed(refreshKept)
		return held, nil
	}
	p.o.Refreshed(refreshFailed)
	return "", failure
}

const (
	firstPause   = time.Second // after a failed refresh, doubled each time
	longestPause = time.Minute
	manyPauses   = 10_000 // at most: beyond that the one that is oldest goes, and that session's next refresh is only less late
)

// pauses keep a session's token from being asked for again at once after that has failed.
type pauses struct {
	now  func() time.Time
	rest *lru.Cache[string, pause]
}

type pause struct {
	until  time.Time
	length time.Duration
	err    error
}

func newPauses(now func() time.Time) pauses {
	rest, _ := lru.New[string, pause](manyPauses) // fails for sizes below one
	return pauses{now, rest}
}

// err is why the session's token isn't asked for now; nil if it may be.
func (p *pauses) err(key string) error {
	if rest, ok := p.rest.Get(key); ok && p.now().Before(rest.until) {
		return rest.err
	}
	return nil
}

// start begins a pause: twice as long as the last one, and not shorter than least.
func (p *pauses) start(key string, err error, least time.Duration) {
	last, _ := p.rest.Get(key)
	length := max(firstPause, min(longestPause, 2*last.length), least)
	p.rest.Add(key, pause{until: p.now().Add(length), length: length, err: err})
}
