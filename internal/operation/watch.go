package operation

import (
	"context"
	"errors"
	"slices"
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

// LookSoon has what is due looked at, in the background and apart from ctx. While the process lives and an access token
// can be had, it is looked at again until nothing more can turn up.
func (j *Journal) LookSoon(ctx context.Context, s Service, person string) { j.watch(ctx, s, person) }

// LookNow is LookSoon that waits until it has been looked, or ctx ends. Its error is that of looking.
func (j *Journal) LookNow(ctx context.Context, s Service, person string) error {
	w, passed := j.watch(ctx, s, person)
	if w == nil {
		return ErrStopping
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

// watch starts the person's watcher, or wakes the one that is there; nil during a graceful stop. passed is closed after a
// pass that begins from now on.
func (j *Journal) watch(ctx context.Context, s Service, person string) (w *watcher, passed <-chan struct{}) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if w = j.watchers[person]; w != nil {
		w.service, w.again = s, true
		if w.wake != nil {
			w.wake()
		}
		return w, w.next
	}
	if j.stopping {
		return nil, nil
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
	return w, w.present
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
	var e *azuredevops.Error
	storeFails := errors.Is(err, session.ErrUnavailable)
	noAccessToken := err != nil && !storeFails && !errors.As(err, &e)
	w.err = err
	close(w.present)
	w.present = nil
	if ctx.Err() != nil || !w.again && (noAccessToken || next.IsZero()) {
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

// looksAtOnce bounds the operations that one look is for, as each is locked meanwhile.
const looksAtOnce = 32

// lookAtDue looks at all of the person's operations for which that is due. next is when the next look is due of which
// something may still turn up; the zero time: there is none.
func (j *Journal) lookAtDue(ctx context.Context, s Service, person string) (next time.Time, err error) {
	tried := map[string]bool{}
	for {
		pending, storeErr := j.Pending(ctx, person)
		if storeErr != nil {
			return time.Time{}, errors.Join(err, storeErr)
		}
		var due []string
		due, next = plan(pending, j.options.Now(), tried)
		if len(due) == 0 || ctx.Err() != nil {
			return next, err
		}
		err = errors.Join(err, j.lookAt(ctx, s, person, due))
	}
}

// plan picks the operations to look at now, but for those that were tried, and says when to look next.
func plan(pending []Operation, now time.Time, tried map[string]bool) (due []string, next time.Time) {
	for i := range pending {
		op := &pending[i]
		switch {
		case op.LookDue(now):
			if !tried[op.ID] && len(due) < looksAtOnce {
				due = append(due, op.ID)
				tried[op.ID] = true
			}
		case op.NextLook.IsZero() || op.NextLook.After(op.lookUntil()):
		case next.IsZero() || op.NextLook.Before(next):
			next = op.NextLook
		}
	}
	return due, next
}

// lookAt looks at operations with one reading of each organization's list and one of the journal. Those that somebody
// else is at work on are left to them.
func (j *Journal) lookAt(ctx context.Context, s Service, person string, ids []string) error {
	var works []*work
	var locks []func()
	defer func() {
		for _, release := range locks {
			release()
		}
	}()
	for _, id := range ids {
		release, ok, err := j.records.TryLock(ctx, operationKey(person, id))
		if err != nil || !ok {
			continue
		}
		locks = append(locks, release)
		r, err := j.loadLocked(ctx, person, id)
		if err == nil && r.LookDue(j.options.Now()) {
			works = append(works, &work{Journal: j, service: s, record: r})
		}
	}
	sights := j.see(ctx, s, person, works)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var failed error
	for _, w := range works {
		failed = errors.Join(failed, w.weigh(ctx, sights[place(w.record.Organization)]))
	}
	return failed
}

// sight is what one look sees: the active tokens of an organization, of which some may be missing with err; and then,
// where that matters, the person's other changes. In this order: a change that has made something of what is listed has
// recorded it by then, or is at work yet.
type sight struct {
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

// see reads the lists that these operations need, each once.
func (j *Journal) see(ctx context.Context, s Service, person string, works []*work) map[string]*sight {
	sights, needed, others := map[string]*sight{}, map[string]string{}, j.othersOf(person)
	for _, w := range works {
		at := place(w.record.Organization)
		sights[at] = &sight{others: others}
		if w.record.needsList() {
			needed[at] = w.record.Organization
		}
	}
	var group panics.Group
	for at, organization := range needed {
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
			case !r.makes():
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
