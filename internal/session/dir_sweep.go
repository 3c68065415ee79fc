package session

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"time"
)

// Sweep implements Backend. It holds no lock but, for the moment of a removal, the one of that record's stripe; so it
// delays no one, however many records there are.
func (d *Dir) Sweep(ctx context.Context, now time.Time) (removed int, err error) {
	err = d.inside(func(root *os.Root) error {
		err := eachEntry(root, ".", func(kind fs.DirEntry) error {
			if !kind.IsDir() || !validKind(kind.Name()) {
				return nil
			}
			return eachEntry(root, kind.Name(), func(folder fs.DirEntry) error {
				if !folder.IsDir() {
					return nil
				}
				n, err := d.sweepFolder(ctx, root, kind.Name(), folder.Name(), now)
				removed += n
				return err
			})
		})
		return errors.Join(err, d.sweepTemps(ctx, root), d.sweepLocks(ctx, root))
	})
	return removed, err
}

// sweepFolder removes the expired records of one folder, and the folder if none is left. It opens the folder once for
// all of its records, of which there may be very many.
func (d *Dir) sweepFolder(ctx context.Context, root *os.Root, kind, folder string, now time.Time) (removed int, err error) {
	where := path.Join(kind, folder)
	records, err := root.OpenRoot(where)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, unavailable(err)
	}
	err = eachEntry(records, ".", func(e fs.DirEntry) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		if !e.Type().IsRegular() || !validHash(e.Name()) {
			return nil
		}
		name := Name{Kind: kind, ID: e.Name()}
		if len(folder) > 2 {
			name.Group = folder
		}
		if name.folder() != where || !expired(records, e.Name(), now) {
			return nil
		}
		gone, err := d.removeExpired(ctx, root, records, name, now)
		if gone {
			removed++
		}
		return err
	})
	_ = records.Close()    // nothing is written to it
	_ = root.Remove(where) // refused unless it is empty
	return removed, err
}

// expired reads no more of the record than its head. What can't be read is left for an operator to look at.
func expired(folder *os.Root, file string, now time.Time) bool {
	head, _, err := readHead(folder, file)
	return err == nil && head.over(now)
}

// removeExpired looks again before it removes, because the record may have been renewed. It doesn't sync: after a power
// cut the record would be just as expired.
func (d *Dir) removeExpired(ctx context.Context, root, folder *os.Root, name Name, now time.Time) (gone bool, err error) {
	l, err := d.acquire(ctx, root, name.stripe(), stripeRetry)
	if err != nil {
		return false, err
	}
	defer l.release()
	if !expired(folder, name.ID, now) {
		return false, nil
	}
	return true, removeFile(folder, name.ID)
}

// sweepTemps removes temporary files that a crash left behind: a file that is there while no one else holds its
// stripe's lock.
func (d *Dir) sweepTemps(ctx context.Context, root *os.Root) error {
	return eachEntry(root, tempFolder, func(e fs.DirEntry) error {
		l, err := d.acquire(ctx, root, e.Name(), stripeRetry)
		if err != nil {
			return err
		}
		defer l.release()
		return removeFile(root, path.Join(tempFolder, e.Name()))
	})
}
