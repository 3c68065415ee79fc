package redisstore_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/patdesk/patdesk/internal/freeport"
	"github.com/patdesk/patdesk/internal/session"
	"github.com/patdesk/patdesk/internal/session/redisstore"
	"github.com/patdesk/patdesk/internal/session/redisstore/redistest"
	"github.com/patdesk/patdesk/internal/testkit"
)

func later() time.Time { return time.Now().Add(time.Hour) }

func name(kind, group, id string) session.Name {
	return session.Key{Kind: kind, Group: group, ID: id}.Name()
}

// calls are all that a caller can ask of a store.
var calls = map[string]func(ctx context.Context, s *redisstore.Store, n session.Name) error{
	"Create": func(ctx context.Context, s *redisstore.Store, n session.Name) error {
		return s.Create(ctx, n, []byte("x"), later())
	},
	"Read": func(ctx context.Context, s *redisstore.Store, n session.Name) error {
		_, _, err := s.Read(ctx, n)
		return err
	},
	"Update": func(ctx context.Context, s *redisstore.Store, n session.Name) error {
		return s.Update(ctx, n, "version", []byte("x"), later())
	},
	"Delete": func(ctx context.Context, s *redisstore.Store, n session.Name) error { return s.Delete(ctx, n) },
	"Take": func(ctx context.Context, s *redisstore.Store, n session.Name) error {
		_, err := s.Take(ctx, n)
		return err
	},
	"List": func(ctx context.Context, s *redisstore.Store, n session.Name) error {
		_, err := s.List(ctx, n.Kind, n.Group)
		return err
	},
	"ReadMany": func(ctx context.Context, s *redisstore.Store, n session.Name) error {
		return s.ReadMany(ctx, []session.Name{n, n}, func(_ int, _ []byte, err error) error { return err })
	},
	"Lock": func(ctx context.Context, s *redisstore.Store, n session.Name) error {
		_, err := s.Lock(ctx, n)
		return err
	},
	"TryLock": func(ctx context.Context, s *redisstore.Store, n session.Name) error {
		_, _, err := s.TryLock(ctx, n)
		return err
	},
	"Ping": func(ctx context.Context, s *redisstore.Store, _ session.Name) error { return s.Ping(ctx) },
}

// wantAllUnavailable checks that every call fails within limit.
func wantAllUnavailable(t *testing.T, s *redisstore.Store, limit time.Duration) {
	t.Helper()
	var wg sync.WaitGroup
	for what, call := range calls {
		for _, kind := range []string{"note", "secret"} {
			wg.Go(func() {
				start := time.Now()
				err := call(t.Context(), s, name(kind, "mona", what))
				took := time.Since(start)
				if !errors.Is(err, session.ErrUnavailable) || took > limit {
					t.Errorf("%s of kind %s after %v: %v; want ErrUnavailable within %v", what, kind, took, err, limit)
				}
			})
		}
	}
	wg.Wait()
}

// eventually waits until f says that it is so, and says how long that took.
func eventually(t *testing.T, what string, f func() bool) time.Duration {
	t.Helper()
	start := time.Now()
	for !f() {
		if time.Since(start) > 30*time.Second {
			t.Fatalf("%s: not within 30 s", what)
		}
		<-time.After(10 * time.Millisecond)
	}
	return time.Since(start)
}

// slack is for a machine that is busy with other tests.
const slack = 2 * time.Second

func TestHang(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := open(t, redisstore.Options{Addresses: []string{server.Addr}, Confirm: []string{"secret"}})
	if err := s.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	server.Hang()
	wantAllUnavailable(t, s, redisstore.CallTimeout+slack)
	server.Wake()
	if err := s.Ping(t.Context()); err != nil {
		t.Errorf("after it woke up: %v", err)
	}
}

func TestGone(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := open(t, redisstore.Options{Addresses: []string{server.Addr}, Confirm: []string{"secret"}})
	n := name("note", "mona", "1")
	if err := s.Create(t.Context(), n, nil, later()); err != nil {
		t.Fatal(err)
	}
	server.Kill()
	wantAllUnavailable(t, s, slack)
	server.Restart()
	took := eventually(t, "recovery", func() bool { return s.Ping(t.Context()) == nil })
	t.Logf("usable %v after it was back", took)
	if _, _, err := s.Read(t.Context(), n); !errors.Is(err, session.ErrNotFound) {
		t.Errorf("a record that Redis has forgotten: %v", err)
	}
}

// Nobody is there, which is another thing than a server that has gone.
func TestNothingListens(t *testing.T) {
	t.Parallel()
	s := open(t, redisstore.Options{Addresses: []string{"127.0.0.1:" + freeport.Port(t)}, Confirm: []string{"secret"}})
	wantAllUnavailable(t, s, slack)
	s = open(t, redisstore.Options{
		Addresses: []string{"127.0.0.1:" + freeport.Port(t)}, Master: "m", Confirm: []string{"secret"},
	})
	wantAllUnavailable(t, s, redisstore.CallTimeout+slack)
	s = open(t, redisstore.Options{Cluster: true, Addresses: []string{"127.0.0.1:" + freeport.Port(t)}, Confirm: []string{"secret"}})
	wantAllUnavailable(t, s, redisstore.CallTimeout+slack)
}

// After a flush nothing is there, and everything works; an index that was left by half a flush does no harm.
func TestFlushed(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := open(t, redisstore.Options{Addresses: []string{server.Addr}})
	n := name("note", "mona", "1")
	if err := s.Create(t.Context(), n, []byte("one"), later()); err != nil {
		t.Fatal(err)
	}
	_, version, err := s.Read(t.Context(), n)
	if err != nil {
		t.Fatal(err)
	}
	server.Do("FLUSHALL")
	if _, _, err := s.Read(t.Context(), n); !errors.Is(err, session.ErrNotFound) {
		t.Errorf("Read: %v", err)
	}
	if err := s.Update(t.Context(), n, version, nil, later()); !errors.Is(err, session.ErrNotFound) {
		t.Errorf("Update: %v", err)
	}
	if names, err := s.List(t.Context(), n.Kind, n.Group); err != nil || len(names) != 0 {
		t.Errorf("List = %v, %v", names, err)
	}
	if err := s.Create(t.Context(), n, []byte("two"), later()); err != nil {
		t.Errorf("Create: %v", err)
	}
}

// ---- what is kept ------------------------------------------------------------------

func key(n session.Name) string {
	if n.Group == "" {
		return "patdesk:" + n.Kind + ":" + n.ID
	}
	return "patdesk:" + n.Kind + ":{" + n.Group + "}:" + n.ID
}

func index(n session.Name) string { return "patdesk:" + n.Kind + ":{" + n.Group + "}" }

// Nothing is kept for ever, and nothing is kept under other names than those that the ACL allows.
func TestEveryKeyExpires(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := open(t, redisstore.Options{Addresses: []string{server.Addr}})
	for _, n := range []session.Name{name("note", "", "1"), name("note", "mona", "1"), name("note", "mona", "2")} {
		if err := s.Create(t.Context(), n, nil, later()); err != nil {
			t.Fatal(err)
		}
	}
	n := name("note", "mona", "2")
	_, version, _ := s.Read(t.Context(), n)
	if err := s.Update(t.Context(), n, version, nil, time.Now().Add(100*time.Hour)); err != nil {
		t.Fatal(err)
	}
	release, err := s.Lock(t.Context(), n)
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	if err := s.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	keys, _ := server.Do("KEYS", "*").([]any)
	if len(keys) != 5 { // what Ping wrote is gone
		t.Errorf("keys: %v", keys)
	}
	for _, k := range keys {
		ttl, _ := server.Do("PTTL", k).(int64)
		if ttl <= 0 || !strings.HasPrefix(fmt.Sprint(k), "patdesk:") {
			t.Errorf("%v lives for %d ms", k, ttl)
		}
	}
	ttl, _ := server.Do("PTTL", index(n)).(int64)
	if hours := time.Duration(ttl) * time.Millisecond; hours < 100*time.Hour {
		t.Errorf("the index lives for %v, its longest record for 100h", hours)
	}
}

// An index loses what has expired, what was deleted and what was taken, and is gone with its last record.
func TestIndexTidiesItself(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	now := time.Now()
	s := open(t, redisstore.Options{Addresses: []string{server.Addr}, Now: func() time.Time { return now }})
	for i := range 50 {
		if err := s.Create(t.Context(), name("note", "mona", strconv.Itoa(i)), nil, now.Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
	}
	n := name("note", "mona", "last")
	now = now.Add(time.Minute)
	if names, err := s.List(t.Context(), n.Kind, n.Group); err != nil || len(names) != 0 {
		t.Errorf("List names %d records that have expired; %v", len(names), err)
	}
	now = now.Add(time.Hour)
	if err := s.Create(t.Context(), n, nil, now.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if left := server.Do("ZCARD", index(n)); left != int64(1) {
		t.Errorf("%v members are left, want 1", left)
	}
	if _, err := s.Take(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	if there := server.Do("EXISTS", index(n)); there != int64(0) {
		t.Error("an empty index is left")
	}
}

// Redis's clock doesn't matter, and a program whose clock is behind still reads.
func TestClocks(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	at := time.Now().Add(-1000 * time.Hour)
	s := open(t, redisstore.Options{Addresses: []string{server.Addr}, Now: func() time.Time { return at }})
	behind := open(t, redisstore.Options{Addresses: []string{server.Addr}, Now: func() time.Time { return at.Add(-4 * time.Minute) }})
	n := name("note", "mona", "1")
	if err := s.Create(t.Context(), n, []byte("x"), at.Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	ttl, _ := server.Do("PTTL", key(n)).(int64)
	if life := time.Duration(ttl) * time.Millisecond; life < 5*time.Minute || life > 6*time.Minute {
		t.Errorf("kept for %v, want its second and the margin", life)
	}
	at = at.Add(time.Second)
	if _, _, err := s.Read(t.Context(), n); !errors.Is(err, session.ErrNotFound) {
		t.Errorf("at its expiry: %v", err)
	}
	if _, _, err := behind.Read(t.Context(), n); err != nil {
		t.Errorf("by a clock that is four minutes behind: %v", err)
	}
}

func TestDamaged(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := open(t, redisstore.Options{Addresses: []string{server.Addr}})
	n := name("note", "mona", "1")
	if err := s.Create(t.Context(), n, []byte("value"), later()); err != nil {
		t.Fatal(err)
	}
	whole := fmt.Sprint(server.Do("GET", key(n)))
	for what, b := range map[string]string{
		"empty": "", "truncated": whole[:30], "another form": "XXXX" + whole[4:], "a word": "OK", "no expiry": "PDR1" + strings.Repeat("x", 50),
	} {
		server.Do("SET", key(n), b)
		if _, _, err := s.Read(t.Context(), n); !errors.Is(err, session.ErrDamaged) {
			t.Errorf("%s: Read: %v", what, err)
		}
		if err := s.Update(t.Context(), n, "", nil, later()); !errors.Is(err, session.ErrNotFound) {
			t.Errorf("%s: Update: %v", what, err)
		}
		if _, err := s.Take(t.Context(), n); !errors.Is(err, session.ErrNotFound) {
			t.Errorf("%s: Take: %v", what, err)
		}
	}
	server.Do("RPUSH", key(n), "a list")
	if _, _, err := s.Read(t.Context(), n); !errors.Is(err, session.ErrDamaged) {
		t.Errorf("a list: Read: %v", err)
	}
	sound, cut := name("note", "mona", "2"), name("note", "mona", "3")
	if err := s.Create(t.Context(), sound, []byte("value"), later()); err != nil {
		t.Fatal(err)
	}
	server.Do("SET", key(cut), "PDR1")
	names := []session.Name{sound, n, cut, sound}
	err := s.ReadMany(t.Context(), names, func(i int, value []byte, err error) error {
		damaged := names[i] != sound
		if damaged != errors.Is(err, session.ErrDamaged) || !damaged && string(value) != "value" {
			t.Errorf("ReadMany says of %d: %q, %v", i, value, err)
		}
		return nil
	})
	if err != nil {
		t.Errorf("ReadMany: %v", err)
	}
	if err := s.Delete(t.Context(), n); err != nil {
		t.Errorf("a list: Delete: %v", err)
	}
}

// ---- replicas ------------------------------------------------------------------------

// waits is how many commands WAIT the server has carried out.
func waits(server *redistest.Server) int {
	stats := fmt.Sprint(server.Do("INFO", "commandstats"))
	_, stats, ok := strings.Cut(stats, "cmdstat_wait:calls=")
	if !ok {
		return 0
	}
	n, _, _ := strings.Cut(stats, ",")
	i, _ := strconv.Atoi(n)
	return i
}

func TestWritesAreConfirmed(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	redistest.StartReplica(t, server)
	s := open(t, redisstore.Options{Addresses: []string{server.Addr}, Confirm: []string{"secret"}})
	before := waits(server)
	for i := range 10 {
		if err := s.Create(t.Context(), name("note", "mona", strconv.Itoa(i)), nil, later()); err != nil {
			t.Fatal(err)
		}
	}
	if n := waits(server) - before; n != 0 {
		t.Errorf("%d writes of another kind were waited for", n)
	}
	for i := range 10 {
		if err := s.Create(t.Context(), name("secret", "mona", strconv.Itoa(i)), nil, later()); err != nil {
			t.Fatal(err)
		}
	}
	if n := waits(server) - before; n != 10 {
		t.Errorf("WAIT %d times, want 10", n)
	}
}

// Without a replica nothing is waited for.
func TestNoReplica(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := open(t, redisstore.Options{Addresses: []string{server.Addr}, Confirm: []string{"secret"}})
	before := waits(server)
	start := time.Now()
	for i := range 10 {
		if err := s.Create(t.Context(), name("secret", "mona", strconv.Itoa(i)), nil, later()); err != nil {
			t.Fatal(err)
		}
	}
	if took := time.Since(start); took > slack || waits(server)-before != 0 {
		t.Errorf("ten writes took %v and %d times WAIT", took, waits(server)-before)
	}
}

// A user without @dangerous can't ask how many replicas there are. What can be done is done.
func TestReplicasAreGuessed(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	server.Do(users["commands"]...)
	o := redisstore.Options{Addresses: []string{server.Addr}, Username: "patdesk", Password: "hush", Confirm: []string{"secret"}}
	s := open(t, o)
	start := time.Now()
	for i := range 10 {
		if err := s.Create(t.Context(), name("secret", "mona", strconv.Itoa(i)), nil, later()); err != nil {
			t.Fatal(err)
		}
	}
	if took := time.Since(start); took > time.Second+slack {
		t.Errorf("ten writes without a replica took %v", took)
	}
	redistest.StartReplica(t, server)
	s = open(t, o)
	before := waits(server)
	for i := range 10 {
		if err := s.Create(t.Context(), name("secret", "omar", strconv.Itoa(i)), nil, later()); err != nil {
			t.Fatal(err)
		}
	}
	if n := waits(server) - before; n != 11 { // one to look
		t.Errorf("WAIT %d times, want 11", n)
	}
	server.Do("ACL", "SETUSER", "patdesk", "-wait")
	if err := open(t, o).Create(t.Context(), name("secret", "omar", "last"), nil, later()); err != nil {
		t.Errorf("without the right to WAIT: %v", err)
	}
}

// Where INFO shows a replica and WAIT is refused, writes work, the log says once what that means, and so does Check.
func TestWaitIsRefused(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"unknown", "not permitted"} {
		t.Run(kind, func(t *testing.T) {
			var options []string
			if kind == "unknown" {
				options = []string{"--rename-command", "WAIT", ""}
			}
			server := redistest.Start(t, options...)
			redistest.StartReplica(t, server)
			server.Do("ACL", "SETUSER", "patdesk", "on", ">hush", "~patdesk:*", "+@all", map[string]string{"unknown": "+@read", "not permitted": "-wait"}[kind])
			log := &testkit.Log{}
			s := open(t, redisstore.Options{
				Addresses: []string{server.Addr}, Username: "patdesk", Password: "hush", Confirm: []string{"secret"}, Log: slog.New(slog.NewTextHandler(log, nil)),
			})
			if warnings, err := s.Check(t.Context()); err != nil || !slices.Contains(warnings, redisstore.Unconfirmed) {
				t.Errorf("Check: %v, %v", warnings, err)
			}
			start := time.Now()
			for i := range 10 {
				n := name("secret", "mona", strconv.Itoa(i))
				if err := s.Create(t.Context(), n, []byte("x"), later()); err != nil {
					t.Fatal(err)
				}
				value, version, err := s.Read(t.Context(), n)
				if err != nil || string(value) != "x" {
					t.Fatalf("%q, %v", value, err)
				}
				if err := s.Update(t.Context(), n, version, []byte("y"), later()); err != nil {
					t.Fatal(err)
				}
			}
			if took := time.Since(start); took > slack {
				t.Errorf("it took %v", took)
			}
			if err := s.Create(t.Context(), name("secret", "mona", "0"), []byte("z"), later()); !errors.Is(err, session.ErrExists) {
				t.Errorf("twice: %v", err)
			}
			if n := strings.Count(log.String(), "lets patdesk not use WAIT"); n != 1 {
				t.Errorf("said %d times:\n%s", n, log)
			}
		})
	}
	server := redistest.Start(t, "--rename-command", "WAIT", "") // without a replica there is nothing to wait for
	s := open(t, redisstore.Options{Addresses: []string{server.Addr}, Confirm: []string{"secret"}})
	if warnings, err := s.Check(t.Context()); err != nil || slices.Contains(warnings, redisstore.Unconfirmed) {
		t.Errorf("without a replica: %v, %v", warnings, err)
	}
}

// A write that the replica doesn't confirm has failed, and a new record is taken back.
func TestReplicaHangs(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	replica := redistest.StartReplica(t, server)
	s := open(t, redisstore.Options{Addresses: []string{server.Addr}, Confirm: []string{"secret"}})
	n := name("secret", "mona", "1")
	if err := s.Create(t.Context(), name("secret", "mona", "0"), nil, later()); err != nil {
		t.Fatal(err)
	}
	replica.Hang()
	start := time.Now()
	if err := s.Create(t.Context(), n, []byte("x"), later()); !errors.Is(err, session.ErrUnavailable) {
		t.Errorf("Create: %v, want ErrUnavailable", err)
	}
	if took := time.Since(start); took > redisstore.CallTimeout {
		t.Errorf("it took %v", took)
	}
	if _, _, err := s.Read(t.Context(), n); !errors.Is(err, session.ErrNotFound) {
		t.Errorf("Read: %v, want ErrNotFound", err)
	}
	if err := s.Create(t.Context(), name("note", "mona", "1"), nil, later()); err != nil {
		t.Errorf("Create of another kind: %v", err)
	}
	replica.Wake()
	eventually(t, "confirmed again", func() bool { return s.Create(t.Context(), n, []byte("x"), later()) == nil })
	replica.Kill()
	if err := s.Create(t.Context(), name("secret", "mona", "2"), nil, later()); err != nil {
		t.Errorf("Create without a replica any more: %v", err)
	}
}

// Of the secrets that were acknowledged when the primary died, none is lost, and writing goes on by itself.
func TestFailover(t *testing.T) {
	t.Parallel()
	w := redistest.StartSentinels(t)
	s := open(t, redisstore.Options{
		Addresses: redistest.Addresses(w.Sentinels), Master: redistest.MasterName, Confirm: []string{"secret"},
	})
	checkFailover(t, s, w.Primary)
}

// In a Cluster one of three primaries dies; here too nothing that was acknowledged is lost.
func TestClusterFailover(t *testing.T) {
	t.Parallel()
	servers := redistest.StartCluster(t, 3)
	redistest.AddReplicas(t, servers)
	s := open(t, redisstore.Options{Cluster: true, Addresses: redistest.Addresses(servers), Confirm: []string{"secret"}})
	if err := s.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	before := waits(servers[0]) + waits(servers[1]) + waits(servers[2])
	if err := s.Create(t.Context(), name("secret", "mona", "first"), nil, later()); err != nil {
		t.Fatal(err)
	}
	if n := waits(servers[0]) + waits(servers[1]) + waits(servers[2]) - before; n != 1 {
		t.Fatalf("WAIT %d times, want once", n)
	}
	for _, server := range servers { // the one that has mona's records
		if server.Do("CLUSTER", "COUNTKEYSINSLOT", server.Do("CLUSTER", "KEYSLOT", index(name("secret", "mona", "")))) != int64(0) {
			checkFailover(t, s, server)
			return
		}
	}
	t.Fatal("no server has the record")
}

// checkFailover kills the primary between writes.
func checkFailover(t *testing.T, s *redisstore.Store, primary *redistest.Server) {
	t.Helper()
	release, err := s.Lock(t.Context(), name("secret", "mona", "lock"))
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	var kept []session.Name
	var killed, again time.Time
	for i := 0; again.IsZero(); i++ {
		n := name("secret", "mona", strconv.Itoa(i))
		start := time.Now()
		err := s.Create(t.Context(), n, []byte("x"), later())
		if took := time.Since(start); took > redisstore.CallTimeout+slack {
			t.Errorf("a write took %v", took)
		}
		if err == nil {
			kept = append(kept, n)
		}
		switch {
		case i == 200:
			primary.Kill()
			killed = time.Now()
		case i > 200 && err == nil:
			again = time.Now()
		case i < 200 && err != nil:
			t.Fatal(err)
		case time.Since(killed) > time.Minute && !killed.IsZero():
			t.Fatalf("not within a minute: %v", err)
		}
	}
	t.Logf("writing again %v after the primary was killed", again.Sub(killed))
	for _, n := range kept {
		if _, _, err := s.Read(t.Context(), n); err != nil {
			t.Errorf("an acknowledged secret is lost: %v", err)
		}
	}
	if again.Sub(killed) > redisstore.Lease*(redisstore.Renewals-1)/redisstore.Renewals {
		return // the lock may have ended before the new primary could be asked to renew it
	}
	if _, ok, err := s.TryLock(t.Context(), name("secret", "mona", "lock")); ok || err != nil {
		t.Errorf("the lock that was held all the time can be got: %v, %v", ok, err)
	}
}

// ---- locks -----------------------------------------------------------------------------

// A lock is held for as long as its holder lives, and free soon after it has died.
func TestLease(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	const lease = 400 * time.Millisecond
	o := redisstore.Options{Addresses: []string{server.Addr}}
	holder, other := redisstore.WithLease(open(t, o), lease), open(t, o)
	n := name("note", "", "1")
	if _, err := holder.Lock(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 4*lease)
	defer cancel()
	if _, err := other.Lock(ctx, n); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Lock of a lock that is held: %v, want DeadlineExceeded", err)
	}
	if err := holder.Close(); err != nil { // nobody renews it, and nobody frees it
		t.Fatal(err)
	}
	died := time.Now()
	release, err := other.Lock(t.Context(), n)
	if err != nil {
		t.Fatal(err)
	}
	release()
	if took := time.Since(died); took > lease+slack {
		t.Errorf("free only after %v", took)
	}
}

// A lock that Redis has lost is taken anew; one that another got meanwhile stays with that one. Both are logged.
func TestLostLock(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	var log testkit.Log
	o := redisstore.Options{Addresses: []string{server.Addr}, Log: slog.New(slog.NewTextHandler(&log, nil))}
	holder := redisstore.WithLease(open(t, o), 200*time.Millisecond)
	other := open(t, redisstore.Options{Addresses: []string{server.Addr}})
	n := name("note", "", "1")
	release, err := holder.Lock(t.Context(), n)
	if err != nil {
		t.Fatal(err)
	}
	server.Do("FLUSHALL")
	eventually(t, "it is taken anew", func() bool { return strings.Contains(log.String(), "taken anew") })
	if _, ok, err := other.TryLock(t.Context(), n); ok || err != nil {
		t.Errorf("TryLock = %v, %v", ok, err)
	}
	server.Do("SET", "patdesk:lock:note:"+n.ID, "somebody else", "PX", 60000)
	eventually(t, "the loss is logged", func() bool { return strings.Contains(log.String(), "lost to another process") })
	release()
	if _, ok, err := other.TryLock(t.Context(), n); ok || err != nil {
		t.Errorf("releasing a lost lock freed the new holder's: %v, %v", ok, err)
	}
}

// A release doesn't hang with Redis.
func TestReleaseIsBounded(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := open(t, redisstore.Options{Addresses: []string{server.Addr}})
	release, err := s.Lock(t.Context(), name("note", "", "1"))
	if err != nil {
		t.Fatal(err)
	}
	server.Hang()
	start := time.Now()
	release()
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("it took %v", took)
	}
}

// ---- connections that break -----------------------------------------------------------

// cutter is a proxy before Redis that swallows an answer and breaks the connection when it is armed and a script is
// sent through it.
type cutter struct {
	net.Listener
	to    string
	armed atomic.Bool
	cuts  atomic.Int32
}

func newCutter(t *testing.T, to string) *cutter {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cutter{Listener: l, to: to}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go c.serve(conn)
		}
	}()
	return c
}

func (c *cutter) serve(down net.Conn) {
	defer down.Close()
	up, err := net.Dial("tcp", c.to)
	if err != nil {
		return
	}
	defer up.Close()
	var cut atomic.Bool
	go func() {
		b := make([]byte, 64<<10)
		for {
			n, err := down.Read(b)
			if bytes.Contains(bytes.ToLower(b[:n]), []byte("eval")) && c.armed.CompareAndSwap(true, false) {
				cut.Store(true)
			}
			if _, werr := up.Write(b[:n]); err != nil || werr != nil {
				up.Close()
				return
			}
		}
	}()
	b := make([]byte, 64<<10)
	for {
		n, err := up.Read(b)
		if cut.Load() {
			c.cuts.Add(1)
			return
		}
		if _, werr := down.Write(b[:n]); err != nil || werr != nil {
			if !errors.Is(err, io.EOF) {
				return
			}
			return
		}
	}
}

// A write whose answer is lost is sent again, and isn't mistaken for somebody else's.
func TestLostAnswers(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	redistest.StartReplica(t, server)
	c := newCutter(t, server.Addr)
	for _, kind := range []string{"note", "secret"} {
		s := open(t, redisstore.Options{Addresses: []string{c.Addr().String()}, Confirm: []string{"secret"}})
		n := name(kind, "mona", "1")
		cuts := c.cuts.Load()
		c.armed.Store(true)
		if err := s.Create(t.Context(), n, []byte("one"), later()); err != nil {
			t.Errorf("%s: Create: %v", kind, err)
		}
		_, version, err := s.Read(t.Context(), n)
		if err != nil {
			t.Fatal(err)
		}
		c.armed.Store(true)
		if err := s.Update(t.Context(), n, version, []byte("two"), later()); err != nil {
			t.Errorf("%s: Update: %v", kind, err)
		}
		c.armed.Store(true)
		release, ok, err := s.TryLock(t.Context(), n)
		if !ok || err != nil {
			t.Fatalf("%s: TryLock = %v, %v", kind, ok, err)
		}
		release()
		if got := c.cuts.Load() - cuts; got != 3 {
			t.Errorf("%s: %d answers were cut, want 3", kind, got)
		}
		if b, _, err := s.Read(t.Context(), n); err != nil || string(b) != "two" {
			t.Errorf("%s: Read = %q, %v", kind, b, err)
		}
	}
}
