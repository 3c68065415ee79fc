package operation

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/patdesk/patdesk/internal/azuredevops"
	"github.com/patdesk/patdesk/internal/panics"
	"github.com/patdesk/patdesk/internal/session"
)

// Request is a form that was sent.
type Request struct {
	Form         string
	Person       string
	Action       Action
	Organization string
	Before       *azuredevops.Token // update, revoke, rotate: the token as it is
	Want         azuredevops.Wanted
	Content      string       // the form as it was typed: a form sent twice has the same
	From         Origin       // where the person asked from
	Batch        string       // ID of the batch that it is a part of
	Known        *KnownTokens // create, rotate: of the wanted name, from a list that the caller has; nil: they are listed before the creation
	RevokeAtOnce bool         // rotate: revoke the old token as soon as the new secret is kept, or in its vault
	RevokeAt     time.Time    // rotate: when to revoke the old token by itself, once the new secret is saved or in its vault; zero: not
	Into         *Into        // create, rotate: where the secret is put (Secret, Unseen, DisableOld); nil: into no vault
	Vault        Vault        `json:"-"` // with Into
	Begun        func()       `json:"-"` // called when it is under way, for Repeat; nil: nothing waits for that
	Delivery     *Delivery    `json:"-"` // the answer that a secret may be handed out for; nil: there is none to read it in
}

// KnownTokens are tokens that were active before a creation: any other one may be what was made.
type KnownTokens struct {
	IDs []string
	All bool // there were no others
}

// Do carries out the request once, however often it is sent, and returns the operation when its outcome is recorded.
// The work goes on when ctx ends; the operation is then returned in progress (Sent). A second call with the same form,
// here or in another process, waits for the first. That a change was refused or is unknown is no error of Do.
//
// With Unkept set, what becomes of the operation depends on whether r.Delivery is written.
//
// Errors: formid.ErrForged, formid.ErrStale, ErrChanged; ErrNotKept, ErrStopping and session.ErrFull, with which
// nothing was sent; ErrUnreadable if the form was sent before.
func (j *Journal) Do(ctx context.Context, s Service, r Request) (*Operation, error) {
	id, err := j.forms.Check(r.Form, r.Person, string(r.Action), r.Target())
	if err != nil {
		return nil, err
	}
	c, first, err := j.calls.join(id, r, true)
	switch {
	case errors.Is(err, ErrStopping):
		return j.follow(ctx, id, r, err)
	case err != nil:
		return nil, err
	case first:
		panics.Go(j.options.Log, "operation "+id, func() { j.carryOut(context.WithoutCancel(ctx), c, s) })
	}
	if r.Begun != nil {
		r.Begun()
	}
	return c.outcome(ctx, j.store, r)
}

// Repeat is Do for a form that is under way or was carried out before, with the same content: it waits for the outcome
// and begins nothing. sent is false if there is nothing to wait for: then the form may be a new one, or none at all.
func (j *Journal) Repeat(ctx context.Context, r Request) (op *Operation, sent bool, err error) {
	id, forged := j.forms.Check(r.Form, r.Person, string(r.Action), r.Target())
	if forged != nil {
		return nil, false, nil //nolint:nilerr // Do says what is wrong with it
	}
	if c, _, _ := j.calls.join(id, r, false); c != nil {
		op, err = c.outcome(ctx, j.store, r)
		return op, true, err
	}
	op, err = j.follow(ctx, id, r, ErrNotFound)
	if absent(err) || errors.Is(err, ErrChanged) {
		return nil, false, nil
	}
	return op, true, err
}

// carryOut is the work on a call. Where it leaves a doubt, it is looked at again, or else at the next visit.
func (j *Journal) carryOut(ctx context.Context, c *call, s Service) {
	defer j.calls.leave()
	w := &worker{store: j.store, call: c, op: &locked{store: j.store, service: s, vault: c.request.Vault, record: newRecord(c)}}
	w.run(ctx)
	if w.op.record.unsettled() || w.op.record.Scheduled() {
		_, _ = j.watchers.watch(ctx, s, c.request.Vault, w.op.record.Person, true)
	}
}

// outcome waits for that of a call, as one of its readers.
func (c *call) outcome(ctx context.Context, s *store, r Request) (*Operation, error) {
	op, err := c.wait(ctx)
	if err == nil && op.Unkept != "" && r.Delivery != nil {
		return s.handOut(ctx, c, op, r.Delivery), nil
	}
	c.leave(false)
	if err == nil && op.Unkept != "" { // nothing to read it in, so its token is about to be revoked
		op.Unkept = ""
		if settled, err := s.Wait(ctx, r.Person, c.id); err == nil {
			return settled, nil
		}
	}
	if errors.Is(err, errElsewhere) {
		return s.follow(ctx, c.id, r, ErrNotKept)
	}
	return op, err
}

// handOut gives a secret that could not be kept, or whose record couldn't be brought up to date, to one reader.
func (s *store) handOut(ctx context.Context, c *call, op *Operation, to *Delivery) *Operation {
	shown := op.clone()
	to.await(func(written bool) {
		defer c.leave(written)
		if written {
			s.emitShown(ctx, shown)
		}
	})
	return op
}

// errElsewhere says that the form was claimed before, or that its work ended without an outcome: the record has it.
var errElsewhere = errors.New("operation: the form's work is not done here")

// follow waits for an operation that was claimed elsewhere. none is the error if there isn't one.
func (s *store) follow(ctx context.Context, id string, r Request, none error) (*Operation, error) {
	loadCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
	defer cancel()
	kept, err := s.load(loadCtx, r.Person, id)
	if absent(err) {
		return nil, none
	}
	if err != nil {
		return nil, err
	}
	if kept.Fingerprint != r.fingerprint() {
		return nil, ErrChanged
	}
	op, err := s.await(ctx, kept)
	if absent(err) { // its claim was withdrawn
		return nil, none
	}
	return op, err
}

// run claims the form, carries out the request, and finishes the call with the outcome. ctx is not the request's: the
// browser's going away must not stop it.
func (w *worker) run(ctx context.Context) {
	defer w.store.calls.finish(w.call, nil, errElsewhere) // if it ends without an outcome
	release, err := w.claim(ctx)
	if err != nil {
		w.store.calls.finish(w.call, nil, err)
		return
	}
	defer release()
	w.perform(ctx)
}

// claim makes this worker the only one that carries out the form: it takes the operation's lock and then creates its
// record, which succeeds once for all processes. The lock comes first, so that the record is never seen unlocked while
// its worker lives.
func (w *worker) claim(ctx context.Context) (release func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	r := w.op.record
	for {
		_, err := w.store.load(ctx, r.Person, r.ID)
		switch {
		case err == nil:
			return nil, errElsewhere
		case errors.Is(err, ErrUnreadable):
			return nil, err
		case !errors.Is(err, ErrNotFound):
			return nil, NotKept(err)
		}
		release, ok, err := w.store.records.TryLock(ctx, r.key())
		if err != nil {
			return nil, NotKept(err)
		}
		if ok {
			if err := w.recordClaim(ctx); err != nil {
				release()
				return nil, err
			}
			return release, nil
		}
		_ = pause(ctx, 10*time.Millisecond) // another worker is claiming it this moment
		if ctx.Err() != nil {
			return nil, NotKept(ctx.Err())
		}
	}
}

// recordClaim makes the record of an operation whose lock is held.
func (w *worker) recordClaim(ctx context.Context) error {
	r := w.op.record
	err := w.store.MakeRoom(ctx, r.Person, r.Action, 1, 1)
	if err == nil {
		err = w.store.create(ctx, r, w.store.records.Create)
	}
	switch {
	case err == nil:
		w.store.observe(ctx, nil, &r.Operation)
		w.call.update(r.at(w.store.options.Now()))
		return nil
	case errors.Is(err, session.ErrExists):
		return errElsewhere
	case errors.Is(err, session.ErrFull), errors.Is(err, session.ErrTooLarge):
		return err
	}
	return NotKept(err)
}

// newRecord is the intent.
func newRecord(c *call) *record {
	r := &c.request
	var into *Into
	if r.Into != nil {
		into = &Into{Secret: r.Into.Secret, Unseen: r.Into.Unseen, DisableOld: r.Into.DisableOld, State: IntoPending}
	}
	return &record{
		Operation: Operation{
			ID: c.id, Person: r.Person, Action: r.Action, State: Sent, Organization: r.Organization, From: r.From,
			Want: r.wanted(), Before: r.Before, RevokeAtOnce: r.RevokeAtOnce, RevokeAt: r.RevokeAt, Started: c.started, Batch: r.Batch, Into: into,
		},
		Fingerprint: r.fingerprint(),
		Called:      r.Action == Update || r.Action == Revoke, // nothing comes between the record and the call
	}
}

// NotKept is ErrNotKept because of err.
func NotKept(err error) error { return fmt.Errorf("%w: %w", ErrNotKept, err) }
