package tokenlist

import (
	"slices"
	"strings"

	"github.com/patdesk/patdesk/handlers/web"
	"github.com/patdesk/patdesk/internal/azuredevops"
	"github.com/patdesk/patdesk/internal/inventory"
	"github.com/patdesk/patdesk/internal/operation"
	"github.com/patdesk/patdesk/templates"
)

// Row is a token in a list, in words that are ready: a list has many rows, and each is a template's work. It is all that
// its row shows, as rows are kept by it.
type Row struct {
	Several       Several
	Number        int // on its page, from 1: for ids
	Name          string
	URL           string // "": it has no id that is understood
	Class         string // what a row's look depends on: "expired", "revoked"
	Scopes        string
	FullAccess    bool
	Powerful      string // "", or that it has high privileges and a long life
	Organization  string
	Global        bool
	Tool          bool // made by a tool that won't learn another secret
	Expires       templates.When
	Urgency       inventory.Urgency
	Status        string
	MadeBy        string
	Odd           string // what of its record isn't understood
	Kept          string // in which vaults its secret is
	KeptOdd       string // what doesn't fit there
	Unfinished    string
	UnfinishedURL string
	Pick          string // names the token when it is selected among others; "": it can't be changed
	Picked        bool
}

// Several says which columns differ from row to row. The others would repeat one value.
type Several struct{ Organizations, Statuses bool }

// SeveralOf looks at what a list has before it is narrowed down: columns don't come and go while somebody filters.
func SeveralOf(v *web.Request, view View, tokens []inventory.Token) Several {
	s := Several{Statuses: view.Status == "all"}
	for _, t := range tokens {
		s.Organizations = s.Organizations || t.OrganizationKey() != tokens[0].OrganizationKey()
		s.Statuses = s.Statuses || t.GlobalOver(v.Now)
	}
	s.Organizations = s.Organizations && view.Organization == ""
	return s
}

// Rows are tokens as a list shows them. unfinished is UnfinishedOf(v).
func Rows(v *web.Request, view View, several Several, unfinished Unfinished, tokens []inventory.Token) templates.Rows[Row] {
	scopes := map[string]string{} // by ids: many tokens have the same
	powerful := v.Words.Text("kind.powerful")
	rows := make(templates.Rows[Row], len(tokens))
	for i := range tokens {
		t, row := &tokens[i], &rows[i]
		ids := strings.Join(t.Scopes, " ")
		if _, known := scopes[ids]; !known {
			scopes[ids] = scopesText(v.Words, t.Scopes)
		}
		tool := azuredevops.MadeBy(t.DisplayName)
		*row = Row{
			Several: several, Number: i + 1, Name: web.ShownName(v.Words, t.DisplayName), URL: web.TokenURL(v, t.Organization, &t.Token), Odd: web.OddText(v.Words, &t.Token),
			Organization: web.WorksIn(v.Words, &t.Token, t.Organization), Global: t.LivingGlobal(), Scopes: scopes[ids], FullAccess: t.FullAccess(),
			Expires: web.Ends(v, *t), Tool: tool != "", MadeBy: web.ToolName(v.Words, tool),
		}
		row.Status, row.Class = web.StatusOf(v, *t)
		if t.Status == azuredevops.Active {
			row.Urgency = t.Urgency(v.Now)
			if t.HighPrivilege() && t.LongLived() && !t.FullAccess() {
				row.Powerful = powerful
			}
		}
		if changeable(*t) {
			row.Pick = PickValue(*t)
			row.Picked = slices.ContainsFunc(view.Picked, func(value string) bool { return strings.EqualFold(value, row.Pick) })
		}
		row.Kept, row.KeptOdd = keptIn(v, view.Kept, *t)
		if op, ok := unfinished[t.AuthorizationID]; ok {
			row.Unfinished = PartOfRotation(v.Words, op, t.AuthorizationID)
			row.UnfinishedURL = v.Link(web.OperationPath(op.ID))
		}
	}
	return rows
}

// keptIn says in which vaults a token's secret is, and what doesn't fit there.
func keptIn(v *web.Request, kept *web.Kept, t inventory.Token) (in, odd string) {
	var texts, marks []string
	for _, place := range kept.Places(v, t) {
		texts, marks = append(texts, place.Text), append(marks, place.Marks...)
	}
	return strings.Join(texts, " · "), v.Words.Sentences(marks...)
}

// scopesText is scopes in one line, those first that can do most.
func scopesText(w *templates.Words, ids []string) string {
	if len(ids) == 0 {
		return "–"
	}
	ids = slices.Clone(ids)
	slices.SortStableFunc(ids, func(a, b string) int { return rank(a) - rank(b) })
	return web.ScopeList(w, ids)
}

func rank(scope string) int {
	if azuredevops.LookupScope(scope).High {
		return 0
	}
	return 1
}

// Unfinished are rotations that need the person, by the ids of their old and of their new token: of several the last one
// that is to be finished, or else the last one.
type Unfinished map[string]*operation.Operation

// UnfinishedOf finds the person's.
func UnfinishedOf(v *web.Request) Unfinished {
	pending, err := v.Pending()
	if err != nil {
		return nil // the banner says so already
	}
	out := Unfinished{}
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
