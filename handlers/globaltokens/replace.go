package globaltokens

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/patdesk/patdesk/handlers/web"
	"github.com/patdesk/patdesk/handlers/web/tokenform"
	"github.com/patdesk/patdesk/handlers/web/tokenlist"
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
	tokenform.Page
	Heading, What string // see globalTokensPage
	Dead          bool
	OldName       string
	OldScopes     []web.Term
	OldExpires    templates.When
	MadeBy        string
	Places        []web.Option
	PlacesError   string
	Hidden        []web.HiddenField
	Old           []web.Option
}

// replaceForm is the form as it was sent, or as it begins.
type replaceForm struct {
	tokenform.Form
	organization, id string // of the global token
	places           []string
	old              string // "later", "now"
	forms            map[string]string
	done             []string // operations of earlier tries
	vaults           tokenform.Vaults
}

// formField names the field with an organization's form id: each organization is an operation of its own.
func formField(organization string) string { return "form:" + strings.ToLower(organization) }

func readReplaceForm(v *web.Request, values url.Values) replaceForm {
	f := replaceForm{
		Form: tokenform.Read(values), organization: v.Param("organization"), id: v.Param("id"), old: values.Get("old"),
		forms: map[string]string{}, done: values["operation"], vaults: tokenform.ReadVaults(values),
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

// AskReplace shows the form, filled from the token or with what was typed before a sign-in.
func (h *Handlers) AskReplace(v *web.Request) (web.Answer, error) {
	t, s, err := h.globalToken(v)
	if err != nil {
		return nil, err
	}
	if !t.Global() {
		return v.To(web.TokenPath(t.Organization, t.AuthorizationID, "")), nil
	}
	person, target := v.Person(), web.ChangeTarget(v.Param("organization"), v.Param("id"))
	f := replaceForm{organization: v.Param("organization"), id: v.Param("id"), old: "later", forms: map[string]string{}, vaults: tokenform.Vaults{Names: map[string]string{}}}
	if r, ok := web.InVaults(v).Holder(t); ok { // whatever reads it goes on here
		f.vaults.Choice, f.vaults.Names[strings.ToLower(f.organization)] = r.Vault, r.Name
	}
	f.Name, f.Expiry, f.Scopes = t.DisplayName, replacementLife, tokenform.Pick(t.Scopes)
	if kept, ok := v.Restore(); ok && h.Journal.Check(kept.Get("form"), person, operation.Revoke, target) == nil {
		f = readReplaceForm(v, kept)
	}
	return h.replaceAnswer(v, f, t, s, tokenform.Faults{}, web.FormState{}), nil
}

// globalToken is the token that the address names. What was just read of all organizations serves as well as asking for
// it again, and helps where the one of the address has failed since.
func (h *Handlers) globalToken(v *web.Request) (inventory.Token, inventory.Inventory, error) {
	if _, err := v.OrganizationOf(v.Param("organization")); err != nil {
		return inventory.Token{}, inventory.Inventory{}, err
	}
	s := h.Inventory.Load(v.Context(), v.Owner(), time.After(tokenlist.Wait))
	for _, t := range s.Tokens() {
		if t.AuthorizationID == v.Param("id") {
			return t, s, nil
		}
	}
	_, t, err := v.VisitedToken()
	return t, s, err
}

func (h *Handlers) replaceAnswer(v *web.Request, f replaceForm, t inventory.Token, s inventory.Inventory, faults tokenform.Faults, state web.FormState) web.Answer {
	note := web.GlobalText(v, "global.", nil)
	p := globalReplacePage{
		Page: tokenform.Page{
			Base:       v.Base(v.Words.Message("globalReplace.title", map[string]any{"Token": plaintext.InSentence(web.ShownName(v.Words, t.DisplayName))}).Title, "overview"),
			FormAction: v.Link(web.GlobalPath(f.organization, f.id)), Problem: state.Problem, CancelURL: v.Link(web.GlobalTokensPath),
		},
		Heading: note.Title, What: note.What, Dead: azuredevops.GlobalTokensOver(v.Now), OldName: web.ShownName(v.Words, t.DisplayName),
		OldScopes: web.ScopeTerms(v.Words, t.Scopes), OldExpires: web.Ends(v, t), MadeBy: web.ToolName(v.Words, azuredevops.MadeBy(t.DisplayName)),
	}
	f.FormID = h.usable(v, f.FormID, operation.Revoke, web.ChangeTarget(f.organization, f.id))
	f.Fill(v, &p.Page, faults, "")
	_, byField := faults.Texts(v.Words)
	p.Vault = f.vaults.Part(v, newSecrets(f.Name, f.id, h.places(v, s)), false, byField)
	if key, ok := faults["places"]; ok {
		p.PlacesError = v.Words.Message(key, map[string]any{"Max": maxReplacements}).What
		p.Errors = append(p.Errors, web.FieldError{ID: "places", Text: p.PlacesError})
	}
	for i, name := range h.places(v, s) {
		choice := web.Option{Value: name, Text: name, Selected: inventory.ContainsFold(f.places, name)}
		if i < len(s.Organizations) && len(s.Organizations[i].Failed) > 0 {
			choice.Hint = v.Words.Message("globalReplace.unread", nil).What
		}
		p.Places = append(p.Places, choice)
		p.Hidden = append(p.Hidden, web.HiddenField{Name: formField(name), Value: h.usable(v, f.forms[strings.ToLower(name)], operation.Create, "")})
	}
	for _, choice := range []string{"later", "now"} {
		text := v.Words.Message("globalOld."+choice, nil)
		if p.Dead {
			text.What = v.Words.Message("global.stopped", nil).What
		}
		p.Old = append(p.Old, web.Option{Value: choice, Text: text.Title, Hint: text.What, Selected: choice == f.old})
	}
	return web.Page{Status: state.Status, Template: "global-replace", Data: p, Header: state.Header}
}

// places are the organizations to choose from.
func (h *Handlers) places(v *web.Request, s inventory.Inventory) []string {
	var names []string
	for _, o := range s.Organizations {
		names = append(names, o.Name)
	}
	if len(names) == 0 {
		names = h.Inventory.Known(v.Owner())
	}
	if here := v.Param("organization"); !inventory.ContainsFold(names, here) {
		names = append(names, here)
	}
	return names
}

// usable keeps a form id that was never carried out, or that leads to what it made, and draws a new one otherwise.
func (h *Handlers) usable(v *web.Request, form string, a operation.Action, target string) string {
	person := v.Person()
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

// Replace makes one token in each chosen organization. An organization that fails keeps none of the others.
func (h *Handlers) Replace(v *web.Request) (web.Answer, error) {
	if _, err := v.OrganizationOf(v.Param("organization")); err != nil {
		return nil, err
	}
	f := readReplaceForm(v, v.PostForm)
	want, faults := h.wantedEverywhere(v, f)
	into, state, err := h.intoVault(v, &f, faults)
	if err != nil {
		return nil, err
	}
	if state.Status != 0 {
		t, s, err := h.globalToken(v)
		if err != nil {
			return nil, err
		}
		return h.replaceAnswer(v, f, t, s, faults, state), nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(v.Context()), web.ChangeWait) // what was begun for one is begun for all
	defer cancel()
	results := h.earlier(v, f.done)
	results = append(results, h.makeEverywhere(ctx, v, f, want, into)...)
	old := h.revokeGlobal(ctx, v, f, results)
	if plain(results) {
		return v.To(resultAddress(f, results, old)), nil
	}
	return h.replacedAnswer(v, f, results, old)
}

// plain reports whether every result can be shown again by its address alone.
func plain(results []replacement) bool {
	return !slices.ContainsFunc(results, func(r replacement) bool { return r.err != nil || r.op.Phase() == operation.PhaseShowOnce })
}

// wantedEverywhere checks what was typed, as for a single token.
func (h *Handlers) wantedEverywhere(v *web.Request, f replaceForm) (azuredevops.Wanted, tokenform.Faults) {
	faults := tokenform.Faults{}
	faults.Add("name", tokenform.NameFault(f.Name))
	switch {
	case len(f.places) == 0:
		faults["places"] = "form.placesRequired"
	case len(f.places) > maxReplacements:
		faults["places"] = "form.placesTooMany"
	case slices.ContainsFunc(f.places, func(name string) bool { return !h.Inventory.Allowed(name) }):
		faults["places"] = "form.organizationUnknown"
	}
	end, fault := f.ValidTo(v.Now)
	faults.Add("expiry", fault)
	return azuredevops.Wanted{DisplayName: f.Name, Scopes: f.WantedScopes(faults), ValidTo: end}, faults
}

// makeEverywhere carries out one operation for each organization, a few at a time.
func (h *Handlers) makeEverywhere(ctx context.Context, v *web.Request, f replaceForm, want azuredevops.Wanted, into []*operation.Into) []replacement {
	results := make([]replacement, len(f.places))
	person, caller := v.Person(), v.Caller()
	var group panics.Group
	group.SetLimit(replacementsAtOnce)
	for i, name := range f.places {
		group.Go(func() error {
			r := operation.Request{
				Form: f.forms[strings.ToLower(name)], Person: person, From: web.OriginOf(v.Request), Action: operation.Create, Organization: name, Want: want,
				Content: f.content(name), Delivery: v.Delivery,
			}
			if into != nil {
				r.Into, r.Vault = into[i], web.VaultCaller(v)
			}
			op, err := h.Journal.Do(ctx, caller, r)
			results[i] = replacement{name, op, err}
			return nil // each failure stands beside the others' results
		})
	}
	_ = group.Wait() // always nil, see above
	for _, name := range f.places {
		v.Invalidate(name, nil, h.Site.Now())
	}
	if into != nil {
		web.ForgetVaults(v)
	}
	return results
}

// newSecrets are the secrets of a global token's replacements, with a name in a vault for each.
func newSecrets(name, id string, places []string) []tokenform.NewSecret {
	secrets := make([]tokenform.NewSecret, len(places))
	for i, place := range places {
		secrets[i] = tokenform.NewSecret{
			Key: strings.ToLower(place), ID: strings.ToLower(place), Token: name, Organization: place, Suggested: tokenform.SecretName(name + " " + place), Replaces: id,
		}
	}
	tokenform.Distinct(secrets)
	return secrets
}

// intoVault are the vault's secrets for the chosen organizations, in their order; nil for none. With a state the form is
// to be shown again. Of a form that was sent before the vault isn't asked: it may hold what that has written.
func (h *Handlers) intoVault(v *web.Request, f *replaceForm, faults tokenform.Faults) ([]*operation.Into, web.FormState, error) {
	secrets := newSecrets(f.Name, f.id, f.places)
	into := f.vaults.Into(v, secrets, faults)
	if len(faults) > 0 {
		return nil, web.FormState{Status: http.StatusUnprocessableEntity}, nil
	}
	sent := slices.ContainsFunc(f.places, func(name string) bool {
		_, err := h.Journal.Find(v.Context(), v.Person(), f.forms[strings.ToLower(name)])
		return err == nil
	})
	if into == nil || sent {
		return into, web.FormState{}, nil
	}
	state, err := f.vaults.Check(v, secrets, into, faults)
	return into, state, err
}

// content is what one organization's operation is bound to: not which others were chosen beside it, so that one more
// can be added to a form that was sent.
func (f replaceForm) content(organization string) string {
	scopes, _ := f.Scopes.All() // checked before
	return url.Values{
		"name": {f.Name}, "scope": scopes, "expiry": {f.Expiry}, "date": {f.Date}, "organization": {strings.ToLower(organization)},
	}.Encode() + f.vaults.ContentOf(strings.ToLower(organization))
}

// earlier are the operations of earlier tries, which the results go on showing.
func (h *Handlers) earlier(v *web.Request, ids []string) []replacement {
	var out []replacement
	for _, id := range ids[:min(len(ids), maxReplacements)] {
		op, err := h.Journal.Get(v.Context(), v.Person(), id)
		if err == nil && op.Action == operation.Create {
			out = append(out, replacement{op.Organization, op, nil})
		}
	}
	return out
}

// revokeGlobal revokes the global token where that was asked for at once, but only when each organization has its token
// and every secret is safe. nil: not asked for, or not yet.
func (h *Handlers) revokeGlobal(ctx context.Context, v *web.Request, f replaceForm, results []replacement) *operation.Operation {
	if f.old != "now" || !plain(results) || slices.ContainsFunc(results, func(r replacement) bool { return !inHand(r.op) }) {
		return nil
	}
	global := azuredevops.Token{AuthorizationID: f.id, DisplayName: f.Name}
	op, err := h.Journal.Do(ctx, v.Caller(), operation.Request{
		Form: f.FormID, Person: v.Person(), From: web.OriginOf(v.Request), Action: operation.Revoke,
		Organization: f.organization, Before: &global, Content: "revoke",
	})
	v.Invalidate("", nil, h.Site.Now())
	if err != nil { // the page offers it again
		v.NoteError(err)
		return nil
	}
	return op
}

// inHand reports whether a token was made and its secret waits for its owner, or is with them; or in the vault
// that it is for.
func inHand(op *operation.Operation) bool {
	phase := op.Phase()
	if op.Into != nil && op.Into.State != operation.IntoWritten {
		return false
	}
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
	return web.GlobalPath(f.organization, f.id) + "/result?" + q.Encode()
}
