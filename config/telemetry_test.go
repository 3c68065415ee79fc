package config_test

import (
	"maps"
	"testing"
	"time"
)

func TestTraces(t *testing.T) {
	for endpoint, want := range map[string]string{
		"http://localhost:4318": "http://localhost:4318/v1/traces", "http://collector:4318/": "http://collector:4318/v1/traces",
		"https://otel.contoso.com/tenant/a": "https://otel.contoso.com/tenant/a/v1/traces", "https://otel.contoso.com/v1/traces": "https://otel.contoso.com/v1/traces",
	} {
		c := good(t, with(settings{"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_EXPORTER_OTLP_HEADERS": "api-key=canary%20value%2C%3D, X-Tenant = a"}))
		equal(t, c.Traces.Endpoint, want)
		if len(c.Traces.Headers) != 2 || c.Traces.Headers["api-key"].Reveal() != "canary value,=" || c.Traces.Headers["X-Tenant"].Reveal() != "a" {
			t.Errorf("headers %v", c.Traces.Headers)
		}
	}
	c := good(t, with(settings{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4318", "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip", "OTEL_EXPORTER_OTLP_TIMEOUT": "2500", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}))
	if !c.Traces.Gzip || c.Traces.Timeout != 2500*time.Millisecond {
		t.Errorf("%+v", c.Traces)
	}
	for _, off := range []settings{{"OTEL_SDK_DISABLED": "true"}, {"OTEL_TRACES_EXPORTER": "none"}} {
		env := settings{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4318"}
		maps.Copy(env, off)
		if c := good(t, with(env)); c.Traces.Endpoint != "" {
			t.Errorf("%v: traces are on", off)
		}
	}
}
