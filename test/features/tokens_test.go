package features

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/patdesk/patdesk/internal/azuredevops"
	"github.com/patdesk/patdesk/internal/simulator"
	"github.com/patdesk/patdesk/internal/testkit/apptest"
	"github.com/patdesk/patdesk/internal/webtest"
)

func TestMainJob(t *testing.T) {
	t.Parallel()
	d := apptest.Start(t, apptest.Seeded())
	b := d.SignedIn(apptest.Mona)

	b.Click("New token").Fill("Name", "deploy-web").Choose("Expiry", "90 days").Choose("Code", "Read & write").Press("Create token")
	first := apptest.SecretOf(b)
	if b.Status != http.StatusOK || len(first) != 84 {
		t.Fatalf("no secret (%d):\n%s", b.Status, b.Text())
	}
	operation := b.URL.String()
	if again := apptest.SecretOf(b.Open(operation)); again != first {
		t.Errorf("after a reload the secret is %q", again)
	}
	if strings.Contains(operation, first) || strings.Contains(d.Log.String(), first) {
		t.Error("the secret stands in the address or in the log")
	}
	if b.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("the secret's page may be kept: %q", b.Header.Get("Cache-Control"))
	}
	b.Press("I have saved it")
	if apptest.SecretOf(b) != "" || strings.Contains(b.Body, first) {
		t.Error("the secret is shown after it was saved")
	}

	b.Open(d.URL + "/tokens?organization=contoso&q=deploy-web").Click("deploy-web")
	for _, want := range []string{"Code", "Read & write", "vso.code_write", "Active", "in 90 days"} {
		if !strings.Contains(b.Text(), want) {
			t.Errorf("the details don't say %q:\n%s", want, b.Text())
		}
	}

	b.Click("Edit")
	if !strings.Contains(b.Text(), "secret stays the same") {
		t.Errorf("nothing is said of the secret:\n%s", b.Text())
	}
	b.Fill("Name", "deploy-web-2").Press("Save changes")
	if b.Status != http.StatusOK || b.Heading() != "deploy-web-2" {
		t.Fatalf("%d %q\n%s", b.Status, b.Heading(), b.Text())
	}
	if got := lastBody(d.Sim, "PUT"); strings.Contains(got, "scope") || strings.Contains(got, "validTo") || !strings.Contains(got, "deploy-web-2") {
		t.Errorf("more than the changed field was sent: %s", got)
	}

	b.Click("Rotate").Choose("The old token", "Keep it until I revoke it").Press("Rotate")
	second := apptest.SecretOf(b)
	if second == "" || second == first {
		t.Fatalf("no new secret (%d):\n%s", b.Status, b.Text())
	}
	b.Press("I have saved it")
	list := d.URL + "/tokens?organization=contoso&q=deploy-web-2"
	if got := apptest.TokenNames(b.Open(list)); len(got) != 2 || !strings.Contains(b.Text(), "Rotation not finished") {
		t.Errorf("half-way the list shows %q:\n%s", got, b.Text())
	}
	b.Click("Finish the rotation").Press("Revoke the old token")
	if got := apptest.TokenNames(b.Open(list)); len(got) != 1 || strings.Contains(b.Text(), "Rotation not finished") {
		t.Errorf("in the end the list shows %q:\n%s", got, b.Text())
	}

	b.Click("deploy-web-2").Click("Revoke")
	if !strings.Contains(b.Heading(), "deploy-web-2") {
		t.Errorf("the question doesn't name the token: %q", b.Heading())
	}
	b.Press("Revoke")
	if b.Status != http.StatusOK || !strings.Contains(b.Text(), "deploy-web-2") {
		t.Errorf("%d\n%s", b.Status, b.Text())
	}
	if got := apptest.TokenNames(b.Open(list)); len(got) != 0 {
		t.Errorf("after revoking the list shows %q", got)
	}
	if got := apptest.TokenNames(b.Open(list + "&status=revoked")); len(got) != 2 {
		t.Errorf("revoked: %q", got)
	}
	b.Press("Sign out")
	if b.Open(list); b.Has("button", "Sign out") {
		t.Error("still signed in after signing out")
	}
}

// lastBody is what was last sent to the API with that method.
func lastBody(sim *simulator.Simulator, method string) string {
	requests := sim.Requests()
	for i := len(requests) - 1; i >= 0; i-- {
		if requests[i].Method == method && strings.Contains(strings.ToLower(requests[i].Path), "/_apis/tokens/pats") {
			return requests[i].Body
		}
	}
	return ""
}

// What people do most takes few steps: one for each link, button and field.
func TestEffort(t *testing.T) {
	t.Parallel()
	d := apptest.Start(t, apptest.Seeded())
	b := d.SignedInAt(apptest.Mona, "/tokens?organization=contoso")
	steps := 0
	step := func(*webtest.Browser) { steps++ }
	step(b.Click("New token"))
	step(b.Press("Clone and push"))
	step(b.Choose("Expiry", "90 days"))
	step(b.Press("Create token"))
	secret := apptest.SecretOf(b)
	if text := b.Text(); secret == "" || steps > 5 || strings.Count(b.Body, secret) != 1 || !strings.Contains(text, "git credential approve") || strings.Contains(text, "npmrc") {
		t.Errorf("a token for cloning and pushing: %d steps, the secret %d times\n%s", steps, strings.Count(b.Body, secret), text)
	}
	if title := b.Page.Find("title").Text(); !strings.HasPrefix(title, "Token created: Clone and push ") {
		t.Errorf("its page is titled %q", title)
	}
	b.Press("I have saved it").Open(d.URL + "/tokens?organization=contoso")
	steps = 0
	step(b.Click("Build agent pool"))
	step(b.Click("Rotate"))
	step(b.Press("Rotate"))
	if apptest.SecretOf(b) == "" || steps > 3 || !b.Has("button", "Revoke the old token") {
		t.Errorf("a rotation that keeps the old token: %d steps\n%s", steps, b.Text())
	}
}

func TestCreateOnce(t *testing.T) {
	t.Parallel()
	d := apptest.Start(t, apptest.Seeded())
	b := d.SignedIn(apptest.Mona)
	b.Open(d.URL+"/tokens/new?organization=contoso").Fill("Name", "only-one").Choose("Wiki", "Read")
	_, to, form := b.Form("Create token")

	var wg sync.WaitGroup
	secrets := make([]string, 20)
	for i := range secrets {
		wg.Go(func() { secrets[i] = apptest.SecretOf(b.Twin().Post(to.String(), form)) })
	}
	wg.Wait()
	if len(slices.Compact(slices.Clone(secrets))) != 1 || secrets[0] == "" {
		t.Errorf("twenty clicks showed %d different secrets", len(slices.Compact(secrets)))
	}
	if n := d.Sim.Calls("create"); n != 1 {
		t.Errorf("%d tokens were made", n)
	}
	if got := apptest.SecretOf(b.Post(to.String(), form)); got != secrets[0] {
		t.Errorf("Back and again shows %q", got)
	}
	form.Set("name", "another")
	if b.Post(to.String(), form); b.Status != http.StatusUnprocessableEntity || d.Sim.Calls("create") != 1 {
		t.Errorf("the same form with another name: %d, %d tokens", b.Status, d.Sim.Calls("create"))
	}
}

func TestList(t *testing.T) {
	t.Parallel()
	d := apptest.Start(t, apptest.Seeded())
	b := d.SignedIn(apptest.Mona)
	for _, c := range []struct {
		address     string
		first, last string
		count       int
	}{
		{"/tokens?organization=contoso", "Weekend experiment", "Terraform", 19},
		{"/tokens?organization=contoso&sort=name", "7f9d", "", 19},
		{"/tokens?organization=contoso&status=expired", "", "", 5},
		{"/tokens?organization=contoso&status=revoked", "", "", 3},
		{"/tokens?organization=fabrikam&q=nuget", "NuGet publish", "NuGet publish", 1},
		{"/tokens?organization=fabrikam&q=packaging+read+write", "", "", 0},
		{"/tokens?organization=contoso&q=vso.work", "", "", 0},
		{"/tokens?organization=contoso&status=all&sort=status&order=desc", "", "", 0},
	} {
		b.Open(d.URL + c.address)
		got := apptest.TokenNames(b)
		if b.Status != http.StatusOK || len(got) == 0 {
			t.Errorf("%s: %d %q", c.address, b.Status, got)
			continue
		}
		// Global tokens all end on one day: on the one before, they end before every other.
		got = slices.DeleteFunc(got, func(name string) bool { return name == "Everything everywhere" || name == "vsce publish" })
		if c.first == "Weekend experiment" && got[0] != c.first {
			t.Errorf("%s: begins with %q", c.address, got[0])
		}
	}
	b.Open(d.URL + "/tokens?organization=contoso")
	for _, want := range []string{"git: https://dev.azure.com/contoso on LAPTOP-7", "Git Credential Manager", "All organizations", "Pipelines bot <b>& friends</b>", "vso.future_thing_manage", "Full access"} {
		if !strings.Contains(b.Text(), want) {
			t.Errorf("the list doesn't say %q", want)
		}
	}
	for _, status := range []string{"Expired", "Revoked", "Active", "All"} {
		b.Press(status)
		if ticks := b.Page.Find("#token-rows input").Length(); b.Status != http.StatusOK || (ticks > 0) != (status == "Active" || status == "All") {
			t.Errorf("%s: %d, %d boxes", status, b.Status, ticks)
		}
	}
	for _, column := range []string{"Name", "Scopes", "Expires", "Status"} {
		for _, order := range []string{"ascending", "descending"} {
			if b.Press(column); webtest.Fold(b.Page.Find("th[aria-sort="+order+"]").Text()) != column {
				t.Errorf("sorted by %s: %s isn't marked at %s", column, order, b.URL)
			}
		}
	}
	over := !time.Now().Before(azuredevops.GlobalTokensEnd) // then some of them don't work any more
	if b.Open(d.URL + "/tokens"); !b.Has("button", "Organization") || b.Has("button", "Status") != over {
		t.Errorf("the columns of all active tokens: %q", b.Page.Find("thead").Text())
	}
	if b.Open(d.URL + "/tokens?organization=contoso&q=nothing-is-called-so"); b.Status != http.StatusOK || !strings.Contains(b.Text(), "nothing-is-called-so") {
		t.Errorf("nothing found: %d\n%s", b.Status, b.Text())
	}
}

func TestAllPagesOfTheService(t *testing.T) {
	t.Parallel()
	o := apptest.Seeded()
	o.Sim.PageSize = 3
	d := apptest.Start(t, o)
	b := d.SignedIn(apptest.Mona)
	if got := apptest.TokenNames(b.Open(d.URL + "/tokens?organization=contoso&status=all")); len(got) < 24 {
		t.Errorf("%d tokens", len(got))
	}
}

func TestFormFaults(t *testing.T) {
	t.Parallel()
	d := apptest.Start(t, apptest.Seeded())
	b := d.SignedIn(apptest.Mona)
	calls := d.Sim.Calls("create")
	for _, c := range []struct {
		name string
		fill func(*webtest.Browser)
		says string
	}{
		{"no name", func(b *webtest.Browser) { b.Choose("Code", "Read") }, "name"},
		{"no scope", func(b *webtest.Browser) { b.Fill("Name", "x") }, "scope"},
		{"no date", func(b *webtest.Browser) { b.Fill("Name", "x").Choose("Code", "Read").Choose("Expiry", "Custom date") }, "date"},
		{"past date", func(b *webtest.Browser) {
			b.Fill("Name", "x").Choose("Code", "Read").Choose("Expiry", "Custom date").Fill("Date", "2020-02-02")
		}, "in the future"},
		{"far date", func(b *webtest.Browser) {
			b.Fill("Name", "x").Choose("Code", "Read").Choose("Expiry", "Custom date").Fill("Date", "2099-02-02")
		}, "year"},
		{"bad scope", func(b *webtest.Browser) { b.Fill("Name", "x").Fill("Other scopes", "vso.<script>") }, "scope"},
	} {
		b.Open(d.URL + "/tokens/new?organization=contoso")
		c.fill(b)
		b.Press("Create token")
		alert := strings.ToLower(webtest.Fold(b.Page.Find("[role=alert]").Text()))
		if b.Status != http.StatusUnprocessableEntity || !strings.Contains(alert, c.says) {
			t.Errorf("%s: %d %q", c.name, b.Status, alert)
		}
	}
	if d.Sim.Calls("create") != calls {
		t.Error("something was made")
	}
	b.Open(d.URL+"/tokens/new?organization=contoso").Fill("Name", "kept").Fill("Other scopes", "vso.future").Choose("Code", "Status").Choose("Expiry", "Custom date").Press("Create token")
	_, _, form := b.Form("Create token")
	for name, want := range map[string]string{"name": "kept", "other": "vso.future", "scope-code": "vso.code_status", "expiry": "date"} {
		if form.Get(name) != want {
			t.Errorf("%s: typed %q, then %q", name, want, form.Get(name))
		}
	}
}

func TestPresetsAndLinks(t *testing.T) {
	t.Parallel()
	d := apptest.Start(t, apptest.Seeded())
	b := d.SignedIn(apptest.Mona)
	b.Open(d.URL+"/tokens/new?organization=contoso").Fill("Name", "with a preset").Press("Clone and push")
	_, _, form := b.Form("Create token")
	if form.Get("name") != "with a preset" || form.Get("scope-code") != "vso.code_write" {
		t.Errorf("%v", form)
	}
	b.Open(d.URL + "/tokens/new" + apptest.Query("organization", "fabrikam", "name", "from a link", "scope", "vso.work_write vso.unknown", "expiry", "7"))
	_, _, form = b.Form("Create token")
	if form.Get("scope-work-items") != "vso.work_write" || form.Get("other") != "vso.unknown" || form.Get("expiry") != "7" || form.Get("organization") != "fabrikam" {
		t.Errorf("%v", form)
	}
}

// Every form stays what it was when the sign-in runs out while it is being filled.
func TestInputOutlivesTheSignIn(t *testing.T) {
	t.Parallel()
	d := apptest.Start(t, apptest.Seeded())
	b := d.SignedIn(apptest.Mona)
	b.Open(d.URL+"/tokens/new?organization=contoso").Fill("Name", "typed before").Choose("Expiry", "60 days").Choose("Build", "Read")
	_, to, form := b.Form("Create token")
	b.Twin().Open(d.URL + "/").Press("Sign out")

	b.Post(to.String(), form)
	if b.Has("button", "Sign out") || d.Sim.Calls("create") != 0 {
		t.Fatalf("%s\n%s", b.URL, b.Text())
	}
	apptest.SignIn(b, apptest.Mona)
	_, _, again := b.Form("Create token")
	for name := range form {
		if form.Get(name) != again.Get(name) {
			t.Errorf("%s: %q became %q", name, form.Get(name), again.Get(name))
		}
	}
	if b.Press("Create token"); apptest.SecretOf(b) == "" || d.Sim.Calls("create") != 1 {
		t.Errorf("%d\n%s", b.Status, b.Text())
	}

	// Somebody else at the same browser doesn't see it.
	b.Post(to.String(), url.Values{"name": {"secret plan"}, "form": {form.Get("form")}})
	b.Open(d.URL + "/").Press("Sign out")
	if strings.Contains(b.Text(), "secret plan") {
		t.Error("shown")
	}
}

func TestShortenedExpiry(t *testing.T) {
	t.Parallel()
	o := apptest.Seeded()
	o.Sim.MaxLifespan = 14 * 24 * time.Hour
	d := apptest.Start(t, o)
	b := d.SignedIn(apptest.Mona)
	b.Open(d.URL+"/tokens/new?organization=contoso").Fill("Name", "short").Choose("Expiry", "90 days").Choose("Code", "Read").Press("Create token")
	if !strings.Contains(b.Text(), "in 14 days") || !strings.Contains(b.Text(), "shortened") {
		t.Errorf("%s", b.Text())
	}
}

func TestRotateAtOnce(t *testing.T) {
	t.Parallel()
	d := apptest.Start(t, apptest.Seeded())
	b := d.SignedIn(apptest.Mona)
	b.Open(d.URL+"/tokens?organization=fabrikam&q=NuGet").Click("NuGet publish").Click("Rotate").Choose("The old token", "Revoke it at once").Press("Rotate")
	if apptest.SecretOf(b) == "" {
		t.Fatalf("%d\n%s", b.Status, b.Text())
	}
	b.Press("I have saved it").Open(d.URL + "/tokens?organization=fabrikam&q=NuGet")
	if got := apptest.TokenNames(b); len(got) != 1 || !strings.Contains(b.Text(), "in 89 days") {
		t.Errorf("%q\n%s", got, b.Text())
	}
	if d.Sim.Calls("create") != 1 || d.Sim.Calls("revoke") != 1 {
		t.Errorf("%d created, %d revoked", d.Sim.Calls("create"), d.Sim.Calls("revoke"))
	}
}

// A failed rotation leaves the old token alone; a failed revoke says that both are alive.
func TestRotateHalfWay(t *testing.T) {
	t.Parallel()
	d := apptest.Start(t, apptest.Seeded())
	b := d.SignedIn(apptest.Mona)
	open := func() *webtest.Browser {
		return b.Open(d.URL+"/tokens?organization=fabrikam&q=Container").Click("Container scan").Click("Rotate").Choose("The old token", "Revoke it at once")
	}
	d.Sim.SetFault("forbiddenJSON", simulator.FaultOptions{Call: "create", Times: 1})
	if open().Press("Rotate"); b.Status != http.StatusForbidden || d.Sim.Calls("revoke") != 0 {
		t.Fatalf("%d, %d revoked\n%s", b.Status, d.Sim.Calls("revoke"), b.Text())
	}
	d.Sim.SetFault("serverError500", simulator.FaultOptions{Call: "revoke"})
	if open().Press("Rotate"); apptest.SecretOf(b) == "" || !strings.Contains(b.Text(), "Assume that it still works") {
		t.Fatalf("%d\n%s", b.Status, b.Text())
	}
	operation := b.URL.String()
	b.Press("I have saved it")
	d.Sim.ClearFaults()
	if b.Open(operation).Press("Revoke the old token"); b.Status != http.StatusOK || b.Has("button", "Revoke the old token") {
		t.Errorf("%d\n%s", b.Status, b.Text())
	}
	if got := apptest.TokenNames(b.Open(d.URL + "/tokens?organization=fabrikam&q=Container")); len(got) != 1 {
		t.Errorf("%q", got)
	}
}

func TestUnchangeableTokens(t *testing.T) {
	t.Parallel()
	d := apptest.Start(t, apptest.Seeded())
	b := d.SignedIn(apptest.Mona)
	for status, word := range map[string]string{"expired": "expired", "revoked": "revoked"} {
		b.Open(d.URL + "/tokens?organization=contoso&status=" + status)
		b.Open(b.Page.Find("tbody a").First().AttrOr("href", ""))
		if b.Has("link", "Edit") || b.Has("link", "Rotate") || !strings.Contains(b.Text(), word) {
			t.Errorf("%s:\n%s", status, b.Text())
		}
		address := b.URL.String()
		for _, verb := range []string{"/edit", "/rotate"} {
			if b.Open(address + verb); b.Status != http.StatusConflict || !b.Has("link", "Create a replacement") {
				t.Errorf("%s %s: %d\n%s", status, verb, b.Status, b.Text())
			}
		}
	}
}
