package templates

import (
	"strconv"
	"time"
)

// When is a moment in words. All dates are in UTC, as Azure DevOps counts them.
type When struct {
	ISO      string // "2026-12-01T00:00:00Z", for machines; "" says that there is no such moment
	Date     string // "1 Dec 2026"
	Relative string // "in 9 days", "3 days ago", "in 2 hours", "just now"
	Clock    string // "09:39:05 UTC", for what is near
	Note     string // why it is then, where that isn't plain
}

const day = 24 * time.Hour

// clockSlack is how far in the future a moment may lie and still be "just now": what is written down while a page is
// being made is a little later than the page.
const clockSlack = 2 * time.Second

// At words t as seen at now. The zero time gives the zero When.
func (w *Words) At(t, now time.Time) When {
	if t.IsZero() {
		return When{}
	}
	t, now = t.UTC(), now.UTC()
	return When{ISO: t.Format(time.RFC3339), Date: w.date(t), Relative: w.relative(t, now), Clock: w.Text("time.clock", "Time", t.Format(time.TimeOnly))}
}

func (w *Words) date(t time.Time) string {
	return w.Text("date.day", "Day", strconv.Itoa(t.Day()), "Month", w.Month(t.Month()), "Year", strconv.Itoa(t.Year()))
}

// Month is the month's short name: "Dec".
func (w *Words) Month(m time.Month) string { return w.Text("date.month." + strconv.Itoa(int(m))) }

func (w *Words) relative(t, now time.Time) string {
	distance := t.Sub(now).Abs()
	if distance < time.Minute {
		if t.After(now.Add(clockSlack)) {
			return w.Text("time.inLessThanAMinute")
		}
		return w.Text("time.justNow")
	}
	n, unit := span(t, now, distance)
	if t.After(now) {
		return w.Text("time.in."+unit, "Count", n)
	}
	return w.Text("time.ago."+unit, "Count", n)
}

// span counts whole minutes and hours that have to pass or have passed. From one day on it counts calendar days, so
// that it agrees with the date it stands beside, whatever the hour.
func span(t, now time.Time, distance time.Duration) (n int, unit string) {
	switch {
	case distance < time.Hour:
		return int(distance / time.Minute), "minutes"
	case distance < day:
		return int(distance / time.Hour), "hours"
	case distance < 730*day:
		return int(midnight(t).Sub(midnight(now)).Abs() / day), "days"
	default:
		return int(max(t.Unix()-now.Unix(), now.Unix()-t.Unix()) / int64(365*day/time.Second)), "years" // a Duration ends at 292
	}
}

func midnight(t time.Time) time.Time { return t.Truncate(day) }

// clock is the time of day in the ISO form of a moment: "09:39 UTC".
func (w *Words) clock(iso string) string {
	t, err := time.Parse(time.RFC3339, iso)
	if err != nil {
		return iso
	}
	return w.Text("time.clock", "Time", t.UTC().Format("15:04"))
}
