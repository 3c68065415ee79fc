package operation_test

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"testing"

	"github.com/patdesk/patdesk/internal/batch"
	"github.com/patdesk/patdesk/internal/failure"
	"github.com/patdesk/patdesk/internal/operation"
	"github.com/patdesk/patdesk/internal/vault"
)

// startedIntoVault is a confirmed batch of n rotations, the secret of each of which is for the vault, unseen. The vault
// has the old tokens' secrets.
func (w *world) startedIntoVault(r *replica, n int) *batch.Batch {
	w.t.Helper()
	b := w.planned(r, operation.Rotate, n)
	secretOf := func(i int) vault.Reference {
		return vault.Reference{Vault: nuget.Vault, Name: fmt.Sprint("token-", i)}
	}
	for i, item := range b.Items {
		w.vault.add(secretOf(i), "the old one", vault.Properties{Tags: map[string]string{vault.TagAuthorizationID: item.Before.AuthorizationID}})
	}
	_, err := r.batches.Start(context.Background(), mona, b.ID, r.batches.Form(mona, operation.Rotate, b.ID), "content", operation.Origin{}, func(b *batch.Batch) {
		b.RevokeAtOnce = true
		for i := range b.Items {
			b.Items[i].Into = &operation.Into{Secret: secretOf(i), Unseen: true, DisableOld: true}
		}
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return b
}

// runIntoVault runs it to the end of that run.
func (w *world) runIntoVault(r *replica, id string) *batch.Batch {
	w.t.Helper()
	r.onPause(w.clock.Move)
	if err := r.batches.Run(context.Background(), batch.Caller{Service: w.azure, Vault: w.vault, Ready: signedIn}, mona, id); err != nil {
		w.t.Fatal(err)
	}
	return w.settled(r, id)
}

// orderly fails the test where an old token is revoked before the version with its successor's secret is there.
func (w *world) orderly(b *batch.Batch) {
	w.azure.fail(nil, func(_ context.Context, call string) error {
		if call != "revoke" {
			return nil
		}
		w.azure.mu.Lock()
		defer w.azure.mu.Unlock()
		w.vault.mu.Lock()
		defer w.vault.mu.Unlock()
		revoked := 0
		for i := range b.Items {
			if w.azure.tokens[i].revoked {
				revoked++
			}
		}
		if written := len(w.vault.versions) - len(b.Items); revoked > written {
			w.t.Errorf("%d old tokens are revoked with %d new versions", revoked, written)
		}
		return nil
	})
}

// wantDelivered judges a batch that is over: each secret is in the vault once, each old token revoked, each previous
// version disabled.
func (w *world) wantDelivered(r *replica, b *batch.Batch) {
	w.t.Helper()
	w.wantTally(b, batch.Tally{Done: len(b.Items), Delivered: len(b.Items)})
	for i := range b.Items {
		op := b.Items[i].Operation
		if versions := w.vault.of(op.ID); len(versions) != 1 || op.Phase() != operation.PhaseDone || op.Old != operation.OldRevoked || !op.Into.Disabled {
			w.t.Errorf("%d versions, %s, old token %s, %+v", len(versions), op.Phase(), op.Old, op.Into)
		}
	}
	if open, err := r.batches.Open(context.Background(), mona); err != nil || len(open) > 0 {
		w.t.Errorf("open: %+v, %v", open, err)
	}
	w.wantCalls("create", len(b.Items))
}

// V4: secrets of a batch go into the vault in the same order of steps as one alone.
func TestBatchIntoVault(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.replica()
	b := w.startedIntoVault(r, 20)
	w.orderly(b)
	w.wantDelivered(r, w.runIntoVault(r, b.ID))
	if n, err := operation.Kept(r.Journal, "secret", mona); n != 0 || err != nil {
		t.Errorf("%d secrets are kept, %v", n, err)
	}
}

// A vault that lets nothing in ends the run after a few tokens: none is revoked, no secret is lost, and what follows
// puts them all into the vault.
func TestBatchIntoVaultThatRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		refusal error
		halts   bool
	}{
		"the firewall":        {&vault.Error{Kind: vault.KindForbiddenByFirewall, Status: 403}, true},
		"no role":             {vaultRefusal(), true},
		"a claims challenge":  {&vault.Error{Kind: vault.KindSignIn, Status: 401, Claims: `{"access_token":{}}`}, true},
		"a deleted secret":    {&vault.Error{Kind: vault.KindDeletedName, Status: 409}, false},
		"nothing is answered": {vaultLost(), true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			r := w.replica()
			b := w.startedIntoVault(r, 20)
			w.orderly(b)
			w.vault.fail(on("write", c.refusal), nil)
			done := w.runIntoVault(r, b.ID)
			tally := done.Count()
			if halted := done.Halt != nil && done.Halt.Source == failure.SourceVault; halted != c.halts || c.halts != (tally.NotBegun >= 10) {
				t.Errorf("%+v, halt %+v", tally, done.Halt)
			}
			if kept, err := operation.Kept(r.Journal, "secret", mona); kept != tally.Undelivered || tally.Undelivered != tally.Done || tally.OldAlive != tally.Done || err != nil {
				t.Errorf("%d secrets are kept, %+v, %v", kept, tally, err)
			}
			w.vault.fail(nil, nil)
			if err := r.batches.Deliver(context.Background(), mona, b.ID); err != nil {
				t.Fatal(err)
			}
			w.wantDelivered(r, w.runIntoVault(r, b.ID))
		})
	}
}

// A process that dies in the middle loses nothing: another one goes on with what it has begun, writes nothing twice, and
// revokes nothing before its time.
func TestBatchIntoVaultIsGoneOnWith(t *testing.T) {
	t.Parallel()
	for _, point := range []string{"kept", "recorded", "sent-to-vault", "written", "delivered", "retired", "disabled"} {
		t.Run(point, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			dying, r := w.replica(), w.replica()
			b := w.startedIntoVault(dying, 8)
			w.orderly(b)
			var once sync.Once
			operation.OnReach(dying.Journal, func(at string) {
				if at == point {
					once.Do(func() { dying.batches.Stop(context.Background(), mona, b.ID); runtime.Goexit() }) //nolint:errcheck // it stops here all the same
				}
			})
			w.runIntoVault(dying, b.ID)
			if err := r.batches.Resume(context.Background(), mona, b.ID, func(*batch.Item) bool { return true }); err != nil {
				t.Fatal(err)
			}
			w.runIntoVault(r, b.ID)
			if err := r.batches.RevokeOld(context.Background(), mona, b.ID); err != nil { // of one that was being revoked, it isn't known
				t.Fatal(err)
			}
			w.wantDelivered(r, w.runIntoVault(r, b.ID))
		})
	}
}
