// Package freeport finds ports for the servers that tests start as processes of their own, which can't be configured to
// take any free one.
package freeport

import (
	"errors"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
	"syscall"
	"testing"
)

// The ports given out lie below those that systems give to connections and to listeners on port 0 (32768 and up on
// Linux), so that no other test gets one between its being found here and being taken.
//
// Packages are tested in processes of their own, several at a time. One that merely found a port free would take it from
// the other one's server that is about to start, or to start again. So each process has blocks of ports of its own.
const (
	first, last = 10_000, 32_000
	block       = 100 // the first of them is the claim to the others
)

var (
	mu     sync.Mutex
	claims []net.Listener // open until the process ends, which frees the blocks whichever way it ends
	next   int            // port of the last block
)

// Address is an address of host, such as "127.0.0.1", whose port is free and isn't given out again, neither by this process
// nor by another one while this one runs; "" if this machine doesn't have host.
func Address(tb testing.TB, host string) string {
	tb.Helper()
	mu.Lock()
	defer mu.Unlock()
	for range last - first {
		if next%block == 0 {
			claim(tb)
		}
		port := next
		next++
		l, err := listen(tb, host, port)
		if errors.Is(err, syscall.EADDRNOTAVAIL) || errors.Is(err, syscall.EAFNOSUPPORT) {
			return ""
		}
		if err != nil {
			continue // taken by something else
		}
		_ = l.Close() // unused
		return l.Addr().String()
	}
	tb.Fatal("no port is free")
	return ""
}

// claim goes on to a block that no other process has.
func claim(tb testing.TB) {
	tb.Helper()
	const blocks = (last - first) / block
	for _, i := range rand.Perm(blocks) { //nolint:gosec // a port is no secret
		at := first + i*block
		if l, err := listen(tb, "127.0.0.1", at); err == nil {
			claims, next = append(claims, l), at+1
			return
		}
	}
	tb.Fatal("no block of ports is free")
}

func listen(tb testing.TB, host string, port int) (net.Listener, error) {
	tb.Helper()
	return (&net.ListenConfig{}).Listen(tb.Context(), "tcp", net.JoinHostPort(host, strconv.Itoa(port)))
}

// Port is the port of such an address on 127.0.0.1.
func Port(tb testing.TB) string {
	tb.Helper()
	_, port, err := net.SplitHostPort(Address(tb, "127.0.0.1"))
	if err != nil {
		tb.Fatal(err)
	}
	return port
}
