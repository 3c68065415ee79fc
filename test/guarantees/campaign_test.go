package guarantees

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/patdesk/patdesk/internal/simulator"
	"github.com/patdesk/patdesk/internal/testkit"
	"github.com/patdesk/patdesk/internal/testkit/apptest"
	"github.com/patdesk/patdesk/internal/webtest"
)

// TestCampaign changes tokens with the whole program under random faults of the service, of what stands before it and
// of the store, lists that lag, deaths, stops and stand-stills of processes, and browsers that read slowly or go away.
// After each round, all faults over, it looks at what a person is told, and compares that with what the service has
// done. A third of the rounds is played on one process, a third on two with one session folder, a third on two with one
// Redis.
//
// PATDESK_ROUNDS sets its length ("make soak" takes 2,000) and then its dice are new each time; without it the same
// rounds are played, so that whether a change is good doesn't depend on luck; a short run plays a third of them.
// PATDESK_SEED replays the dice of a campaign, and PATDESK_ROUND runs one round of it alone.
func TestCampaign(t *testing.T) {
	t.Parallel()
	seed := uint64(number(t, "PATDESK_SEED", 20261122))
	lanes := int64(len(laneKinds))
	if os.Getenv("PATDESK_ROUNDS") != "" {
		lanes *= 3 // a long one: rounds wait for what lags, and others can be played meanwhile
		if os.Getenv("PATDESK_SEED") == "" {
			seed = uint64(time.Now().UnixNano())
		}
	}
	rounds, only := number(t, "PATDESK_ROUNDS", 18), number(t, "PATDESK_ROUND", -1)
	played := func(n int64) bool { return only < 0 || n == only }
	wanted := rounds
	if only < 0 && os.Getenv("PATDESK_ROUNDS") == "" {
		thirds := testkit.Sample(t, 1, []int64{0, 1, 2})
		played = func(n int64) bool { return slices.Contains(thirds, 3*n/rounds) }
		wanted = rounds * int64(len(thirds)) / 3
	}
	t.Logf("PATDESK_SEED=%d PATDESK_ROUNDS=%d", seed, rounds)
	total := &tally{counts: map[string]int{"tokens made: lost": 0}, cases: map[string]bool{}}
	t.Run("lanes", func(t *testing.T) {
		for i := range lanes {
			if only >= 0 && only%lanes != i {
				continue
			}
			t.Run(strconv.FormatInt(i, 10), func(t *testing.T) {
				t.Parallel()
				l := newLane(t, total, laneKinds[i%int64(len(laneKinds))], i, lanes, rounds)
				for n := i; n < rounds && !t.Failed(); n += lanes {
					if !played(n) {
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
	if only < 0 && total.counts["rounds"] != int(wanted) && !t.Failed() {
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
		c.counts["rounds: different in place, change, faults, point, store, browsers and process"]++
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

// What can go wrong at the service, and where a process can be held.
var (
	faultsBefore = []string{
		"serverError500", "badGateway502", "unavailable503", "throttled429", "htmlOK", "emptyOK", "cutJSON", "wrongTypes", "missingFields",
		"reset", "cutBody", "hang", "html203", "redirect302", "unauthorizedBOM", "forbiddenJSON", "notFound", "badRequest400", "hugeBody",
		"proxyHTML", "proxyEmpty", "proxyJSON", "proxyPage", "proxyRedirect",
	}
	// creates alone: refusals, also such as aren't true. For other changes the service's refusal is taken at its word.
	faultsOfCreate = []string{"patTokenError:accessDenied", "patTokenError:neverHeardOf", "secretMissing", "shortenedValidTo", "throttledAfterDoing", "html203AfterDoing"}
	faultsAfter    = []string{
		"serverErrorAfterDoing", "badGatewayAfterDoing", "unavailableAfterDoing", "htmlOKAfterDoing", "emptyOKAfterDoing", "cutJSONAfterDoing",
		"wrongTypesAfterDoing", "missingFieldsAfterDoing", "resetAfterDoing", "cutBodyAfterDoing", "hangAfterDoing", "hugeBodyAfterDoing",
		"proxyHTMLAfterDoing", "proxyEmptyAfterDoing", "proxyJSONAfterDoing", "proxyPageAfterDoing", "proxyRedirectAfterDoing",
	}
	statuses = append(slices.Clone(intermediaryStatuses), 421)

	pointsOf = map[string][]string{
		simulator.CallCreate: {"claimed", "listed", "intended", "calling", "called", "answered", "kept", "recorded", "refused"},
		simulator.CallRevoke: {"claimed", "calling", "called", "answered", "refused"},
		simulator.CallUpdate: {"claimed", "calling", "called", "answered", "refused"},
	}
	callOf = map[string]string{
		toCreate: simulator.CallCreate, toRotate: simulator.CallCreate, toReplace: simulator.CallCreate, bulkRotate: simulator.CallCreate,
		toRevoke: simulator.CallRevoke, bulkRevoke: simulator.CallRevoke, toEdit: simulator.CallUpdate, bulkExtend: simulator.CallUpdate,
	}
)

// What a round is about.
const (
	toCreate, toRotate, toRevoke, toEdit, toReplace = "create", "rotate", "revoke", "edit", "replace"

	bulkRotate, bulkRevoke, bulkExtend = "rotate several", "revoke several", "extend several"
)

// verbs are as often drawn as they stand here.
var verbs = []string{
	toCreate, toCreate, toCreate, toRotate, toRotate, toRotate, toRevoke, toEdit, toReplace, toReplace, bulkRotate, bulkRotate, bulkRevoke, bulkExtend,
}

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
	atOnce   bool // the old token is revoked as soon as the new secrets are kept
	sendings int
	tokens   int // of a bulk change; organizations of a replacement
	faults   []serviceFault
	lasting  time.Duration // until the last of what lags shows, after the form was sent
	at       string        // the point at which the rest happens; "" for none
	leave    bool          // the browsers go away
	reader   string        // how they read: slowReader, abortingReader, or ""
	crawl    bool          // a large page is read very slowly meanwhile
	spoil    int           // of the store's faults; -1: none
	spoilt   time.Duration // ...for at least so long
	end      string        // what befalls the process
	halt     bool          // a bulk change is stopped by its owner
	patient  bool          // the person looks at something else until patdesk has looked again by itself
	again    bool          // the form is sent once more in the end

	b       *webtest.Browser
	other   *webtest.Browser  // of the one with very many tokens
	old     []simulator.Token // those that are to be changed
	to      *url.URL
	form    url.Values
	held    *simulator.Held
	marks   map[*apptest.Process]int // where each log stood when the round began
	answers []apptest.Reply
	views   []view
}

func (r *round) String() string {
	store := "works"
	if r.spoil >= 0 {
		store = fmt.Sprintf("%s for %v", r.stores[r.spoil].Name, r.spoilt)
	}
	return fmt.Sprintf("%s: %s (%d tokens, at once %t) sent %d times; faults %+v; at %q browsers leave %t, read %q, a crawling reader %t, store %s, process %q; halted %t, patient %t, again %t",
		r.kind.name, r.verb, r.tokens, r.atOnce, r.sendings, r.faults, r.at, r.leave, r.reader, r.crawl, store, r.end, r.halt, r.patient, r.again)
}

// chance is true in p of 100 cases.
func (r *round) chance(p int) bool { return r.dice.IntN(100) < p }

func pick[T any](dice *rand.Rand, from []T) T { return from[dice.IntN(len(from))] }

// several says that the round is a bulk change.
func (r *round) several() bool { return strings.HasSuffix(r.verb, " several") }

// What befalls a process.
const (
	killed, stopped, stoppedTwice, frozen = "killed", "stopped", "stopped and killed by a second signal", "frozen"
)

// draw throws the dice for everything that will happen.
func (r *round) draw() {
	r.verb, r.spoil = pick(r.dice, verbs), -1
	r.atOnce, r.sendings, r.tokens = r.chance(50), 1+r.dice.IntN(3), 2+r.dice.IntN(4)
	if r.verb == toReplace {
		r.tokens = 2 + r.dice.IntN(2)
	}
	if r.chance(60) {
		r.drawFaults()
	}
	if r.chance(25) {
		r.drawLag()
	}
	r.reader = pick(r.dice, []string{"", "", "", slowReader, abortingReader})
	if r.chance(65) {
		r.drawEvents()
	}
	r.halt, r.patient, r.again = r.several() && r.chance(30), r.chance(50), r.chance(40)
}

func (r *round) drawEvents() {
	r.at = pick(r.dice, r.points())
	r.leave = r.chance(35)
	if r.chance(25) {
		r.spoil = r.dice.IntN(len(r.stores))
	}
	r.spoilt = pick(r.dice, []time.Duration{0, 50 * time.Millisecond, 500 * time.Millisecond, 2 * time.Second})
	switch dice := r.dice.IntN(100); {
	case dice < 25:
		r.end = killed
	case dice < 33:
		r.end, r.crawl = stopped, r.chance(30)
	case dice < 38:
		r.end = stoppedTwice
	case dice < 50:
		r.end = frozen
	}
}

func (r *round) points() []string {
	points := pointsOf[callOf[r.verb]]
	if r.verb == toRotate {
		points = append(slices.Clone(points), "retired")
	}
	if r.several() {
		points = append(slices.Clone(points), "batch begun")
	}
	return points
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
		f := serviceFault{pick(r.dice, names), simulator.FaultOptions{
			Call: call, Organization: r.places()[r.dice.IntN(r.spread())], Times: 1 + r.dice.IntN(3), After: r.dice.IntN(2), RetryAfter: time.Second,
			Delay: 100 * time.Millisecond, Bytes: int64(r.dice.IntN(400)),
		}}
		switch {
		case strings.HasPrefix(f.name, "hugeBody"):
			f.Bytes = 20 << 20
		case strings.HasPrefix(f.name, "proxy"):
			f.Value = strconv.Itoa(pick(r.dice, statuses))
		}
		if call == callOf[r.verb] {
			f.After = 0
		}
		r.faults = append(r.faults, f)
	}
}

// drawLag has changes shown or done late.
func (r *round) drawLag() {
	call := pick(r.dice, []string{callOf[r.verb], callOf[r.verb], simulator.CallRevoke})
	f := serviceFault{"lagging", simulator.FaultOptions{Call: call, Organization: r.places()[r.dice.IntN(r.spread())]}}
	f.Delay = pick(r.dice, []time.Duration{5 * time.Second, 30 * time.Second, 90 * time.Second})
	r.lasting = f.Delay / hurry
	if r.chance(30) {
		f.name, f.Delay = "doneLate", pick(r.dice, []time.Duration{50 * time.Millisecond, 300 * time.Millisecond, 1500 * time.Millisecond})
		f.Times, r.lasting = 2, f.Delay
	}
	r.faults = append(r.faults, f)
}

// places are the round's own organizations, so that what befalls one round doesn't pause another.
func (r *round) places() []string { return organizationsOf(r.n) }

// spread is over how many of its organizations a round goes.
func (r *round) spread() int {
	switch {
	case r.verb == toReplace:
		return r.tokens
	case r.several():
		return 2
	}
	return 1
}

// nameOf is the name of the round's token with that number.
func (r *round) nameOf(i int) string {
	if r.several() {
		return fmt.Sprintf("token %c of round %d", 'a'+i, r.n)
	}
	return fmt.Sprintf("token of round %d", r.n)
}

func (r *round) run() {
	r.draw()
	r.begin()
	r.prepare()
	r.send()
	r.clearFaults()
	sent := time.Now()
	r.look()
	r.settle(sent)
	r.judge()
	r.add("rounds")
	r.add("rounds: " + r.kind.name)
	r.add("rounds: " + r.verb)
	names := ""
	for _, f := range r.faults {
		names += " " + f.Call + " " + f.name
	}
	r.tried(fmt.Sprint(r.kind.name, r.verb, r.atOnce, r.sendings > 1, names, r.at, r.leave, r.reader, r.spoil, r.end, r.again))
}

// send sends the form as often as was drawn, and makes happen what was drawn beside it.
func (r *round) send() {
	for _, f := range r.faults {
		r.Sim.SetFault(f.name, f.FaultOptions)
	}
	r.arm()
	ctx, leave := context.WithCancel(context.Background())
	defer leave()
	var mu sync.Mutex
	var browsers sync.WaitGroup
	for range r.sendings {
		browsers.Go(func() {
			answer := apptest.Send(ctx, r.b, r.reading(), r.to, r.form)
			mu.Lock()
			defer mu.Unlock()
			r.answers = append(r.answers, answer)
		})
	}
	all := func() bool { mu.Lock(); defer mu.Unlock(); return len(r.answers) == r.sendings }
	if r.several() { // the answers come at once, and the work goes on
		all = func() bool { mu.Lock(); defer mu.Unlock(); return len(r.answers) == r.sendings && r.batchEnded() }
	}
	testkit.Until(r.T, "the point is reached or all answers are there", func() bool { return r.at != "" && r.reached() || all() })
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
		r.held = r.Sim.Hold(callOf[r.verb], r.places()[0], r.at == "called")
	default:
		for _, m := range r.Members {
			m.HoldAt(r.at)
		}
	}
}

func (r *round) reached() bool {
	if r.held == nil {
		return slices.ContainsFunc(r.Members, (*apptest.Member).Holds)
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
	for _, m := range r.Members {
		m.LetGo()
	}
}

// happen is what befalls the change at the point: its owner stops it, browsers leave, the store fails, the process
// ends.
func (r *round) happen(leave func()) {
	r.add("happened at " + r.at)
	if r.halt {
		r.haltBatch()
	}
	if r.leave {
		leave()
		<-time.After(20 * time.Millisecond) // until the program has noticed: what it writes before that, it may take for read
		r.add("browsers left")
	}
	mend := func() {}
	if r.spoil >= 0 {
		store := r.stores[r.spoil]
		store.Spoil()
		r.add("store: " + store.Name)
		mended := make(chan struct{})
		time.AfterFunc(r.spoilt, func() { store.Mend(); close(mended) })
		mend = func() { <-mended }
	}
	r.endProcess()
	mend()
}

// endProcess lets the process that is at work have what was drawn for it; with a hold at the service that may be either
// of the two. Then the held worker goes on.
func (r *round) endProcess() {
	m := r.Members[r.dice.IntN(len(r.Members))]
	for _, other := range r.Members {
		if other.Holds() {
			m = other
		}
	}
	if r.end != "" {
		r.add("processes " + r.end)
	}
	switch r.end {
	case killed:
		m.Kill()
		r.release()
	case stopped:
		if r.crawl {
			end := r.crawlAt(m)
			defer end()
		}
		testkit.Must(r.T, m.Cmd.Process.Signal(syscall.SIGTERM))
		m.WaitFor("msg=stopping")
		r.release()
		<-m.Done
	case stoppedTwice:
		testkit.Must(r.T, m.Cmd.Process.Signal(syscall.SIGTERM))
		m.WaitFor("msg=stopping")
		if err := m.Cmd.Process.Signal(syscall.SIGTERM); !errors.Is(err, os.ErrProcessDone) { // it had little to finish
			testkit.Must(r.T, err)
		}
		<-m.Done
		r.release()
	case frozen:
		testkit.Must(r.T, m.Cmd.Process.Signal(freeze))
		r.release()
		<-time.After(pick(r.dice, r.kind.standstills))
		testkit.Must(r.T, m.Cmd.Process.Signal(thaw))
	default:
		r.release()
	}
}

// disarm puts everything right: no trap, and all processes running.
func (r *round) disarm() {
	r.release()
	for _, m := range r.Members {
		select {
		case <-m.Done:
			m.LetGo()
			m.Start()
		default:
		}
	}
}
