package operation_test

import (
	"context"
	"testing"
	"time"

	"github.com/patdesk/patdesk/internal/azuredevops"
	"github.com/patdesk/patdesk/internal/operation"
)

// disguised is a service whose lists hold one token in a form that isn't understood.
type disguised struct {
	*azure
	as func(azuredevops.Token) azuredevops.Token
}

func (d disguised) List(ctx context.Context, organization string, s azuredevops.Status) ([]azuredevops.Token, error) {
	list, err := d.azure.List(ctx, organization, s)
	for i := range list {
		list[i] = d.as(list[i])
	}
	return list, err
}

func withoutID(t azuredevops.Token) azuredevops.Token {
	t.AuthorizationID, t.Odd = "", []azuredevops.Member{azuredevops.MemberID}
	return t
}

func withoutName(t azuredevops.Token) azuredevops.Token {
	t.DisplayName, t.Odd = "", []azuredevops.Member{azuredevops.MemberDisplayName}
	return t
}

// A list with a token that has no id proves nothing: it may be the one that is looked for.
func TestTokenWithoutAnIDMayBeTheOne(t *testing.T) {
	t.Parallel()
	for action, call := range map[operation.Action]string{operation.Revoke: "revoke", operation.Create: "create"} {
		w := newWorld(t)
		r := w.replica()
		q := w.request(r, action)
		if action == operation.Create {
			w.azure.fail(nil, on(call, lost(call, azuredevops.KindConnection)))
		} else {
			w.azure.fail(on(call, lost(call, azuredevops.KindConnection)), nil)
		}
		service := disguised{w.azure, withoutID}
		op, err := r.Do(t.Context(), service, q)
		if err != nil {
			t.Fatal(err)
		}
		w.wantState(op, operation.Unknown)
		w.clock.Move(12 * time.Minute)
		op, err = r.Reconcile(t.Context(), service, mona, op.ID)
		if err == nil || op.State != operation.Unknown || op.Phase() != operation.PhaseInDoubt {
			t.Errorf("%s: %s, %v, though the token is there", action, op.Phase(), err)
		}
		op, err = r.Reconcile(t.Context(), w.azure, mona, op.ID)
		if want := map[operation.Action]operation.Phase{operation.Revoke: operation.PhaseFailed, operation.Create: operation.PhaseFound}[action]; err != nil || op.Phase() != want {
			t.Errorf("%s: %s, %v, want %s", action, op.Phase(), err, want)
		}
	}
}

// A new token whose name isn't understood may be what was made; one that was there before isn't.
func TestTokenWithoutANameMayBeTheOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.replica()
	old := w.azure.make("other", []string{"vso.code"}, w.clock.Now().Add(time.Hour))
	w.azure.fail(nil, on("create", lost("create", azuredevops.KindConnection)))
	op, err := r.Do(t.Context(), disguised{w.azure, withoutName}, w.create(r))
	if err != nil || op.Phase() != operation.PhaseFound || len(op.Candidates) != 1 || op.Candidates[0].AuthorizationID == old.AuthorizationID {
		t.Errorf("%+v, %v", op, err)
	}
}
