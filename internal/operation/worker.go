package operation

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/patdesk/patdesk/internal/azuredevops"
	"github.com/patdesk/patdesk/internal/failure"
)

// listTimeout bounds the listing before a creation, which delays the person; lookTimeout bounds looking for what an
// unknown change has done.
const (
	listTimeout = 5 * time.Second
	lookTimeout = 15 * time.Second
)

// worker carries out one request, from its claim to its outcome.
type worker struct {
	store *store
	call  *call
	op    *locked
}

// locked is an operation whose lock is held: only one worker in all processes has it.
type locked struct {
	store   *store
	service Service
	vault   Vault // nil where none is needed
	record  *record
}

// perform carries out what was claimed, records the outcome and finishes the call.
func (w *worker) perform(ctx context.Context) {
	w.store.reach("claimed")
	switch before := w.op.record.Before; w.op.record.Action {
	case Create, Rotate:
		w.make(ctx)
	case Update:
		token, err := w.callUpdate(ctx)
		w.conclude(ctx, token, err)
	case Revoke:
		w.conclude(ctx, *before, w.op.revokeBefore(ctx))
	}
}

// finished finishes the call with the operation as it stands.
func (w *worker) finished() { w.store.calls.finish(w.call, w.op.record.at(w.store.options.Now()), nil) }

// make creates a token: first the intent, with the tokens that were there before; then the one call; then the secret;
// then the outcome.
func (w *worker) make(ctx context.Context) {
	known, listed := w.knownTokens(ctx)
	if len(known) > maxKnown {
		known, listed = nil, false
	}
	w.store.reach("listed")
	if err := w.intend(ctx, known, listed); err != nil {
		w.withdraw(ctx)
		w.store.emit(ctx, &w.op.record.Operation, Event{
			Step: Step(w.op.record.Action), Outcome: WasRefused, Token: w.op.record.Before, Failure: &failure.Failure{Source: failure.SourceOperation, Kind: failure.NotKept},
		})
		w.store.calls.finish(w.call, nil, NotKept(err))
		return
	}
	if !w.op.record.Called { // the intent was refused: a graceful stop has given the operation up
		w.finished()
		return
	}
	w.store.reach("intended")
	token, secret, err := w.callCreate(ctx)
	w.store.reach("answered")
	if err != nil {
		w.refuse(ctx, err)
		w.finished()
		return
	}
	w.deliver(ctx, token, secret)
}

// maxKnown is how many tokens of the wanted name are recorded: the operation's record is bounded, and must never be too
// small for what is to be done.
const maxKnown = 2000

// knownTokens lists the active tokens of the wanted name, so that a token that is made can be recognized among those
// that were there. It is best effort: without it, reconciliation goes by validFrom.
func (w *worker) knownTokens(ctx context.Context) (ids []string, listed bool) {
	if known := w.call.request.Known; known != nil {
		return known.IDs, known.All
	}
	tokens, err := listActive(ctx, w.op.service, w.op.record.Organization, listTimeout)
	for _, t := range tokens {
		if mayBeNamed(t, w.op.record.Want.DisplayName) {
			ids = append(ids, t.AuthorizationID)
		}
	}
	return ids, err == nil
}

// listActive lists an organization's active tokens. With an error it may return some of them. One without an id that is
// understood may be any: what isn't in such a list may be active all the same, and what is new in it can't be seen.
func listActive(ctx context.Context, s Service, organization string, limit time.Duration) ([]azuredevops.Token, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	tokens, err := s.List(ctx, organization, azuredevops.Active)
	addressed := slices.DeleteFunc(slices.Clone(tokens), func(t azuredevops.Token) bool { return !t.Addressable() })
	if err == nil && len(addressed) < len(tokens) {
		err = &azuredevops.Error{Call: "list", Organization: organization, Kind: azuredevops.KindNotUnderstood, Err: errUnaddressed}
	}
	return addressed, err
}

var errUnaddressed = errors.New("the list holds tokens without an id that is understood")

// intend records that the call comes next. After it, a dead worker means "unknown"; before it, "not done".
func (w *worker) intend(ctx context.Context, known []string, listed bool) error {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	return w.store.change(ctx, w.op.record, func(r *record) error {
		if r.State != Sent {
			return errUnchanged
		}
		r.Called, r.Known, r.Listed = true, known, listed
		return nil
	})
}

// withdraw takes back a claim of which nothing was sent, so that the same form can be sent again. If that fails too,
// the record is found dead, and says that nothing was sent.
func (w *worker) withdraw(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	if err := w.store.records.Delete(ctx, w.op.record.key()); err == nil {
		w.store.dropStrayMarker(ctx, w.op.record.Person, w.op.record.ID)
	}
}

// callCreate sends the one create that a form may cause.
func (w *worker) callCreate(ctx context.Context) (azuredevops.Token, string, error) {
	ctx, cancel := context.WithTimeout(ctx, w.store.options.CallTimeout)
	defer cancel()
	token, secret, err := w.op.service.Create(ctx, w.op.record.Organization, w.op.record.Want)
	if err == nil && secret == "" { // made, but its secret is lost: as if no answer had come
		err = &azuredevops.Error{
			Call: "create", Organization: w.op.record.Organization, Kind: azuredevops.KindNotUnderstood, Unknown: true, Token: &token,
		}
	}
	return token, secret, err
}

// callUpdate sends an update, once.
func (w *worker) callUpdate(ctx context.Context) (azuredevops.Token, error) {
	ctx, cancel := context.WithTimeout(ctx, w.store.options.CallTimeout)
	defer cancel()
	return w.op.service.Update(ctx, w.op.record.Organization, w.op.record.Before.AuthorizationID, w.op.record.Want)
}

// conclude records how a change that makes no token went, and finishes the call.
func (w *worker) conclude(ctx context.Context, result azuredevops.Token, err error) {
	w.store.reach("answered")
	if err != nil {
		w.refuse(ctx, err)
	} else {
		_ = w.store.report(ctx, w.op.record, func(r *record) error {
			r.succeed(w.store.options.Now(), result)
			return nil
		})
	}
	w.finished()
}

// refuse records that the change was not done, or that this can't be known. Then it looks at once, unless the service
// asked for a pause: the person needn't wait for that.
func (w *worker) refuse(ctx context.Context, err error) {
	cause, definite := failureOf(err)
	reportErr := w.store.report(ctx, w.op.record, func(r *record) error {
		if r.State == Succeeded { // another process has found the kept secret
			return errUnchanged
		}
		r.State, r.Failure, r.Finished = Unknown, cause, w.store.options.Now()
		if definite {
			r.State = Failed
			return nil
		}
		w.store.beginDoubt(r, r.Started)
		r.putOffLook(w.store.options.Now().Add(cause.RetryAfter))
		var e *azuredevops.Error
		if errors.As(err, &e) && e.Token != nil {
			r.Named, r.Candidates, r.Ours = e.Token.AuthorizationID, []azuredevops.Token{*e.Token}, true
		}
		return nil
	})
	w.store.reach("refused")
	if definite || reportErr != nil || cause.RetryAfter > 0 {
		return
	}
	w.call.update(w.op.record.at(w.store.options.Now()))
	_ = w.op.reconcile(ctx)
}

// revokeTries: revoking is the one change that may be sent again, for it has the same effect however often it is done.
const revokeTries = 3

// revoke revokes a token of the operation's organization. Its error says Unknown if any try may have done it.
func (o *locked) revoke(ctx context.Context, authorizationID string) error {
	ctx, cancel := context.WithTimeout(ctx, o.store.options.CallTimeout)
	defer cancel()
	var maybe error // of the last try that may have done it
	for try := 1; ; try++ {
		err := o.service.Revoke(ctx, o.record.Organization, authorizationID)
		if err == nil {
			return nil
		}
		if _, definite := failureOf(err); !definite {
			maybe = err
		}
		wait, again := retryAfter(err, try)
		if !again || try == revokeTries || ctx.Err() != nil {
			return cmp.Or(maybe, err) // what a later try met doesn't undo an earlier one
		}
		_ = o.store.options.Pause(ctx, wait)
	}
}

// missingIsUnknown is the service's word that there is no such token, as an unknown outcome: the token may not be
// visible yet. nil if err is something else.
func missingIsUnknown(err error) error {
	var e *azuredevops.Error
	if !errors.As(err, &e) || !e.Missing() {
		return nil
	}
	unknown := *e
	unknown.Unknown = true
	return &unknown
}

// retryAfter reports whether a failed revoke is worth another try, and when: as the service asks, if that is soon.
func retryAfter(err error, try int) (wait time.Duration, again bool) {
	const patience = 5 * time.Second
	var e *azuredevops.Error
	if !errors.As(err, &e) || e.RetryAfter > patience {
		return 0, false
	}
	switch e.Kind {
	case azuredevops.KindThrottled, azuredevops.KindServer, azuredevops.KindUnavailable, azuredevops.KindTimeout,
		azuredevops.KindConnection, azuredevops.KindNotUnderstood, azuredevops.KindIntermediary, azuredevops.KindTooLarge,
		azuredevops.KindBusy, azuredevops.KindOverloaded:
		return max(e.RetryAfter, time.Duration(try)*250*time.Millisecond), true
	}
	return 0, e.Unknown && e.Kind != azuredevops.KindSignIn
}
