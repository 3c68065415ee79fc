package tokens

import (
	"net/http"

	"github.com/patdesk/patdesk/handlers/web"
	"github.com/patdesk/patdesk/handlers/web/outcome"
	"github.com/patdesk/patdesk/handlers/web/tokenlist"
	"github.com/patdesk/patdesk/internal/azuredevops"
	"github.com/patdesk/patdesk/internal/inventory"
	"github.com/patdesk/patdesk/internal/plaintext"
	"github.com/patdesk/patdesk/templates"
)

// tokenPage shows every field of one token.
type tokenPage struct {
	web.Base
	Name, AuthorizationID, OrganizationText string
	Status, StatusClass                     string
	Scopes                                  []scopeRow
	Created, Expires                        templates.When
	Urgency                                 inventory.Urgency
	Global                                  bool
	GlobalNote, GlobalURL                   string // of a living global token; the form that replaces it
	MadeBy                                  string
	Targets                                 []string
	EditURL, RotateURL, RevokeURL           string // "" when not possible
	WhyNot                                  string
	ReplaceURL                              string
	AzureURL                                string
	BackURL                                 string
	Done                                    *web.Notice // of the change that led here
	Unfinished                              string      // a rotation that stands half-way
	Odd                                     string      // what of its record isn't understood
	NotCopyable                             string      // why it can't be rotated
	UnfinishedURL                           string
	Vault                                   *vaultSection // nil: there are no vaults
}

// vaultSection is which vaults hold the token's secret.
type vaultSection struct {
	Places   []web.VaultPlace
	Secret   string        // the one that is read where the token is used: "team-vault/ci-nuget"; "" if none can be
	Uses     []outcome.Use // the lines that read it
	Note     *web.VaultNote
	AdoptURL string // "" where there is nothing to be said
	NoneRead bool   // no vault is read yet
	ReadURL  string // which vaults are
}

// Show is the page of one token.
func (h *Handlers) Show(v *web.Request) (web.Answer, error) {
	organization, t, err := v.VisitedToken()
	if err != nil {
		return nil, err
	}
	v.RememberOrganization(organization)
	p := tokenPage{
		Base: v.Base(plaintext.InSentence(web.ShownName(v.Words, t.DisplayName)), "tokens"),
		Name: web.ShownName(v.Words, t.DisplayName), AuthorizationID: t.AuthorizationID, OrganizationText: web.WorksIn(v.Words, &t.Token, organization),
		Created: v.When(t.ValidFrom), Expires: web.Ends(v, t),
		Global: t.Global(), MadeBy: web.ToolName(v.Words, azuredevops.MadeBy(t.DisplayName)),
		AzureURL: h.AzureURL + "/" + organization + "/_usersSettings/tokens", BackURL: v.Link(web.ListPath(organization)), Done: h.Outcomes.Done(v),
		Odd:        web.OddText(v.Words, &t.Token),
		ReplaceURL: v.Link(web.ReplacementPath(organization, t.Token)),
	}
	p.Status, p.StatusClass = web.StatusOf(v, t)
	if t.Status != azuredevops.Revoked {
		p.Urgency = t.Urgency(v.Now)
	}
	for _, id := range t.Scopes {
		p.Scopes = append(p.Scopes, explain(v.Words, id))
	}
	names := h.organizationNames(v)
	for _, id := range t.TargetAccounts {
		if name, ok := names[id]; ok {
			id = name
		}
		p.Targets = append(p.Targets, id)
	}
	p.offerChanges(v, organization, t)
	if op, ok := tokenlist.UnfinishedOf(v)[t.AuthorizationID]; ok {
		p.Unfinished = tokenlist.PartOfRotation(v.Words, op, t.AuthorizationID)
		p.UnfinishedURL = v.Link(web.OperationPath(op.ID))
	}
	if kept := web.InVaults(v); kept != nil {
		p.Vault = &vaultSection{Places: kept.Places(v, t), Note: kept.Note(v), ReadURL: v.Link(web.VaultsPath)}
		if r, ok := kept.Holder(t); ok && t.Status == azuredevops.Active {
			p.Vault.Secret, p.Vault.Uses = r.String(), outcome.VaultUses(r)
		}
		if kept.Agreed() && t.Status == azuredevops.Active && len(p.Vault.Places) == 0 {
			p.Vault.AdoptURL = v.Link(web.TokenPath(organization, t.AuthorizationID, "vault"))
		}
	} else if web.Vaults(v) != nil {
		p.Vault = &vaultSection{NoneRead: true, ReadURL: v.Link(web.VaultsPath)}
	}
	return web.Page{Template: "token", Data: p}, nil
}

// offerChanges leads to what can be done with the token. A global one is replaced; when all of them have ended, changing
// it would be of no use.
func (p *tokenPage) offerChanges(v *web.Request, organization string, t inventory.Token) {
	if t.Status != azuredevops.Active {
		p.WhyNot = whyNot(v.Words, t).What
		return
	}
	if t.Global() {
		p.GlobalNote = web.GlobalText(v, "global.token.", nil).What
		p.GlobalURL = v.Link(web.GlobalPath(organization, t.AuthorizationID))
	}
	if !t.GlobalOver(v.Now) {
		p.EditURL = v.Link(web.TokenPath(organization, t.AuthorizationID, "edit"))
	}
	switch {
	case web.Copyable(&t.Token) && !t.GlobalOver(v.Now):
		p.RotateURL = v.Link(web.TokenPath(organization, t.AuthorizationID, "rotate"))
	case !t.GlobalOver(v.Now):
		text := v.Words.Message("rotate.notCopyable", nil)
		p.NotCopyable = v.Words.Sentences(text.What, text.Advice)
	}
	p.RevokeURL = v.Link(web.TokenPath(organization, t.AuthorizationID, "revoke"))
}

// unchangeable answers for a token that can't be changed any more: why, and what to do instead.
func unchangeable(v *web.Request, organization string, t inventory.Token) web.Answer {
	return notChangeable(v, organization, t, whyNot(v.Words, t))
}

func notChangeable(v *web.Request, organization string, t inventory.Token, text templates.Text) web.Answer {
	return web.Page{Status: http.StatusConflict, Template: "problem", Data: web.ProblemPage{
		Base: v.Base(text.Title, "tokens"), Status: http.StatusConflict, Heading: text.Title, What: text.What, Advice: text.Advice,
		Actions: []web.NextAction{
			{Text: v.Words.Message("action.replace", nil).Title, URL: v.Link(web.ReplacementPath(organization, t.Token)), Primary: true},
			{Text: v.Words.Message("action.backToToken", nil).Title, URL: v.Link(web.TokenPath(organization, t.AuthorizationID, ""))},
		},
	}}
}

// whyNot says why a token that isn't active can't be changed.
func whyNot(w *templates.Words, t inventory.Token) templates.Text {
	if t.Status == azuredevops.Expired {
		return w.Message("form.expiredCannotChange", nil)
	}
	return w.Message("form.revokedCannotChange", nil)
}
