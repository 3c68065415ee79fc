package features

import (
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"

	"github.com/patdesk/patdesk/internal/simulator"
	"github.com/patdesk/patdesk/internal/testkit/apptest"
	"github.com/patdesk/patdesk/internal/webtest"
)

// secretsByPlace are the secrets on a page of results, by organization.
func secretsByPlace(b *webtest.Browser) map[string]string {
	found := map[string]string{}
	b.Page.Find("section.replaced").Each(func(_ int, s *goquery.Selection) {
		if secret := strings.TrimSpace(s.Find("code.secret").Text()); secret != "" {
			found[webtest.Fold(s.Find("h2").Text())] = secret
		}
	})
	return found
}

// withGlobal starts a program where Mona has "Global clone", which may write code and works everywhere, and signs her
// in.
func withGlobal(t *testing.T) (*apptest.Program, *webtest.Browser) {
	t.Helper()
	d := apptest.Start(t, apptest.Seeded())
	d.Sim.AddToken(simulator.Token{DisplayName: "Global clone", Owner: simulator.Mona, Scope: "vso.code_write vso.work", ValidTo: time.Now().AddDate(0, 0, 200)})
	return d, d.SignedIn(apptest.Mona)
}

func TestReplaceAGlobalToken(t *testing.T) {
	t.Parallel()
	d, b := withGlobal(t)
	if apptest.OpenWhole(t, b, d.URL+"/global-tokens"); b.Heading() != "Replace global tokens" || !strings.Contains(b.Text(), "vsce publish") || strings.Contains(b.Text(), "Old global reader") {
		t.Errorf("%q:\n%s", b.Heading(), b.Text())
	}
	apptest.ReplaceForm(t, d, b)
	if !b.Page.Find("#vso\\.code_write").Is("[checked]") {
		t.Error("the scopes don't begin with the global token's")
	}
	b.Check("contoso").Check("northwind-labs").Choose("Code", "Read").Choose("Work Items", "None").Choose("Expiry", "60 days").Press("Create the tokens")
	if b.Status != http.StatusOK || b.Page.Find("section.replaced").Length() != 2 || !strings.Contains(b.Text(), "2 of 2 tokens created") {
		t.Fatalf("%d\n%s", b.Status, b.Text())
	}
	secrets := secretsByPlace(b)
	for _, place := range []string{"contoso", "northwind-labs"} {
		made, ok := d.Sim.SecretBelongsTo(secrets[place])
		if !ok || made.Organization != place || made.Scope != "vso.code" || made.DisplayName != "Global clone" || time.Until(made.ValidTo).Hours() > 60*24 {
			t.Errorf("%s: %+v", place, made)
		}
	}
	if len(apptest.NamedTokens(d, "Global clone")) != 3 || d.Sim.Calls("create") != 2 {
		t.Errorf("%d creations, alive: %v", d.Sim.Calls("create"), apptest.NamedTokens(d, "Global clone"))
	}
	if b.Has("link", "Show the secret") {
		t.Error("a banner leads to a secret that stands on this very page")
	}
	results := b.URL.String()
	if got := secretsByPlace(b.Open(results)); len(got) != 2 || got["contoso"] != secrets["contoso"] {
		t.Errorf("after a reload: %d secrets", len(got))
	}
	b.Press("I have saved it: contoso")
	if got := secretsByPlace(b); b.URL.String() != results || len(got) != 1 || got["northwind-labs"] == "" {
		t.Errorf("after one was saved: %d secrets at %s", len(got), b.URL)
	}
	b.Press("I have saved it: northwind-labs")
	if b.Click("Revoke the global token").Press("Revoke"); b.Status != http.StatusOK {
		t.Errorf("revoking: %d", b.Status)
	}
	if _, alive := apptest.NamedTokens(d, "Global clone")[""]; alive {
		t.Error("the global token is still alive")
	}
	if b.Open(results); !strings.Contains(b.Text(), "The global token is revoked") {
		t.Errorf("%s", b.Text())
	}
	if log := d.Log.String(); strings.Contains(log, secrets["contoso"]) {
		t.Error("a secret stands in the log")
	}
}

func TestReplaceAndRevokeAtOnce(t *testing.T) {
	t.Parallel()
	d, b := withGlobal(t)
	apptest.ReplaceForm(t, d, b)
	b.Check("contoso").Check("fabrikam").Choose("The global token", "Revoke it as soon as all new ones are created").Press("Create the tokens")
	alive := apptest.NamedTokens(d, "Global clone")
	if _, old := alive[""]; old || len(alive) != 2 || len(secretsByPlace(b)) != 2 {
		t.Errorf("alive: %v, %d secrets", alive, len(secretsByPlace(b)))
	}
	if !strings.Contains(b.Text(), "The global token is revoked") || b.Has("link", "Revoke the global token") {
		t.Errorf("%s", b.Text())
	}
}

// One organization fails: the others' secrets are shown, it alone is tried again, and the global token stays until
// then.
func TestReplaceWhereOneOrganizationFails(t *testing.T) {
	t.Parallel()
	d, b := withGlobal(t)
	apptest.ReplaceForm(t, d, b)
	d.Sim.SetFault("patTokenError:disablePatCreationPolicyViolation", simulator.FaultOptions{Organization: "fabrikam"})
	b.Check("contoso").Check("fabrikam").Check("northwind-labs").Choose("The global token", "Revoke it as soon as all new ones are created").Press("Create the tokens")
	secrets := secretsByPlace(b)
	if b.Status != http.StatusOK || len(secrets) != 2 || !strings.Contains(b.Text(), "2 of 3 tokens created") || strings.Contains(b.Text(), "fabrikam: fabrikam") {
		t.Fatalf("%d, %d secrets\n%s", b.Status, len(secrets), b.Text())
	}
	if _, old := apptest.NamedTokens(d, "Global clone")[""]; !old {
		t.Error("the global token was revoked although one organization has no new one")
	}
	d.Sim.ClearFaults()
	created := d.Sim.Calls("create")
	b.Press("Try again in fabrikam")
	again := secretsByPlace(b)
	if len(again) != 3 || again["contoso"] != secrets["contoso"] || d.Sim.Calls("create") != created+1 {
		t.Errorf("%d secrets after %d more creations\n%s", len(again), d.Sim.Calls("create")-created, b.Text())
	}
	made, _ := d.Sim.SecretBelongsTo(again["fabrikam"])
	if made.Organization != "fabrikam" || made.Scope != "vso.code_write vso.work" && made.Scope != "vso.work vso.code_write" {
		t.Errorf("%+v", made)
	}
	if _, old := apptest.NamedTokens(d, "Global clone")[""]; old {
		t.Error("the global token is alive although all new ones are made")
	}
}

func TestReplaceWhereAllFail(t *testing.T) {
	t.Parallel()
	d, b := withGlobal(t)
	apptest.ReplaceForm(t, d, b)
	d.Sim.SetFault("patTokenError:fullScopePatPolicyViolation", simulator.FaultOptions{Call: "create"})
	b.Check("contoso").Press("Create the tokens")
	if b.Status != http.StatusForbidden || !strings.Contains(b.Text(), "This was not done") || !b.Has("button", "Try again in contoso") {
		t.Errorf("%d\n%s", b.Status, b.Text())
	}
}

// Sent twenty times at once, and again with one organization more: one token for each.
func TestReplaceOnce(t *testing.T) {
	t.Parallel()
	d, b := withGlobal(t)
	apptest.ReplaceForm(t, d, b)
	b.Check("contoso").Check("fabrikam")
	_, to, form := b.Form("Create the tokens")
	var wg sync.WaitGroup
	for range 20 {
		twin := b.Twin()
		wg.Go(func() { twin.Post(to.String(), form) })
	}
	wg.Wait()
	if d.Sim.Calls("create") != 2 {
		t.Errorf("%d creations", d.Sim.Calls("create"))
	}
	form["organization"] = append(form["organization"], "northwind-labs")
	b.Post(to.String(), form)
	if d.Sim.Calls("create") != 3 || len(secretsByPlace(b)) != 3 {
		t.Errorf("with one more: %d creations, %d secrets", d.Sim.Calls("create"), len(secretsByPlace(b)))
	}
	form.Set("name", "another")
	if b.Post(to.String(), form); d.Sim.Calls("create") != 3 || b.Status != http.StatusUnprocessableEntity || !strings.Contains(b.Text(), "sent before, with other content") || b.Has("button", "Try again in contoso") {
		t.Errorf("changed: %d, %d creations\n%s", b.Status, d.Sim.Calls("create"), b.Text())
	}
}

func TestReplaceUnknownOutcome(t *testing.T) {
	t.Parallel()
	d, b := withGlobal(t)
	apptest.ReplaceForm(t, d, b)
	d.Sim.SetFault("resetAfterDoing", simulator.FaultOptions{Call: "create", Organization: "fabrikam"})
	b.Check("contoso").Check("fabrikam").Choose("The global token", "Revoke it as soon as all new ones are created").Press("Create the tokens")
	if len(secretsByPlace(b)) != 1 || !b.Has("link", "See what to do in fabrikam") || b.Has("button", "Try again in fabrikam") {
		t.Errorf("%s", b.Text())
	}
	if _, old := apptest.NamedTokens(d, "Global clone")[""]; !old {
		t.Error("the global token was revoked")
	}
}

func TestReplaceChecksWhatWasTyped(t *testing.T) {
	t.Parallel()
	d, b := withGlobal(t)
	apptest.ReplaceForm(t, d, b)
	b.Choose("Code", "None").Choose("Work Items", "None").Choose("Expiry", "Custom date").Fill("Date", "2020-01-01").Press("Create the tokens")
	for _, want := range []string{"Choose at least one organization.", "Please check what you entered"} {
		if b.Status != http.StatusUnprocessableEntity || !strings.Contains(b.Text(), want) {
			t.Errorf("%d, no %q in\n%s", b.Status, want, b.Text())
		}
	}
	if b.Page.Find("#mistakes li").Length() != 3 || d.Sim.Calls("create") != 0 {
		t.Errorf("%d mistakes, %d creations", b.Page.Find("#mistakes li").Length(), d.Sim.Calls("create"))
	}
	b.Choose("Wiki", "Read").Choose("Expiry", "7 days").Fill("Date", "").Check("fabrikam").Press("Create the tokens")
	if len(secretsByPlace(b)) != 1 {
		t.Errorf("mended: %d\n%s", b.Status, b.Text())
	}
	_, to, form := apptest.ReplaceForm(t, d, b).Form("Create the tokens")
	form["organization"] = []string{"../evil"}
	if b.Post(to.String(), form); b.Status != http.StatusUnprocessableEntity {
		t.Errorf("an organization that can't be one: %d", b.Status)
	}
	form["organization"] = []string{"contoso"}
	form.Set("form:contoso", "forged")
	if b.Post(to.String(), form); b.Status != http.StatusForbidden {
		t.Errorf("a forged form: %d", b.Status)
	}
}

// The results are the person's own, and what is typed survives a sign-in.
func TestReplaceBelongsToOnePerson(t *testing.T) {
	t.Parallel()
	d, b := withGlobal(t)
	apptest.ReplaceForm(t, d, b)
	b.Check("contoso").Press("Create the tokens")
	if other := d.SignedIn(apptest.Jonas).Open(b.URL.String()); other.Status != http.StatusNotFound || len(secretsByPlace(other)) > 0 {
		t.Errorf("somebody else sees %d\n%s", other.Status, other.Text())
	}
	apptest.ReplaceForm(t, d, b).Check("fabrikam").Choose("Wiki", "Read")
	_, to, form := b.Form("Create the tokens")
	created := d.Sim.Calls("create")
	gone := b.Twin()
	gone.Open(d.URL + "/changes").Press("Sign out")
	if gone.Heading() == "Sign out?" { // a secret waits
		gone.Press("Sign out")
	}
	if b.Post(to.String(), form); b.URL.Path != "/sign-in" || d.Sim.Calls("create") != created {
		t.Fatalf("without a session: %s, %d creations", b.URL, d.Sim.Calls("create")-created)
	}
	b.Click("Sign in").Press("Continue as " + apptest.Mona)
	if b.Heading() != "Replace Global clone" || !b.Page.Find("#place-fabrikam").Is("[checked]") || !b.Page.Find("#vso\\.wiki").Is("[checked]") {
		t.Errorf("after signing in: %q\n%s", b.Heading(), b.Text())
	}
}

func TestGlobalTokensBeforeAndAfterTheDay(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		now           time.Time
		want, never   string
		wantAttention string
	}{
		"before": {time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC), "Global tokens stop working on 1 December 2026", "no longer works", "They stop working on 1 December 2026"},
		"after":  {time.Date(2026, 12, 1, 0, 0, 1, 0, time.UTC), "Global tokens stopped working on 1 December 2026", "stop working on 1 December", "They stopped working on 1 December 2026"},
	} {
		t.Run(name, func(t *testing.T) {
			o := apptest.Seeded()
			o.Now = func() time.Time { return c.now }
			o.Sim.Now = o.Now
			d := apptest.Start(t, o)
			b := apptest.OpenWhole(t, d.SignedIn(apptest.Mona), d.URL+"/overview")
			if text := webtest.Fold(section(b, "Global tokens").Text()); !strings.Contains(text, c.wantAttention) {
				t.Errorf("the overview says %q", text)
			}
			for _, path := range []string{"/global-tokens", section(b, "Global tokens").Find("li a.button").AttrOr("href", "")} {
				apptest.OpenWhole(t, b, d.URL+path)
				if text := webtest.Fold(b.Page.Find("main").Text()); b.Status != http.StatusOK || !strings.Contains(text, c.want) || strings.Contains(text, c.never) {
					t.Errorf("%s: %d\n%s", path, b.Status, text)
				}
			}
		})
	}
}

func TestGlobalTokensWithoutAny(t *testing.T) {
	t.Parallel()
	d := apptest.Start(t, apptest.Options{Sim: apptest.ManyTokens(2)})
	b := d.SignedIn(apptest.Mona)
	if apptest.OpenWhole(t, b, d.URL+"/global-tokens"); b.Status != http.StatusOK || !strings.Contains(b.Text(), "You have no active global tokens") {
		t.Errorf("%d\n%s", b.Status, b.Text())
	}
	mine := d.Sim.AddToken(simulator.Token{DisplayName: "ordinary", Organization: "org-01"})
	for path, want := range map[string]int{
		"/global-tokens/org-01/" + mine.AuthorizationID:      http.StatusOK, // its own page
		"/global-tokens/a%20b/x":                             http.StatusNotFound,
		"/global-tokens/org-01/x/result":                     http.StatusNotFound,
		"/global-tokens/org-01/x/result?operation=../../etc": http.StatusNotFound,
	} {
		if b.Open(d.URL + path); b.Status != want {
			t.Errorf("%s: %d", path, b.Status)
		}
	}
}

// "I have saved all" saves what the page showed, and leads back to it, never to another site.
func TestSaveAllOfAReplacement(t *testing.T) {
	t.Parallel()
	d, b := withGlobal(t)
	apptest.ReplaceForm(t, d, b).Check("contoso").Check("northwind-labs").Press("Create the tokens")
	results := b.URL.String()
	_, to, form := b.Form("I have saved all 2")
	form.Set("return", "//evil.example")
	if twin := b.Twin().Post(to.String(), form); twin.URL.Path != "/global-tokens" {
		t.Errorf("leads to %s", twin.URL)
	}
	if got := secretsByPlace(b.Open(results)); len(got) != 0 {
		t.Errorf("%d secrets are still shown", len(got))
	}
}

// Where a step of an operation leads back to is never another site.
func TestStepsLeadBackToOurOwnPagesOnly(t *testing.T) {
	t.Parallel()
	d, b := withGlobal(t)
	apptest.ReplaceForm(t, d, b).Check("contoso").Press("Create the tokens")
	_, to, form := b.Form("I have saved it: contoso")
	for _, evil := range []string{"https://evil.example/global-tokens/", "//evil.example", "/sign-out", `/global-tokens/\evil`} {
		form.Set("return", evil)
		if b.Twin().Post(to.String(), form); !strings.HasPrefix(to.Path, "/operations/") {
			t.Fatal(to)
		}
		twin := b.Twin().Post(to.String(), form)
		if at := twin.URL; at.Host != apptest.MustParse(t, d.URL).Host || !strings.HasPrefix(at.Path, "/operations/") {
			t.Errorf("%q leads to %s", evil, at)
		}
	}
}

func TestAttentionLeadsToReplacing(t *testing.T) {
	t.Parallel()
	d := apptest.Start(t, apptest.Seeded())
	b := apptest.OpenWhole(t, d.SignedIn(apptest.Mona), d.URL+"/overview")
	links := section(b, "Global tokens").Find("a").Map(func(_ int, s *goquery.Selection) string { return s.AttrOr("href", "") })
	if !slices.Contains(links, "/global-tokens") {
		t.Errorf("%q", links)
	}
	for _, to := range links {
		if b.Twin().Open(d.URL + to); b.Status != http.StatusOK {
			t.Errorf("%s: %d", to, b.Status)
		}
	}
}
