package handlers

import (
	"cmp"
	"slices"
	"time"

	"github.com/patdesk/patdesk/internal/azuredevops"
	"github.com/patdesk/patdesk/internal/inventory"
	"github.com/patdesk/patdesk/templates"
)

// attentionLines is how many tokens of a group are named; a link leads to all of them.
const attentionLines = 5

// attentionGroup is one reason to do something, with the tokens that it is about.
type attentionGroup struct {
	ID, Heading, What string
	Urgent            bool
	Count             int
	Lines             []attentionLine
	AllText, AllURL   string // "" where all are named
}

type attentionLine struct {
	Name, URL, Organization string
	MadeBy                  string
	Expires                 when
	Past                    bool
	Action                  nextAction
}

// attentionRule finds the tokens of a group and what to do with each.
type attentionRule struct {
	id     string
	fits   func(t inventory.Token, now time.Time) bool
	view   listView // that shows the same tokens
	action func(v *visit, t inventory.Token) nextAction
	urgent bool
}

// within says that an active token ends in more than after and at most until days.
func within(after, until int) func(inventory.Token, time.Time) bool {
	return func(t inventory.Token, now time.Time) bool {
		left := daysFrom(now, t.ValidTo)
		return t.Status == azuredevops.Active && left > after && left <= until
	}
}

func active(fits func(inventory.Token) bool) func(inventory.Token, time.Time) bool {
	return func(t inventory.Token, _ time.Time) bool { return t.Status == azuredevops.Active && fits(t) }
}

// attentionRules are in the order of the page. A token stands in every group that it belongs to.
var attentionRules = []attentionRule{
	{id: "days7", urgent: true, fits: within(-2, 7), view: listView{narrow: tokenFilter{within: 7}}, action: renewAction},
	{id: "days30", fits: within(7, 30), view: listView{narrow: tokenFilter{within: 30}}, action: renewAction},
	{id: "expired30", fits: func(t inventory.Token, now time.Time) bool {
		return t.Status == azuredevops.Expired && daysFrom(t.ValidTo, now) <= 30
	}, view: listView{status: "expired", order: "desc", narrow: tokenFilter{within: 30}}, action: replaceAction},
	{id: "full", urgent: true, fits: active(inventory.Token.FullAccess), view: listView{narrow: tokenFilter{is: []string{"full"}}}, action: narrowAction},
	{id: "global", urgent: true, fits: active(inventory.Token.Global),
		view: listView{narrow: tokenFilter{is: []string{"global"}}}, action: globalAction},
	{id: "powerful", fits: active(func(t inventory.Token) bool { return t.HighPrivilege() && t.LongLived() }),
		view: listView{narrow: tokenFilter{is: []string{"high", "long"}}}, action: narrowAction},
	{id: "twins", fits: active(func(t inventory.Token) bool { return t.Twin }), view: listView{sort: "name", narrow: tokenFilter{is: []string{"twin"}}}, action: revokeAction},
}

func renewAction(v *visit, t inventory.Token) nextAction {
	if t.Global() {
		return globalAction(v, t)
	}
	return lineAction(v, "action.rotate", tokenPath(t.Organization, t.AuthorizationID, "rotate"))
}

func replaceAction(v *visit, t inventory.Token) nextAction {
	return lineAction(v, "action.replace", replacementPath(t.Organization, t.Token))
}

func narrowAction(v *visit, t inventory.Token) nextAction {
	if t.Global() {
		return globalAction(v, t)
	}
	return lineAction(v, "action.edit", tokenPath(t.Organization, t.AuthorizationID, "edit"))
}

func revokeAction(v *visit, t inventory.Token) nextAction {
	return lineAction(v, "action.revoke", tokenPath(t.Organization, t.AuthorizationID, "revoke"))
}

func globalAction(v *visit, t inventory.Token) nextAction {
	return lineAction(v, "action.replaceGlobal", globalPath(t.Organization, t.AuthorizationID))
}

func lineAction(v *visit, key, path string) nextAction {
	return nextAction{Text: templates.Message(key, nil).Title, URL: v.link(path)}
}

// attention finds what needs the person, most pressing first. Groups without tokens are left out.
func attention(v *visit, tokens []inventory.Token) []attentionGroup {
	var groups []attentionGroup
	for _, rule := range attentionRules {
		var found []inventory.Token
		for _, t := range tokens {
			if rule.fits(t, v.now) {
				found = append(found, t)
			}
		}
		if len(found) > 0 {
			groups = append(groups, rule.group(v, found))
		}
	}
	return groups
}

func (r attentionRule) group(v *visit, found []inventory.Token) attentionGroup {
	key := "attention." + r.id
	if r.id == "global" && !v.now.Before(inventory.GlobalTokensEnd) {
		key += "After"
	}
	text := templates.Message(key, nil)
	g := attentionGroup{ID: r.id, Heading: text.Title, What: text.What, Urgent: r.urgent, Count: len(found)}
	slices.SortFunc(found, r.order)
	for _, t := range found[:min(len(found), attentionLines)] {
		line := attentionLine{
			Name: shownName(t.DisplayName), URL: v.link(tokenPath(t.Organization, t.AuthorizationID, "")), Organization: t.Organization,
			MadeBy: azuredevops.MadeBy(t.DisplayName), Expires: v.when(t.ValidTo), Past: t.Status == azuredevops.Expired, Action: r.action(v, t),
		}
		if t.Global() {
			line.Organization = templates.Message("organization.all", nil).Title
		}
		g.Lines = append(g.Lines, line)
	}
	switch {
	case r.id == "global":
		g.AllText, g.AllURL = templates.Message("action.replaceGlobals", nil).Title, v.link(GlobalTokensPath)
	case len(found) > attentionLines:
		view := r.view
		view.path = OverviewPath
		g.AllText, g.AllURL = templates.Message("attention.all", map[string]any{"Count": len(found)}).Title, v.link(view.address())
	}
	return g
}

// order puts first what ends first, of expired ones what ended last, and duplicates side by side.
func (r attentionRule) order(a, b inventory.Token) int {
	if r.id == "twins" {
		return cmp.Or(compareFold(a.OrganizationKey(), b.OrganizationKey()), compareFold(a.DisplayName, b.DisplayName), a.ValidFrom.Compare(b.ValidFrom))
	}
	by := a.ValidTo.Compare(b.ValidTo)
	if r.id == "expired30" {
		by = -by
	}
	return cmp.Or(by, compareFold(a.DisplayName, b.DisplayName), cmp.Compare(a.AuthorizationID, b.AuthorizationID))
}
