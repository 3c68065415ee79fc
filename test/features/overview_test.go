package features

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"

	"github.com/patdesk/patdesk/internal/azuredevops"
	"github.com/patdesk/patdesk/internal/simulator"
	"github.com/patdesk/patdesk/internal/testkit"
	"github.com/patdesk/patdesk/internal/testkit/apptest"
	"github.com/patdesk/patdesk/internal/webtest"
)

// section is the section under that heading.
func section(b *webtest.Browser, heading string) *goquery.Selection {
	return b.Page.Find("section").FilterFunction(func(_ int, s *goquery.Selection) bool {
		return strings.HasPrefix(webtest.Fold(s.Find("h2, h3").First().Text()), heading)
	})
}

func TestOverviewShowsAllOrganizations(t *testing.T) {
	t.Parallel()
	d := apptest.Start(t, apptest.Seeded())
	b := d.SignedIn(apptest.Mona).Click("Overview")
	if b.URL.Path != "/overview" || b.Heading() != "Overview" {
		t.Fatalf("the navigation leads to %s %q", b.URL, b.Heading())
	}
	apptest.OpenWhole(t, b, d.URL+"/overview").Click("All organizations 28")
	for _, want := range []string{"Terraform", "Container scan", "Symbol server", "vsce publish"} {
		if !slices.Contains(apptest.Listed(b), want) {
			t.Errorf("%q is missing in %q", want, apptest.Listed(b))
		}
	}
	global := 0
	for _, name := range apptest.Listed(b) {
		if name == "vsce publish" {
			global++
		}
	}
	if global != 1 {
		t.Errorf("a global token stands there %d times", global)
	}
	row := b.Page.Find("#token-rows tr").FilterFunction(func(_ int, s *goquery.Selection) bool { return strings.Contains(s.Text(), "vsce publish") })
	if text := webtest.Fold(row.Text()); !strings.Contains(text, "All organizations") || !strings.Contains(text, "Global") {
		t.Errorf("the global token's row says %q", text)
	}
}

func TestSigningInLeadsToTheOverview(t *testing.T) {
	t.Parallel()
	d := apptest.Start(t, apptest.Options{Sim: apptest.ManyTokens(1)})
	if b := d.SignedIn(apptest.Mona); b.URL.Path != "/overview" {
		t.Errorf("signing in leads to %s", b.URL)
	}
}

func TestNoOrganizationAtAll(t *testing.T) {
	t.Parallel()
	d := apptest.Start(t, apptest.Options{Sim: apptest.ManyTokens(0)})
	b := apptest.OpenWhole(t, d.SignedIn(apptest.Mona), d.URL+"/overview")
	if b.Status != http.StatusOK || !strings.Contains(b.Text(), "You don't seem to belong to any organization") {
		t.Errorf("%d\n%s", b.Status, b.Text())
	}
}

func TestNoTokensAtAll(t *testing.T) {
	t.Parallel()
	d := apptest.Start(t, apptest.Options{Sim: apptest.ManyTokens(2)})
	b := apptest.OpenWhole(t, d.SignedIn(apptest.Mona), d.URL+"/overview")
	if b.Status != http.StatusOK || !strings.Contains(b.Text(), "You have no tokens yet") || section(b, "What needs attention").Length() > 0 {
		t.Errorf("%d\n%s", b.Status, b.Text())
	}
}

// The page comes with what is there, while one organization hangs, for however long; the rest follows when it is asked
// for again.
func TestOverviewDoesNotWaitForSlowOrganizations(t *testing.T) {
	t.Parallel()
	d := apptest.Start(t, apptest.Seeded())
	b := d.SignedInAt(apptest.Mona, "/changes")
	var held []*simulator.Held
	for range 3 { // its three lists
		held = append(held, d.Sim.Hold(simulator.CallList, "fabrikam", false))
	}
	begun := time.Now()
	for { // as a page without JavaScript does, and with it in the background: all but fabrikam come
		b.Open(d.URL + "/tokens")
		if strings.Contains(b.Text(), "2 of 3 organizations loaded. Still loading fabrikam.") {
			break
		}
		if time.Since(begun) > time.Minute {
			t.Fatalf("while fabrikam hangs:\n%s", b.Text())
		}
	}
	t.Logf("the other organizations' tokens were there after %s", time.Since(begun))
	if !slices.Contains(apptest.Listed(b), "Terraform") || !slices.Contains(apptest.Listed(b), "Symbol server") || slices.Contains(apptest.Listed(b), "Container scan") {
		t.Errorf("while fabrikam hangs: %q", apptest.Listed(b))
	}
	if refresh := b.Page.Find("head noscript").Text(); !strings.Contains(refresh, `http-equiv="refresh"`) || b.Page.Find("[data-in-progress]").Length() == 0 {
		t.Errorf("the page doesn't look again: %q", refresh)
	}
	for _, address := range []string{"/overview", "/tokens?q=Terraform", "/tokens?page=2"} {
		if b.Open(d.URL + address); b.Status != http.StatusOK || !strings.Contains(b.Text(), "Still loading fabrikam.") {
			t.Errorf("%s while fabrikam hangs: %d", address, b.Status)
		}
	}
	for _, one := range held {
		one.Release()
	}
	if apptest.OpenWhole(t, b, d.URL+"/tokens"); !slices.Contains(apptest.Listed(b), "Container scan") || b.Page.Find("head noscript").Length() > 0 {
		t.Errorf("in the end fabrikam's tokens are missing: %q", apptest.Listed(b))
	}
}

func TestOneOrganizationsFailureStandsBesideTheOthersResults(t *testing.T) {
	t.Parallel()
	for fault, want := range map[string]string{
		"forbiddenConditionalAccess": "fabrikam: A security rule of your organization blocks this",
		"html203":                    "fabrikam: Azure DevOps didn't accept your sign-in",
		"unauthorizedBOM":            "fabrikam doesn't let you do this",
		"notFound":                   "No organization named fabrikam",
		"claimsChallenge":            "fabrikam: Your organization wants to check again",
	} {
		t.Run(fault, func(t *testing.T) {
			t.Parallel()
			d := apptest.Start(t, apptest.Seeded())
			d.Sim.SetFault(fault, simulator.FaultOptions{Organization: "fabrikam"})
			b := apptest.OpenWhole(t, d.SignedIn(apptest.Mona), d.URL+"/tokens?q=s")
			if named := strings.Count(want, "fabrikam"); b.Status != http.StatusOK || named != 1 || !strings.Contains(b.Text(), want) || strings.Contains(b.Text(), "fabrikam: "+want) {
				t.Fatalf("%d, no %q, or the organization named twice, in\n%s", b.Status, want, b.Text())
			}
			if !slices.Contains(apptest.Listed(b), "Symbol server") || slices.Contains(apptest.Listed(b), "Container scan") {
				t.Errorf("beside the failure: %q", apptest.Listed(b))
			}
			d.Sim.ClearFaults()
			retry := "Try again with fabrikam"
			if fault == "claimsChallenge" {
				retry = "Sign in again with fabrikam"
			}
			before := d.Sim.Calls("list")
			b.Click(retry)
			if fault == "claimsChallenge" {
				b.Press("Continue as " + apptest.Mona)
			} else if got := d.Sim.Calls("list") - before; got != 3 {
				t.Errorf("trying one organization again took %d calls", got)
			}
			if b.URL.Query().Get("q") != "s" || b.URL.Query().Has("retry") {
				t.Errorf("trying again led to %s", b.URL)
			}
			if apptest.OpenWhole(t, b, b.URL.String()); strings.Contains(b.Text(), want) || !slices.Contains(apptest.Listed(b), "Container scan") {
				t.Errorf("after trying again:\n%s", b.Text())
			}
		})
	}
}

func TestOverviewSaysUntilWhenAnOrganizationIsPaused(t *testing.T) {
	t.Parallel()
	d := apptest.Start(t, apptest.Seeded())
	d.Sim.SetFault("serverError500", simulator.FaultOptions{Organization: "fabrikam"})
	b := apptest.OpenWhole(t, d.SignedIn(apptest.Mona), d.URL+"/overview")
	for range 3 {
		b.Click("Try again with fabrikam")
		apptest.OpenWhole(t, b, b.URL.String())
	}
	if !strings.Contains(b.Text(), "Paused until ") {
		t.Errorf("nothing is said of the pause:\n%s", b.Text())
	}
}

func TestOverviewStateIsInTheAddress(t *testing.T) {
	t.Parallel()
	d := apptest.Start(t, apptest.Seeded())
	b := apptest.OpenWhole(t, d.SignedIn(apptest.Mona), d.URL+"/tokens")
	b.Fill("Search", "code").Fill("Organization", "contoso").Check("Made by a tool").Press("Apply")
	q := b.URL.Query()
	if q.Get("q") != "code" || q.Get("organization") != "contoso" || q.Get("is") != "tool" {
		t.Errorf("the form leads to %s", b.URL)
	}
	if got := apptest.Listed(b); !slices.Equal(got, []string{"git: https://dev.azure.com/contoso on LAPTOP-7", "b3e1f0a2-5c64-4f0e-9a5e-7d1c2f3a4b5c"}) {
		t.Errorf("found %q", got)
	}
	b.Press("All")
	if q := b.URL.Query(); q.Get("q") != "code" || q.Get("organization") != "contoso" || q.Get("status") != "all" || len(apptest.Listed(b)) <= 2 {
		t.Errorf("another status leads to %s with %q", b.URL, apptest.Listed(b))
	}
	b.Press("Clear filters")
	if q := b.URL.Query(); q.Has("q") || q.Get("status") != "all" {
		t.Errorf("clearing leads to %s", b.URL)
	}
}

// ofJune starts a program with sample tokens on a day from which the end of global tokens is far.
func ofJune(t *testing.T) (d *apptest.Program, now time.Time) {
	t.Helper()
	now = time.Date(2026, 6, 15, 9, 0, 0, 0, time.UTC)
	o := apptest.Seeded()
	o.Now = func() time.Time { return now }
	o.Sim.Now = o.Now
	return apptest.Start(t, o), now
}

func TestOverviewFiltersAndSorts(t *testing.T) {
	t.Parallel()
	d, _ := ofJune(t)
	b := apptest.OpenWhole(t, d.SignedIn(apptest.Mona), d.URL+"/tokens")
	for address, want := range map[string][]string{
		"scope=vso.packaging":                        {"npm restore on CI", "git: https://dev.azure.com/fabrikam on LAPTOP-7", "git: https://dev.azure.com/contoso on LAPTOP-7"},
		"within=1&organization=northwind-labs":       nil,
		"within=2&organization=fabrikam":             {"Load test rig", "git: https://dev.azure.com/fabrikam on LAPTOP-7"},
		"status=expired&within=10":                   {"Größenänderung – Übersicht", "Sprint report", "Prototype"},
		"is=full":                                    {"Everything everywhere", "Old laptop"},
		"is=global&sort=name":                        {"Everything everywhere", "vsce publish"},
		"is=high&is=long&organization=contoso":       {"Everything everywhere", "Old laptop", "vsce publish", "Terraform"},
		"q=nuget&sort=organization":                  {"NuGet publish", "NuGet publish"},
		"organization=northwind-labs&status=revoked": {"Withdrawn by security", "Global clone script"},
	} {
		got := apptest.Listed(b.Open(d.URL + "/tokens?" + address))
		slices.Sort(want)
		slices.Sort(got)
		if b.Status != http.StatusOK || !slices.Equal(got, want) {
			t.Errorf("%s: %d %q", address, b.Status, got)
		}
	}
	calls := d.Sim.Calls("list")
	b.Open(d.URL + "/tokens?sort=name&order=desc")
	got := apptest.Listed(b)
	if !slices.IsSortedFunc(got, func(a, b string) int { return strings.Compare(strings.ToLower(b), strings.ToLower(a)) }) {
		t.Errorf("not sorted by name, last first: %q", got)
	}
	if d.Sim.Calls("list") != calls {
		t.Errorf("looking through what was read took %d calls", d.Sim.Calls("list")-calls)
	}
}

func TestOverviewTakesAnyAddress(t *testing.T) {
	t.Parallel()
	d := apptest.Start(t, apptest.Seeded())
	b := apptest.OpenWhole(t, d.SignedIn(apptest.Mona), d.URL+"/tokens")
	for _, address := range []string{
		"page=99", "page=-1", "page=x", "within=abc", "within=999999999999999999999", "scope=%00", "scope=<b>", "from=yesterday&to=2026-99-99",
		"is=nothing&is=", "sort=nonsense&order=up", "status=nonsense", "q=" + strings.Repeat("%F0%9F%A4%96", 300), "rows=all&page=3", "q=%ff",
	} {
		if b.Open(d.URL + "/tokens?" + address); b.Status != http.StatusOK {
			t.Errorf("%s: %d", address, b.Status)
		}
	}
	for _, organization := range []string{"no-such", "../contoso", "a b"} {
		if b.Open(d.URL + "/tokens" + apptest.Query("organization", organization)); b.Status != http.StatusNotFound {
			t.Errorf("organization %q: %d", organization, b.Status)
		}
	}
}

func TestWhatNeedsAttention(t *testing.T) {
	t.Parallel()
	d, now := ofJune(t)
	d.Sim.AddToken(simulator.Token{DisplayName: "twin", Organization: "contoso", Owner: simulator.Mona, Scope: "vso.wiki", ValidTo: now.AddDate(0, 0, 100)})
	d.Sim.AddToken(simulator.Token{DisplayName: "twin", Organization: "contoso", Owner: simulator.Mona, Scope: "vso.wiki", ValidTo: now.AddDate(0, 0, 101)})
	d.Sim.AddToken(simulator.Token{DisplayName: "twin", Organization: "fabrikam", Owner: simulator.Mona, Scope: "vso.wiki", ValidTo: now.AddDate(0, 0, 102)})
	b := apptest.OpenWhole(t, d.SignedIn(apptest.Mona), d.URL+"/overview")
	first := b.Page.Find("main h2").First()
	if webtest.Fold(first.Text()) != "What needs attention" {
		t.Errorf("the first heading is %q", first.Text())
	}
	for _, c := range []struct {
		heading, token, action, path string
		count                        int
	}{
		{"About to expire", "npm restore on CI", "Rotate", "/rotate", 5},
		{"Expire within 30 days", "Work item sync", "Rotate", "/rotate", 7},
		{"Expired in the last 30 days", "Sprint report", "Replace", "/tokens/new", 5},
		{"Full access", "Old laptop", "Edit", "/edit", 1},
		{"Global tokens", "vsce publish", "Replace", "/global-tokens/", 2},
		{"High privilege for more than 180 days", "Terraform", "Edit", "/edit", 2},
		{"Duplicate names", "twin", "Revoke", "/revoke", 2},
	} {
		group := section(b, c.heading)
		if got := webtest.Fold(group.Find(".badge").First().Text()); got != fmt.Sprint(c.count) {
			t.Errorf("%s: %s tokens", c.heading, got)
			continue
		}
		line := group.Find("li").FilterFunction(func(_ int, s *goquery.Selection) bool { return strings.Contains(s.Text(), c.token) }).First()
		link := line.Find("a").Last()
		to := link.AttrOr("href", "")
		if !strings.HasPrefix(webtest.Fold(link.Text()), c.action+" "+c.token) || !strings.Contains(to, c.path) {
			t.Errorf("%s: the action is %q to %q", c.heading, webtest.Fold(link.Text()), to)
			continue
		}
		if page := b.Twin().Open(d.URL + to); page.Status != http.StatusOK {
			t.Errorf("%s: %s answers %d", c.heading, to, page.Status)
		}
	}
	b.Open(d.URL + section(b, "Global tokens").Find(".attention-head a").AttrOr("href", ""))
	if b.Status != http.StatusOK || b.URL.Path != "/global-tokens" {
		t.Errorf("all of a group: %d at %s", b.Status, b.URL)
	}
}

func TestTimeline(t *testing.T) {
	t.Parallel()
	d := apptest.Start(t, apptest.Seeded())
	b := apptest.OpenWhole(t, d.SignedIn(apptest.Mona), d.URL+"/overview")
	line := section(b, "Expiry in the next twelve months")
	marks, rows := line.Find("svg a"), line.Find("tbody tr")
	if marks.Length() == 0 || marks.Length() != rows.Length() {
		t.Fatalf("%d marks, %d rows", marks.Length(), rows.Length())
	}
	count := 0
	rows.Each(func(i int, row *goquery.Selection) {
		link := row.Find("a")
		var n int
		if _, err := fmt.Sscan(webtest.Fold(link.Text()), &n); err != nil {
			t.Errorf("the link is %q", link.Text())
		}
		count += n
		to := link.AttrOr("href", "")
		if got := marks.Eq(i).AttrOr("href", "-"); got != to {
			t.Errorf("the mark leads to %q, the row to %q", got, to)
		}
		page := b.Twin().Open(d.URL + to)
		if page.Status != http.StatusOK || n > 1 && len(apptest.Listed(page)) != n {
			t.Errorf("%s: %d, %d tokens instead of %d", to, page.Status, len(apptest.Listed(page)), n)
		}
	})
	list := b.Twin().Open(d.URL + "/tokens")
	if want := len(apptest.Listed(list)) - list.Page.Find("tbody .status-expired").Length(); count != want {
		t.Errorf("the timeline counts %d tokens, the list has %d", count, want)
	}
	if words := line.Find("caption").Text(); !strings.Contains(words, fmt.Sprint(count)) {
		t.Errorf("the caption says %q", words)
	}
}

// What somebody changes is seen at once, in spite of the snapshot.
func TestOverviewSeesTheOwnChanges(t *testing.T) {
	t.Parallel()
	d := apptest.Start(t, apptest.Seeded())
	b := apptest.OpenWhole(t, d.SignedIn(apptest.Mona), d.URL+"/tokens")
	before := d.Sim.Calls("list")
	b.Open(d.URL+"/tokens/new"+apptest.Query("organization", "fabrikam")).Fill("Name", "made just now").Choose("Wiki", "Read").Press("Create token").Press("I have saved it")
	made := d.Sim.Calls("list") - before
	if apptest.OpenWhole(t, b, d.URL+"/tokens"); !slices.Contains(apptest.Listed(b), "made just now") {
		t.Errorf("the new token is missing: %q", apptest.Listed(b))
	}
	if again := d.Sim.Calls("list") - before - made; again != 3 {
		t.Errorf("the change of one organization made %d lists be read", again)
	}
	b.Open(d.URL + "/tokens?q=vsce").Open(b.Page.Find("#token-rows a").AttrOr("href", "")).Click("Revoke").Press("Revoke")
	if apptest.OpenWhole(t, b, d.URL+"/tokens"); slices.Contains(apptest.Listed(b), "vsce publish") {
		t.Error("a revoked global token is still there")
	}
	b.Press("Sign out")
	before = d.Sim.Calls("list")
	if apptest.OpenWhole(t, d.SignedIn(apptest.Mona), d.URL+"/tokens"); d.Sim.Calls("list") == before {
		t.Error("a new session shows what an old one had read")
	}
}

// What was found out about tokens that were read a moment ago isn't shown where it wouldn't be found any more: on another
// day, in another language, or after another reading.
func TestOverviewIsOfItsMoment(t *testing.T) {
	t.Parallel()
	clock := testkit.NewClockAt(time.Date(2026, 10, 10, 23, 59, 30, 0, time.UTC))
	sim := apptest.ManyTokens(2)
	sim.Now = clock.Now
	d := apptest.Start(t, apptest.Options{Sim: sim, Now: clock.Now})
	add := func(name string, days int) {
		d.Sim.AddToken(simulator.Token{DisplayName: name, Organization: "org-01", Scope: "vso.code", ValidFrom: clock.Now(), ValidTo: clock.Now().AddDate(0, 0, days)})
	}
	add("made before", 5)
	b := apptest.OpenWhole(t, d.SignedIn(apptest.Mona), d.URL+"/overview")
	read, last := d.Sim.Calls("list"), map[string]bool{}
	seen := func(what string) {
		t.Helper()
		text := apptest.OpenWhole(t, b, d.URL+"/overview").Page.Find("#overview-attention, #overview-places").Text()
		if last[text] {
			t.Errorf("%s: the overview is the same:\n%s", what, text)
		}
		last[text] = true
	}
	seen("at first")
	clock.Move(40 * time.Second)
	seen("on the next day")
	if again := d.Sim.Calls("list"); again != read {
		t.Errorf("it took %d calls more, so nothing that was read before was shown", again-read)
	}
	b.Edit(func(r *http.Request) { r.Header.Set("Accept-Language", "ko") })
	seen("in Korean")
	clock.Move(time.Second)
	add("made elsewhere", 2)
	b.Open(d.URL + "/overview?retry=")
	seen("after another reading")
}

// A list that was shown a moment ago isn't shown again where it would be another one: on another day, in another
// language or view, with something selected, with a rotation half-way, after a change, when global tokens have stopped.
func TestListIsOfItsMoment(t *testing.T) {
	t.Parallel()
	clock := testkit.NewClockAt(azuredevops.GlobalTokensEnd.Add(-30 * time.Second))
	sim := apptest.ManyTokens(2)
	sim.Now = clock.Now
	d := apptest.Start(t, apptest.Options{Sim: sim, Now: clock.Now})
	for _, name := range []string{"first", "second"} {
		d.Sim.AddToken(simulator.Token{DisplayName: name, Organization: "org-01", Scope: "vso.code", ValidFrom: clock.Now(), ValidTo: clock.Now().AddDate(0, 0, 5)})
	}
	d.Sim.AddToken(simulator.Token{DisplayName: "worldwide", Scope: "vso.code", ValidFrom: clock.Now(), ValidTo: clock.Now().AddDate(0, 0, 50)})
	const one, all = "/tokens?organization=org-01", "/tokens"
	b := apptest.OpenWhole(t, d.SignedIn(apptest.Mona), d.URL+all)
	last := map[string]string{}
	seen := func(what, address string) {
		t.Helper()
		b.Open(d.URL + address)
		rows := b.Page.Find("#token-rows")
		shown := fmt.Sprint(rows.Text(), rows.Find("[checked]").Length())
		if before, ok := last[shown]; ok {
			t.Errorf("%s, the list is the same as %s:\n%s", what, before, shown)
		}
		last[shown] = what
	}
	for _, of := range []string{one, all} {
		sign := "?"
		if of == one {
			sign = "&"
		}
		pick := b.Open(d.URL+of).Page.Find("[name=token]").First().AttrOr("value", "")
		seen("at first", of)
		seen("by name", of+sign+"sort=name")
		seen("by name, downwards", of+sign+"sort=name&order=desc")
		seen("searched", of+sign+"q=second")
		seen("filtered", of+sign+"within=3")
		seen("of all statuses", of+sign+"status=all")
		seen("with one selected", of+sign+"token="+url.QueryEscape(pick))
	}
	clock.Move(40 * time.Second) // a day later, and global tokens have stopped
	seen("on the next day", one)
	seen("on the next day, everywhere", all)
	seen("searched on the next day", one+"&q=second")
	seen("searched on the next day, everywhere", all+"?q=second")
	b.Edit(func(r *http.Request) { r.Header.Set("Accept-Language", "ko") })
	seen("searched in Korean", one+"&q=second")
	seen("searched in Korean, everywhere", all+"?q=second")
	b.Edit(nil)
	d.Sim.AddToken(simulator.Token{DisplayName: "third", Organization: "org-01", Scope: "vso.code", ValidFrom: clock.Now(), ValidTo: clock.Now().AddDate(0, 0, 5)})
	seen("after another reading", one)
	b.Open(d.URL + one).Click("first").Click("Rotate").Press("Rotate")
	seen("with a rotation half-way", one)
	b.Open(d.URL + one).Click("Rotation not finished: the old one").Press("I have saved it").Press("Keep the old token")
	seen("with a rotation that is over", one)
}

// Requests that come at the same time share what is read.
func TestOverviewReadsOnceForAllRequests(t *testing.T) {
	t.Parallel()
	d := apptest.Start(t, apptest.Seeded())
	d.Sim.SetFault("hang", simulator.FaultOptions{Call: "list", Delay: 1500 * time.Millisecond})
	b := d.SignedInAt(apptest.Mona, "/changes")
	before := d.Sim.Calls("list")
	var wg sync.WaitGroup
	for range 10 {
		twin := b.Twin()
		wg.Go(func() { twin.Open(d.URL + "/tokens") })
	}
	wg.Wait()
	apptest.OpenWhole(t, b, d.URL+"/tokens")
	if got := d.Sim.Calls("list") - before; got != 9 {
		t.Errorf("%d lists were read of 3 organizations", got)
	}
}

func TestTokensOfTenOrganizationsFillSeveralPages(t *testing.T) {
	t.Parallel()
	d := apptest.Start(t, apptest.Options{Sim: apptest.ManyTokens(10)})
	apptest.FillOrganizations(d.Sim, 45)
	b := apptest.OpenWhole(t, d.SignedIn(apptest.Mona), d.URL+"/tokens")
	if got := len(apptest.Listed(b)); got != 200 || !strings.Contains(b.Text(), "450 tokens, 1 to 200 shown") {
		t.Fatalf("%d rows\n%.600s", got, b.Text())
	}
	b.Open(d.URL + "/tokens?q=token+044")
	if got := apptest.Listed(b); len(got) != 10 {
		t.Errorf("the search found %q", got)
	}
	seen := map[string]bool{}
	b.Open(d.URL + "/tokens?sort=name")
	for pages := 1; ; pages++ {
		for _, name := range apptest.Listed(b) {
			seen[name] = true
		}
		if !b.Has("button", "Next") {
			if pages != 3 {
				t.Errorf("%d pages", pages)
			}
			break
		}
		b.Press("Next")
	}
	if len(seen) != 450 {
		t.Errorf("the pages show %d tokens", len(seen))
	}
}

func TestManyTokensAndStrangeNames(t *testing.T) {
	t.Parallel()
	d := apptest.Start(t, apptest.Options{Sim: apptest.ManyTokens(2)})
	apptest.FillOrganizations(d.Sim, 495)
	strange := []string{strings.Repeat("n", 1000), "اسم الرمز <script>alert(1)</script>", "Z̸̧͓a̶l̵g̷o̴", "\u202eevil", "  "}
	for i, name := range strange {
		d.Sim.AddToken(simulator.Token{DisplayName: name, Organization: "org-01", Scope: "vso.code", ValidTo: time.Now().Add(time.Duration(i+1) * time.Hour)})
	}
	b := apptest.OpenWhole(t, d.SignedIn(apptest.Mona), d.URL+"/tokens")
	if !strings.Contains(b.Text(), "995 tokens, 1 to 200 shown") {
		t.Fatalf("%.800s", b.Text())
	}
	for _, name := range []string{strange[0], strange[1], "(no name)"} {
		if !slices.Contains(apptest.Listed(b), webtest.Fold(name)) {
			t.Errorf("%.40q is missing", name)
		}
	}
	if b.Page.Find("main script").Length() > 0 {
		t.Error("a name became markup")
	}
	b.Open(d.URL + "/overview").Page.Find(".attention-token a").Each(func(_ int, s *goquery.Selection) {
		if s.Find("bdi").Length() != 1 {
			t.Errorf("the name isn't kept apart from the text around it: %q", s.Text())
		}
	})
	if b.Open(d.URL + "/tokens?rows=all"); b.Status != http.StatusOK || len(apptest.Listed(b)) != 995 {
		t.Errorf("%d: %d rows to print", b.Status, len(apptest.Listed(b)))
	}
}

func TestExportCSV(t *testing.T) {
	t.Parallel()
	d := apptest.Start(t, apptest.Seeded())
	d.Sim.AddToken(simulator.Token{DisplayName: `=HYPERLINK("http://evil.example","x")`, Organization: "contoso", Owner: simulator.Mona, Scope: "vso.wiki"})
	for _, formula := range []string{"+1", "-1", "@x", "\tx", " =1", "＝1", "\u00a0=1"} {
		d.Sim.AddToken(simulator.Token{DisplayName: formula, Organization: "contoso", Owner: simulator.Mona, Scope: "vso.wiki"})
	}
	d.Sim.AddToken(simulator.Token{DisplayName: "two, \"words\"", Organization: "contoso", Owner: simulator.Mona, Scope: "vso.wiki"})
	b := apptest.OpenWhole(t, d.SignedIn(apptest.Mona), d.URL+"/tokens"+apptest.Query("status", "all", "organization", "contoso"))
	want := b.Page.Find("#token-rows tr").Length()
	b.Click("CSV")
	if b.Status != http.StatusOK || !strings.HasPrefix(b.Header.Get("Content-Type"), "text/csv") || !strings.HasPrefix(b.Header.Get("Content-Disposition"), "attachment; filename=tokens-") {
		t.Fatalf("%d %v", b.Status, b.Header)
	}
	content, marked := strings.CutPrefix(b.Body, "\ufeff")
	if !marked {
		t.Error("without a byte order mark Excel and Windows PowerShell read the file as ANSI")
	}
	rows, err := csv.NewReader(strings.NewReader(content)).ReadAll()
	if err != nil || len(rows) != want+1 {
		t.Fatalf("%v, %d rows instead of %d", err, len(rows), want+1)
	}
	if strings.Count(b.Body, "\r\n") != want+1 {
		t.Error("lines don't end with CRLF")
	}
	all := map[string][]string{}
	for _, row := range rows[1:] {
		all[row[0]] = row
	}
	if _, ok := all[`'=HYPERLINK("http://evil.example","x")`]; !ok {
		t.Error("a formula isn't kept from being one")
	}
	for name := range all {
		if trimmed := strings.TrimLeft(name, " \u00a0"); trimmed != "" && strings.ContainsAny(trimmed[:1], "=+-@\t") || strings.HasPrefix(trimmed, "＝") {
			t.Errorf("%q would be a formula", name)
		}
	}
	if row := all[`two, "words"`]; row == nil || row[1] != "contoso" || row[3] != "active" {
		t.Errorf("the row is %q", row)
	}
	if row := all["vsce publish"]; row == nil || row[1] != "" || row[2] != "true" {
		t.Errorf("the global token's row is %q", row)
	}
}

func TestExportJSONSaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	d := apptest.Start(t, apptest.Seeded())
	d.Sim.SetFault("forbiddenConditionalAccess", simulator.FaultOptions{Organization: "fabrikam"})
	b := apptest.OpenWhole(t, d.SignedIn(apptest.Mona), d.URL+"/tokens"+apptest.Query("q", "publish", "sort", "name"))
	b.Click("JSON")
	var got struct {
		Complete bool
		Missing  []struct{ Organization, Reason string }
		Tokens   []struct {
			Name, Organization, Status, AuthorizationID string
			Scopes                                      []string
			ValidTo                                     time.Time
		}
	}
	if err := json.Unmarshal([]byte(b.Body), &got); err != nil {
		t.Fatal(err)
	}
	if got.Complete || len(got.Missing) != 1 || got.Missing[0].Organization != "fabrikam" || !strings.Contains(b.Header.Get("Content-Disposition"), "incomplete") {
		t.Errorf("%+v, %s", got, b.Header.Get("Content-Disposition"))
	}
	if len(got.Tokens) != 2 || got.Tokens[0].Name != "NuGet publish" || got.Tokens[0].ValidTo.IsZero() || len(got.Tokens[0].Scopes) != 1 {
		t.Errorf("%+v", got.Tokens)
	}
}

func TestOverviewIsForSignedInPeopleOnly(t *testing.T) {
	t.Parallel()
	d := apptest.Start(t, apptest.Seeded())
	b := d.Browser()
	for _, path := range []string{"/overview", "/tokens", "/tokens.csv", "/tokens.json", "/global-tokens"} {
		if b.Open(d.URL + path); b.URL.Path != "/sign-in" || strings.Contains(b.Body, "Terraform") {
			t.Errorf("%s shows %s", path, b.URL)
		}
	}
	if b := d.SignedIn(apptest.Jonas); strings.Contains(apptest.OpenWhole(t, b, d.URL+"/overview").Text(), "Terraform") {
		t.Error("somebody else's tokens are shown")
	}
}

// An organization that was deleted in between is said to be gone, the others stay.
func TestOrganizationDeletedInBetween(t *testing.T) {
	t.Parallel()
	now := time.Now()
	var mu sync.Mutex
	clock := func() time.Time { mu.Lock(); defer mu.Unlock(); return now }
	o := apptest.Seeded()
	o.Now = clock
	d := apptest.Start(t, o)
	b := apptest.OpenWhole(t, d.SignedIn(apptest.Mona), d.URL+"/tokens")
	d.Sim.SetFault("notFound", simulator.FaultOptions{Organization: "northwind-labs"})
	mu.Lock()
	now = now.Add(61 * time.Second)
	mu.Unlock()
	apptest.OpenWhole(t, b, d.URL+"/tokens")
	if !strings.Contains(b.Text(), "No organization named northwind-labs") || !slices.Contains(apptest.Listed(b), "Terraform") || slices.Contains(apptest.Listed(b), "Symbol server") {
		t.Errorf("%s", b.Text())
	}
}

// renaming stands before Azure DevOps and, once it is done, knows an organization by its new name only.
type renaming struct {
	next     http.RoundTripper
	from, to string
	done     atomic.Bool
}

func (n *renaming) wrap(next http.RoundTripper) http.RoundTripper {
	n.next = next
	return n
}

func (n *renaming) RoundTrip(r *http.Request) (*http.Response, error) {
	if !n.done.Load() {
		return n.next.RoundTrip(r)
	}
	r = r.Clone(r.Context())
	r.URL.Path = strings.NewReplacer("/"+n.from+"/", "/nobody-has-this/", "/"+n.to+"/", "/"+n.from+"/").Replace(r.URL.Path)
	answer, err := n.next.RoundTrip(r)
	if err != nil || !strings.HasSuffix(r.URL.Path, "/_apis/accounts") {
		return answer, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return nil, err
	}
	body = bytes.ReplaceAll(body, []byte(n.from), []byte(n.to))
	answer.Body, answer.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	answer.Header.Del("Content-Length")
	return answer, nil
}

// An organization that was renamed in between is asked for under its new name as soon as discovery tells it; the old
// name is said to be gone, on the overview and on pages that were open.
func TestOrganizationRenamedInBetween(t *testing.T) {
	t.Parallel()
	clock, names := testkit.NewClock(), &renaming{from: "org-01", to: "org-renamed"}
	d := apptest.Start(t, apptest.Options{Sim: apptest.ManyTokens(2), Now: clock.Now, Wrap: names.wrap})
	apptest.FillOrganizations(d.Sim, 3)
	b := apptest.OpenWhole(t, d.SignedIn(apptest.Mona), d.URL+"/tokens")
	page := b.Twin().Open(d.URL + b.Page.Find("#token-rows a").First().AttrOr("href", ""))
	names.done.Store(true)
	clock.Move(61 * time.Second)
	apptest.OpenWhole(t, b, d.URL+"/tokens")
	if !strings.Contains(b.Text(), "No organization named org-01") || !slices.Contains(apptest.Listed(b), "org-02 token 000") {
		t.Errorf("before discovery is asked again:\n%s", b.Text())
	}
	if page.Click("Edit"); page.Status != http.StatusNotFound || !strings.Contains(page.Text(), "No organization named org-01") {
		t.Errorf("a page that was open: %d\n%s", page.Status, page.Text())
	}
	b.Open(d.URL + "/tokens").Click("Refresh")
	apptest.OpenWhole(t, b, d.URL+"/tokens")
	if strings.Contains(b.Text(), "No organization named") || !strings.Contains(b.Text(), "org-renamed") || !slices.Contains(apptest.Listed(b), "org-01 token 000") {
		t.Errorf("after discovery:\n%s", b.Text())
	}
}

func TestOverviewOfConfiguredOrganizations(t *testing.T) {
	t.Parallel()
	for _, organizations := range []string{"contoso", "contoso,northwind-labs"} {
		o := apptest.Seeded()
		o.Env = map[string]string{"ORGANIZATIONS": organizations}
		d := apptest.Start(t, o)
		b := d.SignedIn(apptest.Mona)
		if apptest.OpenWhole(t, b, d.URL+"/tokens"); !slices.Contains(apptest.Listed(b), "Terraform") || slices.Contains(apptest.Listed(b), "Container scan") {
			t.Errorf("%s: %q", organizations, apptest.Listed(b))
		}
	}
}

func TestOverviewWhereOrganizationsCannotBeFound(t *testing.T) {
	t.Parallel()
	d := apptest.Start(t, apptest.Seeded())
	d.Sim.SetFault("serverError500", simulator.FaultOptions{Call: "accounts"})
	b := apptest.OpenWhole(t, d.SignedIn(apptest.Mona), d.URL+"/overview")
	if b.Status != http.StatusOK || !strings.Contains(b.Text(), "Azure DevOps reported an error") {
		t.Fatalf("%d\n%s", b.Status, b.Text())
	}
	d.Sim.ClearFaults()
	if b.Click("Look again for organizations"); b.URL.Path != "/overview" {
		t.Errorf("looking again leads to %s", b.URL)
	}
	if apptest.OpenWhole(t, b, d.URL+"/tokens"); !slices.Contains(apptest.Listed(b), "Terraform") {
		t.Errorf("%s", b.Text())
	}
}

// What was changed elsewhere is there after "Refresh".
func TestReadAgain(t *testing.T) {
	t.Parallel()
	d := apptest.Start(t, apptest.Seeded())
	b := apptest.OpenWhole(t, d.SignedIn(apptest.Mona), d.URL+"/tokens?q=elsewhere")
	d.Sim.AddToken(simulator.Token{DisplayName: "made elsewhere", Organization: "fabrikam", Owner: simulator.Mona, Scope: "vso.wiki"})
	if apptest.OpenWhole(t, b, b.URL.String()); len(apptest.Listed(b)) != 0 {
		t.Errorf("read again by itself: %q", apptest.Listed(b))
	}
	if b.Click("Refresh"); b.URL.RawQuery != "q=elsewhere" {
		t.Errorf("reading again leads to %s", b.URL)
	}
	if apptest.OpenWhole(t, b, b.URL.String()); !slices.Equal(apptest.Listed(b), []string{"made elsewhere"}) {
		t.Errorf("%q", apptest.Listed(b))
	}
}
