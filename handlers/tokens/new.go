package tokens

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/patdesk/patdesk/handlers/web"
	"github.com/patdesk/patdesk/handlers/web/tokenform"
	"github.com/patdesk/patdesk/internal/azuredevops"
	"github.com/patdesk/patdesk/internal/inventory"
	"github.com/patdesk/patdesk/internal/operation"
)

// New shows the form, filled from the address: so a link can propose a name, an expiry, scopes or a preset; one from
// elsewhere only what is harmless (see filled).
//
// A form that is filled has its id in its address, too: going back to it after creating the token and sending it
// again leads to that token and makes no second one. An empty form can't be sent by mistake.
func (h *Handlers) New(v *web.Request) (web.Answer, error) {
	values := v.URL.Query()
	person := v.Person()
	form := h.Journal.Form(person, operation.Create, "")
	var sent *operation.Operation
	if kept, ok := v.Restore(); ok {
		next, done, mine := h.restoredForm(v, kept.Get("form"), operation.Create, "")
		if done != nil {
			return v.To(web.OperationPath(done.ID)), nil
		}
		if mine {
			values = kept
		}
		form = next
	} else if proposes(values) || sourceOf(v, h.Journal) != ours && values.Has("organization") {
		values = h.filled(v, values)
		next, done, _ := h.restoredForm(v, values.Get("form"), operation.Create, "")
		if done == nil && (next != values.Get("form") || values.Encode() != v.URL.Query().Encode()) {
			values.Set("form", next)
			return v.To(web.NewTokenPath + "?" + values.Encode()), nil
		}
		form, sent = values.Get("form"), done
	}
	f := formOf(v, values)
	f.FormID = form
	var remarks []web.Notice
	if sent != nil {
		text := v.Words.Message("notice.formSent", web.OperationWords(v, sent))
		remarks = append(remarks, web.Notice{Kind: "warning", Text: text.What, LinkText: text.Title, URL: v.Link(web.OperationPath(sent.ID))})
	}
	if values.Has("from") {
		remarks = append(remarks, linkNotice(v.Words, values))
	}
	return h.tokenFormAnswer(v, f, tokenform.Faults{}, web.FormState{}, remarks...)
}

// formOf is the form that an address fills in. What it doesn't say is proposed.
func formOf(v *web.Request, values url.Values) tokenform.Form {
	f := tokenform.Read(values)
	f.Expiry, f.Organization = cmp.Or(f.Expiry, "30"), cmp.Or(f.Organization, v.CurrentOrganization())
	switch {
	case values.Get("preset") != "":
		f.Choose(values.Get("preset"), tokenform.Presets(v.Words, f.Scopes, v.Now.UTC()))
	case values.Get("scope") != "":
		f.Scopes = tokenform.Pick(strings.Fields(values.Get("scope")))
	}
	return f
}

// noteWait is how long a form waits for the names of other tokens. It does without where they take longer.
const noteWait = time.Second

// nameNote says that another active token of the organization has the name, "" where none is known to have it.
func (h *Handlers) nameNote(v *web.Request, organization, name string) string {
	if v.Method != http.MethodGet || name == "" || !h.Inventory.Allowed(organization) {
		return ""
	}
	found := h.Inventory.LoadOrganizations(v.Context(), v.Owner(), []string{organization}, time.After(noteWait))
	for _, t := range found.Tokens() {
		if t.Status == azuredevops.Active && strings.EqualFold(t.DisplayName, name) {
			return v.Words.Text("tokenForm.nameTaken", "Organization", organization)
		}
	}
	return ""
}

// proposes reports whether an address fills the form with more than where the token is to be.
func proposes(address url.Values) bool {
	for name := range address {
		if name != "organization" && name != "draft" {
			return true
		}
	}
	return false
}

// Create makes the token. Sent twice, the form leads to the same token.
func (h *Handlers) Create(v *web.Request) (web.Answer, error) {
	f := tokenform.Read(v.PostForm)
	want, faults := h.wanted(v, f)
	into := f.Vault.Into(v, tokenform.SecretName(f.Name), faults)
	if len(faults) > 0 {
		return h.tokenFormAnswer(v, f, faults, web.FormState{Status: http.StatusUnprocessableEntity})
	}
	if into != nil && !h.sentBefore(v, f.FormID) {
		if state, err := f.Vault.Check(v, into, "", faults); err != nil || state.Status != 0 {
			if err != nil {
				return nil, err
			}
			return h.tokenFormAnswer(v, f, faults, state)
		}
	}
	again := func(state web.FormState) web.Answer {
		f.FormID = state.Form
		result, err := h.tokenFormAnswer(v, f, tokenform.Faults{}, state)
		if err != nil {
			return h.Site.Problem(v, err)
		}
		return result
	}
	return h.change(v, operation.Request{
		Action: operation.Create, Organization: f.Organization, Want: want, Into: into, Vault: web.VaultCaller(v),
	}, again)
}

// CreateTooSoon shows the form again, as it was sent.
func (h *Handlers) CreateTooSoon(v *web.Request, state web.FormState) (web.Answer, error) {
	return h.tokenFormAnswer(v, tokenform.Read(v.PostForm), tokenform.Faults{}, state)
}

// wanted checks everything that was typed and says all faults at once.
func (h *Handlers) wanted(v *web.Request, f tokenform.Form) (azuredevops.Wanted, tokenform.Faults) {
	faults := tokenform.Faults{}
	faults.Add("name", tokenform.NameFault(f.Name))
	switch {
	case f.Organization == "":
		faults["organization"] = "form.organizationRequired"
	case !azuredevops.ValidOrganization(f.Organization):
		faults["organization"] = "form.organizationInvalid"
	case !h.Inventory.Allowed(f.Organization):
		faults["organization"] = "form.organizationUnknown"
	}
	end, fault := f.ValidTo(v.Now)
	faults.Add("expiry", fault)
	return azuredevops.Wanted{DisplayName: f.Name, Scopes: f.WantedScopes(faults), ValidTo: end}, faults
}

func (h *Handlers) tokenFormAnswer(v *web.Request, f tokenform.Form, faults tokenform.Faults, state web.FormState, remarks ...web.Notice) (web.Answer, error) {
	if f.FormID == "" { // the form came without its id: by hand, or cut
		f.FormID = h.Journal.Form(v.Person(), operation.Create, "")
	}
	names, err := h.Inventory.Organizations(v.Context(), v.Owner())
	if _, again := web.NeedsSignIn(err); again && v.Method == http.MethodGet {
		return nil, err
	}
	place := f.Organization
	if !h.Inventory.Allowed(place) {
		place = ""
	}
	p := tokenform.Page{
		Base:       v.Base(v.Words.Message("newToken.title", nil).Title, "tokens").In(place),
		FormAction: v.Link(web.NewTokenPath), Problem: state.Problem, Presets: tokenform.Presets(v.Words, f.Scopes, v.Now.UTC()), CancelURL: v.Link(web.ListPath(f.Organization)),
		Remarks: remarks, NameNote: h.nameNote(v, f.Organization, f.Name), LinkURL: v.Link(linkTo(f)),
		JustChosen: v.URL.Query().Has("preset") && !v.URL.Query().Has("from"),
	}
	p.CanTypeOrganization = !h.Inventory.Fixed() && len(names) == 0
	if f.Organization != "" && !inventory.ContainsFold(names, f.Organization) && !h.Inventory.Fixed() {
		if p.CanTypeOrganization || !azuredevops.ValidOrganization(f.Organization) {
			p.CanTypeOrganization = true
		} else {
			names = append(slices.Clone(names), f.Organization)
		}
	}
	for _, name := range names {
		p.OrganizationChoices = append(p.OrganizationChoices, web.Option{Value: name, Text: name, Selected: strings.EqualFold(name, f.Organization)})
	}
	p.OrganizationTyped = f.Organization
	f.Fill(v, &p, faults, "")
	_, byField := faults.Texts(v.Words)
	p.Vault = f.Vault.Part(v, "", false, byField)
	return web.Page{Status: state.Status, Template: "token-new", Data: p, Header: state.Header}, nil
}
