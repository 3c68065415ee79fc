package overview

import (
	"time"

	"github.com/patdesk/patdesk/handlers/web"
	"github.com/patdesk/patdesk/handlers/web/tokenlist"
	"github.com/patdesk/patdesk/internal/azuredevops"
	"github.com/patdesk/patdesk/internal/inventory"
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
	p := overviewPage{
		Base:     v.Base(v.Words.Text("overview.title"), "overview"),
		Progress: tokenlist.ProgressOf(v, view, s), NewURL: v.Link(web.NewTokenPath), ChooseURL: v.Link(web.OrganizationsPath), ListURL: v.Link(web.TokensPath),
		Attention: attention(v, s.Tokens), Timeline: newTimeline(v, s.Tokens),
	}
	kept := web.InVaults(v)
	if g, ok := vaultGroup(v, kept, s); ok {
		p.Attention = append(p.Attention, g)
	}
	p.VaultNote = kept.Note(v)
	whole := s.Complete() && len(p.Problems) == 0 && len(s.Organizations) > 0
	p.Quiet, p.Empty = whole && len(p.Attention) == 0 && len(s.Tokens) > 0, whole && len(s.Tokens) == 0
	p.countActive(v, s)
	return web.Page{Template: "overview", Data: p}, nil
}

func (p *overviewPage) countActive(v *web.Request, s inventory.Inventory) {
	for _, o := range s.Organizations {
		one := place{Name: o.Name, URL: v.Link(web.ListPath(o.Name)), Unread: o.Loading || len(o.Failed) > 0 && len(o.Tokens) == 0}
		for _, t := range o.Tokens {
			if t.Status == azuredevops.Active {
				one.Active++
			}
		}
		p.Places = append(p.Places, one)
	}
	for _, t := range s.Tokens {
		if t.Status == azuredevops.Active {
			p.Active++
		}
	}
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
