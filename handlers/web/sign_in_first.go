package web

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/patdesk/patdesk/internal/azuredevops"
	"github.com/patdesk/patdesk/internal/entra"
	"github.com/patdesk/patdesk/internal/failure"
	"github.com/patdesk/patdesk/internal/session"
	"github.com/patdesk/patdesk/internal/vault"
)

// AttemptLife is how long a sign-in may take, from leaving for Entra to coming back; also how long what was typed is
// kept for it.
const AttemptLife = 15 * time.Minute

// Challenge is what a new sign-in has to satisfy; empty for an ordinary one.
type Challenge struct {
	claims string
	vaults bool // it is to get an access token for vaults
	agree  bool // its person hasn't agreed yet that patdesk reaches them
}

// Draft is what a person had typed when the sign-in turned out to be over.
type Draft struct {
	Path   string     `json:"path"` // of the page with the form, below the root
	Form   url.Values `json:"form,omitempty"`
	Claims string     `json:"claims,omitempty"`
	Vaults bool       `json:"vaults,omitempty"` // the sign-in asks that patdesk may reach vaults
}

// ErrBarred says why a session is over, and that another account may do. It leads nowhere by itself: that would go
// round in circles.
var ErrBarred = &HTTPError{Status: http.StatusForbidden, Key: "signin.barred"}

// keepDraft keeps what was typed, or a page to come back to, through a sign-in. The oldest ones that have to go for it,
// of this person or network first, are dropped.
func (l *Limits) keepDraft(v *Request, d Draft) (id string, err error) {
	id, record, err := l.Sessions.KeepDraft(v.Writer, v.Request, d, AttemptLife)
	if err != nil {
		return "", err
	}
	whose := v.network()
	if v.Session.SignedIn() {
		whose = v.Person()
	}
	for _, oldest := range l.drafts.Begin(whose, record) {
		if err := l.Sessions.DropDraft(v.Context(), oldest); err != nil {
			l.Log.WarnContext(v.Context(), "what was typed before a sign-in could not be dropped", "request_id", v.RequestID(), "error", err)
		}
	}
	return id, nil
}

// keepForStranger counts what is kept for a visitor who isn't signed in: it comes before a sign-in, and counts as one.
func (l *Limits) keepForStranger(v *Request) error {
	if v.Session.SignedIn() {
		return nil
	}
	if wait := l.takeSignIn(v.network()); wait > 0 {
		return l.tooMany(v, limitSignIns, wait)
	}
	return nil
}

// signInFirst leads to the sign-in page and from there back to the visited page, with what was typed into its form.
func (s *Site) signInFirst(v *Request, c Challenge) (Answer, error) {
	if !entra.FitsSignIn(c.claims) {
		return nil, &entra.Error{Kind: entra.KindTooLong}
	}
	query := url.Values{}
	switch {
	case c.vaults:
		return s.agreeFirst(v, c)
	case c.claims != "":
		query.Set("check", "1")
	case v.Session.Ended() || v.Session.SignedIn(): // else it is a first visit: nothing has ended
		query.Set("ended", "1")
	}
	switch {
	case v.Method == http.MethodPost && c.claims == "" && !s.Forms.Drawn(v.PostForm.Get("form")):
		query.Set("return", SafeReturn(v.formPath())) // not a form of ours: its input isn't kept
	case v.Method == http.MethodPost:
		id, err := s.keepTyped(v, c)
		if err != nil {
			return nil, err
		}
		query.Set("draft", id)
		query.Set("typed", "1")
	case c.claims != "":
		id, err := s.Limits.keepDraft(v, Draft{Path: v.Here(), Claims: c.claims})
		if err != nil {
			return nil, err
		}
		return v.To(StartPath("", id)), nil
	default:
		query.Set("return", SafeReturn(v.Here()))
	}
	return v.To(SignInPath + "?" + query.Encode()), nil
}

// agreeFirst leads through a sign-in in which Entra ID asks its person whether patdesk may reach vaults in their name, and
// from there back to the visited page, with what was typed into its form. A form's answer can't lead to another site
// itself: see contentSecurityPolicy.
func (s *Site) agreeFirst(v *Request, c Challenge) (Answer, error) {
	d := Draft{Path: v.Here(), Claims: c.claims, Vaults: true}
	if v.Method == http.MethodPost {
		d.Path, d.Form = v.formPath(), v.PostForm
	}
	id, err := s.Limits.keepDraft(v, d)
	if errors.Is(err, session.ErrTooLarge) {
		err = &HTTPError{Status: http.StatusRequestEntityTooLarge, cause: err}
	}
	if err != nil {
		return nil, err
	}
	if v.Method == http.MethodPost {
		why := "check"
		if c.agree {
			why = "agree"
		}
		return v.To(SignInPath + "?" + url.Values{"draft": {id}, "typed": {"1"}, "vaults": {why}}.Encode()), nil
	}
	return v.To(StartPath("", id)), nil
}

// keepTyped keeps a form as it was sent. One that is larger than any of ours can be was not typed: it is refused.
func (s *Site) keepTyped(v *Request, c Challenge) (id string, err error) {
	if err := s.Limits.keepForStranger(v); err != nil {
		return "", err
	}
	id, err = s.Limits.keepDraft(v, Draft{Path: v.formPath(), Form: v.PostForm, Claims: c.claims})
	if errors.Is(err, session.ErrTooLarge) {
		err = &HTTPError{Status: http.StatusRequestEntityTooLarge, cause: err}
	}
	return id, err
}

// SignInHelps reports whether an error means that the person has to sign in again.
func SignInHelps(err error) bool {
	_, again := NeedsSignIn(err)
	return again
}

// NeedsSignIn says if an error means that the person has to sign in again, and with which claims.
func NeedsSignIn(err error) (Challenge, bool) {
	var (
		api  *azuredevops.Error
		sign *entra.Error
		safe *vault.Error
		past *failure.Failure
	)
	switch {
	case errors.As(err, &safe):
		return Challenge{safe.Claims, true, safe.Kind == vault.KindConsent}, safe.Kind == vault.KindConsent || safe.Kind == vault.KindSignIn
	case errors.As(err, &sign) && sign.Kind == entra.KindInteraction:
		return Challenge{claims: sign.Claims}, true
	case errors.As(err, &api) && api.Kind == azuredevops.KindClaims:
		return Challenge{claims: api.Claims}, true
	case errors.As(err, &past):
		claims, again := past.NeedsSignIn()
		kept := past.Source == failure.SourceVault
		return Challenge{claims, kept, kept && past.Kind == string(vault.KindConsent)}, again
	default:
		return Challenge{}, false
	}
}

// maxChallenges bounds how many answered challenges a session remembers.
const maxChallenges = 5

// NoteChallenge remembers that this session began by answering claims.
func NoteChallenge(ctx context.Context, s *session.Session, claims string) error {
	return s.Change(ctx, func(state *session.State) {
		state.Challenges = append(state.Challenges, challengeName(claims))
		if extra := len(state.Challenges) - maxChallenges; extra > 0 {
			state.Challenges = slices.Delete(state.Challenges, 0, extra)
		}
	})
}

// AnsweredBefore reports whether err is a challenge that this session has answered already: asking the person to sign
// in once more would never end.
func AnsweredBefore(s *session.Session, err error) bool {
	f := failure.Of(err)
	return f.Source == failure.SourceAzureDevOps && f.Kind == string(azuredevops.KindClaims) &&
		slices.Contains(s.State().Challenges, challengeName(f.Claims))
}

func challengeName(claims string) string {
	sum := sha256.Sum256([]byte(claims))
	return hex.EncodeToString(sum[:8])
}
