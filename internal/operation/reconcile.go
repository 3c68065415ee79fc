package operation

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/patdesk/patdesk/internal/azuredevops"
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

// Reconcile looks for what an operation of unknown outcome has done:
//
//   - create, rotate: Candidates are the active tokens that it may have made; none of them is touched. With Reconciled and no
//     Candidates nothing was made as far as can be seen, and trying again is safe.
//   - update, revoke: the operation becomes Succeeded or Failed if the token's state tells.
//   - a refused creation that is Doubtful: it becomes Unknown with Candidates if something came of it all the same.
//
// On an error of the service or the store the operation is returned too, with what could be seen.
func (j *Journal) Reconcile(ctx context.Context, s Service, person, id string) (*Operation, error) {
	return j.continued(ctx, s, person, id, func(ctx context.Context, w *work) error { return w.reconcile(ctx) })
}

// reconcile is Reconcile under the operation's lock.
func (w *work) reconcile(ctx context.Context) error {
	if w.record.Doubtful {
		return w.lookBehind(ctx)
	}
	if w.record.State != Unknown {
		return nil
	}
	switch w.record.Action {
	case Update:
		return w.reconcileUpdate(ctx)
	case Revoke:
		return w.reconcileRevoke(ctx)
	}
	return w.reconcileCreate(ctx)
}

// reconcileCreate looks for the kept secret first, and then for tokens that fit.
func (w *work) reconcileCreate(ctx context.Context) error {
	if adopted, err := w.adopt(ctx, w.record); adopted || err != nil {
		return err
	}
	fitting, lookErr := w.look(ctx)
	err := w.changeUnknown(ctx, func(r *record) {
		r.Reconciled = lookErr == nil
		if r.Reconciled || len(fitting) > 0 { // a failed look doesn't unsee what was seen
			r.Candidates = fitting
		}
	})
	return errors.Join(lookErr, err)
}

// look returns the active tokens that this operation may have made. With an error they may be incomplete. The other
// operations are read after the list: one that has made something of what is listed has recorded it, or is at work yet.
func (w *work) look(ctx context.Context) (fitting []azuredevops.Token, err error) {
	active, err := w.listActive(ctx, lookTimeout)
	for _, t := range active {
		if w.record.fits(t) {
			fitting = append(fitting, t)
		}
	}
	if len(fitting) == 0 {
		return nil, err
	}
	ours, storeErr := w.resultsOfOthers(ctx)
	if storeErr != nil {
		return nil, storeErr
	}
	return slices.DeleteFunc(fitting, func(t azuredevops.Token) bool { return slices.Contains(ours, t.AuthorizationID) }), err
}

// resultsOfOthers are the tokens that the person's other operations are known to have made: somebody who tries again after
// an unknown outcome must not be shown the good token as a lost one.
func (w *work) resultsOfOthers(ctx context.Context) (ids []string, err error) {
	ctx, cancel := context.WithTimeout(ctx, journalTimeout)
	defer cancel()
	err = w.eachRecord(ctx, w.record.Person, func(r *record) {
		if r.ID != w.record.ID && r.makes() && r.Result != nil {
			ids = append(ids, r.Result.AuthorizationID)
		}
	})
	return ids, err
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

// reconcileUpdate compares the token with what was wanted and with what it was.
func (w *work) reconcileUpdate(ctx context.Context) error {
	t, err := w.getBefore(ctx)
	if err != nil {
		return err
	}
	return w.changeUnknown(ctx, func(r *record) {
		r.Reconciled = true
		switch {
		case updated(*r.Before, r.Want, t):
			r.succeed(w.options.Now(), t)
		case unchanged(*r.Before, r.Want, t):
			r.State = Failed
		}
	})
}

func (w *work) getBefore(ctx context.Context) (azuredevops.Token, error) {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	return w.service.Get(ctx, w.record.Organization, w.record.Before.AuthorizationID)
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

// reconcileRevoke looks for the token among the active ones: only the list tells a token's status.
func (w *work) reconcileRevoke(ctx context.Context) error {
	active, err := w.listActive(ctx, lookTimeout)
	alive := holds(active, w.record.Before.AuthorizationID)
	if err != nil && !alive {
		return err
	}
	return w.changeUnknown(ctx, func(r *record) {
		r.Reconciled = true
		if alive {
			r.State = Failed
			return
		}
		r.succeed(w.options.Now(), *r.Before)
	})
}

// changeUnknown edits the record if its outcome is still unknown.
func (w *work) changeUnknown(ctx context.Context, edit func(*record)) error {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	return w.change(ctx, w.record, func(r *record) error {
		if r.State != Unknown {
			return errUnchanged
		}
		edit(r)
		return nil
	})
}

// RevokeCandidate revokes one of the operation's candidates, chosen by the person. ErrNotFound for any other id, also for a
// candidate that turned out since to be another operation's good token. After the last one the operation is no longer
// pending. A failure of the service is returned with the operation.
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
		if err := w.revoke(ctx, authorizationID); err != nil && !w.gone(ctx, authorizationID) {
			failure, _ := w.failureOf(err)
			w.tell(ctx, &w.record.Operation, Event{
				Step: RevokingCandidate, Outcome: failure.outcome(), Token: &azuredevops.Token{AuthorizationID: authorizationID}, Failure: failure,
			})
			return err
		}
		return w.report(ctx, w.record, func(r *record) error { return r.moveToRevoked(authorizationID) })
	})
}

// dropFoundOut takes from the candidates what other operations are known to have made by now.
func (w *work) dropFoundOut(ctx context.Context) error {
	ours, err := w.resultsOfOthers(ctx)
	if err != nil {
		return err
	}
	found := func(t azuredevops.Token) bool { return slices.Contains(ours, t.AuthorizationID) }
	if !slices.ContainsFunc(w.record.Candidates, found) {
		return nil
	}
	return w.change(ctx, w.record, func(r *record) error {
		r.Candidates = slices.DeleteFunc(r.Candidates, found)
		return nil
	})
}

func (r *record) moveToRevoked(authorizationID string) error {
	i := slices.IndexFunc(r.Candidates, func(t azuredevops.Token) bool { return t.AuthorizationID == authorizationID })
	if i < 0 {
		return errUnchanged
	}
	r.Revoked = append(r.Revoked, r.Candidates[i])
	r.Candidates = slices.Delete(r.Candidates, i, i+1)
	r.OrphanRevoked = r.OrphanRevoked || r.resultID() == authorizationID
	return nil
}
