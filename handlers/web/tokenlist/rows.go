package tokenlist

import (
	"strconv"

	"github.com/patdesk/patdesk/handlers/web"
	"github.com/patdesk/patdesk/internal/azuredevops"
	"github.com/patdesk/patdesk/internal/inventory"
	"github.com/patdesk/patdesk/internal/operation"
	"github.com/patdesk/patdesk/templates"
)

// Row is a token in a list.
type Row struct {
	Name          string
	URL           string // "": it has no id that is understood
	Scopes        []web.Term
	HighScopes    bool
	FullAccess    bool
	Organization  string
	Global        bool
	Created       templates.When
	Expires       templates.When
	Urgency       inventory.Urgency
	Status        string
	StatusClass   string
	MadeBy        string
	Odd           string // what of its record isn't understood
	Unfinished    string
	UnfinishedURL string
	Pick          string // names the token when it is chosen among others
	PickID        string // of its checkbox
}

// Rows are tokens as a list shows them.
func Rows(v *web.Request, tokens []inventory.Token) []Row {
	unfinished := UnfinishedByToken(v)
	rows := make([]Row, 0, len(tokens))
	for i, t := range tokens {
		row := Row{
			Pick: PickValue(t), PickID: "pick-" + strconv.Itoa(i+1),
			Name: web.ShownName(v.Words, t.DisplayName), URL: web.TokenURL(v, t.Organization, &t.Token), Odd: web.OddText(v.Words, &t.Token),
			Organization: web.WorksIn(v.Words, &t.Token, t.Organization), Global: t.Global(),
			Scopes: web.ScopeTerms(v.Words, t.Scopes), HighScopes: t.HighPrivilege(), FullAccess: t.FullAccess(),
			Created: v.When(t.ValidFrom), Expires: web.Ends(v, t), MadeBy: web.ToolName(v.Words, azuredevops.MadeBy(t.DisplayName)),
		}
		row.Status, row.StatusClass = web.StatusOf(v, t)
		if t.Status == azuredevops.Active {
			row.Urgency = t.Urgency(v.Now)
		}
		if op, ok := unfinished[t.AuthorizationID]; ok {
			row.Unfinished = PartOfRotation(v.Words, op, t.AuthorizationID)
			row.UnfinishedURL = v.Link(web.OperationPath(op.ID))
		}
		rows = append(rows, row)
	}
	return rows
}

// UnfinishedByToken finds rotations that need the person, by their old and by their new token: of several the last one
// that is to be finished, or else the last one.
func UnfinishedByToken(v *web.Request) map[string]*operation.Operation {
	pending, err := v.Pending()
	if err != nil {
		return nil // the banner says so already
	}
	out := map[string]*operation.Operation{}
	for i := range pending {
		op := &pending[i]
		if op.Action != operation.Rotate || op.Before == nil {
			continue
		}
		for _, t := range []*azuredevops.Token{op.Before, op.Result} {
			if t == nil || !t.Addressable() {
				continue
			}
			if last := out[t.AuthorizationID]; last == nil || !ToBeFinished(last) && ToBeFinished(op) {
				out[t.AuthorizationID] = op
			}
		}
	}
	return out
}

// PartOfRotation says which of a rotation's two tokens of the same name this one is.
func PartOfRotation(w *templates.Words, op *operation.Operation, id string) string {
	key := "rotation.old"
	if op.Before.AuthorizationID != id {
		key = "rotation.new"
	}
	return w.Message(key, nil).Title
}

// ToBeFinished says that a rotation is being worked on, may have made its new token, or has it while the old one still
// works: it isn't to be begun once more.
func ToBeFinished(op *operation.Operation) bool {
	return op.Phase() == operation.PhaseUnderWay || op.Undecided() || op.OldOpen()
}
