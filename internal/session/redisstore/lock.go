package redisstore

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"sync"
	"time"

	"github.com/patdesk/patdesk/internal/panics"
	"github.com/patdesk/patdesk/internal/session"
)

// A lock is a key with a random token of its holder and a time to live, the lease. While the lock is held a goroutine
// renews the lease, however long that takes; when the process dies, no one does, and the lock is free within the lease.
//
// A holder can lose its lock without dying: the process was stopped for longer than the lease (a suspended machine),
// Redis couldn't be reached for that long, or Redis forgot the lock in a failover. Then two may work at once. A lock
// therefore only saves work that would be done twice; nothing is made safe by a lock alone. What must not happen twice
// is claimed by Create, and what must not get lost is written by Update, which see what the other one has done: they
// are the fence. A lock that was lost is taken anew if it is still free, and logged in any case.
const (
	lease = 6 * time.Second
	// renewals per lease: some may fail.
	renewals = 4
	// unlockTimeout bounds how long a release holds up its caller. If it fails the lease ends.
	unlockTimeout = time.Second

	firstRetry = 5 * time.Millisecond
	lastRetry  = 100 * time.Millisecond
)

// heldLock is a lock that was got.
type heldLock struct {
	s     *Store
	kind  string
	key   string
	token string
}

// Lock implements session.Backend.
func (s *Store) Lock(ctx context.Context, name session.Name) (release func(), err error) {
	token := rand.Text() // the same for all tries: one whose answer was lost counts
	for retry := firstRetry; ; retry = min(2*retry, lastRetry) {
		if err := ctx.Err(); err != nil {
			return nil, failed(err)
		}
		release, ok, err := s.tryLock(ctx, name, token)
		if ok || err != nil {
			return release, err
		}
		select {
		case <-time.After(retry/2 + mathrand.N(retry)): //nolint:gosec // G404: only to get out of step with others who wait
		case <-ctx.Done():
		case <-s.life.Done():
			return nil, fmt.Errorf("%w: the store was closed", session.ErrUnavailable)
		}
	}
}

// TryLock implements session.Backend.
func (s *Store) TryLock(ctx context.Context, name session.Name) (release func(), ok bool, err error) {
	return s.tryLock(ctx, name, rand.Text())
}

func (s *Store) tryLock(ctx context.Context, name session.Name, token string) (release func(), ok bool, err error) {
	if err := name.Valid(); err != nil {
		return nil, false, err
	}
	l := &heldLock{s: s, kind: name.Kind, key: s.prefix + "lock:" + s.key(name)[len(s.prefix):], token: token}
	call, cancel := bounded(ctx)
	defer cancel()
	answer, err := l.eval(call, lockScript)
	if err != nil {
		panics.Go(s.log, "freeing a lock", l.unlock) // it may have been got all the same, and ctx may have ended
		return nil, false, err
	}
	if answer != "OK" {
		return nil, false, nil
	}
	held, stop := context.WithCancel(s.life) // a lock outlasts the context it was got with
	ended := make(chan struct{})
	panics.Go(s.log, "renewing a lock", func() {
		defer close(ended)
		l.renew(held)
	})
	return sync.OnceFunc(func() {
		stop()
		<-ended // the last renewal
		l.unlock()
	}), true, nil
}

func (l *heldLock) eval(ctx context.Context, script string) (string, error) {
	return l.s.eval(ctx, script, []string{l.key}, l.token, l.s.lease.Milliseconds())
}

// unlock frees the lock if it is still ours.
func (l *heldLock) unlock() {
	ctx, cancel := context.WithTimeout(context.Background(), unlockTimeout)
	defer cancel()
	_, _ = l.eval(ctx, unlockScript) // or else the lease ends
}

// renew extends the lease until ctx ends or another process has the lock.
func (l *heldLock) renew(ctx context.Context) {
	every := l.s.lease / renewals
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		if !l.renewOnce(ctx, every) {
			return
		}
	}
}

// renewOnce reports whether it is worth going on.
func (l *heldLock) renewOnce(ctx context.Context, limit time.Duration) bool {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	answer, err := l.eval(ctx, renewScript)
	switch {
	case errors.Is(err, context.Canceled):
	case err != nil:
		l.s.log.Warn("a lock's lease could not be renewed", "kind", l.kind, "error", err)
	case answer == "AGAIN":
		l.s.log.Warn("Redis had lost a lock that was held; it was taken anew", "kind", l.kind)
	case answer == "TAKEN":
		l.s.log.Warn("a lock was lost to another process", "kind", l.kind)
		return false
	}
	return true
}
