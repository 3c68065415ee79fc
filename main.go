// Command patdesk is a web app with which people see and manage their Azure DevOps personal access tokens.
//
// What belongs here: the command line and the exit codes. The program itself is internal/app.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"github.com/patdesk/patdesk/config"
	"github.com/patdesk/patdesk/internal/app"
	"github.com/patdesk/patdesk/internal/preflight"
)

// version is stamped by release builds (-ldflags "-X main.version=v1.2.3").
var version = ""

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	os.Exit(run(ctx, os.Args[1:], os.Getenv, os.Stdout, os.Stderr))
}

// Exit codes.
const (
	exitOK      = 0
	exitFailed  = 1
	exitMisused = 2 // the settings or the command line are wrong: starting again won't help
)

// options is the command line.
type options struct {
	demo, container, pseudo, check, offline, credential, version, healthcheck bool
	listen                                                                    string
}

// run is the whole program: it returns the exit code. It ends by itself when ctx does.
func run(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) int {
	o, err := readOptions(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return exitOK
	case err != nil:
		return exitMisused
	case o.version:
		fmt.Fprintf(stdout, "patdesk %s, commit %s, %s, %s/%s\n", app.Version(version), app.Revision(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
		return exitOK
	}
	env := withListen(getenv, o.listen)
	switch {
	case o.healthcheck:
		return healthcheck(ctx, env, stderr)
	case o.demo:
		return demo(ctx, env, o, stdout, stderr)
	}
	cfg, err := app.LoadSettings(ctx, env, os.Environ(), dotenv, time.Now)
	failed := 0
	if o.check {
		failed, err = preflight.Check{Config: cfg, Err: err, Getenv: getenv, Offline: o.offline, Try: o.credential, Now: time.Now}.Run(ctx, stdout)
	}
	switch {
	case err != nil:
		return cantStart(err, !o.check && cfg.LogFormat == "json", stderr)
	case failed > 0:
		return exitFailed
	case o.check:
		return exitOK
	}
	program, err := app.New(ctx, cfg, app.Options{
		Version: version, Log: stderr, Hangup: hangups(), HangupStops: isTerminal(stderr),
		Settings: func() (config.Config, error) { return app.LoadSettings(ctx, env, nil, dotenv, time.Now) },
	})
	if err != nil {
		return cantStart(err, cfg.LogFormat == "json", stderr)
	}
	app.LetHeapGrow()
	return ended(program.Serve(ctx))
}

// cantStart says why, to people or to whatever collects the log, and returns the exit code.
func cantStart(err error, asJSON bool, stderr io.Writer) int {
	const what = "patdesk can't start"
	var faults config.Faults
	settings := errors.As(err, &faults)
	log := slog.New(slog.NewJSONHandler(stderr, nil))
	switch {
	case asJSON && settings:
		for _, f := range faults {
			log.Error(what, "setting", f.Setting, "problem", f.Problem, "fix", f.Fix)
		}
	case asJSON:
		log.Error(what, "error", err)
	case settings:
		fmt.Fprintf(stderr, "%s:\n%v\n", what, err)
	default:
		fmt.Fprintf(stderr, "%s: %v\n", what, err)
	}
	if settings {
		return exitMisused
	}
	return exitFailed
}

// hangups get each SIGHUP from now on, none of which ends the process by itself any more.
func hangups() <-chan os.Signal {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGHUP)
	return signals
}

// isTerminal reports whether w is a terminal, which people look at and close.
func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	if !ok {
		return false
	}
	is, err := file.Stat()
	null, nullErr := os.Stat(os.DevNull)
	return err == nil && is.Mode()&os.ModeCharDevice != 0 && (nullErr != nil || !os.SameFile(is, null))
}

// demo is run with -demo.
func demo(ctx context.Context, getenv func(string) string, o options, stdout, stderr io.Writer) int {
	program, err := app.NewDemo(ctx, getenv, dotenv, app.Options{Version: version, Log: stderr, Pseudo: o.pseudo, AnyPort: o.container, Hangup: hangups(), HangupStops: true})
	var settings *app.DemoError
	switch {
	case errors.As(err, &settings) && getenv("LOG_FORMAT") == "json":
		cantStart(err, true, stderr)
		return exitMisused
	case errors.As(err, &settings):
		fmt.Fprintln(stderr, err)
		return exitMisused
	case err != nil:
		return cantStart(err, getenv("LOG_FORMAT") == "json", stderr)
	}
	program.Announce(stdout)
	return ended(program.Serve(ctx))
}

// ended is the exit code for how serving ended. The log has the error already.
func ended(err error) int {
	if err != nil {
		return exitFailed
	}
	return exitOK
}

// dotenv is read from the working directory if it is there.
const dotenv = ".env"

func readOptions(args []string, stderr io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("patdesk", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.BoolVar(&o.demo, "demo", false, "start with a simulated Azure DevOps and Entra ID; nothing real is touched")
	flags.BoolVar(&o.container, "container", false, "with -demo: listen on all addresses of a container whose port is published to 127.0.0.1 only; answers under localhost and 127.0.0.1 alone")
	flags.BoolVar(&o.pseudo, "pseudo", false, "with -demo: offer a pseudo-language, in which text that nobody can translate shows")
	flags.StringVar(&o.listen, "listen", "", "`host:port` to listen on; wins over LISTEN_ADDRESS")
	flags.BoolVar(&o.check, "check", false, "check the settings and all that they lead to, say what is wrong, and stop; 0 if nothing is")
	flags.BoolVar(&o.offline, "offline", false, "with -check: leave the network out")
	flags.BoolVar(&o.credential, "credential", false, "with -check: ask Entra ID whether it takes the credential, by a token for the app itself that is thrown away")
	flags.BoolVar(&o.version, "version", false, "print the version and stop")
	flags.BoolVar(&o.healthcheck, "healthcheck", false, "ask a running patdesk's /healthz and stop; 0 if it answers")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		fmt.Fprintf(stderr, "patdesk takes no arguments, only flags: %q\n", flags.Args())
		flags.Usage()
		return o, errors.New("unexpected arguments")
	}
	for name, given := range map[string]bool{"-pseudo": o.pseudo, "-container": o.container} {
		if given && !o.demo {
			fmt.Fprintln(stderr, name+" belongs to -demo")
			return o, errors.New(name + " without -demo")
		}
	}
	if o.credential && (!o.check || o.offline) {
		fmt.Fprintln(stderr, "-credential belongs to -check, without -offline")
		return o, errors.New("-credential without -check")
	}
	if o.offline && !o.check {
		fmt.Fprintln(stderr, "-offline belongs to -check")
		return o, errors.New("-offline without -check")
	}
	return o, nil
}

// withListen lets -listen win over LISTEN_ADDRESS.
func withListen(getenv func(string) string, listen string) func(string) string {
	if listen == "" {
		return getenv
	}
	return func(name string) string {
		if name == "LISTEN_ADDRESS" {
			return listen
		}
		return getenv(name)
	}
}

// healthcheck is the container's health check, since the image holds no other program.
func healthcheck(ctx context.Context, getenv func(string) string, stderr io.Writer) int {
	address := getenv("LISTEN_ADDRESS")
	if address == "" {
		address = "localhost:5000"
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		fmt.Fprintf(stderr, "LISTEN_ADDRESS isn't host:port: %q\n", address)
		return exitMisused
	}
	if ip := net.ParseIP(host); host == "" || ip.IsUnspecified() {
		host = "localhost"
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+net.JoinHostPort(host, port)+"/healthz", http.NoBody)
	if err != nil {
		fmt.Fprintln(stderr, "unhealthy:", err)
		return exitMisused
	}
	answer, err := (&http.Transport{}).RoundTrip(request) // no proxy: it asks this very machine
	if err != nil {
		fmt.Fprintln(stderr, "unhealthy:", err)
		return exitFailed
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		fmt.Fprintln(stderr, "unhealthy:", answer.Status)
		return exitFailed
	}
	return exitOK
}
