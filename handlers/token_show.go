package handlers

import (
	"errors"
	"net/http"
	"slices"

	"github.com/patdesk/patdesk/internal/azuredevops"
	"github.com/patdesk/patdesk/internal/inventory"
	"github.com/patdesk/patdesk/internal/operation"
	"github.com/patdesk/patdesk/internal/panics"
	"github.com/patdesk/patdesk/internal/plaintext"
	"github.com/patdesk/patdesk/templates"
)

// tokenPage shows every field of one token.
type tokenPage struct {
	base
	Name, AuthorizationID, OrganizationText string
	Status, StatusClass                     string
	Scopes                                  []scopeRow
	Created, Expires                        when
	Ends                                    string // of a global token
	Urgency                                 string
	Global                                  bool
	GlobalNote                              string
	MadeBy                                  string
	Targets                                 []string
	EditURL, RotateURL, RevokeURL           string // "" when not possible
	WhyNot                                  string
	ReplaceURL                              string
	AzureURL                                string
	BackURL                                 string
	Done                                    string
	Unfinished                              string // a rotation that stands half-way
	UnfinishedURL                           string
}

func (h *Handlers) showToken(v *visit) (answer, error) {
	organization, t, err := h.visited(v)
	if err != nil {
		return nil, err
	}
	h.rememberCurrent(v, organization)
	p := tokenPage{
		base: h.base(v, plaintext.InSentence(shownName(t.DisplayName)), "tokens"),
		Name: shownName(t.DisplayName), AuthorizationID: t.AuthorizationID, OrganizationText: organization,
		Status: templates.Message("status."+string(t.Status), nil).Title, StatusClass: string(t.Status),
		Created: v.when(t.ValidFrom), Expires: v.when(t.ValidTo), Urgency: urgency(t.ValidTo, v.now), Ends: globalEnds(t, v.now),
		Global: t.Global(), MadeBy: azuredevops.MadeBy(t.DisplayName),
		AzureURL: h.AzureURL + "/" + organization + "/_usersSettings/tokens", BackURL: v.link(listPath(organization)), Done: h.doneSentence(v),
		ReplaceURL: v.link(replacementPath(organization, t.Token)),
	}
	for _, id := range t.Scopes {
		p.Scopes = append(p.Scopes, explain(id))
	}
	if t.Global() {
		p.OrganizationText = templates.Message("organization.all", nil).Title
		if t.Status == azuredevops.Active {
			p.GlobalNote = globalTokenNote(v.now)
		}
	}
	names := h.organizationNames(v)
	for _, id := range t.TargetAccounts {
		if name, ok := names[id]; ok {
			id = name
		}
		p.Targets = append(p.Targets, id)
	}
	switch t.Status {
	case azuredevops.Active:
		p.EditURL = v.link(tokenPath(organization, t.AuthorizationID, "edit"))
		p.RotateURL = v.link(tokenPath(organization, t.AuthorizationID, "rotate"))
		p.RevokeURL = v.link(tokenPath(organization, t.AuthorizationID, "revoke"))
	case azuredevops.Expired:
		p.WhyNot = templates.Message("form.expiredCannotChange", nil).What
	default:
		p.WhyNot = templates.Message("form.revokedCannotChange", nil).What
	}
	if op, ok := h.unfinishedByToken(v)[t.AuthorizationID]; ok {
		p.Unfinished = partOfRotation(op, t.AuthorizationID)
		p.UnfinishedURL = v.link(operationPath(op.ID))
	}
	return page{template: "token", data: p}, nil
}

// visited is the token that the address names, with its status.
func (h *Handlers) visited(v *visit) (organization string, t inventory.Token, err error) {
	organization, err = h.organizationOf(v.param("organization"))
	if err != nil {
		return "", t, err
	}
	t, err = h.find(v, organization, v.param("id"))
	return organization, t, err
}

// find reads a token and its status. The status is known only from the list that holds the token, so the list of
// active ones is read beside it, and the others only where that one doesn't hold it.
func (h *Handlers) find(v *visit, organization, id string) (inventory.Token, error) {
	caller := h.caller(v)
	var (
		group   panics.Group
		single  azuredevops.Token
		active  []azuredevops.Token
		getErr  error
		listErr error
	)
	group.Go(func() error { single, getErr = caller.Get(v.Context(), organization, id); return nil })
	group.Go(func() error { active, listErr = caller.List(v.Context(), organization, azuredevops.Active); return nil })
	_ = group.Wait() // both errors are looked at below
	if getErr != nil && !notThere(getErr) {
		return inventory.Token{}, getErr
	}
	if listErr != nil {
		return inventory.Token{}, listErr
	}
	if t, ok := byID(active, id); ok {
		if getErr != nil {
			single = t
		}
		return inventory.Token{Token: single, Status: azuredevops.Active, Organization: organization}, nil
	}
	for _, status := range []azuredevops.Status{azuredevops.Revoked, azuredevops.Expired} {
		tokens, err := caller.List(v.Context(), organization, status)
		if err != nil {
			return inventory.Token{}, err
		}
		if t, ok := byID(tokens, id); ok {
			if getErr != nil {
				single = t
			}
			return inventory.Token{Token: single, Status: status, Organization: organization}, nil
		}
	}
	if getErr != nil {
		return inventory.Token{}, getErr
	}
	// The service knows it, no list holds it: the dates are all there is to go by.
	if single.ValidTo.Before(v.now) {
		return inventory.Token{Token: single, Status: azuredevops.Expired, Organization: organization}, nil
	}
	return inventory.Token{Token: single, Status: azuredevops.Revoked, Organization: organization}, nil
}

func byID(tokens []azuredevops.Token, id string) (azuredevops.Token, bool) {
	i := slices.IndexFunc(tokens, func(t azuredevops.Token) bool { return t.AuthorizationID == id })
	if i < 0 {
		return azuredevops.Token{}, false
	}
	return tokens[i], true
}

// notThere says that the service doesn't know the token (by this answer; a list may still hold it).
func notThere(err error) bool {
	var api *azuredevops.Error
	return errors.As(err, &api) && apiStatus(api.Kind) == http.StatusNotFound
}

// unchangeable answers for a token that can't be changed any more: why, and what to do instead.
func (h *Handlers) unchangeable(v *visit, organization string, t inventory.Token) answer {
	key := "form.revokedCannotChange"
	if t.Status == azuredevops.Expired {
		key = "form.expiredCannotChange"
	}
	text := templates.Message(key, nil)
	return page{status: http.StatusConflict, template: "problem", data: problemPage{
		base: h.base(v, text.Title, "tokens"), Status: http.StatusConflict, Heading: text.Title, What: text.What, Advice: text.Advice,
		Actions: []nextAction{
			{Text: templates.Message("action.replace", nil).Title, URL: v.link(replacementPath(organization, t.Token)), Primary: true},
			{Text: templates.Message("action.backToToken", nil).Title, URL: v.link(tokenPath(organization, t.AuthorizationID, ""))},
		},
	}}
}

// changeTarget is what a form for an existing token is bound to.
func changeTarget(organization, id string) string { return organization + "/" + id }

// restoredOrNew is the form id for a page that has nothing else to restore.
func (h *Handlers) restoredOrNew(v *visit, a operation.Action, target string) (form string, done answer) {
	kept, ok := h.restore(v)
	if !ok {
		return h.Journal.Form(v.session.Person().Key(), a, target), nil
	}
	next, op, _ := h.restoredForm(v, kept.Get("form"), a, target)
	if op != nil {
		return "", v.to(operationPath(op.ID))
	}
	return next, nil
}
