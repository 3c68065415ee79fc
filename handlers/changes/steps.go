package changes

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/patdesk/patdesk/handlers/web"
	"github.com/patdesk/patdesk/handlers/web/outcome"
	"github.com/patdesk/patdesk/internal/failure"
	"github.com/patdesk/patdesk/internal/operation"
)

// stepPage is where a step of an operation leads: its own page, or that of the results it was taken on.
func stepPage(posted url.Values, id string) string {
	if back := posted.Get("return"); back != "" {
		if back = web.SafeReturn(back); strings.HasPrefix(back, web.GlobalTokensPath+"/") || strings.HasPrefix(back, web.BulkPath+"/") {
			return back
		}
	}
	return web.OperationPath(id)
}

// step takes one step of an existing operation and shows its page again.
func (h *Handlers) step(v *web.Request, take func(ctx context.Context, person, id string) (*operation.Operation, error)) (web.Answer, error) {
	ctx, cancel := context.WithTimeout(v.Context(), web.ChangeWait)
	defer cancel()
	id := v.Param("operation")
	op, err := take(ctx, v.Person(), id)
	if op != nil {
		v.Invalidate(op.Organization, op.Before, h.Site.Now())
		if op.Into != nil {
			web.ForgetVaults(v)
		}
	}
	switch _, signIn := web.NeedsSignIn(err); {
	case err == nil:
	case signIn:
		return nil, err
	case recorded(err): // its page says so
		v.NoteError(err)
	default:
		return nil, err
	}
	return v.To(stepPage(v.PostForm, id)), nil
}

// recorded reports whether the operation says itself how a step of it failed.
func recorded(err error) bool {
	source := failure.Of(err).Source
	return source == failure.SourceAzureDevOps || source == failure.SourceVault
}

// Acknowledge is "I have saved it".
func (h *Handlers) Acknowledge(v *web.Request) (web.Answer, error) {
	return h.step(v, h.Journal.Acknowledge)
}

// RevokeOld is "the new one is in place". Where only a new sign-in was missing, it leads through one.
func (h *Handlers) RevokeOld(v *web.Request) (web.Answer, error) {
	return h.step(v, func(ctx context.Context, person, id string) (*operation.Operation, error) {
		op, err := h.Journal.RevokeOld(ctx, v.Caller(), person, id)
		if err == nil && op.Old == operation.OldFailed && op.OldFailure != nil {
			err = op.OldFailure
		}
		if err == nil && op.PreviousOpen() {
			return h.disablePrevious(v)(ctx, person, id)
		}
		return op, err
	})
}

// Deliver puts a secret into its vault that couldn't be put there before. Where only a new sign-in was missing, it leads
// through one.
func (h *Handlers) Deliver(v *web.Request) (web.Answer, error) {
	return h.step(v, func(ctx context.Context, person, id string) (*operation.Operation, error) {
		op, err := h.Journal.Deliver(ctx, v.Caller(), web.VaultCaller(v), person, id)
		if err == nil && op.Into != nil && op.Into.State == operation.IntoFailed && op.Into.Failure != nil {
			err = op.Into.Failure
		}
		return op, err
	})
}

// ShowInstead has a secret shown that couldn't be put into its vault.
func (h *Handlers) ShowInstead(v *web.Request) (web.Answer, error) {
	return h.step(v, h.Journal.ShowInstead)
}

// DisablePrevious disables the version in a vault that holds the secret of a revoked old token.
func (h *Handlers) DisablePrevious(v *web.Request) (web.Answer, error) {
	return h.step(v, h.disablePrevious(v))
}

func (h *Handlers) disablePrevious(v *web.Request) func(context.Context, string, string) (*operation.Operation, error) {
	return func(ctx context.Context, person, id string) (*operation.Operation, error) {
		op, err := h.Journal.DisablePrevious(ctx, v.Caller(), web.VaultCaller(v), person, id)
		if err == nil && op.Into != nil && op.Into.DisableFailure != nil {
			err = op.Into.DisableFailure
		}
		return op, err
	}
}

// ScheduleRevoke has the old token revoked by itself at the time that was chosen, or not by itself any more.
func (h *Handlers) ScheduleRevoke(v *web.Request) (web.Answer, error) {
	typed := strings.TrimSpace(v.PostForm.Get(outcome.ScheduleField))
	at, fault := outcome.ReadSchedule(v, typed)
	if v.PostForm.Has("drop") {
		at, fault = time.Time{}, ""
	}
	if fault != "" {
		op, err := h.Journal.Get(v.Context(), v.Person(), v.Param("operation"))
		if err != nil {
			return nil, err
		}
		return h.Outcomes.Unscheduled(v, op, http.StatusUnprocessableEntity, typed, fault)
	}
	return h.step(v, func(ctx context.Context, person, id string) (*operation.Operation, error) {
		return h.Journal.ScheduleRevoke(ctx, person, id, at)
	})
}

// KeepOld leaves the old token of a rotation alive on purpose.
func (h *Handlers) KeepOld(v *web.Request) (web.Answer, error) { return h.step(v, h.Journal.KeepOld) }

// Check looks again for what an unknown outcome has left behind.
func (h *Handlers) Check(v *web.Request) (web.Answer, error) {
	return h.step(v, func(ctx context.Context, person, id string) (*operation.Operation, error) {
		return h.Journal.Reconcile(ctx, v.Caller(), person, id)
	})
}

// RevokeCandidate revokes a token that the operation may have made.
func (h *Handlers) RevokeCandidate(v *web.Request) (web.Answer, error) {
	return h.step(v, func(ctx context.Context, person, id string) (*operation.Operation, error) {
		return h.Journal.RevokeCandidate(ctx, v.Caller(), person, id, v.PostForm.Get("authorizationId"))
	})
}

// Dismiss leaves the operation as it is.
func (h *Handlers) Dismiss(v *web.Request) (web.Answer, error) { return h.step(v, h.Journal.Dismiss) }
