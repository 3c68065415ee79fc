package handlers

import (
	"strings"
	"testing"
	"time"
)

// A reading in the background that panics costs its organization's part and nothing else: whoever waits is let go and is
// shown a failure, and the next one can read.
func TestPanicsInBackgroundReads(t *testing.T) {
	w := newWorld(t, nil)
	s := newSnapshots(time.Now).open("session")
	for range 2 * readsAtOnce { // no place is lost
		part := s.part(w.h.Log, "contoso", time.Now, func() ([]listedToken, []missingPart) { panic(sensitive) })
		<-part.done
		if len(part.failed) != 1 || strings.Contains(part.failed[0].err.Error(), sensitive) {
			t.Fatal(part.failed)
		}
		delete(s.parts, "contoso")
	}
	found := s.find(w.h.Log, time.Now, func() ([]string, error) { panic(sensitive) })
	<-found.done
	if found.err == nil {
		t.Error("a fault is called a success")
	}
	if log := w.log.drain(); strings.Contains(log, sensitive) || strings.Count(log, "msg=panic") != 2*readsAtOnce+1 {
		t.Error(log)
	}
}
