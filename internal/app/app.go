// Package app is the program as a value: New takes the addresses and puts the parts together, Serve runs until it is to
// end, Stop ends it gracefully. The command, the demo and the tests start it alike.
//
// What belongs here: choosing among the parts and wiring them together. No logic of pages, sign-in or tokens.
package app

import (
	"cmp"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/patdesk/patdesk/config"
	"github.com/patdesk/patdesk/handlers"
	"github.com/patdesk/patdesk/handlers/web"
	"github.com/patdesk/patdesk/internal/audit"
	"github.com/patdesk/patdesk/internal/azuredevops"
	"github.com/patdesk/patdesk/internal/backing"
	"github.com/patdesk/patdesk/internal/batch"
	"github.com/patdesk/patdesk/internal/calendar"
	"github.com/patdesk/patdesk/internal/entra"
	"github.com/patdesk/patdesk/internal/operation"
	"github.com/patdesk/patdesk/internal/panics"
	"github.com/patdesk/patdesk/internal/session"
	"github.com/patdesk/patdesk/internal/systemd"
	"github.com/patdesk/patdesk/internal/vault"
	"github.com/patdesk/patdesk/templates"
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
	// settleTimeout is how long of that a connection may take to send its first request.
	settleTimeout = 2 * time.Second
	// lateChanges is how long of that requests in flight may still begin a change, such as the next one of several: the
	// rest is for finishing it.
	lateChanges = 10 * time.Second
)

// Options is what isn't a setting of the operator's: where the program writes, and what the demo and tests have of
// their own. The zero value of each field but Log is the real thing.
type Options struct {
	Version string              // of a release, see Version
	Log     io.Writer           // gets the log
	Client  *http.Client        // to Entra ID, Azure DevOps and Key Vaults; nil: each has its own
	Demo    bool                // pages are marked as a demo's
	AnyPort bool                // it listens on all addresses, and answers under this machine's own names, at any port
	Pseudo  bool                // the pseudo-language is offered, too
	More    templates.Languages // and these

	// Settings reads the settings again, when Hangup says so and when Entra ID refuses the credential. nil: they stay.
	Settings func() (config.Config, error)
	// Hangup receives when the settings are to be read again, or, with HangupStops, when the program is to end.
	Hangup      <-chan os.Signal
	HangupStops bool

	// Sockets were handed over by the parent process, at the addresses of the settings.
	Sockets systemd.Sockets
	// Manager receives reports of how the program stands; nil: none are sent.
	Manager *systemd.Manager

	Now         func() time.Time                                 // the clock of sessions, sign-ins, operations and pages; nil: time.Now
	Pause       func(ctx context.Context, d time.Duration) error // waits for d or until ctx ends, between two tries; nil: for a real d
	ReadTimeout time.Duration                                    // of a request; 0: 30 seconds
	CallTimeout time.Duration                                    // of one call to Azure DevOps; 0: as internal/azuredevops and internal/operation have it
	StopTimeout time.Duration                                    // of a graceful stop; 0: 75 seconds
}

// prepareOptions changes the options in programs that are built for tests, with the tag faultpoints. It is nil in every
// release.
var prepareOptions func(*Options)

// App is a patdesk that has its addresses. It serves once.
type App struct {
	config    config.Config
	options   Options
	listener  net.Listener
	local     *url.URL // see localURL
	handlers  *handlers.Handlers
	routes    http.Handler
	provider  *entra.Provider
	api       *azuredevops.Client
	journal   *operation.Journal
	sessions  *session.Manager
	backend   session.Backend
	telemetry *telemetry
	measured  net.Listener // for Prometheus; nil: none
	log       *slog.Logger
	level     slog.LevelVar
	reloading sync.Mutex

	reloadFailed atomic.Bool // the last time

	stopping context.Context // ends with stop
	stop     context.CancelFunc
	served   sync.Once
	err      error // of Serve
}

// New takes the addresses and puts the program together. If that fails, nothing is left listening; if the settings are to
// blame, the error is of type config.Faults. What libraries write to Go's standard logger goes to the log from then on.
func New(ctx context.Context, cfg config.Config, o Options) (_ *App, err error) {
	defer func() { err = asFaults(err) }()
	if prepareOptions != nil {
		prepareOptions(&o)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	o.Version = Version(o.Version)
	a := &App{config: cfg}
	log := newLog(cfg, &a.level, o.Log)
	recordLibraries(log)
	for _, warning := range cfg.Warnings {
		log.Warn(warning)
	}
	a.options, a.log = o, log
	a.stopping, a.stop = context.WithCancel(context.Background())
	if err := a.listen(ctx); err != nil {
		return nil, err
	}
	a.local = localURL(cfg, a.listener)
	if err := a.assemble(ctx); err != nil {
		a.closeListeners()
		return nil, err
	}
	return a, nil
}

// assemble makes the parts, each after those that it uses.
func (a *App) assemble(ctx context.Context) (err error) {
	cfg, o, log := a.config, a.options, a.log
	if a.telemetry, err = newTelemetry(ctx, cfg, o.Version, log); err != nil {
		return err
	}
	tel := a.telemetry
	backend, keys, err := backing.OpenStore(ctx, cfg, o.Now, log)
	if err != nil {
		return err
	}
	a.backend = backend
	copies := cfg // on one host have cookies of their own, see config.Instance
	copies.BaseURL = a.URL()
	a.sessions, err = session.New(backend, session.Options{
		Keys: keys, IdleTimeout: cfg.IdleTimeout, Lifetime: cfg.Lifetime, PerPerson: cfg.SessionsPerPerson, Secure: cfg.Secure(), Instance: copies.Instance(), Now: o.Now, Log: log,
		Count: tel.Session, Dropped: tel.Dropped,
	})
	if err != nil {
		return err
	}
	if a.provider, err = newProvider(ctx, cfg, o, tel, log); err != nil {
		return err
	}
	record := audit.Operations(log)
	a.journal = operation.New(a.sessions.Records(), operation.Options{
		DisplayTime: cfg.SecretDisplayTime, CallTimeout: o.CallTimeout * 7 / 6, Now: o.Now, Pause: o.Pause, Log: log,
		Observe: func(ctx context.Context, e operation.Event) {
			tel.operation(e)
			record(ctx, e)
		},
	})
	a.api = azuredevops.New(azuredevops.Options{
		Endpoint: cfg.Endpoint, APIVersion: cfg.APIVersion, DiscoveryEndpoint: cfg.DiscoveryEndpoint, HTTPClient: o.Client, Now: o.Now,
		Sleep: o.Pause, Timeout: o.CallTimeout, ChangeTimeout: o.CallTimeout, Watch: tel.watchAzureDevOps,
		Odd: func(ctx context.Context, o azuredevops.Oddity) {
			log.WarnContext(ctx, "parts of an answer of Azure DevOps are not understood", "request_id", web.RequestID(ctx),
				"operation", o.Call, "organization", o.Organization, "count", o.Count, "members", o.Members)
		},
	})
	a.handlers, err = handlers.New(handlers.Options{
		Options: web.Options{
			Sessions: a.sessions, Entra: a.provider, Journal: a.journal, API: a.api,
			Vaults: newVaults(cfg, o, tel), VaultScopes: cfg.Vaults.Scopes(),
			Batches:   batch.New(a.sessions.Records(), a.journal),
			Telemetry: tel,
			BaseURL:   baseURL(cfg), Local: a.local, AnyPort: o.AnyPort, TrustedProxies: cfg.TrustedProxies, RedirectPath: cfg.RedirectPath,
			SignInsPerMinute: cfg.SignInsPerMinute, ChangesPerMinute: cfg.ChangesPerMinute, ClientID: cfg.ClientID,
			Demo: o.Demo, Languages: languages(o), Version: o.Version, Now: o.Now, Log: log,
		},
		Calendar: calendar.New(a.sessions.Records(), o.Now), Organizations: cfg.Organizations, AzureURL: "https://dev.azure.com",
	})
	if err != nil {
		return err
	}
	a.routes = a.handlers.Routes()
	tel.Watch(a.sources())
	return nil
}

// newVaults are people's vaults; nil: none.
func newVaults(cfg config.Config, o Options, tel *telemetry) *vault.Client {
	if !cfg.Vaults.On() {
		return nil
	}
	return vault.New(vault.Options{
		Vaults: cfg.Vaults.Addresses, Allow: cfg.Vaults.Allow, Suffix: cfg.Vaults.Suffix, HTTPClient: o.Client, Now: o.Now, Watch: tel.watch(serviceVaults),
	})
}

func newProvider(ctx context.Context, cfg config.Config, o Options, tel *telemetry, log *slog.Logger) (*entra.Provider, error) {
	credential, err := backing.ReadCredential(ctx, cfg.Credential, o.Client, o.Now)
	if err != nil {
		return nil, err
	}
	credential.Record(log)
	if o.Settings != nil && (credential.Secret != "" || credential.Certificate != nil) {
		credential.Current = currentCredential(cfg, o)
	}
	return entra.New(entra.Options{
		ClientID: cfg.ClientID, Authority: cfg.Authority, Scopes: cfg.Scopes, AllowedTenants: cfg.AllowedTenants,
		Credential: credential.Credential, HTTPClient: o.Client, Now: o.Now, Log: log,
		Watch: tel.watch(serviceEntra), Refreshed: tel.Refreshed,
	})
}

// URL is what people open, without a trailing slash; "" if only the headers of trusted proxies tell it.
func (a *App) URL() string {
	public := a.config.PublicURL()
	if public == "" && a.local != nil {
		public = a.local.String()
	}
	return public
}

// Serve serves until ctx ends or Stop is called, and then lets everything in flight finish. An error says that serving
// failed, or that not all could finish; the log has it already.
func (a *App) Serve(ctx context.Context) error {
	a.served.Do(func() { a.err = a.serve(ctx) })
	return a.err
}

// Stop ends Serve and returns what it returns. An App that hasn't served ends like one that has.
func (a *App) Stop() error {
	a.stop()
	return a.Serve(a.stopping)
}

func (a *App) serve(ctx context.Context) error {
	defer a.closeListeners()
	server := &http.Server{
		Handler: a.routes, ReadHeaderTimeout: readHeaderTimeout, ReadTimeout: cmp.Or(a.options.ReadTimeout, readTimeout),
		WriteTimeout: writeTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeaderBytes,
		DisableGeneralOptionsHandler: true, // that one answers without our headers
		ErrorLog:                     slog.NewLogLogger(a.log.Handler(), slog.LevelDebug),
	}
	if a.measured != nil {
		server := a.serveMetrics()
		defer func() { _ = server.Close() }() // what was asked of it is of no use any more
	}
	background, endBackground := context.WithCancel(context.WithoutCancel(ctx))
	defer endBackground()
	panics.Go(a.log, "sweeping", func() { a.sessions.Sweeper(background, sweepEvery) })
	failed, ended, serving := make(chan error, 1), make(chan struct{}), a.handlers.Site.Serving(server, a.listener)
	panics.Go(a.log, "serving", func() {
		defer close(ended)
		err := errServing
		defer func() { failed <- err }()
		err = server.Serve(serving)
	})
	a.log.Info("serving", "address", a.Address(), "public", a.URL(), "version", a.options.Version)
	if m := a.options.Manager; m != nil {
		m.Ready(a.standing(background))
		panics.Go(a.log, "reporting to the service manager", func() { a.reportToManager(background) })
	}
	if err := a.untilStopped(ctx, failed); err != nil {
		a.log.Error("serving failed", "error", err)
		return err
	}
	return a.shutDown(server, func() {
		_ = serving.Close() // a socket that was handed over goes on collecting connections, for the next process
		<-ended
		serving.Settle(settleTimeout)
	})
}

// untilStopped returns when the program is to end, with an error if its listener has failed.
func (a *App) untilStopped(ctx context.Context, failed <-chan error) error {
	for {
		select {
		case err := <-failed:
			return err
		case <-ctx.Done():
			return nil
		case <-a.stopping.Done():
			return nil
		case <-a.options.Hangup:
			if a.options.HangupStops {
				return nil
			}
			panics.Go(a.log, "reloading", a.Reload)
		}
	}
}

// errServing is why the program ends if its listener panics.
var errServing = errors.New("the listener panicked")

// shutDown lets everything in flight finish. Batches begin nothing more from the first moment on, and readiness fails
// for the settings' ShutdownDelay, so that nothing new is sent here. Then requests and operations finish side by side:
// a client that reads slowly takes no time from an operation. What isn't finished at the limit is recorded as unknown,
// and connections are closed.
func (a *App) shutDown(server *http.Server, stopListening func()) error {
	unready, limit := a.config.ShutdownDelay, cmp.Or(a.options.StopTimeout, stopTimeout)
	a.log.Info("stopping", "unready_for", unready.String(), "at_most", limit.String())
	a.options.Manager.Stopping("Stopping: what is in flight may finish, for " + (unready + limit).String() + " at most")
	a.journal.EndBackground()
	a.handlers.Site.Health.Drain()
	<-time.After(unready)
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	served := make(chan struct{})
	var cutOff, unfinished error
	panics.Go(a.log, "shutting down", func() {
		defer close(served)
		stopListening()
		cutOff = server.Shutdown(ctx)
	})
	select {
	case <-served:
	case <-time.After(min(lateChanges, limit/2)):
	}
	if unfinished = a.journal.Drain(ctx); unfinished != nil {
		a.log.Warn("operations in flight were recorded as unknown", "error", unfinished)
	}
	if <-served; cutOff != nil {
		a.log.Warn("requests in flight were cut off", "error", cutOff)
		_ = server.Close() // what is still open is given up
	}
	if err := a.backend.Close(); err != nil {
		a.log.Warn("session store could not be closed", "error", err)
	}
	a.stopTraces()
	a.log.Info("stopped")
	return errors.Join(unfinished, cutOff)
}

// stopTraces sends the last spans. That a collector can't be reached is no fault of the stop.
func (a *App) stopTraces() {
	ctx, cancel := context.WithTimeout(context.Background(), tracesStopTimeout)
	defer cancel()
	if err := a.telemetry.tracer.Stop(ctx); err != nil {
		a.log.Warn("the last traces could not be sent", "error", err)
	}
}

func languages(o Options) templates.Languages {
	all := append(templates.Offered(), o.More...)
	if o.Pseudo {
		all = append(all, templates.Pseudo())
	}
	return all
}
