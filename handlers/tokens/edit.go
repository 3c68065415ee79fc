package tokens

import (
	"maps"
	"net/http"
	"slices"

	"github.com/patdesk/patdesk/handlers/web"
	"github.com/patdesk/patdesk/handlers/web/tokenform"
	"github.com/patdesk/patdesk/internal/azuredevops"
	"github.com/patdesk/patdesk/internal/inventory"
	"github.com/patdesk/patdesk/internal/operation"
	"github.com/patdesk/patdesk/internal/plaintext"
	"github.com/patdesk/patdesk/templates"
)

// Edit shows the form that changes a token.
func (h *Handlers) Edit(v *web.Request) (web.Answer, error) {
	organization, t, err := v.VisitedToken()
	if err != nil {
		return nil, err
	}
	if t.Status != azuredevops.Active {
		return unchangeable(v, organization, t), nil
	}
	form, typed, done := h.restored(v, operation.Update, web.ChangeTarget(organization, t.AuthorizationID))
	if done != nil {
		return done, nil
	}
	f := tokenform.Form{Name: t.DisplayName, Expiry: "keep", Scopes: tokenform.Pick(t.Scopes)}
	if typed != nil {
		f = tokenform.Read(typed)
	}
	f.FormID = form
	return editAnswer(v, organization, t, f, tokenform.Faults{}, web.FormState{}), nil
}

// Update sends only what was changed.
func (h *Handlers) Update(v *web.Request) (web.Answer, error) {
	organization, t, err := v.VisitedToken()
	if err != nil {
		return nil, err
	}
	f := tokenform.Read(v.PostForm)
	if t.Status != azuredevops.Active && !h.sentBefore(v, f.FormID) {
		return unchangeable(v, organization, t), nil
	}
	want, faults := changes(v, f, t.Token)
	again := func(state web.FormState) web.Answer {
		if state.Form != "" {
			f.FormID = state.Form
		}
		return editAnswer(v, organization, t, f, faults, state)
	}
	if len(faults) > 0 {
		return again(web.FormState{Status: http.StatusUnprocessableEntity}), nil
	}
	if want.DisplayName == "" && want.Scopes == nil && want.ValidTo.IsZero() && !h.sentBefore(v, f.FormID) {
		return again(web.FormState{Status: http.StatusUnprocessableEntity, Problem: web.Summary(v.Words, "form.nothingChanged", nil)}), nil
	}
	before := t.Token
	return h.change(v, operation.Request{
		Action: operation.Update, Organization: organization, Before: &before, Want: want,
	}, again)
}

// changes is what differs from the token as it is.
func changes(v *web.Request, f tokenform.Form, t azuredevops.Token) (azuredevops.Wanted, tokenform.Faults) {
	var want azuredevops.Wanted
	faults := tokenform.Faults{}
	if f.Name != t.DisplayName {
		faults.Add("name", tokenform.NameFault(f.Name))
		want.DisplayName = f.Name
	}
	scopeFaults := tokenform.Faults{}
	if scopes := f.WantedScopes(scopeFaults); !sameScopes(scopes, t.Scopes) { // they may be none, or unknown
		want.Scopes = scopes
		maps.Copy(faults, scopeFaults)
	}
	if f.Expiry == "keep" {
		faults.Add("expiry", f.DateFault())
	} else {
		end, fault := f.ValidTo(v.Now)
		faults.Add("expiry", fault)
		want.ValidTo = end
	}
	return want, faults
}

func editAnswer(v *web.Request, organization string, t inventory.Token, f tokenform.Form, faults tokenform.Faults, state web.FormState) web.Answer {
	name, expires := web.ShownName(v.Words, t.DisplayName), web.Ends(v, t)
	p := tokenform.Page{
		Base:       v.Base(v.Words.Message("editToken.title", map[string]any{"Token": plaintext.InSentence(name)}).Title, "tokens"),
		FormAction: v.Link(web.TokenPath(organization, t.AuthorizationID, "edit")), Problem: state.Problem,
		CancelURL: v.Link(web.TokenPath(organization, t.AuthorizationID, "")), TokenName: name,
		Current: []web.Field{
			{Label: v.Words.Message("column.organization", nil).Title, Value: web.WorksIn(v.Words, &t.Token, organization)},
			{Label: v.Words.Message("column.scopes", nil).Title, Value: web.ScopeList(v.Words, t.Scopes)},
			{Label: v.Words.Message("column.expires", nil).Title, Value: expiryWords(v, expires)},
		},
	}
	if t.Global() {
		p.GlobalNote, p.GlobalURL = web.GlobalText(v, "global.token.", nil).What, v.Link(web.GlobalPath(organization, t.AuthorizationID))
	}
	f.Fill(v, &p, faults, v.When(t.ValidTo).Date)
	return web.Page{Status: state.Status, Template: "token-edit", Data: p, Header: state.Header}
}

// expiryWords is an end as the value of a field.
func expiryWords(v *web.Request, end templates.When) string {
	words := v.Words.Text("date.andWhen", "Date", end.Date, "When", end.Relative)
	if end.Note == "" {
		return words
	}
	return v.Words.Text("date.andNote", "Date", words, "Cause", end.Note)
}

func sameScopes(a, b []string) bool {
	set := func(scopes []string) []string { return slices.Compact(slices.Sorted(slices.Values(scopes))) }
	return slices.Equal(set(a), set(b))
}
