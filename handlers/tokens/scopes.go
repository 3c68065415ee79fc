package tokens

import (
	"strings"

	"github.com/patdesk/patdesk/handlers/web"
	"github.com/patdesk/patdesk/internal/azuredevops"
	"github.com/patdesk/patdesk/templates"
)

// scopeRow explains one scope.
type scopeRow struct {
	ID          string
	Name        web.Term
	Description string
	High, Known bool
	Implies     []string
}

// scopesPage is the reference of all scopes.
type scopesPage struct {
	web.Base
	Query  string
	Groups []scopeGroupRows
	Count  int
}

type scopeGroupRows struct {
	Name   web.Term
	Words  string // of jobs that take these scopes
	Scopes []scopeRow
}

func explain(w *templates.Words, id string) scopeRow {
	s := azuredevops.LookupScope(id)
	row := scopeRow{ID: id, Name: web.ScopeTerm(w, id), High: s.High, Known: s.Known, Implies: azuredevops.Implied(id)}
	if s.Known {
		row.Description = w.Text("scope." + id)
	}
	return row
}

// ListScopes explains all scopes.
func (h *Handlers) ListScopes(v *web.Request) (web.Answer, error) {
	query := strings.TrimSpace(v.URL.Query().Get("q"))
	p := scopesPage{Base: v.Base(v.Words.Message("scopes.title", nil).Title, "scopes"), Query: query}
	search := web.SearchFor(query)
	for _, g := range web.ScopeGroups(v.Words) {
		box := scopeGroupRows{Name: web.GroupTerm(v.Words, g.ID), Words: web.JobWords(v.Words, g.ID)}
		for _, s := range g.Scopes {
			if row := explain(v.Words, s.ID); search.In(strings.Join([]string{web.Searchable(v.Words, []string{s.ID}), row.Description, box.Words}, " ")) {
				box.Scopes = append(box.Scopes, row)
			}
		}
		if len(box.Scopes) > 0 {
			p.Groups = append(p.Groups, box)
			p.Count += len(box.Scopes)
		}
	}
	return web.Page{Template: "scopes", Data: p}, nil
}
