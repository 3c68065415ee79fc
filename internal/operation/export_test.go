package operation

import (
	"context"
	"time"
)

// OnReach has f called at the named points of j's workers. A f that ends its goroutine plays the death of the worker.
func OnReach(j *Journal, f func(point string)) { j.reach = f }

// OnPause has f called instead of waiting between two tries.
func OnPause(j *Journal, f func(d time.Duration)) {
	j.pause = func(_ context.Context, d time.Duration) { f(d) }
}

// Readers is how many requests wait for the outcome of work in j.
func Readers(j *Journal) (n int) {
	for _, f := range j.inFlight() {
		f.mu.Lock()
		n += f.readers
		f.mu.Unlock()
	}
	return n
}

// Stopping says if Drain was called.
func Stopping(j *Journal) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.stopping
}
