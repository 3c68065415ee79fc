package outcome

import (
	"time"

	"github.com/patdesk/patdesk/handlers/web"
	"github.com/patdesk/patdesk/internal/operation"
	"github.com/patdesk/patdesk/templates"
)

// ScheduleField is the field of forms with the time at which an old token is revoked by itself.
const ScheduleField = "old-at"

// scheduleLayout is how browsers send a time without a zone, which is the reader's.
const scheduleLayout = "2006-01-02T15:04"

// Schedule is the part of a form with that time. What can be chosen ends with the session, as its access tokens do.
type Schedule struct {
	At, Min, Max string
	Until        templates.When // the latest time that can be chosen
	Error        string
	Action       string // where the form leads, on a page of its own
	MayDrop      bool   // a time is chosen, which can be taken back
}

// latestSchedule leaves a minute for the revoke itself.
func latestSchedule(v *web.Request) time.Time { return v.Session.Expires().Add(-time.Minute) }

// NewSchedule is that part with what was typed, and with what is wrong with it.
func NewSchedule(v *web.Request, typed, fault string) *Schedule {
	latest := latestSchedule(v)
	s := &Schedule{
		At: typed, Min: v.Now.Add(time.Minute).Format(scheduleLayout), Max: latest.In(v.Now.Location()).Format(scheduleLayout), Until: v.When(latest),
	}
	if fault != "" {
		s.Error = v.Words.Message(fault, nil).What
	}
	return s
}

// ReadSchedule is the time that was typed; fault is the message that says what is wrong with it, "" if nothing is.
func ReadSchedule(v *web.Request, typed string) (at time.Time, fault string) {
	at, err := time.ParseInLocation(scheduleLayout, typed, v.Now.Location())
	switch {
	case err != nil:
		return time.Time{}, "form.scheduleInvalid"
	case at.Before(v.Now.Add(-time.Minute)):
		return time.Time{}, "form.schedulePast"
	case at.After(latestSchedule(v)):
		return time.Time{}, "form.scheduleLate"
	}
	return at.UTC(), ""
}

// Unscheduled is the page of an operation whose old token can't be revoked at the time that was typed.
func (o *Outcomes) Unscheduled(v *web.Request, op *operation.Operation, status int, typed, fault string) (web.Answer, error) {
	answer, err := o.Answer(v, op)
	shown, ok := answer.(web.Page)
	if !ok {
		return answer, err
	}
	if p, ok := shown.Data.(Page); ok && p.Old != nil && p.Old.Schedule != nil {
		old, action := *p.Old, p.Old.Schedule.Action
		old.Schedule = NewSchedule(v, typed, fault)
		old.Schedule.Action = action
		p.Old, p.Failed = &old, true
		shown.Data, shown.Status = p, status
	}
	return shown, nil
}

// describeSchedule says when the old token is to be revoked by itself, or that it wasn't, and lets that be chosen.
func (old *oldToken) describeSchedule(v *web.Request, op *operation.Operation, words map[string]any) {
	if op.Old != operation.OldAlive || op.EndsSooner() {
		return
	}
	at := ""
	switch {
	case op.Scheduled():
		at = op.RevokeAt.In(v.Now.Location()).Format(scheduleLayout)
		old.State, old.Sentence = "scheduled", v.Words.Message("operation.oldScheduled", words).What
	case op.Missed:
		old.Sentence = v.Words.Message("operation.oldMissed", words).What
	}
	old.Schedule = NewSchedule(v, at, "")
	old.Schedule.Action, old.Schedule.MayDrop = v.Link(web.OperationPath(op.ID)+"/schedule"), op.Scheduled()
}
