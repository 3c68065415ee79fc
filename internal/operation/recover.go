package operation

import (
	"context"
	"errors"
	"time"

	"github.com/patdesk/patdesk/internal/azuredevops"
	"github.com/patdesk/patdesk/internal/failure"
	"github.com/patdesk/patdesk/internal/session"
)

// A worker holds its operation's lock from before the record exists until the outcome is recorded, and the store frees
// the lock of a process that dies. So "sent" with a free lock means: the worker died. The process that sees it first
// takes the lock and writes down what can be known; the lock makes that one at a time.

// recoverIfDead brings r up to date if it says that work is under way and no process is at it. If the store can't be asked, r
// stays as it was.
func (s *store) recoverIfDead(ctx context.Context, r *record) {
	if !r.underWay() || s.calls.worksOn(r) {
		return
	}
	release, ok, err := s.records.TryLock(ctx, r.key())
	if err != nil || !ok {
		return
	}
	defer release()
	s.recoverDead(ctx, r)
}

// underWay reports whether a worker is at it, or has died.
func (r *record) underWay() bool { return r.State == Sent || r.delivering() }

// worksOn reports whether this process is carrying out the operation.
func (c *calls) worksOn(r *record) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.byKey[callKey(r.Person, r.ID)] != nil
}

// loadLocked reads the record of an operation whose lock the caller holds, so that it is not in progress any more.
func (s *store) loadLocked(ctx context.Context, person, id string) (*record, error) {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	r, err := s.load(ctx, person, id)
	if err == nil {
		s.recoverDead(ctx, r)
	}
	return r, err
}

// recoverDead records what became of an operation whose worker died. The caller holds the operation's lock.
func (s *store) recoverDead(ctx context.Context, r *record) {
	if r.delivering() {
		_ = s.change(ctx, r, func(r *record) error {
			if !r.delivering() {
				return errUnchanged
			}
			r.leaveVault(s.options.Now(), interrupted())
			return nil
		})
	}
	if r.State != Sent {
		return
	}
	if r.Makes() {
		adopted, err := s.adopt(ctx, r)
		if adopted || err != nil {
			return
		}
	}
	_ = s.change(ctx, r, s.interrupt)
}

// interrupt ends an operation in progress whose worker won't report its outcome: unknown if its change may have been
// sent.
func (s *store) interrupt(r *record) error {
	if r.State != Sent {
		return errUnchanged
	}
	r.State = Unknown
	if !r.Called {
		r.State = Failed
	} else {
		s.beginDoubt(r, r.Started)
	}
	r.Failure = &failure.Failure{Source: failure.SourceOperation, Kind: failure.Interrupted}
	r.Finished = s.options.Now()
	return nil
}

// adopt finishes a creation whose secret was kept although its record was not brought up to date: the worker died in
// between, or the store failed. The caller holds the operation's lock.
func (s *store) adopt(ctx context.Context, r *record) (adopted bool, err error) {
	var k keptSecret
	err = s.records.Get(ctx, secretKey(r.Person, r.ID), &k)
	if errors.Is(err, session.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	err = s.change(ctx, r, func(r *record) error {
		if r.State != Sent && r.State != Unknown {
			return errUnchanged
		}
		r.succeed(s.options.Now(), k.Token)
		r.Secret, r.SecretUntil = SecretWaiting, k.Until
		r.leaveVault(s.options.Now(), &failure.Failure{Source: failure.SourceOperation, Kind: failure.Interrupted}) // before it was tried
		return nil
	})
	return err == nil, err
}

// succeed records that the service did what was asked. A rotation's old token is alive from then on.
func (r *record) succeed(at time.Time, result azuredevops.Token) {
	r.State, r.Finished, r.Failure, r.Dismissed = Succeeded, at, nil, false
	r.LookUntil, r.NextLook = time.Time{}, time.Time{}
	r.Result = &result
	r.Candidates = nil
	if result.AuthorizationID != "" {
		r.Known = nil
	}
	if r.Action == Rotate {
		r.Old = OldAlive
	}
}
