package guarantees

import (
	"context"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/patdesk/patdesk/internal/simulator"
	"github.com/patdesk/patdesk/internal/testkit"
	"github.com/patdesk/patdesk/internal/testkit/apptest"
)

// SIGTERM in the middle of a create: the process waits for it, with the browser there or gone, ends in order, and its
// successor shows the secret.
func TestStopWaitsForACreate(t *testing.T) {
	t.Parallel()
	s := apptest.NewSite(t, 1, apptest.Seeded().Sim)
	b := s.SignedIn(apptest.Mona)
	for name, stays := range map[string]bool{"the browser stays": true, "the browser goes": false} {
		t.Run(name, func(t *testing.T) {
			m := s.Members[0]
			to, form := createForm(b, s.URL, "contoso", name)
			held := s.Sim.Hold(simulator.CallCreate, "", false)
			ctx, giveUp := context.WithCancel(context.Background())
			defer giveUp()
			answer := apptest.Sending(ctx, b, s.Trip(), to, form)
			<-held.Reached()
			if !stays {
				giveUp()
				<-answer
			}
			testkit.Must(t, m.Cmd.Process.Signal(syscall.SIGTERM))
			m.WaitFor("msg=stopping")
			select {
			case <-m.Done:
				t.Fatalf("ended while a create was under way:\n%s", m.Log)
			default:
			}
			held.Release()
			if stays {
				if r := <-answer; r.Status != http.StatusSeeOther {
					t.Error(r.Says())
				}
			}
			<-m.Done
			if code := m.Cmd.ProcessState.ExitCode(); code != 0 {
				t.Errorf("ended with %d:\n%s", code, m.Log)
			}
			m.Start()
			if b.Open(s.URL + "/tokens").Click("Show the secret"); apptest.Fate(b, apptest.Made(s.Sim, name)[0]) != "shown" || createsOf(s.Sim, name) != 1 {
				t.Errorf("%d %s", b.Status, apptest.Says(b))
			}
			b.Press("I have saved it")
		})
	}
}

// What can't finish within the time for stopping is recorded as unknown, not lost: the next process says so. (Here the
// cut-off worker lives on beside it, as it wouldn't in a process that has ended, and so still mends the record.)
func TestStopCutsOff(t *testing.T) {
	t.Parallel()
	o := apptest.Seeded()
	o.StopTimeout, o.CutOff = 200*time.Millisecond, true
	sim := simulator.New(o.Sim)
	testkit.Must(t, sim.Start(context.Background()))
	t.Cleanup(sim.Close)
	dir := t.TempDir() + "/sessions"
	d := apptest.StartOn(t, sim, o, dir)
	b := d.SignedIn(apptest.Mona)
	to, form := createForm(b, d.URL, "contoso", "cut off")
	held := sim.Hold(simulator.CallCreate, "", true)
	answer := apptest.Sending(context.Background(), b, d.Transport(), to, form)
	<-held.Reached()
	before := time.Now()
	_ = d.Stop()
	if took := time.Since(before); took > 10*time.Second {
		t.Errorf("stopping took %s", took)
	}
	if !strings.Contains(d.Log.String(), "recorded as unknown") {
		t.Errorf("the log doesn't say so:\n%s", d.Log)
	}
	next := apptest.StartOn(t, sim, apptest.Seeded(), dir)
	b = next.SignedIn(apptest.Mona)
	if got := apptest.Banners(b); !strings.Contains(got, "We couldn't confirm what happened to “cut off”") {
		t.Errorf("banner: %q", got)
	}
	held.Release()
	<-answer
	apptest.OpenChange(b.Open(next.URL+"/changes"), "Create cut off")
	page := b.URL.String()
	testkit.Until(t, "the token is found", func() bool { return apptest.Fate(b.Open(page), apptest.Made(sim, "cut off")[0]) != "lost" })
	if got := apptest.Fate(b, apptest.Made(sim, "cut off")[0]); got == "lost" || createsOf(sim, "cut off") != 1 {
		t.Errorf("%s: %d %s", got, b.Status, apptest.Says(b))
	}
}
