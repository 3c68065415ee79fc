package batch

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/patdesk/patdesk/internal/failure"
	"github.com/patdesk/patdesk/internal/formid"
	"github.com/patdesk/patdesk/internal/operation"
	"github.com/patdesk/patdesk/internal/session"
)

// Batches keeps and carries out batches. Several of them, in one or more processes, may share a store.
type Batches struct {
	records *session.Records
	journal *operation.Journal
	forms   *formid.Forms
	options operation.Options // the journal's

	mu   sync.Mutex
	runs map[session.Key]func() // in this process; a call has nothing more begun
}

// errUnchanged, returned by an edit, leaves the record as it is.
var errUnchanged = errors.New("batch: nothing to change")

// ErrNotFound says that the person has no such batch.
var ErrNotFound = errors.New("batch: no such batch of this person")

// New makes Batches over r, whose operations are j's.
func New(r *session.Records, j *operation.Journal) *Batches {
	r.Declare(bounds()...)
	o := j.Options()
	s := &Batches{records: r, journal: j, forms: formid.New(r, o.Now), options: o, runs: map[session.Key]func(){}}
	j.DropsBatches(s.letGo)
	return s
}

// Form returns a new form id for confirming a batch.
func (s *Batches) Form(person string, a operation.Action, id string) string {
	return s.forms.Draw(person, purpose(a), id)
}

// Plan records a batch for the person to confirm, and fills in what it needs to be carried out. Nothing is done yet.
// session.ErrTooLarge if it has more than a record can hold; session.ErrFull if too many others aren't finished.
func (s *Batches) Plan(ctx context.Context, b *Batch) error {
	b.ID, b.Planned = formid.NewName(), s.options.Now()
	for i := range b.Items {
		b.Items[i].Form = s.journal.Form(b.Person, b.Action, b.Items[i].target())
	}
	plan, err := json.Marshal(b)
	if err == nil && len(plan) > maxPlan {
		err = session.ErrTooLarge
	}
	if err != nil {
		return err
	}
	return s.keepPlan(ctx, b)
}

// Start confirms a planned batch with a form that was drawn for it, and settle makes its items final. The same form
// again changes nothing. Errors: formid.ErrForged, formid.ErrStale, operation.ErrChanged, ErrNotFound;
// operation.ErrNotKept and session.ErrFull, with which nothing was begun.
func (s *Batches) Start(ctx context.Context, person, id, form, content string, from operation.Origin, settle func(*Batch)) (*Batch, error) {
	release, err := s.records.Lock(ctx, plansKey(person))
	if err != nil {
		return nil, storeError(err)
	}
	defer release()
	planned, err := s.load(ctx, person, id)
	if err == nil && planned.Started.IsZero() {
		err = s.journal.MakeRoom(ctx, person, planned.Action, len(planned.Items), planned.unfinished())
	}
	if err != nil {
		return nil, storeError(err)
	}
	first := false
	b, err := s.change(ctx, person, id, life, func(b *Batch) error {
		first = b.Started.IsZero()
		switch _, err := s.forms.Check(form, person, purpose(b.Action), id); {
		case err != nil:
			return err
		case first:
			b.Started, b.Content, b.Asked = s.options.Now(), content, from
			settle(b)
			return nil
		case b.Content != content:
			return operation.ErrChanged
		}
		return errUnchanged
	})
	if err != nil || !first {
		return b, err
	}
	return b, s.list(ctx, b, false)
}

// storeError is an error of the store, on the way to a change, as one of this package or of the journal.
func storeError(err error) error {
	if errors.Is(err, session.ErrUnavailable) {
		return operation.NotKept(err)
	}
	return readError(err)
}

// readError is an error of reading as one of this package or of the journal.
func readError(err error) error {
	switch {
	case errors.Is(err, session.ErrDamaged):
		return operation.ErrUnreadable
	case errors.Is(err, session.ErrNotFound):
		return ErrNotFound
	}
	return err
}

// Get returns a batch with its operations as they stand: ErrNotFound.
func (s *Batches) Get(ctx context.Context, person, id string) (*Batch, error) {
	b, err := s.load(ctx, person, id)
	if err != nil {
		return nil, err
	}
	if err := s.loadItems(ctx, b); err != nil {
		return nil, err
	}
	if !b.Started.IsZero() && !b.open() {
		s.unlist(ctx, b)
	}
	return b, nil
}

// load reads a batch without its operations. One that no process is at work on is read again: its run may have ended
// meanwhile.
func (s *Batches) load(ctx context.Context, person, id string) (b *Batch, err error) {
	for range 2 {
		b = new(Batch)
		if err := s.records.Get(ctx, key(person, id), b); err != nil {
			return nil, readError(err)
		}
		if b.Running = b.Working && s.isRun(ctx, person, id); b.Running || !b.Working {
			break
		}
	}
	return b, nil
}

// loadItems reads the operations of all items of a batch that was started, together.
func (s *Batches) loadItems(ctx context.Context, b *Batch) error {
	if b.Started.IsZero() {
		return nil
	}
	ids := make([]string, 0, len(b.Items))
	for i := range b.Items {
		ids = append(ids, b.Items[i].operationID())
	}
	recorded, err := s.journal.GetAll(ctx, b.Person, ids)
	for i := range b.Items {
		item := &b.Items[i]
		op, begun := recorded[item.operationID()]
		if item.Operation = op; begun && op == nil {
			item.Operation = b.unreadable(item)
		}
	}
	return err
}

// unreadable stands for an item's operation that is recorded and can't be read: it may have been done.
func (b *Batch) unreadable(item *Item) *operation.Operation {
	return &operation.Operation{
		ID: item.operationID(), Person: b.Person, Action: b.Action, State: operation.Unknown, Organization: item.Organization, Before: &item.Before,
		Started: b.Started, Batch: b.ID, Failure: &failure.Failure{Source: failure.SourceOperation, Kind: failure.Unreadable},
	}
}

// isRun reports whether a process holds the batch's lock. Looking takes it for a moment, too; hence the second look.
func (s *Batches) isRun(ctx context.Context, person, id string) bool {
	s.mu.Lock()
	_, here := s.runs[key(person, id)]
	s.mu.Unlock()
	for look := 1; !here && look <= 2; look++ {
		release, ok, err := s.records.TryLock(ctx, key(person, id))
		if ok {
			release()
		}
		if ok || err != nil {
			return false
		}
		if look == 1 {
			select {
			case <-time.After(30 * time.Millisecond):
			case <-ctx.Done():
			}
		}
	}
	return true
}

// Open returns the person's batches that aren't finished, newest first. It is made to run on every page view: it reads
// one small record for each.
func (s *Batches) Open(ctx context.Context, person string) (open []Summary, err error) {
	err = s.records.Each(ctx, kindOpen, person, func(_ string, decode func(any) error) error {
		var o Summary
		if decode(&o) == nil {
			o.Running = o.Working && s.isRun(ctx, person, o.ID)
			open = append(open, o)
		}
		return nil
	})
	slices.SortFunc(open, func(a, b Summary) int { return b.Started.Compare(a.Started) })
	return open, err
}

// Recent returns the person's batches that were started, newest first, without their operations.
func (s *Batches) Recent(ctx context.Context, person string) (all []Batch, err error) {
	err = s.records.Each(ctx, kindBatch, person, func(_ string, decode func(any) error) error {
		var b Batch
		if decode(&b) == nil && !b.Started.IsZero() {
			b.Running = b.Working && s.isRun(ctx, person, b.ID)
			all = append(all, b)
		}
		return nil
	})
	slices.SortFunc(all, func(a, b Batch) int { return b.Started.Compare(a.Started) })
	return all, err
}

// list puts the batch on the list of those that need the person, or corrects what is said of it there.
func (s *Batches) list(ctx context.Context, b *Batch, working bool) error {
	o := Summary{ID: b.ID, Action: b.Action, Count: len(b.Items), Started: b.Started, Working: working}
	err := s.records.CreateAlways(ctx, openKey(b.Person, b.ID), o, s.options.Now().Add(life))
	if errors.Is(err, session.ErrExists) {
		var was Summary
		err = s.records.Change(ctx, openKey(b.Person, b.ID), &was, s.options.Now().Add(life), func() error { was = o; return nil })
	}
	if err == nil || errors.Is(err, session.ErrNotFound) { // closed this moment: its run opens it
		return nil
	}
	return operation.NotKept(err)
}

// unlist takes a batch off that list, and looks once more, as a run may have begun meanwhile. Failing does no harm: the
// batch's page closes it again.
func (s *Batches) unlist(ctx context.Context, b *Batch) {
	if err := s.records.Delete(ctx, openKey(b.Person, b.ID)); err != nil {
		return
	}
	if now, err := s.load(ctx, b.Person, b.ID); err == nil && (now.Running || now.Dismissed != b.Dismissed) {
		_ = s.list(ctx, now, now.Working)
	}
}

// change applies edit to the batch as it stands in the store. With a life it is kept for so long from now.
func (s *Batches) change(ctx context.Context, person, id string, life time.Duration, edit func(*Batch) error) (*Batch, error) {
	var (
		b       Batch
		expires time.Time
	)
	if life > 0 {
		expires = s.options.Now().Add(life)
	}
	err := s.records.Change(ctx, key(person, id), &b, expires, func() error { return edit(&b) })
	if err != nil && !errors.Is(err, errUnchanged) {
		return nil, storeError(err)
	}
	return &b, nil
}

// Stop has nothing more begun. What is in flight is finished.
func (s *Batches) Stop(ctx context.Context, person, id string) error {
	_, err := s.change(ctx, person, id, 0, func(b *Batch) error {
		if b.Stopped || b.Started.IsZero() {
			return errUnchanged
		}
		b.Stopped = true
		return nil
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	if stop := s.runs[key(person, id)]; stop != nil {
		stop() // it may be waiting; in another process it finds out by itself
	}
	return err
}

// Resume lets a batch be run again: with what isn't begun, and with what pick chooses of the rest. Each operation that
// pick is true for gets a new form, if it may be tried again; of an operation that was never begun the form is kept.
func (s *Batches) Resume(ctx context.Context, person, id string, pick func(*Item) bool) error {
	b, err := s.Get(ctx, person, id)
	if err != nil {
		return err
	}
	again := map[string]bool{} // by form
	for i := range b.Items {
		if item := &b.Items[i]; item.MayRetry() && pick(item) {
			again[item.Form] = true
			if item.Operation.Pending() {
				if _, err := s.journal.Dismiss(ctx, person, item.Operation.ID); err != nil { // its successor stands for it
					return err
				}
			}
		}
	}
	return s.reopen(ctx, person, id, func(b *Batch) {
		for i := range b.Items {
			if item := &b.Items[i]; again[item.Form] { // no other request has asked for it meanwhile
				item.Form, item.Already = s.journal.Form(person, b.Action, item.target()), false
			}
		}
	})
}

// RevokeOld has the old tokens of a batch's rotations revoked whose new secret was saved, when it is run again.
func (s *Batches) RevokeOld(ctx context.Context, person, id string) error {
	return s.mark(ctx, person, id, func(i *Item) bool { return i.Phase().OldLeft() }, func(i *Item) { i.RevokeOld = true })
}

// Deliver has the secrets put into their vault that couldn't be put there, when the batch is run again.
func (s *Batches) Deliver(ctx context.Context, person, id string) error {
	fits := func(i *Item) bool { return i.Operation != nil && i.Operation.MayDeliver() }
	return s.mark(ctx, person, id, fits, func(i *Item) { i.Deliver = true })
}

// mark makes a batch fit to be run again, with a mark on the items that fit.
func (s *Batches) mark(ctx context.Context, person, id string, fits func(*Item) bool, set func(*Item)) error {
	b, err := s.Get(ctx, person, id)
	if err != nil {
		return err
	}
	chosen := map[string]bool{} // by form
	for i := range b.Items {
		chosen[b.Items[i].Form] = fits(&b.Items[i])
	}
	return s.reopen(ctx, person, id, func(b *Batch) {
		for i := range b.Items {
			if item := &b.Items[i]; chosen[item.Form] {
				set(item)
			}
		}
	})
}

// reopen makes a batch fit to be run again.
func (s *Batches) reopen(ctx context.Context, person, id string, edit func(*Batch)) error {
	b, err := s.change(ctx, person, id, life, func(b *Batch) error {
		if b.Started.IsZero() {
			return errUnchanged
		}
		b.Stopped, b.Dismissed, b.Halt, b.Halted = false, false, nil, nil
		edit(b)
		return nil
	})
	if err != nil || b.Started.IsZero() {
		return err
	}
	return s.list(ctx, b, b.Working)
}

// Dismiss leaves what isn't begun or has failed as it is, and takes off the pending list what is unknown or has an
// expired secret. A secret that waits, or an old token that is still alive, is not dismissed.
func (s *Batches) Dismiss(ctx context.Context, person, id string) error {
	b, err := s.Get(ctx, person, id)
	if err != nil || b.Running {
		return err
	}
	for i := range b.Items {
		if op := b.Items[i].Operation; op != nil && op.Pending() && op.Phase() != operation.PhaseUnreadable {
			if _, err := s.journal.Dismiss(ctx, person, op.ID); err != nil {
				return err
			}
		}
	}
	_, err = s.change(ctx, person, id, 0, func(b *Batch) error {
		b.Dismissed = !b.Started.IsZero()
		return nil
	})
	if err != nil {
		return err
	}
	_, err = s.Get(ctx, person, id) // closes it
	return err
}

// orgKey is an organization's name as Halted and Resting have it.
func orgKey(organization string) string { return strings.ToLower(organization) }

// ignore is err unless that is harmless.
func ignore(err, harmless error) error {
	if errors.Is(err, harmless) {
		return nil
	}
	return err
}
