package simulator

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/patdesk/patdesk/internal/panics"
)

// serving is what Start has set up.
type serving struct {
	machineURL string // https://127.0.0.1:port: metadata, keys, token, PAT API, discovery
	browserURL string // where authorize, logout and the page of faults are
	identity   *identity
	client     *http.Client
	servers    []*http.Server
}

// Start serves on two listeners on loopback: machines talk TLS, with a throw-away certificate that Client and CertPEM
// know; people's browsers, which don't know it, get plain http. The metadata sends each to the right listener. It stops
// when ctx ends or Close is called.
func (s *Simulator) Start(ctx context.Context) error {
	return s.start(ctx, false)
}

// StartTLS is like Start, but browsers get TLS too, as at Microsoft. For clients that can be made to trust the
// certificate.
func (s *Simulator) StartTLS(ctx context.Context) error {
	return s.start(ctx, true)
}

func (s *Simulator) start(ctx context.Context, onlyTLS bool) error {
	if s.serving.machineURL != "" {
		return errors.New("simulator: already started")
	}
	id, err := newIdentity()
	if err != nil {
		return fmt.Errorf("simulator: %w", err)
	}
	var listen net.ListenConfig
	machines, err := listen.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("simulator: %w", err)
	}
	s.serving.identity = id
	s.serving.client = id.client(s.dialer)
	s.serving.machineURL = "https://" + machines.Addr().String()
	s.serving.browserURL = s.serving.machineURL
	if !onlyTLS {
		if err := s.startBrowserSide(ctx); err != nil {
			_ = machines.Close()
			return err
		}
	}
	// HTTP/1.1 only: a reset then means the TCP connection itself.
	conf := &tls.Config{
		Certificates: []tls.Certificate{id.certificate}, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"},
		SessionTicketsDisabled: s.o.FullHandshakes,
	}
	s.serveOn(tls.NewListener(machines, conf), s.Handler())
	context.AfterFunc(ctx, func() { panics.Contain(slog.Default(), "stopping the simulator", s.Close) })
	return nil
}

func (s *Simulator) startBrowserSide(ctx context.Context) error {
	var listen net.ListenConfig
	browsers, err := listen.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("simulator: %w", err)
	}
	s.serving.browserURL = "http://" + browsers.Addr().String()
	s.serveOn(browsers, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !s.serveBrowsers(w, r) {
			s.serveUnknown(w, r)
		}
	}))
	return nil
}

func (s *Simulator) serveOn(l net.Listener, h http.Handler) {
	srv := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)}
	s.serving.servers = append(s.serving.servers, srv)
	panics.Go(slog.Default(), "the simulator", func() { _ = srv.Serve(l) }) // ends with Close
}

// Close stops serving; answers that hang end at once. It may be called twice.
func (s *Simulator) Close() {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return
	}
	s.closed = true
	close(s.done)
	s.mu.Unlock()
	for _, srv := range s.serving.servers {
		_ = srv.Close()
	}
	if s.serving.client != nil {
		s.serving.client.CloseIdleConnections()
	}
}

// Authority is the address to sign in at, for any organization's account.
func (s *Simulator) Authority() string { return s.serving.machineURL + "/organizations" }

// TenantAuthority is the address to sign in at for accounts of one tenant.
func (s *Simulator) TenantAuthority(tenantID string) string {
	return s.serving.machineURL + "/" + tenantID
}

// Endpoint is the address of the PAT API, without an organization.
func (s *Simulator) Endpoint() string { return s.serving.machineURL }

// DiscoveryEndpoint is the address of organization discovery.
func (s *Simulator) DiscoveryEndpoint() string { return s.serving.machineURL }

// BrowserURL is where people's browsers meet the simulator.
func (s *Simulator) BrowserURL() string { return s.serving.browserURL }

// PanelURL is the page on which faults are switched.
func (s *Simulator) PanelURL() string { return s.serving.browserURL + panelPath }

// Client trusts the simulator's certificate, and no other. It is one client, shared by all callers.
func (s *Simulator) Client() *http.Client { return s.serving.client }

// CertPool holds the simulator's own authority, for clients with other limits than Client's.
func (s *Simulator) CertPool() *x509.CertPool { return s.serving.identity.pool() }

// CertPEM is the same as PEM, for SSL_CERT_FILE.
func (s *Simulator) CertPEM() []byte { return s.serving.identity.authorityPEM }

// machineBase and browserBase are the addresses that the metadata names: those of Start, or the one that the request
// came to.
func (s *Simulator) machineBase(r *http.Request) string {
	if s.serving.machineURL != "" {
		return s.serving.machineURL
	}
	return requestBase(r)
}

func (s *Simulator) browserBase(r *http.Request) string {
	if s.serving.browserURL != "" {
		return s.serving.browserURL
	}
	return requestBase(r)
}

func requestBase(r *http.Request) string {
	if r.TLS != nil {
		return "https://" + r.Host
	}
	return "http://" + r.Host
}
