package web

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/patdesk/patdesk/internal/panics"
)

// exchange is one request as it passes, with what its one log record and its metrics say in the end.
type exchange struct {
	request *http.Request
	answer  *answerWriter
	fields  *logFields
	start   time.Time
	done    func(Seen) // of Telemetry.Request
}

// outermost stands around everything else. Whatever goes wrong inside, the request gets one answer with the security
// headers, and one log record. Only http.ErrAbortHandler gets out of it, by which net/http cuts a connection on
// purpose.
func (f *front) outermost(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handled(r.Context())
		e := &exchange{
			answer: &answerWriter{ResponseWriter: w}, start: time.Now(),
			fields: &logFields{requestID: newRequestID()}, done: func(Seen) {},
		}
		e.request = r.WithContext(context.WithValue(r.Context(), logFieldsKey, e.fields))
		defer func() { f.conclude(e, recover()) }()
		f.setSecurityHeaders(w.Header(), e.fields.requestID)
		panics.Contain(f.site.Log, "telemetry", func() {
			e.request, e.fields.TraceID, e.done = f.site.Telemetry.Request(e.request)
		})
		next.ServeHTTP(e.answer, e.request)
	})
}

// conclude answers a request that ended in a panic, and records it like any other. It is called by the deferred
// function.
func (f *front) conclude(e *exchange, thrown any) {
	abort := thrown == http.ErrAbortHandler //nolint:errorlint // net/http compares it the same way
	if fault := panics.Caught(thrown); fault != nil && !abort {
		fault.Log(f.site.Log, "request", "request_id", e.fields.requestID)
		e.fields.Err = fault
		abort = !f.answerFault(e)
	}
	took := time.Since(e.start)
	panics.Contain(f.site.Log, "telemetry", func() {
		route := routeOf(e.request)
		e.done(Seen{Route: route, Status: e.answer.status, Took: took, Aside: isAside(route)})
	})
	attrs, err := panics.Try(func() ([]slog.Attr, error) { return e.attrs(took), nil })
	if err != nil { // a record that says little is better than none
		attrs = []slog.Attr{slog.String("request_id", e.fields.requestID), slog.Int("status", e.answer.status), slog.Any("error", err)}
	}
	panics.Contain(f.site.Log, "request log", func() {
		f.site.Log.LogAttrs(e.request.Context(), e.level(), "request", attrs...)
	})
	if abort {
		panic(http.ErrAbortHandler)
	}
}

// level hides what is asked all the time, and shows what went wrong.
func (e *exchange) level() slog.Level {
	switch {
	case e.answer.status >= http.StatusInternalServerError:
		return slog.LevelWarn
	case isAside(routeOf(e.request)):
		return slog.LevelDebug
	default:
		return slog.LevelInfo
	}
}

// isAside reports whether the route is of probes or of files that pages bring along. There are many of them, and they
// are fast: among them a small team's own requests would be lost.
func isAside(route string) bool {
	return slices.Contains([]string{HealthPath, ReadyPath, StaticPattern, FaviconPath, RobotsPath}, route)
}

// answerFault answers with the prepared plain page, or in bare words if that can't be drawn. It reports whether the
// browser has a whole answer: half of one must not look like a whole one.
func (f *front) answerFault(e *exchange) (whole bool) {
	if e.answer.status != 0 {
		return e.answer.whole(e.request.Method)
	}
	panics.Contain(f.site.Log, "answering a fault", func() {
		f.startOver(e)
		r := e.request.WithContext(context.WithValue(e.request.Context(), addressKey, e.fields.address))
		f.site.writePlain(e.answer, r, http.StatusInternalServerError)
	})
	if e.answer.status != 0 {
		return e.answer.whole(e.request.Method)
	}
	return panics.Contain(f.site.Log, "answering a fault", func() {
		f.startOver(e)
		writeText(e.answer, http.StatusInternalServerError, http.StatusText(http.StatusInternalServerError)+"\n")
	})
}

// startOver drops the headers of the answer that came to nothing. Cookies stay: what they stand for was done.
func (f *front) startOver(e *exchange) {
	header := e.answer.Header()
	cookies := header["Set-Cookie"]
	clear(header)
	if cookies != nil {
		header["Set-Cookie"] = cookies
	}
	f.setSecurityHeaders(header, e.fields.requestID)
}

// whole says that all was written that the head has announced.
func (w *answerWriter) whole(method string) bool {
	if method == http.MethodHead || w.status == http.StatusNoContent || w.status == http.StatusNotModified {
		return true
	}
	announced, err := strconv.Atoi(w.Header().Get("Content-Length"))
	return err == nil && announced == w.bytes
}
