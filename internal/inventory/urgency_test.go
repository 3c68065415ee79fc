package inventory_test

import (
	"testing"
	"time"

	"github.com/patdesk/patdesk/internal/azuredevops"
	"github.com/patdesk/patdesk/internal/inventory"
)

const day = 24 * time.Hour

// living is an active token of one organization.
func living(from, to time.Time) inventory.Token {
	t := inventory.Token{Status: azuredevops.Active}
	t.ValidFrom, t.ValidTo, t.TargetAccounts = from, to, []string{"5e7c0000-0000-4000-8000-000000000001"}
	return t
}

// Colours follow a token's life: no token is red or yellow from its birth, each becomes yellow before it becomes red, and
// those that live long keep their 30 and 7 days.
func TestUrgencyFollowsALife(t *testing.T) {
	t.Parallel()
	born := time.Date(2026, 3, 1, 9, 30, 0, 0, time.UTC)
	for _, c := range []struct {
		life, urgent, soon time.Duration // the latter two: how much is left of it when it becomes that, give or take a day
	}{
		{365 * day, 7 * day, 30 * day}, {90 * day, 7 * day, 30 * day}, {60 * day, 7 * day, 30 * day}, {30 * day, 7 * day, 15 * day},
		{28 * day, 7 * day, 14 * day}, {14 * day, 84 * time.Hour, 7 * day}, {7 * day, 42 * time.Hour, 84 * time.Hour},
		{day, 6 * time.Hour, 12 * time.Hour}, {time.Hour, 15 * time.Minute, 30 * time.Minute},
	} {
		token := living(born, born.Add(c.life))
		if got := token.Urgency(born); got != inventory.Calm {
			t.Errorf("a token of %s is %q at its birth", c.life, got)
		}
		step := c.life / 1000
		first := map[inventory.Urgency]time.Duration{}
		rank, ranks := 0, map[inventory.Urgency]int{inventory.Calm: 0, inventory.Soon: 1, inventory.Urgent: 2, inventory.Over: 3}
		for now := born; !now.After(token.ValidTo); now = now.Add(step) {
			u := token.Urgency(now)
			if ranks[u] < rank {
				t.Fatalf("a token of %s becomes %q again", c.life, u)
			}
			rank = ranks[u]
			if _, known := first[u]; !known {
				first[u] = token.ValidTo.Sub(now)
			}
		}
		for u, want := range map[inventory.Urgency]time.Duration{inventory.Urgent: c.urgent, inventory.Soon: c.soon} {
			slack := day + step
			if want%day != 0 || c.life < 28*day {
				slack = step
			}
			if got := first[u]; (got - want).Abs() > slack {
				t.Errorf("a token of %s becomes %q with %s left, not %s", c.life, u, got, want)
			}
		}
		if got := token.Urgency(token.ValidTo); got != inventory.Over {
			t.Errorf("a token of %s is %q at its end", c.life, got)
		}
	}
}

// Where the beginning isn't known, or lies behind the end, the days alone count. A global token ends with all of them.
func TestUrgencyOfOddTokens(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		token inventory.Token
		want  inventory.Urgency
	}{
		"no beginning, near": {living(time.Time{}, now.Add(5*day)), inventory.Urgent},
		"no beginning, far":  {living(time.Time{}, now.Add(20*day)), inventory.Soon},
		"born after its end": {living(now.Add(9*day), now.Add(5*day)), inventory.Urgent},
		"no known end":       {living(now, time.Time{}), inventory.Calm},
		"born at its end":    {living(now.Add(40*day), now.Add(40*day)), inventory.Calm},
	} {
		if got := c.token.Urgency(now); got != c.want {
			t.Errorf("%s: %q", name, got)
		}
	}
	global := living(now.Add(-100*day), now.Add(200*day))
	global.TargetAccounts = nil // a token of all organizations
	for at, want := range map[time.Time]inventory.Urgency{
		azuredevops.GlobalTokensEnd.Add(-20 * day): inventory.Soon, azuredevops.GlobalTokensEnd.Add(-2 * day): inventory.Urgent,
		azuredevops.GlobalTokensEnd: inventory.Over, azuredevops.GlobalTokensEnd.Add(30 * day): inventory.Over,
	} {
		if got := global.Urgency(at); got != want {
			t.Errorf("a global token at %s: %q", at, got)
		}
	}
	if global.Ending(azuredevops.GlobalTokensEnd.Add(5*day)) || !global.Ending(azuredevops.GlobalTokensEnd.Add(-time.Hour)) {
		t.Error("a global token doesn't end when all do")
	}
}
