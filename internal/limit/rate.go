package limit

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Rate bounds how often something is done, for each key by itself: so many times at once, and then evenly as many in a
// minute. The zero value and nil bound nothing.
type Rate struct {
	perMinute int
	now       func() time.Time

	mu     sync.Mutex
	all    map[string]*bucket
	tidied time.Time
}

// bucket is what is remembered of a key.
type bucket struct {
	limiter *rate.Limiter
}

// NewRate makes a Rate; perMinute 0 bounds nothing. now is time.Now if nil.
func NewRate(perMinute int, now func() time.Time) *Rate {
	if now == nil {
		now = time.Now
	}
	return &Rate{perMinute: perMinute, now: now, all: map[string]*bucket{}}
}

// Take counts one for key and returns 0; or, if that is too often, counts nothing and returns how long to wait.
func (r *Rate) Take(key string) (wait time.Duration) {
	if r == nil || r.perMinute <= 0 {
		return 0
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	b := r.bucket(key, now)
	reservation := b.limiter.ReserveN(now, 1)
	if wait = reservation.DelayFrom(now); wait > 0 {
		reservation.CancelAt(now)
		return wait
	}
	return 0
}

// Left says if there is one more for key, without counting it, and else how long to wait.
func (r *Rate) Left(key string) (wait time.Duration) {
	if r == nil || r.perMinute <= 0 {
		return 0
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	b, ok := r.all[key]
	if !ok {
		return 0
	}
	now := r.now()
	reservation := b.limiter.ReserveN(now, 1)
	defer reservation.CancelAt(now)
	return reservation.DelayFrom(now)
}

func (r *Rate) bucket(key string, now time.Time) *bucket {
	b, ok := r.all[key]
	if !ok {
		makeRoom(r.all, &r.tidied, now, func(b *bucket) bool { return b.limiter.TokensAt(now) >= float64(r.perMinute) })
		b = &bucket{limiter: rate.NewLimiter(rate.Limit(float64(r.perMinute)/time.Minute.Seconds()), r.perMinute)}
		r.all[key] = b
	}
	return b
}
