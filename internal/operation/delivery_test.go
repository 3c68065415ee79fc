package operation_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/patdesk/patdesk/internal/batch"
	"github.com/patdesk/patdesk/internal/operation"
)

var errReset = errors.New("connection reset by peer")

// shown counts how often it was told that an operation's secret was shown.
func (w *world) shown(id string) (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range w.events[id] {
		if e.Step == operation.ShowingSecret {
			n++
		}
	}
	return n
}

// unkept sends a form whose secret the store can't take, for each of these answers, which are all still to be written.
func (w *world) unkept(r *replica, q operation.Request, answers ...*operation.Delivery) *operation.Operation {
	w.t.Helper()
	r.store.failing(refuse("create", "secret", before))
	done := make(chan *operation.Operation, len(answers))
	send := func(d *operation.Delivery) {
		p := q
		p.Delivery = d
		done <- w.do(r, p)
	}
	w.azure.fail(func(_ context.Context, call string) error {
		if call == "create" { // more clicks meanwhile
			for _, d := range answers[1:] {
				go send(d)
			}
			awaitReaders(r, len(answers))
		}
		return nil
	}, nil)
	send(answers[0])
	var op *operation.Operation
	for range answers {
		if op = <-done; op.Unkept == "" {
			w.t.Error("a reader didn't get the secret")
		}
	}
	w.azure.fail(nil, nil)
	r.store.failing(nil)
	return op
}

// A secret that is in no store has been read when one answer with it was written, whichever; otherwise its token goes.
// Until then nothing is said of it that isn't known.
func TestUnkeptSecretIsReadWhenItsAnswerIsWritten(t *testing.T) {
	t.Parallel()
	for _, action := range []operation.Action{operation.Create, operation.Rotate} {
		for _, results := range [][]error{{nil}, {errReset}, {nil, nil}, {nil, errReset}, {errReset, nil}, {errReset, errReset}, {errReset, context.Canceled, nil}} {
			t.Run(fmt.Sprint(action, results), func(t *testing.T) {
				w := newWorld(t)
				r := w.replica()
				var answers []*operation.Delivery
				for range results {
					answers = append(answers, new(operation.Delivery))
				}
				op := w.unkept(r, w.request(r, action), answers...)
				token := op.Result.AuthorizationID
				written := 0
				for i, result := range results {
					if !answers[i].Awaited() || !answers[i].HandedOut() {
						t.Errorf("answer %d isn't waited for", i)
					}
					if now := w.get(w.replica(), op.ID); written == 0 && now.Phase() != operation.PhaseOrphaned {
						t.Errorf("before answer %d is written: %+v", i, now)
					}
					if !slices.Contains(w.azure.active(), token) {
						t.Errorf("revoked before answer %d is written", i)
					}
					answers[i].Done(result)
					answers[i].Done(errReset) // the first word counts
					if result == nil {
						written++
					}
					if n := w.shown(op.ID); n != written {
						t.Errorf("told to be shown %d times after %d written answers", n, written)
					}
				}
				now, err := w.replica().Wait(context.Background(), mona, op.ID) // until that is settled
				if err != nil {
					t.Fatal(err)
				}
				if alive := slices.Contains(w.azure.active(), token); alive != (written > 0) || now.Shown != alive || (now.Phase() == operation.PhaseSecretUnkept) != alive || (now.Phase() == operation.PhaseTakenBack) == alive {
					t.Errorf("%d written: token alive %t, %+v", written, alive, now)
				}
				if action == operation.Rotate && !slices.Contains(w.azure.active(), w.before) {
					t.Error("the old token was revoked")
				}
				w.wantCalls("create", 1)
			})
		}
	}
}

// Whoever looks while the answer is still being written waits for what becomes of it, and not for longer than they can.
func TestWaitForWhatBecomesOfAnUnkeptSecret(t *testing.T) {
	t.Parallel()
	for result, want := range map[error]string{nil: "shown", errReset: "revoked"} {
		w := newWorld(t)
		r := w.replica()
		answer := new(operation.Delivery)
		op := w.unkept(r, w.create(r), answer)
		short, cancel := context.WithTimeout(context.Background(), time.Millisecond)
		now, err := r.Wait(short, mona, op.ID)
		if cancel(); err != nil || now.Phase() != operation.PhaseOrphaned {
			t.Errorf("meanwhile: %+v, %v", now, err)
		}
		looks := make(chan *operation.Operation)
		for _, at := range []*replica{r, w.replica()} {
			go func() {
				now, err := at.Wait(context.Background(), mona, op.ID)
				if err != nil {
					t.Error(err)
				}
				looks <- now
			}()
		}
		answer.Done(result)
		for range 2 {
			if now := <-looks; now.Shown != (want == "shown") || now.OrphanRevoked != (want == "revoked") {
				t.Errorf("%s: %+v", want, now)
			}
		}
	}
}

// A store that fails for the outcome too gets all of it when it can: that the token was made, and what became of it.
func TestOutcomeOfAnUnkeptSecretIsRecordedLater(t *testing.T) {
	t.Parallel()
	for result, want := range map[error]string{nil: "shown", errReset: "revoked"} {
		w := newWorld(t)
		r := w.replica()
		q := w.create(r)
		q.Delivery = new(operation.Delivery)
		w.azure.fail(nil, func(_ context.Context, call string) error {
			if call == "create" {
				r.store.failing(func(call, _ string) fault {
					if call == "read" {
						return none
					}
					return before
				})
			}
			return nil
		})
		op := w.do(r, q)
		r.store.failing(nil)
		q.Delivery.Done(result)
		now, err := w.replica().Wait(context.Background(), mona, op.ID)
		if err != nil {
			t.Fatal(err)
		}
		w.wantState(now, operation.Succeeded)
		if now.Result == nil || now.Secret != operation.SecretUnkept || now.Shown != (want == "shown") || now.OrphanRevoked != (want == "revoked") {
			t.Errorf("%s: %+v", want, now)
		}
	}
}

// An answer that is never ended, as of a fault in its page, keeps a stop from being in order, and nothing else.
func TestDrainWaitsForAnswers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.replica()
	answer := new(operation.Delivery)
	op := w.unkept(r, w.create(r), answer)
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	if err := r.Drain(ended); err == nil {
		t.Error("Drain doesn't say that something was cut off")
	}
	if now := w.get(w.replica(), op.ID); now.Phase() != operation.PhaseOrphaned || len(w.pending(r)) != 1 {
		t.Errorf("cut off: %+v", now)
	}
	answer.Done(errReset)
}

// A secret that waits is shown as often as an answer with it is written.
func TestShowingIsReportedWhenWritten(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.replica()
	op := w.do(r, w.create(r))
	want := 0
	for _, result := range []error{nil, errReset, nil} {
		d := new(operation.Delivery)
		if secret, err := r.RevealSecret(context.Background(), d, mona, op.ID); err != nil || secret == "" || !d.HandedOut() || d.Awaited() {
			t.Fatalf("%q, %v", secret, err)
		}
		if n := w.shown(op.ID); n != want {
			t.Errorf("told %d times before it was written, want %d", n, want)
		}
		if d.Done(result); result == nil {
			want++
		}
		if n := w.shown(op.ID); n != want || d.HandedOut() {
			t.Errorf("told %d times after %v, want %d", n, result, want)
		}
		if _, err := r.RevealSecret(context.Background(), d, mona, op.ID); err != nil || w.shown(op.ID) != want { // too late for that answer
			t.Errorf("told %d times, %v", w.shown(op.ID), err)
		}
	}
}

// Nobody reads the operations of a batch: a secret that can't be kept is never called done.
func TestBatchWhoseSecretsCannotBeKept(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.replica()
	b := w.started(r, operation.Rotate, 3)
	r.store.failing(refuse("create", "secret", before))
	var seen []batch.Tally
	w.azure.fail(func(_ context.Context, call string) error {
		if call == "revoke" {
			now, err := w.replica().batches.Get(context.Background(), mona, b.ID)
			if err != nil {
				t.Error(err)
				return nil
			}
			w.mu.Lock()
			defer w.mu.Unlock()
			seen = append(seen, now.Count())
		}
		return nil
	}, nil)
	w.wantTally(w.run(r, b.ID, signedIn), batch.Tally{Failed: 3})
	for _, tally := range seen {
		if tally.Done > 0 || tally.Unknown == 0 {
			t.Errorf("before a token without a secret is revoked: %+v", tally)
		}
	}
	if len(seen) != 3 || len(w.azure.active()) != 3 {
		t.Errorf("%d revoked, alive: %v", len(seen), w.azure.active())
	}
}
