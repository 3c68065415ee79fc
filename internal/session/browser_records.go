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

	"github.com/gorilla/sessions"
)

// browserRecords keeps what belongs to a browser that may not be signed in.
type browserRecords struct {
	cookies
	records *Records
	now     func() time.Time
}

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
func (b browserRecords) KeepAttempt(w http.ResponseWriter, r *http.Request, state string, value any, life time.Duration) (id string, err error) {
	if state == "" {
		return "", errors.New("session: an attempt needs a state")
	}
	return b.keep(w, r, attemptKind, state, value, life)
}

// DropAttempt removes an attempt that has to make room, if it is still there.
func (b browserRecords) DropAttempt(ctx context.Context, id string) error {
	return b.records.Delete(ctx, Key{Kind: attemptKind, ID: id})
}

// TakeAttempt decodes what was kept for state into into and removes it. ErrNotFound for a state that is unknown, of
// another browser, used before, or too old.
func (b browserRecords) TakeAttempt(r *http.Request, state string, into any) error {
	key, err := b.find(r, attemptKind, state)
	if err != nil {
		return err
	}
	var rec browserValue
	if err := b.records.Take(r.Context(), key, &rec); err != nil {
		return err
	}
	return rec.value(state, into)
}

// KeepDraft keeps what was typed into a form by a user who has to sign in first, and returns the id by which Draft
// finds it from this browser, until life is over. It belongs to the browser, not to a person: who it was typed by has
// to be part of value. ErrTooLarge if it is more than MaxDraft.
func (b browserRecords) KeepDraft(w http.ResponseWriter, r *http.Request, value any, life time.Duration) (id, record string, err error) {
	id = newID(secretSize)
	record, err = b.keep(w, r, draftKind, id, value, life)
	return id, record, err
}

// DropDraft removes a draft that has to make room, if it is still there, by the record that KeepDraft has returned,
// which is a secret.
func (b browserRecords) DropDraft(ctx context.Context, record string) error {
	return b.records.Delete(ctx, Key{Kind: draftKind, ID: record})
}

// Draft decodes a draft into into, any number of times. ErrNotFound for an id that is unknown, of another browser, or
// too old.
func (b browserRecords) Draft(r *http.Request, id string, into any) error {
	key, err := b.find(r, draftKind, id)
	if err != nil {
		return err
	}
	var rec browserValue
	if err := b.records.Get(r.Context(), key, &rec); err != nil {
		return err
	}
	return rec.value(id, into)
}

func (rec browserValue) value(of string, into any) error {
	if rec.For != of {
		return ErrNotFound
	}
	if err := json.Unmarshal(rec.Value, into); err != nil {
		return fmt.Errorf("session: decoding an attempt or draft: %w", err)
	}
	return nil
}

// keep returns the ID of the record.
func (b browserRecords) keep(w http.ResponseWriter, r *http.Request, kind, of string, value any, life time.Duration) (id string, err error) {
	encoded, err := marshal(value)
	if err != nil {
		return "", fmt.Errorf("session: encoding an attempt or draft: %w", err)
	}
	if len(encoded) > MaxDraft {
		return "", ErrTooLarge
	}
	if held := b.ofRequest(r); len(held) >= maxBrowserRecords {
		if err := b.removeAll(r.Context(), w, held[:len(held)-maxBrowserRecords+1]); err != nil {
			return "", err
		}
	}
	now := b.now()
	secret := newID(secretSize)
	rec := browserValue{For: of, Value: encoded}
	if err := b.records.Create(r.Context(), Key{Kind: kind, ID: secret}, rec, now.Add(life)); err != nil {
		return "", err
	}
	o := b.cookieOptions()
	o.MaxAge = max(1, int(life/time.Second))
	value36 := secret + "." + strconv.FormatInt(now.Unix(), 36)
	http.SetCookie(w, sessions.NewCookie(b.cookiePrefix(kind)+tag(of), value36, o))
	return secret, nil
}

// find is the key of what this browser keeps for of. ErrNotFound if it keeps nothing.
func (b browserRecords) find(r *http.Request, kind, of string) (Key, error) {
	cookie, err := r.Cookie(b.cookiePrefix(kind) + tag(of))
	if err != nil {
		return Key{}, ErrNotFound
	}
	s, ok := b.parse(cookie)
	if !ok {
		return Key{}, ErrNotFound
	}
	return s.key(), nil
}

func (s browserRecord) key() Key { return Key{Kind: s.kind, ID: s.secret} }

func (b browserRecords) cookiePrefix(kind string) string {
	if kind == attemptKind {
		return b.cookieName("signin") + "-"
	}
	return b.cookieName("draft") + "-"
}

// tag is a short name for a state or a draft's id.
func tag(of string) string {
	sum := sha256.Sum256([]byte(of))
	return strings.ToLower(base32.StdEncoding.EncodeToString(sum[:])[:tagSize])
}

// ofRequest returns the records that the request has cookies of, the oldest first.
func (b browserRecords) ofRequest(r *http.Request) []browserRecord {
	var list []browserRecord
	for _, cookie := range r.Cookies() {
		if s, ok := b.parse(cookie); ok {
			list = append(list, s)
		}
	}
	slices.SortStableFunc(list, func(x, y browserRecord) int { return cmp.Compare(x.started, y.started) })
	return list
}

// parse reports whether cookie is one of a browserRecord. The length of the tag keeps those of a copy of this program
// with another instance name apart.
func (b browserRecords) parse(cookie *http.Cookie) (browserRecord, bool) {
	for _, kind := range []string{attemptKind, draftKind} {
		tag, ok := strings.CutPrefix(cookie.Name, b.cookiePrefix(kind))
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
func (b browserRecords) removeAll(ctx context.Context, w http.ResponseWriter, list []browserRecord) error {
	for _, s := range list[:min(len(list), maxRemovals)] {
		if err := b.records.Delete(ctx, s.key()); err != nil {
			return err
		}
		b.removeCookie(w, s.cookie)
	}
	return nil
}

// removeUsed removes the cookies of attempts and drafts that are used up. Faults of the store don't matter: the browser
// forgets them soon anyway.
func (b browserRecords) removeUsed(ctx context.Context, w http.ResponseWriter, r *http.Request) {
	list := b.ofRequest(r)
	for _, s := range list[:min(len(list), maxRemovals)] {
		if _, _, err := b.records.backend.Read(ctx, s.key().Name()); errors.Is(err, ErrNotFound) {
			b.removeCookie(w, s.cookie)
		}
	}
}
