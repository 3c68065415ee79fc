package proxies

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"

	"github.com/patdesk/patdesk/internal/proxytest"
	"github.com/patdesk/patdesk/internal/simulator"
	"github.com/patdesk/patdesk/internal/testkit"
	"github.com/patdesk/patdesk/internal/testkit/apptest"
	"github.com/patdesk/patdesk/internal/webtest"
)

// P1, P4, P5: behind nginx, Caddy, Apache and HAProxy, at / and below a sub-path, that the proxy takes off or leaves
// on, with BASE_URL and without: everything works, nothing leads away from the public address, heads stay below 4 KB,
// and nothing that a visitor sends changes any of that.
func TestBehindProxies(t *testing.T) {
	t.Parallel()
	for _, m := range mounts(t) {
		t.Run(m.String(), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir() + "/sessions"
			d, p, r := startMounted(t, m, dir)
			goThrough(t, d)
			spoof(t, d, p)
			want := []int{200, 303, 422}
			if !m.forwarded {
				apptest.VisitEverything(t, d, dir)
				want = []int{200, 303, 400, 403, 404, 405, 413, 422, 429, 500, 502, 503}
			}
			statuses := checkTape(t, m, d, r)
			for _, status := range want {
				if statuses[status] == 0 {
					t.Errorf("no answer with status %d was seen: %v", status, statuses)
				}
			}
			checkVisitors(t, d)
			if p.HTTP != "" && !m.subpath && m.program != "caddy" { // Caddy does it by itself, with the port that it has here
				checkPlain(t, p)
			}
		})
	}
}

// checkPlain: without TLS one is led to the same page with TLS, whatever host one has asked for.
func checkPlain(t *testing.T, p *proxytest.Proxy) {
	t.Helper()
	for _, host := range []string{p.Host(), evil} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+p.Host()+"/tokens?organization=contoso", http.NoBody)
		testkit.Must(t, err)
		request.Host = host
		answer, err := p.Transport(p.HTTPS, visitor, nil).RoundTrip(request)
		testkit.Must(t, err)
		testkit.Must(t, answer.Body.Close())
		if to := answer.Header.Get("Location"); answer.StatusCode != http.StatusPermanentRedirect || to != p.URL()+"/tokens?organization=contoso" {
			t.Errorf("http://%s leads to %s (%d)", host, to, answer.StatusCode)
		}
	}
}

// checkTape checks all that browsers got, and counts it by status.
func checkTape(t *testing.T, m mount, d *apptest.Program, r *apptest.Recorder) map[int]int {
	t.Helper()
	statuses, largest := map[int]int{}, 0
	for _, a := range r.Answers() {
		switch {
		case a.URL.Host == "": // sent past the proxy
		case a.Header.Get("X-Request-Id") != "":
			statuses[a.Status]++
			largest = max(largest, a.Head())
			checkMounted(t, d, a)
		case a.Status == http.StatusServiceUnavailable && (m.program == "caddy" || m.program == "haproxy"):
			statuses[a.Status]++ // it has found out that the store can't be reached before the visitor did, see /readyz
		// What the proxy says by itself: /pat, a path of 8 KB, and with Apache %2f in a path.
		case !slices.Contains([]int{308, 400, 414, 431}, a.Status) && (a.Status != http.StatusNotFound || m.program != "apache2"):
			t.Errorf("%s answers %s by itself with %d:\n%s", m.program, a.URL, a.Status, a.Body)
		}
	}
	t.Logf("largest head %d bytes", largest)
	return statuses
}

// goThrough is the whole of patdesk's work, as one person does it.
func goThrough(t *testing.T, d *apptest.Program) {
	t.Helper()
	want := d.URL + "/tokens?organization=fabrikam&sort=name&status=all"
	b := webtest.New(t, d.Transport()).Open(want)
	checkFiles(t, b)
	b.Click("Sign in")
	if got := b.URL.Query().Get("redirect_uri"); got != d.URL+"/getAToken" {
		t.Fatalf("redirect_uri is %q", got)
	}
	if b.Press("Continue as " + apptest.Mona); b.URL.String() != want || b.Status != http.StatusOK {
		t.Fatalf("signing in ended at %s (%d):\n%s", b.URL, b.Status, b.Text())
	}
	if b.Open(d.URL + "/tokens?organization=contoso"); len(apptest.TokenNames(b)) < 10 {
		t.Errorf("the list has %q", apptest.TokenNames(b))
	}

	b.Click("New token").Fill("Name", "behind a proxy").Press("Create token") // without a scope
	if b.Status != http.StatusUnprocessableEntity {
		t.Fatalf("a form with an error: %d\n%s", b.Status, b.Text())
	}
	if _, _, form := b.Form("Create token"); form.Get("name") != "behind a proxy" {
		t.Errorf("what was typed is lost: %v", form)
	}
	first := createSlowly(t, d, b.Choose("Code", "Read & write"))
	if b.Open(b.URL.String()); apptest.SecretOf(b) != first {
		t.Errorf("after a reload the secret is %q", apptest.SecretOf(b))
	}
	b.Press("I have saved it")

	b.Open(d.URL+"/tokens?organization=contoso&q=behind").Click("behind a proxy").Click("Edit").Fill("Name", "behind a real proxy").Press("Save changes")
	if b.Heading() != "behind a real proxy" {
		t.Errorf("%d %s\n%s", b.Status, b.URL, b.Text())
	}
	b.Click("Rotate").Choose("The old token", "Keep it until I revoke it").Press("Rotate")
	if second := apptest.SecretOf(b); second == "" || second == first {
		t.Fatalf("no new secret: %d\n%s", b.Status, b.Text())
	}
	b.Press("I have saved it")
	b.Open(d.URL + "/tokens?organization=contoso&q=behind").Click("Finish the rotation").Press("Revoke the old token")
	b.Open(d.URL + "/tokens?organization=contoso&q=behind").Click("behind a real proxy").Click("Revoke").Press("Revoke")
	if got := apptest.TokenNames(b.Open(d.URL + "/tokens?organization=contoso&q=behind&status=revoked")); len(got) != 2 {
		t.Errorf("revoked: %q", got)
	}
	onward := b.Press("Sign out").Page.Find("a[href^='"+d.Sim.BrowserURL()+"']").First().AttrOr("href", "")
	if b.Open(onward); b.URL.String() != d.URL+"/" {
		t.Errorf("signing out ends at %s (%d), by way of %q", b.URL, b.Status, onward)
	}
	if b.Open(want); b.Has("button", "Sign out") {
		t.Error("still signed in after signing out")
	}
}

// createSlowly sends the form while Azure DevOps takes its time: what goes on is told on the pages meanwhile, and the
// secret comes in the end.
func createSlowly(t *testing.T, d *apptest.Program, b *webtest.Browser) string {
	t.Helper()
	held := d.Sim.Hold(simulator.CallCreate, "", false)
	done := make(chan struct{})
	go func() {
		defer close(done)
		b.Press("Create token")
	}()
	<-held.Reached()
	if page := b.Twin().Open(d.URL + "/changes"); !strings.Contains(page.Text(), "being created") {
		t.Errorf("the pages don't tell of a change under way:\n%s", page.Text())
	}
	held.Release()
	<-done
	secret := apptest.SecretOf(b)
	if secret == "" {
		t.Fatalf("no secret: %d\n%s", b.Status, b.Text())
	}
	return secret
}

// checkFiles gets the files of a page: all are there, and may be kept.
func checkFiles(t *testing.T, b *webtest.Browser) {
	t.Helper()
	files := b.Page.Find("link[rel=stylesheet], script[src]")
	if files.Length() < 2 {
		t.Errorf("the page has %d files", files.Length())
	}
	files.Each(func(_ int, s *goquery.Selection) {
		file := b.Twin().OpenOnce(b.URL.ResolveReference(apptest.MustParse(t, s.AttrOr("href", s.AttrOr("src", "")))).String())
		if file.Status != http.StatusOK || !strings.Contains(file.Header.Get("Cache-Control"), "immutable") {
			t.Errorf("%s: %d %v", file.URL, file.Status, file.Header)
		}
	})
}

// checkVisitors: of all that came through the proxy the log names the visitor's address.
func checkVisitors(t *testing.T, d *apptest.Program) {
	t.Helper()
	n := 0
	for line := range strings.Lines(d.Log.String()) {
		if !strings.Contains(line, "msg=request") || strings.Contains(line, "path=/readyz") || strings.Contains(line, "unreadable=true") || namesClient(line, "127.0.0.1") {
			continue // of the proxy itself, or sent past it
		}
		if n++; !namesClient(line, visitor) {
			t.Errorf("not from %s: %s", visitor, line)
		}
	}
	if n < 50 {
		t.Errorf("the log names %d visits", n)
	}
}

// addressesIn are those that a page's elements hold.
func addressesIn(t *testing.T, body string) []string {
	t.Helper()
	page, err := goquery.NewDocumentFromReader(strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, attribute := range []string{"href", "src", "action", "formaction"} {
		all = append(all, page.Find("["+attribute+"]").Map(func(_ int, s *goquery.Selection) string { return s.AttrOr(attribute, "") })...)
	}
	return all
}
