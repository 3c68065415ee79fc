package tokenlist

import (
	"slices"
	"strings"

	"github.com/patdesk/patdesk/handlers/web"
	"github.com/patdesk/patdesk/internal/azuredevops"
	"github.com/patdesk/patdesk/internal/inventory"
)

const Purpose = "bulk" // what a list's form is drawn for; it begins no operation by itself

// Picking is what a list needs for selecting several of its tokens.
type Picking struct {
	PickAction   string // "" where nothing can be selected
	PickForm     string
	PickAll      string // value of "all that match"
	PickedAll    bool
	PickMatching int
	PickGlobal   int      // of them: tokens that work in all organizations
	PickHidden   []string // selected, and not among the rows
	PickCount    string   // how many are selected and where, as the page was made; "" for none
}

// Pickable counts the tokens of a list, on all its pages, with which something can be done.
type Pickable struct {
	Any, Global int
}

// PickableOf counts those that a list shows.
func PickableOf(matching []inventory.Token) (p Pickable) {
	for i := range matching {
		if changeable(matching[i]) {
			p.Any++
		}
		if matching[i].LivingGlobal() {
			p.Global++
		}
	}
	return p
}

// NewPicking is for a list with these tokens, some of them in these rows.
func NewPicking(v *web.Request, view View, of Pickable, rows []Row) Picking {
	p := Picking{PickMatching: of.Any, PickGlobal: of.Global}
	for _, value := range view.Picked {
		if !slices.ContainsFunc(rows, func(r Row) bool { return strings.EqualFold(r.Pick, value) }) {
			p.PickHidden = append(p.PickHidden, value)
		}
	}
	if p.PickMatching+len(p.PickHidden) == 0 {
		return Picking{}
	}
	p.PickAction, p.PickForm, p.PickAll = v.Link(web.BulkPath), v.DrawForm(Purpose, ""), view.Matching()
	p.PickedAll = view.All == p.PickAll
	p.PickCount = countPicked(v, view.Picked)
	return p
}

func countPicked(v *web.Request, picked []string) string {
	if len(picked) == 0 {
		return ""
	}
	places := map[string]bool{}
	for _, value := range picked {
		organization, _, _ := strings.Cut(value, "/")
		places[strings.ToLower(organization)] = true
	}
	return v.Words.Text("picking.where", "Selected", v.Words.Text("picking.selected", "Count", len(picked)), "Organizations", v.Words.Text("picking.places", "Count", len(places)))
}

// PickValue names a token in a list's form; "": nothing can be done with it.
func PickValue(t inventory.Token) string {
	if !t.Addressable() {
		return ""
	}
	return t.Organization + "/" + t.AuthorizationID
}

// changeable says that something can be done with a token beside looking at it.
func changeable(t inventory.Token) bool { return t.Addressable() && t.Status == azuredevops.Active }
