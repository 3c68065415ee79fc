package web

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/patdesk/patdesk/internal/operation"
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

// whole reports whether all was written that the head has announced.
func (w *answerWriter) whole(method string) bool {
	if method == http.MethodHead || w.status == http.StatusNoContent || w.status == http.StatusNotModified {
		return true
	}
	announced, err := strconv.Atoi(w.Header().Get("Content-Length"))
	return err == nil && announced == w.bytes
}

// unkeptWriteTimeout is how long a browser may take to receive an answer whose secret stands nowhere else. Then the
// answer is cut off and the token revoked: nothing else can be known of a secret that is still on its way.
const unkeptWriteTimeout = 30 * time.Second

// errNotShown says that an answer has nothing of what was handed out for it: a redirect, an error page, a HEAD.
var errNotShown = errors.New("the answer shows no secret")

// answerWriter notes what is answered, and sees to it that no cache keeps a failure, net/http's own included: what it
// has for files drops the header from its errors. It leaves Flush to http.ResponseController, which finds that of the
// connection through Unwrap: its error says that the answer didn't go out.
type answerWriter struct {
	http.ResponseWriter
	status, bytes int
}

// WriteHeader notes the status. Only the first one is sent: a page of an error may come after it.
func (w *answerWriter) WriteHeader(status int) {
	if w.status != 0 {
		return
	}
	if status >= http.StatusBadRequest {
		w.Header().Set("Cache-Control", "no-store")
	}
	w.ResponseWriter.WriteHeader(status)
	if status >= http.StatusOK {
		w.status = status
	}
}

// Write notes how much went out.
func (w *answerWriter) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	n, err := w.ResponseWriter.Write(p)
	w.bytes += n
	return n, err
}

// Unwrap is for http.ResponseController.
func (w *answerWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// writeThrough reports whether an answer with a secret was written to the connection, not just into a buffer. Any other
// is left to net/http, which sends it when it has been recorded.
func writeThrough(w http.ResponseWriter, d *operation.Delivery) error {
	if !d.HandedOut() {
		return nil
	}
	return http.NewResponseController(w).Flush()
}

// boundWrite lets an answer that work waits for take no longer than unkeptWriteTimeout.
func boundWrite(w http.ResponseWriter, d *operation.Delivery) {
	if d.Awaited() {
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(unkeptWriteTimeout)) // then the server's limit holds
	}
}
