package tokens

import (
	"errors"
	"net/http"
	"strings"

	"github.com/patdesk/patdesk/handlers/web"
	"github.com/patdesk/patdesk/internal/inventory"
	"github.com/patdesk/patdesk/internal/vault"
)

// adoptPage asks which secret of a vault holds the token already.
type adoptPage struct {
	web.Base
	Problem     *web.ProblemSummary
	TokenName   string
	Choices     []web.Option // secrets that name no token
	SecretError string
	FormAction  string
	BackURL     string
}

// AskAdopt shows the secrets that can be said to hold the token.
func (h *Handlers) AskAdopt(v *web.Request) (web.Answer, error) {
	organization, t, err := v.VisitedToken()
	if err != nil {
		return nil, err
	}
	return h.adoptAnswer(v, organization, t, http.StatusOK, "", nil)
}

// Adopt tags the newest version of the chosen secret with the token. That it holds the token is the person's word: the
// value isn't read, and Azure DevOps says of no value which token it is.
func (h *Handlers) Adopt(v *web.Request) (web.Answer, error) {
	organization, t, err := v.VisitedToken()
	if err != nil {
		return nil, err
	}
	address, name, _ := strings.Cut(v.PostForm.Get("secret"), " ")
	if address == "" || !vault.ValidName(name) {
		return h.adoptAnswer(v, organization, t, http.StatusUnprocessableEntity, "form.secretRequired", nil)
	}
	err = web.TagSecret(v, vault.Reference{Vault: address, Name: name}, map[string]string{
		vault.TagAuthorizationID: t.AuthorizationID, vault.TagOrganization: t.OrganizationKey(),
	})
	switch _, signIn := web.NeedsSignIn(err); {
	case err == nil:
		return v.To(web.TokenPath(organization, t.AuthorizationID, "")), nil
	case signIn:
		return nil, err
	case errors.Is(err, web.ErrTagged):
		return h.adoptAnswer(v, organization, t, http.StatusConflict, "form.secretTagged", nil)
	}
	v.NoteError(err)
	u := v.Describe(err)
	return h.adoptAnswer(v, organization, t, u.Status, "", &web.ProblemSummary{Heading: u.Text.Title, What: u.Text.What, Advice: u.Text.Advice, Details: v.Support(u)})
}

func (h *Handlers) adoptAnswer(v *web.Request, organization string, t inventory.Token, status int, fault string, problem *web.ProblemSummary) (web.Answer, error) {
	kept := web.InVaults(v)
	if kept == nil {
		return nil, &web.HTTPError{Status: http.StatusNotFound}
	}
	p := adoptPage{
		Base: v.Base(v.Words.Text("adopt.title"), "tokens"), Problem: problem, TokenName: web.ShownName(v.Words, t.DisplayName),
		FormAction: v.Link(web.TokenPath(organization, t.AuthorizationID, "vault")), BackURL: v.Link(web.TokenPath(organization, t.AuthorizationID, "")),
	}
	if fault != "" {
		p.SecretError = v.Words.Text(fault)
	}
	p.Failed = fault != "" || problem != nil
	for _, s := range kept.Secrets {
		if s.Tags[vault.TagAuthorizationID] == "" && !s.Managed {
			value := s.Vault + " " + s.Name
			p.Choices = append(p.Choices, web.Option{Value: value, Text: s.String(), Selected: value == v.PostForm.Get("secret")})
		}
	}
	return web.Page{Status: status, Template: "token-adopt", Data: p}, nil
}
