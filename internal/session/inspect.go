package session

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Inspection is what InspectDir has seen of a folder.
type Inspection struct {
	Exists bool     // the folder is there already
	Open   bool     // others can read it, until OpenDir takes that from them; never of OpenGroupDir's
	Keys   [][]byte // of the file "keys", newest first; nil if there is none yet
}

// InspectDir reports whether OpenDir and LoadOrCreateKeys would work on the folder, and changes nothing: a file is made
// in it, or where it will be made, and removed at once.
func InspectDir(path string) (Inspection, error) { return inspectDir(path, ownerOnly) }

// InspectGroupDir is InspectDir for OpenGroupDir, without keys.
func InspectGroupDir(path string) (Inspection, error) { return inspectDir(path, withGroup) }

func inspectDir(path string, who access) (Inspection, error) {
	path = filepath.Clean(path)
	info, err := checkFolder(path, who)
	if errors.Is(err, fs.ErrNotExist) {
		return Inspection{}, tryWriting(firstExisting(path))
	}
	if err != nil {
		return Inspection{}, err
	}
	seen := Inspection{Exists: true, Open: hasModes && !who.group && info.Mode().Perm()&0o077 != 0}
	if err := tryWriting(path); err != nil || who.group {
		return seen, err
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		return seen, unavailable(err)
	}
	defer func() { _ = root.Close() }() // nothing is written through it
	text, err := readKeys(root)
	if errors.Is(err, ErrNotFound) {
		return seen, nil
	}
	if err == nil {
		seen.Keys, err = ParseKeys(text)
	}
	if err != nil {
		return seen, fmt.Errorf("session: the keys in %s: %w", filepath.Join(path, keyFile), err)
	}
	return seen, nil
}

// firstExisting is the folder in which OpenDir begins to make the missing ones.
func firstExisting(path string) string {
	for {
		above := filepath.Dir(path)
		if _, err := os.Stat(above); err == nil || above == path {
			return above
		}
		path = above
	}
}

func tryWriting(folder string) error {
	f, err := os.CreateTemp(folder, ".patdesk-check-")
	if err != nil {
		return fmt.Errorf("session: writing into %s: %w", folder, plainCause(err))
	}
	_, err = f.Write(make([]byte, 4096))
	if err = errors.Join(err, f.Sync(), f.Close(), os.Remove(f.Name())); err != nil {
		return fmt.Errorf("session: writing into %s: %w", folder, plainCause(err))
	}
	return nil
}

// plainCause leaves out the temporary file's name.
func plainCause(err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err
	}
	return err
}
