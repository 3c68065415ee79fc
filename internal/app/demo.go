package app

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/patdesk/patdesk/config"
	"github.com/patdesk/patdesk/handlers/web"
	"github.com/patdesk/patdesk/internal/simulator"
)

// demoSettings are the settings that a demo takes from the environment. Everything about the app, its credentials and
// the services is the simulator's.
var demoSettings = []string{
	"LISTEN_ADDRESS", "BASE_URL", "TRUSTED_PROXIES", "LOG_LEVEL", "LOG_FORMAT", "METRICS_ADDRESS",
	"OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_HEADERS", "RATE_LIMIT_SIGN_INS", "RATE_LIMIT_CHANGES", "SESSIONS_PER_PERSON",
	"SESSION_IDLE_TIMEOUT", "SESSION_LIFETIME", "SECRET_DISPLAY_TIME", "REDIRECT_PATH",
}

// Demo is the program against a simulator of its own, and a folder that is gone afterwards.
type Demo struct {
	*App
	sim *simulator.Simulator
	dir string

	mu      sync.Mutex
	origins []string // by which browsers came, the last one first
}

// DemoError says that the settings, or the credentials beside them, keep a demo from starting: starting again won't
// help.
type DemoError struct{ text string }

func (e *DemoError) Error() string { return e.text }

// NewDemo is New for a demo, which takes few of its settings from the environment. Errors are whole sentences; those
// about the settings are a *DemoError.
func NewDemo(ctx context.Context, getenv func(string) string, dotenv string, o Options) (_ *Demo, err error) {
	// A user who has real credentials set might take the demo for the real thing.
	if set := config.Credentials(getenv, dotenv); len(set) > 0 {
		names := strings.Join(set, ", ")
		return nil, &DemoError{fmt.Sprintf("The demo doesn't run beside real credentials: found %s in the environment or in %s.\n"+
			"Start it in another folder or without these settings; or leave out -demo for the real thing.", names, dotenv)}
	}
	for _, name := range []string{"BASE_URL", "TRUSTED_PROXIES"} {
		if o.AnyPort && getenv(name) != "" {
			return nil, &DemoError{name + " doesn't go with -container: the demo answers under localhost and 127.0.0.1, at any port. Leave it out."}
		}
	}
	d := &Demo{sim: simulator.New(simulator.Options{Seed: true})}
	// Not bound to ctx: operations in flight must still find their service while the demo stops.
	if err := d.sim.Start(context.WithoutCancel(ctx)); err != nil {
		return nil, fmt.Errorf("the demo can't start its simulator: %w", err)
	}
	defer func() {
		if err != nil {
			d.close()
		}
	}()
	if d.dir, err = os.MkdirTemp("", "patdesk-demo-"); err != nil {
		return nil, fmt.Errorf("the demo can't make a folder for its sessions: %w", err)
	}
	if o.AnyPort {
		getenv = inContainer(getenv)
	}
	cfg, err := demoConfig(getenv, d.sim, filepath.Join(d.dir, "sessions"))
	if err != nil {
		return nil, &DemoError{fmt.Sprintf("the demo can't start:\n%v", err)}
	}
	if getenv("TRUSTED_PROXIES") != "" && getenv("BASE_URL") == "" {
		cfg.Warnings = append(cfg.Warnings, "TRUSTED_PROXIES: a demo leaves it out, as BASE_URL isn't set: there would be no address to open. Behind a proxy, put the one that it is reached by into BASE_URL.")
	}
	o.Client, o.Demo = d.sim.Client(), true
	if d.App, err = New(ctx, cfg, o); err != nil {
		return nil, err
	}
	d.register(d.URL())
	if o.AnyPort {
		d.routes = d.withServices(d.routes)
	}
	return d, nil
}

// knownOrigins is how many addresses of one demo can be signed in at: names of this machine, with the ports that lead here.
const knownOrigins = 20

// register makes origin an address that the simulated Entra ID sends people back to.
func (d *Demo) register(origin string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.origins = append([]string{origin}, slices.DeleteFunc(d.origins, func(o string) bool { return o == origin })...)
	d.origins = d.origins[:min(len(d.origins), knownOrigins)]
	var back, out []string
	for _, o := range d.origins {
		back, out = append(back, o+d.config.RedirectPath), append(out, o+"/")
	}
	d.sim.SetRedirectURIs(back...)
	d.sim.SetPostLogoutURIs(out...)
}

// withServices serves the simulator's pages beside the program's, as a container has no other address that a browser
// reaches. Redirects to them lead to the origin that the browser used.
func (d *Demo) withServices(routes http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if web.LoopbackHost(r.Host) { // all others are refused by the program
			origin := "http://" + strings.ToLower(r.Host)
			d.register(origin)
			if d.sim.ServePage(w, r) {
				return
			}
			w = movedHere{w, d.sim.BrowserURL(), origin}
		}
		routes.ServeHTTP(w, r)
	})
}

// movedHere changes redirects from one origin to another.
type movedHere struct {
	http.ResponseWriter
	from, to string
}

// WriteHeader is part of http.ResponseWriter.
func (w movedHere) WriteHeader(status int) {
	if rest, ok := strings.CutPrefix(w.Header().Get("Location"), w.from); ok {
		w.Header().Set("Location", w.to+rest)
	}
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap is for http.ResponseController.
func (w movedHere) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Announce says where to open it.
func (d *Demo) Announce(w io.Writer) {
	panel, other := d.sim.PanelURL(), ""
	if d.options.AnyPort {
		panel, other = d.URL()+"/simulator", " (with the port that the container publishes it at, if that is another)"
	}
	fmt.Fprintf(w, "patdesk demo: open %s in your browser%s. Its services can be made to fail at %s.\n", d.URL(), other, panel)
	fmt.Fprintln(w, "Nothing real is touched: people, organizations, tokens and secrets are made up, and gone when you stop it (Ctrl+C).")
}

// Serve is App.Serve, and leaves nothing behind.
func (d *Demo) Serve(ctx context.Context) error {
	defer d.close()
	return d.App.Serve(ctx)
}

func (d *Demo) close() {
	d.sim.Close()
	if d.dir != "" {
		os.RemoveAll(d.dir)
	}
}

func demoConfig(getenv func(string) string, sim *simulator.Simulator, dir string) (config.Config, error) {
	listening := config.Config{ListenAddress: getenv("LISTEN_ADDRESS")}
	if _, _, err := net.SplitHostPort(listening.ListenAddress); err == nil && !listening.ListensOnLoopback() {
		return config.Config{}, fmt.Errorf("LISTEN_ADDRESS is %s, but a demo listens on this machine only: put localhost:5000 there. "+
			"In a container whose port is published to 127.0.0.1 only, add -container", listening.ListenAddress)
	}
	cfg, err := config.Load(demoEnv(getenv, sim, dir), "")
	if err == nil && !cfg.MeasuredOnLoopback() {
		err = fmt.Errorf("METRICS_ADDRESS is %s, but a demo listens on this machine only: put localhost:9464 there", cfg.MetricsAddress)
	}
	cfg.Warnings = nil // they are about real credentials
	return cfg, err
}

// inContainer takes of LISTEN_ADDRESS the port: the program listens on all addresses, and its own is this machine's name.
func inContainer(getenv func(string) string) func(string) string {
	return func(name string) string {
		if _, port, err := net.SplitHostPort(getenv(name)); name == "LISTEN_ADDRESS" && err == nil {
			return net.JoinHostPort("localhost", port)
		}
		return getenv(name)
	}
}

func demoEnv(getenv func(string) string, sim *simulator.Simulator, dir string) func(string) string {
	made := map[string]string{
		"VAULTS":    simulator.TeamVault + "," + simulator.PlatformVault,
		"CLIENT_ID": sim.ClientID(), "CLIENT_SECRET": sim.ClientSecret(), "AUTHORITY": sim.Authority(),
		"ENDPOINT": sim.Endpoint(), "DISCOVERY_ENDPOINT": sim.DiscoveryEndpoint(), "SESSION_DIR": dir,
	}
	return func(name string) string {
		if value, ok := made[name]; ok {
			return value
		}
		value := ""
		if slices.Contains(demoSettings, name) {
			value = getenv(name)
		}
		if name == "TRUSTED_PROXIES" && getenv("BASE_URL") == "" {
			return "" // the address would be theirs to say, and couldn't be printed
		}
		if value == "" && name == "LOG_LEVEL" {
			return "warn" // so that the two lines that matter are seen
		}
		return value
	}
}
