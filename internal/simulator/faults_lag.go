package simulator

import (
	"cmp"
	"net/http"
	"strings"
	"time"
)

// defaultLag is how long a fault of GroupLag lasts, if it isn't said.
const defaultLag = 3 * time.Second

// lagFaults are about when a change shows. Nothing is wrong with the answer to it.
func lagFaults() []Fault {
	return []Fault{
		{Name: "lagging", Group: GroupLag, Calls: changeCalls,
			Sentence: "The change is made, but for 3 seconds lists and records show what was before: a new token isn't there and can't be changed or revoked (404), a changed or revoked one looks as it did."},
		{Name: "doneLate", Group: GroupLag, Calls: changeCalls,
			Sentence: "What was asked is done 3 seconds late, also if the client has gone meanwhile.",
			before:   (*exchange).doLate},
	}
}

// doLate waits before the service acts, as a service does that has the whole request: whether the client still listens
// or not.
func (x *exchange) doLate(o FaultOptions) *answer {
	late := time.NewTimer(cmp.Or(o.Delay, defaultLag))
	defer late.Stop()
	select {
	case <-late.C:
	case <-x.s.done:
	}
	return nil
}

// lag is what lists and records show of a token until a change of it has reached them.
type lag struct {
	until  time.Time
	before *Token // nil: it isn't there
}

// keepLag notes what lists and records go on showing, if the fault hits this change of a token; Simulator.mu is held.
func (x *exchange) keepLag(id string, before *Token) {
	o, ok := x.fault("lagging")
	if !ok {
		return
	}
	if before != nil {
		clone := before.clone()
		before = &clone
	}
	id = strings.ToLower(id)
	x.s.pats.lags[id] = append(x.s.pats.lags[id], lag{x.s.now().Add(cmp.Or(o.Delay, defaultLag)), before})
}

// shown is a token as lists and records show it now; nil if they don't yet. Simulator.mu is held.
func (p *patState) shown(t *Token, now time.Time) *Token {
	for _, l := range p.lags[t.AuthorizationID] {
		if l.until.After(now) {
			return l.before
		}
	}
	delete(p.lags, t.AuthorizationID)
	return t
}

// notThereYet is the answer to a change of a token that isn't seen yet, nil if it is seen; Simulator.mu is held.
func (x *exchange) notThereYet(t *Token) *answer {
	if t == nil || x.s.pats.shown(t, x.s.now()) != nil {
		return nil
	}
	return x.json(http.StatusNotFound, vssError("TokenNotFoundException", "The token was not found."))
}
