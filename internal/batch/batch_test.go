package batch_test

import (
	"testing"
	"time"

	"github.com/patdesk/patdesk/internal/azuredevops"
	"github.com/patdesk/patdesk/internal/batch"
	"github.com/patdesk/patdesk/internal/failure"
	"github.com/patdesk/patdesk/internal/operation"
)

// What a batch does over a service and a store is tested with the operations, in internal/operation/batch_test.go.

// Each phase of an operation counts once, and may be tried again where that can't make a second token.
func TestItemsByPhase(t *testing.T) {
	looked := time.Unix(1, 0)
	one := []azuredevops.Token{{AuthorizationID: "a"}}
	for _, c := range []struct {
		op            operation.Operation
		tally         batch.Tally
		rotate, other bool // may be tried again: a rotation, another action
	}{
		{operation.Operation{State: operation.Sent}, batch.Tally{Doing: 1}, false, false},
		{operation.Operation{State: operation.Failed}, batch.Tally{Failed: 1}, true, true},
		{operation.Operation{State: operation.Unknown}, batch.Tally{Unknown: 1}, false, true},
		{operation.Operation{State: operation.Unknown, Dismissed: true}, batch.Tally{Unknown: 1}, false, false},
		{operation.Operation{State: operation.Unknown, Candidates: one}, batch.Tally{Unknown: 1}, false, true},
		{operation.Operation{State: operation.Unknown, Reconciled: true, LookUntil: looked}, batch.Tally{Unknown: 1}, true, true},
		{operation.Operation{State: operation.Unknown, Reconciled: true, LookUntil: looked, Revoked: one}, batch.Tally{Unknown: 1}, true, true},
		{operation.Operation{State: operation.Unknown, Failure: &failure.Failure{Kind: failure.Unreadable}}, batch.Tally{Unknown: 1}, false, false},
		{operation.Operation{State: operation.Succeeded}, batch.Tally{Done: 1}, false, false},
		{operation.Operation{State: operation.Succeeded, Secret: operation.SecretUnkept}, batch.Tally{Unknown: 1}, false, false},
		{operation.Operation{State: operation.Succeeded, Secret: operation.SecretUnkept, OrphanRevoked: true}, batch.Tally{Failed: 1}, true, true},
		{operation.Operation{State: operation.Succeeded, Secret: operation.SecretUnkept, Shown: true}, batch.Tally{Done: 1}, false, false},
		{operation.Operation{State: operation.Succeeded, Secret: operation.SecretExpired}, batch.Tally{Done: 1}, false, false},
		{operation.Operation{State: operation.Succeeded, Secret: operation.SecretWaiting, Old: operation.OldAlive}, batch.Tally{Done: 1, Secrets: 1, OldAlive: 1}, false, false},
		{operation.Operation{State: operation.Succeeded, Secret: operation.SecretSaved, Old: operation.OldFailed}, batch.Tally{Done: 1, OldAlive: 1}, false, false},
	} {
		for _, action := range []operation.Action{operation.Rotate, operation.Update, operation.Revoke} {
			c.op.Action = action
			b := batch.Batch{Action: action, Items: []batch.Item{{Operation: &c.op}}}
			if got := b.Count(); got != c.tally {
				t.Errorf("%s %s: %+v, want %+v", action, c.op.Phase(), got, c.tally)
			}
			want := c.other
			if action == operation.Rotate {
				want = c.rotate
			}
			if got := b.Items[0].MayRetry(); got != want {
				t.Errorf("%s %s: may be tried again: %t", action, c.op.Phase(), got)
			}
		}
	}
	b := batch.Batch{Items: []batch.Item{{}}}
	if got := b.Count(); got != (batch.Tally{NotBegun: 1}) || b.Items[0].MayRetry() {
		t.Errorf("not begun: %+v", got)
	}
}
