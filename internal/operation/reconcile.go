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
	return j.continued(ctx, s, person, id, func(ctx context.Context, w *work) error { return w.reconcile(ctx) })
}

// reconcile is Reconcile under the operation's lock.
func (w *work) reconcile(ctx context.Context) error {
	if !w.record.unsettled() && w.record.State != Unknown {
		return nil
	}
	return w.weigh(ctx, w.sight(ctx))
}

// sight looks for this operation alone.
func (w *work) sight(ctx context.Context) *sight {
	return w.see(ctx, w.service, w.record.Person, []*Operation{&w.record.Operation})[place(w.record.Organization)]
}

// weigh concludes from what was seen how the operation stands, and plans the next look.
func (w *work) weigh(ctx context.Context, s *sight) error {
	var err error
	if w.record.State == Unknown || w.record.Doubtful {
		switch w.record.Action {
		case Update:
			err = w.weighUpdate(ctx, s)
		case Revoke:
			err = w.weighRevoke(ctx, s)
		default:
			err = w.weighCreate(ctx, s)
		}
	}
	if w.record.oldInDoubt() {
		err = errors.Join(err, w.weighOld(ctx, s))
	}
	if len(w.record.Revoking) > 0 {
		err = errors.Join(err, w.revokeAgain(ctx, s))
	}
	return err
}

// weighCreate looks for the kept secret first, and then for tokens that fit.
func (w *work) weighCreate(ctx context.Context, s *sight) error {
	if adopted, err := w.adopt(ctx, w.record); adopted || err != nil {
		return err
	}
	fitting, wait, lookErr := s.fitting(ctx, w.record)
	err := w.changeUnknown(ctx, s.at, lookErr, func(r *record) {
		over := lookErr == nil && r.over(s.at)
		if wait {
			return
		}
		r.Reconciled = r.concluded() || over
		if !over { // what was seen isn't unseen by a look that failed, or by a list that lags
			for _, t := range r.Candidates {
				if !holds(fitting, t.AuthorizationID) && !s.isOthers(r, t.AuthorizationID) {
					fitting = append(fitting, t)
				}
			}
		}
		r.Candidates = fitting
		if len(fitting) > 0 {
			r.Ours = slices.ContainsFunc(fitting, func(t azuredevops.Token) bool { return r.proves(t, w.options.CallTimeout) })
		}
	})
	return errors.Join(lookErr, err)
}

// fitting are the active tokens that an operation may have made. With an error they may be incomplete. wait: another
// operation is making one like it this moment, so that nothing can be said yet.
func (s *sight) fitting(ctx context.Context, r *record) (fitting []azuredevops.Token, wait bool, err error) {
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
	fitting = slices.DeleteFunc(fitting, func(t azuredevops.Token) bool { return s.isOthers(r, t.AuthorizationID) })
	return fitting, r.Named == "" && len(fitting) > 0 && s.known.alike(r), s.err
}

// isOthers says that another operation is known to have made a token: somebody who tries again after an unknown outcome
// must not be shown the good token as a lost one.
func (s *sight) isOthers(r *record, authorizationID string) bool {
	return s.known != nil && s.known.isOthers(r, authorizationID)
}

// ownClockSkew is how far the service's clock may be from ours, for the time of a token's creation to prove something.
const ownClockSkew = time.Minute

// proves says that t is most likely this operation's, as far as can be known: the answer named it; or it wasn't there
// before, and was made while the call was under way. Somebody else may have made it at that very time.
func (r *record) proves(t azuredevops.Token, call time.Duration) bool {
	if r.Named != "" {
		return t.AuthorizationID == r.Named
	}
	from, to := r.Started.Add(-ownClockSkew), r.Started.Add(listTimeout+call+ownClockSkew)
	return r.Listed && !t.ValidFrom.Before(from) && !t.ValidFrom.After(to)
}

// fits says if t may have been made by this operation. If the answer named the token, that decides. If all tokens from
// before are known, that decides when it was made, whatever the clocks say; otherwise its validFrom does, as far as the
// clocks agree.
func (r *record) fits(t azuredevops.Token) bool {
	if r.Named != "" {
		return t.AuthorizationID == r.Named
	}
	if r.Before != nil && t.AuthorizationID == r.Before.AuthorizationID {
		return false // a rotation's old token looks much like the new one
	}
	late := !r.Want.ValidTo.IsZero() && t.ValidTo.After(r.Want.ValidTo.Add(expirySlack))
	old := slices.Contains(r.Known, t.AuthorizationID) || !r.Listed && t.ValidFrom.Before(r.Started.Add(-clockSkew))
	return !late && !old && sameName(t.DisplayName, r.Want.DisplayName) && sameScopes(t.Scopes, r.Want.Scopes)
}

// weighUpdate compares the token with what was wanted and with what it was. Of a token that is gone nothing can be seen any
// more.
func (w *work) weighUpdate(ctx context.Context, s *sight) error {
	t, lookErr := w.tokenNow(ctx, s)
	gone := missingIsUnknown(lookErr) != nil
	err := w.changeUnknown(ctx, s.at, lookErr, func(r *record) {
		switch {
		case gone:
			r.Reconciled = r.over(s.at)
		case lookErr != nil:
		case updated(*r.Before, r.Want, t):
			r.succeed(w.options.Now(), t)
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
func (w *work) tokenNow(ctx context.Context, s *sight) (azuredevops.Token, error) {
	id := w.record.Before.AuthorizationID
	if i := slices.IndexFunc(s.active, func(t azuredevops.Token) bool { return t.AuthorizationID == id }); i >= 0 {
		return s.active[i], nil
	}
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	return w.service.Get(ctx, w.record.Organization, id)
}

// updated says if all fields of want are as wanted. An expiry that moved at all counts: the service shortens it.
func updated(before azuredevops.Token, want azuredevops.Wanted, t azuredevops.Token) bool {
	expiry := want.ValidTo.IsZero() || sameTime(t.ValidTo, want.ValidTo) || !sameTime(t.ValidTo, before.ValidTo)
	return expiry &&
		(want.DisplayName == "" || sameName(t.DisplayName, want.DisplayName)) &&
		(want.Scopes == nil || sameScopes(t.Scopes, want.Scopes))
}

// unchanged says if all fields that want would change are as they were.
func unchanged(before azuredevops.Token, want azuredevops.Wanted, t azuredevops.Token) bool {
	return (want.ValidTo.IsZero() || sameTime(t.ValidTo, before.ValidTo)) &&
		(want.DisplayName == "" || sameName(t.DisplayName, before.DisplayName)) &&
		(want.Scopes == nil || sameScopes(t.Scopes, before.Scopes))
}

func sameName(a, b string) bool { return strings.TrimSpace(a) == strings.TrimSpace(b) }

func sameScopes(a, b []string) bool { return slices.Equal(scopeSet(a), scopeSet(b)) }

func sameTime(a, b time.Time) bool { return a.Sub(b).Abs() <= exactly }

// weighRevoke looks for the token among the active ones: only the list tells a token's status.
func (w *work) weighRevoke(ctx context.Context, s *sight) error {
	done := s.err == nil && w.inactive(ctx, s.active, false)
	err := w.changeUnknown(ctx, s.at, s.err, func(r *record) {
		alive := holds(s.active, r.Before.AuthorizationID)
		switch {
		case done, !alive && s.err == nil && r.over(s.at):
			r.succeed(w.options.Now(), *r.Before)
		case alive && r.over(s.at):
			r.State, r.Reconciled = Failed, true
		}
	})
	return errors.Join(s.err, err)
}

// weighOld looks if a rotation's old token was revoked.
func (w *work) weighOld(ctx context.Context, s *sight) error {
	done := s.err == nil && w.inactive(ctx, s.active, false)
	err := w.changeLooking(ctx, s.at, s.err, func(r *record) error {
		alive := holds(s.active, r.Before.AuthorizationID)
		switch {
		case !r.oldInDoubt():
			return errUnchanged
		case done, !alive && s.err == nil && r.over(s.at):
			r.Old, r.OldFailure = OldRevoked, nil
		case alive && r.over(s.at):
			r.Old, r.OldFailure = OldAlive, nil
		}
		return nil
	})
	return errors.Join(s.err, err)
}

// changeUnknown edits the record if its outcome is still unknown, and plans the look after this one, which was at that time
// and whose failure was lookErr.
func (w *work) changeUnknown(ctx context.Context, at time.Time, lookErr error, edit func(*record)) error {
	return w.changeLooking(ctx, at, lookErr, func(r *record) error {
		if r.Doubtful { // recorded by a release that told such refusals apart
			r.State, r.Doubtful = Unknown, false
		}
		if r.State != Unknown {
			return errUnchanged
		}
		edit(r)
		return nil
	})
}

// changeLooking edits the record after a look, and plans the next one: what was seen before LookUntil can't conclude after it,
// so the last look may be due at once. Without an access token that is accepted nothing was looked at: the look stays due,
// for whoever comes with one.
func (w *work) changeLooking(ctx context.Context, at time.Time, lookErr error, edit func(*record) error) error {
	if notLookedAt(lookErr) {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
	defer cancel()
	return w.change(ctx, w.record, func(r *record) error {
		err := edit(r)
		if err == nil {
			r.looked(at, lookErr)
		}
		return err
	})
}

// notLookedAt reports whether there was no access token, or none that the service accepts: the next session has another one.
func notLookedAt(err error) bool {
	var e *azuredevops.Error
	return noAccessToken(err) || errors.As(err, &e) && e.Kind == azuredevops.KindSignIn
}

// noAccessToken says that err kept a call from being made at all (see Service).
func noAccessToken(err error) bool {
	var e *azuredevops.Error
	return err != nil && !errors.As(err, &e) && !ended(err)
}

// revokeAgain goes on with revokes that were asked for and may not have been done: the service doesn't know yet a token
// that isn't visible. Each is sent again when the token is seen.
func (w *work) revokeAgain(ctx context.Context, s *sight) error {
	var done, given []string
	var failed error
	for _, id := range w.record.Revoking {
		switch {
		case holds(s.active, id):
			err := w.revoke(context.WithoutCancel(ctx), id)
			if err == nil {
				done = append(done, id)
			} else if cause, definite := failureOf(cmp.Or(missingIsUnknown(err), err)); definite {
				given = append(given, id)
				w.tellRevoking(ctx, id, cause)
			}
			failed = errors.Join(failed, err)
		case s.err == nil && w.record.over(s.at):
			done = append(done, id)
		}
	}
	err := w.changeLooking(ctx, s.at, s.err, func(r *record) error {
		for _, id := range done {
			r.moveToRevoked(id)
		}
		r.Revoking = slices.DeleteFunc(r.Revoking, func(id string) bool { return slices.Contains(given, id) })
		return nil
	})
	return errors.Join(s.err, failed, err)
}

// tellRevoking tells of a token whose revoke was refused, or isn't known to be done.
func (w *work) tellRevoking(ctx context.Context, authorizationID string, cause *failure.Failure) {
	w.tell(ctx, &w.record.Operation, Event{
		Step: RevokingCandidate, Outcome: outcomeOf(cause), Token: &azuredevops.Token{AuthorizationID: authorizationID}, Failure: cause,
	})
}

// RevokeCandidate revokes one of the operation's candidates, chosen by the person. ErrNotFound for any other id, also for a
// candidate that turned out since to be another operation's good token. After the last one the operation is no longer
// pending, unless what it has made may still turn up. A failure of the service is returned with the operation; if the
// revoke may have been done, or the token isn't visible yet, it is gone on with by itself (Revoking).
func (j *Journal) RevokeCandidate(ctx context.Context, s Service, person, id, authorizationID string) (*Operation, error) {
	return j.continued(ctx, s, person, id, func(ctx context.Context, w *work) error {
		if holds(w.record.Revoked, authorizationID) {
			return nil
		}
		if err := w.dropFoundOut(ctx); err != nil {
			return err
		}
		if !holds(w.record.Candidates, authorizationID) {
			return ErrNotFound
		}
		err := w.revoke(ctx, authorizationID)
		if err == nil {
			return w.report(ctx, w.record, func(r *record) error { r.moveToRevoked(authorizationID); return nil })
		}
		cause, definite := failureOf(cmp.Or(missingIsUnknown(err), err))
		w.tellRevoking(ctx, authorizationID, cause)
		if definite {
			return err
		}
		return errors.Join(err, w.report(ctx, w.record, func(r *record) error {
			w.goOnRevoking(r, authorizationID)
			return nil
		}))
	})
}

// goOnRevoking plans to look at a token that may not be revoked yet.
func (w *work) goOnRevoking(r *record, authorizationID string) {
	if !slices.Contains(r.Revoking, authorizationID) {
		r.Revoking = append(r.Revoking, authorizationID)
	}
	w.beginDoubt(r, w.options.Now())
}

// dropFoundOut takes from the candidates what other operations are known to have made by now.
func (w *work) dropFoundOut(ctx context.Context) error {
	known, err := w.othersOf(w.record.Person)(ctx)
	if err != nil {
		return err
	}
	found := func(t azuredevops.Token) bool { return known.isOthers(w.record, t.AuthorizationID) }
	if !slices.ContainsFunc(w.record.Candidates, found) {
		return nil
	}
	return w.change(ctx, w.record, func(r *record) error {
		r.Candidates = slices.DeleteFunc(r.Candidates, found)
		return nil
	})
}

// moveToRevoked records that a candidate is revoked. If that was the last one, and the operation's own is most likely among
// them, nothing is left to look for.
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
