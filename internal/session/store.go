package session

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"net/http"
	"time"

	"github.com/gorilla/sessions"
)

// record is what the store keeps of one session.
type record struct {
	Cookie   string            `json:"Cookie"` // the cookie's name: an id is worth nothing under another one
	Person   Person            `json:"Person"`
	State    State             `json:"State"`
	Started  time.Time         `json:"Started"`
	LastSeen time.Time         `json:"LastSeen"`
	Values   map[string][]byte `json:"Values"` // never set since values aren't kept through gorilla's interface any more
}

const (
	sessionKind = "session"
	tokensKind  = "tokens"
)

// sessionKey is the key of the session with the given id.
func sessionKey(id string) Key { return Key{Kind: sessionKind, ID: id} }

// idSize is the number of random bytes in a session's id.
const idSize = 32

// newID returns n random bytes as a cookie can hold them.
func newID(n int) string {
	b := make([]byte, n)
	rand.Read(b)
	return base64.RawURLEncoding.EncodeToString(b)
}

// wellFormed reports whether s could be what newID(n) returned.
func wellFormed(s string, n int) bool {
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	return err == nil && len(b) == n && base64.RawURLEncoding.EncodeToString(b) == s
}

// recordKey marks a gorilla session that was read from the store.
type recordKey struct{}

// Get implements gorilla's Store: it reads the session of the cookie name once per request.
func (m *Manager) Get(r *http.Request, name string) (*sessions.Session, error) {
	return sessions.GetRegistry(r).Get(m, name)
}

// New implements gorilla's Store: it reads the session of the cookie name, or, if there is none that is any good,
// returns a new one without an ID. The error is an ErrUnavailable.
func (m *Manager) New(r *http.Request, name string) (*sessions.Session, error) {
	gs := sessions.NewSession(m, name)
	gs.Options, gs.IsNew = m.cookieOptions(), true
	s, err := m.open(r, name)
	if err == nil && s.id != "" {
		gs.ID, gs.IsNew = s.id, false
		gs.Values[recordKey{}] = s.record
	}
	return gs, err
}

// Save implements gorilla's Store: it sets the cookie of a session that New has read, or, with a negative MaxAge, ends
// the session and removes the cookie. It keeps no values: what a session remembers is changed by Session.Change, which
// loses nothing of what other requests change at the same time.
func (m *Manager) Save(r *http.Request, w http.ResponseWriter, gs *sessions.Session) error {
	if gs.Options.MaxAge < 0 {
		if err := m.end(context.WithoutCancel(r.Context()), gs.ID); err != nil { // closing the tab must not prevent it
			return err
		}
		gs.ID = ""
	} else if _, ours := gs.Values[recordKey{}]; !ours || len(gs.Values) > 1 {
		return errors.New("session: only SignIn begins a session, and only Session.Change changes one")
	}
	http.SetCookie(w, sessions.NewCookie(gs.Name(), gs.ID, gs.Options))
	return nil
}

// load reads the session with the given id and notes that it was used. ErrNotFound if it isn't known under this cookie,
// or is over.
func (m *Manager) load(ctx context.Context, cookie, id string) (*record, error) {
	if !wellFormed(id, idSize) {
		return nil, ErrNotFound
	}
	rec := &record{}
	was, err := m.records.read(ctx, sessionKey(id), rec)
	if err != nil {
		return nil, err
	}
	now := m.now()
	if rec.Cookie != cookie || !now.Before(m.ends(rec)) {
		return nil, ErrNotFound
	}
	alive, due := m.uses.use(hash(id), rec.LastSeen, now, m.idle, m.interval())
	switch {
	case !alive:
		return nil, ErrNotFound
	case due:
		return rec, m.noteUse(ctx, id, rec, was)
	}
	return rec, nil
}

// ends is the latest moment of a session's life.
func (m *Manager) ends(rec *record) time.Time { return rec.Started.Add(m.lifetime) }

// storedUntil is when the store may forget a session. Uses in between may not be written yet, so it waits a little
// longer than the idle timeout.
func (m *Manager) storedUntil(rec *record) time.Time {
	idle := rec.LastSeen.Add(m.idle + m.interval())
	if end := m.ends(rec); end.Before(idle) {
		return end
	}
	return idle
}
