package batch

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/patdesk/patdesk/internal/operation"
	"github.com/patdesk/patdesk/internal/session"
)

// What one person can have recorded, see internal/operation.
const (
	// maxBatches counts plans and finished ones as well. When there are as many, the oldest finished ones go.
	maxBatches   = 100
	batchesBytes = 32 << 20
	dropAtOnce   = 5

	maxPlan  = 768 << 10 // bytes; the rest of a record is for what becomes of it
	maxPlans = 10        // not confirmed; with one more the oldest goes
	openEach = 4 << 10
)

// bounds are those of the kinds of records that Batches keep.
func bounds() []session.Bound {
	return []session.Bound{
		{Kind: kindBatch, Each: session.MaxValue, Records: maxBatches, Bytes: batchesBytes},
		{Kind: kindOpen, Each: openEach, Why: "one for each batch"},
	}
}

// DurableKinds are the kinds of records that must outlive the failure of a store's server: a batch holds the forms of
// its operations.
func DurableKinds() []string { return []string{kindBatch} }

// letGo drops a finished batch, and reports whether there is none (any more).
func (s *Batches) letGo(ctx context.Context, person, id string) (gone bool, err error) {
	b, err := s.load(ctx, person, id)
	if errors.Is(err, ErrNotFound) {
		return true, nil
	}
	if err != nil || b.Running || b.Started.IsZero() {
		return false, ignore(err, operation.ErrUnreadable)
	}
	if b, err = s.Get(ctx, person, id); err != nil || b.open() { // with its operations
		return false, ignore(ignore(err, ErrNotFound), operation.ErrUnreadable)
	}
	return true, s.records.Drop(ctx, b.key().Name())
}

// plansKey is the lock under which a person's plans are counted, made and confirmed.
func plansKey(person string) session.Key { return key(person, "plans") }

// keepPlan records a plan. Where there are too many, the oldest plan goes, or the oldest batches that are finished.
func (s *Batches) keepPlan(ctx context.Context, b *Batch) error {
	release, err := s.records.Lock(ctx, plansKey(b.Person))
	if err != nil {
		return err
	}
	defer release()
	if err := s.dropPlans(ctx, b.Person); err != nil {
		return err
	}
	err = s.records.Create(ctx, b.key(), b, b.Planned.Add(planLife))
	if !errors.Is(err, session.ErrFull) {
		return err
	}
	if dropped := s.dropFinished(ctx, b.Person); dropped != nil {
		return dropped
	}
	return s.records.Create(ctx, b.key(), b, b.Planned.Add(planLife))
}

// dropPlans drops the oldest plans so that one more can be made.
func (s *Batches) dropPlans(ctx context.Context, person string) error {
	stored, err := s.records.Describe(ctx, kindBatch, person)
	if err != nil {
		return err
	}
	later := func(one session.Stored) bool { return one.Expires.After(s.options.Now().Add(planLife + time.Second)) }
	if i := slices.IndexFunc(stored, later); i >= 0 {
		stored = stored[:i] // plans, and what was started long ago
	}
	if len(stored) < maxPlans {
		return nil
	}
	plans, _, err := s.sort(ctx, stored, person)
	if err != nil {
		return err
	}
	for _, plan := range plans[:max(0, len(plans)-maxPlans+1)] {
		if err := s.records.Drop(ctx, plan.Name); err != nil {
			return err
		}
	}
	return nil
}

// sort reads batches: those that aren't confirmed, and the IDs of those that are, each in the order of stored.
func (s *Batches) sort(ctx context.Context, stored []session.Stored, person string) (plans []session.Stored, started []string, err error) {
	ids, planned := make([]string, len(stored)), make([]bool, len(stored))
	err = s.records.EachDescribed(ctx, stored, person, func(i int, id string, decode func(any) error) error {
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
			plans = append(plans, stored[i])
		default:
			started = append(started, id)
		}
	}
	return plans, started, err
}

// dropFinished drops some finished batches, the oldest first. Their operations stay for their own time.
func (s *Batches) dropFinished(ctx context.Context, person string) error {
	stored, err := s.records.Describe(ctx, kindBatch, person)
	if err != nil {
		return err
	}
	_, started, err := s.sort(ctx, stored, person)
	if err != nil {
		return err
	}
	dropped := 0
	for _, id := range started {
		gone, err := s.letGo(ctx, person, id)
		if err != nil {
			return err
		}
		if gone {
			dropped++
		}
		if dropped == dropAtOnce {
			return nil
		}
	}
	return nil
}

// unfinished is how many operations of a batch need the person at a time while it is carried out to its end.
func (b *Batch) unfinished() int {
	if b.Action == operation.Rotate { // each new secret waits for the person
		return len(b.Items)
	}
	return min(len(b.Items), atOnce)
}
