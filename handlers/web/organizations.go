package web

import (
	"cmp"
	"context"
	"net/http"
	"time"

	"github.com/patdesk/patdesk/internal/azuredevops"
	"github.com/patdesk/patdesk/internal/inventory"
	"github.com/patdesk/patdesk/internal/session"
)

// maxTyped is how many organizations typed by one person are remembered.
const maxTyped = 30

// PartialProblem is a failure beside results that are there.
type PartialProblem struct {
	Heading, What, Advice, RetryURL string
	Details                         []Field
}

// Owner is whose tokens the visitor's are.
func (v *Request) Owner() inventory.Owner {
	return inventory.Owner{
		Session: v.Session.Hash(), Person: v.Person(), API: v.Caller(),
		Typed: func() []string { return v.Session.State().Organizations },
	}
}

// Invalidate drops what the session remembers of an organization, since something was changed there. A change of a
// global token is seen in all organizations.
func (v *Request) Invalidate(organization string, t *azuredevops.Token, before time.Time) {
	if t != nil && t.Global() {
		organization = ""
	}
	v.site.Inventory.Invalidate(v.Session.Hash(), organization, before)
}

// Caller is the API on behalf of the visitor.
func (v *Request) Caller() *azuredevops.Caller {
	tokens, person := v.Session.Tokens(), v.Session.Person()
	return v.site.API.As(person.Key(), func(ctx context.Context) (string, error) {
		return v.site.Entra.AccessToken(ctx, tokens, person.Account)
	})
}

// CurrentOrganization is the visited one, or else the one last looked at.
func (v *Request) CurrentOrganization() string {
	return cmp.Or(visitedOrganization(v), allowed(v, v.Session.State().Organization))
}

// visitedOrganization is the one that the address names, "" if it names none.
func visitedOrganization(v *Request) string {
	return cmp.Or(allowed(v, v.Param("organization")), allowed(v, v.URL.Query().Get("organization")))
}

func allowed(v *Request, name string) string {
	if name == "" || !v.site.Inventory.Allowed(name) {
		return ""
	}
	return name
}

// OrganizationOf is the organization that a request names; anything that can't be one is answered with 404.
func (v *Request) OrganizationOf(name string) (string, error) {
	if !v.site.Inventory.Allowed(name) {
		return "", &HTTPError{Status: http.StatusNotFound, Key: "organization.unknown", Data: map[string]any{"Organization": name}}
	}
	return name, nil
}

// Partial describes a failure beside results that are there.
func (v *Request) Partial(err error, retry string) *PartialProblem {
	t := v.Describe(err)
	return &PartialProblem{Heading: t.Text.Title, What: t.Text.What, Advice: t.Text.Advice, RetryURL: retry, Details: v.Support(t)}
}

// RememberOrganization notes the organization last looked at, and adds it to those that the person has. It is for one
// that has answered: a typing error is to be forgotten. Losing the note is no harm. A link from another site can only
// choose among those that the person has: what it names is proposed for the next token.
func (v *Request) RememberOrganization(name string) {
	known := inventory.ContainsFold(v.site.Inventory.Known(v.Owner()), name)
	if known && v.Session.State().Organization == name || !known && v.fromElsewhere() {
		return
	}
	err := v.Session.Change(v.Context(), func(s *session.State) {
		s.Organization = name
		if !known && len(s.Organizations) < maxTyped && !inventory.ContainsFold(s.Organizations, name) {
			s.Organizations = append(s.Organizations, name)
		}
	})
	if err != nil {
		v.site.Log.WarnContext(v.Context(), "organization last looked at was not noted", "request_id", v.RequestID(), "error", err)
	}
}

// VisitedToken is the token that the address names, with its status.
func (v *Request) VisitedToken() (organization string, t inventory.Token, err error) {
	organization, err = v.OrganizationOf(v.Param("organization"))
	if err != nil {
		return "", t, err
	}
	t, err = v.site.Inventory.Find(v.Context(), v.Owner(), organization, v.Param("id"))
	return organization, t, err
}
