package web

import (
	"net/http"
	"regexp"
	"sync"
	"time"
	_ "time/tzdata" // the container has no files of time zones

	"github.com/patdesk/patdesk/internal/session"
)

// ZoneField is the field of a form that says in which time zone its dates are.
const ZoneField = "zone"

// zoneName is what names of places where people live look like (https://data.iana.org/time-zones/theory.html#naming).
// Others, such as "Local" and "posix/Asia/Seoul", depend on the machine.
var zoneName = regexp.MustCompile(`^(UTC|[A-Z][A-Za-z_]{1,14}(/[A-Z][A-Za-z0-9_+-]{1,30}){1,2})$`)

// zones are those that were asked for: there are some 600.
var zones sync.Map // string -> *time.Location

// ZoneNamed is the time zone of that name, UTC if there is none.
func ZoneNamed(name string) *time.Location {
	if zone, ok := zones.Load(name); ok {
		return zone.(*time.Location) //nolint:forcetypeassert,errcheck // nothing else is stored
	}
	if !zoneName.MatchString(name) {
		return time.UTC
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		return time.UTC
	}
	zones.Store(name, zone)
	return zone
}

// nowFor is the time on the reader's own clock.
func (o Options) nowFor(r *http.Request) time.Time { return o.Now().In(ZoneNamed(session.TimeZone(r))) }

// zoneShown is the name of a time zone where it isn't UTC.
func zoneShown(zone *time.Location) string {
	if zone.String() == time.UTC.String() {
		return ""
	}
	return zone.String()
}

// Midnight is the beginning of t's day, in t's zone.
func Midnight(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, t.Location())
}

// DayIn is the beginning of the same day of the calendar in another zone.
func DayIn(date time.Time, zone *time.Location) time.Time {
	return time.Date(date.Year(), date.Month(), date.Day(), 0, 0, 0, 0, zone)
}
