package session

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"sync"
	"time"

	"github.com/gofrs/flock"
)

// Locks are advisory locks on files (flock), which the system frees when a process dies. Inside the process goroutines
// queue up first: so one that waits needs no file, the next in line goes on at once, and what one wrote under a lock
// the next one sees.
const lockFolder = ".locks"

// How often a lock that another process holds is tried again. Stripes are held for one write, the locks of callers
// perhaps for a call over the network.
const (
	stripeRetry = time.Millisecond
	lockRetry   = 5 * time.Millisecond
	dontWait    = 0
)

// errLocked is acquire's answer if another caller has the lock and it isn't to wait.
var errLocked = errors.New("another process has the lock")

// alone calls f while this is the only one to write or delete records in name's stripe.
func (d *Dir) alone(ctx context.Context, name Name, f func(*os.Root) error) error {
	if err := name.Valid(); err != nil {
		return err
	}
	return d.inside(func(root *os.Root) error {
		l, err := d.acquire(ctx, root, name.stripe(), stripeRetry)
		if err != nil {
			return err
		}
		defer l.release()
		return f(root)
	})
}

// Lock implements Backend.
func (d *Dir) Lock(ctx context.Context, name Name) (release func(), err error) {
	return d.lock(ctx, name, lockRetry)
}

// TryLock implements Backend.
func (d *Dir) TryLock(ctx context.Context, name Name) (release func(), ok bool, err error) {
	release, err = d.lock(ctx, name, dontWait)
	if errors.Is(err, errLocked) {
		return nil, false, nil
	}
	return release, err == nil, err
}

// lock takes the lock called name. Its file is taken away on release, so that locks leave nothing behind.
func (d *Dir) lock(ctx context.Context, name Name, retry time.Duration) (release func(), err error) {
	if err := name.Valid(); err != nil {
		return nil, err
	}
	err = d.inside(func(root *os.Root) error {
		l, err := d.acquire(ctx, root, hash(name.file()), retry)
		if err != nil {
			return err
		}
		release = sync.OnceFunc(func() {
			_ = d.inside(func(root *os.Root) error { return removeFile(root, l.path()) }) // or else the sweep does it
			l.release()
		})
		return nil
	})
	return release, err
}

// heldLock is a lock that was got.
type heldLock struct {
	file  *flock.Flock
	leave func() // the queue inside the process
}

// path is where the lock's file is, relative to the folder.
func (l heldLock) path() string { return path.Join(lockFolder, filepath.Base(l.file.Path())) }

func (l heldLock) release() {
	_ = l.file.Unlock() // closes the file, which frees the lock in any case
	l.leave()
}

// acquire takes the lock file called file. If another caller has it, it tries again every retry until ctx ends, or
// answers errLocked if that is dontWait.
func (d *Dir) acquire(ctx context.Context, root *os.Root, file string, retry time.Duration) (heldLock, error) {
	if folder, err := root.Lstat(lockFolder); err == nil && !folder.IsDir() {
		return heldLock{}, unavailable(errors.New("the folder of locks is a link or a file"))
	}
	leave, err := d.queue.enter(ctx, file, retry == dontWait)
	if err != nil {
		return heldLock{}, err
	}
	l := flock.New(filepath.Join(d.path, lockFolder, file), flock.SetFlag(os.O_CREATE|os.O_RDONLY|noFollow), flock.SetPermissions(d.who.file))
	if err := d.lockFile(ctx, root, l, retry); err != nil {
		_ = l.Unlock()
		leave()
		return heldLock{}, err
	}
	return heldLock{l, leave}, nil
}

// lockFile locks l's file. Between opening and locking the file may have been taken away, by its last holder or by a
// sweep; such a lock is worth nothing, so it is taken again.
func (d *Dir) lockFile(ctx context.Context, root *os.Root, l *flock.Flock, retry time.Duration) error {
	for {
		var got bool
		err := d.inFolder(root, lockFolder, func() (err error) {
			if retry == dontWait {
				got, err = l.TryLock()
			} else {
				got, err = l.TryLockContext(ctx, retry)
			}
			return err
		})
		if err != nil {
			return err
		}
		if !got {
			return errLocked
		}
		same, err := inPlace(root, l)
		if same {
			return nil
		}
		if err = errors.Join(err, l.Unlock(), ctx.Err()); err != nil {
			return unavailable(err)
		}
	}
}

// inPlace reports whether the file that is locked still is the one that others would open.
func inPlace(root *os.Root, l *flock.Flock) (bool, error) {
	locked, err := l.Stat()
	if err != nil {
		return false, err
	}
	there, err := root.Lstat(path.Join(lockFolder, filepath.Base(l.Path())))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil && os.SameFile(locked, there), err
}

// sweepLocks takes away lock files whose holder died. Those of stripes stay.
func (d *Dir) sweepLocks(ctx context.Context, root *os.Root) error {
	return eachEntry(root, lockFolder, func(e fs.DirEntry) error {
		if !validHash(e.Name()) {
			return nil
		}
		l, err := d.acquire(ctx, root, e.Name(), dontWait)
		if errors.Is(err, errLocked) {
			return nil
		}
		if err != nil {
			return err
		}
		defer l.release()
		return removeFile(root, path.Join(lockFolder, e.Name()))
	})
}

// queue lets goroutines of this process hold a name one after the other.
type queue struct {
	mu    sync.Mutex
	lines map[string]*line
}

type line struct {
	turn   chan struct{} // full while a caller holds the name
	people int           // who hold it or wait for it
}

// enter waits for the name until ctx ends; with try it answers errLocked instead of waiting.
func (q *queue) enter(ctx context.Context, name string, try bool) (leave func(), err error) {
	q.mu.Lock()
	l := q.lines[name]
	if l == nil {
		l = &line{turn: make(chan struct{}, 1)}
		q.lines[name] = l
	}
	if try && l.people > 0 {
		q.mu.Unlock()
		return nil, errLocked
	}
	l.people++
	q.mu.Unlock()
	select {
	case l.turn <- struct{}{}:
		return func() { <-l.turn; q.gone(name, l) }, nil
	case <-ctx.Done():
		q.gone(name, l)
		return nil, unavailable(ctx.Err())
	}
}

// gone forgets the line when the last one has left it.
func (q *queue) gone(name string, l *line) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if l.people--; l.people == 0 {
		delete(q.lines, name)
	}
}
