package guarantees

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/patdesk/patdesk/internal/freeport"
	"github.com/patdesk/patdesk/internal/simulator"
	"github.com/patdesk/patdesk/internal/testkit"
	"github.com/patdesk/patdesk/internal/testkit/apptest"
)

// stopping tells the program to stop and returns when it has begun to; ended gets what its end was.
func stopping(d *apptest.Program) (ended <-chan error) {
	d.T.Helper()
	end := make(chan error, 1)
	go func() { end <- d.Stop() }()
	testkit.Until(d.T, "the stop has begun", func() bool { return strings.Contains(d.Log.String(), "msg=stopping") })
	return end
}

// A bulk rotation is under way, and a browser takes 512 bytes a second of a long page: the stop ends the batch at once,
// waits for what is in flight and no longer, and is over within its limit. Each token that was made has its secret, and
// what wasn't begun can be gone on with in the next process.
func TestStopBesideASlowReader(t *testing.T) {
	t.Parallel()
	o := apptest.Options{Sim: apptest.ManyTokens(2), StopTimeout: 4 * time.Second, CutOff: true}
	o.Sim.KeepSecrets = true
	sim := simulator.New(o.Sim)
	testkit.Must(t, sim.Start(t.Context()))
	t.Cleanup(sim.Close)
	dir := t.TempDir() + "/sessions"
	d := apptest.StartOn(t, sim, o, dir)
	apptest.FillOrganizations(sim, 12)
	longNames(sim, "org-02", 60)
	b := d.SignedIn(apptest.Mona)
	apptest.PickAll(b, d.URL+"/tokens?organization=org-01", "Rotate selected")
	var held []*simulator.Held
	for range 3 {
		held = append(held, sim.Hold(simulator.CallCreate, "", false))
	}
	b.Press("Rotate 12 tokens")
	for _, h := range held {
		<-h.Reached()
	}
	slow := dial(d, true)
	slow.ask(t, b, http.MethodGet, apptest.MustParse(t, d.URL+"/tokens?organization=org-02"), nil)
	rest := slow.trickle(t)
	began := time.Now()
	over := stopping(d)
	for _, h := range held {
		h.Release()
	}
	testkit.Until(t, "what was in flight is done", func() bool { return sim.Created() == 3 })
	if err := <-over; err == nil {
		t.Errorf("ended with %v", err)
	}
	if took := time.Since(began); took < o.StopTimeout || took > o.StopTimeout+5*time.Second {
		t.Errorf("it took %s, with a limit of %s", took, o.StopTimeout)
	}
	if rest() == nil {
		t.Error("the slow reader was not cut off")
	}
	if sim.Calls(simulator.CallCreate) != 3 || sim.Created() != 3 {
		t.Errorf("%d creates", sim.Calls(simulator.CallCreate))
	}
	if log := d.Log.String(); !strings.Contains(log, "requests in flight were cut off") || strings.Contains(log, "recorded as unknown") {
		t.Errorf("the log:\n%s", log)
	}
	next := apptest.StartOn(t, sim, apptest.Options{}, dir)
	path := b.URL.Path
	b = next.SignedIn(apptest.Mona)
	if b.Open(next.URL + path); apptest.CountStates(b)["Secret waiting"] != 3 || apptest.CountStates(b)["Not started"] != 9 || !strings.Contains(apptest.Says(b), "patdesk was restarted in the middle") {
		t.Fatalf("%v\n%s", apptest.CountStates(b), apptest.Says(b))
	}
	if apptest.WaitForBatch(t, b.Press("Continue with the remaining 9")); apptest.CountStates(b)["Secret waiting"] != 12 || sim.Created() != 12 {
		t.Errorf("%v, %d created\n%s", apptest.CountStates(b), sim.Created(), apptest.Says(b))
	}
}

// While a process that was told to stop still serves, its batches begin nothing more and none is begun, and all else
// works: a token is made, and its secret shown.
func TestStoppingStillServes(t *testing.T) {
	t.Parallel()
	o := apptest.Seeded()
	address := "127.0.0.1:" + freeport.Port(t)
	o.Env = map[string]string{"SHUTDOWN_DELAY": "4s", "LISTEN_ADDRESS": address, "BASE_URL": "http://" + address}
	d := apptest.Start(t, o)
	b := d.SignedIn(apptest.Mona)
	apptest.OpenWhole(t, b, d.URL+"/tokens")
	apptest.Tick(b, "Terraform, contoso").Press("Rotate selected")
	over := stopping(d)
	b.Press("Rotate one token")
	if b.Status != http.StatusOK || apptest.CountStates(b)["Not started"] != 1 || !b.Has("button", "Continue with the remaining one") || d.Sim.Created() != 0 {
		t.Errorf("confirming a batch: %d, %d created\n%s", b.Status, d.Sim.Created(), apptest.Says(b))
	}
	to, form := createForm(b, d.URL, "contoso", "at the last moment")
	if b.Post(to.String(), form); b.Status != http.StatusOK || apptest.Fate(b, apptest.Made(d.Sim, "at the last moment")[0]) != "shown" {
		t.Errorf("creating a token: %d %s", b.Status, apptest.Says(b))
	}
	if b.Open(d.URL + "/readyz"); b.Status != http.StatusServiceUnavailable {
		t.Errorf("ready: %d", b.Status)
	}
	if err := <-over; err != nil {
		t.Errorf("ended with %v:\n%s", err, d.Log)
	}
}

// Beside a slow reader an operation in flight has all of the time that a stop takes, and a request in flight its
// answer.
func TestStopFinishesOperationsBesideASlowReader(t *testing.T) {
	t.Parallel()
	o := apptest.Seeded()
	o.StopTimeout, o.CutOff = 4*time.Second, true
	d := apptest.Start(t, o)
	longNames(d.Sim, "contoso", 60)
	b := d.SignedIn(apptest.Mona)
	slow := dial(d, true)
	slow.ask(t, b, http.MethodGet, apptest.MustParse(t, d.URL+"/tokens?organization=contoso"), nil)
	slow.trickle(t)
	to, form := createForm(b, d.URL, "contoso", "has been sent")
	held := d.Sim.Hold(simulator.CallCreate, "", true)
	answer := apptest.Sending(t.Context(), b, d.Transport(), to, form)
	<-held.Reached()
	over := stopping(d)
	held.Release()
	if r := <-answer; r.Status != http.StatusSeeOther {
		t.Error(r.Says())
	}
	select {
	case <-over: //nolint:errcheck // that it ended is what counts
		t.Fatal("it didn't wait for the slow reader, who has a right to the time that is left")
	default:
	}
	if err := <-over; err == nil || strings.Contains(d.Log.String(), "recorded as unknown") {
		t.Errorf("ended with %v:\n%s", err, d.Log)
	}
}
