package tokens

import (
	"github.com/patdesk/patdesk/handlers/web"
	"github.com/patdesk/patdesk/internal/azuredevops"
	"github.com/patdesk/patdesk/internal/operation"
	"github.com/patdesk/patdesk/internal/plaintext"
	"github.com/patdesk/patdesk/templates"
)

// revokePage asks before a token is revoked.
type revokePage struct {
	web.Base
	Problem                     *web.ProblemSummary
	FormAction, Form, CancelURL string
	Name, OrganizationText      string
	Scopes                      []web.Term
	Expires                     templates.When
	MadeBy                      string // revoking breaks that tool
	Over                        bool   // it has stopped already, with all global tokens
	GlobalNote, GlobalURL       string
}

// AskRevoke asks before a token is revoked.
func (h *Handlers) AskRevoke(v *web.Request) (web.Answer, error) {
	organization, t, err := v.VisitedToken()
	if err != nil {
		return nil, err
	}
	if t.Status == azuredevops.Revoked {
		return unchangeable(v, organization, t), nil
	}
	form, _, done := h.restored(v, operation.Revoke, web.ChangeTarget(organization, t.AuthorizationID))
	if done != nil {
		return done, nil
	}
	return revokeAnswer(v, organization, t.Token, web.FormState{Form: form}), nil
}

// Revoke doesn't have to have read the token first: what has leaked must be revocable even then.
func (h *Handlers) Revoke(v *web.Request) (web.Answer, error) {
	organization, err := v.OrganizationOf(v.Param("organization"))
	if err != nil {
		return nil, err
	}
	id := v.Param("id")
	t, err := v.Caller().Get(v.Context(), organization, id)
	if _, again := web.NeedsSignIn(err); again {
		return nil, err
	}
	if err != nil {
		t = azuredevops.Token{AuthorizationID: id, TargetAccounts: []string{}}
	}
	again := func(state web.FormState) web.Answer { return revokeAnswer(v, organization, t, state) }
	return h.change(v, operation.Request{Action: operation.Revoke, Organization: organization, Before: &t}, again)
}

func revokeAnswer(v *web.Request, organization string, t azuredevops.Token, state web.FormState) web.Answer {
	name := web.NameOf(&t)
	p := revokePage{
		Base:       v.Base(v.Words.Message("revokeToken.title", map[string]any{"Token": plaintext.InSentence(name)}).Title, "tokens"),
		Problem:    state.Problem,
		FormAction: v.Link(web.TokenPath(organization, t.AuthorizationID, "revoke")), Form: state.Form,
		CancelURL: v.Link(web.TokenPath(organization, t.AuthorizationID, "")),
		Name:      name, OrganizationText: web.WorksIn(v.Words, &t, organization), Scopes: web.ScopeTerms(v.Words, t.Scopes), Expires: web.TokenEnds(v, &t), MadeBy: web.ToolName(v.Words, azuredevops.MadeBy(t.DisplayName)),
	}
	if t.Global() {
		p.Over = web.GlobalOver(v, &t)
		p.GlobalNote = web.GlobalText(v, "global.revoke.", nil).What
		p.GlobalURL = v.Link(web.GlobalPath(organization, t.AuthorizationID))
	}
	p.Failed = p.Problem != nil
	return web.Page{Status: state.Status, Template: "token-revoke", Data: p, Header: state.Header}
}
