package session

import (
	"context"
	"errors"
	"time"
)

// Tokens is a session's token cache. It is a record of its own, because it is large and changes at other moments than
// the session.
type Tokens struct{ s *Session }

// tokenRecord holds the cache; an empty one after Drop.
type tokenRecord struct {
	Blob []byte `json:"Blob"`
}

// Tokens returns the session's token cache.
func (s *Session) Tokens() *Tokens { return &Tokens{s} }

func (t *Tokens) key() Key { return Key{Kind: tokensKind, ID: t.s.id} }

func (t *Tokens) create(ctx context.Context, blob []byte) error {
	return t.s.m.records.Create(ctx, t.key(), tokenRecord{blob}, t.s.Expires())
}

// Version names the cache's content, without opening it: another content has another version. "" if the session has
// none or has ended.
func (t *Tokens) Version(ctx context.Context) (string, error) {
	if !t.s.SignedIn() {
		return "", nil
	}
	version, err := t.s.m.records.version(ctx, t.key())
	if errors.Is(err, ErrNotFound) {
		return "", nil
	}
	return version, err
}

// Load returns the cache; nil if it was dropped, or the session has none or has ended.
func (t *Tokens) Load(ctx context.Context) ([]byte, error) {
	if !t.s.SignedIn() {
		return nil, nil
	}
	var rec tokenRecord
	err := t.s.m.records.Get(ctx, t.key(), &rec)
	if errors.Is(err, ErrNotFound) {
		return nil, nil
	}
	return rec.Blob, err
}

// Save replaces the cache. If the session has ended it is ErrNotFound, and nothing is kept.
func (t *Tokens) Save(ctx context.Context, blob []byte) error {
	if !t.s.SignedIn() {
		return ErrNotFound
	}
	var rec tokenRecord
	return t.s.m.records.Change(ctx, t.key(), &rec, time.Time{}, func() error {
		rec.Blob = blob
		return nil
	})
}

// Drop empties the cache, for good. The session goes on, and a new cache can be saved.
func (t *Tokens) Drop(ctx context.Context) error {
	if err := t.Save(ctx, nil); !errors.Is(err, ErrNotFound) {
		return err
	}
	return nil
}

// Lock waits until no one else, in any process on the same store, holds the lock of this cache. It is to be held while
// the tokens are refreshed; Load and Save don't need it.
func (t *Tokens) Lock(ctx context.Context) (release func(), err error) {
	if !t.s.SignedIn() {
		return nil, ErrNotFound
	}
	return t.s.m.records.Lock(ctx, t.key())
}

// Key names the session, one-way, to distinguish caches inside the process.
func (t *Tokens) Key() string { return hash(t.s.id) }
