package session

import (
	"context"
	"errors"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Summary describes one of a person's sessions.
type Summary struct {
	Hash              string    // as Session.Hash
	Started, LastSeen time.Time // LastSeen is exact to a minute
	Address, Browser  string    // client address and User-Agent at sign-in
	Current           bool      // it is the one that asks
}

// presence describes a session to the person's other ones. They know its hash, not its id: enough to end it, not to use
// it.
type presence struct {
	Started  time.Time `json:"Started"`
	LastSeen time.Time `json:"LastSeen"`
	Address  string    `json:"Address"`
	Browser  string    `json:"Browser"`
}

const presenceKind = "presence"

func presenceKey(p Person, session string) Key {
	return Key{Kind: presenceKind, Group: p.Key(), ID: session}
}

// createPresence describes the new session s. It is kept as long as the session can live.
func (m *Manager) createPresence(ctx context.Context, r *http.Request, s *Session) error {
	address, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		address = r.RemoteAddr
	}
	p := presence{
		Started:  s.record.Started,
		LastSeen: s.record.LastSeen,
		Address:  address,
		Browser:  printable(r.UserAgent(), 256),
	}
	return m.records.CreateAlways(ctx, presenceKey(s.record.Person, hash(s.id)), p, s.Expires())
}

// printable is at most n bytes of s, without what isn't UTF-8 or is a control character.
func printable(s string, n int) string {
	s = strings.Map(func(c rune) rune {
		if c < ' ' || c == 0x7f {
			return -1
		}
		return c
	}, s)
	return strings.ToValidUTF8(s[:min(n, len(s))], "")
}

// presenceSeen notes the last use of the session with the given id.
func (m *Manager) presenceSeen(ctx context.Context, id string, rec *record) error {
	if rec.Person == (Person{}) {
		return nil
	}
	var p presence
	err := m.records.Change(ctx, presenceKey(rec.Person, hash(id)), &p, time.Time{}, func() error {
		p.LastSeen = rec.LastSeen
		return nil
	})
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}

// Sessions lists the sessions of s's person: the current one first, then by last use. ErrNotFound if the session is
// empty.
func (m *Manager) Sessions(ctx context.Context, s *Session) ([]Summary, error) {
	known, err := m.knownSessions(ctx, s)
	if err != nil {
		return nil, err
	}
	list := make([]Summary, 0, len(known))
	for _, k := range known {
		if !k.held {
			continue
		}
		current := k.hash == hash(s.id)
		if current {
			k.LastSeen = m.now()
		}
		list = append(list, Summary{
			Hash: k.hash[:len(s.Hash())], Started: k.Started, LastSeen: k.LastSeen, Address: k.Address, Browser: k.Browser, Current: current,
		})
	}
	slices.SortFunc(list, func(a, b Summary) int {
		switch {
		case a.Current:
			return -1
		case b.Current:
			return 1
		}
		return b.LastSeen.Compare(a.LastSeen)
	})
	return list, nil
}

// EndOthers ends all sessions of s's person but s itself and says how many those were. ErrNotFound if the session is
// empty.
func (m *Manager) EndOthers(ctx context.Context, s *Session) (ended int, err error) {
	known, err := m.knownSessions(ctx, s)
	if err != nil {
		return 0, err
	}
	for _, k := range known {
		if !k.held || k.hash == hash(s.id) {
			continue
		}
		if err := m.remove(ctx, k.hash, s.Person()); err != nil {
			return ended, err
		}
		m.count(eventEndedByPerson)
		ended++
	}
	return ended, nil
}

// PerPerson is how many sessions one person can have.
func (m *Manager) PerPerson() int { return m.each }

// endOldest ends those sessions of s's person that are too many: the ones that weren't used for the longest time, never
// s itself. Two browsers that sign in at the same moment may leave one too many, until the next does. No sign-in fails
// because this does.
func (m *Manager) endOldest(ctx context.Context, s *Session) {
	names, err := m.records.backend.List(ctx, presenceKind, Key{Group: s.Person().Key()}.Name().Group)
	if err == nil && len(names) > m.each {
		err = m.endBeyond(ctx, s, m.each)
	}
	if err != nil {
		m.log.WarnContext(ctx, "a person's oldest sessions could not be ended", "session", s.Hash(), "error", err)
	}
}

// endBeyond ends the sessions beyond most, and removes what was left of those that have run out: it would stay for
// their whole lifetime.
func (m *Manager) endBeyond(ctx context.Context, s *Session, most int) error {
	known, err := m.knownSessions(ctx, s)
	if err != nil {
		return err
	}
	var others []knownSession
	for _, k := range known {
		switch {
		case k.hash == hash(s.id):
		case k.held:
			others = append(others, k)
		case m.now().Sub(k.Started) > time.Minute && !k.Started.IsZero(): // or else it may be about to begin
			if err := m.remove(ctx, k.hash, s.Person()); err != nil {
				return err
			}
		}
	}
	slices.SortFunc(others, func(a, b knownSession) int { return a.LastSeen.Compare(b.LastSeen) })
	for _, o := range others[:max(0, len(others)+1-most)] {
		if err := m.remove(ctx, o.hash, s.Person()); err != nil {
			return err
		}
		m.count(eventTooMany)
		m.log.InfoContext(ctx, "a session was ended, as its person has signed in too often", "session", o.hash[:len(s.Hash())], "by", s.Hash())
	}
	return nil
}

// knownSession is what a person's other sessions know of one.
type knownSession struct {
	hash     string
	presence      // empty if it can't be read, as one of a later release
	held     bool // the store still has it: it wasn't ended and hasn't run out
}

// knownSessions are those of s's person.
func (m *Manager) knownSessions(ctx context.Context, s *Session) ([]knownSession, error) {
	if !s.SignedIn() {
		return nil, ErrNotFound
	}
	var known []knownSession
	var names []Name
	err := m.records.Each(ctx, presenceKind, s.Person().Key(), func(session string, decode func(any) error) error {
		k := knownSession{hash: session}
		if decode(&k.presence) != nil {
			k.presence = presence{}
		}
		known, names = append(known, k), append(names, Name{Kind: sessionKind, ID: session})
		return nil
	})
	if err != nil || len(names) == 0 {
		return nil, err
	}
	return known, m.records.backend.ReadMany(ctx, names, func(i int, _ []byte, err error) error {
		known[i].held = err == nil
		return nil
	})
}
