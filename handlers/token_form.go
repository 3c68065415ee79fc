package handlers

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/patdesk/patdesk/internal/azuredevops"
	"github.com/patdesk/patdesk/internal/failure"
	"github.com/patdesk/patdesk/internal/formid"
	"github.com/patdesk/patdesk/internal/operation"
	"github.com/patdesk/patdesk/internal/session"
	"github.com/patdesk/patdesk/templates"
)

const (
	maxNameLength = 1024 // characters; the service's own limit is not documented, it answers invalidDisplayName
	maxTokenLife  = 365 * 24 * time.Hour
	dateLayout    = "2006-01-02" // of <input type=date>
)

// tokenFormPage is the form for a new token and for changing one.
type tokenFormPage struct {
	base
	FormAction          string
	Form                string
	Errors              []fieldError
	Problem             *problemSummary
	Name                string
	NameError           string
	OrganizationChoices []option
	CanTypeOrganization bool
	OrganizationTyped   string
	OrganizationError   string
	Expiry              []option
	Date                string
	DateMin, DateMax    string
	ExpiryError         string
	Groups              []scopeGroup
	OtherScopes         string
	ScopesError         string
	Full                bool
	Presets             []preset
	ScopesURL           string
	CancelURL           string
	TokenName           string  // of the token being changed
	Current             []field // what it is now
}

type option struct {
	Value, Text, Hint string
	Selected          bool
}

type fieldError struct{ ID, Text string }

// tokenForm is what was typed. It is kept as typed until the service has taken it.
type tokenForm struct {
	name, organization string
	expiry, date       string
	scopes             chosenScopes
	form               string // the operation's form id
}

func readTokenForm(values url.Values) tokenForm {
	return tokenForm{
		name: strings.TrimSpace(values.Get("name")), organization: strings.TrimSpace(values.Get("organization")),
		expiry: values.Get("expiry"), date: strings.TrimSpace(values.Get("date")),
		scopes: readScopes(values), form: values.Get("form"),
	}
}

// formFaults are catalogue keys by field id.
type formFaults map[string]string

// The order in which faults are listed, which is the order of the fields on the page.
var faultOrder = []string{"name", "organization", "expiry", "scopes"}

func (f formFaults) texts() (list []fieldError, byField map[string]string) {
	byField = map[string]string{}
	for _, id := range faultOrder {
		if key, ok := f[id]; ok {
			text := templates.Message(key, map[string]any{"Max": maxNameLength}).What
			list = append(list, fieldError{id, text})
			byField[id] = text
		}
	}
	return list, byField
}

// nameFault says what is wrong with a name, as far as we can tell before the service does.
func nameFault(name string) string {
	switch {
	case name == "":
		return "form.nameRequired"
	case utf8.RuneCountInString(name) > maxNameLength:
		return "form.nameTooLong"
	case !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl):
		return "form.nameInvalid"
	default:
		return ""
	}
}

var lifeChoices = []struct {
	value string
	life  time.Duration
}{{"7", 7 * day}, {"30", 30 * day}, {"60", 60 * day}, {"90", 90 * day}, {"365", maxTokenLife}}

// validTo is the end that was chosen: a number of days from now, or the end of a day (UTC).
func (f tokenForm) validTo(now time.Time) (time.Time, string) {
	for _, c := range lifeChoices {
		if f.expiry == c.value {
			return now.Add(c.life).UTC().Truncate(time.Second), ""
		}
	}
	if f.expiry != "date" {
		return time.Time{}, "form.expiryRequired"
	}
	date, err := time.Parse(dateLayout, f.date)
	switch {
	case err != nil:
		return time.Time{}, "form.dateInvalid"
	case date.Before(now.UTC().Truncate(day)):
		return time.Time{}, "form.datePast"
	case date.After(now.Add(maxTokenLife)):
		return time.Time{}, "form.dateTooFar"
	}
	end := date.Add(day - time.Second)
	if latest := now.Add(maxTokenLife).UTC().Truncate(time.Second); end.After(latest) {
		end = latest
	}
	return end, ""
}

func (f tokenForm) expiryOptions(v *visit, keep string) []option {
	var out []option
	if keep != "" {
		out = append(out, option{Value: "keep", Text: templates.Message("expiry.keep", map[string]any{"Date": keep}).Title})
	}
	for _, c := range lifeChoices {
		text := templates.Message("expiry."+c.value, map[string]any{"Date": v.when(v.now.Add(c.life)).Date})
		out = append(out, option{Value: c.value, Text: text.Title, Hint: text.What})
	}
	own := templates.Message("expiry.date", nil)
	out = append(out, option{Value: "date", Text: own.Title, Hint: own.What})
	for i := range out {
		out[i].Selected = out[i].Value == f.expiry
	}
	return out
}

// fill puts what was typed, and what is wrong with it, into the page.
func (f tokenForm) fill(v *visit, p *tokenFormPage, faults formFaults, keep string) {
	list, byField := faults.texts()
	p.Errors, p.NameError, p.OrganizationError = list, byField["name"], byField["organization"]
	p.ExpiryError, p.ScopesError = byField["expiry"], byField["scopes"]
	p.Name, p.Date, p.Form = f.name, f.date, f.form
	p.DateMin, p.DateMax = v.now.UTC().Format(dateLayout), v.now.Add(maxTokenLife).UTC().Format(dateLayout)
	p.Expiry = f.expiryOptions(v, keep)
	p.Groups, p.OtherScopes, p.Full = f.scopes.groups(), f.scopes.other, f.scopes.full
	p.ScopesURL = v.link(ScopesPath)
}

// scopesFault checks the chosen scopes and returns them.
func (f tokenForm) wantedScopes(faults formFaults) []string {
	scopes, fault := f.scopes.all()
	if fault != "" {
		faults["scopes"] = fault
	}
	return scopes
}

// restore reads what was typed before the sign-in ran out. The kept form id is used again, so that a form that was
// carried out after all can't be carried out twice; ok is false if there is nothing to restore.
func (h *Handlers) restore(v *visit) (values url.Values, ok bool) {
	id := v.URL.Query().Get("draft")
	if id == "" {
		return nil, false
	}
	var d draft
	if err := h.Sessions.Draft(v.Request, id, &d); err != nil || d.Path != v.URL.EscapedPath() {
		return nil, false
	}
	return d.Form, true
}

// restoredForm decides what becomes of a kept form id: used again while it is unused, replaced when its operation
// has definitely failed, and left for its operation's page when that was carried out. Somebody else's input, left
// in the same browser, is not shown: a form id tells its person.
func (h *Handlers) restoredForm(v *visit, form string, a operation.Action, target string) (next string, done *operation.Operation, mine bool) {
	person := v.session.Person().Key()
	if err := h.Journal.Check(form, person, a, target); err != nil {
		return h.Journal.Form(person, a, target), nil, false
	}
	op, err := h.Journal.Find(v.Context(), person, form)
	switch {
	case err != nil: // never sent
		return form, nil, true
	case op.State == operation.Failed:
		return h.Journal.Form(person, a, target), nil, true
	default:
		return "", op, true
	}
}

// refusal puts a failed change above its form, with what was typed.
func (h *Handlers) refusal(v *visit, f *failure.Failure, seen time.Time) (*problemSummary, trouble) {
	t := h.wordFailure(v, f, seen)
	return &problemSummary{Heading: t.text.Title, What: t.text.What, Advice: t.text.Advice, Details: h.support(v, t)}, t
}

// formRefusal words a form id that can't be accepted. status 0: it is no such error.
func formRefusal(err error) (status int, key string) {
	var full *session.FullError
	switch {
	case err == nil:
		return 0, ""
	case errors.Is(err, formid.ErrForged):
		return http.StatusForbidden, "form.formForged"
	case errors.Is(err, formid.ErrStale):
		return http.StatusGone, "form.formStale"
	case errors.Is(err, operation.ErrChanged):
		return http.StatusUnprocessableEntity, "form.formChanged"
	case errors.Is(err, operation.ErrNotKept), errors.Is(err, operation.ErrStopping):
		return http.StatusServiceUnavailable, "store.notKept"
	case errors.As(err, &full):
		return http.StatusTooManyRequests, "store." + failure.FullPrefix + full.Kind
	default:
		return 0, ""
	}
}

func summary(key string, data map[string]any) *problemSummary {
	text := templates.Message(key, data)
	return &problemSummary{Heading: text.Title, What: text.What, Advice: text.Advice}
}

// lifeWords words a length of life in days.
func lifeWords(life time.Duration) string {
	days := int((life + day/2) / day)
	if days < 1 {
		return templates.Message("life.hours", map[string]any{"Count": max(1, int(life/time.Hour))}).Title
	}
	return templates.Message("life.days", map[string]any{"Count": days}).Title
}

func scopeList(ids []string) []string {
	var out []string
	for _, id := range ids {
		out = append(out, scopeName(azuredevops.LookupScope(id)))
	}
	return out
}

func sameScopes(a, b []string) bool {
	x, y := slices.Clone(a), slices.Clone(b)
	slices.Sort(x)
	slices.Sort(y)
	return slices.Equal(slices.Compact(x), slices.Compact(y))
}
