package limit

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/patdesk/patdesk/internal/testkit"
)

func newClock() *testkit.Clock {
	return testkit.NewClockAt(time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC))
}

// As many as allowed at once, then evenly; each key by itself; the wait that is told is enough and not longer.
func TestRate(t *testing.T) {
	c := newClock()
	r := NewRate(60, c.Now)
	for i := range 60 {
		if wait := r.Take("a"); wait != 0 {
			t.Fatalf("number %d has to wait %v", i, wait)
		}
	}
	wait := r.Take("a")
	if wait <= 0 || wait > time.Second {
		t.Fatalf("one too many waits %v", wait)
	}
	if again := r.Take("a"); again != wait {
		t.Errorf("being refused made the wait longer: %v, then %v", wait, again)
	}
	if r.Take("b") != 0 || r.Left("c") != 0 || r.Left("a") != wait {
		t.Error("keys are mixed up")
	}
	c.Move(wait)
	if r.Take("a") != 0 || r.Take("a") == 0 {
		t.Error("after the wait one is let through, and one only")
	}
	c.Move(time.Hour)
	for i := range 61 {
		if waits := r.Take("a") > 0; waits != (i == 60) {
			t.Fatalf("after an hour, number %d: waits %v", i, waits)
		}
	}
}

func TestNoRate(t *testing.T) {
	for _, r := range []*Rate{nil, {}, NewRate(0, nil)} {
		for range 1000 {
			if r.Take("a") != 0 || r.Left("a") != 0 {
				t.Fatal("a limit of nothing holds somebody up")
			}
		}
	}
}

// However many keys come, few are remembered; and who is held up already is not let go by the first strangers.
func TestKeysAreBounded(t *testing.T) {
	c := newClock()
	r, p := NewRate(2, c.Now), NewPending(1, manyKeys, time.Minute, c.Now)
	for i := range 3 * manyKeys {
		key := fmt.Sprint(i)
		r.Take(key)
		p.Begin(key, key)
		if i%100 == 0 {
			c.Move(time.Millisecond)
		}
	}
	if r.all.Len() > manyKeys || p.all.Len() > manyKeys || len(p.by) > manyKeys {
		t.Errorf("%d and %d keys", r.all.Len(), p.all.Len())
	}
	c.Move(time.Hour)
	r.Take("held")
	r.Take("held")
	for i := range manyKeys - 1 { // those of an hour ago have nothing to remember: they go first
		r.Take(fmt.Sprint("new ", i))
	}
	if r.Take("held") == 0 {
		t.Error("a key with something to remember was dropped before idle ones")
	}
}

func TestSlots(t *testing.T) {
	p := NewSlots(3, 2)
	ctx, cancel := context.WithCancel(t.Context())
	leave1, err1 := p.Enter(ctx, "a")
	leave2, err2 := p.Enter(ctx, "a")
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	over, end := context.WithCancel(ctx)
	end()
	if _, err := p.Enter(over, "a"); !errors.Is(err, context.Canceled) {
		t.Errorf("a third slot for one key: %v", err)
	}
	leave3, err := p.Enter(ctx, "b")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Enter(over, "c"); err == nil {
		t.Error("a fourth slot altogether")
	}
	waiting := make(chan error)
	go func() {
		leave, err := p.Enter(ctx, "a")
		if err == nil {
			leave()
		}
		waiting <- err
	}()
	leave1()
	leave1() // twice is once
	if err := <-waiting; err != nil {
		t.Error(err)
	}
	leave2()
	leave3()
	if p.taken != 0 || len(p.by) != 0 {
		t.Errorf("%d slots are taken when all have left, by %v", p.taken, p.by)
	}
	cancel()
}

// Nobody is forgotten and no more than allowed are in, whatever the order.
func TestSlotsUnderLoad(t *testing.T) {
	p := NewSlots(5, 3)
	var in, most atomic.Int32
	var wg sync.WaitGroup
	for i := range 300 {
		wg.Go(func() {
			leave, err := p.Enter(t.Context(), fmt.Sprint(i%4))
			if err != nil {
				t.Error(err)
				return
			}
			now := in.Add(1)
			for old := most.Load(); now > old && !most.CompareAndSwap(old, now); old = most.Load() {
			}
			in.Add(-1)
			leave()
		})
	}
	wg.Wait()
	if most.Load() > 5 {
		t.Errorf("%d at once", most.Load())
	}
}

// The oldest goes for the newest, of its own key first; nobody is ever held up.
func TestPending(t *testing.T) {
	c := newClock()
	p := NewPending(3, 6, 15*time.Minute, c.Now)
	begin := func(key, id string, want ...string) {
		t.Helper()
		if got := p.Begin(key, id); !slices.Equal(got, want) {
			t.Fatalf("%s, %s: %v had to go, want %v", key, id, got, want)
		}
	}
	begin("a", "a1")
	begin("a", "a2")
	begin("b", "b1")
	begin("a", "a3")
	begin("a", "a4", "a1")
	begin("b", "b2")
	begin("c", "c1")
	begin("a", "a5", "a2")
	begin("d", "d1", "a3") // too many in all
	c.Move(10 * time.Minute)
	if got := p.Begin("b", "b3"); !slices.Equal(got, []string{"a4"}) && !slices.Equal(got, []string{"b1"}) { // a and b have as many
		t.Fatalf("%v had to go", got)
	}
	c.Move(5 * time.Minute) // all but b3 are forgotten
	for i := range 3 {
		begin("a", fmt.Sprint("later ", i))
	}
	begin("a", "later 3", "later 0")
	c.Move(-time.Hour) // a clock that is put back
	begin("e", "e1")
	c.Move(3 * time.Hour)
	begin("e", "e2")
	if p.all.Len() != 1 || len(p.by) != 1 {
		t.Errorf("%d of %d keys", p.all.Len(), len(p.by))
	}
}

func TestNetwork(t *testing.T) {
	for address, want := range map[string]string{
		"203.0.113.7": "203.0.113.7", "203.0.113.7:4711": "203.0.113.7", "::ffff:203.0.113.7": "203.0.113.7", "[::ffff:203.0.113.7]:80": "203.0.113.7",
		"2001:db8:1:2:3:4:5:6": "2001:db8:1:2::/64", "[2001:db8:1:2::9]:443": "2001:db8:1:2::/64", "2001:db8:1:3::": "2001:db8:1:3::/64",
		"fe80::1%eth0": "fe80::/64", "[fe80::2%eth1]:80": "fe80::/64", "::1": "::/64",
		"": "unknown", "unix": "unknown", "@": "unknown", "1.2.3.4.5": "unknown", "203.0.113.7:": "unknown",
	} {
		if got := Network(address); got != want {
			t.Errorf("%s is of %s, want %s", address, got, want)
		}
	}
}

// Who takes the whole list, from however many networks of one customer, makes room in it alone.
func TestPendingDropsTheGreediest(t *testing.T) {
	c := newClock()
	p := NewPending(5, 1000, time.Hour, c.Now)
	if dropped := p.Begin("203.0.113.1", "honest"); len(dropped) != 0 {
		t.Fatal(dropped)
	}
	for i := range 5000 {
		network := Network(fmt.Sprintf("2001:db8:1:%x::1", i))
		if slices.Contains(p.Begin(network, fmt.Sprint(i)), "honest") {
			t.Fatalf("the honest one had to go for number %d", i)
		}
	}
	if p.all.Len() != 1000 || len(p.by) > 1000 || len(p.wide) != 2 {
		t.Errorf("%d pending of %d networks, %d wider ones", p.all.Len(), len(p.by), len(p.wide))
	}
}

func TestWide(t *testing.T) {
	for network, want := range map[string]string{
		Network("2001:db8:1:2::3"): "in 2001:db8:1::/48", Network("203.0.113.7"): "in 203.0.113.0/24", "unknown": "unknown", "": "",
	} {
		if got := Wide(network); got != want {
			t.Errorf("%s is in %s, want %s", network, got, want)
		}
	}
}
