package operation

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/patdesk/patdesk/internal/azuredevops"
	"github.com/patdesk/patdesk/internal/formid"
	"github.com/patdesk/patdesk/internal/session"
)

// Options configures a Journal.
type Options struct {
	DisplayTime time.Duration // of a secret, from its creation
	CallTimeout time.Duration // of a change, waiting for its turn included; 0 = 70 seconds
	Now         func() time.Time
	Log         *slog.Logger // gets operation ids and authorizationIds, never a secret

	// Observe gets every event of every operation, in the context of the request or worker that caused it: for an audit
	// trail. It is called after the event was recorded, and at once where recording failed. nil: nothing observes.
	Observe func(ctx context.Context, e Event)

	// Pause waits between two tries or looks, for d or until ctx ends. nil: for a real d.
	Pause func(ctx context.Context, d time.Duration) error
}

// Journal keeps and carries out operations. Several of them, in one or more processes, may share a store.
type Journal struct {
	*store
	watchers *watchers
	forms    *formid.Forms
}

// atPoint is called at the named points of workers: where to look if a death there loses something. It does nothing but
// in programs built with the tag faultpoints (see faultpoints.go), which no release is.
var atPoint = func(string) {}

// New makes a Journal over r.
func New(r *session.Records, o Options) *Journal {
	o.CallTimeout = cmp.Or(o.CallTimeout, 70*time.Second)
	if o.Pause == nil {
		o.Pause = pause
	}
	r.Declare(bounds()...)
	s := &store{
		records: r, open: session.NewCache[record](r, openBytes), calls: newCalls(o.Now), options: o, reach: atPoint,
		batchGone: func(context.Context, string, string) (bool, error) { return false, nil },
	}
	return &Journal{store: s, watchers: newWatchers(s), forms: formid.New(r, o.Now)}
}

// Options are those that j was made with, and the defaults of what was left out.
func (j *Journal) Options() Options { return j.options }

// DropsBatches has gone asked, before an operation of a batch is dropped to make room, to drop the batch as well: it
// would take the operation for one that was never begun. Without it operations of batches stay for their whole time.
func (j *Journal) DropsBatches(gone func(ctx context.Context, person, id string) (bool, error)) {
	j.batchGone = gone
}

// Begin counts work that Drain waits for, until end is called: ErrStopping.
func (j *Journal) Begin() (end func(), err error) {
	if err := j.calls.begin(); err != nil {
		return nil, err
	}
	return j.calls.leave, nil
}

// Background is over from EndBackground on.
func (j *Journal) Background() context.Context { return j.watchers.ending }

// Reach is called at the named points of workers: where to look if a death there loses something.
func (j *Journal) Reach(point string) { j.reach(point) }

// Busy is how many requests are being worked on in this process.
func (j *Journal) Busy() int {
	return len(j.calls.inFlight())
}

// pause waits for d or until ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
	return nil
}

// Get returns an operation as it stands: ErrNotFound.
func (j *Journal) Get(ctx context.Context, person, id string) (*Operation, error) {
	r, err := j.load(ctx, person, id)
	if err != nil {
		return nil, err
	}
	return j.current(ctx, r), nil
}

// current is an operation as it stands, whose worker may have died.
func (s *store) current(ctx context.Context, r *record) *Operation {
	s.recoverIfDead(ctx, r)
	return r.at(s.options.Now())
}

// GetAll returns those of the operations that are recorded, read together, by ID; one that can't be read is nil.
func (j *Journal) GetAll(ctx context.Context, person string, ids []string) (map[string]*Operation, error) {
	all := make(map[string]*Operation, len(ids))
	var readable []*record
	err := j.records.EachOf(ctx, kindOperation, person, ids, func(id string, decode func(any) error) error {
		var r record
		if all[id] = nil; decode(&r) == nil {
			readable = append(readable, &r)
		}
		return nil
	})
	for _, r := range readable {
		all[r.ID] = j.current(ctx, r)
	}
	return all, err
}

// Find returns the operation that form, sent before, has begun; ErrNotFound if it was never sent.
func (j *Journal) Find(ctx context.Context, person, form string) (*Operation, error) {
	id, ok := formid.Name(form)
	if !ok {
		return nil, ErrNotFound
	}
	return j.Get(ctx, person, id)
}

// Wait is Get that waits, at most until ctx ends, while the operation is still in progress, here or in another process,
// or while it isn't settled what becomes of a token whose secret couldn't be kept.
func (s *store) Wait(ctx context.Context, person, id string) (*Operation, error) {
	r, err := s.load(ctx, person, id)
	if err != nil {
		return nil, err
	}
	return s.await(ctx, r)
}

// await waits for the lock of an operation in progress: who gets it finds the outcome, or a dead worker.
func (s *store) await(ctx context.Context, r *record) (*Operation, error) {
	if !r.underWay() && !r.beingSettled() {
		return r.at(s.options.Now()), nil
	}
	release, err := s.records.Lock(ctx, r.key())
	if err != nil {
		return r.at(s.options.Now()), nil
	}
	defer release()
	r, err = s.loadLocked(context.WithoutCancel(ctx), r.Person, r.ID)
	if err != nil {
		return nil, err
	}
	return r.at(s.options.Now()), nil
}

// Pending returns what needs the person (see Operation.Pending), newest first. It is made to run on every page view: it
// reads the open operations together, decodes those that were written since, and reads nothing of those that are
// finished.
func (s *store) Pending(ctx context.Context, person string) ([]Operation, error) {
	var open []*record
	strays, err := s.open.EachMarked(ctx, kindUnfinished, kindOperation, person, func(_ string, r *record) {
		mine := *r
		open = append(open, &mine)
	})
	if err != nil {
		return nil, err
	}
	for _, id := range strays {
		s.dropIfStray(ctx, person, id)
	}
	var pending []Operation
	for _, r := range open {
		s.recoverIfDead(ctx, r)
		if !r.Pending() {
			s.settle(ctx, r)
			continue
		}
		if op := r.at(s.options.Now()); op.Pending() {
			pending = append(pending, *op)
		}
	}
	slices.SortFunc(pending, func(a, b Operation) int { return a.newer(&b) })
	return pending, nil
}

// dropIfStray removes the marker of an operation that can't be read, unless it is being written this moment.
func (s *store) dropIfStray(ctx context.Context, person, id string) {
	if release, ok, err := s.records.TryLock(ctx, operationKey(person, id)); err == nil && ok {
		defer release()
		s.dropStrayMarker(ctx, person, id)
	}
}

// Recent returns the person's operations of the last 30 days (unfinished ones: 90), newest first, at most n; but for
// those that are a part of a batch, see RecentBatches.
func (j *Journal) Recent(ctx context.Context, person string, n int) ([]Operation, error) {
	var latest []record // at most 2n, of which the n newest count
	cut := func() {
		slices.SortFunc(latest, func(a, b record) int { return a.newer(&b.Operation) })
		latest = latest[:min(n, len(latest))]
	}
	err := j.eachRecord(ctx, person, func(r *record) {
		if r.Batch == "" {
			latest = append(latest, *r)
		}
		if len(latest) >= 2*n {
			cut()
		}
	})
	if err != nil {
		return nil, err
	}
	cut()
	var recent []Operation
	for i := range latest {
		recent = append(recent, *j.current(ctx, &latest[i]))
	}
	return recent, nil
}

// GivenLives returns how long a token's present end was given for: from the creation, rotation or change that set it to
// that end. It is 0 where the person's operations (see Recent, those of batches among them) know of none, and where the
// end has been changed since, elsewhere.
func (j *Journal) GivenLives(ctx context.Context, person string) (given func(azuredevops.Token) time.Duration, err error) {
	type grant struct{ at, end time.Time }
	grants := map[string]grant{}
	err = j.eachRecord(ctx, person, func(r *record) {
		if r.State != Succeeded || r.Result == nil || r.Want.ValidTo.IsZero() {
			return
		}
		if id := r.Result.AuthorizationID; grants[id].at.Before(r.Started) {
			grants[id] = grant{r.Started, r.Result.ValidTo}
		}
	})
	return func(t azuredevops.Token) time.Duration {
		if g, ok := grants[t.AuthorizationID]; ok && sameTime(g.end, t.ValidTo) {
			return g.end.Sub(g.at)
		}
		return 0
	}, err
}

// eachRecord calls f with every readable operation of the person, in no order. They are read together and not kept.
func (s *store) eachRecord(ctx context.Context, person string, f func(*record)) error {
	return s.records.Each(ctx, kindOperation, person, func(_ string, decode func(any) error) error {
		var r record
		if decode(&r) == nil {
			f(&r)
		}
		return nil
	})
}

// newer orders operations, the newest first; those of one moment always in the same way.
func (o *Operation) newer(other *Operation) int {
	return cmp.Or(other.Started.Compare(o.Started), strings.Compare(o.ID, other.ID))
}

// Dismiss takes an operation off the pending list whose outcome is unknown or in doubt, or whose secret can't be shown
// any more. A secret that still waits is not dismissed, nor is a rotation's old token (see KeepOld).
func (j *Journal) Dismiss(ctx context.Context, person, id string) (*Operation, error) {
	return j.edit(ctx, person, id, func(r *record) error {
		expired := r.at(j.options.Now()).Secret == SecretExpired
		if r.Dismissed || r.State != Unknown && !r.Doubtful && r.Secret != SecretUnkept && !expired && r.Phase() != PhasePreviousEnabled {
			return errUnchanged
		}
		r.Dismissed = true
		return nil
	})
}

// Supersede takes an operation in doubt off the pending list that is begun anew under another form: the next one, which
// asks for the same, stands for it. If that fails, it is looked at like any other.
func (j *Journal) Supersede(ctx context.Context, person, id string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
	defer cancel()
	_ = j.write(ctx, &record{Operation: Operation{Person: person, ID: id}}, func(old *record) error {
		if old.State != Unknown || !old.Undecided() {
			return errUnchanged
		}
		old.Dismissed = true
		return nil
	})
}

// edit is a change that the person makes to the record alone.
func (s *store) edit(ctx context.Context, person, id string, f func(*record) error) (*Operation, error) {
	r := &record{Operation: Operation{Person: person, ID: id}}
	if err := s.change(ctx, r, f); err != nil {
		return nil, err
	}
	return r.at(s.options.Now()), nil
}
