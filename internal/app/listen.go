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

// Address is where the program listens, host:port or unix:/path.
func (a *App) Address() string {
	if a.config.ListenSocket() != "" {
		return a.config.ListenAddress
	}
	return a.listener.Addr().String()
}

// MetricsAddress is where it listens for Prometheus, host:port; "" if it doesn't.
func (a *App) MetricsAddress() string {
	if a.measured == nil {
		return ""
	}
	return a.measured.Addr().String()
}

// listen takes the addresses of the settings, but those that were handed over.
func (a *App) listen(ctx context.Context) (err error) {
	a.listener, a.measured = a.options.Sockets.People, a.options.Sockets.Metrics
	if a.listener == nil {
		a.listener, err = listen(ctx, "LISTEN_ADDRESS", listenAddress(a.config, a.options))
	}
	if err == nil && a.measured == nil && a.config.MetricsAddress != "" {
		a.measured, err = listen(ctx, "METRICS_ADDRESS", a.config.MetricsAddress)
	}
	if err != nil {
		a.closeListeners()
	}
	return err
}

// closeListeners frees the addresses, where no server has taken them over yet.
func (a *App) closeListeners() {
	for _, l := range []net.Listener{a.listener, a.measured} {
		if l != nil {
			_ = l.Close() // the stop reports a better error, or none
		}
	}
}

// listen takes an address. A port that another program has may be free at the next start; all else is the setting's
// fault, and a config.Fault.
func listen(ctx context.Context, setting, address string) (net.Listener, error) {
	listener, err := backing.Listen(ctx, address)
	if err == nil {
		return listener, nil
	}
	fault := backing.ListenFault(setting, address, err)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("%s is taken by another program. %s", address, fault.Fix)
	}
	return nil, fault
}
