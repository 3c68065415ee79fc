package test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/patdesk/patdesk/internal/freeport"
	"github.com/patdesk/patdesk/internal/simulator"
	"github.com/patdesk/patdesk/internal/testkit"
)

// stopping tells the program to stop and returns when it has begun to; ended gets what its end was.
func (d *desk) stopping() (ended <-chan error) {
	d.t.Helper()
	end := make(chan error, 1)
	go func() { end <- d.stop() }()
	testkit.Until(d.t, "the stop has begun", func() bool { return strings.Contains(d.log.String(), "msg=stopping") })
	return end
}

// A bulk rotation is under way, and a browser takes 512 bytes a second of a long page: the stop ends the batch at once, waits for
// what is in flight and no longer, and is over within its limit. Each token that was made has its secret, and what wasn't begun
// can be gone on with in the next process.
func TestStopBesideASlowReader(t *testing.T) {
	t.Parallel()
	o := deskOptions{sim: many(2), stopTimeout: 4 * time.Second, cutOff: true}
	o.sim.KeepSecrets = true
	sim := simulator.New(o.sim)
	testkit.Must(t, sim.Start(t.Context()))
	t.Cleanup(sim.Close)
	dir := t.TempDir() + "/sessions"
	d := startDeskOn(t, sim, o, dir)
	fill(sim, 12)
	longNames(sim, "org-02", 60)
	b := d.signedIn(mona)
	pickAll(b, d.url+"/tokens?organization=org-01", "Rotate chosen")
	var held []*simulator.Held
	for range 3 {
		held = append(held, sim.Hold(simulator.CallCreate, "", false))
	}
	b.Press("Rotate 12 tokens")
	for _, h := range held {
		<-h.Reached()
	}
	slow := d.dial(true)
	slow.ask(t, b, http.MethodGet, mustParse(t, d.url+"/tokens?organization=org-02"), nil)
	rest := slow.trickle(t)
	began := time.Now()
	over := d.stopping()
	for _, h := range held {
		h.Release()
	}
	testkit.Until(t, "what was in flight is done", func() bool { return sim.Created() == 3 })
	if err := <-over; err == nil {
		t.Errorf("ended with %v", err)
	}
	if took := time.Since(began); took < o.stopTimeout || took > o.stopTimeout+5*time.Second {
		t.Errorf("it took %s, with a limit of %s", took, o.stopTimeout)
	}
	if rest() == nil {
		t.Error("the slow reader was not cut off")
	}
	if sim.Calls(simulator.CallCreate) != 3 || sim.Created() != 3 {
		t.Errorf("%d creates", sim.Calls(simulator.CallCreate))
	}
	if log := d.log.String(); !strings.Contains(log, "requests in flight were cut off") || strings.Contains(log, "recorded as unknown") {
		t.Errorf("the log:\n%s", log)
	}
	next := startDeskOn(t, sim, deskOptions{}, dir)
	path := b.URL.Path
	b = next.signedIn(mona)
	if b.Open(next.url + path); counted(b)["Secret waiting"] != 3 || counted(b)["Not begun"] != 9 || !strings.Contains(says(b), "patdesk was stopped in the middle") {
		t.Fatalf("%v\n%s", counted(b), says(b))
	}
	if ended(t, b.Press("Go on with the 9 not begun")); counted(b)["Secret waiting"] != 12 || sim.Created() != 12 {
		t.Errorf("%v, %d created\n%s", counted(b), sim.Created(), says(b))
	}
}

// While a process that was told to stop still serves, its batches begin nothing more and none is begun, and all else works: a
// token is made, and its secret shown.
func TestStoppingStillServes(t *testing.T) {
	t.Parallel()
	o := seeded()
	address := "127.0.0.1:" + freeport.Port(t)
	o.env = map[string]string{"SHUTDOWN_DELAY": "4s", "LISTEN_ADDRESS": address, "BASE_URL": "http://" + address}
	d := startDesk(t, o)
	b := d.signedIn(mona)
	whole(t, b, d.url+"/overview")
	tick(b, "Terraform, contoso").Press("Rotate chosen")
	over := d.stopping()
	b.Press("Rotate one token")
	if b.Status != http.StatusOK || counted(b)["Not begun"] != 1 || !b.Has("button", "Go on with the one not begun") || d.sim.Created() != 0 {
		t.Errorf("confirming a batch: %d, %d created\n%s", b.Status, d.sim.Created(), says(b))
	}
	to, form := createForm(b, d.url, "contoso", "at the last moment")
	if b.Post(to.String(), form); b.Status != http.StatusOK || fate(b, made(d.sim, "at the last moment")[0]) != "shown" {
		t.Errorf("creating a token: %d %s", b.Status, says(b))
	}
	if b.Open(d.url + "/readyz"); b.Status != http.StatusServiceUnavailable {
		t.Errorf("ready: %d", b.Status)
	}
	if err := <-over; err != nil {
		t.Errorf("ended with %v:\n%s", err, d.log)
	}
}

// Beside a slow reader an operation in flight has all of the time that a stop takes, and a request in flight its answer.
func TestStopFinishesOperationsBesideASlowReader(t *testing.T) {
	t.Parallel()
	o := seeded()
	o.stopTimeout, o.cutOff = 4*time.Second, true
	d := startDesk(t, o)
	longNames(d.sim, "contoso", 60)
	b := d.signedIn(mona)
	slow := d.dial(true)
	slow.ask(t, b, http.MethodGet, mustParse(t, d.url+"/tokens?organization=contoso"), nil)
	slow.trickle(t)
	to, form := createForm(b, d.url, "contoso", "in flight")
	held := d.sim.Hold(simulator.CallCreate, "", true)
	answer := sending(t.Context(), b, d.transport(), to, form)
	<-held.Reached()
	over := d.stopping()
	held.Release()
	if r := <-answer; r.status != http.StatusSeeOther {
		t.Error(r.says())
	}
	select {
	case <-over:
		t.Fatal("it didn't wait for the slow reader, who has a right to the time that is left")
	default:
	}
	if err := <-over; err == nil || strings.Contains(d.log.String(), "recorded as unknown") {
		t.Errorf("ended with %v:\n%s", err, d.log)
	}
}
