package operation

import (
	"errors"
	"hash/fnv"
	"time"

	"github.com/patdesk/patdesk/internal/azuredevops"
)

// A change whose outcome isn't known is looked at again by itself, further and further apart, for as long as something
// may still turn up: until Operation.LookUntil. Before that, what isn't seen is not taken for not done.

// turnUp is how long after the end of a call something of it may still turn up. The service holds up busy people's
// calls for up to 30 s and goes on with a call whose caller has left; how much its lists lag isn't documented. Ten
// minutes are far more than either is known to take.
const turnUp = 10 * time.Minute

// lookPauses are the pauses between looks; the last one is repeated.
var lookPauses = []time.Duration{
	2 * time.Second, 5 * time.Second, 15 * time.Second, 30 * time.Second, time.Minute, 2 * time.Minute, 5 * time.Minute,
}

// After LookUntil it is looked hourly, until stopLooking after the beginning and when the person visits: should a list
// have lagged for longer, the token is named all the same. Where the last look found nothing out, as the list failed,
// those that follow are as far apart as before for an hour, and made without a visit for a day.
const (
	seldomPause = time.Hour
	stopLooking = 24 * time.Hour
)

// beginDoubt plans the looks at what was sent at that time.
func (s *store) beginDoubt(r *record, sent time.Time) {
	r.LookUntil, r.Looks = sent.Add(s.options.CallTimeout+turnUp), 0
	r.NextLook = s.options.Now()
}

// looked plans the look after this one, whose failure was err: not before the time that the service asked for.
func (r *record) looked(now time.Time, err error) {
	r.LookUntil = r.lookUntil()
	r.NextLook = r.nextLook(now)
	r.Looks++
	var e *azuredevops.Error
	if errors.As(err, &e) && e.RetryAfter > 0 && !r.NextLook.IsZero() {
		r.putOffLook(now.Add(e.RetryAfter))
	}
}

// putOffLook has it looked later, but not later than at LookUntil: the last look may find what turned up before.
func (r *record) putOffLook(until time.Time) {
	if last := r.lookUntil(); r.NextLook.Before(last) && until.After(last) {
		until = last
	}
	if r.NextLook.Before(until) {
		r.NextLook = until
	}
}

// nextLook is when to look after a look at that time; the zero time: not any more.
func (r *record) nextLook(now time.Time) time.Time {
	until, longest := r.lookUntil(), lookPauses[len(lookPauses)-1]
	switch {
	case !r.lookable():
		return time.Time{}
	case now.Before(until):
		if next := after(now, lookPauses[min(r.Looks, len(lookPauses)-1)], r.Person); next.Before(until) {
			return next
		}
		return until
	case r.unsettled() && now.Before(until.Add(seldomPause)):
		return after(now, longest, r.Person)
	case r.unsettled(), now.Before(r.Started.Add(stopLooking)):
		return after(now, seldomPause, r.Person)
	}
	return time.Time{}
}

// after is after a pause, or up to a fifth of it later: at one of a person's own moments, a fifth of the pause apart.
// So many changes are looked at together, with one reading of a list, and not all people's looks come at the same time.
func after(now time.Time, pause time.Duration, person string) time.Time {
	apart := pause / 5
	own := fnv.New64a()
	_, _ = own.Write([]byte(person)) // never fails
	first := time.Unix(0, int64(own.Sum64()>>1)%int64(apart))
	earliest := now.Add(pause)
	if past := earliest.Sub(first) % apart; past > 0 {
		return earliest.Add(apart - past)
	}
	return earliest
}

// LooksAgain is when the next look is due that is made without a visit; the zero time: there is none.
func (o *Operation) LooksAgain() time.Time {
	return earlier(o.revokesAt(), o.looksAgain())
}

func (o *Operation) looksAgain() time.Time {
	until := o.lookUntil()
	if o.unsettled() {
		until = until.Add(stopLooking)
	}
	if o.NextLook.After(until) {
		return time.Time{}
	}
	return o.NextLook
}

// lookable reports whether looking may still find something out: it isn't settled, or nothing was found of a creation
// so far.
func (r *record) lookable() bool {
	return r.unsettled() || r.State == Unknown && !r.Dismissed && r.Makes() && len(r.Candidates)+len(r.Revoked) == 0
}

// unsettled reports whether it is still to be seen what became of a change, or of a revoke that follows one.
func (o *Operation) unsettled() bool {
	return o.Undecided() || len(o.Revoking) > 0 || o.oldInDoubt()
}

// oldInDoubt reports whether a rotation's old token may have been revoked.
func (o *Operation) oldInDoubt() bool {
	return o.Old == OldSent || o.Old == OldFailed && !o.OldFailure.Certain()
}

// lookUntil is LookUntil, also of a record of a release that didn't know it.
func (o *Operation) lookUntil() time.Time {
	if o.LookUntil.IsZero() {
		return o.Started.Add(time.Minute + turnUp)
	}
	return o.LookUntil
}

// over reports whether nothing more of the change can turn up.
func (o *Operation) over(now time.Time) bool { return !now.Before(o.lookUntil()) }

// LookDue reports whether it is time to look what became of the operation.
func (o *Operation) LookDue(now time.Time) bool {
	if o.revokeDue(now) {
		return true
	}
	if o.NextLook.IsZero() { // not planned: recorded by a release that didn't
		return o.unsettled()
	}
	return !now.Before(o.NextLook)
}
