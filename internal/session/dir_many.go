package session

import (
	"context"
	"errors"
	"io/fs"
	"os"

	"github.com/patdesk/patdesk/internal/panics"
)

// filesAtOnce is how many files one ReadMany reads side by side: what it has in memory, each of at most MaxValue.
const filesAtOnce = 8

// ReadMany implements Backend.
func (d *Dir) ReadMany(ctx context.Context, names []Name, f func(i int, value []byte, err error) error) error {
	if err := SameGroup(names); err != nil || len(names) == 0 {
		return err
	}
	return d.inFolderOf(names, func(root *os.Root, place func(Name) string) error {
		for first := 0; first < len(names); first += filesAtOnce {
			if err := ctx.Err(); err != nil {
				return unavailable(err)
			}
			some := names[first:min(first+filesAtOnce, len(names))]
			var read [filesAtOnce]fileRecord
			var errs [filesAtOnce]error
			var readers panics.Group
			for i, name := range some {
				readers.Go(func() error {
					read[i], errs[i] = d.readFile(root, place(name))
					return nil
				})
			}
			_ = readers.Wait() // each file's error is its own
			for i := range some {
				if errs[i] != nil && !errors.Is(errs[i], ErrNotFound) {
					return errs[i]
				}
				if err := f(first+i, read[i].value, errs[i]); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// inFolderOf calls f with a folder and the places of these records in it. The records of a group are in one folder,
// which is opened once for all of them.
func (d *Dir) inFolderOf(names []Name, f func(root *os.Root, place func(Name) string) error) error {
	return d.inside(func(root *os.Root) error {
		if names[0].Group == "" {
			return f(root, Name.file)
		}
		folder, err := root.OpenRoot(names[0].folder())
		if errors.Is(err, fs.ErrNotExist) {
			return f(root, Name.file) // there are none
		}
		if err != nil {
			return unavailable(err)
		}
		defer func() { _ = folder.Close() }() // nothing is written to it
		return f(folder, func(n Name) string { return n.ID })
	})
}
