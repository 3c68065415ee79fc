package session

import (
	"context"
	"crypto/hmac"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// Records keeps values in a Backend as encrypted JSON, bound to their key and their expiry. A record that can't be read
// (damaged, copied from another one, made with a key that is gone) is ErrNotFound, and said once in the log.
type Records struct {
	backend    Backend
	keys       atomic.Pointer[keyring] // see SetKeys
	now        func() time.Time
	log        *slog.Logger
	unreadable once
	bounds     bounds
	dropped    func(kind string) // see Options.Dropped
}

// Create keeps value under k until expires. ErrExists if something is there, ErrFull if the group has as much of the
// kind as it may (see Bound).
func (r *Records) Create(ctx context.Context, k Key, value any, expires time.Time) error {
	return r.create(ctx, k, value, expires, true)
}

// CreateAlways is Create for what was admitted before, or completes something that was: it isn't refused half-way.
func (r *Records) CreateAlways(ctx context.Context, k Key, value any, expires time.Time) error {
	return r.create(ctx, k, value, expires, false)
}

func (r *Records) create(ctx context.Context, k Key, value any, expires time.Time, bounded bool) error {
	sealed, err := r.seal(k, value, nil, expires)
	if err == nil && bounded {
		err = r.room(ctx, k.Kind, k.Group, 1, int64(len(sealed)), true)
	}
	if err != nil {
		return err
	}
	return r.backend.Create(ctx, k.Name(), sealed, expires)
}

// Get decodes the record k into into. ErrNotFound.
func (r *Records) Get(ctx context.Context, k Key, into any) error {
	_, err := r.read(ctx, k, into)
	return err
}

// Change reads the record k into into, lets change alter it, and writes it back; if another request has changed the
// record meanwhile, all of that again with the new value. An error of change stops it, and the record stays as it was.
// With expires zero the expiry stays. A record that is gone is ErrNotFound and isn't made anew.
func (r *Records) Change(ctx context.Context, k Key, into any, expires time.Time, change func() error) error {
	for {
		was, err := r.read(ctx, k, into)
		if err != nil {
			return err
		}
		if err := change(); err != nil {
			return err
		}
		if !expires.IsZero() {
			was.expires = expires
		}
		if err := r.update(ctx, k, was, into); !errors.Is(err, ErrConflict) {
			return err
		}
		if err := pause(ctx); err != nil {
			return err
		}
	}
}

// pause lets others go first, for up to 2 ms: of several that change one record at once, each round only one succeeds.
func pause(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return unavailable(ctx.Err())
	case <-time.After(rand.N(2 * time.Millisecond)): //nolint:gosec // G404: only to get out of step
		return nil
	}
}

// Delete removes the record k, if it is there.
func (r *Records) Delete(ctx context.Context, k Key) error {
	err := r.backend.Delete(ctx, k.Name())
	if err == nil {
		r.bounds.removed(k.Name())
	}
	return err
}

// Take decodes the record k into into and removes it. Of several callers one gets it, the others ErrNotFound.
func (r *Records) Take(ctx context.Context, k Key, into any) error {
	sealed, err := r.backend.Take(ctx, k.Name())
	if err != nil {
		return r.readError(k.Name(), err)
	}
	o, err := r.open(k, k.Name(), sealed)
	if err != nil {
		return err
	}
	if _, err = r.decode(k.Name(), o, into); err != nil { // a newer release can take it yet
		_ = r.backend.Create(context.WithoutCancel(ctx), k.Name(), sealed, o.expires) // if that fails, it has to be begun anew
	}
	return err
}

// Each calls f for each record of kind and group whose ID can be read, in any order, with that ID and a function that
// decodes its value: ErrDamaged if that can't be read, as of a later version. An error of f ends it. The records are
// read together: see Backend.ReadMany. Records without a group can't be listed, because they can't be read without
// their ID.
func (r *Records) Each(ctx context.Context, kind, group string, f func(id string, decode func(into any) error) error) error {
	names, err := r.list(ctx, kind, group)
	if err != nil {
		return err
	}
	return r.readMany(ctx, Key{Kind: kind, Group: group}, names, nil, func(_ int, id string, decode func(into any) error) error {
		return f(id, decode)
	})
}

// EachOf is Each of the records that have one of these IDs, also of those that can't be opened.
func (r *Records) EachOf(ctx context.Context, kind, group string, ids []string, f func(id string, decode func(into any) error) error) error {
	names := make([]Name, 0, len(ids))
	for _, id := range ids {
		names = append(names, Key{Kind: kind, Group: group, ID: id}.Name())
	}
	return r.readMany(ctx, Key{Kind: kind, Group: group}, names, ids, func(_ int, id string, decode func(into any) error) error {
		return f(id, decode)
	})
}

// list names the records of kind and group, which must not be "".
func (r *Records) list(ctx context.Context, kind, group string) ([]Name, error) {
	if group == "" {
		return nil, errors.New("session: records without a group can't be listed")
	}
	return r.backend.List(ctx, kind, Key{Group: group}.Name().Group)
}

// eachFunc is called for a record that is there: with its place among the names, its ID, and a function that decodes its
// value, or returns ErrDamaged.
type eachFunc func(i int, id string, decode func(into any) error) error

// readMany calls f for each of names, which are of k's kind and group, that is there. ids are their IDs; nil: those whose
// ID can't be read are left out.
func (r *Records) readMany(ctx context.Context, k Key, names []Name, ids []string, f eachFunc) error {
	return r.backend.ReadMany(ctx, names, func(i int, sealed []byte, err error) error {
		var o opened
		if err == nil {
			o, err = r.open(k, names[i], sealed)
		} else {
			err = r.readError(names[i], err)
		}
		switch {
		case err == nil:
			return f(i, o.id, func(into any) error { _, err := r.decode(names[i], o, into); return err })
		case errors.Is(err, ErrDamaged) && ids != nil:
			return f(i, ids[i], func(any) error { return err })
		case errors.Is(err, ErrNotFound):
			return nil
		}
		return err
	})
}

// Lock waits for the lock called k, which has nothing to do with the record k.
func (r *Records) Lock(ctx context.Context, k Key) (release func(), err error) {
	return r.backend.Lock(ctx, k.Name())
}

// TryLock is Lock without waiting.
func (r *Records) TryLock(ctx context.Context, k Key) (release func(), ok bool, err error) {
	return r.backend.TryLock(ctx, k.Name())
}

// SetKeys takes other keys, newest first, from now on. What was made with a key that isn't among them can't be read any
// more.
func (r *Records) SetKeys(keys [][]byte) error {
	ring, err := newKeyring(keys)
	if err == nil {
		r.keys.Store(&ring)
	}
	return err
}

func (r *Records) ring() keyring { return *r.keys.Load() }

// MAC is a keyed hash of parts for purpose, made with the newest key.
func (r *Records) MAC(purpose string, parts ...string) []byte {
	return r.ring()[0].mac(purpose, parts)
}

// CheckMAC reports whether mac is what MAC returned, under any of the keys, for the same purpose and parts.
func (r *Records) CheckMAC(mac []byte, purpose string, parts ...string) bool {
	for _, k := range r.ring() {
		if hmac.Equal(mac, k.mac(purpose, parts)) {
			return true
		}
	}
	return false
}

// held is what a reader has to know to write the record back.
type held struct {
	version string
	expires time.Time
	unknown []byte // the value, if it has members that its reader doesn't know
}

func (r *Records) read(ctx context.Context, k Key, into any) (held, error) {
	sealed, version, err := r.backend.Read(ctx, k.Name())
	if err != nil {
		return held{}, r.readError(k.Name(), err)
	}
	o, err := r.open(k, k.Name(), sealed)
	if err != nil {
		return held{}, err
	}
	unknown, err := r.decode(k.Name(), o, into)
	return held{version, o.expires, unknown}, err
}

// version is that of the record k, which isn't opened: whether it can be is for whoever needs more of it.
func (r *Records) version(ctx context.Context, k Key) (string, error) {
	_, version, err := r.backend.Read(ctx, k.Name())
	if err != nil {
		return "", r.readError(k.Name(), err)
	}
	return version, nil
}

// update writes value over the record that was read as was. ErrConflict, ErrNotFound.
func (r *Records) update(ctx context.Context, k Key, was held, value any) error {
	sealed, err := r.seal(k, value, was.unknown, was.expires)
	if err != nil {
		return err
	}
	return r.backend.Update(ctx, k.Name(), was.version, sealed, was.expires)
}

func (r *Records) seal(k Key, value any, unknown []byte, expires time.Time) ([]byte, error) {
	if expires.IsZero() {
		return nil, errors.New("session: a record needs an expiry")
	}
	plain, err := encode(value, unknown)
	if err != nil {
		return nil, fmt.Errorf("session: encoding a record of kind %q: %w", k.Kind, err)
	}
	bound, err := r.bounds.bound(k.Kind)
	if err != nil {
		return nil, err
	}
	if len(plain) > bound.Each {
		return nil, ErrTooLarge
	}
	return r.ring().seal(k, plain, expires)
}

// decode decodes the record called name, see decodeStored.
func (r *Records) decode(name Name, o opened, into any) (unknown []byte, err error) {
	if unknown, err = decodeStored(o.plain, into); err != nil {
		return nil, r.damaged(name, err)
	}
	return unknown, nil
}

// open decrypts a record. The expiry that counts is the one inside.
func (r *Records) open(k Key, name Name, sealed []byte) (opened, error) {
	o, err := r.ring().open(k, name.ID, sealed)
	if err == nil && hash(o.id) != name.ID {
		err = errForged
	}
	if err != nil {
		return opened{}, r.damaged(name, err)
	}
	if !r.now().Before(o.expires) {
		return opened{}, ErrNotFound
	}
	return o, nil
}

// readError logs a record that the backend can't make sense of.
func (r *Records) readError(name Name, err error) error {
	if errors.Is(err, ErrDamaged) {
		return r.damaged(name, errors.New("the store holds no whole record there"))
	}
	return err
}

// damaged logs, once, why the record can't be read, and returns the error for it. Nothing is deleted: a program that
// lacks a key must not destroy what others can read.
func (r *Records) damaged(name Name, reason error) error {
	first, last := r.unreadable.first(name)
	if first {
		r.log.Warn("a stored record can't be read and counts as gone",
			"kind", name.Kind, "record", name.ID[:16], "reason", reason.Error())
	}
	if last {
		r.log.Warn("more stored records can't be read than are named here", "named", manyNames)
	}
	return ErrDamaged
}

// manyNames is how many names are remembered and said. Where a key is gone, each page may meet thousands.
const manyNames = 1000

// once remembers names.
type once struct {
	mu   sync.Mutex
	seen map[Name]bool
}

// first reports whether a name is to be said: it comes for the first time, and is not one too many. last: it is the
// last one.
func (o *once) first(name Name) (first, last bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.seen[name] || len(o.seen) >= manyNames {
		return false, false
	}
	o.seen[name] = true
	return true, len(o.seen) == manyNames
}
