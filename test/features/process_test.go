package features

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/patdesk/patdesk/internal/freeport"
	"github.com/patdesk/patdesk/internal/testkit"
	"github.com/patdesk/patdesk/internal/testkit/apptest"
)

// What patdesk and the system that it runs on say to each other: sockets, signals, notifications, exit codes.

// aloneEnv are settings with which the program starts without any service.
func aloneEnv(dir string, more ...string) []string {
	return append([]string{
		"CLIENT_ID=3b2f1c9e-7a44-4b1c-9c55-0f6a5d1e2c3b", "CLIENT_SECRET=canary-7c1f", "AUTHORITY=https://login.invalid/" + someTenant,
		"BASE_URL=https://patdesk.example", "SHUTDOWN_DELAY=0s", "SESSION_DIR=" + filepath.Join(dir, "sessions"),
	}, more...)
}

const someTenant = "11111111-2222-3333-4444-555555555555"

// shortFolder has a path that is short enough for sockets.
func shortFolder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "s") //nolint:usetesting // see above
	testkit.Must(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// once runs the program to its end.
func once(t *testing.T, dir string, env []string, args ...string) (code int, output string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), testkit.Program(t), args...)
	cmd.Dir, cmd.Env = dir, env
	out, _ := cmd.CombinedOutput() // the exit code says it
	return cmd.ProcessState.ExitCode(), string(out)
}

// A Unix socket is listened on by one process, asked by -healthcheck and -check, replaced when its process was killed,
// and gone after an orderly stop.
func TestUnixSocket(t *testing.T) {
	t.Parallel()
	dir := shortFolder(t)
	path := filepath.Join(dir, "p.sock")
	env := aloneEnv(dir, "LISTEN_ADDRESS=unix:"+path)
	health := func() int { code, _ := once(t, dir, env, "-healthcheck"); return code }
	wantCheck := func(want int, words string) {
		t.Helper()
		if code, out := once(t, dir, env, "-check", "-offline"); code != want || !strings.Contains(strings.Join(strings.Fields(out), " "), words) {
			t.Errorf("-check ended with %d, without %q:\n%s", code, words, out)
		}
	}
	if health() != 1 {
		t.Error("healthy before the start")
	}
	wantCheck(0, "LISTEN_ADDRESS ok unix:"+path+" is free.")
	first := apptest.StartBinary(t, dir, env...)
	first.WaitFor("msg=serving address=unix:" + path)
	if health() != 0 {
		t.Errorf("not healthy:\n%s", first.Log)
	}
	wantCheck(0, "A patdesk that is running has unix:"+path)
	if code, out := once(t, dir, env); code != 1 || !strings.Contains(out, "unix:"+path+" is taken by another program") {
		t.Errorf("the second ended with %d:\n%s", code, out)
	}
	testkit.Must(t, first.Cmd.Process.Kill())
	<-first.Done
	if _, err := os.Lstat(path); err != nil || health() != 1 {
		t.Errorf("after the kill: %v, healthy %v", err, health() == 0)
	}
	second := apptest.StartBinary(t, dir, env...)
	second.WaitFor("msg=serving")
	second.Terminate()
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Errorf("after the stop: %v", err)
	}
	testkit.Must(t, os.WriteFile(path, []byte("canary"), 0o600))
	wantCheck(1, "isn't a socket")
	if code, out := once(t, dir, env); code != 2 || !strings.Contains(out, "isn't a socket") {
		t.Errorf("where a file is it ended with %d:\n%s", code, out)
	}
	env = aloneEnv(dir, "LISTEN_ADDRESS=unix:"+filepath.Join(dir, "none", "p.sock"))
	wantCheck(1, "is in a folder that doesn't exist. Make the folder")
}

// activated is a process that was started as systemd starts one for a socket, which outlives it.
func activated(t *testing.T, dir string, sockets []*os.File, names string, env ...string) *apptest.Process {
	t.Helper()
	return apptest.StartWith(t, func(cmd *exec.Cmd) {
		cmd.Path, cmd.Args = "/bin/sh", []string{"sh", "-c", `LISTEN_PID=$$ exec "$0"`, testkit.Program(t)}
		cmd.Dir, cmd.ExtraFiles = dir, sockets
		cmd.Env = append(env, fmt.Sprintf("LISTEN_FDS=%d", len(sockets)), "LISTEN_FDNAMES="+names)
	})
}

func fileOf(t *testing.T, l net.Listener) *os.File {
	t.Helper()
	filed, ok := l.(interface{ File() (*os.File, error) })
	if !ok {
		t.Fatalf("a %T has no file", l)
	}
	f, err := filed.File()
	testkit.Must(t, err)
	t.Cleanup(func() { f.Close() })
	return f
}

// Sockets that systemd hands over count as the addresses of the settings, with all that they demand.
func TestSocketsOfSystemd(t *testing.T) {
	t.Parallel()
	dir := shortFolder(t)
	people, err := net.Listen("unix", filepath.Join(dir, "p.sock"))
	testkit.Must(t, err)
	defer people.Close()
	metrics, err := net.Listen("tcp", "127.0.0.1:0")
	testkit.Must(t, err)
	defer metrics.Close()
	both := []*os.File{fileOf(t, metrics), fileOf(t, people)}
	p := activated(t, dir, both, "metrics:patdesk.socket", aloneEnv(dir)...)
	p.WaitFor("msg=serving address=unix:" + people.Addr().String())
	if _, body := apptest.Scrape(t, http.MethodGet, "http://"+metrics.Addr().String()+"/metrics"); !strings.Contains(body, "patdesk_build_info{") {
		t.Errorf("no metrics:\n%s", p.Log)
	}
	p.Terminate()
	if _, err := os.Lstat(people.Addr().String()); err != nil {
		t.Errorf("it has removed systemd's socket: %v", err)
	}
	for words, c := range map[string]struct {
		names string
		drop  string
	}{
		"LISTEN_FDS hands over sockets that patdesk can't use: there are several": {"a.socket:b.socket", ""},
		"BASE_URL is not set, although LISTEN_ADDRESS is a Unix socket":           {"metrics:patdesk.socket", "BASE_URL="},
	} {
		env := slices.DeleteFunc(aloneEnv(dir), func(s string) bool { return c.drop != "" && strings.HasPrefix(s, c.drop) })
		p := activated(t, dir, both, c.names, env...)
		<-p.Done
		if code := p.Cmd.ProcessState.ExitCode(); code != 2 || !strings.Contains(p.Log.String(), words) {
			t.Errorf("%d without %q:\n%s", code, words, p.Log)
		}
	}
}

// With socket activation a restart under load loses no connection: who comes in between waits for the new process.
func TestSocketActivationLosesNoConnection(t *testing.T) {
	t.Parallel()
	for _, network := range []string{"unix", "tcp"} {
		t.Run(network, func(t *testing.T) {
			t.Parallel()
			dir, address := shortFolder(t), "127.0.0.1:0"
			if network == "unix" {
				address = filepath.Join(dir, "p.sock")
			}
			listener, err := net.Listen(network, address)
			testkit.Must(t, err)
			defer listener.Close()
			sockets := []*os.File{fileOf(t, listener)}
			env := aloneEnv(dir, "SHUTDOWN_DELAY=300ms")
			start := func() *apptest.Process { return activated(t, dir, sockets, "patdesk.socket", env...) }
			l := &connecting{network: network, address: listener.Addr().String()}
			running := start()
			l.begin(t)
			for range 3 {
				l.more(t, 100)
				running.Terminate() // the socket has nobody now, as while systemd restarts
				running = start()
			}
			l.more(t, 100)
			done, failed := l.end()
			t.Logf("%d requests over three restarts, %d failed", done, len(failed))
			if len(failed) > 0 {
				t.Errorf("%q\n%s", failed[:min(5, len(failed))], running.Log)
			}
		})
	}
}

// connecting is a load of requests, none of which is ever tried again: half over new connections, half over ones that
// are kept open as long as the server says.
type connecting struct {
	network, address string
	done             atomic.Int64
	all              sync.WaitGroup
	stop             context.CancelFunc
	mu               sync.Mutex
	failed           []string
}

func (l *connecting) begin(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	l.stop = stop
	for i := range 4 {
		l.all.Go(func() {
			for ctx.Err() == nil {
				l.connection(ctx, i%2 == 0)
			}
		})
	}
}

func (l *connecting) connection(ctx context.Context, keep bool) {
	c, err := net.Dial(l.network, l.address)
	if err != nil {
		l.fail(err)
		return
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	in := bufio.NewReader(c)
	for n := 0; ctx.Err() == nil; n++ {
		last := "close"
		if keep {
			last = "keep-alive"
		}
		_, err := fmt.Fprintf(c, "GET /robots.txt HTTP/1.1\r\nHost: patdesk.example\r\nConnection: %s\r\n\r\n", last)
		if err != nil {
			l.fail(err)
			return
		}
		answer, err := http.ReadResponse(in, nil)
		if err == nil {
			_, err = io.Copy(io.Discard, answer.Body)
		}
		if err != nil || answer.StatusCode != http.StatusOK {
			l.fail(fmt.Errorf("keep %v, request %d: %w %+v", keep, n, err, answer))
			return
		}
		l.done.Add(1)
		if !keep || answer.Close {
			return
		}
	}
}

func (l *connecting) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failed = append(l.failed, err.Error())
}

// more waits until n more requests have been answered.
func (l *connecting) more(t *testing.T, n int64) {
	t.Helper()
	from := l.done.Load()
	testkit.Until(t, "more requests", func() bool { return l.done.Load() >= from+n })
}

func (l *connecting) end() (done int64, failed []string) {
	l.stop()
	l.all.Wait()
	return l.done.Load(), l.failed
}

// systemd is told when patdesk serves, reads its settings again, is alive, can't use its store, and stops.
func TestNotifiesSystemd(t *testing.T) {
	t.Parallel()
	dir := shortFolder(t)
	manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(dir, "notify"), Net: "unixgram"})
	testkit.Must(t, err)
	defer manager.Close()
	testkit.Must(t, manager.SetReadDeadline(time.Now().Add(time.Minute)))
	next := func() string {
		t.Helper()
		buffer := make([]byte, 4096)
		n, err := manager.Read(buffer)
		testkit.Must(t, err)
		return string(buffer[:n])
	}
	want := func(pattern string) {
		t.Helper()
		for {
			said := next()
			if said == "WATCHDOG=1" {
				continue
			}
			if !regexp.MustCompile(`^` + pattern + `$`).MatchString(said) {
				t.Errorf("%q isn't %q", said, pattern)
			}
			return
		}
	}
	level := filepath.Join(dir, ".env")
	p := apptest.StartBinary(t, dir, aloneEnv(dir, "LISTEN_ADDRESS=localhost:"+freeport.Port(t), "NOTIFY_SOCKET="+filepath.Join(dir, "notify"), "WATCHDOG_USEC=200000")...)
	want("READY=1\nSTATUS=Serving https://patdesk.example")
	p.WaitFor("msg=serving")
	for _, c := range [][2]string{{"debug", ""}, {"loud", "; the settings were not reloaded, the log says why"}, {"info", ""}} {
		testkit.Must(t, os.WriteFile(level, []byte("LOG_LEVEL="+c[0]+"\n"), 0o600))
		testkit.Must(t, p.Cmd.Process.Signal(syscall.SIGHUP))
		want(`RELOADING=1\nMONOTONIC_USEC=[0-9]+\nSTATUS=Reading the settings again`)
		want("READY=1\nSTATUS=Serving https://patdesk.example" + c[1])
	}
	for said := ""; said != "WATCHDOG=1"; {
		said = next()
	}
	sessions := filepath.Join(dir, "sessions")
	testkit.Must(t, os.Rename(sessions, sessions+"-away"))
	testkit.Must(t, os.WriteFile(sessions, nil, 0o600))
	want("STATUS=Serving https://patdesk.example; not ready: the session store can't be read and written")
	testkit.Must(t, os.Remove(sessions))
	testkit.Must(t, os.Rename(sessions+"-away", sessions))
	want("STATUS=Serving https://patdesk.example")
	p.Terminate()
	want("STOPPING=1\nSTATUS=Stopping: what is in flight may finish, for 1m15s at most")
}

// With LOG_FORMAT=json every line is a record, whatever happens, and the exit codes are those of docs/operations.md.
func TestAllOutputIsJSON(t *testing.T) {
	t.Parallel()
	dir := shortFolder(t)
	env := aloneEnv(dir, "LOG_FORMAT=json", "LISTEN_ADDRESS=localhost:"+freeport.Port(t))
	wantJSON := func(what, output string) {
		t.Helper()
		for line := range strings.Lines(output) {
			var record struct{ Time, Level, Msg string }
			if err := json.Unmarshal([]byte(line), &record); err != nil || record.Time == "" || record.Level == "" || record.Msg == "" {
				t.Errorf("%s: %v: %s", what, err, line)
			}
		}
		if output == "" {
			t.Errorf("%s says nothing", what)
		}
	}
	for what, c := range map[string]struct {
		args []string
		env  string
		code int
	}{
		"a flag that isn't there":     {[]string{"-none"}, "", 2},
		"an argument":                 {[]string{"serve"}, "", 2},
		"flags that don't fit":        {[]string{"-offline"}, "", 2},
		"wrong settings":              {nil, "CLIENT_ID=", 2},
		"an address of another":       {nil, "LISTEN_ADDRESS=192.0.2.1:5000", 2},
		"nothing to ask":              {[]string{"-healthcheck"}, "", 1},
		"no address to ask":           {[]string{"-healthcheck"}, "LISTEN_ADDRESS=localhost", 2},
		"a demo beside real settings": {[]string{"-demo"}, "", 2},
	} {
		code, output := once(t, dir, append(slices.Clone(env), c.env), c.args...)
		if wantJSON(what, output); code != c.code {
			t.Errorf("%s ended with %d:\n%s", what, code, output)
		}
	}
	p := apptest.StartBinary(t, dir, env...)
	p.WaitFor(`"msg":"serving"`)
	testkit.Must(t, p.Cmd.Process.Signal(syscall.SIGHUP))
	p.WaitFor("settings were reloaded")
	p.Terminate()
	wantJSON("serving", p.Log.String())
	demo := apptest.StartWith(t, func(cmd *exec.Cmd) {
		cmd.Path, cmd.Args = testkit.Program(t), []string{"patdesk", "-demo"}
		cmd.Dir, cmd.Env = t.TempDir(), []string{"LOG_FORMAT=json", "LISTEN_ADDRESS=localhost:0"}
	})
	demo.WaitFor("Nothing real is touched")
	demo.Terminate()
	wantJSON("a demo", demo.Log.String())
}
