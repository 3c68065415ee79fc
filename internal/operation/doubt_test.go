package operation_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/patdesk/patdesk/internal/azuredevops"
	"github.com/patdesk/patdesk/internal/operation"
	"github.com/patdesk/patdesk/internal/session"
)

// A refused creation was made all the same: it is named to its owner.
func TestRefusalThatIsNotTrue(t *testing.T) {
	t.Parallel()
	for name, refusal := range map[string]error{
		"429": throttled("create", 0), "429 with a pause": throttled("create", time.Minute), "429 for an hour": throttled("create", time.Hour),
		"408": refusal("create", azuredevops.KindTimeout, 408), "203": refusal("create", azuredevops.KindSignIn, 203), "302": refusal("create", azuredevops.KindSignIn, 302),
	} {
		for _, action := range []operation.Action{operation.Create, operation.Rotate} {
			t.Run(name+" "+string(action), func(t *testing.T) {
				w := newWorld(t)
				r := w.replica()
				q := w.request(r, action)
				w.azure.fail(nil, on("create", refusal))
				op := w.do(r, q)
				if err := r.Drain(context.Background()); err != nil {
					t.Fatal(err)
				}
				next := w.replica()
				w.wantPending(next, op.ID)
				op, err := next.Reconcile(context.Background(), w.azure, mona, op.ID)
				if err != nil {
					t.Fatal(err)
				}
				w.wantState(op, operation.Unknown)
				if len(op.Candidates) != 1 || op.Old != operation.OldNone {
					t.Errorf("operation = %+v, want its token named", op)
				}
				w.wantCalls("create", 1)
				if op, err = next.RevokeCandidate(context.Background(), w.azure, mona, op.ID, op.Candidates[0].AuthorizationID); err != nil || op.Pending() {
					t.Errorf("RevokeCandidate = %+v, %v", op, err)
				}
			})
		}
	}
}

// A refusal that is the service's own is said at once, and nothing is left to do. Of another one it is said when
// nothing can come of it any more.
func TestRefusalThatIsTrue(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.replica()
	w.azure.fail(on("create", throttled("create", 0)), nil)
	op := w.do(r, w.create(r))
	w.wantState(op, operation.Unknown)
	if op.Reconciled || !op.Pending() {
		t.Errorf("operation = %+v, want it in doubt: lists lag", op)
	}
	if op = w.inTheEnd(r, op.ID); !op.Reconciled || len(op.Candidates) != 0 {
		t.Errorf("in the end: %+v", op)
	}
	if _, err := r.Dismiss(context.Background(), mona, op.ID); err != nil {
		t.Error(err)
	}
	for _, refusal := range []error{
		refusal("create", "invalidScope", 400), refusal("create", azuredevops.KindForbidden, 403), refusal("create", azuredevops.KindSignIn, 401),
		&azuredevops.Error{Call: "create", Kind: azuredevops.KindThrottled}, // held back on our side: nothing was sent
		errors.New("no access token"),
	} {
		w.azure.fail(on("create", refusal), nil)
		lists := w.azure.count("list")
		op := w.do(r, w.create(r))
		w.wantState(op, operation.Failed)
		if op.Undecided() || w.azure.count("list") != lists+1 {
			t.Errorf("%v is doubted", refusal)
		}
	}
	w.wantPending(r)
}

// What can't be seen now stays to be seen: after the end of the process too, until somebody looks or dismisses it.
func TestDoubtLasts(t *testing.T) {
	t.Parallel()
	for _, dismissed := range []bool{false, true} {
		w := newWorld(t)
		r := w.replica()
		w.azure.fail(on("list", lost("list", azuredevops.KindServer)), on("create", throttled("create", 0)))
		op := w.do(r, w.create(r))
		w.wantState(op, operation.Unknown)
		if !op.Undecided() {
			t.Fatalf("operation = %+v, want it in doubt", op)
		}
		next := w.replica()
		w.wantPending(next, op.ID)
		if op, err := next.Reconcile(context.Background(), w.azure, mona, op.ID); err == nil || !op.Undecided() {
			t.Errorf("Reconcile = %+v, %v, want the list's failure", op, err)
		}
		if dismissed {
			if _, err := next.Dismiss(context.Background(), mona, op.ID); err != nil {
				t.Error(err)
			}
			w.wantPending(next)
			continue
		}
		w.azure.fail(nil, nil)
		op, err := next.Reconcile(context.Background(), w.azure, mona, op.ID)
		if err != nil || op.State != operation.Unknown || len(op.Candidates) != 1 {
			t.Errorf("Reconcile = %+v, %v, want the token named", op, err)
		}
	}
}

// The pause that the service asked for is kept before it is looked again; whoever asks for it looks before.
func TestDoubtWaitsItsTurn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.replica()
	paused := make(chan time.Duration, 10)
	operation.OnLookPause(r.Journal, func(ctx context.Context, d time.Duration) { paused <- d; <-ctx.Done() })
	w.azure.fail(nil, on("create", throttled("create", 90*time.Second)))
	op := w.do(r, w.create(r))
	w.wantState(op, operation.Unknown)
	if d := <-paused; d != 90*time.Second {
		t.Errorf("it is looked again after %v", d)
	}
	w.wantCalls("list", 1)
	w.wantPending(r, op.ID)
	if op, err := w.replica().Reconcile(context.Background(), w.azure, mona, op.ID); err != nil || len(op.Candidates) != 1 {
		t.Errorf("meanwhile: %+v, %v", op, err)
	}
}

// The next try makes a token of the same name while the first one is in doubt: it isn't taken for that one's.
func TestDoubtBesideTheNextTry(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.replica()
	w.azure.fail(on("create", throttled("create", time.Hour)), nil)
	first := w.do(r, w.create(r))
	q := w.create(r)
	w.azure.fail(nil, func(ctx context.Context, call string) error {
		if call == "create" { // made, but not recorded yet
			op, err := r.Reconcile(ctx, w.azure, mona, first.ID)
			if err != nil || len(op.Candidates) != 0 || !op.Undecided() {
				t.Errorf("beside the next try: %+v, %v", op, err)
			}
		}
		return nil
	})
	good := w.do(r, q)
	w.azure.fail(nil, nil)
	w.clock.Move(2 * time.Hour)
	if op := w.look(r, first.ID); !op.Reconciled || len(op.Candidates) != 0 {
		t.Errorf("after it: %+v", op)
	}
	w.wantState(w.get(r, good.ID), operation.Succeeded)
}

// A revoke whose first try may have done it stays unknown, whatever keeps the next one from being sent.
func TestRevokeWhoseNextTryCannotBeSent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.replica()
	q := w.request(r, operation.Revoke)
	tries := 0
	w.azure.fail(func(_ context.Context, call string) error {
		if call == "revoke" && tries > 0 {
			return session.ErrUnavailable // where the access token is kept
		}
		return nil
	}, func(_ context.Context, call string) error {
		if call == "list" {
			return lost("list", azuredevops.KindServer)
		}
		tries++
		return lost(call, azuredevops.KindConnection)
	})
	op := w.do(r, q)
	w.wantState(op, operation.Unknown)
	w.azure.fail(nil, nil)
	op, err := r.Reconcile(context.Background(), w.azure, mona, op.ID)
	if err != nil || op.State != operation.Succeeded {
		t.Errorf("Reconcile = %+v, %v", op, err)
	}
}

// However many changes are in doubt, their looks share lists: each costs one now and then, and not on its own.
func TestManyInDoubtAreLookedAtTogether(t *testing.T) {
	t.Parallel()
	const changes = 30
	w := newWorld(t)
	r := w.replica()
	begun, over := make(chan struct{}), make(chan struct{})
	operation.OnLookPause(r.Journal, func(_ context.Context, d time.Duration) {
		<-begun
		if w.clock.Move(d); w.clock.Now().Sub(start) >= 11*time.Minute {
			over <- struct{}{}
		}
	})
	for range changes {
		w.azure.fail(on("create", lost("create", azuredevops.KindConnection)), nil)
		w.do(r, w.create(r))
		w.clock.Move(700 * time.Millisecond)
	}
	before := w.azure.count("list")
	close(begun)
	<-over
	if n := w.azure.count("list") - before; n > changes {
		t.Errorf("%d lists for %d changes in doubt", n, changes)
	}
}

// While the process lives, it is looked further and further apart, until nothing more can turn up; a token that turns
// up meanwhile is named, and the audit trail says that this came late.
func TestLooksFurtherAndFurtherApart(t *testing.T) {
	t.Parallel()
	for name, turnsUp := range map[string]time.Duration{"never": 0, "after 3 s": 3 * time.Second, "after 65 s": 65 * time.Second, "after 9 min": 9 * time.Minute} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			r := w.replica()
			var pauses []time.Duration
			over := make(chan struct{})
			operation.OnLookPause(r.Journal, func(_ context.Context, d time.Duration) {
				pauses = append(pauses, d)
				before := w.clock.Now().Sub(start)
				w.clock.Move(d)
				if after := before + d; turnsUp > 0 && before < turnsUp && after >= turnsUp {
					w.azure.make("build agent", scopes, expires)
				}
				if w.clock.Now().Sub(start) >= 11*time.Minute {
					close(over)
				}
			})
			w.azure.fail(on("create", lost("create", azuredevops.KindConnection)), nil)
			op := w.do(r, w.create(r))
			<-over
			op = w.look(r, op.ID)
			if !op.Reconciled || len(op.Candidates) != min(1, int(turnsUp)) || op.NextLook.IsZero() == (turnsUp == 0) {
				t.Errorf("in the end: %+v", op)
			}
			for i := 1; i < 7; i++ { // after five minutes and more, the last one ends when nothing more can turn up
				if pauses[i] < pauses[i-1] {
					t.Errorf("pauses: %v", pauses)
				}
			}
			if len(pauses) < 7 || len(pauses) > 10 || w.azure.count("list") > 12 {
				t.Errorf("pauses: %v, %d lists", pauses, w.azure.count("list"))
			}
			w.mu.Lock()
			defer w.mu.Unlock()
			late := 0
			for _, e := range w.events[op.ID] {
				if e.Step == operation.Reconciling && e.Late && e.Found == 1 {
					late++
				}
			}
			if late != min(1, int(turnsUp)) {
				t.Errorf("told %d times that a token came late: %+v", late, w.events[op.ID])
			}
		})
	}
}

// Without an access token nothing is looked at before the next visit; a store that fails is asked again.
func TestWhatEndsLooking(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.replica()
	paused := make(chan time.Duration, 10)
	operation.OnLookPause(r.Journal, func(ctx context.Context, d time.Duration) { paused <- d; <-ctx.Done() })
	w.azure.fail(on("create", lost("create", azuredevops.KindConnection)), nil)
	op := w.do(r, w.create(r))
	<-paused
	w.azure.fail(on("list", errors.New("signed out")), nil)
	w.clock.Move(time.Minute)
	if err := r.LookNow(context.Background(), w.azure, mona); err == nil {
		t.Error("no error without an access token")
	}
	if len(paused) > 0 {
		t.Errorf("it is looked again after %v without an access token", <-paused)
	}
	w.azure.fail(on("list", session.ErrUnavailable), nil)
	w.clock.Move(time.Minute)
	if err := r.LookNow(context.Background(), w.azure, mona); !errors.Is(err, session.ErrUnavailable) {
		t.Errorf("LookNow: %v", err)
	}
	if d := <-paused; d < 20*time.Second {
		t.Errorf("it is looked again after %v", d)
	}
	w.azure.fail(nil, nil)
	if op = w.inTheEnd(r, op.ID); !op.Reconciled {
		t.Errorf("in the end: %+v", op)
	}
}

// A refusal that asks for a long pause doesn't have it looked later than at the time until which it is said to be.
func TestLongPauseDoesNotEndLooking(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.replica()
	w.azure.fail(nil, on("create", throttled("create", time.Hour)))
	op := w.do(r, w.create(r))
	if op.NextLook.After(op.LookUntil) {
		t.Errorf("looked at %v, said to be until %v", op.NextLook, op.LookUntil)
	}
	if op = w.inTheEnd(r, op.ID); len(op.Candidates) != 1 {
		t.Errorf("in the end: %+v", op)
	}
}

// A new token whose secret is lost is to be revoked, but isn't visible yet, so that the service doesn't know it: it
// isn't called revoked before it is, and it is revoked as soon as it is seen.
func TestOrphanThatIsNotVisibleYet(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.replica()
	q := w.create(r)
	q.Delivery = unread()
	service := &hidden{azure: w.azure, until: start.Add(3 * time.Minute)}
	r.store.failing(refuse("create", "secret", before))
	op, err := r.Do(context.Background(), service, q)
	if err != nil {
		t.Fatal(err)
	}
	for {
		if op = w.get(r, op.ID); len(op.Revoking) == 1 {
			break
		}
	}
	r.store.failing(nil)
	if op.OrphanRevoked || len(op.Candidates) != 1 || !op.Pending() {
		t.Errorf("at first: %+v", op)
	}
	for range 2 {
		w.clock.Move(2 * time.Minute)
		for op.LookDue(w.clock.Now()) {
			if err := r.LookNow(context.Background(), service, mona); err != nil {
				t.Error(err)
			}
			op = w.get(r, op.ID)
		}
		if visible := w.clock.Now().After(service.until); op.OrphanRevoked != visible || (len(w.azure.active()) == 0) != visible {
			t.Errorf("visible %t: %+v", visible, op)
		}
	}
}

// hidden is the service while it doesn't show its tokens.
type hidden struct {
	*azure
	until time.Time
}

func (h *hidden) List(ctx context.Context, organization string, s azuredevops.Status) ([]azuredevops.Token, error) {
	list, err := h.azure.List(ctx, organization, s)
	if h.now().Before(h.until) {
		return nil, err
	}
	return list, err
}

func (h *hidden) Revoke(ctx context.Context, organization, id string) error {
	if h.now().Before(h.until) {
		return refusal("revoke", "authorizationNotFound", 404)
	}
	return h.azure.Revoke(ctx, organization, id)
}

// The first release took one look for enough. What it has recorded so is looked at again, and no second token is
// suggested before nothing more can turn up.
func TestDoubtOfTheFirstRelease(t *testing.T) {
	t.Parallel()
	for _, late := range []bool{true, false} {
		w := newWorld(t)
		r := w.replica()
		w.azure.fail(on("create", lost("create", azuredevops.KindServer)), nil)
		q := w.create(r)
		op := w.do(r, q)
		if err := r.Drain(t.Context()); err != nil { // its own looks would come between these
			t.Fatal(err)
		}
		r = w.replica()
		if err := operation.AsFirstRelease(r.Journal, mona, op.ID); err != nil {
			t.Fatal(err)
		}
		w.clock.Move(time.Minute)
		if op = w.get(r, op.ID); op.Reconciled || !op.Undecided() || !op.LookDue(w.clock.Now()) || op.LookUntil.IsZero() {
			t.Errorf("%+v, want it in doubt", op)
		}
		if late {
			w.azure.make(q.Want.DisplayName, q.Want.Scopes, q.Want.ValidTo)
			if op = w.look(r, op.ID); len(op.Candidates) != 1 {
				t.Errorf("%+v, want its token named", op)
			}
			continue
		}
		if op = w.look(r, op.ID); op.Reconciled {
			t.Errorf("%+v, want it in doubt after another look", op)
		}
		if op = w.inTheEnd(r, op.ID); !op.Reconciled || op.LookDue(w.clock.Now()) {
			t.Errorf("in the end: %+v", op)
		}
	}
}
