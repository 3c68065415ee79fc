package limit

import (
	"sync"
	"time"
)

// Pending bounds what a key has begun and not finished. What is never finished counts for one life at least and for two
// at most: only the numbers of this span of time and of the one before are kept, so that a key costs the same however
// much it begins.
type Pending struct {
	most int
	life time.Duration
	now  func() time.Time

	mu     sync.Mutex
	all    map[string]*begun
	tidied time.Time
}

type begun struct {
	span         int64 // number of the span of time in which was counted last
	before, here int   // begun in the span before it, and in it
}

// NewPending makes a Pending for at most so many things of each key. now is time.Now if nil.
func NewPending(most int, life time.Duration, now func() time.Time) *Pending {
	if now == nil {
		now = time.Now
	}
	return &Pending{most: most, life: life, now: now, all: map[string]*begun{}}
}

// Begin counts one more for key and returns 0; or, if there are too many, how long it is until some are forgotten.
func (p *Pending) Begin(key string) (wait time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	span := now.UnixNano() / int64(p.life)
	b, ok := p.all[key]
	if !ok {
		makeRoom(p.all, &p.tidied, now, func(b *begun) bool { return b.at(span) == 0 })
		b = &begun{span: span}
		p.all[key] = b
	}
	if b.at(span) >= p.most {
		return time.Duration((span+1)*int64(p.life) - now.UnixNano())
	}
	b.here++
	return 0
}

// Finish takes back one Begin of key.
func (p *Pending) Finish(key string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	b, ok := p.all[key]
	if !ok || b.at(p.now().UnixNano()/int64(p.life)) == 0 {
		return
	}
	if b.before > 0 {
		b.before--
	} else {
		b.here--
	}
}

// at brings b to the span and returns how many are pending.
func (b *begun) at(span int64) int {
	switch {
	case span == b.span+1:
		b.before, b.here = b.here, 0
	case span > b.span:
		b.before, b.here = 0, 0
	}
	b.span = max(b.span, span)
	return b.before + b.here
}
