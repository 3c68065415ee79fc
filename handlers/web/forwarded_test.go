package web_test

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"path"
	"regexp"
	"strings"
	"testing"

	"github.com/patdesk/patdesk/handlers"
	"github.com/patdesk/patdesk/handlers/web"
)

// behindProxy is a request as a proxy at peer passes it on.
func behindProxy(peer string, headers http.Header) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "http://10.0.0.5:5000/tokens", http.NoBody)
	r.RemoteAddr = peer
	for name, values := range headers {
		r.Header[name] = values
	}
	return r
}

func trusting(prefixes ...string) func(*handlers.Options) {
	return func(o *handlers.Options) {
		for _, p := range prefixes {
			o.TrustedProxies = append(o.TrustedProxies, netip.MustParsePrefix(p))
		}
	}
}

func forwarded(proto, host, prefix string) http.Header {
	h := http.Header{}
	for name, value := range map[string]string{"X-Forwarded-Proto": proto, "X-Forwarded-Host": host, "X-Forwarded-Prefix": prefix} {
		if value != "" {
			h.Set(name, value)
		}
	}
	return h
}

// What a trusted proxy says is the public address; a doubtful word is refused rather than repaired.
func TestForwardedAddress(t *testing.T) {
	t.Parallel()
	w := newWorld(t, trusting("10.0.0.0/24"))
	for _, c := range []struct {
		peer, proto, host, prefix string
		want                      string // "" = 421
	}{
		{"10.0.0.7:1234", "https", "desk.example", "", "https://desk.example"},
		{"10.0.0.7:1234", "https", "DESK.Example:8443", "/pat", "https://desk.example:8443/pat"},
		{"10.0.0.7:1234", "https", "evil.example, desk.example", "/evil, /pat/", "https://desk.example/pat"},
		{"10.0.0.7:1234", "http, https", "[2001:db8::1]:443", "", "https://[2001:db8::1]"},
		{"10.0.0.7:1234", "https", "desk.example:443", "/pat", "https://desk.example/pat"},
		{"10.0.0.7:1234", "https", "[2001:db8::443]:8443", "", "https://[2001:db8::443]:8443"},
		{"[::ffff:10.0.0.7]:1234", "https", "desk.example", "", "https://desk.example"},
		{"10.0.1.7:1234", "https", "desk.example", "", ""}, // nobody that is trusted
		{"[2001:db8::7]:1234", "https", "desk.example", "", ""},
		{"10.0.0.7:1234", "http", "desk.example", "", ""},
		{"10.0.0.7:1234", "https, http", "desk.example", "", "https://desk.example"}, // TLS ends at the first of two proxies
		{"10.0.0.7:1234", "https,http", "desk.example", "/pat", "https://desk.example/pat"},
		{"10.0.0.7:1234", "https,http,http", "desk.example", "", "https://desk.example"},
		{"10.0.0.7:1234", "HTTPS", "desk.example", "", "https://desk.example"},
		{"10.0.0.7:1234", "http,http", "desk.example", "", ""},
		{"10.0.0.7:1234", "httpsx, xhttps", "desk.example", "", ""},
		{"10.0.0.7:1234", "https;http", "desk.example", "", ""},
		{"10.0.1.7:1234", "https,http", "desk.example", "", ""},
		{"10.0.0.7:1234", "", "desk.example", "", ""},
		{"10.0.0.7:1234", "https", "", "", ""},
		{"10.0.0.7:1234", "https", "desk.example/evil", "", ""},
		{"10.0.0.7:1234", "https", "user@desk.example", "", ""},
		{"10.0.0.7:1234", "https", "desk.example:99999999", "", ""},
		{"10.0.0.7:1234", "https", "-desk.example", "", ""},
		{"10.0.0.7:1234", "https", "desk.example?x", "", ""},
		{"10.0.0.7:1234", "https", "desk.example", "pat", ""},
		{"10.0.0.7:1234", "https", "desk.example", "//evil.example", ""},
		{"10.0.0.7:1234", "https", "desk.example", "/..", ""},
		{"10.0.0.7:1234", "https", "desk.example", "/a/../b", ""},
		{"10.0.0.7:1234", "https", "desk.example", "/%2e%2e", ""},
		{"10.0.0.7:1234", "https", "desk.example", `/\evil.example`, ""},
		{"10.0.0.7:1234", "https", "desk.example", "/pat\" onload=x", ""},
	} {
		answer := w.ask(behindProxy(c.peer, forwarded(c.proto, c.host, c.prefix)))
		if c.want == "" {
			if answer.Code != http.StatusMisdirectedRequest {
				t.Errorf("%v: %d", c, answer.Code)
			}
			continue
		}
		u, err := url.Parse(c.want)
		if err != nil {
			t.Fatal(err)
		}
		if got := answer.Header().Get("Location"); answer.Code != http.StatusSeeOther || got != u.Path+"/sign-in?return=%2Ftokens" {
			t.Errorf("%v: %d to %q", c, answer.Code, got)
		}
		start := behindProxy(c.peer, forwarded(c.proto, c.host, c.prefix))
		start.URL.Path = "/sign-in/start"
		to, err := url.Parse(w.ask(start).Header().Get("Location"))
		if err != nil || to.Query().Get("redirect_uri") != c.want+"/getAToken" {
			t.Errorf("%v: redirect_uri %q, %v", c, to.Query().Get("redirect_uri"), err)
		}
	}
}

// The client's address is the right-most hop that isn't a proxy of ours. What stands left of it anybody can write.
func TestClientAddress(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ peer, hops, want string }{
		{"10.0.0.7:1234", "203.0.113.9", "203.0.113.9"},
		{"10.0.0.7:1234", "1.2.3.4, 203.0.113.9, 10.0.0.8", "203.0.113.9"},
		{"10.0.0.7:1234", "1.2.3.4,203.0.113.9:443", "203.0.113.9"},
		{"10.0.0.7:1234", "[2001:db8::9]:443", "2001:db8::9"},
		{"10.0.0.7:1234", "2001:db8::9", "2001:db8::9"},
		{"10.0.0.7:1234", "::ffff:203.0.113.9", "203.0.113.9"},
		{"10.0.0.7:1234", "fe80::1%eth0\" level=ERROR", "fe80::1"},
		{"10.0.0.7:1234", "", "10.0.0.7"},
		{"10.0.0.7:1234", "10.0.0.8, 10.0.0.9", "10.0.0.7"},
		{"10.0.0.7:1234", "unknown", "10.0.0.7"},
		{"10.0.0.7:1234", "203.0.113.9, unknown", "10.0.0.7"},
		{"10.0.0.7:1234", "unknown, 203.0.113.9", "203.0.113.9"},
		{"10.0.0.7:1234", "unknown, 10.0.0.8", "10.0.0.8"}, // the proxy that doesn't know
		{"10.0.0.7:1234", "203.0.113.9, unknown, 10.0.0.8", "10.0.0.8"},
		{"10.0.0.7:1234", "_hidden", "10.0.0.7"},
		{"10.0.0.7:1234", "not an address", "10.0.0.7"},
		{"10.0.0.7:1234", "203.0.113.9,", "203.0.113.9"},
		{"10.0.0.7:1234", ", 203.0.113.9, ,10.0.0.8", "203.0.113.9"},
		{"[::ffff:10.0.0.7]:1234", "unknown", "10.0.0.7"},
		{"203.0.113.1:1234", "1.2.3.4", "203.0.113.1"}, // no proxy of ours: what it says counts for nothing
		{"[2001:db8::1]:1234", "1.2.3.4", "2001:db8::1"},
	} {
		w := newWorld(t, trusting("10.0.0.0/24"))
		w.ask(behindProxy(c.peer, http.Header{"X-Forwarded-For": {c.hops}}))
		if log := w.log.Drain(); !strings.Contains(log, "client="+c.want+" ") {
			t.Errorf("%s via %q should be %s:\n%s", c.hops, c.peer, c.want, log)
		}
	}
}

var cleanOrigin = regexp.MustCompile(`^https://[A-Za-z0-9.:\[\]-]+$`)

// Whatever stands in forwarded headers: the address is a clean https one or none at all, a peer that isn't trusted is
// never believed, and the client's address is an address.
func FuzzForwarded(f *testing.F) {
	f.Add("10.0.0.7:1", "https", "desk.example", "/pat", "203.0.113.9")
	f.Add("10.0.0.7:1", "http,https", "evil.example,desk.example:8443", "/", "1.2.3.4, 10.0.0.8")
	f.Add("10.0.0.7:1", "https", "[2001:db8::1]:443", "/a/b", "[2001:db8::9]:443")
	f.Add("10.0.0.7:1", "https", "desk.example\r\nX: y", "//evil.example", "fe80::1%x\n")
	f.Add("[::1]:1", "https", "desk.example", "/../..", "::ffff:10.0.0.9")
	f.Add("203.0.113.1:1", "https", "evil.example", "", "10.0.0.7")
	f.Add("@", "HTTPS", "a@b", `/\evil`, ",,,")
	w := newWorld(f, trusting("10.0.0.0/24", "::1/128"))
	f.Fuzz(func(t *testing.T, peer, proto, host, prefix, hops string) {
		headers := http.Header{"X-Forwarded-Proto": {proto}, "X-Forwarded-Host": {host}, "X-Forwarded-Prefix": {prefix}, "X-Forwarded-For": {hops}}
		trusted := web.TrustedPeer(w.h.Site, behindProxy(peer, nil))
		checked := false
		web.ClientAddress(w.h.Site, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			checked = true
			a, root, ok := web.FindAddress(w.h.Site, r)
			if ok && !trusted {
				t.Fatalf("%q was believed: %v", peer, a)
			}
			if _, err := netip.ParseAddr(r.RemoteAddr); err != nil && r.RemoteAddr != peer || strings.Contains(r.RemoteAddr, "%") && r.RemoteAddr != peer {
				t.Fatalf("the client of %q is %q", hops, r.RemoteAddr)
			}
			if !ok {
				return
			}
			u, err := url.Parse(a.URL("/getAToken"))
			if err != nil || !cleanOrigin.MatchString(a.Origin) || u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" ||
				path.Clean(u.Path) != u.Path || u.EscapedPath() != root+"/getAToken" {
				t.Fatalf("%q %q became %+v (%v)", host, prefix, a, err)
			}
		})).ServeHTTP(httptest.NewRecorder(), behindProxy(peer, headers))
		if !checked {
			t.Fatal("nothing was checked")
		}
	})
}
