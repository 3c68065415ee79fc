package operation

import (
	"context"
	"time"
)

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
