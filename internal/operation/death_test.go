package operation_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/patdesk/patdesk/internal/azuredevops"
	"github.com/patdesk/patdesk/internal/failure"
	"github.com/patdesk/patdesk/internal/operation"
	"github.com/patdesk/patdesk/internal/testkit"
	"github.com/patdesk/patdesk/internal/vault"
)

// death is a worker's end at one of its points, and what another process must find.
type death struct {
	action     operation.Action
	atOnce     bool
	point      string
	state      operation.State
	creates    int
	candidates int
	secret     bool
	old        operation.OldState
	afterLook  operation.State // after Reconcile
}

// F6: every point at which a worker can die.
var deaths = []death{
	{action: operation.Create, point: "claimed", state: operation.Failed, afterLook: operation.Failed},
	{action: operation.Create, point: "listed", state: operation.Failed, afterLook: operation.Failed},
	{action: operation.Create, point: "intended", state: operation.Unknown, afterLook: operation.Unknown},
	{action: operation.Create, point: "answered", state: operation.Unknown, afterLook: operation.Unknown, creates: 1, candidates: 1},
	{action: operation.Create, point: "kept", state: operation.Succeeded, afterLook: operation.Succeeded, creates: 1, secret: true},
	{action: operation.Create, point: "recorded", state: operation.Succeeded, afterLook: operation.Succeeded, creates: 1, secret: true},
	{action: operation.Rotate, atOnce: true, point: "intended", state: operation.Unknown, afterLook: operation.Unknown},
	{action: operation.Rotate, atOnce: true, point: "answered", state: operation.Unknown, afterLook: operation.Unknown, creates: 1, candidates: 1},
	{action: operation.Rotate, atOnce: true, point: "kept", state: operation.Succeeded, afterLook: operation.Succeeded, creates: 1, secret: true, old: operation.OldAlive},
	{action: operation.Rotate, atOnce: true, point: "recorded", state: operation.Succeeded, afterLook: operation.Succeeded, creates: 1, secret: true, old: operation.OldSent},
	{action: operation.Rotate, atOnce: true, point: "retired", state: operation.Succeeded, afterLook: operation.Succeeded, creates: 1, secret: true, old: operation.OldSent},
	{action: operation.Update, point: "claimed", state: operation.Unknown, afterLook: operation.Failed},
	{action: operation.Update, point: "answered", state: operation.Unknown, afterLook: operation.Succeeded},
	{action: operation.Revoke, point: "claimed", state: operation.Unknown, afterLook: operation.Failed},
	{action: operation.Revoke, point: "answered", state: operation.Unknown, afterLook: operation.Succeeded},
}

func (d death) String() string { return fmt.Sprintf("%s at %s", d.action, d.point) }

// A worker that ends without outcome, with the program living on.
func TestWorkerDeath(t *testing.T) {
	t.Parallel()
	for _, d := range deaths {
		t.Run(d.String(), func(t *testing.T) {
			w := newWorld(t)
			r := w.replica()
			q := w.request(r, d.action)
			q.RevokeAtOnce = d.atOnce
			operation.OnReach(r.Journal, func(point string) {
				if point == d.point {
					runtime.Goexit()
				}
			})
			op := w.do(r, q)
			d.check(w, op.ID, q)
		})
	}
}

// check looks from another process, without memory of what happened.
func (d death) check(w *world, id string, q operation.Request) {
	w.t.Helper()
	r := w.replica()
	op := w.get(r, id)
	w.wantState(op, d.state)
	w.wantCalls("create", d.creates)
	if op.State == operation.Failed || op.State == operation.Unknown {
		if op.Failure == nil || op.Failure.Source != failure.SourceOperation || op.Failure.Kind != failure.Interrupted {
			w.t.Errorf("failure = %+v, want interrupted", op.Failure)
		}
	}
	if op.Old != d.old {
		w.t.Errorf("old token = %q, want %q", op.Old, d.old)
	}
	if got := w.reveal(r, id) != ""; got != d.secret {
		w.t.Errorf("secret there: %t, want %t", got, d.secret)
	}
	if again := w.do(r, q); again.ID != id {
		w.t.Errorf("sent again, the form became operation %s, want %s", again.ID, id)
	}
	op, err := r.Reconcile(context.Background(), w.azure, mona, id)
	if err != nil {
		w.t.Fatal(err)
	}
	if d.state == operation.Unknown && d.afterLook == operation.Failed { // nothing is to be seen, which proves nothing yet
		w.wantState(op, operation.Unknown)
		op = w.inTheEnd(r, id)
	}
	w.wantState(op, d.afterLook)
	if len(op.Candidates) != d.candidates {
		w.t.Errorf("candidates = %+v, want %d", op.Candidates, d.candidates)
	}
	w.wantCalls("create", d.creates)
	if op.Pending() {
		w.wantPending(r, id)
	} else {
		w.wantPending(r)
	}
}

// childPoint, in the environment, makes this test binary the process that is killed at that point.
const childPoint = "PATDESK_TEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childPoint) != "" {
		child()
	}
	os.Exit(m.Run())
}

// errand is what the child is to do, and message what it tells, one JSON value a line.
type errand struct {
	Dir     string
	Point   string
	Request operation.Request
}

type message struct {
	Call   string `json:",omitempty"` // of the service, to be answered
	At     string `json:",omitempty"` // the point that is reached
	Wanted azuredevops.Wanted

	Value      string           // a call of the vault's
	Properties vault.Properties //
	Version    string           //
}

type reply struct {
	Tokens   []azuredevops.Token
	Secret   string
	Versions []vault.Secret
}

// F6: a process that works on an operation is killed with SIGKILL, at every point. The system frees its locks, and
// another process finds what is left on the disk.
func TestKilledProcess(t *testing.T) {
	t.Parallel()
	for _, d := range deaths {
		t.Run(d.String(), func(t *testing.T) {
			w := newWorld(t)
			r := w.replica()
			q := w.request(r, d.action)
			q.RevokeAtOnce = d.atOnce
			w.runAndKill(errand{Dir: w.dir, Point: d.point, Request: q})
			ids := w.pending(r)
			if len(ids) == 0 { // nothing was sent: not pending, but recorded
				recent, err := r.Recent(context.Background(), mona, 1)
				if err != nil || len(recent) != 1 {
					t.Fatalf("recent = %+v, %v", recent, err)
				}
				ids = append(ids, recent[0].ID)
			}
			d.check(w, ids[0], q)
		})
	}
}

// runAndKill starts a process with its own journal over the same store, plays the service for it, and kills it as soon
// as it is at its point. Until then its operation is in progress for everybody.
func (w *world) runAndKill(e errand) {
	w.t.Helper()
	task, err := json.Marshal(e)
	if err != nil {
		w.t.Fatal(err)
	}
	w.events = nil
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childPoint+"="+string(task))
	cmd.Stderr = os.Stderr
	in, inErr := cmd.StdinPipe()
	out, outErr := cmd.StdoutPipe()
	if inErr != nil || outErr != nil || cmd.Start() != nil {
		w.t.Fatal("the process could not be started", inErr, outErr)
	}
	messages := bufio.NewScanner(out)
	for messages.Scan() {
		var m message
		if err := json.Unmarshal(messages.Bytes(), &m); err != nil {
			w.t.Fatalf("the process said %q: %v", messages.Text(), err)
		}
		if m.At != "" {
			break
		}
		w.answer(in, e.Request, m)
	}
	if messages.Err() != nil {
		w.t.Fatal(messages.Err())
	}
	ids := w.pending(w.replica())
	if len(ids) != 1 {
		w.t.Fatalf("pending before the kill = %q, want one operation", ids)
	}
	if err := cmd.Process.Kill(); err != nil {
		w.t.Fatal(err)
	}
	_ = cmd.Wait() // "signal: killed"
}

// answer carries out a call of the child's at this process's service.
func (w *world) answer(in io.Writer, q operation.Request, m message) {
	ctx := context.Background()
	var a reply
	var err error
	switch m.Call {
	case "list":
		a.Tokens, err = w.azure.List(ctx, q.Organization, azuredevops.Active)
	case "create":
		a.Tokens = make([]azuredevops.Token, 1)
		a.Tokens[0], a.Secret, err = w.azure.Create(ctx, q.Organization, m.Wanted)
	case "update":
		a.Tokens = make([]azuredevops.Token, 1)
		a.Tokens[0], err = w.azure.Update(ctx, q.Organization, q.Before.AuthorizationID, m.Wanted)
	case "revoke":
		err = w.azure.Revoke(ctx, q.Organization, q.Before.AuthorizationID)
	case "versions":
		a.Versions, err = w.vault.Versions(ctx, q.Into.Secret)
	case "write":
		a.Versions = make([]vault.Secret, 1)
		a.Versions[0], err = w.vault.Write(ctx, q.Into.Secret, m.Value, m.Properties)
	case "disable":
		err = w.vault.Disable(ctx, q.Into.Secret, m.Version)
	default:
		err = fmt.Errorf("unexpected call %q", m.Call)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	if err := json.NewEncoder(in).Encode(a); err != nil {
		w.t.Fatal(err)
	}
}

// child does its errand until it is killed.
func child() {
	var e errand
	if err := json.Unmarshal([]byte(os.Getenv(childPoint)), &e); err != nil {
		panic(err)
	}
	w := &world{t: childT{}, dir: e.Dir, keys: [][]byte{key('a')}, clock: testkit.NewClockAt(start), log: &testkit.Log{}}
	r := w.replica()
	s := &parent{answers: json.NewDecoder(os.Stdin)}
	operation.OnReach(r.Journal, func(point string) {
		if point == e.Point {
			s.say(message{At: point})
			select {}
		}
	})
	e.Request.Vault = s
	_, err := r.Do(context.Background(), s, e.Request)
	panic(fmt.Sprintf("the operation ended without reaching %s: %v", e.Point, err))
}

// childT is the testing.TB of a process that is no test.
type childT struct{ testing.TB }

func (childT) Helper()           {}
func (childT) Fatal(args ...any) { panic(fmt.Sprint(args...)) }

// parent is the service as the child sees it: its calls are carried out by the parent process.
type parent struct {
	mu      sync.Mutex
	answers *json.Decoder
}

func (p *parent) say(m message) {
	b, err := json.Marshal(m)
	if err != nil {
		panic(err)
	}
	fmt.Println(string(b))
}

func (p *parent) ask(m message) (a reply, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.say(m)
	err = p.answers.Decode(&a)
	return a, err
}

func (p *parent) List(context.Context, string, azuredevops.Status) ([]azuredevops.Token, error) {
	a, err := p.ask(message{Call: "list"})
	return a.Tokens, err
}

func (p *parent) Get(context.Context, string, string) (azuredevops.Token, error) {
	return azuredevops.Token{}, fmt.Errorf("not expected")
}

func (p *parent) Create(_ context.Context, _ string, w azuredevops.Wanted) (azuredevops.Token, string, error) {
	a, err := p.ask(message{Call: "create", Wanted: w})
	return a.Tokens[0], a.Secret, err
}

func (p *parent) Update(_ context.Context, _, _ string, w azuredevops.Wanted) (azuredevops.Token, error) {
	a, err := p.ask(message{Call: "update", Wanted: w})
	return a.Tokens[0], err
}

func (p *parent) Revoke(context.Context, string, string) error {
	_, err := p.ask(message{Call: "revoke"})
	return err
}

func (p *parent) Versions(context.Context, vault.Reference) ([]vault.Secret, error) {
	a, err := p.ask(message{Call: "versions"})
	return a.Versions, err
}

func (p *parent) Write(_ context.Context, _ vault.Reference, value string, with vault.Properties) (vault.Secret, error) {
	a, err := p.ask(message{Call: "write", Value: value, Properties: with})
	return a.Versions[0], err
}

func (p *parent) Disable(_ context.Context, _ vault.Reference, version string) error {
	_, err := p.ask(message{Call: "disable", Version: version})
	return err
}

// While a worker lives, its operation is in progress, however often others look.
func TestLivingWorkerIsNotTakenForDead(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.replica()
	points := []string{}
	operation.OnReach(r.Journal, func(point string) {
		points = append(points, point)
		for _, other := range []*replica{r, w.replica()} {
			ids := w.pending(other)
			if len(ids) != 1 {
				t.Errorf("at %s: pending = %q", point, ids)
				continue
			}
			if op := w.get(other, ids[0]); op.State != operation.Sent && point != "recorded" {
				t.Errorf("at %s: state = %q", point, op.State)
			}
		}
	})
	w.wantState(w.do(r, w.create(r)), operation.Succeeded)
	if got := strings.Join(points, " "); got != "claimed listed intended answered kept recorded" {
		t.Errorf("the worker's points are %q", got)
	}
}
