package session

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
)

// Bound is how much there may be of one kind of record. Each kind needs one before a record of it can be made.
type Bound struct {
	Kind string
	Each int // bytes of one record's value

	// Of one group, which is one person: how many records it may have, and how many bytes in all, as the store keeps
	// them. Create refuses what goes beyond with ErrFull. Zero: something else bounds their number, see Why.
	Records int
	Bytes   int64
	Why     string
}

// ErrFull says that a group has as much of a kind as it may have. Compare with errors.Is; FullError has the kind.
var ErrFull = errors.New("session: there are as many records of this kind as one person may have")

// FullError is an ErrFull with the kind that it is about.
type FullError struct{ Kind string }

func (e *FullError) Error() string { return fmt.Sprintf("%s: %s", ErrFull.Error(), e.Kind) }

// Unwrap makes it an ErrFull.
func (e *FullError) Unwrap() error { return ErrFull }

// ownBounds are those of this package's own kinds.
func ownBounds() []Bound {
	const perSession = "one for each session"
	return []Bound{
		{Kind: sessionKind, Each: 64 << 10, Why: "see Options.PerPerson: the one not used for the longest time ends"},
		{Kind: tokensKind, Each: 512 << 10, Why: perSession},
		{Kind: presenceKind, Each: 8 << 10, Why: perSession},
		{Kind: attemptKind, Each: maxAttempt, Why: "see KeepAttempt"},
		{Kind: draftKind, Each: maxBrowserValue, Why: "see KeepAttempt"},
		{Kind: pingKind, Each: pingSize, Why: "one every two seconds at most, removed at once"},
		{Kind: probeKind, Each: pingSize, Why: "one for each run of -check, removed at once"},
	}
}

// Declare makes kinds known. It is for the start of the program.
func (r *Records) Declare(bounds ...Bound) {
	r.bounds.mu.Lock()
	defer r.bounds.mu.Unlock()
	for _, b := range bounds {
		r.bounds.of[b.Kind] = b
	}
}

// Bounds returns the bounds of all kinds that were declared, by their names.
func (r *Records) Bounds() []Bound {
	r.bounds.mu.Lock()
	defer r.bounds.mu.Unlock()
	return slices.SortedFunc(maps.Values(r.bounds.of), func(a, b Bound) int { return cmp.Compare(a.Kind, b.Kind) })
}

// bounds are the bounds of kinds, and what is known of who has how much.
type bounds struct {
	mu   sync.Mutex
	of   map[string]Bound
	seen *lru.Cache[Name, *usage] // by kind and group
}

// usage is what the store was seen to hold of one kind and group, with what this process has added since. What it has
// removed, and what others have done, shows when it looks again.
type usage struct {
	records int
	bytes   int64
	at      time.Time // by the machine's clock
	full    bool      // something was refused
}

const (
	// usageLife is how long it goes without looking again. Other processes can go beyond a bound by what they add in
	// that time.
	usageLife = 10 * time.Second
	// fullLife is the same for a group that was full.
	fullLife = 250 * time.Millisecond
	// fewRecords are counted anew each time: looking at so few costs less than writing one.
	fewRecords = 128
	// manyUsages is how many groups are remembered.
	manyUsages = 10_000
)

func newBounds() bounds {
	seen, _ := lru.New[Name, *usage](manyUsages) // fails for sizes below one
	return bounds{of: map[string]Bound{}, seen: seen}
}

func (b *bounds) bound(kind string) (Bound, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	bound, ok := b.of[kind]
	if !ok {
		return bound, fmt.Errorf("session: records of kind %q have no bound", kind)
	}
	return bound, nil
}

// Room reports whether the group may have so many more records of kind, and bytes: ErrFull. It is for work that is to
// be refused as a whole rather than in its middle; Create asks by itself.
func (r *Records) Room(ctx context.Context, kind, group string, records int, bytes int64) error {
	return r.room(ctx, kind, group, records, bytes, false)
}

// room is Room and counts them in if they are about to be made.
func (r *Records) room(ctx context.Context, kind, group string, records int, bytes int64, made bool) error {
	bound, err := r.bounds.bound(kind)
	if err != nil || bound.Records == 0 || group == "" {
		return err
	}
	of := Key{Kind: kind, Group: group}.Name().group()
	fits, known := r.bounds.fits(of, bound, records, bytes, made)
	if !known {
		described, err := r.backend.Describe(ctx, of.Kind, of.Group)
		if err != nil {
			return err
		}
		u := &usage{records: len(described), at: time.Now()}
		for _, s := range described {
			u.bytes += int64(s.Size)
		}
		fits = r.bounds.saw(of, u, bound, records, bytes, made)
	}
	if !fits {
		return &FullError{kind}
	}
	return nil
}

// fits reports whether there is room, as far as that is known without looking.
func (b *bounds) fits(of Name, bound Bound, records int, bytes int64, made bool) (fits, known bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	u, ok := b.seen.Get(of)
	if !ok || bound.Records <= fewRecords {
		return false, false
	}
	age := time.Since(u.at)
	fits = u.add(bound, records, bytes, made && age < usageLife)
	return fits, fits && age < usageLife || !fits && age < fullLife
}

// saw remembers what the store was seen to hold, and says if there is room beside it.
func (b *bounds) saw(of Name, u *usage, bound Bound, records int, bytes int64, made bool) (fits bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.seen.Add(of, u)
	return u.add(bound, records, bytes, made)
}

// removed has a full group looked at again when something of it was removed.
func (b *bounds) removed(name Name) {
	of := name.group()
	b.mu.Lock()
	defer b.mu.Unlock()
	if u, ok := b.seen.Peek(of); ok && u.full {
		b.seen.Remove(of)
	}
}

// add reports whether so much more stays within the bound, and counts it in if it is about to be made.
func (u *usage) add(bound Bound, records int, bytes int64, made bool) (fits bool) {
	if u.records+records > bound.Records || u.bytes+bytes > bound.Bytes {
		u.full = true
		return false
	}
	if made {
		u.records, u.bytes = u.records+records, u.bytes+bytes
	}
	return true
}

// Describe lists the group's records of kind, the one that expires first first.
func (r *Records) Describe(ctx context.Context, kind, group string) ([]Stored, error) {
	return r.backend.Describe(ctx, kind, Key{Group: group}.Name().Group)
}

// EachDescribed is Each of records of one kind that Describe has listed, with their index in described.
func (r *Records) EachDescribed(
	ctx context.Context, described []Stored, group string, f func(i int, id string, decode func(into any) error) error,
) error {
	if len(described) == 0 {
		return nil
	}
	names := make([]Name, 0, len(described))
	for _, s := range described {
		names = append(names, s.Name)
	}
	return r.readMany(ctx, Key{Kind: names[0].Kind, Group: group}, names, nil, f)
}

// Drop removes a record to make room for another one.
func (r *Records) Drop(ctx context.Context, name Name) error {
	if err := r.backend.Delete(ctx, name); err != nil {
		return err
	}
	r.dropped(name.Kind)
	r.bounds.removed(name)
	return nil
}
