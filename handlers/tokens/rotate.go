package tokens

import (
	"cmp"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/patdesk/patdesk/handlers/web"
	"github.com/patdesk/patdesk/handlers/web/outcome"
	"github.com/patdesk/patdesk/handlers/web/tokenform"
	"github.com/patdesk/patdesk/handlers/web/tokenlist"
	"github.com/patdesk/patdesk/internal/azuredevops"
	"github.com/patdesk/patdesk/internal/inventory"
	"github.com/patdesk/patdesk/internal/operation"
	"github.com/patdesk/patdesk/internal/plaintext"
	"github.com/patdesk/patdesk/templates"
)

// rotatePage asks before a token is replaced by a new one of the same name and scopes.
type rotatePage struct {
	web.Base
	Problem                     *web.ProblemSummary
	Errors                      []web.FieldError
	FormAction, Form, CancelURL string
	Name, OrganizationText      string
	Scopes                      []web.Term
	Expires                     templates.When
	Expiry                      []web.Option
	Date, DateMin, DateMax      string
	ExpiryError                 string
	SoonerNote                  string // what becomes of the old token where the new one ends before it
	MadeBy                      string
	GlobalNote, GlobalURL       string
	ReplaceURL                  string // where a rotation was refused: the form with other scopes and another name
	RevokeURL                   string // where that is simpler
	Old                         []web.Option
	Schedule                    *outcome.Schedule
	Vault                       *tokenform.VaultPart
}

// lifeWords words a length of life in days.
func lifeWords(w *templates.Words, life time.Duration) string {
	days := int((life + web.Day/2) / web.Day)
	if days < 1 {
		return w.Message("life.hours", map[string]any{"Count": max(1, int(life/time.Hour))}).Title
	}
	return w.Message("life.days", map[string]any{"Count": days}).Title
}

// AskRotate asks before a token is rotated, or leads to the rotation that isn't finished.
func (h *Handlers) AskRotate(v *web.Request) (web.Answer, error) {
	organization, t, err := v.VisitedToken()
	if err != nil {
		return nil, err
	}
	if answer := h.notRotatable(v, organization, t); answer != nil {
		return answer, nil
	}
	form, typed, done := h.restored(v, operation.Rotate, web.ChangeTarget(organization, t.AuthorizationID))
	if done != nil {
		return done, nil
	}
	f := rotateForm{Form: tokenform.Form{Expiry: tokenform.KeepsLife}, old: "confirm"}
	if r, ok := web.InVaults(v).Holder(t); ok {
		f.Vault.Choice, f.Vault.Secret = r.Vault, r.Name
	}
	if typed != nil {
		f = readRotateForm(typed)
	}
	f.FormID = form
	life, err := h.sameLife(v, t.Token)
	if err != nil { // said in the banner, and no change is taken while that is so
		life = tokenform.SameLife(t.Token, 0)
	}
	return rotateAnswer(v, organization, t, f, life, web.FormState{}, tokenform.Faults{}), nil
}

// rotateForm is what was typed.
type rotateForm struct {
	tokenform.Form
	old string // "confirm", "now", "later"
	at  string // with "later", as it was typed
}

// readRotateForm takes what was typed. A form of an earlier release has no expiry: it promised the same life.
func readRotateForm(values url.Values) rotateForm {
	f := rotateForm{tokenform.Read(values), values.Get("old"), strings.TrimSpace(values.Get(outcome.ScheduleField))}
	f.Expiry = cmp.Or(f.Expiry, tokenform.KeepsLife)
	return f
}

// end is when the new token is to end, whose old one was given that life.
func (f rotateForm) end(now time.Time, life time.Duration) (end time.Time, fault string) {
	if f.Expiry == tokenform.KeepsLife {
		return now.Add(life).UTC().Truncate(time.Second), f.DateFault()
	}
	return f.ValidTo(now)
}

// revokeAt is when the old token is to be revoked by itself; the zero time: not then.
func (f rotateForm) revokeAt(v *web.Request) (at time.Time, fault string) {
	switch f.old {
	case "now", "confirm":
		return time.Time{}, ""
	case "later":
		return outcome.ReadSchedule(v, f.at)
	}
	return time.Time{}, "form.oldRequired"
}

// sameLife is how long a new token lives which is to live as long as t.
func (h *Handlers) sameLife(v *web.Request, t azuredevops.Token) (time.Duration, error) {
	given, err := h.Journal.GivenLives(v.Context(), v.Person())
	if err != nil {
		return 0, operation.NotKept(err)
	}
	return tokenform.SameLife(t, given(t)), nil
}

// Rotate copies the old token's fields before anything is changed.
func (h *Handlers) Rotate(v *web.Request) (web.Answer, error) {
	organization, t, err := v.VisitedToken()
	if err != nil {
		return nil, err
	}
	f := readRotateForm(v.PostForm)
	if !h.sentBefore(v, f.FormID) {
		if answer := h.notRotatable(v, organization, t); answer != nil {
			return answer, nil
		}
	}
	life, err := h.sameLife(v, t.Token)
	if err != nil {
		return nil, err
	}
	end, fault := f.end(v.Now, life)
	faults := tokenform.Faults{}
	faults.Add("expiry", fault)
	at, fault := f.revokeAt(v)
	faults.Add("old", fault)
	into := f.Vault.Into(v, tokenform.SecretName(t.DisplayName), faults)
	again := func(state web.FormState) web.Answer {
		f.FormID = cmp.Or(state.Form, f.FormID)
		return rotateAnswer(v, organization, t, f, life, state, faults)
	}
	if len(faults) > 0 {
		return again(web.FormState{Status: http.StatusUnprocessableEntity}), nil
	}
	if into != nil && !h.sentBefore(v, f.FormID) {
		state, err := f.Vault.Check(v, into, t.AuthorizationID, faults)
		if err != nil {
			return nil, err
		}
		if state.Status != 0 {
			return again(state), nil
		}
	}
	before := t.Token
	return h.change(v, operation.Request{
		Action: operation.Rotate, Organization: organization, Before: &before,
		Want:         azuredevops.Wanted{DisplayName: t.DisplayName, Scopes: t.Scopes, ValidTo: end},
		RevokeAtOnce: f.old == "now", RevokeAt: at, Into: into, Vault: web.VaultCaller(v),
	}, again)
}

// notRotatable is the answer where a token can't be rotated, or its rotation is to be finished first; nil where it can.
func (h *Handlers) notRotatable(v *web.Request, organization string, t inventory.Token) web.Answer {
	if t.Status != azuredevops.Active {
		return unchangeable(v, organization, t)
	}
	if op := h.unfinishedRotation(v, t.AuthorizationID); op != nil {
		return v.To(web.OperationPath(op.ID))
	}
	if !web.Copyable(&t.Token) {
		return notChangeable(v, organization, t, v.Words.Message("rotate.notCopyable", nil))
	}
	return nil
}

// unfinishedRotation is a rotation of this token that is to be finished. A person who goes back to the form and sends
// it again doesn't want a third token.
func (h *Handlers) unfinishedRotation(v *web.Request, id string) *operation.Operation {
	pending, err := h.Journal.Pending(v.Context(), v.Person())
	if err != nil {
		return nil // the banner says so already, and the journal takes no change while it can't be read
	}
	for i := range pending {
		op := &pending[i]
		if op.Action == operation.Rotate && op.Before != nil && op.Before.AuthorizationID == id && tokenlist.ToBeFinished(op) {
			return op
		}
	}
	return nil
}

func rotateAnswer(v *web.Request, organization string, t inventory.Token, f rotateForm, life time.Duration, state web.FormState, faults tokenform.Faults) web.Answer {
	name := web.ShownName(v.Words, t.DisplayName)
	p := rotatePage{
		Base:       v.Base(v.Words.Message("rotateToken.title", map[string]any{"Token": plaintext.InSentence(name)}).Title, "tokens"),
		Problem:    state.Problem,
		FormAction: v.Link(web.TokenPath(organization, t.AuthorizationID, "rotate")), Form: f.FormID,
		CancelURL: v.Link(web.TokenPath(organization, t.AuthorizationID, "")),
		Name:      name, OrganizationText: web.WorksIn(v.Words, &t.Token, organization), Scopes: web.ScopeTerms(v.Words, t.Scopes), Expires: web.Ends(v, t),
		MadeBy: web.ToolName(v.Words, azuredevops.MadeBy(t.DisplayName)),
	}
	p.chooseExpiry(v, t.Token, f, life, faults)
	fault := ""
	if f.old == "later" {
		fault = faults["old"]
	}
	p.Schedule = outcome.NewSchedule(v, f.at, fault)
	for _, choice := range []string{"confirm", "now", "later"} {
		text := v.Words.Message("rotate.old."+choice, nil)
		if web.GlobalOver(v, &t.Token) {
			text.What = v.Words.Message("global.stopped", nil).What
		}
		p.Old = append(p.Old, web.Option{Value: choice, Text: text.Title, Hint: text.What, Selected: choice == f.old})
	}
	if state.Problem != nil {
		p.ReplaceURL = v.Link(web.ReplacementPath(organization, t.Token))
	}
	if p.MadeBy != "" {
		p.RevokeURL = v.Link(web.TokenPath(organization, t.AuthorizationID, "revoke"))
	}
	if t.Global() {
		p.GlobalNote = web.GlobalText(v, "global.rotate.", map[string]any{"Organization": organization}).What
		p.GlobalURL = v.Link(web.GlobalPath(organization, t.AuthorizationID))
	}
	p.Failed = p.Problem != nil || len(p.Errors) > 0
	return web.Page{Status: state.Status, Template: "token-rotate", Data: p, Header: state.Header}
}

// chooseExpiry fills in the choice of the new token's end. A choice that ends before the old token says so: the old one
// is then not revoked by itself.
func (p *rotatePage) chooseExpiry(v *web.Request, t azuredevops.Token, f rotateForm, life time.Duration, faults tokenform.Faults) {
	list, byField := faults.Texts(v.Words)
	p.Vault = f.Vault.Part(v, tokenform.SecretName(t.DisplayName), true, byField)
	p.Errors, p.ExpiryError, p.Date = list, byField["expiry"], f.Date
	p.DateMin, p.DateMax = tokenform.DateRange(v.Now)
	same := web.Option{
		Value: tokenform.KeepsLife, Text: v.Words.Message("expiry.same", map[string]any{"Life": lifeWords(v.Words, life)}).Title,
		Hint: v.When(v.Now.Add(life)).Date, Selected: f.Expiry == tokenform.KeepsLife,
	}
	p.Expiry = append([]web.Option{same}, f.ExpiryOptions(v, "")...)
	if t.ValidTo.IsZero() {
		return
	}
	for i := range p.Expiry {
		one := &p.Expiry[i]
		if end, fault := (rotateForm{Form: tokenform.Form{Expiry: one.Value}}).end(v.Now, life); fault == "" && operation.Sooner(end, t.Ends()) {
			one.Hint = v.Words.Message("expiry.sooner", map[string]any{"Date": one.Hint}).What
		}
	}
	p.SoonerNote = v.Words.Message("rotate.sooner", map[string]any{"Date": v.When(t.Ends()).Date}).What
}
