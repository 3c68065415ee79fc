package tokens

import (
	"net/http"
	"time"

	"github.com/patdesk/patdesk/handlers/web"
	"github.com/patdesk/patdesk/handlers/web/tokenform"
	"github.com/patdesk/patdesk/handlers/web/tokenlist"
	"github.com/patdesk/patdesk/internal/azuredevops"
	"github.com/patdesk/patdesk/internal/inventory"
	"github.com/patdesk/patdesk/internal/operation"
	"github.com/patdesk/patdesk/internal/plaintext"
	"github.com/patdesk/patdesk/templates"
)

// rotatePage asks before a token is replaced by a new one of the same name, scopes and length of life.
type rotatePage struct {
	web.Base
	Problem                     *web.ProblemSummary
	Errors                      []web.FieldError
	FormAction, Form, CancelURL string
	Name, OrganizationText      string
	Scopes                      []web.Term
	Expires                     templates.When
	NewExpires                  templates.When
	Life                        string
	MadeBy                      string
	GlobalNote, GlobalURL       string
	ReplaceURL                  string // where a rotation was refused: the form with other scopes and another name
	RevokeURL                   string // where that is simpler
	Old                         []web.Option
}

// lifeWords words a length of life in days.
func lifeWords(w *templates.Words, life time.Duration) string {
	days := int((life + web.Day/2) / web.Day)
	if days < 1 {
		return w.Message("life.hours", map[string]any{"Count": max(1, int(life/time.Hour))}).Title
	}
	return w.Message("life.days", map[string]any{"Count": days}).Title
}

// AskRotate asks before a token is rotated, or leads to the rotation that isn't finished.
func (h *Handlers) AskRotate(v *web.Request) (web.Answer, error) {
	organization, t, err := v.VisitedToken()
	if err != nil {
		return nil, err
	}
	if t.Status != azuredevops.Active {
		return unchangeable(v, organization, t), nil
	}
	if op := h.unfinishedRotation(v, t.AuthorizationID); op != nil {
		return v.To(web.OperationPath(op.ID)), nil
	}
	if !web.Copyable(&t.Token) {
		return notChangeable(v, organization, t, v.Words.Message("rotate.notCopyable", nil)), nil
	}
	form, done := h.restoredOrNew(v, operation.Rotate, web.ChangeTarget(organization, t.AuthorizationID))
	if done != nil {
		return done, nil
	}
	old := "confirm"
	if kept, ok := v.Restore(); ok && kept.Get("old") != "" {
		old = kept.Get("old")
	}
	return rotateAnswer(v, organization, t, old, web.FormState{Form: form}, nil), nil
}

// Rotate copies the old token's fields before anything is changed.
func (h *Handlers) Rotate(v *web.Request) (web.Answer, error) {
	organization, t, err := v.VisitedToken()
	if err != nil {
		return nil, err
	}
	form, old := v.PostForm.Get("form"), v.PostForm.Get("old")
	if t.Status != azuredevops.Active && !h.sentBefore(v, form) {
		return unchangeable(v, organization, t), nil
	}
	if op := h.unfinishedRotation(v, t.AuthorizationID); op != nil && !h.sentBefore(v, form) {
		return v.To(web.OperationPath(op.ID)), nil
	}
	if !web.Copyable(&t.Token) && !h.sentBefore(v, form) {
		return notChangeable(v, organization, t, v.Words.Message("rotate.notCopyable", nil)), nil
	}
	if old != "now" && old != "confirm" {
		faults := []web.FieldError{{ID: "old", Text: v.Words.Message("form.oldRequired", nil).What}}
		return rotateAnswer(v, organization, t, "", web.FormState{Status: http.StatusUnprocessableEntity, Form: form}, faults), nil
	}
	again := func(state web.FormState) web.Answer { return rotateAnswer(v, organization, t, old, state, nil) }
	before := t.Token
	return h.change(v, operation.Request{
		Action: operation.Rotate, Organization: organization, Before: &before,
		Want:         azuredevops.Wanted{DisplayName: t.DisplayName, Scopes: t.Scopes, ValidTo: v.Now.Add(tokenform.SameLife(t.Token)).UTC().Truncate(time.Second)},
		RevokeAtOnce: old == "now",
	}, again)
}

// unfinishedRotation is a rotation of this token that is to be finished. Whoever goes back to the form and sends it
// again doesn't want a third token.
func (h *Handlers) unfinishedRotation(v *web.Request, id string) *operation.Operation {
	pending, err := h.Journal.Pending(v.Context(), v.Person())
	if err != nil {
		return nil // the banner says so already, and the journal takes no change while it can't be read
	}
	for i := range pending {
		op := &pending[i]
		if op.Action == operation.Rotate && op.Before != nil && op.Before.AuthorizationID == id && tokenlist.ToBeFinished(op) {
			return op
		}
	}
	return nil
}

func rotateAnswer(v *web.Request, organization string, t inventory.Token, old string, state web.FormState, faults []web.FieldError) web.Answer {
	life, name := tokenform.SameLife(t.Token), web.ShownName(v.Words, t.DisplayName)
	p := rotatePage{
		Base:    v.Base(v.Words.Message("rotateToken.title", map[string]any{"Token": plaintext.InSentence(name)}).Title, "tokens"),
		Problem: state.Problem, Errors: faults,
		FormAction: v.Link(web.TokenPath(organization, t.AuthorizationID, "rotate")), Form: state.Form,
		CancelURL: v.Link(web.TokenPath(organization, t.AuthorizationID, "")),
		Name:      name, OrganizationText: web.WorksIn(v.Words, &t.Token, organization), Scopes: web.ScopeTerms(v.Words, t.Scopes), Expires: web.Ends(v, t),
		NewExpires: v.When(v.Now.Add(life)), Life: lifeWords(v.Words, life), MadeBy: web.ToolName(v.Words, azuredevops.MadeBy(t.DisplayName)),
	}
	for _, choice := range []string{"confirm", "now"} {
		text := v.Words.Message("rotate.old."+choice, nil)
		p.Old = append(p.Old, web.Option{Value: choice, Text: text.Title, Hint: text.What, Selected: choice == old})
	}
	if state.Problem != nil {
		p.ReplaceURL = v.Link(web.ReplacementPath(organization, t.Token))
	}
	if p.MadeBy != "" {
		p.RevokeURL = v.Link(web.TokenPath(organization, t.AuthorizationID, "revoke"))
	}
	if t.Global() {
		p.GlobalNote = web.GlobalText(v, "global.rotate.", map[string]any{"Organization": organization}).What
		p.GlobalURL = v.Link(web.GlobalPath(organization, t.AuthorizationID))
	}
	return web.Page{Status: state.Status, Template: "token-rotate", Data: p, Header: state.Header}
}
