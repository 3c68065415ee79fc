package operation

import (
	"context"
	"errors"
	"fmt"

	"github.com/patdesk/patdesk/internal/panics"
)

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
