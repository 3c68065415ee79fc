package handlers

import (
	"context"

	"github.com/patdesk/patdesk/internal/failure"
	"github.com/patdesk/patdesk/internal/operation"
)

// step takes one step of an existing operation and shows its page again.
func (h *Handlers) step(v *visit, take func(ctx context.Context, person, id string) (*operation.Operation, error)) (answer, error) {
	ctx, cancel := context.WithTimeout(v.Context(), changeWait)
	defer cancel()
	id := v.param("operation")
	op, err := take(ctx, v.session.Person().Key(), id)
	if op != nil {
		h.outdate(v, op.Organization, op.Before, h.Now())
	}
	switch _, signIn := needsSignIn(err); {
	case err == nil:
	case signIn:
		return nil, err
	case failure.Of(err).Source == failure.SourceAzureDevOps: // recorded in the operation: its page says so
		fieldsOf(v.Context()).Err = err
	default:
		return nil, err
	}
	return v.to(stepPage(v.PostForm, id)), nil
}

// acknowledgeSecret: "I have saved it".
func (h *Handlers) acknowledgeSecret(v *visit) (answer, error) {
	return h.step(v, h.Journal.Acknowledge)
}

// revokeOld: "the new one is in place". Where only a new sign-in was missing, it leads through one.
func (h *Handlers) revokeOld(v *visit) (answer, error) {
	return h.step(v, func(ctx context.Context, person, id string) (*operation.Operation, error) {
		op, err := h.Journal.RevokeOld(ctx, h.caller(v), person, id)
		if err == nil && op.Old == operation.OldFailed && op.OldFailure != nil {
			err = op.OldFailure
		}
		return op, err
	})
}

func (h *Handlers) keepOld(v *visit) (answer, error) { return h.step(v, h.Journal.KeepOld) }

// checkOperation looks again for what an unknown outcome has left behind.
func (h *Handlers) checkOperation(v *visit) (answer, error) {
	return h.step(v, func(ctx context.Context, person, id string) (*operation.Operation, error) {
		return h.Journal.Reconcile(ctx, h.caller(v), person, id)
	})
}

func (h *Handlers) revokeCandidate(v *visit) (answer, error) {
	return h.step(v, func(ctx context.Context, person, id string) (*operation.Operation, error) {
		return h.Journal.RevokeCandidate(ctx, h.caller(v), person, id, v.PostForm.Get("authorizationId"))
	})
}

func (h *Handlers) dismissOperation(v *visit) (answer, error) { return h.step(v, h.Journal.Dismiss) }
