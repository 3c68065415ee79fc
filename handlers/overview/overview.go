package overview

import (
	"slices"
	"time"

	"github.com/patdesk/patdesk/handlers/web"
	"github.com/patdesk/patdesk/handlers/web/tokenlist"
)

// overviewPage is home: what needs attention in all organizations, when tokens end, and the way to the list.
type overviewPage struct {
	web.Base
	tokenlist.Progress
	NewURL    string
	ChooseURL string
	ListURL   string

	Attention []attentionGroup
	VaultNote *web.VaultNote
	Quiet     bool // everything was read, and nothing needs attention
	Empty     bool // everything was read, and there are no tokens
	Timeline  *timeline
	Active    int
	Places    []place
}

// place is an organization with its active tokens.
type place struct {
	Name, URL string
	Active    int
	Unread    bool // not yet, or not at all
}

// Show is the overview. It once had the list, with the list's view in its address: whoever kept such an address is led
// to the list.
func (h *Handlers) Show(v *web.Request) (web.Answer, error) {
	q := v.URL.Query()
	view := tokenlist.View{Path: web.OverviewPath}
	switch {
	case q.Has("retry"):
		return tokenlist.ReadAgain(h.Inventory, v, view, q.Get("retry"))
	case len(tokenlist.Read(q).Values()) > 0 || q.Has("rows"):
		return v.To(web.TokensPath + "?" + q.Encode()), nil
	}
	s := h.Inventory.Load(v.Context(), v.Owner(), time.After(tokenlist.Wait))
	if err := s.SignInErr(web.SignInHelps); err != nil {
		return nil, err
	}
	found := h.summaryOf(v, s)
	p := overviewPage{
		Base:     v.Base(v.Words.Text("overview.title"), "overview"),
		Progress: tokenlist.ProgressOf(v, view, s), NewURL: v.Link(web.NewTokenPath), ChooseURL: v.Link(web.OrganizationsPath), ListURL: v.Link(web.TokensPath),
		Attention: found.attention, Timeline: found.timeline, Active: found.active, Places: found.places,
	}
	kept := web.InVaults(v)
	if g, ok := vaultGroup(v, kept, s); ok {
		p.Attention = append(slices.Clip(p.Attention), g) // what was found may be another page's, too
	}
	p.VaultNote = kept.Note(v)
	whole := s.Complete() && len(p.Problems) == 0 && len(s.Organizations) > 0
	p.Quiet, p.Empty = whole && len(p.Attention) == 0 && found.tokens > 0, whole && found.tokens == 0
	return web.Page{Template: "overview", Data: p}, nil
}

// Moved leads to the list's files, which the overview once had.
func Moved(ending string) func(v *web.Request) (web.Answer, error) {
	return func(v *web.Request) (web.Answer, error) {
		to := web.TokensPath + ending
		if v.URL.RawQuery != "" {
			to += "?" + v.URL.Query().Encode()
		}
		return v.To(to), nil
	}
}
