package session

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base32"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A browserRecord binds an attempt to sign in, or a draft, to the browser it came from: a cookie of its own with a
// random secret, which is the ID of the record. Each has its own cookie, because tabs that start at the same moment
// would overwrite a common one, and lose all attempts but one.
type browserRecord struct {
	cookie  string // its name ends with a tag made of the state or the draft's id
	kind    string // of the record
	secret  string
	started int64 // seconds since 1970; says which is the oldest, and isn't trusted for more
}

const (
	attemptKind = "attempt"
	draftKind   = "draft"

	secretSize = 16 // random bytes
	tagSize    = 8  // characters

	// maxBrowserRecords of about 70 bytes each, with the session's cookie, stay under the 2 KB of cookies that every
	// proxy takes.
	maxBrowserRecords = 20
	// maxRemovals bounds the cookies that one answer removes, and with them its head.
	maxRemovals = 10

	// MaxDraft is the most bytes of JSON that KeepDraft and KeepAttempt keep.
	MaxDraft        = 64 << 10
	maxBrowserValue = MaxDraft + 1<<10
	maxAttempt      = 8 << 10 // most have 1 KB, none can have more than 4 KB
)

// browserValue is the stored value with what it was kept for.
type browserValue struct {
	For   string          `json:"For"`
	Value json.RawMessage `json:"Value"`
}

// KeepAttempt keeps value for the state of a sign-in that this browser begins, for TakeAttempt, until life is over. Of
// more than 20 attempts and drafts of one browser the oldest are dropped. It returns an id for DropAttempt, which is a
// secret.
func (m *Manager) KeepAttempt(w http.ResponseWriter, r *http.Request, state string, value any, life time.Duration) (id string, err error) {
	if state == "" {
		return "", errors.New("session: an attempt needs a state")
	}
	return m.keep(w, r, attemptKind, state, value, life)
}

// DropAttempt removes an attempt that has to make room, if it is still there.
func (m *Manager) DropAttempt(ctx context.Context, id string) error {
	return m.records.Delete(ctx, Key{Kind: attemptKind, ID: id})
}

// TakeAttempt decodes what was kept for state into into and removes it. ErrNotFound for a state that is unknown, of
// another browser, used before, or too old.
func (m *Manager) TakeAttempt(r *http.Request, state string, into any) error {
	return m.kept(r, attemptKind, state, into, m.records.Take)
}

// KeepDraft keeps what was typed into a form by a user who has to sign in first, and returns the id by which Draft
// finds it from this browser, until life is over. It belongs to the browser, not to a person: who it was typed by has
// to be part of value. ErrTooLarge if it is more than MaxDraft.
func (m *Manager) KeepDraft(w http.ResponseWriter, r *http.Request, value any, life time.Duration) (id, record string, err error) {
	id = newID(secretSize)
	record, err = m.keep(w, r, draftKind, id, value, life)
	return id, record, err
}

// DropDraft removes a draft that has to make room, if it is still there, by the record that KeepDraft has returned,
// which is a secret.
func (m *Manager) DropDraft(ctx context.Context, record string) error {
	return m.records.Delete(ctx, Key{Kind: draftKind, ID: record})
}

// Draft decodes a draft into into, any number of times. ErrNotFound for an id that is unknown, of another browser, or
// too old.
func (m *Manager) Draft(r *http.Request, id string, into any) error {
	return m.kept(r, draftKind, id, into, m.records.Get)
}

// keep returns the ID of the record.
func (m *Manager) keep(w http.ResponseWriter, r *http.Request, kind, of string, value any, life time.Duration) (id string, err error) {
	encoded, err := marshal(value)
	if err != nil {
		return "", fmt.Errorf("session: encoding an attempt or draft: %w", err)
	}
	if len(encoded) > MaxDraft {
		return "", ErrTooLarge
	}
	if held := m.ofRequest(r); len(held) >= maxBrowserRecords {
		if err := m.removeAll(r.Context(), w, held[:len(held)-maxBrowserRecords+1]); err != nil {
			return "", err
		}
	}
	now := m.now()
	secret := newID(secretSize)
	rec := browserValue{For: of, Value: encoded}
	if err := m.records.Create(r.Context(), Key{Kind: kind, ID: secret}, rec, now.Add(life)); err != nil {
		return "", err
	}
	m.setCookie(w, m.cookiePrefix(kind)+tag(of), secret+"."+strconv.FormatInt(now.Unix(), 36), max(1, int(life/time.Second)))
	return secret, nil
}

// kept decodes what this browser keeps for of into into. ErrNotFound if it keeps nothing.
func (m *Manager) kept(r *http.Request, kind, of string, into any, read func(context.Context, Key, any) error) error {
	cookie, err := r.Cookie(m.cookiePrefix(kind) + tag(of))
	if err != nil {
		return ErrNotFound
	}
	s, ok := m.parse(cookie)
	if !ok {
		return ErrNotFound
	}
	var rec browserValue
	if err := read(r.Context(), s.key(), &rec); err != nil {
		return err
	}
	if rec.For != of {
		return ErrNotFound
	}
	if err := json.Unmarshal(rec.Value, into); err != nil {
		return fmt.Errorf("session: decoding an attempt or draft: %w", err)
	}
	return nil
}

func (s browserRecord) key() Key { return Key{Kind: s.kind, ID: s.secret} }

func (m *Manager) cookiePrefix(kind string) string {
	if kind == attemptKind {
		return m.cookieName("signin") + "-"
	}
	return m.cookieName("draft") + "-"
}

// tag is a short name for a state or a draft's id.
func tag(of string) string {
	sum := sha256.Sum256([]byte(of))
	return strings.ToLower(base32.StdEncoding.EncodeToString(sum[:])[:tagSize])
}

// ofRequest returns the records that the request has cookies of, the oldest first.
func (m *Manager) ofRequest(r *http.Request) []browserRecord {
	var list []browserRecord
	for _, cookie := range r.Cookies() {
		if s, ok := m.parse(cookie); ok {
			list = append(list, s)
		}
	}
	slices.SortStableFunc(list, func(x, y browserRecord) int { return cmp.Compare(x.started, y.started) })
	return list
}

// parse reports whether cookie is one of a browserRecord. The length of the tag keeps those of a copy of this program
// with another instance name apart.
func (m *Manager) parse(cookie *http.Cookie) (browserRecord, bool) {
	for _, kind := range []string{attemptKind, draftKind} {
		tag, ok := strings.CutPrefix(cookie.Name, m.cookiePrefix(kind))
		if !ok || len(tag) != tagSize || strings.Contains(tag, "-") {
			continue
		}
		secret, started, _ := strings.Cut(cookie.Value, ".")
		seconds, err := strconv.ParseInt(started, 36, 64)
		return browserRecord{cookie.Name, kind, secret, seconds}, err == nil && wellFormed(secret, secretSize)
	}
	return browserRecord{}, false
}

// removeAll deletes the given records and their cookies.
func (m *Manager) removeAll(ctx context.Context, w http.ResponseWriter, list []browserRecord) error {
	for _, s := range list[:min(len(list), maxRemovals)] {
		if err := m.records.Delete(ctx, s.key()); err != nil {
			return err
		}
		m.removeCookie(w, s.cookie)
	}
	return nil
}

// removeUsed removes the cookies of attempts and drafts that are used up. Faults of the store don't matter: the browser
// forgets them soon anyway.
func (m *Manager) removeUsed(ctx context.Context, w http.ResponseWriter, r *http.Request) {
	list := m.ofRequest(r)
	for _, s := range list[:min(len(list), maxRemovals)] {
		if _, _, err := m.records.backend.Read(ctx, s.key().Name()); errors.Is(err, ErrNotFound) {
			m.removeCookie(w, s.cookie)
		}
	}
}
