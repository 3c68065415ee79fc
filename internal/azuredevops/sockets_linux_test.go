package azuredevops_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/patdesk/patdesk/internal/azuredevops"
)

// fullListener returns an address that takes no connection and refuses none: its queue is full, so that connecting
// hangs as behind a firewall.
func fullListener(t *testing.T) string {
	t.Helper()
	fd, address := bound(t)
	if err := syscall.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	for range 10 {
		c, err := net.DialTimeout("tcp", address, short)
		if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
			return address
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
	}
	t.Fatal("the queue takes more than ten connections")
	return ""
}

// bound returns a socket that has an address, where connections are refused as long as it doesn't listen.
func bound(t *testing.T) (fd int, address string) {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(fd) })
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	v4, ok := name.(*syscall.SockaddrInet4)
	if !ok {
		t.Fatalf("bound to a %T", name)
	}
	return fd, net.JoinHostPort("127.0.0.1", strconv.Itoa(v4.Port))
}

// A read gives up a connection on which nothing is acknowledged; a change is given more time. Both probe it.
func TestConnectionsAreProbed(t *testing.T) {
	const tcpUserTimeout = 18
	s := httptest.NewServer(emptyList)
	t.Cleanup(s.Close)
	caller := azuredevops.New(azuredevops.Options{Endpoint: s.URL}).As(me, signedIn)
	for name, test := range map[string]struct {
		call           func(context.Context)
		unacknowledged int
	}{
		"read":   {func(ctx context.Context) { _, _ = caller.List(ctx, org, azuredevops.Active) }, 5000},
		"change": {func(ctx context.Context) { _, _, _ = caller.Create(ctx, org, wanted) }, 0},
	} {
		connections := 0
		test.call(httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) {
			connections++
			for option, want := range map[[2]int]int{
				{syscall.IPPROTO_TCP, tcpUserTimeout}: test.unacknowledged, {syscall.SOL_SOCKET, syscall.SO_KEEPALIVE}: 1,
				{syscall.IPPROTO_TCP, syscall.TCP_KEEPIDLE}: 6, {syscall.IPPROTO_TCP, syscall.TCP_KEEPINTVL}: 3, {syscall.IPPROTO_TCP, syscall.TCP_KEEPCNT}: 3,
			} {
				if got := socketOption(t, info.Conn, option[0], option[1]); got != want {
					t.Errorf("%s: option %v is %d, want %d", name, option, got, want)
				}
			}
		}}))
		if connections == 0 {
			t.Errorf("%s: no connection was seen", name)
		}
	}
}

func socketOption(t *testing.T, c net.Conn, level, option int) (value int) {
	t.Helper()
	tcp, ok := c.(*net.TCPConn)
	if !ok {
		t.Fatalf("a %T", c)
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if err := raw.Control(func(fd uintptr) { value, err = syscall.GetsockoptInt(int(fd), level, option) }); err != nil {
		t.Fatal(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return value
}

// Calls that get no answer count, too.
func TestBreakerCountsSilence(t *testing.T) {
	_, closed := bound(t)
	for kind, client := range map[azuredevops.Kind]*azuredevops.Client{
		"connection": azuredevops.New(azuredevops.Options{Endpoint: "http://" + closed}),
		"timeout":    serve(t, azuredevops.Options{ChangeTimeout: 50 * time.Millisecond}, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }).client,
	} {
		for range 5 {
			if e := failure(t, create(wanted)(client.As(me, signedIn))); e.Kind != kind {
				t.Errorf("got %+v, want %s", *e, kind)
			}
		}
		if len(client.As(me, signedIn).Pauses()) != 1 {
			t.Errorf("not paused after five of %s", kind)
		}
	}
}
