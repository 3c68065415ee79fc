package features

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"

	"github.com/patdesk/patdesk/internal/azuredevops"
	"github.com/patdesk/patdesk/internal/simulator"
	"github.com/patdesk/patdesk/internal/testkit"
	"github.com/patdesk/patdesk/internal/testkit/apptest"
	"github.com/patdesk/patdesk/internal/webtest"
)

// startedOn starts a program with sample tokens, and services, by whose clocks it is that time.
func startedOn(t *testing.T, clock *testkit.Clock) *apptest.Program {
	t.Helper()
	o := apptest.Seeded()
	o.Now, o.Sim.Now = clock.Now, clock.Now
	return apptest.Start(t, o)
}

// look is what a page's outcome or first notice looks like: "succeeded", "unknown", "done", "warning".
func look(b *webtest.Browser) string {
	for _, name := range []string{"outcome", "notice"} {
		for class := range strings.FieldsSeq(b.Page.Find("main > ."+name).First().AttrOr("class", "")) {
			if after, ok := strings.CutPrefix(class, name+"-"); ok {
				return after
			}
		}
	}
	return ""
}

// A global token says on every page that it works everywhere and when it ends, in the tense of the day.
func TestGlobalTokensEndWithAllOthersOfTheirKind(t *testing.T) {
	t.Parallel()
	over := []string{"stops with", "switches it off", "it works in all", "keeps working until you revoke it", "Both work until then", "stops working at once", "stops working as soon", "before the old one expires"}
	for name, c := range map[string]struct {
		at         time.Time
		says, note string
		never      []string
		changeable bool
	}{
		"months before": {time.Date(2026, 6, 15, 9, 0, 0, 0, time.UTC), "in 169 days", "stops with all global tokens", []string{"stopped with", "no longer works"}, true},
		"last minute":   {time.Date(2026, 11, 30, 23, 58, 30, 0, time.UTC), "in 1 minute", "stops with all global tokens", []string{"stopped with", "no longer works"}, true},
		"that minute":   {time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC), "just now", "stopped with all global tokens", over, false},
		"days after":    {time.Date(2026, 12, 4, 9, 0, 0, 0, time.UTC), "3 days ago", "stopped with all global tokens", over, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := startedOn(t, testkit.NewClockAt(c.at))
			made := d.Sim.AddToken(simulator.Token{DisplayName: "Publisher", Owner: simulator.Mona, Scope: "vso.gallery_manage", ValidTo: c.at.AddDate(0, 0, 200)})
			b := apptest.OpenWhole(t, d.SignedIn(apptest.Mona), d.URL+"/tokens")
			page := d.URL + "/tokens/contoso/" + made.AuthorizationID
			for _, address := range []string{
				d.URL + "/tokens?q=Publisher", d.URL + "/tokens?organization=contoso&q=Publisher", page, page + "/edit", page + "/rotate", page + "/revoke",
				d.URL + "/global-tokens/contoso/" + made.AuthorizationID,
			} {
				b.Open(address)
				text := webtest.Fold(b.Page.Find("main").Text())
				if row := b.Page.Find("#token-rows tr"); row.Length() == 1 {
					text = webtest.Fold(row.Text())
				}
				for _, want := range []string{"1 Dec 2026", c.says, c.note} {
					if b.Status != http.StatusOK || !strings.Contains(text, want) {
						t.Errorf("%s: %d, no %q in\n%s", address, b.Status, want, text)
					}
				}
				for _, never := range append(c.never, "in 200 days") {
					if strings.Contains(text, never) {
						t.Errorf("%s: %q in\n%s", address, never, text)
					}
				}
				if !strings.Contains(text, "All organizations") && !strings.Contains(text, "global token") {
					t.Errorf("%s doesn't say that the token is global:\n%s", address, text)
				}
			}
			b.Open(page)
			if !b.Has("link", "Replace") || !b.Has("link", "Revoke") || b.Has("link", "Edit") != c.changeable || b.Has("link", "Rotate") != c.changeable {
				t.Errorf("the token's page offers\n%s", b.Text())
			}
			if status := webtest.Fold(b.Page.Find(".subtitle .status").Text()); (status == "Active") != c.changeable {
				t.Errorf("the token reads as %q", status)
			}
			b.Click("Revoke").Press("Revoke")
			if want := "“Publisher” no longer works in any of your organizations."; !strings.Contains(b.Text(), want) {
				t.Errorf("no %q in\n%s", want, b.Text())
			}
			if row := webtest.Fold(b.Open(d.URL + "/changes").Page.Find("tbody tr").First().Text()); !strings.Contains(row, "All organizations") {
				t.Errorf("the change is listed as %q", row)
			}
		})
	}
}

// What ends first stands first, and a global token ends with all others of its kind.
func TestGlobalTokensAreSortedByTheirRealEnd(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC)
	d := startedOn(t, testkit.NewClockAt(at))
	d.Sim.AddToken(simulator.Token{DisplayName: "sorted a", Owner: simulator.Mona, Organization: "contoso", Scope: "vso.wiki", ValidTo: at.AddDate(0, 0, 10)})
	d.Sim.AddToken(simulator.Token{DisplayName: "sorted b", Owner: simulator.Mona, Scope: "vso.wiki", ValidTo: at.AddDate(0, 0, 300)})
	d.Sim.AddToken(simulator.Token{DisplayName: "sorted c", Owner: simulator.Mona, Organization: "contoso", Scope: "vso.wiki", ValidTo: at.AddDate(0, 0, 20)})
	b := d.SignedIn(apptest.Mona)
	for _, address := range []string{"/tokens?organization=contoso&q=sorted", "/tokens?q=sorted"} {
		if got := strings.Join(apptest.Listed(apptest.OpenWhole(t, b, d.URL+address)), ","); got != "sorted a,sorted b,sorted c" {
			t.Errorf("%s: %s", address, got)
		}
	}
	if b.Open(d.URL + "/tokens.json?q=sorted+b"); !strings.Contains(b.Body, `"ends": "2026-12-01T00:00:00Z"`) {
		t.Errorf("the export says\n%s", b.Body)
	}
	if b.Open(d.URL + "/tokens.csv?q=sorted+b"); !strings.Contains(b.Body, ",2026-12-01T00:00:00Z") {
		t.Errorf("the export says\n%s", b.Body)
	}
}

// A secret that wasn't saved, and a shorter life than was asked for, don't look like a plain success.
func TestWhatWentWrongDoesNotLookLikeSuccess(t *testing.T) {
	t.Parallel()
	clock := testkit.NewClock()
	d := startedOn(t, clock)
	b := d.SignedIn(apptest.Mona)
	create := func(name string) string {
		clock.Move(time.Second)
		b.Open(d.URL+"/tokens/new?organization=contoso").Fill("Name", name).Choose("Wiki", "Read").Choose("Expiry", "90 days").Press("Create token")
		return b.URL.String()
	}
	plain := create("plain")
	if got := look(b); got != "unsaved" {
		t.Errorf("a secret that waits to be saved looks %q", got)
	}
	d.Sim.SetFault("shortenedValidTo", simulator.FaultOptions{Value: "7"})
	short := create("short")
	if got := look(b); got != "unknown" || b.Heading() != "Token created, for a shorter time" || apptest.SecretOf(b) == "" {
		t.Errorf("a shortened life looks %q: %q", got, b.Heading())
	}
	b.Press("I have saved it")
	if row := b.Open(d.URL + "/changes").Page.Find("tbody tr").First(); !strings.Contains(row.Text(), "earlier expiry") || row.Find(".status-succeeded").Length() > 0 {
		t.Errorf("in the list of changes it is %q", webtest.Fold(row.Text()))
	}
	b.Open(short).Click("short").Click("Edit").Choose("Expiry", "60 days").Press("Save changes")
	if got := look(b); got != "warning" || !strings.Contains(b.Text(), "rotate the token") {
		t.Errorf("after a change with an earlier end, the notice looks %q\n%s", got, b.Text())
	}
	d.Sim.ClearFaults()
	b.Click("Edit").Fill("Name", "renamed").Press("Save changes")
	if got := look(b); got != "done" {
		t.Errorf("after a plain change the notice looks %q", got)
	}
	clock.Move(15 * time.Minute)
	b.Open(plain)
	if got := look(b); got != "unknown" || b.Heading() != "The secret was not saved in time" || !b.Has("link", "Rotate the token") || !b.Has("link", "Revoke the token") {
		t.Errorf("a secret that wasn't saved looks %q: %q\n%s", got, b.Heading(), b.Text())
	}
	b.Press("Dismiss")
	if got := look(b.Open(plain)); got != "unknown" {
		t.Errorf("after it was dismissed, it looks %q", got)
	}
}

// The frame around a form names the organization that the form is about.
func TestFrameNamesTheOrganizationOfTheForm(t *testing.T) {
	t.Parallel()
	d := apptest.Start(t, apptest.Seeded())
	b := d.SignedIn(apptest.Mona).Open(d.URL + "/tokens?organization=contoso")
	frame := func() string {
		return webtest.Fold(b.Page.Find(".site-bar .menu summary").Text()) + " | " + webtest.Fold(b.Page.Find(".site-bar .menu a[aria-current]").Text())
	}
	b.Open(d.URL+"/tokens/new?organization=contoso").Fill("Organization", "fabrikam").Press("Create token")
	if got := frame(); b.Status != http.StatusUnprocessableEntity || !strings.Contains(got, "fabrikam |") || !strings.HasSuffix(got, "| fabrikam") {
		t.Errorf("%d: the frame says %q", b.Status, got)
	}
	d.Sim.SetFault("patTokenError:invalidScope", simulator.FaultOptions{Organization: "fabrikam"})
	b.Fill("Name", "x").Choose("Wiki", "Read").Press("Create token")
	if got := frame(); b.Status != http.StatusUnprocessableEntity || !strings.HasSuffix(got, "| fabrikam") {
		t.Errorf("%d: after a refusal the frame says %q", b.Status, got)
	}
	d.Sim.ClearFaults()
	if b.Press("Create token"); !strings.HasSuffix(frame(), "| fabrikam") || apptest.SecretOf(b) == "" {
		t.Errorf("%d: around the result the frame says %q", b.Status, frame())
	}
	_, to, form := b.Open(d.URL + "/tokens/new?organization=contoso").Form("Create token")
	form.Set("organization", "con toso")
	if b.Post(to.String(), form); b.Status != http.StatusUnprocessableEntity || strings.Contains(frame(), "contoso") {
		t.Errorf("%d: of what is no organization the frame says %q", b.Status, frame())
	}
}

// Without scripts a date can stand beside another choice: neither is guessed.
func TestDateBesideAnotherChoiceIsAskedAbout(t *testing.T) {
	t.Parallel()
	d, b := withGlobal(t)
	token := d.Sim.AddToken(simulator.Token{DisplayName: "dated", Organization: "contoso", Owner: simulator.Mona, Scope: "vso.wiki"})
	date := time.Now().AddDate(0, 0, 50).Format(time.DateOnly)
	for name, c := range map[string]struct {
		open   func() *webtest.Browser
		button string
	}{
		"new": {func() *webtest.Browser {
			return b.Open(d.URL+"/tokens/new?organization=contoso").Fill("Name", "with a date").Choose("Wiki", "Read")
		}, "Create token"},
		"edit":    {func() *webtest.Browser { return b.Open(d.URL + "/tokens/contoso/" + token.AuthorizationID + "/edit") }, "Save changes"},
		"replace": {func() *webtest.Browser { return apptest.ReplaceForm(t, d, b).Check("contoso") }, "Create the tokens"},
	} {
		c.open().Fill("Date", date).Press(c.button)
		if b.Status != http.StatusUnprocessableEntity || !strings.Contains(b.Text(), "You entered a date but chose another expiry.") {
			t.Errorf("%s: %d\n%s", name, b.Status, b.Text())
		}
		if b.Page.Find("#date").AttrOr("value", "") != date {
			t.Errorf("%s: the date is gone", name)
		}
	}
	if n := d.Sim.Calls("create") + d.Sim.Calls("update"); n != 0 {
		t.Errorf("%d changes were made", n)
	}
	b.Open(d.URL+"/tokens/new?organization=contoso").Fill("Name", "with a date").Choose("Wiki", "Read").Fill("Date", date).Press("Create token").Choose("Expiry", "Custom date").Press("Create token")
	if made := apptest.NamedTokens(d, "with a date")["contoso"]; made.ValidTo.Format(time.DateOnly) != date {
		t.Errorf("%d, made until %s, not %s", b.Status, made.ValidTo, date)
	}
}

// Advice fits the page that it stands on.
func TestAdviceFitsItsPage(t *testing.T) {
	t.Parallel()
	d := apptest.Start(t, apptest.Seeded())
	b := d.SignedIn(apptest.Mona)
	token := d.Sim.AddToken(simulator.Token{DisplayName: "odd", Organization: "contoso", Owner: simulator.Mona, Scope: "vso.future_thing vso.code"})
	for _, fault := range []string{"invalidScope", "fullScopePatPolicyViolation", "invalidDisplayName", "displayNameRequired", "disablePatCreationPolicyViolation"} {
		d.Sim.SetFault("patTokenError:"+fault, simulator.FaultOptions{Call: "create"})
		b.Open(d.URL + "/tokens/contoso/" + token.AuthorizationID + "/rotate").Press("Rotate")
		if b.Status < 400 || strings.Contains(b.Text(), "Other scopes") || !strings.Contains(b.Text(), "A rotation keeps the name and the scopes.") || !b.Has("link", "Create a replacement") {
			t.Errorf("%s: %d\n%s", fault, b.Status, b.Text())
		}
	}
	d.Sim.ClearFaults()
	if b.Click("Create a replacement"); b.Page.Find("#other").AttrOr("value", "") != "vso.future_thing" {
		t.Errorf("the replacement's form lacks the scope:\n%s", b.Text())
	}

	for _, c := range []struct{ fault, call, address string }{
		{"serverError500", "list", "/tokens?organization=contoso&status=all"}, {"serverError500", "accounts", "/organizations"},
	} {
		d.Sim.SetFault(c.fault, simulator.FaultOptions{Call: c.call, Times: 1})
		b.Open(d.URL + "/organizations?retry=1").Open(d.URL + c.address)
		if text := b.Text(); !strings.Contains(text, "activity ID below") || b.Page.Find(".support dt").Length() < 2 {
			t.Errorf("%s speaks of an id that isn't there: %d\n%s", c.address, b.Status, text)
		}
		d.Sim.ClearFaults()
	}

	for _, fault := range []string{"forbiddenJSON", "notFound"} {
		d.Sim.SetFault(fault, simulator.FaultOptions{Organization: "fabrikam"})
		b.Open(d.URL + "/tokens?retry=")
		for _, address := range []string{"/overview", "/global-tokens"} {
			apptest.OpenWhole(t, b, d.URL+address)
			if text := webtest.Fold(b.Page.Find("main").Text()); strings.Contains(text, "hoose another organization") || !strings.Contains(text, "Your other organizations aren't affected.") {
				t.Errorf("%s, %s: %s", fault, address, text)
			}
		}
		d.Sim.ClearFaults()
	}
}

// A page that refuses leads on.
func TestRefusalOfAnotherSitesFormLeadsOn(t *testing.T) {
	t.Parallel()
	d := apptest.Start(t, apptest.Seeded())
	b := d.SignedIn(apptest.Mona)
	b.Edit(func(r *http.Request) {
		r.Header.Set("Sec-Fetch-Site", "cross-site")
		r.Header.Set("Origin", "https://evil.example")
	})
	if b.Post(d.URL+"/tokens/new", url.Values{"name": {"x"}}); b.Status != http.StatusForbidden || !b.Has("link", "Open patdesk") {
		t.Fatalf("%d\n%s", b.Status, b.Text())
	}
	b.Edit(nil)
	if b.Click("Open patdesk"); b.Status != http.StatusOK || !b.Has("button", "Sign out") {
		t.Errorf("it leads to %s: %d", b.URL, b.Status)
	}
}

// Somebody of another tenant sees why there is nothing.
func TestNobodysOrganizationsAreExplained(t *testing.T) {
	t.Parallel()
	d := apptest.Start(t, apptest.Seeded())
	b := d.SignedIn("Aiko Tanaka")
	for _, address := range []string{"/organizations", "/overview"} {
		apptest.OpenWhole(t, b, d.URL+address)
		if text := b.Text(); b.Status != http.StatusOK || !strings.Contains(text, "names no organization that "+simulator.Aiko+" belongs to") || !strings.Contains(text, "another tenant") {
			t.Errorf("%s: %d\n%s", address, b.Status, text)
		}
	}
}

// The page before a rotation agrees with itself, and offers what it advises.
func TestRotationPageAgreesWithItself(t *testing.T) {
	t.Parallel()
	d := apptest.Start(t, apptest.Seeded())
	b := d.SignedIn(apptest.Mona)
	id := func(name string) string { return apptest.NamedTokens(d, name)["contoso"].AuthorizationID }
	b.Open(d.URL + "/tokens/contoso/" + id("git: https://dev.azure.com/contoso on LAPTOP-7") + "/rotate")
	if text := b.Text(); strings.Contains(text, "Then the old one is revoked") || !strings.Contains(text, "Revoke the token instead") {
		t.Errorf("%s", text)
	}
	if b.Click("Revoke the token"); b.Status != http.StatusOK || !strings.HasSuffix(b.URL.Path, "/revoke") {
		t.Errorf("%d %s", b.Status, b.URL)
	}
	apptest.OpenWhole(t, b, d.URL+"/tokens").Page.Find(".attention-group li").Each(func(_ int, s *goquery.Selection) {
		if line := webtest.Fold(s.Text()); strings.Contains(line, "made by") && strings.Contains(line, "Rotate ") {
			t.Errorf("a rotation is advised of a tool's token: %s", line)
		}
	})
	if b.Open(d.URL + "/tokens/contoso/" + id("Terraform") + "/rotate"); b.Has("link", "Revoke the token") {
		t.Error("revoking is offered without a reason")
	}
}

// What narrows, sorts or turns the overview's list leads right to it, and a group's "Show all" to what it counts.
func TestOverviewsFiltersLeadToItsList(t *testing.T) {
	t.Parallel()
	d, now := ofJune(t)
	d.Sim.AddToken(simulator.Token{DisplayName: "gone lately", Organization: "contoso", Owner: simulator.Mona, Scope: "vso.wiki", ValidTo: now.AddDate(0, 0, -3)})
	b := apptest.OpenWhole(t, d.SignedIn(apptest.Mona), d.URL+"/tokens?q=e")
	leads := func(what, address string) {
		t.Helper()
		if !strings.HasPrefix(address, "/tokens") || !strings.HasSuffix(address, "#tokens") {
			t.Errorf("%s leads to %s", what, address)
		}
	}
	if b.Page.Find("#tokens[tabindex='-1'] table").Length() != 1 {
		t.Error("the list can't take the focus")
	}
	leads("the form", b.Page.Find("form#list").AttrOr("action", ""))
	for _, control := range []string{".tabs button", "thead button", ".filters button", "input[name=token]"} {
		b.Page.Find(control).Each(func(_ int, s *goquery.Selection) {
			if s.Closest("form").AttrOr("id", "") != "list" {
				t.Errorf("%s isn't the list's", control)
			}
		})
	}
	leads("to print", b.Page.Find(".exports a[href*='rows=all']").AttrOr("href", ""))
	b.Open(d.URL + "/overview")
	for _, link := range []string{".timeline svg a[href*='from=']"} {
		found := b.Page.Find(link)
		if found.Length() == 0 {
			t.Errorf("there is no %s", link)
		}
		found.Each(func(_ int, s *goquery.Selection) { leads(link, s.AttrOr("href", "")) })
	}
	groups := 0
	b.Page.Find(".attention-group").Each(func(_ int, s *goquery.Selection) {
		heading, all := webtest.Fold(s.Find("h3").Text()), webtest.Fold(s.Find(".attention-head a").Text())
		to := s.Find(".attention-head a").AttrOr("href", "")
		if !strings.HasPrefix(to, "/tokens") {
			return
		}
		groups++
		leads(heading, to)
		if got := len(apptest.Listed(b.Twin().Open(d.URL + to))); !strings.HasPrefix(all, "Show all "+strconv.Itoa(got)+":") {
			t.Errorf("%s: %q leads to %d tokens at %s", heading, all, got, to)
		}
	})
	if groups == 0 {
		t.Error("no group has more than its lines")
	}
}

// What is chosen on a plan is what is confirmed on it, without scripts too.
func TestPlanIsCarriedOutWithTheExpiryThatIsChosen(t *testing.T) {
	t.Parallel()
	d := apptest.Start(t, apptest.Seeded())
	b := d.SignedIn(apptest.Mona)
	add := func(name string, left int) {
		d.Sim.AddToken(simulator.Token{DisplayName: name, Organization: "fabrikam", Owner: simulator.Mona, Scope: "vso.wiki", ValidTo: time.Now().AddDate(0, 0, left)})
	}
	plan := func(query, button string) {
		apptest.PickAll(b, d.URL+"/tokens?organization=fabrikam&q="+query, button)
	}
	days := func(name string) int { // to the end of the newest token of that name
		most := 0
		for _, token := range d.Sim.Tokens("fabrikam") {
			if token.DisplayName == name {
				most = max(most, int(time.Until(token.ValidTo).Hours()/24+0.5))
			}
		}
		return most
	}
	add("stretched", 20)
	plan("stretched", "Extend selected")
	again := func(button string) *webtest.Browser { // without scripts the new dates are shown before anything is done
		t.Helper()
		before := d.Sim.Calls("create") + d.Sim.Calls("update")
		b.Press(button)
		if b.Status != http.StatusUnprocessableEntity || d.Sim.Calls("create")+d.Sim.Calls("update") != before || !strings.Contains(b.Text(), "so the dates below are new.") {
			t.Errorf("%d\n%s", b.Status, b.Text())
		}
		return b.Press(button)
	}
	b.Choose("Expiry", "One year")
	apptest.WaitForBatch(t, again("Extend one token"))
	if got := days("stretched"); got != 365 {
		t.Errorf("extended to %d days\n%s", got, b.Text())
	}
	add("turned", 20)
	plan("turned", "Rotate selected")
	b.Choose("Expiry", "60 days")
	apptest.WaitForBatch(t, again("Rotate one token"))
	if got := days("turned"); got != 60 {
		t.Errorf("rotated for %d days\n%s", got, b.Text())
	}

	// Another expiry that changes other tokens is shown first.
	add("shorter", 20)
	add("shorter but lasting", 200)
	updates := d.Sim.Calls("update")
	plan("shorter", "Extend selected")
	b.Choose("Expiry", "One year").Press("Extend one token")
	if b.Status != http.StatusUnprocessableEntity || d.Sim.Calls("update") != updates || !strings.Contains(b.Text(), "Please look again") || !b.Has("button", "Extend 2 tokens") {
		t.Errorf("%d\n%s", b.Status, b.Text())
	}
	apptest.WaitForBatch(t, b.Press("Extend 2 tokens"))
	if days("shorter") != 365 || days("shorter but lasting") != 365 {
		t.Errorf("extended to %d and %d days", days("shorter"), days("shorter but lasting"))
	}

	add("dated", 20)
	plan("dated", "Extend selected")
	b.Choose("Expiry", "60 days").Press("Show the new dates")
	if b.Status != http.StatusOK || b.URL.Query().Get("expiry") != "60" || b.Page.Find("#expiry-60[checked]").Length() != 1 {
		t.Errorf("%d %s", b.Status, b.URL)
	}
	b.Fill("Date", time.Now().AddDate(0, 0, 33).Format(time.DateOnly)).Press("Extend one token")
	if b.Status != http.StatusUnprocessableEntity || !strings.Contains(b.Text(), "You entered a date but chose another expiry.") || days("dated") != 20 {
		t.Errorf("%d, %d days\n%s", b.Status, days("dated"), b.Text())
	}
}

// Global tokens are named wherever they are among others that are changed.
func TestPlansNameGlobalTokens(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		at   time.Time
		want string
	}{
		{time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC), "2 of them are global: revoking them stops them in all your organizations at once."},
		{time.Date(2026, 12, 2, 9, 0, 0, 0, time.UTC), "they have worked in none of your organizations since 1 December 2026"},
	} {
		d := startedOn(t, testkit.NewClockAt(c.at))
		b := d.SignedIn(apptest.Mona)
		if b.Open(d.URL + "/tokens?organization=northwind-labs"); !strings.Contains(b.Page.Find(".pick-bar").Text(), "2 of them are global") {
			t.Errorf("beside “all that match”: %s", webtest.Fold(b.Page.Find(".pick-bar").Text()))
		}
		apptest.PickAll(b, d.URL+"/tokens?organization=northwind-labs", "Revoke selected")
		text := webtest.Fold(b.Page.Find("main").Text())
		if strings.Contains(text, "in 1 organization") || !strings.Contains(text, c.want) || !strings.Contains(text, "1 Dec 2026") {
			t.Errorf("the plan says\n%s", text)
		}
		over := !c.at.Before(azuredevops.GlobalTokensEnd)
		if bar := webtest.Fold(b.Page.Find("#plan-rows tbody tr:contains('All organizations')").First().Text()); strings.Contains(bar, "has stopped already") != over {
			t.Errorf("on %s the plan's row says %s", c.at, bar)
		}
		apptest.WaitForBatch(t, b.Press("Revoke "+strconv.Itoa(b.Page.Find("#plan-rows tbody tr").Length())+" tokens"))
		if row := webtest.Fold(b.Open(d.URL + "/changes").Page.Find("tbody tr").First().Text()); !strings.Contains(row, "All organizations") {
			t.Errorf("the change is listed as %q", row)
		}
	}
}
