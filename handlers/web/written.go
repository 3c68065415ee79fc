package web

import (
	"errors"
	"net/http"
	"time"

	"github.com/patdesk/patdesk/internal/operation"
)

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
