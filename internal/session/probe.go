package session

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"
)

// probeLife is how long a probe's record stays if Probe dies before it has removed it.
const probeLife = time.Minute

const (
	pingKind  = "ping"
	probeKind = "probe"
	// pingSize is more than a session with its token cache has: a store with room for a few bytes takes a word and
	// refuses that.
	pingSize = 32 << 10
)

// PingName is the name of a record for TryRecord, another one each time.
func PingName() Name { return Key{Kind: pingKind, ID: rand.Text()}.Name() }

// TryRecord finds out if b keeps records: it writes a large one, changes it, reads it and removes it, the way that all
// are. It writes twice, because Redis refuses a write only when its memory was full before. The error names the step.
func TryRecord(ctx context.Context, b Backend, name Name, now time.Time) error {
	value, expires := make([]byte, pingSize), now.Add(probeLife)
	// Something small first: Redis answers a large command of a user that it doesn't know with a protocol error.
	if _, _, err := b.Read(ctx, name); err != nil && !errors.Is(err, ErrNotFound) {
		return fmt.Errorf("reading a record: %w", err)
	}
	if err := b.Create(ctx, name, value, expires); err != nil {
		return fmt.Errorf("writing a record of %d KB: %w", pingSize>>10, err)
	}
	read, version, err := b.Read(ctx, name)
	switch {
	case err != nil:
		err = fmt.Errorf("%w: reading what was just written: %w", ErrUnavailable, err)
	case !bytes.Equal(read, value):
		err = unavailable(errors.New("another record was read than was written"))
	default:
		if err = b.Update(ctx, name, version, value, expires); err != nil {
			err = fmt.Errorf("writing a record of %d KB once more: %w", pingSize>>10, err)
		}
	}
	if removed := b.Delete(context.WithoutCancel(ctx), name); removed != nil { // or else it expires soon
		err = errors.Join(err, fmt.Errorf("removing a record: %w", removed))
	}
	return err
}

// Probe does once what patdesk will ask of the store beside what Ping tries, on a record of its own that it removes again:
// so a right that is missing shows before a person's change depends on it. The error names the step.
func Probe(ctx context.Context, b Backend, now time.Time) error {
	name := Key{Kind: probeKind, Group: "check", ID: rand.Text()}.Name()
	value := []byte("probe")
	steps := []struct {
		name string
		do   func() error
	}{
		{"writing a record", func() error { return b.Create(ctx, name, value, now.Add(probeLife)) }},
		{"listing it", func() error {
			names, err := b.List(ctx, name.Kind, name.Group)
			if err != nil {
				return err
			}
			found := false
			err = b.ReadMany(ctx, names, func(_ int, read []byte, _ error) error {
				found = found || bytes.Equal(read, value)
				return nil
			})
			if err == nil && !found {
				return errors.New("it isn't listed")
			}
			return err
		}},
		{"locking it", func() error {
			release, _, err := b.TryLock(ctx, name)
			if release != nil {
				release()
			}
			return err
		}},
		{"taking it", func() error { _, err := b.Take(ctx, name); return err }},
	}
	for _, step := range steps {
		if err := step.do(); err != nil {
			_ = b.Delete(ctx, name) // what isn't removed now expires soon
			return fmt.Errorf("%s: %w", step.name, err)
		}
	}
	return nil
}
