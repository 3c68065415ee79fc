package handlers

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"path"
	"regexp"
	"strings"

	"github.com/go-chi/chi/v5"
)

// publicAddress is where the visitor's browser sees patdesk: an origin and the path prefix of all our links.
type publicAddress struct {
	origin string // "https://tools.contoso.example", no trailing slash
	root   string // "" or "/pat"
}

func (a publicAddress) url(path string) string { return a.origin + a.root + path }

// publicAddress finds out the public address, takes its path prefix off the request's path (proxies that strip it
// and proxies that don't both work) and keeps requests out that came under a name which isn't ours.
//
// BASE_URL decides. Without it a trusted proxy's forwarded headers do; without those the loopback address.
// The Host header never decides anything: it is whatever the client wrote.
func (h *Handlers) publicAddress(routes chi.Routes, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.URL.Path, "/") { // "*", "x:y", "host:443": no address of a page
			h.writePlain(w, r, http.StatusBadRequest)
			return
		}
		address, ok := h.findAddress(r)
		if !ok {
			h.writePlain(w, r, http.StatusMisdirectedRequest)
			return
		}
		if to, wrong := h.wrongLoopbackName(r, address); wrong {
			if to == "" {
				h.writePlain(w, r, http.StatusMisdirectedRequest)
				return
			}
			http.Redirect(w, r, to, http.StatusTemporaryRedirect)
			return
		}
		fieldsOf(r.Context()).address = address
		r = r.WithContext(context.WithValue(r.Context(), addressKey, address))
		if address.root != "" && r.URL.Path == address.root && !isPage(routes, address.root) {
			http.Redirect(w, r, address.url("/"), http.StatusPermanentRedirect)
			return
		}
		r = stripRoot(r, address.root, routes)
		chi.RouteContext(r.Context()).RoutePath = "" // was taken from the path before it was stripped
		next.ServeHTTP(w, r)
	})
}

func addressOf(ctx context.Context) publicAddress {
	a, _ := ctx.Value(addressKey).(publicAddress)
	return a
}

func (h *Handlers) findAddress(r *http.Request) (publicAddress, bool) {
	switch {
	case h.BaseURL != nil:
		return addressFrom(h.BaseURL), true
	case len(h.TrustedProxies) > 0:
		return forwardedAddress(r)
	case h.Local != nil:
		return addressFrom(h.Local), true
	default:
		return publicAddress{}, false
	}
}

func addressFrom(u *url.URL) publicAddress {
	return publicAddress{origin: u.Scheme + "://" + u.Host, root: strings.TrimSuffix(u.Path, "/")}
}

var (
	hostPattern   = regexp.MustCompile(`^(?:[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252})|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?$`)
	prefixPattern = regexp.MustCompile(`^(?:/[A-Za-z0-9._~-]+)*/?$`)
)

// forwardedAddress reads the address from a trusted proxy's headers. It is refused unless they name https, one
// host and a clean prefix: a guess would end up in redirect_uri.
func forwardedAddress(r *http.Request) (publicAddress, bool) {
	if !fromTrustedProxy(r.Context()) {
		return publicAddress{}, false
	}
	proto, okProto := lastForwarded(r, "X-Forwarded-Proto")
	host, okHost := lastForwarded(r, "X-Forwarded-Host")
	prefix, _ := lastForwarded(r, "X-Forwarded-Prefix")
	if !okProto || !okHost || proto != "https" || !hostPattern.MatchString(host) {
		return publicAddress{}, false
	}
	if !prefixPattern.MatchString(prefix) || (prefix != "" && path.Clean(prefix) != strings.TrimSuffix(prefix, "/")) {
		return publicAddress{}, false
	}
	// As a browser writes it: a visitor who adds the usual port must not change redirect_uri.
	host = strings.TrimSuffix(strings.ToLower(host), ":443")
	return publicAddress{origin: "https://" + host, root: strings.TrimSuffix(prefix, "/")}, true
}

// lastForwarded is the value that the nearest proxy added: the last one of a list.
func lastForwarded(r *http.Request, name string) (string, bool) {
	all := strings.Split(strings.Join(r.Header.Values(name), ","), ",")
	last := strings.TrimSpace(all[len(all)-1])
	return last, last != ""
}

// wrongLoopbackName guards copies that run on somebody's own machine without BASE_URL. Other names for this machine
// lead to the one that is ours, because cookies and redirect_uri belong to it; every other name is DNS rebinding or a
// mistake. With BASE_URL the Host header says nothing: many proxies put their own word there.
func (h *Handlers) wrongLoopbackName(r *http.Request, a publicAddress) (to string, wrong bool) {
	if h.BaseURL != nil || len(h.TrustedProxies) > 0 {
		return "", false
	}
	host := strings.TrimPrefix(a.origin, "http://")
	switch {
	case strings.EqualFold(r.Host, host):
		return "", false
	case !loopbackHost(r.Host), portOf(r.Host) != portOf(host), r.Method != http.MethodGet && r.Method != http.MethodHead:
		return "", true
	case len(r.URL.RequestURI()) > maxLocation:
		return "", true
	default:
		return a.origin + r.URL.RequestURI(), true
	}
}

func portOf(host string) string {
	if _, port, err := net.SplitHostPort(host); err == nil {
		return port
	}
	return ""
}

func loopbackHost(host string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	name = strings.ToLower(strings.Trim(name, "[]"))
	if name == "localhost" || strings.HasSuffix(name, ".localhost") {
		return true
	}
	addr, err := netip.ParseAddr(name)
	return err == nil && addr.IsLoopback()
}

// stripRoot takes the prefix off the path where the proxy left it on. Only where the prefix is also the name of a page
// of ours ("/tokens") is that in doubt: then the path is left as it is if it is a page and without the prefix it isn't.
func stripRoot(r *http.Request, root string, routes chi.Routes) *http.Request {
	path := r.URL.EscapedPath()
	if root == "" || !strings.HasPrefix(path, root+"/") {
		return r
	}
	if isPage(routes, path) && !isPage(routes, strings.TrimPrefix(path, root)) {
		return r
	}
	clone := r.Clone(r.Context())
	clone.URL.Path = strings.TrimPrefix(r.URL.Path, root)
	clone.URL.RawPath = strings.TrimPrefix(r.URL.RawPath, root)
	return clone
}

func isPage(routes chi.Routes, path string) bool {
	return routes.Match(chi.NewRouteContext(), http.MethodGet, path) || routes.Match(chi.NewRouteContext(), http.MethodPost, path)
}
