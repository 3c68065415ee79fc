package web

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/patdesk/patdesk/internal/azuredevops"
	"github.com/patdesk/patdesk/internal/failure"
)

// maxFormBytes bounds a posted form. The largest honest one, with every scope chosen, is under 16 KiB.
const maxFormBytes = 256 << 10

type contextKey int

const (
	logFieldsKey contextKey = iota
	addressKey
	connectionKey
)

func newRequestID() string { return rand.Text()[:16] }

// RequestID is the id of the request in ctx.
func RequestID(ctx context.Context) string { return fieldsOf(ctx).requestID }

// proxysID is what an id of a trusted proxy may look like: those of nginx, HAProxy, Envoy, Traefik and the clouds do.
// It stands in every log record and on every error page, so nothing else is let in.
var proxysID = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:=+/@-]{0,127}$`)

// identify takes over the id that a trusted proxy has given to the request, in place of our own. What others send is
// not adopted.
func (f *front) identify(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if given := r.Header.Values("X-Request-Id"); fromTrustedProxy(r.Context()) && len(given) == 1 && proxysID.MatchString(given[0]) {
			fieldsOf(r.Context()).requestID = given[0]
			w.Header().Set("X-Request-Id", given[0])
		}
		next.ServeHTTP(w, r)
	})
}

// contentSecurityPolicy allows our own files and nothing else. form-action 'self' also forbids a form's redirect to
// Entra, which is why signing in starts with a link (https://www.w3.org/TR/CSP3/#directive-form-action).
const contentSecurityPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; " +
	"connect-src 'self'; form-action 'self'; base-uri 'none'; object-src 'none'; frame-ancestors 'none'"

// setSecurityHeaders sets what every answer has: pages, errors, redirects and files.
func (f *front) setSecurityHeaders(header http.Header, id string) {
	header.Set("X-Request-Id", id)
	header.Set("Content-Security-Policy", contentSecurityPolicy)
	header.Set("X-Content-Type-Options", "nosniff")
	// same-origin, not no-referrer: that one makes browsers send "Origin: null" with our own forms.
	header.Set("Referrer-Policy", "same-origin")
	header.Set("Cross-Origin-Opener-Policy", "same-origin")
	header.Set("Cross-Origin-Resource-Policy", "same-origin")
	header.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=(), browsing-topics=()")
	// Anything weaker shows a secret again after Back, even when its owner has signed out.
	header.Set("Cache-Control", "no-store")
	if f.overHTTPS() {
		header.Set("Strict-Transport-Security", "max-age=31536000")
	}
}

// overHTTPS reports whether people come by https: BASE_URL says so, or trusted proxies, from whom nothing else is
// accepted.
func (f *front) overHTTPS() bool {
	if f.site.BaseURL != nil {
		return f.site.BaseURL.Scheme == "https"
	}
	return len(f.site.TrustedProxies) > 0
}

// logFields collects, while a request passes, what its one log record says.
type logFields struct {
	requestID       string
	address         Address // zero until it is found out
	Person, Session string
	TraceID         string
	Err             error

	mu         sync.Mutex // of the following: calls may be made at the same time, and go on when the request has ended
	calls      int
	took       time.Duration
	activityID string // of the last call that failed
}

// NoteUpstream notes in the record of the request that ctx belongs to a call to Entra or Azure DevOps, with the
// service's own id for it if it failed.
func NoteUpstream(ctx context.Context, took time.Duration, failedID string) {
	f := fieldsOf(ctx)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls++
	f.took += took
	f.activityID = cmp.Or(failedID, f.activityID)
}

func fieldsOf(ctx context.Context) *logFields {
	if f, ok := ctx.Value(logFieldsKey).(*logFields); ok {
		return f
	}
	return &logFields{}
}

// NoteError has the log record of the request that ctx belongs to say what went wrong.
func NoteError(ctx context.Context, err error) { fieldsOf(ctx).Err = err }

// attrs is the request's one log record. It names the route and the path, never the query: the callback's query holds
// an authorization code.
func (e *exchange) attrs(took time.Duration) []slog.Attr {
	r, f, route := e.request, e.fields, routeOf(e.request)
	attrs := []slog.Attr{
		slog.String("request_id", f.requestID),
		slog.String("method", clipped(r.Method)),
		slog.String("path", clipped(withoutAddress(r.URL.Path, routed(route)))),
		slog.Int("status", e.answer.status),
		slog.Int("bytes", e.answer.bytes),
		slog.Int64("duration_ms", took.Milliseconds()),
		slog.String("client", clipped(r.RemoteAddr)),
	}
	if route != "" {
		attrs = append(attrs, slog.String("route", route))
	}
	if f.TraceID != "" {
		attrs = append(attrs, slog.String("trace_id", f.TraceID))
	}
	if f.Person != "" {
		attrs = append(attrs, slog.String("person", f.Person), slog.String("session", f.Session))
	}
	if f.Err != nil {
		attrs = append(attrs, slog.Any("error", f.Err))
	}
	return append(attrs, f.upstream()...)
}

// upstream is what the calls to the services took together. Those that were made at the same time are added up, so it
// may be more than the request's own time.
func (f *logFields) upstream() []slog.Attr {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.calls == 0 {
		return nil
	}
	attrs := []slog.Attr{slog.Int("upstream_calls", f.calls), slog.Int64("upstream_ms", f.took.Milliseconds())}
	if id := cmp.Or(f.activityID, activityOf(f.Err)); id != "" {
		attrs = append(attrs, slog.String("activity_id", id))
	}
	return attrs
}

// activityOf is the service's id of the call behind err: some refusals come with 200, so that the call itself went well.
func activityOf(err error) string {
	var live *azuredevops.Error
	var recorded *failure.Failure
	switch {
	case errors.As(err, &live):
		return live.ActivityID
	case errors.As(err, &recorded):
		return recorded.ActivityID
	default:
		return ""
	}
}

// routed reports whether a pattern is of a route, and not of where they are mounted.
func routed(pattern string) bool { return pattern != "" && pattern != "/*" }

// routeOf is the pattern of the route that the request has taken, as the table has it; "" if there is none.
func routeOf(r *http.Request) string {
	route := chi.RouteContext(r.Context())
	if route == nil {
		return ""
	}
	return strings.ReplaceAll(route.RoutePattern(), "/*/", "/")
}

var (
	// calendarAddress is what may be the address of a calendar in a path that led somewhere, and misspeltAddress in one
	// that didn't. The indexes that they find are those of the path itself: a copy in lower case has others, since some
	// letters grow when they are lowered, as does what isn't UTF-8.
	calendarAddress = regexp.MustCompile(`(?is)calendar/.+`)
	misspeltAddress = regexp.MustCompile(`(?is)calendar.+`)
	// plainWord is what addresses don't consist of, being made of capitals, too.
	plainWord = regexp.MustCompile(`^[a-z0-9.-]{0,64}$`)
	// longWord is longer than any name or id in our paths.
	longWord = regexp.MustCompile(`[A-Za-z0-9_-]{48,}`)
)

// withoutAddress leaves out of a path what may be the address of a calendar, or a part of one that was copied badly:
// who knows it can read that calendar. routed says that the path led somewhere.
func withoutAddress(path string, routed bool) string {
	pattern := misspeltAddress
	if routed {
		pattern = calendarAddress
	}
	tail := ""
	if at := pattern.FindStringIndex(path); at != nil {
		word := at[0] + len("calendar")
		if rest := path[word:]; routed && (rest == MakeStep || rest == RevokeStep || rest == SpeakStep) {
			return path
		}
		path, tail = path[:word], "/…"
	}
	if !routed {
		words := strings.Split(path, "/")
		for i, word := range words {
			if !plainWord.MatchString(word) {
				words[i] = "…"
			}
		}
		path = strings.Join(words, "/")
	}
	return longWord.ReplaceAllString(path, "…") + tail
}

// clipped keeps strangers from filling the log: no path of ours is longer.
func clipped(text string) string {
	const most = 256 // bytes
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}

// clientAddress replaces RemoteAddr by the client's own address, without a port: who connected or, where that is a
// trusted proxy, the right-most hop of X-Forwarded-For that is not a trusted proxy itself. What stands left of it
// anybody can have written. Where a proxy says that it doesn't know ("unknown"), it stands for its client itself. Who
// came by a Unix socket is such a proxy: the socket's mode lets in no one else.
func (f *front) clientAddress(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		bySocket := cameBySocket(r)
		peer, err := netip.ParseAddrPort(r.RemoteAddr)
		trusted := bySocket || err == nil && f.isTrusted(peer.Addr())
		client := peer.Addr()
		if trusted {
			client = f.forwardedFor(r, client)
		}
		switch {
		case client.IsValid():
			r.RemoteAddr = client.Unmap().WithZone("").String()
		case bySocket:
			r.RemoteAddr = socketPeer
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), trustedPeerKey{}, trusted)))
	})
}

// socketPeer stands for the address of a peer on a Unix socket, where the proxy forwards no client's.
const socketPeer = "unix"

func cameBySocket(r *http.Request) bool {
	local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	return ok && local.Network() == "unix"
}

type trustedPeerKey struct{}

func fromTrustedProxy(ctx context.Context) bool {
	trusted, _ := ctx.Value(trustedPeerKey{}).(bool)
	return trusted
}

func (f *front) isTrusted(a netip.Addr) bool {
	return slices.ContainsFunc(f.site.TrustedProxies, func(p netip.Prefix) bool { return p.Contains(a.Unmap()) })
}

// forwardedFor is the client that came to the trusted proxy at peer.
func (f *front) forwardedFor(r *http.Request, peer netip.Addr) netip.Addr {
	client := peer
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for _, hop := range slices.Backward(hops) {
		if hop = strings.TrimSpace(hop); hop == "" {
			continue
		}
		addr, err := parseHop(hop)
		if err != nil {
			return client
		}
		if !f.isTrusted(addr) {
			return addr
		}
		client = addr
	}
	return peer
}

// parseHop reads an address as proxies write it: with or without port, IPv6 with or without brackets. A zone is
// dropped: it can be any text, and says nothing on another machine.
func parseHop(hop string) (netip.Addr, error) {
	if ap, err := netip.ParseAddrPort(hop); err == nil {
		return ap.Addr().WithZone(""), nil
	}
	addr, err := netip.ParseAddr(strings.Trim(hop, "[]"))
	return addr.WithZone(""), err
}

// newCrossOriginGuard trusts BASE_URL's origin besides the request's own Host, because a proxy may not pass Host on and
// old browsers send nothing but Origin.
func newCrossOriginGuard(baseURL *url.URL) (*http.CrossOriginProtection, error) {
	protection := http.NewCrossOriginProtection()
	if baseURL != nil {
		if err := protection.AddTrustedOrigin(baseURL.Scheme + "://" + baseURL.Host); err != nil {
			return nil, err
		}
	}
	return protection, nil
}

// refuseCrossOrigin refuses forms that other sites send in the visitor's name.
func (f *front) refuseCrossOrigin(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := f.guard.Check(f.asAddressed(r)); err != nil {
			NoteError(r.Context(), err)
			f.site.writePlain(w, r, http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// asAddressed is the request under the name that the visitor's browser knows, with which its Origin is compared: a
// proxy that sends our name in X-Forwarded-Host may well send another one as Host.
func (f *front) asAddressed(r *http.Request) *http.Request {
	if f.site.BaseURL != nil || len(f.site.TrustedProxies) == 0 {
		return r
	}
	named := *r
	named.Host = strings.TrimPrefix(AddressOf(r.Context()).Origin, "https://")
	return &named
}
