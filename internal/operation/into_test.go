package operation_test

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/patdesk/patdesk/internal/operation"
	"github.com/patdesk/patdesk/internal/vault"
)

// V1: a secret is kept first, then written with what names its token, read back, and recorded; only then a kept one is
// forgotten that was not to be seen, an old token revoked, and its version disabled, in this order.
func TestSecretIntoVault(t *testing.T) {
	for _, c := range []struct {
		action                     operation.Action
		unseen, atOnce, disableOld bool
		calls                      []string
	}{
		{operation.Create, false, false, false, []string{"versions", "write", "versions"}},
		{operation.Create, true, false, false, []string{"versions", "write", "versions"}},
		{operation.Rotate, true, false, true, []string{"versions", "write", "versions"}},
		{operation.Rotate, true, true, true, []string{"versions", "write", "versions", "revoke", "disable"}},
		{operation.Rotate, false, true, false, []string{"versions", "write", "versions", "revoke"}},
	} {
		t.Run(fmt.Sprint(c), func(t *testing.T) {
			w := newWorld(t)
			r := w.replica()
			q := w.request(r, c.action)
			q.RevokeAtOnce = c.atOnce
			if c.action == operation.Rotate {
				w.vault.add(nuget, "the old one", vault.Properties{})
			}
			w.into(&q, c.unseen, c.disableOld)
			w.vault.fail(func(_ context.Context, call string) error {
				if call == "write" { // it is kept by then
					if n, err := operation.Kept(r.Journal, "secret", mona); n != 1 || err != nil {
						t.Errorf("%d secrets are kept, %v", n, err)
					}
				}
				return nil
			}, nil)
			w.azure.fail(func(_ context.Context, call string) error {
				if call == "revoke" {
					w.vault.calls = append(w.vault.calls, call)
				}
				return nil
			}, nil)
			op := w.do(r, q)
			w.wantState(op, operation.Succeeded)
			if !slices.Equal(w.vault.calls, c.calls) {
				t.Errorf("calls %q, want %q", w.vault.calls, c.calls)
			}
			written := w.vault.of(op.ID)
			if len(written) != 1 || op.Into.State != operation.IntoWritten || op.Into.Version != written[0].Version {
				t.Fatalf("%d versions, %+v", len(written), op.Into)
			}
			v, want := written[0], w.azure.all()[len(w.azure.all())-1]
			if v.value != want.secret || !v.Expires.Equal(want.ValidTo) || v.Tags[vault.TagAuthorizationID] != want.AuthorizationID || v.Tags[vault.TagOrganization] != "contoso" || v.ContentType == "" {
				t.Errorf("version %+v", v.Secret)
			}
			n, err := operation.Kept(r.Journal, "secret", mona)
			if shown := w.reveal(r, op.ID); err != nil || (shown == "") != c.unseen || (n == 0) != c.unseen {
				t.Errorf("shown: %t, %d kept, %v", shown != "", n, err)
			}
			wantPhase := operation.PhaseSecretWaiting
			if c.unseen {
				wantPhase = operation.PhaseDone
				if op.OldOpen() {
					wantPhase = operation.PhaseHalfWay
				}
			}
			if op.Phase() != wantPhase {
				t.Errorf("phase %s, want %s", op.Phase(), wantPhase)
			}
			if disabled := c.action == operation.Rotate && !w.vault.find("version0").Enabled; disabled != (c.atOnce && c.disableOld) {
				t.Errorf("the previous version is disabled: %t", disabled)
			}
			again := w.do(r, q)
			if again.ID != op.ID || len(w.vault.of(op.ID)) != 1 {
				t.Error("sent again, the form did more")
			}
		})
	}
}

// V2: whatever the vault answers, nothing is lost: the secret waits, unseen, and no old token is revoked before the
// version is there. Trying again writes once. Its person may have it shown instead.
func TestVaultThatFails(t *testing.T) {
	disabledSince := func(w *world) func(context.Context, string) error {
		return func(_ context.Context, call string) error {
			if call == "write" {
				w.vault.mu.Lock()
				defer w.vault.mu.Unlock()
				w.vault.versions[len(w.vault.versions)-1].Enabled = false
			}
			return nil
		}
	}
	for name, c := range map[string]struct {
		before, after func(context.Context, string) error
		unknown       bool
		versions      int
	}{
		"no right to list":                   {before: on("versions", vaultRefusal())},
		"no right to write":                  {before: on("write", vaultRefusal())},
		"no answer, and it was not done":     {before: on("write", vaultLost()), unknown: true},
		"no answer, and it was done":         {after: on("write", vaultLost()), versions: 1},
		"no answer, and it can't be read":    {after: onAfter("write", "versions", vaultLost(), vaultRefusal()), versions: 1},
		"done, and it can't be read":         {after: onAfter("write", "versions", nil, vaultRefusal()), versions: 1},
		"a context that ended while writing": {before: on("write", context.DeadlineExceeded), unknown: true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			r := w.replica()
			q := w.request(r, operation.Rotate)
			q.RevokeAtOnce = true
			w.into(&q, true, true)
			w.vault.fail(c.before, c.after)
			op := w.do(r, q)
			w.wantState(op, operation.Succeeded)
			if len(w.vault.of(op.ID)) != c.versions {
				t.Fatalf("%d versions", len(w.vault.of(op.ID)))
			}
			if name == "no answer, and it was done" { // it was seen to be there
				if op.Into.State != operation.IntoWritten || op.Old != operation.OldRevoked {
					t.Errorf("%+v, old token %s", op.Into, op.Old)
				}
				return
			}
			if op.Into.State != operation.IntoFailed || op.Phase() != operation.PhaseUndelivered || w.reveal(r, op.ID) != "" || op.Unkept != "" {
				t.Errorf("%s, %+v", op.Phase(), op.Into)
			}
			if c.unknown != op.Into.Failure.Unknown {
				t.Errorf("unknown: %t", op.Into.Failure.Unknown)
			}
			w.wantAwaiting(w.replica(), op.ID)
			w.vault.fail(nil, nil)
			shownInstead := name == "no right to write"
			if shownInstead {
				if _, err := r.ShowInstead(context.Background(), mona, op.ID); err != nil || w.reveal(r, op.ID) == "" || w.get(r, op.ID).Phase() != operation.PhaseSecretWaiting {
					t.Errorf("not shown, %v", err)
				}
			}
			op, err := w.replica().Deliver(context.Background(), w.azure, w.vault, mona, op.ID)
			if err != nil || op.Into.State != operation.IntoWritten || len(w.vault.of(op.ID)) != 1 || op.Old != operation.OldRevoked {
				t.Errorf("tried again: %v, %+v, old token %s", err, op.Into, op.Old)
			}
			if w.reveal(r, op.ID) != "" && !shownInstead {
				t.Error("it can be seen")
			}
			w.wantCalls("create", 1)
		})
	}
	w := newWorld(t)
	r := w.replica()
	q := w.create(r)
	w.into(&q, true, false)
	w.vault.fail(nil, disabledSince(w))
	if op := w.do(r, q); op.Into.State != operation.IntoFailed || op.Into.Failure.Kind != string(vault.KindDisabled) {
		t.Errorf("disabled at once: %+v", op.Into)
	}
}

// onAfter is a hook that answers first with one error, and from then on another call with another one.
func onAfter(first, then string, one, other error) func(context.Context, string) error {
	begun := false
	return func(_ context.Context, call string) error {
		switch {
		case call == first:
			begun = true
			return one
		case begun && call == then:
			return other
		}
		return nil
	}
}

// wantAwaiting: as long as the version isn't there, neither the old token can be revoked nor the secret be forgotten.
func (w *world) wantAwaiting(r *replica, id string) {
	w.t.Helper()
	ctx := context.Background()
	if op, err := r.RevokeOld(ctx, w.azure, mona, id); err != nil || op.Old == operation.OldRevoked || w.azure.count("revoke") > 0 {
		w.t.Errorf("the old token was revoked, %v", err)
	}
	if op, err := r.Acknowledge(ctx, mona, id); err != nil || op.Secret != operation.SecretWaiting {
		w.t.Errorf("the secret was forgotten, %v", err)
	}
	w.wantPending(r, id)
}

// V3: a worker can die at any point between the creation and the end: the next process says how it stands, and trying
// again ends it with one version.
func TestDeathOnTheWayIntoAVault(t *testing.T) {
	for _, killed := range []bool{false, true} {
		for point, c := range map[string]struct {
			state    operation.IntoState
			versions int
			old      operation.OldState
		}{
			"kept":          {operation.IntoFailed, 0, operation.OldAlive},
			"recorded":      {operation.IntoFailed, 0, operation.OldAlive},
			"sent-to-vault": {operation.IntoFailed, 1, operation.OldAlive},
			"written":       {operation.IntoFailed, 1, operation.OldAlive},
			"delivered":     {operation.IntoWritten, 1, operation.OldSent},
			"retired":       {operation.IntoWritten, 1, operation.OldSent},
			"disabled":      {operation.IntoWritten, 1, operation.OldRevoked},
		} {
			t.Run(fmt.Sprint(point, killed), func(t *testing.T) {
				w := newWorld(t)
				r := w.replica()
				q := w.request(r, operation.Rotate)
				q.RevokeAtOnce = true
				w.vault.add(nuget, "the old one", vault.Properties{})
				w.into(&q, true, true)
				if killed {
					w.runAndKill(errand{Dir: w.dir, Point: point, Request: q})
				} else {
					operation.OnReach(r.Journal, func(at string) {
						if at == point {
							runtime.Goexit()
						}
					})
					w.do(r, q)
				}
				r = w.replica()
				recent, err := r.Recent(context.Background(), mona, 1)
				if err != nil || len(recent) != 1 {
					t.Fatalf("recent = %+v, %v", recent, err)
				}
				op := &recent[0]
				w.wantState(op, operation.Succeeded)
				if op.Into.State != c.state || len(w.vault.of(op.ID)) != c.versions || op.Old != c.old || w.reveal(r, op.ID) != "" {
					t.Fatalf("%+v, %d versions, old token %s", op.Into, len(w.vault.of(op.ID)), op.Old)
				}
				if c.state == operation.IntoFailed {
					w.wantAwaiting(r, op.ID)
				}
				op, err = r.Deliver(context.Background(), w.azure, w.vault, mona, op.ID)
				if err != nil || op.Into.State != operation.IntoWritten || len(w.vault.of(op.ID)) != 1 {
					t.Errorf("tried again: %+v, %v", op.Into, err)
				}
				if n, _ := operation.Kept(r.Journal, "secret", mona); n > 0 && point != "delivered" {
					t.Errorf("%d secrets are kept", n)
				}
				w.wantCalls("create", 1)
			})
		}
	}
}

// While the secret is on its way, others see that, and don't take its worker for dead.
func TestDeliveryInProgress(t *testing.T) {
	w := newWorld(t)
	r := w.replica()
	q := w.create(r)
	w.into(&q, true, false)
	seen := 0
	w.vault.fail(func(context.Context, string) error {
		ids := w.pending(w.replica())
		if len(ids) != 1 || w.get(r, ids[0]).Phase() != operation.PhaseDelivering {
			t.Errorf("pending = %q", ids)
		}
		seen++
		return nil
	}, nil)
	if op := w.do(r, q); seen != 3 || op.Phase() != operation.PhaseDone {
		t.Errorf("%d calls, %+v", seen, op)
	}
}

// A version that names another token is nobody's previous one.
func TestVersionOfAnotherTokenIsNotDisabled(t *testing.T) {
	for tag, disabled := range map[string]bool{"": true, "old": true, "another": false} {
		w := newWorld(t)
		r := w.replica()
		q := w.request(r, operation.Rotate)
		w.into(&q, true, true)
		if tag == "old" {
			tag = w.before
		}
		w.vault.add(nuget, "a", vault.Properties{})
		w.vault.add(nuget, "b", vault.Properties{Tags: map[string]string{vault.TagAuthorizationID: tag}})
		op := w.do(r, q)
		if op, err := r.RevokeOld(context.Background(), w.azure, mona, op.ID); err != nil || op.PreviousOpen() != disabled {
			t.Errorf("%q: %+v, %v", tag, op.Into, err)
		}
		if w.vault.find("version1").Enabled == false {
			t.Errorf("%q: disabled before that was asked for", tag)
		}
		w.vault.fail(on("disable", vaultRefusal()), nil)
		op, err := r.DisablePrevious(context.Background(), w.azure, w.vault, mona, op.ID)
		if err != nil || (op.Into.DisableFailure != nil) != disabled {
			t.Errorf("%q: refused: %+v, %v", tag, op.Into, err)
		}
		w.vault.fail(nil, nil)
		op, err = r.DisablePrevious(context.Background(), w.azure, w.vault, mona, op.ID)
		if err != nil || op.Into.Disabled != disabled || w.vault.find("version1").Enabled == disabled || !w.vault.find("version0").Enabled || op.Into.DisableFailure != nil {
			t.Errorf("%q: %+v, %v", tag, op.Into, err)
		}
	}
}

// A secret that can't be kept goes into the answer, and not into the vault.
func TestUnkeptSecretIsNotPutIntoAVault(t *testing.T) {
	w := newWorld(t)
	r := w.replica()
	q := w.request(r, operation.Rotate)
	q.RevokeAtOnce = true
	w.into(&q, true, false)
	r.store.failing(refuse("create", "secret", before))
	op := w.do(r, q)
	if op.Unkept == "" || op.Into.State != operation.IntoFailed || len(w.vault.calls) > 0 || w.azure.count("revoke") > 0 {
		t.Errorf("%+v", op)
	}
	r.store.failing(nil)
	if op, err := r.RevokeOld(context.Background(), w.azure, mona, op.ID); err != nil || op.Old != operation.OldRevoked {
		t.Errorf("%+v, %v", op, err)
	}
}

// What waits for a vault waits as long as any secret, and then says that it is lost.
func TestSecretForAVaultExpires(t *testing.T) {
	w := newWorld(t)
	r := w.replica()
	q := w.create(r)
	w.into(&q, true, false)
	w.vault.fail(on("write", vaultRefusal()), nil)
	op := w.do(r, q)
	w.clock.Move(shown + time.Second)
	w.vault.fail(nil, nil)
	op, err := r.Deliver(context.Background(), w.azure, w.vault, mona, op.ID)
	if err != nil || op.Phase() != operation.PhaseSecretExpired || len(w.vault.of(op.ID)) > 0 {
		t.Errorf("%+v, %v", op, err)
	}
}

// One that is in its vault, and was shown as well, isn't lost when it is shown no longer.
func TestShownSecretInAVaultExpires(t *testing.T) {
	w := newWorld(t)
	r := w.replica()
	q := w.create(r)
	w.into(&q, false, false)
	op := w.do(r, q)
	if op.Phase() != operation.PhaseSecretWaiting || len(w.vault.of(op.ID)) != 1 {
		t.Errorf("at first: %+v", op)
	}
	w.clock.Move(shown + time.Second)
	if op = w.get(r, op.ID); op.Phase() != operation.PhaseDone || op.Pending() {
		t.Errorf("later: %+v", op)
	}
	if pending, err := r.Pending(context.Background(), mona); err != nil || len(pending) > 0 {
		t.Errorf("%d wait, %v", len(pending), err)
	}
}
