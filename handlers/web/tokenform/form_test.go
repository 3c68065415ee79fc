package tokenform

import (
	"net/url"
	"testing"
	"time"

	"github.com/patdesk/patdesk/handlers/web"
	"github.com/patdesk/patdesk/internal/azuredevops"
)

func TestSameLife(t *testing.T) {
	const day = web.Day
	from := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name              string
		life, given, want time.Duration
	}{
		{"7 days", 7 * day, 0, 7 * day},
		{"30 days", 30 * day, 0, 30 * day},
		{"a second less", 30*day - time.Second, 0, 30 * day},
		{"confirmed two hours after it was planned", 30*day - 2*time.Hour, 0, 30 * day},
		{"until the end of a day", 44*day + 12*time.Hour, 0, 44 * day},
		{"90 days", 90 * day, 0, 90 * day},
		{"a year", MaxTokenLife, 0, MaxTokenLife},
		{"a leap year", 366 * day, 0, MaxTokenLife},
		{"perhaps extended", 170 * day, 0, 90 * day},
		{"surely extended", 700 * day, 0, 90 * day},
		{"hours", 5 * time.Hour, 0, 5 * time.Hour},
		{"no time", 0, 0, 30 * day},
		{"backwards", -day, 0, 30 * day},
		{"extended, and it is known by how much", 55 * day, 30 * day, 30 * day},
		{"half a year, known", 180 * day, 180 * day, 180 * day},
		{"known, a little less than was asked for", 55 * day, 30*day - 2*time.Second, 30 * day},
		{"known, and beyond the most", 700 * day, 400 * day, MaxTokenLife},
	} {
		if got := SameLife(azuredevops.Token{ValidFrom: from, ValidTo: from.Add(c.life)}, c.given); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
	for _, unknown := range []azuredevops.Token{{}, {ValidTo: from}, {ValidFrom: from}} {
		if got := SameLife(unknown, 0); got != 30*day {
			t.Errorf("%+v: %s", unknown, got)
		}
	}
}

// Whoever extends a token again and again, and rotates it then, gets no longer lives by that.
func TestSameLifeDoesNotGrow(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	for _, choice := range []time.Duration{90 * web.Day, MaxTokenLife} {
		token := azuredevops.Token{ValidFrom: now, ValidTo: now.Add(choice)}
		for at := now; at.Before(now.Add(10 * choice)); at = at.Add(choice - 10*web.Day) {
			token.ValidTo = at.Add(choice)
			if got := SameLife(token, 0); got > choice {
				t.Errorf("%s, extended at %s: %s", choice, at, got)
			}
			if got := SameLife(token, choice); got != choice {
				t.Errorf("%s, extended at %s: known, %s", choice, at, got)
			}
		}
	}
}

// A day ends where the form was told that it does, and a page in that time zone shows the same day again.
func TestValidToInAZone(t *testing.T) {
	seoul, honolulu := web.ZoneNamed("Asia/Seoul"), web.ZoneNamed("Pacific/Honolulu")
	now := time.Date(2026, 12, 3, 20, 0, 0, 0, time.UTC) // the 4th in Seoul
	for _, c := range []struct {
		zone        *time.Location
		date        string
		fault, want string
	}{
		{time.UTC, "2026-12-03", "", "2026-12-03T23:59:59Z"},
		{time.UTC, "2026-12-02", "form.datePast", ""},
		{seoul, "2026-12-04", "", "2026-12-04T14:59:59Z"},
		{seoul, "2026-12-03", "form.datePast", ""},
		{honolulu, "2026-12-03", "", "2026-12-04T09:59:59Z"},
		{web.ZoneNamed("Europe/Paris"), "2027-03-28", "", "2027-03-28T21:59:59Z"}, // a day of 23 hours
		{seoul, "2027-12-04", "", "2027-12-03T20:00:00Z"},                         // no more than the service gives
		{seoul, "2027-12-05", "form.dateTooFar", ""},
		{nil, "2026-12-04", "", "2026-12-04T14:59:59Z"}, // that of now
	} {
		end, fault := Form{Expiry: "date", Date: c.date, Zone: c.zone}.ValidTo(now.In(seoul))
		if fault != c.fault || fault == "" && end.Format(time.RFC3339) != c.want {
			t.Errorf("%s in %s: %s, %q", c.date, c.zone, end, fault)
		}
	}
	if first, last := DateRange(now.In(seoul)); first != "2026-12-04" || last != "2027-12-04" {
		t.Errorf("from %s to %s", first, last)
	}
	if got := ReadZone(url.Values{}); got != time.UTC { // as a page without a zone says
		t.Errorf("%s without a field", got)
	}
}
