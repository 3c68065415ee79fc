// Package metrics counts and measures what patdesk does and offers it to Prometheus. It is the only user of
// Prometheus's library, and knows nothing of what it measures: that is passed to it.
//
// No metric has a secret, a person, an organization or a path as a label. Every label has a known, small number of
// values: the lists of operations and outcomes are given to New and Watch, and what isn't in them counts as "other".
package metrics

import (
	"math"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/patdesk/patdesk/internal/panics"
)

// Options says what the labels can be.
type Options struct {
	Version, Revision string

	Upstream  map[string][]string // names of the services that are called, and of the operations of each
	Outcomes  []string            // how a call can end, beside "ok"
	Refreshes []string            // how a refresh of an access token can end
	SignIns   []string            // how a sign-in can end
	Limits    []string            // that a request can run into
	Sessions  []string            // what can happen to a session
	Actions   []string            // of operations
	States    []string            // of operations
	Bounds    []string            // that a call to Azure DevOps can run into
}

// Sources is what only a program that is put together knows: its routes and records, and where to look at what isn't
// counted but seen.
type Sources struct {
	Routes       []string         // patterns of the route table
	Kinds        []string         // of records
	Ready        func() bool      // if requests should be sent here
	Active       func() int       // sessions
	Busy         func() int       // operations being worked on
	Snapshots    func() int64     // bytes of people's tokens in memory
	Load         func() Load      // on the way to Azure DevOps
	CredentialTo func() time.Time // when the app's credential runs out; zero: not known. nil: it is a kind of which it never is
}

// Metrics is what is measured. A nil *Metrics measures nothing.
type Metrics struct {
	options  Options
	sources  Sources
	registry *prometheus.Registry

	requests   *prometheus.HistogramVec
	inFlight   prometheus.Gauge
	limited    *prometheus.CounterVec
	upstream   *prometheus.HistogramVec
	errors     prometheus.Counter // is there from the start, so that the first one is seen as an increase
	refreshes  *prometheus.CounterVec
	signIns    *prometheus.CounterVec
	sessions   *prometheus.CounterVec
	dropped    *prometheus.CounterVec
	operations *prometheus.CounterVec
}

// A page that asks Azure DevOps takes some 100 ms; a form waits for its change for up to 90 s.
var seconds = []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 90}

// other stands for what isn't in the list of a label's values.
const other = "other"

// New makes the metrics. What reports to them may be made after that; Watch comes last, before anything is counted.
func New(o Options) *Metrics {
	m := &Metrics{options: o, registry: prometheus.NewRegistry()}
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
		m.registry.MustRegister(c)
		return c
	}
	histogram := func(name, help string, labels ...string) *prometheus.HistogramVec {
		h := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: seconds}, labels)
		m.registry.MustRegister(h)
		return h
	}
	m.requests = histogram("patdesk_http_request_duration_seconds", "Time to answer a request, by route pattern, method and status.", "route", "method", "status")
	m.inFlight = prometheus.NewGauge(prometheus.GaugeOpts{Name: "patdesk_http_requests_in_flight", Help: "Requests being answered now."})
	m.registry.MustRegister(m.inFlight)
	m.errors = prometheus.NewCounter(prometheus.CounterOpts{Name: "patdesk_http_errors_total", Help: "Requests answered with a status from 500 on."})
	m.registry.MustRegister(m.errors)
	m.limited = counter("patdesk_http_requests_limited_total", "Requests answered with 429 because of a limit of patdesk's own, by limit.", "limit")
	m.upstream = histogram("patdesk_upstream_request_duration_seconds", "Time of a call to a service, by service, operation and outcome; each try counts.", "service", "operation", "outcome")
	m.refreshes = counter("patdesk_token_refreshes_total", "Refreshes of access tokens, by outcome.", "outcome")
	m.signIns = counter("patdesk_sign_ins_total", "Sign-ins that came back from Entra ID, by outcome.", "outcome")
	m.sessions = counter("patdesk_sessions_total", "Sessions that were begun or ended through this process, by event. Those that run out aren't counted.", "event")
	m.dropped = counter("patdesk_records_dropped_total", "Records that were dropped to make room for newer ones, by kind.", "kind")
	m.operations = counter("patdesk_operations_total", "Changes that came into a state, by action and state.", "action", "state")
	m.registry.MustRegister(
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		collectors.NewBuildInfoCollector(),
	)
	build := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "patdesk_build_info", Help: "1, with the version as a label."}, []string{"version", "revision"})
	build.WithLabelValues(o.Version, o.Revision).Set(1)
	m.registry.MustRegister(build)
	return m
}

// Watch adds what is seen when Prometheus asks for it. It is called once, before the program serves.
func (m *Metrics) Watch(o Sources) {
	if m == nil {
		return
	}
	m.sources = o
	gauge := func(name, help string, value func() float64) {
		m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, seen(value)))
	}
	gauge("patdesk_ready", "1 if requests should be sent here: the session store works and the process isn't stopping.", func() float64 {
		if o.Ready() {
			return 1
		}
		return 0
	})
	gauge("patdesk_sessions_active", "Sessions used through this process within the idle timeout.", func() float64 { return float64(o.Active()) })
	gauge("patdesk_operations_in_progress", "Changes being worked on in this process.", func() float64 { return float64(o.Busy()) })
	gauge("patdesk_snapshot_bytes", "Memory that people's tokens take which were read in the last minutes.", func() float64 { return float64(o.Snapshots()) })
	m.registry.MustRegister(expiry{o.CredentialTo}, upstream{o.Load, m.options.Bounds})
	m.begin()
}

// seen is value, or not a number if that panics: the registry asks in goroutines of its own, where a panic ends the
// process.
func seen(value func() float64) func() float64 {
	return func() float64 {
		n, err := panics.Try(func() (float64, error) { return value(), nil })
		if err != nil {
			return math.NaN()
		}
		return n
	}
}

// begin makes the counters of what is rare, so that their first increase is seen as one.
func (m *Metrics) begin() {
	for vec, values := range map[*prometheus.CounterVec][]string{
		m.limited: m.options.Limits, m.refreshes: m.options.Refreshes, m.signIns: m.options.SignIns, m.sessions: m.options.Sessions,
		m.dropped: m.sources.Kinds,
	} {
		for _, value := range values {
			vec.WithLabelValues(value)
		}
	}
	for _, action := range m.options.Actions {
		for _, state := range m.options.States {
			m.operations.WithLabelValues(action, state)
		}
	}
}

// expiry shows when the app's credential runs out, if that is known.
type expiry struct{ at func() time.Time }

var expiryDesc = prometheus.NewDesc("patdesk_credential_expiry_timestamp_seconds",
	"When the certificate that patdesk proves itself to Entra ID with runs out, in seconds since 1970. Absent if that isn't known.", nil, nil)

// Describe implements prometheus.Collector.
func (expiry) Describe(to chan<- *prometheus.Desc) { to <- expiryDesc }

// Collect implements prometheus.Collector.
func (e expiry) Collect(to chan<- prometheus.Metric) {
	if e.at == nil {
		return
	}
	at, err := panics.Try(func() (time.Time, error) { return e.at(), nil }) // see seen
	if err == nil && !at.IsZero() {
		to <- prometheus.MustNewConstMetric(expiryDesc, prometheus.GaugeValue, float64(at.Unix()))
	}
}

// Handler answers Prometheus at /metrics, and nothing elsewhere.
func (m *Metrics) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4, EnableOpenMetrics: true}))
	return mux
}

// Begin counts a request as being answered, until done is called.
func (m *Metrics) Begin() (done func()) {
	if m == nil {
		return func() {}
	}
	m.inFlight.Inc()
	return m.inFlight.Dec
}

// Request counts a request that was answered.
func (m *Metrics) Request(route, method string, status int, took time.Duration) {
	if m == nil {
		return
	}
	m.requests.WithLabelValues(one(m.sources.Routes, route), one(methods, method), shownStatus(status)).Observe(took.Seconds())
	if status >= http.StatusInternalServerError {
		m.errors.Inc()
	}
}

var methods = []string{http.MethodGet, http.MethodHead, http.MethodPost}

// shownStatus is a status as a label. Ours are few; nothing else gets in.
func shownStatus(status int) string {
	if status < 100 || status > 599 {
		return other
	}
	return strconv.Itoa(status)
}

// one is value if it is one of those, and otherwise other.
func one(of []string, value string) string {
	if slices.Contains(of, value) {
		return value
	}
	return other
}

// Upstream counts a call to a service.
func (m *Metrics) Upstream(service, operation, outcome string, took time.Duration) {
	if m == nil {
		return
	}
	if outcome != "ok" {
		outcome = one(m.options.Outcomes, outcome)
	}
	m.upstream.WithLabelValues(service, one(m.options.Upstream[service], operation), outcome).Observe(took.Seconds())
}

// Limited counts a request that was held up by a limit.
func (m *Metrics) Limited(limit string) {
	m.count(func() { m.limited.WithLabelValues(one(m.options.Limits, limit)).Inc() })
}

// Refreshed counts a refresh of an access token.
func (m *Metrics) Refreshed(outcome string) {
	m.count(func() { m.refreshes.WithLabelValues(one(m.options.Refreshes, outcome)).Inc() })
}

// SignIn counts a sign-in that came back.
func (m *Metrics) SignIn(outcome string) {
	m.count(func() { m.signIns.WithLabelValues(one(m.options.SignIns, outcome)).Inc() })
}

// Session counts what happened to a session.
func (m *Metrics) Session(event string) {
	m.count(func() { m.sessions.WithLabelValues(one(m.options.Sessions, event)).Inc() })
}

// Dropped counts a record that made room for a newer one.
func (m *Metrics) Dropped(kind string) {
	m.count(func() { m.dropped.WithLabelValues(one(m.sources.Kinds, kind)).Inc() })
}

// Operation counts a change that came into a state.
func (m *Metrics) Operation(action, state string) {
	m.count(func() {
		m.operations.WithLabelValues(one(m.options.Actions, action), one(m.options.States, state)).Inc()
	})
}

func (m *Metrics) count(add func()) {
	if m != nil {
		add()
	}
}
