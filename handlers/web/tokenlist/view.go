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

// FilterLink leads to the same list of another status.
type FilterLink struct {
	Text, URL string
	Current   bool
}

// ColumnLink sorts the list by a column.
type ColumnLink struct {
	Text, URL string
	Sorted    string // "", "ascending", "descending": aria-sort
}

// View is the state of a list, all of it in the address.
type View struct {
	Path                                     string // of the page: "/tokens", "/overview"
	Organization, Status, Query, Sort, Order string
	Narrow                                   Filter // on the overview only
	Number                                   int    // page of the table, from 1; 0: all rows
}

var listDefaults = map[string]string{"status": "active", "sort": "expires", "order": "asc"}

// sortable are the columns, in their order.
var sortable = []string{"name", "scopes", "organization", "created", "expires", "status"}

// ReadOverview is the view of the overview that an address asks for.
func ReadOverview(q url.Values) View {
	filter := readFilter(q)
	view := Read(filter.Organization, q)
	view.Path, view.Narrow, view.Number = web.OverviewPath, filter, 1
	if n, err := strconv.Atoi(q.Get("page")); err == nil && n > 1 {
		view.Number = n
	}
	if q.Get("rows") == "all" {
		view.Number = 0
	}
	return view
}

// Selected is what the view shows of the tokens, sorted.
func (l View) Selected(w *templates.Words, tokens []inventory.Token, now time.Time) []inventory.Token {
	statuses := l.Statuses()
	var out []inventory.Token
	for _, t := range tokens {
		if slices.Contains(statuses, t.Status) {
			out = append(out, t)
		}
	}
	return l.Arrange(w, out, now)
}

// ExportAddress is where the tokens of this view are to be had as a file, all of them.
func (l View) ExportAddress(format string) string {
	l.Number = 1
	l.Path += "." + format
	return l.Address()
}

// Read is the view of an organization's list that an address asks for.
func Read(organization string, q url.Values) View {
	view := View{
		Path: web.TokensPath, Organization: organization, Status: strings.ToLower(q.Get("status")), Query: strings.TrimSpace(q.Get("q")),
		Sort: q.Get("sort"), Order: q.Get("order"),
	}
	if !slices.Contains([]string{"active", "expired", "revoked", "all"}, view.Status) {
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
	return view
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

// ListID is the id of the overview's heading above its list, which stands far below what needs attention.
const ListID = "all-tokens"

// Link leads to this view, on the overview right to its list: that is what changes.
func (l View) Link(v *web.Request) string {
	if l.Path == web.OverviewPath {
		return v.Link(l.Address()) + "#" + ListID
	}
	return v.Link(l.Address())
}

// Values is the view as the query of its address.
func (l View) Values() url.Values {
	q := l.Narrow.Values()
	if l.Organization != "" {
		q.Set("organization", l.Organization)
	}
	for name, value := range map[string]string{"status": l.Status, "q": l.Query, "sort": l.Sort, "order": l.Order} {
		if value != "" && value != listDefaults[name] {
			q.Set(name, value)
		}
	}
	if l.Number > 1 {
		q.Set("page", strconv.Itoa(l.Number))
	}
	return q
}

// Filters lead to the same view of each status.
func (l View) Filters(v *web.Request) []FilterLink {
	var out []FilterLink
	for _, status := range []string{"active", "expired", "revoked", "all"} {
		other := l
		other.Status, other.Number = status, min(l.Number, 1)
		out = append(out, FilterLink{Text: v.Words.Message("status."+status, nil).Title, URL: other.Link(v), Current: status == l.Status})
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
		"created": func(a, b inventory.Token) int { return a.ValidFrom.Compare(b.ValidFrom) },
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

// Columns sort the view by each column.
func (l View) Columns(v *web.Request) []ColumnLink {
	var out []ColumnLink
	for _, name := range sortable {
		other, column := l, ColumnLink{Text: v.Words.Message("column."+name, nil).Title}
		other.Sort, other.Order, other.Number = name, "asc", min(l.Number, 1)
		if l.Sort == name {
			column.Sorted = "ascending"
			if l.Order == "desc" {
				column.Sorted = "descending"
			} else {
				other.Order = "desc"
			}
		}
		column.URL = other.Link(v)
		out = append(out, column)
	}
	return out
}

// Arrange filters, searches and sorts. Every word of the search must be found in the name or in a scope.
func (l View) Arrange(w *templates.Words, listed []inventory.Token, now time.Time) []inventory.Token {
	query := web.SearchFor(l.Query)
	var out []inventory.Token
	for _, t := range listed {
		if l.Narrow.lets(t, now) && (len(query) == 0 || query.In(t.DisplayName+" "+web.Searchable(w, t.Scopes))) {
			out = append(out, t)
		}
	}
	by, order := comparing(w, l.Sort), w.Order()
	slices.SortStableFunc(out, func(a, b inventory.Token) int {
		first := by(a, b)
		if l.Order == "desc" {
			first = -first
		}
		return cmp.Or(first, order(a.DisplayName, b.DisplayName), cmp.Compare(a.AuthorizationID, b.AuthorizationID))
	})
	return out
}
