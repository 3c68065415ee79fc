package handlers

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/patdesk/patdesk/internal/azuredevops"
	"github.com/patdesk/patdesk/internal/operation"
	"github.com/patdesk/patdesk/internal/plaintext"
	"github.com/patdesk/patdesk/templates"
)

// changeWait is how long a form waits for its change. After that the operation's page goes on waiting.
const changeWait = 90 * time.Second

// formState is a change that was not done, for the page that shows its form again with what was typed.
type formState struct {
	status  int
	problem *problemSummary
	form    string // id for the next try
	header  http.Header
}

// change carries out a form's operation once, however often the form is sent, and decides what to answer: the
// next page where it succeeded, the form again where it was refused, the operation's page for everything in between.
func (h *Handlers) change(v *visit, r operation.Request, again func(formState) answer) (answer, error) {
	r.Person, r.Form, r.Delivery, r.Begun = v.session.Person().Key(), v.PostForm.Get("form"), v.delivery, v.begun
	r.Content = v.PostForm.Encode() // as typed: dates counted from now differ between two clicks
	ctx, cancel := context.WithTimeout(v.Context(), changeWait)
	defer cancel()
	op, err := h.Journal.Do(ctx, h.caller(v), r)
	h.outdate(v, r.Organization, r.Before, h.Now())
	h.countFull(err)
	if status, key := formRefusal(err); status != 0 {
		fieldsOf(v.Context()).Err = err
		no := formState{status: status, problem: summary(key, nil), form: r.Form}
		if status != http.StatusServiceUnavailable && status != http.StatusTooManyRequests { // then the same form can be sent again
			no.form = h.Journal.Form(r.Person, r.Action, r.Target)
		}
		return again(no), nil
	}
	switch {
	case err != nil:
		return nil, err
	case op.State == operation.Failed:
		return h.failed(v, op, r, again)
	default:
		return h.outcome(v, op)
	}
}

// outcome is the answer to a form whose operation wasn't refused.
func (h *Handlers) outcome(v *visit, op *operation.Operation) (answer, error) {
	switch {
	case op.Phase() == operation.PhaseShowOnce:
		return h.operationAnswer(v, op) // its secret stands nowhere else
	case op.State == operation.Succeeded:
		return v.to(donePath(op)), nil
	default:
		return v.to(operationPath(op.ID)), nil
	}
}

// donePath is the page that a successful change leads to.
func donePath(op *operation.Operation) string {
	done := url.Values{"done": {op.ID}}
	switch op.Action {
	case operation.Update:
		return tokenPath(op.Organization, op.Before.AuthorizationID, "") + "?" + done.Encode()
	case operation.Revoke:
		done.Set("organization", op.Organization)
		return TokensPath + "?" + done.Encode()
	default:
		return operationPath(op.ID)
	}
}

// failed shows the form again, or leads through a sign-in where that is what was missing.
func (h *Handlers) failed(v *visit, op *operation.Operation, r operation.Request, again func(formState) answer) (answer, error) {
	err := op.Failure
	fieldsOf(v.Context()).Err = err
	if _, signIn := needsSignIn(err); signIn && !answeredBefore(v.session, err) {
		return nil, err
	}
	no := formState{form: h.Journal.Form(r.Person, r.Action, r.Target)}
	if answeredBefore(v.session, err) {
		no.status, no.problem = http.StatusForbidden, summary("signin.challengeRepeated", nil)
		return again(no), nil
	}
	problem, t := h.refusal(v, op.Failure, op.Finished)
	no.status, no.problem, no.header = t.status, problem, retryHeader(t.retryAfter)
	return again(no), nil
}

// operationWords is what the catalogue's sentences about an operation can name.
func (h *Handlers) operationWords(v *visit, op *operation.Operation) map[string]any {
	words := map[string]any{
		"Organization": op.Organization, "Token": plaintext.InSentence(operationToken(op)), "Action": string(op.Action),
		"Until": v.when(op.SecretUntil).Relative, "Asked": v.when(op.Want.ValidTo).Date, "Sent": v.when(op.Started).Clock,
	}
	if v.now.Before(op.LookUntil) && (op.State != operation.Unknown || !op.Dismissed) {
		words["LookUntil"] = v.when(op.LookUntil).Clock
	}
	if op.Result != nil {
		words["Granted"] = v.when(op.Result.ValidTo).Date
	}
	return words
}

// operationToken names the token that an operation is about.
func operationToken(op *operation.Operation) string {
	for _, name := range []string{op.Want.DisplayName, nameOf(op.Before), nameOf(op.Result)} {
		if name != "" {
			return name
		}
	}
	return templates.Message("token.unnamed", nil).Title
}

func nameOf(t *azuredevops.Token) string {
	if t == nil {
		return ""
	}
	if t.DisplayName == "" {
		return t.AuthorizationID
	}
	return t.DisplayName
}

// doneSentence says what was just done, on the page that a successful change leads to.
func (h *Handlers) doneSentence(v *visit) string {
	id := v.URL.Query().Get("done")
	if id == "" {
		return ""
	}
	op, err := h.Journal.Get(v.Context(), v.session.Person().Key(), id)
	if err != nil || op.State != operation.Succeeded {
		return ""
	}
	return templates.Message(successKey(op), h.operationWords(v, op)).What
}

// successKey names the sentence for a change that succeeded.
func successKey(op *operation.Operation) string {
	key := map[operation.Action]string{
		operation.Create: "operation.created", operation.Update: "operation.updated",
		operation.Revoke: "operation.revoked", operation.Rotate: "operation.rotated",
	}[op.Action]
	if shortened(op) {
		key += "Shortened"
	}
	return key
}

// shortened says that the service gave an earlier end than was asked for. It rounds to hundredths of a second
// and, where a policy says so, cuts; a minute tells the two apart.
func shortened(op *operation.Operation) bool {
	return op.Result != nil && !op.Want.ValidTo.IsZero() && op.Want.ValidTo.Sub(op.Result.ValidTo) > time.Minute
}
