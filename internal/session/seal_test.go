package session

import (
	"errors"
	"testing"
	"time"
)

// TestStoreAndKeysAreNotEnough: who has stolen the store and our keys, but has no cookie, knows of a token cache its
// kind and the hash of its ID, and can't read it.
func TestStoreAndKeysAreNotEnough(t *testing.T) {
	t.Parallel()
	ring, err := newKeyring([][]byte{make([]byte, KeySize)})
	if err != nil {
		t.Fatal(err)
	}
	k := Key{Kind: "tokens", ID: newID(idSize)}
	name := k.Name()
	sealed, err := ring.seal(k, []byte("refresh token"), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	for _, guess := range []Key{{Kind: "tokens"}, {Kind: "tokens", ID: name.ID}} {
		if o, err := ring.open(guess, name.ID, sealed); !errors.Is(err, errForged) {
			t.Errorf("opened with %+v: %q, %v", guess, o.plain, err)
		}
	}
	if o, err := ring.open(k, name.ID, sealed); err != nil || string(o.plain) != "refresh token" || o.id != k.ID {
		t.Errorf("opened with the id: %q, %v", o.plain, err)
	}
}

// TestReasons: the log tells an operator who forgot a key from a damaged disk.
func TestReasons(t *testing.T) {
	t.Parallel()
	ring, err := newKeyring([][]byte{make([]byte, KeySize)})
	if err != nil {
		t.Fatal(err)
	}
	k := Key{Kind: "note", ID: "1"}
	sealed, err := ring.seal(k, []byte("value"), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	spoiled := func(at int) []byte {
		b := append([]byte(nil), sealed...)
		b[at]++
		return b
	}
	for name, c := range map[string]struct {
		sealed []byte
		want   error
	}{
		"cut":             {sealed[:sealHeadSize-1], errTruncated},
		"another version": {spoiled(0), errVersion},
		"another key":     {spoiled(1), errUnknownKey},
		"another expiry":  {spoiled(12), errForged},
		"another salt":    {spoiled(13), errForged},
		"another nonce":   {spoiled(sealHeadSize - 1), errForged},
		"another value":   {spoiled(sealHeadSize), errForged},
		"no value":        {sealed[:sealHeadSize], errForged},
	} {
		if _, err := ring.open(k, k.Name().ID, c.sealed); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}
