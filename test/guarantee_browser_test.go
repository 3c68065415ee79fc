package test

import (
	"context"
	"crypto/rand"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/Shopify/toxiproxy/v2/toxics"

	"github.com/patdesk/patdesk/internal/simulator"
	"github.com/patdesk/patdesk/internal/testkit"
	"github.com/patdesk/patdesk/internal/webtest"
)

// F2, F7: the browser goes away at once, after a while, or when the service has done it; the next page leads to the
// secret.
func TestBrowserGoesAway(t *testing.T) {
	t.Parallel()
	d := startDesk(t, seeded())
	b := d.signedIn(mona)
	for _, c := range []struct {
		name       string
		after      time.Duration // from when the service has the request
		afterDoing bool
	}{{"at once", 0, false}, {"after 50 ms", 50 * time.Millisecond, false}, {"after 200 ms", 200 * time.Millisecond, false}, {"when it is done", 0, true}} {
		t.Run(c.name, func(t *testing.T) {
			to, form := createForm(b, d.url, "contoso", c.name)
			held := d.sim.Hold(simulator.CallCreate, "contoso", c.afterDoing)
			ctx, giveUp := context.WithCancel(context.Background())
			answer := sending(ctx, b, d.transport(), to, form)
			<-held.Reached()
			time.AfterFunc(c.after, giveUp)
			if r := <-answer; r.err == nil {
				t.Fatal("an answer came:", r.says())
			}
			if got := waiting(b.Open(d.url + "/tokens")); !strings.Contains(got, "“"+c.name+"” is still being created") {
				t.Errorf("while it is made, the banner says %q", got)
			}
			held.Release()
			b.Click("See how it goes") // waits for the outcome
			if len(made(d.sim, c.name)) != 1 || fate(b, made(d.sim, c.name)[0]) != "shown" || createsOf(d.sim, c.name) != 1 {
				t.Errorf("%d creates; %d %s", createsOf(d.sim, c.name), b.Status, says(b))
			}
			if b.Open(d.url + "/changes").Click("Show the secret"); secretOf(b) == "" {
				t.Error(says(b))
			}
			b.Press("I have saved it")
		})
	}
}

// F2 before anything is sent: whoever leaves while patdesk still looks at the tokens that are there has asked all the
// same, and finds the secret.
func TestBrowserGoesAwayBeforeTheCall(t *testing.T) {
	t.Parallel()
	d := startDesk(t, seeded())
	b := d.signedIn(mona)
	to, form := createForm(b, d.url, "contoso", "gone early")
	held := d.sim.Hold(simulator.CallList, "contoso", false)
	ctx, giveUp := context.WithCancel(context.Background())
	answer := sending(ctx, b, d.transport(), to, form)
	<-held.Reached()
	giveUp()
	<-answer
	held.Release()
	if b.Open(d.url + "/changes").Click("Create gone early"); fate(b, made(d.sim, "gone early")[0]) != "shown" {
		t.Errorf("%d %s", b.Status, says(b))
	}
}

// F7: the answer to the form is lost on its way to the browser. The next page leads to the secret, and the form that
// the browser sends once more leads there too.
func TestAnswerToTheBrowserIsLost(t *testing.T) {
	t.Parallel()
	d := startDesk(t, seeded())
	l := newLine(t, strings.TrimPrefix(d.url, "http://"))
	b := d.signedIn(mona)
	cookies := sessionCookie(t, b, d.url)
	for name, down := range map[string]toxics.Toxic{
		"reset": &toxics.ResetToxic{}, "cut in the head": &toxics.LimitDataToxic{Bytes: 100}, "swallowed": &toxics.TimeoutToxic{Timeout: 300},
	} {
		to, form := createForm(b, d.url, "contoso", name)
		over := *to
		over.Host = l.listener.Addr().String()
		browser := webtest.New(t, nil)
		plant(t, browser, "http://"+over.Host, cookies)
		l.spoil(nil, down)
		r := send(context.Background(), browser, browserOf(d), &over, form)
		if l.heal() == 0 || r.err == nil {
			t.Fatalf("%s: an answer came: %s", name, r.says())
		}
		testkit.Until(t, "the token is made", func() bool { return len(made(d.sim, name)) == 1 })
		if got := waiting(b.Open(d.url + "/scopes")); !strings.Contains(got, "“"+name+"”") {
			t.Errorf("%s: banner %q", name, got)
		}
		if b.Post(to.String(), form); fate(b, made(d.sim, name)[0]) != "shown" || createsOf(d.sim, name) != 1 {
			t.Errorf("%s: sent once more: %d %s", name, b.Status, says(b))
		}
		b.Press("I have saved it")
	}
}

// browserOf is a transport that takes the program for what stands at the address it is asked for.
func browserOf(d *desk) http.RoundTripper {
	host := strings.TrimPrefix(d.url, "http://")
	return roundTrip(func(r *http.Request) (*http.Response, error) {
		r.Host = host
		r.Header.Set("Origin", d.url)
		return (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
	})
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// F15: a form of somebody else is refused; one that is too old too, and comes back with what was typed; one whose
// secret is saved leads to the record of its change. None of them makes anything.
func TestFormsThatMakeNothing(t *testing.T) {
	t.Parallel()
	clock := newTestClock()
	o := seeded()
	o.env, o.now, o.sim.Now = map[string]string{"SESSION_IDLE_TIMEOUT": "24h", "SESSION_LIFETIME": "24h"}, clock.now, clock.now
	d := startDesk(t, o)
	b, other := d.signedIn(mona), d.signedIn(jonas)
	to, theirs := createForm(b, d.url, "contoso", "hers")
	if r := send(context.Background(), other, d.transport(), to, theirs); r.status != http.StatusForbidden || createsOf(d.sim, "hers") != 0 {
		t.Errorf("somebody else's form: %d creates; %s", createsOf(d.sim, "hers"), r.says())
	}
	to, form := createForm(b, d.url, "contoso", "saved")
	operation := b.Post(to.String(), form).URL.String()
	b.Press("I have saved it")
	if b.Post(to.String(), form); b.URL.String() != operation || secretOf(b) != "" || createsOf(d.sim, "saved") != 1 {
		t.Errorf("a form whose secret is saved: %s %d %s", b.URL, b.Status, says(b))
	}
	to, old := createForm(b, d.url, "contoso", "typed long ago")
	clock.move(12*time.Hour + time.Minute)
	b = d.signedInAt(mona, "/changes") // its access token has run out
	if b.Post(to.String(), old); b.Status != http.StatusGone || createsOf(d.sim, "typed long ago") != 0 {
		t.Errorf("an old form: %d creates; %d %s", createsOf(d.sim, "typed long ago"), b.Status, says(b))
	}
	if b.Press("Create token"); secretOf(b) == "" || createsOf(d.sim, "typed long ago") != 1 {
		t.Errorf("sent again as it came back: %d %s", b.Status, says(b))
	}
	for name, form := range map[string]url.Values{"hers": theirs, "saved": form} {
		before := createsOf(d.sim, name)
		if b.Post(to.String(), form); b.Status != http.StatusGone && b.URL.String() != operation || createsOf(d.sim, name) != before {
			t.Errorf("%s, when its time is over: %d %s", name, b.Status, says(b))
		}
	}
}

// Every page there is, by the route table, leads to each pending secret and unfinished change, error pages too; but for
// those that stand on the page themselves.
func TestBannerOnEveryPage(t *testing.T) {
	t.Parallel()
	s := setStage(t)
	s.d.sim.SetFault("throttledAfterDoing", simulator.FaultOptions{Call: simulator.CallCreate, Times: 1, RetryAfter: 4 * time.Minute})
	to, form := createForm(s.b, s.d.url, "northwind-labs", "refused, perhaps")
	if s.b.Post(to.String(), form); s.b.Status != http.StatusTooManyRequests {
		t.Fatalf("%d %s", s.b.Status, says(s.b))
	}
	want := map[string]string{
		s.waiting: "“waits” is waiting to be saved", s.halfway: "The rotation of “waits” isn't finished",
		s.unknown: "It isn't known what became of “in doubt”", "": "what became of “refused, perhaps”",
	}
	pages := map[string]int{"/no/such/page": http.StatusNotFound, "/tokens?organization=nobody-has-this": http.StatusNotFound}
	for _, r := range routeTable(t) {
		quiet := slices.Contains([]string{"/healthz", "/readyz", "/favicon.ico", "/robots.txt", "/static/*", "/sign-in/start", "/overview.csv", "/overview.json", "/calendar/{address}/tokens.ics"}, r.pattern)
		if r.method != http.MethodGet || quiet {
			continue
		}
		path, _ := s.address(r)
		pages[path] = http.StatusOK
	}
	pages["/getAToken"] = http.StatusOK // on to the tokens
	for _, id := range []string{s.waiting, s.halfway, s.unknown} {
		pages["/operations/"+id] = 0 // as it went
	}
	s.d.sim.SetFault("serverError500", simulator.FaultOptions{Organization: "fabrikam"})
	pages["/tokens?organization=fabrikam"] = http.StatusBadGateway
	for path, status := range pages {
		b := s.b.Twin().Open(s.d.url + path)
		if status != 0 && b.Status != status || !b.Has("button", "Sign out") {
			t.Errorf("%s: %d %s", path, b.Status, says(b))
		}
		for id, text := range want {
			if id != "" && strings.Contains(b.URL.String(), id) {
				continue
			}
			if all := webtest.Fold(b.Page.Find("[aria-label='Waiting for you'], main").Text()); !strings.Contains(all, text) {
				t.Errorf("%s doesn't say %q: %q", path, text, waiting(b))
			}
			if id != "" && b.Page.Find("a[href='/operations/"+id+"']").Length() == 0 {
				t.Errorf("%s doesn't lead to %s", path, text)
			}
		}
	}
	if len(pages) < 20 {
		t.Errorf("only %d pages", len(pages))
	}
}

// F9: signing out in one tab while another one creates. It is asked about first; whoever does it all the same finds
// the secret after signing in again, and nobody else does.
func TestSignOutWhileCreating(t *testing.T) {
	t.Parallel()
	d := startDesk(t, seeded())
	b := d.signedIn(mona)
	to, form := createForm(b, d.url, "contoso", "left alone")
	held := d.sim.Hold(simulator.CallCreate, "contoso", true)
	answer := sending(context.Background(), b, d.transport(), to, form)
	<-held.Reached()
	tab := b.Twin().Open(d.url + "/tokens").Press("Sign out")
	if !strings.Contains(says(tab), "“left alone” is still being created") || !tab.Open(d.url+"/tokens").Has("button", "Sign out") {
		t.Fatalf("not asked: %s", says(tab))
	}
	tab.Open(d.url + "/sign-out").Press("Sign out")
	if tab.Open(d.url + "/tokens"); tab.Has("button", "Sign out") {
		t.Fatal("still signed in")
	}
	held.Release()
	if r := <-answer; r.status != http.StatusSeeOther {
		t.Error(r.says())
	}
	operation := (<-sending(context.Background(), b, d.transport(), to, form)).to
	if !strings.HasPrefix(operation, "/sign-in") || createsOf(d.sim, "left alone") != 1 {
		t.Errorf("without a session the form leads to %q; %d creates", operation, createsOf(d.sim, "left alone"))
	}
	wantFoundBy(t, d, "left alone")
}

// wantFoundBy: the secret waits for the person who created it, in whatever session, and for nobody else.
func wantFoundBy(t *testing.T, d *desk, name string) {
	t.Helper()
	other := d.signedIn(jonas)
	if strings.Contains(waiting(other), name) || strings.Contains(other.Open(d.url+"/changes").Body, name) {
		t.Error("somebody else is told of it")
	}
	again := d.signedIn(mona)
	if again.Click("Show the secret"); fate(again, made(d.sim, name)[0]) != "shown" {
		t.Errorf("%d %s", again.Status, says(again))
	}
	if other.Open(again.URL.String()); other.Status != http.StatusNotFound || secretOf(other) != "" {
		t.Errorf("somebody else sees it: %d %s", other.Status, says(other))
	}
	again.Press("I have saved it")
}

// Signing out while a secret waits is asked about; signing in again as the same person finds it.
func TestSignOutWithASecretWaiting(t *testing.T) {
	t.Parallel()
	d := startDesk(t, seeded())
	b := d.signedIn(mona)
	to, form := createForm(b, d.url, "contoso", "not yet saved")
	b.Post(to.String(), form)
	if b.Press("Sign out"); !strings.Contains(says(b), "“not yet saved” is waiting to be saved") || !b.Has("link", "Show the secret") {
		t.Fatalf("not asked: %d %s", b.Status, says(b))
	}
	if b.Click("Show the secret"); secretOf(b) == "" {
		t.Errorf("the way back: %s", says(b))
	}
	b.Open(d.url + "/sign-out").Press("Sign out")
	if b.Open(d.url + "/tokens"); b.Has("button", "Sign out") {
		t.Fatal("still signed in")
	}
	wantFoundBy(t, d, "not yet saved")
	if quiet := d.signedIn(mona).Press("Sign out"); quiet.Has("button", "Sign out") {
		t.Errorf("asked although nothing waits: %s", says(quiet))
	}
}

// The time to save a secret runs out: it is said, nobody can see it any more, and the ways on are offered.
func TestDisplayTimeOver(t *testing.T) {
	t.Parallel()
	clock := newTestClock()
	o := seeded()
	o.now, o.sim.Now = clock.now, clock.now
	d := startDesk(t, o)
	b := d.signedIn(mona)
	to, form := createForm(b, d.url, "too late", "too late")
	form.Set("organization", "contoso")
	operation := b.Post(to.String(), form).URL.String()
	clock.move(10*time.Minute - time.Second)
	if secretOf(b.Open(operation)) == "" {
		t.Errorf("a second before: %s", says(b))
	}
	clock.move(time.Second)
	if got := waiting(b.Open(d.url + "/tokens")); !strings.Contains(got, "“too late” was not saved in time") {
		t.Errorf("banner: %q", got)
	}
	b.Click("See what to do")
	if secretOf(b) != "" || strings.Contains(b.Body, made(d.sim, "too late")[0].Secret) || !b.Has("link", "Rotate the token") || !b.Has("link", "Revoke the token") {
		t.Errorf("%d %s", b.Status, says(b))
	}
	if b.Post(to.String(), form); b.URL.String() != operation || createsOf(d.sim, "too late") != 1 {
		t.Errorf("the form sent again: %s, %d creates", b.URL, createsOf(d.sim, "too late"))
	}
	b.Press("Dismiss")
	if got := waiting(b.Open(d.url + "/tokens")); got != "" {
		t.Errorf("still waiting: %q", got)
	}
}

// F12: the session ends, for good or for want of use, a second after the create was sent. The answer leads through a
// sign-in, and the secret is there.
func TestSessionEndsWhileCreating(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		settings map[string]string
		wait     time.Duration // until the form is sent
		end      time.Duration // from then until the answer
	}{
		"at its absolute end": {map[string]string{"SESSION_LIFETIME": "1h", "SESSION_IDLE_TIMEOUT": "1h"}, time.Hour - time.Second, 2 * time.Second},
		"for want of use":     {map[string]string{"SESSION_IDLE_TIMEOUT": "5m"}, 4 * time.Minute, 5*time.Minute + time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			clock := newTestClock()
			o := seeded()
			o.env, o.now, o.sim.Now = c.settings, clock.now, clock.now
			d := startDesk(t, o)
			b := d.signedIn(mona)
			to, form := createForm(b, d.url, "contoso", name)
			clock.move(c.wait)
			held := d.sim.Hold(simulator.CallCreate, "contoso", true)
			answer := sending(context.Background(), b, d.transport(), to, form)
			<-held.Reached()
			clock.move(c.end)
			held.Release()
			r := <-answer
			if r.status != http.StatusSeeOther || !strings.HasPrefix(r.to, "/operations/") {
				t.Fatal(r.says())
			}
			if b.Open(d.url + r.to); b.Has("button", "Sign out") || secretOf(b) != "" {
				t.Fatalf("the session goes on: %s", says(b))
			}
			signIn(b, mona)
			if b.URL.Path != r.to || fate(b, made(d.sim, name)[0]) != "shown" || createsOf(d.sim, name) != 1 {
				t.Errorf("%s %d %s", b.URL, b.Status, says(b))
			}
		})
	}
}

// F8: fifty ordinary requests of the same session beside each create, with a token refresh in between. Not one secret
// and not one session is lost.
func TestManyRequestsBesideACreate(t *testing.T) {
	t.Parallel()
	d := startDesk(t, seeded())
	d.sim.SetFault("shortAccessToken", simulator.FaultOptions{Call: simulator.CallToken}) // so every call needs a fresh one
	b := d.signedIn(mona)
	refreshed := d.sim.Calls("token.refresh_token")
	for range 4 {
		name := "beside others " + rand.Text()
		to, form := createForm(b, d.url, "contoso", name)
		tabs := make(chan *webtest.Browser, 50)
		for i := range cap(tabs) {
			go func() {
				tab := b.Twin()
				tabs <- tab.Open(d.url + []string{"/tokens?organization=fabrikam", "/changes", "/tokens?organization=contoso&status=all", "/sessions", "/tokens/new"}[i%5])
			}()
		}
		b.Post(to.String(), form)
		for range cap(tabs) {
			if tab := <-tabs; tab.Status != http.StatusOK || !tab.Has("button", "Sign out") {
				t.Errorf("%s: %d %s", tab.URL, tab.Status, says(tab))
			}
		}
		if b.Open(d.url + "/changes").Click("Create " + name); fate(b, made(d.sim, name)[0]) != "shown" || createsOf(d.sim, name) != 1 {
			t.Errorf("%d %s", b.Status, says(b))
		}
		b.Press("I have saved it")
	}
	if d.sim.Calls("token.refresh_token") < refreshed+4 {
		t.Error("no access token was refreshed meanwhile")
	}
}
