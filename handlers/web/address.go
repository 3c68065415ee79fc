package web

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/go-chi/chi/v5"
)

// Address is where the visitor's browser sees patdesk: an origin and the path prefix of all our links.
type Address struct {
	Origin string // "https://tools.contoso.example", no trailing slash
	root   string // "" or "/pat"
}

// URL is the address of a path of ours, as others see it.
func (a Address) URL(path string) string { return a.Origin + a.root + path }

// Address finds out the public address, takes its path prefix off the request's path (proxies that strip it and proxies
// that don't both work) and keeps requests out that came under a name which isn't ours.
//
// BASE_URL decides. Without it a trusted proxy's forwarded headers do; without those the loopback address. The Host
// header decides nothing, as it is whatever the client wrote; but for a demo in a container, which can't know the port
// that leads to it, it says which of this machine's own names the browser used.
func (f *front) publicAddress(routes chi.Routes, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.URL.Path, "/") { // "*", "x:y", "host:443": no address of a page
			f.site.writePlain(w, r, http.StatusBadRequest)
			return
		}
		address, ok := f.findAddress(r)
		if !ok {
			f.site.writePlain(w, r, http.StatusMisdirectedRequest)
			return
		}
		if to, wrong := f.wrongLoopbackName(r, address); wrong {
			if to == "" {
				f.site.writePlain(w, r, http.StatusMisdirectedRequest)
				return
			}
			http.Redirect(w, r, to, http.StatusTemporaryRedirect)
			return
		}
		fieldsOf(r.Context()).address = address
		r = r.WithContext(context.WithValue(r.Context(), addressKey, address))
		if address.root != "" && r.URL.Path == address.root && !isPage(routes, address.root) {
			http.Redirect(w, r, address.URL("/"), http.StatusPermanentRedirect)
			return
		}
		r = stripRoot(r, address.root, routes)
		chi.RouteContext(r.Context()).RoutePath = "" // was taken from the path before it was stripped
		next.ServeHTTP(w, r)
	})
}

// AddressOf is the public address that the request in ctx came to.
func AddressOf(ctx context.Context) Address {
	a, _ := ctx.Value(addressKey).(Address)
	return a
}

func (f *front) findAddress(r *http.Request) (Address, bool) {
	switch {
	case f.site.BaseURL != nil:
		return addressFrom(f.site.BaseURL), true
	case len(f.site.TrustedProxies) > 0:
		return forwardedAddress(r)
	case f.site.Local != nil && f.site.AnyPort && LoopbackHost(r.Host) && hostPattern.MatchString(r.Host):
		return Address{Origin: "http://" + strings.ToLower(r.Host)}, true
	case f.site.Local != nil:
		return addressFrom(f.site.Local), true
	default:
		return Address{}, false
	}
}

func addressFrom(u *url.URL) Address {
	return Address{Origin: u.Scheme + "://" + u.Host, root: strings.TrimSuffix(u.Path, "/")}
}

var (
	hostPattern   = regexp.MustCompile(`^(?:[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252})|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?$`)
	prefixPattern = regexp.MustCompile(`^(?:/[A-Za-z0-9._~-]+)*/?$`)
)

// forwardedAddress reads the address from a trusted proxy's headers. It is refused unless they name https, one host and
// a clean prefix: a guess would end up in redirect_uri.
func forwardedAddress(r *http.Request) (Address, bool) {
	if !fromTrustedProxy(r.Context()) {
		return Address{}, false
	}
	host, okHost := lastForwarded(r, "X-Forwarded-Host")
	prefix, _ := lastForwarded(r, "X-Forwarded-Prefix")
	if !okHost || !cameByHTTPS(r) || !hostPattern.MatchString(host) {
		return Address{}, false
	}
	if !prefixPattern.MatchString(prefix) || (prefix != "" && path.Clean(prefix) != strings.TrimSuffix(prefix, "/")) {
		return Address{}, false
	}
	// As a browser writes it: a visitor who adds the usual port must not change redirect_uri.
	host = strings.TrimSuffix(strings.ToLower(host), ":443")
	return Address{Origin: "https://" + host, root: strings.TrimSuffix(prefix, "/")}, true
}

// cameByHTTPS reports whether the browser's way to the outermost proxy was encrypted, as far as the proxies say. Each of
// several adds how it was reached itself ("https,http" where TLS ends at the first), so one of them is enough: a client
// that forges the header only gets a redirect URI that it can't use.
func cameByHTTPS(r *http.Request) bool {
	ways := strings.Split(strings.Join(r.Header.Values("X-Forwarded-Proto"), ","), ",")
	return slices.ContainsFunc(ways, func(way string) bool { return strings.EqualFold(strings.TrimSpace(way), "https") })
}

// lastForwarded is the value that the nearest proxy added: the last one of a list.
func lastForwarded(r *http.Request, name string) (string, bool) {
	all := strings.Split(strings.Join(r.Header.Values(name), ","), ",")
	last := strings.TrimSpace(all[len(all)-1])
	return last, last != ""
}

// wrongLoopbackName guards copies that run on a person's own machine without BASE_URL. Other names for this machine
// lead to the one that is ours, because cookies and redirect_uri belong to it; every other name is DNS rebinding or a
// mistake. With BASE_URL the Host header says nothing: many proxies put their own word there.
func (f *front) wrongLoopbackName(r *http.Request, a Address) (to string, wrong bool) {
	if f.site.BaseURL != nil || len(f.site.TrustedProxies) > 0 {
		return "", false
	}
	host := strings.TrimPrefix(a.Origin, "http://")
	switch {
	case strings.EqualFold(r.Host, host):
		return "", false
	case !LoopbackHost(r.Host), portOf(r.Host) != portOf(host), r.Method != http.MethodGet && r.Method != http.MethodHead:
		return "", true
	case len(r.URL.RequestURI()) > maxLocation:
		return "", true
	default:
		return a.Origin + r.URL.RequestURI(), true
	}
}

func portOf(host string) string {
	if _, port, err := net.SplitHostPort(host); err == nil {
		return port
	}
	return ""
}

// LoopbackHost reports whether host is a name of this machine that no other machine can open.
func LoopbackHost(host string) bool {
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
