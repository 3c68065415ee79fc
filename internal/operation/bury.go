package operation

import (
	"context"
	"errors"
	"time"

	"github.com/patdesk/patdesk/internal/azuredevops"
	"github.com/patdesk/patdesk/internal/failure"
	"github.com/patdesk/patdesk/internal/session"
)

// A worker holds its operation's lock from before the record exists until the outcome is recorded, and the store frees the
// lock of a process that dies. So "sent" with a free lock means: the worker died. Whoever sees it, in whatever process,
// takes the lock and writes down what can be known; the lock makes that one at a time.

// buryIfDead brings r up to date if it says "sent" and nobody is at work on it. If the store can't tell, r stays as it was.
func (j *Journal) buryIfDead(ctx context.Context, r *record) {
	if r.State != Sent || j.worksOn(r) {
		return
	}
	release, ok, err := j.records.TryLock(ctx, r.key())
	if err != nil || !ok {
		return
	}
	defer release()
	j.bury(ctx, r)
}

// worksOn says that this process is carrying out the operation.
func (j *Journal) worksOn(r *record) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.flights[flightKey(r.Person, r.ID)] != nil
}

// loadLocked reads the record of an operation whose lock the caller holds, so that it is not in progress any more.
func (j *Journal) loadLocked(ctx context.Context, person, id string) (*record, error) {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	r, err := j.load(ctx, person, id)
	if err == nil {
		j.bury(ctx, r)
	}
	return r, err
}

// bury records what became of an operation whose worker died. The caller holds the operation's lock.
func (j *Journal) bury(ctx context.Context, r *record) {
	if r.State != Sent {
		return
	}
	if r.Makes() {
		adopted, err := j.adopt(ctx, r)
		if adopted || err != nil {
			return
		}
	}
	_ = j.change(ctx, r, j.interrupt)
}

// interrupt ends an operation in progress whose outcome nobody will report: unknown if its change may have been sent.
func (j *Journal) interrupt(r *record) error {
	if r.State != Sent {
		return errUnchanged
	}
	r.State = Unknown
	if !r.Called {
		r.State = Failed
	} else {
		j.beginDoubt(r, r.Started)
	}
	r.Failure = &failure.Failure{Source: failure.SourceOperation, Kind: failure.Interrupted}
	r.Finished = j.options.Now()
	return nil
}

// adopt finishes a creation whose secret was kept although its record was not brought up to date: the worker died in
// between, or the store failed. The caller holds the operation's lock.
func (j *Journal) adopt(ctx context.Context, r *record) (adopted bool, err error) {
	var k keptSecret
	err = j.records.Get(ctx, secretKey(r.Person, r.ID), &k)
	if errors.Is(err, session.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	err = j.change(ctx, r, func(r *record) error {
		if r.State != Sent && r.State != Unknown {
			return errUnchanged
		}
		r.succeed(j.options.Now(), k.Token)
		r.Secret, r.SecretUntil = SecretWaiting, k.Until
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
