package session

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// KeySize is the least number of bytes of a key.
const KeySize = 32

// keyFile is where LoadOrCreateKeys keeps the keys, one a line, newest first.
const keyFile = "keys"

// ParseKeys reads keys as operators write them: base64 (either alphabet, padded or not), newest first, divided by
// commas, spaces or lines. Its errors name a key by its position only.
func ParseKeys(text string) ([][]byte, error) {
	words := strings.FieldsFunc(text, func(c rune) bool { return strings.ContainsRune(", \t\r\n", c) })
	if len(words) == 0 {
		return nil, errors.New("session: no key is given")
	}
	var keys [][]byte
	for i, word := range words {
		word = strings.NewReplacer("-", "+", "_", "/").Replace(strings.TrimRight(word, "="))
		key, err := base64.RawStdEncoding.DecodeString(word)
		if err != nil || len(key) < KeySize {
			return nil, fmt.Errorf("session: key number %d isn't the base64 of at least %d random bytes", i+1, KeySize)
		}
		keys = append(keys, key)
	}
	return keys, nil
}

// LoadOrCreateKeys returns the keys kept in the file "keys" of the folder, which is treated as by OpenDir. At the first
// start it makes one; of several programs that start at once one does. A key file that others can read or write is
// refused, and a damaged one is never replaced: without its keys every record would be lost.
//
// To change keys, put a new one above the others in the file; the old ones can be taken out when everything made with
// them has expired.
func LoadOrCreateKeys(folder string) ([][]byte, error) {
	d, err := OpenDir(folder, time.Now)
	if err != nil {
		return nil, err
	}
	var text string
	err = d.inside(func(root *os.Root) error {
		text, err = d.loadOrCreateKeys(root)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("session: the keys in %s: %w", filepath.Join(d.path, keyFile), err)
	}
	return ParseKeys(text)
}

func (d *Dir) loadOrCreateKeys(root *os.Root) (string, error) {
	l, err := d.acquire(context.Background(), root, keyFile, stripeRetry)
	if err != nil {
		return "", err
	}
	defer l.release()
	text, err := readKeys(root)
	if errors.Is(err, ErrNotFound) {
		return d.createKeys(root)
	}
	return text, err
}

func readKeys(root *os.Root) (string, error) {
	f, _, err := openRegular(root, keyFile)
	if errors.Is(err, ErrDamaged) {
		return "", errors.New("this is no plain file")
	}
	if err != nil {
		return "", err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", unavailable(err)
	}
	if !ownedByUs(info) || hasModes && info.Mode().Perm()&0o077 != 0 {
		return "", fmt.Errorf("others can get at this file (mode %04o); if nobody did: chmod 600, and make it yours", info.Mode().Perm())
	}
	text, err := readRegular(root, keyFile, 1<<16)
	return string(text), err
}

// createKeys writes a new key as carefully as a record. The caller holds the lock.
func (d *Dir) createKeys(root *os.Root) (string, error) {
	key := make([]byte, KeySize)
	rand.Read(key)
	text := base64.StdEncoding.EncodeToString(key) + "\n"
	const temp = tempFolder + "/" + keyFile
	if err := d.writeTemp(root, temp, []byte(text)); err != nil {
		return "", err
	}
	if err := root.Rename(temp, keyFile); err != nil {
		return "", unavailable(err)
	}
	return text, d.syncFolder(root, ".")
}
