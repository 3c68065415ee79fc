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
	Delivered []string            // how a delivery into a vault can end
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

	requests *prometheus.HistogramVec
	inFlight prometheus.Gauge
	upstream *prometheus.HistogramVec
	errors   prometheus.Counter  // is there from the start, so that the first one is seen as an increase
	counters map[string]*counter // by name
}

// counter counts what is rare.
type counter struct {
	*prometheus.CounterVec
	known [][]string // the values of each label
}

// Names of the counters.
const (
	limited    = "patdesk_http_requests_limited_total"
	refreshes  = "patdesk_token_refreshes_total"
	signIns    = "patdesk_sign_ins_total"
	sessions   = "patdesk_sessions_total"
	dropped    = "patdesk_records_dropped_total"
	operations = "patdesk_operations_total"
	deliveries = "patdesk_vault_deliveries_total"
)

// A page that asks Azure DevOps takes some 100 ms; a form waits for its change for up to 90 s.
var seconds = []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 90}

// other stands for what isn't in the list of a label's values.
const other = "other"

// New makes the metrics. What reports to them may be made after that; Watch comes last, before anything is counted.
func New(o Options) *Metrics {
	m := &Metrics{options: o, registry: prometheus.NewRegistry(), counters: map[string]*counter{}}
	count := func(name, help string, labels []string, known ...[]string) {
		m.counters[name] = &counter{prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels), known}
		m.registry.MustRegister(m.counters[name])
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
	count(limited, "Requests answered with 429 because of a limit of patdesk's own, by limit.", []string{"limit"}, o.Limits)
	m.upstream = histogram("patdesk_upstream_request_duration_seconds", "Time of a call to a service, by service, operation and outcome; each try counts.", "service", "operation", "outcome")
	count(refreshes, "Refreshes of access tokens, by outcome.", []string{"outcome"}, o.Refreshes)
	count(signIns, "Sign-ins that came back from Entra ID, by outcome.", []string{"outcome"}, o.SignIns)
	count(sessions, "Sessions that were begun or ended through this process, by event. Those that run out aren't counted.", []string{"event"}, o.Sessions)
	count(dropped, "Records that were dropped to make room for newer ones, by kind.", []string{"kind"}, nil) // see Watch
	count(operations, "Changes that came into a state, by action and state.", []string{"action", "state"}, o.Actions, o.States)
	count(deliveries, "Deliveries of a new token's secret into a vault that ended, by outcome. A repeated one counts again.", []string{"outcome"}, o.Delivered)
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
	m.registry.MustRegister(prometheus.CollectorFunc(m.collectExpiry), prometheus.CollectorFunc(m.collectLoad))
	m.counters[dropped].known = [][]string{o.Kinds}
	for _, c := range m.counters {
		c.begin()
	}
}

// begin makes a counter for all values that follow on these, so that its first increase is seen as one.
func (c *counter) begin(values ...string) {
	if len(values) == len(c.known) {
		c.WithLabelValues(values...)
		return
	}
	for _, value := range c.known[len(values)] {
		c.begin(append(values, value)...)
	}
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

var expiryDesc = prometheus.NewDesc("patdesk_credential_expiry_timestamp_seconds",
	"When the certificate that patdesk proves itself to Entra ID with runs out, in seconds since 1970. Absent if that isn't known.", nil, nil)

// collectExpiry shows when the app's credential runs out, if that is known.
func (m *Metrics) collectExpiry(to chan<- prometheus.Metric) {
	if m.sources.CredentialTo == nil {
		return
	}
	at, err := panics.Try(func() (time.Time, error) { return m.sources.CredentialTo(), nil }) // see seen
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
func (m *Metrics) Limited(limit string) { m.count(limited, limit) }

// Refreshed counts a refresh of an access token.
func (m *Metrics) Refreshed(outcome string) { m.count(refreshes, outcome) }

// SignIn counts a sign-in that came back.
func (m *Metrics) SignIn(outcome string) { m.count(signIns, outcome) }

// Session counts what happened to a session.
func (m *Metrics) Session(event string) { m.count(sessions, event) }

// Dropped counts a record that made room for a newer one.
func (m *Metrics) Dropped(kind string) { m.count(dropped, kind) }

// Operation counts a change that came into a state.
func (m *Metrics) Operation(action, state string) { m.count(operations, action, state) }

// Delivery counts a delivery of a secret into a vault that ended.
func (m *Metrics) Delivery(outcome string) { m.count(deliveries, outcome) }

func (m *Metrics) count(name string, values ...string) {
	if m == nil {
		return
	}
	c := m.counters[name]
	for i, value := range values {
		values[i] = one(c.known[i], value)
	}
	c.WithLabelValues(values...).Inc()
}

// Load is how much is under way with Azure DevOps, and what is left alone there.
type Load struct {
	Exchanges, MaxExchanges, Waiting                  int
	Open, HalfOpen, PeoplePaused, OrganizationsPaused int
	Refused                                           map[string]uint64 // by bound, since the start
}

var (
	exchangesDesc = prometheus.NewDesc("patdesk_upstream_exchanges",
		"Exchanges with Azure DevOps that are under way (in_flight), or wait in patdesk for their turn (waiting).", []string{"state"}, nil)
	exchangesMaxDesc = prometheus.NewDesc("patdesk_upstream_exchanges_max",
		"Exchanges with Azure DevOps that can be under way at the same time in this process.", nil, nil)
	refusedDesc = prometheus.NewDesc("patdesk_upstream_refused_total",
		"Calls to Azure DevOps that weren't sent, or not read to the end, because of a bound of patdesk's own, by bound.", []string{"bound"}, nil)
	circuitsDesc = prometheus.NewDesc("patdesk_upstream_circuits",
		"Pairs of a person and an organization that is left alone in their name because calls failed again and again (open), or of which one call tries if it works again (half_open).", []string{"state"}, nil)
	peoplePausedDesc = prometheus.NewDesc("patdesk_upstream_people_paused",
		"People for whom an organization is left alone because calls failed again and again.", nil, nil)
	organizationsPausedDesc = prometheus.NewDesc("patdesk_upstream_organizations_paused",
		"Organizations in which calls of several people failed one after the other, and nobody's succeeded.", nil, nil)
)

// collectLoad shows the load as it is at one moment.
func (m *Metrics) collectLoad(to chan<- prometheus.Metric) {
	l, err := panics.Try(func() (Load, error) { return m.sources.Load(), nil }) // see seen
	if err != nil {
		return
	}
	gauge := func(desc *prometheus.Desc, value int, labels ...string) {
		to <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, float64(value), labels...)
	}
	gauge(exchangesDesc, l.Exchanges, "in_flight")
	gauge(exchangesDesc, l.Waiting, "waiting")
	gauge(exchangesMaxDesc, l.MaxExchanges)
	gauge(circuitsDesc, l.Open, "open")
	gauge(circuitsDesc, l.HalfOpen, "half_open")
	gauge(peoplePausedDesc, l.PeoplePaused)
	gauge(organizationsPausedDesc, l.OrganizationsPaused)
	for _, bound := range m.options.Bounds {
		to <- prometheus.MustNewConstMetric(refusedDesc, prometheus.CounterValue, float64(l.Refused[bound]), bound)
	}
}
