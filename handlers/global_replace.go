package handlers

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/patdesk/patdesk/internal/azuredevops"
	"github.com/patdesk/patdesk/internal/inventory"
	"github.com/patdesk/patdesk/internal/operation"
	"github.com/patdesk/patdesk/internal/panics"
	"github.com/patdesk/patdesk/internal/plaintext"
	"github.com/patdesk/patdesk/templates"
)

const (
	replacementsAtOnce = 4  // organizations in which tokens are made at the same time
	maxReplacements    = 25 // organizations of one form: the address of the results names them all, see maxReturnPath
	replacementLife    = "90"
)

// globalReplacePage asks where a global token is needed, and what for.
type globalReplacePage struct {
	tokenFormPage
	Heading, What string // see globalTokensPage
	Dead          bool
	OldName       string
	OldScopes     []string
	OldExpires    when
	MadeBy        string
	Places        []option
	PlacesError   string
	Hidden        []hiddenField
	Old           []option
}

type hiddenField struct{ Name, Value string }

// replaceForm is the form as it was sent, or as it begins.
type replaceForm struct {
	tokenForm
	organization, id string // of the global token
	places           []string
	old              string // "later", "now"
	forms            map[string]string
	done             []string // operations of earlier tries
}

// formField names the field with an organization's form id: each organization is an operation of its own.
func formField(organization string) string { return "form:" + strings.ToLower(organization) }

func readReplaceForm(v *visit, values url.Values) replaceForm {
	f := replaceForm{
		tokenForm: readTokenForm(values), organization: v.param("organization"), id: v.param("id"), old: values.Get("old"),
		forms: map[string]string{}, done: values["operation"],
	}
	for _, name := range values["organization"] {
		if !inventory.ContainsFold(f.places, name) {
			f.places = append(f.places, name)
		}
		f.forms[strings.ToLower(name)] = values.Get(formField(name))
	}
	if f.old != "now" {
		f.old = "later"
	}
	return f
}

// askReplace shows the form, filled from the token or with what was typed before a sign-in.
func (h *Handlers) askReplace(v *visit) (answer, error) {
	t, s, err := h.globalToken(v)
	if err != nil {
		return nil, err
	}
	if !t.Global() {
		return v.to(tokenPath(t.Organization, t.AuthorizationID, "")), nil
	}
	person, target := v.session.Person().Key(), changeTarget(v.param("organization"), v.param("id"))
	f := replaceForm{organization: v.param("organization"), id: v.param("id"), old: "later", forms: map[string]string{}}
	f.name, f.expiry, f.scopes = t.DisplayName, replacementLife, pick(t.Scopes)
	if kept, ok := h.restore(v); ok && h.Journal.Check(kept.Get("form"), person, operation.Revoke, target) == nil {
		f = readReplaceForm(v, kept)
	}
	return h.replaceAnswer(v, f, t, s, formFaults{}, formState{}), nil
}

// globalToken is the token that the address names. What was just read of all organizations serves as well as asking
// for it again, and helps where the one of the address has failed since.
func (h *Handlers) globalToken(v *visit) (inventory.Token, inventory.Inventory, error) {
	if _, err := h.organizationOf(v.param("organization")); err != nil {
		return inventory.Token{}, inventory.Inventory{}, err
	}
	enough := time.NewTimer(overviewWait)
	defer enough.Stop()
	s := h.Inventory.Load(v.Context(), h.owner(v), enough.C)
	for _, t := range s.Tokens {
		if t.AuthorizationID == v.param("id") {
			return t, s, nil
		}
	}
	_, t, err := h.visited(v)
	return t, s, err
}

func (h *Handlers) replaceAnswer(v *visit, f replaceForm, t inventory.Token, s inventory.Inventory, faults formFaults, no formState) answer {
	note := globalText("global.", v.now)
	p := globalReplacePage{
		tokenFormPage: tokenFormPage{
			base:       h.base(v, templates.Message("globalReplace.title", map[string]any{"Token": plaintext.InSentence(shownName(t.DisplayName))}).Title, "overview"),
			FormAction: v.link(globalPath(f.organization, f.id)), Problem: no.problem, CancelURL: v.link(GlobalTokensPath),
		},
		Heading: note.Title, What: note.What, Dead: !v.now.Before(inventory.GlobalTokensEnd), OldName: shownName(t.DisplayName),
		OldScopes: scopeList(t.Scopes), OldExpires: v.when(t.ValidTo), MadeBy: azuredevops.MadeBy(t.DisplayName),
	}
	f.form = h.usable(v, f.form, operation.Revoke, changeTarget(f.organization, f.id))
	f.fill(v, &p.tokenFormPage, faults, "")
	if key, ok := faults["places"]; ok {
		p.PlacesError = templates.Message(key, map[string]any{"Max": maxReplacements}).What
		p.Errors = append(p.Errors, fieldError{"places", p.PlacesError})
	}
	for i, name := range h.places(v, s) {
		choice := option{Value: name, Text: name, Selected: inventory.ContainsFold(f.places, name)}
		if i < len(s.Organizations) && len(s.Organizations[i].Failed) > 0 {
			choice.Hint = templates.Message("globalReplace.unread", nil).What
		}
		p.Places = append(p.Places, choice)
		p.Hidden = append(p.Hidden, hiddenField{formField(name), h.usable(v, f.forms[strings.ToLower(name)], operation.Create, "")})
	}
	for _, choice := range []string{"later", "now"} {
		text := templates.Message("globalOld."+choice, nil)
		p.Old = append(p.Old, option{Value: choice, Text: text.Title, Hint: text.What, Selected: choice == f.old})
	}
	return page{status: no.status, template: "global-replace", data: p, header: no.header}
}

// places are the organizations to choose from.
func (h *Handlers) places(v *visit, s inventory.Inventory) []string {
	var names []string
	for _, o := range s.Organizations {
		names = append(names, o.Name)
	}
	if len(names) == 0 {
		names = h.Inventory.Known(h.owner(v))
	}
	if here := v.param("organization"); !inventory.ContainsFold(names, here) {
		names = append(names, here)
	}
	return names
}

// usable keeps a form id that was never carried out, or that leads to what it made, and draws a new one otherwise.
func (h *Handlers) usable(v *visit, form string, a operation.Action, target string) string {
	person := v.session.Person().Key()
	if h.Journal.Check(form, person, a, target) == nil {
		if op, err := h.Journal.Find(v.Context(), person, form); err != nil || op.State != operation.Failed {
			return form
		}
	}
	return h.Journal.Form(person, a, target)
}

// replacement is what became of one organization's token.
type replacement struct {
	organization string
	op           *operation.Operation
	err          error // there is no operation: nothing was sent
}

// replaceGlobal makes one token in each chosen organization. An organization that fails keeps none of the others.
func (h *Handlers) replaceGlobal(v *visit) (answer, error) {
	if _, err := h.organizationOf(v.param("organization")); err != nil {
		return nil, err
	}
	f := readReplaceForm(v, v.PostForm)
	want, faults := h.wantedEverywhere(v, f)
	if len(faults) > 0 {
		t, s, err := h.globalToken(v)
		if err != nil {
			return nil, err
		}
		return h.replaceAnswer(v, f, t, s, faults, formState{status: http.StatusUnprocessableEntity}), nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(v.Context()), changeWait) // what was begun for one is begun for all
	defer cancel()
	results := h.earlier(v, f.done)
	results = append(results, h.makeEverywhere(ctx, v, f, want)...)
	old := h.revokeGlobal(ctx, v, f, results)
	if plain(results) {
		return v.to(resultAddress(f, results, old)), nil
	}
	return h.replacedAnswer(v, f, results, old)
}

// plain says that every result can be shown again by its address alone.
func plain(results []replacement) bool {
	return !slices.ContainsFunc(results, func(r replacement) bool { return r.err != nil || r.op.Phase() == operation.PhaseShowOnce })
}

// wantedEverywhere checks what was typed, as for a single token.
func (h *Handlers) wantedEverywhere(v *visit, f replaceForm) (azuredevops.Wanted, formFaults) {
	faults := formFaults{}
	if fault := nameFault(f.name); fault != "" {
		faults["name"] = fault
	}
	switch {
	case len(f.places) == 0:
		faults["places"] = "form.placesRequired"
	case len(f.places) > maxReplacements:
		faults["places"] = "form.placesTooMany"
	case slices.ContainsFunc(f.places, func(name string) bool { return !h.Inventory.Allowed(name) }):
		faults["places"] = "form.organizationUnknown"
	}
	end, fault := f.validTo(v.now)
	if fault != "" {
		faults["expiry"] = fault
	}
	return azuredevops.Wanted{DisplayName: f.name, Scopes: f.wantedScopes(faults), ValidTo: end}, faults
}

// makeEverywhere carries out one operation for each organization, a few at a time.
func (h *Handlers) makeEverywhere(ctx context.Context, v *visit, f replaceForm, want azuredevops.Wanted) []replacement {
	results := make([]replacement, len(f.places))
	person, caller := v.session.Person().Key(), h.caller(v)
	var group panics.Group
	group.SetLimit(replacementsAtOnce)
	for i, name := range f.places {
		group.Go(func() error {
			op, err := h.Journal.Do(ctx, caller, operation.Request{
				Form: f.forms[strings.ToLower(name)], Person: person, Action: operation.Create, Organization: name, Want: want,
				Content: f.content(name), Delivery: v.delivery,
			})
			results[i] = replacement{name, op, err}
			return nil // each failure stands beside the others' results
		})
	}
	_ = group.Wait() // always nil, see above
	for _, name := range f.places {
		h.outdate(v, name, nil, h.Now())
	}
	return results
}

// content is what one organization's operation is bound to: not which others were chosen beside it, so that one more
// can be added to a form that was sent.
func (f replaceForm) content(organization string) string {
	scopes, _ := f.scopes.all() // checked before
	return url.Values{
		"name": {f.name}, "scope": scopes, "expiry": {f.expiry}, "date": {f.date}, "organization": {strings.ToLower(organization)},
	}.Encode()
}

// earlier are the operations of earlier tries, which the results go on showing.
func (h *Handlers) earlier(v *visit, ids []string) []replacement {
	var out []replacement
	for _, id := range ids[:min(len(ids), maxReplacements)] {
		op, err := h.Journal.Get(v.Context(), v.session.Person().Key(), id)
		if err == nil && op.Action == operation.Create {
			out = append(out, replacement{op.Organization, op, nil})
		}
	}
	return out
}

// revokeGlobal revokes the global token where that was asked for at once, but only when each organization has its
// token and every secret is safe. nil: not asked for, or not yet.
func (h *Handlers) revokeGlobal(ctx context.Context, v *visit, f replaceForm, results []replacement) *operation.Operation {
	if f.old != "now" || !plain(results) || slices.ContainsFunc(results, func(r replacement) bool { return !inHand(r.op) }) {
		return nil
	}
	global := azuredevops.Token{AuthorizationID: f.id, DisplayName: f.name}
	op, err := h.Journal.Do(ctx, h.caller(v), operation.Request{
		Form: f.form, Person: v.session.Person().Key(), Action: operation.Revoke, Target: changeTarget(f.organization, f.id),
		Organization: f.organization, Before: &global, Content: "revoke",
	})
	h.outdate(v, "", nil, h.Now())
	if err != nil { // the page offers it again
		fieldsOf(v.Context()).Err = err
		return nil
	}
	return op
}

// inHand says that a token was made and that its secret waits for its owner, or is with them.
func inHand(op *operation.Operation) bool {
	phase := op.Phase()
	return phase == operation.PhaseSecretWaiting || phase == operation.PhaseDone
}

// resultAddress is where the results can be looked at again.
func resultAddress(f replaceForm, results []replacement, old *operation.Operation) string {
	q := url.Values{}
	for _, r := range results {
		if r.op != nil && !slices.Contains(q["operation"], r.op.ID) {
			q.Add("operation", r.op.ID)
		}
	}
	if old != nil {
		q.Set("revoked", old.ID)
	}
	if f.old == "now" {
		q.Set("old", "now")
	}
	return globalPath(f.organization, f.id) + "/result?" + q.Encode()
}
