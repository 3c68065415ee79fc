package azuredevops

import (
	"regexp"
	"strconv"
	"strings"
	"time"
)

// moment is a date. null, "" and .NET's DateTime.MinValue are the zero time.
type moment struct {
	time.Time
	odd bool
}

// UnmarshalJSON reads a date in any form that is known, "" or null.
func (m *moment) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		return nil
	}
	var s string
	ok := isNumber(b)
	if ok {
		s = string(b)
	} else if b[0] == '"' && len(b) <= maxText {
		var t text
		_ = t.UnmarshalJSON(b) // never fails
		s, ok = t.string, true
	}
	if t, understood := parseMoment(strings.TrimSpace(s)); ok && understood {
		m.Time, m.odd = t, false
	} else {
		m.odd = m.IsZero()
	}
	return nil
}

// momentLayouts are the forms of a date, in capital letters and as plainMoment writes them: ISO 8601 with any number of
// decimals, with or without a zone, which then is UTC; those of HTTP and e-mail; and what .NET, Java, JavaScript and C
// write when they aren't asked for a form.
var momentLayouts = []string{
	"2006-01-02T15:04:05Z07:00", "2006-01-02T15:04:05Z0700", "2006-01-02T15:04:05Z07", "2006-01-02T15:04:05",
	"2006-01-02T15:04Z07:00", "2006-01-02T15:04Z0700", "2006-01-02T15:04", "2006-01-02T15Z07:00", "2006-01-02", "2006-01-02Z07:00", "2006-002",
	"20060102T150405Z0700", "20060102T150405", "20060102150405", "20060102",
	"Mon, 2 Jan 2006 15:04:05 -0700", "2 Jan 2006 15:04:05 -0700", "2 Jan 2006 15:04:05", "2 Jan 2006", "Monday, 02-Jan-06 15:04:05 -0700",
	"Mon Jan 2 15:04:05 -0700 2006", "Mon Jan 2 15:04:05 2006", "Mon Jan 2 2006 15:04:05 -0700", "Jan 2, 2006", "January 2, 2006",
	"1/2/2006 3:04:05 PM", "1/2/2006 3:04:05 PM -07:00",
}

// Dates with slashes, which begin with the month or with the day: only if just one of both makes sense.
var (
	monthFirst = []string{"1/2/2006 15:04:05", "1/2/2006 15:04:05 -07:00", "1/2/2006"}
	dayFirst   = []string{"2/1/2006 15:04:05", "2/1/2006 15:04:05 -07:00", "2/1/2006"}
)

var (
	// msDate is Microsoft's form of before JSON had one: milliseconds since 1970. The zone says only where it was
	// written.
	msDate = regexp.MustCompile(`^\\?/Date\((-?[0-9]{1,15})(?:[+-][0-9]{4})?\)\\?/$`)
	// isoDate is an ISO date, maybe with slashes or with spaces before the time or the zone.
	isoDate = regexp.MustCompile(`^([0-9]{4})[-/]([0-9]{2})[-/]([0-9]{2})(?:(?:T| +)([0-9:.,]+) *(Z|[+-][0-9:]+)?)?$`)
	// zoneName is one that is UTC, alone or before the offset from it. Others have several meanings.
	zoneName = regexp.MustCompile(` *(?:ETC/)?(?:UTC|GMT)\b([+-][0-9:]+)?`)
	// zoneNote is what Java and JavaScript put behind the offset.
	zoneNote = regexp.MustCompile(` *(?:\[[^]]*\]|\([^)]*\))$`)
	// beyondDay and beyondMinute are the last moments of a day and of a minute with a leap second.
	beyondDay    = regexp.MustCompile(`T24:00(?::00(?:[.,]0*)?)?`)
	beyondMinute = regexp.MustCompile(`(T[0-9]{2}:[0-9]{2}:)60`)
)

func parseMoment(s string) (t time.Time, ok bool) {
	if s == "" {
		return time.Time{}, true
	}
	if t, err := time.Parse(time.RFC3339, s); err == nil { // nearly always
		return bounded(t), true
	}
	if m := msDate.FindStringSubmatch(s); m != nil {
		ms, _ := strconv.ParseInt(m[1], 10, 64) // at most 15 figures
		return bounded(time.UnixMilli(ms)), true
	}
	if number, err := strconv.ParseFloat(s, 64); err == nil && len(s) != len("20060102") && len(s) != len("20060102150405") {
		return parseEpoch(number)
	}
	s, more := plainMoment(s)
	if t, ok := parseAs(s, momentLayouts); ok {
		return bounded(t.Add(more)), true
	}
	month, isMonth := parseAs(s, monthFirst)
	day, isDay := parseAs(s, dayFirst)
	switch {
	case isMonth && (!isDay || day.Equal(month)):
		return bounded(month), true
	case isDay && !isMonth:
		return bounded(day), true
	}
	return time.Time{}, false
}

func parseAs(s string, layouts []string) (time.Time, bool) {
	for _, layout := range layouts {
		if t, err := time.Parse(layout, s); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}

// plainMoment is s in capital letters, without what programs of several languages write differently; more has to be
// added to the date.
func plainMoment(s string) (plain string, more time.Duration) {
	s = strings.NewReplacer("\u202f", " ", "\u00a0", " ", "\u2212", "-", "\u200e", "").Replace(s)
	s = zoneNote.ReplaceAllString(strings.ToUpper(s), "")
	s = zoneName.ReplaceAllStringFunc(s, func(name string) string {
		if offset := zoneName.FindStringSubmatch(name)[1]; offset != "" {
			return " " + offset
		}
		return " +0000"
	})
	if m := isoDate.FindStringSubmatch(s); m != nil {
		if s = m[1] + "-" + m[2] + "-" + m[3]; m[4] != "" {
			s += "T" + m[4] + m[5]
		}
	}
	switch {
	case beyondDay.MatchString(s):
		return beyondDay.ReplaceAllString(s, "T00:00:00"), 24 * time.Hour
	case beyondMinute.MatchString(s):
		return beyondMinute.ReplaceAllString(s, "${1}59"), time.Second
	}
	return s, 0
}

// ticksOf1970 are .NET's, of 100 nanoseconds, from the year 1.
const ticksOf1970 = 621355968000000000

// parseEpoch reads seconds, or milliseconds, microseconds or nanoseconds, since 1970, or .NET's ticks: by their size, of
// a time between 1973 and 2286. There is no telling what others would mean.
func parseEpoch(n float64) (time.Time, bool) {
	switch {
	case n >= 1e8 && n < 1e10:
		return time.UnixMilli(int64(n * 1000)).UTC(), true
	case n >= 1e11 && n < 1e13:
		return time.UnixMilli(int64(n)).UTC(), true
	case n >= 1e14 && n < 1e16:
		return time.UnixMicro(int64(n)).UTC(), true
	case n > ticksOf1970 && n < 7.2e17:
		return time.UnixMicro(int64(n-ticksOf1970) / 10).UTC(), true
	case n >= 1e18 && n < 9.2e18:
		return time.Unix(0, int64(n)).UTC(), true
	}
	return time.Time{}, false
}

// bounded is t in UTC. At both ends of the calendar, where a zone leads beyond it, .NET's smallest and largest dates
// are meant: "none" and "never". JSON has no others.
func bounded(t time.Time) time.Time {
	switch t = t.UTC(); {
	case t.Year() <= 1:
		return time.Time{}
	case t.Year() > 9999:
		return time.Date(9999, time.December, 31, 23, 59, 59, 0, time.UTC)
	}
	return t
}
