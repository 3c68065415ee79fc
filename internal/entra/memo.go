package entra

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
)

const (
	memoFresh  = time.Hour        // after that a document is fetched again, behind the scenes
	memoPause  = 3 * time.Second  // after a failure nothing is fetched for so long
	forceEvery = 30 * time.Second // how often a document may be fetched because something unknown came up
)

// memo keeps public documents (metadata, signing keys) for all sessions. Each is fetched once, by nobody's request in
// particular: a visitor who leaves must not take the others' answer along. What is there is kept when it can't be
// fetched again.
type memo struct {
	fetch func(context.Context, string) ([]byte, error)
	now   func() time.Time
	log   *slog.Logger

	flights singleflight.Group
	mu      sync.Mutex
	kept    map[string]document
}

type document struct {
	body    []byte
	fetched time.Time
	err     error     // of the last try
	tried   time.Time // the last try
}

func newMemo(fetch func(context.Context, string) ([]byte, error), now func() time.Time, log *slog.Logger) *memo {
	return &memo{fetch: fetch, now: now, log: log, kept: map[string]document{}}
}

// get returns the document at address.
func (m *memo) get(ctx context.Context, address string) ([]byte, error) {
	m.mu.Lock()
	d := m.kept[address]
	m.mu.Unlock()
	now := m.now()
	switch {
	case d.body != nil && now.Sub(d.fetched) < memoFresh:
		return d.body, nil
	case d.body != nil:
		if now.Sub(d.tried) >= memoPause {
			m.flights.DoChan(address, func() (any, error) { return m.renew(address) })
		}
		return d.body, nil
	case d.err != nil && now.Sub(d.tried) < memoPause:
		return nil, d.err
	}
	return m.wait(ctx, address)
}

// getNewer fetches the document although it is fresh, for something that isn't in it; at most every forceEvery.
func (m *memo) getNewer(ctx context.Context, address string) ([]byte, error) {
	m.mu.Lock()
	d := m.kept[address]
	m.mu.Unlock()
	if m.now().Sub(d.tried) < forceEvery {
		return d.body, d.err
	}
	return m.wait(ctx, address)
}

func (m *memo) wait(ctx context.Context, address string) ([]byte, error) {
	done := m.flights.DoChan(address, func() (any, error) { return m.renew(address) })
	select {
	case result := <-done:
		body, _ := result.Val.([]byte)
		return body, result.Err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (m *memo) renew(address string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
	defer cancel()
	body, err := m.fetch(ctx, address)
	m.mu.Lock()
	defer m.mu.Unlock()
	d := m.kept[address]
	d.tried, d.err = m.now(), err
	if err != nil {
		m.kept[address] = d
		m.log.Warn("Entra's metadata or keys could not be fetched", "kept", d.body != nil, "error", trouble(err))
		return nil, trouble(err)
	}
	d.body, d.fetched = body, d.tried
	m.kept[address] = d
	return body, nil
}
