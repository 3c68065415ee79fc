package overview

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/patdesk/patdesk/handlers/web"
	"github.com/patdesk/patdesk/handlers/web/tokenlist"
	"github.com/patdesk/patdesk/internal/inventory"
	"github.com/patdesk/patdesk/templates"
)

const rowsPerPage = 200

const maxRows = 10_000 // on the page with all rows

// overviewPage shows the tokens of all organizations.
type overviewPage struct {
	web.Base
	tokenlist.Progress
	NewURL    string
	ChooseURL string

	Attention []attentionGroup
	Quiet     bool // everything was read, and nothing needs attention
	Timeline  *timeline

	Query         string
	Status        string
	Sort          string
	Order         string
	From, To      string
	Filters       []tokenlist.FilterLink
	InPlaces      []web.Option
	ScopeChoices  []web.Option
	EndChoices    []web.Option
	Kinds         []web.Option
	Narrowed      bool // more than the status is asked for
	ClearURL      string
	Columns       []tokenlist.ColumnLink
	Tokens        []tokenlist.Row
	Matching      int
	Total         int
	First, Last   int // row numbers shown
	Page, Pages   int
	PreviousURL   string
	NextURL       string
	CSVURL        string
	JSONURL       string
	PrintURL      string
	AllRows       bool
	TooManyToShow bool
	tokenlist.Picking
}

// Show shows everything of everywhere, or what the address asks for of it.
func (h *Handlers) Show(v *web.Request) (web.Answer, error) {
	q := v.URL.Query()
	view := tokenlist.ReadOverview(q)
	if q.Has("retry") {
		return tokenlist.ReadAgain(h.Inventory, v, view, q.Get("retry"))
	}
	s := h.Inventory.Load(v.Context(), v.Owner(), time.After(tokenlist.Wait))
	if err := s.SignInErr(web.SignInHelps); err != nil {
		return nil, err
	}
	if err := checkOrganization(s, view.Narrow.Organization); err != nil {
		return nil, err
	}
	return web.Page{Template: "overview", Data: h.overviewPage(v, view, s)}, nil
}

func checkOrganization(s inventory.Inventory, name string) error {
	known := func(o inventory.Organization) bool { return strings.EqualFold(o.Name, name) }
	if name == "" || s.Discovering || slices.ContainsFunc(s.Organizations, known) {
		return nil
	}
	return &web.HTTPError{Status: http.StatusNotFound, Key: "organization.unknown", Data: map[string]any{"Organization": name}}
}

func (h *Handlers) overviewPage(v *web.Request, view tokenlist.View, s inventory.Inventory) overviewPage {
	p := overviewPage{
		Base:     v.Base(v.Words.Message("overview.title", nil).Title, "overview"),
		Progress: tokenlist.ProgressOf(v, view, s), NewURL: v.Link(web.NewTokenPath), ChooseURL: v.Link(web.OrganizationsPath),
	}
	p.fillSummary(v, s)
	p.fillTable(v, view, s)
	return p
}

// fillSummary is what stands above the table: about all tokens, whatever the view.
func (p *overviewPage) fillSummary(v *web.Request, s inventory.Inventory) {
	p.Attention = attention(v, s.Tokens)
	p.Quiet = len(p.Attention) == 0 && s.Complete() && len(p.Problems) == 0 && len(s.Tokens) > 0
	p.Timeline = newTimeline(v, s.Tokens)
}

func (p *overviewPage) fillTable(v *web.Request, view tokenlist.View, s inventory.Inventory) {
	found := view.Selected(v.Words, s.Tokens, v.Now)
	p.Query, p.Status, p.Sort, p.Order = view.Query, view.Status, view.Sort, view.Order
	p.From, p.To = dateValue(view.Narrow.From), dateValue(view.Narrow.To)
	p.Matching, p.Total = len(found), len(s.Tokens)
	p.Narrowed = view.Query != "" || view.Narrow.Organization != "" || len(view.Narrow.Values()) > 0
	p.ClearURL = tokenlist.View{Path: view.Path, Status: view.Status, Sort: view.Sort, Order: view.Order}.Link(v)
	p.Filters, p.Columns = view.Filters(v), view.Columns(v)
	p.chooseFilters(v, view, s)
	p.Tokens = tokenlist.Rows(v, p.cut(v, view, found))
	p.Picking = tokenlist.NewPicking(v, view, found)
	p.CSVURL, p.JSONURL = v.Link(view.ExportAddress("csv")), v.Link(view.ExportAddress("json"))
	all := view
	all.Number = 1
	q := all.Values()
	q.Set("rows", "all")
	p.PrintURL = v.Link(view.Path+"?"+q.Encode()) + "#" + tokenlist.ListID
}

func dateValue(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format(web.DateLayout)
}

// cut takes the rows of one page. A page behind the last one is the last one.
func (p *overviewPage) cut(v *web.Request, view tokenlist.View, found []inventory.Token) []inventory.Token {
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
	p.First, p.Last = min(from+1, to), to
	at := func(number int) string {
		other := view
		other.Number = number
		return other.Link(v)
	}
	if p.Page > 1 {
		p.PreviousURL = at(p.Page - 1)
	}
	if p.Page < p.Pages {
		p.NextURL = at(p.Page + 1)
	}
	return found[from:to]
}

// chooseFilters fills the filter's choices: only organizations and scopes that there are.
func (p *overviewPage) chooseFilters(v *web.Request, view tokenlist.View, s inventory.Inventory) {
	anywhere := web.Option{Text: v.Words.Message("organization.all", nil).Title}
	p.InPlaces = []web.Option{anywhere}
	for _, o := range s.Organizations {
		p.InPlaces = append(p.InPlaces, web.Option{Value: o.Name, Text: o.Name, Selected: strings.EqualFold(o.Name, view.Narrow.Organization)})
	}
	p.ScopeChoices = scopeChoices(v.Words, s.Tokens, view.Narrow.Scope)
	p.EndChoices = endChoices(v.Words, view.Narrow.Within)
	for _, kind := range tokenlist.TokenKinds {
		text := v.Words.Message("kind."+kind.Name, nil)
		p.Kinds = append(p.Kinds, web.Option{Value: kind.Name, Text: text.Title, Selected: slices.Contains(view.Narrow.Is, kind.Name)})
	}
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
