package operation_test

import (
	"testing"
	"time"

	"github.com/patdesk/patdesk/internal/azuredevops"
	"github.com/patdesk/patdesk/internal/failure"
	"github.com/patdesk/patdesk/internal/operation"
)

// phased are the members of an operation that decide its phase. Reconciled is given with LookUntil, as this release
// records it.
type phased struct {
	state                             operation.State
	found, revoked, reconciled        bool
	secret                            operation.SecretState
	shown, takenBack, halfWay, unkept bool
	oldRevoked                        bool
	into                              *operation.Into
}

func (p phased) operation() *operation.Operation {
	one := []azuredevops.Token{{AuthorizationID: "a"}}
	op := &operation.Operation{
		Into: p.into, State: p.state, Secret: p.secret, Reconciled: p.reconciled, Shown: p.shown, OrphanRevoked: p.takenBack, LookUntil: time.Unix(1, 0),
	}
	if p.found {
		op.Candidates = one
	}
	if p.revoked {
		op.Revoked = one
	}
	if p.halfWay {
		op.Old = operation.OldAlive
	}
	if p.oldRevoked && !p.halfWay {
		op.Old = operation.OldRevoked
	}
	if p.unkept {
		op.Unkept = canary
	}
	return op
}

var allInto = []*operation.Into{
	nil, {State: operation.IntoPending}, {State: operation.IntoWritten}, {State: operation.IntoFailed},
	{State: operation.IntoWritten, DisableOld: true, Previous: "p"}, {State: operation.IntoWritten, DisableOld: true, Previous: "p", Disabled: true},
	{State: operation.IntoPending, Unseen: true}, {State: operation.IntoWritten, Unseen: true}, {State: operation.IntoFailed, Unseen: true},
}

// allPhased are all combinations.
func allPhased() (all []phased) {
	for _, state := range operation.States() {
		for _, secret := range []operation.SecretState{
			operation.SecretNone, operation.SecretWaiting, operation.SecretSaved, operation.SecretExpired, operation.SecretUnkept, operation.SecretDelivered,
		} {
			for bits := range 1 << 8 {
				is := func(bit int) bool { return bits>>bit&1 == 1 }
				for _, into := range allInto {
					all = append(all, phased{state, is(0), is(1), is(2), secret, is(3), is(4), is(5), is(6), is(7), into})
				}
			}
		}
	}
	return all
}

// phaseRules say when an operation is in a phase, the first that fits; and whether it needs the person then.
var phaseRules = []struct {
	phase   operation.Phase
	fits    func(p phased) bool
	pending func(p phased) bool // nil: never
}{
	{operation.PhaseUnderWay, func(p phased) bool { return p.state == operation.Sent }, always},
	{operation.PhaseFailed, func(p phased) bool { return p.state == operation.Failed }, nil},
	{operation.PhaseFound, func(p phased) bool { return p.state == operation.Unknown && p.found }, always},
	{operation.PhaseInDoubt, func(p phased) bool { return p.state == operation.Unknown && !p.reconciled }, always},
	{operation.PhaseCleared, func(p phased) bool { return p.state == operation.Unknown && p.revoked }, nil},
	{operation.PhaseNothingFound, func(p phased) bool { return p.state == operation.Unknown }, always},
	{operation.PhaseShowOnce, func(p phased) bool { return p.unkept }, unlessSettled},
	{operation.PhaseTakenBack, func(p phased) bool { return p.takenBack }, unlessSettled},
	{operation.PhaseDelivering, func(p phased) bool {
		return p.secret == operation.SecretWaiting && p.into != nil && p.into.State == operation.IntoPending
	}, unlessSettled},
	{operation.PhaseUndelivered, func(p phased) bool {
		return p.secret == operation.SecretWaiting && p.into != nil && p.into.Unseen && p.into.State == operation.IntoFailed
	}, unlessSettled},
	{operation.PhaseSecretWaiting, func(p phased) bool { return p.secret == operation.SecretWaiting }, unlessSettled},
	{operation.PhaseSecretExpired, func(p phased) bool { return p.secret == operation.SecretExpired }, unlessSettled},
	{operation.PhaseSecretUnkept, func(p phased) bool { return p.secret == operation.SecretUnkept && p.shown }, unlessSettled},
	{operation.PhaseOrphaned, func(p phased) bool { return p.secret == operation.SecretUnkept }, unlessSettled},
	{operation.PhaseHalfWay, func(p phased) bool { return p.halfWay }, always},
	{operation.PhasePreviousEnabled, func(p phased) bool {
		return p.oldRevoked && p.into != nil && p.into.State == operation.IntoWritten && p.into.DisableOld && !p.into.Disabled
	}, always},
	{operation.PhaseDone, always, nil},
}

func always(phased) bool { return true }

// unlessSettled: a secret is saved, or its token revoked; and no old token is left.
func unlessSettled(p phased) bool {
	open := p.secret != operation.SecretNone && p.secret != operation.SecretSaved && p.secret != operation.SecretDelivered
	return p.halfWay || open && (p.found || !p.revoked)
}

func TestPhase(t *testing.T) {
	t.Parallel()
	seen := map[operation.Phase]bool{}
	for _, p := range allPhased() {
		for _, rule := range phaseRules {
			if !rule.fits(p) {
				continue
			}
			seen[rule.phase] = true
			op := p.operation()
			if got := op.Phase(); got != rule.phase {
				t.Fatalf("%+v: %s, want %s", p, got, rule.phase)
			}
			if want := rule.pending != nil && rule.pending(p); op.Pending() != want {
				t.Errorf("%+v (%s): pending %t", p, rule.phase, op.Pending())
			}
			if unknown := p.state == operation.Unknown; op.Phase().Unknown() != unknown {
				t.Errorf("%+v (%s): unknown %t", p, rule.phase, op.Phase().Unknown())
			}
			if notDone := p.state == operation.Failed || rule.phase == operation.PhaseTakenBack; op.Phase().NotDone() != notDone {
				t.Errorf("%+v (%s): not done %t", p, rule.phase, op.Phase().NotDone())
			}
			break
		}
	}
	if len(seen) != len(phaseRules) {
		t.Errorf("%d of %d phases can be reached", len(seen), len(phaseRules))
	}
	unreadable := &operation.Operation{State: operation.Unknown, Failure: &failure.Failure{Kind: failure.Unreadable}}
	if unreadable.Phase() != operation.PhaseUnreadable || !unreadable.Phase().Unknown() || !unreadable.Pending() {
		t.Errorf("unreadable: %s", unreadable.Phase())
	}
}

// What the first release wrote of a refusal in doubt is unknown, and one look of it wasn't enough.
func TestPhaseOfEarlierReleases(t *testing.T) {
	t.Parallel()
	for _, op := range []*operation.Operation{
		{State: operation.Failed, Doubtful: true},
		{State: operation.Unknown, Reconciled: true},
	} {
		if op.Phase() != operation.PhaseInDoubt || !op.Pending() {
			t.Errorf("%+v: %s, pending %t", op, op.Phase(), op.Pending())
		}
	}
}
