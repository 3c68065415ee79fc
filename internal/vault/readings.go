package vault

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/patdesk/patdesk/internal/panics"
)

const (
	readingFresh   = time.Minute      // how long a reading is shown before the vaults are read again
	readingShown   = 10 * time.Minute // how long one is shown while they are
	readingTimeout = 45 * time.Second // of reading all vaults
	manyReadings   = 500              // sessions whose readings are kept
	versionsAtOnce = 4
	// maxTagged bounds for how many secrets of a vault older versions are asked for: each is a call.
	maxTagged = 100
)

// Reading is what vaults hold for tokens, by the properties of their secrets.
type Reading struct {
	Secrets []Secret         // the newest versions of all secrets
	Older   []Secret         // versions of tagged secrets that aren't the newest
	Failed  map[string]error // of the vaults that couldn't be read, or not to the end, by address
	Taken   time.Time

	vaults []string // that were read
}

// Whole reports whether all vaults were read to the end.
func (r Reading) Whole() bool { return !r.Taken.IsZero() && len(r.Failed) == 0 }

// Readings keep what the vaults hold, by session, for a short while. They are safe for concurrent use.
type Readings struct {
	client  *Client
	log     *slog.Logger
	flights panics.Flights
	kept    *lru.Cache[string, Reading]
}

// NewReadings makes Readings by c. It makes no call.
func NewReadings(c *Client, log *slog.Logger) *Readings {
	kept, _ := lru.New[string, Reading](manyReadings) // fails for sizes below one
	return &Readings{client: c, log: log, kept: kept}
}

// Of is what these vaults hold, read in the name of who has the session. It waits no longer than wait, or for ctx: then it
// returns what was read before, or a Reading that isn't taken yet, and goes on reading.
func (r *Readings) Of(ctx context.Context, session string, vaults []string, as *Caller, wait <-chan time.Time) Reading {
	kept, _ := r.kept.Get(session)
	if !slices.Equal(kept.vaults, vaults) {
		kept = Reading{}
	}
	age := r.client.o.Now().Sub(kept.Taken)
	if age < readingFresh {
		return kept
	}
	done := r.flights.DoChan(session+" "+strings.Join(vaults, " "), func() (any, error) {
		taken, err := panics.Try(func() (Reading, error) { return r.read(vaults, as), nil })
		if err != nil {
			r.log.Error("reading vaults panicked", "error", err)
			return kept, nil
		}
		r.kept.Add(session, taken)
		return taken, nil
	})
	if age < readingShown {
		return kept
	}
	select {
	case result := <-done:
		if taken, ok := result.Val.(Reading); ok {
			return taken
		}
	case <-wait:
	case <-ctx.Done():
	}
	return kept
}

// Forget drops what was read for a session, since something was changed.
func (r *Readings) Forget(session string) { r.kept.Remove(session) }

// read reads vaults side by side.
func (r *Readings) read(vaults []string, as *Caller) Reading {
	ctx, cancel := context.WithTimeout(context.Background(), readingTimeout)
	defer cancel()
	var (
		mu    sync.Mutex
		group panics.Group
		taken = Reading{Failed: map[string]error{}, Taken: r.client.o.Now(), vaults: vaults}
	)
	for _, address := range vaults {
		group.Go(func() error {
			listed, older, err := readVault(ctx, as, address)
			mu.Lock()
			defer mu.Unlock()
			taken.Secrets, taken.Older = append(taken.Secrets, listed...), append(taken.Older, older...)
			if err != nil {
				taken.Failed[address] = err
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil { // a panic
		r.log.Error("reading vaults failed", "error", err)
		taken.Failed[""] = err
	}
	return taken
}

// readVault lists a vault, and the older versions of those of its secrets that say which token they hold.
func readVault(ctx context.Context, as *Caller, address string) (listed, older []Secret, failed error) {
	listed, failed = as.List(ctx, address)
	var (
		mu    sync.Mutex
		group panics.Group
		asked int
	)
	group.SetLimit(versionsAtOnce)
	for _, s := range listed {
		if s.Tags[TagAuthorizationID] == "" || asked == maxTagged {
			continue
		}
		asked++
		group.Go(func() error {
			versions, err := as.Versions(ctx, s.Reference)
			newest := Newest(versions).Version
			mu.Lock()
			defer mu.Unlock()
			for _, v := range versions {
				if v.Version != newest {
					older = append(older, v)
				}
			}
			if err != nil && failed == nil {
				failed = err
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil && failed == nil {
		failed = err
	}
	return listed, older, failed
}

// Newest is the version that was made last; the zero Secret of none.
func Newest(versions []Secret) (newest Secret) {
	for _, v := range versions {
		if newest.Version == "" || v.Created.After(newest.Created) {
			newest = v
		}
	}
	return newest
}
