package web

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/patdesk/patdesk/internal/panics"
)

// Serving prepares server and its listener for our routes. Some requests are answered by net/http itself, before any
// handler sees them: what can't be read (400), a head that is too long (431), an Expect that it doesn't know (417),
// another version (505), an encoding that it doesn't know (501). Those answers get the security headers and a log
// record here, where they are written to the connection.
func (s *Site) Serving(server *http.Server, listener net.Listener) *Listener {
	server.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		return context.WithValue(ctx, connectionKey, c)
	}
	server.ConnState = func(c net.Conn, state http.ConnState) {
		if ours, ok := c.(*connection); ok && state == http.StateIdle {
			ours.handled.Store(false) // its request has been answered, to the last byte
		}
	}
	return &Listener{Listener: listener, front: s.front}
}

// Listener accepts the connections of our routes.
type Listener struct {
	net.Listener
	front *front
	fresh atomic.Int64 // connections whose first request no handler has seen yet
}

// Accept is part of net.Listener.
func (l *Listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	l.fresh.Add(1)
	return &connection{Conn: c, front: l.front, seen: sync.OnceFunc(func() { l.fresh.Add(-1) })}, nil
}

// Settle waits, once nothing is accepted any more, until the first request of each connection is being answered, for
// limit at most. A server that is shut down earlier closes such connections without an answer.
func (l *Listener) Settle(limit time.Duration) {
	const look = 2 * time.Millisecond
	end := time.After(limit)
	for l.fresh.Load() > 0 {
		select {
		case <-end:
			return
		case <-time.After(look):
		}
	}
}

// connection is one of net/http's. What is written to it while no handler has seen a request is an answer of net/http's
// own.
type connection struct {
	net.Conn
	front   *front
	handled atomic.Bool // a handler sees to the request
	seen    func()      // one has, for the first time
}

// handled is called by the outermost handler: what is written from now on is its answer.
func handled(ctx context.Context) {
	if c, ok := ctx.Value(connectionKey).(*connection); ok {
		c.handled.Store(true)
		c.seen()
	}
}

// Close is part of net.Conn.
func (c *connection) Close() error {
	c.seen()
	return c.Conn.Close()
}

// Write adds to the answers of net/http's own.
func (c *connection) Write(content []byte) (int, error) {
	if c.handled.Load() {
		return c.Conn.Write(content)
	}
	line, rest, ok := bytes.Cut(content, []byte("\r\n"))
	words := bytes.Fields(line)
	if !ok || len(words) < 2 || !bytes.HasPrefix(words[0], []byte("HTTP/1.")) {
		return c.Conn.Write(content)
	}
	status, err := strconv.Atoi(string(words[1]))
	if err != nil {
		return c.Conn.Write(content)
	}
	whole, err := panics.Try(func() ([]byte, error) { return c.front.bareAnswer(c, status, line, rest), nil })
	if err != nil {
		return c.Conn.Write(content)
	}
	if _, err := c.Conn.Write(whole); err != nil {
		return 0, err
	}
	return len(content), nil
}

// CloseWrite lets net/http say that its answer is over while it still reads: closed at once, the answer might get lost.
func (c *connection) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// bareAnswer is an answer of net/http's with our headers. It is recorded like any other, with what is known: nothing of
// the request could be read, or should be.
func (f *front) bareAnswer(c *connection, status int, line, rest []byte) []byte {
	id, client := newRequestID(), ClientOf(&http.Request{RemoteAddr: c.RemoteAddr().String()})
	if c.LocalAddr().Network() == "unix" {
		client = socketPeer
	}
	panics.Contain(f.site.Log, "telemetry", func() {
		_, _, done := f.site.Telemetry.Request(&http.Request{URL: &url.URL{}, Header: http.Header{}, RemoteAddr: client})
		done(Seen{Status: status})
	})
	panics.Contain(f.site.Log, "request log", func() {
		f.site.Log.LogAttrs(context.Background(), slog.LevelInfo, "request",
			slog.String("request_id", id), slog.Int("status", status), slog.String("client", client), slog.Bool("unreadable", true))
	})
	header := http.Header{}
	f.setSecurityHeaders(header, id)
	var b bytes.Buffer
	b.Write(line)
	b.WriteString("\r\n")
	_ = header.Write(&b) // a buffer takes everything
	b.Write(rest)
	return b.Bytes()
}
