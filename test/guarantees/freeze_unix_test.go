//go:build unix

package guarantees

import "syscall"

// Signals that stop a process and let it go on.
const freeze, thaw = syscall.SIGSTOP, syscall.SIGCONT
