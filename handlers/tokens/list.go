package tokens

import (
	"net/url"
	"slices"

	"github.com/patdesk/patdesk/handlers/web"
	"github.com/patdesk/patdesk/handlers/web/tokenlist"
	"github.com/patdesk/patdesk/internal/azuredevops"
	"github.com/patdesk/patdesk/internal/inventory"
	"github.com/patdesk/patdesk/internal/panics"
)

// tokenListPage lists an organization's tokens.
type tokenListPage struct {
	web.Base
	NewURL     string
	Query      string
	Filters    []tokenlist.FilterLink
	Sort       string
	Order      string
	Status     string
	Columns    []tokenlist.ColumnLink
	Tokens     []tokenlist.Row
	Total      int // before searching
	Problems   []web.PartialProblem
	GlobalNote string
	ManualURL  string
	Done       *web.Notice // of what led here
	tokenlist.Picking
}

// List shows the tokens of one organization.
func (h *Handlers) List(v *web.Request) (web.Answer, error) {
	q := v.URL.Query()
	if q.Get("organization") == "" {
		return h.pickOrganization(v)
	}
	organization, err := v.OrganizationOf(q.Get("organization"))
	if err != nil {
		return nil, err
	}
	view := tokenlist.Read(organization, q)
	listed, failed := h.fetch(v, organization, view.Statuses())
	if len(failed) == len(view.Statuses()) && len(listed) == 0 {
		return nil, failed[0].Err
	}
	v.RememberOrganization(organization) // not before: "Back to tokens" mustn't lead to one that isn't there
	p := tokenListPage{
		Base:   v.Base(v.Words.Message("tokens.title", map[string]any{"Organization": organization}).Title, "tokens"),
		NewURL: v.Link(web.NewTokenPath + "?" + url.Values{"organization": {organization}}.Encode()),
		Query:  view.Query, Sort: view.Sort, Order: view.Order, Status: view.Status,
		Total: len(listed), ManualURL: v.Link(web.OrganizationsPath), Done: h.done(v),
	}
	for _, f := range failed {
		p.Problems = append(p.Problems, *missing(v, f))
	}
	p.Filters, p.Columns = view.Filters(v), view.Columns(v)
	found := view.Arrange(v.Words, listed, v.Now)
	p.Tokens = tokenlist.Rows(v, found)
	p.Picking = tokenlist.NewPicking(v, view, found)
	if slices.ContainsFunc(listed, inventory.Token.LivingGlobal) {
		p.GlobalNote = web.GlobalText(v, "global.", nil).What
	}
	return web.Page{Template: "tokens", Data: p}, nil
}

// pickOrganization finds the list to show when the address names none, and keeps the rest of the view.
func (h *Handlers) pickOrganization(v *web.Request) (web.Answer, error) {
	view := tokenlist.Read("", v.URL.Query())
	if view.Organization = v.CurrentOrganization(); view.Organization != "" {
		return v.To(view.Address()), nil
	}
	names, err := h.Inventory.Organizations(v.Context(), v.Owner())
	if len(names) > 0 {
		view.Organization = names[0]
		return v.To(view.Address()), nil
	}
	if _, again := web.NeedsSignIn(err); again {
		return nil, err
	}
	return v.To(web.OrganizationsPath), nil
}

// missing says which part of the list isn't there, and why. A list that lacks something never looks whole.
func missing(v *web.Request, part inventory.Missing) *web.PartialProblem {
	problem := v.Partial(part.Err, v.Link(v.Here()))
	text := v.Words.Message("tokens.missing."+string(part.Status), map[string]any{"Cause": problem.Heading})
	problem.Heading, problem.What = text.Title, text.What
	return problem
}

// fetch reads the lists of several statuses side by side. What could be read comes back together with the failures.
func (h *Handlers) fetch(v *web.Request, organization string, statuses []azuredevops.Status) (tokens []inventory.Token, failed []inventory.Missing) {
	var group panics.Group
	group.Go(func() error {
		_, _ = h.Inventory.Organizations(v.Context(), v.Owner()) // for the switcher; its failure is shown on the page for choosing one
		return nil
	})
	tokens, failed = h.Inventory.List(v.Context(), v.Owner(), organization, statuses)
	_ = group.Wait() // always nil, see above
	return tokens, failed
}
