package backing

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/gofrs/flock"
)

const (
	// socketMode lets the owner and the group connect, and no one else: every peer is taken for the reverse proxy.
	socketMode = 0o660
	// dialLimit is how long a live socket may take to show that it is one.
	dialLimit = 2 * time.Second
	// lockRetry is how long to wait between two tries for the folder of a socket.
	lockRetry = 10 * time.Millisecond
)

// errNoSocket is why a path can't be listened on where something else is.
var errNoSocket = errors.New("it isn't a socket")

// socket is a Unix socket that is removed when it is closed, unless another is there by then.
type socket struct {
	net.Listener
	path string
	made fs.FileInfo
	once sync.Once // a later one of that path may get the same inode
}

// listenSocket listens at path. A socket that a dead process has left there is replaced; a live one, and whatever isn't
// a socket, stays.
func listenSocket(ctx context.Context, path string) (net.Listener, error) {
	unlock, err := lockFolder(ctx, path)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if err := removeDead(ctx, path); err != nil {
		return nil, err
	}
	made, err := (&net.ListenConfig{Control: beforeBind}).Listen(ctx, "unix", path)
	if err != nil {
		return nil, err
	}
	if own, ok := made.(*net.UnixListener); ok {
		own.SetUnlinkOnClose(false) // that would remove whatever is at path by then
	}
	s := &socket{Listener: made, path: path}
	if err = os.Chmod(path, socketMode); err == nil { // the umask may have taken rights away
		s.made, err = os.Lstat(path)
	}
	if err != nil {
		_ = made.Close() // the first error says more
		return nil, err
	}
	return s, nil
}

// lockFolder keeps others from looking for dead sockets in the folder of path at the same time: each would remove the
// other's new one.
func lockFolder(ctx context.Context, path string) (unlock func(), err error) {
	lock := flock.New(filepath.Dir(path), flock.SetFlag(os.O_RDONLY))
	ctx, cancel := context.WithTimeout(ctx, dialLimit+time.Second)
	defer cancel()
	_, err = lock.TryLockContext(ctx, lockRetry)
	return func() { _ = lock.Close() }, err // closing frees it
}

// removeDead removes the socket at path if no process listens there.
func removeDead(ctx context.Context, path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode().Type() != fs.ModeSocket:
		return errNoSocket
	}
	ctx, cancel := context.WithTimeout(ctx, dialLimit)
	defer cancel()
	c, err := (&net.Dialer{}).DialContext(ctx, "unix", path)
	if errors.Is(err, syscall.ECONNREFUSED) {
		return os.Remove(path)
	}
	if err == nil {
		_ = c.Close() // that it answers was all
	}
	return syscall.EADDRINUSE // it may be a live one whose queue is full, or that lets others in alone
}

// Close is part of net.Listener.
func (s *socket) Close() error {
	s.once.Do(func() {
		if now, err := os.Lstat(s.path); err == nil && os.SameFile(now, s.made) {
			_ = os.Remove(s.path) // who starts next removes it otherwise
		}
	})
	return s.Listener.Close()
}
