// Package batch is the changes of many tokens at once: planned, confirmed, and carried out as one operation for each
// token. What belongs here is everything about "all of these" that isn't about one of them; whether a change was done
// is a matter of internal/operation.
package batch

import (
	"slices"
	"time"

	"github.com/patdesk/patdesk/internal/azuredevops"
	"github.com/patdesk/patdesk/internal/failure"
	"github.com/patdesk/patdesk/internal/formid"
	"github.com/patdesk/patdesk/internal/operation"
	"github.com/patdesk/patdesk/internal/session"
)

const (
	// Max is how many tokens one batch takes: what a person can still read before confirming it, and what a record can
	// hold (see session.MaxValue).
	Max = operation.MostTogether

	// planLife is how long a batch is kept that isn't confirmed. The forms of its operations are drawn with it.
	planLife = 2 * time.Hour
	// life is how long a batch is kept from when it was last set going. It must stay below operation.FinishedLife, so
	// that each of its operations outlives it: an operation that is gone would look like one that was never begun.
	life = operation.FinishedLife - 24*time.Hour

	kindBatch = "batch"
	kindOpen  = "openbatch"
)

// Batch is one change of many tokens: the parent of one operation for each. It holds what was confirmed and what the
// person decided since; how each token stands is never written here but read from its operation.
type Batch struct {
	ID      string           `json:"ID"`
	Person  string           `json:"Person"`
	Action  operation.Action `json:"Action"` // Update: a later expiry
	Planned time.Time        `json:"Planned"`
	Started time.Time        `json:"Started"` // zero: not confirmed yet
	Content string           `json:"Content"` // of the form that confirmed it
	From    string           `json:"From"`    // where its tokens were chosen, for the way back; without meaning here
	Asked   operation.Origin `json:"Asked"`   // where it was confirmed
	Items   []Item           `json:"Items"`
	LeftOut []LeftOut        `json:"LeftOut"`

	RevokeAtOnce bool `json:"RevokeAtOnce,omitempty"` // rotate: each old token, as soon as its new secret is in its vault

	Working   bool                       `json:"Working"`   // a run is under way, or its process died in the middle: see Running
	Ended     time.Time                  `json:"Ended"`     // of the last run
	Stopped   bool                       `json:"Stopped"`   // the person wants nothing more to be begun
	Halt      *failure.Failure           `json:"Halt"`      // why the last run begins nothing more
	Halted    map[string]failure.Failure `json:"Halted"`    // why it begins nothing more in an organization, by its name in lower case
	Resting   map[string]time.Time       `json:"Resting"`   // until when it leaves an organization alone, as the service asked
	Dismissed bool                       `json:"Dismissed"` // what isn't begun or has failed is to stay so
	Tally     Tally                      `json:"Tally"`     // when the last run ended

	Running bool `json:"-"` // a process is at work on it
}

// Item is one token of a batch.
type Item struct {
	Organization string            `json:"Organization"`
	Before       azuredevops.Token `json:"Before"`
	ValidTo      time.Time         `json:"ValidTo"`           // wanted; rotate, update
	Life         time.Duration     `json:"Life,omitempty"`    // rotate: what "as long as before" gives it; 0: not noted
	Into         *operation.Into   `json:"Into,omitempty"`    // rotate: where the new secret is put (Secret, Unseen, DisableOld); nil: into no vault
	Form         string            `json:"Form"`              // of its operation; a new one for each try
	RevokeOld    bool              `json:"Retire"`            // rotate: the old token is to be revoked
	Deliver      bool              `json:"Deliver,omitempty"` // rotate: the new secret is to be put into its vault, which has failed
	Already      bool              `json:"Already"`           // revoke: it was no longer active before

	Operation *operation.Operation `json:"-"` // nil: not begun
}

// LeftOut is a token that was chosen and that nothing is done to.
type LeftOut struct {
	Organization string            `json:"Organization"`
	Token        azuredevops.Token `json:"Token"`
	Reason       string            `json:"Reason"` // see the handlers: this package doesn't judge it
}

// Tally counts a batch's tokens by how they stand.
type Tally struct {
	Done     int `json:"Done"`    // succeeded
	Failed   int `json:"Failed"`  // definitely not done
	Unknown  int `json:"Unknown"` // may have been done
	Doing    int `json:"Doing"`   // in progress
	NotBegun int `json:"NotBegun"`
	Secrets  int `json:"Secrets"`  // of Done: with a secret that waits to be saved
	OldAlive int `json:"OldAlive"` // of Done: with an old token to be revoked

	Delivered   int `json:"Delivered,omitempty"`   // of Done: with a secret that is in its vault
	Undelivered int `json:"Undelivered,omitempty"` // of Done: with a secret that is for a vault, isn't there as far as is known, and waits to be tried again or shown
}

// Summary is what a banner says of a batch that still needs the person.
type Summary struct {
	ID      string           `json:"ID"`
	Action  operation.Action `json:"Action"`
	Count   int              `json:"Count"`
	Started time.Time        `json:"Started"`
	Working bool             `json:"Working"`
	Running bool             `json:"-"`
}

func key(person, id string) session.Key {
	return session.Key{Kind: kindBatch, Group: person, ID: id}
}

func openKey(person, id string) session.Key {
	return session.Key{Kind: kindOpen, Group: person, ID: id}
}

func (b *Batch) key() session.Key { return key(b.Person, b.ID) }

// operationID is the ID of the item's operation, begun or not.
func (i *Item) operationID() string {
	id, _ := formid.Name(i.Form)
	return id
}

// target is what the item's form is bound to.
func (i *Item) target() string { return i.Organization + "/" + i.Before.AuthorizationID }

// purpose is what a form that confirms a batch is drawn for; its target is the batch's ID.
func purpose(a operation.Action) string { return "batch " + string(a) }

// Phase is where the item's operation stands; "" if it isn't begun.
func (i *Item) Phase() operation.Phase {
	if i.Operation == nil {
		return ""
	}
	return i.Operation.Phase()
}

// Count counts the batch's items by how their operations stand.
func (b *Batch) Count() (t Tally) {
	for i := range b.Items {
		switch phase := b.Items[i].Phase(); {
		case phase == "":
			t.NotBegun++
		case phase == operation.PhaseUnderWay, phase == operation.PhaseDelivering:
			t.Doing++
		case phase.NotDone():
			t.Failed++
		case phase.Unknown(), phase == operation.PhaseOrphaned:
			t.Unknown++
		default:
			t.Done++
			if phase == operation.PhaseSecretWaiting {
				t.Secrets++
			}
			if phase == operation.PhaseUndelivered {
				t.Undelivered++
			}
			if b.Items[i].Operation.OldOpen() {
				t.OldAlive++
			}
			if into := b.Items[i].Operation.Into; into != nil && into.State == operation.IntoWritten {
				t.Delivered++
			}
		}
	}
	return t
}

// Interrupted reports whether the process that ran the batch was stopped.
func (b *Batch) Interrupted() bool {
	return b.Halt != nil && b.Halt.Source == failure.SourceOperation && b.Halt.Kind == failure.Interrupted
}

// open reports whether the batch still needs the person.
func (b *Batch) open() bool {
	if b.Running {
		return true
	}
	if b.Started.IsZero() || b.Dismissed {
		return false
	}
	return slices.ContainsFunc(b.Items, func(i Item) bool {
		return i.Operation == nil || i.Phase().NotDone() || i.Operation.Pending()
	})
}

// MayRetry reports whether the item's operation may be tried once more: it was definitely not done; or it is unknown,
// and doing it twice has no other effect than doing it once, or nothing was found that it has made.
func (i *Item) MayRetry() bool {
	switch i.Phase() {
	case operation.PhaseFailed, operation.PhaseTakenBack:
		return true
	case operation.PhaseInDoubt, operation.PhaseFound:
		return !i.Operation.Dismissed && !i.Operation.Makes()
	case operation.PhaseNothingFound, operation.PhaseCleared:
		return !i.Operation.Dismissed
	}
	return false
}
