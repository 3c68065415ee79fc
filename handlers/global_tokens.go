package handlers

import (
	"slices"
	"time"

	"github.com/patdesk/patdesk/internal/azuredevops"
	"github.com/patdesk/patdesk/internal/inventory"
	"github.com/patdesk/patdesk/templates"
)

// globalTokensPage lists the tokens that work in all organizations, each with the way to replace it.
type globalTokensPage struct {
	base
	reading
	Heading  string // what happens to such tokens, or has happened
	What     string
	Dead     bool // the day has come
	Tokens   []globalToken
	BackURL  string
	Complete bool
}

type globalToken struct {
	Name, URL, MadeBy     string
	Scopes                []string
	FullAccess            bool
	Created, Expires      when
	ReplaceURL, RevokeURL string
}

func (h *Handlers) listGlobalTokens(v *visit) (answer, error) {
	if organization := v.URL.Query().Get("retry"); v.URL.Query().Has("retry") {
		return h.readAgain(v, listView{path: GlobalTokensPath}, organization)
	}
	enough := time.NewTimer(overviewWait)
	defer enough.Stop()
	s := h.Inventory.Load(v.Context(), h.owner(v), enough.C)
	if err := s.SignInErr(signInHelps); err != nil {
		return nil, err
	}
	note := globalText("global.", v.now)
	p := globalTokensPage{
		base:    h.base(v, templates.Message("globalTokens.title", nil).Title, "overview"),
		reading: h.readingOf(v, listView{path: GlobalTokensPath}, s),
		Heading: note.Title, What: note.What, Dead: !v.now.Before(inventory.GlobalTokensEnd), BackURL: v.link(OverviewPath), Complete: s.Complete(),
	}
	living := slices.DeleteFunc(slices.Clone(s.Tokens), func(t inventory.Token) bool { return !t.LivingGlobal() })
	for _, t := range (listView{sort: "name"}).arrange(living, v.now) {
		p.Tokens = append(p.Tokens, globalToken{
			Name: shownName(t.DisplayName), URL: v.link(tokenPath(t.Organization, t.AuthorizationID, "")), MadeBy: azuredevops.MadeBy(t.DisplayName),
			Scopes: scopeList(t.Scopes), FullAccess: t.FullAccess(), Created: v.when(t.ValidFrom), Expires: v.when(t.ValidTo),
			ReplaceURL: v.link(globalPath(t.Organization, t.AuthorizationID)), RevokeURL: v.link(tokenPath(t.Organization, t.AuthorizationID, "revoke")),
		})
	}
	return page{template: "global-tokens", data: p}, nil
}
