package handlers

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/patdesk/patdesk/internal/azuredevops"
	"github.com/patdesk/patdesk/internal/operation"
	"github.com/patdesk/patdesk/templates"
)

// bulkPlanPage lists exactly what will happen to each token, before it does.
type bulkPlanPage struct {
	base
	Problem               *problemSummary
	Errors                []fieldError
	Verb                  string // "revoke", "rotate", "extend"
	Lead, Warning, Button string
	Address               string // of this page, for another expiry
	Form                  string
	CancelURL             string
	Rows                  []bulkPlanRow
	Places                int // organizations
	Tools                 int // tokens that tools made for themselves
	LeftOut               []bulkLeftOut
	Expiry                []option
	Date                  string
	DateMin, DateMax      string
	ExpiryError           string
	Choice, ChoiceDate    string // what the list was made for
	Global                bool   // some are left out because they are global
}

type bulkPlanRow struct {
	Name, URL, Organization, MadeBy string
	Scopes                          []string
	Expires, New                    when
}

// bulkLeftOut is a chosen token that nothing is done to.
type bulkLeftOut struct {
	Name, URL, Organization string
	Expires                 when
	Why                     string
}

// showBatch is the page of a batch: what will happen, what happens, or what has happened.
func (h *Handlers) showBatch(v *visit) (answer, error) {
	b, err := h.Journal.Batch(v.Context(), v.session.Person().Key(), v.param("batch"))
	if err != nil {
		return nil, batchError(err)
	}
	if !b.Started.IsZero() {
		return h.batchAnswer(v, b, formState{})
	}
	q := v.URL.Query()
	expiry := bulkExpiryOf(b.Action, q.Get("expiry"), strings.TrimSpace(q.Get("date")))
	if kept, ok := h.restore(v); ok {
		expiry = bulkExpiryOf(b.Action, kept.Get("expiry"), kept.Get("date"))
	}
	return h.planAnswer(v, b, expiry, formState{}), nil
}

// batchError tells a batch that isn't there from an operation.
func batchError(err error) error {
	if err == operation.ErrNotFound { //nolint:errorlint // the journal's own, as it is
		return &httpError{status: http.StatusNotFound, key: "bulk.notFound"}
	}
	return err
}

// startBatch confirms a plan and sets it going.
func (h *Handlers) startBatch(v *visit) (answer, error) {
	person, id := v.session.Person().Key(), v.param("batch")
	b, err := h.Journal.Batch(v.Context(), person, id)
	if err != nil {
		return nil, batchError(err)
	}
	expiry := bulkExpiryOf(b.Action, v.PostForm.Get("expiry"), v.PostForm.Get("date"))
	if b.Started.IsZero() {
		if expiry.fault(b.Action, b.Planned) != "" {
			return h.planAnswer(v, b, expiry, formState{status: http.StatusUnprocessableEntity}), nil
		}
		trial := *b
		if expiry.settle(&trial); len(trial.Items) == 0 {
			b, err = h.Journal.Batch(v.Context(), person, id) // settling has taken it apart
			return h.planAnswer(v, b, expiry, formState{status: http.StatusUnprocessableEntity, problem: summary("bulk.nothingToDo", nil)}), err
		}
	}
	if err := h.ready(v)(v.Context()); err != nil { // where a new sign-in is what it takes, that comes first
		return nil, err
	}
	content := url.Values{"expiry": {expiry.choice}, "date": {expiry.date}}.Encode() // two windows on one plan may draw two forms
	rotating := h.rotating(v)
	b, err = h.Journal.StartBatch(v.Context(), person, id, v.PostForm.Get("form"), content, func(b *operation.Batch) {
		expiry.settle(b)
		leaveOutRotating(b, rotating)
	})
	h.countFull(err)
	if status, key := formRefusal(err); status != 0 {
		return h.refusedStart(v, id, expiry, status, key, err)
	}
	if err != nil {
		return nil, batchError(err)
	}
	return h.runBatch(v, b.ID)
}

// refusedStart shows the page again after a form that can't be accepted.
func (h *Handlers) refusedStart(v *visit, id string, expiry bulkExpiry, status int, key string, cause error) (answer, error) {
	fieldsOf(v.Context()).Err = cause
	b, err := h.Journal.Batch(v.Context(), v.session.Person().Key(), id)
	if err != nil {
		return nil, batchError(err)
	}
	no := formState{status: status, problem: summary(key, nil)}
	if !b.Started.IsZero() {
		return h.batchAnswer(v, b, no)
	}
	return h.planAnswer(v, b, expiry, no), nil
}

func (h *Handlers) planAnswer(v *visit, b *operation.Batch, expiry bulkExpiry, no formState) answer {
	fault := expiry.fault(b.Action, b.Planned)
	if fault == "" {
		expiry.settle(b)
	}
	verb := bulkVerb(b.Action)
	words := map[string]any{"Count": len(b.Items)}
	text := templates.Message("bulk.plan."+verb, words)
	p := bulkPlanPage{
		base: h.base(v, text.Title, "tokens"), Problem: no.problem, Verb: verb, Lead: text.What, Warning: text.Advice,
		Button: templates.Message("bulk.do."+verb, words).Title, Address: v.link(batchPath(b.ID)),
		Form: h.Journal.Form(b.Person, operation.BatchAction(b.Action), b.ID), CancelURL: v.link(backFrom(b.From)),
		Choice: expiry.choice, ChoiceDate: expiry.date, Places: placesOf(b),
	}
	for _, item := range b.Items {
		row := bulkPlanRow{
			Name: shownName(item.Before.DisplayName), URL: tokenURL(v, item.Organization, &item.Before), Organization: worksIn(&item.Before, item.Organization),
			MadeBy: azuredevops.MadeBy(item.Before.DisplayName), Scopes: scopeList(item.Before.Scopes),
			Expires: v.when(item.Before.ValidTo), New: v.when(item.ValidTo),
		}
		if row.MadeBy != "" {
			p.Tools++
		}
		p.Rows = append(p.Rows, row)
	}
	p.LeftOut = leftOut(v, b)
	for _, one := range b.LeftOut {
		p.Global = p.Global || one.Reason == leftGlobal
	}
	if b.Action != operation.Revoke {
		p.chooseExpiry(v, b, expiry, fault)
	}
	if fault != "" && no.status == 0 {
		no.status = http.StatusUnprocessableEntity
	}
	return page{status: no.status, template: "bulk-plan", data: p, header: no.header}
}

func (p *bulkPlanPage) chooseExpiry(v *visit, b *operation.Batch, expiry bulkExpiry, fault string) {
	planned := *v
	planned.now = b.Planned // the ends are counted from there
	p.Expiry = tokenForm{expiry: expiry.choice, date: expiry.date}.expiryOptions(&planned, "")
	if b.Action == operation.Rotate {
		text := templates.Message("bulk.sameLife", nil)
		p.Expiry = append([]option{{Value: keepsLife, Text: text.Title, Hint: text.What, Selected: expiry.choice == keepsLife}}, p.Expiry...)
	}
	p.Date = expiry.date
	p.DateMin, p.DateMax = b.Planned.UTC().Format(dateLayout), b.Planned.Add(maxTokenLife).UTC().Format(dateLayout)
	if fault != "" {
		p.ExpiryError = templates.Message(fault, nil).What
		p.Errors = []fieldError{{"expiry", p.ExpiryError}}
	}
}

func placesOf(b *operation.Batch) int {
	names := map[string]bool{}
	for _, item := range b.Items {
		names[strings.ToLower(item.Organization)] = true
	}
	return len(names)
}

// worksIn names the organizations where a token of a batch works; it was read, and is changed, through one of them.
func worksIn(t *azuredevops.Token, organization string) string {
	if t.Global() {
		return templates.Message("organization.all", nil).Title
	}
	return organization
}

func leftOut(v *visit, b *operation.Batch) []bulkLeftOut {
	var out []bulkLeftOut
	for _, one := range b.LeftOut {
		row := bulkLeftOut{
			Name: nameOf(&one.Token), Organization: worksIn(&one.Token, one.Organization), Expires: v.when(one.Token.ValidTo),
			Why: templates.Message("bulk.leftOut."+one.Reason, map[string]any{"Organization": one.Organization}).What,
		}
		if one.Reason != leftGone && one.Reason != leftUnread {
			row.URL = tokenURL(v, one.Organization, &one.Token)
		}
		if row.Name == "" {
			row.Name = templates.Message("bulk.unreadTokens", nil).Title
		}
		out = append(out, row)
	}
	return out
}
