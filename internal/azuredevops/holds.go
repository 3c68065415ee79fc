package azuredevops

import (
	"crypto/sha256"
	"net/http"
	"strings"
	"sync"
	"time"
)

// maxHold bounds a pause that the service asks for. Its own window is five
// minutes.
//
// https://learn.microsoft.com/azure/devops/integrate/concepts/rate-limits
const maxHold = 5 * time.Minute

// holds remembers whom the service asked to slow down, and until when. It counts
// per person and organization, so one busy person doesn't hold up the others. A
// hash of the bearer stands for the person.
type holds struct {
	now func() time.Time
	mu  sync.Mutex
	all map[holdKey]hold
}

type holdKey struct {
	organization string
	bearer       [sha256.Size]byte
}

type hold struct {
	until   time.Time
	kind    Kind // what a call answers that can't wait
	refused bool // it came with a refusal and not with a result
}

func newHolds(now func() time.Time) *holds { return &holds{now: now, all: map[holdKey]hold{}} }

func keyOf(organization, bearer string) holdKey {
	return holdKey{strings.ToLower(organization), sha256.Sum256([]byte(bearer))}
}

// add notes that the service asked to wait for d with an answer of that status.
func (h *holds) add(key holdKey, status int, d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := h.now()
	for k, old := range h.all {
		if !old.until.After(now) {
			delete(h.all, k)
		}
	}
	kind := KindThrottled
	if status == http.StatusServiceUnavailable {
		kind = KindUnavailable
	}
	next := hold{now.Add(min(d, maxHold)), kind, status >= 400}
	if old, ok := h.all[key]; ok && old.until.After(next.until) {
		next.until = old.until
	}
	h.all[key] = next
}

// left returns how long a call should still wait. A hint that came with a result
// is for reads: a change is one deliberate act, and a revoke may be urgent.
func (h *holds) left(key holdKey, change bool) (time.Duration, Kind) {
	h.mu.Lock()
	defer h.mu.Unlock()
	held, ok := h.all[key]
	if !ok || change && !held.refused {
		return 0, ""
	}
	return held.until.Sub(h.now()), held.kind
}
