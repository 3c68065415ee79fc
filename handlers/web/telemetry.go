package web

import (
	"net/http"
	"time"
)

// Telemetry receives what happens here, for metrics and traces. It must not block.
type Telemetry interface {
	// Request begins a request. The request that it returns goes on; done is called at its end.
	Request(r *http.Request) (on *http.Request, traceID string, done func(Seen))
	// Limited counts a request that was held up, by the name of the limit (see LimitNames).
	Limited(limit string)
	// SignIn counts a sign-in that ended: "ok", or an entra.Kind.
	SignIn(shownOutcome string)
}

// Outcomes of a sign-in that came back from Entra, beside the kinds of entra.Error.
const (
	SignInOK    = "ok"
	SignInStore = "store" // the session could not be kept
)

// Seen is one request as it ended.
type Seen struct {
	Route  string // the pattern, not the path; "" if there is none
	Status int
	Took   time.Duration
	Aside  bool // it was no person's: a probe of health, or a file that a page brings along
}

// noTelemetry counts nothing.
type noTelemetry struct{}

// Request lets the request go on as it is.
func (noTelemetry) Request(r *http.Request) (on *http.Request, traceID string, done func(Seen)) {
	return r, "", func(Seen) {}
}

// Limited does nothing.
func (noTelemetry) Limited(string) {}

// SignIn does nothing.
func (noTelemetry) SignIn(string) {}
