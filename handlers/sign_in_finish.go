package handlers

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/patdesk/patdesk/internal/audit"
	"github.com/patdesk/patdesk/internal/entra"
	"github.com/patdesk/patdesk/internal/failure"
	"github.com/patdesk/patdesk/internal/session"
	"github.com/patdesk/patdesk/templates"
)

// finishSignIn is the redirect URI. The attempt is taken (and so used up) before the code is redeemed.
func (h *Handlers) finishSignIn(v *visit) (answer, error) {
	query := v.URL.Query()
	var kept attempt
	err := h.Sessions.TakeAttempt(v.Request, query.Get("state"), &kept)
	switch {
	case errors.Is(err, session.ErrNotFound):
		return h.unknownAttempt(v)
	case err != nil:
		return nil, err
	}
	identity, cache, err := h.Entra.Finish(v.Context(), kept.Entra, query)
	if err != nil {
		h.Telemetry.SignIn(signInOutcome(err))
		return h.signInFailed(v, kept, err)
	}
	person := session.Person{
		TenantID: identity.TenantID, ObjectID: identity.ObjectID,
		Name: identity.Name, Username: identity.Username, Account: identity.Account,
	}
	opened, err := h.Sessions.SignIn(v.w, v.Request, person, cache, kept.Entra.Started)
	if err != nil {
		h.Telemetry.SignIn(SignInStore)
		return nil, err
	}
	h.Telemetry.SignIn(SignInOK)
	h.auditSignIn(v, audit.Actor{Person: opened.Person(), Session: opened.Hash()}, nil)
	if kept.Entra.Claims != "" {
		if err := h.noteChallenge(v, opened, kept.Entra.Claims); err != nil {
			return nil, err
		}
	}
	return v.to(withDraft(kept)), nil
}

// auditSignIn records a sign-in of who, where it came from.
func (h *Handlers) auditSignIn(v *visit, who audit.Actor, refused *failure.Failure) {
	who.RequestID, who.Origin = requestID(v.Context()), originOf(v.Request)
	audit.SignIn(v.Context(), h.Log, who, refused)
}

// Outcomes of a sign-in that came back from Entra, beside the kinds of entra.Error.
const (
	SignInOK    = "ok"
	SignInStore = "store" // the session could not be kept
)

func signInOutcome(err error) string {
	var failed *entra.Error
	if errors.As(err, &failed) {
		return string(failed.Kind)
	}
	return string(entra.KindOther)
}

func withDraft(a attempt) string {
	if a.Draft == "" {
		return a.Return
	}
	separator := "?"
	if strings.Contains(a.Return, "?") {
		separator = "&"
	}
	return a.Return + separator + url.Values{"draft": {a.Draft}}.Encode()
}

// unknownAttempt: no state, a foreign, used or outdated one. Somebody who is signed in has most likely reloaded
// the page or gone back; for everybody else this is where a forged callback ends.
func (h *Handlers) unknownAttempt(v *visit) (answer, error) {
	if v.session.SignedIn() {
		return v.to("/"), nil
	}
	key := "signin.unknownAttempt"
	if v.URL.Query().Get("error") != "" && v.URL.Query().Get("state") == "" {
		key = "signin.errorWithoutState"
	}
	return nil, &httpError{status: http.StatusBadRequest, key: key}
}

// signInFailed words what came back, with a link that starts again with the same destination and input.
func (h *Handlers) signInFailed(v *visit, kept attempt, err error) (answer, error) {
	var sign *entra.Error
	if !errors.As(err, &sign) {
		return nil, err
	}
	fieldsOf(v.Context()).Err = err
	h.auditSignIn(v, audit.Actor{}, failure.Of(err))
	t := h.trouble(v, err)
	p := problemPage{
		base: h.base(v, t.text.Title, ""), Status: t.status, Heading: t.text.Title, What: t.text.What, Advice: t.text.Advice,
		Details: h.support(v, t),
		Actions: []nextAction{{
			Text: templates.Message("action.signInAgain", nil).Title, URL: v.link(startPath(kept.Return, kept.Draft)), Primary: true,
		}},
	}
	if sign.CorrelationID != "" {
		p.Details = append(p.Details, field{templates.Message("label.correlationID", nil).Title, sign.CorrelationID})
	}
	if sign.AADSTS != "" {
		p.Details = append(p.Details, field{templates.Message("label.aadsts", nil).Title, "AADSTS" + sign.AADSTS})
	}
	return page{status: t.status, template: "problem", data: p, header: retryHeader(t.retryAfter)}, nil
}
