package handlers

import (
	"net/http"

	"github.com/patdesk/patdesk/internal/azuredevops"
	"github.com/patdesk/patdesk/internal/inventory"
	"github.com/patdesk/patdesk/internal/operation"
	"github.com/patdesk/patdesk/internal/plaintext"
	"github.com/patdesk/patdesk/templates"
)

func (h *Handlers) editToken(v *visit) (answer, error) {
	organization, t, err := h.visited(v)
	if err != nil {
		return nil, err
	}
	if t.Status != azuredevops.Active {
		return h.unchangeable(v, organization, t), nil
	}
	target := changeTarget(organization, t.AuthorizationID)
	f := tokenForm{name: t.DisplayName, expiry: "keep", scopes: pick(t.Scopes), form: h.Journal.Form(v.session.Person().Key(), operation.Update, target)}
	if kept, ok := h.restore(v); ok {
		next, done, mine := h.restoredForm(v, kept.Get("form"), operation.Update, target)
		if done != nil {
			return v.to(operationPath(done.ID)), nil
		}
		if mine {
			f = readTokenForm(kept)
		}
		f.form = next
	}
	return h.editAnswer(v, organization, t, f, formFaults{}, formState{}), nil
}

// updateToken sends only what was changed.
func (h *Handlers) updateToken(v *visit) (answer, error) {
	organization, t, err := h.visited(v)
	if err != nil {
		return nil, err
	}
	f := readTokenForm(v.PostForm)
	if t.Status != azuredevops.Active && !h.sentBefore(v, f.form) {
		return h.unchangeable(v, organization, t), nil
	}
	want, faults := f.changes(v, t.Token)
	again := func(no formState) answer {
		if no.form != "" {
			f.form = no.form
		}
		return h.editAnswer(v, organization, t, f, faults, no)
	}
	if len(faults) > 0 {
		return again(formState{status: http.StatusUnprocessableEntity}), nil
	}
	if want.DisplayName == "" && want.Scopes == nil && want.ValidTo.IsZero() && !h.sentBefore(v, f.form) {
		return again(formState{status: http.StatusUnprocessableEntity, problem: summary("form.nothingChanged", nil)}), nil
	}
	before := t.Token
	return h.change(v, operation.Request{
		Action: operation.Update, Target: changeTarget(organization, t.AuthorizationID), Organization: organization, Before: &before, Want: want,
	}, again)
}

// sentBefore says if this form has been sent already: its answer is then the operation's, whatever has become of
// the token since.
func (h *Handlers) sentBefore(v *visit, form string) bool {
	_, err := h.Journal.Find(v.Context(), v.session.Person().Key(), form)
	return err == nil
}

// changes is what differs from the token as it is.
func (f tokenForm) changes(v *visit, t azuredevops.Token) (azuredevops.Wanted, formFaults) {
	var want azuredevops.Wanted
	faults := formFaults{}
	if f.name != t.DisplayName {
		if fault := nameFault(f.name); fault != "" {
			faults["name"] = fault
		}
		want.DisplayName = f.name
	}
	if scopes := f.wantedScopes(faults); !sameScopes(scopes, t.Scopes) {
		want.Scopes = scopes
	}
	if f.expiry != "keep" {
		end, fault := f.validTo(v.now)
		if fault != "" {
			faults["expiry"] = fault
		}
		want.ValidTo = end
	}
	return want, faults
}

func (h *Handlers) editAnswer(v *visit, organization string, t inventory.Token, f tokenForm, faults formFaults, no formState) answer {
	name, expires := shownName(t.DisplayName), v.when(t.ValidTo)
	p := tokenFormPage{
		base:       h.base(v, templates.Message("editToken.title", map[string]any{"Token": plaintext.InSentence(name)}).Title, "tokens"),
		FormAction: v.link(tokenPath(organization, t.AuthorizationID, "edit")), Problem: no.problem,
		CancelURL: v.link(tokenPath(organization, t.AuthorizationID, "")), TokenName: name,
		Current: []field{
			{templates.Message("column.organization", nil).Title, organization},
			{templates.Message("column.scopes", nil).Title, scopeWords(t.Scopes)},
			{templates.Message("column.expires", nil).Title, expires.Date + " (" + expires.Relative + ")"},
		},
	}
	f.fill(v, &p, faults, expires.Date)
	return page{status: no.status, template: "token-edit", data: p, header: no.header}
}
