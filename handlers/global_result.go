package handlers

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/patdesk/patdesk/internal/azuredevops"
	"github.com/patdesk/patdesk/internal/inventory"
	"github.com/patdesk/patdesk/internal/operation"
	"github.com/patdesk/patdesk/internal/plaintext"
	"github.com/patdesk/patdesk/templates"
)

// replacedPage shows what replaced a global token: one secret for each organization, and what failed.
type replacedPage struct {
	base
	Name       string
	Loading    bool // something is still being worked on
	Made, All  int
	Results    []replacedResult
	OldState   string // "alive", "revoked", "failed", "unknown"
	OldWhat    string
	RevokeURL  string // "" where there is nothing to revoke
	OldURL     string
	BackURL    string
	Unsaved    int
	SecretFake bool

	ReloadAfter int // seconds, see operationPage
}

// replacedResult is one organization's.
type replacedResult struct {
	operationPage
	Number      int
	Place       string
	OperationID string
	PageURL     string // of the operation alone
	Return      string // where "I have saved it" leads back to
	Retry       *replacedRetry
}

// replacedRetry is a form that tries one organization again, without the others.
type replacedRetry struct {
	Action string
	Fields []hiddenField
}

// showReplaced shows the results again, by the operations that the address names.
func (h *Handlers) showReplaced(v *visit) (answer, error) {
	q := v.URL.Query()
	f := replaceForm{organization: v.param("organization"), id: v.param("id"), old: q.Get("old")}
	if _, err := h.organizationOf(f.organization); err != nil {
		return nil, err
	}
	results := h.earlier(v, q["operation"])
	if len(results) == 0 {
		return nil, operation.ErrNotFound
	}
	var old *operation.Operation
	if id := q.Get("revoked"); id != "" {
		op, err := h.Journal.Get(v.Context(), v.session.Person().Key(), id)
		if err == nil && op.Action == operation.Revoke {
			old = op
		}
	}
	return h.replacedAnswer(v, f, results, old)
}

func (h *Handlers) replacedAnswer(v *visit, f replaceForm, results []replacement, old *operation.Operation) (answer, error) {
	results = latest(results)
	name := f.name
	for _, r := range results {
		if r.op != nil {
			name = operationToken(r.op)
		}
	}
	p := replacedPage{
		base: h.base(v, templates.Message("globalResult.title", map[string]any{"Token": plaintext.InSentence(name)}).Title, "overview"),
		Name: name, All: len(results), BackURL: v.link(GlobalTokensPath), SecretFake: h.Demo,
	}
	status, here := http.StatusOK, resultAddress(f, results, old)
	for i, r := range results {
		one, trouble, err := h.replacedResult(v, r)
		if err != nil {
			return nil, err
		}
		one.Number, one.Return = i+1, here
		if trouble != 0 {
			status = trouble
			if !errors.Is(r.err, operation.ErrChanged) { // that one was made before, with other content
				one.Retry = h.retryForm(v, f, r, results)
			}
		}
		p.count(one)
		p.Results = append(p.Results, one)
	}
	p.Notices = slices.DeleteFunc(p.Notices, func(n notice) bool { // what they lead to stands here
		return slices.ContainsFunc(p.Results, func(one replacedResult) bool { return one.PageURL == n.URL && one.Secret != "" })
	})
	if p.Made > 0 || p.Loading { // some have worked: the page is theirs
		status = http.StatusOK
	}
	if old != nil {
		p.ReloadAfter = sooner(p.ReloadAfter, reloadAfter(v, old))
	}
	if p.Loading || p.Unsaved > 0 { // a secret is not to move while it is copied
		p.ReloadAfter = 0
	}
	h.tellOld(v, f, old, &p)
	return page{status: status, template: "global-result", data: p}, nil
}

// latest keeps one result for each organization: that of the last try.
func latest(results []replacement) []replacement {
	var out []replacement
	for _, r := range results {
		same := func(o replacement) bool { return strings.EqualFold(o.organization, r.organization) }
		if at := slices.IndexFunc(out, same); at >= 0 {
			out[at] = r
			continue
		}
		out = append(out, r)
	}
	return out
}

func (p *replacedPage) count(one replacedResult) {
	switch {
	case one.InProgress:
		p.Loading = true
	case one.State == string(operation.Succeeded):
		p.Made++
	}
	if one.Secret != "" {
		p.Unsaved++
	}
	p.ReloadAfter = sooner(p.ReloadAfter, one.ReloadAfter)
}

// replacedResult words one organization's outcome. trouble is the status that fits where nothing was made.
func (h *Handlers) replacedResult(v *visit, r replacement) (one replacedResult, trouble int, err error) {
	one = replacedResult{Place: r.organization}
	if r.err != nil {
		status, key := formRefusal(r.err)
		if status != 0 {
			text := templates.Message(key, nil)
			one.State, one.Heading, one.Sentence, one.Advice = string(operation.Failed), text.Title, text.What, text.Advice
			return one, status, nil
		}
		fieldsOf(v.Context()).Err = r.err
		t := h.trouble(v, r.err)
		one.State, one.Heading, one.Sentence, one.Advice = string(operation.Unknown), t.text.Title, t.text.What, t.text.Advice
		return one, t.status, nil
	}
	p, status, err := h.describeOperation(v, r.op, base{})
	switch {
	case storeDown(err): // its secret waits; those of the others, which may stand in this answer only, must not be lost for it
		fieldsOf(v.Context()).Err = err
		text := templates.Message("store.unavailable", nil)
		p.State, p.Heading, p.Sentence, p.Advice = string(operation.Unknown), text.Title, text.What, text.Advice
	case err != nil:
		return one, 0, err
	}
	one.operationPage, one.OperationID, one.PageURL = p, r.op.ID, v.link(operationPath(r.op.ID))
	if r.op.State != operation.Failed {
		status = 0
	}
	return one, status, nil
}

// retryForm holds what was asked for, a form id of its own, and the other organizations' operations.
func (h *Handlers) retryForm(v *visit, f replaceForm, r replacement, all []replacement) *replacedRetry {
	form := replaceForm{tokenForm: f.tokenForm, old: f.old}
	if r.op != nil {
		form.name, form.scopes = r.op.Want.DisplayName, pick(r.op.Want.Scopes)
		form.expiry, form.date = "date", r.op.Want.ValidTo.UTC().Format(dateLayout)
	}
	scopes, _ := form.scopes.all() // checked when they were sent
	person := v.session.Person().Key()
	fields := []hiddenField{
		{"form", h.Journal.Form(person, operation.Revoke, changeTarget(f.organization, f.id))}, {"organization", r.organization},
		{formField(r.organization), h.Journal.Form(person, operation.Create, "")},
		{"name", form.name}, {"expiry", form.expiry}, {"date", form.date}, {"old", form.old},
	}
	if slices.Equal(scopes, []string{azuredevops.FullAccess}) {
		fields = append(fields, hiddenField{"full", "yes"})
	} else {
		fields = append(fields, hiddenField{"other", strings.Join(scopes, " ")})
	}
	for _, o := range all {
		if o.op != nil && !strings.EqualFold(o.organization, r.organization) {
			fields = append(fields, hiddenField{"operation", o.op.ID})
		}
	}
	return &replacedRetry{Action: v.link(globalPath(f.organization, f.id)), Fields: fields}
}

// tellOld says how the global token stands: by its own operation, or by what was read.
func (h *Handlers) tellOld(v *visit, f replaceForm, old *operation.Operation, p *replacedPage) {
	p.OldURL = v.link(tokenPath(f.organization, f.id, ""))
	p.OldState = "alive"
	switch {
	case old != nil && old.State == operation.Succeeded:
		p.OldState = "revoked"
	case old != nil && old.State == operation.Failed:
		p.OldState = "failed"
	case old != nil:
		p.OldState = "unknown"
	default:
		enough := time.NewTimer(overviewWait)
		defer enough.Stop()
		for _, t := range h.Inventory.Load(v.Context(), h.owner(v), enough.C).Tokens {
			if t.AuthorizationID == f.id && t.Status != azuredevops.Active {
				p.OldState = "revoked"
			}
		}
	}
	key := "globalResult." + p.OldState
	if p.OldState == "alive" && !v.now.Before(inventory.GlobalTokensEnd) {
		key += "After"
	}
	p.OldWhat = templates.Message(key, nil).What
	if p.OldState != "revoked" {
		p.RevokeURL = v.link(tokenPath(f.organization, f.id, "revoke"))
	}
}

// stepPage is where a step of an operation leads: its own page, or that of the results it was taken on.
func stepPage(posted url.Values, id string) string {
	if back := posted.Get("return"); back != "" {
		if back = safeReturn(back); strings.HasPrefix(back, GlobalTokensPath+"/") || strings.HasPrefix(back, BulkPath+"/") {
			return back
		}
	}
	return operationPath(id)
}
