package handlers

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/patdesk/patdesk/internal/azuredevops"
	"github.com/patdesk/patdesk/internal/inventory"
	"github.com/patdesk/patdesk/templates"
)

const (
	overviewWait = 700 * time.Millisecond // how long the page waits for organizations before it shows what is there
	rowsPerPage  = 200
	maxRows      = 10_000 // on the page with all rows
)

// overviewPage shows the tokens of all organizations.
type overviewPage struct {
	base
	reading
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
	Filters       []filterLink
	InPlaces      []option
	ScopeChoices  []option
	EndChoices    []option
	Kinds         []option
	Narrowed      bool // more than the status is asked for
	ClearURL      string
	Columns       []columnLink
	Tokens        []tokenRow
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
	picking
}

// reading is how far the organizations have been read.
type reading struct {
	Address  string // of this view, to look again
	Since    when   // how old the oldest of it is
	AgainURL string // reads everything again
	Loading  bool   // the page is to look again
	Finding  bool   // for the organizations themselves
	Count    int    // organizations
	Read     int    // that have answered
	Reading  []string
	Unfound  *partialProblem
	Problems []organizationProblem
}

// organizationProblem is an organization that couldn't be read, beside those that could.
type organizationProblem struct {
	Organization          string
	Heading, What, Advice string
	Until                 when // it is paused until then
	Partly                bool // some of its tokens are there
	RetryURL, RetryText   string
	Details               []field
}

// overview shows everything of everywhere, or what the address asks for of it.
func (h *Handlers) overview(v *visit) (answer, error) {
	q := v.URL.Query()
	view := readOverview(q)
	if q.Has("retry") {
		return h.readAgain(v, view, q.Get("retry"))
	}
	enough := time.NewTimer(overviewWait)
	defer enough.Stop()
	s := h.Inventory.Load(v.Context(), h.owner(v), enough.C)
	if err := s.SignInErr(signInHelps); err != nil {
		return nil, err
	}
	if err := h.checkOrganization(s, view.narrow.organization); err != nil {
		return nil, err
	}
	return page{template: "overview", data: h.overviewPage(v, view, s)}, nil
}

// readAgain forgets what failed in one organization. Where a new sign-in is what it takes, that comes first.
func (h *Handlers) readAgain(v *visit, view listView, organization string) (answer, error) {
	err := h.Inventory.Failure(v.session.Hash(), organization)
	if organization == "" {
		h.Inventory.Forget(v.session.Hash())
		return v.to(view.address()), nil
	}
	h.Inventory.Invalidate(v.session.Hash(), organization, h.Now())
	if _, again := needsSignIn(err); again {
		return nil, err
	}
	return v.to(view.address()), nil
}

func (h *Handlers) checkOrganization(s inventory.Inventory, name string) error {
	known := func(o inventory.Organization) bool { return strings.EqualFold(o.Name, name) }
	if name == "" || s.Discovering || slices.ContainsFunc(s.Organizations, known) {
		return nil
	}
	return &httpError{status: http.StatusNotFound, key: "organization.unknown", data: map[string]any{"Organization": name}}
}

func readOverview(q url.Values) listView {
	filter := readTokenFilter(q)
	view := readListView(filter.organization, q)
	view.path, view.narrow, view.number = OverviewPath, filter, 1
	if n, err := strconv.Atoi(q.Get("page")); err == nil && n > 1 {
		view.number = n
	}
	if q.Get("rows") == "all" {
		view.number = 0
	}
	return view
}

// selected is what the view shows of the tokens, sorted.
func (l listView) selected(tokens []inventory.Token, now time.Time) []inventory.Token {
	statuses := l.statuses()
	var out []inventory.Token
	for _, t := range tokens {
		if slices.Contains(statuses, t.Status) {
			out = append(out, t)
		}
	}
	return l.arrange(out, now)
}

func (h *Handlers) overviewPage(v *visit, view listView, s inventory.Inventory) overviewPage {
	p := overviewPage{
		base:    h.base(v, templates.Message("overview.title", nil).Title, "overview"),
		reading: h.readingOf(v, view, s), NewURL: v.link(NewTokenPath), ChooseURL: v.link(OrganizationsPath),
	}
	p.tellTokens(v, s)
	p.tellTable(h, v, view, s)
	return p
}

// readingOf says which organizations have answered, and how.
func (h *Handlers) readingOf(v *visit, view listView, s inventory.Inventory) reading {
	p := reading{
		Address: v.link(view.address()), Loading: !s.Complete(), Finding: s.Discovering, Count: len(s.Organizations),
		Since: v.when(s.Since), AgainURL: v.link(retryAddress(view, "")),
	}
	if s.DiscoveryErr != nil {
		p.Unfound = h.partial(v, s.DiscoveryErr, v.link(retryAddress(view, "")))
	}
	pauses := h.caller(v).Pauses()
	for _, o := range s.Organizations {
		switch {
		case o.Loading:
			p.Reading = append(p.Reading, o.Name)
		default:
			p.Read++
			if len(o.Failed) > 0 {
				p.Problems = append(p.Problems, h.organizationProblem(v, view, o, pauses))
			}
		}
	}
	return p
}

func (h *Handlers) organizationProblem(v *visit, view listView, o inventory.Organization, pauses map[string]time.Time) organizationProblem {
	t := h.trouble(v, o.Failed[0].Err)
	p := organizationProblem{
		Organization: o.Name, Heading: t.text.Title, What: t.text.What, Advice: t.text.Advice, Details: t.details,
		Partly:   len(o.Failed) < len(inventory.Statuses()) || len(o.Tokens) > 0,
		RetryURL: v.link(retryAddress(view, o.Name)), RetryText: templates.Message("action.tryAgain", nil).Title,
	}
	if _, again := needsSignIn(o.Failed[0].Err); again {
		p.RetryText = templates.Message("action.signInAgain", nil).Title
	}
	for name, until := range pauses {
		if strings.EqualFold(name, o.Name) {
			p.Until = v.when(until)
		}
	}
	return p
}

func retryAddress(view listView, organization string) string {
	q := view.values()
	q.Set("retry", organization)
	return view.path + "?" + q.Encode()
}

// tellTokens is what stands above the table: about all tokens, whatever the view.
func (p *overviewPage) tellTokens(v *visit, s inventory.Inventory) {
	p.Attention = attention(v, s.Tokens)
	p.Quiet = len(p.Attention) == 0 && s.Complete() && len(p.Problems) == 0 && len(s.Tokens) > 0
	p.Timeline = newTimeline(v, s.Tokens)
}

func (p *overviewPage) tellTable(h *Handlers, v *visit, view listView, s inventory.Inventory) {
	found := view.selected(s.Tokens, v.now)
	p.Query, p.Status, p.Sort, p.Order = view.query, view.status, view.sort, view.order
	p.From, p.To = dateValue(view.narrow.from), dateValue(view.narrow.to)
	p.Matching, p.Total = len(found), len(s.Tokens)
	p.Narrowed = view.query != "" || view.narrow.organization != "" || len(view.narrow.values()) > 0
	p.ClearURL = v.link(listView{path: view.path, status: view.status, sort: view.sort, order: view.order}.address())
	p.Filters, p.Columns = view.filters(v), view.columns(v)
	p.chooseFilters(view, s)
	p.Tokens = h.rows(v, p.cut(v, view, found))
	p.picking = h.picking(v, view, len(found))
	p.CSVURL, p.JSONURL = v.link(view.exportAddress("csv")), v.link(view.exportAddress("json"))
	all := view
	all.number = 1
	q := all.values()
	q.Set("rows", "all")
	p.PrintURL = v.link(view.path + "?" + q.Encode())
}

func dateValue(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format(dateLayout)
}

// cut takes the rows of one page. A page behind the last one is the last one.
func (p *overviewPage) cut(v *visit, view listView, found []inventory.Token) []inventory.Token {
	p.Page, p.Pages, p.AllRows = 1, 1, view.number == 0
	if p.AllRows {
		p.TooManyToShow = len(found) > maxRows
		found = found[:min(len(found), maxRows)]
		p.First, p.Last = min(1, len(found)), len(found)
		return found
	}
	p.Pages = max(1, (len(found)+rowsPerPage-1)/rowsPerPage)
	p.Page = min(view.number, p.Pages)
	from := (p.Page - 1) * rowsPerPage
	to := min(from+rowsPerPage, len(found))
	p.First, p.Last = min(from+1, to), to
	at := func(number int) string {
		other := view
		other.number = number
		return v.link(other.address())
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
func (p *overviewPage) chooseFilters(view listView, s inventory.Inventory) {
	anywhere := option{Text: templates.Message("organization.all", nil).Title}
	p.InPlaces = []option{anywhere}
	for _, o := range s.Organizations {
		p.InPlaces = append(p.InPlaces, option{Value: o.Name, Text: o.Name, Selected: strings.EqualFold(o.Name, view.narrow.organization)})
	}
	p.ScopeChoices = scopeChoices(s.Tokens, view.narrow.scope)
	p.EndChoices = endChoices(view.narrow.within)
	for _, kind := range tokenKinds {
		text := templates.Message("kind."+kind.name, nil)
		p.Kinds = append(p.Kinds, option{Value: kind.name, Text: text.Title, Selected: slices.Contains(view.narrow.is, kind.name)})
	}
}

func scopeChoices(tokens []inventory.Token, chosen string) []option {
	used := map[string]bool{}
	if chosen != "" {
		used[chosen] = true
	}
	for _, t := range tokens {
		for _, id := range t.Scopes {
			used[id] = true
		}
	}
	out := []option{{Text: templates.Message("filter.anyScope", nil).Title}}
	for id := range used {
		out = append(out, option{Value: id, Text: scopeName(azuredevops.LookupScope(id)), Selected: id == chosen})
	}
	slices.SortFunc(out[1:], func(a, b option) int { return cmp.Or(compareFold(a.Text, b.Text), cmp.Compare(a.Value, b.Value)) })
	return out
}

func endChoices(chosen int) []option {
	days := []int{7, 30, 90, 180}
	if chosen > 0 && !slices.Contains(days, chosen) {
		days = append(days, chosen)
		slices.Sort(days)
	}
	out := []option{{Text: templates.Message("filter.anyEnd", nil).Title}}
	for _, n := range days {
		out = append(out, option{Value: strconv.Itoa(n), Text: templates.Message("life.days", map[string]any{"Count": n}).Title, Selected: n == chosen})
	}
	return out
}
