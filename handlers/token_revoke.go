package handlers

import (
	"github.com/patdesk/patdesk/internal/azuredevops"
	"github.com/patdesk/patdesk/internal/operation"
	"github.com/patdesk/patdesk/internal/plaintext"
	"github.com/patdesk/patdesk/templates"
)

// revokePage asks before a token is revoked.
type revokePage struct {
	base
	Problem                     *problemSummary
	FormAction, Form, CancelURL string
	Name, OrganizationText      string
	Scopes                      []string
	Expires                     when
	MadeBy                      string // revoking breaks that tool
	GlobalNote                  string
}

func (h *Handlers) askRevoke(v *visit) (answer, error) {
	organization, t, err := h.visited(v)
	if err != nil {
		return nil, err
	}
	if t.Status == azuredevops.Revoked {
		return h.unchangeable(v, organization, t), nil
	}
	form, done := h.restoredOrNew(v, operation.Revoke, changeTarget(organization, t.AuthorizationID))
	if done != nil {
		return done, nil
	}
	return h.revokeAnswer(v, organization, t.Token, formState{form: form}), nil
}

// revokeToken doesn't insist on reading the token first: what has leaked must be revocable even then.
func (h *Handlers) revokeToken(v *visit) (answer, error) {
	organization, err := h.organizationOf(v.param("organization"))
	if err != nil {
		return nil, err
	}
	id := v.param("id")
	t, err := h.caller(v).Get(v.Context(), organization, id)
	if _, again := needsSignIn(err); again {
		return nil, err
	}
	if err != nil {
		t = azuredevops.Token{AuthorizationID: id, TargetAccounts: []string{}}
	}
	again := func(no formState) answer { return h.revokeAnswer(v, organization, t, no) }
	return h.change(v, operation.Request{Action: operation.Revoke, Target: changeTarget(organization, id), Organization: organization, Before: &t}, again)
}

func (h *Handlers) revokeAnswer(v *visit, organization string, t azuredevops.Token, no formState) answer {
	name := nameOf(&t)
	p := revokePage{
		base:       h.base(v, templates.Message("revokeToken.title", map[string]any{"Token": plaintext.InSentence(name)}).Title, "tokens"),
		Problem:    no.problem,
		FormAction: v.link(tokenPath(organization, t.AuthorizationID, "revoke")), Form: no.form,
		CancelURL: v.link(tokenPath(organization, t.AuthorizationID, "")),
		Name:      name, OrganizationText: organization, Scopes: scopeList(t.Scopes), Expires: v.when(t.ValidTo), MadeBy: azuredevops.MadeBy(t.DisplayName),
	}
	if t.Global() {
		p.OrganizationText = templates.Message("organization.all", nil).Title
		p.GlobalNote = templates.Message("global.revoke", nil).What
	}
	return page{status: no.status, template: "token-revoke", data: p, header: no.header}
}
