package simulator

import (
	"slices"
	"strings"
	"sync"
)

// Held is one call that is kept waiting until Release, see Hold.
type Held struct {
	call, organization string
	afterDoing         bool

	reached, released chan struct{}
	once              sync.Once
}

// Hold keeps the next call of that name waiting, in that organization or, with "", in any: before the service does what
// was asked, or with afterDoing when it has, and before the answer goes out. Unlike a fault it lasts exactly as long as
// a test needs. A caller that goes away meanwhile changes nothing: what was asked is done all the same, as by a real
// service that has the whole request.
func (s *Simulator) Hold(call, organization string, afterDoing bool) *Held {
	h := &Held{
		call: call, organization: organization, afterDoing: afterDoing,
		reached: make(chan struct{}), released: make(chan struct{}),
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.holds = append(s.holds, h)
	return h
}

// Reached is closed when a call waits.
func (h *Held) Reached() <-chan struct{} { return h.reached }

// Release lets the call go on, or the next one pass if none has come yet. It may be called twice.
func (h *Held) Release() { h.once.Do(func() { close(h.released) }) }

// holdHere waits if a hold is meant for this call.
func (x *exchange) holdHere(afterDoing bool) {
	h := x.s.takeHold(x, afterDoing)
	if h == nil {
		return
	}
	close(h.reached)
	select {
	case <-h.released:
	case <-x.s.done:
	}
}

func (s *Simulator) takeHold(x *exchange, afterDoing bool) *Held {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.holds, func(h *Held) bool {
		return h.call == x.call && h.afterDoing == afterDoing && (h.organization == "" || strings.EqualFold(h.organization, x.org))
	})
	if i < 0 {
		return nil
	}
	h := s.holds[i]
	s.holds = slices.Delete(s.holds, i, i+1)
	return h
}
