package handlers

import (
	"net/http"
	"net/url"
	"time"

	"github.com/patdesk/patdesk/internal/azuredevops"
	"github.com/patdesk/patdesk/internal/inventory"
	"github.com/patdesk/patdesk/internal/operation"
	"github.com/patdesk/patdesk/internal/plaintext"
	"github.com/patdesk/patdesk/templates"
)

// rotatePage asks before a token is replaced by a new one of the same name, scopes and length of life.
type rotatePage struct {
	base
	Problem                     *problemSummary
	Errors                      []fieldError
	FormAction, Form, CancelURL string
	Name, OrganizationText      string
	Scopes                      []string
	Expires                     when
	NewExpires                  when
	Life                        string
	MadeBy                      string
	GlobalNote                  string
	Old                         []option
}

func (h *Handlers) askRotate(v *visit) (answer, error) {
	organization, t, err := h.visited(v)
	if err != nil {
		return nil, err
	}
	if t.Status != azuredevops.Active {
		return h.unchangeable(v, organization, t), nil
	}
	if op := h.unfinishedRotation(v, t.AuthorizationID); op != nil {
		return v.to(operationPath(op.ID)), nil
	}
	form, done := h.restoredOrNew(v, operation.Rotate, changeTarget(organization, t.AuthorizationID))
	if done != nil {
		return done, nil
	}
	old := "confirm"
	if kept, ok := h.restore(v); ok && kept.Get("old") != "" {
		old = kept.Get("old")
	}
	return h.rotateAnswer(v, organization, t, old, formState{form: form}, nil), nil
}

// rotateToken copies the old token's fields before anything is changed.
func (h *Handlers) rotateToken(v *visit) (answer, error) {
	organization, t, err := h.visited(v)
	if err != nil {
		return nil, err
	}
	form, old := v.PostForm.Get("form"), v.PostForm.Get("old")
	if t.Status != azuredevops.Active && !h.sentBefore(v, form) {
		return h.unchangeable(v, organization, t), nil
	}
	if op := h.unfinishedRotation(v, t.AuthorizationID); op != nil && !h.sentBefore(v, form) {
		return v.to(operationPath(op.ID)), nil
	}
	if old != "now" && old != "confirm" {
		faults := []fieldError{{"old", templates.Message("form.oldRequired", nil).What}}
		return h.rotateAnswer(v, organization, t, "", formState{status: http.StatusUnprocessableEntity, form: form}, faults), nil
	}
	again := func(no formState) answer { return h.rotateAnswer(v, organization, t, old, no, nil) }
	before := t.Token
	return h.change(v, operation.Request{
		Action: operation.Rotate, Target: changeTarget(organization, t.AuthorizationID), Organization: organization, Before: &before,
		Want:         azuredevops.Wanted{DisplayName: t.DisplayName, Scopes: t.Scopes, ValidTo: v.now.Add(sameLife(t.Token)).UTC().Truncate(time.Second)},
		RevokeAtOnce: old == "now",
	}, again)
}

// toBeFinished says that a rotation is being worked on, may have made its new token, or has it while the old one still works:
// it isn't to be begun once more.
func toBeFinished(op *operation.Operation) bool {
	return op.Phase() == operation.PhaseUnderWay || op.Undecided() || op.OldOpen()
}

// unfinishedRotation is a rotation of this token that is to be finished. Whoever goes back to the form and sends it again
// doesn't want a third token.
func (h *Handlers) unfinishedRotation(v *visit, id string) *operation.Operation {
	pending, err := h.Journal.Pending(v.Context(), v.session.Person().Key())
	if err != nil {
		return nil // the banner says so already, and the journal takes no change while it can't be read
	}
	for i := range pending {
		op := &pending[i]
		if op.Action == operation.Rotate && op.Before != nil && op.Before.AuthorizationID == id && toBeFinished(op) {
			return op
		}
	}
	return nil
}

// sameLife is the length of life that a token was given, within what the service allows.
func sameLife(t azuredevops.Token) time.Duration {
	life := t.ValidTo.Sub(t.ValidFrom)
	switch {
	case t.ValidFrom.IsZero() || life <= 0:
		return 30 * day
	case life > maxTokenLife:
		return maxTokenLife
	default:
		return life
	}
}

func (h *Handlers) rotateAnswer(v *visit, organization string, t inventory.Token, old string, no formState, faults []fieldError) answer {
	life, name := sameLife(t.Token), shownName(t.DisplayName)
	p := rotatePage{
		base:    h.base(v, templates.Message("rotateToken.title", map[string]any{"Token": plaintext.InSentence(name)}).Title, "tokens"),
		Problem: no.problem, Errors: faults,
		FormAction: v.link(tokenPath(organization, t.AuthorizationID, "rotate")), Form: no.form,
		CancelURL: v.link(tokenPath(organization, t.AuthorizationID, "")),
		Name:      name, OrganizationText: organization, Scopes: scopeList(t.Scopes), Expires: v.when(t.ValidTo),
		NewExpires: v.when(v.now.Add(life)), Life: lifeWords(life), MadeBy: azuredevops.MadeBy(t.DisplayName),
	}
	for _, choice := range []string{"confirm", "now"} {
		text := templates.Message("rotate.old."+choice, nil)
		p.Old = append(p.Old, option{Value: choice, Text: text.Title, Hint: text.What, Selected: choice == old})
	}
	if t.Global() {
		p.GlobalNote = templates.Message("global.rotate", map[string]any{"Organization": organization}).What
	}
	return page{status: no.status, template: "token-rotate", data: p, header: no.header}
}

// tokenURL is a token's page, for links from operations.
func tokenURL(v *visit, organization string, t *azuredevops.Token) string {
	if t == nil || t.AuthorizationID == "" {
		return ""
	}
	return v.link("/tokens/" + url.PathEscape(organization) + "/" + url.PathEscape(t.AuthorizationID))
}
