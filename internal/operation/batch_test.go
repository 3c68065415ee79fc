package operation_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/patdesk/patdesk/internal/azuredevops"
	"github.com/patdesk/patdesk/internal/batch"
	"github.com/patdesk/patdesk/internal/failure"
	"github.com/patdesk/patdesk/internal/formid"
	"github.com/patdesk/patdesk/internal/operation"
	"github.com/patdesk/patdesk/internal/session"
)

// planned is a batch over n new tokens, recorded at r.
func (w *world) planned(r *replica, a operation.Action, n int) *batch.Batch {
	w.t.Helper()
	b := &batch.Batch{Person: mona, Action: a}
	for i := range n {
		t := w.azure.make(fmt.Sprint("token ", i), []string{"vso.code"}, start.AddDate(0, 6, 0))
		b.Items = append(b.Items, batch.Item{Organization: "contoso", Before: t, ValidTo: start.AddDate(0, 9, 0)})
	}
	if err := r.batches.Plan(context.Background(), b); err != nil {
		w.t.Fatalf("PlanBatch: %v", err)
	}
	return b
}

// started is a planned batch that was confirmed.
func (w *world) started(r *replica, a operation.Action, n int) *batch.Batch {
	w.t.Helper()
	b := w.planned(r, a, n)
	_, err := r.batches.Start(context.Background(), mona, b.ID, r.batches.Form(mona, a, b.ID), "content", operation.Origin{}, func(*batch.Batch) {})
	if err != nil {
		w.t.Fatalf("StartBatch: %v", err)
	}
	return b
}

func signedIn(context.Context) error { return nil }

// run runs the batch to the end of that run. Waiting moves the clock.
func (w *world) run(r *replica, id string, ready func(context.Context) error) *batch.Batch {
	w.t.Helper()
	r.onPause(w.clock.Move)
	if err := r.batches.Run(context.Background(), batch.Caller{Service: w.azure, Ready: ready}, mona, id); err != nil {
		w.t.Fatalf("RunBatch: %v", err)
	}
	return w.settled(r, id)
}

// settled waits until nobody is at work on the batch.
func (w *world) settled(r *replica, id string) *batch.Batch {
	w.t.Helper()
	for {
		b, err := r.batches.Get(context.Background(), mona, id)
		if err != nil {
			w.t.Fatalf("Batch: %v", err)
		}
		if !b.Running {
			return b
		}
		pause()
	}
}

func (w *world) wantTally(b *batch.Batch, want batch.Tally) {
	w.t.Helper()
	if got := b.Count(); got != want {
		w.t.Errorf("tally = %+v, want %+v", got, want)
	}
}

// throttled is a refusal that isn't the word of the part that makes tokens.
func throttled(call string, wait time.Duration) error {
	return &azuredevops.Error{Call: call, Organization: "contoso", Kind: azuredevops.KindThrottled, Status: 429, RetryAfter: wait, Unknown: true}
}

func TestBatchOfEachAction(t *testing.T) {
	t.Parallel()
	for a, call := range map[operation.Action]string{operation.Revoke: "revoke", operation.Update: "update", operation.Rotate: "create"} {
		t.Run(string(a), func(t *testing.T) {
			w := newWorld(t)
			r := w.replica()
			b := w.run(r, w.started(r, a, 20).ID, signedIn)
			w.wantCalls(call, 20)
			want := batch.Tally{Done: 20}
			if a == operation.Rotate {
				want.Secrets, want.OldAlive = 20, 20
			}
			w.wantTally(b, want)
			open, err := r.batches.Open(context.Background(), mona)
			if err != nil || (len(open) == 1) != (a == operation.Rotate) {
				t.Errorf("open: %+v, %v", open, err)
			}
			if again := w.run(r, b.ID, signedIn); again.Count() != want {
				t.Errorf("a second run: %+v", again.Count())
			}
			w.wantCalls(call, 20)
			if recent, err := r.Recent(context.Background(), mona, 100); err != nil || len(recent) != 0 {
				t.Errorf("its operations stand in the list of changes, too: %d, %v", len(recent), err)
			}
		})
	}
}

// The service asks to slow down. What can be sent again is, after the time asked for; a creation that was sent isn't.
func TestBatchWaitsAsAsked(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		action operation.Action
		call   string
		wait   time.Duration
		status int
		want   batch.Tally
		calls  int
	}{
		{operation.Revoke, "revoke", 30 * time.Second, 429, batch.Tally{Done: 4}, 5},
		{operation.Update, "update", 30 * time.Second, 429, batch.Tally{Done: 4}, 5},
		{operation.Rotate, "create", 30 * time.Second, 429, batch.Tally{Done: 3, Unknown: 1, Secrets: 3, OldAlive: 3}, 4},
		{operation.Rotate, "create", 30 * time.Second, 0, batch.Tally{Done: 4, Secrets: 4, OldAlive: 4}, 5}, // it wasn't sent
	} {
		t.Run(fmt.Sprint(test.action, test.status), func(t *testing.T) {
			w := newWorld(t)
			r := w.replica()
			b := w.started(r, test.action, 4)
			refused := &azuredevops.Error{Call: test.call, Kind: azuredevops.KindThrottled, Status: test.status, RetryAfter: test.wait, Unknown: test.status != 0}
			w.azure.fail(times(1, test.call, refused), nil)
			w.wantTally(w.run(r, b.ID, signedIn), test.want)
			w.wantCalls(test.call, test.calls)
			if waited := w.clock.Now().Sub(start); waited < test.wait && test.want.Unknown == 0 { // the refused one may be the last to be begun
				t.Errorf("waited %s, want %s", waited, test.wait)
			}
		})
	}
}

// A creation that was refused by something before the part that makes tokens isn't tried again before it was seen that
// nothing came of it; what did come of it is named.
func TestBatchInDoubt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.replica()
	b := w.started(r, operation.Rotate, 1)
	w.azure.fail(on("list", lost("list", azuredevops.KindServer)), on("create", throttled("create", time.Hour)))
	w.run(r, b.ID, signedIn)
	all := func(*batch.Item) bool { return true }
	if err := r.batches.Resume(context.Background(), mona, b.ID, all); err != nil {
		t.Fatal(err)
	}
	in := w.run(r, b.ID, signedIn)
	w.wantTally(in, batch.Tally{Unknown: 1})
	if item := &in.Items[0]; item.MayRetry() || !item.Operation.Undecided() {
		t.Errorf("operation = %+v, may be tried again: %t", item.Operation, item.MayRetry())
	}
	w.azure.fail(nil, nil)
	found := w.run(r, b.ID, signedIn)
	if op := found.Items[0].Operation; op.State != operation.Unknown || len(op.Candidates) != 1 || found.Items[0].MayRetry() {
		t.Errorf("operation = %+v, want the token named that was made", op)
	}
	w.wantCalls("create", 1)
}

// A service that goes on refusing, or asks for too long a wait, is left to the person.
func TestBatchGivesUpWaiting(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.replica()
	b := w.started(r, operation.Revoke, 2)
	w.azure.fail(on("revoke", throttled("revoke", time.Minute)), nil)
	done := w.run(r, b.ID, signedIn)
	w.wantTally(done, batch.Tally{Unknown: 2}) // who is slowed down by something in between isn't told that nothing was done
	w.wantCalls("revoke", 10)

	w = newWorld(t)
	r = w.replica()
	b = w.started(r, operation.Revoke, 20)
	w.azure.fail(on("revoke", throttled("revoke", time.Hour)), nil)
	done = w.run(r, b.ID, signedIn)
	if tally := done.Count(); tally.Unknown == 0 || tally.Unknown > 6 || tally.NotBegun != 20-tally.Unknown || done.Halted["contoso"].RetryAfter != time.Hour {
		t.Errorf("%+v, halted %+v", tally, done.Halted)
	}
}

// Without an access token nothing is begun, and the reason is kept until it is gone on with.
func TestBatchWithoutSignIn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.replica()
	b := w.started(r, operation.Rotate, 5)
	over := errors.New("the sign-in is over")
	done := w.run(r, b.ID, func(context.Context) error { return over })
	w.wantTally(done, batch.Tally{NotBegun: 5})
	if done.Halt == nil || done.Halt.Source != failure.SourceEntra {
		t.Errorf("halt = %+v", done.Halt)
	}
	w.wantCalls("create", 0)
	if err := r.batches.Resume(context.Background(), mona, b.ID, func(*batch.Item) bool { return false }); err != nil {
		t.Fatal(err)
	}
	done = w.run(r, b.ID, signedIn)
	if w.wantTally(done, batch.Tally{Done: 5, Secrets: 5, OldAlive: 5}); done.Halt != nil {
		t.Errorf("halt = %+v", done.Halt)
	}
}

// Half a day later the forms are too old; each token is still changed once. A month later the batch is gone before its
// operations are, so that none of them can look as if it had never been begun.
func TestBatchLater(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.replica()
	b := w.started(r, operation.Rotate, 3)
	if err := r.batches.Stop(context.Background(), mona, b.ID); err != nil {
		t.Fatal(err)
	}
	w.wantTally(w.run(r, b.ID, signedIn), batch.Tally{NotBegun: 3})
	w.clock.Move(20 * time.Hour)
	if err := r.batches.Resume(context.Background(), mona, b.ID, func(*batch.Item) bool { return true }); err != nil {
		t.Fatal(err)
	}
	done := w.run(r, b.ID, signedIn)
	w.wantTally(done, batch.Tally{Done: 3, Secrets: 3, OldAlive: 3})
	w.wantCalls("create", 3)
	for i := range done.Items {
		for _, step := range []func(context.Context, string, string) (*operation.Operation, error){r.Acknowledge, r.KeepOld} {
			if _, err := step(context.Background(), mona, done.Items[i].Operation.ID); err != nil {
				t.Fatal(err)
			}
		}
	}
	if left, err := r.batches.Open(context.Background(), mona); err != nil || len(left) != 1 {
		t.Fatalf("%+v, %v", left, err) // until somebody looks
	}
	w.settled(r, b.ID)
	if left, err := r.batches.Open(context.Background(), mona); err != nil || len(left) != 0 {
		t.Errorf("still open: %+v, %v", left, err)
	}
	w.clock.Move(29*24*time.Hour - time.Hour)
	w.settled(r, b.ID)
	w.clock.Move(time.Hour)
	if _, err := r.batches.Get(context.Background(), mona, b.ID); !errors.Is(err, batch.ErrNotFound) {
		t.Errorf("after 29 days: %v", err)
	}
	w.get(r, done.Items[0].Operation.ID)
}

// A store that fails in the middle ends the run; what was begun is accounted for, and the rest can be gone on with.
func TestBatchWithAFailingStore(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ call, kind string }{{"update", "batch"}, {"read", "batch"}, {"create", "operation"}, {"create", "unfinished"}, {"create", "secret"}} {
		t.Run(test.call+" "+test.kind, func(t *testing.T) {
			w := newWorld(t)
			r, other := w.replica(), w.replica()
			b := w.started(r, operation.Rotate, 8)
			r.onPause(func(time.Duration) {})
			operation.OnReach(r.Journal, func(point string) {
				if point == "batch begun" {
					r.store.failing(refuse(test.call, test.kind, before))
				}
			})
			if err := r.batches.Run(context.Background(), batch.Caller{Service: w.azure, Ready: signedIn}, mona, b.ID); err != nil {
				t.Fatal(err)
			}
			done := w.settled(other, b.ID)
			r.store.failing(nil)
			if made, shown := len(w.azure.all())-8, done.Count().Secrets; made-shown > w.azure.count("revoke") {
				t.Errorf("%d made, %d shown, %d revoked again", made, shown, w.azure.count("revoke"))
			}
			if err := other.batches.Resume(context.Background(), mona, b.ID, func(*batch.Item) bool { return true }); err != nil {
				t.Fatal(err)
			}
			done = w.run(other, b.ID, signedIn)
			if tally := done.Count(); tally.NotBegun != 0 || tally.Done != 8 {
				t.Errorf("%+v", tally)
			}
		})
	}
}

func TestBatchIsOnesOwn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.replica()
	b := w.planned(r, operation.Revoke, 1)
	ctx, nothing := context.Background(), func(*batch.Batch) {}
	if _, err := r.batches.Get(ctx, omar, b.ID); !errors.Is(err, batch.ErrNotFound) {
		t.Errorf("Batch: %v", err)
	}
	if err := r.batches.Stop(ctx, omar, b.ID); !errors.Is(err, batch.ErrNotFound) {
		t.Errorf("StopBatch: %v", err)
	}
	if _, err := r.batches.Start(ctx, omar, b.ID, r.batches.Form(omar, operation.Revoke, b.ID), "", operation.Origin{}, nothing); !errors.Is(err, batch.ErrNotFound) {
		t.Errorf("StartBatch: %v", err)
	}
	for name, form := range map[string]string{
		"somebody else's": r.batches.Form(omar, operation.Revoke, b.ID), "another action's": r.batches.Form(mona, operation.Rotate, b.ID),
		"another batch's": r.batches.Form(mona, operation.Revoke, "other"), "an operation's": r.Form(mona, operation.Revoke, b.ID), "nonsense": "x",
	} {
		if _, err := r.batches.Start(ctx, mona, b.ID, form, "", operation.Origin{}, nothing); !errors.Is(err, formid.ErrForged) {
			t.Errorf("%s form: %v", name, err)
		}
	}
	form := r.batches.Form(mona, operation.Revoke, b.ID)
	if _, err := r.batches.Start(ctx, mona, b.ID, form, "one", operation.Origin{}, nothing); err != nil {
		t.Fatal(err)
	}
	if _, err := r.batches.Start(ctx, mona, b.ID, form, "one", operation.Origin{}, nothing); err != nil {
		t.Errorf("the same form again: %v", err)
	}
	if _, err := r.batches.Start(ctx, mona, b.ID, form, "two", operation.Origin{}, nothing); !errors.Is(err, operation.ErrChanged) {
		t.Errorf("other content: %v", err)
	}
}

func TestBatchThatIsTooLarge(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.replica()
	b := &batch.Batch{Person: mona, Action: operation.Revoke}
	for i := range batch.Max {
		b.Items = append(b.Items, batch.Item{Organization: "contoso", Before: azuredevops.Token{AuthorizationID: fmt.Sprint(i), DisplayName: strings.Repeat("ж", 1000)}})
	}
	if err := r.batches.Plan(context.Background(), b); !errors.Is(err, session.ErrTooLarge) {
		t.Errorf("500 names of 1,000 letters: %v", err)
	}
	b.Items = b.Items[:200]
	if err := r.batches.Plan(context.Background(), b); err != nil {
		t.Errorf("200 of them: %v", err)
	}
}

// A graceful stop begins nothing more and waits for what is in flight.
func TestDrainEndsBatches(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.replica()
	b := w.started(r, operation.Rotate, 10)
	begun, goOn := w.blocked("create")
	if err := r.batches.Run(context.Background(), batch.Caller{Service: w.azure, Ready: signedIn}, mona, b.ID); err != nil {
		t.Fatal(err)
	}
	<-begun
	drained := make(chan error, 1)
	go func() { drained <- r.Drain(context.Background()) }()
	for !operation.Stopping(r.Journal) {
		pause()
	}
	goOn()
	if err := <-drained; err != nil {
		t.Fatal(err)
	}
	other := w.replica()
	tally := w.settled(other, b.ID).Count()
	if tally.Done+tally.NotBegun != 10 || tally.Done == 0 || tally.Secrets != tally.Done {
		t.Errorf("%+v", tally)
	}
	if err := r.batches.Run(context.Background(), batch.Caller{Service: w.azure, Ready: signedIn}, mona, b.ID); !errors.Is(err, operation.ErrStopping) {
		t.Errorf("RunBatch: %v", err)
	}
	w.wantTally(w.run(other, b.ID, signedIn), batch.Tally{Done: 10, Secrets: 10, OldAlive: 10})
}
