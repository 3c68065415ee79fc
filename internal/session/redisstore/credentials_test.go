package redisstore_test

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/patdesk/patdesk/internal/session"
	"github.com/patdesk/patdesk/internal/session/redisstore"
	"github.com/patdesk/patdesk/internal/session/redisstore/redistest"
)

// A connection is closed before its password ends, and the next one asks for another.
func TestCredentialsAreRenewed(t *testing.T) {
	t.Parallel()
	servers := redistest.StartCluster(t, 2)
	for name, o := range map[string]redisstore.Options{
		"alone":   {Addresses: []string{redistest.Start(t).Addr}},
		"Cluster": {Addresses: redistest.Addresses(servers), Cluster: true},
	} {
		var asked atomic.Int32
		o.ConnLife = 20 * time.Millisecond
		o.Credentials = func(context.Context) (string, string, error) {
			asked.Add(1)
			return "default", "any", nil // which takes every password
		}
		s, n := open(t, o), session.Key{Kind: "note", Group: "mona", ID: rand.Text()}.Name()
		if err := s.Create(t.Context(), n, []byte("one"), later()); err != nil {
			t.Fatal(err)
		}
		eventually(t, name+": ten connections", func() bool {
			if value, _, err := s.Read(t.Context(), n); err != nil || string(value) != "one" {
				t.Fatalf("%s: %q, %v", name, value, err)
			}
			return asked.Load() >= 10
		})
	}
}

// Without credentials every call fails as it does without Redis, and says why; with them again all is well.
func TestNoCredentials(t *testing.T) {
	t.Parallel()
	var none atomic.Bool
	none.Store(true)
	s := open(t, redisstore.Options{
		Addresses: []string{redistest.Start(t).Addr}, Confirm: []string{"secret"},
		Credentials: func(context.Context) (string, string, error) {
			if none.Load() {
				return "", "", errors.New("nobody gives one out")
			}
			return "default", "any", nil
		},
	})
	wantAllUnavailable(t, s, slack)
	_, checked := s.Check(t.Context())
	for what, err := range map[string]error{"Check": checked, "Ping": s.Ping(t.Context())} {
		if redisstore.FaultOf(err) != redisstore.NoToken || !errors.Is(err, session.ErrUnavailable) || !strings.Contains(err.Error(), "nobody gives one out") {
			t.Errorf("%s: %v", what, err)
		}
	}
	none.Store(false)
	if _, err := s.Check(t.Context()); err != nil {
		t.Error(err)
	}
}
