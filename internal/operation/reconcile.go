package operation

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/patdesk/patdesk/internal/azuredevops"
	"github.com/patdesk/patdesk/internal/failure"
)

const (
	// clockSkew is how much the service's clock may be behind ours, for a token to count as made after the start.
	clockSkew = 10 * time.Minute
	// expirySlack is how much later than asked for a token may expire. The service shortens validTo (policy) but is not
	// known to lengthen it by more than rounding.
	expirySlack = 48 * time.Hour
	// exactly is how far two times may be apart that mean the same: the service keeps other fractions of a second.
	exactly = time.Minute
)

// Reconcile looks now for what an operation of unknown outcome has done:
//
//   - create, rotate: Candidates are the active tokens that it may have made; none of them is touched.
//   - update, revoke: the operation becomes Succeeded as soon as the token's state says so.
//
// That nothing was done is concluded only from LookUntil on: an update or revoke becomes Failed then, and a creation
// Reconciled; if that has no Candidates, trying again is safe. On an error of the service or the store the operation is
// returned too, with what could be seen.
func (j *Journal) Reconcile(ctx context.Context, s Service, person, id string) (*Operation, error) {
	return j.continued(ctx, s, person, id, func(ctx context.Context, o *locked) error { return o.reconcile(ctx) })
}

// reconcile is Reconcile under the operation's lock.
func (o *locked) reconcile(ctx context.Context) error {
	if !o.record.unsettled() && o.record.State != Unknown {
		return nil
	}
	return o.evaluate(ctx, o.snapshot(ctx))
}

// snapshot looks for this operation alone.
func (o *locked) snapshot(ctx context.Context) *snapshot {
	return takeSnapshots(ctx, o.store, o.service, o.record.Person, []*Operation{&o.record.Operation})[orgKey(o.record.Organization)]
}

// evaluate concludes from what was seen how the operation stands, and plans the next look.
func (o *locked) evaluate(ctx context.Context, s *snapshot) error {
	var err error
	if o.record.State == Unknown || o.record.Doubtful {
		switch o.record.Action {
		case Update:
			err = o.evaluateUpdate(ctx, s)
		case Revoke:
			err = o.evaluateRevoke(ctx, s, (*record).stillUnknown, func(r *record, revoked bool) {
				if revoked {
					r.succeed(o.store.options.Now(), *r.Before)
					return
				}
				r.State, r.Reconciled = Failed, true
			})
		default:
			err = o.evaluateCreate(ctx, s)
		}
	}
	if o.record.oldInDoubt() {
		err = errors.Join(err, o.evaluateRevoke(ctx, s, (*record).oldInDoubt, func(r *record, revoked bool) {
			if r.Old, r.OldFailure = OldAlive, nil; revoked {
				r.Old = OldRevoked
			}
		}))
	}
	if len(o.record.Revoking) > 0 {
		err = errors.Join(err, o.revokeAgain(ctx, s))
	}
	return errors.Join(err, o.revokeScheduled(ctx, s))
}

// evaluateCreate looks for the kept secret first, and then for tokens that fit.
func (o *locked) evaluateCreate(ctx context.Context, s *snapshot) error {
	if adopted, err := o.store.adopt(ctx, o.record); adopted || err != nil {
		return err
	}
	fitting, wait, lookErr := s.fitting(ctx, o.record)
	err := o.changeLooking(ctx, s.at, lookErr, (*record).stillUnknown, func(r *record) {
		over := lookErr == nil && r.over(s.at)
		if wait {
			return
		}
		r.Reconciled = r.concluded() || over
		if !over { // what was seen isn't unseen by a look that failed, or by a list that lags
			for _, t := range r.Candidates {
				if !holds(fitting, t.AuthorizationID) && !s.known.isOthers(r, t.AuthorizationID) {
					fitting = append(fitting, t)
				}
			}
		}
		r.Candidates = fitting
		if len(fitting) > 0 {
			r.Ours = slices.ContainsFunc(fitting, func(t azuredevops.Token) bool { return r.proves(t, o.store.options.CallTimeout) })
		}
	})
	return errors.Join(lookErr, err)
}

// fitting are the active tokens that an operation may have made. With an error they may be incomplete. wait: another
// operation is making one like it this moment, so that nothing can be said yet.
func (s *snapshot) fitting(ctx context.Context, r *record) (fitting []azuredevops.Token, wait bool, err error) {
	for _, t := range s.active {
		if r.fits(t) && !holds(r.Revoked, t.AuthorizationID) {
			fitting = append(fitting, t)
		}
	}
	if len(fitting)+len(r.Candidates) == 0 {
		return nil, false, s.err
	}
	s.known, err = s.others(ctx)
	if err != nil {
		return nil, true, err
	}
	fitting = slices.DeleteFunc(fitting, func(t azuredevops.Token) bool { return s.known.isOthers(r, t.AuthorizationID) })
	return fitting, r.Named == "" && len(fitting) > 0 && s.known.alike(r), s.err
}

// ownClockSkew is how far the service's clock may be from ours, for the time of a token's creation to prove something.
const ownClockSkew = time.Minute

// proves reports whether t is most likely this operation's, as far as can be known: the answer named it; or it wasn't
// there before, and was made while the call was under way. Another program may have made it at that very time.
func (r *record) proves(t azuredevops.Token, call time.Duration) bool {
	if r.Named != "" {
		return t.AuthorizationID == r.Named
	}
	from, to := r.Started.Add(-ownClockSkew), r.Started.Add(listTimeout+call+ownClockSkew)
	return r.Listed && !t.ValidFrom.Before(from) && !t.ValidFrom.After(to)
}

// fits reports whether t may have been made by this operation. If the answer named the token, that decides. If all
// tokens from before are known, that decides when it was made, whatever the clocks say; otherwise its validFrom does,
// as far as the clocks agree.
func (r *record) fits(t azuredevops.Token) bool {
	if r.Named != "" {
		return t.AuthorizationID == r.Named
	}
	if r.Before != nil && t.AuthorizationID == r.Before.AuthorizationID {
		return false // a rotation's old token looks much like the new one
	}
	late := !r.Want.ValidTo.IsZero() && t.ValidTo.After(r.Want.ValidTo.Add(expirySlack))
	old := slices.Contains(r.Known, t.AuthorizationID) || !r.Listed && t.ValidFrom.Before(r.Started.Add(-clockSkew))
	return !late && !old && mayBeNamed(t, r.Want.DisplayName) && mayHave(t, r.Want.Scopes)
}

// mayBeNamed and mayHave say so of a token whose name or scopes aren't understood, too: it may be the one.
func mayBeNamed(t azuredevops.Token, name string) bool {
	return t.NotUnderstood(azuredevops.MemberDisplayName) || sameName(t.DisplayName, name)
}

func mayHave(t azuredevops.Token, scopes []string) bool {
	return t.NotUnderstood(azuredevops.MemberScope) || sameScopes(t.Scopes, scopes)
}

// evaluateUpdate compares the token with what was wanted and with what it was. Of a token that is gone nothing can be
// seen any more.
func (o *locked) evaluateUpdate(ctx context.Context, s *snapshot) error {
	t, lookErr := o.tokenNow(ctx, s)
	gone := missingIsUnknown(lookErr) != nil
	err := o.changeLooking(ctx, s.at, lookErr, (*record).stillUnknown, func(r *record) {
		switch {
		case gone:
			r.Reconciled = r.over(s.at)
		case lookErr != nil:
		case updated(*r.Before, r.Want, t):
			r.succeed(o.store.options.Now(), t)
		case r.over(s.at):
			r.Reconciled = true
			if unchanged(*r.Before, r.Want, t) {
				r.State = Failed
			}
		}
	})
	return errors.Join(lookErr, err)
}

// tokenNow is the token that the operation is about, as it was listed, or else as it is.
func (o *locked) tokenNow(ctx context.Context, s *snapshot) (azuredevops.Token, error) {
	id := o.record.Before.AuthorizationID
	if i := slices.IndexFunc(s.active, func(t azuredevops.Token) bool { return t.AuthorizationID == id }); i >= 0 {
		return s.active[i], nil
	}
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	return o.service.Get(ctx, o.record.Organization, id)
}

// updated reports whether all fields of want are as wanted. An expiry that moved at all counts: the service shortens
// it.
func updated(before azuredevops.Token, want azuredevops.Wanted, t azuredevops.Token) bool {
	expiry := want.ValidTo.IsZero() || sameTime(t.ValidTo, want.ValidTo) || !t.ValidTo.IsZero() && !sameTime(t.ValidTo, before.ValidTo)
	return expiry &&
		(want.DisplayName == "" || sameName(t.DisplayName, want.DisplayName)) &&
		(want.Scopes == nil || sameScopes(t.Scopes, want.Scopes))
}

// unchanged reports whether all fields that want would change are as they were.
func unchanged(before azuredevops.Token, want azuredevops.Wanted, t azuredevops.Token) bool {
	return (want.ValidTo.IsZero() || !t.ValidTo.IsZero() && sameTime(t.ValidTo, before.ValidTo)) &&
		(want.DisplayName == "" || sameName(t.DisplayName, before.DisplayName)) &&
		(want.Scopes == nil || sameScopes(t.Scopes, before.Scopes))
}

func sameName(a, b string) bool { return strings.TrimSpace(a) == strings.TrimSpace(b) }

func sameScopes(a, b []string) bool { return slices.Equal(scopeSet(a), scopeSet(b)) }

// scopeSet is scopes without order and repetition.
func scopeSet(scopes []string) []string {
	set := make([]string, 0, len(scopes))
	for _, s := range scopes {
		if s = strings.TrimSpace(s); s != "" {
			set = append(set, s)
		}
	}
	slices.Sort(set)
	return slices.Compact(set)
}

func sameTime(a, b time.Time) bool { return a.Sub(b).Abs() <= exactly }

// evaluateRevoke looks whether the token that the operation is about was revoked, which is to be recorded where that is
// still open. Only the list of the active ones has a token's status.
func (o *locked) evaluateRevoke(ctx context.Context, s *snapshot, open func(*record) bool, conclude func(r *record, revoked bool)) error {
	done := s.err == nil && o.inactive(ctx, s.active, false)
	err := o.changeLooking(ctx, s.at, s.err, open, func(r *record) {
		alive, over := holds(s.active, r.Before.AuthorizationID), r.over(s.at)
		if done || over && (alive || s.err == nil) {
			conclude(r, done || !alive)
		}
	})
	return errors.Join(s.err, err)
}

// stillUnknown reports whether the outcome is, also of a record of a release that kept some of them apart.
func (r *record) stillUnknown() bool {
	if r.Doubtful {
		r.State, r.Doubtful = Unknown, false
	}
	return r.State == Unknown
}

// changeLooking edits the record after a look if what was looked for is still open, and plans the next look: what was
// seen before LookUntil can't conclude after it, so the last look may be due at once. Without an access token that is
// accepted nothing was looked at: the look stays due, for the next visit with one.
func (o *locked) changeLooking(ctx context.Context, at time.Time, lookErr error, open func(*record) bool, edit func(*record)) error {
	if notLookedAt(lookErr) {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
	defer cancel()
	return o.store.change(ctx, o.record, func(r *record) error {
		if !open(r) {
			return errUnchanged
		}
		edit(r)
		r.looked(at, lookErr)
		return nil
	})
}

// notLookedAt reports whether there was no access token, or none that the service accepts: the next session has another
// one.
func notLookedAt(err error) bool {
	var e *azuredevops.Error
	return noAccessToken(err) || errors.As(err, &e) && e.Kind == azuredevops.KindSignIn
}

// noAccessToken reports whether err kept a call from being made at all (see Service).
func noAccessToken(err error) bool {
	var e *azuredevops.Error
	return err != nil && !errors.As(err, &e) && !ended(err)
}

// revokeAgain goes on with revokes that were asked for and may not have been done: the service doesn't know yet a token
// that isn't visible. Each is sent again when the token is seen.
func (o *locked) revokeAgain(ctx context.Context, s *snapshot) error {
	var done, given []string
	var failed error
	for _, id := range o.record.Revoking {
		switch {
		case holds(s.active, id):
			err := o.revoke(context.WithoutCancel(ctx), id)
			if err == nil {
				done = append(done, id)
			} else if cause, definite := failureOf(cmp.Or(missingIsUnknown(err), err)); definite {
				given = append(given, id)
				o.recordRevoking(ctx, id, cause)
			}
			failed = errors.Join(failed, err)
		case s.err == nil && o.record.over(s.at):
			done = append(done, id)
		}
	}
	revoking := func(r *record) bool { return len(r.Revoking) > 0 }
	err := o.changeLooking(ctx, s.at, s.err, revoking, func(r *record) {
		for _, id := range done {
			r.moveToRevoked(id)
		}
		r.Revoking = slices.DeleteFunc(r.Revoking, func(id string) bool { return slices.Contains(given, id) })
	})
	return errors.Join(s.err, failed, err)
}

// recordRevoking reports a token whose revoke was refused, or isn't known to be done.
func (o *locked) recordRevoking(ctx context.Context, authorizationID string, cause *failure.Failure) {
	o.store.emit(ctx, &o.record.Operation, Event{
		Step: RevokingCandidate, Outcome: outcomeOf(cause), Token: &azuredevops.Token{AuthorizationID: authorizationID}, Failure: cause,
	})
}

// RevokeCandidate revokes one of the operation's candidates, chosen by the person. ErrNotFound for any other id, also
// for a candidate that turned out since to be another operation's good token. After the last one the operation is no
// longer pending, unless what it has made may still turn up. A failure of the service is returned with the operation;
// if the revoke may have been done, or the token isn't visible yet, it is gone on with by itself (Revoking).
func (j *Journal) RevokeCandidate(ctx context.Context, s Service, person, id, authorizationID string) (*Operation, error) {
	return j.continued(ctx, s, person, id, func(ctx context.Context, o *locked) error {
		if holds(o.record.Revoked, authorizationID) {
			return nil
		}
		if err := o.dropOthers(ctx); err != nil {
			return err
		}
		if !holds(o.record.Candidates, authorizationID) {
			return ErrNotFound
		}
		err := o.revoke(ctx, authorizationID)
		if err == nil {
			return o.store.report(ctx, o.record, func(r *record) error { r.moveToRevoked(authorizationID); return nil })
		}
		cause, definite := failureOf(cmp.Or(missingIsUnknown(err), err))
		o.recordRevoking(ctx, authorizationID, cause)
		if definite {
			return err
		}
		return errors.Join(err, o.store.report(ctx, o.record, func(r *record) error {
			o.keepRevoking(r, authorizationID)
			return nil
		}))
	})
}

// keepRevoking plans to look at a token that may not be revoked yet.
func (o *locked) keepRevoking(r *record, authorizationID string) {
	if !slices.Contains(r.Revoking, authorizationID) {
		r.Revoking = append(r.Revoking, authorizationID)
	}
	o.store.beginDoubt(r, o.store.options.Now())
}

// dropOthers takes from the candidates what other operations are known to have made by now.
func (o *locked) dropOthers(ctx context.Context) error {
	known, err := othersOf(o.store, o.record.Person)(ctx)
	if err != nil {
		return err
	}
	found := func(t azuredevops.Token) bool { return known.isOthers(o.record, t.AuthorizationID) }
	if !slices.ContainsFunc(o.record.Candidates, found) {
		return nil
	}
	return o.store.change(ctx, o.record, func(r *record) error {
		r.Candidates = slices.DeleteFunc(r.Candidates, found)
		return nil
	})
}

// moveToRevoked records that a candidate is revoked. If that was the last one, and the operation's own is most likely
// among them, nothing is left to look for.
func (r *record) moveToRevoked(authorizationID string) {
	r.Revoking = slices.DeleteFunc(r.Revoking, func(id string) bool { return id == authorizationID })
	i := slices.IndexFunc(r.Candidates, func(t azuredevops.Token) bool { return t.AuthorizationID == authorizationID })
	if i < 0 {
		return
	}
	r.Revoked = append(r.Revoked, r.Candidates[i])
	r.Candidates = slices.Delete(r.Candidates, i, i+1)
	r.OrphanRevoked = r.OrphanRevoked || r.resultID() == authorizationID
	r.Reconciled = r.Reconciled || r.Ours && len(r.Candidates) == 0
}
