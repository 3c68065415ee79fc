package limit

import (
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"
)

// Rate bounds how often something is done, for each key by itself: so many times at once, and then evenly as many in a
// minute. The zero value and nil bound nothing.
type Rate struct {
	perMinute int
	now       func() time.Time

	mu  sync.Mutex
	all *lru.Cache[string, *rate.Limiter]
}

// NewRate makes a Rate; perMinute 0 bounds nothing.
func NewRate(perMinute int, now func() time.Time) *Rate {

	all, _ := lru.New[string, *rate.Limiter](manyKeys) // fails for sizes below one
	return &Rate{perMinute: perMinute, now: now, all: all}
}

// Take counts one for key and returns 0; or, if that is too often, counts nothing and returns how long to wait.
func (r *Rate) Take(key string) (wait time.Duration) { return r.take(key, true) }

// Left is Take without counting.
func (r *Rate) Left(key string) (wait time.Duration) { return r.take(key, false) }

func (r *Rate) take(key string, count bool) (wait time.Duration) {
	if r == nil || r.perMinute <= 0 {
		return 0
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	limiter, ok := r.all.Get(key)
	switch {
	case !ok && !count:
		return 0
	case !ok:
		limiter = rate.NewLimiter(rate.Limit(float64(r.perMinute)/time.Minute.Seconds()), r.perMinute)
		r.all.Add(key, limiter)
	}
	now := r.now()
	reservation := limiter.ReserveN(now, 1)
	if wait = reservation.DelayFrom(now); wait > 0 || !count {
		reservation.CancelAt(now)
	}
	return wait
}
