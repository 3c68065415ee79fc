package security

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/patdesk/patdesk/internal/simulator"
	"github.com/patdesk/patdesk/internal/testkit/apptest"
	"github.com/patdesk/patdesk/internal/webtest"
)

// S3: an ID token that isn't what it should be makes no session, whatever is wrong with it.
func TestIDTokensThatAreNotBelieved(t *testing.T) {
	t.Parallel()
	d := apptest.Start(t, apptest.Seeded())
	for _, f := range simulator.Faults() {
		if f.Group != simulator.GroupIDToken {
			continue
		}
		d.Sim.ClearFaults()
		d.Sim.SetFault(f.Name, simulator.FaultOptions{})
		b := webtest.New(t, d.Transport()).Open(d.URL + "/sign-in?return=/changes")
		apptest.SignIn(b, apptest.Mona)
		if b.Status != http.StatusBadRequest || b.Has("button", "Sign out") || len(apptest.CookiesOf(t, b, d.URL)) > 1 {
			t.Errorf("%s: %d, cookies %v\n%s", f.Name, b.Status, apptest.CookiesOf(t, b, d.URL), b.Text())
		}
	}
	// Three of these tokens name a key, or carry a signature, that the published keys don't know. That makes patdesk
	// look for newer ones, but not each time.
	if n := d.Sim.Calls(simulator.CallJWKS); n > 2 {
		t.Errorf("the keys were fetched %d times", n)
	}
	d.Sim.ClearFaults()
	d.SignedIn(apptest.Mona)
}

// S4: iss beside the code (RFC 9207) is compared where it comes, and asked for where the metadata promises it.
func TestResponseIssuer(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		promised bool
		edit     func(url.Values)
		ok       bool
	}{
		"promised and right": {true, func(url.Values) {}, true},
		"promised, missing":  {true, func(q url.Values) { q.Del("iss") }, false},
		"promised, empty":    {true, func(q url.Values) { q.Set("iss", "") }, false},
		"promised, another":  {true, func(q url.Values) { q.Set("iss", "https://evil.example/v2.0") }, false},
		"another tenant's": {true, func(q url.Values) {
			q.Set("iss", strings.Replace(q.Get("iss"), simulator.DefaultTenantID, simulator.OtherTenantID, 1))
		}, false},
		"twice":            {true, func(q url.Values) { q.Add("iss", q.Get("iss")) }, false},
		"not promised":     {false, func(url.Values) {}, true},
		"unasked, another": {false, func(q url.Values) { q.Set("iss", "https://evil.example/v2.0") }, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := apptest.Start(t, apptest.Options{Sim: simulator.Options{Seed: true, ResponseIssuer: c.promised}})
			b := webtest.New(t, d.Transport()).Open(d.URL + "/sign-in?return=/changes").Click("Sign in")
			_, to, form := b.Form("Continue as " + apptest.Mona)
			callback, err := url.Parse(apptest.CallbackOf(t, b, to, form))
			if err != nil {
				t.Fatal(err)
			}
			q := callback.Query()
			c.edit(q)
			callback.RawQuery = q.Encode()
			b.Open(callback.String())
			if signed := b.Has("button", "Sign out"); signed != c.ok || !c.ok && b.Status != http.StatusBadRequest {
				t.Errorf("%d\n%s", b.Status, b.Text())
			}
		})
	}
}

// S5: ten tabs come back at the same moment. Each lands on its own page, and the browser stays signed in.
func TestConcurrentCallbacks(t *testing.T) {
	t.Parallel()
	d := apptest.Start(t, apptest.Seeded())
	first := d.Browser()
	var callbacks, pages []string
	for i := range 10 {
		page := "/scopes?q=" + string(rune('a'+i))
		tab := first.Twin().Open(d.URL + "/sign-in" + apptest.Query("return", page)).Click("Sign in")
		_, to, form := tab.Form("Continue as " + apptest.Mona)
		pages, callbacks = append(pages, page), append(callbacks, apptest.CallbackOf(t, tab, to, form))
	}
	var tabs [10]*webtest.Browser
	var wait sync.WaitGroup
	for i := range tabs {
		tabs[i] = first.Twin()
		wait.Go(func() { tabs[i].Open(callbacks[i]) })
	}
	wait.Wait()
	for i, tab := range tabs {
		if tab.URL.String() != d.URL+pages[i] || tab.Status != http.StatusOK {
			t.Errorf("the tab for %s ended at %s (%d)", pages[i], tab.URL, tab.Status)
		}
		if tab.Open(d.URL + "/changes"); !tab.Has("button", "Sign out") {
			t.Errorf("tab %d is signed out", i)
		}
	}
}

// S6: the callback reaches another replica than the one that began.
func TestCallbackOnAnotherReplica(t *testing.T) {
	t.Parallel()
	f, programs := apptest.StartBehind(t, apptest.PublicAddress{}, 2, apptest.Seeded())
	f.Use(0)
	b := webtest.New(t, programs[0].Transport()).Open(f.URL + "/sign-in?return=/scopes").Click("Sign in")
	f.Use(1)
	if b.Press("Continue as " + apptest.Mona); b.URL.String() != f.URL+"/scopes" || !b.Has("button", "Sign out") {
		t.Fatalf("ended at %s (%d)\n%s", b.URL, b.Status, b.Text())
	}
	f.Use(0)
	if b.Open(f.URL + "/tokens?organization=contoso"); len(apptest.TokenNames(b)) == 0 {
		t.Errorf("the first replica doesn't know the session: %d\n%s", b.Status, b.Text())
	}
	// S11: signing out on one of them is signing out on all.
	copied := webtest.New(t, programs[0].Transport())
	apptest.PlantCookies(t, copied, f.URL, apptest.SessionCookie(t, b, f.URL))
	f.Use(1)
	b.Press("Sign out")
	f.Use(0)
	if copied.Open(f.URL + "/changes"); copied.Has("button", "Sign out") {
		t.Error("signed out on one replica, still signed in on the other")
	}
}

// S7: ids that somebody planted in a browser before the sign-in are worth nothing after it.
func TestPlantedSessions(t *testing.T) {
	t.Parallel()
	d := apptest.Start(t, apptest.Seeded())
	attacker := d.SignedInAt(apptest.Jonas, "/changes")
	owned := apptest.SessionCookie(t, attacker, d.URL)
	made := *owned
	made.Value = strings.Repeat("A", 43) // of the right form, unknown
	for name, planted := range map[string]*http.Cookie{"made up": &made, "the attacker's own": owned} {
		victim := webtest.New(t, d.Transport())
		apptest.PlantCookies(t, victim, d.URL, planted)
		victim.Open(d.URL + "/sign-in/start?return=/changes").Press("Continue as " + apptest.Mona)
		if !strings.Contains(victim.Text(), apptest.Mona) {
			t.Fatalf("%s: %d\n%s", name, victim.Status, victim.Text())
		}
		if apptest.SessionCookie(t, victim, d.URL).Value == planted.Value {
			t.Errorf("%s: the planted id was taken over", name)
		}
		spy := webtest.New(t, d.Transport())
		apptest.PlantCookies(t, spy, d.URL, planted)
		if spy.Open(d.URL + "/changes"); spy.Has("button", "Sign out") {
			t.Errorf("%s: the planted id is signed in:\n%s", name, spy.Text())
		}
	}
}

// S7, S9: the cookie of a sign-in that somebody else began doesn't help without being the browser that began it; and an
// attempt belongs to one state only.
func TestPlantedAttempt(t *testing.T) {
	t.Parallel()
	d := apptest.Start(t, apptest.Seeded())
	one, two := d.Browser().Click("Sign in"), d.Browser().Click("Sign in")
	_, to, form := one.Form("Continue as " + apptest.Jonas)
	callback := apptest.CallbackOf(t, one, to, form)
	var swapped []*http.Cookie
	for name, value := range apptest.CookiesOf(t, two, d.URL) {
		for mine := range apptest.CookiesOf(t, one, d.URL) {
			swapped = append(swapped, &http.Cookie{Name: mine, Value: value, Path: "/"}, &http.Cookie{Name: name, Value: value, Path: "/"})
		}
	}
	calls := d.Sim.Calls(simulator.CallToken)
	victim := webtest.New(t, d.Transport())
	apptest.PlantCookies(t, victim, d.URL, swapped...)
	if victim.Open(callback); victim.Status != http.StatusBadRequest || d.Sim.Calls(simulator.CallToken) != calls {
		t.Errorf("another attempt's cookie under this attempt's name: %d\n%s", victim.Status, victim.Text())
	}
}

// S7: a second person who signs in in the same browser, without a sign-out between, finds nothing of the first.
func TestNothingOfThePersonBefore(t *testing.T) {
	t.Parallel()
	d := apptest.Start(t, apptest.Seeded())
	b := d.SignedInAt(apptest.Mona, "/tokens?organization=northwind-labs")
	before := apptest.SessionCookie(t, b, d.URL)
	b.Open(d.URL+"/tokens/new?organization=contoso").Fill("Name", "of-the-first-person").Choose("Code", "Read")
	_, to, form := b.Form("Create token")
	b.Press("Create token")
	secret, operation := apptest.SecretOf(b), b.URL.String()
	d.Sim.SetFault("claimsChallenge", simulator.FaultOptions{})
	form.Set("name", "left-in-a-draft")
	b.Open(d.URL+"/tokens/new?organization=contoso").Fill("Name", "left-in-a-draft").Choose("Code", "Read").Press("Create token")
	for b.URL.Host == apptest.HostOf(t, d.URL) && b.Has("link", "Sign in") { // the page in between
		b.Click("Sign in")
	}
	d.Sim.ClearFaults()
	if b.Press("Continue as " + apptest.Jonas); !strings.Contains(b.Text(), apptest.Jonas) {
		t.Fatalf("%s (%d)\n%s", b.URL, b.Status, b.Text())
	}
	for _, address := range []string{b.URL.String(), operation, d.URL + "/changes", d.URL + "/tokens", d.URL + "/tokens/new", d.URL + "/organizations", d.URL + "/sessions"} {
		b.Open(address)
		for _, rest := range []string{secret, "of-the-first-person", "left-in-a-draft", "northwind-labs", apptest.Mona} {
			if strings.Contains(b.Body, rest) {
				t.Errorf("%s shows %q", address, rest)
			}
		}
	}
	spy := webtest.New(t, d.Transport())
	apptest.PlantCookies(t, spy, d.URL, before)
	if spy.Open(d.URL + "/changes"); spy.Has("button", "Sign out") {
		t.Error("the first person's session outlives the second one's sign-in")
	}
	if got := apptest.SecretOf(b.Post(to.String(), form)); got != "" || d.Sim.Calls(simulator.CallCreate) != 2 {
		t.Errorf("the first person's form was carried out for the second: %q, %d creates", got, d.Sim.Calls(simulator.CallCreate))
	}
}

// S10: what stands in the redirect's query is never shown, and never makes another redirect to Entra.
func TestErrorsOfTheRedirectAreNotEchoed(t *testing.T) {
	t.Parallel()
	d := apptest.Start(t, apptest.Seeded())
	const hostile = `"><script>alert(1)</script><img src=x onerror=alert(1)>{{.}}canary-9f3e`
	echo := regexp.MustCompile(`(?i)<script>|onerror|canary-9f3e|alert\(1\)|Trace ID`)
	for _, name := range []string{"error", "error_description", "error_subcode", "error_uri", "claims", "code", "state", "iss", "session_state", "unknown"} {
		for _, code := range []string{"access_denied", "interaction_required", "login_required", "consent_required", "server_error", hostile} {
			b := webtest.New(t, d.Transport()).Open(d.URL + "/sign-in?return=/changes").Click("Sign in")
			q := url.Values{"state": {b.URL.Query().Get("state")}, "error": {code}, "error_description": {"AADSTS65004: " + hostile}}
			q.Set(name, hostile)
			b.Open(d.URL + "/getAToken?" + q.Encode())
			if len(b.Hops) != 1 || b.Status < 400 || echo.MatchString(b.Body) {
				t.Errorf("%s, %.20s: %d after %d hops\n%s", name, code, b.Status, len(b.Hops), b.Body)
			}
		}
	}
	b := webtest.New(t, d.Transport()).Open(d.URL + "/changes").Click("Sign in")
	d.Sim.SetFault("hostileDescription", simulator.FaultOptions{})
	if b.Press("Continue as " + apptest.Mona); b.Status < 400 || strings.Contains(b.Body, "evil.example") || strings.Contains(b.Body, "<script>alert") {
		t.Errorf("%d\n%s", b.Status, b.Body)
	}
	if strings.Contains(d.Log.String(), "canary-9f3e") || strings.Contains(d.Log.String(), "evil.example") {
		t.Error("the log repeats what stood in the redirect")
	}
}

// S11: signing out takes a POST, ends the session on the server, removes the cookie, and leads to Entra's sign-out.
func TestSignOutEndsEverything(t *testing.T) {
	t.Parallel()
	f, programs := apptest.StartBehind(t, apptest.PublicAddress{Https: true, Path: "/pat"}, 1, apptest.Seeded())
	d := programs[0]
	b := d.SignedInAt(apptest.Mona, "/changes")
	cookie := apptest.SessionCookie(t, b, f.URL)
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		request, err := http.NewRequestWithContext(t.Context(), method, f.URL+"/sign-out", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		request.AddCookie(cookie)
		answer, err := d.Transport().RoundTrip(request)
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
	}
	if b.Open(f.URL + "/changes"); !b.Has("button", "Sign out") {
		t.Fatal("opening /sign-out signs out")
	}
	b.Press("Sign out")
	if b.Header.Get("Clear-Site-Data") == "" || b.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("headers: %v", b.Header)
	}
	gone := b.Header.Values("Set-Cookie")
	if len(gone) == 0 || !strings.HasPrefix(gone[0], cookie.Name+"=; Path=/; Expires=Thu, 01 Jan 1970 00:00:01 GMT; Max-Age=0; HttpOnly; Secure; SameSite=Lax") {
		t.Errorf("the cookie isn't removed as it was set: %q", gone)
	}
	var leads *url.URL
	for _, a := range b.Page.Find("a[href]").EachIter() {
		if u, err := url.Parse(a.AttrOr("href", "")); err == nil && strings.HasSuffix(u.Path, "/oauth2/v2.0/logout") {
			leads = u
		}
	}
	if leads == nil || leads.Query().Get("post_logout_redirect_uri") != f.URL+"/" {
		t.Fatalf("no way to Entra's sign-out with the registered address: %v", leads)
	}
	if b.Open(leads.String()); b.URL.String() != f.URL+"/" || b.Has("button", "Sign out") {
		t.Errorf("after Entra's sign-out: %s (%d)", b.URL, b.Status)
	}
	copied := webtest.New(t, d.Transport())
	apptest.PlantCookies(t, copied, f.URL, cookie)
	if copied.Open(f.URL + "/changes"); copied.Has("button", "Sign out") {
		t.Error("the old cookie still works")
	}
}

// A list of one's sessions, and an end to all others, by the server.
func TestEndAllOtherSessions(t *testing.T) {
	t.Parallel()
	f, programs := apptest.StartBehind(t, apptest.PublicAddress{}, 2, apptest.Seeded())
	d := programs[0]
	agent := func(b *webtest.Browser, name string) *webtest.Browser {
		b.Edit(func(r *http.Request) { r.Header.Set("User-Agent", name) })
		return b
	}
	var mine []*webtest.Browser
	for _, name := range []string{"Firefox on the train", "Chrome <at> work"} {
		b := agent(webtest.New(t, d.Transport()), name).Open(f.URL + "/sign-in?return=/sessions")
		apptest.SignIn(b, apptest.Mona)
		mine = append(mine, b)
	}
	other := d.SignedInAt(apptest.Jonas, "/sessions")
	b := mine[1].Open(f.URL + "/sessions")
	for _, want := range []string{"Firefox on the train", "Chrome <at> work", "127.0.0.1"} {
		if !strings.Contains(b.Text(), want) {
			t.Errorf("the list doesn't say %q:\n%s", want, b.Text())
		}
	}
	if strings.Contains(other.Open(f.URL+"/sessions").Text(), "Firefox on the train") {
		t.Error("somebody else's list shows it too")
	}
	for _, cookie := range apptest.CookiesOf(t, b, f.URL) {
		if strings.Contains(b.Body, cookie) {
			t.Error("the list holds a session's id")
		}
	}
	if b.Press("End all my other sessions"); b.Status != http.StatusOK || !b.Has("button", "Sign out") {
		t.Fatalf("%s (%d)\n%s", b.URL, b.Status, b.Text())
	}
	for range 2 { // both programs
		if mine[0].Open(f.URL + "/changes"); mine[0].Has("button", "Sign out") {
			t.Error("the other session goes on")
		}
		if other.Open(f.URL + "/changes"); !other.Has("button", "Sign out") {
			t.Error("somebody else was signed out")
		}
	}
}

// S14: a sign-in that Entra has revoked costs one more sign-in, and leads back to the page.
func TestRevokedSignInLeadsBackToThePage(t *testing.T) {
	t.Parallel()
	old, o := &apptest.Aging{}, apptest.Seeded()
	o.Wrap = old.Wrap
	d := apptest.Start(t, o)
	b := signedInStale(d, old, apptest.Mona)
	d.Sim.RevokeSignIns()
	want := d.URL + "/tokens?organization=contoso&status=expired"
	calls := d.Sim.Calls("token.refresh_token")
	b.Open(want)
	if b.URL.Path != "/sign-in" || !b.Has("link", "Sign in") {
		t.Fatalf("at %s (%d)\n%s", b.URL, b.Status, b.Text())
	}
	if b.Twin().Open(want); d.Sim.Calls("token.refresh_token") != calls+1 {
		t.Errorf("Entra was asked %d times with a refresh token that it had refused", d.Sim.Calls("token.refresh_token")-calls)
	}
	if apptest.SignIn(b, apptest.Mona); b.URL.String() != want || len(apptest.TokenNames(b)) == 0 {
		t.Errorf("ended at %s (%d)\n%s", b.URL, b.Status, b.Text())
	}
}

// S14: and what was typed comes back, once, and is sent once.
func TestRevokedSignInKeepsTheInput(t *testing.T) {
	t.Parallel()
	old, o := &apptest.Aging{}, apptest.Seeded()
	o.Wrap = old.Wrap
	d := apptest.Start(t, o)
	old.On.Store(true) // each use needs a refresh
	b := d.SignedIn(apptest.Mona)
	b.Open(d.URL+"/tokens/new?organization=fabrikam").Fill("Name", "typed <with> care & \"quotes\"").Choose("Expiry", "7 days").Choose("Code", "Read & write")
	_, _, typed := b.Form("Create token")
	d.Sim.RevokeSignIns()
	b.Press("Create token")
	if b.URL.Path != "/sign-in" || d.Sim.Calls(simulator.CallCreate) != 0 || strings.Contains(b.URL.String(), "typed+") {
		t.Fatalf("at %s (%d), %d creates\n%s", b.URL, b.Status, d.Sim.Calls(simulator.CallCreate), b.Text())
	}
	old.On.Store(false)
	apptest.SignIn(b, apptest.Mona)
	if b.URL.Path != "/tokens/new" {
		t.Fatalf("back at %s (%d)\n%s", b.URL, b.Status, b.Text())
	}
	_, _, kept := b.Form("Create token")
	for name, values := range typed {
		if name != "form" && kept.Get(name) != values[0] {
			t.Errorf("%s was %q and is %q", name, values[0], kept.Get(name))
		}
	}
	if b.Press("Create token"); apptest.SecretOf(b) == "" || d.Sim.Calls(simulator.CallCreate) != 1 {
		t.Errorf("%d, %d creates\n%s", b.Status, d.Sim.Calls(simulator.CallCreate), b.Text())
	}
}

// Continuous access evaluation: a POST that Azure DevOps challenges leads through a sign-in with the claims, and back
// with its input.
func TestChallengedPost(t *testing.T) {
	t.Parallel()
	d := apptest.Start(t, apptest.Seeded())
	b := d.SignedIn(apptest.Mona)
	b.Open(d.URL+"/tokens/new?organization=contoso").Fill("Name", "challenged").Choose("Wiki", "Read")
	d.Sim.SetFault("claimsChallenge", simulator.FaultOptions{})
	b.Press("Create token")
	if b.URL.Path != "/sign-in" || d.Sim.Created() != 0 {
		t.Fatalf("at %s (%d)\n%s", b.URL, b.Status, b.Text())
	}
	if b.Click("Sign in"); !strings.Contains(b.URL.Query().Get("claims"), `"cp1"`) || !strings.Contains(b.URL.Query().Get("claims"), "nbf") {
		t.Errorf("claims asked for: %s", b.URL.Query().Get("claims"))
	}
	b.Press("Continue as " + apptest.Mona)
	if _, _, form := b.Form("Create token"); form.Get("name") != "challenged" || form.Get("scope-wiki") != "vso.wiki" {
		t.Fatalf("the input is lost: %s %v", b.URL, form)
	}
	if b.Press("Create token"); apptest.SecretOf(b) == "" || d.Sim.Created() != 1 {
		t.Errorf("%d, %d created\n%s", b.Status, d.Sim.Created(), b.Text())
	}
}

// A challenge that comes again although it was answered ends on a page that says so, for pages and for forms.
func TestEndlessChallenge(t *testing.T) {
	t.Parallel()
	d := apptest.Start(t, apptest.Seeded())
	b := d.SignedIn(apptest.Mona)
	b.Open(d.URL+"/tokens/new?organization=contoso").Fill("Name", "challenged").Choose("Wiki", "Read")
	form := b.Twin().Open(b.URL.String()).Fill("Name", "challenged").Choose("Wiki", "Read")
	d.Sim.SetFault("claimsChallengeAgain", simulator.FaultOptions{})
	b.Open(d.URL + "/tokens?organization=contoso")
	for range 3 {
		if !strings.HasSuffix(b.URL.Path, "/authorize") {
			break
		}
		b.Press("Continue as " + apptest.Mona)
	}
	if n := d.Sim.Calls(simulator.CallAuthorize); n != 2 {
		t.Errorf("Entra was asked for %d sign-ins", n)
	}
	apptest.CheckFailure(t, b, http.StatusForbidden)
	form.Press("Create token")
	if apptest.CheckFailure(t, form, http.StatusForbidden); d.Sim.Created() != 0 {
		t.Error("a token was made")
	}
	if _, _, kept := form.Form("Create token"); kept.Get("name") != "challenged" {
		t.Error("the input is lost")
	}
}

// Several tenants: those of ALLOWED_TENANTS come in, others get a page, by the token's own word.
func TestAllowedTenants(t *testing.T) {
	t.Parallel()
	const aiko = "Aiko Tanaka"
	for name, c := range map[string]struct {
		allowed    string
		mona, aiko bool
	}{
		"one":   {simulator.DefaultTenantID, true, false},
		"other": {simulator.OtherTenantID, false, true},
		"both":  {simulator.DefaultTenantID + ", " + strings.ToUpper(simulator.OtherTenantID), true, true},
		"any":   {"", true, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := apptest.Seeded()
			o.Env = map[string]string{"ALLOWED_TENANTS": c.allowed}
			d := apptest.Start(t, o)
			for person, ok := range map[string]bool{apptest.Mona: c.mona, aiko: c.aiko} {
				b := webtest.New(t, d.Transport()).Open(d.URL + "/sign-in?return=/changes")
				apptest.SignIn(b, person)
				switch {
				case ok && !b.Has("button", "Sign out"):
					t.Errorf("%s is kept out: %d\n%s", person, b.Status, b.Text())
				case !ok:
					apptest.CheckFailure(t, b, http.StatusForbidden)
					if b.Has("button", "Sign out") || len(apptest.CookiesOf(t, b, d.URL)) > 1 || !b.Has("link", "Sign in again") {
						t.Errorf("%s: %v\n%s", person, apptest.CookiesOf(t, b, d.URL), b.Text())
					}
				}
			}
		})
	}
}
