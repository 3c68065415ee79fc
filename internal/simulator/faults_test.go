package simulator_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/patdesk/patdesk/internal/simulator"
	"github.com/patdesk/patdesk/internal/testkit"
)

// rig is a simulator with a token to work on and a signed-in user.
type rig struct {
	s     *simulator.Simulator
	mona  string
	token simulator.Token
}

func newRig(t *testing.T) rig {
	t.Helper()
	s := start(t, simulator.Options{})
	return rig{s, bearer(t, s, simulator.Mona), s.AddToken(simulator.Token{DisplayName: "the one", Scope: "vso.code", Organization: "contoso"})}
}

// call makes one of the calls of Azure DevOps.
func (r rig) call(t *testing.T, name string) reply {
	t.Helper()
	id := "&authorizationId=" + r.token.AuthorizationID
	switch name {
	case "list":
		return api(t, r.s, r.mona, http.MethodGet, pats("contoso", ""), nil)
	case "get":
		return api(t, r.s, r.mona, http.MethodGet, pats("contoso", id), nil)
	case "create":
		return api(t, r.s, r.mona, http.MethodPost, pats("contoso", ""), wish("new"))
	case "update":
		return api(t, r.s, r.mona, http.MethodPut, pats("contoso", ""), map[string]any{"authorizationId": r.token.AuthorizationID, "displayName": "changed"})
	case "revoke":
		return api(t, r.s, r.mona, http.MethodDelete, pats("contoso", id), nil)
	case "profile":
		return api(t, r.s, r.mona, http.MethodGet, "/_apis/profile/profiles/me?api-version=7.1", nil)
	case "accounts":
		return api(t, r.s, r.mona, http.MethodGet, "/_apis/accounts?api-version=7.1&memberId=x", nil)
	}
	t.Fatalf("no call %q", name)
	return reply{}
}

// done says if the change that the call asks for was made.
func (r rig) done(name string) bool {
	one, _ := r.s.Token(r.token.AuthorizationID)
	switch name {
	case "create":
		return r.s.Created() == 1
	case "update":
		return one.DisplayName == "changed"
	}
	return one.Revoked
}

// Every fault of Azure DevOps hits every call that it says it hits, and changes are made or left undone as its name
// says.
func TestFaultsOfAzureDevOps(t *testing.T) {
	t.Parallel()
	exceptions := map[string]bool{"localeBug": true} // needs a header of its own, see below
	for _, f := range simulator.Faults() {
		if !strings.HasPrefix(f.Group, "Azure DevOps") || exceptions[f.Name] || strings.HasPrefix(f.Name, "patTokenError:") {
			continue
		}
		for _, name := range f.Calls {
			t.Run(f.Name+"/"+name, func(t *testing.T) {
				t.Parallel()
				r := newRig(t)
				options := simulator.FaultOptions{Call: name, Bytes: 1 << 20, Delay: time.Millisecond}
				if strings.HasPrefix(f.Name, "cut") {
					options.Bytes = 5
				}
				r.s.SetFault(f.Name, options)
				a := r.call(t, name)
				last := r.s.Requests()[len(r.s.Requests())-1]
				if !slices.Equal(last.Faults, []string{f.Name}) {
					t.Errorf("hit by %q: %d %s %v", last.Faults, a.status, a.body[:min(200, len(a.body))], a.err)
				}
				if slices.Contains([]string{"create", "update", "revoke"}, name) {
					wantDone := strings.HasSuffix(f.Name, "AfterDoing") || slices.Contains([]string{
						"throttled200", "duplicateKeys", "oddMember", "oddPatTokenError", "secretMissing", "shortenedValidTo", "slow", "slowDrip", "hang", "lagging", "doneLate"}, f.Name) &&
						(f.Name != "shortenedValidTo" || name == "create" || name == "update")
					if r.done(name) != wantDone {
						t.Errorf("done: %v", !wantDone)
					}
				}
				r.s.ClearFaults()
				if a := r.call(t, "list"); a.status != http.StatusOK || a.err != nil {
					t.Errorf("after clearing: %d %v", a.status, a.err)
				}
			})
		}
	}
}

func TestAnswersOfFaults(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for name, c := range map[string]struct {
		call, says string
		status     int
		header     map[string]string
	}{
		"html203":                        {"list", "Azure DevOps Services | Sign In", 203, map[string]string{"Content-Type": "text/html; charset=utf-8"}},
		"redirect302":                    {"list", "Object moved", 302, map[string]string{"Location": r.s.BrowserURL() + "/_signin?realm=vssps.dev.azure.com&reply_to=/contoso/_apis/tokens/pats"}},
		"unauthorizedBOM":                {"list", "\ufeff{\"$id\":\"1\",\"innerException\":null,\"message\":\"TF400813", 401, map[string]string{"WWW-Authenticate": "Bearer"}},
		"unauthorizedEmpty":              {"list", "", 401, map[string]string{"Content-Type": "", "WWW-Authenticate": `Basic realm="https://tfsprodweu3.visualstudio.com/"`}},
		"claimsChallenge":                {"list", "", 401, map[string]string{"WWW-Authenticate": `Bearer error="invalid_token"`}},
		"forbiddenJSON":                  {"list", "UnauthorizedRequestException", 403, nil},
		"forbiddenConditionalAccess":     {"list", "VS403463", 403, map[string]string{"Content-Type": "text/html; charset=utf-8"}},
		"forbiddenConditionalAccessJSON": {"list", `"message":"VS403463`, 403, nil},
		"servicePrincipal":               {"create", "Service principals are not allowed", 403, nil},
		"notFound":                       {"get", "HostDoesNotExistException", 404, nil},
		"notFoundHTML":                   {"get", "<h1>404", 404, map[string]string{"Content-Type": "text/html; charset=utf-8"}},
		"badRequest400":                  {"create", "Newtonsoft.Json.JsonReaderException", 400, nil},
		"serverError500":                 {"create", "TF400898", 500, nil},
		"serverErrorAfterDoing":          {"create", "TF400898", 500, nil},
		"badGateway502":                  {"create", "<html>", 502, nil},
		"unavailable503":                 {"list", "unavailable", 503, map[string]string{"Retry-After": "30"}},
		"unavailableAfterDoing":          {"create", "unavailable", 503, map[string]string{"Retry-After": "30"}},
		"throttled429":                   {"list", "TF400733", 429, map[string]string{"Retry-After": "30", "X-Ratelimit-Remaining": "0"}},
		"throttled200":                   {"list", "patTokens", 200, map[string]string{"Retry-After": "30", "X-Ratelimit-Remaining": "0"}},
		"htmlOK":                         {"get", "<!DOCTYPE html>", 200, map[string]string{"Content-Type": "text/html; charset=utf-8"}},
		"emptyOK":                        {"get", "", 200, nil},
		"missingFields":                  {"create", `"value":null`, 200, nil},
		"wrongTypes":                     {"get", `"authorizationId":false`, 200, nil},
		"noAccounts":                     {"accounts", `{"count":0,"value":[]}`, 200, nil},
		"secretMissing":                  {"create", `"token":null`, 200, nil},
		"patTokenError:accessDenied":     {"create", `"patTokenError":"accessDenied"`, 200, nil},
		"patTokenError:neverHeardOf":     {"get", `"patTokenError":"neverHeardOf"`, 200, nil},
	} {
		r.s.ClearFaults()
		r.s.SetFault(name, simulator.FaultOptions{})
		a := r.call(t, c.call)
		if a.status != c.status || !strings.Contains(a.body, c.says) || (a.header.Get("Activityid") == "") != (name == "badGateway502") {
			t.Errorf("%s: %d %.300s", name, a.status, a.body)
		}
		if c.says == "" && a.body != "" {
			t.Errorf("%s: a body: %.80s", name, a.body)
		}
		for k, v := range c.header {
			if a.header.Get(k) != v {
				t.Errorf("%s: %s is %q", name, k, a.header.Get(k))
			}
		}
	}
	r.s.ClearFaults()
	if n := len(api(t, r.s, "x", http.MethodGet, pats("contoso", ""), nil).body); n < 15<<10 || n > 20<<10 {
		t.Errorf("the sign-in page has %d bytes", n)
	}
}

func TestRetryAfterAsADate(t *testing.T) {
	t.Parallel()
	k := newClock()
	s := start(t, simulator.Options{Now: k.Now})
	for _, name := range []string{"unavailable503Date", "throttled429Date"} {
		s.SetFault(name, simulator.FaultOptions{RetryAfter: time.Minute})
		a := api(t, s, "", http.MethodGet, pats("contoso", ""), nil)
		at, err := http.ParseTime(a.header.Get("Retry-After"))
		if err != nil || !at.Equal(k.Now().Add(time.Minute)) {
			t.Errorf("%s: %q %v", name, a.header.Get("Retry-After"), err)
		}
		s.ClearFaults()
	}
}

func TestFaultsAreNarrowedDown(t *testing.T) {
	t.Parallel()
	s := start(t, simulator.Options{})
	mona := bearer(t, s, simulator.Mona)
	statuses := func(organization string, n int) []int {
		var got []int
		for range n {
			got = append(got, api(t, s, mona, http.MethodGet, pats(organization, ""), nil).status)
		}
		return got
	}
	s.SetFault("serverError500", simulator.FaultOptions{Organization: "Fabrikam", Times: 2, After: 1})
	s.SetFault("notFound", simulator.FaultOptions{Call: "get"})
	if got := statuses("contoso", 2); !slices.Equal(got, []int{200, 200}) {
		t.Errorf("another organization: %v", got)
	}
	if got := statuses("fabrikam", 4); !slices.Equal(got, []int{200, 500, 500, 200}) {
		t.Errorf("one spared, two hit: %v", got)
	}
	if got := s.ActiveFaults(); !slices.Equal(got, []string{"notFound"}) {
		t.Errorf("left: %q", got)
	}
	s.ClearFault("notFound")
	if got := s.ActiveFaults(); len(got) != 0 {
		t.Errorf("left: %q", got)
	}
}

func TestMisspeltFaultsPanic(t *testing.T) {
	t.Parallel()
	s := simulator.New(simulator.Options{})
	defer s.Close()
	for name, o := range map[string]simulator.FaultOptions{
		"nothing": {}, "patTokenError:": {}, "token500": {Call: "list"}, "proxyHTML": {Value: "200"}, "proxyEmptyAfterDoing": {Value: "teapot"},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s is accepted", name)
				}
			}()
			s.SetFault(name, o)
		}()
	}
}

func TestCutAtAnyByte(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	whole := len(r.call(t, "list").body)
	for k := range int64(whole) {
		n := k
		if k == 0 {
			n = -1
		}
		r.s.SetFault("cutJSON", simulator.FaultOptions{Times: 1, Bytes: n})
		if a := r.call(t, "list"); a.err != nil || int64(len(a.body)) != k {
			t.Fatalf("cut at %d: %d bytes, %v", k, len(a.body), a.err)
		}
	}
	r.s.SetFault("cutBody", simulator.FaultOptions{Bytes: 10})
	if a := r.call(t, "list"); !errors.Is(a.err, io.ErrUnexpectedEOF) || len(a.body) != 10 {
		t.Errorf("the connection ends: %q %v", a.body, a.err)
	}
}

func TestSlowAnswers(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.s.SetFault("slowDrip", simulator.FaultOptions{Times: 1, Delay: 10 * time.Microsecond})
	if a := r.call(t, "get"); a.status != 200 || !strings.HasSuffix(a.body, "}") {
		t.Errorf("dripped: %d %s %v", a.status, a.body, a.err)
	}
	r.s.SetFault("hang", simulator.FaultOptions{Times: 1, Delay: 20 * time.Millisecond})
	began := time.Now()
	if a := r.call(t, "get"); a.status != 200 || time.Since(began) < 20*time.Millisecond {
		t.Errorf("hung for a while: %d after %s", a.status, time.Since(began))
	}
}

// Whoever hangs is let go when the client leaves.
func TestHangingEndsWithTheClient(t *testing.T) {
	t.Parallel()
	for _, fault := range []string{"hang", "hangAfterDoing", "slowDrip", "hugeBody", "gzipBomb"} {
		t.Run(fault, func(t *testing.T) {
			r := newRig(t)
			r.s.SetFault(fault, simulator.FaultOptions{})
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			request, err := http.NewRequestWithContext(ctx, http.MethodPost, r.s.Endpoint()+pats("contoso", ""), strings.NewReader(`{"displayName":"x","scope":"vso.code"}`))
			if err != nil {
				t.Fatal(err)
			}
			request.Header = http.Header{"Authorization": {"Bearer " + r.mona}, "Content-Type": {"application/json"}}
			a, err := r.s.Client().Do(request)
			if err == nil {
				_, err = io.Copy(io.Discard, a.Body)
				a.Body.Close()
			}
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Error(err)
			}
			if made := r.s.Created(); (made == 1) != (fault == "hangAfterDoing" || fault == "slowDrip") {
				t.Errorf("%d made", made)
			}
		})
	}
}

// The service's own side ends, too: when the client has left, and when the simulator closes however long the client
// would stay.
func TestHangingHandlersReturn(t *testing.T) {
	t.Parallel()
	for _, fault := range []string{"hang", "slowDrip", "hugeBody"} {
		for name, end := range map[string]func(leave context.CancelFunc, s *simulator.Simulator){
			"client":    func(leave context.CancelFunc, _ *simulator.Simulator) { leave() },
			"simulator": func(_ context.CancelFunc, s *simulator.Simulator) { s.Close(); s.Close() },
		} {
			t.Run(fault+"/"+name, func(t *testing.T) {
				s := simulator.New(simulator.Options{})
				defer s.Close()
				s.SetFault(fault, simulator.FaultOptions{Delay: time.Hour, Bytes: 1 << 60})
				ctx, leave := context.WithCancel(context.Background())
				defer leave()
				ended := make(chan any)
				go func() {
					defer func() { ended <- recover() }()
					s.Handler().ServeHTTP(discard{http.Header{}}, httptest.NewRequestWithContext(ctx, http.MethodGet, pats("contoso", ""), nil))
				}()
				end(leave, s)
				select {
				case <-ended:
				case <-time.After(5 * time.Second):
					t.Error("it goes on")
				}
			})
		}
	}
}

// discard is a client that reads everything.
type discard struct{ header http.Header }

func (d discard) Header() http.Header       { return d.header }
func (discard) WriteHeader(int)             {}
func (discard) Write(b []byte) (int, error) { return len(b), nil }

func TestBigBodies(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.s.SetFault("gzipBomb", simulator.FaultOptions{Times: 1, Bytes: 10 << 20})
	if a := r.call(t, "list"); len(a.body) != 10<<20 || a.err != nil {
		t.Errorf("unpacked to %d bytes, %v", len(a.body), a.err)
	}
	r.s.SetFault("hugeBody", simulator.FaultOptions{Times: 1, Bytes: 3 << 20})
	if a := r.call(t, "list"); len(a.body) < 3<<20 || !strings.HasPrefix(a.body, `{"continuationToken":"","patTokens":[{"displayName":`) {
		t.Errorf("%d bytes", len(a.body))
	}
}

func TestEndlessLists(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for fault, same := range map[string]bool{"repeatingContinuation": true, "endlessList": false} {
		r.s.ClearFaults()
		r.s.SetFault(fault, simulator.FaultOptions{})
		seen := map[string]int{}
		next := ""
		for range 5 {
			a := api(t, r.s, r.mona, http.MethodGet, pats("contoso", "&continuationToken="+url.QueryEscape(next)), nil).object(t)
			if next = text(a, "continuationToken"); next == "" {
				t.Fatalf("%s ends: %v", fault, a)
			}
			seen[next]++
		}
		if (len(seen) == 1) != same {
			t.Errorf("%s: %v", fault, seen)
		}
	}
}

func TestDuplicateKeys(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.s.SetFault("duplicateKeys", simulator.FaultOptions{})
	a := r.call(t, "create")
	if strings.Count(a.body, `"token":`) != 2 || text(patToken(t, a), "token") == "FAKE-DEMO-SECRET-THE-WRONG-ONE" {
		t.Errorf("%s", a.body)
	}
}

func TestShortenedExpiry(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	now := time.Now()
	for value, c := range map[string]struct{ asked, want time.Duration }{
		"": {90 * 24 * time.Hour, 7 * 24 * time.Hour}, "3": {90 * 24 * time.Hour, 3 * 24 * time.Hour}, "10": {4 * time.Hour, 2 * time.Hour},
	} {
		r.s.SetFault("shortenedValidTo", simulator.FaultOptions{Times: 1, Value: value})
		w := wish("short")
		w["validTo"] = now.Add(c.asked).UTC().Format(time.RFC3339)
		got, err := time.Parse(time.RFC3339, text(patToken(t, api(t, r.s, r.mona, http.MethodPost, pats("contoso", ""), w)), "validTo"))
		if diff := got.Sub(now.Add(c.want)).Abs(); err != nil || diff > time.Minute {
			t.Errorf("%q: %s %v", value, got, err)
		}
	}
}

func TestLocaleBug(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.s.SetFault("localeBug", simulator.FaultOptions{})
	for language, want := range map[string]int{"": 200, "en-US": 200, "de-DE,en;q=0.5": 500} {
		a := do(t, r.s.Client(), http.MethodGet, r.s.Endpoint()+pats("contoso", ""), http.Header{"Authorization": {"Bearer " + r.mona}, "Accept-Language": {language}}, nil)
		if a.status != want {
			t.Errorf("%q: %d", language, a.status)
		}
	}
}

// A bearer that follows the redirect is seen.
func TestRedirectLeadsWhereLeaksAreSeen(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.s.SetFault("redirect302", simulator.FaultOptions{})
	to := r.call(t, "list").header.Get("Location")
	do(t, r.s.Client(), http.MethodGet, to, http.Header{"Authorization": {"Bearer " + r.mona}}, nil)
	last := r.s.Requests()[len(r.s.Requests())-1]
	if r.s.Calls(simulator.CallSignIn) != 1 || last.Header.Get("Authorization") == "" {
		t.Errorf("%+v", last)
	}
}

const cp1 = `"xms_cc":{"values":["cp1"]}`

func TestClaimsChallenge(t *testing.T) {
	t.Parallel()
	s := start(t, simulator.Options{})
	capable := text(signIn(t, s, simulator.Mona, map[string]string{"claims": `{"access_token":{` + cp1 + `}}`}), "access_token")
	s.SetFault("claimsChallenge", simulator.FaultOptions{})
	a := api(t, s, capable, http.MethodPost, pats("contoso", ""), wish("x"))
	header := a.header.Get("WWW-Authenticate")
	_, rest, _ := strings.Cut(header, `error="insufficient_claims", claims="`)
	claims, err := base64.StdEncoding.DecodeString(strings.TrimSuffix(rest, `"`))
	if a.status != http.StatusUnauthorized || err != nil || string(claims) != `{"access_token":{"nbf":{"essential":true,"value":"1604106651"}}}` {
		t.Fatalf("%d %s %s %v", a.status, header, claims, err)
	}
	merged := strings.Replace(string(claims), `{"access_token":{`, `{"access_token":{`+cp1+`,`, 1)
	fresh := text(signIn(t, s, simulator.Mona, map[string]string{"claims": merged}), "access_token")
	if got, ok := s.BearerClaims(fresh); !ok || got != merged {
		t.Errorf("the bearer's claims: %s", got)
	}
	if a := api(t, s, fresh, http.MethodPost, pats("contoso", ""), wish("x")); a.status != http.StatusOK {
		t.Errorf("after the sign-in: %d", a.status)
	}
	// Libraries repeat only cp1 in the token request: what the authorization request carried counts all the same.
	c, verifier := code(t, s, simulator.Mona, map[string]string{"claims": string(claims)})
	both := tokenCall(t, s, url.Values{"grant_type": {"authorization_code"}, "code": {c}, "code_verifier": {verifier}, "redirect_uri": {redirectURI},
		"scope": {scopes}, "claims": {`{"access_token":{` + cp1 + `}}`}}).object(t)
	if got, _ := s.BearerClaims(text(both, "access_token")); !strings.Contains(got, "nbf") || !strings.Contains(got, "cp1") {
		t.Errorf("merged: %s", got)
	}
	s.SetFault("claimsChallengeAgain", simulator.FaultOptions{})
	if a := api(t, s, fresh, http.MethodPost, pats("contoso", ""), wish("x")); a.status != http.StatusUnauthorized {
		t.Errorf("challenged for ever: %d", a.status)
	}
	if s.Created() != 1 {
		t.Errorf("%d created", s.Created())
	}
}

func TestFaultsOfTheSignInPage(t *testing.T) {
	t.Parallel()
	s := start(t, simulator.Options{})
	_, challenge := pkce()
	address := authorizeURL(t, s, map[string]string{"code_challenge": challenge, "code_challenge_method": "S256"})
	for name, want := range map[string]string{
		"accessDenied": "access_denied AADSTS65004", "consentRequired": "consent_required AADSTS65001", "adminApproval": "access_denied AADSTS90094",
		"conditionalAccess": "interaction_required AADSTS53003", "notAssigned": "interaction_required AADSTS50105", "wrongTenant": "access_denied AADSTS50020",
		"authorizeInteractionRequired": "interaction_required AADSTS50076", "loginRequired": "login_required AADSTS50058",
		"serverError": "server_error AADSTS90033", "temporarilyUnavailable": "temporarily_unavailable AADSTS90033",
		"hostileDescription": "<script>",
		"wrongState":         "", "noState": "", "noCode": "", "wrongResponseIssuer": "",
	} {
		s.SetFault(name, simulator.FaultOptions{Times: 1})
		do(t, s.Client(), http.MethodGet, address, nil, nil) // looking at the page doesn't use a fault up
		back, err := testkit.Approve(t.Context(), s, address, simulator.Mona)
		if err != nil {
			t.Fatal(err)
		}
		q := back.Query()
		if want != "" {
			if got := q.Get("error") + " " + q.Get("error_description"); !strings.Contains(got, want) || q.Get("state") != "the state/+?" || q.Get("code") != "" {
				t.Errorf("%s: %s", name, back)
			}
			continue
		}
		asSpoilt := map[string]bool{"wrongState": q.Get("state") != "the state/+?" && q.Has("state"), "noState": !q.Has("state"),
			"noCode": !q.Has("code") && !q.Has("error"), "wrongResponseIssuer": strings.HasPrefix(q.Get("iss"), "https://evil.example/")}
		if !asSpoilt[name] {
			t.Errorf("%s: %s", name, back)
		}
	}
	if back, err := testkit.Approve(t.Context(), s, address, simulator.Mona); err != nil || !back.Query().Has("code") {
		t.Errorf("afterwards: %v %v", back, err)
	}
}

// redeem signs Mona in under a fault of the token endpoint.
func redeem(t *testing.T, s *simulator.Simulator, fault string) reply {
	t.Helper()
	c, verifier := code(t, s, simulator.Mona, nil)
	s.SetFault(fault, simulator.FaultOptions{Times: 1, Delay: time.Millisecond})
	return tokenCall(t, s, url.Values{"grant_type": {"authorization_code"}, "code": {c}, "code_verifier": {verifier}, "redirect_uri": {redirectURI}, "scope": {scopes}})
}

func TestFaultsOfTheTokenEndpoint(t *testing.T) {
	t.Parallel()
	s := start(t, simulator.Options{})
	for name, want := range map[string]string{
		"invalidGrant": "invalid_grant 50173", "invalidClient": "invalid_client 7000222", "unauthorizedClient": "unauthorized_client 700016",
		"interactionRequired": "interaction_required 50076", "tokenConsentRequired": "invalid_grant 65001",
		"tokenConditionalAccess": "interaction_required 53003", "tokenTransient": "temporarily_unavailable 90033",
		"token503": "temporarily_unavailable 90055", "token429": "temporarily_unavailable 90055",
	} {
		a := redeem(t, s, name)
		checkOAuth(t, a, want)
		if name == "interactionRequired" && !strings.Contains(text(a.object(t), "claims"), "capolids") {
			t.Errorf("no claims: %s", a.body)
		}
	}
	for name, check := range map[string]func(a reply) bool{
		"token500":             func(a reply) bool { return a.status == 500 && strings.Contains(a.body, "<html>") },
		"tokenHTML":            func(a reply) bool { return a.status == 200 && strings.HasPrefix(a.body, "<!DOCTYPE html>") },
		"tokenCut":             func(a reply) bool { return a.status == 200 && !strings.HasSuffix(a.body, "}") },
		"tokenReset":           func(a reply) bool { return a.err != nil && a.status == 0 },
		"tokenResetAfterDoing": func(a reply) bool { return a.err != nil && a.status == 0 },
		"tokenHang":            func(a reply) bool { return a.status == 200 },
		"tokenHangAfterDoing":  func(a reply) bool { return a.status == 200 },
		"noIDToken":            func(a reply) bool { return !strings.Contains(a.body, `"id_token"`) },
		"noClientInfo":         func(a reply) bool { return !strings.Contains(a.body, `"client_info"`) },
		"noRefreshToken":       func(a reply) bool { return !strings.Contains(a.body, `"refresh_token"`) },
		"noAccessToken":        func(a reply) bool { return !strings.Contains(a.body, `"access_token"`) },
		"scopeDeclined":        func(a reply) bool { return !strings.Contains(a.body, ".default") },
		"shortAccessToken":     func(a reply) bool { return strings.Contains(a.body, `"expires_in":1,`) },
		"refreshInNow":         func(a reply) bool { return strings.Contains(a.body, `"refresh_in":1,`) },
	} {
		if a := redeem(t, s, name); !check(a) {
			t.Errorf("%s: %d %s %v", name, a.status, a.body, a.err)
		}
	}
}

func TestFaultsOfTheIDToken(t *testing.T) {
	t.Parallel()
	s := start(t, simulator.Options{})
	now := float64(time.Now().Unix())
	number := func(c map[string]any, name string) float64 { n, _ := c[name].(float64); return n }
	for name, bad := range map[string]func(c map[string]any) bool{
		"wrongNonce":     func(c map[string]any) bool { return text(c, "nonce") != "the nonce" && text(c, "nonce") != "" },
		"noNonce":        func(c map[string]any) bool { return c["nonce"] == nil },
		"wrongAudience":  func(c map[string]any) bool { return text(c, "aud") != s.ClientID() },
		"audienceArray":  func(c map[string]any) bool { a, ok := c["aud"].([]any); return ok && len(a) == 2 },
		"wrongIssuer":    func(c map[string]any) bool { return strings.HasPrefix(text(c, "iss"), "https://evil.example") },
		"wrongTenantID":  func(c map[string]any) bool { return !strings.Contains(text(c, "iss"), text(c, "tid")) },
		"noTenantID":     func(c map[string]any) bool { return c["tid"] == nil },
		"noObjectID":     func(c map[string]any) bool { return c["oid"] == nil },
		"otherPerson":    func(c map[string]any) bool { return text(c, "name") == "Mallory" },
		"expiredIDToken": func(c map[string]any) bool { return number(c, "exp") < now },
		"futureIDToken":  func(c map[string]any) bool { return number(c, "nbf") > now+1800 },
		"algNone":        nil, "algHS256": nil, "unknownKid": nil, "badSignature": nil,
	} {
		claims, err := idClaims(t, s, text(redeem(t, s, name).object(t), "id_token"))
		if bad == nil {
			if err == nil {
				t.Errorf("%s: the signature is good", name)
			}
			continue
		}
		if err != nil || !bad(claims) {
			t.Errorf("%s: %v %v", name, claims, err)
		}
	}
	if _, err := idClaims(t, s, text(signIn(t, s, simulator.Mona, nil), "id_token")); err != nil {
		t.Errorf("without a fault: %v", err)
	}
}

func TestFaultsOfTheMetadata(t *testing.T) {
	t.Parallel()
	s := start(t, simulator.Options{})
	metadata, keys := s.Authority()+"/v2.0/.well-known/openid-configuration", s.Authority()+"/discovery/v2.0/keys"
	for name, c := range map[string]struct {
		address, says string
		status        int
	}{
		"metadataDown": {metadata, "unavailable", 503}, "metadataHTML": {metadata, "<!DOCTYPE html>", 200},
		"metadataWrongIssuer": {metadata, `"issuer":"https://evil.example/`, 200}, "jwksDown": {keys, "unavailable", 503},
		"metadataHang": {metadata, "issuer", 200}, "jwksHang": {keys, "keys", 200},
	} {
		s.SetFault(name, simulator.FaultOptions{Times: 1, Delay: time.Millisecond})
		if a := do(t, s.Client(), http.MethodGet, c.address, nil, nil); a.status != c.status || !strings.Contains(a.body, c.says) {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
		if len(s.ActiveFaults()) != 0 {
			t.Errorf("%s wasn't used", name)
		}
	}
}

// Every fault is described once, in the table of README.md.
func TestEveryFaultIsInTheREADME(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, f := range simulator.Faults() {
		if names[f.Name] || f.Sentence == "" || f.Group == "" || len(f.Calls) == 0 {
			t.Errorf("fault %+v", f.Name)
		}
		names[f.Name] = true
		if !strings.HasPrefix(f.Name, "patTokenError:") && !strings.Contains(string(readme), "`"+f.Name+"`") {
			t.Errorf("%s isn't in README.md", f.Name)
		}
	}
	if len(simulator.PatTokenErrors) != 36 || !names["patTokenError:expiredPatCannotBeExtended"] {
		t.Errorf("%d values of patTokenError", len(simulator.PatTokenErrors))
	}
}

// Everything at once, for the race detector.
func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	s := start(t, simulator.Options{Seed: true, KeepSecrets: true, PageSize: 3})
	mona := bearer(t, s, simulator.Mona)
	const people, rounds = 8, 5
	var wg sync.WaitGroup
	for i := range people {
		wg.Go(func() {
			for j := range rounds {
				made := api(t, s, mona, http.MethodPost, pats("contoso", ""), wish(fmt.Sprintf("parallel %d %d", i, j)))
				s.SetFault("throttled200", simulator.FaultOptions{Times: 1})
				api(t, s, mona, http.MethodGet, pats("contoso", "&displayFilterOption=all&$top=100"), nil)
				api(t, s, mona, http.MethodDelete, pats("contoso", "&authorizationId="+text(patToken(t, made), "authorizationId")), nil)
				do(t, s.Client(), http.MethodGet, s.PanelURL(), nil, nil)
				s.Requests()
				s.Secrets()
				s.Tokens("contoso")
			}
		})
	}
	wg.Wait()
	if s.Created() != people*rounds || s.Revoked() != people*rounds {
		t.Errorf("%d created, %d revoked", s.Created(), s.Revoked())
	}
}
