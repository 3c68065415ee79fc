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

// momentLayouts are the forms of a date, in capital letters: ISO 8601 with any number of decimals, with or without a
// zone, which then is UTC; those of HTTP; and what .NET writes for the culture en-US. One of figures alone that might
// begin with the day or with the month isn't among them.
var momentLayouts = []string{
	"2006-01-02T15:04:05Z07:00", "2006-01-02T15:04:05Z0700", "2006-01-02T15:04:05Z07", "2006-01-02T15:04:05",
	"2006-01-02T15:04Z07:00", "2006-01-02T15:04Z0700", "2006-01-02T15:04", "2006-01-02", "20060102T150405Z0700", "20060102T150405", "20060102",
	"Mon, 02 Jan 2006 15:04:05 MST", "Mon, 02 Jan 2006 15:04:05 -0700", "Mon, 2 Jan 2006 15:04:05 MST", "1/2/2006 3:04:05 PM",
}

// msDate is Microsoft's form of before JSON had one: milliseconds since 1970. The zone says only where it was written.
var msDate = regexp.MustCompile(`^\\?/Date\((-?[0-9]{1,15})(?:[+-][0-9]{4})?\)\\?/$`)

// spaceForT is an ISO date with a space before the time, or before the zone.
var spaceForT = regexp.MustCompile(`^([0-9]{4}-[0-9]{2}-[0-9]{2})(?:T| +)([0-9:.,]+) *(?:(Z|[+-][0-9:]+)|UTC|GMT)?$`)

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
	if number, err := strconv.ParseFloat(s, 64); err == nil && len(s) != len("20060102") {
		return parseEpoch(number)
	}
	s = strings.ToUpper(s)
	if m := spaceForT.FindStringSubmatch(s); m != nil {
		s = m[1] + "T" + m[2] + m[3]
	}
	for _, layout := range momentLayouts {
		if t, err := time.Parse(layout, s); err == nil {
			return bounded(t), true
		}
	}
	return time.Time{}, false
}

// parseEpoch reads seconds or milliseconds since 1970, of a time between 1973 and 2286. There is no telling what others
// would mean.
func parseEpoch(n float64) (time.Time, bool) {
	switch {
	case n >= 1e8 && n < 1e10:
		return time.UnixMilli(int64(n * 1000)).UTC(), true
	case n >= 1e11 && n < 1e13:
		return time.UnixMilli(int64(n)).UTC(), true
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
