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
				if len(op.Candidates) != 1 || op.Doubtful || op.Old != operation.OldNone {
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

// What is true of a refusal is said at once, and nothing is left to do.
func TestRefusalThatIsTrue(t *testing.T) {
	w := newWorld(t)
	r := w.replica()
	w.azure.fail(on("create", throttled("create", 0)), nil)
	op := w.do(r, w.create(r))
	w.wantState(op, operation.Failed)
	if op.Doubtful || op.Pending() {
		t.Errorf("operation = %+v, want no doubt: the list was looked at", op)
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
		if op.Doubtful || w.azure.count("list") != lists+1 {
			t.Errorf("%v is doubted", refusal)
		}
	}
	w.wantPending(r)
}

// What can't be seen now stays to be seen: after the end of the process too, until somebody looks or dismisses it.
func TestDoubtLasts(t *testing.T) {
	for _, dismissed := range []bool{false, true} {
		w := newWorld(t)
		r := w.replica()
		w.azure.fail(on("list", lost("list", azuredevops.KindServer)), on("create", throttled("create", 0)))
		op := w.do(r, w.create(r))
		w.wantState(op, operation.Failed)
		if !op.Doubtful {
			t.Fatalf("operation = %+v, want it in doubt", op)
		}
		next := w.replica()
		w.wantPending(next, op.ID)
		if op, err := next.Reconcile(context.Background(), w.azure, mona, op.ID); err == nil || !op.Doubtful {
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

// The pause that the service asked for is kept; the operation isn't locked meanwhile, and a graceful stop ends it.
func TestDoubtWaitsItsTurn(t *testing.T) {
	w := newWorld(t)
	r := w.replica()
	paused, goOn := make(chan time.Duration, 10), make(chan struct{})
	operation.OnPause(r.Journal, func(d time.Duration) { paused <- d; <-goOn })
	w.azure.fail(nil, on("create", throttled("create", 90*time.Second)))
	op := w.do(r, w.create(r))
	w.wantState(op, operation.Failed)
	if d := <-paused; d != 90*time.Second {
		t.Errorf("it is looked again after %v", d)
	}
	w.wantPending(r, op.ID)
	if op, err := w.replica().Reconcile(context.Background(), w.azure, mona, op.ID); err != nil || op.State != operation.Unknown {
		t.Errorf("meanwhile: %+v, %v", op, err)
	}
	close(goOn)
	if err := r.Drain(context.Background()); err != nil {
		t.Error(err)
	}
	if got := w.get(w.replica(), op.ID); got.State != operation.Unknown || len(got.Candidates) != 1 {
		t.Errorf("in the end: %+v", got)
	}
}

// The next try makes a token of the same name while the first one is in doubt: it isn't taken for that one's.
func TestDoubtBesideTheNextTry(t *testing.T) {
	w := newWorld(t)
	r := w.replica()
	w.azure.fail(on("create", throttled("create", time.Hour)), nil)
	first := w.do(r, w.create(r))
	q := w.create(r)
	w.azure.fail(nil, func(ctx context.Context, call string) error {
		if call == "create" { // made, but not recorded yet
			op, err := r.Reconcile(ctx, w.azure, mona, first.ID)
			if err != nil || op.State != operation.Failed || !op.Doubtful {
				t.Errorf("beside the next try: %+v, %v", op, err)
			}
		}
		return nil
	})
	good := w.do(r, q)
	w.azure.fail(nil, nil)
	op, err := r.Reconcile(context.Background(), w.azure, mona, first.ID)
	if err != nil || op.State != operation.Failed || op.Pending() || len(op.Candidates) != 0 {
		t.Errorf("after it: %+v, %v", op, err)
	}
	w.wantPending(r, good.ID)
}

// A revoke whose first try may have done it stays unknown, whatever keeps the next one from being sent.
func TestRevokeWhoseNextTryCannotBeSent(t *testing.T) {
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
