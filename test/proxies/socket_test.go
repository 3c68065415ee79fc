package proxies

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/patdesk/patdesk/internal/proxytest"
	"github.com/patdesk/patdesk/internal/testkit"
	"github.com/patdesk/patdesk/internal/testkit/apptest"
)

// Behind a Unix socket everything works as behind a port, and visitors' addresses are the proxy's to say: nobody else
// can connect, so TRUSTED_PROXIES isn't needed.
func TestBehindProxiesBySocket(t *testing.T) {
	t.Parallel()
	for program, form := range map[string]string{"nginx": "unix:", "caddy": "unix/", "haproxy": "unix@"} {
		t.Run(program, func(t *testing.T) {
			t.Parallel()
			dir, err := os.MkdirTemp("", "s") //nolint:usetesting // paths of sockets are short
			testkit.Must(t, err)
			t.Cleanup(func() { _ = os.RemoveAll(dir) })
			path := filepath.Join(dir, "patdesk.sock")
			m := mount{program: program}
			o := apptest.Seeded()
			o.Env = map[string]string{"BASE_URL": m.example().URL(), "LISTEN_ADDRESS": "unix:" + path}
			d := apptest.StartOn(t, startServices(t, o.Sim), o, t.TempDir()+"/sessions")
			p := proxytest.Start(t, m.example(form+path))
			r := mountOn(t, d, p, p.HTTPS, visitor)
			goThrough(t, d)
			spoof(t, d, p)
			checkTape(t, m, d, r)
			checkVisitors(t, d)
		})
	}
}
