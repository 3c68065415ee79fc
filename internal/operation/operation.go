package operation

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/patdesk/patdesk/internal/azuredevops"
	"github.com/patdesk/patdesk/internal/failure"
)

// Action is what a person asked for.
type Action string

// What can be done with a token.
const (
	Create Action = "create"
	Update Action = "update"
	Revoke Action = "revoke"
	Rotate Action = "rotate"
)

// Actions returns all of them.
func Actions() []Action { return []Action{Create, Update, Revoke, Rotate} }

// State says how far an operation is, and never more than is known.
type State string

// From Sent an operation goes to one of the others; from Unknown, once it is seen what happened, to Succeeded or
// Failed.
const (
	Sent      State = "sent"      // recorded, and perhaps sent: in progress
	Succeeded State = "succeeded" // done
	Failed    State = "failed"    // definitely not done
	Unknown   State = "unknown"   // may have been done
)

// States returns all of them.
func States() []State { return []State{Sent, Succeeded, Failed, Unknown} }

// SecretState says where a created secret is.
type SecretState string

// A secret is waiting or unkept first; SecretExpired is a matter of the clock and never stored.
const (
	SecretNone      SecretState = ""
	SecretWaiting   SecretState = "waiting"   // kept, to be shown until SecretUntil
	SecretSaved     SecretState = "saved"     // "I have saved it"
	SecretExpired   SecretState = "expired"   // display time over without acknowledgement
	SecretDelivered SecretState = "delivered" // put into a vault, and kept no more
	SecretUnkept    SecretState = "unkept"    // could not be kept: in the answer to its form only (see Shown), or the token was revoked
)

// OldState says how far a rotation is with the old token.
type OldState string

// A rotation's old token is alive from the success on, until it is revoked or the person decides to keep it.
const (
	OldNone    OldState = ""        // untouched: no rotation, or none that made a usable new token
	OldAlive   OldState = "alive"   // still active; to be revoked when the new one is in place
	OldSent    OldState = "sent"    // being revoked; or its worker died, and it isn't known how that went
	OldFailed  OldState = "failed"  // revoking failed; still active as far as we know
	OldRevoked OldState = "revoked" // revoked, or no longer active for another reason
	OldKept    OldState = "kept"    // dismissed by the person: left alive on purpose
)

// Operation is one change that a person asked for.
type Operation struct {
	ID            string              `json:"ID"`
	Person        string              `json:"Person"`
	Action        Action              `json:"Action"`
	State         State               `json:"State"`
	Organization  string              `json:"Organization"`
	From          Origin              `json:"From"`
	Want          azuredevops.Wanted  `json:"Want"`
	Before        *azuredevops.Token  `json:"Before"`  // update, revoke, rotate: the token as it was
	Result        *azuredevops.Token  `json:"Result"`  // as the service returned it
	Failure       *failure.Failure    `json:"Failure"` // of Failed and Unknown
	Started       time.Time           `json:"Started"`
	Finished      time.Time           `json:"Finished"`
	Secret        SecretState         `json:"Secret"`
	SecretUntil   time.Time           `json:"SecretUntil"`
	RevokeAtOnce  bool                `json:"RevokeAtOnce"`      // rotate
	RevokeAt      time.Time           `json:"RevokeAt,omitzero"` // rotate: when the old token is to be revoked by itself; zero: it isn't
	Old           OldState            `json:"Old"`
	OldFailure    *failure.Failure    `json:"OldFailure"`
	Candidates    []azuredevops.Token `json:"Candidates"`      // tokens to be revoked by the person: those that an Unknown create may have made, or an orphan
	Revoked       []azuredevops.Token `json:"Revoked"`         // former Candidates that the person revoked
	Reconciled    bool                `json:"Reconciled"`      // looked for until nothing more could turn up, and the answer was complete
	Shown         bool                `json:"Shown,omitempty"` // an unkept secret was written to a browser
	OrphanRevoked bool                `json:"OrphanRevoked"`   // the secret couldn't be kept nor shown, so the new token was revoked
	Doubtful      bool                `json:"Doubtful"`        // recorded by earlier releases only, of a Failed creation: its outcome is unknown
	Dismissed     bool                `json:"Dismissed"`
	Batch         string              `json:"Batch,omitempty"` // ID of the batch that it is a part of, "" if it is none's
	Into          *Into               `json:"Into,omitempty"`  // create, rotate: the vault that the secret is put into; nil: none

	LookUntil time.Time `json:"LookUntil,omitzero"` // until then something of what was sent may turn up (doubt.go)
	NextLook  time.Time `json:"NextLook,omitzero"`  // when it is looked again
	Looks     int       `json:"Looks,omitempty"`    // how often it was looked
	Ours      bool      `json:"Ours,omitempty"`     // among the candidates there is most likely what the change has made
	Revoking  []string  `json:"Revoking,omitempty"` // authorizationIds of Candidates that are to be revoked, and may not be yet

	Missed bool   `json:"-"` // the old token was to be revoked at RevokeAt, and it is too late for that
	Unkept string `json:"-"` // the secret, when it (or its record) could not be kept: show it now, in this answer
}

// Undecided reports whether it isn't known yet if something came of it, and may still be seen. Reconcile looks.
func (o *Operation) Undecided() bool {
	return !o.Dismissed && (o.Doubtful || o.State == Unknown && !o.concluded())
}

// concluded reports whether nothing more of an unknown outcome can turn up. A release that didn't know LookUntil took
// one look for enough; what it has recorded is looked at again.
func (o *Operation) concluded() bool { return o.Reconciled && (!o.LookUntil.IsZero() || o.cleared()) }

// OldOpen reports whether it is still to be settled what becomes of a rotation's old token.
func (o *Operation) OldOpen() bool {
	return o.Old == OldAlive || o.Old == OldSent || o.Old == OldFailed
}

// EndsSooner reports of a rotation that its new token ends before the old one would, or that its end isn't known. Then
// the old one is never revoked by itself: its owner is asked.
func (o *Operation) EndsSooner() bool {
	if o.Action != Rotate || o.Before == nil || o.Result == nil {
		return false
	}
	return Sooner(o.Result.ValidTo, o.Before.Ends())
}

// Sooner reports that a new token's end is before the one of the token that it replaces.
func Sooner(end, old time.Time) bool { return end.Before(old.Add(-exactly)) }

// secretOpen: the person hasn't said yet what became of the secret.
func (o *Operation) secretOpen() bool {
	return o.Secret == SecretWaiting || o.Secret == SecretExpired || o.Secret == SecretUnkept
}

// beingSettled: it is orphaned, and its worker, if that lives, waits for an answer to be written or revokes the token.
func (o *Operation) beingSettled() bool {
	return o.Phase() == PhaseOrphaned && !o.Dismissed && len(o.Candidates)+len(o.Revoked) == 0
}

// cleared: all tokens that the operation made, or may have made, without a secret in anybody's hands were revoked.
func (o *Operation) cleared() bool { return len(o.Revoked) > 0 && len(o.Candidates) == 0 }

// Makes reports whether a success makes a token, with a secret.
func (o *Operation) Makes() bool { return o.Action == Create || o.Action == Rotate }

// at is a copy of the operation as it stands at now: whether a secret's time is over is a matter of the clock alone.
func (o *Operation) at(now time.Time) *Operation {
	c := o.clone()
	if c.Secret == SecretWaiting && !now.Before(c.SecretUntil) {
		c.Secret = SecretExpired
		if c.Into != nil && c.Into.State == IntoWritten { // it was shown beside that, and nothing is lost
			c.Secret = SecretDelivered
		}
	}
	c.Missed = c.Scheduled() && !now.Before(c.RevokeAt.Add(lateRevoke))
	if c.Doubtful {
		c.State, c.Doubtful = Unknown, false
	}
	if c.State == Unknown {
		c.Reconciled = c.concluded()
	}
	if c.unsettled() {
		c.LookUntil = c.lookUntil()
	}
	c.Failure, c.OldFailure = c.Failure.In(c.Organization), c.OldFailure.In(c.Organization)
	if c.Into != nil {
		c.Into.Failure, c.Into.DisableFailure = c.Into.about(c.Into.Failure), c.Into.about(c.Into.DisableFailure)
	}
	return c
}

// clone is a copy that its reader may change.
func (o *Operation) clone() *Operation {
	c := *o
	if o.Into != nil {
		in := *o.Into
		c.Into = &in
	}
	c.Candidates, c.Revoked, c.Revoking = slices.Clone(o.Candidates), slices.Clone(o.Revoked), slices.Clone(o.Revoking)
	return &c
}

// Service is what an operation needs of the API; *azuredevops.Caller satisfies it. An error that is no
// *azuredevops.Error says that no access token could be had, so that nothing was sent.
type Service interface {
	List(ctx context.Context, organization string, s azuredevops.Status) ([]azuredevops.Token, error)
	Get(ctx context.Context, organization, authorizationID string) (azuredevops.Token, error)
	Create(ctx context.Context, organization string, w azuredevops.Wanted) (azuredevops.Token, string, error)
	Update(ctx context.Context, organization, authorizationID string, w azuredevops.Wanted) (azuredevops.Token, error)
	Revoke(ctx context.Context, organization, authorizationID string) error
}

// Errors of the Journal, with the HTTP status that fits each.
var (
	ErrChanged  = errors.New("operation: the form was sent before with other content")             // 422
	ErrNotKept  = errors.New("operation: the store could not record the intent; nothing was sent") // 503
	ErrNotFound = errors.New("operation: no such operation of this person")                        // 404

	// ErrUnreadable says that something is recorded that this program can't read: by a newer release, or under a key
	// that it doesn't have. It is an ErrNotFound too, as there is nothing to show; but what it is about may have been
	// done, is shown by a program that can read it, and is neither begun anew nor removed by this one.
	ErrUnreadable = fmt.Errorf("%w: it is recorded, but can't be read", ErrNotFound) // 503
)

// ErrStopping refuses new work during a graceful stop: nothing was sent. It is also an ErrNotKept (503).
var ErrStopping error = stoppingError{}

type stoppingError struct{}

func (stoppingError) Error() string { return "operation: the program is stopping; nothing was sent" }

// Is makes it an ErrNotKept too.
func (stoppingError) Is(target error) bool { return target == ErrNotKept }

// failureOf is err as it is recorded, and whether the change was definitely not done. What is no azuredevops.Error
// comes from getting an access token, before anything is sent (see Service); an ended context is taken for unknown all
// the same.
func failureOf(err error) (cause *failure.Failure, definite bool) {
	var e *azuredevops.Error
	if !errors.As(err, &e) && ended(err) {
		return &failure.Failure{Source: failure.SourceAzureDevOps, Kind: string(azuredevops.KindTimeout)}, false
	}
	return failure.Of(err), e == nil || !e.Unknown
}

// FailureOf is err as it is recorded.
func FailureOf(err error) *failure.Failure {
	cause, _ := failureOf(err)
	return cause
}

// ended reports whether a context ended.
func ended(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
}
