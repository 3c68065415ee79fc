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
	"github.com/patdesk/patdesk/internal/operation"
	"github.com/patdesk/patdesk/internal/session"
	"github.com/patdesk/patdesk/internal/session/sessiontest"
)

func (w *world) wantKept(r *replica, kind string, want int) {
	w.t.Helper()
	if n, err := operation.Kept(r.Journal, kind, mona); err != nil || n != want {
		w.t.Errorf("%d records of kind %s, %v; want %d", n, kind, err, want)
	}
}

func (w *world) wantFull(r *replica, q operation.Request, kind string) {
	w.t.Helper()
	var full *session.FullError
	if _, err := r.Do(context.Background(), w.azure, q); !errors.As(err, &full) || full.Kind != kind {
		w.t.Errorf("Do: %v, want that there are too many of kind %s", err, kind)
	}
}

// Of plans that nobody confirms the newest ten are kept, over all replicas; the last one can be confirmed.
func TestPlansAreBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r, other := w.replica(), w.replica()
	first := w.planned(r, operation.Revoke, 1)
	confirmed := w.started(r, operation.Revoke, 1)
	var last *batch.Batch
	for range 12 {
		w.clock.Move(time.Second)
		w.planned(r, operation.Revoke, 1)
		last = w.planned(other, operation.Revoke, 1)
	}
	w.wantKept(r, "batch", 11) // with the one that was confirmed
	if _, err := r.batches.Get(context.Background(), mona, first.ID); !errors.Is(err, batch.ErrNotFound) {
		t.Errorf("the oldest plan: %v", err)
	}
	form := r.batches.Form(mona, operation.Revoke, last.ID)
	if _, err := r.batches.Start(context.Background(), mona, last.ID, form, "", operation.Origin{}, func(*batch.Batch) {}); err != nil {
		t.Errorf("the newest plan: %v", err)
	}
	w.wantTally(w.run(r, confirmed.ID, signedIn), batch.Tally{Done: 1})
}

// Where a person has all the batches that they may, the oldest finished one makes room; if none is, nothing is planned.
func TestFinishedBatchesMakeRoom(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.replica()
	operation.SetBound(r.Journal, "batch", 3)
	open := w.started(r, operation.Revoke, 1)
	done := w.started(r, operation.Revoke, 1)
	w.run(r, done.ID, signedIn)
	w.started(r, operation.Revoke, 1)
	w.started(r, operation.Revoke, 1)
	w.wantKept(r, "batch", 3)
	if _, err := r.batches.Get(context.Background(), mona, open.ID); err != nil {
		t.Errorf("a batch that isn't finished: %v", err)
	}
	b := &batch.Batch{Person: mona, Action: operation.Revoke}
	if err := r.batches.Plan(context.Background(), b); !errors.Is(err, session.ErrFull) {
		t.Errorf("PlanBatch: %v, want ErrFull", err)
	}
}

// Where a person has all the operations that they may, the oldest finished ones make room, but not while their forms
// could be sent again, nor while they need the person. What can't be recorded isn't sent.
func TestFinishedOperationsMakeRoom(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.replica()
	operation.SetBound(r.Journal, "operation", 4)
	waiting := w.do(r, w.create(r))
	for range 3 {
		w.do(r, w.request(r, operation.Revoke))
	}
	w.wantFull(r, w.create(r), "operation")
	w.wantCalls("create", 1)
	w.clock.Move(14 * time.Hour)
	for range 3 {
		w.do(r, w.request(r, operation.Revoke))
	}
	w.wantFull(r, w.create(r), "operation")
	w.wantKept(r, "operation", 4)
	w.wantPending(r, waiting.ID)
}

// The operations of a batch stay as long as it does: without them it would look as if they were never begun.
func TestOperationsOfABatchStayWithIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.replica()
	b := w.started(r, operation.Rotate, 3)
	w.run(r, b.ID, signedIn)
	operation.SetBound(r.Journal, "operation", 3)
	w.clock.Move(14 * time.Hour)
	w.wantFull(r, w.create(r), "operation")
	w.wantTally(w.settled(r, b.ID), batch.Tally{Done: 3, OldAlive: 3})
}

// What needs the person is bounded as well; what was settled makes room.
func TestUnfinishedOperationsAreBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.replica()
	operation.SetBound(r.Journal, "unfinished", 2)
	one := w.do(r, w.create(r))
	w.do(r, w.create(r))
	q := w.create(r)
	w.wantFull(r, q, "unfinished")
	w.wantCalls("create", 2)
	if _, err := r.Acknowledge(context.Background(), mona, one.ID); err != nil {
		t.Fatal(err)
	}
	w.do(r, q) // the same form
	w.wantCalls("create", 3)
	w.wantKept(r, "unfinished", 2)
}

// A batch that couldn't be carried out to its end isn't begun.
func TestBatchNeedsRoomForAll(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.replica()
	operation.SetBound(r.Journal, "unfinished", 2)
	b := w.planned(r, operation.Rotate, 3)
	form := r.batches.Form(mona, operation.Rotate, b.ID)
	if _, err := r.batches.Start(context.Background(), mona, b.ID, form, "", operation.Origin{}, func(*batch.Batch) {}); !errors.Is(err, session.ErrFull) {
		t.Errorf("StartBatch: %v, want ErrFull", err)
	}
	if b, err := r.batches.Get(context.Background(), mona, b.ID); err != nil || !b.Started.IsZero() {
		t.Errorf("%v, %v", b, err)
	}
}

// Whatever else a person has recorded, they can revoke: one token, and many. Only of revokes themselves there can be
// too many.
func TestRevokesAlwaysHaveRoom(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"operation", "unfinished"} {
		t.Run(kind, func(t *testing.T) {
			w := newWorld(t)
			r := w.replica()
			operation.SetBound(r.Journal, kind, 2)
			w.do(r, w.create(r))
			w.do(r, w.create(r))
			for _, a := range []operation.Action{operation.Create, operation.Update, operation.Rotate} {
				w.wantFull(r, w.request(r, a), kind)
			}
			for range 3 {
				w.wantState(w.do(r, w.request(r, operation.Revoke)), operation.Succeeded)
			}
			w.wantTally(w.run(r, w.started(r, operation.Revoke, 3).ID, signedIn), batch.Tally{Done: 3})
			operation.SetBound(r.Journal, kind, 2-operation.ForRevokes)
			w.wantFull(r, w.request(r, operation.Revoke), kind)
			w.wantCalls("revoke", 6)
		})
	}
}

// Where nothing can make room, that is found out without reading what is recorded: it was settled too lately.
func TestFullCostsLittle(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.replicaOver(sessiontest.NewMemory(w.clock.Now))
	op := w.do(r, w.create(r))
	if _, err := r.Acknowledge(context.Background(), mona, op.ID); err != nil {
		t.Fatal(err)
	}
	w.copies(r, op.ID, 999)
	operation.SetBound(r.Journal, "operation", 1000)
	r.store.calls = nil
	w.wantFull(r, w.create(r), "operation")
	if n := len(r.store.calls); n > 10 {
		t.Errorf("%d calls: %q", n, r.store.calls)
	}
	w.clock.Move(14 * time.Hour)
	r.store.calls = nil
	w.do(r, w.create(r))
	w.wantKept(r, "operation", 901)
	if n := len(r.store.calls); n > 400 { // a hundred are dropped
		t.Errorf("%d calls: %.2000q", n, r.store.calls)
	}
}

// Batches that were started a month ago are no plans: a plan beside them stays.
func TestPlansBesideOldBatches(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.replica()
	for range 12 {
		w.started(r, operation.Revoke, 1)
	}
	w.clock.Move(29*24*time.Hour - time.Hour)
	first := w.planned(r, operation.Revoke, 1)
	w.planned(r, operation.Revoke, 1)
	if _, err := r.batches.Get(context.Background(), mona, first.ID); err != nil {
		t.Errorf("the first of two plans: %v", err)
	}
}

// However many tokens of one name there are, another one can be made, and be told from them if its answer gets lost.
func TestManyTokensOfOneName(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.replica()
	q := w.create(r)
	for range 7000 {
		w.azure.make(q.Want.DisplayName, q.Want.Scopes, q.Want.ValidTo)
	}
	w.clock.Move(time.Hour)
	w.azure.fail(nil, on("create", lost("create", azuredevops.KindServer)))
	if op := w.do(r, q); len(op.Candidates) != 1 {
		t.Errorf("%s, %d candidates", op.State, len(op.Candidates))
	}
}

// A plan that is as large as they get can be confirmed and carried out, whatever its record has to hold then.
func TestLargestPlan(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.replicaOver(sessiontest.NewMemory(w.clock.Now))
	const items = 6
	plan := func(name int) (*batch.Batch, error) {
		b := &batch.Batch{Person: mona, Action: operation.Revoke}
		for i := range items {
			token := w.azure.make(strings.Repeat("x", name), []string{"vso.code"}, start.AddDate(0, 6, 0))
			b.Items = append(b.Items, batch.Item{Organization: fmt.Sprint("organization-", i), Before: token})
		}
		return b, r.batches.Plan(context.Background(), b)
	}
	if _, err := plan(135_000); !errors.Is(err, session.ErrTooLarge) {
		t.Errorf("a plan that fills its record: %v", err)
	}
	b, err := plan(120_000)
	if err != nil {
		t.Fatal(err)
	}
	w.azure.fail(on("revoke", &azuredevops.Error{Kind: azuredevops.KindThrottled, RetryAfter: time.Hour, ActivityID: strings.Repeat("a", 100)}), nil)
	form := r.batches.Form(mona, operation.Revoke, b.ID)
	if _, err := r.batches.Start(context.Background(), mona, b.ID, form, "content", operation.Origin{}, func(*batch.Batch) {}); err != nil {
		t.Fatal(err)
	}
	if b = w.run(r, b.ID, signedIn); b.Working || b.Count().Failed != items || len(b.Halted) != items {
		t.Errorf("%+v, halted in %d, ended %v", b.Count(), len(b.Halted), b.Ended)
	}
}
