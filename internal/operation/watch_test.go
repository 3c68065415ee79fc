package operation_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/patdesk/patdesk/internal/azuredevops"
	"github.com/patdesk/patdesk/internal/operation"
	"github.com/patdesk/patdesk/internal/session/sessiontest"
)

// inDoubt are n changes at r whose calls were lost before they were done. Then r has stopped.
func (w *world) inDoubt(r *replica, action operation.Action, n int) (ids []string) {
	w.t.Helper()
	call := map[operation.Action]string{operation.Rotate: "create"}[action]
	if call == "" {
		call = string(action)
	}
	w.azure.fail(on(call, lost(call, azuredevops.KindConnection)), nil)
	defer w.azure.fail(nil, nil)
	for range n {
		op := w.do(r, w.request(r, action))
		w.wantState(op, operation.Unknown)
		ids = append(ids, op.ID)
	}
	if err := r.Drain(context.Background()); err != nil {
		w.t.Error(err)
	}
	return ids
}

// However many changes are in doubt, looking at them takes one list of their organization and one reading of the
// journal; of two processes one looks.
func TestOneLookForAll(t *testing.T) {
	t.Parallel()
	for _, action := range operation.Actions() {
		t.Run(string(action), func(t *testing.T) {
			w := newWorld(t)
			store := sessiontest.NewMemory(w.clock.Now)
			r, other := w.replicaOver(store), w.replicaOver(store)
			for _, at := range []*replica{r, other} {
				operation.OnLookPause(at.Journal, func(ctx context.Context, _ time.Duration) { <-ctx.Done() })
				t.Cleanup(func() { _ = at.Drain(context.Background()) })
			}
			ids := w.inDoubt(w.replicaOver(store), action, 70)
			w.azure.make("build agent", scopes, expires) // fits the creations
			w.clock.Move(time.Minute)
			lists, gets := w.azure.count("list"), w.azure.count("get")
			r.store.calls, other.store.calls = nil, nil
			var both sync.WaitGroup
			for _, at := range []*replica{r, other} {
				both.Go(func() {
					if err := at.LookNow(context.Background(), w.azure, mona); err != nil {
						t.Error(err)
					}
				})
			}
			both.Wait()
			if lists, gets = w.azure.count("list")-lists, w.azure.count("get")-gets; lists != 1 || gets != 0 {
				t.Errorf("%d lists and %d records were read", lists, gets)
			}
			journals := 0
			for _, call := range slices.Concat(r.store.calls, other.store.calls) {
				if call == "list operation" {
					journals++
				}
			}
			if journals > 1 {
				t.Errorf("the journal was read %d times", journals)
			}
			for _, id := range ids {
				if op := w.get(r, id); op.LookDue(w.clock.Now()) || op.State != operation.Unknown {
					t.Fatalf("after the look: %+v", op)
				}
			}
		})
	}
}

// What somebody is at work on isn't looked at meanwhile, here or in another process: that costs a list and tells
// nothing.
func TestNoLookAtWhatIsWorkedOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r, other := w.replica(), w.replica()
	op := w.openRotation(r)
	lists := w.azure.count("list")
	w.azure.fail(func(ctx context.Context, call string) error {
		if call == "revoke" {
			for _, at := range []*replica{r, other} {
				if now := w.get(at, op.ID); now.Old != operation.OldSent || !now.LookDue(w.clock.Now()) {
					t.Errorf("meanwhile: %+v", now)
				}
				if err := at.LookNow(ctx, w.azure, mona); err != nil {
					t.Error(err)
				}
			}
		}
		return nil
	}, nil)
	if op, err := r.RevokeOld(context.Background(), w.azure, mona, op.ID); err != nil || op.Old != operation.OldRevoked {
		t.Errorf("%+v, %v", op, err)
	}
	if n := w.azure.count("list") - lists; n != 0 {
		t.Errorf("%d lists", n)
	}
}

// lookToTheEnd begins looking, as a visit does, and waits until that has ended by itself.
func (w *world) lookToTheEnd(r *replica) {
	w.t.Helper()
	pending, err := r.Pending(context.Background(), mona)
	if err != nil {
		w.t.Fatal(err)
	}
	r.LookSoon(context.Background(), w.azure, nil, mona, pending)
	for operation.Watching(r.Journal) > 0 {
		pause()
	}
}

// Where another process holds an operation, be it a dead one whose lock isn't over, looking doesn't end with the first
// look.
func TestLookingOutlastsALock(t *testing.T) {
	t.Parallel()
	for _, action := range []operation.Action{operation.Create, operation.Update, operation.Revoke} {
		t.Run(string(action), func(t *testing.T) {
			w := newWorld(t)
			other, r := w.replica(), w.replica()
			id := w.inDoubt(other, action, 1)[0]
			release, err := operation.Hold(other.Journal, mona, id)
			if err != nil {
				t.Fatal(err)
			}
			pauses := 0
			operation.OnLookPause(r.Journal, func(_ context.Context, d time.Duration) {
				if pauses++; pauses == 3 {
					release()
				}
				w.clock.Move(d)
			})
			w.clock.Move(time.Minute)
			w.lookToTheEnd(r)
			if op := w.get(r, id); !op.Reconciled || pauses < 3 {
				t.Errorf("after %d pauses: %+v", pauses, op)
			}
		})
	}
}

// Where there is no access token, or none that the service accepts, nothing was looked at: whoever signs in next finds
// it, and needn't wait for the next look.
func TestNoLookWithoutAnAccessToken(t *testing.T) {
	t.Parallel()
	refused := &azuredevops.Error{Call: "list", Kind: azuredevops.KindSignIn, Status: http.StatusNonAuthoritativeInfo}
	for _, reason := range []error{errors.New("signed out"), refused} {
		for _, action := range operation.Actions() {
			w := newWorld(t)
			id, r := w.inDoubt(w.replica(), action, 1)[0], w.replica()
			w.azure.fail(func(context.Context, string) error { return reason }, nil)
			w.clock.Move(time.Minute)
			was := w.get(r, id)
			for range 3 {
				if err := r.LookNow(context.Background(), w.azure, mona); !errors.Is(err, reason) {
					t.Errorf("%s, %v: %v", action, reason, err)
				}
			}
			if op := w.get(r, id); op.Looks != was.Looks || !op.NextLook.Equal(was.NextLook) || !op.LookDue(w.clock.Now()) {
				t.Errorf("%s, %v: counted as a look: %+v", action, reason, op)
			}
			w.azure.fail(nil, nil)
			if op := w.look(w.replica(), id); op.Looks != was.Looks+1 {
				t.Errorf("%s, %v: not looked at after the next sign-in: %+v", action, reason, op)
			}
		}
	}
}

// A visit to a process that has just started has it look when that is due, whichever page it was to.
func TestVisitBeginsLooking(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.inDoubt(w.replica(), operation.Create, 1)[0]
	next := w.replica()
	type pause struct {
		d     time.Duration
		lists int // asked for until then
		op    *operation.Operation
	}
	paused := make(chan pause)
	operation.OnLookPause(next.Journal, func(ctx context.Context, d time.Duration) {
		select {
		case paused <- pause{d, w.azure.count("list"), w.get(next, id)}:
			w.clock.Move(d)
		case <-ctx.Done():
		}
	})
	lists := w.azure.count("list")
	visit := func() {
		pending, err := next.Pending(context.Background(), mona)
		if err != nil {
			t.Fatal(err)
		}
		next.LookSoon(context.Background(), w.azure, nil, mona, pending)
	}
	visit()
	visit()
	if p := <-paused; p.d < time.Second || p.d > 3*time.Second || p.lists != lists {
		t.Errorf("the first look comes after %v, and there were %d before", p.d, p.lists-lists)
	}
	if p := <-paused; p.op.Looks != 2 {
		t.Errorf("%+v", p.op)
	}
	if _, err := next.Dismiss(context.Background(), mona, id); err != nil {
		t.Error(err)
	}
}

// A list that fails for the whole time, and longer, ends nothing: it is looked again every few minutes, and later every
// hour, for a day, without a visit; and what is seen then is said.
func TestLookingOutlastsAFailingList(t *testing.T) {
	t.Parallel()
	for name, down := range map[string]time.Duration{"for 20 minutes": 20 * time.Minute, "for 5 hours": 5 * time.Hour, "for good": 1000 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			id, r := w.inDoubt(w.replica(), operation.Create, 1)[0], w.replica()
			var pauses []time.Duration
			since := func() time.Duration { return w.clock.Now().Sub(start) }
			operation.OnLookPause(r.Journal, func(_ context.Context, d time.Duration) {
				pauses = append(pauses, d)
				w.clock.Move(d)
			})
			w.azure.fail(func(_ context.Context, call string) error {
				if since() < down {
					return lost(call, azuredevops.KindServer)
				}
				return nil
			}, nil)
			w.clock.Move(time.Minute)
			w.lookToTheEnd(r)
			op := w.get(r, id)
			if told := since() - down; down < 24*time.Hour && (!op.Reconciled || told > 80*time.Minute || down < time.Hour && told > 7*time.Minute) {
				t.Errorf("%v after it could be seen: %+v", told, op)
			}
			if down > 24*time.Hour && (op.Reconciled || since() < 22*time.Hour || since() > 27*time.Hour || len(pauses) > 60) {
				t.Errorf("it ended after %v and %d looks: %+v", since(), len(pauses), op)
			}
		})
	}
}

// A look whose list was read before the end, and which ends after it, can't conclude: the last look follows at once.
func TestLookThatOutlastsTheTime(t *testing.T) {
	t.Parallel()
	for _, action := range []operation.Action{operation.Create, operation.Update, operation.Revoke} {
		t.Run(string(action), func(t *testing.T) {
			w := newWorld(t)
			id, r := w.inDoubt(w.replica(), action, 1)[0], w.replica()
			w.clock.Move(time.Minute)
			slow := true
			w.azure.fail(nil, func(context.Context, string) error {
				if slow {
					slow = false
					w.clock.Move(20 * time.Minute)
				}
				return nil
			})
			if op, err := w.visit(r, id); err != nil || slow || !op.Reconciled {
				t.Errorf("%v: %+v", err, op)
			}
		})
	}
}

// Of a token that is gone for good an update can't be seen any more: doubt ends all the same.
func TestUpdateOfATokenThatIsGone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id, r := w.inDoubt(w.replica(), operation.Update, 1)[0], w.replica()
	w.azure.mu.Lock()
	w.azure.tokens = nil
	w.azure.mu.Unlock()
	w.clock.Move(time.Minute)
	if op, err := w.visit(r, id); op.Reconciled || err == nil {
		t.Errorf("at first: %+v, %v", op, err)
	}
	w.clock.Move(12 * time.Minute)
	if op, _ := w.visit(r, id); op.State != operation.Unknown || !op.Reconciled || !op.LooksAgain().IsZero() {
		t.Errorf("in the end: %+v", op)
	}
}

// Nothing is left running for people whose changes are settled, dismissed, or whose sign-in is over.
func TestWatchersEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.replica()
	for name, end := range map[string]func(id string){
		"settled": func(string) { w.clock.Move(12 * time.Minute) },
		"dismissed": func(id string) {
			if _, err := r.Dismiss(context.Background(), mona, id); err != nil {
				t.Error(err)
			}
		},
		"signed out": func(string) {
			w.azure.fail(on("list", errors.New("signed out")), nil)
			w.clock.Move(time.Minute)
		},
	} {
		id := w.inDoubt(w.replica(), operation.Create, 1)[0]
		pending, err := r.Pending(context.Background(), mona)
		if err != nil {
			t.Fatal(err)
		}
		if r.LookSoon(context.Background(), w.azure, nil, mona, pending); operation.Watching(r.Journal) != 1 {
			t.Errorf("%s: it isn't looked again before", name)
		}
		end(id)
		if err := r.LookNow(context.Background(), w.azure, mona); (err != nil) != (name == "signed out") {
			t.Errorf("%s: %v", name, err)
		}
		if n := operation.Watching(r.Journal); n != 0 {
			t.Errorf("%s: %d people are still watched", name, n)
		}
		w.azure.fail(nil, nil)
		w.clock.Move(24 * time.Hour)
	}
}

// However many people have something in doubt, those who are looked at by itself are bounded; the others' pages look.
func TestWatchersAreBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.replica()
	operation.SetMaxWatchers(r.Journal, 3)
	w.azure.fail(on("create", lost("create", azuredevops.KindConnection)), nil)
	for i := range 6 {
		person := fmt.Sprint("11111111-1111-1111-1111-111111111111.", i)
		q := w.create(r)
		q.Person, q.Form = person, r.Form(person, operation.Create, "")
		op := w.do(r, q)
		pending, err := r.Pending(context.Background(), person)
		if err != nil || len(pending) != 1 {
			t.Fatal(pending, err)
		}
		r.LookSoon(context.Background(), w.azure, nil, person, pending)
		if n := operation.Watching(r.Journal); n != min(i+1, 3) {
			t.Errorf("%d people are watched after %d", n, i+1)
		}
		if err := r.LookNow(context.Background(), w.azure, person); (err != nil) != (i >= 3) {
			t.Errorf("LookNow of number %d: %v", i, err)
		}
		if op, err = r.Reconcile(context.Background(), w.azure, person, op.ID); err != nil || op.Looks < 2 {
			t.Errorf("Reconcile of number %d: %+v, %v", i, op, err)
		}
	}
}
