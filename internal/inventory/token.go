package inventory

import (
	"slices"
	"strings"
	"time"

	"github.com/patdesk/patdesk/internal/azuredevops"
)

const day = 24 * time.Hour

// longLife is from where on a token counts as long-lived.
const longLife = 180 * day

// Token is a token with what only the lists know of it: the filter that returned it, and where it was found.
type Token struct {
	azuredevops.Token
	Status       azuredevops.Status
	Organization string // through which it is reached; a global token is found in all of them
	Twin         bool   // another active token of this organization has the same name
	Unstored     bool   // no vault is known to hold its secret; said where that is asked
}

// Missing is a status whose tokens could not be read, or not all of them.
type Missing struct {
	Status azuredevops.Status
	Err    error
}

// Statuses returns all statuses; of two that a token is listed under, the later one holds.
func Statuses() []azuredevops.Status {
	return []azuredevops.Status{azuredevops.Active, azuredevops.Expired, azuredevops.Revoked}
}

// OrganizationKey is the organization that a token belongs to, "" for a global one.
func (t Token) OrganizationKey() string {
	if t.Global() {
		return ""
	}
	return t.Organization
}

// FullAccess reports whether t may do whatever its owner may.
func (t Token) FullAccess() bool { return slices.Contains(t.Scopes, azuredevops.FullAccess) }

// HighPrivilege reports whether one of t's scopes is powerful.
func (t Token) HighPrivilege() bool {
	return slices.ContainsFunc(t.Scopes, func(id string) bool { return azuredevops.LookupScope(id).High })
}

// LongLived reports whether t was given a long life.
func (t Token) LongLived() bool {
	return !t.ValidFrom.IsZero() && t.ValidTo.Sub(t.ValidFrom) > longLife
}

// NotUnderstood reports whether something of t's record isn't understood.
func (t Token) NotUnderstood() bool { return len(t.Odd) > 0 }

// LivingGlobal reports whether t works in all organizations, now.
func (t Token) LivingGlobal() bool { return t.Global() && t.Status == azuredevops.Active }

// GlobalOver reports whether t has ended with all global tokens, although the service may still list it as active.
func (t Token) GlobalOver(now time.Time) bool {
	return t.LivingGlobal() && azuredevops.GlobalTokensOver(now)
}

// statusRank orders what several organizations say of one global token: the later status is the stronger.
func statusRank(s azuredevops.Status) int { return slices.Index(Statuses(), s) }

// once keeps each token once. Those can be there twice for which which is true: any of one answer, as tokens move from
// page to page meanwhile; of several organizations the global ones, which each of them lists, under the same id.
func once(tokens []Token, which func(*Token) bool) []Token {
	seen, out := make(map[string]int, len(tokens)), make([]Token, 0, len(tokens))
	for i := range tokens {
		t := &tokens[i]
		if !t.Addressable() || !which(t) {
			out = append(out, *t)
			continue
		}
		at, twice := seen[t.AuthorizationID]
		if !twice {
			seen[t.AuthorizationID] = len(out)
			out = append(out, *t)
			continue
		}
		if statusRank(t.Status) > statusRank(out[at].Status) {
			out[at].Status = t.Status
		}
	}
	return out
}

func anyToken(*Token) bool { return true }

// markTwins marks active tokens, of those for which which is true, that share their name with another one of the same
// organization.
func markTwins(tokens []Token, which func(*Token) bool) {
	type named struct{ organization, name string }
	first := make(map[named]*Token, len(tokens))
	for i := range tokens {
		t := &tokens[i]
		if !which(t) {
			continue
		}
		t.Twin = false
		if t.Status != azuredevops.Active {
			continue
		}
		name := named{t.OrganizationKey(), strings.TrimSpace(t.DisplayName)}
		if other, ok := first[name]; ok {
			other.Twin, t.Twin = true, true
			continue
		}
		first[name] = t
	}
}

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
