package operation_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/patdesk/patdesk/internal/batch"
	"github.com/patdesk/patdesk/internal/operation"
	"github.com/patdesk/patdesk/internal/session"
)

// unreadably runs a test in which records become unreadable: written by a newer release, or under a key that isn't
// here. hide does that, and what it returns makes the record readable again.
func unreadably(t *testing.T, test func(w *world, r *replica, hide func(kind, id string) (restore func()))) {
	for name, later := range map[string]bool{"a later version": true, "another key": false} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			r := w.replica()
			w.keys = [][]byte{key('b'), key('a')}
			newer := w.replica()
			w.keys = w.keys[1:]
			hide := func(kind, id string) func() {
				name := session.Key{Kind: kind, Group: mona, ID: id}.Name()
				was, _, err := r.store.Read(t.Context(), name)
				if err == nil {
					err = operation.Rewrite(newer.Journal, kind, mona, id, later)
				}
				if err != nil {
					t.Fatal(err)
				}
				return func() {
					_, version, err := r.store.Read(t.Context(), name)
					if err == nil {
						err = r.store.Update(t.Context(), name, version, was, w.clock.Now().AddDate(0, 0, 90))
					}
					if err != nil {
						t.Fatal(err)
					}
				}
			}
			test(w, r, hide)
		})
	}
}

// A form whose operation can't be read makes nothing again, and is never said to have made nothing. What leads to the
// operation stays for the program that can read it.
func TestUnreadableOperation(t *testing.T) {
	t.Parallel()
	unreadably(t, func(w *world, r *replica, hide func(kind, id string) func()) {
		q := w.create(r)
		op := w.do(r, q)
		restore := hide("operation", op.ID)
		for range 2 {
			if again, err := r.Do(context.Background(), w.azure, q); !errors.Is(err, operation.ErrUnreadable) || errors.Is(err, operation.ErrNotKept) {
				w.t.Errorf("Do: %+v, %v", again, err)
			}
			if again, sent, err := r.Repeat(context.Background(), q); !sent || !errors.Is(err, operation.ErrUnreadable) {
				w.t.Errorf("Repeat: %+v, %v, %v", again, sent, err)
			}
			w.wantPending(r)
			w.clock.Move(time.Minute)
		}
		if _, err := r.Get(context.Background(), mona, op.ID); !errors.Is(err, operation.ErrUnreadable) || !errors.Is(err, operation.ErrNotFound) {
			w.t.Errorf("Get: %v", err)
		}
		if _, err := r.Dismiss(context.Background(), mona, op.ID); !errors.Is(err, operation.ErrUnreadable) {
			w.t.Errorf("Dismiss: %v", err)
		}
		w.wantCalls("create", 1)
		w.wantKept(r, "unfinished", 1)
		restore()
		w.wantPending(r, op.ID)
		if w.reveal(r, op.ID) == "" {
			w.t.Error("its secret is gone")
		}
	})
}

// An item of a batch whose operation can't be read was begun: it isn't begun anew, however old its form is.
func TestUnreadableOperationOfABatch(t *testing.T) {
	t.Parallel()
	for _, action := range []operation.Action{operation.Rotate, operation.Revoke} {
		t.Run(string(action), func(t *testing.T) {
			unreadably(t, func(w *world, r *replica, hide func(kind, id string) func()) {
				b := w.run(r, w.started(r, action, 3).ID, signedIn)
				var restore []func()
				for i := range 2 {
					restore = append(restore, hide("operation", b.Items[i].Operation.ID))
				}
				calls := w.azure.count("create") + w.azure.count("revoke")
				w.clock.Move(14 * time.Hour)
				pick := func(*batch.Item) bool { return true }
				if err := r.batches.Resume(context.Background(), mona, b.ID, pick); err != nil {
					w.t.Error(err)
				}
				b = w.run(r, b.ID, signedIn)
				want := batch.Tally{Done: 1, Unknown: 2}
				if action == operation.Rotate {
					want.OldAlive = 1
				}
				w.wantTally(b, want)
				if n := w.azure.count("create") + w.azure.count("revoke"); n != calls {
					w.t.Errorf("%d calls were made", n-calls)
				}
				if err := r.batches.Dismiss(context.Background(), mona, b.ID); err != nil {
					w.t.Errorf("DismissBatch: %v", err)
				}
				for _, f := range restore {
					f()
				}
				if b, err := r.batches.Get(context.Background(), mona, b.ID); err != nil || b.Count().Done != 3 {
					w.t.Errorf("read again: %+v, %v", b, err)
				}
			})
		})
	}
}

// A batch that can't be read isn't taken for one that is gone: its operations stay with it.
func TestUnreadableBatch(t *testing.T) {
	t.Parallel()
	unreadably(t, func(w *world, r *replica, hide func(kind, id string) func()) {
		b := w.run(r, w.started(r, operation.Revoke, 3).ID, signedIn)
		restore := hide("batch", b.ID)
		operation.SetBound(r.Journal, "operation", 3)
		w.clock.Move(14 * time.Hour)
		w.wantFull(r, w.create(r), "operation")
		form := r.batches.Form(mona, operation.Revoke, b.ID)
		_, started := r.batches.Start(context.Background(), mona, b.ID, form, "", operation.Origin{}, func(*batch.Batch) {})
		for what, err := range map[string]error{
			"StartBatch": started, "RunBatch": r.batches.Run(context.Background(), batch.Caller{Service: w.azure, Ready: signedIn}, mona, b.ID), "StopBatch": r.batches.Stop(context.Background(), mona, b.ID),
		} {
			if !errors.Is(err, operation.ErrUnreadable) {
				w.t.Errorf("%s: %v", what, err)
			}
		}
		restore()
		w.wantTally(w.settled(r, b.ID), batch.Tally{Done: 3})
	})
}
