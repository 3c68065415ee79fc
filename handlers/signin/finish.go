package signin

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/patdesk/patdesk/handlers/web"
	"github.com/patdesk/patdesk/internal/audit"
	"github.com/patdesk/patdesk/internal/entra"
	"github.com/patdesk/patdesk/internal/failure"
	"github.com/patdesk/patdesk/internal/session"
)

// Finish is the redirect URI. The attempt is taken (and so used up) before the code is redeemed.
func (h *Handlers) Finish(v *web.Request) (web.Answer, error) {
	query := v.URL.Query()
	var kept attempt
	err := h.Sessions.TakeAttempt(v.Request, query.Get("state"), &kept)
	switch {
	case errors.Is(err, session.ErrNotFound):
		return unknownAttempt(v)
	case err != nil:
		return nil, err
	}
	identity, cache, err := h.Entra.Finish(v.Context(), kept.Entra, query)
	if err != nil {
		h.Site.Telemetry.SignIn(signInOutcome(err))
		return h.signInFailed(v, kept, err)
	}
	person := session.Person{
		TenantID: identity.TenantID, ObjectID: identity.ObjectID,
		Name: identity.Name, Username: identity.Username, Account: identity.Account,
	}
	opened, err := h.Sessions.SignIn(v.Writer, v.Request, person, cache, kept.Entra.Started)
	if err != nil {
		h.Site.Telemetry.SignIn(web.SignInStore)
		return nil, err
	}
	h.Site.Telemetry.SignIn(web.SignInOK)
	h.auditSignIn(v, audit.Actor{Person: opened.Person(), Session: opened.Hash()}, nil)
	if kept.Entra.Claims != "" {
		if err := web.NoteChallenge(v.Context(), opened, kept.Entra.Claims); err != nil {
			return nil, err
		}
	}
	return v.To(withDraft(kept)), nil
}

// auditSignIn records a sign-in of who, where it came from.
func (h *Handlers) auditSignIn(v *web.Request, who audit.Actor, refused *failure.Failure) {
	who.RequestID, who.Origin = v.RequestID(), web.OriginOf(v.Request)
	audit.SignIn(v.Context(), h.Site.Log, who, refused)
}

func signInOutcome(err error) string {
	if failed, ok := errors.AsType[*entra.Error](err); ok {
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

// unknownAttempt: no state, a foreign, used or outdated one. A person who is signed in has most likely reloaded the
// page or gone back; for everybody else this is where a forged callback ends.
func unknownAttempt(v *web.Request) (web.Answer, error) {
	if v.Session.SignedIn() || strings.EqualFold(v.URL.Query().Get("admin_consent"), "true") { // the latter comes back from ConsentURL
		return v.To("/"), nil
	}
	key := "signin.unknownAttempt"
	if v.URL.Query().Get("error") != "" && v.URL.Query().Get("state") == "" {
		key = "signin.errorWithoutState"
	}
	return nil, &web.HTTPError{Status: http.StatusBadRequest, Key: key}
}

// signInFailed words what came back, with a link that starts again with the same destination and input.
func (h *Handlers) signInFailed(v *web.Request, kept attempt, err error) (web.Answer, error) {
	sign, ok := errors.AsType[*entra.Error](err)
	if !ok {
		return nil, err
	}
	v.NoteError(err)
	h.auditSignIn(v, audit.Actor{}, failure.Of(err))
	t := v.Describe(err)
	p := web.ProblemPage{
		Base: v.Base(t.Text.Title, ""), Status: t.Status, Heading: t.Text.Title, What: t.Text.What, Advice: t.Text.Advice,
		Details: v.Support(t),
		Actions: []web.NextAction{{
			Text: v.Words.Message("action.signInAgain", nil).Title, URL: v.Link(web.StartPath(kept.Return, kept.Draft)), Primary: true,
		}},
	}
	p.AskApproval(v, t)
	if sign.CorrelationID != "" {
		p.Details = append(p.Details, web.Field{Label: v.Words.Message("label.correlationID", nil).Title, Value: sign.CorrelationID})
	}
	if sign.AADSTS != "" {
		p.Details = append(p.Details, web.Field{Label: v.Words.Message("label.aadsts", nil).Title, Value: "AADSTS" + sign.AADSTS})
	}
	return web.Page{Status: t.Status, Template: "problem", Data: p, Header: web.RetryHeader(t.RetryAfter)}, nil
}
