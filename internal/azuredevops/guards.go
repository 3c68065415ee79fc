package azuredevops

import (
	"net/http"
	"strings"
	"sync"
	"time"
)

const (
	tripAfter   = 5                // calls that fail one after the other before a pause
	pauseTime   = 30 * time.Second // after which one call may try again
	forgetAfter = 5 * time.Minute  // a failure this old is not one of a series any more

	// An organization as a whole counts as down when the calls of downPeople or more fail there within downWithin,
	// tripAfter calls or more, with no success in between. One person's failures say nothing about it: the service
	// delays and refuses busy people one by one.
	downPeople = 3
	downWithin = 2 * time.Minute

	// maxHold bounds a pause that the service asks for. Its own window is five minutes.
	//
	// https://learn.microsoft.com/azure/devops/integrate/concepts/rate-limits
	maxHold = 5 * time.Minute

	// People can type any name of an organization, so what is remembered is bounded in number.
	maxCircuits    = 20_000 // of all people: some 10 MB
	maxOwnCircuits = 64     // of one person
	tidyEvery      = time.Minute
	maxTriesToDrop = 100 // people whose circuits are tried; if all have calls in progress, there are more for a while
)

// verdict is what a call shows of the health of the organization, for the person who called.
type verdict int

const (
	neutral verdict = iota // nothing: it wasn't sent, or this side gave it up
	healthy                // an answer, be it a refusal
	failing                // timeout, lost connection, 5xx
)

// guards holds, for each person and organization, how much is under way at the same time (slots.go), until when the
// service asked to wait, and a circuit breaker. So what hangs or fails for one person doesn't hold up another.
type guards struct {
	now func() time.Time

	mu            sync.Mutex
	people        map[string]*person
	organizations map[string]*organization // by name in lower case
	circuits      int                      // of all people
	tidied        time.Time

	exchanges int                                          // under way
	units     int                                          // of memory for long answers, taken
	waiting   [maxPersonExchanges + 1]map[*person]struct{} // those with a queue, by how many exchanges they have under way
	refused   map[Bound]uint64
}

// person is one who has calls in progress, or something to be remembered.
type person struct {
	key       string
	circuits  map[string]*circuit // by organization in lower case
	exchanges int
	waiting   int // in the queues of all circuits
	units     int
}

// organization is one that at least one person has a circuit with.
type organization struct {
	name     string
	circuits int
	failures int        // consecutive ones, of all people
	failed   []failedAt // the last downPeople whose calls these were, the latest first
	downAt   time.Time  // when it was last found to be down
}

type failedAt struct {
	person string
	at     time.Time
}

// circuit is what stands between one person and one organization.
type circuit struct {
	person       *person
	organization *organization
	calls        int // in progress
	exchanges    int // under way
	queue        []*turn

	failures    int // consecutive ones
	lastFailure time.Time
	pausedUntil time.Time // zero: not paused. When it is over, one call may probe.
	probe       *pass     // that call

	hold hold
	used time.Time
}

// hold is the service's wish to be left alone.
type hold struct {
	until   time.Time
	kind    Kind // what a call answers that can't wait
	refused bool // it came with a refusal and not with a result
}

// pass is the admission of one call.
type pass struct {
	guards  *guards
	circuit *circuit
	units   int // of memory that its exchange has taken
}

func newGuards(now func() time.Time) *guards {
	g := &guards{now: now, people: map[string]*person{}, organizations: map[string]*organization{}, refused: map[Bound]uint64{}}
	for i := range g.waiting {
		g.waiting[i] = map[*person]struct{}{}
	}
	return g
}

// admit lets a person's call to the organization begin, or says for how long not. An admitted call must end with done.
func (g *guards) admit(who, organization string) (*pass, time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.now()
	c := g.circuit(who, organization, now)
	p := &pass{guards: g, circuit: c}
	if left := c.left(now, p); left > 0 {
		return nil, left
	}
	if !c.pauseEnd(now).IsZero() {
		c.probe = p
	}
	c.used = now
	c.calls++
	return p, 0
}

// left returns for how long p must not send anything.
func (c *circuit) left(now time.Time, p *pass) time.Duration {
	until := c.pauseEnd(now)
	switch {
	case until.IsZero() || c.probe == p:
		return 0
	case until.After(now):
		return until.Sub(now)
	case c.probe != nil:
		return time.Second // until the probe is back
	}
	return 0
}

// pauseEnd is when the person may try the organization again; zero if there is no pause. Where an organization is down,
// one failure of the person's own is enough for one. A person without any, a newcomer for instance, is always let
// through.
func (c *circuit) pauseEnd(now time.Time) time.Time {
	if c.failures == 0 || c.stale(now) {
		return time.Time{}
	}
	until := c.pausedUntil
	if c.organization.down(now) {
		for _, since := range []time.Time{c.lastFailure, c.organization.downAt} {
			if end := since.Add(pauseTime); end.After(until) {
				until = end
			}
		}
	}
	return until
}

// pausedFor says for how long the call must not go on, since a pause has begun in the meantime.
func (p *pass) pausedFor() time.Duration {
	p.guards.mu.Lock()
	defer p.guards.mu.Unlock()
	return p.circuit.left(p.guards.now(), p)
}

// done ends the call and counts its verdict.
func (p *pass) done(v verdict) {
	g, c := p.guards, p.circuit
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.now()
	probed := c.probe == p
	if probed {
		c.probe = nil
	}
	switch v {
	case healthy:
		c.failures, c.pausedUntil = 0, time.Time{}
		c.organization.succeed()
	case failing:
		if c.stale(now) {
			c.failures = 0
		}
		c.failures++
		c.lastFailure = now
		if c.failures == tripAfter || probed && c.failures > tripAfter {
			c.pausedUntil = now.Add(pauseTime)
		}
		c.organization.fail(c.person.key, now)
	}
	c.calls--
	if c.idle() && !c.memorable(now) {
		g.drop(c)
	}
}

func (c *circuit) stale(now time.Time) bool { return now.Sub(c.lastFailure) > forgetAfter }

func (c *circuit) idle() bool { return c.calls == 0 }

// memorable reports whether it makes a difference whether the circuit is remembered.
func (c *circuit) memorable(now time.Time) bool {
	return c.failures > 0 && !c.stale(now) || c.hold.until.After(now)
}

// succeed notes that a call succeeded.
func (o *organization) succeed() { o.failures, o.failed = 0, nil }

// fail notes that a call of that person failed.
func (o *organization) fail(who string, now time.Time) {
	was := o.down(now)
	if len(o.failed) > 0 && now.Sub(o.failed[0].at) > forgetAfter {
		o.succeed() // not one of a series any more
	}
	o.failures++
	kept := []failedAt{{who, now}}
	for _, f := range o.failed {
		if f.person != who && len(kept) < downPeople {
			kept = append(kept, f)
		}
	}
	o.failed = kept
	if o.down(now) && !was {
		o.downAt = now
	}
}

// down reports whether the organization fails for all people, as far as can be seen.
func (o *organization) down(now time.Time) bool {
	return o.failures >= tripAfter && len(o.failed) == downPeople && now.Sub(o.failed[downPeople-1].at) <= downWithin
}

// held returns how long a call should still wait because the service asked for that. A request to slow down that came
// with a result holds for reads only: a change is one deliberate act, and a revoke may be urgent.
func (p *pass) held(change bool) (time.Duration, Kind) {
	p.guards.mu.Lock()
	defer p.guards.mu.Unlock()
	h := p.circuit.hold
	if change && !h.refused {
		return 0, ""
	}
	return h.until.Sub(p.guards.now()), h.kind
}

// slowDown notes that the service asked to wait for d with an answer of that status.
func (p *pass) slowDown(status int, d time.Duration) {
	p.guards.mu.Lock()
	defer p.guards.mu.Unlock()
	kind := KindThrottled
	if status == http.StatusServiceUnavailable {
		kind = KindUnavailable
	}
	next := hold{p.guards.now().Add(min(d, maxHold)), kind, status >= 400}
	if old := p.circuit.hold.until; old.After(next.until) {
		next.until = old
	}
	p.circuit.hold = next
}

// circuit returns the one of a person and an organization, a new one if nothing is remembered.
func (g *guards) circuit(who, name string, now time.Time) *circuit {
	key := strings.ToLower(name)
	if p, ok := g.people[who]; ok {
		if c, ok := p.circuits[key]; ok {
			return c
		}
	}
	g.makeRoom(who, now)
	p, ok := g.people[who]
	if !ok {
		p = &person{key: who, circuits: map[string]*circuit{}}
		g.people[who] = p
	}
	o, ok := g.organizations[key]
	if !ok {
		o = &organization{name: name}
		g.organizations[key] = o
	}
	c := &circuit{person: p, organization: o, used: now}
	p.circuits[key] = c
	o.circuits++
	g.circuits++
	return c
}

// makeRoom drops circuits that make no difference any more, once in tidyEvery, and one more where there are too many:
// of this person if this person has too many, else of any. Circuits with calls in progress stay.
func (g *guards) makeRoom(who string, now time.Time) {
	if now.Sub(g.tidied) >= tidyEvery {
		g.tidied = now
		for _, p := range g.people {
			for _, c := range p.circuits {
				if c.idle() && !c.memorable(now) {
					g.drop(c)
				}
			}
		}
	}
	if p, ok := g.people[who]; ok && len(p.circuits) >= maxOwnCircuits {
		g.dropOldest(p)
	}
	if g.circuits < maxCircuits {
		return
	}
	tries := 0
	for _, p := range g.people { // in no order
		if tries++; g.dropOldest(p) || tries == maxTriesToDrop {
			return
		}
	}
}

// dropOldest drops the person's circuit that was used the longest time ago.
func (g *guards) dropOldest(p *person) (dropped bool) {
	var oldest *circuit
	for _, c := range p.circuits {
		if c.idle() && (oldest == nil || c.used.Before(oldest.used)) {
			oldest = c
		}
	}
	if oldest == nil {
		return false
	}
	g.drop(oldest)
	return true
}

func (g *guards) drop(c *circuit) {
	key := strings.ToLower(c.organization.name)
	delete(c.person.circuits, key)
	g.circuits--
	if len(c.person.circuits) == 0 {
		delete(g.people, c.person.key)
	}
	if c.organization.circuits--; c.organization.circuits == 0 {
		delete(g.organizations, key)
	}
}

// pauses returns the organizations that are left alone for the person now, with the time until which.
func (g *guards) pauses(who string) map[string]time.Time {
	g.mu.Lock()
	defer g.mu.Unlock()
	paused := map[string]time.Time{}
	p, ok := g.people[who]
	if !ok {
		return paused
	}
	now := g.now()
	for _, c := range p.circuits {
		if until := c.pauseEnd(now); until.After(now) {
			paused[c.organization.name] = until
		}
	}
	return paused
}
