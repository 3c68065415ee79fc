package operation

import (
	"context"
	"errors"
	"time"

	"github.com/patdesk/patdesk/internal/session"
)

// What one person can have recorded. Records that still need the person are never dropped to make room, and what was begun
// is always recorded to its end: a bound that is reached refuses new work before anything is sent (session.ErrFull).
const (
	// maxOperations counts those that are finished as well. When there are as many, the oldest finished ones go.
	maxOperations   = 5000
	operationsBytes = 32 << 20
	operationEach   = 256 << 10
	// usualOperation is how many bytes an operation takes, for finding out beforehand if there is room for many.
	usualOperation = 4 << 10

	// openBytes bounds what is kept in memory of operations that need somebody, of everybody together: some 10,000.
	openBytes = 16 << 20

	// maxUnfinished is how many operations can need the person at the same time: two batches as large as they get.
	maxUnfinished = 2 * MaxBatch
	markerEach    = 1 << 10
	secretEach    = 64 << 10

	// maxBatches counts plans and finished ones as well. When there are as many, the oldest finished ones go.
	maxBatches     = 100
	batchesBytes   = 32 << 20
	maxPlans       = 10 // not confirmed; with one more the oldest goes
	openBatchEach  = 4 << 10
	dropOperations = 100 // at a time
	dropBatches    = 5
)

// FullPrefix stands before the kind of record in the Kind of a Failure of SourceStore that says that there are as many as
// one person may have.
const FullPrefix = "full."

// bounds are those of the kinds of records that a Journal keeps.
func bounds() []session.Bound {
	return []session.Bound{
		{Kind: kindOperation, Each: operationEach, Records: maxOperations, Bytes: operationsBytes},
		{Kind: kindUnfinished, Each: markerEach, Records: maxUnfinished, Bytes: 1 << 20},
		{Kind: kindSecret, Each: secretEach, Why: "one for each unfinished operation"},
		{Kind: kindBatch, Each: session.MaxValue, Records: maxBatches, Bytes: batchesBytes},
		{Kind: kindOpenBatch, Each: openBatchEach, Why: "one for each batch"},
	}
}

// roomFor makes room for n more operations of the person: ErrFull if there can't be any.
func (j *Journal) roomFor(ctx context.Context, person string, n int) error {
	for {
		full := j.records.Room(ctx, kindOperation, person, n, int64(n)*usualOperation)
		if !errors.Is(full, session.ErrFull) {
			return full
		}
		dropped, err := j.dropFinished(ctx, person, max(n, dropOperations))
		if err != nil {
			return err
		}
		if dropped == 0 {
			return full
		}
	}
}

// dropFinished drops up to most operations that need nobody any more, the oldest first. One whose form could still be sent
// stays: without its record the form would make a second token. So does one of a batch that stays: the batch would take it
// for one that was never begun.
func (j *Journal) dropFinished(ctx context.Context, person string, most int) (dropped int, err error) {
	stock, err := j.records.Stock(ctx, kindOperation, person)
	if err != nil {
		return 0, err
	}
	old, batchGone := j.options.Now().Add(-formLife-formSkew), map[string]bool{"": true}
	for _, s := range stock {
		if dropped == most {
			break
		}
		var r record
		if _, err := j.records.Inspect(ctx, s, person, &r); errors.Is(err, session.ErrNotFound) {
			continue
		} else if err != nil {
			return dropped, err
		}
		if r.Pending() || !r.Started.Before(old) {
			continue
		}
		if _, known := batchGone[r.Batch]; !known {
			if batchGone[r.Batch], err = j.letBatchGo(ctx, person, r.Batch); err != nil {
				return dropped, err
			}
		}
		if !batchGone[r.Batch] {
			continue
		}
		gone, err := j.dropOperation(ctx, &r)
		if err != nil {
			return dropped, err
		}
		if gone {
			dropped++
		}
	}
	return dropped, nil
}

// dropOperation drops a finished operation unless somebody is at work on it.
func (j *Journal) dropOperation(ctx context.Context, r *record) (gone bool, err error) {
	release, ok, err := j.records.TryLock(ctx, r.key())
	if err != nil || !ok {
		return false, err
	}
	defer release()
	fresh, err := j.load(ctx, r.Person, r.ID)
	if err != nil || fresh.Pending() {
		return absent(err), ignore(err, ErrNotFound)
	}
	return true, j.records.Drop(ctx, r.key().Name())
}

func ignore(err, harmless error) error {
	if errors.Is(err, harmless) {
		return nil
	}
	return err
}

// letBatchGo drops a batch that needs nobody any more, and says if there is none (any more).
func (j *Journal) letBatchGo(ctx context.Context, person, id string) (gone bool, err error) {
	b, err := j.loadBatch(ctx, person, id)
	if absent(err) {
		return true, nil
	}
	if err != nil || b.Running || b.Started.IsZero() {
		return false, ignore(err, ErrUnreadable)
	}
	if b, err = j.Batch(ctx, person, id); err != nil || b.open() { // with its operations
		return false, ignore(err, ErrNotFound)
	}
	return true, j.records.Drop(ctx, b.key().Name())
}

// plansKey is the lock under which a person's plans are counted, made and confirmed.
func plansKey(person string) session.Key { return batchKey(person, "plans") }

// keepPlan records a plan. Where there are too many, the oldest plan goes, or the oldest batches that are finished.
func (j *Journal) keepPlan(ctx context.Context, b *Batch) error {
	release, err := j.records.Lock(ctx, plansKey(b.Person))
	if err != nil {
		return err
	}
	defer release()
	if err := j.dropPlans(ctx, b.Person); err != nil {
		return err
	}
	err = j.records.Create(ctx, b.key(), b, b.Planned.Add(planLife))
	if !errors.Is(err, session.ErrFull) {
		return err
	}
	if dropped := j.dropFinishedBatches(ctx, b.Person); dropped != nil {
		return dropped
	}
	return j.records.Create(ctx, b.key(), b, b.Planned.Add(planLife))
}

// dropPlans drops the oldest plans so that one more can be made. Plans expire long before batches that were started.
func (j *Journal) dropPlans(ctx context.Context, person string) error {
	stock, err := j.records.Stock(ctx, kindBatch, person)
	if err != nil {
		return err
	}
	var plans []session.Stored
	for _, s := range stock {
		if s.Expires.Before(j.options.Now().Add(planLife + time.Second)) {
			plans = append(plans, s)
		}
	}
	for _, s := range plans[:max(0, len(plans)-maxPlans+1)] {
		var b Batch
		_, err := j.records.Inspect(ctx, s, person, &b)
		if err == nil && b.Started.IsZero() {
			err = j.records.Drop(ctx, s.Name)
		}
		if ignore(err, session.ErrNotFound) != nil {
			return err
		}
	}
	return nil
}

// dropFinishedBatches drops some batches that need nobody any more, the oldest first. Their operations stay for their own time.
func (j *Journal) dropFinishedBatches(ctx context.Context, person string) error {
	stock, err := j.records.Stock(ctx, kindBatch, person)
	if err != nil {
		return err
	}
	dropped := 0
	for _, s := range stock {
		var b Batch
		id, err := j.records.Inspect(ctx, s, person, &b)
		if err != nil || b.Started.IsZero() {
			continue
		}
		gone, err := j.letBatchGo(ctx, person, id)
		if err != nil {
			return err
		}
		if gone {
			dropped++
		}
		if dropped == dropBatches {
			return nil
		}
	}
	return nil
}

// roomToStart says if a batch that is about to be confirmed can be carried out to its end.
func (j *Journal) roomToStart(ctx context.Context, b *Batch) error {
	open := min(len(b.Items), batchAtOnce)
	if b.Action == Rotate { // each new secret waits for the person
		open = len(b.Items)
	}
	if err := j.records.Room(ctx, kindUnfinished, b.Person, open, 0); err != nil {
		return err
	}
	return j.roomFor(ctx, b.Person, len(b.Items))
}
