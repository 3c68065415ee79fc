package session

import (
	"context"
	"errors"
	"net/http"
	"time"
)

// SignIn begins a session for p with its token cache, under a new id, and sets its cookie. The session that the request
// came with ends, whoever it belonged to; p's own hands on its state.
//
// When several tabs sign in, the first to come back begins the session that the others, whose attempts started before
// it, then find in their cookie. It is theirs already: it stays, and gets the newer token cache.
func (m *Manager) SignIn(w http.ResponseWriter, r *http.Request, p Person, tokenCache []byte, attemptStarted time.Time) (*Session, error) {
	if p.TenantID == "" || p.ObjectID == "" {
		return nil, errors.New("session: a person needs a tenant id and an object id")
	}
	old, err := m.Open(r)
	if err != nil {
		return nil, err
	}
	ctx := context.WithoutCancel(r.Context()) // half a sign-in is of no use
	own := old.SignedIn() && old.Person().Key() == p.Key()
	s, err := old, ErrNotFound
	if own && old.Started().After(attemptStarted) {
		err = m.renew(ctx, old, p, tokenCache)
	}
	if errors.Is(err, ErrNotFound) {
		s, err = m.replace(ctx, r, old, p, tokenCache)
	}
	if err != nil {
		return nil, err
	}
	m.endOldest(ctx, s)
	m.removeUsed(ctx, w, r)
	m.setCookie(w, m.sessionCookie(), s.id, 0)
	return s, nil
}

// renew gives a session that another tab has just begun the newer token cache.
func (m *Manager) renew(ctx context.Context, s *Session, p Person, tokenCache []byte) error {
	if err := s.Tokens().Save(ctx, tokenCache); err != nil {
		return err
	}
	return m.records.Change(ctx, sessionKey(s.id), &s.record, time.Time{}, func() error {
		s.record.Person = p
		return nil
	})
}

// replace ends the session that the request came with and begins a new one. The record that makes the new id valid is
// written last, when all that belongs to it is there.
func (m *Manager) replace(ctx context.Context, r *http.Request, old *Session, p Person, tokenCache []byte) (*Session, error) {
	if err := m.end(ctx, m.presentedID(r)); err != nil {
		return nil, err
	}
	now := m.now().UTC()
	s := &Session{m: m, id: newID(idSize)}
	s.record = record{Cookie: m.sessionCookie(), Person: p, Started: now, LastSeen: now}
	if old.Person().Key() == p.Key() {
		s.record.State = old.State()
	}
	err := s.Tokens().create(ctx, tokenCache)
	if err == nil {
		err = m.createPresence(ctx, r, s)
	}
	if err == nil {
		err = m.records.Create(ctx, sessionKey(s.id), s.record, m.storedUntil(&s.record))
	}
	if err != nil {
		return nil, errors.Join(err, m.remove(ctx, hash(s.id), p))
	}
	m.count(eventBegun)
	return s, nil
}

// SignOut ends the request's session on the server, with its token cache and what the browser kept for signing in, and
// removes the cookies. If the store fails nothing is removed from the browser either, so that it can be tried again.
func (m *Manager) SignOut(w http.ResponseWriter, r *http.Request) error {
	ctx := context.WithoutCancel(r.Context()) // closing the tab at once must not prevent it
	if err := m.end(ctx, m.presentedID(r)); err != nil {
		return err
	}
	m.count(eventSignedOut)
	if err := m.removeAll(ctx, w, m.ofRequest(r)); err != nil {
		return err
	}
	m.removeCookie(w, m.sessionCookie())
	return nil
}

// End ends the request's session like SignOut, but leaves what the browser keeps for signing in: another person may be
// about to.
func (m *Manager) End(w http.ResponseWriter, r *http.Request) error {
	if err := m.end(context.WithoutCancel(r.Context()), m.presentedID(r)); err != nil { // see SignOut
		return err
	}
	m.removeCookie(w, m.sessionCookie())
	return nil
}

// presentedID is the id in the request's session cookie, "" if it can't be one of ours.
func (m *Manager) presentedID(r *http.Request) string {
	id, _ := cookieValue(r, m.sessionCookie())
	if !wellFormed(id, idSize) {
		return ""
	}
	return id
}

// end ends the session with the given id, if there is one.
func (m *Manager) end(ctx context.Context, id string) error {
	if id == "" {
		return nil
	}
	var rec record
	if err := m.records.Get(ctx, sessionKey(id), &rec); err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	return m.remove(ctx, hash(id), rec.Person)
}

// remove deletes all that belongs to a session of which only the hash is known; first the record that makes its id
// valid.
func (m *Manager) remove(ctx context.Context, session string, p Person) error {
	names := []Name{{Kind: sessionKind, ID: session}, {Kind: tokensKind, ID: session}}
	if p.ObjectID != "" {
		names = append(names, presenceKey(p, session).Name())
	}
	for _, name := range names {
		if err := m.records.backend.Delete(ctx, name); err != nil {
			return err
		}
	}
	m.uses.at.Remove(session)
	return nil
}
