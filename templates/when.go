package templates

import (
	"fmt"
	"strconv"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
)

// When is a moment in words, by the clock and calendar of the reader's time zone. Where that isn't known it is UTC, and
// times say so.
type When struct {
	ISO      string // "2026-12-01T00:00:00Z", for machines, with the zone's offset; "" says that there is no such moment
	Date     string // "1 Dec 2026"
	Relative string // "in 9 days", "3 days ago", "in 2 hours", "just now"
	Clock    string // "09:39:05 UTC", or "18:39:05" in the reader's own zone, for what is near
	Note     string // why it is then, where that isn't plain
}

const day = 24 * time.Hour

// clockSlack is how far in the future a moment may lie and still be "just now": what is written down while a page is
// being made is a little later than the page.
const clockSlack = 2 * time.Second

// At words t as seen at now, in now's time zone. The zero time gives the zero When.
func (w *Words) At(t, now time.Time) When {
	if t.IsZero() {
		return When{}
	}
	t = t.UTC()
	if local := t.In(now.Location()); local.Year() <= 9999 { // the last year that ISO 8601 has room for
		t = local
	}
	_, offset := t.Zone()
	m := moment{w, t.Unix(), offset}
	when, ok := moments.Get(m)
	if !ok {
		when = When{ISO: t.Format(time.RFC3339), Date: w.dateOf(t), Clock: w.clockOf(t, time.TimeOnly)}
		moments.Add(m, when)
	}
	when.Relative = w.relative(t, now)
	return when
}

// moments are those that were worded lately, but for what depends on when they are seen. A list words each token's end.
var moments, _ = lru.New[moment, When](16_384) // of some 200 bytes; fails for sizes below one

type moment struct {
	words  *Words
	unix   int64
	offset int // of the zone, in seconds east of UTC
}

func (w *Words) dateOf(t time.Time) string {
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
	d := away{words: w, ahead: t.After(now)}
	d.n, d.unit = span(t, now, distance)
	text, ok := distances.Get(d)
	if !ok {
		if text = w.Text("time.ago."+d.unit, "Count", d.n); d.ahead {
			text = w.Text("time.in."+d.unit, "Count", d.n)
		}
		distances.Add(d, text)
	}
	return text
}

// distances are those that were worded lately.
var distances, _ = lru.New[away, string](4096) // fails for sizes below one

// away is how far something is from now.
type away struct {
	words *Words
	n     int
	unit  string
	ahead bool
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
		return int(date(t).Sub(date(now)).Abs() / day), "days"
	default:
		return int(max(t.Unix()-now.Unix(), now.Unix()-t.Unix()) / int64(365*day/time.Second)), "years" // a Duration ends at 292
	}
}

// date is the day of the calendar, as a time that days can be counted from: they are of 24 hours in UTC only.
func date(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC)
}

// Clock is the time of day in the ISO form of a moment: "09:39 UTC", or "18:39" in the reader's own zone.
func (w *Words) Clock(iso string) string {
	t, err := time.Parse(time.RFC3339, iso)
	if err != nil {
		return iso
	}
	return w.clockOf(t, "15:04")
}

func (w *Words) clockOf(t time.Time, layout string) string {
	if _, offset := t.Zone(); offset != 0 {
		return t.Format(layout)
	}
	return w.Text("time.clock", "Time", t.Format(layout), "Zone", zoneOf(t))
}

// exactClock is Clock with the zone, whichever it is: "18:39 UTC+9".
func (w *Words) exactClock(iso string) string {
	t, err := time.Parse(time.RFC3339, iso)
	if err != nil {
		return iso
	}
	return w.Text("time.clock", "Time", t.Format("15:04"), "Zone", zoneOf(t))
}

// zoneOf is how far t's zone is from UTC at that time, in a form that is the same in every language: "UTC+5:30".
func zoneOf(t time.Time) string {
	_, seconds := t.Zone()
	sign, minutes := "+", seconds/60
	if minutes < 0 {
		sign, minutes = "\u2212", -minutes
	}
	switch {
	case minutes == 0:
		return "UTC"
	case minutes%60 == 0:
		return fmt.Sprintf("UTC%s%d", sign, minutes/60)
	default:
		return fmt.Sprintf("UTC%s%d:%02d", sign, minutes/60, minutes%60)
	}
}
