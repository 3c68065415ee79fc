// Package tracing makes OpenTelemetry traces of requests and of the calls that are made for them, and sends them to a
// collector. It is the only user of OpenTelemetry's libraries, and imports none of our packages.
//
// A span names a route's pattern, an operation, a status, an outcome: never an address, a query, a person or a header.
// So nothing secret can be in one.
package tracing

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// Options says where traces go.
type Options struct {
	Endpoint string            // address that spans are posted to, with its path
	Headers  map[string]string // sent along
	Gzip     bool              // what is sent
	Timeout  time.Duration     // of one try; 0: ten seconds
	Version  string            // of patdesk
	Log      *slog.Logger      // gets a record when an exporter fails, at most once a minute
}

// Tracer makes spans. A nil *Tracer makes none and costs nothing.
type Tracer struct {
	provider *sdktrace.TracerProvider
	tracer   trace.Tracer
	wire     propagation.TraceContext
}

// New makes a Tracer. It makes no call: a collector that can't be reached holds up neither the start nor a request.
func New(ctx context.Context, o Options) (*Tracer, error) {
	// What fails in the background is logged here, and nowhere else: by itself the library writes to standard error.
	otel.SetErrorHandler(&complaints{log: o.Log, now: time.Now})
	described, err := resource.New(ctx,
		resource.WithAttributes(attribute.String("service.name", "patdesk"), attribute.String("service.version", o.Version)),
		resource.WithTelemetrySDK(), resource.WithHost(), resource.WithFromEnv()) // the environment wins
	if err != nil {
		return nil, fmt.Errorf("OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	exporter, err := otlptrace.New(ctx, newClient(o))
	if err != nil {
		return nil, err
	}
	provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithResource(described))
	return &Tracer{provider: provider, tracer: provider.Tracer("github.com/patdesk/patdesk")}, nil
}

// Stop sends what is left and ends, at the latest when ctx does.
func (t *Tracer) Stop(ctx context.Context) error {
	if t == nil {
		return nil
	}
	return t.provider.Shutdown(ctx)
}

// Request begins the span of a request, in the trace that its headers name (https://www.w3.org/TR/trace-context/) or in
// a new one. The request that it returns goes on with it.
func (t *Tracer) Request(r *http.Request) (on *http.Request, traceID string, done func(route string, status int)) {
	if t == nil {
		return r, "", func(string, int) {}
	}
	ctx := t.wire.Extract(r.Context(), propagation.HeaderCarrier(r.Header))
	method := knownMethod(r.Method)
	ctx, span := t.tracer.Start(ctx, method, trace.WithSpanKind(trace.SpanKindServer),
		trace.WithAttributes(attribute.String("http.request.method", method)))
	return r.WithContext(ctx), span.SpanContext().TraceID().String(), func(route string, status int) {
		if route != "" {
			span.SetName(method + " " + route)
			span.SetAttributes(attribute.String("http.route", route))
		}
		span.SetAttributes(attribute.Int("http.response.status_code", status))
		if status >= http.StatusInternalServerError {
			span.SetStatus(codes.Error, "")
		}
		span.End()
	}
}

// knownMethod is the method as the conventions want it: any client can make one up.
// https://opentelemetry.io/docs/specs/semconv/http/http-spans/
func knownMethod(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions, http.MethodConnect, http.MethodTrace:
		return method
	}
	return "_OTHER"
}

// Call begins the span of a call to a service, and adds the trace to the header that is sent with it.
func (t *Tracer) Call(ctx context.Context, service, operation string, header http.Header) (done func(status int, outcome, activityID string)) {
	if t == nil {
		return func(int, string, string) {}
	}
	ctx, span := t.tracer.Start(ctx, service+" "+operation, trace.WithSpanKind(trace.SpanKindClient),
		trace.WithAttributes(attribute.String("patdesk.upstream.service", service), attribute.String("patdesk.upstream.operation", operation)))
	t.wire.Inject(ctx, propagation.HeaderCarrier(header))
	return func(status int, outcome, activityID string) {
		span.SetAttributes(attribute.String("patdesk.upstream.outcome", outcome))
		if status != 0 {
			span.SetAttributes(attribute.Int("http.response.status_code", status))
		}
		if activityID != "" {
			span.SetAttributes(attribute.String("patdesk.upstream.activity_id", activityID))
		}
		if outcome != "ok" {
			span.SetStatus(codes.Error, outcome)
		}
		span.End()
	}
}
