package operation

import (
	"context"
	"sync"
	"time"
)

// flight is one form being worked on in this process, with the requests that wait for its outcome (its readers). The
// browser shows only the answer to the last of several clicks, so every reader gets the outcome.
type flight struct {
	id      string
	request Request
	started time.Time
	known   chan struct{} // closed when the operation is recorded, or at landing
	done    chan struct{} // closed at landing
	empty   chan struct{} // closed when landed and the last reader has left: its answer was written, or given up

	mu      sync.Mutex
	op      *Operation // as far as known; nil before it is recorded
	err     error
	landed  bool
	readers int
	read    bool // an answer with the outcome was written to its reader
}

// board lets a request join the flight of its form, or begin it (first). ErrChanged, ErrStopping.
func (j *Journal) board(id string, r Request) (f *flight, first bool, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	key := flightKey(r.Person, id)
	if f = j.flights[key]; f != nil {
		if !r.repeats(f.request.fingerprint(), f.request.Want.ValidTo, j.options.Now().Sub(f.started)) {
			return nil, false, ErrChanged
		}
		f.mu.Lock()
		f.readers++
		f.mu.Unlock()
		return f, false, nil
	}
	if j.stopping {
		return nil, false, ErrStopping
	}
	f = &flight{
		id: id, request: r, started: j.options.Now(), readers: 1,
		known: make(chan struct{}), done: make(chan struct{}), empty: make(chan struct{}),
	}
	j.flights[key] = f
	j.busy++
	return f, true, nil
}

// joinFlight lets a request join the flight of its form; nil if there is none that it repeats.
func (j *Journal) joinFlight(id string, r Request) *flight {
	j.mu.Lock()
	defer j.mu.Unlock()
	f := j.flights[flightKey(r.Person, id)]
	if f == nil || !r.repeats(f.request.fingerprint(), f.request.Want.ValidTo, j.options.Now().Sub(f.started)) {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.readers++
	return f
}

// land ends the flight with its outcome; the first call counts. From then on the record answers further requests.
func (j *Journal) land(f *flight, op *Operation, err error) {
	j.mu.Lock()
	key := flightKey(f.request.Person, f.id)
	if j.flights[key] == f {
		delete(j.flights, key)
	}
	j.mu.Unlock()
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.landed {
		return
	}
	f.landed, f.err = true, err
	if f.op == nil {
		close(f.known)
	}
	if op != nil {
		f.op = op
	}
	close(f.done)
	if f.readers == 0 {
		close(f.empty)
	}
}

// update is the operation as far as it is known, for readers whose time is up.
func (f *flight) update(op *Operation) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.op == nil {
		close(f.known)
	}
	f.op = op
}

// wait returns the flight's outcome, or what is known of it when ctx ends; not before it is recorded, which takes a moment
// or fails within storeTimeout. The reader must leave.
func (f *flight) wait(ctx context.Context) (*Operation, error) {
	<-f.known
	select {
	case <-f.done:
	case <-ctx.Done():
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.landed && f.err != nil {
		return nil, f.err
	}
	return f.op.clone(), nil
}

// leave ends one reader's part; read: an answer with the outcome was written to it.
func (f *flight) leave(read bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.read = f.read || read
	if f.readers--; f.readers == 0 && f.landed {
		close(f.empty)
	}
}

// unread waits until all readers have left and says that the outcome was written to none of them.
func (f *flight) unread() bool {
	<-f.empty
	f.mu.Lock()
	defer f.mu.Unlock()
	return !f.read
}

// begin counts a goroutine that Drain waits for: ErrStopping. leave ends it.
func (j *Journal) begin() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.stopping {
		return ErrStopping
	}
	j.busy++
	return nil
}

func (j *Journal) leave() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.busy--
	if j.stopping && j.busy == 0 {
		close(j.quiet)
	}
}
