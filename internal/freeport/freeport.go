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
// Linux), so that no other test gets one between its being found here and being taken. A Redis Cluster takes another,
// 10,000 above.
const first, last = 10_000, 32_000

var (
	mu    sync.Mutex
	given = map[int]bool{} // to this process, which would find it free again before it is taken
)

// Address is an address of host, such as "127.0.0.1", whose port is free and that wasn't given out before; "" if this
// machine doesn't have host.
func Address(tb testing.TB, host string) string {
	tb.Helper()
	mu.Lock()
	defer mu.Unlock()
	for range 1000 {
		port := first + rand.IntN(last-first) //nolint:gosec // a port is no secret
		if given[port] {
			continue
		}
		l, err := (&net.ListenConfig{}).Listen(tb.Context(), "tcp", net.JoinHostPort(host, strconv.Itoa(port)))
		if errors.Is(err, syscall.EADDRNOTAVAIL) || errors.Is(err, syscall.EAFNOSUPPORT) {
			return ""
		}
		if err != nil {
			continue // taken
		}
		given[port] = true
		_ = l.Close() // unused
		return l.Addr().String()
	}
	tb.Fatal("no port is free")
	return ""
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
