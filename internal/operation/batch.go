package operation

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/patdesk/patdesk/internal/azuredevops"
	"github.com/patdesk/patdesk/internal/failure"
	"github.com/patdesk/patdesk/internal/formid"
	"github.com/patdesk/patdesk/internal/session"
)

const (
	// MaxBatch is how many tokens one batch takes: what a person can still read before confirming it, and what a record
	// can hold (see session.MaxValue).
	MaxBatch = 500

	// planLife is how long a batch that nobody has confirmed is kept. The forms of its operations are drawn with it.
	planLife = 2 * time.Hour
	// batchLife is how long a batch is kept from when it was last set going. It must stay below finishedLife, so that each
	// of its operations outlives it: an operation that is gone would look like one that was never begun.
	batchLife = finishedLife - 24*time.Hour

	kindBatch     = "batch"
	kindOpenBatch = "openbatch"
)

// Batch is one change of many tokens: the parent of one operation for each. It holds what was confirmed and what the
// person decided since; how each token stands is never written here but read from its operation.
type Batch struct {
	ID      string      `json:"ID"`
	Person  string      `json:"Person"`
	Action  Action      `json:"Action"` // Update: a later expiry
	Planned time.Time   `json:"Planned"`
	Started time.Time   `json:"Started"` // zero: not confirmed yet
	Content string      `json:"Content"` // of the form that confirmed it
	From    string      `json:"From"`    // where its tokens were chosen, for the way back; without meaning here
	Asked   Origin      `json:"Asked"`   // where it was confirmed
	Items   []BatchItem `json:"Items"`
	LeftOut []LeftOut   `json:"LeftOut"`

	Working   bool                       `json:"Working"`   // a run is under way, or its process died in the middle: Running tells
	Ended     time.Time                  `json:"Ended"`     // of the last run
	Stopped   bool                       `json:"Stopped"`   // the person wants nothing more to be begun
	Halt      *failure.Failure           `json:"Halt"`      // why the last run begins nothing more
	Halted    map[string]failure.Failure `json:"Halted"`    // why it begins nothing more in an organization, by its name in lower case
	Resting   map[string]time.Time       `json:"Resting"`   // until when it leaves an organization alone, as the service asked
	Dismissed bool                       `json:"Dismissed"` // what isn't begun or has failed is to stay so
	Tally     Tally                      `json:"Tally"`     // when the last run ended

	Running bool `json:"-"` // a process is at work on it
}

// StoredVersion implements session.Versioned.
func (Batch) StoredVersion() int { return 1 }

// BatchItem is one token of a batch.
type BatchItem struct {
	Organization string            `json:"Organization"`
	Before       azuredevops.Token `json:"Before"`
	ValidTo      time.Time         `json:"ValidTo"` // wanted; rotate, update
	Form         string            `json:"Form"`    // of its operation; a new one for each try
	Retire       bool              `json:"Retire"`  // rotate: the old token is to be revoked
	Already      bool              `json:"Already"` // revoke: it was no longer active before

	Operation *Operation `json:"-"` // nil: not begun
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
}

// OpenBatch is a batch that still needs the person.
type OpenBatch struct {
	ID      string    `json:"ID"`
	Action  Action    `json:"Action"`
	Count   int       `json:"Count"`
	Started time.Time `json:"Started"`
	Working bool      `json:"Working"`
	Running bool      `json:"-"`
}

// StoredVersion implements session.Versioned.
func (OpenBatch) StoredVersion() int { return 1 }

func batchKey(person, id string) session.Key {
	return session.Key{Kind: kindBatch, Group: person, ID: id}
}

func openBatchKey(person, id string) session.Key {
	return session.Key{Kind: kindOpenBatch, Group: person, ID: id}
}

func (b *Batch) key() session.Key { return batchKey(b.Person, b.ID) }

// operationID is the ID of the item's operation, begun or not.
func (i *BatchItem) operationID() string {
	id, _ := formid.Name(i.Form)
	return id
}

// target is what the item's form is bound to.
func (i *BatchItem) target() string { return i.Organization + "/" + i.Before.AuthorizationID }

// BatchAction is what a form that confirms a batch is drawn for; its target is the batch's ID.
func BatchAction(a Action) Action { return "batch " + a }

// Count counts the batch's items by how their operations stand.
func (b *Batch) Count() (t Tally) {
	for i := range b.Items {
		op := b.Items[i].Operation
		if op == nil {
			t.NotBegun++
			continue
		}
		switch phase := op.Phase(); {
		case phase == PhaseUnderWay:
			t.Doing++
		case phase.NotDone():
			t.Failed++
		case phase.Unknown(), phase == PhaseOrphaned:
			t.Unknown++
		default:
			t.Done++
			if phase == PhaseSecretWaiting {
				t.Secrets++
			}
			if op.OldOpen() {
				t.OldAlive++
			}
		}
	}
	return t
}

// Interrupted says that the process that ran the batch was told to stop.
func (b *Batch) Interrupted() bool {
	return b.Halt != nil && b.Halt.Source == failure.SourceOperation && b.Halt.Kind == failure.Interrupted
}

// open says if the batch still needs the person.
func (b *Batch) open() bool {
	if b.Running {
		return true
	}
	if b.Started.IsZero() || b.Dismissed {
		return false
	}
	return slices.ContainsFunc(b.Items, func(i BatchItem) bool {
		return i.Operation == nil || i.Operation.Phase().NotDone() || i.Operation.Pending()
	})
}

// MayRetry says if the item's operation may be tried once more: it was definitely not done; or it is unknown, and doing it
// twice has no other effect than doing it once, or nothing was found that it has made.
func (i *BatchItem) MayRetry() bool {
	op := i.Operation
	if op == nil {
		return false
	}
	switch op.Phase() {
	case PhaseFailed, PhaseTakenBack:
		return true
	case PhaseInDoubt, PhaseFound:
		return !op.Dismissed && !op.makes()
	case PhaseNothingFound, PhaseCleared:
		return !op.Dismissed
	}
	return false
}

// PlanBatch records a batch for the person to confirm, and fills in what it needs to be carried out. Nothing is done yet.
// session.ErrTooLarge if it has more than a record can hold; session.ErrFull if too many others aren't finished.
func (j *Journal) PlanBatch(ctx context.Context, b *Batch) error {
	b.ID, b.Planned = formid.NewName(), j.options.Now()
	for i := range b.Items {
		b.Items[i].Form = j.Form(b.Person, b.Action, b.Items[i].target())
	}
	plan, err := json.Marshal(b)
	if err == nil && len(plan) > maxPlan {
		err = session.ErrTooLarge
	}
	if err != nil {
		return err
	}
	return j.keepPlan(ctx, b)
}

// StartBatch confirms a planned batch with a form that was drawn for it, and settle makes its items final. The same form
// again changes nothing. Errors: formid.ErrForged, formid.ErrStale, ErrChanged, ErrNotFound; ErrNotKept and session.ErrFull, with which nothing was begun.
func (j *Journal) StartBatch(ctx context.Context, person, id, form, content string, settle func(*Batch)) (*Batch, error) {
	release, err := j.records.Lock(ctx, plansKey(person))
	if err != nil {
		return nil, j.batchError(err)
	}
	defer release()
	planned, err := j.loadBatch(ctx, person, id)
	if err == nil && planned.Started.IsZero() {
		err = j.roomToStart(ctx, planned)
	}
	if err != nil {
		return nil, j.batchError(err)
	}
	var b Batch
	err = j.records.Change(ctx, batchKey(person, id), &b, j.options.Now().Add(batchLife), func() error {
		switch _, err := j.check(form, person, BatchAction(b.Action), id); {
		case err != nil:
			return err
		case b.Started.IsZero():
			b.Started, b.Content, b.Asked = j.options.Now(), content, j.options.Origin(ctx)
			settle(&b)
			return nil
		case b.Content != content:
			return ErrChanged
		}
		return errUnchanged
	})
	switch {
	case errors.Is(err, errUnchanged):
		return &b, nil
	case err != nil:
		return nil, j.batchError(err)
	}
	return &b, j.openBatch(ctx, &b, false)
}

// batchError is an error of the store as an error of the Journal.
func (j *Journal) batchError(err error) error {
	if errors.Is(err, session.ErrUnavailable) {
		return notKept(err)
	}
	return notFound(err)
}

// Batch returns a batch with its operations as they stand: ErrNotFound.
func (j *Journal) Batch(ctx context.Context, person, id string) (*Batch, error) {
	b, err := j.loadBatch(ctx, person, id)
	if err != nil {
		return nil, err
	}
	if err := j.loadItems(ctx, b); err != nil {
		return nil, err
	}
	if !b.Started.IsZero() && !b.open() {
		j.closeBatch(ctx, b)
	}
	return b, nil
}

func (j *Journal) loadBatch(ctx context.Context, person, id string) (*Batch, error) {
	var b Batch
	if err := j.records.Get(ctx, batchKey(person, id), &b); err != nil {
		return nil, notFound(err)
	}
	if !b.Working {
		return &b, nil
	}
	if b.Running = j.batchRuns(ctx, person, id); !b.Running { // its run may have ended since it was read
		var fresh Batch
		if err := j.records.Get(ctx, batchKey(person, id), &fresh); err != nil {
			return nil, notFound(err)
		}
		return &fresh, nil
	}
	return &b, nil
}

// loadItems reads the operations of all items of a batch that was started, together.
func (j *Journal) loadItems(ctx context.Context, b *Batch) error {
	if b.Started.IsZero() {
		return nil
	}
	items := make(map[string]*BatchItem, len(b.Items))
	for i := range b.Items {
		b.Items[i].Operation = nil
		items[b.Items[i].operationID()] = &b.Items[i]
	}
	var begun []*record
	err := j.records.EachOf(ctx, kindOperation, b.Person, slices.Collect(maps.Keys(items)), func(id string, decode func(any) error) error {
		var r record
		if decode(&r) == nil {
			begun = append(begun, &r)
		} else {
			items[id].Operation = b.unreadable(items[id])
		}
		return nil
	})
	for _, r := range begun {
		j.buryIfDead(ctx, r)
		if item := items[r.ID]; item != nil {
			item.Operation = r.at(j.options.Now())
		}
	}
	return err
}

// unreadable stands for an item's operation that is recorded and can't be read: it may have been done.
func (b *Batch) unreadable(item *BatchItem) *Operation {
	return &Operation{
		ID: item.operationID(), Person: b.Person, Action: b.Action, State: Unknown, Organization: item.Organization, Before: &item.Before,
		Started: b.Started, Batch: b.ID, Failure: &failure.Failure{Source: failure.SourceOperation, Kind: failure.Unreadable},
	}
}

// batchRuns says if a process holds the batch's lock. Whoever looks holds it for a moment, too; hence the second look.
func (j *Journal) batchRuns(ctx context.Context, person, id string) bool {
	j.mu.Lock()
	_, here := j.batches[flightKey(person, id)]
	j.mu.Unlock()
	if here {
		return true
	}
	for try := range 2 {
		release, ok, err := j.records.TryLock(ctx, batchKey(person, id))
		if err != nil {
			return false
		}
		if ok {
			release()
			return false
		}
		if try == 0 {
			pause(ctx, 30*time.Millisecond)
		}
	}
	return true
}

// OpenBatches returns the person's batches that aren't finished, newest first. It is made to run on every page view: it
// reads one small record for each.
func (j *Journal) OpenBatches(ctx context.Context, person string) (open []OpenBatch, err error) {
	err = j.records.Each(ctx, kindOpenBatch, person, func(_ string, decode func(any) error) error {
		var o OpenBatch
		if decode(&o) == nil {
			o.Running = o.Working && j.batchRuns(ctx, person, o.ID)
			open = append(open, o)
		}
		return nil
	})
	slices.SortFunc(open, func(a, b OpenBatch) int { return b.Started.Compare(a.Started) })
	return open, err
}

// RecentBatches returns the person's batches that were started, newest first, without their operations.
func (j *Journal) RecentBatches(ctx context.Context, person string) (all []Batch, err error) {
	err = j.records.Each(ctx, kindBatch, person, func(_ string, decode func(any) error) error {
		var b Batch
		if decode(&b) == nil && !b.Started.IsZero() {
			b.Running = b.Working && j.batchRuns(ctx, person, b.ID)
			all = append(all, b)
		}
		return nil
	})
	slices.SortFunc(all, func(a, b Batch) int { return b.Started.Compare(a.Started) })
	return all, err
}

// openBatch puts the batch on the list of those that need the person, or corrects what is said of it there.
func (j *Journal) openBatch(ctx context.Context, b *Batch, working bool) error {
	o := OpenBatch{ID: b.ID, Action: b.Action, Count: len(b.Items), Started: b.Started, Working: working}
	err := j.records.CreateAlways(ctx, openBatchKey(b.Person, b.ID), o, j.options.Now().Add(batchLife))
	if errors.Is(err, session.ErrExists) {
		var was OpenBatch
		err = j.records.Change(ctx, openBatchKey(b.Person, b.ID), &was, j.options.Now().Add(batchLife), func() error {
			if was == o {
				return errUnchanged
			}
			was = o
			return nil
		})
	}
	if err == nil || errors.Is(err, errUnchanged) || errors.Is(err, session.ErrNotFound) { // closed this moment: its run opens it
		return nil
	}
	return notKept(err)
}

// closeBatch takes a batch off that list, and looks once more, as a run may have begun meanwhile. Failing does no harm: the
// batch's page closes it again.
func (j *Journal) closeBatch(ctx context.Context, b *Batch) {
	if err := j.records.Delete(ctx, openBatchKey(b.Person, b.ID)); err != nil {
		return
	}
	if now, err := j.loadBatch(ctx, b.Person, b.ID); err == nil && (now.Running || now.Dismissed != b.Dismissed) {
		_ = j.openBatch(ctx, now, now.Working)
	}
}

// changeBatch applies edit to the batch as it stands in the store.
func (j *Journal) changeBatch(ctx context.Context, person, id string, edit func(*Batch) error) (*Batch, error) {
	var b Batch
	err := j.records.Change(ctx, batchKey(person, id), &b, time.Time{}, func() error { return edit(&b) })
	if err != nil && !errors.Is(err, errUnchanged) {
		return nil, j.batchError(err)
	}
	return &b, nil
}

// StopBatch has nothing more begun. What is in flight is finished.
func (j *Journal) StopBatch(ctx context.Context, person, id string) error {
	_, err := j.changeBatch(ctx, person, id, func(b *Batch) error {
		if b.Stopped || b.Started.IsZero() {
			return errUnchanged
		}
		b.Stopped = true
		return nil
	})
	j.mu.Lock()
	defer j.mu.Unlock()
	if here := j.batches[flightKey(person, id)]; here != nil {
		here.stop() // it may be waiting; in another process it finds out by itself
	}
	return err
}

// ResumeBatch lets a batch be run again: with what isn't begun, and with what pick chooses of the rest. Each operation that
// pick is true for gets a new form, if it may be tried again; of an operation that was never begun the form is kept.
func (j *Journal) ResumeBatch(ctx context.Context, person, id string, pick func(*BatchItem) bool) error {
	b, err := j.Batch(ctx, person, id)
	if err != nil {
		return err
	}
	again := map[string]bool{} // by form
	for i := range b.Items {
		if item := &b.Items[i]; item.MayRetry() && pick(item) {
			again[item.Form] = true
			if item.Operation.Pending() {
				if _, err := j.Dismiss(ctx, person, item.Operation.ID); err != nil { // its successor stands for it
					return err
				}
			}
		}
	}
	return j.reopen(ctx, person, id, func(b *Batch) {
		for i := range b.Items {
			if item := &b.Items[i]; again[item.Form] { // nobody else has asked for it meanwhile
				item.Form, item.Already = j.Form(person, b.Action, item.target()), false
			}
		}
	})
}

// RetireBatch has the old tokens of a batch's rotations revoked whose new secret was saved, when it is run again.
func (j *Journal) RetireBatch(ctx context.Context, person, id string) error {
	b, err := j.Batch(ctx, person, id)
	if err != nil {
		return err
	}
	chosen := map[string]bool{}
	for i := range b.Items {
		op := b.Items[i].Operation
		chosen[b.Items[i].Form] = op != nil && op.Phase() == PhaseHalfWay
	}
	return j.reopen(ctx, person, id, func(b *Batch) {
		for i := range b.Items {
			b.Items[i].Retire = b.Items[i].Retire || chosen[b.Items[i].Form]
		}
	})
}

// reopen makes a batch fit to be run again.
func (j *Journal) reopen(ctx context.Context, person, id string, edit func(*Batch)) error {
	var b Batch
	err := j.records.Change(ctx, batchKey(person, id), &b, j.options.Now().Add(batchLife), func() error {
		if b.Started.IsZero() {
			return errUnchanged
		}
		b.Stopped, b.Dismissed, b.Halt, b.Halted = false, false, nil, nil
		edit(&b)
		return nil
	})
	if err != nil {
		if errors.Is(err, errUnchanged) {
			return nil
		}
		return j.batchError(err)
	}
	return j.openBatch(ctx, &b, b.Working)
}

// DismissBatch leaves what isn't begun or has failed as it is, and takes off the pending list what is unknown or has an
// expired secret. A secret that waits, or an old token that is still alive, is not dismissed.
func (j *Journal) DismissBatch(ctx context.Context, person, id string) error {
	b, err := j.Batch(ctx, person, id)
	if err != nil || b.Running {
		return err
	}
	for i := range b.Items {
		if op := b.Items[i].Operation; op != nil && op.Pending() && op.Phase() != PhaseUnreadable {
			if _, err := j.Dismiss(ctx, person, op.ID); err != nil {
				return err
			}
		}
	}
	_, err = j.changeBatch(ctx, person, id, func(b *Batch) error {
		b.Dismissed = !b.Started.IsZero()
		return nil
	})
	if err != nil {
		return err
	}
	_, err = j.Batch(ctx, person, id) // closes it
	return err
}

// place is an organization's name as Halted and Resting have it.
func place(organization string) string { return strings.ToLower(organization) }
