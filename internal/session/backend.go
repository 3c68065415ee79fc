package session

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"
)

// What can go wrong with a record. Compare with errors.Is: the errors returned carry more.
var (
	ErrNotFound    = errors.New("session: no such record")
	ErrExists      = errors.New("session: the record exists already")
	ErrConflict    = errors.New("session: the record was changed by another request")
	ErrUnavailable = errors.New("session: the store can't be reached or written")
	ErrTooLarge    = errors.New("session: the value is too large to be kept")
)

// ErrDamaged is a Backend's ErrNotFound for a record that is there but can't be read. Callers need no difference;
// Records logs it once.
var ErrDamaged = fmt.Errorf("%w: it is damaged", ErrNotFound)

// unavailable makes an ErrUnavailable of cause, which stays visible to errors.Is.
func unavailable(cause error) error {
	return fmt.Errorf("%w: %w", ErrUnavailable, cause)
}

// MaxValue is the most bytes that a Backend keeps under one name.
const MaxValue = 1 << 20

// Key names one record.
type Key struct {
	Kind  string // what it is, in lower-case letters: "session", "tokens", "operation"…
	Group string // whose it is (a person): records of one group can be listed; may be ""
	ID    string
}

// Name is a Key after hashing: what a Backend sees. It is safe as a file name, and who can list a store learns no
// session id from it.
type Name struct{ Kind, Group, ID string }

// Name returns the key's name.
func (k Key) Name() Name {
	n := Name{Kind: k.Kind, ID: hash(k.ID)}
	if k.Group != "" {
		n.Group = hash(k.Group)
	}
	return n
}

// group is what the records of n's kind and group have in common.
func (n Name) group() Name { return Name{Kind: n.Kind, Group: n.Group} }

// hash is a one-way name of s: 64 hexadecimal digits.
func hash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

// Valid refuses names that didn't come from Key.Name, before they become a path.
func (n Name) Valid() error {
	if !validKind(n.Kind) || !validHash(n.ID) || n.Group != "" && !validHash(n.Group) {
		return errors.New("session: not the name of a record")
	}
	return nil
}

// ValidGroup refuses what isn't the kind and group of records that can be listed.
func ValidGroup(kind, group string) error {
	if !validKind(kind) || !validHash(group) {
		return errors.New("session: not a kind and group of records")
	}
	return nil
}

func validKind(s string) bool {
	for _, c := range s {
		if c < 'a' || c > 'z' {
			return false
		}
	}
	return s != "" && len(s) <= 32
}

func validHash(s string) bool {
	b, err := hex.DecodeString(s)
	return err == nil && len(b) == sha256.Size && hex.EncodeToString(b) == s
}

// SameGroup refuses names that ReadMany can't read together.
func SameGroup(names []Name) error {
	for _, n := range names {
		if err := n.Valid(); err != nil {
			return err
		}
		if n.Kind != names[0].Kind || n.Group != names[0].Group {
			return errors.New("session: records of several kinds or groups can't be read together")
		}
	}
	return nil
}

// Stored describes a record.
type Stored struct {
	Name    Name
	Size    int // of the value, in bytes
	Expires time.Time
}

// Backend keeps bytes under a name until they expire. Every method may be called by several goroutines and processes at
// once. A record that has expired is answered as if it were gone. When the store itself fails, the error is an
// ErrUnavailable.
type Backend interface {
	// Create keeps value under a name that is free, or else answers ErrExists.
	Create(ctx context.Context, name Name, value []byte, expires time.Time) error

	// Read returns the value and the version that Update wants to see. ErrNotFound.
	Read(ctx context.Context, name Name) (value []byte, version string, err error)

	// Update replaces the value if it is still the one that was read as version: ErrConflict if it was changed since,
	// ErrNotFound if it is gone. It never makes a new record.
	Update(ctx context.Context, name Name, version string, value []byte, expires time.Time) error

	// Delete removes the record; it is no error if there is none.
	Delete(ctx context.Context, name Name) error

	// Take is Read and Delete in one step: of several callers one gets the value, the others ErrNotFound.
	Take(ctx context.Context, name Name) ([]byte, error)

	// List names the records of one kind and group, which is not "", in any order. Some of them may be gone by the time
	// they are read.
	List(ctx context.Context, kind, group string) ([]Name, error)

	// ReadMany reads the records called names, all of one kind and group, and calls f for each of them, in any order:
	// with its place in names, and its value or ErrNotFound. It asks a store over the network few times, however many
	// records there are, and has only some of the values in memory at a time. An error of f ends it; f is called in the
	// caller's goroutine.
	ReadMany(ctx context.Context, names []Name, f func(i int, value []byte, err error) error) error

	// Describe is List with sizes and expiries, the one that expires first first.
	Describe(ctx context.Context, kind, group string) ([]Stored, error)

	// Lock waits until no one else holds the lock called name, or ctx ends. Locks have nothing to do with the record of
	// that name, and one whose holder died is free again.
	Lock(ctx context.Context, name Name) (release func(), err error)

	// TryLock is Lock without waiting: ok says if it was got.
	TryLock(ctx context.Context, name Name) (release func(), ok bool, err error)

	// Sweep removes what had expired by now and says how many records that were.
	Sweep(ctx context.Context, now time.Time) (removed int, err error)

	// Ping finds out if the store can be read and written.
	Ping(ctx context.Context) error

	Close() error
}
