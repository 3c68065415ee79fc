package proxies

import (
	"flag"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/patdesk/patdesk/internal/proxytest"
	"github.com/patdesk/patdesk/internal/simulator"
	"github.com/patdesk/patdesk/internal/testkit"
	"github.com/patdesk/patdesk/internal/testkit/apptest"
)

// What the tests behind real proxies stand on: the program, and in front of it one of the examples in deploy/proxy.

// visitor is where visitors come from: another address of this machine than the proxies have.
const visitor = "127.7.7.7"

// traefik is tried by hand: Debian doesn't have it.
var traefik = flag.String("traefik", "", "`path` of a Traefik 3, to test behind it as well")

// mount is how the program is reached through a proxy.
type mount struct {
	program   string // of the proxy
	subpath   bool
	strip     bool // the proxy takes the path off
	forwarded bool // the address comes from the proxy's headers: there is no BASE_URL
}

func (m mount) String() string {
	name := m.program + " at /"
	switch {
	case m.strip:
		name = m.program + " at /pat, stripping"
	case m.subpath:
		name = m.program + " at /pat"
	}
	if m.forwarded {
		name += ", without BASE_URL"
	}
	return name
}

// mounts are all ways there are. A short run has one path for each proxy, each path for one at least, and half of them
// with BASE_URL.
func mounts(t *testing.T) []mount {
	t.Helper()
	var all []mount
	programs := proxytest.Programs()
	if *traefik != "" {
		programs = append(programs, "traefik")
	}
	paths := []mount{{}, {subpath: true}, {subpath: true, strip: true}}
	for i, program := range programs {
		for _, m := range testkit.SampleFor(t, i, 1, paths) {
			for _, m.forwarded = range testkit.SampleFor(t, i, 1, []bool{false, true}) {
				m.program = program
				all = append(all, m)
			}
		}
	}
	return all
}

func (m mount) example(backends ...string) proxytest.Example {
	path := ""
	if m.program == "traefik" {
		path = *traefik
	}
	return proxytest.Example{Program: m.program, Path: path, Folder: filepath.Join(testkit.Root, "deploy", "proxy"), Subpath: m.subpath, Strip: m.strip, Backends: backends}
}

// settings are those that the example asks for.
func (m mount) settings() map[string]string {
	env := map[string]string{"TRUSTED_PROXIES": "127.0.0.1"}
	if !m.forwarded {
		env["BASE_URL"] = m.example().URL()
	}
	return env
}

// startMounted starts the program and the proxy before it. Its browsers come from visitor, and what they get is
// recorded.
func startMounted(t *testing.T, m mount, dir string) (*apptest.Program, *proxytest.Proxy, *apptest.Recorder) {
	t.Helper()
	o := apptest.Seeded()
	o.Env = m.settings()
	sim := startServices(t, o.Sim)
	d := apptest.StartOn(t, sim, o, dir)
	p := proxytest.Start(t, m.example(d.Address))
	return d, p, mountOn(t, d, p, p.HTTPS, visitor)
}

func startServices(t *testing.T, o simulator.Options) *simulator.Simulator {
	t.Helper()
	sim := simulator.New(o)
	if err := sim.StartTLS(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sim.Close)
	return sim
}

// mountOn makes the program's browsers come through the proxy.
func mountOn(t *testing.T, d *apptest.Program, p *proxytest.Proxy, at, from string) *apptest.Recorder {
	t.Helper()
	d.URL = p.URL()
	d.Sim.SetRedirectURIs(d.URL + "/getAToken")
	d.Sim.SetPostLogoutURIs(d.URL + "/")
	d.Via = p.Transport(at, from, d.Sim.CertPool())
	return apptest.Record(t, d)
}

// below says that an address is the public one, or below it.
func below(base string, u *url.URL) bool {
	root := u.Scheme + "://" + u.Host + strings.TrimSuffix(u.EscapedPath(), "/")
	return root == base || strings.HasPrefix(root, base+"/")
}

// namesClient says that a record of the log has the address as its client, whole and without a port.
func namesClient(log, address string) bool {
	return regexp.MustCompile(`client="?` + regexp.QuoteMeta(address) + `"?\s`).MatchString(log)
}

// links are all addresses that an answer leads to, as a browser would resolve them.
func links(t *testing.T, a apptest.Exchange) []*url.URL {
	t.Helper()
	var texts []string
	if to := a.Header.Get("Location"); to != "" {
		texts = append(texts, to)
	}
	if strings.HasPrefix(a.Header.Get("Content-Type"), "text/html") {
		texts = append(texts, addressesIn(t, a.Body)...)
	}
	var all []*url.URL
	for _, text := range texts {
		if rest, found := strings.CutPrefix(text, "webcal:"); found { // a calendar program asks there as a browser would
			text = "https:" + rest
		}
		u, err := a.URL.Parse(text)
		if err != nil {
			t.Errorf("%s leads to %q: %v", a.URL, text, err)
			continue
		}
		all = append(all, u)
	}
	return all
}

// checkMounted: what every answer must keep to behind a proxy.
func checkMounted(t *testing.T, d *apptest.Program, a apptest.Exchange) {
	t.Helper()
	name := a.Method + " " + a.URL.String()
	if n := a.Head(); n >= apptest.MaxHead {
		t.Errorf("%s: a head of %d bytes", name, n)
	}
	if n := len(a.Sent.Get("Cookie")); n >= apptest.MaxCookies {
		t.Errorf("%s: %d bytes of cookies were sent", name, n)
	}
	apptest.CheckCookies(t, name, a, true)
	for _, header := range []string{"Content-Security-Policy", "Strict-Transport-Security", "Cache-Control"} {
		if len(a.Header.Values(header)) != 1 {
			t.Errorf("%s: %d: %s is %q", name, a.Status, header, a.Header.Values(header))
		}
	}
	for _, u := range links(t, a) {
		sim := strings.HasPrefix(u.String(), d.Sim.BrowserURL())
		web := u.Scheme == "https" && (u.Host == "dev.azure.com" || strings.HasSuffix(u.Host, ".microsoft.com"))
		if !below(d.URL, u) && !sim && !web {
			t.Errorf("%s leads to %s", name, u)
		}
	}
}
