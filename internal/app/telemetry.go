package app

import (
	"context"
	"errors"
	"io"
	stdlog "log" //nolint:depguard // for what libraries write there
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/patdesk/patdesk/config"
	"github.com/patdesk/patdesk/handlers/web"
	"github.com/patdesk/patdesk/internal/azuredevops"
	"github.com/patdesk/patdesk/internal/entra"
	"github.com/patdesk/patdesk/internal/metrics"
	"github.com/patdesk/patdesk/internal/operation"
	"github.com/patdesk/patdesk/internal/panics"
	"github.com/patdesk/patdesk/internal/session"
	"github.com/patdesk/patdesk/internal/tracing"
	"github.com/patdesk/patdesk/internal/vault"
)

// Names of the services that are called, as metrics and spans have them.
const (
	serviceEntra       = "entra"
	serviceAzureDevOps = "azuredevops"
	serviceVaults      = "vaults"
)

// tracesStopTimeout is how long the last spans may take to be sent when the program stops.
const tracesStopTimeout = 5 * time.Second

// telemetry reports to metrics and traces what happens; either may be off. The parts of the program know neither, but
// the functions that they call. With Request it is web.Telemetry.
type telemetry struct {
	*metrics.Metrics                 // nil: off
	tracer           *tracing.Tracer // nil: off
}

// newTelemetry makes it before the parts that report to it. The metrics learn of those at last, see sources.
func newTelemetry(ctx context.Context, cfg config.Config, version string, log *slog.Logger) (*telemetry, error) {
	t := &telemetry{}
	upstream := map[string][]string{serviceEntra: entra.Calls(), serviceAzureDevOps: azuredevops.Operations()}
	if cfg.Vaults.On() {
		upstream[serviceVaults] = vault.Operations()
	}
	if cfg.MetricsAddress != "" {
		t.Metrics = metrics.New(metrics.Options{
			Version: version, Revision: Revision(),
			Upstream:  upstream,
			Outcomes:  slices.Concat(texts(azuredevops.Kinds()), texts(entra.Kinds()), texts(vault.Kinds())),
			Refreshes: entra.Refreshes(), SignIns: append([]string{web.SignInOK, web.SignInStore}, texts(entra.Kinds())...),
			Limits: web.LimitNames(), Sessions: session.Events(), Actions: texts(operation.Actions()), States: texts(operation.States()),
			Bounds:    texts(azuredevops.Bounds()),
			Delivered: texts([]operation.Outcome{operation.WasDone, operation.WasRefused, operation.IsUnknown}),
		})
	}
	if cfg.Traces.Endpoint == "" {
		return t, nil
	}
	headers := map[string]string{}
	for name, value := range cfg.Traces.Headers {
		headers[name] = value.Reveal()
	}
	var err error
	t.tracer, err = tracing.New(ctx, tracing.Options{Endpoint: cfg.Traces.Endpoint, Headers: headers, Gzip: cfg.Traces.Gzip, Timeout: cfg.Traces.Timeout, Version: version, Log: log})
	return t, err
}

// Request is part of web.Telemetry. A span that isn't ended isn't sent.
func (t *telemetry) Request(r *http.Request) (on *http.Request, traceID string, done func(web.Seen)) {
	method, ended := r.Method, t.Begin()
	on, traceID, traced := t.tracer.Request(r)
	return on, traceID, func(s web.Seen) {
		ended()
		if s.Aside {
			return
		}
		t.Metrics.Request(s.Route, method, s.Status, s.Took)
		traced(s.Route, s.Status)
	}
}

// watchAzureDevOps is azuredevops.Options.Watch.
func (t *telemetry) watchAzureDevOps(ctx context.Context, operation string, header http.Header) func(azuredevops.Exchange) {
	start, traced := time.Now(), t.tracer.Call(ctx, serviceAzureDevOps, operation, header)
	return func(e azuredevops.Exchange) {
		took, outcome, failedID := time.Since(start), "ok", ""
		if e.Kind != "" {
			outcome, failedID = string(e.Kind), e.ActivityID
		}
		t.Upstream(serviceAzureDevOps, operation, outcome, took)
		traced(e.Status, outcome, e.ActivityID)
		web.NoteUpstream(ctx, took, failedID)
	}
}

// watch is Options.Watch of entra and vault.
func (t *telemetry) watch(service string) func(ctx context.Context, call string, header http.Header) func(int, string) {
	return func(ctx context.Context, call string, header http.Header) func(int, string) {
		start, traced := time.Now(), t.tracer.Call(ctx, service, call, header)
		return func(status int, outcome string) {
			took := time.Since(start)
			t.Upstream(service, call, outcome, took)
			traced(status, outcome, "")
			web.NoteUpstream(ctx, took, "")
		}
	}
}

// operation counts the operations that came into a state and the deliveries into vaults that ended; what else happens to
// one isn't counted.
func (t *telemetry) operation(e operation.Event) {
	o := e.Operation
	switch {
	case e.Step == operation.Step(o.Action):
		t.Operation(string(o.Action), string(o.State))
	case e.Step == operation.WritingVault && e.Outcome != operation.WasSent:
		t.Delivery(string(e.Outcome))
	}
}

// sources are where the metrics look when Prometheus asks.
func (a *App) sources() metrics.Sources {
	s := metrics.Sources{
		Routes: patterns(a.routes), Kinds: kindsOf(a.sessions),
		Ready:  func() bool { return a.handlers.Site.Health.Ready(context.Background()) == nil },
		Active: a.sessions.Active, Busy: a.journal.Busy, Snapshots: a.handlers.Site.Inventory.Bytes, Load: a.load,
	}
	if c := a.config.Credential; c.CertificateFile != "" || c.VaultURL != "" {
		s.CredentialTo = a.provider.CredentialEnd
	}
	return s
}

// load is what is under way with Azure DevOps, for the metrics.
func (a *App) load() metrics.Load {
	l := a.api.Load()
	refused := make(map[string]uint64, len(l.Refused))
	for bound, n := range l.Refused {
		refused[string(bound)] = n
	}
	return metrics.Load{
		Exchanges: l.Exchanges, MaxExchanges: l.MaxExchanges, Waiting: l.Waiting,
		Open: l.Open, HalfOpen: l.HalfOpen, PeoplePaused: l.PeoplePaused, OrganizationsPaused: l.OrganizationsPaused,
		Refused: refused,
	}
}

// kindsOf are the kinds of records that there are.
func kindsOf(m *session.Manager) (kinds []string) {
	for _, b := range m.Records().Bounds() {
		kinds = append(kinds, b.Kind)
	}
	return kinds
}

// texts are the values of a type that is a text, for labels.
func texts[T ~string](values []T) []string {
	out := make([]string, 0, len(values))
	for _, v := range values {
		out = append(out, string(v))
	}
	return out
}

// patterns are those of the route table.
func patterns(routes http.Handler) []string {
	table, ok := routes.(chi.Routes)
	if !ok {
		return nil
	}
	var all []string
	_ = chi.Walk(table, func(_, pattern string, _ http.Handler, _ ...func(http.Handler) http.Handler) error {
		all = append(all, strings.ReplaceAll(pattern, "/*/", "/"))
		return nil
	})
	slices.Sort(all)
	return slices.Compact(all)
}

// serveMetrics serves Prometheus until the server is closed: during the stop of the program, too.
func (a *App) serveMetrics() *http.Server {
	server := &http.Server{
		Handler: answered(a.telemetry.Handler(), a.log), ReadHeaderTimeout: readHeaderTimeout, ReadTimeout: readHeaderTimeout, WriteTimeout: readTimeout,
		IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeaderBytes, ErrorLog: slog.NewLogLogger(a.log.Handler(), slog.LevelDebug),
	}
	panics.Go(a.log, "serving metrics", func() {
		if err := server.Serve(a.measured); !errors.Is(err, http.ErrServerClosed) {
			a.log.Error("metrics are no longer served", "error", err)
		}
	})
	a.log.Info("serving metrics", "metrics_address", a.MetricsAddress())
	return server
}

// answered answers with 500 where next panics; net/http would only cut the connection.
func answered(next http.Handler, log *slog.Logger) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !panics.Contain(log, "answering Prometheus", func() { next.ServeHTTP(w, r) }) {
			http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		}
	})
}

// newLog makes the log. Its level can be changed.
func newLog(cfg config.Config, level *slog.LevelVar, w io.Writer) *slog.Logger {
	level.Set(cfg.LogLevel)
	options := &slog.HandlerOptions{Level: level}
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
