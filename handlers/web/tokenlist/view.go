package tokenlist

import (
	"cmp"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/patdesk/patdesk/handlers/web"
	"github.com/patdesk/patdesk/internal/azuredevops"
	"github.com/patdesk/patdesk/internal/inventory"
	"github.com/patdesk/patdesk/templates"
)

// ListID is the id of the list on its page, with the fields that narrow it down: where what changes is seen.
const ListID = "tokens"

// Tab is a status that the list can show.
type Tab struct {
	Value, Text string
	Current     bool
}

// Column is a column that the list can be sorted by.
type Column struct {
	ID, Text string
	Sorted   string // "", "ascending", "descending": aria-sort
}

// View is the state of a list, all of it in the address.
type View struct {
	Path                                     string // of the page
	Organization, Status, Query, Sort, Order string // Organization "": all
	Narrow                                   Filter
	Kept                                     *web.Kept // what the vaults hold; not in the address
	Number                                   int       // page of the table, from 1; 0: all rows
	Picked                                   []string  // selected tokens, as PickValue names them
	All                                      string    // Matching of the view that was selected whole, "" for none
}

var listDefaults = map[string]string{"status": "active", "sort": "expires", "order": "asc"}

var (
	statuses = []string{"active", "expired", "revoked", "all"}
	sortable = []string{"name", "scopes", "expires", "organization", "status"} // in the order of the columns
)

// Read is the view that an address asks for. What makes no sense is left out: an address typed by hand still shows
// something.
func Read(q url.Values) View {
	view := View{
		Path: web.TokensPath, Organization: strings.TrimSpace(q.Get("organization")), Status: strings.ToLower(q.Get("status")), Query: strings.TrimSpace(q.Get("q")),
		Sort: q.Get("sort"), Order: q.Get("order"), Narrow: readFilter(q), Number: 1, All: q.Get("all"),
	}
	if !slices.Contains(statuses, view.Status) {
		view.Status = "active"
	}
	if !slices.Contains(sortable, view.Sort) {
		view.Sort = "expires"
	}
	if view.Order != "desc" {
		view.Order = "asc"
	}
	if len(view.Query) > 200 {
		view.Query = strings.ToValidUTF8(view.Query[:200], "")
	}
	if n, err := strconv.Atoi(q.Get("page")); err == nil && n > 1 {
		view.Number = n
	}
	if q.Get("rows") == "all" {
		view.Number = 0
	}
	for _, value := range q["token"] {
		if organization, id, ok := strings.Cut(value, "/"); ok && organization != "" && id != "" && !slices.Contains(view.Picked, value) {
			view.Picked = append(view.Picked, value)
		}
	}
	return view
}

// Pressed is the view that a button of the list's form leads to, ok if one was pressed: they are buttons, so that what
// was selected by then is sent along, without any script.
func (l View) Pressed(q url.Values) (to View, ok bool) {
	to = l
	switch by, show := q.Get("by"), q.Get("show"); {
	case q.Has("clear"):
		to = View{Path: l.Path, Organization: l.Organization, Status: l.Status, Sort: l.Sort, Order: l.Order, Picked: l.Picked, All: l.All}
	case slices.Contains(statuses, show):
		to.Status = show
	case by == l.Sort && l.Order == "asc":
		to.Order = "desc"
	case slices.Contains(sortable, by):
		to.Sort, to.Order = by, "asc"
	default:
		return l, false
	}
	to.Number = min(l.Number, 1)
	return to, true
}

// Selected is what the view shows of the tokens, sorted.
func (l View) Selected(w *templates.Words, tokens []inventory.Token, now time.Time) []inventory.Token {
	wanted := l.Statuses()
	return l.arrange(w, tokens, now, func(t inventory.Token) bool { return l.in(wanted, t) })
}

// Matches is how many tokens of a view without a search Selected would return.
func (l View) Matches(tokens []inventory.Token, now time.Time) (n int) {
	wanted := l.Statuses()
	for _, t := range tokens {
		if l.in(wanted, t) && l.Narrow.lets(t, now) {
			n++
		}
	}
	return n
}

// Total is how many tokens have the view's status and organization, whatever it is narrowed down to.
func (l View) Total(tokens []inventory.Token) (n int) {
	wanted := l.Statuses()
	for _, t := range tokens {
		if l.in(wanted, t) {
			n++
		}
	}
	return n
}

func (l View) in(wanted []azuredevops.Status, t inventory.Token) bool {
	return slices.Contains(wanted, t.Status) && (l.Organization == "" || t.Global() || strings.EqualFold(t.Organization, l.Organization))
}

// ExportAddress is where the tokens of this view are to be had as a file, all of them.
func (l View) ExportAddress(format string) string {
	l.Number, l.Picked, l.All = 1, nil, ""
	l.Path += "." + format
	return l.Address()
}

// Statuses are those that the view shows.
func (l View) Statuses() []azuredevops.Status {
	if l.Status == "all" {
		return inventory.Statuses()
	}
	return []azuredevops.Status{azuredevops.Status(l.Status)}
}

// Address is that of this view. What stands at its default is left out.
func (l View) Address() string {
	if q := l.Values().Encode(); q != "" {
		return l.Path + "?" + q
	}
	return l.Path
}

// Matching is the address of all that the view shows, on whatever page, in whatever order: "all that match".
func (l View) Matching() string {
	l.Sort, l.Order, l.Number, l.Picked, l.All = "", "", 1, nil, ""
	return l.Address()
}

// Link leads to the list in this view.
func (l View) Link(v *web.Request) string {
	l.Path = web.TokensPath
	return v.Link(l.Address()) + "#" + ListID
}

// Values is the view as the query of its address.
func (l View) Values() url.Values {
	q := l.Narrow.Values()
	for name, value := range map[string]string{"organization": l.Organization, "status": l.Status, "q": l.Query, "sort": l.Sort, "order": l.Order, "all": l.All} {
		if value != "" && value != listDefaults[name] {
			q.Set(name, value)
		}
	}
	if l.Number > 1 {
		q.Set("page", strconv.Itoa(l.Number))
	}
	if len(l.Picked) > 0 {
		q["token"] = l.Picked
	}
	return q
}

// Narrowed says that more than the status and the organization is asked for.
func (l View) Narrowed() bool { return l.Query != "" || len(l.Narrow.Values()) > 0 }

// Tabs are the statuses.
func (l View) Tabs(w *templates.Words) []Tab {
	var out []Tab
	for _, status := range statuses {
		out = append(out, Tab{Value: status, Text: w.Text("status." + status), Current: status == l.Status})
	}
	return out
}

// comparing compares tokens by a column; names are ordered as the language has it.
func comparing(w *templates.Words, column string) func(a, b inventory.Token) int {
	order := w.Order()
	by := map[string]func(a, b inventory.Token) int{
		"name":   func(a, b inventory.Token) int { return order(a.DisplayName, b.DisplayName) },
		"scopes": func(a, b inventory.Token) int { return order(web.ScopeList(w, a.Scopes), web.ScopeList(w, b.Scopes)) },
		"organization": func(a, b inventory.Token) int {
			return cmp.Or(cmp.Compare(globalRank(a), globalRank(b)), order(a.OrganizationKey(), b.OrganizationKey()))
		},
		"expires": func(a, b inventory.Token) int { return a.Ends().Compare(b.Ends()) },
		"status":  func(a, b inventory.Token) int { return cmp.Compare(a.Status, b.Status) },
	}
	return by[column]
}

func globalRank(t inventory.Token) int {
	if t.Global() {
		return 1
	}
	return 0
}

// Columns are those of a list, without those that would say the same on every row.
func (l View) Columns(w *templates.Words, several Several) []Column {
	var out []Column
	for _, id := range sortable {
		if id == "organization" && !several.Organizations || id == "status" && !several.Statuses {
			continue
		}
		column := Column{ID: id, Text: w.Text("column." + id)}
		if l.Sort == id {
			column.Sorted = "ascending"
			if l.Order == "desc" {
				column.Sorted = "descending"
			}
		}
		out = append(out, column)
	}
	return out
}

// Arrange filters, searches and sorts. Every word of the search must be found in the name or in a scope.
func (l View) Arrange(w *templates.Words, listed []inventory.Token, now time.Time) []inventory.Token {
	return l.arrange(w, listed, now, func(inventory.Token) bool { return true })
}

func (l View) arrange(w *templates.Words, listed []inventory.Token, now time.Time, fits func(inventory.Token) bool) []inventory.Token {
	query := web.SearchFor(l.Query)
	out := make([]inventory.Token, 0, len(listed))
	for _, t := range listed {
		if fits(t) && l.Narrow.lets(t, now) && (len(query) == 0 || query.In(t.DisplayName+" "+web.Searchable(w, t.Scopes))) {
			out = append(out, t)
		}
	}
	by, order := comparing(w, l.Sort), w.Order()
	slices.SortFunc(out, func(a, b inventory.Token) int {
		first := by(a, b)
		switch {
		case first == 0: // only then, as comparing names takes long
			return cmp.Or(order(a.DisplayName, b.DisplayName), cmp.Compare(a.AuthorizationID, b.AuthorizationID))
		case l.Order == "desc":
			return -first
		default:
			return first
		}
	})
	return out
}
