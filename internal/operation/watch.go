package operation

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/patdesk/patdesk/internal/azuredevops"
	"github.com/patdesk/patdesk/internal/panics"
	"github.com/patdesk/patdesk/internal/session"
)

// watcher looks again at one person's changes for as long as something of them may turn up. There is one for a person in
// each process; over processes the operations' locks see to it that a look that is due is made once.
type watcher struct {
	service Service            // on behalf of the person's latest visit
	wake    context.CancelFunc // ends the present pause; nil during a pass
	again   bool               // somebody came during the present pass
	present chan struct{}      // closed after the present pass
	next    chan struct{}      // closed after the one that comes
	err     error              // of the pass before
}

// LookSoon has the person's operations looked at in the background and apart from ctx, each when that is due. While the
// process lives and an access token can be had, that goes on until nothing more can turn up. pending is what Pending returned.
func (j *Journal) LookSoon(ctx context.Context, s Service, person string, pending []Operation) {
	due, next := plan(pending, j.options.Now())
	if len(due) > 0 || !next.IsZero() {
		_, _, _ = j.watch(ctx, s, person, len(due) > 0) // or else at the next visit
	}
}

// LookNow is LookSoon that waits until it has been looked, or ctx ends. Its error is that of looking.
func (j *Journal) LookNow(ctx context.Context, s Service, person string) error {
	w, passed, err := j.watch(ctx, s, person, true)
	if err != nil {
		return err
	}
	select {
	case <-passed:
	case <-ctx.Done():
		return nil
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	return w.err
}

// maxWatchers bounds the people whose changes are looked at by itself at the same time. Each takes some 15 KB.
const maxWatchers = 10_000

var errWatchers = errors.New("operation: the changes of too many people are looked at already")

// watch starts the person's watcher, or wakes the one that is there if something is due. passed is closed after a pass that
// begins from now on. Errors: ErrStopping, from EndBackground on; errWatchers.
func (j *Journal) watch(ctx context.Context, s Service, person string, due bool) (w *watcher, passed <-chan struct{}, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if w = j.watchers[person]; w != nil {
		w.service, w.again = s, w.again || due
		if due && w.wake != nil {
			w.wake()
		}
		return w, w.next, nil
	}
	switch {
	case j.stopping || j.ending.Err() != nil:
		return nil, nil, ErrStopping
	case len(j.watchers) >= j.maxWatchers:
		return nil, nil, errWatchers
	}
	j.busy++
	w = &watcher{service: s, present: make(chan struct{}), next: make(chan struct{})}
	j.watchers[person] = w
	panics.Go(j.options.Log, "looking again", func() {
		defer j.leave()
		defer j.forget(person, w)
		ctx, stop := context.WithCancel(context.WithoutCancel(ctx))
		defer stop()
		defer context.AfterFunc(j.ending, stop)()
		j.keepLooking(ctx, w, person)
	})
	return w, w.present, nil
}

// storePause is how long a watcher rests whose store failed.
const storePause = 30 * time.Second

// keepLooking looks, and pauses until the next look is due.
func (j *Journal) keepLooking(ctx context.Context, w *watcher, person string) {
	for {
		j.mu.Lock()
		service := w.service
		j.mu.Unlock()
		next, err := j.lookAtDue(ctx, service, person)
		if errors.Is(err, session.ErrUnavailable) {
			next = j.options.Now().Add(storePause)
		}
		pause, again := j.endPass(ctx, w, person, next, err)
		if !again {
			return
		}
		j.lookPause(pause, max(0, next.Sub(j.options.Now())))
		j.beginPass(w)
	}
}

// endPass tells those who wait for it that a pass is over. again: there is to be another one, when pause ends or earlier.
// Without an access token there is none before the next visit.
func (j *Journal) endPass(ctx context.Context, w *watcher, person string, next time.Time, err error) (pause context.Context, again bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	signedOut := noAccessToken(err) && !errors.Is(err, session.ErrUnavailable)
	w.err = err
	close(w.present)
	w.present = nil
	if signedOut {
		j.options.Log.Debug("changes in doubt are left until their person is there again", "person", person, "error", err)
	}
	if ctx.Err() != nil || !w.again && (signedOut || next.IsZero()) {
		delete(j.watchers, person)
		close(w.next)
		return nil, false
	}
	pause, w.wake = context.WithCancel(ctx)
	if w.again {
		w.wake()
	}
	return pause, true
}

func (j *Journal) beginPass(w *watcher) {
	j.mu.Lock()
	defer j.mu.Unlock()
	w.wake()
	w.wake, w.again = nil, false
	w.present, w.next = w.next, make(chan struct{})
}

// forget lets those go on who wait for a watcher that broke off.
func (j *Journal) forget(person string, w *watcher) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.watchers[person] != w {
		return
	}
	delete(j.watchers, person)
	if w.present != nil {
		close(w.present)
	}
	close(w.next)
}

// looksKey is the lock under which one process at a time looks for a person.
func looksKey(person string) session.Key { return operationKey(person, "looks") }

// lookAtDue looks at all of the person's operations for which that is due. next is when the next look by itself is due; the
// zero time: there is none.
func (j *Journal) lookAtDue(ctx context.Context, s Service, person string) (next time.Time, err error) {
	turn, cancel := context.WithTimeout(ctx, 2*lookTimeout)
	defer cancel()
	release, err := j.records.Lock(turn, looksKey(person))
	switch {
	case err != nil && turn.Err() != nil && ctx.Err() == nil: // somebody else is looking at the very same
		return after(j.options.Now(), lookTimeout, person), nil
	case err != nil:
		return time.Time{}, err
	}
	defer release()
	pending, err := j.Pending(ctx, person)
	if err != nil {
		return time.Time{}, err
	}
	due, next := plan(pending, j.options.Now())
	free := slices.DeleteFunc(due, func(op *Operation) bool { return j.isWorkedOn(ctx, op) })
	if len(free) < len(due) {
		next = earlier(next, after(j.options.Now(), lookPauses[0], person))
	}
	if len(free) == 0 || ctx.Err() != nil {
		return next, nil
	}
	sights := j.see(ctx, s, person, free)
	for _, op := range free {
		if ctx.Err() != nil {
			return next, errors.Join(err, ctx.Err())
		}
		r, failed := j.lookAt(ctx, s, op, sights[place(op.Organization)])
		err = errors.Join(err, failed)
		if !notLookedAt(failed) { // or else at the next visit
			next = earlier(next, j.nextAfter(op, r))
		}
	}
	return next, err
}

// nextAfter is when to look again after a look at op, which is r now. r is nil if somebody else was at work on it, perhaps a
// process that is dead and whose lock isn't over yet.
func (j *Journal) nextAfter(op *Operation, r *record) time.Time {
	now := j.options.Now()
	switch {
	case r == nil:
		return after(now, lookTimeout, op.Person)
	case r.LookDue(now): // it couldn't be recorded, or the time ended meanwhile
		return after(now, lookPauses[0], op.Person)
	}
	return r.LooksAgain()
}

// isWorkedOn reports whether an operation's old token is being revoked, which will tell more than a look can, or was revoked
// since the operation was read.
func (j *Journal) isWorkedOn(ctx context.Context, op *Operation) bool {
	if op.Old != OldSent {
		return false
	}
	release, ok, err := j.records.TryLock(ctx, operationKey(op.Person, op.ID))
	if err != nil || !ok {
		return err == nil
	}
	defer release()
	r, err := j.loadLocked(ctx, op.Person, op.ID)
	return err == nil && !r.LookDue(j.options.Now())
}

// plan picks the operations to look at now, and says when the next of the others is looked at by itself.
func plan(pending []Operation, now time.Time) (due []*Operation, next time.Time) {
	for i := range pending {
		if op := &pending[i]; op.LookDue(now) {
			due = append(due, op)
		} else {
			next = earlier(next, op.LooksAgain())
		}
	}
	return due, next
}

// earlier is the earlier of two times; the zero time is none.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// lookAt concludes from s how an operation stands, and returns it as it stands then; nil if that isn't due any more, or
// somebody else is at work on it.
func (j *Journal) lookAt(ctx context.Context, service Service, op *Operation, s *sight) (*record, error) {
	release, ok, err := j.records.TryLock(ctx, operationKey(op.Person, op.ID))
	if err != nil || !ok {
		return nil, err
	}
	defer release()
	r, err := j.loadLocked(ctx, op.Person, op.ID)
	if err != nil || !r.LookDue(j.options.Now()) {
		return nil, ignore(err, ErrNotFound)
	}
	return r, (&work{Journal: j, service: service, record: r}).weigh(ctx, s)
}

// place is an organization's name as it is compared.
func place(organization string) string { return strings.ToLower(organization) }

// sight is what one look sees: the active tokens of an organization, of which some may be missing with err; and then,
// where that matters, the person's other changes. In this order: a change that has made something of what is listed has
// recorded it by then, or is at work yet.
type sight struct {
	at     time.Time // what isn't there may have turned up since
	active []azuredevops.Token
	err    error
	others func(ctx context.Context) (*others, error)
	known  *others // what others returned
}

// others are the person's creations, read once for all that a look is for.
type others struct {
	made   map[string]string // operations by the authorizationId of the token that they are known to have made
	making []*record         // in progress
}

// see reads the lists that these operations need, each once. The record of one token costs less than a list.
func (j *Journal) see(ctx context.Context, s Service, person string, ops []*Operation) map[string]*sight {
	sights, lists, updates := map[string]*sight{}, map[string]string{}, map[string]int{}
	now, others := j.options.Now(), j.othersOf(person)
	for _, op := range ops {
		at := place(op.Organization)
		sights[at] = &sight{at: now, others: others}
		if op.Action == Update {
			updates[at]++
		}
		if op.Action != Update || updates[at] > 1 {
			lists[at] = op.Organization
		}
	}
	var group panics.Group
	for at, organization := range lists {
		seen := sights[at]
		group.Go(func() error {
			seen.active, seen.err = listActive(ctx, s, organization, lookTimeout)
			return nil // a list that fails is no reason to end another one
		})
	}
	_ = group.Wait()
	return sights
}

// othersOf reads the person's creations when they are first asked for.
func (j *Journal) othersOf(person string) func(context.Context) (*others, error) {
	var read *others
	return func(ctx context.Context) (*others, error) {
		if read != nil {
			return read, nil
		}
		ctx, cancel := context.WithTimeout(ctx, journalTimeout)
		defer cancel()
		found := &others{made: map[string]string{}}
		err := j.eachRecord(ctx, person, func(r *record) {
			switch {
			case !r.Makes():
			case r.State == Sent:
				found.making = append(found.making, r)
			case r.Result != nil:
				found.made[r.Result.AuthorizationID] = r.ID
			}
		})
		if err != nil {
			return nil, err
		}
		for _, r := range found.making {
			j.buryIfDead(ctx, r)
		}
		read = found
		return read, nil
	}
}

// isOthers says that another operation than r is known to have made that token.
func (o *others) isOthers(r *record, authorizationID string) bool {
	id, made := o.made[authorizationID]
	return made && id != r.ID
}

// alike says that another operation is making a token of the same name in the same organization: what is seen now may
// be that one's.
func (o *others) alike(r *record) bool {
	return slices.ContainsFunc(o.making, func(other *record) bool {
		return other.ID != r.ID && other.State == Sent && place(other.Organization) == place(r.Organization) &&
			sameName(other.Want.DisplayName, r.Want.DisplayName)
	})
}
