package main

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/patdesk/patdesk/internal/simulator"
	"github.com/patdesk/patdesk/internal/webtest"
)

// TestCampaign changes tokens with the whole program, two processes on one session folder, under random faults of the
// service and the store, deaths and stops of processes, and browsers that go away. After each round, all faults over,
// it looks at what a person is told, and compares that with what the service has done.
//
// PATDESK_ROUNDS sets its length ("make soak" takes 1,000) and then its dice are new each time; without it the same 40 rounds
// are played, so that whether a change is good doesn't depend on luck. PATDESK_SEED replays the dice of a campaign, and
// PATDESK_ROUND runs one round of it alone.
func TestCampaign(t *testing.T) {
	t.Parallel()
	seed := uint64(number(t, "PATDESK_SEED", 20261122))
	if os.Getenv("PATDESK_ROUNDS") != "" && os.Getenv("PATDESK_SEED") == "" {
		seed = uint64(time.Now().UnixNano())
	}
	rounds, only := number(t, "PATDESK_ROUNDS", 40), number(t, "PATDESK_ROUND", -1)
	t.Logf("PATDESK_SEED=%d PATDESK_ROUNDS=%d", seed, rounds)
	total := &tally{counts: map[string]int{"tokens made: lost": 0}, cases: map[string]bool{}}
	t.Run("lanes", func(t *testing.T) {
		const lanes = 3
		for i := range int64(lanes) {
			t.Run(strconv.FormatInt(i, 10), func(t *testing.T) {
				t.Parallel()
				l := newLane(t, total, rounds)
				for n := i; n < rounds && !t.Failed(); n += lanes {
					if only >= 0 && n != only {
						continue
					}
					r := &round{lane: l, n: n, dice: rand.New(rand.NewPCG(seed, uint64(n)))}
					if r.run(); t.Failed() {
						t.Errorf("this was PATDESK_ROUND=%d of PATDESK_SEED=%d: %s\n%s", n, seed, r, l.lastLogs())
					}
				}
			})
		}
	})
	for _, what := range slices.Sorted(maps.Keys(total.counts)) {
		t.Logf("%6d %s", total.counts[what], what)
	}
	if only < 0 && total.counts["rounds"] != int(rounds) && !t.Failed() {
		t.Errorf("%d rounds were run", total.counts["rounds"])
	}
}

// number reads a number from the environment.
func number(t *testing.T, name string, otherwise int64) int64 {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// tally counts what happened, over all lanes.
type tally struct {
	mu     sync.Mutex
	counts map[string]int
	cases  map[string]bool // kinds of rounds
}

// tried notes a kind of round. How often a kind was tried doesn't show, but how many there were.
func (c *tally) tried(kind string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.cases[kind] {
		c.cases[kind] = true
		c.counts["rounds: different in change, faults, point, store, browsers and end of the process"]++
	}
}

func (c *tally) add(what string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counts[what]++
}

// most keeps the highest n.
func (c *tally) most(what string, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counts[what] = max(c.counts[what], n)
}

// lane is a site on which rounds are run one after the other. Each round has an organization of its own, so that what
// befalls one doesn't pause another.
type lane struct {
	*site
	*tally
	store  storeFault
	b      *webtest.Browser
	logged map[*process]int // how much of each log was looked at
}

// lastLogs is the end of what the proxy and the processes have to say.
func (l *lane) lastLogs() string {
	text := ""
	for _, log := range []*logBuffer{l.front.log, l.members[0].log, l.members[1].log} {
		all := log.String()
		text += "…" + all[max(0, len(all)-3000):] + "\n"
	}
	return text
}

func organizationOf(n int64) string { return fmt.Sprintf("round-%d", n) }

func newLane(t *testing.T, total *tally, rounds int64) *lane {
	t.Helper()
	o := simulator.Options{KeepSecrets: true, People: simulator.New(simulator.Options{}).People()[:1]}
	for n := range rounds {
		o.Organizations = append(o.Organizations, simulator.Organization{Name: organizationOf(n), TenantID: o.People[0].TenantID})
		o.People[0].Organizations = append(o.People[0].Organizations, organizationOf(n))
	}
	store := folderGone(t)
	l := &lane{site: newSite(t, 2, o, "SESSION_DIR="+store.dir), tally: total, store: store, logged: map[*process]int{}}
	l.dir = store.dir
	l.clearFaults()
	l.b = l.signedIn(mona)
	return l
}

// clearFaults leaves only the one that keeps a thousand organizations out of the switcher.
func (l *lane) clearFaults() {
	l.sim.ClearFaults()
	l.sim.SetFault("noAccounts", simulator.FaultOptions{})
}

// What can go wrong at the service, and where a process can be held.
var (
	faultsBefore = []string{
		"serverError500", "badGateway502", "unavailable503", "throttled429", "htmlOK", "emptyOK", "cutJSON", "wrongTypes", "missingFields",
		"reset", "cutBody", "hang", "html203", "redirect302", "unauthorizedBOM", "forbiddenJSON", "notFound", "badRequest400", "hugeBody",
	}
	// creates alone: refusals, also such as aren't true. For other changes a refusal is taken at its word.
	faultsOfCreate = []string{"patTokenError:accessDenied", "patTokenError:neverHeardOf", "secretMissing", "shortenedValidTo", "throttledAfterDoing", "html203AfterDoing"}
	faultsAfter    = []string{
		"serverErrorAfterDoing", "badGatewayAfterDoing", "unavailableAfterDoing", "htmlOKAfterDoing", "emptyOKAfterDoing", "cutJSONAfterDoing",
		"wrongTypesAfterDoing", "missingFieldsAfterDoing", "resetAfterDoing", "cutBodyAfterDoing", "hangAfterDoing", "hugeBodyAfterDoing",
	}
	pointsOf = map[string][]string{
		"create": {"claimed", "listed", "intended", "calling", "called", "answered", "kept", "recorded", "refused"},
		"rotate": {"claimed", "listed", "intended", "calling", "called", "answered", "kept", "recorded", "refused", "retired"},
		"revoke": {"claimed", "calling", "called", "answered", "refused"},
		"edit":   {"claimed", "calling", "called", "answered", "refused"},
	}
	callOf = map[string]string{
		"create": simulator.CallCreate, "rotate": simulator.CallCreate, "revoke": simulator.CallRevoke, "edit": simulator.CallUpdate,
	}
)

// serviceFault is one that is switched on for a round.
type serviceFault struct {
	name string
	simulator.FaultOptions
}

// round is one form with everything that happens to it.
type round struct {
	*lane
	n    int64
	dice *rand.Rand

	verb     string
	atOnce   bool
	sendings int
	faults   []serviceFault
	at       string        // the point at which the rest happens; "" for none
	leave    bool          // the browsers go away
	spoil    bool          // the store fails...
	spoilt   time.Duration // ...for at least so long
	end      string        // of the process: "kill", "stop" or ""
	again    bool          // the form is sent once more in the end

	old     simulator.Token
	to      *url.URL
	form    url.Values
	held    *simulator.Held
	answers []reply
}

func (r *round) String() string {
	return fmt.Sprintf("%s (at once %t) sent %d times; faults %+v; at %q browsers leave %t, store fails %t for %v, process %q; again %t",
		r.verb, r.atOnce, r.sendings, r.faults, r.at, r.leave, r.spoil, r.spoilt, r.end, r.again)
}

// chance is true in p of 100 cases.
func (r *round) chance(p int) bool { return r.dice.IntN(100) < p }

func pick[T any](dice *rand.Rand, from []T) T { return from[dice.IntN(len(from))] }

// draw throws the dice for everything that will happen.
func (r *round) draw() {
	r.verb = pick(r.dice, []string{"create", "create", "create", "rotate", "rotate", "rotate", "revoke", "edit"})
	r.atOnce, r.sendings = r.chance(50), 1+r.dice.IntN(3)
	if r.chance(60) {
		r.drawFaults()
	}
	if r.chance(65) {
		r.at = pick(r.dice, pointsOf[r.verb])
		r.leave, r.spoil = r.chance(35), r.chance(25)
		r.spoilt = pick(r.dice, []time.Duration{0, 50 * time.Millisecond, 500 * time.Millisecond, 2 * time.Second})
		switch dice := r.dice.IntN(100); {
		case dice < 35:
			r.end = "kill"
		case dice < 45:
			r.end = "stop"
		}
	}
	r.again = r.chance(40)
}

func (r *round) drawFaults() {
	calls := []string{callOf[r.verb], callOf[r.verb], simulator.CallList, simulator.CallRevoke, simulator.CallGet}
	for range 1 + r.dice.IntN(2) {
		call := pick(r.dice, calls)
		names := faultsBefore
		if call != simulator.CallList && call != simulator.CallGet && r.chance(60) {
			names = faultsAfter
		}
		if call == simulator.CallCreate && r.chance(25) {
			names = faultsOfCreate
		}
		r.faults = append(r.faults, serviceFault{pick(r.dice, names), simulator.FaultOptions{
			Call: call, Organization: organizationOf(r.n), Times: 1 + r.dice.IntN(3), After: r.dice.IntN(2), RetryAfter: time.Second,
			Delay: 100 * time.Millisecond, Bytes: int64(r.dice.IntN(400)),
		}})
	}
	for i := range r.faults {
		if strings.HasPrefix(r.faults[i].name, "hugeBody") {
			r.faults[i].Bytes = 20 << 20
		}
		if r.faults[i].Call == callOf[r.verb] {
			r.faults[i].After = 0
		}
	}
}

func (r *round) run() {
	r.draw()
	r.prepare()
	r.send()
	r.clearFaults()
	r.judge()
	r.add("rounds")
	r.add("rounds: " + r.verb)
	names := ""
	for _, f := range r.faults {
		names += " " + f.Call + " " + f.name
	}
	r.tried(fmt.Sprint(r.verb, r.atOnce, r.sendings > 1, names, r.at, r.leave, r.spoil, r.end, r.again))
}

// prepare opens the form, while all is well.
func (r *round) prepare() {
	name, organization := r.name(), organizationOf(r.n)
	if r.verb == "create" {
		r.to, r.form = createForm(r.b, r.url, organization, name)
		return
	}
	r.old = r.sim.AddToken(simulator.Token{DisplayName: name, Scope: "vso.code", Organization: organization, Owner: simulator.Mona})
	r.b.Open(r.url + "/tokens/" + organization + "/" + r.old.AuthorizationID + "/" + r.verb)
	button := "Revoke"
	switch r.verb {
	case "rotate":
		button = "Rotate"
		r.b.Choose("The old token", map[bool]string{true: atOnce, false: whenConfirmed}[r.atOnce])
	case "edit":
		button = "Save changes"
		r.b.Fill("Name", name+" again")
	}
	_, r.to, r.form = r.b.Form(button)
}

func (r *round) name() string { return fmt.Sprintf("token of round %d", r.n) }

// send sends the form as often as was drawn, and makes happen what was drawn beside it.
func (r *round) send() {
	for _, f := range r.faults {
		r.sim.SetFault(f.name, f.FaultOptions)
	}
	r.arm()
	ctx, leave := context.WithCancel(context.Background())
	defer leave()
	var mu sync.Mutex
	var browsers sync.WaitGroup
	for range r.sendings {
		browsers.Go(func() {
			answer := send(ctx, r.b, r.trip(), r.to, r.form)
			mu.Lock()
			defer mu.Unlock()
			r.answers = append(r.answers, answer)
		})
	}
	all := func() bool { mu.Lock(); defer mu.Unlock(); return len(r.answers) == r.sendings }
	until(r.t, "the point is reached or all answers are there", func() bool { return r.at != "" && r.reached() || all() })
	if !all() {
		r.happen(leave)
	}
	browsers.Wait()
	r.disarm()
}

// arm sets the trap at the drawn point.
func (r *round) arm() {
	switch r.at {
	case "":
	case "calling", "called":
		r.held = r.sim.Hold(callOf[r.verb], organizationOf(r.n), r.at == "called")
	default:
		for _, m := range r.members {
			m.holdAt(r.at)
		}
	}
}

func (r *round) reached() bool {
	if r.held == nil {
		return slices.ContainsFunc(r.members, (*member).holds)
	}
	select {
	case <-r.held.Reached():
		return true
	default:
		return false
	}
}

func (r *round) release() {
	if r.held != nil {
		r.held.Release()
	}
	for _, m := range r.members {
		m.letGo()
	}
}

// happen is what befalls the change at the point: browsers leave, the store fails, the process ends.
func (r *round) happen(leave func()) {
	r.add("happened at " + r.at)
	if r.leave {
		leave()
		r.add("browsers left")
	}
	mend := func() {}
	if r.spoil {
		r.store.spoil()
		r.add("store failed")
		mended := make(chan struct{})
		time.AfterFunc(r.spoilt, func() { r.store.mend(); close(mended) })
		mend = func() { <-mended }
	}
	r.endProcess()
	mend()
}

// endProcess ends the process that is at work, if that was drawn; with a hold at the service that may be either of the
// two. Then the held worker goes on, and the process is started again.
func (r *round) endProcess() {
	m := r.members[r.dice.IntN(len(r.members))]
	for _, other := range r.members {
		if other.holds() {
			m = other
		}
	}
	switch r.end {
	case "kill":
		m.kill()
		r.add("processes killed")
		r.release()
	case "stop":
		must(r.t, m.cmd.Process.Signal(syscall.SIGTERM))
		m.waitFor("msg=stopping")
		r.release()
		<-m.done
		r.add("processes stopped")
	default:
		r.release()
	}
}

// disarm puts everything right: no trap, and all processes running.
func (r *round) disarm() {
	r.release()
	for _, m := range r.members {
		select {
		case <-m.done:
			m.start()
		default:
		}
	}
}

// judge compares what the person is told, after all faults, with what the service has done.
func (r *round) judge() {
	b := r.b.Open(r.url + "/changes")
	if !b.Has("button", "Sign out") {
		r.t.Fatalf("signed out: %d %s", b.Status, says(b))
	}
	r.most("creates per operation, at most", r.calls(simulator.CallCreate))
	r.countFaults()
	if n := r.calls(simulator.CallCreate); n > 1 || r.calls(simulator.CallUpdate) > 1 {
		r.t.Errorf("%d creates, %d updates", n, r.calls(simulator.CallUpdate))
	}
	link := b.Page.Find("tbody a").First()
	if what := link.Text(); !strings.Contains(what, r.name()) && (r.verb == "create" || !strings.Contains(what, r.old.AuthorizationID)) {
		r.judgeWithoutRecord()
		return
	}
	b.Open(link.AttrOr("href", "")) // waits while it is being worked on
	for range 2 {
		if b.Has("button", "Check again") {
			b.Press("Check again")
		}
	}
	operation := b.URL.Path
	r.judgeTokens()
	r.judgeOld()
	r.judgeAnswers(operation)
	if r.again {
		r.sendAgain(operation)
	}
	r.tidy(operation)
	r.judgeProcesses()
}

// countFaults counts the faults that have really hit a call.
func (r *round) countFaults() {
	for _, seen := range r.sim.Requests() {
		if seen.Organization == organizationOf(r.n) {
			for _, fault := range seen.Faults {
				r.add("service: " + seen.Call + " met " + fault)
			}
		}
	}
}

// calls counts the requests of this round to the service.
func (r *round) calls(call string) (n int) {
	for _, seen := range r.sim.Requests() {
		if seen.Call == call && seen.Organization == organizationOf(r.n) {
			n++
		}
	}
	return n
}

// madeHere are the tokens that this round has made.
func (r *round) madeHere() []simulator.Token {
	return slices.DeleteFunc(r.sim.Tokens(organizationOf(r.n)), func(t simulator.Token) bool { return t.AuthorizationID == r.old.AuthorizationID })
}

// judgeWithoutRecord: nothing is written down, so nothing may have been sent, and nobody may have been told otherwise.
func (r *round) judgeWithoutRecord() {
	r.add("ended: not begun")
	now, _ := r.sim.Token(r.old.AuthorizationID)
	if len(r.madeHere()) > 0 || now.Revoked || now.DisplayName != r.old.DisplayName {
		r.t.Errorf("done without a record: %+v %+v", r.madeHere(), now)
	}
	for _, a := range r.answers {
		if a.err == nil && a.status < 400 {
			r.t.Error("told as begun: ", a.says())
		}
	}
}

// judgeTokens: every token that was made is shown, named or revoked, and none is told of that isn't there.
func (r *round) judgeTokens() {
	tokens := r.madeHere()
	if len(tokens) > 1 {
		r.t.Errorf("%d tokens were made", len(tokens))
	}
	for _, token := range tokens {
		how := fate(r.b, token)
		if how != "shown" && slices.ContainsFunc(r.answers, func(a reply) bool { return a.status == 200 && strings.Contains(a.body, token.Secret) }) {
			how = "in the answer"
		}
		r.add("tokens made: " + how)
		if how == "lost" {
			r.t.Errorf("%s is lost: %d %s", token.AuthorizationID, r.b.Status, says(r.b))
		}
	}
	if making := r.verb == "create" || r.verb == "rotate"; making && len(tokens) == 0 {
		r.add("ended: nothing made")
		if r.b.Status < 400 || secretOf(r.b) != "" || r.b.Has("button", "Revoke this token") {
			r.t.Errorf("nothing was made, but %d %s", r.b.Status, says(r.b))
		}
	}
}

// judgeOld: what is said of the token that was to be changed is true, and a rotation hasn't revoked it before the new
// one's secret was safe.
func (r *round) judgeOld() {
	now, _ := r.sim.Token(r.old.AuthorizationID)
	done := map[string]bool{"revoke": now.Revoked, "edit": now.DisplayName == r.name()+" again"}[r.verb]
	switch r.verb {
	case "rotate":
		if r.b.Has("button", "Revoke the old token") && strings.Contains(says(r.b), "It isn't known yet whether the old token was revoked") {
			r.add("old token: not known whether revoked")
			break
		}
		if said := strings.Contains(says(r.b), "The old token is revoked"); said != now.Revoked {
			r.t.Errorf("the old token is revoked: %t; %s", now.Revoked, says(r.b))
		}
		if now.Revoked && (!r.atOnce || secretOf(r.b) == "") {
			r.t.Errorf("the old token was revoked too early: %s", says(r.b))
		}
	case "revoke", "edit":
		r.add(fmt.Sprintf("ended: %s, done %t", r.verb, done))
		if said := r.b.Status == 200; said != done {
			r.t.Errorf("done: %t, but %d %s", done, r.b.Status, says(r.b))
		}
	}
}

// judgeAnswers: all answers lead to the one change, or say that something went wrong. A success was none too early.
func (r *round) judgeAnswers(operation string) {
	id := filepath.Base(operation)
	for _, a := range r.answers {
		switch {
		case a.err != nil, a.status >= 400:
		case a.status == 303 && a.to == operation:
		case a.status == 303 && strings.Contains(a.to, "done="+id) && r.b.Status == 200: // of revoke and edit
		case a.status == 200 && len(r.madeHere()) == 1 && strings.Contains(a.body, r.madeHere()[0].Secret):
		default:
			r.t.Errorf("an answer: %s; want %s", a.says(), operation)
		}
	}
}

// sendAgain: the same form makes nothing new, and leads to the same change or says that it wasn't done.
func (r *round) sendAgain(operation string) {
	before := [2]int{r.calls(simulator.CallCreate), r.calls(simulator.CallUpdate)}
	a := send(context.Background(), r.b, r.trip(), r.to, r.form)
	if after := [2]int{r.calls(simulator.CallCreate), r.calls(simulator.CallUpdate)}; after != before {
		r.t.Errorf("sent again: %v calls, before it %v", after, before)
	}
	if a.err != nil || a.status < 400 && a.to != operation && !strings.Contains(a.to, "done="+filepath.Base(operation)) {
		r.t.Errorf("sent again: %s, want %s", a.says(), operation)
	}
}

// tidy takes the next step that the page offers, until nothing waits any more.
func (r *round) tidy(operation string) {
	r.b.Open(r.url + operation)
	for _, button := range []string{"I have saved it", "Revoke this token", "The new one is in place", "Revoke the old token", "Dismiss"} {
		if r.b.Has("button", button) {
			r.b.Press(button)
		}
	}
	if got := waiting(r.b.Open(r.url + "/scopes")); got != "" {
		r.t.Errorf("still waiting: %q", got)
	}
}

// judgeProcesses: no process has died by itself, and none has logged a secret since the last round.
func (r *round) judgeProcesses() {
	for _, m := range r.members {
		select {
		case <-m.done:
			log := m.log.String()
			r.t.Errorf("a process died:\n%s", log[max(0, len(log)-5000):])
		default:
		}
		for _, run := range m.runs {
			log := run.log.String()
			wantNoSecret(r.t, r.sim, "the log", log[r.logged[run]:])
			r.logged[run] = len(log)
		}
		m.runs = m.runs[len(m.runs)-1:]
	}
}
