// Package redisstore is the session.Backend that keeps records in Redis, for several replicas of patdesk: on one
// server, with TLS or a socket, behind Sentinel, or on a Cluster.
//
// What is where, with the prefix "patdesk:":
//
//	patdesk:<kind>:<ID>             a record without a group
//	patdesk:<kind>:{<group>}:<ID>   a record of a group
//	patdesk:<kind>:{<group>}        the index of that kind and group: IDs by expiry
//	patdesk:lock:…                  the lock of the record's name
//
// All keys of one call share a slot of a Cluster, by the group in braces. Each call is one command or one script, so it
// happens as a whole or not at all; there is no state between two calls.
//
// Every key has a time to live, so Redis forgets by itself what has expired. It is counted from the moment of writing
// and not given as a date: then it doesn't matter if Redis's clock is wrong. The expiry that counts is by the clock of
// the program, as with every Backend; the time to live is longer by a margin, for replicas of the program whose clocks
// differ.
//
// Calls are repeated when a connection breaks (go-redis does that), so a script may run twice for one call. Create and
// Update recognize their own first run by the version they have written. After a Take whose answer was lost, the value
// is lost as well: its caller starts over.
package redisstore

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/redis/go-redis/v9"

	"github.com/patdesk/patdesk/internal/panics"
	"github.com/patdesk/patdesk/internal/session"
)

const (
	// CallTimeout is the longest that a call waits for Redis, repetitions included: what a page waits when Redis hangs.
	CallTimeout = 3 * time.Second
	// netTimeout bounds each step of a call: waiting for a connection, dialing, writing, reading.
	netTimeout = 2 * time.Second
	// poolSize is the most connections to one server. Calls beyond them wait for their turn.
	poolSize = 50
	// margin is how much longer than its expiry Redis keeps a record. Clocks of replicas may differ by it without harm.
	margin = 5 * time.Minute
)

// Store is a session.Backend in Redis.
type Store struct {
	client  redis.UniversalClient // one of the next two
	single  *redis.Client
	cluster *redis.ClusterClient
	prefix  string   // of all keys
	confirm []string // kinds, see Options.Confirm
	now     func() time.Time
	log     *slog.Logger

	credentials credentials // nil: fixed ones

	replicas replicas
	noSizes  sync.Once
	lease    time.Duration   // of locks
	life     context.Context // ends with Close
	close    func() error
}

var _ session.Backend = (*Store)(nil)

// Open returns the Backend that o describes. It doesn't connect: see Check.
func Open(o Options) *Store {
	if o.Now == nil {
		o.Now = time.Now
	}
	s := &Store{
		client: o.client(), prefix: cmp.Or(o.Prefix, DefaultPrefix), confirm: o.Confirm, now: o.Now, log: cmp.Or(o.Log, slog.Default()), lease: lease,
	}
	s.credentials = o.credentials()
	s.single, _ = s.client.(*redis.Client)
	s.cluster, _ = s.client.(*redis.ClusterClient)
	s.replicas.log = s.log
	s.replicas.seen, _ = lru.New[*redis.Client, replicaState](manyServers) // fails for sizes below one
	redis.SetLogger(logger{s.log})
	life, end := context.WithCancel(context.Background())
	s.life, s.close = life, sync.OnceValue(func() error {
		end()
		return s.client.Close()
	})
	return s
}

// Close implements session.Backend. Locks that are still held end with their lease.
func (s *Store) Close() error { return s.close() }

// logger lets go-redis, which has one logger for the whole program, write to ours. It reports every connection that
// broke; what that does to a request, the request's own record says.
type logger struct{ log *slog.Logger }

// Printf implements go-redis's interface.
func (l logger) Printf(ctx context.Context, format string, v ...any) {
	panics.Contain(l.log, "redis", func() { // goroutines of the library's come here
		l.log.DebugContext(ctx, "redis", "message", fmt.Sprintf(format, v...))
	})
}

// ---- names ---------------------------------------------------------------------

// key is where the record called n is kept.
func (s *Store) key(n session.Name) string {
	if n.Group == "" {
		return s.prefix + n.Kind + ":" + n.ID
	}
	return s.index(n) + ":" + n.ID
}

// index is where the IDs of n's kind and group are kept.
func (s *Store) index(n session.Name) string { return s.prefix + n.Kind + ":{" + n.Group + "}" }

// keys are the keys that writing or removing the record touches, all in one slot.
func (s *Store) keys(n session.Name) []string {
	if n.Group == "" {
		return []string{s.key(n)}
	}
	return []string{s.key(n), s.index(n)}
}

// ---- calls ---------------------------------------------------------------------

// bounded is ctx for one call.
func bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, CallTimeout)
}

// failed makes an error of the session package of go-redis's. Only the answer "nil" itself means that there is no
// record: an error that wraps it says that Sentinels know no primary.
func failed(err error) error {
	switch {
	case err == nil, errors.Is(err, session.ErrUnavailable):
		return err
	case err == redis.Nil: //nolint:errorlint // see above
		return session.ErrNotFound
	case redis.HasErrorPrefix(err, "WRONGTYPE"):
		return session.ErrDamaged
	}
	return fmt.Errorf("%w: %w", session.ErrUnavailable, err)
}

// Create implements session.Backend.
func (s *Store) Create(ctx context.Context, name session.Name, value []byte, expires time.Time) error {
	h := newHead(expires)
	err := s.write(ctx, name, createScript, h, value)
	if errors.Is(err, errUnconfirmed) { // it isn't to be there, unless it was changed since
		if _, left := s.call(context.WithoutCancel(ctx), s.eval, name, deleteScript, name.ID, h.version); left != nil {
			s.log.Warn("a record that no other Redis server has confirmed could not be taken back", "kind", name.Kind, "error", left)
		}
	}
	return err
}

// Read implements session.Backend.
func (s *Store) Read(ctx context.Context, name session.Name) (value []byte, version string, err error) {
	if err := name.Valid(); err != nil {
		return nil, "", err
	}
	ctx, cancel := bounded(ctx)
	defer cancel()
	b, err := s.client.Get(ctx, s.key(name)).Bytes()
	if err != nil {
		return nil, "", failed(err)
	}
	return s.open(b)
}

// open is the value of a stored record, if it is one and hasn't expired.
func (s *Store) open(b []byte) (value []byte, version string, err error) {
	h, value, err := parse(b)
	if err != nil {
		return nil, "", err
	}
	if s.now().UnixMilli() >= h.expires {
		return nil, "", session.ErrNotFound
	}
	return value, h.version, nil
}

// Update implements session.Backend.
func (s *Store) Update(ctx context.Context, name session.Name, version string, value []byte, expires time.Time) error {
	return s.write(ctx, name, updateScript, newHead(expires), value, version)
}

// Delete implements session.Backend.
func (s *Store) Delete(ctx context.Context, name session.Name) error {
	_, err := s.call(ctx, s.eval, name, deleteScript, name.ID, "")
	return err
}

// Take implements session.Backend.
func (s *Store) Take(ctx context.Context, name session.Name) ([]byte, error) {
	record, err := s.call(ctx, s.eval, name, takeScript, name.ID)
	if err != nil {
		return nil, err
	}
	value, _, err := s.open([]byte(record))
	return value, err
}

// Sweep implements session.Backend. There is nothing to do: Redis removes what has expired, and every write to an index
// removes what has expired from it.
func (s *Store) Sweep(context.Context, time.Time) (removed int, err error) { return 0, nil }

// Ping implements session.Backend: a record is written to, read from and removed from every server that takes writes.
func (s *Store) Ping(ctx context.Context) error {
	ctx, cancel := bounded(ctx)
	defer cancel()
	if s.cluster == nil {
		return failed(session.TryRecord(ctx, s, session.PingName(), s.now()))
	}
	return failed(s.cluster.ForEachMaster(ctx, func(ctx context.Context, node *redis.Client) error {
		name, err := s.pingName(ctx, node)
		if err != nil {
			return err
		}
		return session.TryRecord(ctx, s, name, s.now())
	}))
}

// pingName is a name whose record a Cluster keeps on node; any if node has no part of the names (any more).
func (s *Store) pingName(ctx context.Context, node *redis.Client) (name session.Name, err error) {
	for range pingTries {
		name = session.PingName()
		owner, err := s.cluster.MasterForKey(ctx, s.key(name))
		if err != nil {
			return name, err
		}
		if owner.Options().Addr == node.Options().Addr {
			break
		}
	}
	return name, nil
}

// pingTries is how many names are drawn for one server: of ten servers one is missed once in 40,000 times.
const pingTries = 100

// write runs a script that writes value.
func (s *Store) write(ctx context.Context, name session.Name, script string, h head, value []byte, more ...any) error {
	if len(value) > session.MaxValue {
		return session.ErrTooLarge
	}
	run := s.eval
	if slices.Contains(s.confirm, name.Kind) {
		run = s.confirmed
	}
	now := s.now().UnixMilli()
	life := max(0, h.expires-now) + margin.Milliseconds()
	_, err := s.call(ctx, run, name, script, append([]any{
		name.ID, now, life, margin.Milliseconds(), h.version, h.expires, append(h.bytes(), value...),
	}, more...)...)
	return err
}

// runner runs a script: eval or confirmed.
type runner func(ctx context.Context, script string, keys []string, args ...any) (string, error)

// call runs a script on the record called name.
func (s *Store) call(ctx context.Context, run runner, name session.Name, script string, args ...any) (string, error) {
	if err := name.Valid(); err != nil {
		return "", err
	}
	ctx, cancel := bounded(ctx)
	defer cancel()
	answer, err := run(ctx, script, s.keys(name), args...)
	if err != nil {
		return "", err
	}
	return outcome(answer)
}

func (s *Store) eval(ctx context.Context, script string, keys []string, args ...any) (string, error) {
	answer, err := s.client.Eval(ctx, script, keys, args...).Text()
	return answer, failed(err)
}

// ---- the form of a record ----------------------------------------------------------

// head stands before a record's value:
//
//	PDR1 | expiry: milliseconds since 1970, 16 digits | version: 16 random bytes
//
// Lua has no integers of 64 bits, therefore the expiry is decimal.
type head struct {
	expires int64
	version string
}

const (
	format        = "PDR1"
	expiresSize   = 16
	versionSize   = 16
	headSize      = len(format) + expiresSize + versionSize
	latestExpires = int64(1) << 52 // the largest numbers of Lua that are exact; the year 144683
)

func newHead(expires time.Time) head {
	version := make([]byte, versionSize)
	rand.Read(version)
	return head{expires: min(max(expires.UnixMilli(), 0), latestExpires), version: string(version)}
}

func (h head) bytes() []byte {
	return fmt.Appendf(nil, "%s%0*d%s", format, expiresSize, h.expires, h.version)
}

// parse takes a record apart: ErrDamaged.
func parse(b []byte) (h head, value []byte, err error) {
	if len(b) < headSize || string(b[:len(format)]) != format {
		return head{}, nil, session.ErrDamaged
	}
	h.expires, err = strconv.ParseInt(string(b[len(format):len(format)+expiresSize]), 10, 64)
	if err != nil {
		return head{}, nil, session.ErrDamaged
	}
	h.version = string(b[headSize-versionSize : headSize])
	return h, b[headSize:], nil
}
