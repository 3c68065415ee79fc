package operation_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/patdesk/patdesk/internal/azuredevops"
	"github.com/patdesk/patdesk/internal/operation"
	"github.com/patdesk/patdesk/internal/testkit"
	"github.com/patdesk/patdesk/internal/vault"
)

// TestCampaign carries out changes under random faults of the service and the store, lists that lag and deaths of
// workers, and then, all faults over, looks what a person who comes back finds out, and when. PATDESK_SEED replays a
// campaign, PATDESK_ROUNDS sets its length; without it the same rounds are played each time, a third of them in a short run.
func TestCampaign(t *testing.T) {
	t.Parallel()
	otherwise := uint64(20261122)
	if os.Getenv("PATDESK_ROUNDS") != "" {
		otherwise = uint64(time.Now().UnixNano())
	}
	seed := fromEnvironment(t, "PATDESK_SEED", otherwise)
	rounds := fromEnvironment(t, "PATDESK_ROUNDS", 120)
	if rounds > 100_000 {
		t.Fatal("PATDESK_ROUNDS is more than 100000")
	}
	t.Logf("PATDESK_SEED=%d PATDESK_ROUNDS=%d", seed, rounds)
	thirds := []uint64{0, 1, 2}
	if os.Getenv("PATDESK_ROUNDS") == "" {
		thirds = testkit.Sample(t, 1, thirds)
	}
	tally := map[string]int{}
	for n := range rounds {
		if !slices.Contains(thirds, n%3) {
			continue
		}
		one := &round{t: t, n: n, rand: rand.New(rand.NewPCG(seed, n)), tally: tally}
		one.run()
		if t.Failed() {
			t.Fatalf("round %d of PATDESK_SEED=%d failed: %s", n, seed, one)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(tally)) {
		t.Logf("%6d %s", tally[key], key)
	}
}

func fromEnvironment(t *testing.T, name string, otherwise uint64) uint64 {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// round is one form with everything that happens to it.
type round struct {
	t     *testing.T
	n     uint64
	rand  *rand.Rand
	tally map[string]int

	action     operation.Action
	atOnce     bool
	sendings   int
	nobody     bool // nobody is there to read the answers
	callFaults map[string][]callFault
	lag        time.Duration // of lists and records, behind changes
	storeFrom  int           // the store fails from this write on...
	storeTimes int           // ...so many times
	storeHow   fault
	storeKind  string // "" for every kind of record
	dieAt      string
	into       bool // the secret is for a vault
	unseen     bool
	vault      map[string][]callFault
	later      bool // the old token is to be revoked at a time
	saves      bool // the person says that the new secret is saved

	world   *world
	service operation.Service
	request operation.Request
	seen    []operation.Operation // at each visit after all faults
	secret  string                // that could be shown then
	made    map[string]string     // secret to authorizationId of what was made by this form
	mu      sync.Mutex
	answers []*operation.Operation
}

func (r *round) String() string {
	return fmt.Sprintf("%s (at once %t), %d sendings, nobody there %t, service %v, lag %v, store from write %d of %q %d times (%d), dies at %q, into a vault %t, unseen %t, vault %v, later %t, saved %t",
		r.action, r.atOnce, r.sendings, r.nobody, r.callFaults, r.lag, r.storeFrom, r.storeKind, r.storeTimes, r.storeHow, r.dieAt, r.into, r.unseen, r.vault, r.later, r.saves)
}

// callFault is what becomes of one call of the service.
type callFault int

const (
	fine       callFault = iota
	refused              // definitely not done
	lostBefore           // not done, and that can't be known
	lostAfter            // done, and that can't be known
	denied               // done, and something in between says no
)

func (f callFault) errors(call string) (before, after error) {
	switch f {
	case refused:
		return refusal(call, azuredevops.KindForbidden, 403), nil
	case lostBefore:
		return lost(call, azuredevops.KindConnection), nil
	case lostAfter:
		return nil, lost(call, azuredevops.KindTimeout)
	case denied:
		return nil, &azuredevops.Error{Call: call, Organization: "contoso", Kind: azuredevops.KindThrottled, Status: 429, RetryAfter: time.Second, Unknown: true}
	}
	return nil, nil
}

// chance is true in p of 100 cases.
func (r *round) chance(p int) bool { return r.rand.IntN(100) < p }

func (r *round) run() {
	r.draw()
	subT := &roundT{T: r.t}
	r.world = newWorld(subT)
	defer subT.end()
	if r.storeHow == after { // what isn't known to be written isn't told
		r.world.events = nil
	}
	r.prepare()
	r.prepareVault()
	r.send()
	r.world.azure.fail(nil, nil)
	r.world.vault.fail(nil, nil)
	r.judge()
}

// draw throws the dice for everything that will happen.
func (r *round) draw() {
	actions := []operation.Action{operation.Create, operation.Rotate, operation.Rotate, operation.Revoke, operation.Update}
	points := []string{"claimed", "listed", "intended", "answered", "kept", "recorded", "refused", "retired"}
	r.action = actions[r.rand.IntN(len(actions))]
	r.atOnce = r.chance(50)
	r.sendings = 1 + r.rand.IntN(3)
	r.nobody = r.chance(40)
	r.callFaults = map[string][]callFault{}
	if r.chance(60) {
		for _, call := range []string{"create", "update", "revoke", "list", "get"} {
			for range 6 {
				f := fine
				if r.chance(40) {
					f = callFault(1 + r.rand.IntN(4))
				}
				r.callFaults[call] = append(r.callFaults[call], f)
			}
		}
	}
	if r.chance(25) {
		r.lag = []time.Duration{5 * time.Second, time.Minute, 8 * time.Minute}[r.rand.IntN(3)]
	}
	if r.chance(50) {
		r.storeFrom, r.storeTimes, r.storeHow = r.rand.IntN(9), 1+r.rand.IntN(3), before
		if r.chance(50) {
			r.storeTimes = 1000
		}
		if r.chance(50) {
			r.storeFrom, r.storeKind = r.rand.IntN(3), []string{"secret", "operation", "unfinished"}[r.rand.IntN(3)]
		}
		if r.chance(40) {
			r.storeHow = after
		}
	}
	if r.chance(40) {
		r.dieAt = points[r.rand.IntN(len(points))]
	}
	r.drawVault()
	if r.action == operation.Rotate && r.chance(30) {
		r.later, r.atOnce, r.saves = true, false, r.chance(50)
	}
}

// drawVault throws the dice for rounds with a vault.
func (r *round) drawVault() {
	if r.action != operation.Create && r.action != operation.Rotate || r.chance(50) {
		return
	}
	r.into, r.unseen, r.vault = true, r.chance(70), map[string][]callFault{}
	if r.chance(50) {
		for _, call := range []string{"versions", "write", "disable"} {
			for range 4 {
				f := fine
				if r.chance(40) {
					f = callFault(1 + r.rand.IntN(3))
				}
				r.vault[call] = append(r.vault[call], f)
			}
		}
	}
	if points := []string{"sent-to-vault", "written", "delivered", "disabled"}; r.chance(25) {
		r.dieAt = points[r.rand.IntN(len(points))]
	}
}

// prepareVault has the secret put into a vault that fails as was drawn.
func (r *round) prepareVault() {
	if !r.into {
		return
	}
	w := r.world
	w.vault.add(nuget, "the old one", vault.Properties{})
	w.into(&r.request, r.unseen, true)
	r.request.Content += " into a vault"
	calls := map[string]int{}
	var mu sync.Mutex
	fault := func(call string) callFault {
		mu.Lock()
		defer mu.Unlock()
		if n := len(r.vault[call]); n > 0 {
			return r.vault[call][calls[call]%n]
		}
		return fine
	}
	w.vault.fail(func(_ context.Context, call string) error {
		switch fault(call) {
		case refused:
			calls[call]++
			return vaultRefusal()
		case lostBefore:
			calls[call]++
			return vaultLost()
		}
		if old := w.azure.find(w.before); call == "write" && r.action == operation.Rotate && old.revoked {
			r.t.Errorf("the old token is revoked before the version is there")
		}
		return nil
	}, func(_ context.Context, call string) error {
		lost := fault(call) == lostAfter
		calls[call]++
		if lost {
			return vaultLost()
		}
		return nil
	})
}

// prepare sets the scene: tokens that are there before, one of them like the new one, and one that somebody makes.
func (r *round) prepare() {
	w := r.world
	w.azure.make("build agent", scopes, expires)
	w.azure.make("deploy", []string{"vso.release"}, start.AddDate(0, 0, 30))
	r.request = w.request(w.replica(), r.action)
	if r.request.RevokeAtOnce = r.atOnce; r.later {
		r.request.RevokeAt = start.Add(2 * time.Hour)
	}
	for _, p := range w.azure.tokens {
		p.ValidFrom = start.AddDate(0, 0, -1)
	}
	r.service = &laggard{azure: w.azure, lag: r.lag, before: map[string][]past{}}
	r.made = map[string]string{}
	known := len(w.azure.all())
	calls := map[string]int{}
	var mu sync.Mutex
	next := func(call string) callFault {
		mu.Lock()
		defer mu.Unlock()
		faults := r.callFaults[call]
		if len(faults) == 0 {
			return fine
		}
		return faults[(calls[call]/2)%len(faults)]
	}
	w.azure.fail(func(_ context.Context, call string) error {
		before, _ := next(call).errors(call)
		mu.Lock()
		calls[call]++
		if before != nil {
			calls[call]++ // no asking afterwards
		}
		mu.Unlock()
		return before
	}, func(_ context.Context, call string) error {
		_, after := next(call).errors(call)
		mu.Lock()
		calls[call]++
		mu.Unlock()
		if call == "create" {
			for _, p := range w.azure.all()[known:] {
				r.made[p.secret] = p.AuthorizationID
			}
		}
		return after
	})
}

// send sends the form as often as was drawn, over two processes, and waits until all work has ended.
func (r *round) send() {
	replicas := []*replica{r.world.replica(), r.world.replica()}
	writes := 0
	var mu sync.Mutex
	for _, replica := range replicas {
		replica.store.failing(func(call, kind string) fault {
			if call == "read" || call == "list" || call == "lock" || r.storeKind != "" && kind != r.storeKind {
				return none
			}
			mu.Lock()
			defer mu.Unlock()
			writes++
			if r.storeTimes > 0 && writes > r.storeFrom && writes <= r.storeFrom+r.storeTimes {
				return r.storeHow
			}
			return none
		})
		operation.OnReach(replica.Journal, func(point string) {
			if point == r.dieAt {
				runtime.Goexit()
			}
		})
	}
	var wg sync.WaitGroup
	for i := range r.sendings {
		wg.Go(func() { r.sendOnce(replicas[i%2]) })
	}
	wg.Wait()
	for _, replica := range replicas {
		if err := replica.Drain(context.Background()); err != nil {
			r.t.Errorf("Drain: %v", err)
		}
	}
}

func (r *round) sendOnce(at *replica) {
	q := r.request
	q.Delivery = new(operation.Delivery)
	defer func() {
		if r.nobody {
			q.Delivery.Done(errors.New("the browser has gone"))
		}
		q.Delivery.Done(nil)
	}()
	op, err := at.Do(context.Background(), r.service, q)
	r.mu.Lock()
	defer r.mu.Unlock()
	if err == nil {
		r.answers = append(r.answers, op)
		return
	}
	if !errors.Is(err, operation.ErrNotKept) && !strings.Contains(err.Error(), "no space left") {
		r.t.Errorf("Do: %v", err)
	}
}

// judge is another process, after all faults. It looks for what became of the form.
func (r *round) judge() {
	w := r.world
	r.count("rounds of "+string(r.action), 1)
	if n := w.azure.count("create"); n > 1 {
		r.t.Errorf("the form was sent to the service %d times", n)
	}
	at := w.replica()
	recent, err := at.Recent(context.Background(), mona, 10)
	if err != nil || len(recent) > 1 {
		r.t.Errorf("recent = %+v, %v, want at most one operation", recent, err)
		return
	}
	if len(recent) == 0 {
		r.judgeWithoutRecord()
		return
	}
	op := r.retireLater(at, r.deliver(at, r.visit(at, recent[0].ID)))
	r.count("ended "+string(op.State), 1)
	pending := w.pending(at)
	if slices.Contains(pending, op.ID) != op.Pending() {
		r.t.Errorf("pending = %q, but the operation is %+v", pending, op)
	}
	r.judgeNewTokens(op)
	r.judgeOldToken(op)
	r.judgeSeen(op)
}

// visit has the person come back, on whatever page, for as long as something may turn up. It returns the operation as
// it stands in the end.
func (r *round) visit(at *replica, id string) *operation.Operation {
	ctx := context.Background()
	lagging := r.world.clock.Now().Add(r.lag)
	for {
		if err := at.LookNow(ctx, r.service, mona); err != nil {
			r.t.Errorf("LookNow: %v", err)
		}
		op := r.world.get(at, id)
		r.seen = append(r.seen, *op)
		if secret := r.world.reveal(at, id); secret != "" {
			r.secret = secret
		}
		now := r.world.clock.Now()
		settled := !op.Undecided() && op.Old != operation.OldSent && now.After(lagging)
		if settled || now.After(start.Add(time.Hour)) {
			return op
		}
		r.world.clock.Move(40 * time.Second)
	}
}

// deliver has the person try a failed delivery again, whose vault is all right now.
func (r *round) deliver(at *replica, op *operation.Operation) *operation.Operation {
	if !r.into || op.State != operation.Succeeded {
		return op
	}
	if r.unseen && r.secret != "" {
		r.t.Errorf("a secret was shown that is for a vault, unseen")
	}
	r.count("secret's way into a vault: "+string(op.Into.State), 1)
	if op.Into.State == operation.IntoPending {
		r.t.Errorf("its worker is gone, and it is still on its way into the vault: %+v", op.Into)
	}
	op, err := at.Deliver(context.Background(), r.service, r.world.vault, mona, op.ID)
	if err != nil {
		r.t.Errorf("Deliver: %v", err)
		return op
	}
	if op.Secret == operation.SecretWaiting && op.Into.State != operation.IntoWritten {
		r.t.Errorf("tried again, it isn't in the vault: %+v", op.Into)
	}
	written := r.world.vault.of(op.ID)
	if len(written) > 1 {
		r.t.Errorf("%d versions hold one secret", len(written))
	}
	if op.Into.State == operation.IntoWritten && (len(written) != 1 || r.made[written[0].value] != op.Result.AuthorizationID || !written[0].Enabled) {
		r.t.Errorf("%+v, and the vault holds %+v", op.Into, written)
	}
	if op.Into.State == operation.IntoWritten && r.unseen {
		r.secret = written[0].value
	}
	old := r.world.vault.find("version0")
	if op.Into.Disabled && old.Enabled || !old.Enabled && op.Old != operation.OldRevoked {
		r.t.Errorf("the previous version is enabled: %t; %+v, old token %s", old.Enabled, op.Into, op.Old)
	}
	return op
}

// retireLater lets the time come at which the old token is to be revoked by itself: it is if the new secret is in its
// vault or saved by then, and not before.
func (r *round) retireLater(at *replica, op *operation.Operation) *operation.Operation {
	if !r.later || op.State != operation.Succeeded {
		return op
	}
	if old := r.world.azure.find(r.request.Before.AuthorizationID); old.revoked || op.Old != operation.OldAlive {
		r.t.Errorf("before its time the old token is revoked: %t, %s", old.revoked, op.Old)
	}
	if r.saves && op.Secret == operation.SecretWaiting {
		_, _ = at.Acknowledge(context.Background(), mona, op.ID)
	}
	r.world.clock.Move(r.request.RevokeAt.Add(time.Minute).Sub(r.world.clock.Now()))
	if err := at.LookNow(context.Background(), r.service, mona); err != nil {
		r.t.Errorf("LookNow: %v", err)
	}
	op = r.world.get(at, op.ID)
	inPlace := op.Into != nil && op.Into.State == operation.IntoWritten || op.Secret == operation.SecretSaved
	if retired := op.Old == operation.OldRevoked; retired != inPlace {
		r.t.Errorf("the new secret is in place: %t, and the old token is %s", inPlace, op.Old)
	}
	r.count("old token at its time: "+string(op.Old), 1)
	return op
}

// judgeSeen: what was done was never told as failed, and while a first token could turn up, no second one was
// suggested.
func (r *round) judgeSeen(op *operation.Operation) {
	alive := false
	for _, id := range r.made {
		alive = alive || !r.world.azure.find(id).revoked
	}
	for i := range r.seen {
		then := &r.seen[i]
		if then.State == operation.Failed && op.State != operation.Failed {
			r.t.Errorf("told as failed: %+v", then)
		}
		again := then.State == operation.Unknown && then.Reconciled && len(then.Candidates)+len(then.Revoked) == 0
		if alive && again {
			r.t.Errorf("a second token was suggested: %+v", then)
		}
	}
}

// judgeWithoutRecord: nothing is recorded, so nothing may have been sent, and everybody was told so.
func (r *round) judgeWithoutRecord() {
	r.count("ended without a record (503)", 1)
	if len(r.made) > 0 || r.world.azure.count("update")+r.world.azure.count("revoke") > 0 {
		r.t.Errorf("something was sent without a record")
	}
	if len(r.answers) > 0 {
		r.t.Errorf("an answer has an operation that is not recorded: %+v", r.answers[0])
	}
}

// judgeNewTokens: every token that was made is shown, can be shown, is revoked, or is named.
func (r *round) judgeNewTokens(op *operation.Operation) {
	made := op.Action == operation.Create || op.Action == operation.Rotate
	if made && op.State == operation.Succeeded && len(r.made) == 0 {
		r.t.Errorf("a failure is called a success: %+v", op)
	}
	if made && op.State == operation.Failed && len(r.made) > 0 {
		r.t.Errorf("a success is called a failure: %+v", op)
	}
	for secret, id := range r.made {
		r.count("tokens made", 1)
		p := r.world.azure.find(id)
		switch {
		case r.secret == secret:
			r.count("tokens made: secret can be shown", 1)
		case slices.ContainsFunc(r.answers, func(a *operation.Operation) bool { return a.Unkept == secret }) && !r.nobody:
			r.count("tokens made: secret was in the answer", 1)
		case p.revoked:
			r.count("tokens made: revoked", 1)
		case len(op.Candidates) == 1 && op.Candidates[0].AuthorizationID == id && op.Pending():
			r.count("tokens made: named to the person", 1)
		case op.Secret == operation.SecretUnkept && op.Result != nil && op.Result.AuthorizationID == id && op.Pending():
			r.count("tokens made: named to the person as one without a secret", 1) // died before it could revoke it
		default:
			r.count("tokens made: LOST", 1)
			r.t.Errorf("token %s is lost; operation %+v", id, op)
		}
	}
	if made && len(r.made) == 0 && len(op.Candidates) > 0 {
		r.t.Errorf("tokens are named that were not made: %+v", op.Candidates)
	}
}

// judgeOldToken: what is said of the token that was to be changed is true, and it is not revoked before the new one's
// secret is in somebody's hands.
func (r *round) judgeOldToken(op *operation.Operation) {
	if r.action == operation.Create {
		return
	}
	old := r.world.azure.find(r.request.Before.AuthorizationID)
	switch r.action {
	case operation.Revoke:
		r.wantTruth(op, old.revoked)
	case operation.Update:
		r.wantTruth(op, old.DisplayName == r.request.Want.DisplayName)
	case operation.Rotate:
		if old.revoked && (op.State != operation.Succeeded || op.Secret == operation.SecretUnkept) {
			r.t.Errorf("the old token was revoked although the new one is not in place: %+v", op)
		}
		if old.revoked && r.into && len(r.world.vault.of(op.ID)) == 0 {
			r.t.Errorf("the old token was revoked although the new one's secret is not in the vault: %+v", op)
		}
		if !old.revoked && op.Old == operation.OldRevoked {
			r.t.Errorf("the old token is not revoked, as %+v says", op)
		}
		if old.revoked && op.Old == operation.OldNone {
			r.t.Errorf("the old token is revoked, and %+v doesn't say so", op)
		}
		if op.Old == operation.OldSent {
			r.t.Errorf("it is not looked what became of the old token (revoked: %t): %+v", old.revoked, op)
		}
		r.count(fmt.Sprintf("old token %q", op.Old), 1)
	}
}

func (r *round) wantTruth(op *operation.Operation, done bool) {
	if op.State == operation.Succeeded && !done || op.State == operation.Failed && done {
		r.t.Errorf("done: %t, but the operation says %q", done, op.State)
	}
}

func (r *round) count(what string, n int) { r.tally[what] += n }

// roundT gives each round a folder of its own that goes at the end of the round.
type roundT struct {
	*testing.T
	cleanups []func()
}

func (t *roundT) Cleanup(f func()) { t.cleanups = append(t.cleanups, f) }

func (t *roundT) TempDir() string {
	dir, err := os.MkdirTemp(t.T.TempDir(), "round")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func (t *roundT) end() {
	for _, f := range slices.Backward(t.cleanups) {
		f()
	}
}

// laggard is the service with lists and records that show a change only after a while. A token that isn't shown yet
// can't be changed either.
type laggard struct {
	*azure
	lag time.Duration

	mu     sync.Mutex
	before map[string][]past // by authorizationId
}

// past is how a token is shown until then; nil: not at all.
type past struct {
	until time.Time
	was   *pat
}

// watch makes a call and remembers what it has changed.
func (l *laggard) watch(call func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	before := l.all()
	call()
	for i, now := range l.all() {
		p := past{until: l.now().Add(l.lag)}
		if i < len(before) {
			if p.was = &before[i]; before[i].revoked == now.revoked && before[i].DisplayName == now.DisplayName {
				continue
			}
		}
		l.before[now.AuthorizationID] = append(l.before[now.AuthorizationID], p)
	}
}

// shown is a token as lists and records have it.
func (l *laggard) shown(p *pat) *pat {
	for _, past := range l.before[p.AuthorizationID] {
		if past.until.After(l.now()) {
			return past.was
		}
	}
	return p
}

func (l *laggard) List(ctx context.Context, organization string, s azuredevops.Status) (list []azuredevops.Token, err error) {
	if _, err = l.azure.List(ctx, organization, s); err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, p := range l.all() {
		if shown := l.shown(&p); shown != nil && shown.active(l.now()) {
			list = append(list, shown.Token)
		}
	}
	return list, nil
}

// hidden is the service's word that it doesn't know the token, nil if it does.
func (l *laggard) hidden(call, id string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, p := range l.all() {
		if p.AuthorizationID == id && l.shown(&p) == nil {
			return refusal(call, "authorizationNotFound", 404)
		}
	}
	return nil
}

func (l *laggard) Get(ctx context.Context, organization, id string) (t azuredevops.Token, err error) {
	if t, err = l.azure.Get(ctx, organization, id); err != nil {
		return t, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, p := range l.all() {
		if shown := l.shown(&p); p.AuthorizationID == id && shown != nil {
			return shown.Token, nil
		}
	}
	return azuredevops.Token{}, refusal("get", "authorizationNotFound", 404)
}

func (l *laggard) Create(ctx context.Context, organization string, w azuredevops.Wanted) (t azuredevops.Token, secret string, err error) {
	l.watch(func() { t, secret, err = l.azure.Create(ctx, organization, w) })
	return t, secret, err
}

func (l *laggard) Update(ctx context.Context, organization, id string, w azuredevops.Wanted) (t azuredevops.Token, err error) {
	if err := l.hidden("update", id); err != nil {
		return t, err
	}
	l.watch(func() { t, err = l.azure.Update(ctx, organization, id, w) })
	return t, err
}

func (l *laggard) Revoke(ctx context.Context, organization, id string) (err error) {
	if err := l.hidden("revoke", id); err != nil {
		return err
	}
	l.watch(func() { err = l.azure.Revoke(ctx, organization, id) })
	return err
}
