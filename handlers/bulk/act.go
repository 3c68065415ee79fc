package bulk

import (
	"context"
	"net/http"
	"slices"

	"github.com/patdesk/patdesk/handlers/web"
	"github.com/patdesk/patdesk/internal/batch"
	"github.com/patdesk/patdesk/internal/operation"
	"github.com/patdesk/patdesk/internal/panics"
)

// ready says if an access token can be had for the visitor, as long as their session lasts.
func (h *Handlers) ready(v *web.Request) func(context.Context) error {
	tokens, account := v.Session.Tokens(), v.Session.Person().Account
	return func(ctx context.Context) error {
		_, err := h.Entra.AccessToken(ctx, tokens, account)
		return err
	}
}

// runBatch sets a batch going, in the visitor's name and apart from their browser, and leads to its page.
func (h *Handlers) runBatch(v *web.Request, id string) (web.Answer, error) {
	err := h.Batches.Run(v.Context(), batch.Caller{Service: v.Caller(), Vault: web.VaultCaller(v), Ready: h.ready(v), From: web.OriginOf(v.Request)}, v.Person(), id)
	if err != nil { // confirmed all the same: its page says that it stands still, and how to go on
		v.NoteError(err)
	}
	v.Invalidate("", nil, h.Site.Now())
	return v.To(web.BatchPath(id)), nil
}

// Stop has nothing more begun.
func (h *Handlers) Stop(v *web.Request) (web.Answer, error) {
	return step(v, h.Batches.Stop)
}

// resumable is a batch that can be run again; where only a new sign-in was missing, the error leads through one.
func (h *Handlers) resumable(v *web.Request) (*batch.Batch, error) {
	b, err := h.Batches.Get(v.Context(), v.Person(), v.Param("batch"))
	switch {
	case err != nil:
		return nil, batchError(err)
	case b.Started.IsZero():
		return nil, &web.HTTPError{Status: http.StatusConflict, Key: "bulk.notStarted"}
	}
	if err := h.ready(v)(v.Context()); err != nil {
		return nil, err
	}
	if b.Halt != nil && b.Halt.Claims != "" && !web.AnsweredBefore(v.Session, b.Halt) {
		return nil, b.Halt
	}
	if forVault(b) {
		err = web.VaultNeedsSignIn(v, b.Items[0].Into.Secret)
	}
	return b, err
}

// GoOn begins what isn't begun, and tries again one operation, or all that may be, where the form says so. It names the
// operation that has failed, not the token: what another tab has begun anew meanwhile is left alone.
func (h *Handlers) GoOn(v *web.Request) (web.Answer, error) {
	b, err := h.resumable(v)
	if err != nil {
		return nil, err
	}
	one, all := v.PostForm.Get("operation"), v.PostForm.Get("all") == "yes"
	return h.runAgain(v, b, func(ctx context.Context, person, id string) error {
		return h.Batches.Resume(ctx, person, id, func(item *batch.Item) bool { return all || item.Operation.ID == one })
	})
}

// runAgain runs a batch again once it is marked what of it is to be done.
func (h *Handlers) runAgain(v *web.Request, b *batch.Batch, mark func(ctx context.Context, person, id string) error) (web.Answer, error) {
	if err := mark(v.Context(), b.Person, b.ID); err != nil {
		return nil, batchError(err)
	}
	return h.runBatch(v, b.ID)
}

// RevokeOld revokes the old tokens of those rotations whose new secret was saved.
func (h *Handlers) RevokeOld(v *web.Request) (web.Answer, error) {
	b, err := h.resumable(v)
	if err != nil {
		return nil, err
	}
	if v.PostForm.Get("sure") != "yes" {
		return h.batchAnswer(v, b, web.FormState{Status: http.StatusUnprocessableEntity, Problem: web.Summary(v.Words, "bulk.notSure", nil)})
	}
	return h.runAgain(v, b, h.Batches.RevokeOld)
}

// eachOperation takes one step of those operations of a batch that pick chooses, and shows the batch again.
func (h *Handlers) eachOperation(
	v *web.Request, pick func(*operation.Operation) bool, take func(ctx context.Context, person, id string) (*operation.Operation, error),
) (web.Answer, error) {
	b, err := h.Batches.Get(v.Context(), v.Person(), v.Param("batch"))
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
	return v.To(web.BatchPath(b.ID)), nil
}

// stepsAtOnce bounds how many operations of a batch are written at the same time: a disk makes sure of several writes
// as fast as of one.
const stepsAtOnce = 8

// Save is "I have saved all". That is said of the secrets that the page showed, not of those that came since.
func (h *Handlers) Save(v *web.Request) (web.Answer, error) {
	shown := v.PostForm["operation"]
	return h.eachOperation(v, func(op *operation.Operation) bool {
		return op.Phase() == operation.PhaseSecretWaiting && slices.Contains(shown, op.ID)
	}, h.Journal.Acknowledge)
}

// KeepOld leaves the old tokens of all rotations alive on purpose.
func (h *Handlers) KeepOld(v *web.Request) (web.Answer, error) {
	return h.eachOperation(v, (*operation.Operation).OldOpen, h.Journal.KeepOld)
}

// Dismiss leaves what isn't done as it is.
func (h *Handlers) Dismiss(v *web.Request) (web.Answer, error) {
	return step(v, h.Batches.Dismiss)
}

func step(v *web.Request, take func(ctx context.Context, person, id string) error) (web.Answer, error) {
	id := v.Param("batch")
	if err := take(v.Context(), v.Person(), id); err != nil {
		return nil, batchError(err)
	}
	return v.To(web.BatchPath(id)), nil
}
