package features

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/patdesk/patdesk/internal/simulator"
	"github.com/patdesk/patdesk/internal/testkit/apptest"
)

const (
	kindServer = 2
	kindClient = 3
)

const givenTrace, givenParent = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"

// A request is a span in the trace that it came with, a call that is made for it a span below that, and the service is
// told of it. What is in flight when the program stops is still sent. Nothing but the pattern, the operation and how it
// went is in a span.
func TestTraces(t *testing.T) {
	t.Parallel()
	c := apptest.StartCollector(t)
	o := apptest.Seeded()
	o.Env = map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": c.URL, "OTEL_EXPORTER_OTLP_HEADERS": "api-key=canary%20key", "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip", "LOG_FORMAT": "json"}
	d := apptest.Start(t, o)
	b := d.SignedIn(apptest.Mona)
	b.Edit(func(r *http.Request) {
		r.Header.Set("Traceparent", "00-"+givenTrace+"-"+givenParent+"-01")
		r.Header.Set("Tracestate", "vendor=opaque")
	})
	b.Open(d.URL+"/tokens/new?organization=contoso").Fill("Name", "traced").Choose("Code", "Read").Press("Create token")
	d.Sim.SetFault("serverError500", simulator.FaultOptions{Call: simulator.CallList, Times: 1})
	b.Open(d.URL + "/tokens?organization=northwind-labs")
	secret := d.Sim.Requests()
	if d.Stop() != nil {
		t.Fatalf("the stop failed:\n%s", d.Log)
	}
	request, ok := c.Named("POST /tokens/new", givenTrace)
	if !ok || request.Kind != kindServer || request.Parent != givenParent || request.Attributes["http.route"] != "/tokens/new" || request.Failed {
		t.Errorf("the request's span: %v %+v", ok, request)
	}
	call, ok := c.Named("azuredevops create", givenTrace)
	if !ok || call.Kind != kindClient || call.Parent != request.ID || call.Attributes["patdesk.upstream.outcome"] != "ok" {
		t.Errorf("the call's span: %v %+v", ok, call)
	}
	if !slices.ContainsFunc(secret, func(r simulator.Request) bool {
		return r.Call == simulator.CallCreate && r.Header.Get("Traceparent") == "00-"+givenTrace+"-"+call.ID+"-01" && r.Header.Get("Tracestate") == "vendor=opaque"
	}) {
		t.Error("the trace isn't passed on with the call")
	}
	if s, ok := c.Named("azuredevops list", givenTrace); !ok {
		t.Errorf("no list: %+v", s)
	}
	if !slices.ContainsFunc(c.All(), func(s apptest.Span) bool {
		return s.Name == "azuredevops list" && s.Failed && s.Attributes["patdesk.upstream.activity_id"] != ""
	}) {
		t.Error("a call that failed isn't marked as such, with the service's id for it")
	}
	if s, ok := c.Named("entra redeem_code", ""); !ok || s.Trace == givenTrace || s.Kind != kindClient {
		t.Errorf("the sign-in's call: %v %+v", ok, s)
	}
	for _, h := range c.Headers {
		if h.Get("Api-Key") != "canary key" {
			t.Errorf("headers %v", h)
		}
	}
	logged := false
	for line := range strings.Lines(d.Log.String()) {
		var record map[string]any
		if json.Unmarshal([]byte(line), &record) == nil && record["route"] == "/tokens/new" && record["method"] == "POST" {
			logged = record["trace_id"] == givenTrace
		}
	}
	if !logged {
		t.Errorf("the request's record doesn't name its trace:\n%s", d.Log)
	}
	for _, raw := range c.Raw {
		for _, private := range []string{"contoso", "Mona", "mona", "code=", "state=", "getAToken?", "organization="} {
			if strings.Contains(raw, private) {
				t.Errorf("a span holds %q", private)
			}
		}
		if !strings.Contains(raw, "service.name") || !strings.Contains(raw, "patdesk") {
			t.Error("spans don't say whose they are")
		}
	}
}

// A trace that isn't well-formed begins a new one, and a request that isn't to be sampled isn't sent.
func TestTraceHeaders(t *testing.T) {
	t.Parallel()
	c := apptest.StartCollector(t)
	o := apptest.Options{Env: map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": c.URL}}
	d := apptest.Start(t, o)
	for path, header := range map[string]string{
		"/scopes?1": "00-" + givenTrace, "/scopes?2": "00-00000000000000000000000000000000-" + givenParent + "-01", "/scopes?3": strings.Repeat("x", 10_000), "/scopes?4": "00-" + strings.ToUpper(givenTrace) + "-" + givenParent + "-01",
	} {
		b := d.Browser()
		b.Edit(func(r *http.Request) { r.Header.Set("Traceparent", header) })
		if b.Open(d.URL + path); b.Status != http.StatusOK {
			t.Errorf("%.60s: %d", header, b.Status)
		}
	}
	b := d.Browser()
	b.Edit(func(r *http.Request) { r.Header.Set("Traceparent", "00-"+givenTrace+"-"+givenParent+"-00") })
	b.Open(d.URL + "/scopes")
	_ = d.Stop()
	spans := 0
	for _, s := range c.All() {
		if s.Name == "GET /scopes" {
			spans++
		}
		if s.Trace == givenTrace {
			t.Errorf("a trace that wasn't named, or isn't to be sampled: %+v", s)
		}
	}
	if spans != 4 {
		t.Errorf("%d spans, want 4", spans)
	}
}

// A collector that is gone, refuses or hangs costs no request anything: one line in the log, and a stop in time.
func TestTracesWithoutACollector(t *testing.T) {
	t.Parallel()
	hanging := make(chan struct{})
	hangs := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-hanging }))
	t.Cleanup(func() { close(hanging); hangs.Close() })
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	refuses := apptest.StartCollector(t)
	refuses.Answer = http.StatusForbidden
	for name, endpoint := range map[string]string{"gone": gone.URL, "hangs": hangs.URL, "refuses": refuses.URL} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := apptest.Seeded()
			o.Env = map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_EXPORTER_OTLP_HEADERS": "api-key=canary-key"}
			d := apptest.Start(t, o)
			b := d.SignedIn(apptest.Mona)
			for range 5 {
				if b.Open(d.URL + "/tokens?organization=contoso"); b.Status != http.StatusOK {
					t.Fatalf("%d", b.Status)
				}
			}
			start := time.Now()
			if err := d.Stop(); err != nil {
				t.Errorf("ended with %v", err)
			}
			const tracesStopTimeout = 5 * time.Second // of internal/app
			if took := time.Since(start); took > tracesStopTimeout+20*time.Second {
				t.Errorf("the stop took %v", took)
			}
			log := d.Log.String()
			if n := strings.Count(log, "traces could not be sent"); n > 3 {
				t.Errorf("%d complaints:\n%s", n, log)
			}
			if strings.Contains(log, "canary-key") {
				t.Error("the log holds the collector's key")
			}
		})
	}
}

// Without a collector nothing is traced: no header goes to the services.
func TestNoTraces(t *testing.T) {
	t.Parallel()
	d := apptest.Start(t, apptest.Seeded())
	b := d.SignedIn(apptest.Mona)
	b.Edit(func(r *http.Request) { r.Header.Set("Traceparent", "00-"+givenTrace+"-"+givenParent+"-01") })
	b.Open(d.URL + "/tokens?organization=contoso")
	for _, r := range d.Sim.Requests() {
		if r.Header.Get("Traceparent") != "" {
			t.Errorf("%s was sent a trace", r.Call)
		}
	}
	if strings.Contains(d.Log.String(), "trace_id") {
		t.Error("the log names traces")
	}
}
