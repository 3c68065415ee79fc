package overview

import (
	"cmp"
	"slices"
	"strconv"
	"time"

	"github.com/patdesk/patdesk/handlers/web"
	"github.com/patdesk/patdesk/handlers/web/tokenlist"
	"github.com/patdesk/patdesk/internal/inventory"
	"github.com/patdesk/patdesk/templates"
)

const (
	rowsPerPage = 200
	maxRows     = 10_000 // on the page with all rows
)

// listing is what a list shows of the tokens alone, and of the view that it is in.
type listing struct {
	GlobalHeading string
	GlobalNote    string // "" where there are no global tokens

	One          string // the organization, "" for all
	Query        string
	Status       string
	Sort         string
	Order        string
	From, To     string
	Between      string // says what they are
	Tabs         []tokenlist.Tab
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
	Pickable      tokenlist.Pickable
}

// listingFor is what a listing depends on, but for the time since it was made.
type listingFor struct {
	seen
	address string // of the view
}

// listingOf is the listing of what was read. People reload lists and come back to them, so it is kept for a short while.
// What depends on more than the tokens and the view isn't (what is in vaults, rotations half-way), nor what is rarely
// or never asked for twice: a selection, all rows, a reading that doesn't come again.
func (h *Handlers) listingOf(v *web.Request, view tokenlist.View, read inventory.Inventory) listing {
	unfinished := tokenlist.UnfinishedOf(v)
	if !read.ComesAgain() || view.Kept != nil || len(view.Picked) > 0 || len(unfinished) > 0 || view.Number == 0 {
		return newListing(v, view, unfinished, read.Tokens())
	}
	of := listingFor{seenNow(v, read), view.Address()}
	return h.listings.get(of, v.Now, func() listing { return newListing(v, view, unfinished, read.Tokens()) })
}

func newListing(v *web.Request, view tokenlist.View, unfinished tokenlist.Unfinished, listed []inventory.Token) listing {
	listed = view.Marked(listed)
	p := listing{
		One: view.Organization, Query: view.Query, Status: view.Status, Sort: view.Sort, Order: view.Order,
		From: dateValue(view.Narrow.From), To: dateValue(view.Narrow.To), Tabs: view.Tabs(v.Words),
		Narrowed: view.Narrowed(), Filtered: len(view.Narrow.Values()), Anywhere: len(listed),
		CSVURL: v.Link(view.ExportAddress("csv")), JSONURL: v.Link(view.ExportAddress("json")),
	}
	if p.From != "" || p.To != "" {
		p.Between = v.Words.Text("overview.onlyBetween", "From", dayText(v, view.Narrow.From), "To", dayText(v, view.Narrow.To))
	}
	if slices.ContainsFunc(listed, inventory.Token.LivingGlobal) {
		note := web.GlobalText(v, "global.", nil)
		p.GlobalHeading, p.GlobalNote = note.Title, note.What
	}
	found := view.Selected(v.Words, listed, v.Now)
	p.Matching, p.Total, p.Pickable = len(found), view.Total(listed), tokenlist.PickableOf(found)
	p.Several = tokenlist.SeveralOf(v, view, listed)
	p.Columns = view.Columns(v.Words, p.Several)
	p.Tokens = tokenlist.Rows(v, view, p.Several, unfinished, p.cut(view, found))
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
func (p *listing) cut(view tokenlist.View, found []inventory.Token) []inventory.Token {
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
func (p *listing) chooseFilters(v *web.Request, view tokenlist.View, listed []inventory.Token) {
	p.ScopeChoices = scopeChoices(v.Words, listed, view.Narrow.Scope)
	p.EndChoices = endChoices(v.Words, view.Narrow.Within)
	for _, kind := range tokenlist.TokenKinds {
		if kind.Name == tokenlist.Unstored && view.Kept == nil {
			continue
		}
		p.Kinds = append(p.Kinds, web.Option{Value: kind.Name, Text: v.Words.Text("kind." + kind.Name), Selected: slices.Contains(view.Narrow.Is, kind.Name)})
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
