package operation

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/patdesk/patdesk/internal/formid"
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

	// forRevokes is how many operations there may be beyond these bounds if they are revokes: whatever else is recorded, and
	// whoever has brought that about, a person can get rid of a token.
	forRevokes   = 2 * MaxBatch
	revokesBytes = 4 << 20 // of usualOperation each

	// maxBatches counts plans and finished ones as well. When there are as many, the oldest finished ones go.
	maxBatches     = 100
	maxPlan        = 768 << 10 // bytes; the rest of a record is for what becomes of it
	batchesBytes   = 32 << 20
	maxPlans       = 10 // not confirmed; with one more the oldest goes
	openBatchEach  = 4 << 10
	dropOperations = 100 // at a time
	dropBatches    = 5
)

// bounds are those of the kinds of records that a Journal keeps.
func bounds() []session.Bound {
	return []session.Bound{
		{Kind: kindOperation, Each: operationEach, Records: maxOperations + forRevokes, Bytes: operationsBytes + revokesBytes},
		{Kind: kindUnfinished, Each: markerEach, Records: maxUnfinished + forRevokes, Bytes: 1 << 20},
		{Kind: kindSecret, Each: secretEach, Why: "one for each unfinished operation"},
		{Kind: kindBatch, Each: session.MaxValue, Records: maxBatches, Bytes: batchesBytes},
		{Kind: kindOpenBatch, Each: openBatchEach, Why: "one for each batch"},
	}
}

// makeRoom makes room for n more operations of the person, of which unfinished need them at a time: ErrFull if there can't
// be any.
func (j *Journal) makeRoom(ctx context.Context, person string, a Action, n, unfinished int) error {
	reserve := forRevokes
	if a == Revoke {
		reserve = 0
	}
	if err := j.records.Room(ctx, kindUnfinished, person, unfinished+reserve, 0); err != nil {
		return err
	}
	for {
		full := j.records.Room(ctx, kindOperation, person, n+reserve, int64(n+reserve)*usualOperation)
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

// dropFinished drops up to most operations that need nobody any more, those first that were settled first. One whose form
// could still be sent stays: without its record the form would make a second token. So does one of a batch that stays: the
// batch would take it for one that was never begun.
func (j *Journal) dropFinished(ctx context.Context, person string, most int) (dropped int, err error) {
	finished, err := j.finished(ctx, person)
	if err != nil {
		return 0, err
	}
	batchGone := map[string]bool{"": true}
	for _, op := range finished {
		if dropped == most {
			break
		}
		if _, known := batchGone[op.Batch]; !known {
			if batchGone[op.Batch], err = j.letBatchGo(ctx, person, op.Batch); err != nil {
				return dropped, err
			}
		}
		if !batchGone[op.Batch] {
			continue
		}
		gone, err := j.dropOperation(ctx, person, op.ID)
		if err != nil {
			return dropped, err
		}
		if gone {
			dropped++
		}
	}
	return dropped, nil
}

// finished are the operations (ID and Batch only) that were settled so long ago that their forms can't be sent any more,
// those first that were settled first.
func (j *Journal) finished(ctx context.Context, person string) ([]Operation, error) {
	stock, err := j.records.Stock(ctx, kindOperation, person)
	if err != nil {
		return nil, err
	}
	settled := j.options.Now().Add(-formid.Life - formid.Skew)
	later := func(s session.Stored) bool { return s.Expires.After(settled.Add(finishedLife)) } // see settle; nor is what isn't settled read
	if i := slices.IndexFunc(stock, later); i >= 0 {
		stock = stock[:i]
	}
	all := make([]Operation, len(stock))
	err = j.records.EachStored(ctx, stock, person, func(i int, _ string, decode func(any) error) error {
		var r record
		if decode(&r) == nil && !r.Pending() && r.Started.Before(settled) {
			all[i] = Operation{ID: r.ID, Batch: r.Batch}
		}
		return nil
	})
	return slices.DeleteFunc(all, func(op Operation) bool { return op.ID == "" }), err
}

// dropOperation drops a finished operation unless somebody is at work on it.
func (j *Journal) dropOperation(ctx context.Context, person, id string) (gone bool, err error) {
	release, ok, err := j.records.TryLock(ctx, operationKey(person, id))
	if err != nil || !ok {
		return false, err
	}
	defer release()
	fresh, err := j.load(ctx, person, id)
	if err != nil || fresh.Pending() {
		return absent(err), ignore(err, ErrNotFound)
	}
	return true, j.records.Drop(ctx, fresh.key().Name())
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

// dropPlans drops the oldest plans so that one more can be made.
func (j *Journal) dropPlans(ctx context.Context, person string) error {
	stock, err := j.records.Stock(ctx, kindBatch, person)
	if err != nil {
		return err
	}
	later := func(s session.Stored) bool { return s.Expires.After(j.options.Now().Add(planLife + time.Second)) }
	if i := slices.IndexFunc(stock, later); i >= 0 {
		stock = stock[:i] // plans, and what was started long ago
	}
	if len(stock) < maxPlans {
		return nil
	}
	plans, _, err := j.batchesIn(ctx, stock, person)
	if err != nil {
		return err
	}
	for _, s := range plans[:max(0, len(plans)-maxPlans+1)] {
		if err := j.records.Drop(ctx, s.Name); err != nil {
			return err
		}
	}
	return nil
}

// batchesIn reads batches: those that aren't confirmed, and the IDs of those that are, each in the order of stock.
func (j *Journal) batchesIn(ctx context.Context, stock []session.Stored, person string) (plans []session.Stored, started []string, err error) {
	ids, planned := make([]string, len(stock)), make([]bool, len(stock))
	err = j.records.EachStored(ctx, stock, person, func(i int, id string, decode func(any) error) error {
		var b Batch
		if decode(&b) == nil {
			ids[i], planned[i] = id, b.Started.IsZero()
		}
		return nil
	})
	for i, id := range ids {
		switch {
		case id == "": // gone, or it can't be read
		case planned[i]:
			plans = append(plans, stock[i])
		default:
			started = append(started, id)
		}
	}
	return plans, started, err
}

// dropFinishedBatches drops some batches that need nobody any more, the oldest first. Their operations stay for their own time.
func (j *Journal) dropFinishedBatches(ctx context.Context, person string) error {
	stock, err := j.records.Stock(ctx, kindBatch, person)
	if err != nil {
		return err
	}
	_, started, err := j.batchesIn(ctx, stock, person)
	if err != nil {
		return err
	}
	dropped := 0
	for _, id := range started {
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

// roomToStart makes room for a batch that is about to be confirmed, so that it can be carried out to its end.
func (j *Journal) roomToStart(ctx context.Context, b *Batch) error {
	unfinished := min(len(b.Items), batchAtOnce)
	if b.Action == Rotate { // each new secret waits for the person
		unfinished = len(b.Items)
	}
	return j.makeRoom(ctx, b.Person, b.Action, len(b.Items), unfinished)
}
