package session

import (
	"strconv"
	"testing"
	"time"
)

// However many sessions there are, so many of them are remembered, and the one that is used now is.
func TestUsesAreBounded(t *testing.T) {
	t.Parallel()
	u := newUses()
	now := time.Now()
	for i := range manyUses + 1000 {
		if alive, _ := u.use(strconv.Itoa(i), now, now, time.Hour, time.Minute); !alive {
			t.Fatal("a session that was just used is over")
		}
	}
	last := strconv.Itoa(manyUses + 999)
	if there := u.at.Contains(last); u.at.Len() != manyUses || !there {
		t.Errorf("%d sessions are remembered, the last one: %v", u.at.Len(), there)
	}
	if alive, _ := u.use(last, now, now.Add(time.Minute), time.Hour, time.Minute); !alive || u.at.Len() != manyUses {
		t.Errorf("used once more, %d are remembered", u.at.Len())
	}
}
