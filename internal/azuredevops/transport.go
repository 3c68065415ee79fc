package azuredevops

import (
	"cmp"
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"time"
)

const (
	maxHeaderBytes = 128 << 10 // of an answer; the service sends about 4 KB
	idleTimeout    = 60 * time.Second
	maxIdle        = 32 // connections kept for reads; all organizations share one host
)

// transports returns what carries reads and what carries changes.
//
// A change travels over HTTP/1.1 on a connection of its own. On a kept-alive
// connection that the service has just given up it would fail without anybody
// knowing whether it was carried out. And there it is plain when nothing was
// sent: as long as there was no connection.
func (o Options) transports() (reads, changes http.RoundTripper) {
	if o.HTTPClient == nil {
		t := o.transport()
		t.ResponseHeaderTimeout = cmp.Or(o.HeaderTimeout, o.Timeout*5/6)
		c := singleUse(t)
		c.ResponseHeaderTimeout = cmp.Or(o.HeaderTimeout, o.ChangeTimeout*5/6)
		return t, c
	}
	lent := o.HTTPClient.Transport
	if lent == nil {
		lent = http.DefaultTransport
	}
	if t, ok := lent.(*http.Transport); ok {
		return t, singleUse(t)
	}
	return lent, lent
}

// transport has no limit on connections, so that calls to a hanging organization
// can't use up those of the others.
func (o Options) transport() *http.Transport {
	dialer := &net.Dialer{Timeout: o.ConnectTimeout, KeepAlive: 15 * time.Second}
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            dialer.DialContext,
		TLSHandshakeTimeout:    o.TLSTimeout,
		MaxResponseHeaderBytes: maxHeaderBytes,
		MaxIdleConns:           maxIdle,
		MaxIdleConnsPerHost:    maxIdle,
		IdleConnTimeout:        idleTimeout,
		ForceAttemptHTTP2:      true,
		// Without pings a dead HTTP/2 connection is noticed only when each
		// call on it has run into its own limit.
		HTTP2: &http.HTTP2Config{SendPingTimeout: 10 * time.Second, PingTimeout: 5 * time.Second},
	}
}

// singleUse returns a copy of t that speaks HTTP/1.1 and keeps no connection.
func singleUse(t *http.Transport) *http.Transport {
	c := t.Clone()
	c.DisableKeepAlives = true
	c.ForceAttemptHTTP2 = false
	c.Protocols = new(http.Protocols)
	c.Protocols.SetHTTP1(true)
	c.TLSNextProto = map[string]func(string, *tls.Conn) http.RoundTripper{}
	if c.TLSClientConfig == nil {
		c.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	c.TLSClientConfig.NextProtos = []string{"http/1.1"}
	return c
}

// remaining returns how long ctx still lasts, an hour if it has no deadline.
func remaining(ctx context.Context) time.Duration {
	deadline, ok := ctx.Deadline()
	if !ok {
		return time.Hour
	}
	return time.Until(deadline)
}
