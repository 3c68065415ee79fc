package operation_test

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/patdesk/patdesk/internal/azuredevops"
	"github.com/patdesk/patdesk/internal/batch"
	"github.com/patdesk/patdesk/internal/operation"
	"github.com/patdesk/patdesk/internal/session"
	"github.com/patdesk/patdesk/internal/session/redisstore"
	"github.com/patdesk/patdesk/internal/session/redisstore/redistest"
	"github.com/patdesk/patdesk/internal/session/sessiontest"
	"github.com/patdesk/patdesk/internal/testkit"
)

// replicaOver is a replica on another store than the folder.
func (w *world) replicaOver(b session.Backend) *replica {
	w.t.Helper()
	s := &store{Backend: b}
	m, err := session.New(s, session.Options{Keys: w.keys, IdleTimeout: time.Hour, Lifetime: time.Hour, Now: w.clock.Now})
	if err != nil {
		w.t.Fatal(err)
	}
	return newReplica(s, m.Records(), operation.Options{DisplayTime: shown, Now: w.clock.Now, Log: slog.New(slog.DiscardHandler)})
}

// copies makes n more operations like that one.
func (w *world) copies(r *replica, id string, n int) {
	w.t.Helper()
	if err := operation.Copy(r.Journal, mona, id, n); err != nil {
		w.t.Fatal(err)
	}
}

// openRotation is a rotation whose secret is saved and whose old token is alive.
func (w *world) openRotation(r *replica) *operation.Operation {
	w.t.Helper()
	op := w.do(r, w.request(r, operation.Rotate))
	if _, err := r.Acknowledge(context.Background(), mona, op.ID); err != nil {
		w.t.Fatal(err)
	}
	return op
}

// farRedis is a Redis of its own, seen from here and from 2.3 ms away.
func (w *world) farRedis() (near, far *replica) {
	w.t.Helper()
	server := redistest.Start(w.t)
	over := func(address string) *replica {
		s := redisstore.Open(redisstore.Options{Addresses: []string{address}, Now: w.clock.Now})
		w.t.Cleanup(func() { _ = s.Close() })
		return w.replicaOver(s)
	}
	return over(server.Addr), over(server.Far(2300 * time.Microsecond))
}

// Whatever a page is about, it costs the same few calls: for 500 open rotations, for a batch of 500, for 5,000 changes.
func TestManyOperationsAreReadTogether(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.replicaOver(sessiontest.NewMemory(w.clock.Now))
	open := w.openRotation(r)
	w.copies(r, open.ID, 499)
	finished := w.do(r, w.create(r))
	if _, err := r.Acknowledge(context.Background(), mona, finished.ID); err != nil {
		t.Fatal(err)
	}
	w.copies(r, finished.ID, 999)
	batch := w.run(r, w.started(r, operation.Revoke, 50).ID, signedIn).ID
	for what, read := range map[string]func() (int, error){
		"Pending": func() (int, error) { all, err := r.Pending(context.Background(), mona); return len(all), err },
		"Recent":  func() (int, error) { all, err := r.Recent(context.Background(), mona, 500); return len(all), err },
		"OpenBatches": func() (int, error) {
			all, err := r.batches.Open(context.Background(), mona)
			return 500 + len(all), err
		},
		"RecentBatches": func() (int, error) {
			all, err := r.batches.Recent(context.Background(), mona)
			return 499 + len(all), err
		},
		"Batch": func() (int, error) {
			b, err := r.batches.Get(context.Background(), mona, batch)
			if err != nil {
				return 0, err
			}
			return 450 + b.Count().Done, nil
		},
	} {
		r.store.calls = nil
		n, err := read()
		if err != nil || n != 500 {
			t.Errorf("%s: %d, %v", what, n, err)
		}
		if len(r.store.calls) > 4 { // the page of a batch that is finished takes it off the list of open ones
			t.Errorf("%s takes %d calls: %.300q", what, len(r.store.calls), r.store.calls)
		}
	}
}

// A page with 500 open rotations, with Redis 2.3 ms away, was 2 to 5 s late.
func TestPendingFarAway(t *testing.T) {
	w := newWorld(t)
	near, far := w.farRedis()
	w.copies(near, w.openRotation(near).ID, 499)
	for what, r := range map[string]*replica{"near": near, "far": far} {
		begun := time.Now()
		ops, err := r.Pending(context.Background(), mona)
		took := time.Since(begun)
		t.Logf("%s: %v", what, took)
		if err != nil || len(ops) != 500 || took > time.Second {
			t.Errorf("%s: %d operations, %v, in %v", what, len(ops), err, took)
		}
	}
}

// A creation is lost by somebody who has made 5,000 changes, or 1,000 in a short run, with Redis 2.3 ms away: it is found
// all the same, and tokens of the other changes aren't taken for it.
func TestLostCreationAmongFiveThousandChanges(t *testing.T) {
	w := newWorld(t)
	near, far := w.farRedis()
	finished := w.do(near, w.create(near))
	if _, err := near.Acknowledge(context.Background(), mona, finished.ID); err != nil {
		t.Fatal(err)
	}
	others := 4980 // about as many as one person may have
	if !testkit.Long() {
		others = 980
	}
	w.copies(near, finished.ID, others)
	w.azure.fail(nil, on("create", lost("create", azuredevops.KindTimeout)))
	begun := time.Now()
	op := w.do(far, w.create(far))
	t.Logf("found in %v", time.Since(begun))
	w.wantState(op, operation.Unknown)
	if len(op.Candidates) != 1 {
		t.Errorf("candidates %+v", op.Candidates)
	}
	if op, err := far.Reconcile(context.Background(), w.azure, mona, op.ID); err != nil || len(op.Candidates) != 1 {
		t.Errorf("Reconcile = %+v, %v", op, err)
	}
}

// BenchmarkPendingRotations is what 500 open rotations add to each page.
func BenchmarkPendingRotations(b *testing.B) {
	w := newWorld(b)
	w.events = nil // the copies are told to nobody
	near, far := w.farRedis()
	for _, c := range []struct {
		name string
		at   *replica
	}{{"folder", w.replica()}, {"redis", near}, {"redis 2.3 ms away", far}} {
		if c.at != far {
			w.copies(c.at, w.openRotation(c.at).ID, 499)
		}
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				if n := len(w.pending(c.at)); n != 500 {
					b.Fatal(n, "operations")
				}
			}
		})
	}
}

// A batch lists its organization once, however many tokens it has, and not before each creation. What can't be listed
// is tried again for the next token, a few times.
func TestBatchListsAnOrganizationOnce(t *testing.T) {
	t.Parallel()
	for what, test := range map[string]struct {
		action                  operation.Action
		call                    string
		tokens, of, fail, lists int
	}{
		"rotated":              {operation.Rotate, "create", 50, 200, 0, 1},
		"many rotated":         {operation.Rotate, "create", 200, 1000, 0, 1},
		"extended":             {operation.Update, "update", 50, 200, 0, 1},
		"revoked":              {operation.Revoke, "revoke", 50, 200, 0, 1},
		"the first list fails": {operation.Rotate, "create", 20, 20, 1, 2},
		"no list works":        {operation.Rotate, "create", 20, 20, 1000, 3},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			r := w.replicaOver(sessiontest.NewMemory(w.clock.Now))
			for i := range test.of - test.tokens {
				w.azure.make(fmt.Sprint("other ", i), []string{"vso.code"}, start.AddDate(0, 6, 0))
			}
			b := w.started(r, test.action, test.tokens)
			var changed atomic.Int64
			all := make(chan struct{})
			w.azure.fail(times(test.fail, "list", lost("list", azuredevops.KindServer)), func(_ context.Context, call string) error {
				if call == test.call && changed.Add(1) == int64(test.tokens) {
					close(all)
				}
				return nil
			})
			if err := r.batches.Run(context.Background(), batch.Caller{Service: w.azure, Ready: signedIn}, mona, b.ID); err != nil {
				t.Fatal(err)
			}
			<-all
			if got := w.settled(r, b.ID).Count(); got.Done != test.tokens {
				t.Errorf("tally = %+v", got)
			}
			w.wantCalls(test.call, test.tokens)
			w.wantCalls("list", test.lists)
		})
	}
}

// Tokens that were revoked elsewhere meanwhile aren't listed for each, though the service doesn't know them any more.
func TestBatchOfTokensThatAreGone(t *testing.T) {
	t.Parallel()
	for _, step := range []string{"revoke", "retire"} {
		for _, when := range []string{"before the run", "during the run"} {
			t.Run(step+" "+when, func(t *testing.T) {
				w := newWorld(t)
				r := w.replicaOver(sessiontest.NewMemory(w.clock.Now))
				action := map[string]operation.Action{"revoke": operation.Revoke, "retire": operation.Rotate}[step]
				b := w.started(r, action, 30)
				if step == "retire" {
					for _, item := range w.run(r, b.ID, signedIn).Items {
						if _, err := r.Acknowledge(context.Background(), mona, item.Operation.ID); err != nil {
							t.Fatal(err)
						}
					}
					if err := r.batches.RevokeOld(context.Background(), mona, b.ID); err != nil {
						t.Fatal(err)
					}
				}
				elsewhere := func() {
					w.azure.mu.Lock()
					defer w.azure.mu.Unlock()
					for _, p := range w.azure.tokens[:30] {
						p.revoked = true
					}
				}
				if when == "before the run" {
					elsewhere()
				} else {
					var once sync.Once
					w.azure.fail(func(_ context.Context, call string) error {
						if call == "revoke" {
							once.Do(elsewhere)
						}
						return nil
					}, nil)
				}
				lists := w.azure.count("list")
				if err := r.batches.Run(context.Background(), batch.Caller{Service: forgetful{w.azure}, Ready: signedIn}, mona, b.ID); err != nil {
					t.Fatal(err)
				}
				got := w.settled(r, b.ID).Count()
				if n := w.azure.count("list") - lists; got.Done != 30 || got.OldAlive != 0 || n > 3 {
					t.Errorf("%d lists, %+v", n, got)
				}
			})
		}
	}
}

// forgetful is the service if it doesn't know tokens that were revoked.
type forgetful struct{ *azure }

func (f forgetful) Revoke(ctx context.Context, organization, id string) error {
	f.mu.Lock()
	p := f.find(id)
	known := p != nil && !p.revoked
	f.mu.Unlock()
	if !known {
		_ = f.call(ctx, "revoke", func() error { return nil })
		return refusal("revoke", "authorizationNotFound", 404)
	}
	return f.azure.Revoke(ctx, organization, id)
}

// Though the organization is listed only once, what a lost creation of a batch has made is found: not the tokens of the
// same name that were there before, nor those that the batch has made since.
func TestCandidatesInABatchOfEqualNames(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.replicaOver(sessiontest.NewMemory(w.clock.Now))
	b := &batch.Batch{Person: mona, Action: operation.Rotate}
	for range 12 { // all of the same name
		old := w.azure.make("build agent", []string{"vso.code"}, start.AddDate(0, 6, 0))
		b.Items = append(b.Items, batch.Item{Organization: "contoso", Before: old, ValidTo: start.AddDate(0, 9, 0)})
	}
	if err := r.batches.Plan(context.Background(), b); err != nil {
		t.Fatal(err)
	}
	if _, err := r.batches.Start(context.Background(), mona, b.ID, r.batches.Form(mona, b.Action, b.ID), "x", operation.Origin{}, func(*batch.Batch) {}); err != nil {
		t.Fatal(err)
	}
	var made atomic.Int64
	fourth := make(chan struct{})
	w.azure.fail(nil, func(_ context.Context, call string) error {
		if call != "create" {
			return nil
		}
		switch made.Add(1) {
		case 1, 3: // three are made at the same time: the fourth comes after the second, which is lost
			<-fourth
		case 4:
			close(fourth)
		case 2, 12:
			return lost("create", azuredevops.KindConnection)
		}
		return nil
	})
	b = w.run(r, b.ID, signedIn)
	w.azure.fail(nil, nil)
	w.wantTally(b, batch.Tally{Done: 10, Unknown: 2, Secrets: 10, OldAlive: 10})
	lostOnes := map[string]bool{}
	for _, id := range w.azure.active()[12:] {
		lostOnes[id] = true
	}
	for _, item := range b.Items {
		if op := item.Operation; op.State == operation.Succeeded {
			delete(lostOnes, op.Result.AuthorizationID)
		}
	}
	named, several := map[string]bool{}, 0
	for _, item := range b.Items {
		if item.Operation.State != operation.Unknown {
			continue
		}
		op, err := r.Reconcile(context.Background(), w.azure, mona, item.Operation.ID)
		if err != nil {
			t.Fatal(err)
		}
		if len(op.Candidates) > 1 { // for each of them the other one is new, too: beside others under way, nothing was named yet
			several++
		}
		for _, candidate := range op.Candidates {
			named[candidate.AuthorizationID] = true
		}
	}
	if !maps.Equal(named, lostOnes) || len(lostOnes) != 2 || several > 2 {
		t.Errorf("named: %v, %d times several; lost: %v", named, several, lostOnes)
	}
}
