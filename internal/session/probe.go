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

// Probe does once what patdesk will ask of the store, on a record of its own that it removes again: so a right that is
// missing shows before somebody's change depends on it. The error names the step.
func Probe(ctx context.Context, b Backend, now time.Time) error {
	name := Key{Kind: "probe", Group: "check", ID: rand.Text()}.Name()
	value, version := []byte("probe"), ""
	steps := []struct {
		name string
		do   func() error
	}{
		{"writing a record", func() error { return b.Create(ctx, name, value, now.Add(probeLife)) }},
		{"reading it", func() (err error) {
			var read []byte
			if read, version, err = b.Read(ctx, name); err == nil && !bytes.Equal(read, value) {
				return errors.New("something else is there")
			}
			return err
		}},
		{"changing it", func() error { return b.Update(ctx, name, version, value, now.Add(probeLife)) }},
		{"listing it", func() error {
			names, err := b.List(ctx, name.Kind, name.Group)
			if err == nil && len(names) == 0 {
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
		{"deleting it", func() error { return b.Delete(ctx, name) }},
	}
	for _, step := range steps {
		if err := step.do(); err != nil {
			_ = b.Delete(ctx, name) // what isn't removed now expires soon
			return fmt.Errorf("%s: %w", step.name, err)
		}
	}
	return nil
}
