package redisstore_test

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/patdesk/patdesk/internal/session"
	"github.com/patdesk/patdesk/internal/session/redisstore"
	"github.com/patdesk/patdesk/internal/session/redisstore/redistest"
)

// Ping fails with its reason while a record can't be written although Redis answers, and works again when it can.
func TestPingSeesWhatRefusesWrites(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, reason string
		spoil, mend  func(*redistest.Server)
	}{
		{
			"memory is full", "OOM",
			func(s *redistest.Server) { s.Fill() },
			func(s *redistest.Server) { s.Empty() },
		},
		{
			"it is a replica", "READONLY",
			func(s *redistest.Server) { s.Do("REPLICAOF", "127.0.0.1", "1") },
			func(s *redistest.Server) { s.Do("REPLICAOF", "NO", "ONE") },
		},
		{
			"it couldn't save to its disk", "MISCONF",
			func(s *redistest.Server) {
				dir, _ := s.Do("CONFIG", "GET", "dir").([]any)
				path, _ := dir[1].(string)
				if err := os.RemoveAll(path); err != nil {
					t.Error(err)
				}
				s.Do("CONFIG", "SET", "save", "3600 1")
				s.Do("SET", "patdesk:x", "y")
				s.Do("BGSAVE")
				eventually(t, "it has failed to save", func() bool {
					info, _ := s.Do("INFO", "persistence").(string)
					return strings.Contains(info, "rdb_last_bgsave_status:err")
				})
			},
			func(s *redistest.Server) { s.Do("CONFIG", "SET", "save", "") },
		},
		{
			"the user may not write", "",
			func(s *redistest.Server) { s.Do("ACL", "SETUSER", "default", "-set") },
			func(s *redistest.Server) { s.Do("ACL", "SETUSER", "default", "+set") },
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t)
			s := open(t, redisstore.Options{Addresses: []string{server.Addr}})
			if err := s.Ping(t.Context()); err != nil {
				t.Fatal(err)
			}
			c.spoil(server)
			if err := s.Ping(t.Context()); !errors.Is(err, session.ErrUnavailable) || !strings.Contains(err.Error(), c.reason) {
				t.Errorf("Ping: %v, want ErrUnavailable with %s", err, c.reason)
			}
			c.mend(server)
			if err := s.Ping(t.Context()); err != nil {
				t.Errorf("afterwards: %v", err)
			}
			if keys, _ := server.Do("KEYS", "patdesk:ping*").([]any); len(keys) != 0 {
				t.Errorf("left behind: %v", keys)
			}
		})
	}
}

// In a Cluster every primary is tried.
func TestPingTriesEachPrimary(t *testing.T) {
	t.Parallel()
	servers := redistest.StartCluster(t, 3)
	s := open(t, redisstore.Options{Cluster: true, Addresses: redistest.Addresses(servers)})
	for i, server := range servers {
		if err := s.Ping(t.Context()); err != nil {
			t.Fatal(err)
		}
		server.Do("CONFIG", "SET", "maxmemory", 1)
		if err := s.Ping(t.Context()); !errors.Is(err, session.ErrUnavailable) {
			t.Errorf("primary %d is full: %v", i, err)
		}
		server.Do("CONFIG", "SET", "maxmemory", 0)
	}
}
