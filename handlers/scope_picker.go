package handlers

import (
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/patdesk/patdesk/internal/azuredevops"
	"github.com/patdesk/patdesk/templates"
)

// scopeGroup is one box of the picker. The first radio button is "None".
type scopeGroup struct {
	Name, Slug string
	Levels     []scopeLevel
	Any        bool // a level other than None is chosen
}

type scopeLevel struct {
	ID, Text, Description string
	High, Selected        bool
}

type preset struct{ ID, Name, Description string }

const (
	maxScopes      = 200
	maxScopeLength = 100
)

// scopePattern is what a scope may look like. Spaces separate scopes on the wire.
var scopePattern = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9._-]*$`)

// chosenScopes reads the picker: a level for each group, the typed ones, or Full access.
type chosenScopes struct {
	picked []string
	other  string // as typed
	full   bool
}

func readScopes(form url.Values) chosenScopes {
	c := chosenScopes{other: strings.TrimSpace(form.Get("other")), full: form.Get("full") != ""}
	for _, g := range azuredevops.Groups() {
		if id := form.Get("scope-" + g.Slug); id != "" {
			c.picked = append(c.picked, id)
		}
	}
	return c
}

func (c chosenScopes) typed() []string {
	return strings.FieldsFunc(c.other, func(r rune) bool { return r == ' ' || r == ',' || r == ';' || r == '\n' || r == '\r' || r == '\t' })
}

// all is every chosen scope once, in the order of the picker; fault is a catalogue key.
func (c chosenScopes) all() (scopes []string, fault string) {
	chosen := append(slices.Clone(c.picked), c.typed()...)
	if slices.Contains(chosen, azuredevops.FullAccess) && !c.full {
		return nil, "form.fullUnconfirmed"
	}
	if c.full {
		if len(chosen) > 0 && !slices.Equal(chosen, []string{azuredevops.FullAccess}) {
			return nil, "form.scopesAndFull"
		}
		return []string{azuredevops.FullAccess}, ""
	}
	if len(chosen) == 0 {
		return nil, "form.scopesRequired"
	}
	for _, id := range chosen {
		if len(id) > maxScopeLength || !scopePattern.MatchString(id) || len(chosen) > maxScopes {
			return nil, "form.scopeInvalid"
		}
		if !slices.Contains(scopes, id) {
			scopes = append(scopes, id)
		}
	}
	return scopes, ""
}

// pick spreads scopes over the picker: what no radio button stands for (unknown, not offered, or a second one of
// its group) is shown in the field for other scopes.
func pick(scopes []string) chosenScopes {
	var c chosenScopes
	var other []string
	taken := map[string]bool{}
	for _, id := range scopes {
		scope := azuredevops.LookupScope(id)
		switch {
		case id == azuredevops.FullAccess:
			c.full = true
		case scope.Known && scope.Offered && !taken[scope.Group]:
			taken[scope.Group] = true
			c.picked = append(c.picked, id)
		default:
			other = append(other, id)
		}
	}
	c.other = strings.Join(other, " ")
	return c
}

// groups is the picker with these scopes chosen.
func (c chosenScopes) groups() []scopeGroup {
	var out []scopeGroup
	for _, g := range azuredevops.Groups() {
		box := scopeGroup{Name: g.Name, Slug: g.Slug}
		for _, s := range g.Scopes {
			selected := slices.Contains(c.picked, s.ID)
			box.Any = box.Any || selected
			box.Levels = append(box.Levels, scopeLevel{ID: s.ID, Text: s.Level, Description: s.Description, High: s.High, Selected: selected})
		}
		out = append(out, box)
	}
	return out
}

func presets() []preset {
	var out []preset
	for _, p := range azuredevops.Presets() {
		out = append(out, preset{p.ID, p.Name, p.Description})
	}
	return out
}

func presetScopes(id string) []string {
	for _, p := range azuredevops.Presets() {
		if p.ID == id {
			return p.Scopes
		}
	}
	return nil
}

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
	base
	Query  string
	Groups []scopeGroupRows
	Count  int
}

type scopeGroupRows struct {
	Name   string
	Scopes []scopeRow
}

func (h *Handlers) listScopes(v *visit) (answer, error) {
	query := strings.TrimSpace(v.URL.Query().Get("q"))
	p := scopesPage{base: h.base(v, templates.Message("scopes.title", nil).Title, "scopes"), Query: query}
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
	return page{status: http.StatusOK, template: "scopes", data: p}, nil
}
