package operation

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/patdesk/patdesk/internal/azuredevops"
	"github.com/patdesk/patdesk/internal/panics"
)

// RevokeOld finishes a rotation ("the new one is in place"), also after a failed revoke. It is safe to repeat. A
// failure of the service is in the operation (Old, OldFailure); the error is the store's. If ctx ends first, the work
// goes on. While the new secret awaits its vault, nothing is done.
func (j *Journal) RevokeOld(ctx context.Context, s Service, person, id string) (*Operation, error) {
	return j.continued(ctx, s, person, id, func(ctx context.Context, o *locked) error {
		if !o.record.OldOpen() && o.record.Old != OldKept || o.record.AwaitsVault() {
			return nil
		}
		_ = o.store.change(ctx, o.record, func(r *record) error { // revoke even if this write fails
			r.Old, r.OldFailure = OldSent, nil
			o.store.beginDoubt(r, o.store.options.Now())
			return nil
		})
		return o.revokeOld(ctx)
	})
}

// revokeOld revokes the old token of a rotation and records how that went.
func (o *locked) revokeOld(ctx context.Context) error {
	asked := o.store.options.Now()
	err := o.revokeBefore(ctx)
	if err != nil && o.gone(ctx, false) {
		err = nil
	}
	o.store.reach("retired")
	return o.store.report(ctx, o.record, func(r *record) error {
		if err == nil {
			r.Old, r.OldFailure, r.NextLook = OldRevoked, nil, time.Time{}
			return nil
		}
		r.Old = OldFailed
		r.OldFailure, _ = failureOf(err)
		if r.oldInDoubt() {
			o.store.beginDoubt(r, asked)
		}
		r.looked(o.store.options.Now(), err)
		return nil
	})
}

// revokeBefore revokes the token that the operation is about. One that expired or was revoked elsewhere counts as
// revoked. Where the service says that there is no such token, and that can't be seen, the outcome is unknown.
func (o *locked) revokeBefore(ctx context.Context) error {
	err := o.revoke(ctx, o.record.Before.AuthorizationID)
	unknown := missingIsUnknown(err)
	switch {
	case unknown == nil:
		return err
	case o.gone(ctx, true):
		return nil
	default:
		return unknown
	}
}

// gone looks if the token that the operation is about is certainly not active any more. missing: the service says that
// it doesn't know it.
func (o *locked) gone(ctx context.Context, missing bool) bool {
	active, err := listActive(ctx, o.service, o.record.Organization, lookTimeout)
	return err == nil && o.inactive(ctx, active, missing)
}

// inactive says what a complete list of the active tokens proves about the token that the operation is about. A list
// lags: it may not hold yet what is new, but it doesn't lose what it has held. So that a token isn't in it proves that
// the token was revoked or has expired, if it is older than lists are known to lag; or if the service, which has shown
// its record before, doesn't know it any more. For a newer token the list of the revoked ones decides.
func (o *locked) inactive(ctx context.Context, active []azuredevops.Token, missing bool) bool {
	t := o.record.Before
	switch {
	case holds(active, t.AuthorizationID):
		return false
	case missing, !o.store.options.Now().Before(t.ValidFrom.Add(turnUp)):
		return true
	}
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	revoked, _ := o.service.List(ctx, o.record.Organization, azuredevops.Revoked) // a part may hold it, too
	return holds(revoked, t.AuthorizationID)
}

func holds(tokens []azuredevops.Token, authorizationID string) bool {
	return slices.ContainsFunc(tokens, func(t azuredevops.Token) bool { return t.AuthorizationID == authorizationID })
}

// KeepOld dismisses a half-way rotation: the old token stays alive on purpose.
func (j *Journal) KeepOld(ctx context.Context, person, id string) (*Operation, error) {
	return j.edit(ctx, person, id, func(r *record) error {
		if !r.OldOpen() {
			return errUnchanged
		}
		r.Old = OldKept
		return nil
	})
}

// continued does further work on an operation under its lock, one at a time over all processes, apart from the request.
// It returns the operation as it stands after that; if ctx ends first, as it stands in the store.
func (j *Journal) continued(
	ctx context.Context, s Service, person, id string, f func(ctx context.Context, o *locked) error,
) (*Operation, error) {
	if _, err := j.load(ctx, person, id); err != nil {
		return nil, err
	}
	if err := j.calls.begin(); err != nil {
		return nil, err
	}
	var op *Operation
	err, done := errElsewhere, make(chan struct{}) // unless it breaks off
	panics.Go(j.options.Log, "operation "+id, func() {
		defer j.calls.leave()
		defer close(done)
		op, err = underLock(ctx, &locked{store: j.store, service: s}, person, id, f)
		if op != nil && op.unsettled() {
			_, _ = j.watchers.watch(ctx, s, nil, person, true) // or else at the next visit
		}
	})
	select {
	case <-done:
		if ctx.Err() == nil && !errors.Is(err, errElsewhere) {
			return op, err
		}
	case <-ctx.Done():
	}
	detached, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
	defer cancel()
	return j.Get(detached, person, id)
}

// underLock waits for the lock as long as ctx allows, and then works on, whatever becomes of ctx.
func underLock(
	ctx context.Context, o *locked, person, id string, f func(ctx context.Context, o *locked) error,
) (*Operation, error) {
	release, err := o.store.records.Lock(ctx, operationKey(person, id))
	if err != nil {
		return nil, err
	}
	defer release()
	ctx = context.WithoutCancel(ctx)
	if o.record, err = o.store.loadLocked(ctx, person, id); err != nil {
		return nil, err
	}
	err = f(ctx, o)
	return o.record.at(o.store.options.Now()), err
}

// The old token of a rotation can be revoked at a time that its person chooses. There is no queue for that: the person's
// watcher does it, as the person, with an access token out of the sign-in that was used last. So it takes that the
// program runs, and that this sign-in has not ended. When that isn't so, the token is left as it is and the change says
// so. Nothing is revoked long after the time that was chosen: its owner may have seen it alive and built on it.

// lateRevoke is how late an old token is still revoked by itself.
const lateRevoke = 15 * time.Minute

// Scheduled reports whether a rotation's old token is to be revoked by itself at RevokeAt.
func (o *Operation) Scheduled() bool {
	return o.Old == OldAlive && !o.RevokeAt.IsZero() && !o.Missed && !o.EndsSooner()
}

// inPlace reports whether the new secret is where it is needed: in the vault that it is for, or in its person's hands.
func (o *Operation) inPlace() bool {
	return o.State == Succeeded && (o.Into != nil && o.Into.State == IntoWritten || o.Secret == SecretSaved)
}

// revokesAt is when the old token is to be revoked by itself, as far as nothing stands in its way; else the zero time.
func (o *Operation) revokesAt() time.Time {
	if !o.Scheduled() || !o.inPlace() {
		return time.Time{}
	}
	return o.RevokeAt
}

// revokeDue reports whether the old token is to be revoked now.
func (o *Operation) revokeDue(now time.Time) bool {
	at := o.revokesAt()
	return !at.IsZero() && !now.Before(at) && now.Before(at.Add(lateRevoke))
}

// revokeScheduled revokes the old token whose time has come, and disables its version if that was asked for. Without an
// access token it does nothing: the person's next visit has one. at is when s was taken.
func (o *locked) revokeScheduled(ctx context.Context, s *snapshot) error {
	if !o.record.revokeDue(o.store.options.Now()) {
		return nil
	}
	if notLookedAt(s.err) {
		return s.err
	}
	ctx = context.WithoutCancel(ctx)
	o.store.reach("scheduled")
	err := o.store.change(ctx, o.record, func(r *record) error {
		if !r.revokeDue(o.store.options.Now()) {
			return errUnchanged
		}
		r.Old, r.OldFailure = OldSent, nil
		o.store.beginDoubt(r, o.store.options.Now())
		return nil
	})
	if err != nil || o.record.Old != OldSent {
		return err
	}
	if err := o.revokeOld(ctx); err != nil || o.vault == nil {
		return err
	}
	return o.disablePrevious(ctx)
}

// ScheduleRevoke has a rotation's old token revoked by itself at that time, or not by itself any more with the zero time.
// It is done if the new secret is in its vault or saved by then.
func (j *Journal) ScheduleRevoke(ctx context.Context, person, id string, at time.Time) (*Operation, error) {
	return j.edit(ctx, person, id, func(r *record) error {
		if r.Old != OldAlive || r.RevokeAt.Equal(at) {
			return errUnchanged
		}
		r.RevokeAt = at
		return nil
	})
}
