package session

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"time"
)

// Dir is the Backend that keeps one file per record in a folder:
//
//	<kind>/<first two digits of the ID>/<ID>   a record without a group
//	<kind>/<group>/<ID>                        a record of a group
//	.locks/, .tmp/                             for itself
//
// A record is replaced by writing a temporary file, syncing it and renaming it, so a reader sees either the old or the
// new one, also after a crash, and needs no lock. Whoever writes or deletes holds the lock of the record's stripe, so
// that an update can't bring back what was deleted.
//
// The folder is opened anew by each call: when it vanishes (a volume that isn't mounted) calls fail, and when it is
// back they work again.
type Dir struct {
	path  string
	who   access
	sync  bool // wait for the disk: false only in tests that make very many records
	now   func() time.Time
	queue queue
}

// OpenDir returns the Backend in the folder path, which is made if need be. It must belong to the user that runs the
// program and be no link. If others can read it, that is taken from them; if others can write it, it is refused,
// because they may have put something there. now is the clock by which records expire.
func OpenDir(path string, now func() time.Time) (*Dir, error) { return openDir(path, ownerOnly, now) }

// OpenGroupDir is OpenDir of a folder that its group may read and write, and nobody else: another user's, if that is a
// group of the one who runs the program, and one whose modes can't be changed. What it makes in there the group can use,
// so that a later process can be another user. Members of the group can remove records, and can't read them as long as
// the keys are elsewhere.
func OpenGroupDir(path string, now func() time.Time) (*Dir, error) {
	return openDir(path, withGroup, now)
}

func openDir(path string, who access, now func() time.Time) (*Dir, error) {
	clean, err := prepareFolder(path, who)
	if err != nil {
		return nil, err
	}
	return &Dir{path: clean, who: who, sync: true, now: now, queue: queue{lines: map[string]*line{}}}, nil
}

// Close does nothing: no file is kept open between calls.
func (d *Dir) Close() error { return nil }

// file returns where the record called n is, relative to the folder.
func (n Name) file() string { return path.Join(n.folder(), n.ID) }

func (n Name) folder() string {
	if n.Group != "" {
		return path.Join(n.Kind, n.Group)
	}
	return path.Join(n.Kind, n.stripe())
}

// stripe is one of 256 parts into which records are divided for locking.
func (n Name) stripe() string { return n.ID[:2] }

// temp is where a record is written before it gets into its place. Each stripe has one such file, used only under the
// stripe's lock: what is found there by the next holder was left by a crash.
func (n Name) temp() string { return path.Join(tempFolder, n.stripe()) }

const tempFolder = ".tmp"

// Create implements Backend.
func (d *Dir) Create(ctx context.Context, name Name, value []byte, expires time.Time) error {
	return d.alone(ctx, name, func(root *os.Root) error {
		switch _, err := d.read(root, name); {
		case err == nil, errors.Is(err, ErrDamaged):
			return ErrExists
		case !errors.Is(err, ErrNotFound):
			return err
		}
		return d.write(root, name, value, expires)
	})
}

// Read implements Backend.
func (d *Dir) Read(_ context.Context, name Name) (value []byte, version string, err error) {
	if err := name.Valid(); err != nil {
		return nil, "", err
	}
	rec, err := d.record(readAtOnce(d.path, name.file(), headSize+MaxValue))
	if errors.Is(err, errLookCloser) {
		err = d.inside(func(root *os.Root) (err error) {
			rec, err = d.read(root, name)
			return err
		})
	}
	if err != nil {
		return nil, "", err
	}
	return rec.value, string(rec.Version[:]), nil
}

// Update implements Backend.
func (d *Dir) Update(ctx context.Context, name Name, version string, value []byte, expires time.Time) error {
	return d.alone(ctx, name, func(root *os.Root) error {
		rec, err := d.read(root, name)
		if err != nil {
			return err
		}
		if string(rec.Version[:]) != version {
			return ErrConflict
		}
		return d.write(root, name, value, expires)
	})
}

// Delete implements Backend.
func (d *Dir) Delete(ctx context.Context, name Name) error {
	return d.alone(ctx, name, func(root *os.Root) error { return d.remove(root, name) })
}

// Take implements Backend.
func (d *Dir) Take(ctx context.Context, name Name) ([]byte, error) {
	var value []byte
	err := d.alone(ctx, name, func(root *os.Root) error {
		rec, err := d.read(root, name)
		if err != nil {
			return err
		}
		value = rec.value
		return d.remove(root, name)
	})
	if err != nil {
		return nil, err
	}
	return value, nil
}

// List implements Backend.
func (d *Dir) List(_ context.Context, kind, group string) (names []Name, err error) {
	if err := ValidGroup(kind, group); err != nil {
		return nil, err
	}
	err = d.inside(func(root *os.Root) error {
		return eachEntry(root, path.Join(kind, group), func(e fs.DirEntry) error {
			if e.Type().IsRegular() && validHash(e.Name()) {
				names = append(names, Name{Kind: kind, Group: group, ID: e.Name()})
			}
			return nil
		})
	})
	return names, err
}

// Describe implements Backend. It reads no more of a record than its head.
func (d *Dir) Describe(ctx context.Context, kind, group string) ([]Stored, error) {
	names, err := d.List(ctx, kind, group)
	if err != nil {
		return nil, err
	}
	var described []Stored
	err = d.inside(func(root *os.Root) error {
		for _, name := range names {
			if head, size, err := readHead(root, name.file()); err == nil && !head.over(d.now()) { // or else it is gone or none
				described = append(described, Stored{name, size, time.UnixMilli(head.Expires)})
			}
		}
		return ctx.Err()
	})
	slices.SortFunc(described, func(a, b Stored) int { return a.Expires.Compare(b.Expires) })
	return described, err
}

// readHead reads the head of the record in a file, which is named from root on, and reports the size of its value.
func readHead(root *os.Root, file string) (head fileHead, size int, err error) {
	f, whole, err := openRegular(root, file)
	if err != nil {
		return head, 0, err
	}
	defer f.Close()
	b := make([]byte, headSize)
	if _, err := io.ReadFull(f, b); err != nil {
		return head, 0, ErrDamaged
	}
	rec, err := parseFile(b)
	if err != nil {
		return head, 0, err
	}
	return rec.fileHead, int(whole) - headSize, nil
}

// Ping implements Backend: the folder is as safe as it was to be when it was opened, and a record can be written.
func (d *Dir) Ping(ctx context.Context) error {
	if _, err := checkFolder(d.path, d.who); err != nil {
		return unavailable(err)
	}
	return TryRecord(ctx, d, PingName(), d.now())
}

// ---- files ---------------------------------------------------------------------

// A record's file is a head and the value. The expiry stands in it for the sweep and for early answers only: the one
// that counts is inside the value, where it can't be altered unnoticed.
type fileHead struct {
	Format  [4]byte
	Expires int64 // milliseconds since 1970
	Version [16]byte
}

var (
	fileFormat = [4]byte{'P', 'D', 'R', '1'}
	headSize   = binary.Size(fileHead{})
)

type fileRecord struct {
	fileHead
	value []byte
}

// newFile returns the content of a record's file. Each is of a new random version.
func newFile(value []byte, expires time.Time) ([]byte, error) {
	head := fileHead{Format: fileFormat, Expires: expires.UnixMilli()}
	rand.Read(head.Version[:])
	b, err := binary.Append(make([]byte, 0, headSize+len(value)), binary.BigEndian, head)
	return append(b, value...), err
}

// parseFile is the inverse of newFile; ErrDamaged.
func parseFile(b []byte) (fileRecord, error) {
	var head fileHead
	n, err := binary.Decode(b, binary.BigEndian, &head)
	if err != nil || head.Format != fileFormat {
		return fileRecord{}, ErrDamaged
	}
	return fileRecord{head, b[n:]}, nil
}

// over reports whether the record has expired by now.
func (h fileHead) over(now time.Time) bool { return !now.Before(time.UnixMilli(h.Expires)) }

// read returns the record that is there now: ErrNotFound if it expired, ErrDamaged for what isn't a record.
func (d *Dir) read(root *os.Root, name Name) (fileRecord, error) {
	return d.readFile(root, name.file())
}

// readFile is read of the record in a file, which is named from root on.
func (d *Dir) readFile(root *os.Root, file string) (fileRecord, error) {
	return d.record(readRegular(root, file, headSize+MaxValue))
}

// record is what a file holds that was read: ErrNotFound if it expired.
func (d *Dir) record(content []byte, err error) (fileRecord, error) {
	if err != nil {
		return fileRecord{}, err
	}
	rec, err := parseFile(content)
	if err != nil {
		return fileRecord{}, err
	}
	if rec.over(d.now()) {
		return fileRecord{}, ErrNotFound
	}
	return rec, nil
}

// readRegular reads at most limit bytes of a plain file. A link, a device or a pipe isn't opened, and is ErrDamaged
// like a file that is too long.
func readRegular(root *os.Root, file string, limit int) ([]byte, error) {
	f, size, err := openRegular(root, file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b := bytes.NewBuffer(make([]byte, 0, min(int(size), limit)+bytes.MinRead))
	if _, err := b.ReadFrom(io.LimitReader(f, int64(limit)+1)); err != nil {
		return nil, unavailable(err)
	}
	if b.Len() > limit {
		return nil, ErrDamaged
	}
	return b.Bytes(), nil
}

// errLookCloser says that something isn't as nearly every file is, so os.Root has to say what it is.
var errLookCloser = errors.New("this isn't a plain file, or the system can't say")

// openRegular opens file for reading if it is a plain file, and returns its size in bytes. os.Root follows links that
// stay inside the folder, therefore what was opened must be what Lstat saw. A file that is replaced between the two
// looks is looked at again.
func openRegular(root *os.Root, file string) (f *os.File, size int64, err error) {
	for range 100 {
		seen, err := root.Lstat(file)
		if err != nil {
			return nil, 0, readError(err)
		}
		if !seen.Mode().IsRegular() {
			return nil, 0, ErrDamaged
		}
		f, err := root.Open(file)
		if err != nil {
			return nil, 0, readError(err)
		}
		opened, err := f.Stat()
		if err == nil && os.SameFile(seen, opened) {
			return f, opened.Size(), nil
		}
		f.Close()
		if err != nil {
			return nil, 0, unavailable(err)
		}
	}
	return nil, 0, unavailable(errors.New("the file keeps changing"))
}

func readError(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return ErrNotFound
	}
	return unavailable(err)
}

// write puts a record in its place. The caller holds the stripe's lock.
func (d *Dir) write(root *os.Root, name Name, value []byte, expires time.Time) error {
	if len(value) > MaxValue {
		return ErrTooLarge
	}
	content, err := newFile(value, expires)
	if err != nil {
		return err
	}
	if err := d.writeTemp(root, name.temp(), content); err != nil {
		return err
	}
	err = d.inFolder(root, name.folder(), func() error { return root.Rename(name.temp(), name.file()) })
	if err != nil {
		_ = root.Remove(name.temp())
		return err
	}
	return d.syncFolder(root, name.folder())
}

// remove deletes the record's file, if there is one, for good. The caller holds the stripe's lock.
func (d *Dir) remove(root *os.Root, name Name) error {
	if _, err := root.Lstat(name.file()); errors.Is(err, fs.ErrNotExist) {
		return nil // nor is there anything to sync
	}
	if err := removeFile(root, name.file()); err != nil {
		return err
	}
	return d.syncFolder(root, name.folder())
}
