package tokens

import (
	"net/http"
	"strings"

	"github.com/patdesk/patdesk/handlers/web"
)

// marketplaceID stands in targetAccounts for the Visual Studio Marketplace.
const marketplaceID = "2663b13f-50e3-a655-a159-22f6f4725fab"

// organizationsPage lets the person choose an organization, or type one.
type organizationsPage struct {
	web.Base
	Action  string
	Choices []web.OrganizationLink
	Typed   string
	Error   string
	Problem *web.PartialProblem // discovery failed; typing still works
	CanType bool
	None    bool // Microsoft names none for this account
}

// organizationNames maps organization ids, as tokens name them, to names.
func (h *Handlers) organizationNames(v *web.Request) map[string]string {
	names := map[string]string{marketplaceID: v.Words.Message("organization.marketplace", nil).Title}
	for _, o := range h.Inventory.Discovered(v.Session.Hash()) {
		names[o.ID] = o.Name
	}
	return names
}

// ChooseOrganization shows the choice, or opens the one typed.
func (h *Handlers) ChooseOrganization(v *web.Request) (web.Answer, error) {
	if v.URL.Query().Has("retry") {
		h.Inventory.ForgetOrganizations(v.Session.Hash())
		return v.To(web.OrganizationsPath), nil
	}
	typed := strings.TrimSpace(v.URL.Query().Get("organization"))
	problem, status := "", http.StatusOK
	if typed != "" {
		if h.Inventory.Allowed(typed) {
			return v.To(web.ListPath(typed)), nil
		}
		problem = v.Words.Message("form.organizationInvalid", map[string]any{"Organization": typed}).What
		status = http.StatusUnprocessableEntity
	}
	names, err := h.Inventory.Organizations(v.Context(), v.Owner())
	if _, again := web.NeedsSignIn(err); again {
		return nil, err
	}
	p := organizationsPage{
		Base:   v.Base(v.Words.Message("organizations.title", nil).Title, "tokens"),
		Action: v.Link(web.OrganizationsPath), Typed: typed, Error: problem, CanType: !h.Inventory.Fixed(),
	}
	p.Failed = problem != ""
	for _, name := range names {
		p.Choices = append(p.Choices, web.OrganizationLink{Name: name, URL: v.Link(web.ListPath(name)), Current: name == p.Organization})
	}
	p.None = err == nil && len(names) == 0 && !h.Inventory.Fixed()
	if err != nil {
		p.Problem = v.Partial(err, v.Link(web.OrganizationsPath+"?retry=1"))
	}
	return web.Page{Status: status, Template: "organizations", Data: p}, nil
}
