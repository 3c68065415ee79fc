package web

import (
	"slices"
	"strings"
	"sync"

	"github.com/patdesk/patdesk/internal/azuredevops"
	"github.com/patdesk/patdesk/templates"
)

// Term is a name that Azure DevOps gives, in the language of the visit.
type Term struct {
	Text    string
	English string // what Microsoft's page calls it; "" where that is Text
}

func newTerm(text, english string) Term {
	if text == english {
		english = ""
	}
	return Term{text, english}
}

// GroupTerm is what a group of scopes is called.
func GroupTerm(w *templates.Words, g azuredevops.GroupID) Term {
	return newTerm(w.Text("scopeGroup."+string(g)), g.Term())
}

// LevelTerm is what a level of a group is called.
func LevelTerm(w *templates.Words, l azuredevops.LevelID) Term {
	return newTerm(w.Text("scopeLevel."+string(l)), l.Term())
}

// knownScopes are the names of all scopes of the table by language: a page may show thousands of them.
var knownScopes sync.Map // *templates.Words -> map[string]Term

// ScopeTerm is a scope's whole name: "Code: Read & write". What the table doesn't know is shown as it is.
func ScopeTerm(w *templates.Words, id string) Term {
	names, ok := knownScopes.Load(w)
	if !ok {
		names, _ = knownScopes.LoadOrStore(w, nameScopes(w))
	}
	known, _ := names.(map[string]Term)
	if t, ok := known[id]; ok {
		return t
	}
	return Term{Text: id}
}

func nameScopes(w *templates.Words) map[string]Term {
	names := map[string]Term{}
	for _, s := range azuredevops.Scopes() {
		group := GroupTerm(w, s.Group)
		if names[s.ID] = group; s.Level != "" {
			names[s.ID] = newTerm(w.Text("scopes.name", "Group", group.Text, "Level", LevelTerm(w, s.Level).Text), s.Term())
		}
	}
	return names
}

// ScopeTerms are what scopes are called.
func ScopeTerms(w *templates.Words, ids []string) []Term {
	var out []Term
	for _, id := range ids {
		out = append(out, ScopeTerm(w, id))
	}
	return out
}

// Plain is the term where nothing can be marked up.
func (t Term) Plain(w *templates.Words) string {
	if t.English == "" {
		return t.Text
	}
	return w.Text("scopes.withTermPlain", "Name", t.Text, "Term", t.English)
}

// ScopeGroups are the picker's groups as the language orders their names.
func ScopeGroups(w *templates.Words) []azuredevops.Group {
	groups, order := azuredevops.Groups(), w.Order()
	slices.SortStableFunc(groups, func(a, b azuredevops.Group) int {
		return order(GroupTerm(w, a.ID).Text, GroupTerm(w, b.ID).Text)
	})
	return groups
}

// ScopeList is scopes in one line.
func ScopeList(w *templates.Words, ids []string) string {
	var names []string
	for _, t := range ScopeTerms(w, ids) {
		names = append(names, t.Plain(w))
	}
	return w.List(names)
}

// ToolName is what made a token, "" if that isn't known.
func ToolName(w *templates.Words, t azuredevops.Tool) string {
	if t == "" {
		return ""
	}
	return w.Text("tool." + string(t))
}

// Searchable is what a search looks into for scopes: their ids and names, in the language of the visit and in Azure
// DevOps' English.
func Searchable(w *templates.Words, ids []string) string {
	parts := slices.Clone(ids)
	for _, t := range ScopeTerms(w, ids) {
		parts = append(parts, t.Text, t.English)
	}
	return strings.Join(parts, " ")
}

// JobWords are what people look for who want a scope of the group, such as "git clone push"; "" where its name says it.
func JobWords(w *templates.Words, g azuredevops.GroupID) string {
	if key := "scopeWords." + string(g); w.Has(key) {
		return w.Text(key)
	}
	return ""
}

// Search is what a person looks for: words in lower case.
type Search []string

// SearchFor takes a query apart.
func SearchFor(query string) Search { return strings.Fields(strings.ToLower(query)) }

// In reports whether the text has all of the words.
func (s Search) In(text string) bool {
	text = strings.ToLower(text)
	return !slices.ContainsFunc(s, func(word string) bool { return !strings.Contains(text, word) })
}
