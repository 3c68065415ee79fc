package operation

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/patdesk/patdesk/internal/azuredevops"
	"github.com/patdesk/patdesk/internal/failure"
	"github.com/patdesk/patdesk/internal/formid"
	"github.com/patdesk/patdesk/internal/panics"
	"github.com/patdesk/patdesk/internal/session"
)

const (
	batchAtOnce = 6 // operations of one batch in flight
	placeAtOnce = 3 // of them in one organization
	// triesByItself is how often an operation is begun that the service put off, before it is left to the person.
	triesByItself = 5
	// longestRest is how long a batch waits for an organization by itself when the service asks for that.
	longestRest = 5 * time.Minute
	// tripAfter is how many operations in a row may fail for want of a clear answer before an organization is left alone.
	tripAfter = 3
	// runLockWait bounds waiting for the end of another run of the same batch.
	runLockWait = 2 * time.Second
	// listsPerPlace is how often a run lists one organization at most: once, and again where that failed, or where it looks as
	// if a token was revoked elsewhere meanwhile.
	listsPerPlace = 3
	// glance is how often a waiting run looks if it was stopped from elsewhere.
	glance = 2 * time.Second
)

// RunBatch carries out what isn't begun of a batch, in the background and apart from ctx: one operation for each token, a
// few at a time. It returns when that is begun; if the batch is being run already, here or elsewhere, that run goes on alone.
//
// ready says if an access token can be had; with its error nothing more is begun. Errors: ErrStopping, from EndBackground on,
// or the store's.
func (j *Journal) RunBatch(ctx context.Context, s Service, ready func(context.Context) error, person, id string) error {
	if j.ending.Err() != nil {
		return ErrStopping
	}
	if err := j.begin(); err != nil {
		return err
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx))
	release, ok, err := j.takeBatch(ctx, person, id, stop)
	if !ok {
		stop()
		j.leave()
		return err
	}
	r := &run{Journal: j, service: s, ready: ready, person: person, id: id, ending: ctx, end: stop, record: session.NewCache[Batch](j.records, session.MaxValue)}
	b, err := r.note(func(b *Batch) {
		if b.Working, b.Resting = true, nil; b.Interrupted() {
			b.Halt = nil
		}
	})
	if err == nil {
		err = j.openBatch(ctx, b, true)
	}
	if err != nil {
		release()
		stop()
		j.leave()
		return err
	}
	panics.Go(j.options.Log, "batch "+id, func() {
		defer j.leave()
		defer stop()
		defer release()
		defer context.AfterFunc(j.ending, stop)()
		r.all(b)
	})
	return nil
}

// batchRun is a run of a batch in this process.
type batchRun struct {
	stop func()        // has nothing more begun
	over chan struct{} // closed when it has let go of the batch
}

// takeBatch takes the batch's lock; not ok: somebody else is at work on it.
func (j *Journal) takeBatch(ctx context.Context, person, id string, stop func()) (release func(), ok bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, runLockWait)
	defer cancel()
	mine := &batchRun{stop, make(chan struct{})}
	for other := j.enterBatch(person, id, mine); other != nil; other = j.enterBatch(person, id, mine) {
		if b, err := j.loadBatch(ctx, person, id); err != nil || b.Working {
			return nil, false, err
		}
		select { // it has told its end, and is about to let go
		case <-other.over:
		case <-ctx.Done():
			return nil, false, nil
		}
	}
	forget := func() {
		j.mu.Lock()
		defer j.mu.Unlock()
		delete(j.batches, flightKey(person, id))
		close(mine.over)
	}
	unlock, err := j.records.Lock(ctx, batchKey(person, id))
	if err != nil {
		forget()
		if ctx.Err() != nil {
			err = nil
		}
		return nil, false, err
	}
	return func() { unlock(); forget() }, true, nil
}

// enterBatch makes mine the batch's run in this process, or returns the one that is.
func (j *Journal) enterBatch(person, id string, mine *batchRun) (other *batchRun) {
	j.mu.Lock()
	defer j.mu.Unlock()
	key := flightKey(person, id)
	if other = j.batches[key]; other == nil {
		j.batches[key] = mine
	}
	return other
}

// run is one carrying out of a batch, under its lock.
type run struct {
	*Journal
	service    Service
	ready      func(context.Context) error
	person, id string
	action     Action

	ending context.Context // over when nothing more is to be begun
	end    func()
	places chan struct{}
	noting sync.Mutex // held while the batch's record is changed
	record *session.Cache[Batch]

	mu     sync.Mutex
	active map[string]*activeTokens // by organization
	failed map[string]int           // operations in a row that failed for want of a clear answer, by organization
}

// all works through the batch, one queue for each organization.
func (r *run) all(b *Batch) {
	r.action, r.places = b.Action, make(chan struct{}, batchAtOnce)
	r.active, r.failed = map[string]*activeTokens{}, map[string]int{}
	r.reach("batch begun")
	queues := map[string][]int{}
	for i := range b.Items {
		at := place(b.Items[i].Organization)
		queues[at] = append(queues[at], i)
		if r.active[at] == nil {
			r.active[at] = newActiveTokens(r.service, b.Items[i].Organization)
		}
		r.active[at].expect(b.Items[i].Before)
	}
	var group panics.Group
	for at, queue := range queues {
		group.Go(func() error { r.workOff(at, queue); return nil })
	}
	_ = group.Wait() // each item's failure is its own
	r.finish()
}

// workOff carries out the items of one organization, placeAtOnce at a time.
func (r *run) workOff(at string, queue []int) {
	next := make(chan int)
	var group panics.Group
	for range min(placeAtOnce, len(queue)) {
		group.Go(func() error {
			for i := range next {
				panics.Contain(r.options.Log, "batch "+r.id, func() { r.item(at, i) })
			}
			return nil
		})
	}
	for _, i := range queue {
		next <- i
	}
	close(next)
	_ = group.Wait() // each item's failure is its own
}

// item carries out one item, in its turn, and again where the service put it off.
func (r *run) item(at string, i int) {
	select {
	case r.places <- struct{}{}:
		defer func() { <-r.places }()
	case <-r.ending.Done():
		return
	}
	for try := 1; ; try++ {
		b, item := r.turn(at, i)
		if item == nil {
			return
		}
		id := item.operationID()
		miss := r.carryOut(b, item)
		if miss == nil || !r.consider(at, item, miss, try) {
			return
		}
		r.supersede(id)
	}
}

// supersede takes an operation off the pending list that is begun anew under another form: the next one, which asks for the
// same, stands for it.
func (r *run) supersede(id string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.ending), storeTimeout)
	defer cancel()
	_ = r.write(ctx, &record{Operation: Operation{Person: r.person, ID: id}}, func(old *record) error {
		if old.State != Unknown || !old.Undecided() {
			return errUnchanged
		}
		old.Dismissed = true
		return nil
	}) // if that fails, it is looked at like any other
}

// turn waits while the organization is left alone, and returns the item as it stands; nil if it isn't to be begun.
func (r *run) turn(at string, i int) (*Batch, *BatchItem) {
	for {
		if r.over() {
			return nil, nil
		}
		b, err := r.record.Get(r.ending, batchKey(r.person, r.id)) // somebody may have stopped it meanwhile
		if err != nil || i >= len(b.Items) {
			r.end()
			return nil, nil
		}
		if b.Stopped || b.Halt != nil {
			r.end()
			return nil, nil
		}
		if _, halted := b.Halted[at]; halted || r.tripped(at) {
			return nil, nil
		}
		left := b.Resting[at].Sub(r.options.Now())
		if left <= 0 {
			return b, &b.Items[i]
		}
		r.pause(r.ending, min(left, glance))
	}
}

// miss is why an item could not be carried out.
type miss struct {
	*failure.Failure
	again bool // it may be begun anew: it was definitely not done, or does no harm when it is done twice
}

// carryOut does what is left to do for an item; nil if there is nothing to conclude from how that went.
func (r *run) carryOut(b *Batch, item *BatchItem) *miss {
	op, err := r.Get(r.ending, r.person, item.operationID())
	switch {
	case errors.Is(err, ErrUnreadable): // it was begun
	case errors.Is(err, ErrNotFound):
		return r.beginItem(b, item)
	case err != nil:
		r.end()
	case op.Undecided(): // its worker died, or could not look
		_, _ = r.Reconcile(r.ending, r.service, r.person, op.ID)
	case item.Retire && op.State == Succeeded && op.OldOpen():
		return r.retireOld(op)
	}
	return nil
}

// beginItem begins the item's operation. There is no answer to read a secret in: what can't be kept can't be shown either.
func (r *run) beginItem(b *Batch, item *BatchItem) *miss {
	if !r.isReady() {
		return nil
	}
	form, ok := r.usableForm(item)
	if !ok {
		return nil
	}
	active, before := r.active[place(item.Organization)], item.Before
	active.list(r.ending)
	if r.over() {
		return nil
	}
	if b.Action == Revoke && active.gone(before) {
		r.noteItem(form, func(i *BatchItem) { i.Already = true })
	}
	op, err := r.Do(context.WithoutCancel(r.ending), &careful{r.service, before, active}, Request{
		Form: form, Person: r.person, Action: b.Action, Target: item.target(), Organization: item.Organization, Before: &before,
		Want: azuredevops.Wanted{ValidTo: item.ValidTo}, Content: "batch " + r.id, Batch: r.id, Known: active.named(before),
	})
	active.remember(op)
	var full *session.FullError
	switch {
	case errors.As(err, &full):
		r.halt(failure.Of(full))
	case err != nil: // nothing was sent: the program is stopping, or the store is down
		r.end()
	case op.State == Succeeded:
		r.answered(place(item.Organization))
	case op.Failure != nil:
		notDone := op.State == Failed && (b.Action != Rotate || op.Failure.Status == 0)
		harmless := b.Action != Rotate && op.Failure.Status == http.StatusTooManyRequests // to do again, should it have been done
		return &miss{op.Failure, notDone || harmless}
	}
	return nil
}

// over reports whether nothing more is to be begun.
func (r *run) over() bool { return r.ending.Err() != nil }

// isReady says if an access token can be had; otherwise the run is over.
func (r *run) isReady() bool {
	err := r.ready(r.ending)
	if err != nil && !r.over() {
		cause, _ := failureOf(err)
		r.halt(cause)
	}
	return err == nil
}

// usableForm is the item's form, or a new one if that has become too old. The operation was not begun, and nobody else
// can begin it: this run has the batch's lock.
func (r *run) usableForm(item *BatchItem) (form string, ok bool) {
	err := r.Check(item.Form, r.person, r.action, item.target())
	if err == nil {
		return item.Form, true
	}
	if !errors.Is(err, formid.ErrStale) {
		return "", false
	}
	form = r.Form(r.person, r.action, item.target())
	return form, r.noteItem(item.Form, func(i *BatchItem) { i.Form = form })
}

func (r *run) retireOld(op *Operation) *miss {
	if !r.isReady() {
		return nil
	}
	service := &careful{r.service, *op.Before, r.active[place(op.Organization)]}
	op, err := r.RevokeOld(context.WithoutCancel(r.ending), service, r.person, op.ID)
	switch {
	case err != nil:
		r.end()
	case op.Old == OldFailed && op.OldFailure != nil:
		return &miss{op.OldFailure, true}
	default:
		r.answered(place(op.Organization))
	}
	return nil
}

// consider draws its conclusions from a failure and says if the item is to be tried again at once.
func (r *run) consider(at string, item *BatchItem, m *miss, try int) (again bool) {
	if m.Source == failure.SourceEntra || m.Kind == string(azuredevops.KindClaims) {
		r.halt(m.Failure)
		return false
	}
	switch azuredevops.Kind(m.Kind) {
	case azuredevops.KindThrottled, azuredevops.KindUnavailable, azuredevops.KindPaused, azuredevops.KindBusy, azuredevops.KindOverloaded:
		return r.rest(at, item, m, try)
	case azuredevops.KindSignIn:
		r.haltPlace(at, m.Failure)
	case azuredevops.KindServer, azuredevops.KindTimeout, azuredevops.KindConnection, azuredevops.KindNotUnderstood, azuredevops.KindTLS:
		r.mu.Lock()
		r.failed[at]++
		enough := r.failed[at] >= tripAfter
		r.mu.Unlock()
		if enough {
			r.haltPlace(at, m.Failure)
		}
	default:
		r.answered(at)
	}
	return false
}

// tripped says that an organization is given up for this run, even before that is recorded.
func (r *run) tripped(at string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.failed[at] >= tripAfter
}

// answered ends a series of failures.
func (r *run) answered(at string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failed[at] = 0
}

// rest leaves an organization alone as the service asked, and says if the item is to be tried again after that.
func (r *run) rest(at string, item *BatchItem, m *miss, try int) (again bool) {
	wait := max(m.RetryAfter, time.Second)
	if wait > longestRest {
		r.haltPlace(at, m.Failure)
		return false
	}
	again = m.again && try < triesByItself
	until := r.options.Now().Add(wait)
	_, err := r.note(func(b *Batch) {
		if b.Resting == nil {
			b.Resting = map[string]time.Time{}
		}
		if until.After(b.Resting[at]) {
			b.Resting[at] = until
		}
		for i := range b.Items {
			if again && b.Items[i].Form == item.Form && !b.Items[i].Retire {
				b.Items[i].Form = r.Form(r.person, r.action, item.target())
			}
		}
	})
	return again && err == nil
}

// halt has nothing more begun at all.
func (r *run) halt(f *failure.Failure) {
	_, _ = r.note(func(b *Batch) {
		if b.Halt == nil {
			b.Halt = f
		}
	})
	r.end()
}

// haltPlace has nothing more begun in one organization.
func (r *run) haltPlace(at string, f *failure.Failure) {
	_, _ = r.note(func(b *Batch) {
		if b.Halted == nil {
			b.Halted = map[string]failure.Failure{}
		}
		b.Halted[at] = *f
	})
}

// note changes the batch's record. A run whose record can't be written begins nothing more.
func (r *run) note(edit func(*Batch)) (*Batch, error) {
	r.noting.Lock() // or else the items of a large batch would keep each other from writing it
	defer r.noting.Unlock()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.ending), storeTimeout)
	defer cancel()
	b, err := r.changeBatch(ctx, r.person, r.id, func(b *Batch) error { edit(b); return nil })
	if err != nil {
		r.options.Log.Error("a batch could not be brought up to date", "batch", r.id, "error", err)
		r.end()
	}
	return b, err
}

// noteItem changes the item that has this form; not ok: there is none, or it couldn't be written.
func (r *run) noteItem(form string, edit func(*BatchItem)) (ok bool) {
	_, err := r.note(func(b *Batch) {
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

// finish records how the run ended. Its store may be failing: then its lock alone tells that it is over.
func (r *run) finish() {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.ending), 2*storeTimeout)
	defer cancel()
	b, err := r.loadBatch(ctx, r.person, r.id)
	if err == nil {
		err = r.loadItems(ctx, b)
	}
	if err != nil {
		r.options.Log.Error("the end of a batch could not be recorded", "batch", r.id, "error", err)
		return
	}
	if b.Running = false; b.open() { // before the batch itself says that it has ended: a banner mustn't lag behind
		_ = r.openBatch(ctx, b, false)
	} else {
		_ = r.records.Delete(ctx, openBatchKey(r.person, r.id)) // if that fails, the batch's page does it
	}
	tally, stopped := b.Count(), r.Journal.ending.Err() != nil
	_, _ = r.note(func(b *Batch) {
		b.Working, b.Resting, b.Ended, b.Tally = false, nil, r.options.Now(), tally
		if stopped && tally.NotBegun > 0 && !b.Stopped && b.Halt == nil {
			b.Halt = &failure.Failure{Source: failure.SourceOperation, Kind: failure.Interrupted}
		}
	})
}
