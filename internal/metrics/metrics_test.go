package metrics_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/patdesk/patdesk/internal/metrics"
)

func text(t *testing.T, m *metrics.Metrics) string {
	t.Helper()
	answer := httptest.NewRecorder()
	m.Handler().ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", http.NoBody))
	return answer.Body.String()
}

func options() metrics.Options {
	return metrics.Options{
		Upstream: map[string][]string{"entra": {"keys"}}, Outcomes: []string{"failed"}, Refreshes: []string{"ok"},
		SignIns: []string{"ok"}, Limits: []string{"x"}, Sessions: []string{"begun"}, Actions: []string{"create"}, States: []string{"sent"},
		Delivered: []string{"done"},
	}
}

func sources() metrics.Sources {
	return metrics.Sources{
		Routes: []string{"/a"}, Kinds: []string{"operation"},
		Ready: func() bool { return true }, Active: func() int { return 7 }, Busy: func() int { return 0 }, Snapshots: func() int64 { return 1 << 20 }, Load: func() metrics.Load { return metrics.Load{} },
	}
}

func watching(s metrics.Sources) *metrics.Metrics {
	m := metrics.New(options())
	m.Watch(s)
	return m
}

// Whatever is told, no label gets a value that wasn't foreseen: strangers could fill the memory with them, and names
// would leave the house.
func TestLabelsAreBounded(t *testing.T) {
	m := watching(sources())
	tell := func(s string) {
		m.Begin()()
		m.Request(s, s, 999, time.Second)
		m.Upstream("entra", s, s, time.Second)
		m.Limited(s)
		m.Refreshed(s)
		m.SignIn(s)
		m.Session(s)
		m.Operation(s, s)
		m.Delivery(s)
	}
	tell("first")
	before := strings.Count(text(t, m), "\npatdesk_")
	for i := range 1000 {
		tell(fmt.Sprint("stranger's ", i, "\n\"}"))
	}
	after := text(t, m)
	if n := strings.Count(after, "\npatdesk_"); n != before || strings.Contains(after, "stranger") {
		t.Errorf("%d series were %d", n, before)
	}
	if !strings.Contains(after, `patdesk_http_request_duration_seconds_count{method="other",route="other",status="other"} 1001`) {
		t.Error("what wasn't foreseen isn't counted")
	}
}

// The end of a certificate is told as it is at that moment, and left out where it isn't known.
func TestCredentialExpiry(t *testing.T) {
	const name = "patdesk_credential_expiry_timestamp_seconds"
	if strings.Contains(text(t, watching(sources())), name) {
		t.Error("a client secret has an end")
	}
	var end time.Time
	o := sources()
	o.CredentialTo = func() time.Time { return end }
	m := watching(o)
	if strings.Contains(text(t, m), name) {
		t.Error("a certificate that wasn't read yet has an end")
	}
	for _, end = range []time.Time{time.Unix(1_800_000_000, 0), time.Unix(1_900_000_000, 0)} {
		if got := text(t, m); !strings.Contains(got, fmt.Sprintf("\n%s %v\n", name, float64(end.Unix()))) {
			t.Errorf("the end %v isn't told:\n%s", end, got)
		}
	}
}

// Metrics that are off cost nothing and fail nothing.
func TestOff(t *testing.T) {
	var m *metrics.Metrics
	m.Watch(sources())
	m.Begin()()
	m.Request("/a", "GET", 200, time.Second)
	m.Upstream("entra", "keys", "ok", time.Second)
	m.Limited("x")
	m.Refreshed("ok")
	m.SignIn("ok")
	m.Session("begun")
	m.Operation("create", "sent")
	m.Delivery("done")
}

// What is looked at may panic: the registry asks in goroutines of its own, and the process lives. The rest is still
// told.
func TestPanickingGauges(t *testing.T) {
	o := sources()
	o.Ready = func() bool { panic("ready") }
	o.Active = func() int { panic("active") }
	o.CredentialTo = func() time.Time { panic("credential") }
	o.Load = func() metrics.Load { panic("load") }
	for range 20 {
		if got := text(t, watching(o)); !strings.Contains(got, "patdesk_ready NaN") || !strings.Contains(got, "patdesk_operations_in_progress 0") {
			t.Fatal(got)
		}
	}
}
