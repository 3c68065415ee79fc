package azuredevops

import (
	"context"
	"errors"
	"slices"
	"time"
)

// How much is under way at the same time. A call beyond that waits for its turn, for a bounded time that isn't counted
// as the service's.
//
// Each bound is shared by what is still free of it (see share), not in the order of arrival: the more of it is in use,
// the less one person can have. So however many calls of others are held up, there is a slot for a person who has none.
const (
	// maxOwnExchanges is what one person can have under way with one organization: a page asks for three lists at once,
	// a batch works on three tokens.
	maxOwnExchanges = 8
	// maxPersonExchanges is what one person can have under way with all organizations: an overview reads ten of them at
	// a time.
	maxPersonExchanges = 32
	// maxShared is what all people share. An exchange that is held up costs a socket, three goroutines and some 60 KB
	// with its buffers and what TLS needs, so that so many take some 120 MB and a fraction of the files that can be
	// open (65,536 in deploy/systemd, more in containers). One that isn't held up takes some 100 ms: these are 20,000 a
	// second.
	maxShared = 2048
	// maxExchanges is how many there can be in all: those beyond maxShared are for people who have none under way.
	maxExchanges = 4 * maxShared
	// maxQueue is how many exchanges of one person wait for their turn.
	maxQueue = 64

	// Of each answer the first 248 KB are free; a page of a hundred tokens has some 50 KB. What is longer takes what
	// the longest answer needs, 8 MB to a list, in units of this size, of which there are so many: 64 MB. While parts
	// are joined that is twice as much.
	unitBytes = 256 << 10
	maxUnits  = 256
)

// What one person can have of what is still free: a 64th of all exchanges, half of their own for one organization, and
// half of the memory, where a person's first long answer gets what it needs.
const (
	partOfExchanges = 64
	partOfPerson    = 2
	partOfUnits     = 2
)

// Bound is one of the bounds that a call can run into.
type Bound string

// The bounds, as Load.Refused counts them.
const (
	BoundOrganization Bound = "organization" // one person's exchanges with one organization
	BoundPerson       Bound = "person"       // one person's exchanges
	BoundProcess      Bound = "process"      // all exchanges
	BoundMemory       Bound = "memory"       // long answers that are being read
)

// Bounds returns all of them.
func Bounds() []Bound { return []Bound{BoundOrganization, BoundPerson, BoundProcess, BoundMemory} }

// share reports whether a person who has so many may have one more: up to most, but no more than a part of what is
// free. The first one can be had as long as there is one.
func share(has, most, free, part int) bool {
	return free > 0 && has < min(most, max(1, free/part))
}

// bound is what keeps the person from one more exchange with the organization; "" if nothing does.
func (g *guards) bound(c *circuit) Bound {
	switch {
	case c.exchanges >= maxOwnExchanges:
		return BoundOrganization
	case !c.free():
		return BoundPerson
	case g.full(c.person.exchanges):
		return BoundProcess
	}
	return ""
}

// free reports whether the person's other exchanges leave one more to the organization.
func (c *circuit) free() bool {
	return share(c.exchanges, maxOwnExchanges, maxPersonExchanges-c.person.exchanges, partOfPerson)
}

// full reports whether the process has no more for a person who has so many, nor for one who has more.
func (g *guards) full(has int) bool {
	if has == 0 {
		return g.exchanges >= maxExchanges
	}
	return !share(has, maxPersonExchanges, maxShared-g.exchanges, partOfExchanges)
}

// turn is a call that waits for its turn.
type turn struct{ come chan struct{} } // closed when it has come; the slot is taken then

// take waits until one more exchange may begin, for patience at most, and takes a slot, which must be given back. If it
// can't begin, b is the bound that it ran into, and own whether the person's other calls have a part in that. The error
// is that of a ctx that was canceled.
func (p *pass) take(ctx context.Context, patience time.Duration) (b Bound, own bool, err error) {
	t, b, own := p.line()
	if t == nil {
		return b, own, nil
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-t.come:
		return "", false, nil
	case <-timer.C:
	case <-ctx.Done():
	}
	canceled := errors.Is(ctx.Err(), context.Canceled)
	came, b, own := p.leave(t, canceled)
	if !came && canceled {
		return "", false, ctx.Err()
	}
	return b, own, nil
}

// line takes a slot at once, where t and the bound are zero, or queues up.
func (p *pass) line() (t *turn, b Bound, own bool) {
	g, c := p.guards, p.circuit
	g.mu.Lock()
	defer g.mu.Unlock()
	if b = g.bound(c); b == "" { // none of those who wait can have it, or next had found them
		g.count(c, 1)
		return nil, "", false
	}
	if c.person.waiting >= maxQueue {
		g.refused[b]++
		return nil, b, c.person.exchanges > 0
	}
	t = &turn{make(chan struct{})}
	c.queue = append(c.queue, t)
	g.wait(c.person, 1)
	return t, "", false
}

// leave takes t out of the queue, unless its turn has come meanwhile. What was canceled doesn't count as refused.
func (p *pass) leave(t *turn, canceled bool) (came bool, b Bound, own bool) {
	g, c := p.guards, p.circuit
	g.mu.Lock()
	defer g.mu.Unlock()
	i := slices.Index(c.queue, t)
	if i < 0 {
		return true, "", false
	}
	g.unqueue(c, i)
	b = g.bound(c)
	if !canceled {
		g.refused[b]++
	}
	return false, b, c.person.exchanges > 0
}

func (g *guards) unqueue(c *circuit, i int) {
	c.queue = slices.Delete(c.queue, i, i+1)
	g.wait(c.person, -1)
}

// wait counts n more, or less, of the person's calls that wait.
func (g *guards) wait(p *person, n int) {
	p.waiting += n
	if p.waiting == 0 {
		delete(g.waiting[p.exchanges], p)
	} else {
		g.waiting[p.exchanges][p] = struct{}{}
	}
}

// count counts n more, or less, exchanges under way.
func (g *guards) count(c *circuit, n int) {
	p := c.person
	delete(g.waiting[p.exchanges], p)
	c.exchanges += n
	p.exchanges += n
	g.exchanges += n
	g.wait(p, 0)
}

// give gives the slot back, with the memory that was taken for the answer.
func (p *pass) give() {
	g, c := p.guards, p.circuit
	g.mu.Lock()
	defer g.mu.Unlock()
	g.count(c, -1)
	c.person.units -= p.units
	g.units -= p.units
	p.units = 0
	for next := g.next(); next != nil; next = g.next() {
		t := next.queue[0]
		g.unqueue(next, 0)
		g.count(next, 1)
		close(t.come)
	}
}

// next is whose turn it is: of those who can have a slot, the person who has the fewest, and there the organization.
func (g *guards) next() *circuit {
	for has, people := range g.waiting {
		if g.full(has) {
			return nil
		}
		for p := range people {
			if c := p.next(); c != nil {
				return c
			}
		}
	}
	return nil
}

// next is the organization for which a call of the person's can begin, as far as the person's other calls go.
func (p *person) next() (next *circuit) {
	for _, c := range p.circuits {
		if len(c.queue) > 0 && c.free() && (next == nil || c.exchanges < next.exchanges) {
			next = c
		}
	}
	return next
}

// grow takes the memory that an answer of up to so many bytes may need, before it is read on: all of it or none, or
// else many that are read at the same time would leave each other too little to get to an end. false: there isn't so
// much for this person.
func (p *pass) grow(bytes int64) bool {
	g, c := p.guards, p.circuit
	units := int((bytes + unitBytes - 1) / unitBytes)
	g.mu.Lock()
	defer g.mu.Unlock()
	if free := maxUnits - g.units; units > free || c.person.units > 0 && c.person.units+units > free/partOfUnits {
		g.refused[BoundMemory]++
		return false
	}
	p.units += units
	c.person.units += units
	g.units += units
	return true
}

// Load is how much is under way, and what is left alone.
type Load struct {
	Exchanges, MaxExchanges int // with the service at this moment, and the most that can be
	Waiting                 int // for their turn

	Open, HalfOpen      int // pauses of one person with one organization, and those in which one call tries again this moment
	PeoplePaused        int // for whom there is such a pause
	OrganizationsPaused int // that fail for all people

	Refused map[Bound]uint64 // calls since the start that weren't sent because of a bound
}

// load looks at everything once.
func (g *guards) load() Load {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.now()
	l := Load{Exchanges: g.exchanges, MaxExchanges: maxExchanges, Refused: map[Bound]uint64{}}
	for _, b := range Bounds() {
		l.Refused[b] = g.refused[b]
	}
	for _, p := range g.people {
		l.Waiting += p.waiting
		paused := false
		for _, c := range p.circuits {
			until := c.pauseEnd(now)
			switch {
			case c.probe != nil && !until.IsZero():
				l.HalfOpen++
				paused = true
			case until.After(now):
				l.Open++
				paused = true
			}
		}
		if paused {
			l.PeoplePaused++
		}
	}
	for _, o := range g.organizations {
		if o.down(now) {
			l.OrganizationsPaused++
		}
	}
	return l
}
