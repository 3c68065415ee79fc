package features

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/patdesk/patdesk/internal/simulator"
	"github.com/patdesk/patdesk/internal/testkit"
	"github.com/patdesk/patdesk/internal/testkit/apptest"
	"github.com/patdesk/patdesk/internal/webtest"
)

// answers are the service's answers, and the status of our page.
var answers = []struct {
	fault        string
	list, change int // status of the page for a read, and for a create
	unknown      bool
	paused       bool // the service says when to come back: nothing is sent before
}{
	{"html203", 403, 502, true, false},
	{"redirect302", 403, 502, true, false},
	{"unauthorizedBOM", 403, 403, false, false},
	{"unauthorizedEmpty", 403, 403, false, false},
	{"forbiddenJSON", 403, 403, false, false},
	{"forbiddenConditionalAccess", 403, 403, false, false},
	{"servicePrincipal", 403, 403, false, false},
	{"notFound", 404, 404, false, false},
	{"badRequest400", 502, 502, false, false},
	{"throttled429", 429, 429, false, true},
	{"serverError500", 502, 502, true, false},
	{"unavailable503", 503, 503, true, true},
	{"htmlOK", 502, 502, true, false},
	{"proxyPage", 502, 502, true, false},
	{"proxyRedirect", 502, 502, true, false},
	{"cutJSON", 502, 502, true, false},
	{"hugeBody", 502, 502, true, false},
	{"wrongTypes", 502, 502, true, false},
	{"reset", 502, 502, true, false},
}

// What a proxy answers in place of Azure DevOps is named as that, with its host: on a list, beside other organizations
// and in the log. Nothing is said of a sign-in that has run out.
func TestProxiesAreNamed(t *testing.T) {
	t.Parallel()
	for fault, host := range map[string]string{"proxyPage": "proxy.example", "proxyRedirect": "login.proxy.example", "proxyHTML": "proxy.example"} {
		t.Run(fault, func(t *testing.T) {
			t.Parallel()
			d := apptest.Start(t, apptest.Seeded())
			d.Sim.SetFault(fault, simulator.FaultOptions{Organization: "fabrikam"})
			b := d.SignedIn(apptest.Mona)
			b.Open(d.URL + "/tokens?organization=fabrikam")
			if b.Status != http.StatusBadGateway || b.Heading() != "A proxy answered in place of Azure DevOps" || b.Has("link", "Sign in again") ||
				!strings.Contains(b.Text(), "The answer came from "+host+", which") || !strings.Contains(b.Text(), "app.vssps.visualstudio.com") {
				t.Errorf("the list: %d %s", b.Status, b.Text())
			}
			if strings.Contains(b.Body, "url=") || strings.Contains(b.Body, "content inspection") {
				t.Error("what the proxy sent is shown")
			}
			apptest.OpenWhole(t, b, d.URL+"/tokens?q=s")
			if b.Status != http.StatusOK || !strings.Contains(b.Text(), "fabrikam: A proxy answered in place of Azure DevOps") || !slices.Contains(apptest.Listed(b), "Symbol server") {
				t.Errorf("the overview: %d %s", b.Status, b.Text())
			}
			if text := d.Log.String(); !strings.Contains(text, "list in fabrikam: intermediary, status ") || !strings.Contains(text, "from "+host) || strings.Contains(text, "/ask") {
				t.Errorf("the log: %s", text)
			}
		})
	}
}

func TestFailuresOfReading(t *testing.T) {
	t.Parallel()
	for _, a := range testkit.SampleFor(t, 0, 7, answers) {
		t.Run(a.fault, func(t *testing.T) {
			t.Parallel()
			d := apptest.Start(t, apptest.Seeded()) // of its own: repeated failures pause an organization
			b := d.SignedIn(apptest.Mona)
			d.Sim.SetFault(a.fault, simulator.FaultOptions{Call: "list", RetryAfter: time.Hour})
			apptest.CheckFailure(t, b.Open(d.URL+"/tokens?organization=contoso"), a.list)
			if a.list == http.StatusTooManyRequests && b.Header.Get("Retry-After") == "" {
				t.Error("no Retry-After")
			}
		})
	}
}

func TestFailuresOfCreating(t *testing.T) {
	t.Parallel()
	for _, a := range testkit.SampleFor(t, 7, 7, answers) {
		t.Run(a.fault, func(t *testing.T) {
			t.Parallel()
			clock := testkit.NewClock()
			o := apptest.Seeded()
			o.Now, o.Sim.Now = clock.Now, clock.Now
			d := apptest.Start(t, o)
			b := d.SignedIn(apptest.Mona)
			b.Open(d.URL+"/tokens/new?organization=contoso").Fill("Name", "typed with care").Choose("Code", "Read").Choose("Expiry", "7 days")
			d.Sim.SetFault(a.fault, simulator.FaultOptions{Call: "create", RetryAfter: time.Hour})
			before := d.Sim.Calls("create")
			b.Press("Create token")
			apptest.CheckFailure(t, b, a.change)
			if n := d.Sim.Calls("create") - before; n != 1 {
				t.Errorf("sent %d times", n)
			}
			if apptest.SecretOf(b) != "" {
				t.Error("a secret is shown")
			}
			d.Sim.ClearFaults()
			if a.paused {
				checkPaused(t, d, b, before+1)
				return
			}
			if a.unknown {
				b.Open(b.URL.String())
				if !strings.Contains(b.URL.Path, "/operations/") {
					t.Fatalf("an unknown outcome at %s", b.URL)
				}
				if b.Press("Check again"); b.Has("link", "Try again") {
					t.Errorf("a second token is suggested while the first one may turn up: %s", apptest.Says(b))
				}
				clock.Move(12 * time.Minute)
				b.Open(b.URL.String()).Click("Try again")
			}
			_, _, form := b.Form("Create token")
			if form.Get("name") != "typed with care" || form.Get("scope-code") != "vso.code" {
				t.Errorf("the input is lost: %v", form)
			}
			if b.Press("Create token"); apptest.SecretOf(b) == "" {
				t.Errorf("the next try fails: %d\n%s", b.Status, b.Text())
			}
		})
	}
}

// checkPaused checks that nothing is sent to an organization that said when to come back, and that the page says so.
func checkPaused(t *testing.T, d *apptest.Program, b *webtest.Browser, creates int) {
	t.Helper()
	b.Open(d.URL+"/tokens/new?organization=contoso").Fill("Name", "too soon").Choose("Code", "Read").Press("Create token")
	if b.Status != http.StatusTooManyRequests && b.Status != http.StatusServiceUnavailable || d.Sim.Calls("create") != creates {
		t.Errorf("%d, sent %d times\n%s", b.Status, d.Sim.Calls("create"), b.Text())
	}
}

// F3, F4: the service did it, and then its answer got lost, or said otherwise: nobody is told that nothing happened,
// and nothing is sent twice. These are all faults of that kind that the simulator knows.
func TestCreatedWithoutAnAnswer(t *testing.T) {
	t.Parallel()
	faults := []string{"secretMissing"}
	for _, f := range simulator.Faults() {
		if strings.HasSuffix(f.Name, "AfterDoing") && slices.Contains(f.Calls, simulator.CallCreate) {
			faults = append(faults, f.Name)
		}
	}
	if len(faults) < 16 {
		t.Errorf("only %q", faults)
	}
	for _, fault := range testkit.Sample(t, 7, faults) {
		t.Run(fault, func(t *testing.T) {
			t.Parallel()
			o := apptest.Seeded()
			if fault == "hangAfterDoing" {
				o.CallTimeout = 2 * time.Second
			}
			d := apptest.Start(t, o)
			b := d.SignedIn(apptest.Mona)
			b.Open(d.URL+"/tokens/new?organization=contoso").Fill("Name", "lost-answer").Choose("Code", "Read")
			d.Sim.SetFault(fault, simulator.FaultOptions{Call: "create", Times: 1, RetryAfter: time.Second})
			b.Press("Create token")
			if status := map[string]int{"throttledAfterDoing": 429, "unavailableAfterDoing": 503, "hangAfterDoing": 504}[fault]; status != 0 {
				apptest.CheckFailure(t, b, status)
			} else {
				apptest.CheckFailure(t, b, http.StatusBadGateway)
			}
			if b.Has("button", "Create token") {
				t.Errorf("a second token is suggested: %s", apptest.Says(b))
			}
			testkit.Until(t, "the token is found", func() bool {
				return strings.Contains(apptest.Banners(b.Open(d.URL+"/sessions")), "We couldn't confirm what happened to “lost-answer”. A token that fits was found")
			})
			b.Click("Find out")
			if d.Sim.Calls("create") != 1 || !b.Has("button", "Revoke this token") {
				t.Fatalf("%d creates\n%s", d.Sim.Calls("create"), b.Text())
			}
			b.Press("Revoke this token")
			if got := apptest.TokenNames(b.Open(d.URL + "/tokens?organization=contoso&q=lost-answer")); len(got) != 0 {
				t.Errorf("still there: %q", got)
			}
		})
	}
}

func TestEveryPatTokenError(t *testing.T) {
	t.Parallel()
	var values []string
	for _, fault := range simulator.Faults() {
		if value, refusal := strings.CutPrefix(fault.Name, "patTokenError:"); refusal {
			values = append(values, value)
		}
	}
	tries := map[int]int{200: len(values) / 3, 400: 3}
	for i, status := range []int{200, 400} {
		o := apptest.Seeded()
		o.Sim.ErrorStatus = status
		d := apptest.Start(t, o)
		b := d.SignedIn(apptest.Mona)
		b.Open(d.URL+"/tokens/new?organization=contoso").Fill("Name", "refused").Choose("Code", "Read")
		for _, value := range testkit.SampleFor(t, i, tries[status], values) {
			d.Sim.ClearFaults()
			d.Sim.SetFault("patTokenError:"+value, simulator.FaultOptions{Call: "create"})
			b.Press("Create token")
			alert := webtest.Fold(b.Page.Find("[role=alert]").Text())
			if b.Status < 400 || len(alert) < 30 || strings.Contains(b.Body, `id="secret"`) {
				t.Errorf("%s at %d: %d %q", value, status, b.Status, alert)
			}
			if _, _, form := b.Form("Create token"); form.Get("name") != "refused" {
				t.Errorf("%s: the input is lost", value)
			}
		}
	}
}

// Revoke is told as done only when it is.
func TestRevokeTellsTheTruth(t *testing.T) {
	t.Parallel()
	for _, a := range testkit.SampleFor(t, 14, 7, answers) {
		t.Run(a.fault, func(t *testing.T) {
			t.Parallel()
			d := apptest.Start(t, apptest.Seeded())
			b := d.SignedIn(apptest.Mona)
			b.Open(d.URL + "/tokens?organization=contoso&q=Nightly").Click("Nightly backup of repositories").Click("Revoke")
			d.Sim.SetFault(a.fault, simulator.FaultOptions{Call: "revoke"})
			b.Press("Revoke")
			if b.Status < 400 {
				t.Errorf("%d\n%s", b.Status, b.Text())
			}
			if !slices.ContainsFunc(d.Sim.Tokens("contoso"), func(t simulator.Token) bool { return t.DisplayName == "Nightly backup of repositories" && !t.Revoked }) {
				t.Error("revoked all the same")
			}
		})
	}
}

func TestRevokeAnswersThatAreSuccess(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]simulator.Options{
		"204": {Seed: true, RevokeStatus: 204}, "200": {Seed: true, RevokeStatus: 200},
		"gone": {Seed: true, UnknownToken: simulator.AnswerPatTokenError}, "gone 404": {Seed: true, UnknownToken: simulator.AnswerNotFound},
		"gone 400": {Seed: true, UnknownToken: simulator.AnswerPatTokenError, ErrorStatus: 400},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := apptest.Start(t, apptest.Options{Sim: o})
			b := d.SignedIn(apptest.Mona)
			b.Open(d.URL + "/tokens?organization=contoso&q=Nightly").Click("Nightly backup of repositories").Click("Revoke")
			if strings.HasPrefix(name, "gone") {
				d.Sim.Forget("Nightly backup of repositories")
			}
			b.Press("Revoke")
			if b.Status != http.StatusOK || b.Page.Find("[role=alert]").Length() > 0 {
				t.Errorf("%d\n%s", b.Status, b.Text())
			}
		})
	}
}
