package inventory

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
	"golang.org/x/sync/semaphore"

	"github.com/patdesk/patdesk/internal/azuredevops"
	"github.com/patdesk/patdesk/internal/panics"
)

const (
	snapshotLife  = time.Minute // how long what was read is taken as true
	snapshotLimit = 400         // sessions whose tokens are kept in memory
	snapshotBytes = 128 << 20   // of the tokens of all of them
	sessionBytes  = 32 << 20    // of the tokens of one: at least 50,000 usual ones
	readsAtOnce   = 10          // organizations read at the same time for one session
)

// snapshots are those of all sessions. They are bounded in number and in bytes: those that weren't looked at for the
// longest time go first.
type snapshots struct {
	now      func() time.Time
	readings atomic.Uint64 // that were begun

	mu    sync.Mutex                        // of the snapshots in it, too
	all   *simplelru.LRU[string, *snapshot] // by session
	bytes int64                             // of all their organizations
}

func newSnapshots(now func() time.Time) *snapshots {
	s := &snapshots{now: now}
	s.all = newLRU(snapshotLimit, func(_ string, one *snapshot) { // requests that wait for its organizations get them all the same
		one.dropped = true
		s.bytes -= one.bytes
	})
	return s
}

// Bytes is how much memory the tokens take that are kept.
func (s *snapshots) Bytes() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.bytes
}

// snapshot is one session's. Reads are under way in the background and are joined by every request that comes
// meanwhile.
type snapshot struct {
	in    *snapshots          // whose mu guards the rest
	slots *semaphore.Weighted // of reads at the same time

	used          time.Time
	discovery     *discovery
	organizations map[string]*orgTokens // by name in lower case
	bytes         int64                 // of the organizations that have been read
	dropped       bool                  // it is none of the snapshots any more
}

// orgTokens is what one organization has. All but done, organization and begun may be read only after done is closed.
type orgTokens struct {
	organization string
	number       uint64 // of this reading, among all of this process
	begun        time.Time
	done         chan struct{}

	tokens []Token
	failed []Missing // each list that couldn't be read, or not to its end
	ended  time.Time
	bytes  int64 // guarded by snapshots.mu: what it counts for
}

// discovery is a search for the organizations; see orgTokens for what may be read when.
type discovery struct {
	done  chan struct{}
	names []string
	err   error
	ended time.Time
}

// open returns the session's snapshot, an empty one if there is none. Those that aren't looked at any more go.
func (s *snapshots) open(session string) *snapshot {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	kept, ok := s.all.Get(session)
	if !ok {
		s.dropUnused(now)
		kept = &snapshot{in: s, slots: semaphore.NewWeighted(readsAtOnce), organizations: map[string]*orgTokens{}}
		s.all.Add(session, kept)
	}
	kept.used = now
	return kept
}

// dropUnused drops the snapshots that were not looked at for so long that everything in them is outdated; s is locked.
func (s *snapshots) dropUnused(now time.Time) {
	for {
		_, oldest, ok := s.all.GetOldest()
		if !ok || now.Sub(oldest.used) <= 2*snapshotLife {
			return
		}
		s.all.RemoveOldest()
	}
}

// dropOldest drops the snapshot that wasn't looked at for the longest time, but never spare; s is locked. Not ok: there
// is none.
func (s *snapshots) dropOldest(spare *snapshot) (ok bool) {
	for _, session := range s.all.Keys() { // the oldest comes first
		if one, _ := s.all.Peek(session); one != spare {
			return s.all.Remove(session)
		}
	}
	return false
}

// forget drops everything of a session: it has ended.
func (s *snapshots) forget(session string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all.Remove(session)
}

// Invalidate drops what was read of an organization before that moment, or of all with the name "". A read that is
// under way goes on for those who wait for it, and counts no more.
func (s *snapshots) Invalidate(session, organization string, before time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	kept, ok := s.all.Peek(session)
	if !ok {
		return
	}
	for key, one := range kept.organizations {
		if (organization == "" || key == strings.ToLower(organization)) && !one.begun.After(before) {
			kept.drop(key)
		}
	}
}

// drop drops what was read of an organization; the snapshots are locked.
func (s *snapshot) drop(key string) {
	if one, ok := s.organizations[key]; ok {
		delete(s.organizations, key)
		s.count(-one.bytes)
		one.bytes = 0
	}
}

// count counts bytes more; the snapshots are locked.
func (s *snapshot) count(bytes int64) {
	s.bytes += bytes
	if !s.dropped {
		s.in.bytes += bytes
	}
}

// keep counts what was read of an organization, of which it keeps as much as one session may have, and makes room for
// it. What is cut off is reported like any other part of a list that isn't there.
func (s *snapshot) keep(one *orgTokens) {
	tokens := compact(one.tokens)
	s.in.mu.Lock()
	defer s.in.mu.Unlock()
	kept, bytes := fitting(tokens, sessionBytes-s.bytes)
	if kept < len(tokens) {
		tooLarge := &azuredevops.Error{Call: "list", Organization: one.organization, Kind: azuredevops.KindTooLarge}
		one.failed = append(one.failed, Missing{Status: tokens[kept].Status, Err: tooLarge})
		tokens = slices.Clone(tokens[:kept])
	}
	one.tokens = tokens
	if s.dropped || s.organizations[strings.ToLower(one.organization)] != one {
		return // only those who wait for it have it
	}
	one.bytes = bytes
	s.count(bytes)
	for s.in.bytes > snapshotBytes && s.in.dropOldest(s) {
	}
}

// read joins or begins the reading of an organization. list is called in the background, at most readsAtOnce at a time.
func (s *snapshot) read(log *slog.Logger, organization string, list func() ([]Token, []Missing)) *orgTokens {
	s.in.mu.Lock()
	defer s.in.mu.Unlock()
	key, now := strings.ToLower(organization), s.in.now
	if one, ok := s.organizations[key]; ok && (!closed(one.done) || now().Sub(one.ended) < snapshotLife) {
		return one
	}
	one := &orgTokens{organization: organization, number: s.in.readings.Add(1), begun: now(), done: make(chan struct{})}
	s.drop(key)
	s.organizations[key] = one
	panics.Go(log, "reading tokens", func() {
		_ = s.slots.Acquire(context.Background(), 1) // fails only when its context ends
		defer s.slots.Release(1)
		defer close(one.done)
		defer func() {
			one.ended = now()
			if fault := panics.Caught(recover()); fault != nil {
				fault.Log(log, "reading tokens")
				one.failed = append(one.failed, Missing{Err: fmt.Errorf("reading the tokens of %s: %w", organization, fault)})
			}
		}()
		one.tokens, one.failed = list()
		s.keep(one)
	})
	return one
}

// Failure is the first failure of an organization that has been read; nil if there is none.
func (s *snapshots) Failure(session, organization string) error {
	kept := s.open(session)
	s.mu.Lock()
	defer s.mu.Unlock()
	one, ok := kept.organizations[strings.ToLower(organization)]
	if !ok || !closed(one.done) || len(one.failed) == 0 {
		return nil
	}
	return one.failed[0].Err
}

// discover joins or begins the search for organizations. An earlier one counts as long as it would take a page to
// reload.
func (s *snapshot) discover(log *slog.Logger, search func() ([]string, error)) *discovery {
	s.in.mu.Lock()
	defer s.in.mu.Unlock()
	now := s.in.now
	if d := s.discovery; d != nil && (!closed(d.done) || now().Sub(d.ended) < snapshotLife) {
		return d
	}
	d := &discovery{done: make(chan struct{})}
	s.discovery = d
	panics.Go(log, "looking for organizations", func() {
		defer close(d.done)
		defer func() {
			d.ended = now()
			if fault := panics.Caught(recover()); fault != nil {
				fault.Log(log, "looking for organizations")
				d.err = fmt.Errorf("looking for organizations: %w", fault)
			}
		}()
		d.names, d.err = search()
	})
	return d
}

func closed(done <-chan struct{}) bool {
	select {
	case <-done:
		return true
	default:
		return false
	}
}
