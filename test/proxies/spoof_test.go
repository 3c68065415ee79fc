package proxies

import (
	"bufio"
	"cmp"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/patdesk/patdesk/internal/proxytest"
	"github.com/patdesk/patdesk/internal/testkit"
	"github.com/patdesk/patdesk/internal/testkit/apptest"
	"github.com/patdesk/patdesk/internal/webtest"
)

const evil = "evil.example"

// spoofs are what a visitor may send to pass for somebody else, or to make patdesk believe that it is elsewhere.
func spoofs() []string {
	huge := strings.Repeat(evil+",", 500)
	return []string{
		"X-Forwarded-Host: " + evil, "X-Forwarded-Host: " + evil + ", patdesk.contoso.com", "X-Forwarded-Host: a\r\nX-Forwarded-Host: " + evil, "x-forwarded-host: " + evil + ":443", "X-Forwarded-Host: [2001:db8::1]:443",
		"X-Forwarded-Proto: http", "X-Forwarded-Proto: https, http", "X-Forwarded-Proto: http\r\nX-Forwarded-Proto: javascript", "X-Forwarded-Protocol: http", "X-Forwarded-Ssl: off", "Front-End-Https: off", "X-Url-Scheme: http", "X-Forwarded-Scheme: http",
		"X-Forwarded-Prefix: /" + evil, "X-Forwarded-Prefix: //" + evil, "X-Forwarded-Prefix: /pat, /" + evil, "X-Script-Name: /" + evil, "X-Forwarded-Path: /" + evil,
		"X-Forwarded-For: 1.2.3.4", "X-Forwarded-For: 127.0.0.1", "X-Forwarded-For: 1.2.3.4, 127.0.0.1\r\nX-Forwarded-For: 127.0.0.1", "X-Forwarded-For: [2001:db8::1]:80, unknown, \"_x\"", "X-Forwarded-For: ,,,", "X-Forwarded-For: " + huge, "X-Real-IP: 1.2.3.4", "X-Client-IP: 1.2.3.4", "True-Client-IP: 1.2.3.4", "CF-Connecting-IP: 1.2.3.4",
		"Forwarded: for=1.2.3.4;host=" + evil + ";proto=http", "Forwarded: for=\"[2001:db8::1]:80\";Host=\"" + evil + "\";PROTO=http, for=_x", "Forwarded: host=" + evil + "\r\nForwarded: proto=http", "Forwarded: ;;=,\"", "Forwarded: " + huge,
		"X-Original-URL: /sessions", "X-Rewrite-URL: /sessions", "X-Original-URI: /" + evil, "X-Original-Host: " + evil, "X-Host: " + evil, "X-Forwarded-Server: " + evil, "X-Forwarded-Port: 1", "X-HTTP-Host-Override: " + evil, "X_Forwarded_Host: " + evil,
		"X-HTTP-Method-Override: DELETE", "X-Request-ID: " + evil, "Via: 1.1 " + evil, "Referer: https://" + evil + "/",
		"Connection: keep-alive, X-Forwarded-Host, X-Forwarded-Proto, X-Forwarded-For, X-Forwarded-Prefix", // CVE-2022-31813
		"X-Forwarded-Host: " + evil + "\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Prefix: /" + evil + "\r\nX-Forwarded-For: 1.2.3.4\r\nForwarded: host=" + evil,
	}
}

// spoof: P2, P3, P8: nothing that a visitor sends changes an answer: not where a sign-in returns to, not links,
// redirects, cookies, and not the address in the log.
func spoof(t *testing.T, d *apptest.Program, p *proxytest.Proxy) {
	t.Helper()
	cookie := apptest.SessionCookie(t, d.SignedInAt(apptest.Mona, "/changes"), d.URL)
	w := &wire{t: t, p: p}
	for _, path := range []string{"/sign-in/start?return=/changes", "/getAToken?code=x&state=y", "/organizations"} {
		to, with := apptest.MustParse(t, d.URL+path).RequestURI(), ""
		if path == "/organizations" {
			with = "\r\nCookie: " + cookie.Name + "=" + cookie.Value
		}
		honest := w.ask("GET "+to, p.Host(), with)
		checkRedirectURI(t, d, path, honest)
		for _, line := range spoofs() {
			got := w.ask("GET "+to, p.Host(), with+"\r\n"+line)
			if was, is, differ := difference(fingerprint(honest), fingerprint(got)); differ && !refused(got, line) {
				t.Errorf("%.80q changes %s: %d\n%s\nwas\n%s", line, path, got.Status, is, was)
			}
		}
		for _, host := range []string{evil, evil + ":443", p.Host() + ":1", p.Host() + "." + evil, "127.0.0.1", "localhost:5000", p.Host() + ".", strings.ToUpper(p.Host()) + ":443", evil + "/" + p.Host(), ""} {
			for _, target := range []string{to, "https://" + evil + to} {
				got := w.ask("GET "+target, host, with)
				checkRedirectURI(t, d, path, got)
				if text := got.All(); strings.Contains(text, evil) || strings.Contains(text, "localhost:5000") {
					t.Errorf("Host: %s and %s: told again:\n%s", host, target, text)
				}
			}
		}
	}
}

// refused says that a proxy has answered by itself what was too much or too odd for it.
func refused(a apptest.Exchange, spoof string) bool {
	tooMuch := len(spoof) > 4<<10 && (a.Status == http.StatusBadRequest || a.Status == http.StatusRequestHeaderFieldsTooLarge)
	return a.Header.Get("X-Request-Id") == "" && tooMuch && !strings.Contains(a.All(), evil)
}

// checkRedirectURI: what leads to Entra ID names the one address to come back to, letter by letter.
func checkRedirectURI(t *testing.T, d *apptest.Program, path string, a apptest.Exchange) {
	t.Helper()
	to := a.Header.Get("Location")
	if !strings.HasPrefix(path, "/sign-in/start") || a.Header.Get("X-Request-Id") == "" {
		return // of the proxy: another host than ours
	}
	if a.Status == http.StatusBadRequest && to == "" {
		return // that Host can't be one, and it leads nowhere
	}
	if uri := "&redirect_uri=" + url.QueryEscape(d.URL+"/getAToken") + "&"; !strings.Contains(to, uri) {
		t.Errorf("%s leads to %s (%d)", path, to, a.Status)
	}
}

var (
	atRandom  = regexp.MustCompile(`(state|nonce|code_challenge)=[A-Za-z0-9_%-]+`)
	oneCookie = regexp.MustCompile(`^([A-Za-z_-]+-signin-[0-9a-f]+)[^;]*`)
	expiry    = regexp.MustCompile(`Expires=[^;]*; `)
)

// fingerprint is all of an answer that isn't random.
func fingerprint(a apptest.Exchange) string {
	var cookies []string
	for _, line := range a.Header.Values("Set-Cookie") {
		cookies = append(cookies, expiry.ReplaceAllString(oneCookie.ReplaceAllString(line, "$1=?"), ""))
	}
	return fmt.Sprintf("%d to %q, cookies %q, HSTS %q\n%s", a.Status, atRandom.ReplaceAllString(a.Header.Get("Location"), "$1=?"), cookies,
		a.Header.Get("Strict-Transport-Security"), strings.ReplaceAll(atRandom.ReplaceAllString(a.Body, "$1=?"), cmp.Or(a.Header.Get("X-Request-Id"), "none"), "?"))
}

// difference is where two texts begin to differ.
func difference(a, b string) (inA, inB string, differ bool) {
	i := 0
	for i < len(a) && i < len(b) && a[i] == b[i] {
		i++
	}
	from := max(0, i-100)
	return fmt.Sprintf("%.200q", a[from:]), fmt.Sprintf("%.200q", b[from:]), a != b
}

// wire is a connection to a proxy on which requests are written letter by letter.
type wire struct {
	t    *testing.T
	p    *proxytest.Proxy
	conn net.Conn
	in   *bufio.Reader
}

// ask sends a request and reads the answer. more is further lines of the head, each after a line's end.
func (w *wire) ask(line, host, more string) apptest.Exchange {
	w.t.Helper()
	for try := 0; ; try++ {
		fresh := w.conn == nil
		if fresh {
			w.dial()
		}
		_ = w.conn.SetDeadline(time.Now().Add(time.Minute)) // a closed connection says so when it is written to
		_, err := io.WriteString(w.conn, line+" HTTP/1.1\r\nHost: "+host+more+"\r\n\r\n")
		var a apptest.Exchange
		if err == nil {
			a, err = w.read(line)
		}
		if err == nil {
			return a
		}
		w.hangUp()
		if fresh || try > 0 {
			w.t.Fatalf("%.80q to %s: %v", line, host, err)
		}
	}
}

func (w *wire) dial() {
	w.t.Helper()
	conf := w.p.Transport(w.p.HTTPS, visitor, nil).TLSClientConfig
	conf.ServerName = w.p.Host()
	d := tls.Dialer{NetDialer: &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(visitor)}}, Config: conf}
	conn, err := d.DialContext(w.t.Context(), "tcp", w.p.HTTPS)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = conn.Close() })
	w.conn, w.in = conn, bufio.NewReader(conn)
}

func (w *wire) hangUp() {
	_ = w.conn.Close()
	w.conn = nil
}

func (w *wire) read(line string) (apptest.Exchange, error) {
	method, target, _ := strings.Cut(line, " ")
	answer, err := http.ReadResponse(w.in, &http.Request{Method: method})
	if err != nil {
		return apptest.Exchange{}, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if answer.Close || err != nil {
		w.hangUp()
	}
	return apptest.Exchange{Method: method, URL: &url.URL{Path: target}, Status: answer.StatusCode, Header: answer.Header, Body: string(body)}, err
}

// The client's address is the right one through two proxies, each kind before another, and with IPv6; a peer that isn't
// trusted is not believed, whatever it says.
func TestVisitorsAddress(t *testing.T) {
	t.Parallel()
	programs := proxytest.Programs()
	for i, program := range programs {
		t.Run(program, func(t *testing.T) {
			t.Parallel()
			m := mount{program: program}
			o := apptest.Seeded()
			o.Env = m.settings()
			d := apptest.StartOn(t, startServices(t, o.Sim), o, t.TempDir()+"/sessions")
			inner := m.example(d.Address)
			inner.Inner = true
			second := proxytest.Start(t, inner)
			m.program = programs[(i+1)%len(programs)]
			first := proxytest.Start(t, m.example(second.Plain(t)))
			visit(t, d, first, first.HTTPS, visitor, visitor)
			visit(t, d, second, second.HTTPS, visitor, visitor)
			if second.IPv6 != "" {
				visit(t, d, second, second.IPv6, "", "::1")
				visit(t, d, first, first.IPv6, "", "::1")
			}
		})
	}
}

// visit opens a page through a proxy, with a made-up history, and looks for the visitor's address in the log.
func visit(t *testing.T, d *apptest.Program, p *proxytest.Proxy, at, from, want string) {
	t.Helper()
	path := "/visit-" + strings.NewReplacer(":", "-", ".", "-", "[", "", "]", "").Replace(p.Program+at)
	b := webtest.New(t, p.Transport(at, from, nil))
	b.Edit(func(r *http.Request) { r.Header.Set("X-Forwarded-For", "1.2.3.4, 127.0.0.1") })
	b.Open(p.URL() + path)
	for line := range strings.Lines(d.Log.String()) {
		if strings.Contains(line, "path="+path) {
			if !namesClient(line, want) {
				t.Errorf("%s from %s: %s", p.Program, want, line)
			}
			return
		}
	}
	t.Errorf("%s: nothing in the log of %s:\n%s", p.Program, path, b.Text())
}

// P3: without BASE_URL the words of a trusted proxy count, and those of nobody else: whoever isn't one gets no page,
// and with BASE_URL no other address in the log.
func TestOnlyTrustedProxiesAreBelieved(t *testing.T) {
	t.Parallel()
	words := http.Header{"X-Forwarded-Proto": {"https"}, "X-Forwarded-Host": {"desk.example"}, "X-Forwarded-For": {"203.0.113.9"}}
	for _, c := range []struct {
		name, trusted, baseURL, from string
		status                       int
		location, client             string
	}{
		{"trusted", "127.0.0.9", "", "127.0.0.9", 303, "https://desk.example/getAToken", "203.0.113.9"},
		{"not trusted", "127.0.0.9", "", "127.0.0.8", 421, "", "127.0.0.8"},
		{"trusted, BASE_URL", "127.0.0.9", "https://pat.example/x", "127.0.0.9", 303, "https://pat.example/x/getAToken", "203.0.113.9"},
		{"not trusted, BASE_URL", "127.0.0.9", "https://pat.example/x", "127.0.0.8", 303, "https://pat.example/x/getAToken", "127.0.0.8"},
		{"nobody is trusted", "", "https://pat.example/x", "127.0.0.9", 303, "https://pat.example/x/getAToken", "127.0.0.9"},
		{"nobody is trusted, own machine", "", "", "127.0.0.9", 307, "", "127.0.0.9"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			o := apptest.Seeded()
			o.Env = map[string]string{"TRUSTED_PROXIES": c.trusted, "BASE_URL": c.baseURL, "LISTEN_ADDRESS": "127.0.0.1:0"}
			d := apptest.Start(t, o)
			trip := &http.Transport{DialContext: (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(c.from)}}).DialContext}
			defer trip.CloseIdleConnections()
			request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+d.Address+"/sign-in/start", http.NoBody)
			testkit.Must(t, err)
			request.Header = words.Clone()
			if c.status == 307 {
				request.Host = "localhost:" + request.URL.Port()
			}
			answer, err := trip.RoundTrip(request)
			testkit.Must(t, err)
			body, err := io.ReadAll(answer.Body)
			testkit.Must(t, err)
			testkit.Must(t, answer.Body.Close())
			to := apptest.MustParse(t, answer.Header.Get("Location"))
			if answer.StatusCode != c.status || to.Query().Get("redirect_uri") != c.location || strings.Contains(to.String(), "desk.example") != (c.name == "trusted") {
				t.Errorf("%s to %s", answer.Status, to)
			}
			if strings.Contains(string(body), d.Address) && c.trusted != "" {
				t.Errorf("the answer tells where the program listens:\n%s", body)
			}
			if !namesClient(d.Log.String(), c.client) {
				t.Errorf("not from %s:\n%s", c.client, d.Log)
			}
		})
	}
}
