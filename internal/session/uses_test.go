package session

import (
	"strconv"
	"testing"
	"time"
)

// However many sessions there are, so many of them are remembered, and the one that is used now is.
func TestUsesAreBounded(t *testing.T) {
	var u uses
	now := time.Now()
	for i := range manyUses + 1000 {
		if !u.use(strconv.Itoa(i), now, now, time.Hour) {
			t.Fatal("a session that was just used is over")
		}
	}
	last := strconv.Itoa(manyUses + 999)
	if _, there := u.at[last]; len(u.at) != manyUses || !there {
		t.Errorf("%d sessions are remembered, the last one: %v", len(u.at), there)
	}
	if !u.use(last, now, now.Add(time.Minute), time.Hour) || len(u.at) != manyUses {
		t.Errorf("used once more, %d are remembered", len(u.at))
	}
}
