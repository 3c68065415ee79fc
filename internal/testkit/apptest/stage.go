package apptest

import (
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

// CanaryKey is a session key that must be found nowhere.
const CanaryKey = "Y2FuYXJ5LWtleS1vZi10aGUtc2Vzc2lvbnMtMDEyMzQ1Njc4OQ=="

// Route is one line of the route table.
type Route struct{ Method, Pattern string }

// RouteTable walks the table itself, so that no route is left out of these tests.
func RouteTable(t *testing.T) []Route {
	t.Helper()
	h, err := handlers.New(handlers.Options{Options: web.Options{RedirectPath: "/getAToken"}})
	if err != nil {
		t.Fatal(err)
	}
	routes, ok := h.Routes().(chi.Routes)
	if !ok {
		t.Fatal("the route table can't be walked")
	}
	var all []Route
	err = chi.Walk(routes, func(method, pattern string, _ http.Handler, _ ...func(http.Handler) http.Handler) error {
		all = append(all, Route{method, strings.ReplaceAll(pattern, "/*/", "/")})
		return nil
	})
	if err != nil || len(all) < 30 {
		t.Fatalf("%d routes, %v", len(all), err)
	}
	return all
}

// Stage is a person with something to lose: a waiting secret, a rotation half-way, an unknown outcome, a second
// session.
type Stage struct {
	D                         *Program
	B                         *webtest.Browser
	token                     string // path of a token's page
	Waiting, Halfway, Unknown string // ids of operations
	Secret                    string
	Calendar                  string // address of the person's calendar
	batch                     string // path of a bulk change to be confirmed
}

// SetStage starts a program and puts somebody with something to lose on it.
func SetStage(t *testing.T) *Stage {
	t.Helper()
	return SetStageOn(t, Start(t, Seeded()))
}

// SetStageOn is SetStage on a program that is started.
func SetStageOn(t *testing.T, d *Program) *Stage {
	t.Helper()
	s := &Stage{D: d}
	s.B = s.D.SignedIn(Mona)
	s.D.SignedInAt(Mona, "/changes")
	operation := func() string { return strings.TrimPrefix(s.B.URL.Path, "/operations/") }
	s.B.Open(s.D.URL + "/tokens?organization=contoso&q=Nightly").Click("Nightly backup of repositories")
	s.token = s.B.URL.Path
	s.B.Open(s.D.URL+"/tokens/new?organization=contoso").Fill("Name", "waits").Choose("Code", "Read").Press("Create token")
	s.Waiting, s.Secret = operation(), SecretOf(s.B)
	s.B.Open(s.D.URL + "/tokens?organization=contoso&q=waits").Click("waits").Click("Rotate").Press("Rotate")
	s.Halfway = operation()
	s.B.Press("I have saved it")
	s.B.Open(s.D.URL+"/tokens/new?organization=fabrikam").Fill("Name", "in doubt").Choose("Code", "Read")
	s.D.Sim.SetFault("resetAfterDoing", simulator.FaultOptions{Call: simulator.CallCreate, Times: 1})
	s.B.Press("Create token").Open(s.B.URL.String())
	s.Unknown = operation()
	s.Calendar = NewCalendar(t, s.B, s.D.URL)
	s.B.Open(s.D.URL + "/tokens?organization=contoso&q=Nightly").Check("All 1 that match")
	if s.B.Press("Revoke selected"); s.B.Heading() != "Revoke one token?" {
		t.Fatalf("no bulk change to be confirmed: %s\n%s", s.B.URL, Says(s.B))
	}
	s.batch = s.B.URL.Path
	if s.Secret == "" || s.Waiting == s.Halfway || s.Unknown == s.Halfway {
		t.Fatalf("the stage isn't set: %+v", s)
	}
	return s
}

// Seen is everything of the person's that a request could change.
func (s *Stage) Seen() string {
	s.D.T.Helper()
	var all strings.Builder
	look := s.B.Twin()
	for _, path := range []string{"/changes", "/sessions", "/calendar", "/tokens?organization=contoso&status=all", "/tokens/new", "/operations/" + s.Waiting, "/operations/" + s.Halfway, "/operations/" + s.Unknown, s.batch} {
		look.Open(s.D.URL + path)
		all.WriteString(path + " " + withoutTime(look.Page.Find("main").Text()) + "\n" + withoutTime(look.Page.Find("nav, header").Text()) + "\n")
	}
	return all.String()
}

// Unchanged checks that nothing was changed since, and shows the first thing that was.
func (s *Stage) Unchanged(before string) {
	s.D.T.Helper()
	after := s.Seen()
	for i := range min(len(before), len(after)) {
		if before[i] != after[i] {
			from := max(0, i-100)
			s.D.T.Errorf("something has changed:\n…%.200q\nwas\n…%.200q", after[from:], before[from:])
			return
		}
	}
	if len(before) != len(after) {
		s.D.T.Errorf("something has changed: %d bytes were %d", len(after), len(before))
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

// Address is a route with this person's tokens and operations filled in, and a form that fits it.
func (s *Stage) Address(r Route) (path string, form url.Values) {
	s.D.T.Helper()
	form = url.Values{"confirmed": {"yes"}, "authorizationId": {"x"}}
	operation := s.Waiting
	for _, verb := range []string{"/revoke-old", "/keep-old"} {
		if strings.HasSuffix(r.Pattern, verb) {
			operation = s.Halfway
		}
	}
	for _, verb := range []string{"/check", "/revoke-candidate", "/dismiss"} {
		if strings.HasSuffix(r.Pattern, verb) {
			operation = s.Unknown
		}
	}
	path = strings.NewReplacer("{organization}/{id}", strings.TrimPrefix(s.token, "/tokens/"), "{operation}", operation, "/bulk/{batch}", s.batch, "/static/*", "/static/app.css",
		"{address}", strings.Repeat("A", 64)).Replace(r.Pattern)
	if strings.ContainsAny(path, "{}*") {
		s.D.T.Errorf("nothing is known to fill in for %s", r.Pattern)
	}
	global := s.global()
	if rest, ok := strings.CutPrefix(r.Pattern, "/global-tokens/{organization}/{id}"); ok {
		path = global + rest
	}
	if strings.HasSuffix(path, "/result") {
		path += Query("operation", s.Waiting)
	}
	button := map[string]string{global: "Create the tokens", "/calendar/make": "Make a new address", "/calendar/revoke": "Revoke the address", "/tokens/new": "Create token", s.token + "/edit": "Save changes", s.token + "/revoke": "Revoke", s.token + "/rotate": "Rotate", s.batch: "Revoke one token"}[path]
	if button != "" && r.Method == http.MethodPost {
		page := path
		if strings.HasPrefix(path, "/calendar/") {
			page = "/calendar"
		}
		look := s.B.Twin().Open(s.D.URL + page)
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
func (s *Stage) global() string {
	s.D.T.Helper()
	for _, t := range s.D.Sim.Tokens("contoso") {
		if t.DisplayName == "vsce publish" {
			return "/global-tokens/contoso/" + t.AuthorizationID
		}
	}
	s.D.T.Fatal("there is no global token")
	return ""
}
