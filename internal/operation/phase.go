package operation

import "github.com/patdesk/patdesk/internal/failure"

// Phase is where an operation stands, in one word: the one thing that lists, banners, pages and batches switch on.
type Phase string

// An operation is in exactly one phase. What is beside it (a rotation's old token, whether the person has dismissed it)
// has members and methods of its own.
const (
	PhaseUnderWay Phase = "underWay"
	PhaseFailed   Phase = "failed" // definitely not done

	// Of unknown outcome:

	PhaseInDoubt      Phase = "inDoubt"      // nothing was found yet, and something may still turn up
	PhaseFound        Phase = "found"        // there are Candidates
	PhaseNothingFound Phase = "nothingFound" // and nothing can turn up any more
	PhaseCleared      Phase = "cleared"      // all that was found is revoked, and nothing more can turn up
	PhaseUnreadable   Phase = "unreadable"   // it is recorded, and no more is known

	// Done, with a token that was made:

	PhaseShowOnce      Phase = "showOnce"      // its secret is in this answer only, see Operation.Unkept
	PhaseDelivering    Phase = "delivering"    // its secret is being put into a vault
	PhaseUndelivered   Phase = "undelivered"   // its secret isn't known to be in the vault that it is for, and isn't shown either
	PhaseSecretWaiting Phase = "secretWaiting" // to be saved
	PhaseSecretExpired Phase = "secretExpired" // its display time ended before it was saved
	PhaseSecretUnkept  Phase = "secretUnkept"  // it could be shown once only, and was
	PhaseOrphaned      Phase = "orphaned"      // its secret is lost, and the token may still be active
	PhaseTakenBack     Phase = "takenBack"     // its secret was lost, and therefore the token was revoked

	// Done:

	PhaseScheduled       Phase = "scheduled"       // a rotation whose old token is to be revoked by itself, at RevokeAt
	PhaseMissed          Phase = "missed"          // it was, and it is too late: it is still to be revoked, or kept
	PhaseHalfWay         Phase = "halfWay"         // a rotation whose old token is still to be revoked, or kept
	PhasePreviousEnabled Phase = "previousEnabled" // a rotation whose old token is revoked, and its secret's version in the vault is still to be disabled
	PhaseDone            Phase = "done"
)

// Phase is where an operation stands that the Journal returned: in a record as it is stored a secret doesn't expire.
func (o *Operation) Phase() Phase {
	switch {
	case o.State == Sent:
		return PhaseUnderWay
	case o.State == Unknown, o.Doubtful:
		return o.unknownPhase()
	case o.State == Failed:
		return PhaseFailed
	case o.Unkept != "":
		return PhaseShowOnce
	case o.OrphanRevoked:
		return PhaseTakenBack
	}
	switch o.Secret {
	case SecretWaiting:
		switch {
		case o.delivering():
			return PhaseDelivering
		case o.hidden():
			return PhaseUndelivered
		}
		return PhaseSecretWaiting
	case SecretExpired:
		return PhaseSecretExpired
	case SecretUnkept:
		if o.Shown {
			return PhaseSecretUnkept
		}
		return PhaseOrphaned
	}
	switch {
	case o.Scheduled():
		return PhaseScheduled
	case o.Missed:
		return PhaseMissed
	case o.OldOpen():
		return PhaseHalfWay
	case o.PreviousOpen():
		return PhasePreviousEnabled
	}
	return PhaseDone
}

func (o *Operation) unknownPhase() Phase {
	switch {
	case o.Failure != nil && o.Failure.Kind == failure.Unreadable:
		return PhaseUnreadable
	case len(o.Candidates) > 0:
		return PhaseFound
	case !o.concluded():
		return PhaseInDoubt
	case len(o.Revoked) > 0:
		return PhaseCleared
	}
	return PhaseNothingFound
}

// Unknown reports whether the change may have been done, and it isn't known whether it was.
func (p Phase) Unknown() bool {
	switch p {
	case PhaseInDoubt, PhaseFound, PhaseNothingFound, PhaseCleared, PhaseUnreadable:
		return true
	}
	return false
}

// NotDone reports whether the change was definitely not done, or was taken back as its secret was lost.
func (p Phase) NotDone() bool { return p == PhaseFailed || p == PhaseTakenBack }

// OldLeft reports whether all that is left of a rotation is its old token, to be revoked or kept.
func (p Phase) OldLeft() bool { return p == PhaseHalfWay || p == PhaseScheduled || p == PhaseMissed }

// Pending reports whether the operation still needs the person: it is in progress, its outcome is unknown, its secret
// was not said to be saved, or a rotation's old token is still alive, or its version in the vault still to be disabled.
func (o *Operation) Pending() bool {
	switch o.Phase() {
	case PhaseUnderWay, PhaseHalfWay, PhaseScheduled, PhaseMissed:
		return true
	case PhaseInDoubt, PhaseFound, PhaseNothingFound, PhaseUnreadable, PhasePreviousEnabled:
		return !o.Dismissed
	case PhaseFailed, PhaseCleared, PhaseDone:
		return false
	}
	return o.secretOpen() && !o.Dismissed && !o.cleared() || o.OldOpen()
}
