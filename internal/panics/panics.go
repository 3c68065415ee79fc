// Package panics keeps a fault in one piece of work from ending the process. Every goroutine of the program is started
// here (internal/rules looks that it is), since net/http catches only what panics in the goroutine of a request.
//
// What belongs here: starting goroutines, and what becomes of a panic. What was panicked with is never quoted, neither
// in an error nor in the log: it could hold a secret.
package panics

import (
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"runtime/debug"
	"sync"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/singleflight"
)

// Fault is a panic that was caught.
type Fault struct {
	What  string // the text of a fault that the runtime found, the type of anything else
	Stack string // of the goroutine that panicked
}

func (f *Fault) Error() string { return "panic: " + f.What }

// Caught is the fault that recover() returned; nil if there was none. It must be called by the deferred function
// itself, while the stack is still there. A fault that was thrown again stays the one that it is.
func Caught(recovered any) *Fault {
	if recovered == nil {
		return nil
	}
	if f, ok := recovered.(*Fault); ok {
		return f
	}
	f := &Fault{What: fmt.Sprintf("%T", recovered), Stack: string(debug.Stack())}
	var found runtime.Error
	if err, ok := recovered.(error); ok && errors.As(err, &found) {
		f.What = found.Error()
	}
	return f
}

// Log records a fault in some work. It can't panic itself, whatever the log does.
func (f *Fault) Log(log *slog.Logger, work string, more ...any) {
	defer func() { _ = recover() }() // a log that panics is beyond help, and no reason to end the process
	log.Error("panic", append([]any{"work", work, "cause", f.What, "stack", f.Stack}, more...)...)
}

// Contain runs f. If that panics, it is logged, and ok is false.
func Contain(log *slog.Logger, work string, f func()) (ok bool) {
	defer func() {
		if fault := Caught(recover()); fault != nil {
			fault.Log(log, work)
		}
	}()
	f()
	return true
}

// Try is f, with a *Fault as its error if it panics.
func Try[T any](f func() (T, error)) (value T, err error) {
	defer func() {
		if fault := Caught(recover()); fault != nil {
			err = fault
		}
	}()
	return f()
}

// Go runs f in a goroutine of its own. What waits for it must be released by f's deferred functions.
func Go(log *slog.Logger, work string, f func()) {
	go Contain(log, work, f)
}

// Flights is one call for all who wait for the same. singleflight by itself throws a panic again in a goroutine of its
// own, which ends the process; here it is a *Fault, for all who wait.
type Flights struct{ group singleflight.Group }

// Result is what a flight brought.
type Result = singleflight.Result

// DoChan begins the flight of that key, or joins it.
func (f *Flights) DoChan(key string, work func() (any, error)) <-chan Result {
	return f.group.DoChan(key, func() (any, error) { return Try(work) })
}

// Group runs pieces of one piece of work side by side. Its zero value is ready. If one of them panics, Wait does, in
// the goroutine that needs the result: nothing that is missing for this reason can be taken for a result.
type Group struct {
	group errgroup.Group
	once  sync.Once
	fault *Fault // the first
}

// SetLimit bounds how many run at a time. It is called before Go.
func (g *Group) SetLimit(n int) { g.group.SetLimit(n) }

// Go runs f in a goroutine of its own, as soon as the limit allows.
func (g *Group) Go(f func() error) {
	g.group.Go(func() error {
		defer func() {
			if fault := Caught(recover()); fault != nil {
				g.once.Do(func() { g.fault = fault })
			}
		}()
		return f()
	})
}

// Wait waits for all of them and returns the first error.
func (g *Group) Wait() error {
	err := g.group.Wait()
	if g.fault != nil {
		panic(g.fault)
	}
	return err
}
