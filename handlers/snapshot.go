package handlers

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/patdesk/patdesk/internal/azuredevops"
	"github.com/patdesk/patdesk/internal/panics"
)

const (
	snapshotLife  = time.Minute     // how long what was read is taken as true
	snapshotLimit = 2000            // sessions whose tokens are kept in memory
	snapshotBytes = 128 << 20       // of the tokens of all of them
	sessionBytes  = 32 << 20        // of the tokens of one: at least 50,000 usual ones
	readTimeout   = 2 * time.Minute // of all lists of one organization
	readsAtOnce   = 6               // organizations read at the same time for one session
)

// snapshots keeps for a short while which tokens each session's person has in all organizations, so that searching,
// sorting and paging cost no call, and a page that reloads itself finds what came meanwhile. They are bounded in number and
// in bytes: those that weren't looked at for the longest time go first.
type snapshots struct {
	now func() time.Time

	mu    sync.Mutex           // of the snapshots in it, too
	all   map[string]*snapshot // by session
	bytes int64                // of their parts
}

func newSnapshots(now func() time.Time) *snapshots {
	return &snapshots{now: now, all: map[string]*snapshot{}}
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
	in     *snapshots    // whose mu guards the rest
	places chan struct{} // of reads at the same time

	used    time.Time
	finding *finding
	parts   map[string]*part // by organization in lower case
	bytes   int64            // of the parts that have been read
	dropped bool             // it is none of the snapshots any more
}

// part is what one organization has. All but done, organization and begun may be read only after done is closed.
type part struct {
	organization string
	begun        time.Time
	done         chan struct{}

	tokens []listedToken
	failed []missingPart // each list that couldn't be read, or not to its end
	ended  time.Time
	bytes  int64 // guarded by snapshots.mu: what it counts for
}

// finding is a search for the organizations; see part for what may be read when.
type finding struct {
	done  chan struct{}
	names []string
	err   error
	ended time.Time
}

// open returns the session's snapshot, an empty one if there is none. Those that nobody looks at any more go.
func (s *snapshots) open(key string) *snapshot {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	kept, ok := s.all[key]
	if !ok {
		s.makeRoom(now)
		kept = &snapshot{in: s, places: make(chan struct{}, readsAtOnce), parts: map[string]*part{}}
		s.all[key] = kept
	}
	kept.used = now
	return kept
}

// makeRoom makes room for one more session; s is locked.
func (s *snapshots) makeRoom(now time.Time) {
	for key, one := range s.all {
		if now.Sub(one.used) > 2*snapshotLife {
			s.drop(key)
		}
	}
	if len(s.all) >= snapshotLimit {
		s.dropOldest(nil)
	}
}

// dropOldest drops the snapshot that wasn't looked at for the longest time, but never spare; s is locked. Not ok: there is
// none.
func (s *snapshots) dropOldest(spare *snapshot) (ok bool) {
	oldest := ""
	for key, one := range s.all {
		if one != spare && (oldest == "" || one.used.Before(s.all[oldest].used)) {
			oldest = key
		}
	}
	if oldest == "" {
		return false
	}
	s.drop(oldest)
	return true
}

// drop drops everything of a session; s is locked. Whoever waits for its parts gets them all the same.
func (s *snapshots) drop(key string) {
	if one, ok := s.all[key]; ok {
		one.dropped = true
		s.bytes -= one.bytes
		delete(s.all, key)
	}
}

// forget drops everything of a session: it has ended.
func (s *snapshots) forget(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drop(key)
}

// outdate drops what was read of an organization before that moment, or of all with the name "". A read that is under
// way goes on for those who wait for it, and counts no more.
func (s *snapshots) outdate(key, organization string, before time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	kept, ok := s.all[key]
	if !ok {
		return
	}
	for name, p := range kept.parts {
		if (organization == "" || name == strings.ToLower(organization)) && !p.begun.After(before) {
			kept.dropPart(name)
		}
	}
}

// dropPart drops what was read of an organization; the snapshots are locked.
func (s *snapshot) dropPart(name string) {
	if p, ok := s.parts[name]; ok {
		delete(s.parts, name)
		s.count(-p.bytes)
		p.bytes = 0
	}
}

// count counts bytes more; the snapshots are locked.
func (s *snapshot) count(bytes int64) {
	s.bytes += bytes
	if !s.dropped {
		s.in.bytes += bytes
	}
}

// keep counts what a part has read, of which it keeps as much as one session may have, and makes room for it. What is cut
// off is told like any other part of a list that isn't there.
func (s *snapshot) keep(p *part) {
	tokens := compact(p.tokens)
	s.in.mu.Lock()
	defer s.in.mu.Unlock()
	kept, bytes := fitting(tokens, sessionBytes-s.bytes)
	if kept < len(tokens) {
		tooLarge := &azuredevops.Error{Call: "list", Organization: p.organization, Kind: azuredevops.KindTooLarge}
		p.failed = append(p.failed, missingPart{status: tokens[kept].status, err: tooLarge})
		tokens = slices.Clone(tokens[:kept])
	}
	p.tokens = tokens
	if s.dropped || s.parts[strings.ToLower(p.organization)] != p {
		return // nobody but those who wait for it has it
	}
	p.bytes = bytes
	s.count(bytes)
	for s.in.bytes > snapshotBytes && s.in.dropOldest(s) {
	}
}

// part joins or begins the reading of an organization. read is called in the background, at most readsAtOnce at a
// time.
func (s *snapshot) part(log *slog.Logger, organization string, now func() time.Time, read func() ([]listedToken, []missingPart)) *part {
	s.in.mu.Lock()
	defer s.in.mu.Unlock()
	key := strings.ToLower(organization)
	if p, ok := s.parts[key]; ok && (!closed(p.done) || now().Sub(p.ended) < snapshotLife) {
		return p
	}
	p := &part{organization: organization, begun: now(), done: make(chan struct{})}
	s.dropPart(key)
	s.parts[key] = p
	panics.Go(log, "reading tokens", func() {
		s.places <- struct{}{}
		defer func() { <-s.places }()
		defer close(p.done)
		defer func() {
			p.ended = now()
			if fault := panics.Caught(recover()); fault != nil {
				fault.Log(log, "reading tokens")
				p.failed = append(p.failed, missingPart{err: fmt.Errorf("reading the tokens of %s: %w", organization, fault)})
			}
		}()
		p.tokens, p.failed = read()
		s.keep(p)
	})
	return p
}

// failure is the first failure of an organization's part that has been read; nil if there is none.
func (s *snapshot) failure(organization string) error {
	s.in.mu.Lock()
	defer s.in.mu.Unlock()
	p, ok := s.parts[strings.ToLower(organization)]
	if !ok || !closed(p.done) || len(p.failed) == 0 {
		return nil
	}
	return p.failed[0].err
}

// find joins or begins the search for organizations. An earlier one counts as long as it would take a page to reload.
func (s *snapshot) find(log *slog.Logger, now func() time.Time, search func() ([]string, error)) *finding {
	s.in.mu.Lock()
	defer s.in.mu.Unlock()
	if f := s.finding; f != nil && (!closed(f.done) || now().Sub(f.ended) < snapshotLife) {
		return f
	}
	f := &finding{done: make(chan struct{})}
	s.finding = f
	panics.Go(log, "looking for organizations", func() {
		defer close(f.done)
		defer func() {
			f.ended = now()
			if fault := panics.Caught(recover()); fault != nil {
				fault.Log(log, "looking for organizations")
				f.err = fmt.Errorf("looking for organizations: %w", fault)
			}
		}()
		f.names, f.err = search()
	})
	return f
}

func closed(done <-chan struct{}) bool {
	select {
	case <-done:
		return true
	default:
		return false
	}
}

// stock is what is known of a person's tokens at one moment.
type stock struct {
	finding       bool  // the organizations themselves are still being looked for
	unfound       error // why they couldn't be found
	organizations []stockOrganization
	tokens        []listedToken // each once, a global one too
	since         time.Time     // the oldest of what was read; zero: nothing was
}

type stockOrganization struct {
	name    string
	loading bool
	failed  []missingPart
	tokens  int
}

// loading counts the organizations that are still being read.
func (s stock) loading() (n int) {
	for _, o := range s.organizations {
		if o.loading {
			n++
		}
	}
	return n
}

func (s stock) complete() bool { return !s.finding && s.loading() == 0 }

// signInNeeded is the error that leads to a new sign-in, where nothing at all could be read for want of one.
func (s stock) signInNeeded() error {
	if _, again := needsSignIn(s.unfound); again {
		return s.unfound
	}
	for _, o := range s.organizations {
		if o.loading || len(o.failed) == 0 || o.tokens > 0 {
			return nil
		}
		if _, again := needsSignIn(o.failed[0].err); !again {
			return nil
		}
	}
	if len(s.organizations) == 0 {
		return nil
	}
	return s.organizations[0].failed[0].err
}

// takeStock reads all organizations, and waits for them at most until enough is closed or the visitor is gone. What
// is not there by then goes on being read.
func (h *Handlers) takeStock(v *visit, enough <-chan time.Time) stock {
	kept := h.snapshots.open(v.session.Hash())
	names, found, err := h.awaitOrganizations(v, kept, enough)
	if !found {
		return stock{finding: true}
	}
	s := stockOf(h.readParts(v, kept, names, enough))
	s.unfound = err
	return s
}

// readParts reads these organizations, or joins those who do, and waits for them like takeStock.
func (h *Handlers) readParts(v *visit, kept *snapshot, names []string, enough <-chan time.Time) []*part {
	parts := make([]*part, len(names))
	ctx, caller, person := context.WithoutCancel(v.Context()), h.caller(v), v.session.Person().Key()
	for i, name := range names {
		parts[i] = kept.part(h.Log, name, h.Now, func() ([]listedToken, []missingPart) {
			ctx, cancel := context.WithTimeout(ctx, readTimeout)
			defer cancel()
			return h.read(ctx, person, caller, name, allStatuses)
		})
	}
	await(v.Context(), enough, parts)
	return parts
}

// stockOf is what these parts hold at this moment.
func stockOf(parts []*part) (s stock) {
	for _, p := range parts {
		o := stockOrganization{name: p.organization, loading: !closed(p.done)}
		if !o.loading {
			o.failed, o.tokens = p.failed, len(p.tokens)
			if s.since.IsZero() || p.ended.Before(s.since) {
				s.since = p.ended
			}
			s.tokens = append(s.tokens, p.tokens...)
		}
		s.organizations = append(s.organizations, o)
	}
	s.tokens = once(s.tokens)
	markTwins(s.tokens)
	return s
}

// awaitOrganizations asks discovery in the background where nothing is known, so that a slow one doesn't keep the
// page waiting.
func (h *Handlers) awaitOrganizations(v *visit, kept *snapshot, enough <-chan time.Time) (names []string, found bool, err error) {
	if known, fresh := h.discover.get(v.session.Hash()); fresh || len(h.Organizations) > 0 {
		return h.knownOrganizations(v), true, known.err
	}
	background := *v
	background.Request = v.WithContext(context.WithoutCancel(v.Context()))
	f := kept.find(h.Log, h.Now, func() ([]string, error) { return h.organizations(&background) })
	select {
	case <-f.done:
		return f.names, true, f.err
	case <-enough:
	case <-v.Context().Done():
	}
	return nil, false, nil
}

func await(ctx context.Context, enough <-chan time.Time, parts []*part) {
	for _, p := range parts {
		select {
		case <-p.done:
		case <-enough:
			return
		case <-ctx.Done():
			return
		}
	}
}

// statusRank orders what several organizations say of one global token: the later word is the stronger.
func statusRank(s azuredevops.Status) int { return slices.Index(allStatuses, s) }

// once keeps each token once. A global one is in the list of every organization, under the same id.
func once(tokens []listedToken) []listedToken {
	seen := make(map[string]int, len(tokens))
	var out []listedToken
	for _, t := range tokens {
		at, twice := seen[t.AuthorizationID]
		if !twice {
			seen[t.AuthorizationID] = len(out)
			out = append(out, t)
			continue
		}
		if statusRank(t.status) > statusRank(out[at].status) {
			out[at].status = t.status
		}
	}
	return out
}

// markTwins marks active tokens that share their name with another one of the same organization.
func markTwins(tokens []listedToken) {
	name := func(t listedToken) string { return place(t) + "\n" + strings.TrimSpace(t.DisplayName) }
	count := map[string]int{}
	for _, t := range tokens {
		if t.status == azuredevops.Active {
			count[name(t)]++
		}
	}
	for i, t := range tokens {
		tokens[i].twin = t.status == azuredevops.Active && count[name(t)] > 1
	}
}

// outdate drops what the session remembers of an organization, since something was changed there. A change of a
// global token is seen in all organizations.
func (h *Handlers) outdate(v *visit, organization string, t *azuredevops.Token, before time.Time) {
	if t != nil && t.Global() {
		organization = ""
	}
	h.snapshots.outdate(v.session.Hash(), organization, before)
}

// SnapshotBytes is how much memory people's tokens take that were read in the last minutes.
func (h *Handlers) SnapshotBytes() int64 { return h.snapshots.Bytes() }
