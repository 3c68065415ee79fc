package features

import (
	"encoding/base64"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/patdesk/patdesk/internal/simulator"
	"github.com/patdesk/patdesk/internal/testkit"
	"github.com/patdesk/patdesk/internal/testkit/apptest"
	"github.com/patdesk/patdesk/internal/webtest"
)

func TestSignInPageSaysWhatItAsksFor(t *testing.T) {
	t.Parallel()
	d := apptest.Start(t, apptest.Seeded())
	b := d.Browser()
	for _, want := range []string{"personal access tokens", "Azure DevOps"} {
		if !strings.Contains(b.Text(), want) {
			t.Errorf("the page doesn't say %q:\n%s", want, b.Text())
		}
	}
	if d.Sim.Calls("authorize") != 0 || len(b.Header.Values("Set-Cookie")) != 0 {
		t.Error("looking at the start page leaves a cookie or goes to Entra")
	}
}

func TestAuthorizationRequest(t *testing.T) {
	t.Parallel()
	d := apptest.Start(t, apptest.Seeded())
	b := d.Browser().Click("Sign in")
	q := b.URL.Query()
	for name, want := range map[string]string{
		"response_type": "code", "response_mode": "query", "code_challenge_method": "S256", "redirect_uri": d.URL + "/getAToken", "client_id": d.Sim.ClientID(),
	} {
		if q.Get(name) != want {
			t.Errorf("%s is %q, want %q", name, q.Get(name), want)
		}
	}
	for _, name := range []string{"state", "nonce", "code_challenge"} {
		if len(q.Get(name)) < 32 {
			t.Errorf("%s is too short: %q", name, q.Get(name))
		}
	}
	for _, scope := range []string{"499b84ac-1321-427f-aa17-267ca6975798/.default", "openid", "profile", "offline_access"} {
		if !strings.Contains(q.Get("scope"), scope) {
			t.Errorf("scope %q lacks %s", q.Get("scope"), scope)
		}
	}
}

func TestBackToWhereOneWantedToGo(t *testing.T) {
	t.Parallel()
	d := apptest.Start(t, apptest.Seeded())
	want := d.URL + "/tokens?organization=fabrikam&sort=name&status=all"
	b := webtest.New(t, d.Transport()).Open(want)
	apptest.SignIn(b, apptest.Mona)
	if b.URL.String() != want {
		t.Errorf("ended at %s", b.URL)
	}
}

func TestForeignReturnAddresses(t *testing.T) {
	t.Parallel()
	d := apptest.Start(t, apptest.Seeded())
	for _, evil := range []string{"https://evil.example", "//evil.example", `/\evil.example`, "/%5cevil.example", "/\t/evil.example", "javascript:alert(1)", "/..//evil.example", "/sign-out"} {
		b := webtest.New(t, d.Transport()).Open(d.URL + "/sign-in" + apptest.Query("return", evil))
		apptest.SignIn(b, apptest.Mona)
		if b.URL.String() != d.URL+"/overview" {
			t.Errorf("%q led to %s", evil, b.URL)
		}
	}
}

// Ten tabs start together and finish in any order: each lands on its own page.
func TestManyTabs(t *testing.T) {
	t.Parallel()
	d := apptest.Start(t, apptest.Seeded())
	first := d.Browser()
	pages := []string{"/changes", "/scopes?q=wiki", "/sessions", "/tokens?organization=fabrikam", "/tokens/new?organization=contoso", "/organizations",
		"/tokens?organization=contoso&status=expired", "/tokens?organization=northwind-labs", "/tokens?organization=contoso&q=git", "/tokens/new?organization=fabrikam"}
	var tabs []*webtest.Browser
	for _, p := range pages {
		tabs = append(tabs, first.Twin().Open(d.URL+"/sign-in"+apptest.Query("return", p)).Click("Sign in"))
	}
	for _, i := range []int{9, 0, 5, 3, 8, 1, 7, 2, 6, 4} {
		if tabs[i].Press("Continue as " + apptest.Mona); tabs[i].URL.String() != d.URL+pages[i] || tabs[i].Status != http.StatusOK {
			t.Errorf("the tab for %s ended at %s (%d)", pages[i], tabs[i].URL, tabs[i].Status)
		}
	}
	for i := range tabs {
		if tabs[i].Open(tabs[i].URL.String()); !tabs[i].Has("button", "Sign out") {
			t.Errorf("tab %d was signed out by another one", i)
		}
	}
}

func TestForgedCallbacks(t *testing.T) {
	t.Parallel()
	d := apptest.Start(t, apptest.Seeded())
	victim := d.Browser().Click("Sign in")
	state := victim.URL.Query().Get("state")
	attacker := d.Browser().Click("Sign in")
	_, to, form := attacker.Form("Continue as " + apptest.Jonas)
	attackerCallback := apptest.CallbackOf(t, attacker, to, form)

	tokenCalls := d.Sim.Calls("token")
	for name, address := range map[string]string{
		"nothing": "/getAToken", "no state": "/getAToken?code=x", "empty state": "/getAToken?code=x&state=", "wrong state": "/getAToken?code=x&state=" + strings.Repeat("a", 43),
		"another browser's": strings.TrimPrefix(attackerCallback, d.URL), "error without state": "/getAToken?error=access_denied",
	} {
		b := victim.Twin().Open(d.URL + address)
		if b.Status != http.StatusBadRequest || b.Has("button", "Sign out") {
			t.Errorf("%s: %d\n%s", name, b.Status, b.Text())
		}
	}
	fresh := webtest.New(t, d.Transport()).Open(d.URL + "/getAToken?code=x&state=" + url.QueryEscape(state))
	if fresh.Status != http.StatusBadRequest || d.Sim.Calls("token") != tokenCalls {
		t.Errorf("a foreign browser: %d, %d token calls", fresh.Status, d.Sim.Calls("token")-tokenCalls)
	}
	// The honest one still works, once; then its address is worth nothing.
	_, to, form = victim.Form("Continue as " + apptest.Mona)
	address := apptest.CallbackOf(t, victim, to, form)
	if victim.Open(address); victim.Status != http.StatusOK || !victim.Has("button", "Sign out") {
		t.Fatalf("%d\n%s", victim.Status, victim.Text())
	}
	tokenCalls = d.Sim.Calls("token")
	if victim.Open(address); victim.Status != http.StatusOK || victim.URL.Path != "/overview" {
		t.Errorf("replay by the signed-in person: %d at %s", victim.Status, victim.URL)
	}
	if other := webtest.New(t, d.Transport()).Open(address); other.Status != http.StatusBadRequest {
		t.Errorf("replay by somebody else: %d", other.Status)
	}
	if d.Sim.Calls("token") != tokenCalls {
		t.Error("a replay was redeemed")
	}
}

func TestErrorsOfSigningIn(t *testing.T) {
	t.Parallel()
	all := map[string]struct {
		status int
		says   string
	}{
		"accessDenied": {403, ""}, "consentRequired": {403, "consent"}, "adminApproval": {403, "vso.pats_manage"}, "conditionalAccess": {403, ""},
		"notAssigned": {403, ""}, "wrongTenant": {403, ""}, "serverError": {503, ""}, "temporarilyUnavailable": {503, ""},
		"wrongNonce": {400, ""}, "wrongAudience": {400, ""}, "wrongIssuer": {400, ""}, "expiredIDToken": {400, ""}, "algNone": {400, ""}, "badSignature": {400, ""},
		"invalidClient": {500, ""}, "token500": {503, ""}, "tokenHTML": {503, ""}, "noIDToken": {400, ""},
	}
	for _, fault := range testkit.Sample(t, 6, slices.Sorted(maps.Keys(all))) {
		want := all[fault]
		t.Run(fault, func(t *testing.T) {
			t.Parallel()
			d := apptest.Start(t, apptest.Seeded())
			b := webtest.New(t, d.Transport()).Open(d.URL + "/changes").Click("Sign in")
			d.Sim.SetFault(fault, simulator.FaultOptions{})
			b.Press("Continue as " + apptest.Mona)
			apptest.CheckFailure(t, b, want.status)
			if b.Has("button", "Sign out") || !strings.Contains(b.Text(), want.says) || strings.Contains(b.Text(), "Trace ID") {
				t.Errorf("%s", b.Text())
			}
			d.Sim.ClearFaults()
			b.Click("Sign in again").Press("Continue as " + apptest.Mona)
			if b.URL.Path != "/changes" || b.Status != http.StatusOK {
				t.Errorf("the next try ended at %s (%d)", b.URL, b.Status)
			}
		})
	}
}

func TestDeclined(t *testing.T) {
	t.Parallel()
	d := apptest.Start(t, apptest.Seeded())
	b := d.Browser().Click("Sign in").Press("Decline")
	apptest.CheckFailure(t, b, http.StatusForbidden)
	if !b.Has("link", "Sign in again") {
		t.Error("no way on")
	}
}

func TestNewSessionAtSignIn(t *testing.T) {
	t.Parallel()
	d := apptest.Start(t, apptest.Seeded())
	site, _ := url.Parse(d.URL)
	b := d.Browser().Click("Sign in")
	cookies := func() map[string]string {
		all := map[string]string{}
		for _, c := range b.Jar().Cookies(site) {
			all[c.Name] = c.Value
		}
		return all
	}
	b.Press("Continue as " + apptest.Mona)
	mine := cookies()
	old := webtest.New(t, d.Transport())
	old.Jar().SetCookies(site, b.Jar().Cookies(site))
	if old.Open(d.URL + "/changes"); !old.Has("button", "Sign out") {
		t.Fatal("the same cookies aren't the same session")
	}
	b.Press("Sign out").Open(d.URL + "/")
	apptest.SignIn(b, apptest.Jonas)
	if old.Open(d.URL + "/changes"); old.Has("button", "Sign out") {
		t.Error("the old session id still works after signing out")
	}
	same := 0
	for name, value := range cookies() {
		if mine[name] == value {
			same++
		}
	}
	if same != 0 {
		t.Errorf("%d cookies are the same for the next person", same)
	}
	if b.Open(d.URL + "/tokens?organization=contoso&status=all"); strings.Contains(b.Text(), "Nightly backup") || !strings.Contains(b.Text(), "Jonas: clone on build server") {
		t.Errorf("the second person sees\n%s", b.Text())
	}
}

// A challenge that is too long for a sign-in is said to be, instead of a sign-in without it, which would end at the same
// challenge.
func TestChallengesThatAreTooLong(t *testing.T) {
	t.Parallel()
	challenge := atomic.Int32{} // bytes of it
	o := apptest.Seeded()
	o.Wrap = func(next http.RoundTripper) http.RoundTripper {
		return apptest.RoundTripFunc(func(r *http.Request) (*http.Response, error) {
			n := int(challenge.Load())
			if n == 0 || !strings.Contains(r.URL.Path, "/_apis/tokens/pats") {
				return next.RoundTrip(r)
			}
			claims := base64.StdEncoding.EncodeToString([]byte(`{"access_token":{"acrs":{"value":"` + strings.Repeat("c", n) + `"}}}`))
			header := http.Header{"Www-Authenticate": {`Bearer error="insufficient_claims", claims="` + claims + `"`}}
			return &http.Response{StatusCode: http.StatusUnauthorized, Header: header, Body: http.NoBody, Request: r}, nil
		})
	}
	d := apptest.Start(t, o)
	b := d.SignedIn(apptest.Mona)
	const heading = "Your organization asks for more than a sign-in can carry"
	for _, n := range []int32{1000, 2000, 2900} {
		challenge.Store(n)
		if b.Open(d.URL + "/tokens?organization=fabrikam"); b.Status != http.StatusForbidden || b.Heading() != heading || b.Has("link", "Sign in again") {
			t.Errorf("a list, %d: %d at %s\n%s", n, b.Status, b.URL, b.Text())
		}
		challenge.Store(0)
		b.Open(d.URL+"/tokens/new?organization=contoso").Fill("Name", "too long").Choose("Code", "Read")
		challenge.Store(n)
		if b.Press("Create token"); b.Status != http.StatusForbidden || !strings.Contains(b.Text(), heading) {
			t.Errorf("a creation, %d: %d at %s\n%s", n, b.Status, b.URL, b.Text())
		}
	}
	challenge.Store(500)
	if b.Open(d.URL + "/tokens?organization=fabrikam"); len(b.URL.Query().Get("claims")) < 500 {
		t.Fatalf("one that fits leads to %s", b.URL)
	}
	back := url.Values{"state": {b.URL.Query().Get("state")}, "error": {"invalid_request"}, "error_description": {"AADSTS90015: Requested query string is too long."}}
	if b.Open(d.URL + "/getAToken?" + back.Encode()); b.Status != http.StatusForbidden || b.Heading() != heading || !strings.Contains(b.Text(), "AADSTS90015") {
		t.Errorf("refused by Entra: %d\n%s", b.Status, b.Text())
	}
	if made := d.Sim.Created(); made != 0 {
		t.Errorf("%d tokens made", made)
	}
}

func TestClaimsChallenge(t *testing.T) {
	t.Parallel()
	d := apptest.Start(t, apptest.Seeded())
	b := d.SignedIn(apptest.Mona)
	d.Sim.SetFault("claimsChallenge", simulator.FaultOptions{})
	b.Open(d.URL + "/tokens?organization=fabrikam")
	if !strings.Contains(b.URL.Path, "/authorize") || b.URL.Query().Get("claims") == "" {
		t.Fatalf("at %s (%d)\n%s", b.URL, b.Status, b.Text())
	}
	b.Press("Continue as " + apptest.Mona)
	if b.URL.Path != "/tokens" || b.URL.Query().Get("organization") != "fabrikam" || b.Status != http.StatusOK {
		t.Fatalf("back at %s (%d)\n%s", b.URL, b.Status, b.Text())
	}
	b.Open(d.URL+"/tokens/new?organization=contoso").Fill("Name", "after the check").Choose("Code", "Read").Press("Create token")
	if apptest.SecretOf(b) == "" {
		t.Errorf("%d %s\n%s", b.Status, b.URL, b.Text())
	}
}
