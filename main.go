// Command patdesk is a web app with which people see and manage their Azure DevOps personal access tokens.
//
// What belongs here: the command line and the exit codes. The program itself is internal/app.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/patdesk/patdesk/config"
	"github.com/patdesk/patdesk/internal/app"
	"github.com/patdesk/patdesk/internal/preflight"
	"github.com/patdesk/patdesk/internal/systemd"
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
	asJSON := getenv("LOG_FORMAT") == "json"
	o, err := readOptions(args, asJSON, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return exitOK
	case err != nil:
		return exitMisused
	case o.version:
		fmt.Fprintf(stdout, "patdesk %s, commit %s, %s, %s/%s\n", app.Version(version), app.Revision(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
		return exitOK
	}
	env := with(getenv, "LISTEN_ADDRESS", o.listen)
	if o.healthcheck {
		return healthcheck(ctx, env, words(stderr, asJSON, slog.LevelError))
	}
	process := app.Options{Version: version, Log: stderr, Manager: systemd.New()}
	if process.Sockets, err = systemd.Take(); err != nil {
		return cantStart(config.Faults{{Setting: "LISTEN_FDS", Problem: "hands over sockets that patdesk can't use: " + err.Error(), Fix: "Mend the unit of the socket."}}, asJSON, stderr)
	}
	env = with(env, "LISTEN_ADDRESS", systemd.Address(process.Sockets.People))
	env = with(env, "METRICS_ADDRESS", systemd.Address(process.Sockets.Metrics))
	if o.demo {
		process.Pseudo, process.AnyPort = o.pseudo, o.container
		return demo(ctx, env, process, words(stdout, asJSON, slog.LevelInfo))
	}
	return serve(ctx, o, env, process, stdout)
}

// serve is run without -demo: it checks the settings, or serves with them.
func serve(ctx context.Context, o options, env func(string) string, process app.Options, stdout io.Writer) int {
	stderr := process.Log
	cfg, err := app.LoadSettings(ctx, env, os.Environ(), dotenv, time.Now)
	failed := 0
	if o.check {
		failed, err = preflight.Check{Config: cfg, Err: err, Getenv: env, Offline: o.offline, Try: o.credential, Now: time.Now}.Run(ctx, stdout)
	}
	switch {
	case err != nil:
		return cantStart(err, !o.check && cfg.LogFormat == "json", stderr)
	case failed > 0:
		return exitFailed
	case o.check:
		return exitOK
	}
	process.Hangup, process.HangupStops = hangups(), isTerminal(stderr)
	process.Settings = func() (config.Config, error) { return app.LoadSettings(ctx, env, nil, dotenv, time.Now) }
	program, err := app.New(ctx, cfg, process)
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
func demo(ctx context.Context, getenv func(string) string, process app.Options, stdout io.Writer) int {
	stderr := process.Log
	process.Hangup, process.HangupStops = hangups(), true
	program, err := app.NewDemo(ctx, getenv, dotenv, process)
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

// words is where what isn't a record of the log is written to: as it is, or each line of it as one, so that all that a
// collector gets has one form.
func words(w io.Writer, asJSON bool, level slog.Level) io.Writer {
	if !asJSON {
		return w
	}
	return recorded{slog.New(slog.NewJSONHandler(w, nil)), level}
}

type recorded struct {
	log   *slog.Logger
	level slog.Level
}

// Write implements io.Writer.
func (r recorded) Write(text []byte) (int, error) {
	for line := range strings.Lines(string(text)) {
		r.log.Log(context.Background(), r.level, strings.TrimSpace(line))
	}
	return len(text), nil
}

func readOptions(args []string, asJSON bool, stderr io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("patdesk", flag.ContinueOnError)
	flags.SetOutput(words(stderr, asJSON, slog.LevelError))
	flags.BoolVar(&o.demo, "demo", false, "start with a simulated Azure DevOps and Entra ID; nothing real is touched")
	flags.BoolVar(&o.container, "container", false, "with -demo: listen on all addresses of a container whose port is published to 127.0.0.1 only; answers under localhost and 127.0.0.1 alone")
	flags.BoolVar(&o.pseudo, "pseudo", false, "with -demo: offer a pseudo-language, in which text that nobody can translate shows")
	flags.StringVar(&o.listen, "listen", "", "`address` to listen on, host:port or unix:/path; wins over LISTEN_ADDRESS")
	flags.BoolVar(&o.check, "check", false, "check the settings and all that they lead to, say what is wrong, and stop; 0 if nothing is")
	flags.BoolVar(&o.offline, "offline", false, "with -check: leave the network out")
	flags.BoolVar(&o.credential, "credential", false, "with -check: ask Entra ID whether it takes the credential, by a token for the app itself that is thrown away")
	flags.BoolVar(&o.version, "version", false, "print the version and stop")
	flags.BoolVar(&o.healthcheck, "healthcheck", false, "ask a running patdesk's /healthz and stop; 0 if it answers")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	stderr = flags.Output()
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

// with is getenv with another value of one variable, unless that is "".
func with(getenv func(string) string, variable, value string) func(string) string {
	if value == "" {
		return getenv
	}
	return func(name string) string {
		if name == variable {
			return value
		}
		return getenv(name)
	}
}

// healthcheck is the container's health check, since the image holds no other program.
func healthcheck(ctx context.Context, getenv func(string) string, stderr io.Writer) int {
	address := cmp.Or(getenv("LISTEN_ADDRESS"), "localhost:5000")
	err := preflight.Healthy(ctx, address)
	if err == nil {
		return exitOK
	}
	fmt.Fprintln(stderr, "unhealthy:", err)
	if errors.Is(err, preflight.ErrAddress) {
		return exitMisused
	}
	return exitFailed
}
