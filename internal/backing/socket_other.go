//go:build !unix

package backing

import "syscall"

// beforeBind does nothing where config takes no sockets.
func beforeBind(_, _ string, _ syscall.RawConn) error { return nil }
