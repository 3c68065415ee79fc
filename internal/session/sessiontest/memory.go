// Package sessiontest holds what tests of session stores need: the suite that every session.Backend has to pass, and a
// Backend in memory that fails on demand.
package sessiontest

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/patdesk/patdesk/internal/session"
)

// Memory is a Backend in memory, for tests of what is built on a store.
type Memory struct {
	now func() time.Time

	mu      sync.Mutex
	records map[session.Name]memoryRecord
	locks   map[session.Name]chan struct{}
	writes  int
	fail    func(method string, name session.Name) error
}

var _ session.Backend = (*Memory)(nil)

type memoryRecord struct {
	value   []byte
	version int
	expires time.Time
}

// NewMemory returns an empty Memory with the given clock.
func NewMemory(now func() time.Time) *Memory {
	return &Memory{
		now:     now,
		records: make(map[session.Name]memoryRecord),
		locks:   make(map[session.Name]chan struct{}),
	}
}

// Fail has f called at the beginning of each method with its name ("Create", "Read"…). If f returns an error the method
// does nothing and returns it as a session.ErrUnavailable. A nil f ends that.
func (m *Memory) Fail(f func(method string, name session.Name) error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fail = f
}

// Len says how many records there are, expired ones included.
func (m *Memory) Len() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.records)
}

// Bytes says how many bytes of values there are, expired ones included.
func (m *Memory) Bytes() (n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, rec := range m.records {
		n += len(rec.value)
	}
	return n
}

// enter locks m, unless the method is to fail.
func (m *Memory) enter(method string, name session.Name) error {
	m.mu.Lock()
	f := m.fail
	m.mu.Unlock()
	if f != nil {
		if err := f(method, name); err != nil {
			return fmt.Errorf("%w: %w", session.ErrUnavailable, err)
		}
	}
	m.mu.Lock()
	return nil
}

// live returns the record if it hasn't expired. m is locked.
func (m *Memory) live(name session.Name) (memoryRecord, bool) {
	rec, ok := m.records[name]
	return rec, ok && m.now().Before(rec.expires)
}

// put stores a new version. m is locked.
func (m *Memory) put(name session.Name, value []byte, expires time.Time) error {
	if len(value) > session.MaxValue {
		return session.ErrTooLarge
	}
	m.writes++
	m.records[name] = memoryRecord{slices.Clone(value), m.writes, expires}
	return nil
}

// Create implements session.Backend.
func (m *Memory) Create(_ context.Context, name session.Name, value []byte, expires time.Time) error {
	if err := m.enter("Create", name); err != nil {
		return err
	}
	defer m.mu.Unlock()
	if _, ok := m.live(name); ok {
		return session.ErrExists
	}
	return m.put(name, value, expires)
}

// Read implements session.Backend.
func (m *Memory) Read(_ context.Context, name session.Name) ([]byte, string, error) {
	if err := m.enter("Read", name); err != nil {
		return nil, "", err
	}
	defer m.mu.Unlock()
	rec, ok := m.live(name)
	if !ok {
		return nil, "", session.ErrNotFound
	}
	return slices.Clone(rec.value), strconv.Itoa(rec.version), nil
}

// Update implements session.Backend.
func (m *Memory) Update(_ context.Context, name session.Name, version string, value []byte, expires time.Time) error {
	if err := m.enter("Update", name); err != nil {
		return err
	}
	defer m.mu.Unlock()
	rec, ok := m.live(name)
	if !ok {
		return session.ErrNotFound
	}
	if strconv.Itoa(rec.version) != version {
		return session.ErrConflict
	}
	return m.put(name, value, expires)
}

// Delete implements session.Backend.
func (m *Memory) Delete(_ context.Context, name session.Name) error {
	if err := m.enter("Delete", name); err != nil {
		return err
	}
	defer m.mu.Unlock()
	delete(m.records, name)
	return nil
}

// Take implements session.Backend.
func (m *Memory) Take(_ context.Context, name session.Name) ([]byte, error) {
	if err := m.enter("Take", name); err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	rec, ok := m.live(name)
	if !ok {
		return nil, session.ErrNotFound
	}
	delete(m.records, name)
	return rec.value, nil
}

// List implements session.Backend.
func (m *Memory) List(_ context.Context, kind, group string) ([]session.Name, error) {
	if err := m.enter("List", session.Name{Kind: kind, Group: group}); err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	var names []session.Name
	for name := range m.records {
		if name.Kind == kind && name.Group == group {
			names = append(names, name)
		}
	}
	return names, nil
}

// ReadMany implements session.Backend.
func (m *Memory) ReadMany(_ context.Context, names []session.Name, f func(i int, value []byte, err error) error) error {
	if err := session.SameGroup(names); err != nil || len(names) == 0 {
		return err
	}
	if err := m.enter("ReadMany", session.Name{Kind: names[0].Kind, Group: names[0].Group}); err != nil {
		return err
	}
	m.mu.Unlock()
	for i, name := range names {
		m.mu.Lock()
		rec, ok := m.live(name)
		m.mu.Unlock()
		var err error
		if !ok {
			err = session.ErrNotFound
		}
		if err := f(i, slices.Clone(rec.value), err); err != nil {
			return err
		}
	}
	return nil
}

// lock returns the lock called name: a channel that is full while it is held.
func (m *Memory) lock(method string, name session.Name) (chan struct{}, error) {
	if err := m.enter(method, name); err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	if m.locks[name] == nil {
		m.locks[name] = make(chan struct{}, 1)
	}
	return m.locks[name], nil
}

// Lock implements session.Backend.
func (m *Memory) Lock(ctx context.Context, name session.Name) (func(), error) {
	lock, err := m.lock("Lock", name)
	if err != nil {
		return nil, err
	}
	select {
	case lock <- struct{}{}:
		return sync.OnceFunc(func() { <-lock }), nil
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: %w", session.ErrUnavailable, ctx.Err())
	}
}

// TryLock implements session.Backend.
func (m *Memory) TryLock(_ context.Context, name session.Name) (func(), bool, error) {
	lock, err := m.lock("TryLock", name)
	if err != nil {
		return nil, false, err
	}
	select {
	case lock <- struct{}{}:
		return sync.OnceFunc(func() { <-lock }), true, nil
	default:
		return nil, false, nil
	}
}

// Sweep implements session.Backend.
func (m *Memory) Sweep(_ context.Context, now time.Time) (removed int, err error) {
	if err := m.enter("Sweep", session.Name{}); err != nil {
		return 0, err
	}
	defer m.mu.Unlock()
	for name, rec := range m.records {
		if !now.Before(rec.expires) {
			delete(m.records, name)
			removed++
		}
	}
	return removed, nil
}

// Describe implements session.Backend.
func (m *Memory) Describe(_ context.Context, kind, group string) ([]session.Stored, error) {
	if err := m.enter("Describe", session.Name{Kind: kind, Group: group}); err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	var described []session.Stored
	for name, rec := range m.records {
		if name.Kind == kind && name.Group == group && m.now().Before(rec.expires) {
			described = append(described, session.Stored{Name: name, Size: len(rec.value), Expires: rec.expires})
		}
	}
	slices.SortFunc(described, func(a, b session.Stored) int { return a.Expires.Compare(b.Expires) })
	return described, nil
}

// Ping implements session.Backend.
func (m *Memory) Ping(context.Context) error {
	if err := m.enter("Ping", session.Name{}); err != nil {
		return err
	}
	m.mu.Unlock()
	return nil
}

// Close implements session.Backend.
func (m *Memory) Close() error { return nil }
