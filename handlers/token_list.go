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
	"github.com/patdesk/patdesk/internal/operation"
	"github.com/patdesk/patdesk/internal/panics"
	"github.com/patdesk/patdesk/templates"
)

// tokenListPage lists an organization's tokens.
type tokenListPage struct {
	base
	NewURL     string
	Query      string
	Filters    []filterLink
	Sort       string
	Order      string
	Status     string
	Columns    []columnLink
	Tokens     []tokenRow
	Total      int // before searching
	Problems   []partialProblem
	GlobalNote string
	ManualURL  string
	Done       string
	picking
}

type filterLink struct {
	Text, URL string
	Current   bool
}

type columnLink struct {
	Text, URL string
	Sorted    string // "", "ascending", "descending": aria-sort
}

type tokenRow struct {
	Name          string
	URL           string
	Scopes        []string
	HighScopes    bool
	FullAccess    bool
	Organization  string
	Global        bool
	Created       when
	Expires       when
	Ends          string // of a global token: when it stops, whatever Expires says
	Urgency       string // "", "soon", "urgent", "past"
	Status        string
	StatusClass   string
	MadeBy        string
	Unfinished    string
	UnfinishedURL string
	Pick          string // names the token when it is chosen among others
	PickID        string // of its checkbox
}

// listView is the state of a list, all of it in the address.
type listView struct {
	path                                     string // of the page: "/tokens", "/overview"
	organization, status, query, sort, order string
	narrow                                   tokenFilter // on the overview only
	number                                   int         // page of the table, from 1; 0: all rows
}

func (h *Handlers) listTokens(v *visit) (answer, error) {
	q := v.URL.Query()
	if q.Get("organization") == "" {
		return h.pickOrganization(v)
	}
	organization, err := h.organizationOf(q.Get("organization"))
	if err != nil {
		return nil, err
	}
	view := readListView(organization, q)
	listed, failed := h.fetch(v, organization, view.statuses())
	if len(failed) == len(view.statuses()) && len(listed) == 0 {
		return nil, failed[0].Err
	}
	h.rememberCurrent(v, organization) // not before: "Back to tokens" mustn't lead to one that isn't there
	p := tokenListPage{
		base:   h.base(v, templates.Message("tokens.title", map[string]any{"Organization": organization}).Title, "tokens"),
		NewURL: v.link(NewTokenPath + "?" + url.Values{"organization": {organization}}.Encode()),
		Query:  view.query, Sort: view.sort, Order: view.order, Status: view.status,
		Total: len(listed), ManualURL: v.link(OrganizationsPath), Done: h.doneSentence(v),
	}
	for _, f := range failed {
		p.Problems = append(p.Problems, *h.missing(v, f))
	}
	p.Filters, p.Columns = view.filters(v), view.columns(v)
	p.Tokens = h.rows(v, view.arrange(listed, v.now))
	p.picking = h.picking(v, view, len(p.Tokens))
	if slices.ContainsFunc(listed, func(t inventory.Token) bool { return t.Global() && t.Status == azuredevops.Active }) {
		p.GlobalNote = globalNote(v.now)
	}
	status := http.StatusOK
	return page{status: status, template: "tokens", data: p}, nil
}

// pickOrganization finds the list to show when the address names none, and keeps the rest of the view.
func (h *Handlers) pickOrganization(v *visit) (answer, error) {
	view := readListView("", v.URL.Query())
	if view.organization = h.currentOrganization(v); view.organization != "" {
		return v.to(view.address()), nil
	}
	names, err := h.Inventory.Organizations(v.Context(), h.owner(v))
	if len(names) > 0 {
		view.organization = names[0]
		return v.to(view.address()), nil
	}
	if err != nil {
		if _, again := needsSignIn(err); again {
			return nil, err
		}
	}
	return v.to(OrganizationsPath), nil
}

// missing says which part of the list isn't there, and why. A list that lacks something never looks whole.
func (h *Handlers) missing(v *visit, part inventory.Missing) *partialProblem {
	problem := h.partial(v, part.Err, v.link(v.here()))
	text := templates.Message("tokens.missing."+string(part.Status), map[string]any{"Cause": problem.Heading})
	problem.Heading, problem.What = text.Title, text.What
	return problem
}

// fetch reads the lists of several statuses side by side. What could be read comes back together with the failures.
func (h *Handlers) fetch(v *visit, organization string, statuses []azuredevops.Status) (tokens []inventory.Token, failed []inventory.Missing) {
	var group panics.Group
	group.Go(func() error {
		_, _ = h.Inventory.Organizations(v.Context(), h.owner(v)) // for the switcher; its failure is told on the page for choosing one
		return nil
	})
	tokens, failed = h.Inventory.List(v.Context(), h.owner(v), organization, statuses)
	_ = group.Wait() // always nil, see above
	return tokens, failed
}

func readListView(organization string, q url.Values) listView {
	view := listView{
		path: TokensPath, organization: organization, status: strings.ToLower(q.Get("status")), query: strings.TrimSpace(q.Get("q")),
		sort: q.Get("sort"), order: q.Get("order"),
	}
	if !slices.Contains([]string{"active", "expired", "revoked", "all"}, view.status) {
		view.status = "active"
	}
	if _, ok := sorters[view.sort]; !ok {
		view.sort = "expires"
	}
	if view.order != "desc" {
		view.order = "asc"
	}
	if len(view.query) > 200 {
		view.query = strings.ToValidUTF8(view.query[:200], "")
	}
	return view
}

func (l listView) statuses() []azuredevops.Status {
	if l.status == "all" {
		return inventory.Statuses()
	}
	return []azuredevops.Status{azuredevops.Status(l.status)}
}

// address is that of this view. What stands at its default is left out.
func (l listView) address() string {
	if q := l.values().Encode(); q != "" {
		return l.path + "?" + q
	}
	return l.path
}

func (l listView) values() url.Values {
	q := l.narrow.values()
	if l.organization != "" {
		q.Set("organization", l.organization)
	}
	for name, value := range map[string]string{"status": l.status, "q": l.query, "sort": l.sort, "order": l.order} {
		if value != "" && value != listDefaults[name] {
			q.Set(name, value)
		}
	}
	if l.number > 1 {
		q.Set("page", strconv.Itoa(l.number))
	}
	return q
}

var listDefaults = map[string]string{"status": "active", "sort": "expires", "order": "asc"}

func (l listView) filters(v *visit) []filterLink {
	var out []filterLink
	for _, status := range []string{"active", "expired", "revoked", "all"} {
		other := l
		other.status, other.number = status, min(l.number, 1)
		out = append(out, filterLink{Text: templates.Message("status."+status, nil).Title, URL: v.link(other.address()), Current: status == l.status})
	}
	return out
}

// sorters compare two tokens for each column.
var sorters = map[string]func(a, b inventory.Token) int{
	"name":   func(a, b inventory.Token) int { return compareFold(a.DisplayName, b.DisplayName) },
	"scopes": func(a, b inventory.Token) int { return compareFold(scopeWords(a.Scopes), scopeWords(b.Scopes)) },
	"organization": func(a, b inventory.Token) int {
		return cmp.Or(cmp.Compare(globalRank(a), globalRank(b)), compareFold(a.OrganizationKey(), b.OrganizationKey()))
	},
	"created": func(a, b inventory.Token) int { return a.ValidFrom.Compare(b.ValidFrom) },
	"expires": func(a, b inventory.Token) int { return a.ValidTo.Compare(b.ValidTo) },
	"status":  func(a, b inventory.Token) int { return cmp.Compare(a.Status, b.Status) },
}

func compareFold(a, b string) int { return strings.Compare(strings.ToLower(a), strings.ToLower(b)) }

func globalRank(t inventory.Token) int {
	if t.Global() {
		return 1
	}
	return 0
}

func (l listView) columns(v *visit) []columnLink {
	var out []columnLink
	for _, name := range []string{"name", "scopes", "organization", "created", "expires", "status"} {
		other, column := l, columnLink{Text: templates.Message("column."+name, nil).Title}
		other.sort, other.order, other.number = name, "asc", min(l.number, 1)
		if l.sort == name {
			column.Sorted = "ascending"
			if l.order == "desc" {
				column.Sorted = "descending"
			} else {
				other.order = "desc"
			}
		}
		column.URL = v.link(other.address())
		out = append(out, column)
	}
	return out
}

// arrange filters, searches and sorts. Every word of the search must be found in the name or in a scope.
func (l listView) arrange(listed []inventory.Token, now time.Time) []inventory.Token {
	words := strings.Fields(strings.ToLower(l.query))
	var out []inventory.Token
	for _, t := range listed {
		if l.narrow.lets(t, now) && saysAll(t, words) {
			out = append(out, t)
		}
	}
	slices.SortStableFunc(out, func(a, b inventory.Token) int {
		by := sorters[l.sort](a, b)
		if l.order == "desc" {
			by = -by
		}
		return cmp.Or(by, compareFold(a.DisplayName, b.DisplayName), cmp.Compare(a.AuthorizationID, b.AuthorizationID))
	})
	return out
}

func saysAll(t inventory.Token, words []string) bool {
	if len(words) == 0 {
		return true
	}
	text := strings.ToLower(t.DisplayName + " " + strings.Join(t.Scopes, " ") + " " + scopeWords(t.Scopes))
	return !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(text, w) })
}

func (h *Handlers) rows(v *visit, tokens []inventory.Token) []tokenRow {
	unfinished := h.unfinishedByToken(v)
	rows := make([]tokenRow, 0, len(tokens))
	for i, t := range tokens {
		row := tokenRow{
			Pick: pickValue(t), PickID: "pick-" + strconv.Itoa(i+1),
			Name: shownName(t.DisplayName), URL: v.link(tokenPath(t.Organization, t.AuthorizationID, "")),
			Organization: t.Organization, Global: t.Global(), FullAccess: slices.Contains(t.Scopes, azuredevops.FullAccess),
			Created: v.when(t.ValidFrom), Expires: v.when(t.ValidTo), MadeBy: azuredevops.MadeBy(t.DisplayName),
			Status: templates.Message("status."+string(t.Status), nil).Title, StatusClass: string(t.Status),
		}
		if t.Global() {
			row.Organization = templates.Message("organization.all", nil).Title
		}
		row.Ends = globalEnds(t, v.now)
		if t.Status == azuredevops.Active {
			row.Urgency = urgency(t.ValidTo, v.now)
		}
		for _, id := range t.Scopes {
			scope := azuredevops.LookupScope(id)
			row.Scopes = append(row.Scopes, scopeName(scope))
			row.HighScopes = row.HighScopes || scope.High
		}
		if op, ok := unfinished[t.AuthorizationID]; ok {
			row.Unfinished = partOfRotation(op, t.AuthorizationID)
			row.UnfinishedURL = v.link(operationPath(op.ID))
		}
		rows = append(rows, row)
	}
	return rows
}

// unfinishedByToken finds rotations that need the person, by their old and by their new token: of several the last one that is
// to be finished, or else the last one.
func (h *Handlers) unfinishedByToken(v *visit) map[string]*operation.Operation {
	pending, err := h.pending(v)
	if err != nil {
		return nil // the banner says so already
	}
	out := map[string]*operation.Operation{}
	for i := range pending {
		op := &pending[i]
		if op.Action != operation.Rotate || op.Before == nil {
			continue
		}
		for _, t := range []*azuredevops.Token{op.Before, op.Result} {
			if t == nil {
				continue
			}
			if last := out[t.AuthorizationID]; last == nil || !toBeFinished(last) && toBeFinished(op) {
				out[t.AuthorizationID] = op
			}
		}
	}
	return out
}

// partOfRotation says which of a rotation's two tokens of the same name this one is.
func partOfRotation(op *operation.Operation, id string) string {
	key := "rotation.old"
	if op.Before.AuthorizationID != id {
		key = "rotation.new"
	}
	return templates.Message(key, nil).Title
}

func shownName(name string) string {
	if strings.TrimSpace(name) == "" {
		return templates.Message("token.unnamed", nil).Title
	}
	return name
}

// scopeName is a scope in words: "Code: Read & write". What the table doesn't know is shown as it is.
func scopeName(s azuredevops.Scope) string {
	switch {
	case !s.Known:
		return s.ID
	case s.ID == azuredevops.FullAccess || s.Level == "" || s.Level == s.Group:
		return s.Group
	default:
		return s.Group + ": " + s.Level
	}
}

func scopeWords(ids []string) string {
	var words []string
	for _, id := range ids {
		words = append(words, scopeName(azuredevops.LookupScope(id)))
	}
	return strings.Join(words, ", ")
}

const day = 24 * time.Hour

// urgency says how near a token's end is.
func urgency(end, now time.Time) string {
	switch left := end.Sub(now); {
	case left <= 0:
		return "past"
	case left <= 7*day:
		return "urgent"
	case left <= 30*day:
		return "soon"
	default:
		return ""
	}
}

func globalNote(now time.Time) string { return globalText("global.", now).What }

// globalTokenNote is globalNote on the page of one global token.
func globalTokenNote(now time.Time) string { return globalText("global.token.", now).What }

// globalEnds says when an active token stops before it expires, "" if it doesn't.
func globalEnds(t inventory.Token, now time.Time) string {
	if !t.Global() || t.Status != azuredevops.Active || t.ValidTo.Before(inventory.GlobalTokensEnd) {
		return ""
	}
	return globalText("global.ends.", now).Title
}

func globalText(prefix string, now time.Time) templates.Text {
	if now.Before(inventory.GlobalTokensEnd) {
		return templates.Message(prefix+"before", map[string]any{"When": templates.At(inventory.GlobalTokensEnd, now).Relative})
	}
	return templates.Message(prefix+"after", nil)
}
