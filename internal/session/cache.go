package session

import (
	"context"
	"errors"
	"maps"
	"sync"
	"time"
)

// Cache reads records that are read again and again. The store is asked each time, so that what others write counts at
// once; but a record that wasn't written since is neither decrypted nor decoded again, which takes most of the time.
// The values are shared: whoever gets one leaves it as it is.
type Cache[T any] struct {
	records *Records
	most    int // bytes of the values that are kept, as they are stored

	mu     sync.Mutex
	groups map[string]map[Name]cached[T]
	bytes  int
}

// cached is a record as it was read.
type cached[T any] struct {
	head    string // no two writings have the same: it holds a random salt and nonce
	id      string
	expires time.Time
	value   *T
	size    int
}

// NewCache returns a Cache over r that keeps values of up to most bytes in all.
func NewCache[T any](r *Records, most int) *Cache[T] {
	return &Cache[T]{records: r, most: most, groups: map[string]map[Name]cached[T]{}}
}

// Get returns the value of a group's record k. ErrNotFound, ErrDamaged.
func (c *Cache[T]) Get(ctx context.Context, k Key) (*T, error) {
	sealed, _, err := c.records.backend.Read(ctx, k.Name())
	if err != nil {
		return nil, c.records.readError(k.Name(), err)
	}
	known := c.of(k.Group)
	read, err := c.open(known, k, k.Name(), sealed)
	switch {
	case err != nil:
		return nil, err
	case known[k.Name()].head != read.head:
		fresh := map[Name]cached[T]{}
		maps.Copy(fresh, known)
		fresh[k.Name()] = read
		c.keep(k.Group, fresh)
	}
	return read.value, nil
}

// EachMarked calls f for each readable record of kind and group whose ID a record of the kind marker has as well, in
// any order. strays are the IDs of markers without a record of kind. Of the group's other records nothing is kept.
func (c *Cache[T]) EachMarked(ctx context.Context, marker, kind, group string, f func(id string, value *T)) (strays []string, err error) {
	r := c.records
	markers, err := r.list(ctx, marker, group)
	if err != nil {
		return nil, err
	}
	names := make([]Name, 0, len(markers)) // the same ID has the same hash
	for _, m := range markers {
		names = append(names, Name{Kind: kind, Group: m.Group, ID: m.ID})
	}
	known, fresh := c.of(group), make(map[Name]cached[T], len(names))
	var alone []Name
	err = r.backend.ReadMany(ctx, names, func(i int, sealed []byte, err error) error {
		var read cached[T]
		if err == nil {
			read, err = c.open(known, Key{Kind: kind, Group: group}, names[i], sealed)
		} else {
			err = r.readError(names[i], err)
		}
		switch {
		case err == nil:
			fresh[names[i]] = read
			f(read.id, read.value)
		case errors.Is(err, ErrDamaged): // it is there, but not for this program
		case errors.Is(err, ErrNotFound):
			alone = append(alone, markers[i])
		default:
			return err
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	c.keep(group, fresh)
	err = r.readMany(ctx, Key{Kind: marker, Group: group}, alone, nil, func(_ int, id string, _ func(any) error) error {
		strays = append(strays, id)
		return nil
	})
	return strays, err
}

// open is a record as it was sealed: the known one, if it is the same.
func (c *Cache[T]) open(known map[Name]cached[T], k Key, name Name, sealed []byte) (cached[T], error) {
	head := string(sealed[:min(len(sealed), sealHeadSize)])
	read, ok := known[name]
	if !ok || read.head != head {
		o, err := c.records.open(k, name, sealed)
		if err != nil {
			return read, err
		}
		value := new(T)
		if _, err := c.records.decode(name, o, value); err != nil {
			return read, err
		}
		return cached[T]{head, o.id, o.expires, value, len(sealed)}, nil
	}
	if !c.records.now().Before(read.expires) {
		return read, ErrNotFound
	}
	return read, nil
}

// of is what is kept of a group. It is never changed.
func (c *Cache[T]) of(group string) map[Name]cached[T] {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.groups[group]
}

// keep keeps what was read of a group in place of what was kept. Others go for it if that is too much.
func (c *Cache[T]) keep(group string, read map[Name]cached[T]) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.forget(group)
	size := sizeOf(read)
	if size == 0 || size > c.most {
		return
	}
	for other := range c.groups { // whoever comes first
		if c.bytes+size <= c.most {
			break
		}
		c.forget(other)
	}
	c.groups[group] = read
	c.bytes += size
}

// forget keeps nothing of a group; c is locked.
func (c *Cache[T]) forget(group string) {
	c.bytes -= sizeOf(c.groups[group])
	delete(c.groups, group)
}

func sizeOf[T any](read map[Name]cached[T]) (bytes int) {
	for _, one := range read {
		bytes += one.size
	}
	return bytes
}
