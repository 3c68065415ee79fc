package handlers

import (
	"net/http"
	"strings"

	"github.com/patdesk/patdesk/internal/inventory"
	"github.com/patdesk/patdesk/internal/session"
	"github.com/patdesk/patdesk/templates"
)

// maxTyped is how many organizations typed by one person are remembered.
const maxTyped = 30

// organizationsPage lets the person choose an organization, or type one.
type organizationsPage struct {
	base
	Action  string
	Choices []organizationLink
	Typed   string
	Error   string
	Problem *partialProblem // discovery failed; typing still works
	CanType bool
}

// partialProblem is a failure beside results that are there.
type partialProblem struct{ Heading, What, Advice, RetryURL string }

// organizationNames maps organization ids, as tokens name them, to names.
func (h *Handlers) organizationNames(v *visit) map[string]string {
	names := map[string]string{marketplaceID: templates.Message("organization.marketplace", nil).Title}
	for _, o := range h.Inventory.Discovered(v.session.Hash()) {
		names[o.ID] = o.Name
	}
	return names
}

// marketplaceID stands in targetAccounts for the Visual Studio Marketplace.
const marketplaceID = "2663b13f-50e3-a655-a159-22f6f4725fab"

// currentOrganization is the visited one, or else the one last looked at.
func (h *Handlers) currentOrganization(v *visit) string {
	for _, name := range []string{v.param("organization"), v.URL.Query().Get("organization"), v.session.State().Organization} {
		if name != "" && h.Inventory.Allowed(name) {
			return name
		}
	}
	return ""
}

// organizationOf is the organization that a request names; anything that can't be one is answered with 404.
func (h *Handlers) organizationOf(name string) (string, error) {
	if !h.Inventory.Allowed(name) {
		return "", &httpError{status: http.StatusNotFound, key: "organization.unknown", data: map[string]any{"Organization": name}}
	}
	return name, nil
}

// chooseOrganization shows the choice, or opens the one typed.
func (h *Handlers) chooseOrganization(v *visit) (answer, error) {
	if v.URL.Query().Has("retry") {
		h.Inventory.ForgetOrganizations(v.session.Hash())
		return v.to(OrganizationsPath), nil
	}
	typed := strings.TrimSpace(v.URL.Query().Get("organization"))
	problem := ""
	if typed != "" {
		if h.Inventory.Allowed(typed) {
			return v.to(listPath(typed)), nil
		}
		problem = templates.Message("form.organizationInvalid", map[string]any{"Organization": typed}).What
	}
	names, err := h.Inventory.Organizations(v.Context(), h.owner(v))
	if _, again := needsSignIn(err); again {
		return nil, err
	}
	p := organizationsPage{
		base:   h.base(v, templates.Message("organizations.title", nil).Title, "tokens"),
		Action: v.link(OrganizationsPath), Typed: typed, Error: problem, CanType: !h.Inventory.Fixed(),
	}
	for _, name := range names {
		p.Choices = append(p.Choices, organizationLink{Name: name, URL: v.link(listPath(name)), Current: name == p.Organization})
	}
	status := http.StatusOK
	if err != nil {
		p.Problem = h.partial(v, err, v.link(OrganizationsPath+"?retry=1"))
	}
	if problem != "" {
		status = http.StatusUnprocessableEntity
	}
	return page{status: status, template: "organizations", data: p}, nil
}

func (h *Handlers) partial(v *visit, err error, retry string) *partialProblem {
	t := h.trouble(v, err)
	return &partialProblem{Heading: t.text.Title, What: t.text.What, Advice: t.text.Advice, RetryURL: retry}
}

// rememberCurrent notes the organization last looked at, and adds it to those that the person has. It is for one that
// has answered: a typing error is to be forgotten. Losing the note is no harm. A link from another site can only choose
// among those that the person has: what it names is proposed for the next token.
func (h *Handlers) rememberCurrent(v *visit, name string) {
	known := inventory.ContainsFold(h.Inventory.Known(h.owner(v)), name)
	if known && v.session.State().Organization == name || !known && v.fromElsewhere() {
		return
	}
	err := v.session.Change(v.Context(), func(s *session.State) {
		s.Organization = name
		if !known && len(s.Organizations) < maxTyped && !inventory.ContainsFold(s.Organizations, name) {
			s.Organizations = append(s.Organizations, name)
		}
	})
	if err != nil {
		h.Log.WarnContext(v.Context(), "organization last looked at was not noted", "request_id", requestID(v.Context()), "error", err)
	}
}
