//go:build !linux

package apptest

import "testing"

// StoreFaults are those that can be brought about here, each with a folder of its own.
func StoreFaults(t *testing.T) []StoreFault {
	t.Helper()
	return []StoreFault{FolderGone(t)}
}
