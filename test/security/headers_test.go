package security

import (
	"fmt"
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

// H1: every answer carries the headers, whatever it is: pages, errors, redirects, files, answers to forms and to what
// isn't a request for a page at all. A short run has one of the public addresses.
func TestHeadersOnEveryAnswer(t *testing.T) {
	t.Parallel()
	public := map[string]apptest.PublicAddress{"http": {}, "https below a path": {Https: true, Path: "/pat"}, "no BASE_URL": {}}
	for _, name := range testkit.Sample(t, 1, slices.Sorted(maps.Keys(public))) {
		p := public[name]
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := apptest.Seeded()
			o.Env = map[string]string{"SESSION_DIR": t.TempDir() + "/sessions"}
			var d *apptest.Program
			if name == "no BASE_URL" {
				d = apptest.Start(t, o)
			} else {
				_, programs := apptest.StartBehind(t, p, 1, o)
				d = programs[0]
			}
			r := apptest.Record(t, d)
			apptest.VisitEverything(t, d, o.Env["SESSION_DIR"])
			statuses := map[int]int{}
			for _, a := range r.Answers() {
				statuses[a.Status]++
				apptest.CheckAnswer(t, a, p.Https)
			}
			want := []int{200, 303, 304, 400, 403, 404, 405, 413, 416, 417, 422, 429, 500, 502, 503}
			switch name {
			case "no BASE_URL":
				want = append(want, 307, 421)
			case "https below a path":
				want = append(want, 308)
			}
			for _, status := range want {
				if statuses[status] == 0 {
					t.Errorf("no answer with status %d was seen: %v", status, statuses)
				}
			}
		})
	}
}

// P4, ASVS 3.3.5: however many sign-ins and forms a browser begins and leaves, with https and its longer names: cookies
// stay under 2 KB, heads under 4 KB, also where a page is asked for by a very long address.
func TestCookiesAndHeadsStaySmall(t *testing.T) {
	t.Parallel()
	f, programs := apptest.StartBehind(t, apptest.PublicAddress{Https: true, Path: "/pat"}, 1, apptest.Seeded())
	d := programs[0]
	r := apptest.Record(t, d)
	b := d.SignedInAt(apptest.Mona, "/changes")
	b.Open(f.URL+"/tokens/new?organization=contoso").Fill("Name", "n").Choose("Code", "Read")
	_, to, form := b.Form("Create token")
	long := "/scopes?q=" + strings.Repeat("%20", 335)
	d.Sim.SetFault("claimsChallenge", simulator.FaultOptions{})
	for i := range 40 {
		b.Twin().Open(f.URL + "/sign-in/start?return=" + url.QueryEscape(long))
		form.Set("name", fmt.Sprint(i))
		b.Twin().Post(to.String(), form)
	}
	d.Sim.ClearFaults()
	b.Open(f.URL + "/sign-in/start?return=" + url.QueryEscape(long)).Press("Continue as " + apptest.Mona)
	if b.URL.RequestURI() != "/pat"+long {
		t.Errorf("a long address of ours isn't returned to: %s", b.URL)
	}
	stranger := webtest.New(t, d.Transport())
	for _, path := range []string{long, long + strings.Repeat("x", 20_000), "/" + strings.Repeat("x", 20_000), "/tokens/new?name=" + strings.Repeat("%00", 5_000), "/sign-in?return=" + strings.Repeat("/x", 10_000)} {
		stranger.Open(f.URL + path)
	}
	b.Open(f.URL + "/sign-out").Press("Sign out")
	largest, cookies := 0, 0
	for _, a := range r.Answers() {
		apptest.CheckAnswer(t, a, true)
		largest, cookies = max(largest, a.Head()), max(cookies, len(a.Sent.Get("Cookie")))
	}
	t.Logf("largest head %d bytes, most cookies %d bytes", largest, cookies)
	if cookies < 1000 {
		t.Errorf("only %d bytes of cookies: the test doesn't fill them", cookies)
	}
}

// Answers of this program are the only ones that its cookies go with: each copy on a host has its own names.
func TestCookiesOfTwoCopies(t *testing.T) {
	t.Parallel()
	one, two := apptest.Start(t, apptest.Seeded()), apptest.Start(t, apptest.Seeded())
	b := one.SignedInAt(apptest.Mona, "/changes")
	before := apptest.CookiesOf(t, b, one.URL)
	b.Edit(nil)
	second := webtest.New(t, two.Transport())
	for name, value := range before { // browsers send cookies to every port of a host
		apptest.PlantCookies(t, second, two.URL, &http.Cookie{Name: name, Value: value, Path: "/"})
	}
	if second.Open(two.URL + "/changes"); second.Has("button", "Sign out") {
		t.Error("the other copy's session is signed in here")
	}
	for range 25 {
		second.Twin().Open(two.URL + "/sign-in/start")
	}
	after := apptest.CookiesOf(t, second, two.URL)
	for name, value := range maps.All(before) {
		if after[name] != value {
			t.Errorf("%s was changed by the other copy", name)
		}
	}
	names := slices.Sorted(maps.Keys(after))
	if len(names) < 20 {
		t.Errorf("cookies: %q", names)
	}
}
