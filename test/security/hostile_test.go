package security

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/patdesk/patdesk/internal/simulator"
	"github.com/patdesk/patdesk/internal/testkit"
	"github.com/patdesk/patdesk/internal/testkit/apptest"
	"github.com/patdesk/patdesk/internal/webtest"
)

// siege is a program under attack by somebody who is signed in: the worst position for what they send.
type siege struct {
	t      *testing.T
	d      *apptest.Program
	b      *webtest.Browser
	host   string
	cookie string
}

func besiege(t *testing.T) *siege {
	t.Helper()
	s := &siege{t: t, d: apptest.Start(t, apptest.Seeded())}
	s.b = s.d.SignedIn(apptest.Mona)
	s.host = apptest.HostOf(t, s.d.URL)
	c := apptest.SessionCookie(t, s.b, s.d.URL)
	s.cookie = c.Name + "=" + c.Value
	return s
}

// send sends a request line and more headers, or a body behind an empty line, as they stand.
func (s *siege) send(line, more string) (*http.Response, string) {
	s.t.Helper()
	if !strings.Contains(more, "\r\n\r\n") {
		more += "\r\n\r\n"
	}
	if !strings.Contains(more, "Cookie:") {
		more = "\r\nCookie: " + s.cookie + more
	}
	answer := apptest.Raw(s.t, s.d, line+" HTTP/1.1\r\nHost: "+s.host+"\r\nConnection: close"+more)
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return answer, string(body)
}

var (
	apiPath = regexp.MustCompile(`^/[0-9A-Za-z_-]{1,64}/_apis/tokens/pats$`)
)

// standing checks that the program has taken no harm: no panic, nothing done, nobody asked who shouldn't be.
func (s *siege) standing(calls int) {
	s.t.Helper()
	if found := apptest.TroubleInLog.FindString(s.d.Log.String()); found != "" {
		s.t.Errorf("the log tells of %q:\n%s", found, s.d.Log)
	}
	if s.d.Sim.Created()+s.d.Sim.Revoked()+s.d.Sim.Calls(simulator.CallUpdate) != 0 {
		s.t.Error("a token was made or changed")
	}
	for _, r := range s.d.Sim.Requests()[calls:] {
		known := r.Call == simulator.CallProfile || r.Call == simulator.CallAccounts || apiPath.MatchString(r.Path)
		if !known && r.Call != simulator.CallMetadata && r.Call != simulator.CallAuthorize && r.Call != simulator.CallJWKS {
			s.t.Errorf("asked for: %s %s%s", r.Method, r.Host, r.Path)
		}
	}
	if s.b.Open(s.d.URL + "/changes"); !s.b.Has("button", "Sign out") {
		s.t.Errorf("the session is lost: %s\n%s", s.b.URL, s.b.Text())
	}
}

// Whatever somebody asks for, nothing breaks, nothing of it comes back as it was sent, and nothing leads away. A short run
// asks for a third.
func TestHostilePaths(t *testing.T) {
	t.Parallel()
	s := besiege(t)
	calls := len(s.d.Sim.Requests())
	const id = "4274b823-f615-4524-9254-2446dc853f82"
	var targets []string
	for _, segment := range []string{"%00", "%ff", "%ff%fe", "%0d%0aX-Evil:%20yes", "%2e%2e", "%2e%2e%2f%2e%2e", "..%2ffabrikam", "..%5cfabrikam", "contoso%2f..%2ffabrikam", "contoso%00", "contoso%20", "contoso%3fx=y", "contoso%23",
		"contoso@evil.example", "evil.example%2f", "%e2%80%ae", "%F0%9F%92%A9", "\xff\xfe", "ünïcode", "%c3%bc", "%2525", "%252f", "<script>", "%3Cscript%3Ealert(1)%3C/script%3E", "'", "%22", "{{.}}", "$%7B7*7%7D", "*", "~", strings.Repeat("a", 64), strings.Repeat("a", 8000), strings.Repeat("%41", 2000), "-contoso", "con_toso", "0", "null", "_apis", "%5f"} {
		targets = append(targets, "/tokens/"+segment+"/"+id, "/tokens/contoso/"+segment, "/tokens/contoso/"+segment+"/edit", "/operations/"+segment, "/tokens?organization="+segment, "/tokens/new?organization="+segment+"&name="+segment+"&scope="+segment+"&expiry="+segment,
			"/tokens?organization=contoso&status="+segment+"&sort="+segment+"&order="+segment+"&q="+segment+"&done="+segment, "/organizations?organization="+segment, "/scopes?q="+segment, "/sign-in?return="+segment+"&draft="+segment+"&ended="+segment,
			"/sign-in/start?draft="+segment+"&return="+segment, "/sessions?ended="+segment, "/"+segment, "/static/"+segment, "/static/app.css/"+segment)
	}
	targets = append(targets, "//tokens", "///", "/tokens//", "/tokens/../sessions", "/./tokens", "/tokens/./new", "/tokens;x=y", "/tokens/contoso//", "/tokens/contoso/"+id+"//edit", "/TOKENS", "/tokens/contoso/"+id+"/EDIT", "/tokens?"+strings.Repeat("&", 20000), "/tokens?"+strings.Repeat("organization=contoso&", 1200),
		"/tokens?organization=contoso&organization=fabrikam", "/tokens?organization", "/tokens?=&=", "/tokens?%zz", "/tokens?a;b=c", "/tokens?organization[]=contoso", "http://"+s.host+"//evil.example", "/../../../../etc/passwd", "/..%2f..%2f..%2fetc/passwd", "/static/../main.go", "/static/..%2f..%2fmain.go", "/static//app.css", "/healthz/../tokens")
	for i, target := range testkit.Sample(t, len(targets)/3, targets) {
		methods := []string{"GET", "POST"}
		if i%20 == 0 {
			methods = append(methods, "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE", "PROPFIND")
		}
		for _, method := range methods {
			answer, body := s.send(method+" "+target, "\r\nContent-Length: 0")
			if answer.StatusCode >= 500 || answer.StatusCode < 200 {
				t.Errorf("%s %.100q: %d\n%s", method, target, answer.StatusCode, body)
			}
			if answer.Header.Get("X-Evil") != "" || strings.Contains(body, "<script>alert") || strings.Contains(body, "X-Evil") && method == "TRACE" {
				t.Errorf("%s %.100q: %v\n%s", method, target, answer.Header, body)
			}
			if to := answer.Header.Get("Location"); to != "" && !strings.HasPrefix(to, "/") && !strings.HasPrefix(to, s.d.Sim.BrowserURL()) {
				t.Errorf("%s %.100q leads to %s", method, target, to)
			}
		}
	}
	s.standing(calls)
}

// What a client says of itself or of the way here changes nothing, unless it is a trusted proxy.
func TestHostileHeaders(t *testing.T) {
	t.Parallel()
	s := besiege(t)
	calls := len(s.d.Sim.Requests())
	_, honest := s.send("GET /tokens?organization=contoso", "")
	id := regexp.MustCompile(`Request ID[^A-Z]*[A-Z0-9]{16}|[A-Z0-9]{16}|name="form" value="[^"]*"`)
	honest = id.ReplaceAllString(honest, "")
	const evil = "evil.example"
	for _, header := range []string{"X-Forwarded-Host: " + evil, "X-Forwarded-Proto: https", "X-Forwarded-Prefix: /evil", "X-Forwarded-For: 1.2.3.4", "X-Forwarded-Server: " + evil, "X-Forwarded-Port: 1", "Forwarded: for=1.2.3.4;host=" + evil + ";proto=https", "X-Real-IP: 1.2.3.4",
		"X-Original-URL: /sessions", "X-Rewrite-URL: /sessions", "X-Original-Host: " + evil, "X-Host: " + evil, "X-HTTP-Method-Override: DELETE", "X-Method-Override: POST", "X-Request-Id: evil\"onload=x", "X-Script-Name: /evil", "Via: 1.1 " + evil, "True-Client-IP: 1.2.3.4",
		"Origin: https://" + evil, "Referer: https://" + evil + "/<script>", "User-Agent: <script>alert(1)</script>", "Accept-Language: " + strings.Repeat("xx,", 5000), "Accept: ../../etc/passwd", "Accept-Encoding: evil", "If-None-Match: *", "If-Modified-Since: Fri, 31 Dec 9999 23:59:59 GMT", "Range: bytes=0-0", "Expect: 100-continue",
		"Upgrade: h2c", "Connection: Upgrade, Cookie", "TE: trailers", "Authorization: Bearer evil", "Cache-Control: only-if-cached", "Content-Type: text/html;charset=utf-7", "Sec-Fetch-Site: evil", "Sec-Fetch-Site: none", "Cookie2: a=b"} {
		answer, body := s.send("GET /tokens?organization=contoso", "\r\n"+header)
		if body = id.ReplaceAllString(body, ""); answer.StatusCode != http.StatusOK || body != honest {
			t.Errorf("%.60s: %d, another page", header, answer.StatusCode)
		}
	}
	for _, request := range []string{"\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nX", "\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello", "\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", "\r\nContent-Length: -1\r\n\r\n", "\r\nX: \x00\r\n\r\n", "\r\n: x\r\n\r\n", "\r\nno colon\r\n\r\n"} {
		if answer, _ := s.send("POST /tokens/new", request); answer.StatusCode < 400 || answer.StatusCode >= 500 && answer.StatusCode != http.StatusNotImplemented {
			t.Errorf("%q: %d", request, answer.StatusCode)
		}
	}
	s.standing(calls)
}

func TestHostileCookies(t *testing.T) {
	t.Parallel()
	s := besiege(t)
	calls := len(s.d.Sim.Requests())
	name, value, _ := strings.Cut(s.cookie, "=")
	attempt := strings.Replace(name, "session", "signin", 1) + "-"
	var thousand, forged strings.Builder
	for i := range 2000 {
		fmt.Fprintf(&thousand, "c%d=v; ", i)
	}
	for i := range 300 {
		fmt.Fprintf(&forged, "%s%08d=AAAAAAAAAAAAAAAAAAAAAA.0; ", attempt, i)
	}
	for what, c := range map[string]struct {
		cookie   string
		signedIn bool
	}{
		"two thousand, ours last":     {thousand.String() + s.cookie, true},
		"ours twice":                  {s.cookie + "; " + s.cookie, true},
		"another before ours":         {name + "=" + strings.Repeat("A", 43) + "; " + s.cookie, false},
		"three hundred made-up tries": {forged.String() + s.cookie, true},
		"quoted":                      {name + `="` + value + `"`, true},
		"with a tail":                 {s.cookie + "x", false},
		"other alphabet":              {name + "=" + strings.ReplaceAll(strings.ReplaceAll(value, "-", "+"), "_", "/") + "=", false},
		"lower case name":             {strings.ToUpper(name) + "=" + value, false},
		"path in it":                  {name + "=../../../../etc/passwd", false},
		"empty":                       {name + "=", false},
		"huge":                        {name + "=" + strings.Repeat("A", 20_000), false},
		"binary":                      {name + "=\xff\xfe", false},
		"of another kind":             {strings.Replace(name, "session", "draft", 1) + "-aaaaaaaa=" + value, false},
		"nameless":                    {"=" + value + "; ;;;=;=", false},
	} {
		for _, target := range []string{"/changes", "/sign-in/start"} {
			answer, body := s.send("GET "+target, "\r\nCookie: "+c.cookie)
			if answer.StatusCode >= 400 {
				t.Errorf("%s: %s: %d", what, target, answer.StatusCode)
			}
			if signedIn := strings.Contains(body, apptest.Mona); target == "/changes" && signedIn != c.signedIn && (what != "other alphabet" || strings.ContainsAny(value, "-_")) {
				t.Errorf("%s: signed in: %t", what, signedIn)
			}
			if n := len(answer.Header.Values("Set-Cookie")); n > 11 {
				t.Errorf("%s: %s sets %d cookies", what, target, n)
			}
		}
	}
	var tenThousand strings.Builder
	for i := range 10_000 {
		fmt.Fprintf(&tenThousand, "c%d=v; ", i)
	}
	if answer, _ := s.send("GET /changes", "\r\nCookie: "+tenThousand.String()); answer.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("ten thousand cookies: %d", answer.StatusCode)
	}
	s.standing(calls)
}

// Forms by hand: wrong, huge, empty, doubled. None makes a token, and none breaks a page.
func TestHostileForms(t *testing.T) {
	t.Parallel()
	s := besiege(t)
	s.b.Open(s.d.URL+"/tokens/new?organization=contoso").Fill("Name", "n").Choose("Code", "Read")
	_, _, honest := s.b.Form("Create token")
	calls := len(s.d.Sim.Requests())
	edit := func(pairs ...string) url.Values {
		form := url.Values{}
		for name, values := range honest {
			form[name] = values
		}
		for i := 0; i+1 < len(pairs); i += 2 {
			form.Set(pairs[i], pairs[i+1])
		}
		return form
	}
	forms := []url.Values{{}, edit("form", ""), edit("form", "x"), edit("form", honest.Get("form")+"x"), edit("form", strings.ToUpper(honest.Get("form"))), edit("form", strings.Repeat("A", 60_000)), edit("form", "\x00"),
		edit("name", ""), edit("name", " \t "), edit("name", "a\x00b"), edit("name", "a\r\nb"), edit("name", "\xff\xfe"), edit("name", strings.Repeat("n", 1025)), edit("name", strings.Repeat("n", 200_000)), edit("name", "a\x7fb"), edit("name", "a\u0085b"),
		edit("organization", ""), edit("organization", "../fabrikam"), edit("organization", "contoso/../fabrikam"), edit("organization", "evil.example#"), edit("organization", "contoso?x="), edit("organization", "contoso\r\nHost: evil.example"), edit("organization", "cont\u043eso"), edit("organization", "contoso\x00"), edit("organization", strings.Repeat("a", 65)), edit("organization", "@evil.example"),
		edit("expiry", ""), edit("expiry", "-1"), edit("expiry", "36500"), edit("expiry", "date"), edit("expiry", "date", "date", "9999-12-31"), edit("expiry", "date", "date", "0000-00-00"), edit("expiry", "date", "date", "2026-02-30"), edit("expiry", "date", "date", "1969-12-31"), edit("expiry", "keep"), edit("expiry", "date", "date", "٢٠٢٧-٠١-٠١"),
		edit("scope-code", "vso.code vso.full"), edit("scope-code", "vso.code\r\n"), edit("scope-code", "<script>alert(1)</script>"), edit("scope-code", ""), edit("other", strings.Repeat("vso.x ", 300)), edit("other", strings.Repeat("x", 101)), edit("other", "vso.code,app_token"), edit("scope-code", "app_token"), edit("other", "\u202evso"), edit("full", "yes"), edit("scope-code", "1")}
	for i, form := range forms {
		b := s.b.Twin().Post(s.d.URL+"/tokens/new", form)
		if b.Status < 400 || b.Status >= 500 || strings.Contains(b.Body, "<script>alert") {
			t.Errorf("form %d (%.200q): %d\n%s", i, form.Encode(), b.Status, b.Text())
		}
	}
	body := honest.Encode()
	for what, c := range map[string]struct{ kind, body string }{
		"JSON": {"application/json", `{"name":"n"}`}, "no type": {"", body}, "text": {"text/plain", body}, "multipart": {"multipart/form-data; boundary=x", "--x\r\nContent-Disposition: form-data; name=\"name\"\r\n\r\nn\r\n--x--\r\n"},
		"bad percent": {"application/x-www-form-urlencoded", body + "&%zz"}, "semicolons": {"application/x-www-form-urlencoded", strings.ReplaceAll(body, "&", ";")}, "broken type": {"application/x-www-form-urlencoded; =", body},
		"many": {"application/x-www-form-urlencoded", strings.Repeat("a=b&", 60_000)}, "too large": {"application/x-www-form-urlencoded", "name=" + strings.Repeat("x", 256<<10)}, "nothing": {"application/x-www-form-urlencoded", ""},
	} {
		answer, text := s.send("POST /tokens/new", fmt.Sprintf("\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s", c.kind, len(c.body), c.body))
		if answer.StatusCode < 400 || answer.StatusCode >= 500 {
			t.Errorf("%s: %d\n%s", what, answer.StatusCode, text)
		}
	}
	s.standing(calls)
}

// A stranger's forms leave nothing behind on the server, however many are sent.
func TestStrangersFormsAreNotKept(t *testing.T) {
	t.Parallel()
	d := apptest.Start(t, apptest.Seeded())
	b := webtest.New(t, d.Transport())
	for _, path := range []string{"/tokens/new", "/tokens/contoso/x/edit", "/tokens/contoso/x/revoke", "/operations/x/acknowledge", "/sessions/end-others", "/sign-out"} {
		b.Post(d.URL+path, url.Values{"form": {strings.Repeat("A", 70)}, "name": {strings.Repeat("x", 60_000)}})
		if b.Status >= 500 || len(apptest.CookiesOf(t, b, d.URL)) != 0 {
			t.Errorf("%s: %d, cookies %v", path, b.Status, apptest.CookiesOf(t, b, d.URL))
		}
	}
	// A form of ours, larger than ours can be, from somebody whose session is over.
	owner := d.SignedIn(apptest.Mona)
	owner.Open(d.URL + "/tokens/new?organization=contoso")
	_, to, form := owner.Form("Create token")
	form.Set("name", strings.Repeat("x", 100_000))
	if b.Post(to.String(), form); b.Status != http.StatusRequestEntityTooLarge || len(apptest.CookiesOf(t, b, d.URL)) != 0 {
		t.Errorf("too large to be kept: %d\n%s", b.Status, b.Text())
	}
}
