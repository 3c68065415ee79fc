package handlers

import (
	"context"
	"net/http"

	"github.com/patdesk/patdesk/internal/operation"
	"github.com/patdesk/patdesk/internal/panics"
)

// ready says if an access token can be had for the visitor, as long as their session lasts.
func (h *Handlers) ready(v *visit) func(context.Context) error {
	tokens, account := v.session.Tokens(), v.session.Person().Account
	return func(ctx context.Context) error {
		_, err := h.Entra.AccessToken(ctx, tokens, account)
		return err
	}
}

// runBatch sets a batch going, in the visitor's name and apart from their browser, and leads to its page.
func (h *Handlers) runBatch(v *visit, id string) (answer, error) {
	err := h.Journal.RunBatch(v.Context(), h.caller(v), h.ready(v), v.session.Person().Key(), id)
	if err != nil { // confirmed all the same: its page says that it stands still, and how to go on
		fieldsOf(v.Context()).Err = err
	}
	h.outdate(v, "", nil, h.Now())
	return v.to(batchPath(id)), nil
}

// stopBatch has nothing more begun.
func (h *Handlers) stopBatch(v *visit) (answer, error) {
	id := v.param("batch")
	if err := h.Journal.StopBatch(v.Context(), v.session.Person().Key(), id); err != nil {
		return nil, batchError(err)
	}
	return v.to(batchPath(id)), nil
}

// resumable is a batch that can be run again; where only a new sign-in was missing, the error leads through one.
func (h *Handlers) resumable(v *visit) (*operation.Batch, error) {
	b, err := h.Journal.Batch(v.Context(), v.session.Person().Key(), v.param("batch"))
	switch {
	case err != nil:
		return nil, batchError(err)
	case b.Started.IsZero():
		return nil, &httpError{status: http.StatusConflict, key: "bulk.notStarted"}
	}
	if err := h.ready(v)(v.Context()); err != nil {
		return nil, err
	}
	if b.Halt != nil && b.Halt.Claims != "" && !answeredBefore(v.session, b.Halt) {
		return nil, b.Halt
	}
	return b, nil
}

// goOn begins what isn't begun.
func (h *Handlers) goOn(v *visit) (answer, error) {
	return h.resume(v, func(*operation.BatchItem) bool { return false })
}

// retryBatch tries one operation again, or all that may be. The form names the operation that has failed, not the token:
// what another tab has begun anew meanwhile is left alone.
func (h *Handlers) retryBatch(v *visit) (answer, error) {
	one, all := v.PostForm.Get("operation"), v.PostForm.Get("all") == "yes"
	return h.resume(v, func(item *operation.BatchItem) bool { return all || item.Operation.ID == one })
}

func (h *Handlers) resume(v *visit, pick func(*operation.BatchItem) bool) (answer, error) {
	b, err := h.resumable(v)
	if err != nil {
		return nil, err
	}
	if err := h.Journal.ResumeBatch(v.Context(), b.Person, b.ID, pick); err != nil {
		return nil, batchError(err)
	}
	return h.runBatch(v, b.ID)
}

// retireBatch revokes the old tokens of those rotations whose new secret was saved.
func (h *Handlers) retireBatch(v *visit) (answer, error) {
	b, err := h.resumable(v)
	if err != nil {
		return nil, err
	}
	if v.PostForm.Get("sure") != "yes" {
		return h.batchAnswer(v, b, formState{status: http.StatusUnprocessableEntity, problem: summary("bulk.notSure", nil)})
	}
	if err := h.Journal.RetireBatch(v.Context(), b.Person, b.ID); err != nil {
		return nil, batchError(err)
	}
	return h.runBatch(v, b.ID)
}

// eachOperation takes one step of those operations of a batch that pick chooses, and shows the batch again.
func (h *Handlers) eachOperation(
	v *visit, pick func(*operation.Operation) bool, take func(ctx context.Context, person, id string) (*operation.Operation, error),
) (answer, error) {
	b, err := h.Journal.Batch(v.Context(), v.session.Person().Key(), v.param("batch"))
	if err != nil {
		return nil, batchError(err)
	}
	var group panics.Group
	group.SetLimit(stepsAtOnce)
	for i := range b.Items {
		if op := b.Items[i].Operation; op != nil && pick(op) {
			group.Go(func() error {
				_, err := take(v.Context(), b.Person, op.ID)
				return err
			})
		}
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return v.to(batchPath(b.ID)), nil
}

// stepsAtOnce bounds how many operations of a batch are written at the same time: a disk makes sure of several writes as
// fast as of one.
const stepsAtOnce = 8

// saveBatch: "I have saved all". That is said of the secrets that the page showed, not of those that came since.
func (h *Handlers) saveBatch(v *visit) (answer, error) {
	shown := map[string]bool{}
	for _, id := range v.PostForm["operation"] {
		shown[id] = true
	}
	return h.eachOperation(v, func(op *operation.Operation) bool { return shown[op.ID] && op.Phase() == operation.PhaseSecretWaiting }, h.Journal.Acknowledge)
}

// keepOldOnes leaves the old tokens of all rotations alive on purpose.
func (h *Handlers) keepOldOnes(v *visit) (answer, error) {
	return h.eachOperation(v, (*operation.Operation).OldOpen, h.Journal.KeepOld)
}

// dismissBatch leaves what isn't done as it is.
func (h *Handlers) dismissBatch(v *visit) (answer, error) {
	id := v.param("batch")
	if err := h.Journal.DismissBatch(v.Context(), v.session.Person().Key(), id); err != nil {
		return nil, batchError(err)
	}
	return v.to(batchPath(id)), nil
}
