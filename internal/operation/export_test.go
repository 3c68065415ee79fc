package operation

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/patdesk/patdesk/internal/session"
)

// OnReach has f called at the named points of j's workers. A f that ends its goroutine plays the death of the worker.
func OnReach(j *Journal, f func(point string)) { j.reach = f }

// Hold holds an operation's lock, as a worker does.
func Hold(j *Journal, person, id string) (release func(), err error) {
	return j.records.Lock(context.Background(), operationKey(person, id))
}

// SetBound lets one person have so many records of kind, besides what is kept for revokes.
func SetBound(j *Journal, kind string, records int) {
	for _, b := range j.records.Bounds() {
		if b.Kind == kind {
			b.Records = records
			if kind != "batch" {
				b.Records += forRevokes
			}
			j.records.Declare(b)
		}
	}
}

// Kept is how many records of kind a person has.
func Kept(j *Journal, kind, person string) (n int, err error) {
	stored, err := j.records.Describe(context.Background(), kind, person)
	return len(stored), err
}

// Readers is how many requests wait for the outcome of work in j.
func Readers(j *Journal) (n int) {
	for _, f := range j.calls.inFlight() {
		f.mu.Lock()
		n += f.readers
		f.mu.Unlock()
	}
	return n
}

// Stopping reports whether Drain was called.
func Stopping(j *Journal) bool {
	j.calls.mu.Lock()
	defer j.calls.mu.Unlock()
	return j.calls.stopping
}

// Copy makes n more operations like that one, as they are stored: what a person has done in a month.
func Copy(j *Journal, person, id string, n int) error {
	like, err := j.load(context.Background(), person, id)
	if err != nil {
		return err
	}
	var group errgroup.Group
	group.SetLimit(32)
	for i := range n {
		group.Go(func() error {
			r := *like
			r.ID, r.Started = fmt.Sprintf("%s-%d", id, i), like.Started.Add(-time.Duration(i)*time.Minute)
			r.Result = new(*like.Result)
			r.Result.AuthorizationID = fmt.Sprintf("00000000-0000-0000-1111-%012d", i)
			if !r.Pending() {
				return j.records.Create(context.Background(), r.key(), &r, j.options.Now().Add(FinishedLife))
			}
			return j.create(context.Background(), &r, j.records.Create)
		})
	}
	return group.Wait()
}

// OnLookPause has f called instead of waiting between two looks. When it returns, it is looked again.
func OnLookPause(j *Journal, f func(ctx context.Context, d time.Duration)) {
	j.watchers.pause = func(ctx context.Context, d time.Duration) error { f(ctx, d); return nil }
}

// SetMaxWatchers lets j look by itself at the changes of so many people.
func SetMaxWatchers(j *Journal, n int) { j.watchers.most = n }

// Watching is how many people's changes are looked at again in j.
func Watching(j *Journal) int {
	j.watchers.mu.Lock()
	defer j.watchers.mu.Unlock()
	return len(j.watchers.byPerson)
}

// members are a record's as they are stored, whatever they are; laterMembers those of a later version.
type (
	members      map[string]json.RawMessage
	laterMembers map[string]json.RawMessage
)

func (laterMembers) StoredVersion() int { return 9 }

// Rewrite stores a record anew: under j's newest key, or as a release does that has a later version of it.
func Rewrite(j *Journal, kind, person, id string, later bool) error {
	var into any = &members{}
	if later {
		into = &laterMembers{}
	}
	key := session.Key{Kind: kind, Group: person, ID: id}
	return j.records.Change(context.Background(), key, into, time.Time{}, func() error { return nil })
}

// AsFirstRelease makes a record of an operation of unknown outcome what the first release would have written after one
// look.
func AsFirstRelease(j *Journal, person, id string) error {
	var r members
	return j.records.Change(context.Background(), operationKey(person, id), &r, time.Time{}, func() error {
		for _, name := range []string{"LookUntil", "NextLook", "Looks", "Ours", "Revoking", "Shown"} {
			delete(r, name)
		}
		r["Reconciled"] = json.RawMessage("true")
		return nil
	})
}

// ForRevokes is how many operations beyond the bounds there may be if they are revokes.
const ForRevokes = forRevokes
