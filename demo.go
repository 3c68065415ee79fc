package main

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

// demoSettings are the settings that a demo takes from the environment. Everything about the app, its credentials
// and the services is the simulator's.
var demoSettings = []string{
	"LISTEN_ADDRESS", "BASE_URL", "TRUSTED_PROXIES", "LOG_LEVEL", "LOG_FORMAT", "METRICS_ADDRESS",
	"OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_HEADERS", "RATE_LIMIT_SIGN_INS", "RATE_LIMIT_CHANGES", "SESSIONS_PER_PERSON",
	"SESSION_IDLE_TIMEOUT", "SESSION_LIFETIME", "SECRET_DISPLAY_TIME", "REDIRECT_PATH",
}

// runDemo serves the whole program against the simulator.
func runDemo(ctx context.Context, getenv func(string) string, stdout, stderr io.Writer) int {
	// Somebody who has real credentials set might take the demo for the real thing.
	if set := config.Credentials(getenv, dotenv); len(set) > 0 {
		names := strings.Join(set, ", ")
		fmt.Fprintf(stderr, "The demo doesn't run beside real credentials: found %s in the environment or in %s.\n"+
			"Start it in another folder or without these settings; or leave out -demo for the real thing.\n", names, dotenv)
		return exitMisused
	}
	sim := simulator.New(simulator.Options{Seed: true})
	// Not bound to ctx: operations in flight must still find their service while the demo stops.
	if err := sim.Start(context.WithoutCancel(ctx)); err != nil {
		fmt.Fprintln(stderr, "the demo can't start its simulator:", err)
		return exitFailed
	}
	defer sim.Close()
	dir, err := os.MkdirTemp("", "patdesk-demo-")
	if err != nil {
		fmt.Fprintln(stderr, "the demo can't make a folder for its sessions:", err)
		return exitFailed
	}
	defer os.RemoveAll(dir)
	if getenv("TRUSTED_PROXIES") != "" && getenv("BASE_URL") == "" {
		fmt.Fprintln(stderr, "The demo leaves TRUSTED_PROXIES out, as BASE_URL isn't set: there would be no address to open. Behind a proxy, put the one that it is reached by into BASE_URL.")
	}
	cfg, err := config.Load(demoEnv(getenv, sim, filepath.Join(dir, "sessions")), "")
	if err == nil && !cfg.MeasuredOnLoopback() {
		err = fmt.Errorf("METRICS_ADDRESS is %s, but a demo listens on this machine only: put localhost:9464 there", cfg.MetricsAddress)
	}
	if err == nil && !cfg.ListensOnLoopback() {
		err = fmt.Errorf("LISTEN_ADDRESS is %s, but a demo listens on this machine only: put localhost:5000 there", cfg.ListenAddress)
	}
	if err != nil {
		fmt.Fprintf(stderr, "the demo can't start:\n%v\n", err)
		return exitMisused
	}
	cfg.Warnings = nil // they are about real credentials
	listening := func(public string) {
		sim.SetRedirectURIs(public + cfg.RedirectPath)
		sim.SetPostLogoutURIs(public + "/")
		fmt.Fprintf(stdout, "patdesk demo: open %s in your browser. Its services can be made to fail at %s.\n", public, sim.PanelURL())
		fmt.Fprintln(stdout, "Nothing real is touched: people, organizations, tokens and secrets are made up, and gone when you stop it (Ctrl+C).")
	}
	return serve(ctx, setup{config: cfg, client: sim.Client(), demo: true, listening: listening, stdout: stdout, stderr: stderr})
}

func demoEnv(getenv func(string) string, sim *simulator.Simulator, dir string) func(string) string {
	made := map[string]string{
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
