package limit

import (
	"context"
	"sync"
)

// Slots bounds how much is done at the same time, altogether and for each key.
type Slots struct {
	total, each int

	mu    sync.Mutex
	taken int
	by    map[string]int
	freed chan struct{} // closed when a slot is left, and then a new one
}

// NewSlots makes total slots, of which one key can have each at a time.
func NewSlots(total, each int) *Slots {
	return &Slots{total: total, each: each, by: map[string]int{}, freed: make(chan struct{})}
}

// Enter waits for a slot until ctx ends, whose error it then returns. A caller that got one must leave.
func (p *Slots) Enter(ctx context.Context, key string) (leave func(), err error) {
	for {
		freed, ok := p.take(key)
		if ok {
			return sync.OnceFunc(func() { p.leave(key) }), nil
		}
		select {
		case <-freed:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// take returns what to wait for if there is no slot.
func (p *Slots) take(key string) (freed <-chan struct{}, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.taken >= p.total || p.by[key] >= p.each {
		return p.freed, false
	}
	p.taken++
	p.by[key]++
	return nil, true
}

func (p *Slots) leave(key string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.taken--
	if p.by[key]--; p.by[key] == 0 {
		delete(p.by, key)
	}
	close(p.freed)
	p.freed = make(chan struct{})
}
