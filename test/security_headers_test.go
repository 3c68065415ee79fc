package test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
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
	maxHead    = 4096
	maxCookies = 2048
)

// H1: every answer carries the headers, whatever it is: pages, errors, redirects, files, answers to forms and to what
// isn't a request for a page at all.
func TestHeadersOnEveryAnswer(t *testing.T) {
	t.Parallel()
	for name, p := range map[string]place{"http": {}, "https below a path": {https: true, path: "/pat"}, "no BASE_URL": {}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := seeded()
			o.env = map[string]string{"SESSION_DIR": t.TempDir() + "/sessions"}
			var d *desk
			if name == "no BASE_URL" {
				d = startDesk(t, o)
			} else {
				_, desks := startBehind(t, p, 1, o)
				d = desks[0]
			}
			r := record(t, d)
			visitEverything(t, d, o.env["SESSION_DIR"])
			statuses := map[int]int{}
			for _, a := range r.answers() {
				statuses[a.status]++
				checkAnswer(t, a, p.https)
			}
			want := []int{200, 303, 304, 400, 403, 404, 405, 413, 416, 417, 422, 429, 500, 502, 503}
			switch name {
			case "no BASE_URL":
				want = append(want, 307, 421)
			case "https below a path":
				want = append(want, 308)
			}
			for _, status := range want {
				if statuses[status] == 0 {
					t.Errorf("no answer with status %d was seen: %v", status, statuses)
				}
			}
		})
	}
}

// visitEverything makes the program answer in every way it has. Its session folder is gone afterwards.
func visitEverything(t *testing.T, d *desk, dir string) {
	t.Helper()
	stranger := webtest.New(t, d.transport())
	for _, path := range []string{"/", "/sign-in", "/sign-in/start", "/scopes", "/healthz", "/readyz", "/robots.txt", "/favicon.ico", "/static/none.css", "/none",
		"/tokens", "/tokens/", "//tokens", "/tokens/contoso/x%2fy", "/getAToken", "/getAToken?code=x&state=y", "/getAToken?error=x", "", "/sign-out", "/tokens/new?name=" + strings.Repeat("%0a", 2500)} {
		stranger.OpenOnce(d.url + path)
	}
	for _, link := range stranger.Open(d.url + "/").Page.Find("link[href], script[src], img[src]").EachIter() {
		if u, err := stranger.URL.Parse(link.AttrOr("href", link.AttrOr("src", ""))); err == nil {
			stranger.Twin().OpenOnce(u.String())
		}
	}
	visitRaw(t, d)

	b := d.signedInAt(mona, "/tokens?organization=contoso")
	for _, link := range b.Page.Find("a[href]").EachIter() {
		if u, err := b.URL.Parse(link.AttrOr("href", "")); err == nil && u.Host == b.URL.Host && u.RawQuery == "" {
			b.Twin().Open(u.String())
		}
	}
	for _, r := range routeTable(t) {
		if r.method == http.MethodGet && !strings.ContainsAny(r.pattern, "{*") {
			b.Twin().OpenOnce(d.url + r.pattern)
		}
	}
	b.Open(d.url + "/tokens?organization=contoso&q=Nightly").Click("Nightly backup of repositories")
	token := b.URL.String()
	for _, verb := range []string{"/edit", "/revoke", "/rotate", "/none"} {
		b.Open(token + verb)
	}
	b.Open(token + "/edit").Press("Save changes") // nothing changed: 422
	b.Open(token+"/edit").Fill("Name", "Nightly backup, renamed").Press("Save changes")
	b.Open(token + "/rotate").Press("Rotate")
	b.Open(d.url + "/tokens/new?organization=contoso").Press("Create token")
	b.Open(d.url+"/tokens/new?organization=contoso").Fill("Name", "n").Choose("Code", "Read").Press("Create token")
	for fault, organization := range map[string]string{"throttled429": "contoso", "serverError500": "fabrikam", "unavailable503": "northwind-labs"} {
		b.Open(d.url+"/tokens/new?organization="+organization).Fill("Name", "n").Choose("Code", "Read")
		d.sim.SetFault(fault, simulator.FaultOptions{Call: simulator.CallCreate, Organization: organization})
		b.Press("Create token")
	}
	d.sim.ClearFaults()
	b.Post(d.url+"/tokens/new", url.Values{"form": {"forged"}, "name": {"n"}, "organization": {"contoso"}, "expiry": {"7"}, "scope-code": {"vso.code"}})
	b.Post(d.url+"/tokens/new", url.Values{"name": {strings.Repeat("x", 300<<10)}})
	b.Post(d.url+"/tokens", nil)
	cross := b.Twin()
	cross.Edit(func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") })
	cross.Post(d.url+"/tokens/new", nil)
	feed := newCalendar(t, b, d.url)
	tag := b.Twin().OpenOnce(feed).Header.Get("ETag")
	again := b.Twin()
	again.Edit(func(r *http.Request) { r.Header.Set("If-None-Match", tag) })
	again.OpenOnce(feed)
	beyond := b.Twin()
	beyond.Edit(func(r *http.Request) { r.Header.Set("Range", "bytes=9999999-") })
	beyond.OpenOnce(feed).OpenOnce(d.url + "/favicon.ico")
	b.Open(d.url + "/calendar").Press("Make a new address").Open(d.url + "/calendar").Press("Revoke the address").OpenOnce(feed)
	b.Open(d.url + "/changes").Open(d.url + "/sessions").Press("End all my other sessions")
	wrong := webtest.New(t, d.transport()).Open(d.url + "/sign-in").Click("Sign in")
	d.sim.SetFault("invalidClient", simulator.FaultOptions{}) // the operator's fault: 500
	wrong.Press("Continue as " + mona)
	d.sim.ClearFaults()
	b.Open(d.url + "/sign-out").Press("Sign out")
	testkit.Until(t, "the session folder is gone", func() bool { return os.RemoveAll(dir) == nil }) // /readyz may be writing into it
	webtest.New(t, d.transport()).Open(d.url + "/sign-in/start")
	webtest.New(t, d.transport()).Open(d.url + "/readyz")
}

// visitRaw sends what no browser sends.
func visitRaw(t *testing.T, d *desk) {
	t.Helper()
	u, err := url.Parse(d.url)
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
		raw(t, d, request+"\r\n\r\n")
	}
}

// raw sends a request to the program as it stands, past every proxy, and returns the answer; the tape has it too.
func raw(t *testing.T, d *desk, request string) *http.Response {
	t.Helper()
	conn, err := net.Dial("tcp", d.at)
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
	if r, ok := d.trip.(*tape); ok {
		r.mu.Lock()
		defer r.mu.Unlock()
		line, _, _ := strings.Cut(request, " HTTP/")
		r.all = append(r.all, seen{method, &url.URL{Path: line}, nil, answer.StatusCode, answer.Header, string(body)})
	}
	return answer
}

var hashedFile = regexp.MustCompile(`/static/[a-z-]+\.[0-9a-f]{12}\.[a-z]+$`)

// checkAnswer checks one answer's headers.
func checkAnswer(t *testing.T, a seen, https bool) {
	t.Helper()
	name := fmt.Sprintf("%s %.80s: %d", a.method, a.url, a.status)
	want := map[string]string{
		"Content-Security-Policy": policy, "X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin",
		"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin",
		"Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=(), browsing-topics=()",
		"Cache-Control":      "no-store", "Strict-Transport-Security": "", "Server": "", "X-Powered-By": "",
	}
	if https {
		want["Strict-Transport-Security"] = "max-age=31536000"
	}
	switch ok := a.status == http.StatusOK || a.status == http.StatusNotModified; {
	case ok && hashedFile.MatchString(a.url.Path):
		want["Cache-Control"] = "public, max-age=31536000, immutable"
	case ok && strings.HasSuffix(a.url.Path, "/tokens.ics"):
		want["Cache-Control"] = "private, no-cache"
		if a.header.Get("ETag") == "" || len(a.header.Values("Set-Cookie")) > 0 {
			t.Errorf("%s: %v", name, a.header)
		}
	case ok && strings.HasSuffix(a.url.Path, "/favicon.ico"):
		want["Cache-Control"] = "public, max-age=86400"
	}
	for header, value := range want {
		if got := strings.Join(a.header.Values(header), " | "); got != value {
			t.Errorf("%s: %s is %q", name, header, got)
		}
	}
	if a.header.Get("X-Request-Id") == "" || a.body != "" && a.header.Get("Content-Type") == "" {
		t.Errorf("%s: %v", name, a.header)
	}
	if a.status == http.StatusMethodNotAllowed && a.header.Get("Allow") == "" {
		t.Errorf("%s: no Allow", name)
	}
	if n := a.head(); n >= maxHead {
		t.Errorf("%s: a head of %d bytes", name, n)
	}
	if n := len(strings.Join(a.sent.Values("Cookie"), "; ")); n >= maxCookies {
		t.Errorf("%s: %d bytes of cookies were sent", name, n)
	}
	checkCookies(t, name, a, https)
}

// checkCookies checks the attributes of what an answer sets (ASVS 3.3.1 to 3.3.4).
func checkCookies(t *testing.T, name string, a seen, https bool) {
	t.Helper()
	for _, line := range a.header.Values("Set-Cookie") {
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

// P4, ASVS 3.3.5: however many sign-ins and forms a browser begins and leaves, with https and its longer names: cookies
// stay under 2 KB, heads under 4 KB, also where a page is asked for by a very long address.
func TestCookiesAndHeadsStaySmall(t *testing.T) {
	t.Parallel()
	f, desks := startBehind(t, place{https: true, path: "/pat"}, 1, seeded())
	d := desks[0]
	r := record(t, d)
	b := d.signedInAt(mona, "/changes")
	b.Open(f.url+"/tokens/new?organization=contoso").Fill("Name", "n").Choose("Code", "Read")
	_, to, form := b.Form("Create token")
	long := "/scopes?q=" + strings.Repeat("%20", 335)
	d.sim.SetFault("claimsChallenge", simulator.FaultOptions{})
	for i := range 40 {
		b.Twin().Open(f.url + "/sign-in/start?return=" + url.QueryEscape(long))
		form.Set("name", fmt.Sprint(i))
		b.Twin().Post(to.String(), form)
	}
	d.sim.ClearFaults()
	b.Open(f.url + "/sign-in/start?return=" + url.QueryEscape(long)).Press("Continue as " + mona)
	if b.URL.RequestURI() != "/pat"+long {
		t.Errorf("a long address of ours isn't returned to: %s", b.URL)
	}
	stranger := webtest.New(t, d.transport())
	for _, path := range []string{long, long + strings.Repeat("x", 20_000), "/" + strings.Repeat("x", 20_000), "/tokens/new?name=" + strings.Repeat("%00", 5_000), "/sign-in?return=" + strings.Repeat("/x", 10_000)} {
		stranger.Open(f.url + path)
	}
	b.Open(f.url + "/sign-out").Press("Sign out")
	largest, cookies := 0, 0
	for _, a := range r.answers() {
		checkAnswer(t, a, true)
		largest, cookies = max(largest, a.head()), max(cookies, len(a.sent.Get("Cookie")))
	}
	t.Logf("largest head %d bytes, most cookies %d bytes", largest, cookies)
	if cookies < 1000 {
		t.Errorf("only %d bytes of cookies: the test doesn't fill them", cookies)
	}
}

// Answers of this program are the only ones that its cookies go with: each copy on a host has its own names.
func TestCookiesOfTwoCopies(t *testing.T) {
	t.Parallel()
	one, two := startDesk(t, seeded()), startDesk(t, seeded())
	b := one.signedInAt(mona, "/changes")
	before := cookiesOf(t, b, one.url)
	b.Edit(nil)
	second := webtest.New(t, two.transport())
	for name, value := range before { // browsers send cookies to every port of a host
		plant(t, second, two.url, &http.Cookie{Name: name, Value: value, Path: "/"})
	}
	if second.Open(two.url + "/changes"); second.Has("button", "Sign out") {
		t.Error("the other copy's session is signed in here")
	}
	for range 25 {
		second.Twin().Open(two.url + "/sign-in/start")
	}
	after := cookiesOf(t, second, two.url)
	for name, value := range maps.All(before) {
		if after[name] != value {
			t.Errorf("%s was changed by the other copy", name)
		}
	}
	names := slices.Sorted(maps.Keys(after))
	if len(names) < 20 {
		t.Errorf("cookies: %q", names)
	}
}
