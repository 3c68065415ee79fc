package session

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"
)

// Person is who has signed in.
type Person struct {
	TenantID string `json:"TenantID"`
	ObjectID string `json:"ObjectID"`
	Name     string `json:"Name"`
	Username string `json:"Username"`
	Account  string `json:"Account"` // MSAL's home account id
}

// Key identifies the person for good. Names and addresses change hands, these two ids don't.
func (p Person) Key() string { return p.TenantID + "." + p.ObjectID }

// TenantOf is the tenant id in a person's key.
func TenantOf(key string) string {
	tenant, _, _ := strings.Cut(key, ".")
	return tenant
}

// State is what a session remembers besides who it belongs to.
type State struct {
	Organization  string   `json:"organization,omitempty"`  // the one last looked at
	Organizations []string `json:"organizations,omitempty"` // names typed by the person
	Challenges    []string `json:"challenges,omitempty"`    // names of the claims challenges that sign-ins have answered
}

// Session is one browser's session as of one request. It isn't for use by several goroutines.
type Session struct {
	m      *Manager
	id     string // "" if no one is signed in
	record record
	ended  bool
}

// Open reads the request's session. If there is none, or one that is unknown, over or damaged, the session is empty: no
// one is signed in, nothing is stored, no cookie is set. The error is ErrUnavailable: the store can't say.
func (m *Manager) Open(r *http.Request) (*Session, error) {
	return m.open(r, m.sessionCookie())
}

// open is Open of a session under the cookie name.
func (m *Manager) open(r *http.Request, name string) (*Session, error) {
	s := &Session{m: m}
	id, ok := cookieValue(r, name)
	if !ok {
		return s, nil
	}
	rec, err := m.load(r.Context(), name, id)
	switch {
	case err == nil && rec.Person != (Person{}):
		s.id, s.record = id, *rec
	case err == nil, errors.Is(err, ErrNotFound):
		s.ended = true
	default:
		return nil, err
	}
	return s, nil
}

// SignedIn reports whether the session belongs to a person.
func (s *Session) SignedIn() bool { return s.id != "" }

// Person is who the session belongs to.
func (s *Session) Person() Person { return s.record.Person }

// Started is when the person signed in.
func (s *Session) Started() time.Time { return s.record.Started }

// Expires is when the session ends at the latest, however much it is used.
func (s *Session) Expires() time.Time {
	if !s.SignedIn() {
		return time.Time{}
	}
	return s.m.ends(&s.record)
}

// Hash is a short one-way name of the session, for logs and lists.
func (s *Session) Hash() string {
	if !s.SignedIn() {
		return ""
	}
	return shortHash(s.id)
}

// shortHash is the beginning of the session's name in the store.
func shortHash(id string) string { return hash(id)[:16] }

// Ended says that the request came with a session cookie that is no longer any good.
func (s *Session) Ended() bool { return s.ended }

// State is what the session remembered when it was opened, and what Change made of it.
func (s *Session) State() State { return s.record.State }

// Change alters the state. If requests do so at once, f is called again with the newer state, so it must do nothing
// else. ErrNotFound if the session is empty, or the session has ended.
func (s *Session) Change(ctx context.Context, f func(*State)) error {
	if !s.SignedIn() {
		return ErrNotFound
	}
	var rec record
	err := s.m.records.Change(ctx, sessionKey(s.id), &rec, time.Time{}, func() error {
		f(&rec.State)
		return nil
	})
	if err == nil {
		s.record = rec
	}
	return err
}
