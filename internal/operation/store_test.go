package operation_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/patdesk/patdesk/internal/azuredevops"
	"github.com/patdesk/patdesk/internal/failure"
	"github.com/patdesk/patdesk/internal/operation"
)

// F5: if the claim or the intent can't be recorded, nothing is sent, and the same form can be sent again.
func TestNothingIsSentWithoutARecordedIntent(t *testing.T) {
	t.Parallel()
	faults := map[string]func(call, kind string) fault{
		"everything":                   func(string, string) fault { return before },
		"lock":                         refuse("lock", "operation", before),
		"marker":                       refuse("create", "unfinished", before),
		"marker, written all the same": refuse("create", "unfinished", after),
		"claim":                        refuse("create", "operation", before),
		"claim, written all the same":  refuse("create", "operation", after),
		"intent":                       refuse("update", "operation", before),
		"intent, written all the same": refuse("update", "operation", after),
	}
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			r := w.replica()
			q := w.create(r)
			r.store.failing(fault)
			if op, err := r.Do(context.Background(), w.azure, q); !errors.Is(err, operation.ErrNotKept) {
				t.Fatalf("Do = %+v, %v, want ErrNotKept", op, err)
			}
			w.wantCalls("create", 0)
			r.store.failing(nil)
			op := w.do(r, q)
			if name == "claim, written all the same" { // nobody works on that record: it says that nothing was done
				w.wantState(op, operation.Failed)
				w.wantPending(r)
				w.wantCalls("create", 0)
				return
			}
			w.wantState(op, operation.Succeeded)
			w.wantPending(r, op.ID)
			w.wantCalls("create", 1)
		})
	}
}

// F5: a claim that can't be taken back tells the truth too.
func TestIntentThatCannotBeTakenBackSaysThatNothingWasSent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.replica()
	q := w.create(r)
	claimed := false
	r.store.failing(func(call, kind string) fault {
		if claimed && call != "read" {
			return before
		}
		claimed = claimed || call == "create" && kind == "operation"
		return none
	})
	if _, err := r.Do(context.Background(), w.azure, q); !errors.Is(err, operation.ErrNotKept) {
		t.Fatalf("Do: %v, want ErrNotKept", err)
	}
	r.store.failing(nil)
	op := w.do(r, q)
	w.wantState(op, operation.Failed)
	if op.Failure == nil || op.Failure.Kind != failure.Interrupted {
		t.Errorf("failure = %+v, want interrupted", op.Failure)
	}
	w.wantCalls("create", 0)
	w.wantPending(r)
}

// F5: a secret that can't be kept is in the answer, for everybody who waits for it.
func TestSecretThatCannotBeKeptIsShownInTheAnswer(t *testing.T) {
	t.Parallel()
	for _, action := range []operation.Action{operation.Create, operation.Rotate} {
		t.Run(string(action), func(t *testing.T) {
			w := newWorld(t)
			r := w.replica()
			q := w.request(r, action)
			q.RevokeAtOnce = true
			r.store.failing(refuse("create", "secret", before))
			answers := make(chan *operation.Operation, 2)
			w.azure.fail(func(_ context.Context, call string) error {
				if call == "create" { // a second click meanwhile
					go func() { answers <- w.do(r, q) }()
					awaitReaders(r, 2)
				}
				return nil
			}, nil)
			answers <- w.do(r, q)
			for range 2 {
				op := <-answers
				w.wantState(op, operation.Succeeded)
				if op.Secret != operation.SecretUnkept || !strings.HasPrefix(op.Unkept, canary) {
					t.Errorf("secret = %q, in the answer: %t; want it unkept and in the answer", op.Secret, op.Unkept != "")
				}
			}
			w.wantCalls("create", 1)
			w.wantCalls("revoke", 0) // neither the new token nor, as its secret isn't durable, the old one
			w.checkUnkept(w.replica(), action)
		})
	}
}

// checkUnkept: later pages name the token until the person says that its secret is in place.
func (w *world) checkUnkept(r *replica, action operation.Action) {
	w.t.Helper()
	ctx := context.Background()
	ids := w.pending(r)
	if len(ids) != 1 {
		w.t.Fatalf("pending = %q, want one operation", ids)
	}
	op := w.get(r, ids[0])
	if op.Secret != operation.SecretUnkept || op.Result == nil || op.Unkept != "" {
		w.t.Errorf("kept operation = %+v, want unkept with its token", op)
	}
	if w.reveal(r, op.ID) != "" {
		w.t.Error("a secret that was not kept is revealed")
	}
	if op, err := r.Acknowledge(ctx, mona, op.ID); err != nil || op.Secret != operation.SecretSaved {
		w.t.Errorf("Acknowledge = %+v, %v", op, err)
	}
	if action == operation.Rotate {
		if op, err := r.RevokeOld(ctx, w.azure, mona, op.ID); err != nil || op.Old != operation.OldRevoked {
			w.t.Errorf("RevokeOld = %+v, %v", op, err)
		}
	}
	w.wantPending(r)
}

// The answer goes to whoever waits at that moment; here the first click's is lost and the second one's arrives.
func TestSecretThatCannotBeKeptGoesToTheReaderWhoIsThere(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.replica()
	r.store.failing(refuse("create", "secret", before))
	first := w.create(r)
	second := first
	first.Delivery = unread()
	answer := make(chan *operation.Operation, 1)
	w.azure.fail(func(_ context.Context, call string) error {
		if call == "create" {
			go func() { answer <- w.do(r, second) }()
			awaitReaders(r, 2)
		}
		return nil
	}, nil)
	w.do(r, first)
	if op := <-answer; !strings.HasPrefix(op.Unkept, canary) {
		t.Errorf("the reader who is there got %+v", op)
	}
	w.wantCalls("revoke", 0)
}

// F5, F9: nobody is there to read a secret that can't be kept. The new token is revoked, or else named.
func TestOrphanIsRevokedOrNamed(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name       string
		revokeErr  error
		store      func(call, kind string) fault
		revoked    bool
		candidates int
		calls      int
	}{
		{"revoked", nil, refuse("create", "secret", before), true, 0, 1},
		{"store quite gone", nil, func(call, kind string) fault {
			if call != "read" && kind != "unfinished" {
				return before
			}
			return none
		}, true, 0, 1},
		{"service refuses", refusal("revoke", azuredevops.KindForbidden, 403), refuse("create", "secret", before), false, 1, 1},
		{"service fails", lost("revoke", azuredevops.KindServer), refuse("create", "secret", before), false, 1, 3},
	}
	for _, action := range []operation.Action{operation.Create, operation.Rotate} {
		for _, test := range tests {
			t.Run(string(action)+", "+test.name, func(t *testing.T) {
				w := newWorld(t)
				r := w.replica()
				q := w.request(r, action)
				q.RevokeAtOnce = true
				q.Delivery = unread()
				w.azure.fail(func(_ context.Context, call string) error {
					switch call {
					case "create":
						r.store.failing(test.store)
					case "revoke":
						return test.revokeErr
					}
					return nil
				}, nil)
				op := w.do(r, q)
				if err := r.Drain(context.Background()); err != nil {
					t.Fatal(err)
				}
				r.store.failing(nil)
				w.wantCalls("create", 1)
				w.wantCalls("revoke", test.calls)
				if named := "authorizationId=" + w.azure.all()[len(w.azure.all())-1].AuthorizationID; !strings.Contains(w.log.String(), named) {
					t.Errorf("the log lacks %q:\n%s", named, w.log)
				}
				if w.before != "" && !slices.Contains(w.azure.active(), w.before) {
					t.Error("the old token was revoked")
				}
				w.azure.fail(nil, nil)
				w.checkOrphan(op.ID, test.revoked, test.candidates)
			})
		}
	}
}

// checkOrphan: the person is told, and can revoke what is left.
func (w *world) checkOrphan(id string, revoked bool, candidates int) {
	w.t.Helper()
	ctx := context.Background()
	r := w.replica()
	w.wantPending(r, id)
	op := w.get(r, id)
	if op.State == operation.Unknown { // the store was gone: the record could not say more
		if op := w.inTheEnd(r, id); len(op.Candidates) != 0 || !op.Reconciled {
			w.t.Errorf("operation = %+v, want that nothing is left", op)
		}
		return
	}
	if op.OrphanRevoked != revoked || len(op.Candidates) != candidates || op.Old != operation.OldNone {
		w.t.Errorf("operation = %+v, want orphan revoked %t, %d candidates, old token untouched", op, revoked, candidates)
	}
	if revoked {
		if _, err := r.Dismiss(ctx, mona, id); err != nil {
			w.t.Error(err)
		}
	} else {
		op, err := r.RevokeCandidate(ctx, w.azure, mona, id, op.Candidates[0].AuthorizationID)
		if err != nil || !op.OrphanRevoked {
			w.t.Errorf("RevokeCandidate = %+v, %v", op, err)
		}
	}
	w.wantPending(r)
}

// F5: the secret is kept but the outcome can't be recorded. The answer shows it, and the record finds its way later.
func TestSecretIsNotLostWithItsOutcome(t *testing.T) {
	t.Parallel()
	for _, action := range []operation.Action{operation.Create, operation.Rotate} {
		for _, there := range []bool{true, false} {
			w := newWorld(t)
			r := w.replica()
			q := w.request(r, action)
			if !there {
				q.Delivery = unread()
			}
			w.azure.fail(func(_ context.Context, call string) error {
				if call == "create" {
					r.store.failing(refuse("update", "operation", before))
				}
				return nil
			}, nil)
			op := w.do(r, q)
			w.wantState(op, operation.Succeeded)
			if there && op.Unkept == "" {
				t.Errorf("%s: the secret is not in the answer", action)
			}
			if err := r.Drain(context.Background()); err != nil {
				t.Fatal(err)
			}
			later := w.replica()
			w.wantPending(later, op.ID)
			kept := w.get(later, op.ID)
			w.wantState(kept, operation.Succeeded)
			if kept.Secret != operation.SecretWaiting || w.reveal(later, op.ID) == "" {
				t.Errorf("%s: secret = %q, want it waiting", action, kept.Secret)
			}
			if kept.Result == nil || action == operation.Rotate && kept.Old != operation.OldAlive {
				t.Errorf("%s: operation = %+v, want its token, and the old one alive", action, kept)
			}
			w.wantCalls("revoke", 0)
		}
	}
}

// A store that fails for a moment costs nothing.
func TestOutcomeIsRecordedDespitePassingFaults(t *testing.T) {
	t.Parallel()
	for _, how := range []fault{before, after} {
		for _, kind := range []string{"secret", "operation"} {
			w := newWorld(t)
			r := w.replica()
			left := 4
			w.azure.fail(nil, func(_ context.Context, call string) error {
				if call == "create" {
					r.store.failing(func(call, k string) fault {
						if k == kind && (call == "create" || call == "update") && left > 0 {
							left--
							return how
						}
						return none
					})
				}
				return nil
			})
			op := w.do(r, w.create(r))
			if op.Unkept != "" || op.Secret != operation.SecretWaiting || w.reveal(r, op.ID) == "" {
				t.Errorf("fault %d on %s: operation = %+v, want its secret waiting", how, kind, op)
			}
			w.wantPending(r, op.ID)
		}
	}
}

// A store that is emptied while the service works (an eviction, a flush) gets the record again.
func TestLostRecordIsWrittenAnew(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.replica()
	w.azure.fail(nil, func(_ context.Context, call string) error {
		if call == "create" {
			w.empty()
		}
		return nil
	})
	op := w.do(r, w.create(r))
	if op.Unkept != "" {
		t.Error("the secret counts as not kept")
	}
	later := w.replica()
	w.wantPending(later, op.ID)
	if w.reveal(later, op.ID) == "" {
		t.Error("the secret is lost")
	}
}

// Acknowledging is the person's word; a store fault must not make it look done.
func TestEditsReportStoreFaults(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.replica()
	op := w.do(r, w.create(r))
	r.store.failing(refuse("update", "operation", before))
	if _, err := r.Acknowledge(context.Background(), mona, op.ID); err == nil {
		t.Error("Acknowledge says nothing of the store's fault")
	}
	r.store.failing(refuse("delete", "secret", before))
	if _, err := r.Acknowledge(context.Background(), mona, op.ID); err == nil {
		t.Error("Acknowledge says nothing of the secret that is still there")
	}
	r.store.failing(nil)
	if w.reveal(r, op.ID) != "" {
		t.Error("an acknowledged secret is revealed")
	}
}
