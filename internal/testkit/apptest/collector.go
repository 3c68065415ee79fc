package apptest

import (
	"compress/gzip"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
)

// Collector takes traces as an OpenTelemetry collector does: OTLP over HTTP, in protobuf, which it decodes by itself
// (https://github.com/open-telemetry/opentelemetry-proto/blob/main/opentelemetry/proto/trace/v1/trace.proto).
type Collector struct {
	*httptest.Server

	mu      sync.Mutex
	spans   []Span
	Raw     []string
	Headers []http.Header
	Answer  int
	posts   int
}

// Span is what the tests look at.
type Span struct {
	Trace, ID, Parent, Name string
	Kind                    uint64
	Attributes              map[string]string
	Failed                  bool
}

// StartCollector starts one.
func StartCollector(t *testing.T) *Collector {
	t.Helper()
	c := &Collector{}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.posts++
		if c.Answer != 0 {
			w.WriteHeader(c.Answer)
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
		c.Headers, c.Raw = append(c.Headers, r.Header), append(c.Raw, string(message))
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

func readSpan(t *testing.T, message []byte) Span {
	t.Helper()
	s := Span{Attributes: map[string]string{}, Kind: varint(message, 6)}
	each(t, message, func(n protowire.Number, value []byte) {
		switch n {
		case 1:
			s.Trace = hex.EncodeToString(value)
		case 2:
			s.ID = hex.EncodeToString(value)
		case 4:
			s.Parent = hex.EncodeToString(value)
		case 5:
			s.Name = string(value)
		case 9: // KeyValue
			var key, text string
			each(t, value, func(n protowire.Number, part []byte) {
				if n == 1 {
					key = string(part)
				} else {
					each(t, part, func(_ protowire.Number, v []byte) { text = string(v) })
				}
			})
			s.Attributes[key] = text
		case 15:
			s.Failed = varint(value, 3) == 2
		}
	})
	return s
}

// All are the spans that came so far.
func (c *Collector) All() []Span {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.spans)
}

// Named is the first span of that name within a trace; "" is any trace.
func (c *Collector) Named(name, trace string) (Span, bool) {
	all := c.All()
	i := slices.IndexFunc(all, func(s Span) bool { return s.Name == name && (trace == "" || s.Trace == trace) })
	if i < 0 {
		return Span{}, false
	}
	return all[i], true
}
