package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"syscall"

	"github.com/patdesk/patdesk/config"
)

func baseURL(cfg config.Config) *url.URL {
	u, err := url.Parse(cfg.BaseURL)
	if cfg.BaseURL == "" || err != nil { // config has checked it
		return nil
	}
	return u
}

// localURL is the address on this machine, with the port that was really taken; nil if others can connect too, or if
// proxies tell the address.
func localURL(cfg config.Config, listener net.Listener) *url.URL {
	host, _, err := net.SplitHostPort(cfg.ListenAddress)
	address, ok := listener.Addr().(*net.TCPAddr)
	if err != nil || !ok || !cfg.ListensOnLoopback() || cfg.AddressFromProxies() {
		return nil
	}
	return &url.URL{Scheme: "http", Host: net.JoinHostPort(host, fmt.Sprint(address.Port))}
}

func listen(ctx context.Context, address string) (net.Listener, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("%s is taken by another program. Stop that one, or choose another port: -listen host:port or LISTEN_ADDRESS", address)
	case errors.Is(err, syscall.EACCES):
		return nil, fmt.Errorf("listening on %s is not permitted. Ports below 1024 need a privilege: choose a higher one with -listen or LISTEN_ADDRESS", address)
	case err != nil:
		return nil, fmt.Errorf("can't listen on %s: %w. Put an address of this machine into LISTEN_ADDRESS or -listen", address, err)
	}
	return listener, nil
}
