package operation_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/patdesk/patdesk/internal/azuredevops"
	"github.com/patdesk/patdesk/internal/batch"
	"github.com/patdesk/patdesk/internal/operation"
	"github.com/patdesk/patdesk/internal/session"
	"github.com/patdesk/patdesk/internal/testkit"
)

const (
	mona  = "11111111-1111-1111-1111-111111111111.aaaaaaaa"
	omar  = "11111111-1111-1111-1111-111111111111.bbbbbbbb"
	shown = 10 * time.Minute // display time
)

var start = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// world is one store on disk, one service and a clock. At the end of the test it looks for secrets in the log and in
// the stored bytes.
type world struct {
	t      testing.TB
	dir    string
	keys   [][]byte
	clock  *testkit.Clock
	azure  *azure
	vault  *keyVault
	log    *testkit.Log
	before string // authorizationId of the token that change requests are about

	mu       sync.Mutex
	replicas []*replica
	events   map[string][]operation.Event // by operation; nil where another process was told some of them
}

func newWorld(tb testing.TB) *world {
	tb.Helper()
	c := testkit.NewClockAt(start)
	w := &world{
		t: tb, dir: tb.TempDir(), keys: [][]byte{key('a')}, clock: c, azure: newAzure(c.Now), vault: newKeyVault(c.Now), log: &testkit.Log{}, events: map[string][]operation.Event{},
	}
	tb.Cleanup(w.end)
	return w
}

func key(c byte) []byte { return bytes.Repeat([]byte{c}, session.KeySize) }

// end waits for all work and looks for secrets.
func (w *world) end() {
	for _, r := range w.replicas {
		if err := r.Drain(context.Background()); err != nil {
			w.t.Errorf("Drain: %v", err)
		}
	}
	w.checkSecrets()
	w.checkEvents()
}

// observe collects what an audit trail is told.
func (w *world) observe(_ context.Context, e operation.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.events == nil {
		return
	}
	w.events[e.Operation.ID] = append(w.events[e.Operation.ID], e)
}

// checkEvents: whatever happened in a test, who only read the audit trail knows how each operation stands, and no
// secret.
func (w *world) checkEvents() {
	for id, events := range w.events {
		if strings.Contains(fmt.Sprintf("%+v", events), canary) {
			w.t.Errorf("the events of %s hold a secret", id)
		}
	}
	if len(w.replicas) == 0 || w.events == nil {
		return
	}
	for _, person := range []string{mona, omar} {
		all, err := w.replica().Recent(context.Background(), person, 10_000)
		if err != nil {
			continue // a store that was broken for good
		}
		for i := range all {
			w.checkTold(&all[i])
		}
	}
}

func (w *world) checkTold(op *operation.Operation) {
	told := map[operation.Step]operation.Outcome{}
	for _, e := range w.events[op.ID] {
		told[e.Step] = e.Outcome
	}
	want := map[operation.State]operation.Outcome{
		operation.Sent: operation.WasSent, operation.Succeeded: operation.WasDone, operation.Failed: operation.WasRefused, operation.Unknown: operation.IsUnknown,
	}[op.State]
	if got := told[operation.Step(op.Action)]; got != want {
		w.t.Errorf("%s is %s, and the last that was told is %q", op.ID, op.State, got)
	}
	// One that was revoked while the store failed is told as revoked, and recorded as sent.
	if got := told[operation.RevokingOld]; op.Old == operation.OldRevoked && got != operation.WasDone || op.Old == operation.OldSent && got == "" {
		w.t.Errorf("the old token of %s is %s, and the last that was told is %q", op.ID, op.Old, got)
	}
	if op.Into != nil && op.State == operation.Succeeded && op.Into.State == operation.IntoWritten && told[operation.WritingVault] != operation.WasDone {
		w.t.Errorf("nobody was told that the secret of %s is in the vault", op.ID)
	}
	if op.Secret == operation.SecretSaved && told[operation.SavingSecret] != operation.WasDone {
		w.t.Errorf("nobody was told that the secret of %s was saved", op.ID)
	}
}

func (w *world) checkSecrets() {
	if strings.Contains(w.log.String(), canary) {
		w.t.Errorf("a secret was logged:\n%s", w.log)
	}
	err := filepath.WalkDir(w.dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(path)
		if bytes.Contains(content, []byte(canary)) {
			w.t.Errorf("%s holds a readable secret", path)
		}
		return err
	})
	if err != nil {
		w.t.Error(err)
	}
}

// replica is one process: a journal with a store connection of its own that can be made to fail.
type replica struct {
	*operation.Journal
	batches *batch.Batches
	store   *store
	paused  atomic.Pointer[func(d time.Duration)]

	rested  atomic.Pointer[func(ctx context.Context, d time.Duration)]
	resting chan struct{} // until onRest
	once    sync.Once
}

// onRest has f called instead of resting between two looks, also by who rests already.
func (r *replica) onRest(f func(ctx context.Context, d time.Duration)) {
	r.rested.Store(&f)
	r.once.Do(func() { close(r.resting) })
}

func (r *replica) rest(ctx context.Context, d time.Duration) {
	select {
	case <-r.resting:
		(*r.rested.Load())(ctx, d)
	case <-ctx.Done():
	}
}

// onPause has f called instead of waiting between two tries.
func (r *replica) onPause(f func(d time.Duration)) {
	r.paused.Store(&f)
}

func (r *replica) pause(_ context.Context, d time.Duration) error {
	(*r.paused.Load())(d)
	return nil
}

func (w *world) replica() *replica { return w.replicaAt(w.clock.Now) }

// replicaAt is a replica with a clock of its own.
func (w *world) replicaAt(now func() time.Time) *replica {
	w.t.Helper()
	dir, err := session.OpenDir(w.dir, now)
	if err != nil {
		w.t.Fatal(err)
	}
	s := &store{Backend: dir}
	log := slog.New(slog.NewTextHandler(w.log, nil))
	m, err := session.New(s, session.Options{Keys: w.keys, IdleTimeout: time.Hour, Lifetime: time.Hour, Now: now, Log: log})
	if err != nil {
		w.t.Fatal(err)
	}
	r := newReplica(s, m.Records(), operation.Options{DisplayTime: shown, CallTimeout: time.Minute, Now: now, Log: log, Observe: w.observe})
	w.mu.Lock()
	defer w.mu.Unlock()
	w.replicas = append(w.replicas, r)
	return r
}

// newReplica waits for nothing, and looks again when its person visits.
func newReplica(s *store, records *session.Records, o operation.Options) *replica {
	r := &replica{store: s, resting: make(chan struct{})}
	r.onPause(func(time.Duration) {})
	o.Pause = r.pause
	r.Journal = operation.New(records, o)
	r.batches = batch.New(records, r.Journal)
	operation.OnLookPause(r.Journal, r.rest)
	return r
}

// create is a request for a new token, with a form drawn at r.
func (w *world) create(r *replica) operation.Request {
	return operation.Request{
		Form: r.Form(mona, operation.Create, ""), Person: mona, Action: operation.Create, Organization: "contoso",
		Content: "name=build+agent",
		Want:    azuredevops.Wanted{DisplayName: "build agent", Scopes: []string{"vso.code", "vso.build"}, ValidTo: start.AddDate(0, 0, 90)},
	}
}

// request is a request of any action; all but create are about a token that is made for it.
func (w *world) request(r *replica, a operation.Action) operation.Request {
	if a == operation.Create {
		return w.create(r)
	}
	old := w.azure.make("deploy", []string{"vso.release"}, start.AddDate(0, 0, 30))
	w.before = old.AuthorizationID
	target := "contoso/" + old.AuthorizationID
	q := operation.Request{
		Form: r.Form(mona, a, target), Person: mona, Action: a, Organization: "contoso", Before: &old,
	}
	switch a {
	case operation.Update:
		q.Want.DisplayName = "deploy to production"
	case operation.Rotate:
		q.Want.ValidTo = start.AddDate(0, 0, 60)
	}
	return q
}

// do carries out q at r and fails the test on an error. What it returns was read, unless q has a delivery of its own.
func (w *world) do(r *replica, q operation.Request) *operation.Operation {
	w.t.Helper()
	if q.Delivery == nil {
		q.Delivery = new(operation.Delivery)
		defer q.Delivery.Done(nil)
	}
	op, err := r.Do(context.Background(), w.azure, q)
	if err != nil {
		w.t.Fatalf("Do: %v", err)
	}
	return op
}

// unread is an answer whose browser has gone.
func unread() *operation.Delivery {
	d := new(operation.Delivery)
	d.Done(errors.New("the connection was reset"))
	return d
}

func (w *world) get(r *replica, id string) *operation.Operation {
	w.t.Helper()
	op, err := r.Get(context.Background(), mona, id)
	if err != nil {
		w.t.Fatalf("Get: %v", err)
	}
	return op
}

// visit has the person come back, so that what is due is looked at; the worker may be about to let go of it yet.
func (w *world) visit(r *replica, id string) (*operation.Operation, error) {
	w.t.Helper()
	for {
		err := r.LookNow(context.Background(), w.azure, mona)
		op := w.get(r, id)
		if !op.LookDue(w.clock.Now()) {
			return op, err
		}
		pause()
	}
}

// look is visit that goes well.
func (w *world) look(r *replica, id string) *operation.Operation {
	w.t.Helper()
	op, err := w.visit(r, id)
	if err != nil {
		w.t.Errorf("LookNow: %v", err)
	}
	return op
}

// inTheEnd is an operation after all of the time in which something of it may turn up.
func (w *world) inTheEnd(r *replica, id string) *operation.Operation {
	w.t.Helper()
	w.clock.Move(12 * time.Minute)
	return w.look(r, id)
}

func (w *world) reveal(r *replica, id string) string {
	w.t.Helper()
	secret, err := r.RevealSecret(context.Background(), nil, mona, id)
	if err != nil {
		w.t.Fatalf("RevealSecret: %v", err)
	}
	return secret
}

// pending are the ids of what is pending.
func (w *world) pending(r *replica) (ids []string) {
	w.t.Helper()
	ops, err := r.Pending(context.Background(), mona)
	if err != nil {
		w.t.Fatalf("Pending: %v", err)
	}
	for _, op := range ops {
		ids = append(ids, op.ID)
	}
	return ids
}

func (w *world) wantPending(r *replica, ids ...string) {
	w.t.Helper()
	if got := w.pending(r); !slices.Equal(got, ids) {
		w.t.Errorf("pending = %q, want %q", got, ids)
	}
}

func (w *world) wantState(op *operation.Operation, want operation.State) {
	w.t.Helper()
	if op.State != want {
		w.t.Fatalf("state = %q (failure %+v), want %q", op.State, op.Failure, want)
	}
}

func (w *world) wantCalls(call string, want int) {
	w.t.Helper()
	if got := w.azure.count(call); got != want {
		w.t.Errorf("%s was called %d times, want %d", call, got, want)
	}
}

// store fails on demand. fail is asked for each call with its kind of record.
type store struct {
	session.Backend
	mu    sync.Mutex
	fail  func(call, kind string) fault
	calls []string
}

type fault int

const (
	none   fault = iota
	before       // fails, and nothing was done
	after        // was done, and says that it failed
)

var errDisk = errors.New("no space left on device")

func (s *store) failing(f func(call, kind string) fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail = f
}

// refuse makes one kind of call on one kind of record fail.
func refuse(call, kind string, how fault) func(string, string) fault {
	return func(c, k string) fault {
		if c == call && k == kind {
			return how
		}
		return none
	}
}

func (s *store) call(call, kind string, do func() error) error {
	s.mu.Lock()
	s.calls = append(s.calls, call+" "+kind)
	how := none
	if s.fail != nil {
		how = s.fail(call, kind)
	}
	s.mu.Unlock()
	if how == before {
		return fmt.Errorf("%w: %w", session.ErrUnavailable, errDisk)
	}
	err := do()
	if err == nil && how == after {
		return fmt.Errorf("%w: %w", session.ErrUnavailable, errDisk)
	}
	return err
}

func (s *store) Create(ctx context.Context, n session.Name, v []byte, e time.Time) error {
	return s.call("create", n.Kind, func() error { return s.Backend.Create(ctx, n, v, e) })
}

func (s *store) Read(ctx context.Context, n session.Name) (v []byte, version string, err error) {
	err = s.call("read", n.Kind, func() error { v, version, err = s.Backend.Read(ctx, n); return err })
	return v, version, err
}

func (s *store) Update(ctx context.Context, n session.Name, version string, v []byte, e time.Time) error {
	return s.call("update", n.Kind, func() error { return s.Backend.Update(ctx, n, version, v, e) })
}

func (s *store) Delete(ctx context.Context, n session.Name) error {
	return s.call("delete", n.Kind, func() error { return s.Backend.Delete(ctx, n) })
}

func (s *store) List(ctx context.Context, kind, group string) (names []session.Name, err error) {
	err = s.call("list", kind, func() error { names, err = s.Backend.List(ctx, kind, group); return err })
	return names, err
}

func (s *store) ReadMany(ctx context.Context, names []session.Name, f func(i int, v []byte, err error) error) error {
	if len(names) == 0 {
		return nil
	}
	return s.call("read together", names[0].Kind, func() error { return s.Backend.ReadMany(ctx, names, f) })
}

func (s *store) TryLock(ctx context.Context, n session.Name) (release func(), ok bool, err error) {
	err = s.call("lock", n.Kind, func() error { release, ok, err = s.Backend.TryLock(ctx, n); return err })
	if err != nil && release != nil {
		release()
	}
	return release, ok, err
}

func (s *store) Lock(ctx context.Context, n session.Name) (release func(), err error) {
	err = s.call("lock", n.Kind, func() error { release, err = s.Backend.Lock(ctx, n); return err })
	if err != nil && release != nil {
		release()
	}
	return release, err
}

// empty removes all records.
func (w *world) empty() {
	for _, kind := range []string{"operation", "unfinished", "secret"} {
		if err := os.RemoveAll(filepath.Join(w.dir, kind)); err != nil {
			w.t.Error(err)
		}
	}
}

// awaitReaders returns when n requests wait for the outcome of work at r.
func awaitReaders(r *replica, n int) {
	for operation.Readers(r.Journal) < n {
		pause()
	}
}

// pause comes between two looks at what others are about to do: looking all the time takes the processor from them.
func pause() { <-time.After(time.Millisecond) }
