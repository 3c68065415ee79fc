package session

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// A sealed record is
//
//	sealHead | AES-256-GCM(ID and value)
//
// The cipher's key is derived (HKDF, RFC 5869) from one of our keys, the salt, and the record's kind, group and ID; all
// that stands before the ciphertext is authenticated with it. So a record under another name, or with another expiry,
// is unreadable.
//
// For a record without a group the ID itself goes into the derivation, not its hash. Of sessions and their token caches
// only the browser's cookie holds it: whoever has stolen the store and our keys still can't read them. A record of a
// group is listed without knowing its ID, which is therefore inside, and its hash goes into the derivation.
type sealHead struct {
	Version byte
	KeyID   keyID
	Expires int64 // milliseconds since 1970
	Salt    [16]byte
	Nonce   [12]byte
}

const sealVersion = 1

var sealHeadSize = binary.Size(sealHead{})

// Why a record can't be read.
var (
	errTruncated  = errors.New("it is too short")
	errVersion    = errors.New("it is of another version of this program")
	errUnknownKey = errors.New("it was made with a key that isn't among the configured ones")
	errForged     = errors.New("it was altered, or is another record's")
)

// keyring is our keys, newest first: the first one makes, all read.
type keyring []key

// keyID distinguishes keys without revealing anything about them.
type keyID [4]byte

type key struct {
	id     keyID
	master []byte
	macKey []byte
}

func newKeyring(masters [][]byte) (keyring, error) {
	if len(masters) == 0 {
		return nil, errors.New("session: no key is given")
	}
	var ring keyring
	for i, master := range masters {
		if len(master) < KeySize {
			return nil, fmt.Errorf("session: key number %d has fewer than %d bytes", i+1, KeySize)
		}
		k := key{master: master}
		id, err := hkdf.Key(sha256.New, master, nil, "patdesk key id", len(k.id))
		if err != nil {
			return nil, err
		}
		copy(k.id[:], id)
		if k.macKey, err = hkdf.Key(sha256.New, master, nil, "patdesk mac", sha256.Size); err != nil {
			return nil, err
		}
		ring = append(ring, k)
	}
	return ring, nil
}

// mac is a keyed hash of parts, which can't be mistaken for one with other borders between them.
func (k key) mac(purpose string, parts []string) []byte {
	h := hmac.New(sha256.New, k.macKey)
	h.Write(frame(append([]string{purpose}, parts...)...))
	return h.Sum(nil)
}

// frame joins parts, each after its length.
func frame(parts ...string) []byte {
	var b []byte
	for _, p := range parts {
		b = binary.AppendUvarint(b, uint64(len(p)))
		b = append(b, p...)
	}
	return b
}

// binding is what ties a record to its place. id is the name's hash if there is a group.
func binding(k Key, hashed string) []byte {
	if k.Group != "" {
		return frame("patdesk record", k.Kind, k.Group, hashed)
	}
	return frame("patdesk record", k.Kind, "", k.ID)
}

// aead is the cipher for one writing of one record.
func (k key) aead(salt, binding []byte) (cipher.AEAD, error) {
	derived, err := hkdf.Key(sha256.New, k.master, salt, string(binding), 32)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(derived)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// seal encrypts plain for the record k with the newest key.
func (ring keyring) seal(k Key, plain []byte, expires time.Time) ([]byte, error) {
	head := sealHead{Version: sealVersion, KeyID: ring[0].id, Expires: expires.UnixMilli()}
	rand.Read(head.Salt[:])
	rand.Read(head.Nonce[:])
	b, err := binary.Append(nil, binary.BigEndian, head)
	if err != nil {
		return nil, err
	}
	bound := binding(k, k.Name().ID)
	aead, err := ring[0].aead(head.Salt[:], bound)
	if err != nil {
		return nil, err
	}
	content := append(frame(k.ID), plain...)
	return aead.Seal(b, head.Nonce[:], content, append(bound, b...)), nil
}

// opened is a record's content.
type opened struct {
	id      string
	plain   []byte
	expires time.Time
}

// open is the inverse of seal. Of k it needs Kind, Group, and for a record without a group ID; hashed is the record's
// name.
func (ring keyring) open(k Key, hashed string, sealed []byte) (opened, error) {
	var head sealHead
	if _, err := binary.Decode(sealed, binary.BigEndian, &head); err != nil {
		return opened{}, errTruncated
	}
	if head.Version != sealVersion {
		return opened{}, errVersion
	}
	bound := binding(k, hashed)
	failed := errUnknownKey
	for _, key := range ring {
		if key.id != head.KeyID {
			continue
		}
		failed = errForged
		aead, err := key.aead(head.Salt[:], bound)
		if err != nil {
			return opened{}, err
		}
		content, err := aead.Open(nil, head.Nonce[:], sealed[sealHeadSize:], append(bound, sealed[:sealHeadSize]...))
		if err == nil {
			return split(content, time.UnixMilli(head.Expires))
		}
	}
	return opened{}, failed
}

// split takes a record's content apart into its ID and its value.
func split(content []byte, expires time.Time) (opened, error) {
	n, used := binary.Uvarint(content)
	rest := content[max(used, 0):]
	if used <= 0 || n > uint64(len(rest)) {
		return opened{}, errForged
	}
	return opened{string(rest[:n]), rest[n:], expires}, nil
}
