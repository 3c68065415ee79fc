package operation

import (
	"context"
	"errors"
	"fmt"

	"github.com/patdesk/patdesk/internal/panics"
)

// EndBackground ends what goes on by itself: batches begin nothing more, and what is to be looked at later is left to a later
// process. What people ask for is carried out until Drain.
func (j *Journal) EndBackground() { j.end() }

// Drain refuses new work, and waits until all work in flight is finished or ctx ends. What is cut off is recorded as
// unknown, or as failed if nothing was sent yet; its worker may still correct that if the process lives long enough. The
// error names how many were cut off. It is called once.
func (j *Journal) Drain(ctx context.Context) error {
	j.stop()
	select {
	case <-j.quiet:
		return nil
	case <-ctx.Done():
	}
	j.mu.Lock()
	busy := j.busy
	j.mu.Unlock()
	if busy == 0 {
		return nil
	}
	j.cutOff(context.WithoutCancel(ctx))
	return fmt.Errorf("operation: %d changes in flight were cut off: %w", busy, ctx.Err())
}

// stop refuses new work from now on.
func (j *Journal) stop() {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.stopping {
		return
	}
	j.stopping = true
	j.end()
	if j.busy == 0 {
		close(j.quiet)
	}
}

// cutOff records the operations that are still being worked on as interrupted, all at once: time is short.
func (j *Journal) cutOff(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	var group panics.Group
	for _, f := range j.inFlight() {
		group.Go(func() error {
			panics.Contain(j.options.Log, "operation "+f.id, func() { j.cutOne(ctx, f) })
			return nil // each is recorded for itself
		})
	}
	_ = group.Wait() // always nil, see above
}

func (j *Journal) cutOne(ctx context.Context, f *flight) {
	r := &record{Operation: Operation{Person: f.request.Person, ID: f.id}}
	err := j.change(ctx, r, j.interrupt)
	if err != nil && !errors.Is(err, ErrNotFound) { // not recorded yet: not sent
		j.options.Log.Error("a change that was cut off could not be recorded as such", "operation", f.id, "error", err)
	}
}

func (j *Journal) inFlight() []*flight {
	j.mu.Lock()
	defer j.mu.Unlock()
	var all []*flight
	for _, f := range j.flights {
		all = append(all, f)
	}
	return all
}
