// Package formid draws and checks the ids of forms.
//
// An id is stateless: random ‖ seconds since 1970 ‖ stamp ‖ MAC over random and time with person, purpose and target.
// So drawing a form writes nothing, any replica can check it, and a form outlives the session in which it was drawn
// (but not the person). The random part names what the form begins, such as an operation. The stamp is a MAC over
// random and time alone: it shows that a form was drawn here when its person isn't known any more, because the sign-in
// is over.
package formid

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"strconv"
	"time"

	"github.com/patdesk/patdesk/internal/session"
)

const (
	// Life is how long a form may be sent after it was drawn.
	Life = 12 * time.Hour
	// Skew is how far ahead the clock of the replica that drew the form may be.
	Skew = time.Hour

	idSize   = 16 // random bytes: 128 bits can't be guessed
	timeSize = 8

	formPurpose  = "operation form" // as the first release had it: forms outlive a change of release
	stampPurpose = "operation form stamp"
)

// Errors of Check. Logs have had their texts since the first release.
var (
	ErrForged = errors.New("operation: the form is not this person's, or not for this action and target")
	ErrStale  = errors.New("operation: the form is too old")
)

var encoding = base64.RawURLEncoding.Strict()

// Forms draws and checks ids with the keys of records.
type Forms struct {
	records *session.Records
	now     func() time.Time
}

// New makes Forms. Those of the same records accept each other's ids.
func New(records *session.Records, now func() time.Time) *Forms { return &Forms{records, now} }

// Draw returns a new id, bound to person, purpose and target.
func (f *Forms) Draw(person, purpose, target string) string {
	b := make([]byte, idSize, idSize+timeSize+2*sha256.Size)
	rand.Read(b)
	id := encoding.EncodeToString(b)
	drawn := f.now().Unix()
	b, _ = binary.Append(b, binary.BigEndian, drawn) // an int64 has a size, so it never fails
	b = append(b, f.records.MAC(stampPurpose, id, strconv.FormatInt(drawn, 10))...)
	b = append(b, f.records.MAC(formPurpose, parts(id, drawn, person, purpose, target)...)...)
	return encoding.EncodeToString(b)
}

// Check says if form is genuine, and returns what it names: ErrForged, or ErrStale after Life.
func (f *Forms) Check(form, person, purpose, target string) (name string, err error) {
	one, ok := parse(form)
	if !ok || !f.records.CheckMAC(one.mac, formPurpose, parts(one.id, one.drawn, person, purpose, target)...) {
		return "", ErrForged
	}
	if !f.fresh(one) {
		return "", ErrStale
	}
	return one.id, nil
}

func (f *Forms) fresh(one form) bool {
	age := f.now().Sub(time.Unix(one.drawn, 0))
	return age <= Life && age >= -Skew
}

// Drawn reports whether form was drawn here, for whomever, and isn't stale. It is for deciding what may be kept for a
// visitor who isn't signed in any more; only Check says whose form it is.
func (f *Forms) Drawn(form string) bool {
	one, ok := parse(form)
	return ok && f.fresh(one) && f.records.CheckMAC(one.stamp, stampPurpose, one.id, strconv.FormatInt(one.drawn, 10))
}

// Name is what form names, unchecked; not ok: it is no id.
func Name(form string) (name string, ok bool) {
	one, ok := parse(form)
	return one.id, ok
}

// NewName is a random name like those in ids, for what no form begins.
func NewName() string {
	b := make([]byte, idSize)
	rand.Read(b)
	return encoding.EncodeToString(b)
}

// form is an id taken apart, unchecked.
type form struct {
	id         string
	drawn      int64 // seconds since 1970
	stamp, mac []byte
}

func parse(text string) (f form, ok bool) {
	b, err := encoding.DecodeString(text)
	if err != nil || len(b) != idSize+timeSize+2*sha256.Size {
		return f, false
	}
	if _, err := binary.Decode(b[idSize:], binary.BigEndian, &f.drawn); err != nil {
		return f, false
	}
	f.id = encoding.EncodeToString(b[:idSize])
	f.stamp, f.mac = b[idSize+timeSize:][:sha256.Size], b[idSize+timeSize+sha256.Size:]
	return f, true
}

func parts(id string, drawn int64, person, purpose, target string) []string {
	return []string{id, strconv.FormatInt(drawn, 10), person, purpose, target}
}
