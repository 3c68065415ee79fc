package templates_test

import (
	"testing"
	"time"

	"github.com/patdesk/patdesk/templates"
)

func TestAt(t *testing.T) {
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

func TestAtNoMoment(t *testing.T) {
	if got := english.At(time.Time{}, time.Now()); got != (templates.When{}) {
		t.Errorf("the zero time is %+v", got)
	}
}
