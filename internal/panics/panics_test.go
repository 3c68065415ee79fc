package panics

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
)

const secret = "s3cr3t-value"

type secretError struct{ text string }

func (e secretError) Error() string { return e.text }

// throws panic in ways that Go knows; none may quote the secret, and the runtime's own words stay.
var throws = map[string]struct {
	f    func()
	want string
}{
	"text":    {func() { panic(secret) }, "string"},
	"error":   {func() { panic(errors.New(secret)) }, "*errors.errorString"},
	"own":     {func() { panic(secretError{secret}) }, "panics.secretError"},
	"wrapped": {func() { panic(fmt.Errorf("%s: %w", secret, errors.ErrUnsupported)) }, "*fmt.wrapError"},
	"nil":     {func() { panic(nil) }, "panic called with nil argument"},
	"pointer": {func() { var p *secretError; _ = p.text }, "nil pointer"},
	"index":   {func() { i := 7; _ = []string{secret}[i] }, "index out of range [7] with length 1"},
	"map":     {func() { write(nil) }, "nil map"},
}

func write(m map[string]int) { m[secret] = 1 }

func TestFaultsQuoteNothing(t *testing.T) {
	for name, c := range throws {
		var out bytes.Buffer
		log := slog.New(slog.NewTextHandler(&out, nil))
		if Contain(log, "some work", c.f) {
			t.Errorf("%s: no panic", name)
		}
		if text := out.String(); !strings.Contains(text, c.want) || strings.Contains(text, secret) || strings.Count(text, "\n") != 1 || !strings.Contains(text, "panics_test.go") {
			t.Errorf("%s: %s", name, text)
		}
		_, err := Try(func() (int, error) { c.f(); return 1, nil })
		var fault *Fault
		if !errors.As(err, &fault) || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: %v", name, err)
		}
	}
	var flights Flights
	if r := <-flights.DoChan("key", func() (any, error) { panic(secret) }); r.Err == nil || strings.Contains(r.Err.Error(), secret) {
		t.Error(r.Err)
	}
	if n, err := Try(func() (int, error) { return 7, nil }); n != 7 || err != nil {
		t.Error(n, err)
	}
	if !Contain(nil, "", func() {}) {
		t.Error("what doesn't panic is called a fault")
	}
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { panic("the log is broken") }

// The process lives whatever its log does, and those who wait are let go.
func TestGoOutlivesItsLog(t *testing.T) {
	for _, log := range []*slog.Logger{nil, slog.New(slog.NewTextHandler(brokenWriter{}, nil))} {
		done := make(chan struct{})
		Go(log, "some work", func() {
			defer close(done)
			panic("fault")
		})
		<-done
	}
}

// A part that is missing because of a panic is never taken for a result: whoever waits panics, when all the others are
// done.
func TestGroup(t *testing.T) {
	for name, c := range throws {
		var others atomic.Int32
		var g Group
		g.SetLimit(2)
		for i := range 10 {
			g.Go(func() error {
				if i == 3 || i == 7 {
					c.f()
				}
				others.Add(1)
				return errors.New("a failure")
			})
		}
		_, err := Try(func() (any, error) { return nil, g.Wait() })
		var fault *Fault
		if !errors.As(err, &fault) || !strings.Contains(fault.What, c.want) || !strings.Contains(fault.Stack, "panics_test.go") || others.Load() != 8 {
			t.Errorf("%s: %v, %d others", name, err, others.Load())
		}
	}
	var g Group
	want := errors.New("a failure")
	g.Go(func() error { return want })
	g.Go(func() error { return nil })
	if err := g.Wait(); !errors.Is(err, want) {
		t.Error(err)
	}
}
