package session

import (
	"errors"

	"golang.org/x/sys/unix"
)

// readAtOnce reads a plain file of at most limit bytes, which is named from folder on. It makes 6 calls to the system
// where os.Root makes 23, and nearly every page reads two records. No link is followed
// (https://man7.org/linux/man-pages/man2/openat2.2.html). Whatever else is found is errLookCloser, and so is a system or a
// sandbox without that call.
func readAtOnce(folder, file string, limit int) ([]byte, error) {
	dir, err := unix.Open(folder, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, errLookCloser
	}
	defer func() { _ = unix.Close(dir) }()
	how := unix.OpenHow{Flags: unix.O_RDONLY | unix.O_NONBLOCK | unix.O_CLOEXEC, Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS}
	f, err := unix.Openat2(dir, file, &how)
	if errors.Is(err, unix.ENOENT) {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, errLookCloser
	}
	defer func() { _ = unix.Close(f) }()
	var is unix.Stat_t
	if unix.Fstat(f, &is) != nil || is.Mode&unix.S_IFMT != unix.S_IFREG || is.Size > int64(limit) {
		return nil, errLookCloser
	}
	content := make([]byte, is.Size) // files are replaced and never written again
	for rest := content; len(rest) > 0; {
		n, err := unix.Read(f, rest)
		if err != nil || n == 0 {
			return nil, errLookCloser
		}
		rest = rest[n:]
	}
	return content, nil
}
