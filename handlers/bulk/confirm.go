package bulk

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/patdesk/patdesk/handlers/web"
	"github.com/patdesk/patdesk/handlers/web/outcome"
	"github.com/patdesk/patdesk/handlers/web/tokenform"
	"github.com/patdesk/patdesk/handlers/web/tokenlist"
	"github.com/patdesk/patdesk/internal/azuredevops"
	"github.com/patdesk/patdesk/internal/batch"
	"github.com/patdesk/patdesk/internal/operation"
	"github.com/patdesk/patdesk/templates"
)

// bulkPlanPage lists exactly what will happen to each token, before it does.
type bulkPlanPage struct {
	web.Base
	Problem               *web.ProblemSummary
	Errors                []web.FieldError
	Verb                  string // "revoke", "rotate", "extend"
	Lead, Warning, Button string
	Address               string // of this page, for another expiry
	Form                  string
	CancelURL             string
	Rows                  []bulkPlanRow
	Places                int // organizations
	Tools                 int // tokens that tools made for themselves
	LeftOut               []bulkLeftOut
	Expiry                []web.Option
	Date                  string
	DateMin, DateMax      string
	ExpiryError           string
	Choice, ChoiceDate    string // what the list was made for
	ChoiceText            string
	Globals               int    // tokens that work in all organizations
	GlobalNote            string // what it means that there are some
	ToolTokens            []string
	RevokeTools           string // of a rotation: where those that tools made can be revoked instead
	RevokeForm            string
	View                  string // the list that the tokens were chosen in
	Global                bool   // some are left out because they are global
	Vault                 *tokenform.VaultPart
}

type bulkPlanRow struct {
	Name, URL, Organization, MadeBy string
	Odd                             string
	Over                            bool // it has stopped already, with all global tokens
	Scopes                          []web.Term
	Expires, New                    templates.When
}

// bulkLeftOut is a chosen token that nothing is done to.
type bulkLeftOut struct {
	Name, URL, Organization string
	Expires                 templates.When
	Why                     string
}

// Show is the page of a batch: what will happen, what happens, or what has happened.
func (h *Handlers) Show(v *web.Request) (web.Answer, error) {
	b, err := h.Batches.Get(v.Context(), v.Person(), v.Param("batch"))
	if err != nil {
		return nil, batchError(err)
	}
	if !b.Started.IsZero() {
		return h.batchAnswer(v, b, web.FormState{})
	}
	q := v.URL.Query()
	f := bulkForm{bulkExpiry: bulkExpiryOf(b.Action, q.Get("expiry"), strings.TrimSpace(q.Get("date")), v.Now.Location()), secrets: newSecrets(v, b)}
	f.vaults = tokenform.ProposeVaults(f.secrets)
	if kept, ok := v.Restore(); ok {
		f.bulkExpiry, f.vaults = bulkExpiryOf(b.Action, kept.Get("expiry"), kept.Get("date"), v.Now.Location()), tokenform.ReadVaults(kept)
	}
	return h.planAnswer(v, b, f, web.FormState{}), nil
}

// batchError distinguishes a batch that isn't there from an operation.
func batchError(err error) error {
	if errors.Is(err, batch.ErrNotFound) {
		return &web.HTTPError{Status: http.StatusNotFound, Key: "bulk.notFound"}
	}
	return err
}

// Start confirms a plan and sets it going.
func (h *Handlers) Start(v *web.Request) (web.Answer, error) {
	person, id := v.Person(), v.Param("batch")
	b, err := h.Batches.Get(v.Context(), person, id)
	if err != nil {
		return nil, batchError(err)
	}
	f := bulkForm{
		bulkExpiry: bulkExpiryOf(b.Action, v.PostForm.Get("expiry"), strings.TrimSpace(v.PostForm.Get("date")), tokenform.ReadZone(v.PostForm)),
		vaults:     tokenform.ReadVaults(v.PostForm), secrets: newSecrets(v, b), faults: tokenform.Faults{},
	}
	if v.URL.Query().Has("show") {
		if f.vaults.Choice != "" { // with all that was typed, which an address doesn't hold
			return h.planAnswer(v, b, f, web.FormState{}), nil
		}
		return v.To(web.BatchPath(id) + "?" + url.Values{"expiry": {f.choice}, "date": {f.date}}.Encode()), nil
	}
	into := f.vaults.Into(v, f.secrets, f.faults)
	if b.Started.IsZero() {
		if answer := h.faultyStart(v, b, f); answer != nil {
			return answer, nil
		}
	}
	if err := h.ready(v)(v.Context()); err != nil { // where a new sign-in is what it takes, that comes first
		return nil, err
	}
	if b.Started.IsZero() && into != nil {
		state, err := f.vaults.Check(v, f.secrets, into, f.faults)
		switch {
		case err != nil:
			return nil, err
		case state.Status != 0:
			return h.planAnswer(v, b, f, state), nil
		}
	}
	content := url.Values{"expiry": {f.choice}, "date": {f.date}}.Encode() + f.vaults.Content() // two windows on one plan may draw two forms
	rotating := rotating(v)
	b, err = h.Batches.Start(v.Context(), person, id, v.PostForm.Get("form"), content, web.OriginOf(v.Request), func(b *batch.Batch) {
		f.putInto(b, into)
		f.settle(b)
		leaveOutRotating(b, rotating)
	})
	h.Site.Limits.CountFull(err)
	if status, key := web.FormRefusal(err); status != 0 {
		return h.refusedStart(v, id, f, status, key, err)
	}
	if err != nil {
		return nil, batchError(err)
	}
	return h.runBatch(v, b.ID)
}

// faultyStart is the answer to a confirmation that can't be carried out as it is; nil where it can.
func (h *Handlers) faultyStart(v *web.Request, b *batch.Batch, f bulkForm) web.Answer {
	state := web.FormState{Status: http.StatusUnprocessableEntity}
	if f.fault(b.Action, b.Planned) != "" || len(f.faults) > 0 {
		return h.planAnswer(v, b, f, state)
	}
	trial := *b
	if f.settle(&trial); len(trial.Items) == 0 {
		state.Problem = web.Summary(v.Words, "bulk.nothingToDo", nil)
		return h.planAnswer(v, b, f, state)
	}
	if key := unlikeShown(b, f.bulkExpiry, v.PostForm); key != "" {
		state.Problem = web.Summary(v.Words, key, nil)
		return h.planAnswer(v, b, f, state)
	}
	return nil
}

// unlikeShown names what to say where a plan was confirmed with another expiry than the page had dates for: the
// person must have seen them. It is "" where they are the same.
func unlikeShown(b *batch.Batch, expiry bulkExpiry, form url.Values) string {
	shown := bulkExpiryOf(b.Action, form.Get("shown"), form.Get("shownDate"), expiry.zone)
	switch {
	case !form.Has("shown") || shown.choice == expiry.choice && shown.date == expiry.date:
		return ""
	case sameTokens(b, shown, expiry):
		return "bulk.otherDates"
	default:
		return "bulk.otherTokens"
	}
}

// sameTokens reports whether a plan changes the same tokens with one expiry as with another.
func sameTokens(b *batch.Batch, one, other bulkExpiry) bool {
	x, y := *b, *b
	one.settle(&x)
	other.settle(&y)
	return slices.EqualFunc(x.Items, y.Items, func(a, b batch.Item) bool { return a.Before.AuthorizationID == b.Before.AuthorizationID })
}

// refusedStart shows the page again after a form that can't be accepted.
func (h *Handlers) refusedStart(v *web.Request, id string, f bulkForm, status int, key string, cause error) (web.Answer, error) {
	v.NoteError(cause)
	b, err := h.Batches.Get(v.Context(), v.Person(), id)
	if err != nil {
		return nil, batchError(err)
	}
	state := web.FormState{Status: status, Problem: web.Summary(v.Words, key, nil)}
	if !b.Started.IsZero() {
		return h.batchAnswer(v, b, state)
	}
	return h.planAnswer(v, b, f, state), nil
}

func (h *Handlers) planAnswer(v *web.Request, b *batch.Batch, f bulkForm, state web.FormState) web.Answer {
	fault := f.fault(b.Action, b.Planned)
	if fault == "" {
		f.settle(b)
	}
	verb := web.BulkVerb(b.Action)
	words := map[string]any{"Count": len(b.Items)}
	text := v.Words.Message("bulk.plan."+verb, words)
	p := bulkPlanPage{
		Base: v.Base(text.Title, "tokens"), Problem: state.Problem, Verb: verb, Lead: text.What, Warning: text.Advice,
		Button: v.Words.Message("bulk.do."+verb, words).Title, Address: v.Link(web.BatchPath(b.ID)),
		Form: h.Batches.Form(b.Person, b.Action, b.ID), CancelURL: v.Link(backFrom(b.From)),
		Choice: f.choice, ChoiceDate: f.date, View: backFrom(b.From), Places: outcome.Organizations(b), LeftOut: leftOut(v, b),
	}
	for _, item := range b.Items {
		row := bulkPlanRow{
			Name: web.ShownName(v.Words, item.Before.DisplayName), URL: web.TokenURL(v, item.Organization, &item.Before), Organization: web.WorksIn(v.Words, &item.Before, item.Organization),
			Odd: web.OddText(v.Words, &item.Before), Over: web.GlobalOver(v, &item.Before),
			MadeBy: web.ToolName(v.Words, azuredevops.MadeBy(item.Before.DisplayName)), Scopes: web.ScopeTerms(v.Words, item.Before.Scopes),
			Expires: web.TokenEnds(v, &item.Before), New: v.When(item.ValidTo),
		}
		if row.MadeBy != "" {
			p.Tools++
			p.ToolTokens = append(p.ToolTokens, item.Organization+"/"+item.Before.AuthorizationID)
		}
		if item.Before.Global() {
			p.Globals++
		}
		p.Rows = append(p.Rows, row)
	}
	if b.Action == operation.Rotate && p.Tools > 0 {
		p.RevokeTools, p.RevokeForm = v.Link(web.BulkPath)+"?do=revoke", v.DrawForm(tokenlist.Purpose, "")
	}
	if p.Globals > 0 {
		p.GlobalNote = web.GlobalText(v, "bulk.global.", map[string]any{"Count": p.Globals}).What
	}
	for _, one := range b.LeftOut {
		p.Global = p.Global || one.Reason == leftGlobal
	}
	if b.Action != operation.Revoke {
		p.chooseExpiry(v, b, f.bulkExpiry, fault)
	}
	if b.Action == operation.Rotate {
		list, byField := f.faults.Texts(v.Words)
		p.Vault, p.Errors = f.vaults.Part(v, f.secrets, true, byField), append(p.Errors, list...)
	}
	if fault != "" && state.Status == 0 {
		state.Status = http.StatusUnprocessableEntity
	}
	p.Failed = p.Problem != nil || len(p.Errors) > 0
	return web.Page{Status: state.Status, Template: "bulk-plan", Data: p, Header: state.Header}
}

func (p *bulkPlanPage) chooseExpiry(v *web.Request, b *batch.Batch, expiry bulkExpiry, fault string) {
	planned := *v
	planned.Now = b.Planned.In(v.Now.Location()) // the ends are counted from there
	p.Expiry = tokenform.Form{Expiry: expiry.choice}.ExpiryOptions(&planned, "")
	if b.Action == operation.Rotate {
		text := v.Words.Message("bulk.sameLife", nil)
		p.Expiry = append([]web.Option{{Value: tokenform.KeepsLife, Text: text.Title, Hint: text.What, Selected: expiry.choice == tokenform.KeepsLife}}, p.Expiry...)
	}
	for _, choice := range p.Expiry {
		if choice.Selected {
			p.ChoiceText = choice.Text
		}
	}
	p.Date = expiry.date
	p.DateMin, p.DateMax = tokenform.DateRange(planned.Now)
	if fault != "" {
		p.ExpiryError = v.Words.Message(fault, nil).What
		p.Errors = []web.FieldError{{ID: "expiry", Text: p.ExpiryError}}
	}
}

func leftOut(v *web.Request, b *batch.Batch) []bulkLeftOut {
	var out []bulkLeftOut
	for _, one := range b.LeftOut {
		row := bulkLeftOut{
			Name: web.NameOf(&one.Token), Organization: web.WorksIn(v.Words, &one.Token, one.Organization), Expires: web.TokenEnds(v, &one.Token),
			Why: v.Words.Message("bulk.leftOut."+one.Reason, map[string]any{"Organization": one.Organization}).What,
		}
		if one.Reason != leftGone && one.Reason != leftUnread {
			row.URL = web.TokenURL(v, one.Organization, &one.Token)
		}
		switch {
		case row.Name == "" && one.Reason == leftUnnamed:
			row.Name = web.ShownName(v.Words, "")
		case row.Name == "":
			row.Name = v.Words.Message("bulk.unreadTokens", nil).Title
		}
		out = append(out, row)
	}
	return out
}
