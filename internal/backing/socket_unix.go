//go:build unix

package backing

import "syscall"

// beforeBind gives the socket its rights before it gets its path, so that there is no moment at which everybody can
// connect. Systems on which that isn't possible leave it to the umask.
func beforeBind(_, _ string, c syscall.RawConn) error {
	return c.Control(func(fd uintptr) {
		_ = syscall.Fchmod(int(fd), socketMode)
	})
}
