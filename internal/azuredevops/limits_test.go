package azuredevops_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/patdesk/patdesk/internal/azuredevops"
)

const short = 300 * time.Millisecond

// Each limit on time is hit on its own, and says whether a change may have been carried out.
func TestTimeLimits(t *testing.T) {
	never := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	headerOnly := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"patToken":`)
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}
	drip := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		drop := time.NewTicker(5 * time.Millisecond)
		defer drop.Stop()
		for {
			select {
			case <-drop.C:
				_, _ = io.WriteString(w, " ")
				_ = http.NewResponseController(w).Flush()
			case <-r.Context().Done():
				return
			}
		}
	}
	canceled := func() context.Context {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		return ctx
	}
	for name, test := range map[string]struct {
		handler http.HandlerFunc
		options azuredevops.Options
		ctx     func() context.Context
		kind    azuredevops.Kind
		unknown bool
	}{
		"whole call, header":  {never, azuredevops.Options{Timeout: short, ChangeTimeout: short}, context.Background, "timeout", true},
		"whole call, body":    {headerOnly, azuredevops.Options{Timeout: short, ChangeTimeout: short}, context.Background, "timeout", true},
		"whole call, drip":    {drip, azuredevops.Options{Timeout: short, ChangeTimeout: short}, context.Background, "timeout", true},
		"given up beforehand": {never, azuredevops.Options{}, canceled, "canceled", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, test.options, test.handler)
			_, err := s.caller.List(test.ctx(), org, azuredevops.Active)
			if e := failure(t, err); e.Kind != test.kind {
				t.Errorf("list: %+v", *e)
			}
			_, _, err = s.caller.Create(test.ctx(), org, wanted)
			if e := failure(t, err); e.Kind != test.kind || e.Unknown != test.unknown {
				t.Errorf("create: %+v", *e)
			}
			if n := len(s.requests(http.MethodPost)); n > 1 {
				t.Errorf("create was sent %d times", n)
			}
		})
	}
}

// A caller that goes away while the answer is awaited leaves an unknown outcome.
func TestCallerGoesAway(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	s := serve(t, azuredevops.Options{}, func(_ http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	})
	_, _, err := s.caller.Create(ctx, org, wanted)
	if e := failure(t, err); e.Kind != azuredevops.KindCanceled || !e.Unknown {
		t.Errorf("got %+v", *e)
	}
}

// Without a connection nothing was done, for sure.
func TestNoConnection(t *testing.T) {
	t.Parallel()
	silent := listen(t, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })
	notTLS := listen(t, func(c net.Conn) { _, _ = io.WriteString(c, "HTTP/1.1 400 Bad Request\r\n\r\n"); _ = c.Close() })
	_, closed := bound(t)
	untrusted, _ := secureServer(t)
	type options = azuredevops.Options
	for name, test := range map[string]struct {
		options options
		kind    azuredevops.Kind
	}{
		"refused":                 {options{Endpoint: "http://" + closed}, "connection"},
		"no such host":            {options{Endpoint: "https://host.invalid"}, "connection"},
		"TLS handshake hangs":     {options{Endpoint: "https://" + silent, Timeout: short, ChangeTimeout: short}, "timeout"},
		"no TLS there":            {options{Endpoint: "https://" + notTLS}, "tls"},
		"certificate not trusted": {options{Endpoint: untrusted.URL}, "tls"},
		"connecting hangs":        {options{Endpoint: "http://" + fullListener(t), Timeout: short, ChangeTimeout: short}, "timeout"},
		"no way of ours":          {options{Endpoint: "ftp://" + closed}, "connection"},
	} {
		t.Run(name, func(t *testing.T) {
			test.options.Sleep = newClock().Sleep
			client := azuredevops.New(test.options)
			_, _, err := client.As(me, signedIn).Create(t.Context(), org, wanted)
			if e := failure(t, err); e.Kind != test.kind || e.Unknown || e.Status != 0 {
				t.Errorf("create: %+v", *e)
			}
			_, err = client.As(me, signedIn).Get(t.Context(), org, id)
			if e := failure(t, err); e.Kind != test.kind {
				t.Errorf("get: %+v", *e)
			}
		})
	}
}

// secureServer has a certificate that nobody trusts, and lists no tokens. It counts its connections.
func secureServer(t *testing.T) (s *httptest.Server, connections *atomic.Int32) {
	t.Helper()
	connections = new(atomic.Int32)
	s = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor != 1 {
			t.Errorf("%s shares connections", r.Proto)
		}
		emptyList.ServeHTTP(w, r)
	}))
	s.EnableHTTP2 = true
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	s.StartTLS()
	t.Cleanup(s.Close)
	return s, connections
}

// listen serves each connection with serve until the test ends, and returns the address.
func listen(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go serve(c)
		}
	}()
	return l.Addr().String()
}

// connection is the key under which a connection's requests are counted.
type connection struct{}

// opaque hides that there is an http.Transport inside, and holds that no change comes with what is needed to send it
// again.
type opaque struct {
	t *testing.T
	http.RoundTripper
}

func (o opaque) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.GetBody != nil {
		o.t.Errorf("%s has GetBody", r.Method)
	}
	return o.RoundTripper.RoundTrip(r)
}

// A connection that was kept alive and is dead by the next request: a read finds its way, a change is not sent twice
// and says what is known of it.
func TestDeadKeptAliveConnection(t *testing.T) {
	for name, test := range map[string]struct {
		transport http.RoundTripper
		unknown   bool
	}{
		"own transport":            {nil, false},
		"transport lent":           {&http.Transport{}, false},
		"transport lent, in cover": {opaque{t, &http.Transport{}}, true},
	} {
		t.Run(name, func(t *testing.T) {
			var posts atomic.Int32
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				if r.Method == http.MethodPost {
					posts.Add(1)
				}
				if n, ok := r.Context().Value(connection{}).(*atomic.Int32); !ok || n.Add(1) > 1 {
					panic(http.ErrAbortHandler) // any second request of a connection finds it dead
				}
				ok(resultJSON(id, `"`+secret+`"`)).ServeHTTP(w, r)
			}))
			server.Config.ConnContext = func(ctx context.Context, _ net.Conn) context.Context {
				return context.WithValue(ctx, connection{}, new(atomic.Int32))
			}
			server.Start()
			t.Cleanup(server.Close)
			o := azuredevops.Options{Endpoint: server.URL, Sleep: newClock().Sleep}
			if test.transport != nil {
				o.HTTPClient = &http.Client{Transport: test.transport}
			}
			caller := azuredevops.New(o).As(me, signedIn)
			for range 2 {
				if _, err := caller.Get(context.Background(), org, id); err != nil {
					t.Errorf("get: %v", err)
				}
			}
			_, got, err := caller.Create(context.Background(), org, wanted)
			if posts.Load() != 1 {
				t.Errorf("the create was sent %d times", posts.Load())
			}
			if !test.unknown && (err != nil || got != secret) {
				t.Errorf("create: %v", err)
			}
			if _, err := caller.Update(context.Background(), org, id, wanted); !test.unknown && err != nil {
				t.Errorf("update: %v", err)
			}
			if test.unknown {
				if e := failure(t, err); e.Kind != azuredevops.KindConnection || !e.Unknown {
					t.Errorf("create: %+v", *e)
				}
			}
		})
	}
}

// failing is a transport that never gets an answer.
type failing struct{ error }

func (f failing) RoundTrip(*http.Request) (*http.Response, error) { return nil, f.error }

// A transport that doesn't report connections: only an error of connecting says that nothing was sent.
func TestLentTransport(t *testing.T) {
	for name, test := range map[string]struct {
		err     error
		kind    azuredevops.Kind
		unknown bool
	}{
		"dialing":          {&net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}, "connection", false},
		"no such host":     {&net.DNSError{Err: "no such host"}, "connection", false},
		"not trusted":      {x509.UnknownAuthorityError{}, "tls", false},
		"reset":            {&net.OpError{Op: "read", Err: syscall.ECONNRESET}, "connection", true},
		"gone":             {&net.OpError{Op: "read", Err: os.NewSyscallError("read", syscall.ETIMEDOUT)}, "connection", true},
		"end":              {io.EOF, "connection", true},
		"with a quotation": {errors.New(`malformed HTTP response "` + secret + `"`), "connection", true},
	} {
		client := azuredevops.New(azuredevops.Options{HTTPClient: &http.Client{Transport: failing{test.err}}})
		if e := failure(t, create(wanted)(client.As(me, signedIn))); e.Kind != test.kind || e.Unknown != test.unknown {
			t.Errorf("%s: %+v", name, *e)
		}
	}
}

// Bodies of any length cost little memory. What is allocated altogether, the test's own service included, is more than
// what is held at any time.
func TestMemory(t *testing.T) {
	forever := func(piece string) func(http.ResponseWriter) {
		return func(w http.ResponseWriter) {
			block := []byte(strings.Repeat(piece, (32<<10)/len(piece)))
			for sent := int64(0); sent < 10<<30; sent += int64(len(block)) { // more than an int has on 32 bits
				if _, err := w.Write(block); err != nil {
					return
				}
			}
		}
	}
	bomb := func(w http.ResponseWriter) {
		w.Header().Set("Content-Encoding", "gzip")
		var block bytes.Buffer // a whole gzip file, which may be followed by others
		z := gzip.NewWriter(&block)
		_, _ = z.Write(make([]byte, 1<<20))
		_ = z.Close()
		for range 10 << 10 {
			if _, err := w.Write(block.Bytes()); err != nil {
				return
			}
		}
	}
	filled := func(start, piece, end string) func(http.ResponseWriter) {
		return func(w http.ResponseWriter) {
			block := []byte(strings.Repeat(piece, (32<<10)/len(piece)))
			_, _ = io.WriteString(w, start)
			for sent := 0; sent < 2<<20; sent += len(block) {
				_, _ = w.Write(block)
			}
			_, _ = io.WriteString(w, end)
		}
	}
	declared := func(w http.ResponseWriter) { w.Header().Set("Content-Length", "10737418240"); forever(" ")(w) }
	status := func(code int, f func(http.ResponseWriter)) func(http.ResponseWriter) {
		return func(w http.ResponseWriter) { w.WriteHeader(code); f(w) }
	}
	for name, test := range map[string]struct {
		body func(http.ResponseWriter)
		kind azuredevops.Kind
	}{
		"10 GB":                      {forever(" "), "tooLarge"},
		"10 GB, declared":            {declared, "tooLarge"},
		"10 GB from 10 MB of gzip":   {bomb, "tooLarge"},
		"10 GB with a 404":           {status(404, forever("<p>")), "organization"},
		"10 GB with a 500":           {status(500, forever("x")), "server"},
		"10 GB of HTML":              {func(w http.ResponseWriter) { w.Header().Set("Content-Type", "text/html"); forever("<p>")(w) }, "intermediary"},
		"millions of empty tokens":   {filled(`{"patTokens":[{}`, ",{}", "]}"), "notUnderstood"},
		"millions of scopes":         {filled(`{"patTokens":[{"authorizationId":"a","scope":"`, "a ", `"}]}`), ""},
		"millions of organizations":  {filled(`{"patTokens":[{"targetAccounts":[""`, `,""`, `]}]}`), ""},
		"deep nesting":               {filled(`{"patTokens":`, "[", ""), "notUnderstood"},
		"deep nesting of value":      {filled("", `{"value":`, ""), "notUnderstood"},
		"millions of patTokenErrors": {filled(`{"patTokenError":{"a":[[]`, ",[]", "]}}"), "notUnderstood"},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, azuredevops.Options{}, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				test.body(w)
			})
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := s.caller.List(context.Background(), org, azuredevops.Active)
			runtime.ReadMemStats(&after)
			if test.kind == "" && err != nil || test.kind != "" && failure(t, err).Kind != test.kind {
				t.Errorf("got %v", err)
			}
			allocated := (after.TotalAlloc - before.TotalAlloc) >> 20
			most := uint64(20) // of an answer that is cut at 8 MB
			if test.kind == "" || test.kind == azuredevops.KindNotUnderstood {
				most = 6 // of 2 MB
			}
			if allocated >= most || allocated > 1 && name == "10 GB, declared" {
				t.Errorf("%d MB allocated, want less than %d, and next to nothing if the length is declared", allocated, most)
			}
		})
	}
}

// A smaller cap holds for what isn't a list, and a change that runs into it has an unknown outcome.
func TestCreateTooLarge(t *testing.T) {
	s := serve(t, azuredevops.Options{}, ok(`{"patToken":null`+strings.Repeat(" ", 1<<20)+`}`).ServeHTTP)
	_, _, err := s.caller.Create(context.Background(), org, wanted)
	if e := failure(t, err); e.Kind != azuredevops.KindTooLarge || !e.Unknown {
		t.Errorf("got %+v", *e)
	}
}

// All pages together are bounded as well.
func TestListTooLarge(t *testing.T) {
	t.Parallel()
	var n int
	padding := strings.Repeat(" ", 7<<20)
	s := serve(t, azuredevops.Options{}, func(w http.ResponseWriter, r *http.Request) {
		n++
		ok(`{"continuationToken":"`+strings.Repeat("x", n)+`","patTokens":[]`+padding+`}`).ServeHTTP(w, r)
	})
	_, err := s.caller.List(context.Background(), org, azuredevops.Active)
	if e := failure(t, err); e.Kind != azuredevops.KindTooLarge || n != 5 {
		t.Errorf("after %d pages: %+v", n, *e)
	}
}

// What isn't gzip though it says so, and what isn't HTTP.
func TestGarbledAnswers(t *testing.T) {
	s := serve(t, azuredevops.Options{}, reply{200, "Content-Encoding: gzip\n", "this is no gzip at all"}.ServeHTTP)
	_, _, err := s.caller.Create(context.Background(), org, wanted)
	if e := failure(t, err); e.Kind != azuredevops.KindNotUnderstood || !e.Unknown {
		t.Errorf("not gzip: %+v", *e)
	}
	address := listen(t, func(c net.Conn) {
		_, _ = c.Read(make([]byte, 4096))
		_, _ = io.WriteString(c, `{"token":"`+secret+`"}`+"\r\n\r\n")
		_ = c.Close()
	})
	_, _, err = azuredevops.New(azuredevops.Options{Endpoint: "http://" + address}).As(me, signedIn).Create(context.Background(), org, wanted)
	if e := failure(t, err); e.Kind != azuredevops.KindConnection || !e.Unknown {
		t.Errorf("not HTTP: %+v", *e)
	}
}

// Another host never hears from us, however it is named.
func TestBearerStaysHome(t *testing.T) {
	t.Parallel()
	var heard atomic.Int32
	canary := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { heard.Add(1) }))
	t.Cleanup(canary.Close)
	for _, status := range []int{300, 301, 302, 303, 307, 308} {
		for _, call := range every {
			s := serve(t, azuredevops.Options{HTTPClient: &http.Client{}}, reply{status, "Location: " + canary.URL + "/x\nRefresh: 0;url=" + canary.URL + "\n", ""}.ServeHTTP)
			_, err := calls[call](s.caller)
			if e := failure(t, err); e.Kind != azuredevops.KindSignIn || e.Unknown != isChange(call) {
				t.Errorf("%d to %s: %+v", status, call, *e)
			}
			s.Close()
		}
	}
	if n := heard.Load(); n != 0 {
		t.Errorf("the other host heard %d requests", n)
	}
}

// The environment's proxy and certificates are used. It is read once per process, hence the child.
func TestEnvironment(t *testing.T) {
	t.Parallel()
	var seen atomic.Value
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen.Store(r.URL.String())
		emptyList.ServeHTTP(w, r)
	}))
	t.Cleanup(proxy.Close)
	if got := child(t, "http://ado.example/base", "HTTP_PROXY="+proxy.URL); got != "0 tokens" {
		t.Errorf("through the proxy: %s", got)
	}
	if got, _ := seen.Load().(string); !strings.HasPrefix(got, "http://ado.example/base/"+org+"/_apis/tokens/pats?") {
		t.Errorf("the proxy was asked for %q", got)
	}

	secure, _ := secureServer(t)
	file := filepath.Join(t.TempDir(), "ca.pem")
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw})
	if err := os.WriteFile(file, certificate, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := child(t, secure.URL, "SSL_CERT_FILE="+file); got != "0 tokens" {
		t.Errorf("with its certificate: %s", got)
	}
	if got := child(t, secure.URL, "SSL_CERT_FILE="); got != "tls" {
		t.Errorf("without its certificate: %s", got)
	}
}

// child lists tokens in a process of its own and returns what came of it.
func child(t *testing.T, endpoint, setting string) string {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command(program)
	command.Env = append(os.Environ(), childEndpoint+"="+endpoint, setting)
	output, err := command.Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(output)
}
