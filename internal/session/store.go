package session

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/gob"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
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
	Values   map[string][]byte `json:"Values"` // values set through gorilla's interface, each gob-encoded
}

// StoredVersion implements Versioned.
func (record) StoredVersion() int { return 1 }

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

// wellFormed says if s could be what newID(n) returned.
func wellFormed(s string, n int) bool {
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	return err == nil && len(b) == n && base64.RawURLEncoding.EncodeToString(b) == s
}

// recordKey is where a gorilla session that was read carries its record.
type recordKey struct{}

// Get implements gorilla's Store: it reads the session of the cookie name once per request.
func (m *Manager) Get(r *http.Request, name string) (*sessions.Session, error) {
	return sessions.GetRegistry(r).Get(m, name)
}

// New implements gorilla's Store: it reads the session of the cookie name, or, if there is none
// that is any good, returns a new one without an ID. The error is an ErrUnavailable.
func (m *Manager) New(r *http.Request, name string) (*sessions.Session, error) {
	gs := sessions.NewSession(m, name)
	gs.Options = m.cookieOptions()
	gs.IsNew = true
	id, ok := cookieValue(r, name)
	if !ok {
		return gs, nil
	}
	rec, err := m.load(r.Context(), name, id)
	if errors.Is(err, ErrNotFound) {
		return gs, nil
	}
	if err != nil {
		return gs, err
	}
	if err := decodeValues(rec.Values, gs.Values); err != nil {
		return gs, err
	}
	gs.ID, gs.IsNew = id, false
	gs.Values[recordKey{}] = rec
	return gs, nil
}

// Save implements gorilla's Store. A session without an ID gets a new random one, and the cookie.
// One that is there is changed value by value, so that requests that set different values lose
// nothing; if it has ended meanwhile, the answer is ErrNotFound and it stays ended.
// With a negative MaxAge the session ends. Values need names that are strings and types that
// encoding/gob knows.
func (m *Manager) Save(r *http.Request, w http.ResponseWriter, gs *sessions.Session) error {
	ctx := r.Context()
	if gs.Options.MaxAge < 0 {
		if err := m.end(ctx, gs.ID); err != nil {
			return err
		}
		http.SetCookie(w, sessions.NewCookie(gs.Name(), "", gs.Options))
		return nil
	}
	values, err := encodeValues(gs.Values)
	if err != nil {
		return err
	}
	rec, read := gs.Values[recordKey{}].(*record)
	if !read {
		return m.saveNew(ctx, w, gs, values)
	}
	before := rec.Values
	return m.records.Change(ctx, sessionKey(gs.ID), rec, time.Time{}, func() error {
		rec.Values = merge(rec.Values, before, values)
		return nil
	})
}

// saveNew stores a session under a new id and sets its cookie.
func (m *Manager) saveNew(ctx context.Context, w http.ResponseWriter, gs *sessions.Session, values map[string][]byte) error {
	now := m.now().UTC()
	rec := &record{Cookie: gs.Name(), Started: now, LastSeen: now, Values: values}
	id := newID(idSize)
	if err := m.records.Create(ctx, sessionKey(id), rec, m.storedUntil(rec)); err != nil {
		return err
	}
	gs.ID, gs.IsNew = id, false
	gs.Values[recordKey{}] = rec
	http.SetCookie(w, sessions.NewCookie(gs.Name(), id, gs.Options))
	return nil
}

// load reads the session with the given id and notes that it was used. ErrNotFound if it isn't
// known under this cookie, or is over.
func (m *Manager) load(ctx context.Context, cookie, id string) (*record, error) {
	if !wellFormed(id, idSize) {
		return nil, ErrNotFound
	}
	rec := &record{}
	was, err := m.records.read(ctx, sessionKey(id), rec)
	if err != nil {
		return nil, err
	}
	if rec.Cookie != cookie || !m.use(hash(id), rec) {
		return nil, ErrNotFound
	}
	if !m.uses.due(hash(id), rec.LastSeen, m.interval()) {
		return rec, nil
	}
	return rec, m.noteUse(ctx, id, rec, was)
}

// ends is the latest moment of a session's life.
func (m *Manager) ends(rec *record) time.Time { return rec.Started.Add(m.lifetime) }

// storedUntil is when the store may forget a session. Uses in between may not be written yet, so
// it waits a little longer than the idle timeout.
func (m *Manager) storedUntil(rec *record) time.Time {
	idle := rec.LastSeen.Add(m.idle + m.interval())
	if end := m.ends(rec); end.Before(idle) {
		return end
	}
	return idle
}

// merge applies to stored what was changed between before and after.
func merge(stored, before, after map[string][]byte) map[string][]byte {
	merged := maps.Clone(stored)
	if merged == nil {
		merged = make(map[string][]byte)
	}
	for name, value := range after {
		if was, ok := before[name]; !ok || !slices.Equal(was, value) {
			merged[name] = value
		}
	}
	for name := range before {
		if _, ok := after[name]; !ok {
			delete(merged, name)
		}
	}
	return merged
}

func encodeValues(values map[any]any) (map[string][]byte, error) {
	encoded := make(map[string][]byte)
	for name, value := range values {
		if name == (recordKey{}) {
			continue
		}
		text, ok := name.(string)
		if !ok {
			return nil, fmt.Errorf("session: a value's name is of type %T, not a string", name)
		}
		var b bytes.Buffer
		if err := gob.NewEncoder(&b).Encode(&value); err != nil {
			return nil, fmt.Errorf("session: encoding the value %q: %w", text, err)
		}
		encoded[text] = b.Bytes()
	}
	return encoded, nil
}

func decodeValues(encoded map[string][]byte, into map[any]any) error {
	for name, b := range encoded {
		var value any
		if err := gob.NewDecoder(bytes.NewReader(b)).Decode(&value); err != nil {
			return fmt.Errorf("session: decoding the value %q: %w", name, err)
		}
		into[name] = value
	}
	return nil
}
