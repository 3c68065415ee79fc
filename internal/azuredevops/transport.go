package azuredevops

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"time"

	"github.com/patdesk/patdesk/internal/network"
)

const (
	connectTimeout = 10 * time.Second
	tlsTimeout     = 10 * time.Second
	maxHeaderBytes = 128 << 10 // of an answer; the service sends about 4 KB
	maxIdle        = 256       // connections kept for reads; all organizations share one host
	// idleTimeout is short because a connection that was lost meanwhile isn't noticed where a proxy on the way still
	// acknowledges what is sent on it.
	idleTimeout = 15 * time.Second
)

// probing notices within 15 seconds that the other end of a connection is gone, and ends it.
var probing = net.KeepAliveConfig{Enable: true, Idle: 6 * time.Second, Interval: 3 * time.Second, Count: 3}

// transports returns what carries reads and what carries changes.
//
// Both speak HTTP/1.1, so that each exchange has a connection to itself. On one of HTTP/2 the exchanges of many people
// meet: all of them wait when it goes silent, and for streams while Go opens more connections than with HTTP/1.1.
//
// A change travels on a connection of its own. On a kept-alive connection that the service has just given up it would
// fail and leave unknown whether it was carried out. And there it is plain when nothing was sent: as long as there was
// no connection.
func (o Options) transports() (reads, changes http.RoundTripper) {
	if o.HTTPClient == nil {
		t := http1(newTransport())
		c := singleUse(t)
		t.DialContext = (&net.Dialer{Timeout: connectTimeout, KeepAliveConfig: probing, Control: limitSilence}).DialContext
		t.ResponseHeaderTimeout = headerTimeout(o.Timeout)
		c.ResponseHeaderTimeout = headerTimeout(o.ChangeTimeout)
		return t, c
	}
	lent := o.HTTPClient.Transport
	if lent == nil {
		lent = http.DefaultTransport
	}
	if t, ok := lent.(*http.Transport); ok {
		t = http1(t)
		return t, singleUse(t)
	}
	return lent, lent
}

// newTransport returns one without a limit on connections: how many exchanges there can be is bounded for each person,
// in slots.go.
func newTransport() *http.Transport {
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		OnProxyConnectResponse: network.RefusedByProxy,
		DialContext:            (&net.Dialer{Timeout: connectTimeout, KeepAliveConfig: probing}).DialContext,
		TLSHandshakeTimeout:    tlsTimeout,
		MaxResponseHeaderBytes: maxHeaderBytes,
		MaxIdleConns:           maxIdle,
		MaxIdleConnsPerHost:    maxIdle,
		IdleConnTimeout:        idleTimeout,
	}
}

// headerTimeout is how long the header of an answer may take of the time of a whole call.
func headerTimeout(whole time.Duration) time.Duration { return whole * 5 / 6 }

// http1 returns a copy of t that speaks HTTP/1.1 only.
func http1(t *http.Transport) *http.Transport {
	c := t.Clone()
	c.ForceAttemptHTTP2 = false
	c.Protocols = new(http.Protocols)
	c.Protocols.SetHTTP1(true)
	c.TLSNextProto = map[string]func(string, *tls.Conn) http.RoundTripper{}
	if c.TLSClientConfig == nil {
		c.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	c.TLSClientConfig.NextProtos = []string{"http/1.1"}
	if c.TLSClientConfig.ClientSessionCache == nil { // many connections to the same hosts
		c.TLSClientConfig.ClientSessionCache = tls.NewLRUClientSessionCache(8)
	}
	return c
}

// singleUse returns a copy of t that keeps no connection.
func singleUse(t *http.Transport) *http.Transport {
	c := t.Clone()
	c.DisableKeepAlives = true
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
