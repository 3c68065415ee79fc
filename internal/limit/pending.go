package limit

import (
	"container/list"
	"sync"
	"time"
)

// Pending bounds what is begun and not finished, of each key and in all. Nobody is held up by it: the oldest has to go for
// the newest. What isn't finished within its life is forgotten.
type Pending struct {
	each, total int
	life        time.Duration
	now         func() time.Time

	mu  sync.Mutex
	all *list.List            // of *begun, the oldest first
	by  map[string]*list.List // of the elements of all, by key
}

type begun struct {
	key, id string
	at      time.Time
	of      *list.Element // in by
}

// NewPending makes a Pending for so many things of each key, and in all. now is time.Now if nil.
func NewPending(each, total int, life time.Duration, now func() time.Time) *Pending {
	if now == nil {
		now = time.Now
	}
	return &Pending{each: each, total: total, life: life, now: now, all: list.New(), by: map[string]*list.List{}}
}

// Begin adds one of key, and returns the ids of those that have to go for it: of key's own first.
func (p *Pending) Begin(key, id string) (dropped []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	for first := p.all.Front(); first != nil && now.Sub(entry(first).at) >= p.life; first = p.all.Front() {
		p.remove(first)
	}
	own := p.by[key]
	if own != nil && own.Len() >= p.each {
		oldest, _ := own.Front().Value.(*list.Element)
		dropped = append(dropped, p.remove(oldest))
	}
	for p.all.Len() >= p.total {
		dropped = append(dropped, p.remove(p.all.Front()))
	}
	if own = p.by[key]; own == nil {
		own = list.New()
		p.by[key] = own
	}
	b := &begun{key: key, id: id, at: now}
	b.of = own.PushBack(p.all.PushBack(b))
	return dropped
}

func entry(e *list.Element) *begun {
	b, _ := e.Value.(*begun)
	return b
}

func (p *Pending) remove(e *list.Element) (id string) {
	b := entry(e)
	p.all.Remove(e)
	own := p.by[b.key]
	own.Remove(b.of)
	if own.Len() == 0 {
		delete(p.by, b.key)
	}
	return b.id
}
