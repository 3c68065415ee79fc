package tokens

import (
	"context"
	"net/http"
	"net/url"

	"github.com/patdesk/patdesk/handlers/web"
	"github.com/patdesk/patdesk/internal/operation"
)

// change carries out a form's operation once, however often the form is sent, and decides what to answer: the next page
// where it succeeded, the form again where it was refused, the operation's page for everything in between.
func (h *Handlers) change(v *web.Request, r operation.Request, again func(web.FormState) web.Answer) (web.Answer, error) {
	r.Person, r.Form, r.Delivery, r.Begun = v.Person(), v.PostForm.Get("form"), v.Delivery, v.Begun
	r.From = web.OriginOf(v.Request)
	r.Content = v.PostForm.Encode() // as typed: dates counted from now differ between two clicks
	ctx, cancel := context.WithTimeout(v.Context(), web.ChangeWait)
	defer cancel()
	op, err := h.Journal.Do(ctx, v.Caller(), r)
	v.Invalidate(r.Organization, r.Before, h.Site.Now())
	if r.Into != nil {
		web.ForgetVaults(v)
	}
	h.Site.Limits.CountFull(err)
	if status, key := web.FormRefusal(err); status != 0 {
		v.NoteError(err)
		state := web.FormState{Status: status, Problem: web.Summary(v.Words, key, nil), Form: r.Form}
		if status != http.StatusServiceUnavailable && status != http.StatusTooManyRequests { // then the same form can be sent again
			state.Form = h.Journal.Form(r.Person, r.Action, r.Target())
		}
		return again(state), nil
	}
	switch {
	case err != nil:
		return nil, err
	case op.State == operation.Failed:
		return h.failed(v, op, r, again)
	default:
		return h.Sent(v, op)
	}
}

// Sent is the answer to a form whose operation wasn't refused.
func (h *Handlers) Sent(v *web.Request, op *operation.Operation) (web.Answer, error) {
	switch {
	case op.Phase() == operation.PhaseShowOnce:
		return h.Outcomes.Answer(v, op) // its secret stands nowhere else
	case op.State == operation.Succeeded:
		return v.To(donePath(op)), nil
	default:
		return v.To(web.OperationPath(op.ID)), nil
	}
}

// donePath is the page that a successful change leads to.
func donePath(op *operation.Operation) string {
	done := url.Values{"done": {op.ID}}
	switch op.Action {
	case operation.Update:
		return web.TokenPath(op.Organization, op.Before.AuthorizationID, "") + "?" + done.Encode()
	case operation.Revoke:
		done.Set("organization", op.Organization)
		return web.TokensPath + "?" + done.Encode()
	default:
		return web.OperationPath(op.ID)
	}
}

// failed shows the form again, or leads through a sign-in where that is what was missing.
func (h *Handlers) failed(v *web.Request, op *operation.Operation, r operation.Request, again func(web.FormState) web.Answer) (web.Answer, error) {
	err := op.Failure
	v.NoteError(err)
	if _, signIn := web.NeedsSignIn(err); signIn && !web.AnsweredBefore(v.Session, err) {
		return nil, err
	}
	state := web.FormState{Form: h.Journal.Form(r.Person, r.Action, r.Target())}
	if web.AnsweredBefore(v.Session, err) {
		state.Status, state.Problem = http.StatusForbidden, web.Summary(v.Words, "signin.challengeRepeated", nil)
		return again(state), nil
	}
	problem, t := v.Refusal(op)
	state.Status, state.Problem, state.Header = t.Status, problem, web.RetryHeader(t.RetryAfter)
	return again(state), nil
}

// sentBefore reports whether this form has been sent already: its answer is then the operation's, whatever has become
// of the token since.
func (h *Handlers) sentBefore(v *web.Request, form string) bool {
	_, err := h.Journal.Find(v.Context(), v.Person(), form)
	return err == nil
}

// restoredForm decides what becomes of a kept form id: used again while it is unused, replaced when its operation has
// definitely failed, and left for its operation's page when that was carried out. Another person's input, left in the
// same browser, is not shown: a form id names its person.
func (h *Handlers) restoredForm(v *web.Request, form string, a operation.Action, target string) (next string, done *operation.Operation, mine bool) {
	person := v.Person()
	if err := h.Journal.Check(form, person, a, target); err != nil {
		return h.Journal.Form(person, a, target), nil, false
	}
	op, err := h.Journal.Find(v.Context(), person, form)
	switch {
	case err != nil: // never sent
		return form, nil, true
	case op.State == operation.Failed:
		return h.Journal.Form(person, a, target), nil, true
	default:
		return "", op, true
	}
}

// restored is the form id for a page, and what was typed there before a sign-in, nil for nothing; or the answer where
// that was carried out.
func (h *Handlers) restored(v *web.Request, a operation.Action, target string) (form string, typed url.Values, done web.Answer) {
	kept, ok := v.Restore()
	if !ok {
		return h.Journal.Form(v.Person(), a, target), nil, nil
	}
	form, op, mine := h.restoredForm(v, kept.Get("form"), a, target)
	switch {
	case op != nil:
		return "", nil, v.To(web.OperationPath(op.ID))
	case mine:
		typed = kept
	}
	return form, typed, nil
}
