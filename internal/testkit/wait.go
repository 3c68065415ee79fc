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
	begun := time.Now()
	for limit := begun.Add(time.Minute); !is(); begun = time.Now() {
		if begun.After(limit) {
			t.Fatalf("it never came about that %s", what)
		}
		<-time.After(2*time.Millisecond + time.Since(begun)) // looking mustn't hold up what is waited for
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
