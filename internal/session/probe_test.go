package session_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/patdesk/patdesk/internal/session"
	"github.com/patdesk/patdesk/internal/session/sessiontest"
)

// halfBackend can't do one thing.
type halfBackend struct{ session.Backend }

var errNotAllowed = errors.New("not allowed")

func (halfBackend) Take(context.Context, session.Name) ([]byte, error) { return nil, errNotAllowed }

// A store that can do all passes and is left as it was; of one that can't, the step is named, and nothing is left
// either.
func TestProbe(t *testing.T) {
	t.Parallel()
	d, err := session.OpenDir(t.TempDir(), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	if err := session.Probe(t.Context(), d, time.Now()); err != nil {
		t.Error(err)
	}
	err = session.Probe(t.Context(), halfBackend{d}, time.Now())
	if !errors.Is(err, errNotAllowed) || !strings.HasPrefix(err.Error(), "taking it: ") {
		t.Errorf("got %v", err)
	}
	if left, err := d.List(t.Context(), "probe", session.Key{Kind: "probe", Group: "check", ID: "x"}.Name().Group); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

// However many ask for it at once and soon after, the store is tried once.
func TestPingIsShared(t *testing.T) {
	t.Parallel()
	b := sessiontest.NewMemory(time.Now)
	var tried atomic.Int32
	b.Fail(func(method string, _ session.Name) error {
		if method == "Ping" {
			tried.Add(1)
			return errors.New("full")
		}
		return nil
	})
	m := newManager(t, b, session.Options{})
	var group sync.WaitGroup
	for range 50 {
		group.Go(func() {
			if err := m.Ping(t.Context()); !errors.Is(err, session.ErrUnavailable) {
				t.Errorf("%v, want ErrUnavailable", err)
			}
		})
	}
	group.Wait()
	if n := tried.Load(); n != 1 {
		t.Errorf("the store was tried %d times", n)
	}
}
