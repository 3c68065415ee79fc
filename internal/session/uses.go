package session

import (
	"context"
	"errors"
	"sync"
	"time"
)

// uses remembers when sessions were last used through this process. The store learns of it once a minute only, yet the
// idle timeout is exact to the second. Another process on the same store doesn't see uses of that last minute: there a
// session may end up to a minute early, never late.
type uses struct {
	mu sync.Mutex
	at map[string]use // by the hash of the session's id
}

type use struct {
	last  time.Time
	noted time.Time // when the store was last updated, or was to be
}

// interval is the least time between two notes in the store: a minute, less if the idle timeout is short.
func (l limits) interval() time.Duration { return min(time.Minute, l.idle/60) }

// use reports whether the session is neither idle for too long nor too old, and if so counts as a use.
func (m *Manager) use(session string, rec *record) bool {
	now := m.now()
	if !now.Before(m.ends(rec)) {
		return false
	}
	return m.uses.use(session, rec.LastSeen, now, m.idle)
}

func (u *uses) use(session string, recorded, now time.Time, idle time.Duration) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	at := u.at[session]
	if at.last.Before(recorded) {
		at.last = recorded
	}
	if now.Sub(at.last) >= idle {
		return false
	}
	if at.last.Before(now) {
		at.last = now
	}
	if u.at == nil {
		u.at = make(map[string]use)
	}
	u.makeRoom(session)
	u.at[session] = at
	return true
}

// manyUses is how many sessions are remembered. What is forgotten beyond that, of any of them, is the last minute of
// its use at most, as if that had been through another process.
const manyUses = 100_000

// makeRoom makes room for one session more; u is locked.
func (u *uses) makeRoom(session string) {
	if _, there := u.at[session]; there || len(u.at) < manyUses {
		return
	}
	for other := range u.at {
		delete(u.at, other)
		return
	}
}

// due reports whether it is time to update the store, to one caller per interval.
func (u *uses) due(session string, recorded time.Time, interval time.Duration) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	at := u.at[session]
	if at.last.Sub(recorded) < interval || at.last.Sub(at.noted) < interval {
		return false
	}
	at.noted = at.last
	u.at[session] = at
	return true
}

// retry lets the next use be written to the store.
func (u *uses) retry(session string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if at, ok := u.at[session]; ok {
		at.noted = time.Time{}
		u.at[session] = at
	}
}

// Active is how many sessions were used through this process within the idle timeout, as far as it knows: that one was
// ended through another process it learns when the idle timeout is over.
func (m *Manager) Active() int {
	m.uses.mu.Lock()
	defer m.uses.mu.Unlock()
	return len(m.uses.at)
}

func (u *uses) forget(session string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.at, session)
}

// forgetBefore forgets sessions that weren't used since t.
func (u *uses) forgetBefore(t time.Time) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for session, at := range u.at {
		if !at.last.After(t) {
			delete(u.at, session)
		}
	}
}

// noteUse writes to the store that the session was used now. If it has been ended meanwhile, it is ErrNotFound; if it
// was changed, the next request tries again. That the store can't be written is no reason to turn away a person whose
// session can be read.
func (m *Manager) noteUse(ctx context.Context, id string, rec *record, was held) error {
	ctx = context.WithoutCancel(ctx)
	rec.LastSeen = m.now().UTC()
	was.expires = m.storedUntil(rec)
	err := m.records.update(ctx, sessionKey(id), was, rec)
	switch {
	case errors.Is(err, ErrNotFound):
		return err
	case errors.Is(err, ErrConflict):
		m.uses.retry(hash(id))
		return nil
	case err == nil:
		err = m.presenceSeen(ctx, id, rec)
	}
	if err != nil {
		m.log.Warn("the use of a session could not be recorded", "session", shortHash(id), "error", err)
	}
	return nil
}
