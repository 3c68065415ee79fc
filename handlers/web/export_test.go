package web

import (
	"context"
	"net/http"
	"time"

	"github.com/patdesk/patdesk/internal/limit"
)

// What tests of whole requests know of the inside.
const (
	ContentSecurityPolicy = contentSecurityPolicy
	MaxReturnPath         = maxReturnPath
	MaxLocation           = maxLocation
	MaxPending            = maxPending
	MaxFinishingEach      = maxFinishingEach
	MaxLookupsEach        = maxLookupsEach
	GuessesPerMinute      = guessesPerMinute
)

var (
	Bounded   = bounded
	NewLimits = newLimits
)

// SetPending bounds the unfinished sign-ins.
func SetPending(s *Site, p *limit.Pending) { s.Limits.pending = p }

// PendingSignIns is how many aren't finished.
func PendingSignIns(s *Site) int { return s.Limits.pending.Len() }

// SetDrafts bounds the forms that are kept through a sign-in.
func SetDrafts(s *Site, p *limit.Pending) { s.Limits.drafts = p }

// SetFinishWait is how long a sign-in waits for its turn.
func SetFinishWait(s *Site, d time.Duration) { s.Limits.finishWait = d }

// EnterFinishing takes the place of a sign-in that is being finished.
func EnterFinishing(ctx context.Context, s *Site, network string) (leave func(), err error) {
	return s.Limits.finishing.Enter(ctx, network)
}

// TrustedPeer says if the request comes from a trusted proxy.
func TrustedPeer(s *Site, r *http.Request) (trusted bool) {
	s.front.clientAddress(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		trusted = fromTrustedProxy(r.Context())
	})).ServeHTTP(nil, r)
	return trusted
}

// ClientAddress is the middleware of that name.
func ClientAddress(s *Site, next http.Handler) http.Handler { return s.front.clientAddress(next) }

// FindAddress finds out the public address.
func FindAddress(s *Site, r *http.Request) (a Address, root string, ok bool) {
	a, ok = s.front.findAddress(r)
	return a, a.root, ok
}

// Outermost is the middleware of that name.
func Outermost(s *Site, next http.Handler) http.Handler { return s.front.outermost(next) }

// Undrain takes Drain back.
func Undrain(s *Site) { s.Health.stopping.Store(false) }
