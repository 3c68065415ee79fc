package inventory

import (
	"time"

	"github.com/patdesk/patdesk/internal/azuredevops"
)

// Urgency is how near a token's end is.
type Urgency string

// From the last seven days of its life on a token's end is urgent, in the last 30 it is soon. That is for a token that
// lives long. One that was given 7 days would be red from its birth, so for a short life the last quarter is urgent, and
// the last half is soon.
const (
	Calm   Urgency = "" // its end is far off
	Soon   Urgency = "soon"
	Urgent Urgency = "urgent"
	Over   Urgency = "past"

	urgentDays, urgentPart = 7, 4
	soonDays, soonPart     = 30, 2
)

// Urgency says how near t's end is.
func (t Token) Urgency(now time.Time) Urgency {
	switch {
	case t.Ends().IsZero(): // not known
		return Calm
	case !t.Ends().After(now):
		return Over
	case t.endsWithin(now, urgentDays, urgentPart):
		return Urgent
	case t.endsWithin(now, soonDays, soonPart):
		return Soon
	default:
		return Calm
	}
}

// endsWithin reports whether t ends within so many days, or, if it lives for less than part times as long, within that
// part of its life. The life of a token whose beginning isn't known counts as long.
func (t Token) endsWithin(now time.Time, days, part int) bool {
	life := t.Ends().Sub(t.ValidFrom)
	if t.ValidFrom.IsZero() || life <= 0 || life >= time.Duration(part*days)*day {
		return Within(t.Ends(), now, days)
	}
	return t.Ends().Sub(now) <= life/time.Duration(part)
}

// Ending reports whether t is active and about to end, or ended a moment ago by a clock that isn't quite the service's.
func (t Token) Ending(now time.Time) bool {
	u := t.Urgency(now)
	return t.Status == azuredevops.Active && (u == Urgent || u == Over && DaysUntil(t.Ends(), now) > -2)
}

// DaysUntil counts calendar days from now to t in now's time zone, as the words beside a date do: what ends "in 7 days"
// ends within 7 days. What is past has less than none.
func DaysUntil(t, now time.Time) int {
	return int(date(t.In(now.Location())).Sub(date(now)) / day)
}

// Within reports whether t is at most so many calendar days from now, or past. Most moments are far off, which costs
// less to see than on which day they are.
func Within(t, now time.Time, days int) bool {
	return t.Sub(now) < time.Duration(days+2)*day && DaysUntil(t, now) <= days
}

// date is the day of the calendar, as a time that days can be counted from: they are of 24 hours in UTC only.
func date(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC)
}
