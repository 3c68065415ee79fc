package session

import (
	"context"
	"errors"
	"log/slog"
	"os"

	"github.com/patdesk/patdesk/internal/panics"
)

// filesAtOnce is how many files one ReadMany reads side by side: what it has in memory, each of at
// most MaxValue.
const filesAtOnce = 8

// readFile is what ReadMany has read under a name.
type readFile struct {
	i   int
	rec fileRecord
	err error
}

// ReadMany implements Backend.
func (d *Dir) ReadMany(ctx context.Context, names []Name, f func(i int, value []byte, err error) error) error {
	if err := SameGroup(names); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	return d.inside(func(root *os.Root) error {
		for file := range d.readFiles(ctx, root, names) {
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

// readFiles reads the files of names, until ctx ends. Those that are still being read then fail, as
// the folder is closed under them, and are read by nobody.
func (d *Dir) readFiles(ctx context.Context, root *os.Root, names []Name) <-chan readFile {
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
				file.rec, file.err = panics.Try(func() (fileRecord, error) { return d.read(root, names[i]) })
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
