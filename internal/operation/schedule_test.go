package operation_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/patdesk/patdesk/internal/azuredevops"
	"github.com/patdesk/patdesk/internal/operation"
	"github.com/patdesk/patdesk/internal/vault"
)

var errSignedOut = errors.New("no access token")

// visitUntil lets time pass at r from a visit on, until nobody looks any more, or that time has come.
func (w *world) visitUntil(r *replica, until time.Time) {
	w.t.Helper()
	pending, err := r.Pending(context.Background(), mona)
	if err != nil {
		w.t.Fatal(err)
	}
	over := make(chan struct{})
	r.onRest(func(ctx context.Context, d time.Duration) {
		if next := w.clock.Now().Add(d); next.Before(until) {
			w.clock.Move(d)
			return
		}
		close(over)
		<-ctx.Done()
	})
	r.LookSoon(context.Background(), w.azure, w.vault, mona, pending)
	for operation.Watching(r.Journal) > 0 {
		select {
		case <-over:
			return
		default:
			pause()
		}
	}
}

// S1: an old token is revoked by itself at the time that was chosen, and its version disabled after that, if the new
// secret is in the vault or saved by then, and an access token can be had. Else it is left, and the change says so.
func TestRevokeAtATime(t *testing.T) {
	for name, c := range map[string]struct {
		into, saved bool
		meanwhile   func(w *world, r *replica, id string)
		revoked     bool
		phase       operation.Phase
	}{
		"in the vault":      {into: true, revoked: true, phase: operation.PhaseDone},
		"saved":             {saved: true, revoked: true, phase: operation.PhaseDone},
		"neither":           {phase: operation.PhaseSecretExpired},
		"the vault refuses": {into: true, meanwhile: func(*world, *replica, string) {}, phase: operation.PhaseSecretExpired},
		"kept":              {saved: true, meanwhile: func(_ *world, r *replica, id string) { _, _ = r.KeepOld(context.Background(), mona, id) }, phase: operation.PhaseDone},
		"not then":          {saved: true, meanwhile: unschedule, phase: operation.PhaseHalfWay},
		"signed out":        {into: true, meanwhile: func(w *world, _ *replica, _ string) { w.azure.fail(on("list", errSignedOut), nil) }, phase: operation.PhaseMissed},
		"refused": {saved: true, meanwhile: func(w *world, _ *replica, _ string) {
			w.azure.fail(on("revoke", refusal("revoke", azuredevops.KindForbidden, 403)), nil)
		}, phase: operation.PhaseHalfWay},
		"the process stopped, and later": {into: true, meanwhile: func(w *world, _ *replica, _ string) { w.clock.Move(3 * time.Hour) }, phase: operation.PhaseMissed},
		"the process stopped, and soon":  {into: true, meanwhile: func(w *world, _ *replica, _ string) { w.clock.Move(2*time.Hour + 10*time.Minute) }, revoked: true, phase: operation.PhaseDone},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			r := w.replica()
			q := w.request(r, operation.Rotate)
			at := start.Add(2 * time.Hour)
			if q.RevokeAt = at; c.into {
				w.vault.add(nuget, "the old one", vault.Properties{})
				w.into(&q, true, true)
			}
			if name == "the vault refuses" {
				w.vault.fail(on("write", vaultRefusal()), nil)
			}
			w.azure.fail(func(_ context.Context, call string) error {
				if now := w.clock.Now(); call == "revoke" && (now.Before(at) || c.into && len(w.vault.versions) != 2) {
					t.Errorf("revoked at %s, with %d versions", now, len(w.vault.versions))
				}
				return nil
			}, nil)
			op := w.do(r, q)
			if c.saved {
				op, _ = r.Acknowledge(context.Background(), mona, op.ID)
			}
			if op.Old != operation.OldAlive || !op.Scheduled() || !op.Pending() || (c.into || c.saved) && name != "the vault refuses" && op.Phase() != operation.PhaseScheduled {
				t.Errorf("at first: %s, %+v", op.Phase(), op)
			}
			if c.meanwhile != nil {
				if err := r.Drain(context.Background()); err != nil {
					t.Error(err)
				}
				c.meanwhile(w, r, op.ID)
				r = w.replica()
			}
			w.visitUntil(r, at.Add(time.Hour))
			w.clock.Move(at.Add(time.Hour).Sub(w.clock.Now()))
			op = w.get(r, op.ID)
			if revoked := op.Old == operation.OldRevoked; revoked != c.revoked || op.Phase() != c.phase || w.azure.find(w.before).revoked != c.revoked {
				t.Errorf("in the end: %s, old %s", op.Phase(), op.Old)
			}
			if c.into && c.revoked && w.vault.find("version0").Enabled {
				t.Error("the previous version is enabled")
			}
			if op.Phase() != operation.PhaseMissed {
				return
			}
			w.azure.fail(nil, nil)
			w.visitUntil(r, at.Add(3*time.Hour))
			if op = w.get(r, op.ID); op.Old != operation.OldAlive || !op.Missed || !op.Pending() {
				t.Errorf("after a late visit: %+v", op)
			}
			if op, err := r.RevokeOld(context.Background(), w.azure, mona, op.ID); err != nil || op.Old != operation.OldRevoked || op.Missed {
				t.Errorf("%+v, %v", op, err)
			}
		})
	}
}

func unschedule(_ *world, r *replica, id string) {
	_, _ = r.ScheduleRevoke(context.Background(), mona, id, time.Time{})
}

// A new token that ends before the old one would never has the old one revoked by itself.
func TestRevokeAtATimeEndsSooner(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.replica()
	q := w.request(r, operation.Rotate)
	q.Want.ValidTo, q.RevokeAt = start.AddDate(0, 0, 10), start.Add(time.Hour)
	op := w.do(r, q)
	op, err := r.Acknowledge(context.Background(), mona, op.ID)
	w.visitUntil(r, start.Add(2*time.Hour))
	w.clock.Move(start.Add(2 * time.Hour).Sub(w.clock.Now()))
	if op.Scheduled() || w.get(r, op.ID).Phase() != operation.PhaseHalfWay || err != nil {
		t.Errorf("%+v, %v", w.get(r, op.ID), err)
	}
}
