package operation

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/patdesk/patdesk/internal/panics"
)

// calls are the requests that are being worked on in this process: all that send the same form at once join one call,
// and each gets its outcome.
type calls struct {
	now func() time.Time

	mu       sync.Mutex
	byKey    map[string]*call // by person and id
	busy     int              // goroutines that Drain waits for
	stopping bool
	quiet    chan struct{} // closed when stopping and nothing is busy
}

func newCalls(now func() time.Time) *calls {
	return &calls{now: now, byKey: map[string]*call{}, quiet: make(chan struct{})}
}

// call is one form being worked on in this process, with the requests that wait for its outcome (its readers). The
// browser shows only the answer to the last of several clicks, so every reader gets the outcome.
type call struct {
	id      string
	request Request
	started time.Time
	known   chan struct{} // closed when the operation is recorded, or when it is finished
	done    chan struct{} // closed when it is finished
	empty   chan struct{} // closed when finished and the last reader has left: its answer was written, or given up

	mu       sync.Mutex
	op       *Operation // as far as known; nil before it is recorded
	err      error
	finished bool
	readers  int
	read     bool // an answer with the outcome was written to its reader
}

// join lets a request join the call of its form, or begin it (first) if that may be; nil if there is none. ErrChanged,
// ErrStopping.
func (c *calls) join(id string, r Request, begin bool) (one *call, first bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := callKey(r.Person, id)
	one = c.byKey[key]
	switch {
	case one != nil && one.request.fingerprint() != r.fingerprint():
		return nil, false, ErrChanged
	case one != nil:
		one.mu.Lock()
		defer one.mu.Unlock()
		one.readers++
		return one, false, nil
	case !begin:
		return nil, false, nil
	case c.stopping:
		return nil, false, ErrStopping
	}
	one = &call{
		id: id, request: r, started: c.now(), readers: 1,
		known: make(chan struct{}), done: make(chan struct{}), empty: make(chan struct{}),
	}
	c.byKey[key] = one
	c.busy++
	return one, true, nil
}

// finish ends the call with its outcome; the first call counts. From then on the record answers further requests.
func (c *calls) finish(one *call, op *Operation, err error) {
	c.mu.Lock()
	key := callKey(one.request.Person, one.id)
	if c.byKey[key] == one {
		delete(c.byKey, key)
	}
	c.mu.Unlock()
	one.mu.Lock()
	defer one.mu.Unlock()
	if one.finished {
		return
	}
	one.finished, one.err = true, err
	if one.op == nil {
		close(one.known)
	}
	if op != nil {
		one.op = op
	}
	close(one.done)
	if one.readers == 0 {
		close(one.empty)
	}
}

// update is the operation as far as it is known, for readers whose time is up.
func (c *call) update(op *Operation) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.op == nil {
		close(c.known)
	}
	c.op = op
}

// wait returns the call's outcome, or what is known of it when ctx ends; not before it is recorded, which takes a
// moment or fails within storeTimeout. The reader must leave.
func (c *call) wait(ctx context.Context) (*Operation, error) {
	<-c.known
	select {
	case <-c.done:
	case <-ctx.Done():
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.finished && c.err != nil {
		return nil, c.err
	}
	return c.op.clone(), nil
}

// leave ends one reader's part; read: an answer with the outcome was written to it.
func (c *call) leave(read bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.read = c.read || read
	if c.readers--; c.readers == 0 && c.finished {
		close(c.empty)
	}
}

// unread waits until all readers have left and says that the outcome was written to none of them.
func (c *call) unread() bool {
	<-c.empty
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.read
}

// begin counts a goroutine that Drain waits for: ErrStopping. leave ends it.
func (c *calls) begin() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopping {
		return ErrStopping
	}
	c.busy++
	return nil
}

func (c *calls) leave() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.busy--
	if c.stopping && c.busy == 0 {
		close(c.quiet)
	}
}

// stop refuses new work from now on.
func (c *calls) stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopping {
		return
	}
	c.stopping = true
	if c.busy == 0 {
		close(c.quiet)
	}
}

// workers is how many goroutines Drain waits for.
func (c *calls) workers() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.busy
}

func (c *calls) inFlight() []*call {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Collect(maps.Values(c.byKey))
}

// callKey names a call.
func callKey(person, id string) string { return person + "\n" + id }

// EndBackground ends what goes on by itself: batches begin nothing more, and what is to be looked at later is left to a
// later process. What people ask for is carried out until Drain.
func (j *Journal) EndBackground() { j.watchers.end() }

// Drain refuses new work, and waits until all work in flight is finished or ctx ends. What is cut off is recorded as
// unknown, or as failed if nothing was sent yet; its worker may still correct that if the process lives long enough.
// The error names how many were cut off. It is called once.
func (j *Journal) Drain(ctx context.Context) error {
	j.watchers.end()
	j.calls.stop()
	select {
	case <-j.calls.quiet:
		return nil
	case <-ctx.Done():
	}
	busy := j.calls.workers()
	if busy == 0 {
		return nil
	}
	j.cutOff(context.WithoutCancel(ctx), j.calls.inFlight())
	return fmt.Errorf("operation: %d changes in flight were cut off: %w", busy, ctx.Err())
}

// cutOff records operations that are still being worked on as interrupted, all at once: time is short.
func (s *store) cutOff(ctx context.Context, all []*call) {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	var group panics.Group
	for _, c := range all {
		group.Go(func() error {
			panics.Contain(s.options.Log, "operation "+c.id, func() {
				err := s.change(ctx, &record{Operation: Operation{Person: c.request.Person, ID: c.id}}, s.interrupt)
				if err != nil && !errors.Is(err, ErrNotFound) { // not recorded yet: not sent
					s.options.Log.Error("a change that was cut off could not be recorded as such", "operation", c.id, "error", err)
				}
			})
			return nil // each is recorded for itself
		})
	}
	_ = group.Wait() // always nil, see above
}
