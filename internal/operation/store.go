package operation

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/patdesk/patdesk/internal/session"
)

const (
	// unfinishedLife is how long an operation is kept while it needs the person; FinishedLife once it doesn't. That
	// must stay well above formid.Life, so that the record of an operation outlives every chance to send its form
	// again.
	unfinishedLife = 90 * 24 * time.Hour
	FinishedLife   = 30 * 24 * time.Hour
	// storeTimeout bounds one use of the store by a worker, which has no request whose end could bound it.
	storeTimeout = 5 * time.Second
	// journalTimeout bounds reading everything that a person has done, in many uses of the store: a store that hangs
	// ends it sooner.
	journalTimeout = 20 * time.Second
)

// Kinds of records.
const (
	kindOperation  = "operation"
	kindSecret     = "secret"
	kindUnfinished = "unfinished"
)

// store is the operations as they are recorded: read, written compare-and-set, and reported to the observer.
type store struct {
	records *session.Records
	open    *session.Cache[record] // what needs the person, which every page asks for
	calls   *calls                 // whose operations are alive
	options Options
	reach   func(point string) // called at the named points of a worker: atPoint, or a test's own

	batchGone func(ctx context.Context, person, id string) (bool, error) // drops a finished batch, see Journal.DropsBatches
}

// record is an operation as it is kept.
type record struct {
	Operation
	Fingerprint string   `json:"Fingerprint"`
	Called      bool     `json:"Called"` // the change was about to be sent: from here on it may have been done
	Listed      bool     `json:"Listed"` // Known is complete
	Known       []string `json:"Known"`  // authorizationIds of the tokens of the wanted name that were active before a creation
	Named       string   `json:"Named"`  // authorizationId of the token that was made, from an answer that lacked its secret
}

// marker points to an operation that needs the person, so that a page's banner costs one listing of few small records
// however many finished operations there are. It is written before the operation and removed after its end.
type marker struct {
	ID string `json:"ID"`
}

func operationKey(person, id string) session.Key {
	return session.Key{Kind: kindOperation, Group: person, ID: id}
}

func secretKey(person, id string) session.Key {
	return session.Key{Kind: kindSecret, Group: person, ID: id}
}

func markerKey(person, id string) session.Key {
	return session.Key{Kind: kindUnfinished, Group: person, ID: id}
}

func (r *record) key() session.Key { return operationKey(r.Person, r.ID) }

// load reads a record as it stands; ErrNotFound, ErrUnreadable.
func (s *store) load(ctx context.Context, person, id string) (*record, error) {
	var r record
	if err := s.records.Get(ctx, operationKey(person, id), &r); err != nil {
		return nil, notFound(err)
	}
	return &r, nil
}

// notFound gives the store's ErrNotFound and ErrDamaged our names.
func notFound(err error) error {
	switch {
	case errors.Is(err, session.ErrDamaged):
		return ErrUnreadable
	case errors.Is(err, session.ErrNotFound):
		return ErrNotFound
	}
	return err
}

// absent reports whether nothing is recorded: there never was, or not any more.
func absent(err error) bool { return errors.Is(err, ErrNotFound) && !errors.Is(err, ErrUnreadable) }

// create writes a new record and, before it, its marker: a marker without an operation is harmless, an unfinished
// operation without a marker wouldn't be found. create is Records.Create or Records.CreateAlways; session.ErrExists if
// the form was claimed before. The caller holds the operation's lock.
func (s *store) create(ctx context.Context, r *record, create func(context.Context, session.Key, any, time.Time) error) error {
	until := s.options.Now().Add(unfinishedLife)
	if err := create(ctx, markerKey(r.Person, r.ID), marker{ID: r.ID}, until); err != nil && !errors.Is(err, session.ErrExists) {
		return err
	}
	err := create(ctx, r.key(), r, until)
	if err != nil {
		s.dropStrayMarker(ctx, r.Person, r.ID)
		return err
	}
	return nil
}

// errUnchanged, returned by an edit, leaves the record as it is.
var errUnchanged = errors.New("operation: nothing to change")

// change is write, and reports to the observer what has changed.
func (s *store) change(ctx context.Context, r *record, edit func(*record) error) error {
	var before *Operation
	err := s.write(ctx, r, func(fresh *record) error {
		before = fresh.clone()
		return edit(fresh)
	})
	if err == nil {
		s.observe(ctx, before, &r.Operation)
	}
	return err
}

// write applies edit to the record as it stands in the store, compare-and-set, and keeps the marker in step. On success
// r is the record as it stands now.
func (s *store) write(ctx context.Context, r *record, edit func(*record) error) error {
	var fresh record
	reopened := false
	err := s.records.Change(ctx, r.key(), &fresh, time.Time{}, func() error {
		pending := fresh.Pending()
		if err := edit(&fresh); err != nil {
			return err
		}
		if reopened = !pending && fresh.Pending(); reopened {
			return s.mark(ctx, r.Person, r.ID)
		}
		return nil
	})
	unchanged := errors.Is(err, errUnchanged)
	if err != nil && !unchanged {
		return notFound(err)
	}
	*r = fresh
	switch {
	case unchanged:
	case reopened: // settle may have removed the marker between our marking and our writing
		return s.mark(ctx, r.Person, r.ID)
	case !r.Pending():
		s.settle(ctx, r)
	}
	return nil
}

// settle removes the marker of an operation that no longer needs the person, and lets its record expire earlier. It
// looks once more after removing, and puts the marker back if the operation was reopened meanwhile. Failing does no
// harm: Pending settles again.
func (s *store) settle(ctx context.Context, r *record) {
	if err := s.records.Delete(ctx, markerKey(r.Person, r.ID)); err != nil {
		return
	}
	var fresh record
	err := s.records.Change(ctx, r.key(), &fresh, s.options.Now().Add(FinishedLife), func() error {
		if fresh.Pending() {
			return errUnchanged
		}
		return nil
	})
	if errors.Is(err, errUnchanged) {
		_ = s.mark(ctx, r.Person, r.ID)
	}
}

// mark makes sure that the operation's marker exists.
func (s *store) mark(ctx context.Context, person, id string) error {
	err := s.records.CreateAlways(ctx, markerKey(person, id), marker{ID: id}, s.options.Now().Add(unfinishedLife))
	if errors.Is(err, session.ErrExists) {
		return nil
	}
	return err
}

// dropStrayMarker removes a marker whose operation was never written or is finished. The caller holds the operation's
// lock, so none is being written now.
func (s *store) dropStrayMarker(ctx context.Context, person, id string) {
	r, err := s.load(ctx, person, id)
	switch {
	case absent(err):
		_ = s.records.Delete(ctx, markerKey(person, id))
	case err == nil && !r.Pending():
		s.settle(ctx, r)
	}
}

// retryWrite tries a write five times in one and a half seconds: what it writes can't be had a second time.
func (s *store) retryWrite(ctx context.Context, write func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	err := write(ctx)
	for wait := 100 * time.Millisecond; err != nil && wait < time.Second && ctx.Err() == nil; wait *= 2 {
		_ = s.options.Pause(ctx, wait)
		err = write(ctx)
	}
	return err
}

// report records what a worker found out, trying hard, and writes the record anew if the store has lost it. Should that
// fail too, r still carries the truth for the answer. The observer gets what is new to this worker: a write may have
// been done although the store said otherwise.
func (s *store) report(ctx context.Context, r *record, edit func(*record) error) error {
	before := r.clone()
	defer func() { s.observe(ctx, before, &r.Operation) }()
	err := s.retryWrite(ctx, func(ctx context.Context) error {
		err := s.write(ctx, r, edit)
		if absent(err) {
			lost := *r
			if err := edit(&lost); err != nil && !errors.Is(err, errUnchanged) {
				return err
			}
			if err = s.create(ctx, &lost, s.records.CreateAlways); err == nil {
				*r = lost
			}
		}
		return err
	})
	if err == nil {
		return nil
	}
	if edit(r) == nil {
		s.options.Log.Error("the outcome of a change could not be recorded",
			"operation", r.ID, "state", string(r.State), "authorizationId", r.resultID(), "error", err)
	}
	return fmt.Errorf("operation: recording the outcome: %w", err)
}

// resultID is the authorizationId of the token that was made, "" if none.
func (r *record) resultID() string {
	if r.Result == nil {
		return ""
	}
	return r.Result.AuthorizationID
}
