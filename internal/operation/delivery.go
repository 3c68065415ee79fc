package operation

import "sync"

// Delivery is one answer to a browser, with the secrets that were handed out for it. They count as read when Done
// reports that the answer was written, and not before: until then the browser may go away, and a page may fail to be
// made.
type Delivery struct {
	mu      sync.Mutex
	done    bool
	awaited bool
	waiting []func(written bool)
}

// Done ends the answer. With nil, all that was handed out for it was written to the browser's connection. Only the
// first call counts.
func (d *Delivery) Done(err error) {
	d.mu.Lock()
	waiting := d.waiting
	d.done, d.waiting = true, nil
	d.mu.Unlock()
	callAll(waiting, err == nil)
}

// callAll calls all, whatever happens in one of them.
func callAll(all []func(bool), written bool) {
	if len(all) > 0 {
		defer callAll(all[1:], written)
		all[0](written)
	}
}

// HandedOut reports whether the answer is to show a secret, and isn't done.
func (d *Delivery) HandedOut() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.waiting) > 0
}

// Awaited reports whether work goes on when the answer is done: a secret in it stands nowhere else.
func (d *Delivery) Awaited() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.awaited && !d.done
}

// await is then for what work waits for.
func (d *Delivery) await(f func(written bool)) {
	if d != nil {
		d.mu.Lock()
		d.awaited = true
		d.mu.Unlock()
	}
	d.then(f)
}

// then calls f when the answer was written or given up. Without an answer, or after its end, nothing can be read.
func (d *Delivery) then(f func(written bool)) {
	if d != nil {
		d.mu.Lock()
		if !d.done {
			d.waiting = append(d.waiting, f)
			d.mu.Unlock()
			return
		}
		d.mu.Unlock()
	}
	f(false)
}
