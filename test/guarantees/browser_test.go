package guarantees

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
	"github.com/patdesk/patdesk/internal/testkit/apptest"
	"github.com/patdesk/patdesk/internal/webtest"
)

// F2, F7: the browser goes away at once, after a while, or when the service has done it; the next page leads to the
// secret.
func TestBrowserGoesAway(t *testing.T) {
	t.Parallel()
	d := apptest.Start(t, apptest.Seeded())
	b := d.SignedIn(apptest.Mona)
	for _, c := range []struct {
		name       string
		after      time.Duration // from when the service has the request
		afterDoing bool
	}{{"at once", 0, false}, {"after 50 ms", 50 * time.Millisecond, false}, {"after 200 ms", 200 * time.Millisecond, false}, {"when it is done", 0, true}} {
		t.Run(c.name, func(t *testing.T) {
			to, form := createForm(b, d.URL, "contoso", c.name)
			held := d.Sim.Hold(simulator.CallCreate, "contoso", c.afterDoing)
			ctx, giveUp := context.WithCancel(context.Background())
			answer := apptest.Sending(ctx, b, d.Transport(), to, form)
			<-held.Reached()
			time.AfterFunc(c.after, giveUp)
			if r := <-answer; r.Err == nil {
				t.Fatal("an answer came:", r.Says())
			}
			if got := apptest.Banners(b.Open(d.URL + "/tokens")); !strings.Contains(got, "“"+c.name+"” is still being created") {
				t.Errorf("while it is made, the banner says %q", got)
			}
			held.Release()
			b.Click("See progress") // waits for the outcome
			if len(apptest.Made(d.Sim, c.name)) != 1 || apptest.Fate(b, apptest.Made(d.Sim, c.name)[0]) != "shown" || createsOf(d.Sim, c.name) != 1 {
				t.Errorf("%d creates; %d %s", createsOf(d.Sim, c.name), b.Status, apptest.Says(b))
			}
			if b.Open(d.URL + "/changes").Click("Show the secret"); apptest.SecretOf(b) == "" {
				t.Error(apptest.Says(b))
			}
			b.Press("I have saved it")
		})
	}
}

// F2 before anything is sent: whoever leaves while patdesk still looks at the tokens that are there has asked all the
// same, and finds the secret.
func TestBrowserGoesAwayBeforeTheCall(t *testing.T) {
	t.Parallel()
	d := apptest.Start(t, apptest.Seeded())
	b := d.SignedIn(apptest.Mona)
	to, form := createForm(b, d.URL, "contoso", "gone early")
	held := d.Sim.Hold(simulator.CallList, "contoso", false)
	ctx, giveUp := context.WithCancel(context.Background())
	answer := apptest.Sending(ctx, b, d.Transport(), to, form)
	<-held.Reached()
	giveUp()
	<-answer
	held.Release()
	if apptest.OpenChange(b.Open(d.URL+"/changes"), "Create gone early"); apptest.Fate(b, apptest.Made(d.Sim, "gone early")[0]) != "shown" {
		t.Errorf("%d %s", b.Status, apptest.Says(b))
	}
}

// F7: the answer to the form is lost on its way to the browser. The next page leads to the secret, and the form that
// the browser sends once more leads there too.
func TestAnswerToTheBrowserIsLost(t *testing.T) {
	t.Parallel()
	d := apptest.Start(t, apptest.Seeded())
	l := newLine(t, strings.TrimPrefix(d.URL, "http://"))
	b := d.SignedIn(apptest.Mona)
	cookies := apptest.SessionCookie(t, b, d.URL)
	for name, down := range map[string]toxics.Toxic{
		"reset": &toxics.ResetToxic{}, "cut in the head": &toxics.LimitDataToxic{Bytes: 100}, "swallowed": &toxics.TimeoutToxic{Timeout: 300},
	} {
		to, form := createForm(b, d.URL, "contoso", name)
		over := *to
		over.Host = l.listener.Addr().String()
		browser := webtest.New(t, nil)
		apptest.PlantCookies(t, browser, "http://"+over.Host, cookies)
		l.spoil(nil, down)
		r := apptest.Send(context.Background(), browser, browserOf(d), &over, form)
		if l.heal() == 0 || r.Err == nil {
			t.Fatalf("%s: an answer came: %s", name, r.Says())
		}
		testkit.Until(t, "the token is made", func() bool { return len(apptest.Made(d.Sim, name)) == 1 })
		if got := apptest.Banners(b.Open(d.URL + "/sessions")); !strings.Contains(got, "“"+name+"”") {
			t.Errorf("%s: banner %q", name, got)
		}
		if b.Post(to.String(), form); apptest.Fate(b, apptest.Made(d.Sim, name)[0]) != "shown" || createsOf(d.Sim, name) != 1 {
			t.Errorf("%s: sent once more: %d %s", name, b.Status, apptest.Says(b))
		}
		b.Press("I have saved it")
	}
}

// browserOf is a transport that takes the program for what stands at the address it is asked for.
func browserOf(d *apptest.Program) http.RoundTripper {
	host := strings.TrimPrefix(d.URL, "http://")
	return apptest.RoundTripFunc(func(r *http.Request) (*http.Response, error) {
		r.Host = host
		r.Header.Set("Origin", d.URL)
		return (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
	})
}

// F15: a form of somebody else is refused; one that is too old too, and comes back with what was typed; one whose
// secret is saved leads to the record of its change. None of them makes anything.
func TestFormsThatMakeNothing(t *testing.T) {
	t.Parallel()
	clock := testkit.NewClock()
	o := apptest.Seeded()
	o.Env, o.Now, o.Sim.Now = map[string]string{"SESSION_IDLE_TIMEOUT": "24h", "SESSION_LIFETIME": "24h"}, clock.Now, clock.Now
	d := apptest.Start(t, o)
	b, other := d.SignedIn(apptest.Mona), d.SignedIn(apptest.Jonas)
	to, theirs := createForm(b, d.URL, "contoso", "hers")
	if r := apptest.Send(context.Background(), other, d.Transport(), to, theirs); r.Status != http.StatusForbidden || createsOf(d.Sim, "hers") != 0 {
		t.Errorf("somebody else's form: %d creates; %s", createsOf(d.Sim, "hers"), r.Says())
	}
	to, form := createForm(b, d.URL, "contoso", "saved")
	operation := b.Post(to.String(), form).URL.String()
	b.Press("I have saved it")
	if b.Post(to.String(), form); b.URL.String() != operation || apptest.SecretOf(b) != "" || createsOf(d.Sim, "saved") != 1 {
		t.Errorf("a form whose secret is saved: %s %d %s", b.URL, b.Status, apptest.Says(b))
	}
	to, old := createForm(b, d.URL, "contoso", "typed long ago")
	clock.Move(12*time.Hour + time.Minute)
	b = d.SignedInAt(apptest.Mona, "/changes") // its access token has run out
	if b.Post(to.String(), old); b.Status != http.StatusGone || createsOf(d.Sim, "typed long ago") != 0 {
		t.Errorf("an old form: %d creates; %d %s", createsOf(d.Sim, "typed long ago"), b.Status, apptest.Says(b))
	}
	if b.Press("Create token"); apptest.SecretOf(b) == "" || createsOf(d.Sim, "typed long ago") != 1 {
		t.Errorf("sent again as it came back: %d %s", b.Status, apptest.Says(b))
	}
	for name, form := range map[string]url.Values{"hers": theirs, "saved": form} {
		before := createsOf(d.Sim, name)
		if b.Post(to.String(), form); b.Status != http.StatusGone && b.URL.String() != operation || createsOf(d.Sim, name) != before {
			t.Errorf("%s, when its time is over: %d %s", name, b.Status, apptest.Says(b))
		}
	}
}

// Every page there is, by the route table, leads to each pending secret and unfinished change, error pages too; but for
// those that stand on the page themselves. A secret is never folded away; the others are where there are several.
func TestBannerOnEveryPage(t *testing.T) {
	t.Parallel()
	s := apptest.SetStage(t)
	s.D.Sim.SetFault("throttledAfterDoing", simulator.FaultOptions{Call: simulator.CallCreate, Times: 1, RetryAfter: 4 * time.Minute})
	to, form := createForm(s.B, s.D.URL, "northwind-labs", "refused, perhaps")
	if s.B.Post(to.String(), form); s.B.Status != http.StatusTooManyRequests {
		t.Fatalf("%d %s", s.B.Status, apptest.Says(s.B))
	}
	want := map[string]string{
		s.Waiting: "“waits” is waiting to be saved", s.Halfway: "The rotation of “waits” isn't finished",
		s.Unknown: "We couldn't confirm what happened to “in doubt”", "": "what happened to “refused, perhaps”",
	}
	pages := map[string]int{"/no/such/page": http.StatusNotFound, "/tokens?organization=nobody-has-this": http.StatusNotFound}
	for _, r := range apptest.RouteTable(t) {
		quiet := slices.Contains([]string{"/healthz", "/readyz", "/favicon.ico", "/robots.txt", "/static/*", "/sign-in/start", "/tokens.csv", "/tokens.json", "/overview.csv", "/overview.json", "/calendar/{address}/tokens.ics", "/calendar/{address}/tokens.atom", "/calendar/{address}/tokens.json", "/calendar/{address}/metrics"}, r.Pattern)
		if r.Method != http.MethodGet || quiet {
			continue
		}
		path, _ := s.Address(r)
		if pages[path] = http.StatusOK; strings.Contains(r.Pattern, "/vault") { // there are none
			pages[path] = http.StatusNotFound
		}
	}
	pages["/getAToken"] = http.StatusOK // on to the tokens
	for _, id := range []string{s.Waiting, s.Halfway, s.Unknown} {
		pages["/operations/"+id] = 0 // as it went
	}
	s.D.Sim.SetFault("serverError500", simulator.FaultOptions{Organization: "fabrikam"})
	pages["/tokens?organization=fabrikam"] = http.StatusBadGateway
	for path, status := range pages {
		b := s.B.Twin().Open(s.D.URL + path)
		if status != 0 && b.Status != status || !b.Has("button", "Sign out") {
			t.Errorf("%s: %d %s", path, b.Status, apptest.Says(b))
		}
		if banners := b.Page.Find("[aria-label='Waiting for you']"); banners.Find("details .notice-secret").Length() > 0 || banners.Children().Length() > 2 {
			t.Errorf("%s folds a secret away, or piles up banners: %s", path, apptest.Banners(b))
		}
		for id, text := range want {
			if id != "" && strings.Contains(b.URL.String(), id) {
				continue
			}
			if all := webtest.Fold(b.Page.Find("[aria-label='Waiting for you'], main").Text()); !strings.Contains(all, text) {
				t.Errorf("%s doesn't say %q: %q", path, text, apptest.Banners(b))
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

// F9: signing out in one tab while another one creates. It is asked about first; whoever does it all the same finds the
// secret after signing in again, and nobody else does.
func TestSignOutWhileCreating(t *testing.T) {
	t.Parallel()
	d := apptest.Start(t, apptest.Seeded())
	b := d.SignedIn(apptest.Mona)
	to, form := createForm(b, d.URL, "contoso", "left alone")
	held := d.Sim.Hold(simulator.CallCreate, "contoso", true)
	answer := apptest.Sending(context.Background(), b, d.Transport(), to, form)
	<-held.Reached()
	tab := b.Twin().Open(d.URL + "/tokens").Press("Sign out")
	if !strings.Contains(apptest.Says(tab), "“left alone” is still being created") || !tab.Open(d.URL+"/tokens").Has("button", "Sign out") {
		t.Fatalf("not asked: %s", apptest.Says(tab))
	}
	tab.Open(d.URL + "/sign-out").Press("Sign out")
	if tab.Open(d.URL + "/tokens"); tab.Has("button", "Sign out") {
		t.Fatal("still signed in")
	}
	held.Release()
	if r := <-answer; r.Status != http.StatusSeeOther {
		t.Error(r.Says())
	}
	operation := (<-apptest.Sending(context.Background(), b, d.Transport(), to, form)).To
	if !strings.HasPrefix(operation, "/sign-in") || createsOf(d.Sim, "left alone") != 1 {
		t.Errorf("without a session the form leads to %q; %d creates", operation, createsOf(d.Sim, "left alone"))
	}
	wantFoundBy(t, d, "left alone")
}

// wantFoundBy: the secret waits for the person who created it, in whatever session, and for nobody else.
func wantFoundBy(t *testing.T, d *apptest.Program, name string) {
	t.Helper()
	other := d.SignedIn(apptest.Jonas)
	if strings.Contains(apptest.Banners(other), name) || strings.Contains(other.Open(d.URL+"/changes").Body, name) {
		t.Error("somebody else is told of it")
	}
	again := d.SignedIn(apptest.Mona)
	if again.Click("Show the secret"); apptest.Fate(again, apptest.Made(d.Sim, name)[0]) != "shown" {
		t.Errorf("%d %s", again.Status, apptest.Says(again))
	}
	if other.Open(again.URL.String()); other.Status != http.StatusNotFound || apptest.SecretOf(other) != "" {
		t.Errorf("somebody else sees it: %d %s", other.Status, apptest.Says(other))
	}
	again.Press("I have saved it")
}

// Signing out while a secret waits is asked about; signing in again as the same person finds it.
func TestSignOutWithASecretWaiting(t *testing.T) {
	t.Parallel()
	d := apptest.Start(t, apptest.Seeded())
	b := d.SignedIn(apptest.Mona)
	to, form := createForm(b, d.URL, "contoso", "not yet saved")
	b.Post(to.String(), form)
	if b.Press("Sign out"); !strings.Contains(apptest.Says(b), "“not yet saved” is waiting to be saved") || !b.Has("link", "Show the secret") {
		t.Fatalf("not asked: %d %s", b.Status, apptest.Says(b))
	}
	if b.Click("Show the secret"); apptest.SecretOf(b) == "" {
		t.Errorf("the way back: %s", apptest.Says(b))
	}
	b.Open(d.URL + "/sign-out").Press("Sign out")
	if b.Open(d.URL + "/tokens"); b.Has("button", "Sign out") {
		t.Fatal("still signed in")
	}
	wantFoundBy(t, d, "not yet saved")
	if quiet := d.SignedIn(apptest.Mona).Press("Sign out"); quiet.Has("button", "Sign out") {
		t.Errorf("asked although nothing waits: %s", apptest.Says(quiet))
	}
}

// The time to save a secret runs out: it is said, nobody can see it any more, and the ways on are offered.
func TestDisplayTimeOver(t *testing.T) {
	t.Parallel()
	clock := testkit.NewClock()
	o := apptest.Seeded()
	o.Now, o.Sim.Now = clock.Now, clock.Now
	d := apptest.Start(t, o)
	b := d.SignedIn(apptest.Mona)
	to, form := createForm(b, d.URL, "too late", "too late")
	form.Set("organization", "contoso")
	operation := b.Post(to.String(), form).URL.String()
	clock.Move(10*time.Minute - time.Second)
	if apptest.SecretOf(b.Open(operation)) == "" {
		t.Errorf("a second before: %s", apptest.Says(b))
	}
	clock.Move(time.Second)
	if got := apptest.Banners(b.Open(d.URL + "/tokens")); !strings.Contains(got, "“too late” was not saved in time") {
		t.Errorf("banner: %q", got)
	}
	b.Click("See what to do")
	if apptest.SecretOf(b) != "" || strings.Contains(b.Body, apptest.Made(d.Sim, "too late")[0].Secret) || !b.Has("link", "Rotate the token") || !b.Has("link", "Revoke the token") {
		t.Errorf("%d %s", b.Status, apptest.Says(b))
	}
	if b.Post(to.String(), form); b.URL.String() != operation || createsOf(d.Sim, "too late") != 1 {
		t.Errorf("the form sent again: %s, %d creates", b.URL, createsOf(d.Sim, "too late"))
	}
	b.Press("Dismiss")
	if got := apptest.Banners(b.Open(d.URL + "/tokens")); got != "" {
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
			clock := testkit.NewClock()
			o := apptest.Seeded()
			o.Env, o.Now, o.Sim.Now = c.settings, clock.Now, clock.Now
			d := apptest.Start(t, o)
			b := d.SignedIn(apptest.Mona)
			to, form := createForm(b, d.URL, "contoso", name)
			clock.Move(c.wait)
			held := d.Sim.Hold(simulator.CallCreate, "contoso", true)
			answer := apptest.Sending(context.Background(), b, d.Transport(), to, form)
			<-held.Reached()
			clock.Move(c.end)
			held.Release()
			r := <-answer
			if r.Status != http.StatusSeeOther || !strings.HasPrefix(r.To, "/operations/") {
				t.Fatal(r.Says())
			}
			if b.Open(d.URL + r.To); b.Has("button", "Sign out") || apptest.SecretOf(b) != "" {
				t.Fatalf("the session goes on: %s", apptest.Says(b))
			}
			apptest.SignIn(b, apptest.Mona)
			if b.URL.Path != r.To || apptest.Fate(b, apptest.Made(d.Sim, name)[0]) != "shown" || createsOf(d.Sim, name) != 1 {
				t.Errorf("%s %d %s", b.URL, b.Status, apptest.Says(b))
			}
		})
	}
}

// F8: fifty ordinary requests of the same session beside each create, with a token refresh in between. Not one secret
// and not one session is lost.
func TestManyRequestsBesideACreate(t *testing.T) {
	t.Parallel()
	d := apptest.Start(t, apptest.Seeded())
	d.Sim.SetFault("shortAccessToken", simulator.FaultOptions{Call: simulator.CallToken}) // so every call needs a fresh one
	b := d.SignedIn(apptest.Mona)
	refreshed := d.Sim.Calls("token.refresh_token")
	for range 2 {
		name := "beside others " + rand.Text()
		to, form := createForm(b, d.URL, "contoso", name)
		tabs := make(chan *webtest.Browser, 50)
		for i := range cap(tabs) {
			go func() {
				tab := b.Twin()
				tabs <- tab.Open(d.URL + []string{"/tokens?organization=fabrikam", "/changes", "/tokens?organization=contoso&status=all", "/sessions", "/tokens/new"}[i%5])
			}()
		}
		b.Post(to.String(), form)
		for range cap(tabs) {
			if tab := <-tabs; tab.Status != http.StatusOK || !tab.Has("button", "Sign out") {
				t.Errorf("%s: %d %s", tab.URL, tab.Status, apptest.Says(tab))
			}
		}
		if apptest.OpenChange(b.Open(d.URL+"/changes"), "Create "+name); apptest.Fate(b, apptest.Made(d.Sim, name)[0]) != "shown" || createsOf(d.Sim, name) != 1 {
			t.Errorf("%d %s", b.Status, apptest.Says(b))
		}
		b.Press("I have saved it")
	}
	if d.Sim.Calls("token.refresh_token") < refreshed+2 {
		t.Error("no access token was refreshed meanwhile")
	}
}
