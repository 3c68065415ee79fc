package apptest

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/patdesk/patdesk/internal/simulator"
	"github.com/patdesk/patdesk/internal/testkit"
	"github.com/patdesk/patdesk/internal/webtest"
)

// policy is the whole content security policy. csp_evaluator finds nothing in it above "'self' may be problematic".
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; object-src 'none'; frame-ancestors 'none'"

// sizes that default proxies allow: nginx answers 502 past 4 KB of an answer's head, others refuse long requests.
const (
	MaxHead    = 4096
	MaxCookies = 2048
)

// VisitEverything makes the program answer in every way it has. Its session folder is gone afterwards.
func VisitEverything(t *testing.T, d *Program, dir string) {
	t.Helper()
	stranger := webtest.New(t, d.Transport())
	for _, path := range []string{"/", "/sign-in", "/sign-in/start", "/scopes", "/healthz", "/readyz", "/robots.txt", "/favicon.ico", "/static/none.css", "/none",
		"/tokens", "/tokens/", "//tokens", "/tokens/contoso/x%2fy", "/getAToken", "/getAToken?code=x&state=y", "/getAToken?error=x", "", "/sign-out", "/tokens/new?name=" + strings.Repeat("%0a", 2500)} {
		stranger.OpenOnce(d.URL + path)
	}
	for _, link := range stranger.Open(d.URL + "/").Page.Find("link[href], script[src], img[src]").EachIter() {
		if u, err := stranger.URL.Parse(link.AttrOr("href", link.AttrOr("src", ""))); err == nil {
			stranger.Twin().OpenOnce(u.String())
		}
	}
	visitRaw(t, d)

	b := d.SignedInAt(Mona, "/tokens?organization=contoso")
	for _, link := range b.Page.Find("a[href]").EachIter() {
		if u, err := b.URL.Parse(link.AttrOr("href", "")); err == nil && u.Host == b.URL.Host && u.RawQuery == "" {
			b.Twin().Open(u.String())
		}
	}
	for _, r := range RouteTable(t) {
		if r.Method == http.MethodGet && !strings.ContainsAny(r.Pattern, "{*") {
			b.Twin().OpenOnce(d.URL + r.Pattern)
		}
	}
	b.Open(d.URL + "/tokens?organization=contoso&q=Nightly").Click("Nightly backup of repositories")
	token := b.URL.String()
	for _, verb := range []string{"/edit", "/revoke", "/rotate", "/none"} {
		b.Open(token + verb)
	}
	b.Open(token + "/edit").Press("Save changes") // nothing changed: 422
	b.Open(token+"/edit").Fill("Name", "Nightly backup, renamed").Press("Save changes")
	b.Open(token + "/rotate").Press("Rotate")
	b.Open(d.URL + "/tokens/new?organization=contoso").Press("Create token")
	b.Open(d.URL+"/tokens/new?organization=contoso").Fill("Name", "n").Choose("Code", "Read").Press("Create token")
	for fault, organization := range map[string]string{"throttled429": "contoso", "serverError500": "fabrikam", "unavailable503": "northwind-labs"} {
		b.Open(d.URL+"/tokens/new?organization="+organization).Fill("Name", "n").Choose("Code", "Read")
		d.Sim.SetFault(fault, simulator.FaultOptions{Call: simulator.CallCreate, Organization: organization})
		b.Press("Create token")
	}
	d.Sim.ClearFaults()
	b.Post(d.URL+"/tokens/new", url.Values{"form": {"forged"}, "name": {"n"}, "organization": {"contoso"}, "expiry": {"7"}, "scope-code": {"vso.code"}})
	b.Post(d.URL+"/tokens/new", url.Values{"name": {strings.Repeat("x", 300<<10)}})
	b.Post(d.URL+"/tokens", nil)
	cross := b.Twin()
	cross.Edit(func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") })
	cross.Post(d.URL+"/tokens/new", nil)
	feed := NewCalendar(t, b, d.URL)
	tag := b.Twin().OpenOnce(feed).Header.Get("ETag")
	again := b.Twin()
	again.Edit(func(r *http.Request) { r.Header.Set("If-None-Match", tag) })
	again.OpenOnce(feed)
	for _, file := range FeedFiles {
		b.Twin().OpenOnce(FeedFile(feed, file))
	}
	beyond := b.Twin()
	beyond.Edit(func(r *http.Request) { r.Header.Set("Range", "bytes=9999999-") })
	beyond.OpenOnce(feed).OpenOnce(d.URL + "/favicon.ico")
	b.Open(d.URL + "/calendar").Press("Make a new address").Open(d.URL + "/calendar").Press("Revoke the address").OpenOnce(feed)
	b.Open(d.URL + "/changes").Open(d.URL + "/sessions").Press("End all my other sessions")
	wrong := webtest.New(t, d.Transport()).Open(d.URL + "/sign-in").Click("Sign in")
	d.Sim.SetFault("invalidClient", simulator.FaultOptions{}) // the operator's fault: 500
	wrong.Press("Continue as " + Mona)
	d.Sim.ClearFaults()
	b.Open(d.URL + "/sign-out").Press("Sign out")
	testkit.Until(t, "the session folder is gone", func() bool { return os.RemoveAll(dir) == nil }) // /readyz may be writing into it
	webtest.New(t, d.Transport()).Open(d.URL + "/sign-in/start")
	webtest.New(t, d.Transport()).Open(d.URL + "/readyz")
}

// visitRaw sends what no browser sends.
func visitRaw(t *testing.T, d *Program) {
	t.Helper()
	u, err := url.Parse(d.URL)
	if err != nil {
		t.Fatal(err)
	}
	const rest = " HTTP/1.1\r\nConnection: close\r\nHost: "
	for _, request := range []string{
		"OPTIONS *" + rest + u.Host, "OPTIONS " + u.Path + "/tokens" + rest + u.Host, "GET x:.evil.example" + rest + u.Host, "CONNECT evil.example:443" + rest + "evil.example:443",
		"FOO " + u.Path + "/tokens" + rest + u.Host, "TRACE " + u.Path + "/" + rest + u.Host, "HEAD " + u.Path + "/sign-in" + rest + u.Host, "GET " + u.Path + "/" + rest + u.Host + "\r\nExpect: evil", "DELETE /healthz" + rest + u.Host,
		"GET " + u.Path + "/" + rest + "evil.example", "GET http://evil.example/tokens" + rest + u.Host, "GET " + u.Path + "/" + rest + "a.localhost:" + u.Port(),
		"POST " + u.Path + "/tokens/new" + rest + u.Host + "\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 3\r\n\r\n%zz",
	} {
		Raw(t, d, request+"\r\n\r\n")
	}
}

// Raw sends a request to the program as it stands, past every proxy, and returns the answer; a Recorder has it too.
func Raw(t *testing.T, d *Program, request string) *http.Response {
	t.Helper()
	conn, err := net.Dial("tcp", d.Address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	method, _, _ := strings.Cut(request, " ")
	answer, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		t.Fatalf("%.60q: %v", request, err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatalf("%.60q: %v", request, err)
	}
	answer.Body = io.NopCloser(bytes.NewReader(body))
	if r, ok := d.Via.(*Recorder); ok {
		r.mu.Lock()
		defer r.mu.Unlock()
		line, _, _ := strings.Cut(request, " HTTP/")
		r.all = append(r.all, Exchange{method, &url.URL{Path: line}, nil, answer.StatusCode, answer.Header, string(body)})
	}
	return answer
}

var hashedFile = regexp.MustCompile(`/static/[a-z-]+\.[0-9a-f]{12}\.[a-z]+$`)

// CheckAnswer checks one answer's headers.
func CheckAnswer(t *testing.T, a Exchange, https bool) {
	t.Helper()
	name := fmt.Sprintf("%s %.80s: %d", a.Method, a.URL, a.Status)
	want := map[string]string{
		"Content-Security-Policy": policy, "X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin",
		"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin",
		"Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=(), browsing-topics=()",
		"Cache-Control":      "no-store", "Strict-Transport-Security": "", "Server": "", "X-Powered-By": "",
	}
	if https {
		want["Strict-Transport-Security"] = "max-age=31536000"
	}
	switch ok := a.Status == http.StatusOK || a.Status == http.StatusNotModified; {
	case ok && hashedFile.MatchString(a.URL.Path):
		want["Cache-Control"] = "public, max-age=31536000, immutable"
	case ok && strings.Contains(a.URL.Path, "/calendar/") && slices.Contains(FeedFiles, path.Base(a.URL.Path)):
		want["Cache-Control"] = "private, no-cache"
		if a.Header.Get("ETag") == "" || len(a.Header.Values("Set-Cookie")) > 0 {
			t.Errorf("%s: %v", name, a.Header)
		}
	case ok && strings.HasSuffix(a.URL.Path, "/favicon.ico"):
		want["Cache-Control"] = "public, max-age=86400"
	}
	for header, value := range want {
		if got := strings.Join(a.Header.Values(header), " | "); got != value {
			t.Errorf("%s: %s is %q", name, header, got)
		}
	}
	if a.Header.Get("X-Request-Id") == "" || a.Body != "" && a.Header.Get("Content-Type") == "" {
		t.Errorf("%s: %v", name, a.Header)
	}
	if a.Status == http.StatusMethodNotAllowed && a.Header.Get("Allow") == "" {
		t.Errorf("%s: no Allow", name)
	}
	if n := a.Head(); n >= MaxHead {
		t.Errorf("%s: a head of %d bytes", name, n)
	}
	if n := len(strings.Join(a.Sent.Values("Cookie"), "; ")); n >= MaxCookies {
		t.Errorf("%s: %d bytes of cookies were sent", name, n)
	}
	CheckCookies(t, name, a, https)
}

// CheckCookies checks the attributes of what an answer sets (ASVS 3.3.1 to 3.3.4).
func CheckCookies(t *testing.T, name string, a Exchange, https bool) {
	t.Helper()
	for _, line := range a.Header.Values("Set-Cookie") {
		c, err := http.ParseSetCookie(line)
		if err != nil {
			t.Errorf("%s: %q: %v", name, line, err)
			continue
		}
		if !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" || c.Secure != https ||
			strings.HasPrefix(c.Name, "__Host-patdesk-") != https || !https && !strings.HasPrefix(c.Name, "patdesk-") {
			t.Errorf("%s: %q", name, line)
		}
		if strings.Contains(c.Name, "-session-") && c.MaxAge > 0 {
			t.Errorf("%s: the session's cookie outlives the browser: %q", name, line)
		}
	}
}
