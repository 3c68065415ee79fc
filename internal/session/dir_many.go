package session

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"

	"github.com/patdesk/patdesk/internal/panics"
)

// filesAtOnce is how many files one ReadMany reads side by side: what it has in memory, each of at most MaxValue.
const filesAtOnce = 8

// readFile is what ReadMany has read under a name.
type readFile struct {
	i   int
	rec fileRecord
	err error
}

// ReadMany implements Backend.
func (d *Dir) ReadMany(ctx context.Context, names []Name, f func(i int, value []byte, err error) error) error {
	if err := SameGroup(names); err != nil || len(names) == 0 {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	return d.inFolderOf(names, func(root *os.Root, place func(Name) string) error {
		for file := range d.readFiles(ctx, root, names, place) {
			if file.err != nil && !errors.Is(file.err, ErrNotFound) {
				return file.err
			}
			if err := f(file.i, file.rec.value, file.err); err != nil {
				return err
			}
		}
		if err := ctx.Err(); err != nil {
			return unavailable(err)
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

// readFiles reads the files of names, until ctx ends. Those that are still being read then fail, as the folder is
// closed under them, and aren't received.
func (d *Dir) readFiles(ctx context.Context, root *os.Root, names []Name, place func(Name) string) <-chan readFile {
	next, files := make(chan int), make(chan readFile)
	panics.Go(slog.Default(), "reading records", func() {
		defer close(next)
		for i := range names {
			select {
			case next <- i:
			case <-ctx.Done():
				return
			}
		}
	})
	var readers panics.Group
	for range min(filesAtOnce, len(names)) {
		readers.Go(func() error {
			for i := range next {
				file := readFile{i: i}
				file.rec, file.err = panics.Try(func() (fileRecord, error) { return d.readFile(root, place(names[i])) })
				select {
				case files <- file:
				case <-ctx.Done():
					return nil
				}
			}
			return nil // each file's error is its own
		})
	}
	panics.Go(slog.Default(), "reading records", func() {
		defer close(files)
		_ = readers.Wait() // always nil, see above
	})
	return files
}
