package operation

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/patdesk/patdesk/internal/azuredevops"
	"github.com/patdesk/patdesk/internal/panics"
	"github.com/patdesk/patdesk/internal/session"
)

// watchers look again at people's changes in doubt.
type watchers struct {
	store  *store
	ending context.Context // over from EndBackground on
	end    func()
	pause  func(ctx context.Context, d time.Duration) error // between two looks
	most   int                                              // maxWatchers, or a test's own

	mu       sync.Mutex
	byPerson map[string]*watcher
}

func newWatchers(s *store) *watchers {
	ending, end := context.WithCancel(context.Background())
	return &watchers{store: s, ending: ending, end: end, most: maxWatchers, byPerson: map[string]*watcher{}, pause: s.options.Pause}
}

// watcher looks again at one person's changes for as long as something of them may turn up. There is one for a person
// in each process; over processes the operations' locks see to it that a look that is due is made once.
type watcher struct {
	service Service            // on behalf of the person's latest visit
	vault   Vault              // likewise; nil where there are none
	next    *pass              // the one that begins from now on
	wake    context.CancelFunc // has it begin at once
}

// pass is one look at what is due of a person.
type pass struct {
	over chan struct{}
	err  error // of looking, once it is over
}

func newPass() *pass { return &pass{over: make(chan struct{})} }

// LookSoon has the person's operations looked at in the background and apart from ctx, each when that is due. While the
// process lives and an access token can be had, that goes on until nothing more can turn up. pending is what Pending
// returned.
func (j *Journal) LookSoon(ctx context.Context, s Service, v Vault, person string, pending []Operation) {
	due, next := plan(pending, j.options.Now())
	if len(due) > 0 || !next.IsZero() {
		_, _ = j.watchers.watch(ctx, s, v, person, len(due) > 0) // or else at the next visit
	}
}

// LookNow is LookSoon that waits until it has been looked, or ctx ends. Its error is that of looking.
func (j *Journal) LookNow(ctx context.Context, s Service, person string) error {
	p, err := j.watchers.watch(ctx, s, nil, person, true)
	if err != nil {
		return err
	}
	select {
	case <-p.over:
		return p.err
	case <-ctx.Done():
		return nil
	}
}

// maxWatchers bounds the people whose changes are looked at by itself at the same time. Each takes some 15 KB.
const maxWatchers = 10_000

var errWatchers = errors.New("operation: the changes of too many people are looked at already")

// watch starts the person's watcher, or wakes the one that is there if something is due, and returns a pass that begins
// from now on. Errors: ErrStopping, from EndBackground on; errWatchers.
func (ws *watchers) watch(ctx context.Context, s Service, v Vault, person string, due bool) (*pass, error) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if w := ws.byPerson[person]; w != nil {
		if w.service = s; v != nil {
			w.vault = v
		}
		if due {
			w.wake()
		}
		return w.next, nil
	}
	switch {
	case ws.ending.Err() != nil:
		return nil, ErrStopping
	case len(ws.byPerson) >= ws.most:
		return nil, errWatchers
	}
	if err := ws.store.calls.begin(); err != nil {
		return nil, err
	}
	w := &watcher{service: s, vault: v, next: newPass(), wake: func() {}}
	ws.byPerson[person] = w
	first := w.next
	panics.Go(ws.store.options.Log, "looking again", func() {
		defer ws.store.calls.leave()
		defer ws.forget(person, w)
		ctx, stop := context.WithCancel(context.WithoutCancel(ctx))
		defer stop()
		defer context.AfterFunc(ws.ending, stop)()
		for ws.look(ctx, w, person) {
		}
	})
	return first, nil
}

// storePause is how long a watcher rests whose store failed.
const storePause = 30 * time.Second

// look makes the next pass, and pauses after it. again: there is to be another one.
func (ws *watchers) look(ctx context.Context, w *watcher, person string) (again bool) {
	ws.mu.Lock()
	p, seen := w.next, &locked{store: ws.store, service: w.service, vault: w.vault}
	pause, wake := context.WithCancel(ctx)
	w.next, w.wake = newPass(), wake
	ws.mu.Unlock()
	defer wake()
	next, again := ws.makePass(ctx, pause, w, person, p, seen)
	if again {
		_ = ws.pause(pause, max(0, next.Sub(ws.store.options.Now())))
	}
	return again
}

// makePass looks, and lets those go on who wait for that. again: there is to be another one, at next or, if pause is over,
// at once. Without an access token there is none before the next visit.
func (ws *watchers) makePass(
	ctx, pause context.Context, w *watcher, person string, p *pass, as *locked,
) (next time.Time, again bool) {
	defer close(p.over)
	next, p.err = ws.lookAtDue(ctx, as, person)
	down := errors.Is(p.err, session.ErrUnavailable)
	if down {
		next = ws.store.options.Now().Add(storePause)
	}
	signedOut := noAccessToken(p.err) && !down
	if signedOut {
		ws.store.options.Log.Debug("changes in doubt are left until their person is there again", "person", person, "error", p.err)
	}
	ws.mu.Lock()
	defer ws.mu.Unlock()
	again = ctx.Err() == nil && (pause.Err() != nil || !signedOut && !next.IsZero())
	if !again {
		ws.drop(person, w)
	}
	return next, again
}

// drop forgets a watcher and lets those go on who wait for another pass of it; ws is locked.
func (ws *watchers) drop(person string, w *watcher) {
	if ws.byPerson[person] == w {
		delete(ws.byPerson, person)
		close(w.next.over)
	}
}

// forget drops a watcher that broke off.
func (ws *watchers) forget(person string, w *watcher) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	ws.drop(person, w)
}

// looksKey is the lock under which one process at a time looks for a person.
func looksKey(person string) session.Key { return operationKey(person, "looks") }

// lookAtDue looks at all of the person's operations for which that is due. next is when the next look by itself is due;
// the zero time: there is none.
func (ws *watchers) lookAtDue(ctx context.Context, as *locked, person string) (next time.Time, err error) {
	turn, cancel := context.WithTimeout(ctx, 2*lookTimeout)
	defer cancel()
	release, err := ws.store.records.Lock(turn, looksKey(person))
	switch {
	case err != nil && turn.Err() != nil && ctx.Err() == nil: // another process is looking at the very same
		return after(ws.store.options.Now(), lookTimeout, person), nil
	case err != nil:
		return time.Time{}, err
	}
	defer release()
	pending, err := ws.store.Pending(ctx, person)
	if err != nil {
		return time.Time{}, err
	}
	due, next := plan(pending, ws.store.options.Now())
	free := slices.DeleteFunc(due, func(op *Operation) bool { return ws.isWorkedOn(ctx, op) })
	if len(free) < len(due) {
		next = earlier(next, after(ws.store.options.Now(), lookPauses[0], person))
	}
	if len(free) == 0 || ctx.Err() != nil {
		return next, nil
	}
	seen := takeSnapshots(ctx, ws.store, as.service, person, free)
	for _, op := range free {
		if ctx.Err() != nil {
			return next, errors.Join(err, ctx.Err())
		}
		r, failed := ws.lookAt(ctx, as, op, seen[orgKey(op.Organization)])
		err = errors.Join(err, failed)
		if !notLookedAt(failed) { // or else at the next visit
			next = earlier(next, ws.nextAfter(op, r))
		}
	}
	return next, err
}

// nextAfter is when to look again after a look at op, which is r now. r is nil if another worker had it, perhaps a
// process that is dead and whose lock isn't over yet.
func (ws *watchers) nextAfter(op *Operation, r *record) time.Time {
	now := ws.store.options.Now()
	switch {
	case r == nil:
		return after(now, lookTimeout, op.Person)
	case r.LookDue(now): // it couldn't be recorded, or the time ended meanwhile
		return after(now, lookPauses[0], op.Person)
	}
	return r.LooksAgain()
}

// isWorkedOn reports whether an operation's old token is being revoked, which finds out more than a look can, or was
// revoked since the operation was read.
func (ws *watchers) isWorkedOn(ctx context.Context, op *Operation) bool {
	if op.Old != OldSent {
		return false
	}
	release, ok, err := ws.store.records.TryLock(ctx, operationKey(op.Person, op.ID))
	if err != nil || !ok {
		return err == nil
	}
	defer release()
	r, err := ws.store.loadLocked(ctx, op.Person, op.ID)
	return err == nil && !r.LookDue(ws.store.options.Now())
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
// another worker has it.
func (ws *watchers) lookAt(ctx context.Context, as *locked, op *Operation, s *snapshot) (*record, error) {
	release, ok, err := ws.store.records.TryLock(ctx, operationKey(op.Person, op.ID))
	if err != nil || !ok {
		return nil, err
	}
	defer release()
	r, err := ws.store.loadLocked(ctx, op.Person, op.ID)
	if err != nil || !r.LookDue(ws.store.options.Now()) {
		return nil, ignore(err, ErrNotFound)
	}
	return r, (&locked{store: ws.store, service: as.service, vault: as.vault, record: r}).evaluate(ctx, s)
}

// orgKey is an organization's name as it is compared.
func orgKey(organization string) string { return strings.ToLower(organization) }

// snapshot is what one look sees: the active tokens of an organization, of which some may be missing with err; and
// then, where that matters, the person's other changes. In this order: a change that has made something of what is
// listed has recorded it by then, or is at work yet.
type snapshot struct {
	at     time.Time // what isn't there may have turned up since
	active []azuredevops.Token
	err    error
	others func(ctx context.Context) (others, error)
	known  others // what others returned
}

// others are the person's creations, read once for all that a look is for.
type others struct {
	made   map[string]string // operations by the authorizationId of the token that they are known to have made
	making []*record         // in progress
}

// takeSnapshots reads the lists that these operations need, each once. The record of one token costs less than a list.
func takeSnapshots(ctx context.Context, s *store, service Service, person string, ops []*Operation) map[string]*snapshot {
	seen, lists, updates := map[string]*snapshot{}, map[string]string{}, map[string]int{}
	now, others := s.options.Now(), othersOf(s, person)
	for _, op := range ops {
		at := orgKey(op.Organization)
		seen[at] = &snapshot{at: now, others: others}
		if op.Action == Update {
			updates[at]++
		}
		if op.Action != Update || updates[at] > 1 {
			lists[at] = op.Organization
		}
	}
	var group panics.Group
	for at, organization := range lists {
		one := seen[at]
		group.Go(func() error {
			one.active, one.err = listActive(ctx, service, organization, lookTimeout)
			return nil // a list that fails is no reason to end another one
		})
	}
	_ = group.Wait()
	return seen
}

// othersOf reads the person's creations when they are first asked for.
func othersOf(s *store, person string) func(context.Context) (others, error) {
	var read *others
	return func(ctx context.Context) (others, error) {
		if read != nil {
			return *read, nil
		}
		ctx, cancel := context.WithTimeout(ctx, journalTimeout)
		defer cancel()
		found := &others{made: map[string]string{}}
		err := s.eachRecord(ctx, person, func(r *record) {
			switch {
			case !r.Makes():
			case r.State == Sent:
				found.making = append(found.making, r)
			case r.Result != nil:
				found.made[r.Result.AuthorizationID] = r.ID
			}
		})
		if err != nil {
			return others{}, err
		}
		for _, r := range found.making {
			s.recoverIfDead(ctx, r)
		}
		read = found
		return *read, nil
	}
}

// isOthers reports whether another operation than r is known to have made that token: a person who tries again after an
// unknown outcome must not be shown the good token as a lost one.
func (o others) isOthers(r *record, authorizationID string) bool {
	id, made := o.made[authorizationID]
	return made && id != r.ID
}

// alike reports whether another operation is making a token of the same name in the same organization: what is seen now
// may be that one's.
func (o others) alike(r *record) bool {
	return slices.ContainsFunc(o.making, func(other *record) bool {
		return other.ID != r.ID && other.State == Sent && orgKey(other.Organization) == orgKey(r.Organization) &&
			sameName(other.Want.DisplayName, r.Want.DisplayName)
	})
}
