//go:build !linux

package azuredevops_test

import (
	"net"
	"testing"
)

// bound returns an address where connections are refused.
func bound(t *testing.T) (_ int, address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return 0, l.Addr().String()
}

// fullListener fails the test: what a full queue does differs among systems.
func fullListener(t *testing.T) string {
	t.Helper()
	t.Fatal("connecting can't be made to hang on this system")
	return ""
}
