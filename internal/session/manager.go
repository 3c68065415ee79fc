// Package session keeps what patdesk has to remember between two requests of a browser, and is the only one that writes
// a cookie.
//
// It has three floors. A Backend keeps bytes under a name until they expire; Dir is the one for a folder, and
// redisstore has the one for Redis. Records keeps encrypted values in a Backend, bound to their name, changed
// compare-and-set. A Manager keeps sessions in Records: what a signed-in browser may do, its token cache, the list of a
// person's sessions; and, for a browser that isn't signed in, what it needs on its way through the sign-in.
//
// The rules that everything here follows:
//
//   - A cookie holds a random id and nothing else. An id that the store doesn't know is never
//     taken over, and the id changes at sign-in, so an id that was planted is worth nothing.
//   - Nothing is stored for a visitor who hasn't asked to sign in.
//   - A record is updated only while it exists, so a slow request can't bring back a session that
//     was signed out.
//   - A session ends when it wasn't used for the idle timeout, and at the latest after its
//     lifetime, which nothing extends. The server decides that, not the cookie.
package session

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"regexp"
	"sync/atomic"
	"time"

	"github.com/gorilla/sessions"

	"github.com/patdesk/patdesk/internal/panics"
)

// Options configures a Manager.
type Options struct {
	Keys        [][]byte      // newest first, of KeySize bytes or more
	IdleTimeout time.Duration // a session ends this long after it was last used
	Lifetime    time.Duration // and this long after it began, used or not
	PerPerson   int           // sessions that one person can have; 0 is mostPerPerson
	Secure      bool          // the public address is https: cookies are Secure and named __Host-
	Instance    string        // lower-case letters and digits: distinguishes copies on one host
	Now         func() time.Time
	Log         *slog.Logger // nil for slog.Default()

	// Count is called each time that a session begins or is ended, with one of Events. It must not block. It may be
	// nil.
	Count func(event string)

	// Dropped is called for each record that makes room for a newer one, with its kind. It must not block. It may be
	// nil.
	Dropped func(kind string)
}

// Events returns what can happen to a session. That one has run out is no event: no request is there when it happens.
func Events() []string { return []string{eventBegun, eventSignedOut, eventEndedByPerson, eventTooMany} }

const (
	eventBegun         = "begun"
	eventSignedOut     = "signed_out"
	eventEndedByPerson = "ended_by_person" // from another session
	eventTooMany       = "too_many"        // PerPerson
)

// mostPerPerson bounds what a person can pile up who signs in again and again.
const mostPerPerson = 10_000

var instanceName = regexp.MustCompile(`^[a-z0-9]{0,16}$`)

func (o Options) validate() error {
	var faults []error
	if o.IdleTimeout <= 0 {
		faults = append(faults, errors.New("session: the idle timeout isn't positive"))
	}
	if o.Lifetime <= 0 {
		faults = append(faults, errors.New("session: the lifetime isn't positive"))
	}
	if !instanceName.MatchString(o.Instance) {
		faults = append(faults, errors.New("session: the instance isn't made of at most 16 lower-case letters and digits"))
	}
	return errors.Join(faults...)
}

// Manager opens, begins and ends sessions. It starts no goroutine by itself.
type Manager struct {
	secure         bool   // see Options
	instance       string // see Options
	records        *Records
	idle, lifetime time.Duration // see Options
	each           int           // Options.PerPerson
	count          func(event string)
	now            func() time.Time
	log            *slog.Logger
	uses           *uses
	pings          panics.Flights
	pinged         atomic.Pointer[pinged]
}

var _ sessions.Store = (*Manager)(nil)

// New makes a Manager over b.
func New(b Backend, o Options) (*Manager, error) {
	records := &Records{backend: b}
	if err := errors.Join(records.SetKeys(o.Keys), o.validate()); err != nil {
		return nil, err
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Count == nil {
		o.Count = func(string) {}
	}
	if o.Dropped == nil {
		o.Dropped = func(string) {}
	}
	log := cmp.Or(o.Log, slog.Default())
	records.now, records.log, records.dropped = o.Now, log, o.Dropped
	records.bounds, records.unreadable = newBounds(), once{seen: map[Name]bool{}}
	records.Declare(ownBounds()...)
	return &Manager{
		secure: o.Secure, instance: o.Instance, records: records, idle: o.IdleTimeout, lifetime: o.Lifetime, each: cmp.Or(o.PerPerson, mostPerPerson),
		count: o.Count, now: o.Now, log: log, uses: newUses(),
	}, nil
}

// Records is the store beneath the sessions, for what else has to be kept.
func (m *Manager) Records() *Records { return m.records }

// Ping reports whether records can be read and written. It writes one; but asked more often than every pingEvery, it
// repeats what was found last.
func (m *Manager) Ping(ctx context.Context) error {
	result := m.pings.DoChan("", func() (any, error) {
		if last := m.pinged.Load(); last != nil && time.Since(last.at) < pingEvery {
			return nil, last.err
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), pingTimeout)
		defer cancel()
		err := m.records.backend.Ping(ctx)
		m.pinged.Store(&pinged{time.Now(), err})
		return nil, err
	})
	select {
	case r := <-result:
		return r.Err
	case <-ctx.Done():
		return unavailable(ctx.Err())
	}
}

// pinged is what a try of the store has found. It goes by the machine's clock, as the store does.
type pinged struct {
	at  time.Time
	err error
}

const (
	pingEvery   = 2 * time.Second
	pingTimeout = 2 * time.Second
)

// Sweep removes what has expired and says how many records that were.
func (m *Manager) Sweep(ctx context.Context) (removed int, err error) {
	now := m.now()
	m.uses.forgetBefore(now.Add(-m.idle))
	return m.records.backend.Sweep(ctx, now)
}

// Sweeper sweeps at once and then as often as said, until ctx ends. Faults are logged.
func (m *Manager) Sweeper(ctx context.Context, every time.Duration) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		removed, err := panics.Try(func() (int, error) { return m.Sweep(ctx) })
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			m.log.Error("sweeping expired records failed", "removed", removed, "error", err)
		default:
			m.log.Debug("expired records were swept", "removed", removed)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}
