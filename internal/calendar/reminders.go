package calendar

import "time"

const day = 24 * time.Hour

// Reminders says how long before its end a token's owner is reminded of it, the longest first: 7 days and 1 day. A short
// life has its first reminder in its last quarter, or none where that is within two days of the end. A life of less than
// two days has only that one. life <= 0: it isn't known, and counts as long.
func Reminders(life time.Duration) []time.Duration {
	first := 7 * day
	if life > 0 {
		first = min(first, life/4)
	}
	switch {
	case life > 0 && life < 2*day:
		return []time.Duration{first}
	case first < 2*day:
		return []time.Duration{day}
	default:
		return []time.Duration{first, day}
	}
}
