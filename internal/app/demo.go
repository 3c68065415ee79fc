package app

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/patdesk/patdesk/config"
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
	if getenv("TRUSTED_PROXIES") != "" && getenv("BASE_URL") == "" {
		fmt.Fprintln(o.Log, "The demo leaves TRUSTED_PROXIES out, as BASE_URL isn't set: there would be no address to open. Behind a proxy, put the one that it is reached by into BASE_URL.")
	}
	cfg, err := demoConfig(getenv, d.sim, filepath.Join(d.dir, "sessions"))
	if err != nil {
		return nil, &DemoError{fmt.Sprintf("the demo can't start:\n%v", err)}
	}
	o.Client, o.Demo = d.sim.Client(), true
	if d.App, err = New(ctx, cfg, o); err != nil {
		return nil, err
	}
	d.sim.SetRedirectURIs(d.URL() + cfg.RedirectPath)
	d.sim.SetPostLogoutURIs(d.URL() + "/")
	return d, nil
}

// Announce says where to open it.
func (d *Demo) Announce(w io.Writer) {
	fmt.Fprintf(w, "patdesk demo: open %s in your browser. Its services can be made to fail at %s.\n", d.URL(), d.sim.PanelURL())
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
	cfg, err := config.Load(demoEnv(getenv, sim, dir), "")
	if err == nil && !cfg.MeasuredOnLoopback() {
		err = fmt.Errorf("METRICS_ADDRESS is %s, but a demo listens on this machine only: put localhost:9464 there", cfg.MetricsAddress)
	}
	if err == nil && !cfg.ListensOnLoopback() {
		err = fmt.Errorf("LISTEN_ADDRESS is %s, but a demo listens on this machine only: put localhost:5000 there", cfg.ListenAddress)
	}
	cfg.Warnings = nil // they are about real credentials
	return cfg, err
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
