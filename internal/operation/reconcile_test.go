package operation_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/patdesk/patdesk/internal/azuredevops"
	"github.com/patdesk/patdesk/internal/operation"
)

var (
	scopes  = []string{"vso.code", "vso.build"}
	expires = start.AddDate(0, 0, 90)
)

// Which tokens may have been made by a create whose answer was lost.
func TestCandidates(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		listed bool // the tokens from before are known
		other  azuredevops.Token
		want   bool
	}{
		{"the same again", true, azuredevops.Token{DisplayName: "build agent", Scopes: scopes, ValidFrom: start, ValidTo: expires}, true},
		{"another order of scopes", true, azuredevops.Token{DisplayName: "build agent", Scopes: []string{"vso.build", "vso.code"}, ValidFrom: start, ValidTo: expires}, true},
		{"shortened by policy", true, azuredevops.Token{DisplayName: "build agent", Scopes: scopes, ValidFrom: start, ValidTo: start.AddDate(0, 0, 7)}, true},
		{"another name", true, azuredevops.Token{DisplayName: "build agent 2", Scopes: scopes, ValidFrom: start, ValidTo: expires}, false},
		{"other scopes", true, azuredevops.Token{DisplayName: "build agent", Scopes: scopes[:1], ValidFrom: start, ValidTo: expires}, false},
		{"expires much later", true, azuredevops.Token{DisplayName: "build agent", Scopes: scopes, ValidFrom: start, ValidTo: expires.AddDate(0, 0, 3)}, false},
		{"service's clock far behind", true, azuredevops.Token{DisplayName: "build agent", Scopes: scopes, ValidFrom: start.Add(-time.Hour), ValidTo: expires}, true},
		{"made before, unknown to us", false, azuredevops.Token{DisplayName: "build agent", Scopes: scopes, ValidFrom: start.Add(-11 * time.Minute), ValidTo: expires}, false},
		{"service's clock a little behind", false, azuredevops.Token{DisplayName: "build agent", Scopes: scopes, ValidFrom: start.Add(-9 * time.Minute), ValidTo: expires}, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t)
			r := w.replica()
			w.azure.make("build agent", scopes, expires) // known from before, if anything is
			w.azure.tokens[0].ValidFrom = start.AddDate(0, 0, -1)
			var listErr error
			if !test.listed {
				listErr = refusal("list", azuredevops.KindThrottled, 429)
			}
			w.azure.fail(times(1, "list", listErr), func(_ context.Context, call string) error {
				if call != "create" {
					return nil
				}
				made := w.azure.make("", nil, time.Time{})
				test.other.AuthorizationID = made.AuthorizationID
				w.azure.mu.Lock()
				w.azure.find(made.AuthorizationID).Token = test.other
				w.azure.mu.Unlock()
				return lost("create", azuredevops.KindConnection)
			})
			op := w.do(r, w.create(r))
			var got []string
			for _, c := range op.Candidates {
				got = append(got, c.AuthorizationID)
			}
			want := []string{w.azure.all()[1].AuthorizationID}
			if test.want {
				want = append(want, test.other.AuthorizationID)
			}
			if !slices.Equal(got, want) {
				t.Errorf("candidates = %q, want %q", got, want)
			}
			w.wantCalls("revoke", 0)
		})
	}
}

// An answer without the secret may still name the token; then only that is meant.
func TestTokenNamedByTheAnswerIsTheCandidate(t *testing.T) {
	t.Parallel()
	for _, listErr := range []error{nil, lost("list", azuredevops.KindServer)} {
		w := newWorld(t)
		r := w.replica()
		w.azure.fail(nil, func(_ context.Context, call string) error {
			if call == "create" {
				w.azure.make("build agent", scopes, expires)
				made := w.azure.all()[0].Token
				w.azure.fail(on("list", listErr), nil)
				return &azuredevops.Error{Kind: azuredevops.KindNotUnderstood, Unknown: true, Token: &made}
			}
			return nil
		})
		op := w.do(r, w.create(r))
		w.wantState(op, operation.Unknown)
		if len(op.Candidates) != 1 || op.Candidates[0].AuthorizationID != w.azure.all()[0].AuthorizationID {
			t.Errorf("candidates = %+v, want the named token", op.Candidates)
		}
	}
}

// A secret without a whole record is a success; the token is found by what was asked for.
func TestSecretWithoutRecordIsKept(t *testing.T) {
	t.Parallel()
	for _, twins := range []int{0, 1} {
		w := newWorld(t)
		r := w.replica()
		s := &halfAnswer{azure: w.azure, twins: twins}
		op, err := r.Do(context.Background(), s, w.create(r))
		if err != nil {
			t.Fatal(err)
		}
		w.wantState(op, operation.Succeeded)
		if w.reveal(r, op.ID) != canary+"000001" {
			t.Error("the secret is lost")
		}
		want := map[int]string{0: w.azure.all()[0].AuthorizationID, 1: ""}[twins]
		if op.Result.AuthorizationID != want || op.Result.DisplayName != "build agent" {
			t.Errorf("with %d twins: result = %+v, want id %q", twins, op.Result, want)
		}
	}
}

// halfAnswer tells only the secret of a new token.
type halfAnswer struct {
	*azure
	twins int
}

func (h *halfAnswer) Create(ctx context.Context, organization string, w azuredevops.Wanted) (azuredevops.Token, string, error) {
	_, secret, err := h.azure.Create(ctx, organization, w)
	for range h.twins {
		h.make(w.DisplayName, w.Scopes, w.ValidTo)
	}
	return azuredevops.Token{}, secret, err
}

func TestOrphanWithoutIDIsNamedByLooking(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.replica()
	q := w.create(r)
	q.Delivery = unread()
	r.store.failing(refuse("create", "secret", before))
	op, err := r.Do(context.Background(), &halfAnswer{azure: w.azure, twins: 1}, q)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Drain(context.Background()); err != nil {
		t.Fatal(err)
	}
	op = w.get(w.replica(), op.ID)
	if len(op.Candidates) != 2 || op.OrphanRevoked {
		t.Errorf("operation = %+v, want both tokens as candidates", op)
	}
	w.wantCalls("revoke", 0)
}

// A success without a secret is none.
func TestCreateWithoutSecretIsUnknown(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.replica()
	op, err := r.Do(context.Background(), noSecret{w.azure}, w.create(r))
	if err != nil {
		t.Fatal(err)
	}
	w.wantState(op, operation.Unknown)
	if len(op.Candidates) != 1 {
		t.Errorf("candidates = %+v, want the token", op.Candidates)
	}
}

type noSecret struct{ *azure }

func (n noSecret) Create(ctx context.Context, organization string, w azuredevops.Wanted) (azuredevops.Token, string, error) {
	t, _, err := n.azure.Create(ctx, organization, w)
	return t, "", err
}

// Somebody tries again after an unknown outcome: the good token must not be offered for revoking as a lost one.
func TestTokenOfAnotherOperationIsNoCandidate(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.replica()
	ctx := context.Background()
	w.azure.fail(on("create", lost("create", azuredevops.KindTimeout)), nil)
	unknown := w.do(r, w.create(r))
	w.azure.fail(nil, nil)
	good := w.do(r, w.create(r))
	if op := w.inTheEnd(r, unknown.ID); len(op.Candidates) != 0 || !op.Reconciled {
		t.Errorf("operation = %+v, want no candidate", op)
	}
	w.wantPending(r, pendingOrder(unknown.ID, good.ID, w.pending(r))...)
	if _, err := r.Dismiss(ctx, mona, unknown.ID); err != nil {
		t.Error(err)
	}
	w.wantPending(r, good.ID)
}

// pendingOrder: operations of the same moment have no order.
func pendingOrder(a, b string, got []string) []string {
	if len(got) > 0 && got[0] == b {
		return []string{b, a}
	}
	return []string{a, b}
}

// Both were under way at once: while it isn't known whose a token is, the one doesn't claim the other's.
func TestTokenOfACreationUnderWayIsNoCandidate(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.replica()
	var answer <-chan *operation.Operation
	made, goOn := make(chan struct{}), make(chan struct{})
	good := w.create(r)
	creates := 0
	w.azure.fail(func(_ context.Context, call string) error {
		if call != "create" {
			return nil
		}
		if creates++; creates > 1 {
			return nil
		}
		answer = w.inBackground(r, good)
		<-made
		return lost("create", azuredevops.KindTimeout)
	}, func(_ context.Context, call string) error {
		if call == "create" {
			close(made)
			<-goOn
		}
		return nil
	})
	unknown := w.do(r, w.create(r))
	if len(unknown.Candidates) != 0 || unknown.Reconciled {
		t.Fatalf("operation = %+v, want nothing said yet of the other's token", unknown)
	}
	close(goOn)
	op := <-answer
	w.wantState(op, operation.Succeeded)
	_, err := r.RevokeCandidate(context.Background(), w.azure, mona, unknown.ID, op.Result.AuthorizationID)
	if !errors.Is(err, operation.ErrNotFound) {
		t.Errorf("RevokeCandidate: %v, want ErrNotFound", err)
	}
	if unknown = w.inTheEnd(r, unknown.ID); len(unknown.Candidates) != 0 || !unknown.Reconciled {
		t.Errorf("candidates = %+v, want none", unknown.Candidates)
	}
	w.wantCalls("revoke", 0)
}

func TestSeveralCandidatesAreTheirOwnersChoice(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.replica()
	ctx := context.Background()
	w.azure.fail(nil, func(_ context.Context, call string) error {
		if call == "create" {
			w.azure.make("build agent", scopes, expires)
			return lost("create", azuredevops.KindConnection)
		}
		return nil
	})
	op := w.do(r, w.create(r))
	ids := w.azure.active()
	stranger := w.azure.make("stranger", scopes, expires).AuthorizationID
	if len(op.Candidates) != 2 {
		t.Fatalf("candidates = %+v, want two", op.Candidates)
	}
	if _, err := r.RevokeCandidate(ctx, w.azure, mona, op.ID, stranger); !errors.Is(err, operation.ErrNotFound) {
		t.Errorf("revoking a stranger: %v, want ErrNotFound", err)
	}
	w.azure.fail(on("revoke", refusal("revoke", azuredevops.KindForbidden, 403)), nil)
	op, err := r.RevokeCandidate(ctx, w.azure, mona, op.ID, ids[0])
	var refused *azuredevops.Error
	if !errors.As(err, &refused) || op == nil || len(op.Candidates) != 2 {
		t.Errorf("RevokeCandidate = %+v, %v, want the refusal and both candidates", op, err)
	}
	w.azure.fail(nil, nil)
	for i, id := range []string{ids[0], ids[0], ids[1]} { // the first one twice: a double click
		w.wantPending(r, op.ID)
		op, err = r.RevokeCandidate(ctx, w.azure, mona, op.ID, id)
		if err != nil {
			t.Fatalf("RevokeCandidate %d: %v", i, err)
		}
	}
	if len(op.Revoked) != 2 || len(op.Candidates) != 0 {
		t.Errorf("revoked %+v, candidates %+v", op.Revoked, op.Candidates)
	}
	w.wantPending(r)
	if got := w.azure.active(); !slices.Equal(got, []string{stranger}) {
		t.Errorf("active tokens = %q, want the stranger", got)
	}
	w.wantCalls("revoke", 1+2)
}

// An incomplete list proves nothing, but what it shows is shown.
func TestReconcileWithAFailingList(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.replica()
	w.azure.fail(nil, func(_ context.Context, call string) error {
		if call == "create" {
			w.azure.fail(on("list", lost("list", azuredevops.KindServer)), nil)
			return lost("create", azuredevops.KindConnection)
		}
		return nil
	})
	op := w.do(r, w.create(r))
	if op.Reconciled || len(op.Candidates) != 0 {
		t.Errorf("operation = %+v, want it not reconciled", op)
	}
	op, err := r.Reconcile(context.Background(), w.azure, mona, op.ID)
	var failure *azuredevops.Error
	if !errors.As(err, &failure) || op == nil || op.Reconciled {
		t.Errorf("Reconcile = %+v, %v, want the failure and the operation", op, err)
	}
	op, err = r.Reconcile(context.Background(), firstPage{w.azure}, mona, op.ID)
	if err == nil || op.Reconciled || len(op.Candidates) != 1 {
		t.Errorf("Reconcile = %+v, %v, want the candidate of the first page", op, err)
	}
	op, _ = r.Reconcile(context.Background(), w.azure, mona, op.ID)
	if len(op.Candidates) != 1 {
		t.Errorf("candidates = %+v: a failed look has unseen one", op.Candidates)
	}
	w.azure.fail(nil, nil)
	if op = w.inTheEnd(r, op.ID); !op.Reconciled || len(op.Candidates) != 1 {
		t.Errorf("in the end: %+v", op)
	}
}

// firstPage is a list that breaks off.
type firstPage struct{ *azure }

func (f firstPage) List(_ context.Context, _ string, _ azuredevops.Status) ([]azuredevops.Token, error) {
	return []azuredevops.Token{f.all()[0].Token}, lost("list", azuredevops.KindTimeout)
}

func TestUpdateOfUnknownOutcome(t *testing.T) {
	t.Parallel()
	newExpiry := start.AddDate(0, 0, 200)
	tests := []struct {
		name   string
		want   azuredevops.Wanted
		result func(*azuredevops.Token)
		getErr error
		state  operation.State
	}{
		{"name done", azuredevops.Wanted{DisplayName: "new"}, func(t *azuredevops.Token) { t.DisplayName = "new" }, nil, operation.Succeeded},
		{"name not done", azuredevops.Wanted{DisplayName: "new"}, func(*azuredevops.Token) {}, nil, operation.Failed},
		{"name is a third one", azuredevops.Wanted{DisplayName: "new"}, func(t *azuredevops.Token) { t.DisplayName = "third" }, nil, operation.Unknown},
		{"scopes done", azuredevops.Wanted{Scopes: scopes}, func(t *azuredevops.Token) { t.Scopes = []string{"vso.build", "vso.code"} }, nil, operation.Succeeded},
		{"scopes not done", azuredevops.Wanted{Scopes: scopes}, func(*azuredevops.Token) {}, nil, operation.Failed},
		{"expiry done", azuredevops.Wanted{ValidTo: newExpiry}, func(t *azuredevops.Token) { t.ValidTo = newExpiry.Add(time.Second / 3) }, nil, operation.Succeeded},
		{"expiry shortened", azuredevops.Wanted{ValidTo: newExpiry}, func(t *azuredevops.Token) { t.ValidTo = start.AddDate(0, 0, 45) }, nil, operation.Succeeded},
		{"expiry not done", azuredevops.Wanted{ValidTo: newExpiry}, func(*azuredevops.Token) {}, nil, operation.Failed},
		{"half done", azuredevops.Wanted{DisplayName: "new", ValidTo: newExpiry}, func(t *azuredevops.Token) { t.DisplayName = "new" }, nil, operation.Unknown},
		{"can't be seen", azuredevops.Wanted{DisplayName: "new"}, func(*azuredevops.Token) {}, lost("get", azuredevops.KindServer), operation.Unknown},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t)
			r := w.replica()
			q := w.request(r, operation.Update)
			q.Want = test.want
			w.azure.fail(func(_ context.Context, call string) error {
				switch call {
				case "update":
					w.azure.mu.Lock()
					test.result(&w.azure.tokens[0].Token)
					w.azure.mu.Unlock()
					return lost("update", azuredevops.KindTimeout)
				case "get":
					return test.getErr
				}
				return nil
			}, nil)
			op := w.do(r, q)
			if test.state != operation.Succeeded { // it may still be done
				w.wantState(op, operation.Unknown)
				w.clock.Move(12 * time.Minute)
				op, _ = w.visit(r, op.ID)
			}
			w.wantState(op, test.state)
			w.wantCalls("update", 1)
			if op.Reconciled != (test.state != operation.Succeeded && test.getErr == nil) {
				t.Errorf("reconciled = %t", op.Reconciled)
			}
			if test.state == operation.Unknown {
				w.wantPending(r, op.ID)
				if _, err := r.Dismiss(context.Background(), mona, op.ID); err != nil {
					t.Error(err)
				}
			}
			w.wantPending(r)
		})
	}
}

func TestRevokeOfUnknownOutcome(t *testing.T) {
	t.Parallel()
	connection := lost("revoke", azuredevops.KindConnection)
	tests := []struct {
		name    string
		before  func(context.Context, string) error
		after   func(context.Context, string) error
		revokes int
		state   operation.State
	}{
		{"refused", on("revoke", refusal("revoke", azuredevops.KindForbidden, 403)), nil, 1, operation.Failed},
		{"answers lost, done", nil, on("revoke", connection), 3, operation.Succeeded},
		{"never done", on("revoke", connection), nil, 3, operation.Failed},
		{"done at the second try", times(1, "revoke", connection), nil, 2, operation.Succeeded},
		{"lost, then refused, and can't be seen", func() func(context.Context, string) error {
			first := times(1, "revoke", connection)
			return func(ctx context.Context, call string) error {
				if err := first(ctx, call); err != nil {
					return err
				}
				return map[string]error{
					"revoke": refusal("revoke", azuredevops.KindForbidden, 403), "list": lost("list", azuredevops.KindServer),
				}[call]
			}
		}(), nil, 2, operation.Unknown},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t)
			r := w.replica()
			q := w.request(r, operation.Revoke)
			w.azure.fail(test.before, test.after)
			op := w.do(r, q)
			if test.state == operation.Failed && test.revokes > 1 { // it may still be done
				w.wantState(op, operation.Unknown)
				op = w.inTheEnd(r, op.ID)
			}
			w.wantState(op, test.state)
			w.wantCalls("revoke", test.revokes)
			if revoked := len(w.azure.active()) == 0; revoked != (test.state == operation.Succeeded) {
				t.Errorf("revoked: %t, but the state is %q", revoked, op.State)
			}
		})
	}
}

func TestReconcileOfAKnownOutcomeChangesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.replica()
	op := w.do(r, w.create(r))
	lists := w.azure.count("list")
	again, err := r.Reconcile(context.Background(), w.azure, mona, op.ID)
	if err != nil || again.State != operation.Succeeded || again.Secret != operation.SecretWaiting {
		t.Errorf("Reconcile = %+v, %v", again, err)
	}
	w.wantCalls("list", lists)
}
