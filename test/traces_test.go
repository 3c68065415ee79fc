package test

import (
	"compress/gzip"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/patdesk/patdesk/internal/simulator"
)

// collector takes traces as an OpenTelemetry collector does: OTLP over HTTP, in protobuf, which it decodes by itself
// (https://github.com/open-telemetry/opentelemetry-proto/blob/main/opentelemetry/proto/trace/v1/trace.proto).
type collector struct {
	*httptest.Server

	mu      sync.Mutex
	spans   []span
	raw     []string
	headers []http.Header
	answer  int
	posts   int
}

// span is what the tests look at.
type span struct {
	trace, id, parent, name string
	kind                    uint64
	attributes              map[string]string
	failed                  bool
}

const (
	kindServer = 2
	kindClient = 3
)

func startCollector(t *testing.T) *collector {
	t.Helper()
	c := &collector{}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.posts++
		if c.answer != 0 {
			w.WriteHeader(c.answer)
			return
		}
		if r.Method != http.MethodPost || r.URL.Path != "/v1/traces" || r.Header.Get("Content-Type") != "application/x-protobuf" {
			t.Errorf("%s %s %v", r.Method, r.URL, r.Header)
		}
		body := io.Reader(r.Body)
		if r.Header.Get("Content-Encoding") == "gzip" {
			var err error
			if body, err = gzip.NewReader(r.Body); err != nil {
				t.Error(err)
				return
			}
		}
		message, err := io.ReadAll(body)
		if err != nil {
			t.Error(err)
		}
		c.headers, c.raw = append(c.headers, r.Header), append(c.raw, string(message))
		each(t, message, func(resource protowire.Number, spans []byte) { // ExportTraceServiceRequest.resource_spans
			each(t, spans, func(n protowire.Number, scope []byte) { // ResourceSpans
				if n != 2 {
					return
				}
				each(t, scope, func(n protowire.Number, s []byte) { // ScopeSpans
					if n == 2 {
						c.spans = append(c.spans, readSpan(t, s))
					}
				})
			})
		})
	}))
	t.Cleanup(c.Close)
	return c
}

// each calls f with the fields of a message that are messages, texts or bytes.
func each(t *testing.T, message []byte, f func(protowire.Number, []byte)) {
	t.Helper()
	for len(message) > 0 {
		number, kind, n := protowire.ConsumeTag(message)
		if n < 0 {
			t.Error("not a message")
			return
		}
		message = message[n:]
		if kind == protowire.BytesType {
			value, _ := protowire.ConsumeBytes(message)
			f(number, value)
		}
		if n = protowire.ConsumeFieldValue(number, kind, message); n < 0 {
			t.Error("not a message")
			return
		}
		message = message[n:]
	}
}

// varint is the field of a message that is a number; 0 if it isn't there.
func varint(message []byte, want protowire.Number) (value uint64) {
	for len(message) > 0 {
		field, kind, n := protowire.ConsumeTag(message)
		if n < 0 {
			return 0
		}
		message = message[n:]
		if kind == protowire.VarintType && field == want {
			value, _ = protowire.ConsumeVarint(message)
		}
		if n = protowire.ConsumeFieldValue(field, kind, message); n < 0 {
			return 0
		}
		message = message[n:]
	}
	return value
}

func readSpan(t *testing.T, message []byte) span {
	t.Helper()
	s := span{attributes: map[string]string{}, kind: varint(message, 6)}
	each(t, message, func(n protowire.Number, value []byte) {
		switch n {
		case 1:
			s.trace = hex.EncodeToString(value)
		case 2:
			s.id = hex.EncodeToString(value)
		case 4:
			s.parent = hex.EncodeToString(value)
		case 5:
			s.name = string(value)
		case 9: // KeyValue
			var key, text string
			each(t, value, func(n protowire.Number, part []byte) {
				if n == 1 {
					key = string(part)
				} else {
					each(t, part, func(_ protowire.Number, v []byte) { text = string(v) })
				}
			})
			s.attributes[key] = text
		case 15:
			s.failed = varint(value, 3) == 2
		}
	})
	return s
}

func (c *collector) all() []span {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.spans)
}

// named is the first span of that name within a trace; "" is any trace.
func (c *collector) named(name, trace string) (span, bool) {
	all := c.all()
	i := slices.IndexFunc(all, func(s span) bool { return s.name == name && (trace == "" || s.trace == trace) })
	if i < 0 {
		return span{}, false
	}
	return all[i], true
}

const givenTrace, givenParent = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"

// A request is a span in the trace that it came with, a call that is made for it a span below that, and the service is
// told of it. What is in flight when the program stops is still sent. Nothing but the pattern, the operation and how it
// went is in a span.
func TestTraces(t *testing.T) {
	t.Parallel()
	c := startCollector(t)
	o := seeded()
	o.env = map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": c.URL, "OTEL_EXPORTER_OTLP_HEADERS": "api-key=canary%20key", "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip", "LOG_FORMAT": "json"}
	d := startDesk(t, o)
	b := d.signedIn(mona)
	b.Edit(func(r *http.Request) {
		r.Header.Set("Traceparent", "00-"+givenTrace+"-"+givenParent+"-01")
		r.Header.Set("Tracestate", "vendor=opaque")
	})
	b.Open(d.url+"/tokens/new?organization=contoso").Fill("Name", "traced").Choose("Code", "Read").Press("Create token")
	d.sim.SetFault("serverError500", simulator.FaultOptions{Call: simulator.CallList, Times: 1})
	b.Open(d.url + "/tokens?organization=northwind-labs")
	secret := d.sim.Requests()
	if d.stop() != nil {
		t.Fatalf("the stop failed:\n%s", d.log)
	}
	request, ok := c.named("POST /tokens/new", givenTrace)
	if !ok || request.kind != kindServer || request.parent != givenParent || request.attributes["http.route"] != "/tokens/new" || request.failed {
		t.Errorf("the request's span: %v %+v", ok, request)
	}
	call, ok := c.named("azuredevops create", givenTrace)
	if !ok || call.kind != kindClient || call.parent != request.id || call.attributes["patdesk.upstream.outcome"] != "ok" {
		t.Errorf("the call's span: %v %+v", ok, call)
	}
	if !slices.ContainsFunc(secret, func(r simulator.Request) bool {
		return r.Call == simulator.CallCreate && r.Header.Get("Traceparent") == "00-"+givenTrace+"-"+call.id+"-01" && r.Header.Get("Tracestate") == "vendor=opaque"
	}) {
		t.Error("the trace isn't passed on with the call")
	}
	if s, ok := c.named("azuredevops list", givenTrace); !ok {
		t.Errorf("no list: %+v", s)
	}
	if !slices.ContainsFunc(c.all(), func(s span) bool {
		return s.name == "azuredevops list" && s.failed && s.attributes["patdesk.upstream.activity_id"] != ""
	}) {
		t.Error("a call that failed isn't marked as such, with the service's id for it")
	}
	if s, ok := c.named("entra redeem_code", ""); !ok || s.trace == givenTrace || s.kind != kindClient {
		t.Errorf("the sign-in's call: %v %+v", ok, s)
	}
	for _, h := range c.headers {
		if h.Get("Api-Key") != "canary key" {
			t.Errorf("headers %v", h)
		}
	}
	logged := false
	for line := range strings.Lines(d.log.String()) {
		var record map[string]any
		if json.Unmarshal([]byte(line), &record) == nil && record["route"] == "/tokens/new" && record["method"] == "POST" {
			logged = record["trace_id"] == givenTrace
		}
	}
	if !logged {
		t.Errorf("the request's record doesn't name its trace:\n%s", d.log)
	}
	for _, raw := range c.raw {
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
	c := startCollector(t)
	o := deskOptions{env: map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": c.URL}}
	d := startDesk(t, o)
	for path, header := range map[string]string{
		"/scopes?1": "00-" + givenTrace, "/scopes?2": "00-00000000000000000000000000000000-" + givenParent + "-01", "/scopes?3": strings.Repeat("x", 10_000), "/scopes?4": "00-" + strings.ToUpper(givenTrace) + "-" + givenParent + "-01",
	} {
		b := d.browser()
		b.Edit(func(r *http.Request) { r.Header.Set("Traceparent", header) })
		if b.Open(d.url + path); b.Status != http.StatusOK {
			t.Errorf("%.60s: %d", header, b.Status)
		}
	}
	b := d.browser()
	b.Edit(func(r *http.Request) { r.Header.Set("Traceparent", "00-"+givenTrace+"-"+givenParent+"-00") })
	b.Open(d.url + "/scopes")
	d.stop()
	spans := 0
	for _, s := range c.all() {
		if s.name == "GET /scopes" {
			spans++
		}
		if s.trace == givenTrace {
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
	refuses := startCollector(t)
	refuses.answer = http.StatusForbidden
	for name, endpoint := range map[string]string{"gone": gone.URL, "hangs": hangs.URL, "refuses": refuses.URL} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := seeded()
			o.env = map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_EXPORTER_OTLP_HEADERS": "api-key=canary-key"}
			d := startDesk(t, o)
			b := d.signedIn(mona)
			for range 5 {
				if b.Open(d.url + "/tokens?organization=contoso"); b.Status != http.StatusOK {
					t.Fatalf("%d", b.Status)
				}
			}
			start := time.Now()
			if err := d.stop(); err != nil {
				t.Errorf("ended with %v", err)
			}
			const tracesStopTimeout = 5 * time.Second // of internal/app
			if took := time.Since(start); took > tracesStopTimeout+20*time.Second {
				t.Errorf("the stop took %v", took)
			}
			log := d.log.String()
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
	d := startDesk(t, seeded())
	b := d.signedIn(mona)
	b.Edit(func(r *http.Request) { r.Header.Set("Traceparent", "00-"+givenTrace+"-"+givenParent+"-01") })
	b.Open(d.url + "/tokens?organization=contoso")
	for _, r := range d.sim.Requests() {
		if r.Header.Get("Traceparent") != "" {
			t.Errorf("%s was sent a trace", r.Call)
		}
	}
	if strings.Contains(d.log.String(), "trace_id") {
		t.Error("the log names traces")
	}
}
