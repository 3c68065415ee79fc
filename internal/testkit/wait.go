package testkit

import (
	"testing"
	"time"
)

// Must ends the test if there is an error.
func Must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Until waits for something that other goroutines or processes bring about.
func Until(t testing.TB, what string, is func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(time.Minute)
	for !is() {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("it never came about that %s", what)
		}
	}
}

// Within asks again and again if something is so; false if it still isn't when the time is over.
func Within(limit time.Duration, is func() bool) bool {
	for end := time.Now().Add(limit); !is(); <-time.After(30 * time.Millisecond) {
		if time.Now().After(end) {
			return false
		}
	}
	return true
}
