package templates

import (
	"fmt"
	"time"
)

// When is a moment in words. All dates are in UTC, as Azure DevOps counts them.
type When struct {
	ISO      string // "2026-12-01T00:00:00Z", for machines; "" says that there is no such moment
	Date     string // "1 Dec 2026"
	Relative string // "in 9 days", "3 days ago", "in 2 hours", "just now"
	Clock    string // "09:39:05 UTC", for what is near
}

const day = 24 * time.Hour

// clockSlack is how far in the future a moment may lie and still be "just now": what is written down while a page
// is being made is a little later than the page.
const clockSlack = 2 * time.Second

// At words t as seen at now. The zero time gives the zero When.
func At(t, now time.Time) When {
	if t.IsZero() {
		return When{}
	}
	t, now = t.UTC(), now.UTC()
	return When{ISO: t.Format(time.RFC3339), Date: t.Format("2 Jan 2006"), Relative: relative(t, now), Clock: t.Format("15:04:05 UTC")}
}

func relative(t, now time.Time) string {
	distance := t.Sub(now).Abs()
	switch {
	case distance < time.Minute && t.After(now.Add(clockSlack)):
		return "in less than a minute"
	case distance < time.Minute:
		return "just now"
	default:
		return direction(span(t, now, distance), t.After(now))
	}
}

// span counts whole minutes and hours that have to pass or have passed. From one day on it counts calendar days,
// so that it agrees with the date it stands beside, whatever the hour.
func span(t, now time.Time, distance time.Duration) string {
	switch {
	case distance < time.Hour:
		return count(int(distance/time.Minute), "minute")
	case distance < day:
		return count(int(distance/time.Hour), "hour")
	case distance < 730*day:
		days := midnight(t).Sub(midnight(now)).Abs() / day
		return count(int(days), "day")
	default:
		return count(int(distance/(365*day)), "year")
	}
}

func midnight(t time.Time) time.Time { return t.Truncate(day) }

func count(n int, unit string) string {
	if n == 1 {
		return "1 " + unit
	}
	return fmt.Sprintf("%d %ss", n, unit)
}

func direction(span string, future bool) string {
	if future {
		return "in " + span
	}
	return span + " ago"
}

// clock is the time of day in the ISO form of a moment: "09:39 UTC".
func clock(iso string) string {
	t, err := time.Parse(time.RFC3339, iso)
	if err != nil {
		return iso
	}
	return t.UTC().Format("15:04 UTC")
}
