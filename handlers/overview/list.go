package overview

import (
	"strings"
	"time"

	"github.com/patdesk/patdesk/handlers/web"
	"github.com/patdesk/patdesk/handlers/web/tokenlist"
	"github.com/patdesk/patdesk/internal/inventory"
	"github.com/patdesk/patdesk/internal/panics"
)

// tokenListPage lists the tokens of one organization, or of all.
type tokenListPage struct {
	web.Base
	tokenlist.Progress // of all organizations; of one, its problems
	tokenlist.Picking
	listing
	NewURL    string
	ChooseURL string
	Done      *web.Notice // of what led here
	VaultNote *web.VaultNote
	InPlaces  []web.Option
}

// List shows the tokens that the address asks for.
func (h *Handlers) List(v *web.Request) (web.Answer, error) {
	q := v.URL.Query()
	view := tokenlist.Read(q)
	if to, ok := view.Pressed(q); ok {
		return v.To(to.Address()), nil
	}
	if q.Has("retry") {
		return tokenlist.ReadAgain(h.Inventory, v, view, q.Get("retry"))
	}
	if view.Organization == "" {
		return h.listAll(v, view)
	}
	return h.listOne(v, view)
}

func (h *Handlers) listAll(v *web.Request, view tokenlist.View) (web.Answer, error) {
	s := h.Inventory.Load(v.Context(), v.Owner(), time.After(tokenlist.Wait))
	if err := s.SignInErr(web.SignInHelps); err != nil {
		return nil, err
	}
	p := h.newList(v, view, v.Words.Text("tokens.everywhere"), s)
	p.Progress = tokenlist.ProgressOf(v, view, s)
	for _, o := range s.Organizations {
		p.offerPlace(o.Name, "")
	}
	return web.Page{Template: "tokens", Data: p}, nil
}

// listOne asks the organization anew each time, and only for what the view shows.
func (h *Handlers) listOne(v *web.Request, view tokenlist.View) (web.Answer, error) {
	organization, err := v.OrganizationOf(view.Organization)
	if err != nil {
		return nil, err
	}
	var group panics.Group
	group.Go(func() error {
		_, _ = h.Inventory.Organizations(v.Context(), v.Owner()) // for the switcher; its failure is shown on the page for choosing one
		return nil
	})
	read := h.Inventory.List(v.Context(), v.Owner(), organization, view.Statuses())
	_ = group.Wait() // always nil, see above
	if len(read.Failed) == len(view.Statuses()) && len(read.Tokens) == 0 {
		return nil, read.Failed[0].Err
	}
	v.RememberOrganization(organization) // not before: "Back to tokens" mustn't lead to one that isn't there
	p := h.newList(v, view, v.Words.Text("tokens.of", "Organization", organization), inventory.Inventory{Organizations: []inventory.Organization{read}})
	for _, f := range read.Failed {
		p.Problems = append(p.Problems, missing(v, f))
	}
	for _, name := range h.Inventory.Known(v.Owner()) {
		p.offerPlace(name, organization)
	}
	return web.Page{Template: "tokens", Data: p}, nil
}

// missing says which part of the list isn't there, and why. A list that lacks something never looks whole.
func missing(v *web.Request, part inventory.Missing) tokenlist.OrganizationProblem {
	problem := v.Partial(part.Err, v.Link(v.Here()))
	text := v.Words.Message("tokens.missing."+string(part.Status), map[string]any{"Cause": problem.Heading})
	return tokenlist.OrganizationProblem{
		Heading: text.Title, What: text.What, Advice: problem.Advice, Details: problem.Details, RetryURL: problem.RetryURL, RetryText: v.Words.Text("action.tryAgain"),
	}
}

// newList fills the page with the tokens that were read, as far as the view shows them.
func (h *Handlers) newList(v *web.Request, view tokenlist.View, title string, read inventory.Inventory) tokenListPage {
	p := tokenListPage{
		Base: v.Base(title, "tokens"), ChooseURL: v.Link(web.OrganizationsPath), NewURL: v.Link(web.NewPath(view.Organization)), Done: h.Outcomes.Done(v),
		InPlaces: []web.Option{{Text: v.Words.Text("organization.all")}},
	}
	view.Kept = web.InVaults(v)
	p.VaultNote, p.listing = view.Kept.Note(v), h.listingOf(v, view, read)
	p.Picking = tokenlist.NewPicking(v, view, p.Pickable, p.Tokens)
	return p
}

// offerPlace adds an organization to those that the list can be narrowed to. shown is the one that it is about, "" for
// all.
func (p *tokenListPage) offerPlace(name, shown string) {
	p.InPlaces = append(p.InPlaces, web.Option{Value: name, Text: name, Selected: strings.EqualFold(name, shown)})
}
