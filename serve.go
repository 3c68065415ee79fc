package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	stdlog "log" //nolint:depguard // for what libraries write there
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"

	"github.com/patdesk/patdesk/config"
	"github.com/patdesk/patdesk/handlers"
	"github.com/patdesk/patdesk/handlers/web"
	"github.com/patdesk/patdesk/internal/audit"
	"github.com/patdesk/patdesk/internal/azuredevops"
	"github.com/patdesk/patdesk/internal/calendar"
	"github.com/patdesk/patdesk/internal/entra"
	"github.com/patdesk/patdesk/internal/operation"
	"github.com/patdesk/patdesk/internal/panics"
	"github.com/patdesk/patdesk/internal/session"
)

const (
	readHeaderTimeout = 5 * time.Second
	readTimeout       = 30 * time.Second
	writeTimeout      = 3 * time.Minute // longer than a change may take, see handlers and internal/operation
	idleTimeout       = 2 * time.Minute
	maxHeaderBytes    = 32 << 10

	sweepEvery = time.Minute
	// stopTimeout is how long requests and operations in flight may take to finish.
	stopTimeout = 75 * time.Second
	// lateChanges is how long of that requests in flight may still begin a change, such as the next one of several: the rest
	// is for finishing it.
	lateChanges = 10 * time.Second
)

// setup is what differs between the real thing and the demo: addresses, a client for them, and the mark on the pages.
type setup struct {
	config         config.Config
	client         *http.Client // for Entra and Azure DevOps; nil: their own
	demo           bool
	now            func() time.Time    // the clock of sessions, sign-ins, operations and pages; nil: time.Now
	stopTimeout    time.Duration       // of a graceful stop; 0: stopTimeout
	readTimeout    time.Duration       // of a request; 0: readTimeout
	callTimeout    time.Duration       // of one call to Azure DevOps; 0: as internal/azuredevops and internal/operation have it
	listening      func(public string) // called when the program can be opened in a browser
	stdout, stderr io.Writer

	pause func(ctx context.Context, d time.Duration) error // between two tries: waits for d or until ctx ends; nil: for a real d
}

// prepareSetup changes a setup in programs that are built for tests, with the tag faultpoints. It is nil in every release.
var prepareSetup func(*setup)

// serve runs until ctx ends, then stops gracefully.
func serve(ctx context.Context, s setup) int {
	if prepareSetup != nil {
		prepareSetup(&s)
	}
	log := newLog(s.config, s.stderr)
	recordLibraries(log)
	for _, warning := range s.config.Warnings {
		log.Warn(warning)
	}
	p, listener, err := prepare(ctx, s, log)
	if err != nil {
		fmt.Fprintln(s.stderr, "patdesk can't start:", err)
		return exitFailed
	}
	return p.serve(ctx, listener, s)
}

// prepare takes the addresses and puts the program together. If that fails, nothing is left listening.
func prepare(ctx context.Context, s setup, log *slog.Logger) (*program, net.Listener, error) {
	listener, err := listen(ctx, s.config.ListenAddress)
	if err != nil {
		return nil, nil, err
	}
	measured, err := listenForMetrics(ctx, s.config.MetricsAddress)
	var p *program
	if err == nil {
		p, err = assemble(ctx, s, localURL(s.config, listener), log)
	}
	if err != nil {
		_ = listener.Close() // the reason to stop is the other error
		measured.close()
		return nil, nil, err
	}
	if p.measured = measured; measured != nil {
		p.measure(s.config)
	}
	return p, listener, nil
}

// program is a patdesk, ready to serve.
type program struct {
	handlers  *handlers.Handlers
	routes    http.Handler
	provider  *entra.Provider
	api       *azuredevops.Client
	journal   *operation.Journal
	sessions  *session.Manager
	backend   session.Backend
	telemetry *telemetry
	measured  *metricsServer // nil: none
	log       *slog.Logger
}

func assemble(ctx context.Context, s setup, local *url.URL, log *slog.Logger) (*program, error) {
	cfg, now := s.config, s.now
	if now == nil {
		now = time.Now
	}
	tracer, err := startTraces(ctx, cfg, log)
	if err != nil {
		return nil, err
	}
	told := &telemetry{tracer: tracer}
	backend, keys, err := openStore(ctx, cfg, now, log)
	if err != nil {
		return nil, err
	}
	sessions, err := session.New(backend, session.Options{
		Keys: keys, IdleTimeout: cfg.IdleTimeout, Lifetime: cfg.Lifetime, PerPerson: cfg.SessionsPerPerson, Secure: cfg.Secure(), Instance: instance(cfg, local), Now: now, Log: log,
		Count: func(event string) { told.metrics.Session(event) }, Dropped: func(kind string) { told.metrics.Dropped(kind) },
	})
	if err != nil {
		return nil, err
	}
	provider, err := newProvider(ctx, cfg, s.client, told, now, log)
	if err != nil {
		return nil, err
	}
	record := audit.Operations(log)
	journal := operation.New(sessions.Records(), operation.Options{
		DisplayTime: cfg.SecretDisplayTime, CallTimeout: s.callTimeout * 7 / 6, Now: now, Pause: s.pause, Log: log,
		Observe: func(ctx context.Context, e operation.Event) {
			told.happened(e)
			record(ctx, e)
		},
		Origin: audit.Origin,
	})
	api := azuredevops.New(azuredevops.Options{
		Endpoint: cfg.Endpoint, APIVersion: cfg.APIVersion, DiscoveryEndpoint: cfg.DiscoveryEndpoint, HTTPClient: s.client, Now: now,
		Sleep: s.pause, Timeout: s.callTimeout, ChangeTimeout: s.callTimeout, Watch: told.watchAzureDevOps,
	})
	pages, err := handlers.New(handlers.Options{
		Options: web.Options{
			Sessions: sessions, Entra: provider, Journal: journal, API: api, Telemetry: told,
			BaseURL: baseURL(cfg), Local: local, TrustedProxies: cfg.TrustedProxies, RedirectPath: cfg.RedirectPath,
			SignInsPerMinute: cfg.SignInsPerMinute, ChangesPerMinute: cfg.ChangesPerMinute, ClientID: cfg.ClientID,
			Demo: s.demo, Version: buildVersion(), Now: now, Log: log,
		},
		Calendar: calendar.New(sessions.Records(), now), Organizations: cfg.Organizations, AzureURL: "https://dev.azure.com",
	})
	if err != nil {
		return nil, err
	}
	return &program{
		handlers: pages, routes: pages.Routes(), provider: provider, api: api, journal: journal, sessions: sessions, backend: backend, telemetry: told, log: log,
	}, nil
}

func newProvider(ctx context.Context, cfg config.Config, client *http.Client, told *telemetry, now func() time.Time, log *slog.Logger) (*entra.Provider, error) {
	credential, err := readCredential(ctx, cfg.Credential, client, now)
	if err != nil {
		return nil, err
	}
	credential.tell(log)
	return entra.New(entra.Options{
		ClientID: cfg.ClientID, Authority: cfg.Authority, Scopes: cfg.Scopes, AllowedTenants: cfg.AllowedTenants,
		Credential: credential.Credential, HTTPClient: client, Now: now, Log: log,
		Watch: told.watchEntra, Refreshed: func(outcome string) { told.metrics.Refreshed(outcome) },
	})
}

// instance keeps the cookies of copies apart that run on one host; see config.Instance.
func instance(cfg config.Config, local *url.URL) string {
	if cfg.PublicURL() == "" && local != nil {
		cfg.BaseURL = local.String()
	}
	return cfg.Instance()
}

func baseURL(cfg config.Config) *url.URL {
	if cfg.BaseURL == "" {
		return nil
	}
	u, err := url.Parse(cfg.BaseURL)
	if err != nil { // checked by config
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

func (p *program) serve(ctx context.Context, listener net.Listener, s setup) int {
	server := &http.Server{
		Handler: p.routes, ReadHeaderTimeout: readHeaderTimeout, ReadTimeout: cmp.Or(s.readTimeout, readTimeout),
		WriteTimeout: writeTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeaderBytes,
		DisableGeneralOptionsHandler: true, // that one answers without our headers
		ErrorLog:                     slog.NewLogLogger(p.log.Handler(), slog.LevelDebug),
	}
	if p.measured != nil {
		p.measured.serve(p.telemetry.metrics.Handler(), p.log)
		defer p.measured.close()
	}
	background, endBackground := context.WithCancel(context.WithoutCancel(ctx))
	defer endBackground()
	panics.Go(p.log, "sweeping", func() { p.sessions.Sweeper(background, sweepEvery) })
	failed, serving := make(chan error, 1), p.handlers.Serving(server, listener)
	panics.Go(p.log, "serving", func() {
		err := errServing
		defer func() { failed <- err }()
		err = server.Serve(serving)
	})
	public := s.config.PublicURL()
	if local := localURL(s.config, listener); public == "" && local != nil {
		public = local.String()
	}
	p.log.Info("serving", "address", listener.Addr().String(), "public", public, "version", buildVersion())
	if s.listening != nil {
		s.listening(public)
	}
	select {
	case err := <-failed:
		p.log.Error("serving failed", "error", err)
		return exitFailed
	case <-ctx.Done():
	}
	return p.stop(server, s.config.ShutdownDelay, cmp.Or(s.stopTimeout, stopTimeout))
}

// errServing is why the program ends if its listener panics.
var errServing = errors.New("the listener panicked")

// stop lets everything in flight finish. Batches begin nothing more from the first moment on, and readiness fails, for as
// long as unready, so that nothing new is sent here. Then requests and operations finish side by side: who reads an answer
// slowly takes no time from an operation. After limit what isn't finished is recorded as unknown, and connections are closed.
func (p *program) stop(server *http.Server, unready, limit time.Duration) int {
	p.log.Info("stopping", "unready_for", unready.String(), "at_most", limit.String())
	p.journal.EndBackground()
	p.handlers.Drain()
	<-time.After(unready)
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	code, served := exitOK, make(chan struct{})
	var cutOff error
	panics.Go(p.log, "shutting down", func() {
		defer close(served)
		cutOff = server.Shutdown(ctx)
	})
	select {
	case <-served:
	case <-time.After(min(lateChanges, limit/2)):
	}
	if err := p.journal.Drain(ctx); err != nil {
		p.log.Warn("operations in flight were recorded as unknown", "error", err)
		code = exitFailed
	}
	if <-served; cutOff != nil {
		p.log.Warn("requests in flight were cut off", "error", cutOff)
		code = exitFailed
		_ = server.Close() // what is still open is given up
	}
	if err := p.backend.Close(); err != nil {
		p.log.Warn("session store could not be closed", "error", err)
	}
	p.stopTraces()
	p.log.Info("stopped")
	return code
}

// stopTraces sends the last spans. That a collector can't be reached is no fault of the stop.
func (p *program) stopTraces() {
	ctx, cancel := context.WithTimeout(context.Background(), tracesStopTimeout)
	defer cancel()
	if err := p.telemetry.tracer.Stop(ctx); err != nil {
		p.log.Warn("the last traces could not be sent", "error", err)
	}
}

func newLog(cfg config.Config, w io.Writer) *slog.Logger {
	options := &slog.HandlerOptions{Level: cfg.LogLevel}
	if cfg.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

// recordLibraries takes over Go's standard logger, where libraries write what they don't return.
func recordLibraries(log *slog.Logger) {
	stdlog.SetFlags(0)
	stdlog.SetOutput(libraries{log})
}

// libraries records what is written to it up to the first quotation: net/http quotes what a server has sent unasked.
type libraries struct{ log *slog.Logger }

func (l libraries) Write(line []byte) (int, error) {
	words, _, _ := strings.Cut(string(line), `"`)
	l.log.Warn("a library reports", "words", strings.TrimSpace(words))
	return len(line), nil
}
