package azuredevops

import (
	"context"
	"strings"
	"sync"
	"time"
)

const (
	maxAtOnce   = 16               // exchanges with one organization under way at the same time
	tripAfter   = 5                // calls that fail one after the other before a pause
	pauseTime   = 30 * time.Second // of an organization, until one call may try it
	forgetAfter = 5 * time.Minute  // a failure this old is not one of a series any more
)

// verdict says what a call tells about its organization's health.
type verdict int

const (
	neutral verdict = iota // nothing: it wasn't sent, or our side gave it up
	healthy                // an answer, be it a refusal
	failing                // timeout, lost connection, 5xx
)

// guards keeps organizations apart: one that hangs can't take more than its
// places, and one that fails again and again is left alone for a while (a circuit
// breaker). Organizations at rest are forgotten, as people can type any name.
type guards struct {
	now func() time.Time
	mu  sync.Mutex
	all map[string]*guard // by organization in lower case
}

type guard struct {
	name        string
	places      chan struct{}
	users       int // calls in progress
	failures    int // calls that failed one after the other
	lastFailure time.Time
	pausedUntil time.Time // zero: not paused. When it is over, one call may probe.
	probe       *pass     // that call
}

// pass is the admission of one call.
type pass struct {
	guards *guards
	guard  *guard
}

func newGuards(now func() time.Time) *guards {
	return &guards{now: now, all: map[string]*guard{}}
}

// admit lets a call to the organization begin, or says for how long not. An
// admitted call must end with done.
func (g *guards) admit(organization string) (*pass, time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	key := strings.ToLower(organization)
	o, ok := g.all[key]
	if !ok {
		g.forget()
		o = &guard{name: organization, places: make(chan struct{}, maxAtOnce)}
		g.all[key] = o
	}
	p := &pass{guards: g, guard: o}
	if left := o.left(g.now(), p); left > 0 {
		return nil, left
	}
	if !o.pausedUntil.IsZero() {
		o.probe = p
	}
	o.users++
	return p, 0
}

// left returns for how long p must not send anything.
func (o *guard) left(now time.Time, p *pass) time.Duration {
	switch {
	case o.pausedUntil.IsZero() || o.probe == p:
		return 0
	case o.pausedUntil.After(now):
		return o.pausedUntil.Sub(now)
	case o.probe != nil:
		return time.Second // until the probe is back
	}
	return 0
}

// take waits for one of the organization's places. It returns the place's
// release; or how long the organization is paused, if that began meanwhile.
func (p *pass) take(ctx context.Context) (release func(), paused time.Duration, err error) {
	select {
	case p.guard.places <- struct{}{}:
	case <-ctx.Done():
		return nil, 0, ctx.Err()
	}
	release = func() { <-p.guard.places }
	p.guards.mu.Lock()
	paused = p.guard.left(p.guards.now(), p)
	p.guards.mu.Unlock()
	if paused > 0 {
		release()
		return nil, paused, nil
	}
	return release, 0, nil
}

// done ends the call and counts its verdict.
func (p *pass) done(v verdict) {
	g, o := p.guards, p.guard
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.now()
	probed := o.probe == p
	if probed {
		o.probe = nil
	}
	switch v {
	case healthy:
		o.failures, o.pausedUntil = 0, time.Time{}
	case failing:
		if o.stale(now) {
			o.failures = 0
		}
		o.failures++
		o.lastFailure = now
		if probed || o.failures == tripAfter {
			o.pausedUntil = now.Add(pauseTime)
		}
	}
	o.users--
}

func (o *guard) stale(now time.Time) bool { return now.Sub(o.lastFailure) > forgetAfter }

// forget drops the organizations at rest that have no failure to remember.
func (g *guards) forget() {
	now := g.now()
	for key, o := range g.all {
		if o.users == 0 && o.stale(now) {
			delete(g.all, key)
		}
	}
}

// circuits counts the guards that let nothing through, and those that wait for a probe to come back.
func (g *guards) circuits() (open, probing int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.now()
	for _, o := range g.all {
		switch {
		case o.probe != nil:
			probing++
		case o.pausedUntil.After(now):
			open++
		}
	}
	return open, probing
}

// pauses returns the organizations that are paused now.
func (g *guards) pauses() map[string]time.Time {
	g.mu.Lock()
	defer g.mu.Unlock()
	paused := map[string]time.Time{}
	now := g.now()
	for _, o := range g.all {
		if o.pausedUntil.After(now) {
			paused[o.name] = o.pausedUntil
		}
	}
	return paused
}
