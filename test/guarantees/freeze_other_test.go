//go:build !unix

package guarantees

import "syscall"

// No process can be stopped there: sending them is an error.
const freeze, thaw = syscall.Signal(-1), syscall.Signal(-1)
