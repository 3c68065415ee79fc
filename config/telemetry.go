package config

import (
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// readTelemetry reads where metrics are offered and traces are sent.
func readTelemetry(s *source, c *Config) {
	c.MetricsAddress = s.readHostPort(metricsAddress, "Put host:port there: localhost:9464 for this machine alone, :9464 for all its addresses.")
	c.Traces = readTraces(s)
}

// tracesPath is where a collector takes traces, below its address
// (https://opentelemetry.io/docs/specs/otel/protocol/exporter/#endpoint-urls-for-otlphttp).
const tracesPath = "/v1/traces"

const tracesFix = "Put the address of an OpenTelemetry collector there that takes OTLP over HTTP, such as http://localhost:4318."

// readTraces takes http to other machines too: spans hold neither secrets nor names, and a collector in the same
// cluster is the usual case.
func readTraces(s *source) Traces {
	headers := readTracesHeaders(s)
	if s.raw(tracesEndpoint) == "" && len(headers) > 0 {
		s.fault(tracesHeaders, "is set, although "+tracesEndpoint+" is not", "Set both, or neither.")
	}
	if s.raw(tracesEndpoint) == "" && s.environment("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") != "" {
		s.fault(tracesEndpoint, "is not set, although OTEL_EXPORTER_OTLP_TRACES_ENDPOINT is", "patdesk sends traces alone: put the collector's address there.")
	}
	u := s.readURL(tracesEndpoint, tracesFix)
	if u == nil || s.environment("OTEL_SDK_DISABLED") == "true" || s.environment("OTEL_TRACES_EXPORTER") == "none" {
		return Traces{}
	}
	if u.Path = strings.TrimRight(u.Path, "/"); !strings.HasSuffix(u.Path, tracesPath) {
		u.Path += tracesPath
	}
	readStandard(s, "OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf", "which collectors take at port 4318 as a rule")
	return Traces{
		Endpoint: u.String(), Headers: headers, Timeout: readTracesTimeout(s),
		Gzip: readStandard(s, "OTEL_EXPORTER_OTLP_COMPRESSION", "none", "or gzip", "gzip") == "gzip",
	}
}

// readStandard reads a setting of OpenTelemetry's own, of which patdesk knows one value or a few.
func readStandard(s *source, name, usual, about string, others ...string) string {
	value := s.environment(name)
	if value != "" && value != usual && !slices.Contains(others, value) {
		s.fault(tracesEndpoint, "is set together with "+name+"="+quote(value)+", which patdesk doesn't know",
			"patdesk knows "+usual+", "+about+". Remove "+name+", or set it to that.")
	}
	return value
}

// readTracesTimeout takes milliseconds, as OpenTelemetry has it.
func readTracesTimeout(s *source) time.Duration {
	const name = "OTEL_EXPORTER_OTLP_TIMEOUT"
	value := s.environment(name)
	if value == "" {
		return 0
	}
	n, err := strconv.Atoi(value)
	if err != nil || n < 1 || n > 60_000 {
		s.fault(tracesEndpoint, "is set together with "+name+"="+quote(value)+", which isn't a number of milliseconds up to 60000", "Remove "+name+", or set it to 10000.")
		return 0
	}
	return time.Duration(n) * time.Millisecond
}

// readTracesHeaders reads name=value pairs, separated by commas, with %-escapes in the values
// (https://opentelemetry.io/docs/specs/otel/protocol/exporter/#specifying-headers-via-environment-variables).
func readTracesHeaders(s *source) map[string]Secret {
	const fix = "Put name=value there, several separated by commas, with spaces and commas in a value written as %20 and %2C."
	headers := map[string]Secret{}
	for _, pair := range strings.Split(s.secret(tracesHeaders).Reveal(), ",") {
		if pair = strings.TrimSpace(pair); pair == "" {
			continue
		}
		name, escaped, ok := strings.Cut(pair, "=")
		value, err := url.PathUnescape(strings.TrimSpace(escaped))
		name = strings.TrimSpace(name)
		if !ok || err != nil || !tokenName.MatchString(name) || strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			s.fault(tracesHeaders, "has an entry that isn't name=value", fix)
			return nil
		}
		s.hide(value)
		headers[name] = NewSecret(value)
	}
	return headers
}

// tokenName has the usual characters of RFC 9110's tokens.
var tokenName = regexp.MustCompile(`^[A-Za-z0-9_.-]+$`)
