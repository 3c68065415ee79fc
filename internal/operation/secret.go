package operation

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/patdesk/patdesk/internal/azuredevops"
	"github.com/patdesk/patdesk/internal/session"
)

// keptSecret is a created token's secret, in a record of its own that the store drops when the display time is over. It
// carries the token too, so that the operation can be finished from it if its worker dies before recording the outcome.
type keptSecret struct {
	Secret string            `json:"Secret"`
	Token  azuredevops.Token `json:"Token"`
	Until  time.Time         `json:"Until"`
}

// deliver keeps the secret of the token that was made, records the success and finishes the call. What can't be kept
// goes into the answer; and if that isn't written to any browser, the token is revoked.
func (w *worker) deliver(ctx context.Context, token azuredevops.Token, secret string) {
	until := w.store.options.Now().Add(w.store.options.DisplayTime)
	kept := w.keep(ctx, keptSecret{Secret: secret, Token: token, Until: until}) == nil
	w.store.reach("kept")
	token = w.identify(ctx, token)
	succeed := func(r *record) error {
		if r.State == Succeeded { // another process has found the kept secret
			return errUnchanged
		}
		r.succeed(w.store.options.Now(), token)
		r.Secret, r.SecretUntil = SecretUnkept, time.Time{}
		if kept {
			r.Secret, r.SecretUntil = SecretWaiting, until
		} else {
			r.leaveVault(w.store.options.Now(), notTried())
		}
		if kept && r.Into == nil && r.retires() { // which comes next
			r.Old = OldSent
			w.store.beginDoubt(r, w.store.options.Now())
		}
		return nil
	}
	recorded := w.store.report(ctx, w.op.record, succeed) == nil
	w.store.reach("recorded")
	if kept && recorded {
		w.call.update(w.op.record.at(w.store.options.Now())) // for readers whose time is up meanwhile
		switch {
		case w.op.record.Into != nil:
			w.op.putInto(ctx, secret)
		case w.op.record.Action == Rotate && w.op.record.RevokeAtOnce && !w.op.record.EndsSooner():
			_ = w.op.revokeOld(ctx)
		}
		w.finished()
		return
	}
	w.op.record.leaveVault(w.store.options.Now(), notTried())
	op := w.op.record.at(w.store.options.Now())
	op.Unkept = secret
	w.store.calls.finish(w.call, op, nil)
	if kept {
		return
	}
	settle := func(r *record) { r.Shown = true }
	if w.call.unread() {
		settle = w.revokeOrphan(ctx)
	}
	_ = w.store.report(ctx, w.op.record, func(r *record) error {
		_ = succeed(r) // if that couldn't be recorded before
		settle(r)
		return nil
	})
}

// identify finds the record of the token that was made, if the answer held the secret but not the whole record: among
// the active tokens one must fit. Otherwise the person sees what was asked for.
func (w *worker) identify(ctx context.Context, token azuredevops.Token) azuredevops.Token {
	if token.AuthorizationID != "" {
		return token
	}
	if fitting, err := w.op.fitting(ctx); err == nil && len(fitting) == 1 {
		return fitting[0]
	}
	token.DisplayName, token.Scopes = w.op.record.Want.DisplayName, w.op.record.Want.Scopes
	return token
}

// fitting are the active tokens that this operation may have made.
func (o *locked) fitting(ctx context.Context) ([]azuredevops.Token, error) {
	fitting, _, err := o.snapshot(ctx).fitting(ctx, o.record)
	return fitting, err
}

// keep writes the secret, trying hard. Only this worker writes this record: if it exists, an earlier try has written it
// although the store said otherwise.
func (w *worker) keep(ctx context.Context, k keptSecret) error {
	return w.store.retryWrite(ctx, func(ctx context.Context) error {
		err := w.store.records.CreateAlways(ctx, secretKey(w.op.record.Person, w.op.record.ID), k, k.Until)
		if errors.Is(err, session.ErrExists) {
			return nil
		}
		return err
	})
}

// revokeOrphan revokes a new token whose secret is lost: it could be neither kept nor shown. If that may not have been
// done, as where the token isn't visible yet, it is gone on with later; if it fails, or the token's id isn't known,
// what may be the token becomes a candidate for the person to revoke. It is named in the log too, in case the record
// can't be written. A rotation that came to this leaves the old token as it was. settle is how that is recorded.
func (w *worker) revokeOrphan(ctx context.Context) (settle func(*record)) {
	orphans := []azuredevops.Token{*w.op.record.Result}
	err := errNoID
	if w.op.record.resultID() == "" {
		orphans, _ = w.op.fitting(ctx)
	} else {
		err = w.op.revoke(ctx, w.op.record.resultID())
	}
	w.store.options.Log.Error("a new token's secret could be neither kept nor shown, therefore the token was to be revoked",
		"operation", w.op.record.ID, "authorizationId", w.op.record.resultID(), "revoked", err == nil, "error", err)
	return func(r *record) {
		r.Old = OldNone
		r.OrphanRevoked = err == nil
		if err == nil {
			return
		}
		r.Candidates = orphans
		if _, definite := failureOf(cmp.Or(missingIsUnknown(err), err)); !definite && r.resultID() != "" {
			w.op.keepRevoking(r, r.resultID())
			r.looked(w.store.options.Now(), err)
		}
	}
}

var errNoID = errors.New("the service did not tell its authorizationId")

// RevealSecret hands out the secret for an answer while it is waiting to be seen; "" otherwise. Reading it changes nothing: a page
// can be reloaded.
func (j *Journal) RevealSecret(ctx context.Context, to *Delivery, person, id string) (string, error) {
	op, err := j.Get(ctx, person, id)
	if err != nil || op.Secret != SecretWaiting || op.hidden() {
		return "", err
	}
	var k keptSecret
	err = j.records.Get(ctx, secretKey(person, id), &k)
	if errors.Is(err, session.ErrNotFound) {
		return "", nil
	}
	if err == nil {
		to.then(func(written bool) {
			if written {
				j.emitShown(ctx, op)
			}
		})
	}
	return k.Secret, err
}

// emitShown reports that a secret was written to a browser.
func (s *store) emitShown(ctx context.Context, op *Operation) {
	s.emit(context.WithoutCancel(ctx), op, Event{Step: ShowingSecret, Outcome: WasDone, Token: op.Result})
}

// Acknowledge records "I have saved it" and deletes the secret. Repeating it is fine.
func (j *Journal) Acknowledge(ctx context.Context, person, id string) (*Operation, error) {
	op, err := j.edit(ctx, person, id, func(r *record) error {
		if !r.secretOpen() || r.AwaitsVault() {
			return errUnchanged
		}
		r.Secret = SecretSaved
		return nil
	})
	if err != nil || op.Secret != SecretSaved {
		return op, err
	}
	return op, j.records.Delete(ctx, secretKey(person, id))
}
