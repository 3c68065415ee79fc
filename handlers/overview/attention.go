package overview

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/patdesk/patdesk/handlers/web"
	"github.com/patdesk/patdesk/handlers/web/tokenlist"
	"github.com/patdesk/patdesk/internal/azuredevops"
	"github.com/patdesk/patdesk/internal/inventory"
	"github.com/patdesk/patdesk/templates"
)

// attentionLines is how many tokens of a group are named where a link to all of them will do. What ends within 30 days
// is named whole.
const attentionLines = 5

// attentionGroup is one reason to do something, with the tokens that it is about.
type attentionGroup struct {
	ID, Heading, What string
	Urgent            bool
	Count             int
	Lines             templates.Rows[attentionLine]
	AllText, AllURL   string // "" where all are named
}

type attentionLine struct {
	Name, URL, Facts string
	ISO              string // of its end
	Action           web.NextAction
}

// attentionRule finds the tokens of a group and what to do with each.
type attentionRule struct {
	id     string
	fits   func(t inventory.Token, now time.Time) bool
	view   tokenlist.View // that shows the same tokens
	action func(v *web.Request, t inventory.Token) web.NextAction
	urgent bool
	whole  bool // all of its tokens are named
}

func active(fits func(inventory.Token) bool) func(inventory.Token, time.Time) bool {
	return func(t inventory.Token, _ time.Time) bool { return t.Status == azuredevops.Active && fits(t) }
}

// attentionRules are in the order of the page. A token stands in the first group that it belongs to: what is about to
// end needs no second reason. Only duplicates stand beside each other even so, as one alone says nothing.
var attentionRules = []attentionRule{
	{id: "global", urgent: true, whole: true, fits: active(func(t inventory.Token) bool { return t.Global() && !t.NotUnderstood() }),
		view: tokenlist.View{Narrow: tokenlist.Filter{Is: []string{"global"}}}, action: globalAction},
	{id: "ending", urgent: true, whole: true, fits: inventory.Token.Ending, view: tokenlist.View{Narrow: tokenlist.Filter{Is: []string{"ending"}}}, action: renewAction},
	{id: "days30", whole: true, fits: func(t inventory.Token, now time.Time) bool {
		return t.Status == azuredevops.Active && !t.Ends().IsZero() && inventory.Within(t.Ends(), now, 30)
	}, view: tokenlist.View{Narrow: tokenlist.Filter{Within: 30, Is: []string{"notEnding"}}}, action: renewAction},
	{id: "expired30", fits: func(t inventory.Token, now time.Time) bool {
		return t.Status == azuredevops.Expired && inventory.DaysUntil(t.Ends(), now) >= -30
	}, view: tokenlist.View{Status: "expired", Order: "desc", Narrow: tokenlist.Filter{Within: 30}}, action: replaceAction},
	{id: "odd", urgent: true, fits: func(t inventory.Token, _ time.Time) bool { return t.NotUnderstood() },
		view: tokenlist.View{Status: "all", Narrow: tokenlist.Filter{Is: []string{"odd"}}}, action: oddAction},
	{id: "full", urgent: true, fits: active(inventory.Token.FullAccess), view: tokenlist.View{Narrow: tokenlist.Filter{Is: []string{"full"}}}, action: narrowAction},
	{id: "powerful", fits: active(func(t inventory.Token) bool { return t.HighPrivilege() && t.LongLived() }),
		view: tokenlist.View{Narrow: tokenlist.Filter{Is: []string{"high", "long"}}}, action: narrowAction},
	{id: "twins", fits: active(func(t inventory.Token) bool { return t.Twin }), view: tokenlist.View{Sort: "name", Narrow: tokenlist.Filter{Is: []string{"twin"}}}, action: revokeAction},
}

func renewAction(v *web.Request, t inventory.Token) web.NextAction {
	if t.Global() {
		return globalAction(v, t)
	}
	if azuredevops.MadeBy(t.DisplayName) != "" { // the tool won't learn the new secret, and makes a new token by itself
		return revokeAction(v, t)
	}
	return lineAction(v, "action.rotate", web.TokenPath(t.Organization, t.AuthorizationID, "rotate"))
}

func replaceAction(v *web.Request, t inventory.Token) web.NextAction {
	return lineAction(v, "action.replaceGlobal", web.ReplacementPath(t.Organization, t.Token))
}

// oddAction is what can be done with every active token that has an id.
func oddAction(v *web.Request, t inventory.Token) web.NextAction {
	if t.Status != azuredevops.Active {
		return web.NextAction{}
	}
	return revokeAction(v, t)
}

func narrowAction(v *web.Request, t inventory.Token) web.NextAction {
	if t.Global() {
		return globalAction(v, t)
	}
	return lineAction(v, "action.edit", web.TokenPath(t.Organization, t.AuthorizationID, "edit"))
}

func revokeAction(v *web.Request, t inventory.Token) web.NextAction {
	return lineAction(v, "action.revoke", web.TokenPath(t.Organization, t.AuthorizationID, "revoke"))
}

func globalAction(v *web.Request, t inventory.Token) web.NextAction {
	return lineAction(v, "action.replaceGlobal", web.GlobalPath(t.Organization, t.AuthorizationID))
}

func lineAction(v *web.Request, key, path string) web.NextAction {
	return web.NextAction{Text: v.Words.Message(key, nil).Title, URL: v.Link(path)}
}

// attention finds what needs the person, most pressing first. Groups without tokens are left out.
func attention(v *web.Request, tokens []inventory.Token) []attentionGroup {
	var groups []attentionGroup
	named := make([]bool, len(tokens))
	for _, rule := range attentionRules {
		var found []inventory.Token
		fresh := false
		for i, t := range tokens {
			if rule.fits(t, v.Now) && (!named[i] || rule.id == "twins") {
				fresh = fresh || !named[i]
				named[i] = true
				found = append(found, t)
			}
		}
		if fresh {
			groups = append(groups, rule.group(v, found, tokens))
		}
	}
	return groups
}

func (r attentionRule) group(v *web.Request, found, all []inventory.Token) attentionGroup {
	key := "attention." + r.id
	if r.id == "global" && azuredevops.GlobalTokensOver(v.Now) {
		key += "After"
	}
	text := v.Words.Message(key, nil)
	g := attentionGroup{ID: r.id, Heading: text.Title, What: text.What, Urgent: r.urgent, Count: len(found)}
	slices.SortFunc(found, r.order(v.Words.Order()))
	lines := found
	if !r.whole {
		lines = found[:min(len(found), attentionLines)]
	}
	for _, t := range lines {
		line := attentionLine{
			Name: web.ShownName(v.Words, t.DisplayName), URL: web.TokenURL(v, t.Organization, &t.Token), Facts: r.facts(v, t), ISO: v.When(t.Ends()).ISO,
		}
		if t.Addressable() {
			line.Action = r.action(v, t)
		}
		g.Lines = append(g.Lines, line)
	}
	switch {
	case r.id == "global":
		g.AllText, g.AllURL = v.Words.Text("action.replaceGlobals"), v.Link(web.GlobalTokensPath)
	case len(found) > len(lines):
		view := tokenlist.Read(r.view.Values()) // has those, too, that stand in another group
		g.AllText, g.AllURL = v.Words.Text("attention.all", "Count", view.Matches(all, v.Now)), r.view.Link(v)
	}
	return g
}

// facts is where the token works, what made it, and when it ends.
func (r attentionRule) facts(v *web.Request, t inventory.Token) string {
	facts := []string{t.Organization}
	if t.Global() {
		facts[0] = v.Words.Text("kind.global")
	}
	if tool := azuredevops.MadeBy(t.DisplayName); tool != "" {
		facts = append(facts, v.Words.Text("overview.madeBy", "Tool", web.ToolName(v.Words, tool)))
	}
	if !t.Ends().IsZero() {
		key := "overview.expires"
		if !t.Ends().After(v.Now) {
			key = "overview.expired"
		}
		facts = append(facts, v.Words.Text(key, "When", v.When(t.Ends()).Relative))
	}
	return strings.Join(facts, " · ")
}

// order puts first what ends first, of expired ones what ended last, and duplicates side by side.
func (r attentionRule) order(names func(a, b string) int) func(a, b inventory.Token) int {
	return func(a, b inventory.Token) int {
		if r.id == "twins" {
			return cmp.Or(names(a.OrganizationKey(), b.OrganizationKey()), names(a.DisplayName, b.DisplayName), a.ValidFrom.Compare(b.ValidFrom))
		}
		by := a.Ends().Compare(b.Ends())
		if r.id == "expired30" {
			by = -by
		}
		return cmp.Or(by, names(a.DisplayName, b.DisplayName), cmp.Compare(a.AuthorizationID, b.AuthorizationID))
	}
}
