package entra

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/patdesk/patdesk/internal/panics"
)

const (
	memoPause  = 3 * time.Second  // after a failure nothing is fetched for so long
	forceEvery = 30 * time.Second // how often a fresh one may be fetched again because something unknown came up
)

// memo keeps what all sessions share and others publish: metadata, signing keys, a credential in a vault. Each is
// fetched once, by no request in particular: a visitor who leaves must not take the others' answer along. What is there
// is kept when it can't be fetched again.
type memo[T any] struct {
	fetch func(ctx context.Context, key string) (T, error)
	fresh time.Duration // after that it is fetched again, behind the scenes
	now   func() time.Time
	log   *slog.Logger
	words string // of the warning that it can't be fetched

	flights panics.Flights
	mu      sync.Mutex
	kept    map[string]kept[T]
}

type kept[T any] struct {
	value   T
	has     bool // there is a value
	fetched time.Time
	tried   time.Time // the last try
	forced  time.Time // the last getNewer
	err     error     // of the last try
}

// get returns what is kept under key.
func (m *memo[T]) get(ctx context.Context, key string) (T, error) {
	m.mu.Lock()
	k := m.kept[key]
	m.mu.Unlock()
	now := m.now()
	switch {
	case k.has && now.Sub(k.fetched) < m.fresh:
		return k.value, nil
	case k.has:
		if now.Sub(k.tried) >= memoPause {
			m.flights.DoChan(key, func() (any, error) { return m.renew(key) })
		}
		return k.value, nil
	case k.err != nil && now.Sub(k.tried) < memoPause:
		var none T
		return none, k.err
	}
	return m.wait(ctx, key)
}

// peek is what is kept under key, without fetching anything.
func (m *memo[T]) peek(key string) (value T, tried bool, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	k := m.kept[key]
	return k.value, !k.tried.IsZero(), k.err
}

// age is how old what is kept under key is; it counts from the zero time if nothing is.
func (m *memo[T]) age(key string) time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.now().Sub(m.kept[key].fetched)
}

// getNewer fetches although what is kept is fresh, for something that isn't in it; at most every forceEvery. ok says if
// it has done so.
func (m *memo[T]) getNewer(ctx context.Context, key string) (value T, ok bool) {
	m.mu.Lock()
	k := m.kept[key]
	if !k.forced.IsZero() && m.now().Sub(k.forced) < forceEvery {
		m.mu.Unlock()
		return value, false
	}
	k.forced = m.now()
	m.kept[key] = k
	m.mu.Unlock()
	value, err := m.wait(ctx, key)
	return value, err == nil
}

// forget throws away what turned out to be of no use. It isn't fetched again at once.
func (m *memo[T]) forget(key string, why error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.kept[key] = kept[T]{tried: m.now(), err: why}
}

func (m *memo[T]) wait(ctx context.Context, key string) (T, error) {
	done := m.flights.DoChan(key, func() (any, error) { return m.renew(key) })
	var none T
	select {
	case result := <-done:
		if value, ok := result.Val.(T); ok && result.Err == nil {
			return value, nil
		}
		return none, result.Err
	case <-ctx.Done():
		return none, ctx.Err()
	}
}

func (m *memo[T]) renew(key string) (T, error) {
	ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
	defer cancel()
	value, err := panics.Try(func() (T, error) { return m.fetch(ctx, key) })
	err = contained(m.log, m.words, err)
	m.mu.Lock()
	defer m.mu.Unlock()
	k := m.kept[key]
	k.tried, k.err = m.now(), nil
	if err == nil {
		k.value, k.has, k.fetched = value, true, k.tried
	} else {
		k.err = networkError(err)
		if k.has { // otherwise the callers that wait for it get the error, and record it
			m.log.Warn(m.words, "kept", true, "error", k.err)
		}
	}
	m.kept[key] = k
	return value, k.err
}

var errPanic = errors.New("a fault of patdesk itself")

// contained logs err if it is a panic in some work, and makes one of this package's errors of it.
func contained(log *slog.Logger, work string, err error) error {
	var fault *panics.Fault
	if !errors.As(err, &fault) {
		return err
	}
	fault.Log(log, work)
	return &Error{Kind: KindOther, Err: errPanic}
}
