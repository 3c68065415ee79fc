package web

import (
	"net/http"
	"net/url"
	"strings"
)

// crossOriginGuard refuses forms that other sites send in the visitor's name.
type crossOriginGuard struct{ protection *http.CrossOriginProtection }

// newCrossOriginGuard trusts BASE_URL's origin besides the request's own Host, because a proxy may not pass Host on and
// old browsers send nothing but Origin.
func newCrossOriginGuard(baseURL *url.URL) (*crossOriginGuard, error) {
	protection := http.NewCrossOriginProtection()
	if baseURL != nil {
		if err := protection.AddTrustedOrigin(baseURL.Scheme + "://" + baseURL.Host); err != nil {
			return nil, err
		}
	}
	return &crossOriginGuard{protection}, nil
}

func (g *crossOriginGuard) protect(site *Site) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if err := g.protection.Check(site.front.asAddressed(r)); err != nil {
				NoteError(r.Context(), err)
				site.writePlain(w, r, http.StatusForbidden)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
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
