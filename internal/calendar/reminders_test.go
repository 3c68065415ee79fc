package calendar_test

import (
	"slices"
	"testing"
	"time"

	"github.com/patdesk/patdesk/internal/calendar"
)

func TestReminders(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	for life, want := range map[time.Duration][]time.Duration{
		0: {7 * day, day}, 365 * day: {7 * day, day}, 90 * day: {7 * day, day}, 30 * day: {7 * day, day}, 28 * day: {7 * day, day},
		14 * day: {84 * time.Hour, day}, 8 * day: {2 * day, day}, 7 * day: {day}, 3 * day: {day}, 2 * day: {day},
		day: {6 * time.Hour}, time.Hour: {15 * time.Minute},
	} {
		got := calendar.Reminders(life)
		if !slices.Equal(got, want) {
			t.Errorf("a life of %s: %s, not %s", life, got, want)
		}
		for _, ahead := range got {
			if life > 0 && ahead > life/2 {
				t.Errorf("a life of %s: a reminder %s before its end is in its first half", life, ahead)
			}
		}
	}
}
