package handlers

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/patdesk/patdesk/internal/azuredevops"
	"github.com/patdesk/patdesk/internal/inventory"
	"github.com/patdesk/patdesk/internal/operation"
	"github.com/patdesk/patdesk/templates"
)

// newToken shows the form, filled from the address: so a link can propose a name, an expiry, scopes or a preset; one from
// another site only what is harmless (see tamed).
//
// A form that is filled has its id in its address, too: whoever goes back to it after creating the token and sends it
// again finds that token and makes no second one. An empty form can't be sent by mistake.
func (h *Handlers) newToken(v *visit) (answer, error) {
	values := v.URL.Query()
	person := v.session.Person().Key()
	form := h.Journal.Form(person, operation.Create, "")
	var sent *operation.Operation
	if kept, ok := h.restore(v); ok {
		next, done, mine := h.restoredForm(v, kept.Get("form"), operation.Create, "")
		if done != nil {
			return v.to(operationPath(done.ID)), nil
		}
		if mine {
			values = kept
		}
		form = next
	} else if foreign := v.fromForeignLink() && (proposes(values) || values.Has("organization")); foreign || proposes(values) {
		if foreign {
			values = h.tamed(v, values)
		}
		next, done, _ := h.restoredForm(v, values.Get("form"), operation.Create, "")
		if done == nil && (next != values.Get("form") || foreign && values.Encode() != v.URL.Query().Encode()) {
			values.Set("form", next)
			return v.to(NewTokenPath + "?" + values.Encode()), nil
		}
		form, sent = values.Get("form"), done
	}
	f := readTokenForm(values)
	f.form = form
	if f.expiry == "" {
		f.expiry = "30"
	}
	switch {
	case values.Get("preset") != "":
		f.scopes = pick(presetScopes(values.Get("preset")))
	case values.Get("scope") != "":
		f.scopes = pick(strings.Fields(values.Get("scope")))
	}
	if f.organization == "" {
		f.organization = h.currentOrganization(v)
	}
	var notices []notice
	if sent != nil {
		text := templates.Message("notice.formSent", h.operationWords(v, sent))
		notices = append(notices, notice{Kind: "warning", Text: text.What, LinkText: text.Title, URL: v.link(operationPath(sent.ID))})
	}
	if values.Has("from") {
		notices = append(notices, linkNotice(v.URL.Query()))
	}
	return h.tokenFormAnswer(v, f, formFaults{}, formState{}, notices...)
}

// proposes says if an address fills the form with more than where the token is to be.
func proposes(address url.Values) bool {
	for name := range address {
		if name != "organization" && name != "draft" {
			return true
		}
	}
	return false
}

// createToken makes the token. Sent twice, the form leads to the same token.
func (h *Handlers) createToken(v *visit) (answer, error) {
	f := readTokenForm(v.PostForm)
	want, faults := h.wanted(v, f)
	if len(faults) > 0 {
		return h.tokenFormAnswer(v, f, faults, formState{status: http.StatusUnprocessableEntity})
	}
	again := func(no formState) answer {
		f.form = no.form
		result, err := h.tokenFormAnswer(v, f, formFaults{}, no)
		if err != nil {
			return h.problem(v, err)
		}
		return result
	}
	return h.change(v, operation.Request{Action: operation.Create, Organization: f.organization, Want: want}, again)
}

// createTooSoon shows the form again, as it was sent.
func (h *Handlers) createTooSoon(v *visit, no formState) (answer, error) {
	return h.tokenFormAnswer(v, readTokenForm(v.PostForm), formFaults{}, no)
}

// wanted checks everything that was typed and says all faults at once.
func (h *Handlers) wanted(v *visit, f tokenForm) (azuredevops.Wanted, formFaults) {
	faults := formFaults{}
	if fault := nameFault(f.name); fault != "" {
		faults["name"] = fault
	}
	switch {
	case f.organization == "":
		faults["organization"] = "form.organizationRequired"
	case !azuredevops.ValidOrganization(f.organization):
		faults["organization"] = "form.organizationInvalid"
	case !h.Inventory.Allowed(f.organization):
		faults["organization"] = "form.organizationUnknown"
	}
	end, fault := f.validTo(v.now)
	if fault != "" {
		faults["expiry"] = fault
	}
	return azuredevops.Wanted{DisplayName: f.name, Scopes: f.wantedScopes(faults), ValidTo: end}, faults
}

func (h *Handlers) tokenFormAnswer(v *visit, f tokenForm, faults formFaults, no formState, notices ...notice) (answer, error) {
	if f.form == "" { // the form came without its id: by hand, or cut
		f.form = h.Journal.Form(v.session.Person().Key(), operation.Create, "")
	}
	names, err := h.Inventory.Organizations(v.Context(), h.owner(v))
	if _, again := needsSignIn(err); again && v.Method == http.MethodGet {
		return nil, err
	}
	p := tokenFormPage{
		base:       h.base(v, templates.Message("newToken.title", nil).Title, "tokens"),
		FormAction: v.link(NewTokenPath), Problem: no.problem, Presets: presets(), CancelURL: v.link(listPath(f.organization)),
	}
	p.Notices = append(p.Notices, notices...)
	p.CanTypeOrganization = !h.Inventory.Fixed() && len(names) == 0
	if f.organization != "" && !inventory.ContainsFold(names, f.organization) && !h.Inventory.Fixed() {
		if p.CanTypeOrganization || !azuredevops.ValidOrganization(f.organization) {
			p.CanTypeOrganization = true
		} else {
			names = append(slices.Clone(names), f.organization)
		}
	}
	for _, name := range names {
		p.OrganizationChoices = append(p.OrganizationChoices, option{Value: name, Text: name, Selected: strings.EqualFold(name, f.organization)})
	}
	p.OrganizationTyped = f.organization
	f.fill(v, &p, faults, "")
	return page{status: no.status, template: "token-new", data: p, header: no.header}, nil
}

// replacementPath is the form for a new token like t.
func replacementPath(organization string, t azuredevops.Token) string {
	q := url.Values{"organization": {organization}, "name": {t.DisplayName}, "scope": {strings.Join(t.Scopes, " ")}}
	return NewTokenPath + "?" + q.Encode()
}
