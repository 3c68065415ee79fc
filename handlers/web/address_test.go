package web_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/patdesk/patdesk/handlers"
	"github.com/patdesk/patdesk/handlers/web"
)

func at(address string) func(*handlers.Options) {
	return func(o *handlers.Options) {
		u, err := url.Parse(address)
		if err != nil {
			panic(err)
		}
		o.BaseURL = u
	}
}

// Below every sub-path the pages are there whether the proxy takes it off or not, also where the sub-path has the name
// of a page, is a page's beginning, or looks like one.
func TestSubpaths(t *testing.T) {
	t.Parallel()
	for _, root := range []string{"/pat", "/tools/pat", "/tokens", "/static", "/sign-in", "/tokens/new", "/overview", "/getAToken", "/token", "/operations", "/changes/x"} {
		w := newWorld(t, at("https://desk.example"+root))
		for path, want := range map[string]int{
			"/": 200, "/sign-in": 200, "/sign-in/start": 303, "/tokens/new": 303, "/changes": 303, "/overview": 303, "/tokens/contoso/x": 303, "/operations/x": 303,
			"/getAToken": 400, "/static/none.css": 404, "/robots.txt": 200, "/healthz": 200,
		} {
			for proxy, sent := range map[string]string{"takes it off": path, "leaves it on": root + path} {
				answer := w.get(sent)
				if answer.Code != want {
					t.Errorf("%s%s, the proxy %s: %d, want %d", root, path, proxy, answer.Code, want)
				}
				if to := answer.Header().Get("Location"); to != "" && !strings.HasPrefix(to, root+"/") && !strings.HasPrefix(to, fakeServices) {
					t.Errorf("%s%s, the proxy %s: leads to %s", root, path, proxy, to)
				}
			}
		}
	}
}

// P5: the sub-path without a slash at its end leads to the start page.
func TestSubpathWithoutSlash(t *testing.T) {
	t.Parallel()
	w := newWorld(t, at("https://desk.example/pat"))
	if answer := w.get("/pat"); answer.Code != http.StatusPermanentRedirect || answer.Header().Get("Location") != "https://desk.example/pat/" {
		t.Errorf("%d to %q", answer.Code, answer.Header().Get("Location"))
	}
	for _, odd := range []string{"/pat%2ftokens", "/p%61t/sign-in", "/patx", "/PAT/sign-in", "/pat/pat/sign-in", "/pat//sign-in", "//pat/sign-in"} {
		r := httptest.NewRequest(http.MethodGet, localAddress+odd, http.NoBody)
		if answer := w.ask(r); answer.Code != http.StatusNotFound {
			t.Errorf("%s: %d", odd, answer.Code)
		}
	}
}

// Without BASE_URL, forms sent by browsers that only say Origin are compared with the address that the proxy tells, not
// with the Host that it happens to send.
func TestOriginBehindAProxy(t *testing.T) {
	t.Parallel()
	w := newWorld(t, trusting("10.0.0.0/24"))
	for _, c := range []struct {
		origin, site string
		want         int
	}{
		{"https://desk.example", "", http.StatusSeeOther},
		{"https://desk.example", "same-origin", http.StatusSeeOther},
		{"https://evil.example", "", http.StatusForbidden},
		{"https://10.0.0.5:5000", "", http.StatusForbidden},
		{"null", "", http.StatusForbidden},
		{"https://desk.example", "cross-site", http.StatusForbidden},
	} {
		r := behindProxy("10.0.0.7:1234", forwarded("https", "desk.example", ""))
		r.Method, r.URL.Path = http.MethodPost, "/sign-out"
		r.Header.Set("Origin", c.origin)
		if c.site != "" {
			r.Header.Set("Sec-Fetch-Site", c.site)
		}
		if answer := w.ask(r); answer.Code != c.want {
			t.Errorf("%+v: %d", c, answer.Code)
		}
	}
}

// A trusted proxy's word is https, so browsers are told to stay with it; and who came by another way learns nothing of
// where the program listens.
func TestAddressFromProxies(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(o *handlers.Options) { trusting("10.0.0.0/24")(o); o.Local = nil })
	for peer, want := range map[string]int{"10.0.0.7:1": http.StatusSeeOther, "203.0.113.7:1": http.StatusMisdirectedRequest} {
		answer := w.ask(behindProxy(peer, forwarded("https", "desk.example", "/pat")))
		if answer.Code != want || answer.Header().Get("Strict-Transport-Security") == "" {
			t.Errorf("%s: %d %v", peer, answer.Code, answer.Header())
		}
		if strings.Contains(answer.Body.String(), "5000") {
			t.Errorf("%s: %s", peer, answer.Body)
		}
	}
}

// P6: a program that is about to stop isn't ready but alive, goes on serving, and has each connection closed.
func TestStopping(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	for path, want := range map[string][2]int{"/healthz": {200, 200}, "/readyz": {200, 503}, "/sign-in": {200, 200}, "/none": {404, 404}} {
		if before := w.get(path); before.Code != want[0] || before.Header().Get("Connection") != "" {
			t.Errorf("%s: %d %v", path, before.Code, before.Header())
		}
		w.h.Site.Health.Drain()
		if then := w.get(path); then.Code != want[1] || then.Header().Get("Connection") != "close" {
			t.Errorf("%s while stopping: %d %v", path, then.Code, then.Header())
		}
		web.Undrain(w.h.Site)
	}
}
