package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/patdesk/patdesk/internal/freeport"
	"github.com/patdesk/patdesk/internal/session/redisstore/redistest"
	"github.com/patdesk/patdesk/internal/testkit"
	"github.com/patdesk/patdesk/internal/webtest"
)

// runOnce runs the program to its end.
func runOnce(t *testing.T, env map[string]string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	t.Chdir(t.TempDir())
	var out, errs strings.Builder
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	code = run(ctx, args, func(name string) string { return env[name] }, &out, &errs)
	return code, out.String(), errs.String()
}

func TestVersion(t *testing.T) {
	code, out, _ := runOnce(t, nil, "-version")
	if code != exitOK || !strings.HasPrefix(out, "patdesk ") {
		t.Errorf("%d %q", code, out)
	}
}

func TestMisuse(t *testing.T) {
	for _, args := range [][]string{{"-no-such-flag"}, {"serve"}, {"-offline"}, {"-pseudo"}, {"-container"}, {"-credential"}, {"-check", "-offline", "-credential"}} {
		if code, _, stderr := runOnce(t, nil, args...); code != exitMisused || stderr == "" {
			t.Errorf("%v: %d %q", args, code, stderr)
		}
	}
	if code, _, stderr := runOnce(t, nil, "-h"); code != exitOK || !strings.Contains(stderr, "-demo") {
		t.Errorf("-h: %d %q", code, stderr)
	}
}

// Every fault stands in one list, and none of them tells a secret.
func TestAllFaultsAtOnce(t *testing.T) {
	env := map[string]string{
		"CLIENT_SECRET": "canary-7c1f", "CLIENT_CERTIFICATE_FILE": "/nonexistent/app.pem", "AUTHORITY": "http://login.microsoftonline.com/common",
		"REDIRECT_PATH": "getAToken", "SESSION_TYPE": "cookie", "LISTEN_ADDRESS": "0.0.0.0:5000",
	}
	for _, args := range [][]string{nil, {"-check"}} {
		code, out, stderr := runOnce(t, env, args...)
		if code != exitMisused {
			t.Errorf("%v: ended with %d", args, code)
		}
		for _, name := range []string{"CLIENT_ID", "CLIENT_SECRET", "CLIENT_CERTIFICATE_FILE", "AUTHORITY", "REDIRECT_PATH", "SESSION_TYPE", "LISTEN_ADDRESS"} {
			if !strings.Contains(stderr, name) {
				t.Errorf("%v: nothing is said of %s:\n%s", args, name, stderr)
			}
		}
		if strings.Contains(out+stderr, "canary-7c1f") {
			t.Errorf("%v: the secret is told:\n%s%s", args, out, stderr)
		}
	}
}

// What only other packages can judge is in the same list: the certificate, Redis's certificates, a path of our own.
func TestAllKindsOfFaultsAtOnce(t *testing.T) {
	write := func(content string) string {
		path := filepath.Join(t.TempDir(), "file")
		testkit.Must(t, os.WriteFile(path, []byte(content), 0o600))
		return path
	}
	env := map[string]string{
		"CLIENT_CERTIFICATE_FILE": write("canary"), "REDIRECT_PATH": "/calendar", "SESSION_TYPE": "redis", "REDIS_URL": "rediss://redis?ca=" + write("canary"),
	}
	code, out, stderr := runOnce(t, env)
	for _, words := range []string{
		"5 settings have to be mended", "CLIENT_ID is not set", "CLIENT_CERTIFICATE_FILE can't be used: it is neither PEM nor PFX",
		"REDIRECT_PATH is in the way of patdesk's own /calendar", "SESSION_KEYS is not set", "REDIS_URL names a file in ca that holds no certificate",
	} {
		if !strings.Contains(stderr, words) {
			t.Errorf("nothing is said of %s", words)
		}
	}
	if code != exitMisused || strings.Contains(out+stderr, "canary") || t.Failed() {
		t.Errorf("%d\n%s", code, stderr)
	}
}

// A file that isn't there is one fault, not also one of what it should hold.
func TestMissingFilesAreOneFaultEach(t *testing.T) {
	code, _, stderr := runOnce(t, map[string]string{
		"CLIENT_ID": "3b2f1c9e-7a44-4b1c-9c55-0f6a5d1e2c3b", "CLIENT_CERTIFICATE_FILE": "/nonexistent/client.pem",
		"SESSION_TYPE": "redis", "REDIS_URL": "rediss://redis?ca=/nonexistent/ca.pem", "SESSION_KEYS": strings.Repeat("0a", 16) + strings.Repeat("1b", 16),
	})
	if code != exitMisused || !strings.Contains(stderr, "2 settings have to be mended") {
		t.Errorf("%d\n%s", code, stderr)
	}
}

// No page of ours can be the redirect path, whatever the case; others can, also those that only look alike.
func TestRedirectPathAmongTheRoutes(t *testing.T) {
	port := freeport.Port(t)
	env := map[string]string{"CLIENT_ID": "3b2f1c9e-7a44-4b1c-9c55-0f6a5d1e2c3b", "CLIENT_SECRET": "canary-7c1f", "LISTEN_ADDRESS": "localhost:" + port}
	for _, taken := range []string{
		"/calendar", "/bulk", "/bulk/x", "/Calendar/back", "/tokens", "/Tokens/new", "/overview", "/overview.csv", "/sign-in", "/sign-in/start", "/sign-out",
		"/global-tokens", "/organizations", "/operations", "/operations/x", "/changes", "/sessions", "/scopes", "/static", "/static/app.css", "/healthz", "/readyz",
		"/favicon.ico", "/robots.txt",
	} {
		env["REDIRECT_PATH"] = taken
		if code, _, stderr := runOnce(t, env, "-check", "-offline"); code != exitMisused || !strings.Contains(stderr, "REDIRECT_PATH is in the way of patdesk's own /") {
			t.Errorf("%s: %d\n%s", taken, code, stderr)
		}
	}
	for _, free := range []string{"/getAToken", "/auth/callback", "/signin-oidc", "/calendars", "/my/tokens", "/.auth/login/aad/callback"} {
		env["REDIRECT_PATH"] = free
		if code, out, stderr := runOnce(t, env, "-check", "-offline"); code != exitOK || !strings.Contains(out, "http://localhost:"+port+free) {
			t.Errorf("%s: %d\n%s", free, code, stderr)
		}
	}
}

// What starting again wouldn't mend ends with 2; what may be over by then with 1.
func TestExitCodes(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	testkit.Must(t, err)
	defer taken.Close()
	open := filepath.Join(t.TempDir(), "open")
	testkit.Must(t, os.Mkdir(open, 0o700))
	testkit.Must(t, os.Chmod(open, 0o777))
	password := redistest.Start(t, "--requirepass", "the-right-one").Addr
	for name, c := range map[string]struct {
		set   map[string]string
		code  int
		words string
	}{
		"a port that is taken":           {map[string]string{"LISTEN_ADDRESS": taken.Addr().String()}, exitFailed, "is taken by another program"},
		"metrics' port is taken":         {map[string]string{"METRICS_ADDRESS": taken.Addr().String()}, exitFailed, "is taken by another program"},
		"another machine's address":      {map[string]string{"LISTEN_ADDRESS": "192.0.2.1:0", "BASE_URL": "https://p.example"}, exitMisused, "LISTEN_ADDRESS can't be listened on: 192.0.2.1:0 is not an address of this machine"},
		"metrics at another's address":   {map[string]string{"METRICS_ADDRESS": "192.0.2.1:0"}, exitMisused, "METRICS_ADDRESS can't be listened on"},
		"a name that isn't known":        {map[string]string{"LISTEN_ADDRESS": "no.such.invalid:0", "BASE_URL": "https://p.example"}, exitMisused, "LISTEN_ADDRESS can't be listened on"},
		"a folder that is open":          {map[string]string{"SESSION_DIR": open}, exitMisused, "SESSION_DIR can't be used: others can write"},
		"a folder below a file":          {map[string]string{"SESSION_DIR": "/dev/null/sessions"}, exitMisused, "SESSION_DIR"},
		"Redis wants another password":   {map[string]string{"SESSION_TYPE": "redis", "REDIS_URL": "redis://:wrong-one@" + password, "SESSION_KEYS": sessionKey}, exitMisused, "REDIS_URL leads to a Redis that can't be used"},
		"Redis wants a password":         {map[string]string{"SESSION_TYPE": "redis", "REDIS_URL": "redis://" + password, "SESSION_KEYS": sessionKey}, exitMisused, "It refuses user and password"},
		"a certificate that is none":     {map[string]string{"CLIENT_SECRET": "", "CLIENT_CERTIFICATE_FILE": "/etc/hostname"}, exitMisused, "CLIENT_CERTIFICATE_FILE can't be used"},
		"a certificate that has expired": {map[string]string{"CLIENT_SECRET": "", "CLIENT_CERTIFICATE_FILE": expired(t)}, exitMisused, "it expired on"},
	} {
		for _, form := range []string{"text", "json"} {
			env := map[string]string{"CLIENT_ID": "3b2f1c9e-7a44-4b1c-9c55-0f6a5d1e2c3b", "CLIENT_SECRET": "canary-7c1f", "LISTEN_ADDRESS": "localhost:0", "LOG_FORMAT": form}
			maps.Copy(env, c.set)
			code, _, stderr := runOnce(t, env)
			words := c.words
			if form == "json" { // the setting has a field of its own
				words = regexp.MustCompile("^[A-Z_]{5,} ").ReplaceAllString(words, "")
			}
			if code != c.code || !strings.Contains(stderr, words) || !strings.Contains(stderr, "patdesk can't start") || strings.Contains(stderr, "wrong-one") {
				t.Errorf("%s, %s: %d\n%s", name, form, code, stderr)
			}
			for line := range strings.Lines(stderr) {
				if form == "json" && !json.Valid([]byte(line)) {
					t.Errorf("%s: no JSON: %s", name, line)
				}
			}
		}
	}
}

const sessionKey = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="

func expired(t *testing.T) string {
	t.Helper()
	key, certificate := testkit.NewCertificate(t, -time.Hour)
	path := filepath.Join(t.TempDir(), "app.pem")
	testkit.Must(t, os.WriteFile(path, []byte(testkit.PEM(t, key, certificate)), 0o600))
	return path
}

// With LOG_FORMAT=json each fault is a record: its setting, what is wrong, what to do.
func TestFaultsAsJSON(t *testing.T) {
	code, _, stderr := runOnce(t, map[string]string{"LOG_FORMAT": "json", "CLIENT_ID": "a b", "AUTHORITY": "http://x/y"})
	var settings []string
	for line := range strings.Lines(stderr) {
		var record struct{ Level, Msg, Setting, Problem, Fix string }
		testkit.Must(t, json.Unmarshal([]byte(line), &record))
		if record.Level != "ERROR" || record.Msg != "patdesk can't start" || record.Problem == "" || record.Fix == "" {
			t.Errorf("%+v", record)
		}
		settings = append(settings, record.Setting)
	}
	if code != exitMisused || !slices.Equal(settings, []string{"CLIENT_ID", "CLIENT_SECRET", "AUTHORITY"}) {
		t.Errorf("%d %q", code, settings)
	}
}

func TestCheck(t *testing.T) {
	port := freeport.Port(t)
	env := map[string]string{"CLIENT_ID": "3b2f1c9e-7a44-4b1c-9c55-0f6a5d1e2c3b", "CLIENT_SECRET": "canary-7c1f", "LISTEN_ADDRESS": "localhost:" + port}
	code, out, stderr := runOnce(t, env, "-check", "-offline")
	if code != exitOK || !strings.Contains(out, "http://localhost:"+port+"/getAToken") || strings.Contains(out+stderr, "canary") {
		t.Errorf("%d\n%s%s", code, out, stderr)
	}
}

func TestTakenPort(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	code, _, stderr := runOnce(t, nil, "-demo", "-listen", taken.Addr().String())
	if code != exitFailed || !strings.Contains(stderr, taken.Addr().String()+" is taken") || !strings.Contains(stderr, "-listen") {
		t.Errorf("%d %s", code, stderr)
	}
}

func TestDemoRefusesRealCredentialsAndOpenAddresses(t *testing.T) {
	code, _, stderr := runOnce(t, map[string]string{"CLIENT_SECRET": "canary-7c1f"}, "-demo")
	if code != exitMisused || !strings.Contains(stderr, "CLIENT_SECRET") || strings.Contains(stderr, "canary") {
		t.Errorf("%d %s", code, stderr)
	}
	code, _, stderr = runOnce(t, map[string]string{"CLIENT_SECRET": "canary-7c1f", "LOG_FORMAT": "json"}, "-demo")
	if code != exitMisused || !json.Valid([]byte(stderr)) || !strings.Contains(stderr, "patdesk can't start") || strings.Contains(stderr, "canary") {
		t.Errorf("%d %s", code, stderr)
	}
	code, _, stderr = runOnce(t, nil, "-demo", "-listen", "0.0.0.0:0")
	if code != exitMisused || !strings.Contains(stderr, "LISTEN_ADDRESS") || !strings.Contains(stderr, "-container") {
		t.Errorf("%d %s", code, stderr)
	}
	for _, name := range []string{"BASE_URL", "TRUSTED_PROXIES"} {
		if code, _, stderr := runOnce(t, map[string]string{name: "127.0.0.1"}, "-demo", "-container"); code != exitMisused || !strings.HasPrefix(stderr, name+" doesn't go with -container") {
			t.Errorf("%s: %d %s", name, code, stderr)
		}
	}
}

// startDemo runs the demo as a person does and returns the address that it says to open.
func startDemo(t *testing.T, args ...string) (address string, stop func() int) {
	t.Helper()
	return startDemoWith(t, nil, args...)
}

func startDemoWith(t *testing.T, env map[string]string, args ...string) (address string, stop func() int) {
	t.Helper()
	t.Chdir(t.TempDir())
	read, write := io.Pipe()
	ctx, cancel := context.WithCancel(context.Background())
	ended, log := make(chan int, 1), &testkit.Log{}
	go func() {
		ended <- run(ctx, append([]string{"-demo"}, args...), func(name string) string { return env[name] }, write, log)
		write.Close()
	}()
	lines := bufio.NewScanner(read)
	if !lines.Scan() {
		t.Fatalf("the demo says nothing:\n%s", log)
	}
	found := regexp.MustCompile(`open (http://\S+)`).FindStringSubmatch(lines.Text())
	if found == nil {
		t.Fatalf("no address in %q", lines.Text())
	}
	if !lines.Scan() || !strings.Contains(lines.Text(), "Nothing real is touched") {
		t.Errorf("second line: %q", lines.Text())
	}
	go io.Copy(io.Discard, read) //nolint:errcheck // ends with the program
	return found[1], func() int { cancel(); return <-ended }
}

func TestDemo(t *testing.T) {
	address, stop := startDemo(t, "-listen", "localhost:0")
	b := webtest.New(t, nil).Open(address)
	if !strings.Contains(b.Text(), "Demo") {
		t.Errorf("the start page isn't marked as a demo:\n%s", b.Text())
	}
	b.Click("Sign in").Press("Continue as Mona Rivera")
	if b.Status != http.StatusOK || b.Page.Find("tbody tr").Length() < 10 {
		t.Fatalf("%d %s\n%s", b.Status, b.URL, b.Text())
	}
	if !strings.Contains(b.Text(), "Demo") {
		t.Error("the list isn't marked as a demo")
	}
	b.Click("New token").Fill("Name", "try-out").Choose("Code", "Read").Press("Create token")
	if secret := strings.TrimSpace(b.Page.Find("#secret").Text()); !strings.Contains(secret, "FAKE") {
		t.Errorf("the secret doesn't say that it is a fake: %q", secret)
	}
	if code := stop(); code != exitOK {
		t.Errorf("ended with %d", code)
	}
}

// published leads to a port of this machine as the one of a container is published: under another port, to 127.0.0.1.
func published(t *testing.T, port string) (outside string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	testkit.Must(t, err)
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			from, err := listener.Accept()
			if err != nil {
				return
			}
			to, err := net.Dial("tcp", "127.0.0.1:"+port)
			if err != nil {
				from.Close()
				continue
			}
			go func() { io.Copy(to, from); to.Close() }()   //nolint:errcheck // ends with either side
			go func() { io.Copy(from, to); from.Close() }() //nolint:errcheck // the same
		}
	}()
	_, outside, _ = net.SplitHostPort(listener.Addr().String())
	return outside
}

// In a container the demo listens on all addresses and can't know at which port it is reached. All that a browser opens is
// there, the services' pages too, under this machine's names and no others; and only the data folder is written to.
func TestDemoInContainer(t *testing.T) {
	data := t.TempDir()
	t.Setenv("TMPDIR", data)
	address, stop := startDemoWith(t, map[string]string{"LISTEN_ADDRESS": "0.0.0.0:0", "SESSION_DIR": data + "/sessions"}, "-container")
	inside, err := url.Parse(address)
	testkit.Must(t, err)
	outside := published(t, inside.Port())
	for _, host := range []string{"127.0.0.1", "localhost"} {
		home := "http://" + host + ":" + outside
		b := webtest.New(t, nil).Open(home + "/")
		b.Click("Sign in").Press("Continue as Mona Rivera")
		if b.Status != http.StatusOK || b.URL.Scheme+"://"+b.URL.Host != home || b.Page.Find("tbody tr").Length() < 10 {
			t.Fatalf("signed in: %d %s\n%s", b.Status, b.URL, b.Text())
		}
		b.Click("New token").Fill("Name", "try-out").Choose("Code", "Read").Press("Create token")
		if secret := b.Page.Find("#secret").Text(); b.URL.Host != host+":"+outside || !strings.Contains(secret, "FAKE") {
			t.Errorf("created: %d %s %q", b.Status, b.URL, secret)
		}
		if b.Press("I have saved it").Press("Sign out"); b.Status != http.StatusOK || b.URL.Host != host+":"+outside {
			t.Errorf("signed out: %d %s\n%s", b.Status, b.URL, b.Text())
		}
		if b.Open(home + "/simulator"); b.Status != http.StatusOK || !strings.Contains(b.Text(), "resetAfterDoing") || b.Page.Find(`a[href="`+home+`/"]`).Length() == 0 {
			t.Errorf("the panel: %d\n%s", b.Status, b.Text())
		}
	}
	for _, host := range []string{"evil.example", "evil.example:" + outside, "192.0.2.1:5000", "localhost.evil.example"} {
		for _, path := range []string{"/", "/sign-in/start", "/simulator", "/organizations/oauth2/v2.0/authorize"} {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1:"+outside+path, http.NoBody)
			testkit.Must(t, err)
			r.Host = host
			answer, err := http.DefaultTransport.RoundTrip(r)
			testkit.Must(t, err)
			answer.Body.Close()
			if answer.StatusCode != http.StatusMisdirectedRequest {
				t.Errorf("%s%s: %d", host, path, answer.StatusCode)
			}
		}
	}
	if code := stop(); code != exitOK {
		t.Errorf("ended with %d", code)
	}
	if left, err := os.ReadDir(data); err != nil || len(left) > 0 {
		t.Errorf("left in the data folder: %v %v", left, err)
	}
	if left, err := os.ReadDir("."); err != nil || len(left) > 0 {
		t.Errorf("left in the working folder: %v %v", left, err)
	}
}

// SIGHUP ends a demo in order: there is nothing that it could read again.
func TestHangupEndsADemo(t *testing.T) {
	address, stop := startDemo(t, "-listen", "localhost:0")
	self, err := os.FindProcess(os.Getpid())
	testkit.Must(t, err)
	testkit.Must(t, self.Signal(syscall.SIGHUP)) // unlike syscall.Kill, this builds on Windows too
	testkit.Until(t, "it listens no more", func() bool {
		c, err := net.Dial("tcp", strings.TrimPrefix(address, "http://"))
		if err == nil {
			c.Close()
		}
		return err != nil
	})
	if code := stop(); code != exitOK {
		t.Errorf("ended with %d", code)
	}
}

// Only a terminal is one: neither what looks like it, nor where a service writes.
func TestTerminals(t *testing.T) {
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	testkit.Must(t, err)
	defer null.Close()
	file, err := os.Create(filepath.Join(t.TempDir(), "log"))
	testkit.Must(t, err)
	defer file.Close()
	for name, w := range map[string]io.Writer{"null": null, "file": file, "none": io.Discard} {
		if isTerminal(w) {
			t.Errorf("%s is taken for a terminal", name)
		}
	}
	console, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	testkit.Must(t, err)
	defer console.Close()
	if !isTerminal(console) {
		t.Error("a terminal isn't known as one")
	}
}

// Behind proxies that only their headers would name, the demo still has an address that can be opened, and prints it.
func TestDemoWithTrustedProxies(t *testing.T) {
	address, stop := startDemoWith(t, map[string]string{"TRUSTED_PROXIES": "127.0.0.1"}, "-listen", "localhost:0")
	b := webtest.New(t, nil).Open(address)
	b.Click("Sign in").Press("Continue as Mona Rivera")
	if b.Status != http.StatusOK || !b.Has("button", "Sign out") {
		t.Errorf("%s: %d\n%s", b.URL, b.Status, b.Text())
	}
	if code := stop(); code != exitOK {
		t.Errorf("ended with %d", code)
	}
}

// A demo is for this machine only, its metrics too.
func TestDemoIsMeasuredHereOnly(t *testing.T) {
	t.Parallel()
	for _, address := range []string{":0", "0.0.0.0:0"} {
		var said testkit.Log
		env := map[string]string{"METRICS_ADDRESS": address, "LISTEN_ADDRESS": "localhost:0"}
		code := run(t.Context(), []string{"-demo"}, func(name string) string { return env[name] }, &said, &said)
		if code != exitMisused || !strings.Contains(said.String(), "METRICS_ADDRESS is "+address) {
			t.Errorf("%s: ended with %d:\n%s", address, code, &said)
		}
	}
}
