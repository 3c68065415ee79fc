package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/patdesk/patdesk/internal/panics"
)

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
