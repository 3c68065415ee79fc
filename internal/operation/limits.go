package operation

import (
	"context"
	"errors"
	"slices"

	"github.com/patdesk/patdesk/internal/formid"
	"github.com/patdesk/patdesk/internal/session"
)

// What one person can have recorded. Records that still need the person are never dropped to make room, and what was
// begun is always recorded to its end: a bound that is reached refuses new work before anything is sent
// (session.ErrFull).
const (
	// maxOperations counts those that are finished as well. When there are as many, the oldest finished ones go.
	maxOperations   = 5000
	operationsBytes = 32 << 20
	operationEach   = 256 << 10
	// usualOperation is how many bytes an operation takes, for finding out beforehand if there is room for many.
	usualOperation = 4 << 10

	// openBytes bounds what is kept in memory of operations that need their person, of all people together: some
	// 10,000.
	openBytes = 16 << 20

	// MostTogether is how many operations one batch has at most: what a person can still read before confirming it, and
	// what a record can hold (see session.MaxValue).
	MostTogether = 500

	// maxUnfinished is how many operations can need the person at the same time: two batches as large as they get.
	maxUnfinished = 2 * MostTogether
	markerEach    = 1 << 10
	secretEach    = 64 << 10

	// forRevokes is how many operations there may be beyond these bounds if they are revokes: whatever else is
	// recorded, and however that has come about, a person can get rid of a token.
	forRevokes   = 2 * MostTogether
	revokesBytes = 4 << 20 // of usualOperation each

	// dropOperations is how many of them go at a time.
	dropOperations = 100
)

// bounds are those of the kinds of records that a Journal keeps.
func bounds() []session.Bound {
	return []session.Bound{
		{Kind: kindOperation, Each: operationEach, Records: maxOperations + forRevokes, Bytes: operationsBytes + revokesBytes},
		{Kind: kindUnfinished, Each: markerEach, Records: maxUnfinished + forRevokes, Bytes: 1 << 20},
		{Kind: kindSecret, Each: secretEach, Why: "one for each unfinished operation"},
	}
}

// DurableKinds are the kinds of records that must outlive the failure of a store's server: a secret can't be had a
// second time, and a claim that is forgotten lets the same form make a second token. Markers need not be among them:
// they are written before their operation, so they are where that is.
func DurableKinds() []string { return []string{kindOperation, kindSecret} }

// MakeRoom makes room for n more operations of the person, of which unfinished need them at a time: session.ErrFull if
// there can't be any.
func (s *store) MakeRoom(ctx context.Context, person string, a Action, n, unfinished int) error {
	reserve := forRevokes
	if a == Revoke {
		reserve = 0
	}
	if err := s.records.Room(ctx, kindUnfinished, person, unfinished+reserve, 0); err != nil {
		return err
	}
	for {
		full := s.records.Room(ctx, kindOperation, person, n+reserve, int64(n+reserve)*usualOperation)
		if !errors.Is(full, session.ErrFull) {
			return full
		}
		dropped, err := s.dropFinished(ctx, person, max(n, dropOperations))
		if err != nil {
			return err
		}
		if dropped == 0 {
			return full
		}
	}
}

// dropFinished drops up to most operations that don't need their person any more, those first that were settled first.
// One whose form could still be sent stays: without its record the form would make a second token. So does one of a
// batch that stays: the batch would take it for one that was never begun.
func (s *store) dropFinished(ctx context.Context, person string, most int) (dropped int, err error) {
	finished, err := s.finished(ctx, person)
	if err != nil {
		return 0, err
	}
	batchGone := map[string]bool{"": true}
	for _, op := range finished {
		if dropped == most {
			break
		}
		if _, known := batchGone[op.Batch]; !known {
			if batchGone[op.Batch], err = s.batchGone(ctx, person, op.Batch); err != nil {
				return dropped, err
			}
		}
		if !batchGone[op.Batch] {
			continue
		}
		gone, err := s.dropOperation(ctx, person, op.ID)
		if err != nil {
			return dropped, err
		}
		if gone {
			dropped++
		}
	}
	return dropped, nil
}

// finished are the operations (ID and Batch only) that were settled so long ago that their forms can't be sent any
// more, those first that were settled first.
func (s *store) finished(ctx context.Context, person string) ([]Operation, error) {
	stored, err := s.records.Describe(ctx, kindOperation, person)
	if err != nil {
		return nil, err
	}
	settled := s.options.Now().Add(-formid.Life - formid.Skew)
	later := func(one session.Stored) bool { return one.Expires.After(settled.Add(FinishedLife)) } // see settle; nor is what isn't settled read
	if i := slices.IndexFunc(stored, later); i >= 0 {
		stored = stored[:i]
	}
	all := make([]Operation, len(stored))
	err = s.records.EachDescribed(ctx, stored, person, func(i int, _ string, decode func(any) error) error {
		var r record
		if decode(&r) == nil && !r.Pending() && r.Started.Before(settled) {
			all[i] = Operation{ID: r.ID, Batch: r.Batch}
		}
		return nil
	})
	return slices.DeleteFunc(all, func(op Operation) bool { return op.ID == "" }), err
}

// dropOperation drops a finished operation unless a worker has it.
func (s *store) dropOperation(ctx context.Context, person, id string) (gone bool, err error) {
	release, ok, err := s.records.TryLock(ctx, operationKey(person, id))
	if err != nil || !ok {
		return false, err
	}
	defer release()
	fresh, err := s.load(ctx, person, id)
	if err != nil || fresh.Pending() {
		return absent(err), ignore(err, ErrNotFound)
	}
	return true, s.records.Drop(ctx, fresh.key().Name())
}

func ignore(err, harmless error) error {
	if errors.Is(err, harmless) {
		return nil
	}
	return err
}
