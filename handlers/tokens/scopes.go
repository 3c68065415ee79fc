package tokens

import (
	"net/http"
	"slices"
	"strings"

	"github.com/patdesk/patdesk/handlers/web"
	"github.com/patdesk/patdesk/internal/azuredevops"
)

// scopeRow explains one scope.
type scopeRow struct {
	ID, Group, Level, Description string
	High, Known                   bool
	Implies                       []string
}

func explain(id string) scopeRow {
	s := azuredevops.LookupScope(id)
	return scopeRow{ID: s.ID, Group: s.Group, Level: s.Level, Description: s.Description, High: s.High, Known: s.Known, Implies: azuredevops.Implied(id)}
}

// scopesPage is the reference of all scopes.
type scopesPage struct {
	web.Base
	Query  string
	Groups []scopeGroupRows
	Count  int
}

type scopeGroupRows struct {
	Name   string
	Scopes []scopeRow
}

func (h *Handlers) ListScopes(v *web.Request) (web.Answer, error) {
	query := strings.TrimSpace(v.URL.Query().Get("q"))
	p := scopesPage{Base: v.Base(v.Words.Message("scopes.title", nil).Title, "scopes"), Query: query}
	words := strings.Fields(strings.ToLower(query))
	for _, g := range azuredevops.Groups() {
		box := scopeGroupRows{Name: g.Name}
		for _, s := range g.Scopes {
			text := strings.ToLower(strings.Join([]string{g.Name, s.Level, s.ID, s.Description}, " "))
			if !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(text, w) }) {
				box.Scopes = append(box.Scopes, explain(s.ID))
			}
		}
		if len(box.Scopes) > 0 {
			p.Groups = append(p.Groups, box)
			p.Count += len(box.Scopes)
		}
	}
	return web.Page{Status: http.StatusOK, Template: "scopes", Data: p}, nil
}
