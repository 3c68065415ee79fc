package calendar

import (
	"bytes"
	"fmt"
	"net/http"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
)

// everyOrganization is the label of a global token: no organization is called so, and an empty label would be none.
const everyOrganization = "*"

// EncodeMetrics writes the list as metrics, in the form that a request with this head asks for: OpenMetrics 1.0, else
// Prometheus' text format, which contentType names. The same list gives the same bytes, so long as the form is the same.
func EncodeMetrics(l List, head http.Header) (content []byte, contentType string, err error) {
	format := expfmt.NegotiateAccept(head, expfmt.FmtOpenMetrics_1_0_0, expfmt.FmtText)
	var b bytes.Buffer
	encoder := expfmt.NewEncoder(&b, format)
	for _, family := range l.families() {
		if err := encoder.Encode(family); err != nil {
			return nil, "", fmt.Errorf("calendar: encoding metrics: %w", err)
		}
	}
	if end, ok := encoder.(expfmt.Closer); ok { // OpenMetrics says where it ends
		if err := end.Close(); err != nil {
			return nil, "", fmt.Errorf("calendar: encoding metrics: %w", err)
		}
	}
	return b.Bytes(), string(format), nil
}

// families are the metrics. A token's id is among its labels, as names and even names with their organizations repeat.
func (l List) families() []*dto.MetricFamily {
	refreshed := gauge("patdesk_tokens_refreshed_timestamp_seconds", "When patdesk last read tokens of any organization; 0 if never. It can only while their owner is signed in.")
	add(refreshed, seconds(l.Refreshed))
	read := gauge("patdesk_organization_read_timestamp_seconds", "When the organization's tokens were last read.")
	success := gauge("patdesk_organization_read_success", "1 if the latest attempt to read the organization's tokens succeeded, else 0.")
	left := gauge("patdesk_organization_tokens_left_out", "Active tokens of the organization that have no expiry here: too many to be kept (reason full), or without a known end or id (undated).")
	for _, p := range l.Organizations {
		if !p.Read.IsZero() {
			add(read, seconds(p.Read), "organization", p.Name)
		}
		ok := 0.0
		if p.Failed.IsZero() {
			ok = 1
		}
		add(success, ok, "organization", p.Name)
		add(left, float64(p.LeftOut), "organization", p.Name, "reason", "full")
		add(left, float64(p.Undated), "organization", p.Name, "reason", "undated")
	}
	expiry := gauge("patdesk_token_expiry_timestamp_seconds", "When the active personal access token stops working; a global one, whose organization is *, with all global tokens.")
	remind := gauge("patdesk_token_reminder_timestamp_seconds", "When patdesk's calendar first reminds of that: 7 days before, later for a short life.")
	for _, t := range l.Tokens {
		organization := t.Organization
		if t.Global {
			organization = everyOrganization
		}
		labels := []string{"organization", organization, "name", t.Name, "authorization_id", t.AuthorizationID}
		add(expiry, seconds(t.Ends), labels...)
		add(remind, seconds(t.Remind), labels...)
	}
	all := []*dto.MetricFamily{refreshed}
	for _, f := range []*dto.MetricFamily{read, success, left, expiry, remind} {
		if len(f.Metric) > 0 { // the encoder takes no family without one
			all = append(all, f)
		}
	}
	return all
}

func gauge(name, help string) *dto.MetricFamily {
	return &dto.MetricFamily{Name: &name, Help: &help, Type: dto.MetricType_GAUGE.Enum()}
}

func add(f *dto.MetricFamily, value float64, labels ...string) {
	m := &dto.Metric{Gauge: &dto.Gauge{Value: &value}}
	for i := 0; i+1 < len(labels); i += 2 {
		m.Label = append(m.Label, &dto.LabelPair{Name: &labels[i], Value: &labels[i+1]})
	}
	f.Metric = append(f.Metric, m)
}

// seconds are those since 1970; 0 for the zero time.
func seconds(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.Unix())
}
