package web

import (
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/patdesk/patdesk/internal/failure"
	"github.com/patdesk/patdesk/internal/formid"
	"github.com/patdesk/patdesk/internal/operation"
	"github.com/patdesk/patdesk/internal/session"
	"github.com/patdesk/patdesk/templates"
)

// ChangeWait is how long a form waits for its change. After that the operation's page goes on waiting.
const ChangeWait = 90 * time.Second

// FormState is how a form is shown: as it was opened (the zero value), or again, with what was typed and why its change
// was not done.
type FormState struct {
	Status  int
	Problem *ProblemSummary
	Form    string // id for the next try
	Header  http.Header
}

// HiddenField is a field of a form that isn't shown.
type HiddenField struct{ Name, Value string }

// Option is one choice of a field.
type Option struct {
	Value, Text, Hint string
	Selected          bool
}

// FieldError says what is wrong with the field of that id.
type FieldError struct{ ID, Text string }

// Restore reads what was typed before the sign-in ran out. The kept form id is used again, so that a form that was
// carried out after all can't be carried out twice; ok is false if there is nothing to restore.
func (v *Request) Restore() (values url.Values, ok bool) {
	id := v.URL.Query().Get("draft")
	if id == "" {
		return nil, false
	}
	var d Draft
	if err := v.site.Sessions.Draft(v.Request, id, &d); err != nil || d.Path != v.URL.EscapedPath() {
		return nil, false
	}
	return d.Form, true
}

// Refusal puts a failed change above its form, with what was typed.
func (v *Request) Refusal(op *operation.Operation) (*ProblemSummary, UserError) {
	t := DescribeChange(v, op)
	return summaryOf(v, t), t
}

// FailureSummary words a failure that stands beside what was done, seen at that time.
func FailureSummary(v *Request, f *failure.Failure, seen time.Time) *ProblemSummary {
	return summaryOf(v, v.DescribeFailure(f, seen))
}

func summaryOf(v *Request, t UserError) *ProblemSummary {
	return &ProblemSummary{Heading: t.Text.Title, What: t.Text.What, Advice: t.Text.Advice, Details: v.Support(t)}
}

// FormRefusal words a form id that can't be accepted. status 0: it is no such error.
func FormRefusal(err error) (status int, key string) {
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
	case errors.Is(err, operation.ErrNotKept):
		return http.StatusServiceUnavailable, "store.notKept"
	case errors.As(err, &full):
		return http.StatusTooManyRequests, "store." + failure.FullPrefix + full.Kind
	default:
		return 0, ""
	}
}

// Summary is a message that stands above a form.
func Summary(w *templates.Words, key string, data map[string]any) *ProblemSummary {
	text := w.Message(key, data)
	return &ProblemSummary{Heading: text.Title, What: text.What, Advice: text.Advice}
}

// ChangeTarget is what a form for an existing token is bound to.
func ChangeTarget(organization, id string) string { return organization + "/" + id }

// DrawForm returns a new form id for what begins no operation.
func (v *Request) DrawForm(purpose, target string) string {
	return v.site.Forms.Draw(v.Person(), purpose, target)
}
