package test

import (
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5"

	"github.com/patdesk/patdesk/handlers"
	"github.com/patdesk/patdesk/handlers/web"
	"github.com/patdesk/patdesk/internal/simulator"
	"github.com/patdesk/patdesk/internal/webtest"
)

// route is one line of the route table.
type route struct{ method, pattern string }

// routeTable walks the table itself, so that no route is left out of these tests.
func routeTable(t *testing.T) []route {
	t.Helper()
	h, err := handlers.New(handlers.Options{Options: web.Options{RedirectPath: "/getAToken"}})
	if err != nil {
		t.Fatal(err)
	}
	routes, ok := h.Routes().(chi.Routes)
	if !ok {
		t.Fatal("the route table can't be walked")
	}
	var all []route
	err = chi.Walk(routes, func(method, pattern string, _ http.Handler, _ ...func(http.Handler) http.Handler) error {
		all = append(all, route{method, strings.ReplaceAll(pattern, "/*/", "/")})
		return nil
	})
	if err != nil || len(all) < 30 {
		t.Fatalf("%d routes, %v", len(all), err)
	}
	return all
}

// stage is a person with something to lose: a waiting secret, a rotation half-way, an unknown outcome, a second session.
type stage struct {
	d                         *desk
	b                         *webtest.Browser
	token                     string // path of a token's page
	waiting, halfway, unknown string // ids of operations
	secret                    string
	calendar                  string // address of the person's calendar
	batch                     string // path of a bulk change to be confirmed
}

func setStage(t *testing.T) *stage {
	t.Helper()
	return setStageOn(t, startDesk(t, seeded()))
}

func setStageOn(t *testing.T, d *desk) *stage {
	t.Helper()
	s := &stage{d: d}
	s.b = s.d.signedIn(mona)
	s.d.signedInAt(mona, "/changes")
	operation := func() string { return strings.TrimPrefix(s.b.URL.Path, "/operations/") }
	s.b.Open(s.d.url + "/tokens?organization=contoso&q=Nightly").Click("Nightly backup of repositories")
	s.token = s.b.URL.Path
	s.b.Open(s.d.url+"/tokens/new?organization=contoso").Fill("Name", "waits").Choose("Code", "Read").Press("Create token")
	s.waiting, s.secret = operation(), secretOf(s.b)
	s.b.Open(s.d.url + "/tokens?organization=contoso&q=waits").Click("waits").Click("Rotate").Press("Rotate")
	s.halfway = operation()
	s.b.Press("I have saved it")
	s.b.Open(s.d.url+"/tokens/new?organization=fabrikam").Fill("Name", "in doubt").Choose("Code", "Read")
	s.d.sim.SetFault("resetAfterDoing", simulator.FaultOptions{Call: simulator.CallCreate, Times: 1})
	s.b.Press("Create token").Open(s.b.URL.String())
	s.unknown = operation()
	s.calendar = newCalendar(t, s.b, s.d.url)
	s.b.Open(s.d.url + "/tokens?organization=contoso&q=Nightly").Check("All 1 that match")
	if s.b.Press("Revoke chosen"); s.b.Heading() != "Revoke one token?" {
		t.Fatalf("no bulk change to be confirmed: %s\n%s", s.b.URL, says(s.b))
	}
	s.batch = s.b.URL.Path
	if s.secret == "" || s.waiting == s.halfway || s.unknown == s.halfway {
		t.Fatalf("the stage isn't set: %+v", s)
	}
	return s
}

// seen is everything of the person's that a request could change.
func (s *stage) seen() string {
	s.d.t.Helper()
	var all strings.Builder
	look := s.b.Twin()
	for _, path := range []string{"/changes", "/sessions", "/calendar", "/tokens?organization=contoso&status=all", "/tokens/new", "/operations/" + s.waiting, "/operations/" + s.halfway, "/operations/" + s.unknown, s.batch} {
		look.Open(s.d.url + path)
		all.WriteString(path + " " + withoutTime(look.Page.Find("main").Text()) + "\n" + withoutTime(look.Page.Find("nav, header").Text()) + "\n")
	}
	return all.String()
}

// unchanged checks that nothing was changed since, and shows the first thing that was.
func (s *stage) unchanged(before string) {
	s.d.t.Helper()
	after := s.seen()
	for i := range min(len(before), len(after)) {
		if before[i] != after[i] {
			from := max(0, i-100)
			s.d.t.Errorf("something has changed:\n…%.200q\nwas\n…%.200q", after[from:], before[from:])
			return
		}
	}
	if len(before) != len(after) {
		s.d.t.Errorf("something has changed: %d bytes were %d", len(after), len(before))
	}
}

var requestIDs = regexp.MustCompile(`ID\s*[A-Z2-7]{16}`)

// withoutTime leaves out what changes by itself from one minute, or one request, to the next.
func withoutTime(text string) string {
	fields := strings.Fields(requestIDs.ReplaceAllString(text, ""))
	return strings.Join(slices.DeleteFunc(fields, func(f string) bool {
		return strings.ContainsAny(f, "0123456789") || slices.Contains([]string{"minute", "minutes", "second", "seconds", "ago", "now", "just", "in"}, f)
	}), " ")
}

// address is a route with this person's tokens and operations filled in, and a form that fits it.
func (s *stage) address(r route) (path string, form url.Values) {
	s.d.t.Helper()
	form = url.Values{"confirmed": {"yes"}, "authorizationId": {"x"}}
	operation := s.waiting
	for _, verb := range []string{"/revoke-old", "/keep-old"} {
		if strings.HasSuffix(r.pattern, verb) {
			operation = s.halfway
		}
	}
	for _, verb := range []string{"/check", "/revoke-candidate", "/dismiss"} {
		if strings.HasSuffix(r.pattern, verb) {
			operation = s.unknown
		}
	}
	path = strings.NewReplacer("{organization}/{id}", strings.TrimPrefix(s.token, "/tokens/"), "{operation}", operation, "/bulk/{batch}", s.batch, "/static/*", "/static/app.css",
		"{address}", strings.Repeat("A", 64)).Replace(r.pattern)
	if strings.ContainsAny(path, "{}*") {
		s.d.t.Errorf("nothing is known to fill in for %s", r.pattern)
	}
	global := s.global()
	if rest, ok := strings.CutPrefix(r.pattern, "/global-tokens/{organization}/{id}"); ok {
		path = global + rest
	}
	if strings.HasSuffix(path, "/result") {
		path += query("operation", s.waiting)
	}
	button := map[string]string{global: "Create the tokens", "/calendar/make": "Make a new address", "/calendar/revoke": "Revoke the address", "/tokens/new": "Create token", s.token + "/edit": "Save changes", s.token + "/revoke": "Revoke", s.token + "/rotate": "Rotate", s.batch: "Revoke one token"}[path]
	if button != "" && r.method == http.MethodPost {
		page := path
		if strings.HasPrefix(path, "/calendar/") {
			page = "/calendar"
		}
		look := s.b.Twin().Open(s.d.url + page)
		if strings.HasSuffix(path, "/new") {
			look.Fill("Name", "from elsewhere").Choose("Code", "Read")
		}
		if strings.HasSuffix(path, "/edit") {
			look.Fill("Name", "renamed from elsewhere")
		}
		if path == global {
			look.Check("contoso")
		}
		_, _, form = look.Form(button)
	}
	return path, form
}

// global is the page that replaces a global token of this person.
func (s *stage) global() string {
	s.d.t.Helper()
	for _, t := range s.d.sim.Tokens("contoso") {
		if t.DisplayName == "vsce publish" {
			return "/global-tokens/contoso/" + t.AuthorizationID
		}
	}
	s.d.t.Fatal("there is no global token")
	return ""
}

// ASVS 3.5.1: no other site can make a signed-in person's browser change anything, by any form that there is.
func TestNoFormFromAnotherSite(t *testing.T) {
	t.Parallel()
	s := setStage(t)
	before, posts := s.seen(), 0
	created, revoked, updated := s.d.sim.Created(), s.d.sim.Revoked(), s.d.sim.Calls(simulator.CallUpdate)
	for _, r := range routeTable(t) {
		if r.method != http.MethodPost || strings.HasPrefix(r.pattern, "/static/") {
			continue
		}
		posts++
		path, form := s.address(r)
		for name, header := range map[string]http.Header{
			"cross-site":        {"Sec-Fetch-Site": {"cross-site"}, "Origin": {"https://evil.example"}},
			"cross-site, null":  {"Sec-Fetch-Site": {"cross-site"}, "Origin": {"null"}},
			"sibling":           {"Sec-Fetch-Site": {"same-site"}, "Origin": {"http://sibling.localhost"}},
			"old browser":       {"Origin": {"https://evil.example"}},
			"old browser, null": {"Origin": {"null"}},
			"our name in it":    {"Origin": {s.d.url + ".evil.example"}},
			"other port":        {"Origin": {"http://127.0.0.1:1"}},
			"frame":             {"Sec-Fetch-Site": {"cross-site"}, "Sec-Fetch-Mode": {"navigate"}, "Sec-Fetch-Dest": {"iframe"}},
			"beacon":            {"Sec-Fetch-Site": {"cross-site"}, "Sec-Fetch-Mode": {"no-cors"}, "Content-Type": {"text/plain;charset=UTF-8"}},
		} {
			tab := s.b.Twin()
			tab.Edit(func(r *http.Request) {
				for key, values := range header {
					r.Header[key] = values
				}
				if len(header["Origin"]) == 0 {
					r.Header.Del("Origin")
				}
			})
			if tab.Post(s.d.url+path, form); tab.Status != http.StatusForbidden || !strings.Contains(tab.Text(), "another site") {
				t.Errorf("%s: %s: %d\n%s", r.pattern, name, tab.Status, tab.Text())
			}
		}
	}
	s.unchanged(before)
	if s.d.sim.Created() != created || s.d.sim.Revoked() != revoked || s.d.sim.Calls(simulator.CallUpdate) != updated {
		t.Error("something was sent to Azure DevOps")
	}
	if got := readFeed(t, s.d, http.MethodGet, s.calendar); got.status != http.StatusOK {
		t.Errorf("the calendar's address was changed: %d", got.status)
	}
	if posts < 10 {
		t.Fatalf("only %d routes take forms", posts)
	}
	// The same forms from our own pages are not refused like that.
	sent := map[string]url.Values{}
	for _, r := range routeTable(t) {
		if r.method == http.MethodPost && !strings.HasPrefix(r.pattern, "/static/") {
			path, form := s.address(r)
			sent[path] = form
		}
	}
	paths := slices.DeleteFunc(slices.Sorted(maps.Keys(sent)), func(path string) bool { return path == "/sign-out" })
	for _, path := range append(paths, "/sign-out") {
		if tab := s.b.Twin().Post(s.d.url+path, sent[path]); strings.Contains(tab.Text(), "another site") || tab.Status == http.StatusForbidden {
			t.Errorf("%s from our own page: %d\n%s", path, tab.Status, tab.Text())
		}
	}
}

// No GET changes anything: links, images and prefetching can be had from anybody.
func TestNothingIsChangedByLooking(t *testing.T) {
	t.Parallel()
	s := setStage(t)
	s.b.Open(s.d.url + "/tokens?organization=contoso") // the organization last looked at
	before := s.seen()
	made := s.d.sim.Created() + s.d.sim.Revoked() + s.d.sim.Calls(simulator.CallUpdate)
	for _, r := range routeTable(t) {
		if r.method != http.MethodGet && r.method != http.MethodHead || strings.Contains(r.pattern, "getAToken") {
			continue
		}
		path, form := s.address(r)
		form.Set("organization", "planted-by-a-link")
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			for _, ask := range []string{"", "?" + form.Encode(), "?_method=POST&" + form.Encode()} {
				tab := s.b.Twin()
				tab.Edit(func(request *http.Request) {
					request.Method = method
					request.Header.Set("Sec-Fetch-Site", "cross-site")
					request.Header.Set("X-HTTP-Method-Override", http.MethodPost)
					request.Header.Set("Purpose", "prefetch")
				})
				tab.OpenOnce(s.d.url + path + ask)
			}
		}
	}
	s.unchanged(before)
	if got := s.d.sim.Created() + s.d.sim.Revoked() + s.d.sim.Calls(simulator.CallUpdate); got != made {
		t.Error("something was sent to Azure DevOps")
	}
	if got := secretOf(s.b.Open(s.d.url + "/operations/" + s.waiting)); got != s.secret {
		t.Errorf("the secret is %q", got)
	}
	s.b.Open(s.d.url+"/organizations").Fill("Organization", "northwind-labs").Press("Open")
	if s.b.Open(s.d.url + "/tokens"); s.b.URL.Query().Get("organization") != "northwind-labs" {
		t.Errorf("what the person chooses isn't remembered either: %s", s.b.URL)
	}
}

// A link from another site shows an organization, and that is all: it isn't proposed for the next token afterwards.
func TestLinksPlantNoOrganization(t *testing.T) {
	t.Parallel()
	d := startDesk(t, seeded())
	d.sim.SetFault("noAccounts", simulator.FaultOptions{})   // nothing is known but what the person has looked at
	b := d.signedInAt(mona, "/tokens?organization=fabrikam") // comes back from Entra, which is another site
	for _, site := range []string{"cross-site", "same-site"} {
		link := b.Twin()
		link.Edit(func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", site) })
		for _, path := range []string{"/tokens?organization=northwind-labs", "/organizations?organization=northwind-labs"} {
			if link.Open(d.url + path); len(names(link)) == 0 {
				t.Fatalf("%s: %d at %s", path, link.Status, link.URL)
			}
			if b.Open(d.url + "/tokens/new"); strings.Contains(b.Body, "northwind-labs") {
				t.Errorf("a %s link to %s is remembered", site, path)
			}
		}
	}
	b.Open(d.url + "/tokens?organization=northwind-labs")
	if b.Open(d.url + "/tokens/new"); !strings.Contains(b.Body, "northwind-labs") {
		t.Error("what the person opens isn't remembered either")
	}
}

// openToAll are the routes for people who aren't signed in. Everything else needs a session: a new route that isn't
// in this list has to be behind the sign-in. A calendar is for who knows its address; these tests know none, and
// TestCalendarAddressesOfStrangers tries many.
var openToAll = []string{"/calendar/{address}/tokens.ics", "/", "/sign-in", "/sign-in/start", "/sign-out", "/getAToken", "/scopes", "/healthz", "/readyz", "/static/*", "/favicon.ico", "/robots.txt"}

// ASVS 8.2.1: whatever isn't meant for everybody asks for a sign-in first, and tells nothing before.
func TestEveryRouteNeedsASession(t *testing.T) {
	t.Parallel()
	s := setStage(t)
	// What is in doubt is looked at by itself in its owner's name. These are lists; no stranger's request may make another call.
	made := func() int {
		return len(slices.DeleteFunc(s.d.sim.Requests(), func(r simulator.Request) bool { return r.Call == simulator.CallList }))
	}
	calls := made()
	for _, r := range routeTable(t) {
		if slices.Contains(openToAll, r.pattern) {
			continue
		}
		if r.method != http.MethodGet && r.method != http.MethodPost {
			t.Errorf("a route for %s: %s", r.method, r.pattern)
			continue
		}
		path, form := s.address(r)
		calls = max(calls, made())
		for name, cookie := range map[string]string{"none": "", "unknown": strings.Repeat("A", 43), "nonsense": "x", "empty": "-"} {
			stranger := webtest.New(t, s.d.transport())
			if cookie != "" {
				own := sessionCookie(t, s.b, s.d.url)
				plant(t, stranger, s.d.url, &http.Cookie{Name: own.Name, Value: strings.Trim(cookie, "-"), Path: "/"})
			}
			if r.method == http.MethodPost {
				stranger.Post(s.d.url+path, form)
			} else {
				stranger.Open(s.d.url + path)
			}
			if stranger.URL.Path != "/sign-in" || stranger.Has("button", "Sign out") || strings.Contains(stranger.Body, mona) || strings.Contains(stranger.Body, s.secret) {
				t.Errorf("%s %s with the cookie %q: %d at %s\n%s", r.method, r.pattern, name, stranger.Status, stranger.URL, stranger.Text())
			}
		}
		if n := made(); n != calls {
			t.Errorf("%s %s by strangers made %d calls", r.method, r.pattern, n-calls)
		}
	}
}

// ASVS 8.2.2: somebody else's operations, forms and tokens don't exist for a person, whatever ids are known.
func TestNobodyElsesOperations(t *testing.T) {
	t.Parallel()
	s := setStage(t)
	before := s.seen()
	jonas := s.d.signedInAt(jonas, "/changes")
	made := s.d.sim.Created() + s.d.sim.Revoked() + s.d.sim.Calls(simulator.CallUpdate)
	for _, r := range routeTable(t) {
		if !strings.Contains(r.pattern, "{") && r.pattern != "/tokens/new" {
			continue
		}
		path, form := s.address(r)
		if r.method == http.MethodPost {
			jonas.Post(s.d.url+path, form)
		} else {
			jonas.Open(s.d.url + path)
		}
		for _, rest := range []string{s.secret, "Nightly backup", "in doubt", "waits"} {
			if strings.Contains(jonas.Body, rest) {
				t.Errorf("%s %s shows somebody else %q", r.method, r.pattern, rest)
			}
		}
		if strings.Contains(r.pattern, "{") && jonas.Status != http.StatusNotFound && jonas.Status != http.StatusForbidden {
			t.Errorf("%s %s: %d at %s\n%s", r.method, r.pattern, jonas.Status, jonas.URL, jonas.Text())
		}
	}
	if got := s.d.sim.Created() + s.d.sim.Revoked() + s.d.sim.Calls(simulator.CallUpdate); got != made {
		t.Error("something was sent to Azure DevOps that changes tokens")
	}
	s.unchanged(before)
}
