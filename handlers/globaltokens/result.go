package globaltokens

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/patdesk/patdesk/handlers/web"
	"github.com/patdesk/patdesk/handlers/web/outcome"
	"github.com/patdesk/patdesk/handlers/web/tokenform"
	"github.com/patdesk/patdesk/handlers/web/tokenlist"
	"github.com/patdesk/patdesk/internal/azuredevops"
	"github.com/patdesk/patdesk/internal/operation"
	"github.com/patdesk/patdesk/internal/plaintext"
)

// replacedPage shows what replaced a global token: one secret for each organization, and what failed.
type replacedPage struct {
	web.Base
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
	SaveAll    string // where "I have saved all" is sent
	Return     string // and where it leads back to
	Warned     bool   // one was made otherwise than it was meant
	SecretFake bool

	ReloadAfter int // seconds, see Page
}

// replacedResult is one organization's.
type replacedResult struct {
	outcome.Page
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
	Fields []web.HiddenField
}

// Result shows the results again, by the operations that the address names.
func (h *Handlers) Result(v *web.Request) (web.Answer, error) {
	q := v.URL.Query()
	f := replaceForm{organization: v.Param("organization"), id: v.Param("id"), old: q.Get("old")}
	if _, err := v.OrganizationOf(f.organization); err != nil {
		return nil, err
	}
	results := h.earlier(v, q["operation"])
	if len(results) == 0 {
		return nil, operation.ErrNotFound
	}
	var old *operation.Operation
	if id := q.Get("revoked"); id != "" {
		op, err := h.Journal.Get(v.Context(), v.Person(), id)
		if err == nil && op.Action == operation.Revoke {
			old = op
		}
	}
	return h.replacedAnswer(v, f, results, old)
}

// SaveAll is "I have saved all". That is said of the secrets that the page showed.
func (h *Handlers) SaveAll(v *web.Request) (web.Answer, error) {
	if len(v.PostForm["operation"]) == 0 {
		return nil, &web.HTTPError{Status: http.StatusNotFound}
	}
	for _, id := range v.PostForm["operation"] {
		op, err := h.Journal.Get(v.Context(), v.Person(), id)
		if err == nil && op.Phase() == operation.PhaseSecretWaiting {
			_, err = h.Journal.Acknowledge(v.Context(), v.Person(), id)
		}
		if err != nil {
			return nil, err
		}
	}
	back := web.SafeReturn(v.PostForm.Get("return"))
	if !strings.HasPrefix(back, web.GlobalTokensPath+"/") {
		back = web.GlobalTokensPath
	}
	return v.To(back), nil
}

func (h *Handlers) replacedAnswer(v *web.Request, f replaceForm, results []replacement, old *operation.Operation) (web.Answer, error) {
	results = latest(results)
	name := f.Name
	for _, r := range results {
		if r.op != nil {
			name = web.OperationToken(v.Words, r.op)
		}
	}
	p := replacedPage{
		Base: v.Base(v.Words.Message("globalResult.title", map[string]any{"Token": plaintext.InSentence(name)}).Title, "overview"),
		Name: name, All: len(results), BackURL: v.Link(web.GlobalTokensPath), SecretFake: h.Site.Demo,
	}
	status, here := http.StatusOK, resultAddress(f, results, old)
	for i, r := range results {
		one, refusal, err := h.replacedResult(v, r)
		if err != nil {
			return nil, err
		}
		one.Number, one.Return = i+1, here
		if refusal != 0 {
			status = refusal
			if !errors.Is(r.err, operation.ErrChanged) { // that one was made before, with other content
				one.Retry = h.retryForm(v, f, r, results)
			}
		}
		p.count(one)
		p.Results = append(p.Results, one)
	}
	if p.Return = here; p.Unsaved > 1 {
		p.SaveAll = v.Link(web.GlobalPath(f.organization, f.id) + "/result/saved")
	}
	p.LeaveOut(func(n web.Notice) bool { // what they lead to stands here
		return slices.ContainsFunc(p.Results, func(one replacedResult) bool { return one.PageURL == n.URL && one.Secret != "" })
	})
	if p.Made > 0 || p.Loading { // some have worked: the page is theirs
		status = http.StatusOK
	}
	if old != nil {
		p.ReloadAfter = outcome.Sooner(p.ReloadAfter, outcome.ReloadAfter(v, old))
	}
	if p.Loading || p.Unsaved > 0 { // a secret is not to move while it is copied
		p.ReloadAfter = 0
	}
	h.describeGlobal(v, f, old, &p)
	return web.Page{Status: status, Template: "global-result", Data: p}, nil
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
	p.Warned = p.Warned || one.Warned
	if one.Secret != "" {
		p.Unsaved++
	}
	p.ReloadAfter = outcome.Sooner(p.ReloadAfter, one.ReloadAfter)
}

// replacedResult words one organization's outcome. refusal is the status that fits where nothing was made.
func (h *Handlers) replacedResult(v *web.Request, r replacement) (one replacedResult, refusal int, err error) {
	one = replacedResult{Place: r.organization}
	if r.err != nil {
		status, key := web.FormRefusal(r.err)
		if status != 0 {
			text := v.Words.Message(key, nil)
			one.State, one.Heading, one.Sentence, one.Advice = string(operation.Failed), text.Title, text.What, text.Advice
			return one, status, nil
		}
		v.NoteError(r.err)
		t := v.Describe(r.err)
		one.State, one.Heading, one.Sentence, one.Advice, one.Named = string(operation.Unknown), t.Text.Title, t.Text.What, t.Text.Advice, t.Named
		return one, t.Status, nil
	}
	p, status, err := h.Outcomes.Describe(v, r.op, web.Base{})
	switch {
	case web.StoreDown(err): // its secret waits; those of the others, which may stand in this answer only, must not be lost for it
		v.NoteError(err)
		text := v.Words.Message("store.unavailable", nil)
		p.State, p.Heading, p.Sentence, p.Advice = string(operation.Unknown), text.Title, text.What, text.Advice
	case err != nil:
		return one, 0, err
	}
	one.Page, one.OperationID, one.PageURL = p, r.op.ID, v.Link(web.OperationPath(r.op.ID))
	if r.op.State != operation.Failed {
		status = 0
	}
	return one, status, nil
}

// retryForm holds what was asked for, a form id of its own, and the other organizations' operations.
func (h *Handlers) retryForm(v *web.Request, f replaceForm, r replacement, all []replacement) *replacedRetry {
	form := replaceForm{Form: f.Form, old: f.old, vaults: f.vaults}
	var into *operation.Into
	if r.op != nil {
		into = r.op.Into
		form.Name, form.Scopes = r.op.Want.DisplayName, tokenform.Pick(r.op.Want.Scopes)
		form.Expiry, form.Date, form.Zone = "date", r.op.Want.ValidTo.In(v.Now.Location()).Format(web.DateLayout), v.Now.Location()
	}
	scopes, _ := form.Scopes.All() // checked when they were sent
	person := v.Person()
	fields := []web.HiddenField{
		{Name: "form", Value: h.Journal.Form(person, operation.Revoke, web.ChangeTarget(f.organization, f.id))}, {Name: "organization", Value: r.organization},
		{Name: formField(r.organization), Value: h.Journal.Form(person, operation.Create, "")},
		{Name: "name", Value: form.Name}, {Name: "expiry", Value: form.Expiry}, {Name: "date", Value: form.Date}, {Name: web.ZoneField, Value: form.Zone.String()}, {Name: "old", Value: form.old},
	}
	fields = append(fields, form.vaults.Fields(strings.ToLower(r.organization), into)...)
	if slices.Equal(scopes, []string{azuredevops.FullAccess}) {
		fields = append(fields, web.HiddenField{Name: "full", Value: "yes"})
	} else {
		fields = append(fields, web.HiddenField{Name: "other", Value: strings.Join(scopes, " ")})
	}
	for _, o := range all {
		if o.op != nil && !strings.EqualFold(o.organization, r.organization) {
			fields = append(fields, web.HiddenField{Name: "operation", Value: o.op.ID})
		}
	}
	return &replacedRetry{Action: v.Link(web.GlobalPath(f.organization, f.id)), Fields: fields}
}

// describeGlobal says how the global token stands: by its own operation, or by what was read.
func (h *Handlers) describeGlobal(v *web.Request, f replaceForm, old *operation.Operation, p *replacedPage) {
	p.OldURL = v.Link(web.TokenPath(f.organization, f.id, ""))
	p.OldState = "alive"
	switch {
	case old != nil && old.State == operation.Succeeded:
		p.OldState = "revoked"
	case old != nil && old.State == operation.Failed:
		p.OldState = "failed"
	case old != nil:
		p.OldState = "unknown"
	default:
		for _, t := range h.Inventory.Load(v.Context(), v.Owner(), time.After(tokenlist.Wait)).Tokens() {
			if t.AuthorizationID == f.id && t.Status != azuredevops.Active {
				p.OldState = "revoked"
			}
		}
	}
	key := "globalResult." + p.OldState
	if p.OldState == "alive" && azuredevops.GlobalTokensOver(v.Now) {
		key += "After"
	}
	p.OldWhat = v.Words.Message(key, nil).What
	if p.OldState != "revoked" {
		p.RevokeURL = v.Link(web.TokenPath(f.organization, f.id, "revoke"))
	}
}
