package globaltokens

import (
	"slices"
	"time"

	"github.com/patdesk/patdesk/handlers/web"
	"github.com/patdesk/patdesk/handlers/web/tokenlist"
	"github.com/patdesk/patdesk/internal/azuredevops"
	"github.com/patdesk/patdesk/internal/inventory"
	"github.com/patdesk/patdesk/templates"
)

// globalTokensPage lists the tokens that work in all organizations, each with the way to replace it.
type globalTokensPage struct {
	web.Base
	tokenlist.Progress
	Heading  string // what happens to such tokens, or has happened
	What     string
	Dead     bool // the day has come
	Tokens   []globalToken
	BackURL  string
	Complete bool
}

type globalToken struct {
	Name, URL, MadeBy     string
	Odd                   string
	Scopes                []web.Term
	FullAccess            bool
	Created, Expires      templates.When
	ReplaceURL, RevokeURL string
}

// List shows the tokens that work in all organizations.
func (h *Handlers) List(v *web.Request) (web.Answer, error) {
	if organization := v.URL.Query().Get("retry"); v.URL.Query().Has("retry") {
		return tokenlist.ReadAgain(h.Inventory, v, tokenlist.View{Path: web.GlobalTokensPath}, organization)
	}
	s := h.Inventory.Load(v.Context(), v.Owner(), time.After(tokenlist.Wait))
	if err := s.SignInErr(web.SignInHelps); err != nil {
		return nil, err
	}
	note := web.GlobalText(v, "global.", nil)
	p := globalTokensPage{
		Base:     v.Base(v.Words.Message("globalTokens.title", nil).Title, "overview"),
		Progress: tokenlist.ProgressOf(v, tokenlist.View{Path: web.GlobalTokensPath}, s),
		Heading:  note.Title, What: note.What, Dead: azuredevops.GlobalTokensOver(v.Now), BackURL: v.Link(web.OverviewPath), Complete: s.Complete(),
	}
	living := slices.DeleteFunc(s.Tokens(), func(t inventory.Token) bool { return !t.LivingGlobal() })
	for _, t := range (tokenlist.View{Sort: "name"}).Arrange(v.Words, living, v.Now) {
		one := globalToken{
			Name: web.ShownName(v.Words, t.DisplayName), URL: web.TokenURL(v, t.Organization, &t.Token), Odd: web.OddText(v.Words, &t.Token), MadeBy: web.ToolName(v.Words, azuredevops.MadeBy(t.DisplayName)),
			Scopes: web.ScopeTerms(v.Words, t.Scopes), FullAccess: t.FullAccess(), Created: v.When(t.ValidFrom), Expires: web.Ends(v, t),
		}
		if t.Addressable() {
			one.ReplaceURL, one.RevokeURL = v.Link(web.GlobalPath(t.Organization, t.AuthorizationID)), v.Link(web.TokenPath(t.Organization, t.AuthorizationID, "revoke"))
		}
		p.Tokens = append(p.Tokens, one)
	}
	return web.Page{Template: "global-tokens", Data: p}, nil
}
