package account

import (
	"net/http"
	"time"

	"github.com/patdesk/patdesk/handlers/web"
	"github.com/patdesk/patdesk/internal/azuredevops"
	"github.com/patdesk/patdesk/internal/inventory"
	"github.com/patdesk/patdesk/internal/session"
)

// jumpWait is how long the list of places waits for tokens that aren't known yet.
const jumpWait = time.Second

// shortcutsPage lists the keys that do something, and switches the single ones off.
type shortcutsPage struct{ web.Base }

// ShowShortcuts lists the keys.
func (h *Handlers) ShowShortcuts(v *web.Request) (web.Answer, error) {
	return web.Page{Template: "shortcuts", Data: shortcutsPage{v.Base(v.Words.Text("shortcuts.title"), "")}}, nil
}

// SwitchShortcuts switches single keys off or on (WCAG 2.2, 2.1.4: https://www.w3.org/TR/WCAG22/#character-key-shortcuts).
func (h *Handlers) SwitchShortcuts(v *web.Request) (web.Answer, error) {
	switch v.PostForm.Get("keys") {
	case "on":
		h.Sessions.SetPreference(v.Writer, session.Shortcuts, "")
	case "off":
		h.Sessions.SetPreference(v.Writer, session.Shortcuts, "off")
	default:
		return nil, &web.HTTPError{Status: http.StatusBadRequest}
	}
	return v.To(web.ShortcutsPath), nil
}

// jumpPage leads anywhere: to pages, organizations and tokens.
type jumpPage struct {
	web.Base
	Query  string
	Places []place
	Unread bool // not all tokens are here
}

// place is where the list leads. Where says in which organization a token is.
type place struct{ Name, Where, URL string }

// Jump lists places, as far as they are known.
func (h *Handlers) Jump(v *web.Request) (web.Answer, error) {
	p := jumpPage{Base: v.Base(v.Words.Text("jump.title"), ""), Query: v.URL.Query().Get("q")}
	s := h.Inventory.Load(v.Context(), v.Owner(), time.After(jumpWait))
	p.Unread = !s.Complete()
	search := web.SearchFor(p.Query)
	for _, to := range append(pages(v), append(organizations(v, s), tokens(v, s)...)...) {
		if search.In(to.Name + " " + to.Where) {
			p.Places = append(p.Places, to)
		}
	}
	return web.Page{Template: "jump", Data: p}, nil
}

func pages(v *web.Request) (out []place) {
	type page struct{ key, path string }
	all := []page{
		{"overview.title", web.OverviewPath}, {"tokens.title", web.TokensPath}, {"newToken.title", web.NewTokenPath}, {"changes.title", web.ChangesPath},
		{"calendar.nav", web.CalendarPath}, {"scopes.title", web.ScopesPath}, {"sessions.title", web.SessionsPath}, {"shortcuts.title", web.ShortcutsPath},
	}
	if web.Vaults(v) != nil {
		all = append(all, page{"vaults.title", web.VaultsPath})
	}
	for _, page := range all {
		out = append(out, place{Name: v.Words.Text(page.key), URL: v.Link(page.path)})
	}
	return out
}

func organizations(v *web.Request, s inventory.Inventory) (out []place) {
	for _, o := range s.Organizations {
		out = append(out, place{Name: o.Name, Where: v.Words.Text("column.organization"), URL: v.Link(web.ListPath(o.Name))})
	}
	return out
}

// tokens are those that are active: what is over is found in the list.
func tokens(v *web.Request, s inventory.Inventory) (out []place) {
	tokens := s.Tokens()
	for i := range tokens {
		t := &tokens[i]
		if url := web.TokenURL(v, t.Organization, &t.Token); url != "" && t.Status == azuredevops.Active {
			out = append(out, place{Name: web.ShownName(v.Words, t.DisplayName), Where: web.WorksIn(v.Words, &t.Token, t.Organization), URL: url})
		}
	}
	return out
}
