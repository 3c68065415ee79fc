package session_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/patdesk/patdesk/internal/session"
)

// halfBackend can't do one thing.
type halfBackend struct{ session.Backend }

var errNotAllowed = errors.New("not allowed")

func (halfBackend) Take(context.Context, session.Name) ([]byte, error) { return nil, errNotAllowed }

// A store that can do all passes and is left as it was; of one that can't, the step is named, and nothing is left either.
func TestProbe(t *testing.T) {
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
