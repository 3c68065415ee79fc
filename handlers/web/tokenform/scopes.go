package tokenform

import (
	"net/url"
	"slices"
	"strings"

	"github.com/patdesk/patdesk/handlers/web"
	"github.com/patdesk/patdesk/internal/azuredevops"
	"github.com/patdesk/patdesk/templates"
)

const maxScopes = 200

// scopeGroup is one box of the picker. The first radio button is "None".
type scopeGroup struct {
	Name   web.Term
	Slug   string
	Levels []scopeLevel
	Any    bool // a level other than None is chosen
}

type scopeLevel struct {
	ID             string
	Text           web.Term
	Description    string
	High, Selected bool
}

// Preset is a choice of scopes that go together.
type Preset struct{ ID, Name, Description string }

// Scopes reads the picker: a level for each group, the typed ones, or Full access.
type Scopes struct {
	Picked []string
	other  string // as typed
	Full   bool
}

// ReadScopes takes what was chosen in the picker.
func ReadScopes(form url.Values) Scopes {
	c := Scopes{other: strings.TrimSpace(form.Get("other")), Full: form.Get("full") != ""}
	for _, g := range azuredevops.Groups() {
		if id := form.Get("scope-" + string(g.ID)); id != "" {
			c.Picked = append(c.Picked, id)
		}
	}
	return c
}

// Typed are the scopes in the field for others.
func (c Scopes) Typed() []string {
	return strings.FieldsFunc(c.other, func(r rune) bool { return r == ' ' || r == ',' || r == ';' || r == '\n' || r == '\r' || r == '\t' })
}

// All is every chosen scope once, in the order of the picker; fault is a catalogue key.
func (c Scopes) All() (scopes []string, fault string) {
	chosen := append(slices.Clone(c.Picked), c.Typed()...)
	if slices.Contains(chosen, azuredevops.FullAccess) && !c.Full {
		return nil, "form.fullUnconfirmed"
	}
	if c.Full {
		if len(chosen) > 0 && !slices.Equal(chosen, []string{azuredevops.FullAccess}) {
			return nil, "form.scopesAndFull"
		}
		return []string{azuredevops.FullAccess}, ""
	}
	if len(chosen) == 0 {
		return nil, "form.scopesRequired"
	}
	for _, id := range chosen {
		if !azuredevops.ValidScope(id) || len(chosen) > maxScopes {
			return nil, "form.scopeInvalid"
		}
		if !slices.Contains(scopes, id) {
			scopes = append(scopes, id)
		}
	}
	return scopes, ""
}

// Pick spreads scopes over the picker: what no radio button stands for (unknown, not offered, or a second one of its
// group) is shown in the field for other scopes.
func Pick(scopes []string) Scopes {
	var c Scopes
	var other []string
	taken := map[azuredevops.GroupID]bool{}
	for _, id := range scopes {
		scope := azuredevops.LookupScope(id)
		switch {
		case id == azuredevops.FullAccess:
			c.Full = true
		case scope.Known && scope.Offered && !taken[scope.Group]:
			taken[scope.Group] = true
			c.Picked = append(c.Picked, id)
		default:
			other = append(other, id)
		}
	}
	c.other = strings.Join(other, " ")
	return c
}

// groups is the picker with these scopes chosen.
func (c Scopes) groups(w *templates.Words) []scopeGroup {
	var out []scopeGroup
	for _, g := range web.ScopeGroups(w) {
		box := scopeGroup{Name: web.GroupTerm(w, g.ID), Slug: string(g.ID)}
		for _, s := range g.Scopes {
			selected := slices.Contains(c.Picked, s.ID)
			box.Any = box.Any || selected
			box.Levels = append(box.Levels, scopeLevel{ID: s.ID, Text: web.LevelTerm(w, s.Level), Description: w.Text("scope." + s.ID), High: s.High, Selected: selected})
		}
		out = append(out, box)
	}
	return out
}

// Presets are the choices of scopes that go together.
func Presets(w *templates.Words) []Preset {
	var out []Preset
	for _, p := range azuredevops.Presets() {
		text := w.Message("preset."+p.ID, nil)
		out = append(out, Preset{p.ID, text.Title, text.What})
	}
	return out
}

// PresetScopes are those of a preset; nil if there is none with that id.
func PresetScopes(id string) []string {
	for _, p := range azuredevops.Presets() {
		if p.ID == id {
			return p.Scopes
		}
	}
	return nil
}
