package handlers

import (
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/patdesk/patdesk/internal/azuredevops"
	"github.com/patdesk/patdesk/internal/entra"
	"github.com/patdesk/patdesk/internal/failure"
	"github.com/patdesk/patdesk/internal/session"
	"github.com/patdesk/patdesk/templates"
)

// attemptLife is how long a sign-in may take, from leaving for Entra to coming back; also how long what was typed
// is kept for it.
const attemptLife = 15 * time.Minute

// signInPage is home for people who are not signed in.
type signInPage struct {
	base
	StartURL    string
	Ended       bool // the sign-in had ended
	KeptInput   bool // what was typed is kept and comes back
	SignedOut   bool
	Challenged  bool // Azure DevOps asks for one more check of the person
	Permissions []string
}

// challenge is what a new sign-in has to satisfy; empty for an ordinary one.
type challenge struct{ claims string }

// draft is what a person had typed when the sign-in turned out to be over.
type draft struct {
	Path   string     `json:"path"` // of the page with the form, below the root
	Form   url.Values `json:"form,omitempty"`
	Claims string     `json:"claims,omitempty"`
}

// attempt is what is kept on the server between leaving for Entra and coming back.
type attempt struct {
	Entra  entra.Attempt `json:"entra"`
	Return string        `json:"return"`
	Draft  string        `json:"draft,omitempty"`
}

// home leads to the tokens, or says what patdesk is.
func (h *Handlers) home(v *visit) (answer, error) {
	if v.session.SignedIn() {
		return v.to(TokensPath), nil
	}
	if v.barred {
		return nil, errBarred
	}
	return h.signIn(v)
}

// signIn says what patdesk does and what it will ask for. Signing in starts with a link, not a form: see
// contentSecurityPolicy.
func (h *Handlers) signIn(v *visit) (answer, error) {
	query := v.URL.Query()
	returnTo, kept := safeReturn(query.Get("return")), query.Get("draft")
	if v.session.SignedIn() && kept == "" && query.Get("ended") == "" {
		return v.to(returnTo), nil
	}
	p := signInPage{
		base:      h.base(v, templates.Message("signin.title", nil).Title, ""),
		StartURL:  v.link(startPath(returnTo, kept)),
		Ended:     query.Get("ended") != "" || v.session.Ended(),
		KeptInput: kept != "" && query.Get("typed") != "",
	}
	p.Challenged = query.Get("check") != ""
	for _, key := range []string{"permissions.read", "permissions.manage", "permissions.profile", "permissions.identity"} {
		p.Permissions = append(p.Permissions, templates.Message(key, nil).What)
	}
	return page{template: "sign-in", data: p}, nil
}

// signInFirst leads to the sign-in page and from there back to the visited page, with what was typed into its form.
func (h *Handlers) signInFirst(v *visit, c challenge) (answer, error) {
	query := url.Values{}
	if c.claims != "" {
		query.Set("check", "1")
	} else {
		query.Set("ended", "1")
		if !v.session.Ended() && !v.session.SignedIn() {
			query.Del("ended") // a first visit: nothing has ended
		}
	}
	switch {
	case v.Method == http.MethodPost && c.claims == "" && !h.forms.Drawn(v.PostForm.Get("form")):
		query.Set("return", safeReturn(v.formPath())) // not a form of ours: nothing is kept for whoever sent it
	case v.Method == http.MethodPost:
		id, err := h.keepTyped(v, c)
		if err != nil {
			return nil, err
		}
		query.Set("draft", id)
		query.Set("typed", "1")
	case c.claims != "":
		id, err := h.keepDraft(v, draft{Path: v.here(), Claims: c.claims})
		if err != nil {
			return nil, err
		}
		return v.to(startPath("", id)), nil
	default:
		query.Set("return", safeReturn(v.here()))
	}
	return v.to(SignInPath + "?" + query.Encode()), nil
}

// keepTyped keeps a form as it was sent. One that is larger than any of ours can be was not typed: it is refused.
func (h *Handlers) keepTyped(v *visit, c challenge) (id string, err error) {
	if err := h.keepForStranger(v); err != nil {
		return "", err
	}
	id, err = h.keepDraft(v, draft{Path: v.formPath(), Form: v.PostForm, Claims: c.claims})
	if errors.Is(err, session.ErrTooLarge) {
		err = &httpError{status: http.StatusRequestEntityTooLarge, cause: err}
	}
	return id, err
}

// startSignIn leaves for Entra.
func (h *Handlers) startSignIn(v *visit) (answer, error) {
	query := v.URL.Query()
	kept := attempt{Return: safeReturn(query.Get("return"))}
	options := entra.BeginOptions{RedirectURI: v.address.url(h.RedirectPath), Prompt: "select_account"}
	if id := query.Get("draft"); id != "" {
		var d draft
		if err := h.Sessions.Draft(v.Request, id, &d); err == nil {
			kept.Return, kept.Draft = safeReturn(d.Path), id
			options.Claims = d.Claims
		} else if storeDown(err) {
			return nil, err
		}
	}
	if v.session.SignedIn() { // again, as the same person: no need to choose
		options.LoginHint, options.Prompt = v.session.Person().Username, ""
	}
	to, begun, err := h.Entra.Begin(v.Context(), options)
	if err != nil {
		return nil, err
	}
	kept.Entra = begun
	id, err := h.Sessions.KeepAttempt(v.w, v.Request, begun.State, kept, attemptLife)
	if err != nil {
		return nil, err
	}
	h.signInBegun(v, id)
	return redirect{to}, nil
}

// signInHelps says if an error means that the person has to sign in again.
func signInHelps(err error) bool {
	_, again := needsSignIn(err)
	return again
}

// needsSignIn says if an error means that the person has to sign in again, and with which claims.
func needsSignIn(err error) (challenge, bool) {
	var (
		api  *azuredevops.Error
		sign *entra.Error
		past *failure.Failure
	)
	switch {
	case errors.As(err, &sign) && sign.Kind == entra.KindInteraction:
		return challenge{sign.Claims}, true
	case errors.As(err, &api) && api.Kind == azuredevops.KindClaims:
		return challenge{api.Claims}, true
	case errors.As(err, &past):
		claims, again := past.NeedsSignIn()
		return challenge{claims}, again
	default:
		return challenge{}, false
	}
}
