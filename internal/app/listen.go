package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"syscall"

	"github.com/patdesk/patdesk/config"
	"github.com/patdesk/patdesk/internal/backing"
)

func baseURL(cfg config.Config) *url.URL {
	u, err := url.Parse(cfg.BaseURL)
	if cfg.BaseURL == "" || err != nil { // config has checked it
		return nil
	}
	return u
}

// listenAddress is the setting, or its port on all addresses.
func listenAddress(cfg config.Config, o Options) string {
	if _, port, err := net.SplitHostPort(cfg.ListenAddress); err == nil && o.AnyPort {
		return ":" + port
	}
	return cfg.ListenAddress
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

// listen takes an address. A port that another program has may be free at the next start; all else is the setting's
// fault, and a config.Fault.
func listen(ctx context.Context, setting, address string) (net.Listener, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	fault := backing.ListenFault(setting, address, err)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("%s is taken by another program. %s", address, fault.Fix)
	case err != nil:
		return nil, fault
	}
	return listener, nil
}
