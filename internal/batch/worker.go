package batch

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/patdesk/patdesk/internal/azuredevops"
	"github.com/patdesk/patdesk/internal/failure"
	"github.com/patdesk/patdesk/internal/formid"
	"github.com/patdesk/patdesk/internal/operation"
	"github.com/patdesk/patdesk/internal/panics"
	"github.com/patdesk/patdesk/internal/session"
)

const (
	atOnce             = 6 // operations of one batch in flight
	organizationAtOnce = 3 // of them in one organization
	// triesByItself is how often an operation is begun that the service put off, before it is left to the person.
	triesByItself = 5
	// longestRest is how long a batch waits for an organization by itself when the service asks for that.
	longestRest = 5 * time.Minute
	// tripAfter is how many operations in a row may fail for want of a clear answer before an organization is left
	// alone.
	tripAfter = 3
	// runLockWait bounds waiting for the end of another run of the same batch.
	runLockWait = 2 * time.Second
	// listsPerOrganization is how often a run lists one organization at most: once, and again where that failed, or
	// where it looks as if a token was revoked elsewhere meanwhile.
	listsPerOrganization = 3
	// storeTimeout bounds one use of the store by a worker, which has no request whose end could bound it.
	storeTimeout = 5 * time.Second
	// glance is how often a waiting run looks if it was stopped from elsewhere.
	glance = 2 * time.Second
)

// Run carries out what isn't begun of a batch, in the background and apart from ctx: one operation for each token, a
// few at a time. It returns when that is begun; if the batch is being run already, here or elsewhere, that run goes on
// alone.
//
// Errors: operation.ErrStopping, from Journal.EndBackground on, or the store's.
func (s *Batches) Run(ctx context.Context, c Caller, person, id string) error {
	background := s.journal.Background()
	if background.Err() != nil {
		return operation.ErrStopping
	}
	over, err := s.journal.Begin()
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx))
	end := func() { stop(); over() }
	release, err := s.take(ctx, person, id, stop)
	if release == nil {
		end()
		return err
	}
	w := &worker{
		batches: s, journal: s.journal, caller: c, person: person, id: id, ending: ctx, end: stop, record: session.NewCache[Batch](s.records, session.MaxValue),
		slots: semaphore.NewWeighted(atOnce), active: map[string]*activeTokens{}, failed: map[string]int{},
	}
	b, err := w.note(func(b *Batch) {
		if b.Working, b.Resting = true, nil; b.Interrupted() {
			b.Halt = nil
		}
	})
	if err == nil {
		err = s.list(ctx, b, true)
	}
	if err != nil {
		release()
		end()
		return err
	}
	panics.Go(s.options.Log, "batch "+id, func() {
		defer end()
		defer release()
		defer context.AfterFunc(background, stop)()
		w.all(b)
	})
	return nil
}

// Caller is on whose behalf a batch is run.
type Caller struct {
	Service operation.Service
	Vault   operation.Vault             // for items that are put into one; nil where there is none
	Ready   func(context.Context) error // whether an access token can be had; with its error nothing more is begun
	From    operation.Origin
}

// take takes the batch's lock, for a run that stop has begin nothing more. release is nil if another run has it.
func (s *Batches) take(ctx context.Context, person, id string, stop func()) (release func(), err error) {
	if b, err := s.load(ctx, person, id); err != nil || b.Running {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, runLockWait) // for one whose end is recorded, and which is about to let go
	defer cancel()
	unlock, err := s.records.Lock(ctx, key(person, id))
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, nil
	case err != nil:
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.runs[key(person, id)] = stop
	return func() {
		s.mu.Lock()
		delete(s.runs, key(person, id))
		s.mu.Unlock()
		unlock()
	}, nil
}

// worker carries out a batch, under its lock.
type worker struct {
	batches    *Batches
	journal    *operation.Journal
	caller     Caller
	person, id string
	action     operation.Action

	ending context.Context // over when nothing more is to be begun
	end    func()
	slots  *semaphore.Weighted // for operations in flight
	noting sync.Mutex          // held while the batch's record is changed
	record *session.Cache[Batch]

	mu          sync.Mutex
	active      map[string]*activeTokens // by organization
	failed      map[string]int           // operations in a row that failed for want of a clear answer, by organization
	undelivered int                      // secrets in a row that could not be put into the vault
}

// all works through the batch, one queue for each organization.
func (w *worker) all(b *Batch) {
	w.action = b.Action
	w.journal.Reach("batch begun")
	queues := map[string][]int{}
	for i := range b.Items {
		at := orgKey(b.Items[i].Organization)
		queues[at] = append(queues[at], i)
		if w.active[at] == nil {
			w.active[at] = newActiveTokens(w.caller.Service, b.Items[i].Organization)
		}
		w.active[at].expect(b.Items[i].Before)
	}
	var group panics.Group
	for at, queue := range queues {
		group.Go(func() error { w.workOff(at, queue); return nil })
	}
	_ = group.Wait() // each item's failure is its own
	w.finish()
}

// workOff carries out the items of one organization, organizationAtOnce at a time.
func (w *worker) workOff(at string, queue []int) {
	var group panics.Group
	group.SetLimit(organizationAtOnce)
	for _, i := range queue {
		group.Go(func() error {
			panics.Contain(w.batches.options.Log, "batch "+w.id, func() { w.item(at, i) })
			return nil
		})
	}
	_ = group.Wait() // each item's failure is its own
}

// item carries out one item, in its turn, and again where the service put it off.
func (w *worker) item(at string, i int) {
	if w.slots.Acquire(w.ending, 1) != nil {
		return
	}
	defer w.slots.Release(1)
	for try := 1; ; try++ {
		b, item := w.turn(at, i)
		if item == nil {
			return
		}
		id := item.operationID()
		failed := w.carryOut(b, item)
		if failed == nil || !w.consider(at, item, failed, try) {
			return
		}
		w.journal.Supersede(w.ending, w.person, id)
	}
}

// turn waits while the organization is left alone, and returns the item as it stands; nil if it isn't to be begun.
func (w *worker) turn(at string, i int) (*Batch, *Item) {
	for {
		if w.over() {
			return nil, nil
		}
		b, err := w.record.Get(w.ending, key(w.person, w.id)) // it may have been stopped meanwhile
		if err != nil || i >= len(b.Items) || b.Stopped || b.Halt != nil {
			w.end()
			return nil, nil
		}
		if _, halted := b.Halted[at]; halted || w.tripped(at) {
			return nil, nil
		}
		left := b.Resting[at].Sub(w.batches.options.Now())
		if left <= 0 {
			return b, &b.Items[i]
		}
		_ = w.batches.options.Pause(w.ending, min(left, glance))
	}
}

// itemFailure is why an item could not be carried out.
type itemFailure struct {
	*failure.Failure
	again bool // it may be begun anew: it was definitely not done, or does no harm when it is done twice
}

// carryOut does what is left to do for an item; nil if there is nothing to conclude from how that went.
func (w *worker) carryOut(b *Batch, item *Item) *itemFailure {
	op, err := w.journal.Get(w.ending, w.person, item.operationID())
	switch {
	case errors.Is(err, operation.ErrUnreadable): // it was begun
	case errors.Is(err, operation.ErrNotFound):
		return w.beginItem(b, item)
	case err != nil:
		w.end()
	case op.Undecided(): // its worker died, or could not look
		_, _ = w.journal.Reconcile(w.ending, w.caller.Service, w.person, op.ID)
	case op.MayDeliver() && (item.Deliver || cut(op.Into.Failure)):
		w.deliver(op)
	case item.RevokeOld && op.State == operation.Succeeded && op.OldOpen():
		return w.revokeOld(op)
	case op.Phase() == operation.PhasePreviousEnabled && op.Pending():
		w.disablePrevious(op)
	}
	return nil
}

// beginItem begins the item's operation. There is no answer to read a secret in: what can't be kept can't be shown
// either.
func (w *worker) beginItem(b *Batch, item *Item) *itemFailure {
	if !w.isReady() {
		return nil
	}
	form, ok := w.usableForm(item)
	if !ok {
		return nil
	}
	active, before := w.active[orgKey(item.Organization)], item.Before
	active.list(w.ending, false)
	if w.over() {
		return nil
	}
	if b.Action == operation.Revoke && active.gone(before) {
		w.noteItem(form, func(i *Item) { i.Already = true })
	}
	op, err := w.journal.Do(context.WithoutCancel(w.ending), &activeOnly{w.caller.Service, before, active}, operation.Request{
		Form: form, Person: w.person, Action: b.Action, Organization: item.Organization, Before: &before,
		Want: azuredevops.Wanted{ValidTo: item.ValidTo}, Content: "batch " + w.id, Batch: w.id, From: w.caller.From, Known: active.named(before),
		RevokeAtOnce: item.Into != nil && b.RevokeAtOnce, Into: item.Into, Vault: w.caller.Vault,
	})
	active.remember(op)
	var full *session.FullError
	switch {
	case errors.As(err, &full):
		w.halt(failure.Of(full))
	case err != nil: // nothing was sent: the program is stopping, or the store is down
		w.end()
	case op.State == operation.Succeeded:
		w.answered(orgKey(item.Organization))
		w.considerVault(op)
	case op.Failure != nil:
		notDone := op.State == operation.Failed && (b.Action != operation.Rotate || op.Failure.Status == 0)
		harmless := b.Action != operation.Rotate && op.Failure.Status == http.StatusTooManyRequests // to do again, should it have been done
		return &itemFailure{op.Failure, notDone || harmless}
	}
	return nil
}

// over reports whether nothing more is to be begun.
func (w *worker) over() bool { return w.ending.Err() != nil }

// isReady reports whether an access token can be had; otherwise the run is over.
func (w *worker) isReady() bool {
	err := w.caller.Ready(w.ending)
	if err != nil && !w.over() {
		w.halt(operation.FailureOf(err))
	}
	return err == nil
}

// usableForm is the item's form, or a new one if that has become too old. The operation was not begun, and no other run
// can begin it: this run has the batch's lock.
func (w *worker) usableForm(item *Item) (form string, ok bool) {
	err := w.journal.Check(item.Form, w.person, w.action, item.target())
	if err == nil {
		return item.Form, true
	}
	if !errors.Is(err, formid.ErrStale) {
		return "", false
	}
	form = w.journal.Form(w.person, w.action, item.target())
	return form, w.noteItem(item.Form, func(i *Item) { i.Form = form })
}

func (w *worker) revokeOld(op *operation.Operation) *itemFailure {
	if !w.isReady() {
		return nil
	}
	service := &activeOnly{w.caller.Service, *op.Before, w.active[orgKey(op.Organization)]}
	op, err := w.journal.RevokeOld(context.WithoutCancel(w.ending), service, w.person, op.ID)
	switch {
	case err != nil:
		w.end()
	case op.Old == operation.OldFailed && op.OldFailure != nil:
		return &itemFailure{op.OldFailure, true}
	default:
		w.answered(orgKey(op.Organization))
		w.disablePrevious(op)
	}
	return nil
}

// consider draws its conclusions from a failure and reports whether the item is to be tried again at once.
func (w *worker) consider(at string, item *Item, m *itemFailure, try int) (again bool) {
	if m.Source == failure.SourceEntra || m.Kind == string(azuredevops.KindClaims) {
		w.halt(m.Failure)
		return false
	}
	switch azuredevops.Kind(m.Kind) {
	case azuredevops.KindThrottled, azuredevops.KindUnavailable, azuredevops.KindPaused, azuredevops.KindBusy, azuredevops.KindOverloaded:
		return w.rest(at, item, m, try)
	case azuredevops.KindSignIn:
		w.haltOrganization(at, m.Failure)
	case azuredevops.KindServer, azuredevops.KindTimeout, azuredevops.KindConnection, azuredevops.KindNotUnderstood, azuredevops.KindIntermediary, azuredevops.KindTLS:
		w.mu.Lock()
		w.failed[at]++
		enough := w.failed[at] >= tripAfter
		w.mu.Unlock()
		if enough {
			w.haltOrganization(at, m.Failure)
		}
	default:
		w.answered(at)
	}
	return false
}

// tripped reports whether an organization is given up for this run, even before that is recorded.
func (w *worker) tripped(at string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.failed[at] >= tripAfter
}

// answered ends a series of failures.
func (w *worker) answered(at string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.failed[at] = 0
}

// rest leaves an organization alone as the service asked, and reports whether the item is to be tried again after that.
func (w *worker) rest(at string, item *Item, m *itemFailure, try int) (again bool) {
	wait := max(m.RetryAfter, time.Second)
	if wait > longestRest {
		w.haltOrganization(at, m.Failure)
		return false
	}
	again = m.again && try < triesByItself
	until := w.batches.options.Now().Add(wait)
	_, err := w.note(func(b *Batch) {
		if b.Resting == nil {
			b.Resting = map[string]time.Time{}
		}
		if until.After(b.Resting[at]) {
			b.Resting[at] = until
		}
		for i := range b.Items {
			if again && b.Items[i].Form == item.Form && !b.Items[i].RevokeOld {
				b.Items[i].Form = w.journal.Form(w.person, w.action, item.target())
			}
		}
	})
	return again && err == nil
}

// halt has nothing more begun at all.
func (w *worker) halt(f *failure.Failure) {
	_, _ = w.note(func(b *Batch) {
		if b.Halt == nil {
			b.Halt = f
		}
	})
	w.end()
}

// haltOrganization has nothing more begun in one organization.
func (w *worker) haltOrganization(at string, f *failure.Failure) {
	_, _ = w.note(func(b *Batch) {
		if b.Halted == nil {
			b.Halted = map[string]failure.Failure{}
		}
		b.Halted[at] = *f
	})
}

// note changes the batch's record. A run whose record can't be written begins nothing more.
func (w *worker) note(edit func(*Batch)) (*Batch, error) {
	w.noting.Lock() // or else the items of a large batch would keep each other from writing it
	defer w.noting.Unlock()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(w.ending), storeTimeout)
	defer cancel()
	b, err := w.batches.change(ctx, w.person, w.id, 0, func(b *Batch) error { edit(b); return nil })
	if err != nil {
		w.batches.options.Log.Error("a batch could not be brought up to date", "batch", w.id, "error", err)
		w.end()
	}
	return b, err
}

// noteItem changes the item that has this form; not ok: there is none, or it couldn't be written.
func (w *worker) noteItem(form string, edit func(*Item)) (ok bool) {
	_, err := w.note(func(b *Batch) {
		ok = false
		for i := range b.Items {
			if b.Items[i].Form == form {
				edit(&b.Items[i])
				ok = true
			}
		}
	})
	return ok && err == nil
}

// finish records how the run ended. Its store may be failing: then its lock alone shows that it is over.
func (w *worker) finish() {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(w.ending), 2*storeTimeout)
	defer cancel()
	b, err := w.batches.load(ctx, w.person, w.id)
	if err == nil {
		err = w.batches.loadItems(ctx, b)
	}
	if err != nil {
		w.batches.options.Log.Error("the end of a batch could not be recorded", "batch", w.id, "error", err)
		return
	}
	if b.Running = false; b.open() { // before the batch itself says that it has ended: a banner mustn't lag behind
		_ = w.batches.list(ctx, b, false)
	} else {
		_ = w.batches.records.Delete(ctx, openKey(w.person, w.id)) // if that fails, the batch's page does it
	}
	tally, stopped := b.Count(), w.journal.Background().Err() != nil
	_, _ = w.note(func(b *Batch) {
		b.Working, b.Resting, b.Ended, b.Tally = false, nil, w.batches.options.Now(), tally
		if stopped && tally.NotBegun > 0 && !b.Stopped && b.Halt == nil {
			b.Halt = &failure.Failure{Source: failure.SourceOperation, Kind: failure.Interrupted}
		}
	})
}
