package redisstore_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/patdesk/patdesk/internal/session"
	"github.com/patdesk/patdesk/internal/session/redisstore"
	"github.com/patdesk/patdesk/internal/session/redisstore/redistest"
)

// fill makes n records of one group as Create does, and as many of another one.
func fill(tb testing.TB, server *redistest.Server, n, size int) []session.Name {
	tb.Helper()
	client := redis.NewClient(&redis.Options{Addr: server.Addr, Protocol: 2, DisableIdentity: true, PipelinePoolSize: -1})
	defer client.Close()
	var names []session.Name
	_, err := client.Pipelined(tb.Context(), func(p redis.Pipeliner) error {
		for i := range 2 * n {
			one := name("note", []string{"mona", "omar"}[i%2], strconv.Itoa(i))
			expires := later().UnixMilli()
			p.Set(tb.Context(), key(one), fmt.Sprintf("PDR1%016d%016d%s", expires, i, strings.Repeat("x", size)), time.Hour)
			p.ZAdd(tb.Context(), index(one), redis.Z{Score: float64(expires), Member: one.ID})
			if i%2 == 0 {
				names = append(names, one)
			}
		}
		return nil
	})
	if err != nil {
		tb.Fatal(err)
	}
	return names
}

// evals is how many scripts the server has carried out.
func evals(server *redistest.Server) int {
	_, stats, ok := strings.Cut(fmt.Sprint(server.Do("INFO", "commandstats")), "cmdstat_eval:calls=")
	if !ok {
		return 0
	}
	n, _, _ := strings.Cut(stats, ",")
	i, _ := strconv.Atoi(n)
	return i
}

// Ten thousand records of a person, on a Redis that is 2.3 ms away, come in a few answers; and in as many as bound what
// is in memory.
func TestTenThousandRecordsFarAway(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	names := fill(t, server, 10_000, 1500)
	s := open(t, redisstore.Options{Addresses: []string{server.Far(2300 * time.Microsecond)}})
	listed, err := s.List(t.Context(), "note", names[0].Group)
	if err != nil || len(listed) != len(names) {
		t.Fatalf("List: %d, %v", len(listed), err)
	}
	// Some are gone by the time they are read, with their entries in the index left over; others expire or are damaged.
	for _, n := range listed[:100] {
		server.Do("DEL", key(n))
	}
	server.Do("SET", key(listed[100]), "not a record")
	before, begun, read, gone, damaged := evals(server), time.Now(), 0, 0, 0
	err = s.ReadMany(t.Context(), listed, func(_ int, value []byte, err error) error {
		switch {
		case errors.Is(err, session.ErrDamaged):
			damaged++
		case errors.Is(err, session.ErrNotFound):
			gone++
		case err == nil && len(value) == 1500:
			read++
		}
		return nil
	})
	if err != nil || read != 9899 || gone != 100 || damaged != 1 {
		t.Errorf("%d records read, %d gone, %d damaged, %v", read, gone, damaged, err)
	}
	if calls := evals(server) - before; calls > 15 {
		t.Errorf("that took %d calls, want no more than 15", calls)
	}
	t.Logf("%d records in %v", read, time.Since(begun))
}

// A group's records may be larger than what is in memory of them.
func TestReadManyIsBoundedInMemory(t *testing.T) {
	server := redistest.Start(t)
	names := fill(t, server, 40, 1<<20-100)
	s := open(t, redisstore.Options{Addresses: []string{server.Addr}})
	var now runtime.MemStats
	most, read := uint64(0), 0
	runtime.GC()
	runtime.ReadMemStats(&now)
	before := now.HeapAlloc
	err := s.ReadMany(t.Context(), names, func(_ int, value []byte, err error) error {
		if read++; read%10 == 0 {
			runtime.GC()
			runtime.ReadMemStats(&now)
			most = max(most, now.HeapAlloc)
		}
		return err
	})
	if err != nil || read != 40 {
		t.Fatalf("%d read, %v", read, err)
	}
	if grown := int64(most) - int64(before); grown > 16<<20 {
		t.Errorf("40 MB of records take %d MB of memory", grown>>20)
	}
}

// A Redis that hangs in the middle fails the reading, in the time of one call.
func TestReadManyOfARedisThatHangs(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	names := fill(t, server, 5000, 10)
	s := open(t, redisstore.Options{Addresses: []string{server.Addr}})
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	read := 0
	err := s.ReadMany(ctx, names, func(int, []byte, error) error {
		if read++; read == 1 {
			server.Hang()
		}
		return nil
	})
	server.Wake()
	if !errors.Is(err, session.ErrUnavailable) || read == len(names) {
		t.Errorf("%d read, %v; want ErrUnavailable", read, err)
	}
}

func BenchmarkReadMany(b *testing.B) {
	server := redistest.Start(b)
	names := fill(b, server, 5000, 1500)
	for what, addr := range map[string]string{"near": server.Addr, "far": server.Far(2300 * time.Microsecond)} {
		s := open(b, redisstore.Options{Addresses: []string{addr}})
		b.Run(what, func(b *testing.B) {
			for b.Loop() {
				if err := s.ReadMany(b.Context(), names, func(_ int, _ []byte, err error) error { return err }); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
