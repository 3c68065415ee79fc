package tokenlist

import (
	"github.com/patdesk/patdesk/handlers/web"
	"github.com/patdesk/patdesk/internal/batch"
	"github.com/patdesk/patdesk/internal/inventory"
)

const Purpose = "bulk" // what a list's form is drawn for; it begins no operation by itself

// Picking is what a list needs for choosing several of its tokens.
type Picking struct {
	PickAction   string // "" where nothing can be chosen
	PickForm     string
	PickView     string // of the list, for "all that match"
	PickMatching int
	PickGlobal   int // of them: tokens that work in all organizations
	PickMax      int
}

// NewPicking is for a list that these tokens match, on all its pages.
func NewPicking(v *web.Request, view View, matching []inventory.Token) Picking {
	if len(matching) == 0 {
		return Picking{}
	}
	view.Number = 1
	global := 0
	for _, t := range matching {
		if t.Global() {
			global++
		}
	}
	return Picking{
		PickAction: v.Link(web.BulkPath), PickForm: v.DrawForm(Purpose, ""),
		PickView: view.Address(), PickMatching: len(matching), PickGlobal: global, PickMax: batch.Max,
	}
}

// PickValue names a token in a list's form; "": nothing can be done with it.
func PickValue(t inventory.Token) string {
	if !t.Addressable() {
		return ""
	}
	return t.Organization + "/" + t.AuthorizationID
}
