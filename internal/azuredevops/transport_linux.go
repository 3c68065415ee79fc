package azuredevops

import "syscall"

const (
	tcpUserTimeout = 18   // TCP_USER_TIMEOUT in linux/tcp.h, which package syscall lacks
	unacknowledged = 5000 // milliseconds
)

// limitSilence ends a connection on which what was sent isn't acknowledged for five seconds. Keep-alive probes don't
// see to that: they go out only when nothing else does.
func limitSilence(_, _ string, c syscall.RawConn) error {
	return c.Control(func(fd uintptr) {
		_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpUserTimeout, unacknowledged) // without it the call's time limits remain
	})
}
