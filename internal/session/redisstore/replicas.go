package redisstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/redis/go-redis/v9"

	"github.com/patdesk/patdesk/internal/session"
)

// Redis answers a write before its own replicas have it. If the primary then dies and a replica takes over, the write
// is gone. For the kinds of records in Options.Confirm that mustn't be: their writes are followed, on the same
// connection, by WAIT, which answers when a replica has acknowledged them; https://redis.io/docs/latest/commands/wait.
// Since replicas take over writes in order, one acknowledgement covers everything that was written to that server
// before.
//
// A server without replicas isn't waited for, nor one that knows no WAIT, as some services and proxies don't: that is
// warned of. If there is a replica and it doesn't acknowledge in time, the write has failed: what it was for must not be
// relied on.
const (
	confirmTimeout = time.Second
	// lookEvery is how long it is believed how many replicas a server has.
	lookEvery = 5 * time.Second
	// guessAgain is the same where it has to be guessed, and finding none takes confirmTimeout.
	guessAgain = time.Minute
	// reloads of a Cluster's map of slots in one call.
	reloads = 5
	// manyServers is how many servers of a Cluster are remembered, where they come and go.
	manyServers = 1000
)

var errUnconfirmed = fmt.Errorf("%w: no replica of Redis has confirmed the write", session.ErrUnavailable)

// confirmed is eval whose write is on a replica too, if there is one.
func (s *Store) confirmed(ctx context.Context, script string, keys []string, args ...any) (string, error) {
	for try := 1; ; try++ {
		answer, err := s.tryConfirmed(ctx, script, keys, args...)
		if err == nil || s.cluster == nil || try == reloads || errors.Is(err, errUnconfirmed) || ctx.Err() != nil {
			return answer, failed(err)
		}
		// The slot has moved to another server, or its server has died. ClusterClient's own commands find that out by
		// themselves.
		s.cluster.ReloadState(ctx)
		select {
		case <-time.After(50 * time.Millisecond << try):
		case <-ctx.Done():
		}
	}
}

func (s *Store) tryConfirmed(ctx context.Context, script string, keys []string, args ...any) (string, error) {
	node, err := s.server(ctx, keys[0])
	if err != nil {
		return "", err
	}
	online, err := s.replicas.online(ctx, node)
	if err != nil {
		return "", err
	}
	if !online {
		return s.eval(ctx, script, keys, args...)
	}
	var eval, wait *redis.Cmd
	_, err = node.Pipelined(ctx, func(p redis.Pipeliner) error {
		eval = p.Eval(ctx, script, keys, args...)
		wait = p.Do(ctx, "WAIT", 1, confirmTimeout.Milliseconds())
		return nil
	})
	if refusesWait(wait.Err()) && eval.Err() == nil {
		s.replicas.waitRefused(wait.Err())
		s.replicas.seen.Add(node, replicaState{false, time.Now().Add(guessAgain)})
		return eval.Text()
	}
	if err != nil {
		return "", err
	}
	answer, err := eval.Text()
	if err != nil {
		return "", err
	}
	if n, err := wait.Int(); err != nil || n > 0 || answer != "OK" {
		return answer, err
	}
	s.replicas.seen.Remove(node)
	if online, err := s.replicas.online(ctx, node); err != nil || !online {
		return answer, err // the replica is gone, for Redis too
	}
	return "", errUnconfirmed
}

// server is the one that the key is written to.
func (s *Store) server(ctx context.Context, key string) (*redis.Client, error) {
	if s.cluster != nil {
		return s.cluster.MasterForKey(ctx, key)
	}
	return s.single, nil
}

// replicas remembers which servers have replicas.
type replicas struct {
	log     *slog.Logger
	seen    *lru.Cache[*redis.Client, replicaState]
	refused sync.Once
}

// replicaState is whether a server had a replica when that was last found out.
type replicaState struct {
	online bool
	until  time.Time // to be believed
}

// online reports whether the server has a replica that is connected.
func (r *replicas) online(ctx context.Context, node *redis.Client) (bool, error) {
	if seen, ok := r.seen.Get(node); ok && time.Now().Before(seen.until) {
		return seen.online, nil
	}
	seen := replicaState{until: time.Now().Add(lookEvery)}
	info, err := node.Info(ctx, "replication").Result()
	if err == nil {
		seen.online = strings.Contains(info, ",state=online,")
	} else if isForbidden(err) {
		seen, err = r.guess(ctx, node)
	}
	if err != nil {
		return false, err
	}
	r.seen.Add(node, seen)
	return seen.online, nil
}

// guess is for users that may not use INFO, which belongs to @dangerous: a replica that acknowledges everything so far
// within a second is there. One that hangs looks like none.
func (r *replicas) guess(ctx context.Context, node *redis.Client) (replicaState, error) {
	n, err := node.Do(ctx, "WAIT", 1, confirmTimeout.Milliseconds()).Int()
	if refusesWait(err) {
		r.waitRefused(err)
		n, err = 0, nil
	}
	if n > 0 {
		return replicaState{true, time.Now().Add(lookEvery)}, err
	}
	return replicaState{false, time.Now().Add(guessAgain)}, err
}

func (r *replicas) waitRefused(err error) {
	r.refused.Do(func() {
		r.log.Warn("Redis lets patdesk not use WAIT, so secrets that were just made may not outlive a failover", "error", err)
	})
}

// refusesWait reports whether the server has answered that there is no WAIT for us, in whatever words: Redis, its kin and
// proxies have their own. A server that has become a replica, or loads, says so of everything else as well.
func refusesWait(err error) bool {
	var said redis.Error
	return errors.As(err, &said) && !errors.Is(err, redis.Nil) &&
		!slices.ContainsFunc([]string{"WAIT cannot be used with replica", "READONLY", "LOADING", "MOVED", "CLUSTERDOWN", "MASTERDOWN", "NOAUTH", "BUSY"},
			func(prefix string) bool { return redis.HasErrorPrefix(err, prefix) })
}

// isForbidden reports whether Redis refuses a command that the user has no right to.
func isForbidden(err error) bool {
	return redis.HasErrorPrefix(err, "NOPERM") || redis.HasErrorPrefix(err, "unknown command")
}
