package templates_test

import (
	"testing"
	"time"

	"github.com/patdesk/patdesk/templates"
)

func TestAt(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 22, 9, 30, 0, 0, time.UTC)
	for _, c := range []struct {
		moment         time.Time
		date, relative string
	}{
		{now, "22 Nov 2026", "just now"},
		{now.Add(-59 * time.Second), "22 Nov 2026", "just now"},
		{now.Add(time.Second), "22 Nov 2026", "just now"},
		{now.Add(3 * time.Second), "22 Nov 2026", "in less than a minute"},
		{now.Add(59 * time.Second), "22 Nov 2026", "in less than a minute"},
		{now.Add(time.Minute), "22 Nov 2026", "in 1 minute"},
		{now.Add(9*time.Minute + 59*time.Second), "22 Nov 2026", "in 9 minutes"},
		{now.Add(-time.Minute), "22 Nov 2026", "1 minute ago"},
		{now.Add(-59 * time.Minute), "22 Nov 2026", "59 minutes ago"},
		{now.Add(time.Hour), "22 Nov 2026", "in 1 hour"},
		{now.Add(23*time.Hour + 59*time.Minute), "23 Nov 2026", "in 23 hours"},
		{now.Add(24 * time.Hour), "23 Nov 2026", "in 1 day"},
		{now.Add(-24 * time.Hour), "21 Nov 2026", "1 day ago"},
		// Days are those of the calendar: 25 hours that cross two midnights are two days, as the dates say.
		{time.Date(2026, 11, 24, 0, 30, 0, 0, time.UTC), "24 Nov 2026", "in 2 days"},
		{time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC), "1 Dec 2026", "in 9 days"},
		{time.Date(2026, 12, 1, 23, 59, 59, 0, time.UTC), "1 Dec 2026", "in 9 days"},
		{time.Date(2027, 11, 22, 9, 30, 0, 0, time.UTC), "22 Nov 2027", "in 365 days"},
		{time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC), "31 Dec 9999", "in 7,978 years"},
		{time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC), "1 Jan 2020", "6 years ago"},
		// The same moment, told in another zone.
		{time.Date(2026, 12, 1, 1, 0, 0, 0, time.FixedZone("", 2*3600)), "30 Nov 2026", "in 8 days"},
	} {
		got := english.At(c.moment, now)
		if got.Date != c.date || got.Relative != c.relative {
			t.Errorf("At(%s) = %q, %q; want %q, %q", c.moment, got.Date, got.Relative, c.date, c.relative)
		}
		if want := c.moment.UTC().Format(time.RFC3339); got.ISO != want {
			t.Errorf("At(%s).ISO = %q, want %q", c.moment, got.ISO, want)
		}
	}
}

// A reader's own time zone has its own days, and its times need no letters.
func TestAtInAZone(t *testing.T) {
	t.Parallel()
	seoul, kolkata, london := zone(t, "Asia/Seoul"), zone(t, "Asia/Kolkata"), zone(t, "Europe/London")
	end := time.Date(2026, 12, 3, 23, 59, 59, 0, time.UTC)
	for _, c := range []struct {
		moment, now                       time.Time
		date, relative, clock, exact, iso string
	}{
		{end, end.AddDate(0, 0, -8).UTC(), "3 Dec 2026", "in 8 days", "23:59:59 UTC", "23:59 UTC", "2026-12-03T23:59:59Z"},
		{end, end.AddDate(0, 0, -8).In(seoul), "4 Dec 2026", "in 8 days", "08:59:59", "08:59 UTC+9", "2026-12-04T08:59:59+09:00"},
		{end, time.Date(2026, 12, 2, 15, 0, 0, 0, time.UTC).In(seoul), "4 Dec 2026", "in 1 day", "08:59:59", "08:59 UTC+9", "2026-12-04T08:59:59+09:00"},
		{end, end.AddDate(0, 0, -2).In(kolkata), "4 Dec 2026", "in 2 days", "05:29:59", "05:29 UTC+5:30", "2026-12-04T05:29:59+05:30"},
		{end, end.AddDate(0, 0, 2).In(zone(t, "America/Sao_Paulo")), "3 Dec 2026", "2 days ago", "20:59:59", "20:59 UTC−3", "2026-12-03T20:59:59-03:00"},
		{end, end.AddDate(0, 0, -3).In(london), "3 Dec 2026", "in 3 days", "23:59:59 UTC", "23:59 UTC", "2026-12-03T23:59:59Z"},
		// The clocks go back between: 3 days are 73 hours.
		{time.Date(2026, 10, 26, 9, 0, 0, 0, london), time.Date(2026, 10, 23, 9, 30, 0, 0, london), "26 Oct 2026", "in 3 days", "09:00:00 UTC", "09:00 UTC", "2026-10-26T09:00:00Z"},
		{time.Date(2026, 10, 23, 9, 0, 0, 0, london), time.Date(2026, 10, 26, 9, 30, 0, 0, london), "23 Oct 2026", "3 days ago", "09:00:00", "09:00 UTC+1", "2026-10-23T09:00:00+01:00"},
		{time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC), end.In(seoul), "31 Dec 9999", "in 7,978 years", "23:59:59 UTC", "23:59 UTC", "9999-12-31T23:59:59Z"},
	} {
		got := english.At(c.moment, c.now)
		if got.Date != c.date || got.Relative != c.relative || got.Clock != c.clock || got.ISO != c.iso {
			t.Errorf("At(%s, %s) = %+v", c.moment, c.now, got)
		}
		if exact := english.ExactClock(got.ISO); exact != c.exact {
			t.Errorf("%s: exactly %q, want %q", got.ISO, exact, c.exact)
		}
	}
}

func zone(t *testing.T, name string) *time.Location {
	t.Helper()
	zone, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return zone
}

func TestAtNoMoment(t *testing.T) {
	t.Parallel()
	if got := english.At(time.Time{}, time.Now()); got != (templates.When{}) {
		t.Errorf("the zero time is %+v", got)
	}
}
