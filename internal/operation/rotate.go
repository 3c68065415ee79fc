package operation

import (
	"context"
	"slices"
	"time"

	"github.com/patdesk/patdesk/internal/azuredevops"
	"github.com/patdesk/patdesk/internal/panics"
)

// RevokeOld finishes a rotation ("the new one is in place"), also after a failed revoke. It is safe to repeat. A failure of
// the service is told by the operation (Old, OldFailure); the error is the store's. If ctx ends first, the work goes on.
func (j *Journal) RevokeOld(ctx context.Context, s Service, person, id string) (*Operation, error) {
	return j.continued(ctx, s, person, id, func(ctx context.Context, w *work) error {
		if !w.record.OldOpen() && w.record.Old != OldKept {
			return nil
		}
		_ = w.change(ctx, w.record, func(r *record) error { // if it fails, the revoke is no less wanted
			r.Old, r.OldFailure = OldSent, nil
			w.beginDoubt(r, w.options.Now())
			return nil
		})
		return w.retire(ctx)
	})
}

// retire revokes the old token of a rotation and records how that went.
func (w *work) retire(ctx context.Context) error {
	asked := w.options.Now()
	err := w.revokeBefore(ctx)
	if err != nil && w.gone(ctx, false) {
		err = nil
	}
	w.reach("retired")
	return w.report(ctx, w.record, func(r *record) error {
		if err == nil {
			r.Old, r.OldFailure, r.NextLook = OldRevoked, nil, time.Time{}
			return nil
		}
		r.Old = OldFailed
		r.OldFailure, _ = failureOf(err)
		if r.oldInDoubt() {
			w.beginDoubt(r, asked)
		}
		r.looked(w.options.Now(), err)
		return nil
	})
}

// revokeBefore revokes the token that the operation is about. One that expired or was revoked elsewhere counts as revoked.
// Where the service says that there is no such token, and that can't be seen, the outcome is unknown.
func (w *work) revokeBefore(ctx context.Context) error {
	err := w.revoke(ctx, w.record.Before.AuthorizationID)
	unknown := missingIsUnknown(err)
	switch {
	case unknown == nil:
		return err
	case w.gone(ctx, true):
		return nil
	default:
		return unknown
	}
}

// gone looks if the token that the operation is about is certainly not active any more. missing: the service says that it
// doesn't know it.
func (w *work) gone(ctx context.Context, missing bool) bool {
	active, err := listActive(ctx, w.service, w.record.Organization, lookTimeout)
	return err == nil && w.inactive(ctx, active, missing)
}

// inactive says what a complete list of the active tokens proves about the token that the operation is about. A list lags:
// it may not hold yet what is new, but it doesn't lose what it has held. So that a token isn't in it proves that the token
// was revoked or has expired, if it is older than lists are known to lag; or if the service, which has told its record
// before, doesn't know it any more. Of a newer token the list of the revoked ones tells.
func (w *work) inactive(ctx context.Context, active []azuredevops.Token, missing bool) bool {
	t := w.record.Before
	switch {
	case holds(active, t.AuthorizationID):
		return false
	case missing, !w.options.Now().Before(t.ValidFrom.Add(turnUp)):
		return true
	}
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	revoked, _ := w.service.List(ctx, w.record.Organization, azuredevops.Revoked) // a part may hold it, too
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

// continued does further work on an operation under its lock, one at a time over all processes, apart from the request. It
// returns the operation as it stands after that; if ctx ends first, as it stands in the store.
func (j *Journal) continued(
	ctx context.Context, s Service, person, id string, f func(ctx context.Context, w *work) error,
) (*Operation, error) {
	if _, err := j.load(ctx, person, id); err != nil {
		return nil, err
	}
	if err := j.begin(); err != nil {
		return nil, err
	}
	type answer struct {
		op  *Operation
		err error
	}
	answers := make(chan answer, 1)
	panics.Go(j.options.Log, "operation "+id, func() {
		defer j.leave()
		defer close(answers)
		op, err := j.underLock(ctx, s, person, id, f)
		answers <- answer{op, err}
		if op != nil && op.unsettled() {
			_, _, _ = j.watch(ctx, s, person, true) // or else at the next visit
		}
	})
	select {
	case a, ok := <-answers:
		if ok && ctx.Err() == nil {
			return a.op, a.err
		}
	case <-ctx.Done():
	}
	detached, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
	defer cancel()
	return j.Get(detached, person, id)
}

// underLock waits for the lock as long as ctx allows, and then works on, whatever becomes of ctx.
func (j *Journal) underLock(
	ctx context.Context, s Service, person, id string, f func(ctx context.Context, w *work) error,
) (*Operation, error) {
	release, err := j.records.Lock(ctx, operationKey(person, id))
	if err != nil {
		return nil, err
	}
	defer release()
	ctx = context.WithoutCancel(ctx)
	r, err := j.loadLocked(ctx, person, id)
	if err != nil {
		return nil, err
	}
	err = f(ctx, &work{Journal: j, service: s, record: r})
	return r.at(j.options.Now()), err
}
