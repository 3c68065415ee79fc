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
	plans, _, err := s.recorded(ctx, person, s.options.Now().Add(planLife+time.Second), maxPlans) // and what was started long ago
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

// recorded reads the batches that expire until then, if there are at least so many: those that aren't confirmed, and
// the IDs of those that are, each with the first to expire first.
func (s *Batches) recorded(ctx context.Context, person string, until time.Time, least int) (plans []session.Stored, started []string, err error) {
	stored, err := s.records.Describe(ctx, kindBatch, person)
	stored = slices.DeleteFunc(stored, func(one session.Stored) bool { return one.Expires.After(until) })
	if err != nil || len(stored) < least {
		return nil, nil, err
	}
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
	_, started, err := s.recorded(ctx, person, s.options.Now().Add(operation.FinishedLife), 1)
	for i, dropped := 0, 0; err == nil && i < len(started) && dropped < dropAtOnce; i++ {
		var gone bool
		if gone, err = s.letGo(ctx, person, started[i]); gone {
			dropped++
		}
	}
	return err
}

// unfinished is how many operations of a batch need the person at a time while it is carried out to its end.
func (b *Batch) unfinished() int {
	if b.Action == operation.Rotate { // each new secret waits for the person
		return len(b.Items)
	}
	return min(len(b.Items), atOnce)
}
