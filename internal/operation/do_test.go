package operation_test

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/patdesk/patdesk/internal/azuredevops"
	"github.com/patdesk/patdesk/internal/failure"
	"github.com/patdesk/patdesk/internal/operation"
)

func TestCreateKeepsTheSecretUntilItIsSaved(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.replica()
	op := w.do(r, w.create(r))
	w.wantState(op, operation.Succeeded)
	if op.Unkept != "" || op.Secret != operation.SecretWaiting || !op.SecretUntil.Equal(start.Add(shown)) {
		t.Errorf("secret = %q until %v, unkept %t", op.Secret, op.SecretUntil, op.Unkept != "")
	}
	if op.Result == nil || op.Result.DisplayName != "build agent" {
		t.Errorf("result = %+v", op.Result)
	}
	for range 3 { // reading consumes nothing
		if got := w.reveal(r, op.ID); got != canary+"000001" {
			t.Fatalf("secret = %q", got)
		}
	}
	w.wantPending(r, op.ID)
	for range 2 {
		saved, err := r.Acknowledge(context.Background(), mona, op.ID)
		if err != nil || saved.Secret != operation.SecretSaved {
			t.Fatalf("Acknowledge = %+v, %v", saved, err)
		}
	}
	if got := w.reveal(r, op.ID); got != "" {
		t.Error("the secret can still be had")
	}
	w.wantPending(r)
}

// F1: twenty sendings over two processes make one token and all lead to the same secret.
func TestManySendingsMakeOneToken(t *testing.T) {
	t.Parallel()
	for _, action := range operation.Actions() {
		t.Run(string(action), func(t *testing.T) {
			w := newWorld(t)
			replicas := []*replica{w.replica(), w.replica()}
			q := w.request(replicas[0], action)
			ops := make([]*operation.Operation, 20)
			var wg sync.WaitGroup
			for i := range ops {
				wg.Go(func() { ops[i] = w.do(replicas[i%2], q) })
			}
			wg.Wait()
			for i, op := range ops {
				if op == nil || op.ID != ops[0].ID || op.State != operation.Succeeded {
					t.Errorf("sending %d got %+v, want the operation %s succeeded", i, op, ops[0].ID)
				}
			}
			call := map[operation.Action]string{operation.Rotate: "create"}[action]
			if call == "" {
				call = string(action)
			}
			w.wantCalls(call, 1)
			if call == "create" && w.reveal(replicas[0], ops[0].ID) != w.reveal(replicas[1], ops[0].ID) {
				t.Error("two processes tell two secrets")
			}
		})
	}
}

// Another process carries out the whole operation just between this one's look for its record and its taking the lock.
func TestFormIsClaimedOnceEvenBetweenLookAndLock(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	here, elsewhere := w.replica(), w.replica()
	q := w.create(here)
	var first *operation.Operation
	here.store.failing(func(call, _ string) fault {
		if call == "lock" && first == nil {
			first = w.do(elsewhere, q)
			if _, err := elsewhere.Acknowledge(context.Background(), mona, first.ID); err != nil {
				t.Error(err)
			}
		}
		return none
	})
	if op := w.do(here, q); op.ID != first.ID || op.Secret != operation.SecretSaved {
		t.Errorf("operation = %+v, want %s as it was finished elsewhere", op, first.ID)
	}
	w.wantCalls("create", 1)
	here.store.failing(nil)
	w.wantPending(here)
	here.store.calls = nil
	w.wantPending(here)
	if len(here.store.calls) != 1 {
		t.Errorf("a marker is left over: %q", here.store.calls)
	}
}

// F2: the browser goes away before, while and after the service works. The next page has the banner, and it leads to
// the secret.
func TestWorkGoesOnWithoutTheBrowser(t *testing.T) {
	t.Parallel()
	cancelAt := map[string]func(cancel func()) (before, after func(context.Context, string) error){
		"before the call": func(cancel func()) (_, _ func(context.Context, string) error) {
			return func(_ context.Context, call string) error {
				if call == "list" {
					cancel()
				}
				return nil
			}, nil
		},
		"during the call": func(cancel func()) (_, _ func(context.Context, string) error) {
			return func(ctx context.Context, call string) error {
				if call == "create" {
					cancel()
				}
				return ctx.Err()
			}, nil
		},
		"as the answer comes": func(cancel func()) (_, _ func(context.Context, string) error) {
			return nil, func(ctx context.Context, call string) error {
				if call == "create" {
					cancel()
				}
				return ctx.Err()
			}
		},
	}
	for name, hooks := range cancelAt {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			r := w.replica()
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			w.azure.fail(hooks(cancel))
			op, err := r.Do(ctx, w.azure, w.create(r))
			if err != nil {
				t.Fatal(err)
			}
			op, err = r.Wait(context.Background(), mona, op.ID)
			if err != nil {
				t.Fatal(err)
			}
			w.wantState(op, operation.Succeeded)
			w.wantPending(r, op.ID)
			if w.reveal(r, op.ID) == "" {
				t.Error("the secret is lost")
			}
		})
	}
}

func TestDoReturnsInProgressWhenItsTimeIsUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	here, elsewhere := w.replica(), w.replica()
	ctx, cancel := context.WithCancel(context.Background())
	goOn := make(chan struct{})
	w.azure.fail(func(_ context.Context, call string) error {
		if call == "create" {
			cancel()
			<-goOn
		}
		return nil
	}, nil)
	q := w.create(here)
	for _, r := range []*replica{here, elsewhere} {
		op, err := r.Do(ctx, w.azure, q)
		if err != nil {
			t.Fatal(err)
		}
		w.wantState(op, operation.Sent)
		w.wantState(w.get(r, op.ID), operation.Sent)
		w.wantPending(r, op.ID)
	}
	waited := make(chan *operation.Operation)
	id := w.pending(here)[0]
	go func() {
		op, err := elsewhere.Wait(context.Background(), mona, id)
		if err != nil {
			t.Error(err)
		}
		waited <- op
	}()
	close(goOn)
	w.wantState(<-waited, operation.Succeeded)
	w.wantCalls("create", 1)
}

// F3, F4: what the service did with a create whose answer failed.
func TestCreateOutcomes(t *testing.T) {
	t.Parallel()
	signIn := errors.New("sign in again")
	tests := []struct {
		name       string
		before     error
		after      error
		state      operation.State
		kind       string
		candidates int
	}{
		{"reset after creating", nil, lost("create", azuredevops.KindConnection), operation.Unknown, "connection", 1},
		{"timeout after creating", nil, lost("create", azuredevops.KindTimeout), operation.Unknown, "timeout", 1},
		{"500 after creating", nil, lost("create", azuredevops.KindServer), operation.Unknown, "server", 1},
		{"cut body", nil, lost("create", azuredevops.KindNotUnderstood), operation.Unknown, "notUnderstood", 1},
		{"huge body", nil, lost("create", azuredevops.KindTooLarge), operation.Unknown, "tooLarge", 1},
		{"our own deadline", nil, context.DeadlineExceeded, operation.Unknown, "timeout", 1},
		{"reset before creating", lost("create", azuredevops.KindConnection), nil, operation.Unknown, "connection", 0},
		{"503 before creating", lost("create", azuredevops.KindUnavailable), nil, operation.Unknown, "unavailable", 0},
		{"429", refusal("create", azuredevops.KindThrottled, 429), nil, operation.Unknown, "throttled", 0},
		{"403", refusal("create", azuredevops.KindForbidden, 403), nil, operation.Failed, "forbidden", 0},
		{"policy", refusal("create", "fullScopePatPolicyViolation", 400), nil, operation.Failed, "fullScopePatPolicyViolation", 0},
		{"no access token", signIn, nil, operation.Failed, "other", 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t)
			r := w.replica()
			w.azure.make("build agent", []string{"vso.code", "vso.build"}, start.AddDate(0, 0, 90)) // there before
			w.azure.fail(on("create", test.before), on("create", test.after))
			op := w.do(r, w.create(r))
			w.wantState(op, test.state)
			w.wantCalls("create", 1)
			w.wantCalls("revoke", 0)
			if op.Failure == nil || op.Failure.Kind != test.kind {
				t.Errorf("failure = %+v, want kind %s", op.Failure, test.kind)
			}
			if test.state == operation.Failed {
				w.wantPending(r)
				return
			}
			w.wantPending(r, op.ID)
			if len(op.Candidates) != test.candidates || op.Reconciled {
				t.Fatalf("candidates = %+v, reconciled %t, want %d", op.Candidates, op.Reconciled, test.candidates)
			}
			if last := w.inTheEnd(r, op.ID); len(last.Candidates) != test.candidates || !last.Reconciled {
				t.Errorf("in the end: %+v", last)
			}
			if test.candidates == 1 && op.Candidates[0].AuthorizationID != w.azure.active()[1] {
				t.Errorf("candidate = %s, want the new token", op.Candidates[0].AuthorizationID)
			}
		})
	}
}

func TestFailureKeepsWhatSupportNeeds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.replica()
	w.azure.fail(on("create", &azuredevops.Error{
		Kind: azuredevops.KindClaims, Status: 401, Code: "TF400813", ActivityID: "activity-7", RetryAfter: time.Minute, Claims: `{"a":1}`,
	}), nil)
	id := w.do(r, w.create(r)).ID
	want := failure.Failure{
		Source: failure.SourceAzureDevOps, Kind: "claims", Status: 401, Code: "TF400813", ActivityID: "activity-7",
		RetryAfter: time.Minute, Claims: `{"a":1}`, Organization: "contoso",
	}
	if got := w.get(w.replica(), id).Failure; got == nil || *got != want {
		t.Errorf("failure = %+v, want %+v", got, want)
	}
}

// F7: the redirect to the operation's page got lost; any later page knows of the secret.
func TestPendingLeadsToTheSecretWhenTheAnswerWasLost(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.replica()
	w.do(r, w.create(r))
	other := w.replica()
	ids := w.pending(other)
	if len(ids) != 1 || w.reveal(other, ids[0]) == "" {
		t.Errorf("pending = %q, want one operation with its secret", ids)
	}
}

// F8: much is going on for the same person while a token is made.
func TestSecretSurvivesParallelRequests(t *testing.T) {
	t.Parallel()
	const iterations = 6
	w := newWorld(t)
	r := []*replica{w.replica(), w.replica()}
	for i := range iterations {
		q := w.create(r[0])
		other := w.do(r[0], w.create(r[0]))
		w.azure.fail(nil, func(_ context.Context, call string) error {
			if call != "create" {
				return nil
			}
			var wg sync.WaitGroup
			for n := range 50 {
				wg.Go(func() { disturb(t, r[n%2], other.ID) })
			}
			wg.Wait()
			return nil
		})
		op := w.do(r[i%2], q)
		w.azure.fail(nil, nil)
		if secret := w.reveal(r[(i+1)%2], op.ID); secret == "" {
			t.Fatalf("iteration %d: the secret is lost", i)
		}
		w.wantPending(r[0], op.ID)
		if _, err := r[0].Acknowledge(context.Background(), mona, op.ID); err != nil {
			t.Fatal(err)
		}
	}
}

// disturb does what pages do.
func disturb(t *testing.T, r *replica, other string) {
	t.Helper()
	ctx := context.Background()
	_, pendingErr := r.Pending(ctx, mona)
	_, recentErr := r.Recent(ctx, mona, 5)
	_, getErr := r.Get(ctx, mona, other)
	_, revealErr := r.RevealSecret(ctx, nil, mona, other)
	_, ackErr := r.Acknowledge(ctx, mona, other)
	if err := errors.Join(pendingErr, recentErr, getErr, revealErr, ackErr); err != nil {
		t.Error(err)
	}
}

// F9, F12: an operation belongs to the person, not the session: whoever signs in again finds it, as long as its time
// lasts.
func TestSecretIsFoundAgainInItsTime(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.replica()
	op := w.do(r, w.create(r))
	w.clock.Move(shown - time.Second)
	later := w.replica()
	if w.reveal(later, op.ID) == "" {
		t.Error("the secret is gone a second before its time is over")
	}
	w.clock.Move(time.Second)
	if w.reveal(later, op.ID) != "" {
		t.Error("the secret can be had after its time")
	}
	if got := w.get(later, op.ID).Secret; got != operation.SecretExpired {
		t.Errorf("secret = %q, want expired", got)
	}
	w.clock.Move(89 * 24 * time.Hour) // the secret's record is long swept; the person is still told
	w.wantPending(later, op.ID)
	if op, err := later.Dismiss(context.Background(), mona, op.ID); err != nil || !op.Dismissed {
		t.Errorf("Dismiss = %+v, %v", op, err)
	}
	w.wantPending(later)
	recent, err := later.Recent(context.Background(), mona, 10)
	if err != nil || len(recent) != 1 || recent[0].Secret != operation.SecretExpired {
		t.Errorf("recent = %+v, %v", recent, err)
	}
}

// Where there is no secret, no rotation and no doubt, these steps change nothing.
func TestStepsThatDoNotApply(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.replica()
	ctx := context.Background()
	op := w.do(r, w.request(r, operation.Update))
	steps := map[string]func(context.Context, string, string) (*operation.Operation, error){
		"Acknowledge": r.Acknowledge, "Dismiss": r.Dismiss, "KeepOld": r.KeepOld,
		"RevokeOld": func(ctx context.Context, person, id string) (*operation.Operation, error) {
			return r.RevokeOld(ctx, w.azure, person, id)
		},
	}
	for name, step := range steps {
		if got, err := step(ctx, mona, op.ID); err != nil || !reflect.DeepEqual(got, w.get(r, op.ID)) || got.Secret != operation.SecretNone || got.Old != operation.OldNone || got.Dismissed {
			t.Errorf("%s = %+v, %v, want the operation as it was", name, got, err)
		}
	}
	w.wantCalls("revoke", 0)
}

func TestWaitingSecretCannotBeDismissed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.replica()
	op := w.do(r, w.create(r))
	if op, err := r.Dismiss(context.Background(), mona, op.ID); err != nil || op.Dismissed {
		t.Errorf("Dismiss = %+v, %v", op, err)
	}
	w.wantPending(r, op.ID)
}

// F16: the keys change while a secret waits.
func TestSecretSurvivesNewKeys(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	old := w.replica()
	unsent := w.create(old)
	op := w.do(old, w.create(old))
	w.keys = [][]byte{key('b'), key('a')}
	rolled := w.replica()
	if w.reveal(rolled, op.ID) == "" {
		t.Error("the secret can't be read with the new key in front")
	}
	w.do(rolled, unsent) // a form drawn before is still good
	newer := w.do(rolled, w.create(rolled))
	w.keys = [][]byte{key('a'), key('b')} // the other replica is still to roll
	if w.reveal(w.replica(), newer.ID) == "" {
		t.Error("the other replica can't read the secret")
	}
}

// F17: a replica's clock is an hour off. It may tell times wrongly; it must not destroy anything or fall over.
func TestClockSkew(t *testing.T) {
	t.Parallel()
	for _, skew := range []time.Duration{-time.Hour, time.Hour} {
		t.Run(skew.String(), func(t *testing.T) {
			w := newWorld(t)
			right := w.replica()
			skewed := w.replicaAt(func() time.Time { return w.clock.Now().Add(skew) })
			op := w.do(right, w.create(right))
			if got := w.get(skewed, op.ID); got.Secret == operation.SecretExpired && skew < 0 {
				t.Error("a slow clock ends the display time")
			}
			w.wantPending(skewed, op.ID)
			w.reveal(skewed, op.ID)
			if _, err := skewed.Recent(context.Background(), mona, 10); err != nil {
				t.Error(err)
			}
			if w.reveal(right, op.ID) == "" {
				t.Error("the replica with the right clock has lost the secret")
			}
			// A token that is made with a skewed clock and lost is named all the same.
			w.azure.fail(nil, on("create", lost("create", azuredevops.KindConnection)))
			if op := w.do(skewed, w.create(skewed)); len(op.Candidates) != 1 {
				t.Errorf("candidates = %+v, want the new token", op.Candidates)
			}
		})
	}
}

func TestRecentIsNewestFirst(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.replica()
	var want []string
	for range 5 {
		op := w.do(r, w.create(r))
		want = slices.Insert(want, 0, op.ID)
		w.clock.Move(time.Minute)
	}
	w.wantPending(r, want...)
	recent, err := r.Recent(context.Background(), mona, 3)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, op := range recent {
		got = append(got, op.ID)
	}
	if !reflect.DeepEqual(got, want[:3]) {
		t.Errorf("recent = %q, want %q", got, want[:3])
	}
}

// A fault in a worker must neither end the program nor leave its form hanging.
func TestPanicBecomesUnknown(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.replica()
	w.azure.fail(nil, func(_ context.Context, call string) error {
		if call == "create" {
			panic(canary + "in a panic's value")
		}
		return nil
	})
	op := w.do(r, w.create(r))
	w.wantState(op, operation.Unknown)
	w.azure.fail(nil, nil)
	op, err := r.Reconcile(context.Background(), w.azure, mona, op.ID)
	if err != nil || len(op.Candidates) != 1 {
		t.Errorf("Reconcile = %+v, %v, want one candidate", op, err)
	}
}
