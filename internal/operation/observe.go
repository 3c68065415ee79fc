package operation

import (
	"context"

	"github.com/patdesk/patdesk/internal/azuredevops"
	"github.com/patdesk/patdesk/internal/failure"
)

// Origin is where a person asked from.
type Origin struct {
	Address string `json:"Address"`
	Browser string `json:"Browser"`
}

// Step is what an Event is about: one of the Actions, or what follows one.
type Step string

// What can happen to an operation besides its Action being carried out.
const (
	RevokingOld       Step = "revoke-old"       // the second half of a rotation
	KeepingOld        Step = "keep-old"         // the person leaves the old token alive
	Reconciling       Step = "reconcile"        // looked for what an unknown outcome has done; how it went is another event
	RevokingCandidate Step = "revoke-candidate" // a token that the operation may have made
	RevokingOrphan    Step = "revoke-orphan"    // a token whose secret could be neither kept nor shown
	ShowingSecret     Step = "show-secret"
	SavingSecret      Step = "save-secret"      // "I have saved it"
	WritingVault      Step = "write-vault"      // a new secret is put into a vault
	DisablingPrevious Step = "disable-previous" // the version there that holds a revoked token's secret
	Dismissing        Step = "dismiss"
)

// Outcome is how a Step went.
type Outcome string

// "Sent" is recorded before anything is sent; one of the others follows, if the program lives.
const (
	WasSent    Outcome = "sent"
	WasDone    Outcome = "done"
	WasRefused Outcome = "refused" // definitely not done; Failure says why
	IsUnknown  Outcome = "unknown" // may have been done
)

// Event is something that happened to an operation, for an audit trail. It holds no secret.
type Event struct {
	Operation *Operation // as it stands after that
	Step      Step
	Outcome   Outcome
	Token     *azuredevops.Token // the one that it happened to; nil: the one that was to be made
	Failure   *failure.Failure
	Late      bool // the outcome was reported otherwise before
	Found     int  // Reconciling: tokens that fit
}

// observe reports to the observer what has changed between two states of an operation. It is called wherever one was
// written, so that nothing can be changed past it. before is nil if there was none.
func (s *store) observe(ctx context.Context, before, after *Operation) {
	for _, e := range between(before, after) {
		s.emit(ctx, after, e)
	}
}

func (s *store) emit(ctx context.Context, o *Operation, e Event) {
	if s.options.Observe == nil {
		return
	}
	e.Operation = o.clone()
	e.Operation.Unkept = ""
	s.options.Observe(ctx, e)
}

// between lists what happened between two states.
func between(before, after *Operation) (events []Event) {
	if before == nil {
		return append(events, Event{Step: Step(after.Action), Outcome: WasSent, Token: after.Before})
	}
	if before.State != after.State {
		events = append(events, Event{
			Step: Step(after.Action), Outcome: after.Phase().outcome(), Token: after.subject(), Failure: after.Failure, Late: before.State != Sent,
		})
	}
	if settled, found := !before.Reconciled && after.Reconciled, len(after.Candidates) > len(before.Candidates); after.State == Unknown && len(after.Revoked) == len(before.Revoked) &&
		(settled || found && before.State == Unknown) {
		events = append(events, Event{
			Step: Reconciling, Outcome: IsUnknown, Token: after.Before, Found: len(after.Candidates), Late: found && before.Looks > 0,
		})
	}
	if before.Old != after.Old {
		events = append(events, oldEvents[after.Old](after)...)
	}
	for _, t := range after.Revoked[min(len(before.Revoked), len(after.Revoked)):] {
		events = append(events, Event{Step: RevokingCandidate, Outcome: WasDone, Token: &t})
	}
	switch orphaned := after.Secret == SecretUnkept && len(before.Candidates) == 0 && len(after.Candidates) > 0; {
	case !before.OrphanRevoked && after.OrphanRevoked && len(after.Revoked) == len(before.Revoked):
		events = append(events, Event{Step: RevokingOrphan, Outcome: WasDone, Token: after.Result})
	case orphaned:
		events = append(events, Event{Step: RevokingOrphan, Outcome: IsUnknown, Token: after.Result})
	}
	if before.Secret != after.Secret && after.Secret == SecretSaved {
		events = append(events, Event{Step: SavingSecret, Outcome: WasDone, Token: after.Result})
	}
	events = append(events, vaultEvents(before, after)...)
	if !before.Dismissed && after.Dismissed {
		events = append(events, Event{Step: Dismissing, Outcome: WasDone, Token: after.subject()})
	}
	return events
}

// vaultEvents report how far a secret is on its way into a vault.
func vaultEvents(before, after *Operation) (events []Event) {
	if after.Into == nil || after.State != Succeeded {
		return nil
	}
	was, is := &Into{}, after.Into
	if before.Into != nil && before.State == Succeeded {
		was = before.Into
	}
	if was.State != is.State {
		e := Event{Step: WritingVault, Outcome: WasDone, Token: after.Result, Failure: is.Failure}
		switch {
		case is.State == IntoPending:
			e.Outcome = WasSent
		case is.State == IntoFailed && is.Failure != nil && is.Failure.Unknown:
			e.Outcome = IsUnknown
		case is.State == IntoFailed:
			e.Outcome = WasRefused
		}
		events = append(events, e)
	}
	switch {
	case !was.Disabled && is.Disabled:
		events = append(events, Event{Step: DisablingPrevious, Outcome: WasDone, Token: after.Before})
	case is.DisableFailure != nil && (was.DisableFailure == nil || *was.DisableFailure != *is.DisableFailure):
		events = append(events, Event{Step: DisablingPrevious, Outcome: WasRefused, Token: after.Before, Failure: is.DisableFailure})
	}
	return events
}

func (p Phase) outcome() Outcome {
	switch {
	case p == PhaseUnderWay:
		return WasSent
	case p == PhaseFailed:
		return WasRefused
	case p.Unknown():
		return IsUnknown
	}
	return WasDone
}

// oldEvents report how far a rotation is with its old token. That it is alive goes without saying.
var oldEvents = map[OldState]func(o *Operation) []Event{
	OldNone:  func(*Operation) []Event { return nil },
	OldAlive: func(*Operation) []Event { return nil },
	OldSent:  func(o *Operation) []Event { return []Event{{Step: RevokingOld, Outcome: WasSent, Token: o.Before}} },
	OldFailed: func(o *Operation) []Event {
		return []Event{{Step: RevokingOld, Outcome: outcomeOf(o.OldFailure), Token: o.Before, Failure: o.OldFailure}}
	},
	OldRevoked: func(o *Operation) []Event { return []Event{{Step: RevokingOld, Outcome: WasDone, Token: o.Before}} },
	OldKept:    func(o *Operation) []Event { return []Event{{Step: KeepingOld, Outcome: WasDone, Token: o.Before}} },
}

// outcomeOf a call that failed so: without a refusal that is certainly the service's own it isn't known.
func outcomeOf(f *failure.Failure) Outcome {
	if f.Certain() {
		return WasRefused
	}
	return IsUnknown
}

// subject is the token that an operation is about, as far as there is one.
func (o *Operation) subject() *azuredevops.Token {
	if o.Result != nil {
		return o.Result
	}
	return o.Before
}
