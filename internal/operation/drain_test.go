package operation_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/patdesk/patdesk/internal/batch"
	"github.com/patdesk/patdesk/internal/failure"
	"github.com/patdesk/patdesk/internal/operation"
)

// blocked makes calls wait; begun is closed when the first one does.
func (w *world) blocked(call string) (begun <-chan struct{}, goOn func()) {
	start, end := make(chan struct{}), make(chan struct{})
	var first sync.Once
	w.azure.fail(func(_ context.Context, c string) error {
		if c == call {
			first.Do(func() {
				close(start)
				<-end
			})
		}
		return nil
	}, nil)
	return start, func() { close(end) }
}

// inBackground sends q and returns at once.
func (w *world) inBackground(r *replica, q operation.Request) <-chan *operation.Operation {
	answer := make(chan *operation.Operation, 1)
	go func() { answer <- w.do(r, q) }()
	return answer
}

func TestDrainWaitsForWorkInFlight(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.replica()
	done := w.do(r, w.create(r))
	other := w.create(r)
	begun, goOn := w.blocked("create")
	answer := w.inBackground(r, w.create(r))
	<-begun
	drained := make(chan error, 1)
	go func() { drained <- r.Drain(context.Background()) }()
	for !operation.Stopping(r.Journal) {
		pause()
	}
	_, err := r.Do(context.Background(), w.azure, other)
	if !errors.Is(err, operation.ErrStopping) || !errors.Is(err, operation.ErrNotKept) {
		t.Errorf("new work: %v, want ErrStopping", err)
	}
	if _, err := r.RevokeOld(context.Background(), w.azure, mona, done.ID); !errors.Is(err, operation.ErrStopping) {
		t.Errorf("RevokeOld: %v, want ErrStopping", err)
	}
	if w.reveal(r, done.ID) == "" {
		t.Error("what is finished can't be read")
	}
	select {
	case err := <-drained:
		t.Fatalf("Drain did not wait: %v", err)
	default:
	}
	goOn()
	w.wantState(<-answer, operation.Succeeded)
	if err := <-drained; err != nil {
		t.Errorf("Drain: %v", err)
	}
}

func TestDrainWithNothingInFlight(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.replica()
	q := w.create(r)
	op := w.do(r, q)
	if err := r.Drain(context.Background()); err != nil {
		t.Errorf("Drain: %v", err)
	}
	if again := w.do(r, q); again.ID != op.ID { // a form that was sent before still leads to its operation
		t.Errorf("operation = %s, want %s", again.ID, op.ID)
	}
}

// What can't finish is recorded as unknown, before the process ends; if it finishes after all, that counts.
func TestDrainCutsOff(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		blocked string
		state   operation.State // when cut off
		final   operation.State // when the worker could go on
	}{
		{"create", operation.Unknown, operation.Succeeded},
		{"list", operation.Failed, operation.Failed}, // before the intent: nothing was sent, and nothing will be
	} {
		t.Run(test.blocked, func(t *testing.T) {
			w := newWorld(t)
			r := w.replica()
			begun, goOn := w.blocked(test.blocked)
			answer := w.inBackground(r, w.create(r))
			<-begun
			ended, cancel := context.WithCancel(context.Background())
			cancel()
			err := r.Drain(ended)
			if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), " 1 ") {
				t.Errorf("Drain: %v, want that 1 was cut off", err)
			}
			recent, recentErr := w.replica().Recent(context.Background(), mona, 1)
			if recentErr != nil || len(recent) != 1 {
				t.Fatalf("recent = %+v, %v", recent, recentErr)
			}
			w.wantState(&recent[0], test.state)
			if recent[0].Failure == nil || recent[0].Failure.Kind != failure.Interrupted {
				t.Errorf("failure = %+v, want interrupted", recent[0].Failure)
			}
			goOn()
			w.wantState(<-answer, test.final)
			if test.final == operation.Succeeded {
				w.wantPending(w.replica(), recent[0].ID)
				if w.reveal(w.replica(), recent[0].ID) == "" {
					t.Error("the secret is lost")
				}
				return
			}
			w.wantCalls("create", 0)
			w.wantPending(w.replica())
		})
	}
}

// From EndBackground on a batch begins nothing more, and none is begun, while what people ask for singly is still done.
// What is left can be gone on with elsewhere.
func TestEndBackgroundEndsBatches(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r, other := w.replica(), w.replica()
	b, later := w.started(r, operation.Rotate, 10), w.started(r, operation.Revoke, 2)
	begun, goOn := make(chan struct{}, 10), make(chan struct{})
	w.azure.fail(func(_ context.Context, call string) error {
		if call == "create" {
			begun <- struct{}{}
			<-goOn
		}
		return nil
	}, nil)
	if err := r.batches.Run(context.Background(), batch.Caller{Service: w.azure, Ready: signedIn}, mona, b.ID); err != nil {
		t.Fatal(err)
	}
	for range 3 { // as many as are in flight in one organization
		<-begun
	}
	r.EndBackground()
	if err := r.batches.Run(context.Background(), batch.Caller{Service: w.azure, Ready: signedIn}, mona, later.ID); !errors.Is(err, operation.ErrStopping) {
		t.Errorf("RunBatch: %v, want ErrStopping", err)
	}
	single := w.inBackground(r, w.create(r))
	<-begun
	close(goOn)
	w.wantState(<-single, operation.Succeeded)
	b = w.settled(other, b.ID)
	w.wantTally(b, batch.Tally{Done: 3, Secrets: 3, OldAlive: 3, NotBegun: 7})
	w.wantCalls("create", 4)
	w.wantCalls("revoke", 0)
	if b.Halt == nil || b.Halt.Kind != failure.Interrupted {
		t.Errorf("halt = %+v, want interrupted", b.Halt)
	}
	for id, want := range map[string]batch.Tally{b.ID: {Done: 10, Secrets: 10, OldAlive: 10}, later.ID: {Done: 2}} {
		if err := other.batches.Resume(context.Background(), mona, id, func(*batch.Item) bool { return false }); err != nil {
			t.Fatal(err)
		}
		if b := w.run(other, id, signedIn); b.Count() != want || b.Halt != nil {
			t.Errorf("gone on with elsewhere: %+v, %+v", b.Count(), b.Halt)
		}
	}
}
