package session

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
)

// inside calls f with the folder opened.
func (d *Dir) inside(f func(*os.Root) error) error {
	root, err := os.OpenRoot(d.path)
	if err != nil {
		return unavailable(err)
	}
	defer func() { _ = root.Close() }() // nothing is written to the folder itself
	return f(root)
}

// writeTemp writes a temporary file in place of one that a crash left, and sees that it is on the disk. After a failure
// (a full disk, say) none is left.
func (d *Dir) writeTemp(root *os.Root, temp string, content []byte) error {
	if err := removeFile(root, temp); err != nil {
		return err
	}
	var f *os.File
	err := d.inFolder(root, tempFolder, func() (err error) {
		f, err = root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, d.who.file)
		return err
	})
	if err != nil {
		return err
	}
	_, err = io.Copy(f, bytes.NewReader(content))
	if err == nil && d.sync {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		_ = root.Remove(temp)
		return unavailable(err)
	}
	return nil
}

// inFolder calls f, and if folder doesn't exist makes it and calls f again. The sweep may take an empty folder away in
// between, therefore it tries more than once.
func (d *Dir) inFolder(root *os.Root, folder string, f func() error) error {
	var err error
	for range 5 {
		if err = f(); err == nil {
			return nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return unavailable(err)
		}
		if err := d.makeFolder(root, folder); err != nil {
			return err
		}
	}
	return unavailable(err)
}

// makeFolder makes folder and sees that it is there after a power cut.
func (d *Dir) makeFolder(root *os.Root, folder string) error {
	if err := root.MkdirAll(folder, d.who.folder); err != nil {
		return unavailable(err)
	}
	if d.who.group {
		openToGroup(root, folder)
	}
	for above := path.Dir(folder); ; above = path.Dir(above) {
		if err := d.syncFolder(root, above); err != nil {
			return err
		}
		if above == "." {
			return nil
		}
	}
}

// openToGroup lets the group use folder and those above it, as far as they are ours: the others' owners do.
func openToGroup(root *os.Root, folder string) {
	for ; folder != "."; folder = path.Dir(folder) {
		if info, err := root.Lstat(folder); err == nil {
			if mode, less := openedToGroup(info); less {
				_ = root.Chmod(folder, mode) // where modes are fixed, they are the mount's
			}
		}
	}
}

// syncFolder sees that folder's entries, as they are now, survive a power cut. A folder that is gone again has nothing
// to keep.
func (d *Dir) syncFolder(root *os.Root, folder string) error {
	if !d.sync || !foldersSync {
		return nil
	}
	f, err := root.Open(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = errors.Join(f.Sync(), f.Close())
	}
	if err != nil {
		return unavailable(err)
	}
	return nil
}

// removeFile removes a file or a link, if it is there.
func removeFile(root *os.Root, file string) error {
	if err := root.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return unavailable(err)
	}
	return nil
}

// eachEntry calls f for what is in folder, a few hundred entries at a time. A folder that isn't there is empty.
func eachEntry(root *os.Root, folder string, f func(fs.DirEntry) error) error {
	dir, err := root.Open(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return unavailable(err)
	}
	defer dir.Close()
	for {
		entries, err := dir.ReadDir(256)
		for _, e := range entries {
			if err := f(e); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return unavailable(fmt.Errorf("reading a folder: %w", err))
		}
	}
}
