package security

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/patdesk/patdesk/internal/simulator"
	"github.com/patdesk/patdesk/internal/testkit"
	"github.com/patdesk/patdesk/internal/testkit/apptest"
	"github.com/patdesk/patdesk/internal/webtest"
)

// ASVS 3.5.1: no other site can make a signed-in person's browser change anything, by any form that there is. In a short
// run three kinds of other sites try each form.
func TestNoFormFromAnotherSite(t *testing.T) {
	t.Parallel()
	s := apptest.SetStage(t)
	before, posts := s.Seen(), 0
	created, revoked, updated := s.D.Sim.Created(), s.D.Sim.Revoked(), s.D.Sim.Calls(simulator.CallUpdate)
	sites := map[string]http.Header{
		"cross-site":        {"Sec-Fetch-Site": {"cross-site"}, "Origin": {"https://evil.example"}},
		"cross-site, null":  {"Sec-Fetch-Site": {"cross-site"}, "Origin": {"null"}},
		"sibling":           {"Sec-Fetch-Site": {"same-site"}, "Origin": {"http://sibling.localhost"}},
		"old browser":       {"Origin": {"https://evil.example"}},
		"old browser, null": {"Origin": {"null"}},
		"our name in it":    {"Origin": {s.D.URL + ".evil.example"}},
		"other port":        {"Origin": {"http://127.0.0.1:1"}},
		"frame":             {"Sec-Fetch-Site": {"cross-site"}, "Sec-Fetch-Mode": {"navigate"}, "Sec-Fetch-Dest": {"iframe"}},
		"beacon":            {"Sec-Fetch-Site": {"cross-site"}, "Sec-Fetch-Mode": {"no-cors"}, "Content-Type": {"text/plain;charset=UTF-8"}},
	}
	names := slices.Sorted(maps.Keys(sites))
	for _, r := range apptest.RouteTable(t) {
		if r.Method != http.MethodPost || strings.HasPrefix(r.Pattern, "/static/") {
			continue
		}
		posts++
		path, form := s.Address(r)
		for _, name := range testkit.SampleFor(t, posts, 3, names) {
			header := sites[name]
			tab := s.B.Twin()
			tab.Edit(func(r *http.Request) {
				for key, values := range header {
					r.Header[key] = values
				}
				if len(header["Origin"]) == 0 {
					r.Header.Del("Origin")
				}
			})
			if tab.Post(s.D.URL+path, form); tab.Status != http.StatusForbidden || !strings.Contains(tab.Text(), "another site") {
				t.Errorf("%s: %s: %d\n%s", r.Pattern, name, tab.Status, tab.Text())
			}
		}
	}
	s.Unchanged(before)
	if s.D.Sim.Created() != created || s.D.Sim.Revoked() != revoked || s.D.Sim.Calls(simulator.CallUpdate) != updated {
		t.Error("something was sent to Azure DevOps")
	}
	if got := apptest.ReadFeed(t, s.D, http.MethodGet, s.Calendar); got.Status != http.StatusOK {
		t.Errorf("the calendar's address was changed: %d", got.Status)
	}
	if posts < 10 {
		t.Fatalf("only %d routes take forms", posts)
	}
	// The same forms from our own pages are not refused like that.
	sent := map[string]url.Values{}
	for _, r := range apptest.RouteTable(t) {
		if r.Method == http.MethodPost && !strings.HasPrefix(r.Pattern, "/static/") {
			path, form := s.Address(r)
			sent[path] = form
		}
	}
	paths := slices.DeleteFunc(slices.Sorted(maps.Keys(sent)), func(path string) bool { return path == "/sign-out" })
	for _, path := range append(paths, "/sign-out") {
		if tab := s.B.Twin().Post(s.D.URL+path, sent[path]); strings.Contains(tab.Text(), "another site") || tab.Status == http.StatusForbidden {
			t.Errorf("%s from our own page: %d\n%s", path, tab.Status, tab.Text())
		}
	}
}

// No GET changes anything: links, images and prefetching can be had from anybody.
func TestNothingIsChangedByLooking(t *testing.T) {
	t.Parallel()
	s := apptest.SetStage(t)
	s.B.Open(s.D.URL + "/tokens?organization=contoso") // the organization last looked at
	before := s.Seen()
	made := s.D.Sim.Created() + s.D.Sim.Revoked() + s.D.Sim.Calls(simulator.CallUpdate)
	for _, r := range apptest.RouteTable(t) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead || strings.Contains(r.Pattern, "getAToken") {
			continue
		}
		path, form := s.Address(r)
		form.Set("organization", "planted-by-a-link")
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			for _, ask := range []string{"", "?" + form.Encode(), "?_method=POST&" + form.Encode()} {
				tab := s.B.Twin()
				tab.Edit(func(request *http.Request) {
					request.Method = method
					request.Header.Set("Sec-Fetch-Site", "cross-site")
					request.Header.Set("X-HTTP-Method-Override", http.MethodPost)
					request.Header.Set("Purpose", "prefetch")
				})
				tab.OpenOnce(s.D.URL + path + ask)
			}
		}
	}
	s.Unchanged(before)
	if got := s.D.Sim.Created() + s.D.Sim.Revoked() + s.D.Sim.Calls(simulator.CallUpdate); got != made {
		t.Error("something was sent to Azure DevOps")
	}
	if got := apptest.SecretOf(s.B.Open(s.D.URL + "/operations/" + s.Waiting)); got != s.Secret {
		t.Errorf("the secret is %q", got)
	}
	s.B.Open(s.D.URL+"/organizations").Fill("Organization", "northwind-labs").Press("Open")
	if got := webtest.Fold(s.B.Open(s.D.URL + "/tokens/new").Page.Find("select[name=organization] option[selected]").Text()); got != "northwind-labs" {
		t.Errorf("what the person chooses isn't remembered either: %q", got)
	}
}

// A link from another site shows an organization, and that is all: it isn't proposed for the next token afterwards.
func TestLinksPlantNoOrganization(t *testing.T) {
	t.Parallel()
	d := apptest.Start(t, apptest.Seeded())
	d.Sim.SetFault("noAccounts", simulator.FaultOptions{})           // nothing is known but what the person has looked at
	b := d.SignedInAt(apptest.Mona, "/tokens?organization=fabrikam") // comes back from Entra, which is another site
	for _, site := range []string{"cross-site", "same-site"} {
		link := b.Twin()
		link.Edit(func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", site) })
		for _, path := range []string{"/tokens?organization=northwind-labs", "/organizations?organization=northwind-labs"} {
			if link.Open(d.URL + path); len(apptest.TokenNames(link)) == 0 {
				t.Fatalf("%s: %d at %s", path, link.Status, link.URL)
			}
			if b.Open(d.URL + "/tokens/new"); strings.Contains(b.Body, "northwind-labs") {
				t.Errorf("a %s link to %s is remembered", site, path)
			}
		}
	}
	b.Open(d.URL + "/tokens?organization=northwind-labs")
	if b.Open(d.URL + "/tokens/new"); !strings.Contains(b.Body, "northwind-labs") {
		t.Error("what the person opens isn't remembered either")
	}
}

// openToAll are the routes for people who aren't signed in. Everything else needs a session: a new route that isn't in
// this list has to be behind the sign-in. A calendar is for who knows its address; these tests know none, and
// TestCalendarAddressesOfStrangers tries many.
var openToAll = []string{"/calendar/{address}/tokens.ics", "/calendar/{address}/tokens.atom", "/calendar/{address}/tokens.json", "/calendar/{address}/metrics", "/", "/sign-in", "/sign-in/start", "/sign-out", "/getAToken", "/scopes", "/shortcuts", "/theme", "/language", "/healthz", "/readyz", "/static/*", "/favicon.ico", "/robots.txt"}

// ASVS 8.2.1: whatever isn't meant for everybody asks for a sign-in first, and tells nothing before. In a short run a
// stranger with one kind of cookie tries it, a different one from route to route.
func TestEveryRouteNeedsASession(t *testing.T) {
	t.Parallel()
	s := apptest.SetStage(t)
	// What is in doubt is looked at by itself in its owner's name. These are lists; no stranger's request may make
	// another call.
	made := func() int {
		return len(slices.DeleteFunc(s.D.Sim.Requests(), func(r simulator.Request) bool { return r.Call == simulator.CallList }))
	}
	cookies := map[string]string{"none": "", "unknown": strings.Repeat("A", 43), "nonsense": "x", "empty": "-"}
	names := slices.Sorted(maps.Keys(cookies))
	calls := made()
	for i, r := range apptest.RouteTable(t) {
		if slices.Contains(openToAll, r.Pattern) {
			continue
		}
		if r.Method != http.MethodGet && r.Method != http.MethodPost {
			t.Errorf("a route for %s: %s", r.Method, r.Pattern)
			continue
		}
		path, form := s.Address(r)
		calls = max(calls, made())
		for _, name := range testkit.SampleFor(t, i, 1, names) {
			cookie := cookies[name]
			stranger := webtest.New(t, s.D.Transport())
			if cookie != "" {
				own := apptest.SessionCookie(t, s.B, s.D.URL)
				apptest.PlantCookies(t, stranger, s.D.URL, &http.Cookie{Name: own.Name, Value: strings.Trim(cookie, "-"), Path: "/"})
			}
			if r.Method == http.MethodPost {
				stranger.Post(s.D.URL+path, form)
			} else {
				stranger.Open(s.D.URL + path)
			}
			if stranger.URL.Path != "/sign-in" || stranger.Has("button", "Sign out") || strings.Contains(stranger.Body, apptest.Mona) || strings.Contains(stranger.Body, s.Secret) {
				t.Errorf("%s %s with the cookie %q: %d at %s\n%s", r.Method, r.Pattern, name, stranger.Status, stranger.URL, stranger.Text())
			}
		}
		if n := made(); n != calls {
			t.Errorf("%s %s by strangers made %d calls", r.Method, r.Pattern, n-calls)
		}
	}
}

// ASVS 8.2.2: somebody else's operations, forms and tokens don't exist for a person, whatever ids are known.
func TestOperationsOfOtherUsers(t *testing.T) {
	t.Parallel()
	s := apptest.SetStage(t)
	before := s.Seen()
	jonas := s.D.SignedInAt(apptest.Jonas, "/changes")
	made := s.D.Sim.Created() + s.D.Sim.Revoked() + s.D.Sim.Calls(simulator.CallUpdate)
	for _, r := range apptest.RouteTable(t) {
		if !strings.Contains(r.Pattern, "{") && r.Pattern != "/tokens/new" {
			continue
		}
		path, form := s.Address(r)
		if r.Method == http.MethodPost {
			jonas.Post(s.D.URL+path, form)
		} else {
			jonas.Open(s.D.URL + path)
		}
		for _, rest := range []string{s.Secret, "Nightly backup", "in doubt", "waits"} {
			if strings.Contains(jonas.Body, rest) {
				t.Errorf("%s %s shows somebody else %q", r.Method, r.Pattern, rest)
			}
		}
		if strings.Contains(r.Pattern, "{") && jonas.Status != http.StatusNotFound && jonas.Status != http.StatusForbidden {
			t.Errorf("%s %s: %d at %s\n%s", r.Method, r.Pattern, jonas.Status, jonas.URL, jonas.Text())
		}
	}
	if got := s.D.Sim.Created() + s.D.Sim.Revoked() + s.D.Sim.Calls(simulator.CallUpdate); got != made {
		t.Error("something was sent to Azure DevOps that changes tokens")
	}
	s.Unchanged(before)
}
