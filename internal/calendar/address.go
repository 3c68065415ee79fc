package calendar

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
)

// An address is base64url of a public half, under which its record is found, and a secret half.
const (
	idBytes     = 16
	secretBytes = 32 // 256 bits can't be guessed; the 128 of the public half come on top

	addressPurpose = "calendar address"
)

var encoding = base64.RawURLEncoding.Strict()

// address is a feed's address taken apart.
type address struct{ id, secret []byte }

// newAddress makes the address that a form stands for. It is derived from the form's id, which is random and unknown to
// everyone but its person, with a key that only this program has: a form that is sent twice makes one address, though
// only its hash is kept.
func (f *Feeds) newAddress(person, form string) address {
	id := f.records.MAC(addressPurpose, "public", person, form)
	return address{id: id[:idBytes], secret: f.records.MAC(addressPurpose, "secret", person, form)[:secretBytes]}
}

func (a address) String() string {
	return encoding.EncodeToString(append(append([]byte{}, a.id...), a.secret...))
}

// name is the public half, as records and forms name it.
func (a address) name() string { return encoding.EncodeToString(a.id) }

func (a address) hash() []byte {
	sum := sha256.Sum256(a.secret)
	return sum[:]
}

func (a address) fits(hash []byte) bool { return subtle.ConstantTimeCompare(a.hash(), hash) == 1 }

// parseAddress reads an address as String writes it, and nothing else.
func parseAddress(text string) (a address, ok bool) {
	if len(text) != encoding.EncodedLen(idBytes+secretBytes) {
		return a, false
	}
	b, err := encoding.DecodeString(text)
	if err != nil {
		return a, false
	}
	return address{id: b[:idBytes], secret: b[idBytes:]}, true
}
