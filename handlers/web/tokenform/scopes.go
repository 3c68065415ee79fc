package tokenform

import (
	"net/url"
	"slices"
	"strings"
	"time"

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
	Any    bool   // a level other than None is chosen
	Words  string // what people look for who want it: "git clone push"
}

type scopeLevel struct {
	ID             string
	Text           web.Term
	Description    string
	High, Selected bool
}

// Preset is a choice of scopes that go together. People know it as a template.
type Preset struct {
	ID, Name, Description string
	Scopes                string // their ids, with spaces between them
	TokenName             string // proposed where no other name was typed
	Chosen                bool   // the scopes are exactly these
}

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

// groups is the picker with these scopes chosen. Common are the groups that presets choose from; more are the others,
// but for those with a choice.
func (c Scopes) groups(w *templates.Words) (common, more []scopeGroup) {
	for _, g := range web.ScopeGroups(w) {
		box := scopeGroup{Name: web.GroupTerm(w, g.ID), Slug: string(g.ID), Words: web.JobWords(w, g.ID)}
		usual := false
		for _, s := range g.Scopes {
			selected := slices.Contains(c.Picked, s.ID)
			box.Any = box.Any || selected
			usual = usual || inPreset(s.ID)
			box.Levels = append(box.Levels, scopeLevel{ID: s.ID, Text: web.LevelTerm(w, s.Level), Description: w.Text("scope." + s.ID), High: s.High, Selected: selected})
		}
		if usual || box.Any {
			common = append(common, box)
		} else {
			more = append(more, box)
		}
	}
	return common, more
}

func inPreset(scope string) bool {
	return slices.ContainsFunc(azuredevops.Presets(), func(p azuredevops.Preset) bool { return slices.Contains(p.Scopes, scope) })
}

// Presets are the choices of scopes that go together. Each proposes a name with the day in it, so that the names of two
// tokens for one job differ.
func Presets(w *templates.Words, chosen Scopes, today time.Time) []Preset {
	scopes, _ := chosen.All()
	match := PresetOf(scopes)
	var out []Preset
	for _, p := range azuredevops.Presets() {
		text := w.Message("preset."+p.ID, nil)
		out = append(out, Preset{
			ID: p.ID, Name: text.Title, Description: text.What, Scopes: strings.Join(p.Scopes, " "), Chosen: p.ID == match,
			TokenName: w.Text("newToken.proposedName", "Name", text.Title, "Date", today.Format(web.DateLayout)),
		})
	}
	return out
}

// PresetOf is the id of the preset that has exactly these scopes, "" if none has.
func PresetOf(scopes []string) string {
	scopes = slices.Sorted(slices.Values(scopes))
	for _, p := range azuredevops.Presets() {
		if slices.Equal(scopes, slices.Sorted(slices.Values(p.Scopes))) {
			return p.ID
		}
	}
	return ""
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

// Choose takes the scopes of a preset, and the name that it proposes unless the person has typed another.
func (f *Form) Choose(id string, presets []Preset) {
	f.Scopes = Pick(PresetScopes(id))
	proposed := func(p Preset) bool { return p.TokenName == f.Name }
	if f.Name != "" && !slices.ContainsFunc(presets, proposed) {
		return
	}
	if i := slices.IndexFunc(presets, func(p Preset) bool { return p.ID == id }); i >= 0 {
		f.Name = presets[i].TokenName
	}
}
