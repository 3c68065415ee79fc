package web

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/patdesk/patdesk/internal/entra"
	"github.com/patdesk/patdesk/internal/session"
)

// Health says whether the process serves, and whether requests should be sent to it.
type Health struct {
	Sessions *session.Manager
	Entra    *entra.Provider
	stopping atomic.Bool
}

// Drain makes /readyz fail, so that load balancers stop sending before the process stops listening.
func (h *Health) Drain() { h.stopping.Store(true) }

// Stopping reports whether Drain was called.
func (h *Health) Stopping() bool { return h.stopping.Load() }

// closeWhenStopping asks the proxy to use each connection for one more request only. So by the time that listening
// stops it keeps none open on which it would send a request just as we close it.
func (h *Health) closeWhenStopping(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if h.stopping.Load() {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}

// Healthz answers as long as the process serves. It asks no other service: a restart would not mend one.
func (h *Health) Healthz(w http.ResponseWriter, _ *http.Request) {
	writeText(w, http.StatusOK, "ok\n")
}

// Ready says whether requests should be sent here, and if not, why. It takes two seconds at most.
func (h *Health) Ready(ctx context.Context) error {
	if h.stopping.Load() {
		return errStopping
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	return h.Sessions.Ping(ctx)
}

var errStopping = errors.New("the process is stopping")

// Readyz says whether requests should be sent here: the session store works and the process isn't stopping. Entra ID or
// Azure DevOps being down is no reason, since every replica would be taken out; the body says the former.
func (h *Health) Readyz(w http.ResponseWriter, r *http.Request) {
	err := h.Ready(r.Context())
	switch {
	case errors.Is(err, errStopping):
		writeText(w, http.StatusServiceUnavailable, "not ready: stopping\n")
	case err != nil: // the log has it; it may name hosts
		NoteError(r.Context(), err)
		writeText(w, http.StatusServiceUnavailable, "not ready: the session store can't be read and written\n")
	case h.Entra.MetadataError() != nil: // signed-in people can go on, so this is no reason
		writeText(w, http.StatusOK, "ready, but nobody can sign in just now: the metadata of the authority can't be fetched\n")
	default:
		writeText(w, http.StatusOK, "ready\n")
	}
}

// Robots lets search engines find the start page and nothing else (RFC 9309, 2.2.3 has the "$").
func Robots(w http.ResponseWriter, _ *http.Request) {
	writeText(w, http.StatusOK, "User-agent: *\nAllow: /$\nDisallow: /\n")
}

func writeText(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text)) // the prober may be gone
}
