package limit

import (
	"container/list"
	"sync"
	"time"
)

// Pending bounds what is begun and not finished, of each key and in all. It makes no one wait: the oldest has to go for
// the newest. What isn't finished within its life is forgotten.
type Pending struct {
	each, total int
	life        time.Duration
	now         func() time.Time

	mu   sync.Mutex
	all  *list.List            // of *begun, the oldest first
	by   map[string]*list.List // of the elements of all, by key
	wide map[string]*list.List // the same, by Wide of the key

	ranks map[int]map[string]bool // the wider networks that have so many
	most  int                     // that one of them has
}

type begun struct {
	key, wide, id  string
	at             time.Time
	inKey, inWider *list.Element
}

// NewPending makes a Pending for so many things of each key, and in all.
func NewPending(each, total int, life time.Duration, now func() time.Time) *Pending {

	return &Pending{
		each: each, total: total, life: life, now: now,
		all: list.New(), by: map[string]*list.List{}, wide: map[string]*list.List{}, ranks: map[int]map[string]bool{},
	}
}

// Begin adds one of key, and returns the ids of those that have to go for it: of key's own first, then of the wider
// network that has most.
func (p *Pending) Begin(key, id string) (dropped []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	for first := p.all.Front(); first != nil && now.Sub(entry(first).at) >= p.life; first = p.all.Front() {
		p.remove(first)
	}
	if own := p.by[key]; own != nil && own.Len() >= p.each {
		dropped = append(dropped, p.remove(oldest(own)))
	}
	for p.all.Len() >= p.total {
		dropped = append(dropped, p.remove(p.greediest()))
	}
	b := &begun{key: key, wide: Wide(key), id: id, at: now}
	e := p.all.PushBack(b)
	b.inKey = listOf(p.by, key).PushBack(e)
	b.inWider = listOf(p.wide, b.wide).PushBack(e)
	p.rank(b.wide, p.wide[b.wide].Len()-1)
	return dropped
}

// greediest is the oldest one of a wider network that has most: who fills the list alone makes room in it alone.
func (p *Pending) greediest() *list.Element {
	if p.most > 1 {
		for wide := range p.ranks[p.most] {
			return oldest(p.wide[wide])
		}
	}
	return p.all.Front()
}

// Len is how many there are in all.
func (p *Pending) Len() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.all.Len()
}

func (p *Pending) remove(e *list.Element) (id string) {
	b := entry(e)
	p.all.Remove(e)
	p.by[b.key].Remove(b.inKey)
	if p.by[b.key].Len() == 0 {
		delete(p.by, b.key)
	}
	wider := p.wide[b.wide]
	wider.Remove(b.inWider)
	p.rank(b.wide, wider.Len()+1)
	if wider.Len() == 0 {
		delete(p.wide, b.wide)
	}
	return b.id
}

// rank notes that a wider network has one more or one less than before.
func (p *Pending) rank(wide string, before int) {
	if delete(p.ranks[before], wide); len(p.ranks[before]) == 0 {
		delete(p.ranks, before)
	}
	n := p.wide[wide].Len()
	if n > 0 {
		if p.ranks[n] == nil {
			p.ranks[n] = map[string]bool{}
		}
		p.ranks[n][wide] = true
	}
	if n > p.most || before == p.most && p.ranks[before] == nil {
		p.most = n
	}
}

func listOf(all map[string]*list.List, key string) *list.List {
	if all[key] == nil {
		all[key] = list.New()
	}
	return all[key]
}

// oldest is the first element of a list of elements.
func oldest(l *list.List) *list.Element {
	e, _ := l.Front().Value.(*list.Element)
	return e
}

func entry(e *list.Element) *begun {
	b, _ := e.Value.(*begun)
	return b
}
