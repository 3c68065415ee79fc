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
	"github.com/patdesk/patdesk/internal/operation"
)

func TestRotateMakesALikeTokenAndThenRevokesTheOld(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.replica()
	q := w.request(r, operation.Rotate)
	op := w.do(r, q)
	w.wantState(op, operation.Succeeded)
	if op.Result.DisplayName != "deploy" || !reflect.DeepEqual(op.Result.Scopes, []string{"vso.release"}) || !op.Result.ValidTo.Equal(q.Want.ValidTo) {
		t.Errorf("new token = %+v, want it like the old one", op.Result)
	}
	if op.Old != operation.OldAlive || len(w.azure.active()) != 2 {
		t.Errorf("old token = %q, want it alive", op.Old)
	}
	// Half-way: visible after a restart, and also when the secret is saved.
	later := w.replica()
	if _, err := later.Acknowledge(context.Background(), mona, op.ID); err != nil {
		t.Fatal(err)
	}
	w.wantPending(later, op.ID)
	for range 2 {
		op, err := later.RevokeOld(context.Background(), w.azure, mona, op.ID)
		if err != nil || op.Old != operation.OldRevoked {
			t.Fatalf("RevokeOld = %+v, %v", op, err)
		}
	}
	w.wantCalls("revoke", 1)
	if got := w.azure.active(); !reflect.DeepEqual(got, []string{op.Result.AuthorizationID}) {
		t.Errorf("active tokens = %q, want the new one", got)
	}
	w.wantPending(later)
}

func TestRotateWithOtherScopes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.replica()
	q := w.request(r, operation.Rotate)
	q.Want.Scopes, q.Want.DisplayName = []string{"vso.code"}, "ignored"
	if op := w.do(r, q); !reflect.DeepEqual(op.Result.Scopes, []string{"vso.code"}) || op.Result.DisplayName != "deploy" {
		t.Errorf("new token = %+v", op.Result)
	}
}

// F10: revoking the old token fails in every way. The secret is there, the old token is told to be alive, and trying
// again clears it.
func TestRotateTellsThatTheOldTokenIsStillAlive(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		before error // of the revoke calls
		after  error
		times  int // how many of them fail
		calls  int
		old    operation.OldState
		kind   string
	}{
		{"500", lost("revoke", azuredevops.KindServer), nil, 99, 3, operation.OldFailed, "server"},
		{"timeout", lost("revoke", azuredevops.KindTimeout), nil, 99, 3, operation.OldFailed, "timeout"},
		{"403", refusal("revoke", azuredevops.KindForbidden, 403), nil, 99, 1, operation.OldFailed, "forbidden"},
		{"breaker", &azuredevops.Error{Kind: azuredevops.KindPaused, RetryAfter: time.Minute}, nil, 99, 1, operation.OldFailed, "paused"},
		{"429, later", &azuredevops.Error{Kind: azuredevops.KindThrottled, RetryAfter: time.Minute}, nil, 99, 1, operation.OldFailed, "throttled"},
		{"no access token", errors.New("sign in"), nil, 99, 1, operation.OldFailed, "other"},
		{"twice 503, then done", lost("revoke", azuredevops.KindUnavailable), nil, 2, 3, operation.OldRevoked, ""},
		{"429, soon", &azuredevops.Error{Kind: azuredevops.KindThrottled, RetryAfter: time.Second}, nil, 1, 2, operation.OldRevoked, ""},
		{"done, but the answers are lost", nil, lost("revoke", azuredevops.KindConnection), 99, 3, operation.OldRevoked, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t)
			r := w.replica()
			q := w.request(r, operation.Rotate)
			q.RevokeAtOnce = true
			w.azure.fail(times(test.times, "revoke", test.before), on("revoke", test.after))
			op := w.do(r, q)
			w.wantState(op, operation.Succeeded)
			w.wantCalls("revoke", test.calls)
			if w.reveal(r, op.ID) == "" {
				t.Error("the new secret is hidden")
			}
			if op.Old != test.old || slices.Contains(w.azure.active(), q.Before.AuthorizationID) != (test.old == operation.OldFailed) {
				t.Errorf("old token = %q, want %q and that to be true", op.Old, test.old)
			}
			if test.old == operation.OldRevoked {
				return
			}
			if op.OldFailure == nil || op.OldFailure.Kind != test.kind {
				t.Errorf("failure = %+v, want kind %s", op.OldFailure, test.kind)
			}
			w.azure.fail(nil, nil)
			op, err := w.replica().RevokeOld(context.Background(), w.azure, mona, op.ID)
			if err != nil || op.Old != operation.OldRevoked || op.OldFailure != nil {
				t.Errorf("RevokeOld = %+v, %v", op, err)
			}
		})
	}
}

// F11: creating fails; the old token must not be touched.
func TestRotateLeavesTheOldTokenIfCreatingFails(t *testing.T) {
	t.Parallel()
	for _, err := range []error{
		refusal("create", azuredevops.KindForbidden, 403),
		lost("create", azuredevops.KindTimeout),
		errors.New("no access token"),
	} {
		for _, atOnce := range []bool{true, false} {
			w := newWorld(t)
			r := w.replica()
			q := w.request(r, operation.Rotate)
			q.RevokeAtOnce = atOnce
			w.azure.fail(on("create", err), nil)
			op := w.do(r, q)
			if op.Old != operation.OldNone || op.State == operation.Succeeded {
				t.Errorf("%v: operation = %+v", err, op)
			}
			if op, err := r.RevokeOld(context.Background(), w.azure, mona, op.ID); err != nil || op.Old != operation.OldNone {
				t.Errorf("RevokeOld = %+v, %v", op, err)
			}
			w.wantCalls("revoke", 0)
		}
	}
}

// A rotation of unknown outcome names the new token by what is not the old one, though both look alike.
func TestRotateOfUnknownOutcomeNamesTheNewToken(t *testing.T) {
	t.Parallel()
	for name, listErr := range map[string]error{"listed": nil, "not listed": refusal("list", azuredevops.KindThrottled, 429)} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			r := w.replica()
			q := w.request(r, operation.Rotate)
			w.azure.fail(times(1, "list", listErr), on("create", lost("create", azuredevops.KindConnection)))
			op := w.do(r, q)
			if len(op.Candidates) != 1 || op.Candidates[0].AuthorizationID == q.Before.AuthorizationID {
				t.Errorf("candidates = %+v, want the new token alone", op.Candidates)
			}
			if op.Old != operation.OldNone {
				t.Errorf("old token = %q, want it untouched", op.Old)
			}
		})
	}
}

func TestOldTokenThatIsGoneCountsAsRevoked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.replica()
	q := w.request(r, operation.Rotate)
	op := w.do(r, q)
	w.clock.Move(31 * 24 * time.Hour) // it expired
	w.azure.fail(on("revoke", refusal("revoke", "expiredPatCannotBeExtended", 400)), nil)
	op, err := r.RevokeOld(context.Background(), w.azure, mona, op.ID)
	if err != nil || op.Old != operation.OldRevoked {
		t.Errorf("RevokeOld = %+v, %v", op, err)
	}
}

// Whether the old token is gone can't be seen; then it isn't said.
func TestOldTokenThatCannotBeSeenIsNotCalledRevoked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.replica()
	op := w.do(r, w.request(r, operation.Rotate))
	w.azure.fail(func(_ context.Context, call string) error { return lost(call, azuredevops.KindServer) }, nil)
	op, err := r.RevokeOld(context.Background(), w.azure, mona, op.ID)
	if err != nil || op.Old != operation.OldFailed {
		t.Errorf("RevokeOld = %+v, %v, want it failed", op, err)
	}
}

func TestKeepOldEndsARotation(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.replica()
	ctx := context.Background()
	op := w.do(r, w.request(r, operation.Rotate))
	if _, err := r.Acknowledge(ctx, mona, op.ID); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if op, err := r.KeepOld(ctx, mona, op.ID); err != nil || op.Old != operation.OldKept {
			t.Fatalf("KeepOld = %+v, %v", op, err)
		}
	}
	w.wantPending(r)
	w.wantCalls("revoke", 0)
	// Another tab may still show the button: a change of mind. If it fails, the rotation is half-way again.
	w.azure.fail(on("revoke", refusal("revoke", azuredevops.KindForbidden, 403)), nil)
	if op, err := r.RevokeOld(ctx, w.azure, mona, op.ID); err != nil || op.Old != operation.OldFailed {
		t.Fatalf("RevokeOld = %+v, %v", op, err)
	}
	w.wantPending(w.replica(), op.ID)
}

// The button is pressed twice, in two processes: one call to the service.
func TestRevokeOldIsDoneOnceAtATime(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.replica()
	op := w.do(r, w.request(r, operation.Rotate))
	var wg sync.WaitGroup
	for range 10 {
		replica := w.replica()
		wg.Go(func() {
			op, err := replica.RevokeOld(context.Background(), w.azure, mona, op.ID)
			if err != nil || op.Old != operation.OldRevoked {
				t.Errorf("RevokeOld = %+v, %v", op, err)
			}
		})
	}
	wg.Wait()
	w.wantCalls("revoke", 1)
}

func TestRevokeOldGoesOnWithoutTheBrowser(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.replica()
	op := w.do(r, w.request(r, operation.Rotate))
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	goOn := make(chan struct{})
	w.azure.fail(func(ctx context.Context, call string) error {
		if call == "revoke" {
			cancel()
			<-goOn
		}
		return ctx.Err()
	}, nil)
	op, err := r.RevokeOld(ctx, w.azure, mona, op.ID)
	if err != nil || op.Old != operation.OldSent {
		t.Errorf("RevokeOld = %+v, %v, want the operation as it stands", op, err)
	}
	close(goOn)
	if err := r.Drain(context.Background()); err != nil {
		t.Fatal(err)
	}
	if got := w.get(w.replica(), op.ID).Old; got != operation.OldRevoked {
		t.Errorf("old token = %q, want revoked", got)
	}
}

// A new token that ends before the old one would never ends the old one by itself: its owner is asked.
func TestRotationForAShorterTimeAsks(t *testing.T) {
	t.Parallel()
	for name, life := range map[string]time.Duration{"shorter": time.Hour, "not known": 0} {
		w := newWorld(t)
		r := w.replica()
		q := w.request(r, operation.Rotate)
		q.RevokeAtOnce = true
		service := shortening{w.azure, func() time.Time {
			if life == 0 {
				return time.Time{}
			}
			return w.clock.Now().Add(life)
		}}
		op, err := r.Do(t.Context(), service, q)
		if err != nil || op.State != operation.Succeeded || op.Old != operation.OldAlive || !op.EndsSooner() {
			t.Fatalf("%s: %+v, %v", name, op, err)
		}
		w.wantCalls("revoke", 0)
		if op, err = r.RevokeOld(t.Context(), service, mona, op.ID); err != nil || op.Old != operation.OldRevoked {
			t.Errorf("%s: asked for, %+v, %v", name, op, err)
		}
	}
}

// shortening grants an end of its own.
type shortening struct {
	*azure
	end func() time.Time
}

func (s shortening) Create(ctx context.Context, organization string, w azuredevops.Wanted) (azuredevops.Token, string, error) {
	t, secret, err := s.azure.Create(ctx, organization, w)
	t.ValidTo = s.end()
	return t, secret, err
}

// How long a token's present end was given for is known while the operation that set it is, and the end is still that.
func TestGivenLives(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.replica()
	lives := func(token azuredevops.Token) time.Duration {
		t.Helper()
		given, err := r.GivenLives(t.Context(), mona)
		if err != nil {
			t.Fatal(err)
		}
		return given(token)
	}
	q := w.request(r, operation.Update)
	old := *q.Before
	if got := lives(old); got != 0 {
		t.Errorf("of a token that patdesk hasn't made: %s", got)
	}
	q.Want = azuredevops.Wanted{ValidTo: w.clock.Now().Add(40 * 24 * time.Hour)}
	extended := *w.do(r, q).Result
	w.clock.Move(time.Hour)
	named := w.request(r, operation.Update) // sets no end
	named.Before, named.Form = &extended, r.Form(mona, operation.Update, "contoso/"+extended.AuthorizationID)
	w.do(r, named)
	if got := lives(extended); got.Round(time.Minute) != 40*24*time.Hour {
		t.Errorf("extended by 40 days: %s", got)
	}
	if got := lives(old); got != 0 {
		t.Errorf("with another end than it was given: %s", got)
	}
	q = w.request(r, operation.Rotate)
	q.Want.ValidTo = w.clock.Now().Add(7 * 24 * time.Hour)
	if got := lives(*w.do(r, q).Result); got.Round(time.Minute) != 7*24*time.Hour {
		t.Errorf("rotated for 7 days: %s", got)
	}
}
