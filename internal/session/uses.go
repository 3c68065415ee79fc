package session

import (
	"context"
	"errors"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
)

// uses remembers when sessions were last used through this process. The store learns of it once a minute only, yet the
// idle timeout is exact to the second. Another process on the same store doesn't see uses of that last minute: there a
// session may end up to a minute early, never late.
type uses struct {
	mu sync.Mutex              // held from reading one to writing it
	at *lru.Cache[string, use] // by the hash of the session's id
}

type use struct {
	last  time.Time
	noted time.Time // when the store was last updated, or was to be
}

// manyUses is how many sessions are remembered. What is forgotten beyond that, of the one not used for the longest time,
// is the last minute of its use at most, as if that had been through another process.
const manyUses = 100_000

func newUses() *uses {
	at, _ := lru.New[string, use](manyUses) // fails for sizes below one
	return &uses{at: at}
}

// interval is the least time between two notes in the store: a minute, less if the idle timeout is short.
func (m *Manager) interval() time.Duration { return min(time.Minute, m.idle/60) }

// use counts as a use of a session if that isn't idle for too long, and reports whether it is time to update the store:
// to one caller per interval.
func (u *uses) use(session string, recorded, now time.Time, idle, interval time.Duration) (alive, due bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	at, _ := u.at.Peek(session)
	if at.last.Before(recorded) {
		at.last = recorded
	}
	if now.Sub(at.last) >= idle {
		return false, false
	}
	if at.last.Before(now) {
		at.last = now
	}
	if due = at.last.Sub(recorded) >= interval && at.last.Sub(at.noted) >= interval; due {
		at.noted = at.last
	}
	u.at.Add(session, at)
	return true, due
}

// retry lets the next use be written to the store.
func (u *uses) retry(session string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if at, ok := u.at.Peek(session); ok {
		u.at.Add(session, use{last: at.last})
	}
}

// Active is how many sessions were used through this process within the idle timeout, as far as it knows: that one was
// ended through another process it learns when the idle timeout is over.
func (m *Manager) Active() int { return m.uses.at.Len() }

// forgetBefore forgets sessions that weren't used since t.
func (u *uses) forgetBefore(t time.Time) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, session := range u.at.Keys() {
		if at, _ := u.at.Peek(session); !at.last.After(t) {
			u.at.Remove(session)
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
