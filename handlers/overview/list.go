package overview

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/patdesk/patdesk/handlers/web"
	"github.com/patdesk/patdesk/handlers/web/tokenlist"
	"github.com/patdesk/patdesk/internal/inventory"
	"github.com/patdesk/patdesk/internal/panics"
	"github.com/patdesk/patdesk/templates"
)

const (
	rowsPerPage = 200
	maxRows     = 10_000 // on the page with all rows
)

// tokenListPage lists the tokens of one organization, or of all.
type tokenListPage struct {
	web.Base
	tokenlist.Progress // of all organizations; of one, its problems
	NewURL             string
	ChooseURL          string
	Done               *web.Notice // of what led here
	GlobalHeading      string
	GlobalNote         string // "" where there are no global tokens
	VaultNote          *web.VaultNote

	One          string // the organization, "" for all
	Query        string
	Status       string
	Sort         string
	Order        string
	From, To     string
	Between      string // says what they are
	Tabs         []tokenlist.Tab
	InPlaces     []web.Option
	ScopeChoices []web.Option
	EndChoices   []web.Option
	Kinds        []web.Option
	Narrowed     bool // more than the status is asked for
	Filtered     int  // filters that are set, beside the search

	Columns       []tokenlist.Column
	Tokens        templates.Rows[tokenlist.Row]
	Several       tokenlist.Several
	Matching      int
	Total         int // of this status and organization, before searching
	Anywhere      int // of any status
	First, Last   int // row numbers shown
	Page, Pages   int
	Previous      int // pages, 0: there is none
	Next          int
	CSVURL        string
	JSONURL       string
	PrintURL      string
	AllRows       bool
	TooManyToShow bool
	tokenlist.Picking
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
	p := h.newList(v, view, v.Words.Text("tokens.everywhere"), s.Tokens())
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
	listed, failed := h.Inventory.List(v.Context(), v.Owner(), organization, view.Statuses())
	_ = group.Wait() // always nil, see above
	if len(failed) == len(view.Statuses()) && len(listed) == 0 {
		return nil, failed[0].Err
	}
	v.RememberOrganization(organization) // not before: "Back to tokens" mustn't lead to one that isn't there
	p := h.newList(v, view, v.Words.Text("tokens.of", "Organization", organization), listed)
	for _, f := range failed {
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

// newList fills the page with the listed tokens, as far as the view shows them.
func (h *Handlers) newList(v *web.Request, view tokenlist.View, title string, listed []inventory.Token) tokenListPage {
	view, listed = view.WithVaults(v, listed)
	p := tokenListPage{
		VaultNote: view.Kept.Note(v),
		Base:      v.Base(title, "tokens"), ChooseURL: v.Link(web.OrganizationsPath), Done: h.Outcomes.Done(v),
		One: view.Organization, Query: view.Query, Status: view.Status, Sort: view.Sort, Order: view.Order,
		From: dateValue(view.Narrow.From), To: dateValue(view.Narrow.To), Tabs: view.Tabs(v.Words),
		Narrowed: view.Narrowed(), Filtered: len(view.Narrow.Values()), Anywhere: len(listed),
		CSVURL: v.Link(view.ExportAddress("csv")), JSONURL: v.Link(view.ExportAddress("json")),
	}
	if p.From != "" || p.To != "" {
		p.Between = v.Words.Text("overview.onlyBetween", "From", dayText(v, view.Narrow.From), "To", dayText(v, view.Narrow.To))
	}
	p.NewURL = v.Link(web.NewPath(view.Organization))
	if slices.ContainsFunc(listed, inventory.Token.LivingGlobal) {
		note := web.GlobalText(v, "global.", nil)
		p.GlobalHeading, p.GlobalNote = note.Title, note.What
	}
	found := view.Selected(v.Words, listed, v.Now)
	p.Matching = len(found)
	p.Total = view.Total(listed)
	p.Several = tokenlist.SeveralOf(v, view, listed)
	p.Columns = view.Columns(v.Words, p.Several)
	p.Tokens = tokenlist.Rows(v, view, p.Several, p.cut(view, found))
	p.Picking = tokenlist.NewPicking(v, view, found, p.Tokens)
	p.chooseFilters(v, view, listed)
	all := view
	all.Number, all.Picked, all.All = 1, nil, ""
	q := all.Values()
	q.Set("rows", "all")
	p.PrintURL = v.Link(view.Path+"?"+q.Encode()) + "#" + tokenlist.ListID
	return p
}

func dateValue(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format(web.DateLayout)
}

// dayText is the day as the reader writes it, or an ellipsis for none.
func dayText(v *web.Request, t time.Time) string {
	if t.IsZero() {
		return "…"
	}
	return v.When(web.DayIn(t, v.Now.Location())).Date
}

// cut takes the rows of one page. A page behind the last one is the last one.
func (p *tokenListPage) cut(view tokenlist.View, found []inventory.Token) []inventory.Token {
	p.Page, p.Pages, p.AllRows = 1, 1, view.Number == 0
	if p.AllRows {
		p.TooManyToShow = len(found) > maxRows
		found = found[:min(len(found), maxRows)]
		p.First, p.Last = min(1, len(found)), len(found)
		return found
	}
	p.Pages = max(1, (len(found)+rowsPerPage-1)/rowsPerPage)
	p.Page = min(view.Number, p.Pages)
	from := (p.Page - 1) * rowsPerPage
	to := min(from+rowsPerPage, len(found))
	p.First, p.Last, p.Previous = min(from+1, to), to, p.Page-1
	if p.Page < p.Pages {
		p.Next = p.Page + 1
	}
	return found[from:to]
}

// chooseFilters fills the filter's choices: only scopes that there are.
func (p *tokenListPage) chooseFilters(v *web.Request, view tokenlist.View, listed []inventory.Token) {
	p.InPlaces = []web.Option{{Text: v.Words.Text("organization.all")}}
	p.ScopeChoices = scopeChoices(v.Words, listed, view.Narrow.Scope)
	p.EndChoices = endChoices(v.Words, view.Narrow.Within)
	for _, kind := range tokenlist.TokenKinds {
		if kind.Name == tokenlist.Unstored && view.Kept == nil {
			continue
		}
		p.Kinds = append(p.Kinds, web.Option{Value: kind.Name, Text: v.Words.Text("kind." + kind.Name), Selected: slices.Contains(view.Narrow.Is, kind.Name)})
	}
}

// offerPlace adds an organization to those that the list can be narrowed to. shown is the one that it is about, "" for
// all.
func (p *tokenListPage) offerPlace(name, shown string) {
	p.InPlaces = append(p.InPlaces, web.Option{Value: name, Text: name, Selected: strings.EqualFold(name, shown)})
}

func scopeChoices(w *templates.Words, tokens []inventory.Token, chosen string) []web.Option {
	used := map[string]bool{}
	if chosen != "" {
		used[chosen] = true
	}
	for _, t := range tokens {
		for _, id := range t.Scopes {
			used[id] = true
		}
	}
	out := []web.Option{{Text: w.Message("filter.anyScope", nil).Title}}
	for id := range used {
		out = append(out, web.Option{Value: id, Text: web.ScopeTerm(w, id).Plain(w), Selected: id == chosen})
	}
	order := w.Order()
	slices.SortFunc(out[1:], func(a, b web.Option) int {
		return cmp.Or(order(a.Text, b.Text), cmp.Compare(a.Value, b.Value))
	})
	return out
}

func endChoices(w *templates.Words, chosen int) []web.Option {
	days := []int{7, 30, 90, 180}
	if chosen > 0 && !slices.Contains(days, chosen) {
		days = append(days, chosen)
		slices.Sort(days)
	}
	out := []web.Option{{Text: w.Message("filter.anyEnd", nil).Title}}
	for _, n := range days {
		out = append(out, web.Option{Value: strconv.Itoa(n), Text: w.Message("life.days", map[string]any{"Count": n}).Title, Selected: n == chosen})
	}
	return out
}
