package operation_test

import (
	"context"
	"errors"
	"strconv"
	"testing"

	"github.com/patdesk/patdesk/internal/azuredevops"
	"github.com/patdesk/patdesk/internal/operation"
	"github.com/patdesk/patdesk/internal/session"
)

// finish carries out n operations that need nobody any more.
func (w *world) finish(r *replica, n int) {
	w.t.Helper()
	for range n {
		op := w.do(r, w.create(r))
		if _, err := r.Acknowledge(context.Background(), mona, op.ID); err != nil {
			w.t.Fatal(err)
		}
	}
}

// Pending runs on every page view: what is finished must not cost anything there.
func TestPendingReadsOnlyWhatIsPending(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.replica()
	w.finish(r, 20)
	r.store.calls = nil
	w.wantPending(r)
	if len(r.store.calls) != 1 || r.store.calls[0] != "list unfinished" {
		t.Errorf("with nothing pending: %q, want one listing", r.store.calls)
	}
	op := w.do(r, w.create(r))
	r.store.calls = nil
	w.wantPending(r, op.ID)
	if len(r.store.calls) != 2 {
		t.Errorf("with one pending operation: %q, want a listing and one read", r.store.calls)
	}
}

// A marker that a crash left over goes at the next look.
func TestPendingTidiesUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.replica()
	op := w.do(r, w.create(r))
	r.store.failing(refuse("delete", "unfinished", before))
	if _, err := r.Acknowledge(context.Background(), mona, op.ID); err != nil {
		t.Fatal(err)
	}
	r.store.failing(func(call, kind string) fault {
		if call == "create" && kind == "operation" || call == "delete" {
			return before
		}
		return none
	})
	if _, err := r.Do(context.Background(), w.azure, w.create(r)); err == nil {
		t.Fatal("the claim was recorded")
	}
	r.store.failing(nil)
	for range 2 {
		w.wantPending(r)
	}
	r.store.calls = nil
	w.wantPending(r)
	if len(r.store.calls) != 1 {
		t.Errorf("markers are left over: %q", r.store.calls)
	}
}

// The marker of an operation that one process settles while another one reopens it is there in the end, whoever is
// first.
func TestMarkerSurvivesSettlingAndReopeningAtOnce(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	refused := on("revoke", refusal("revoke", azuredevops.KindForbidden, 403))
	halfWay := func(w *world, r *replica) string { // a rotation that needs only a word on its old token
		op := w.do(r, w.request(r, operation.Rotate))
		if _, err := r.Acknowledge(ctx, mona, op.ID); err != nil {
			w.t.Fatal(err)
		}
		w.azure.fail(refused, nil)
		return op.ID
	}
	reopen := func(w *world, r *replica, id string) {
		if op, err := r.RevokeOld(ctx, w.azure, mona, id); err != nil || op.Old != operation.OldFailed {
			w.t.Errorf("RevokeOld = %+v, %v", op, err)
		}
	}
	t.Run("reopened before the marker is deleted", func(t *testing.T) {
		w := newWorld(t)
		here, elsewhere := w.replica(), w.replica()
		id := halfWay(w, here)
		here.store.failing(func(call, kind string) fault {
			if call == "delete" && kind == "unfinished" {
				reopen(w, elsewhere, id)
			}
			return none
		})
		if _, err := here.KeepOld(ctx, mona, id); err != nil {
			t.Fatal(err)
		}
		w.wantPending(elsewhere, id)
	})
	t.Run("deleted before the reopening is written", func(t *testing.T) {
		w := newWorld(t)
		r := w.replica()
		id := halfWay(w, r)
		if _, err := r.KeepOld(ctx, mona, id); err != nil {
			t.Fatal(err)
		}
		marker, once := session.Key{Kind: "unfinished", Group: mona, ID: id}.Name(), true
		r.store.failing(func(call, kind string) fault {
			if call == "update" && kind == "operation" && once {
				once = false
				if err := r.store.Backend.Delete(ctx, marker); err != nil {
					t.Error(err)
				}
			}
			return none
		})
		reopen(w, r, id)
		w.wantPending(w.replica(), id)
	})
}

// Somebody has more tokens than fit into one record.
func TestManyTokensDoNotStopACreate(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.replica()
	for i := range 30_000 {
		w.azure.make("machine "+strconv.Itoa(i), scopes, expires)
	}
	w.wantState(w.do(r, w.create(r)), operation.Succeeded)
}

// Records of finished operations are dropped after 30 days, of unfinished ones after 90: later than a form can be sent.
func TestRecordsOutliveTheirForms(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.replica()
	w.finish(r, 1)
	pending := w.do(r, w.create(r))
	count := func() int {
		recent, err := r.Recent(context.Background(), mona, 10)
		if err != nil {
			t.Fatal(err)
		}
		return len(recent)
	}
	for _, step := range []struct{ day, want int }{{29, 2}, {31, 1}, {89, 1}, {91, 0}} {
		w.clock.Set(start.AddDate(0, 0, step.day))
		if got := count(); got != step.want {
			t.Errorf("after %d days %d operations are kept, want %d", step.day, got, step.want)
		}
	}
	if _, err := r.Get(context.Background(), mona, pending.ID); !errors.Is(err, operation.ErrNotFound) {
		t.Errorf("Get: %v, want ErrNotFound", err)
	}
}

func BenchmarkPending(b *testing.B) {
	w := newWorld(b)
	r := w.replica()
	w.finish(r, 1000)
	b.Run("none of 1000", func(b *testing.B) {
		for b.Loop() {
			w.pending(r)
		}
	})
	for range 3 {
		w.do(r, w.create(r))
	}
	b.Run("3 of 1003", func(b *testing.B) {
		for b.Loop() {
			w.pending(r)
		}
	})
}

func BenchmarkRecent(b *testing.B) {
	w := newWorld(b)
	r := w.replica()
	w.finish(r, 1000)
	for b.Loop() {
		if _, err := r.Recent(context.Background(), mona, 50); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCreate(b *testing.B) {
	w := newWorld(b)
	r := w.replica()
	for b.Loop() {
		w.do(r, w.create(r))
		w.azure.tokens = nil
	}
}
