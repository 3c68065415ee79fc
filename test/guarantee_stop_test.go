package test

import (
	"context"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/patdesk/patdesk/internal/simulator"
	"github.com/patdesk/patdesk/internal/testkit"
)

// SIGTERM in the middle of a create: the process waits for it, with the browser there or gone, ends in order, and its
// successor shows the secret.
func TestStopWaitsForACreate(t *testing.T) {
	t.Parallel()
	s := newSite(t, 1, seeded().sim)
	b := s.signedIn(mona)
	for name, stays := range map[string]bool{"the browser stays": true, "the browser goes": false} {
		t.Run(name, func(t *testing.T) {
			m := s.members[0]
			to, form := createForm(b, s.url, "contoso", name)
			held := s.sim.Hold(simulator.CallCreate, "", false)
			ctx, giveUp := context.WithCancel(context.Background())
			defer giveUp()
			answer := sending(ctx, b, s.trip(), to, form)
			<-held.Reached()
			if !stays {
				giveUp()
				<-answer
			}
			testkit.Must(t, m.cmd.Process.Signal(syscall.SIGTERM))
			m.waitFor("msg=stopping")
			select {
			case <-m.done:
				t.Fatalf("ended while a create was under way:\n%s", m.log)
			default:
			}
			held.Release()
			if stays {
				if r := <-answer; r.status != http.StatusSeeOther {
					t.Error(r.says())
				}
			}
			<-m.done
			if code := m.cmd.ProcessState.ExitCode(); code != 0 {
				t.Errorf("ended with %d:\n%s", code, m.log)
			}
			m.start()
			if b.Open(s.url + "/tokens").Click("Show the secret"); fate(b, made(s.sim, name)[0]) != "shown" || createsOf(s.sim, name) != 1 {
				t.Errorf("%d %s", b.Status, says(b))
			}
			b.Press("I have saved it")
		})
	}
}

// What can't finish within the time for stopping is recorded as unknown, not lost: the next process says so. (Here the
// cut-off worker lives on beside it, as it wouldn't in a process that has ended, and so still mends the record.)
func TestStopCutsOff(t *testing.T) {
	t.Parallel()
	o := seeded()
	o.stopTimeout, o.cutOff = 200*time.Millisecond, true
	sim := simulator.New(o.sim)
	testkit.Must(t, sim.Start(context.Background()))
	t.Cleanup(sim.Close)
	dir := t.TempDir() + "/sessions"
	d := startDeskOn(t, sim, o, dir)
	b := d.signedIn(mona)
	to, form := createForm(b, d.url, "contoso", "cut off")
	held := sim.Hold(simulator.CallCreate, "", true)
	answer := sending(context.Background(), b, d.transport(), to, form)
	<-held.Reached()
	before := time.Now()
	d.stop()
	if took := time.Since(before); took > 10*time.Second {
		t.Errorf("stopping took %s", took)
	}
	if !strings.Contains(d.log.String(), "recorded as unknown") {
		t.Errorf("the log doesn't say so:\n%s", d.log)
	}
	next := startDeskOn(t, sim, seeded(), dir)
	b = next.signedIn(mona)
	if got := waiting(b); !strings.Contains(got, "It isn't known what became of “cut off”") {
		t.Errorf("banner: %q", got)
	}
	held.Release()
	<-answer
	b.Open(next.url + "/changes").Click("Create cut off")
	page := b.URL.String()
	testkit.Until(t, "the token is found", func() bool { return fate(b.Open(page), made(sim, "cut off")[0]) != "lost" })
	if got := fate(b, made(sim, "cut off")[0]); got == "lost" || createsOf(sim, "cut off") != 1 {
		t.Errorf("%s: %d %s", got, b.Status, says(b))
	}
}
