package proxies

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/patdesk/patdesk/internal/proxytest"
	"github.com/patdesk/patdesk/internal/session/redisstore/redistest"
	"github.com/patdesk/patdesk/internal/testkit"
	"github.com/patdesk/patdesk/internal/testkit/apptest"
)

// P2: three replicas on one Redis behind HAProxy, which sends each request to the next one: so a sign-in begins on one
// and ends on another, and a third shows a secret. redirect_uri is the same, letter by letter, on each of them.
func TestReplicasBehindHAProxy(t *testing.T) {
	t.Parallel()
	for _, m := range []mount{{program: "haproxy"}, {program: "haproxy", subpath: true, forwarded: true}} {
		t.Run(m.String(), func(t *testing.T) {
			t.Parallel()
			o := apptest.Seeded()
			o.Env = m.settings()
			maps.Copy(o.Env, map[string]string{"SESSION_TYPE": "redis", "REDIS_URL": "redis://" + redistest.Start(t).Addr, "SESSION_KEYS": testkit.OldKey})
			sim := startServices(t, o.Sim)
			var programs []*apptest.Program
			var backends []string
			for range 3 {
				programs = append(programs, apptest.StartOn(t, sim, o, ""))
				backends = append(backends, programs[len(programs)-1].Address)
			}
			p := proxytest.Start(t, m.example(backends...))
			mountOn(t, programs[0], p, p.HTTPS, visitor)
			goThrough(t, programs[0])
			for i, d := range programs {
				if n := strings.Count(d.Log.String(), "client="+visitor+" "); n < 10 {
					t.Errorf("replica %d had %d visits: the work isn't shared", i, n)
				}
			}
			checkOneRedirectURI(t, p)
		})
	}
}

// checkOneRedirectURI begins sign-ins with every spoof on each replica.
func checkOneRedirectURI(t *testing.T, p *proxytest.Proxy) {
	t.Helper()
	w := &wire{t: t, p: p}
	seen := map[string]int{}
	for _, line := range append(spoofs(), "X: y") {
		for range 3 {
			got := w.ask("GET "+apptest.MustParse(t, p.URL()+"/sign-in/start").Path, p.Host(), "\r\n"+line)
			if got.Status == http.StatusSeeOther {
				seen[apptest.MustParse(t, got.Header.Get("Location")).Query().Get("redirect_uri")]++
			} else if !refused(got, line) {
				t.Errorf("%.80q: %d", line, got.Status)
			}
		}
	}
	if uris := slices.Collect(maps.Keys(seen)); len(uris) != 1 || uris[0] != p.URL()+"/getAToken" {
		t.Error(fmt.Sprint(seen))
	}
}
