package browser

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// tour leads through every page and form, in the states that matter, and stops at each: at is called with a name for
// it.
type tour struct {
	*tab
	demo *demo
	in   speech
	at   func(name string)
}

// parts are the whole tour, in parts that know nothing of each other: each begins signed out, and can be gone through
// beside the others, with a demo of its own.
var parts = map[string]part{
	"looking":  {startProgram, tour.looking},
	"changing": {startProgram, tour.changing},
	"vaults":   {startVaults, tour.vaults},
}

var partNames = slices.Sorted(maps.Keys(parts))

type part struct {
	start   func(*testing.T) *demo
	through func(tour)
}

func startProgram(t *testing.T) *demo { t.Helper(); return startDemo(t) }

func (r tour) looking() {
	r.t.Helper()
	r.signedOutPages()
	r.open(r.demo.url)
	r.signIn("Mona Rivera")
	r.overview()
	r.lists()
	r.details()
	r.newToken()
	r.otherPages()
	r.failures()
}

func (r tour) changing() {
	r.t.Helper()
	r.open(r.demo.url)
	r.signIn("Mona Rivera")
	r.secret()
	r.edit()
	r.rotation()
	r.revoking()
	r.unknownOutcomes()
	r.bulk()
	r.leaving()
}

// stop waits until the page says that and stops there.
func (r tour) stop(name, says string) {
	r.t.Helper()
	r.see(r.in.words(says))
	r.at(name)
}

// What the tab does by English words is done by those of the tour's language.
func (r tour) ask(control chromedp.Search, says string) {
	r.t.Helper()
	r.do("press "+string(control), chromedp.Click(control))
	r.see(r.in.words(says))
}

func (r tour) signIn(person string) {
	r.t.Helper()
	r.press(r.in.link("Sign in"))
	r.press(button("Continue as " + person))
}

// into chooses the tour's language at the foot of the first page.
func (r tour) into(language string) {
	r.t.Helper()
	r.open(r.demo.url)
	r.press(button(language))
}

// list opens an organization's list; more goes into its address.
func (r tour) list(organization, more string) {
	r.t.Helper()
	r.open(r.demo.url + "/tokens?organization=" + organization + more)
}

// token opens a token's page from the list.
func (r tour) token(organization, name string) {
	r.t.Helper()
	r.list(organization, "&status=all")
	r.press(r.in.link(name))
}

// form opens the form for a new token and fills in the least.
func (r tour) form(name string) {
	r.t.Helper()
	r.open(r.demo.url + "/tokens/new?organization=contoso")
	r.do("fill in", chromedp.SendKeys(r.in.field("Name"), name), chromedp.Click(r.in.choice("Code", "Read & write")))
}

func (r tour) signedOutPages() {
	r.t.Helper()
	r.open(r.demo.url)
	r.stop("sign-in", "All your Azure DevOps tokens")
	r.press(r.in.link("Sign in"))
	r.press(r.in.button("Decline"))
	r.stop("sign-in-declined", "You declined the sign-in")
	r.demo.fail("adminApproval", "")
	r.press(r.in.link("Sign in again"))
	r.press(r.in.button("Continue as Mona Rivera"))
	r.stop("sign-in-approval", "Your administrator has to approve")
	r.open(r.demo.url + "/no/such/page")
	r.stop("not-found", "There is no such page")
	r.open(r.demo.url + "/scopes")
	r.stop("scopes-signed-out", "A token may do what")
}

func (r tour) overview() {
	r.t.Helper()
	r.open(r.demo.url + "/overview")
	r.stop("overview", "What needs attention")
	r.press(chromedp.Search(`(//section[contains(@class, "timeline")]//*[local-name()="svg"]//*[local-name()="a"])[1]`))
	r.stop("tokens-week", "Only tokens whose time ends")
	r.do("search", chromedp.SendKeys(r.in.field("Search"), "nothing like this"))
	r.press(r.in.button("Search"))
	r.stop("tokens-nothing-matches", "No tokens match")
	r.open(r.demo.url + "/global-tokens")
	r.stop("global-tokens", "Global tokens stop")
	r.press(chromedp.Search(`//main//a[contains(@href, "/global-tokens/") and contains(., "Everything everywhere")]`))
	r.stop("global-replace", "Where is it needed?")
	r.press(r.in.button("Create the tokens"))
	r.stop("global-replace-mistake", "Choose at least one organization.")
	r.do("choose", chromedp.Click(chromedp.CSS("#place-contoso")), chromedp.Click(chromedp.CSS("#place-fabrikam")))
	r.demo.fail("patTokenError:disablePatCreationPolicyViolation", "create")
	r.press(r.in.button("Create the tokens"))
	r.stop("global-result", "tokens created")
	r.press(r.in.with("button", "Try again"))
	r.stop("global-result-again", "tokens created")
	for range 2 {
		r.press(r.in.with("button", "I have saved it"))
	}
	r.stop("global-result-saved", "Then revoke the global token")
}

func (r tour) lists() {
	r.t.Helper()
	r.open(r.demo.url + "/tokens")
	r.stop("tokens", "NuGet publish")
	r.list("contoso", "")
	r.stop("tokens-of-one", "NuGet publish")
	r.press(r.in.button("All"))
	r.stop("tokens-all", "Leaked in a screenshot")
	r.press(r.in.button("Name"))
	r.stop("tokens-by-name", "Terraform")
	r.press(r.in.button("Expired"))
	r.stop("tokens-expired", "Sprint report")
	r.do("search", chromedp.SendKeys(r.in.field("Search"), "nothing like this"))
	r.press(r.in.button("Search"))
	r.stop("tokens-nothing-found", "Nothing matches")
	r.do("open the switcher", chromedp.Click(chromedp.Search(`//summary[contains(., "contoso")]`)))
	r.at("switcher")
	r.press(r.in.link("northwind-labs"))
	r.stop("tokens-long-names", "A very long name")
}

func (r tour) details() {
	r.t.Helper()
	for name, token := range map[string]string{
		"token": "Terraform", "token-full-access": "Old laptop", "token-right-to-left": "جسر التقارير اليومية",
		"token-made-by-tool": "git: https://dev.azure.com/contoso on LAPTOP-7", "token-global": "vsce publish",
		"token-unknown-scope": "Preview feature test", "token-expired": "Sprint report", "token-revoked": "Leaked in a screenshot",
	} {
		r.token("contoso", token)
		r.stop(name, "About this token")
	}
	r.token("northwind-labs", "A very long name that somebody pasted from a ticket: rotate the deployment token of the staging environment before the audit in December")
	r.stop("token-long-name", "About this token")
}

func (r tour) newToken() {
	r.t.Helper()
	r.list("contoso", "")
	r.press(r.in.link("New token"))
	r.stop("new", "Templates")
	r.press(r.in.button("Create token"))
	r.stop("new-mistakes", "Please check what you entered")
	r.do("fill in", chromedp.SendKeys(r.in.field("Name"), "nightly-build"))
	r.do("template", chromedp.Click(r.in.button("Run pipelines")), chromedp.WaitVisible(chromedp.CSS(`[aria-pressed="true"][name=preset]`)))
	r.do("explain", chromedp.Click(r.in.field("Explain levels")))
	r.stop("new-explained", "Queue builds")
	read(r.tab, "unfold", chromedp.Evaluate[bool](`document.querySelector("details:has([name=full])").open = true`)) // or it is already
	r.do("full access", chromedp.SendKeys(r.in.field("Full access"), " "))
	r.press(r.in.button("Create token"))
	r.stop("new-conflict", "Choose either Full access or single scopes")
	r.form("no-more-than-30-days")
	r.demo.fail("patTokenError:patLifespanPolicyViolation", "create")
	r.press(r.in.button("Create token"))
	r.stop("new-refused", "live this long")
}

func (r tour) secret() {
	r.t.Helper()
	r.demo.fail("shortenedValidTo", "create")
	r.form("nightly-build")
	r.press(r.in.button("Create token"))
	r.stop("secret", "I have saved it")
	r.press(r.in.link("Back to tokens"))
	r.stop("tokens-secret-waiting", "is waiting to be saved")
	r.ask(r.in.button("Sign out"), "A secret is still waiting")
	r.at("sign-out-question")
	r.press(chromedp.Search(`(//a[` + r.in.called("Show the secret") + `])[last()]`)) // behind a dialog stands the banner's
	r.press(r.in.button("I have saved it"))
	r.stop("secret-saved", "You have saved its secret")
}

func (r tour) edit() {
	r.t.Helper()
	r.token("contoso", "nightly-build")
	r.press(r.in.link("Edit"))
	r.stop("edit", "As it is now")
	r.press(r.in.button("Save changes"))
	r.stop("edit-nothing", "Nothing to change")
	r.do("another name", chromedp.SendKeys(r.in.field("Name"), kb.End+"-2"))
	r.press(r.in.button("Save changes"))
	r.stop("edited", "has been changed")
}

func (r tour) rotation() {
	r.t.Helper()
	r.press(r.in.link("Rotate"))
	r.stop("rotate", "The old token")
	r.press(r.in.button("Rotate"))
	r.stop("rotated", "I have saved it")
	r.press(r.in.button("I have saved it"))
	r.stop("rotation-half-way", "Revoke the old token")
	r.list("contoso", "&q=nightly-build-2")
	r.stop("tokens-half-way", "Rotation not finished")
	r.press(r.in.link("Finish the rotation"))
	r.demo.fail("forbiddenJSON", "revoke")
	r.press(r.in.button("Revoke the old token"))
	r.stop("rotation-old-failed", "could not be revoked")
	r.press(r.in.button("Revoke the old token"))
	r.stop("rotation-done", "The rotation is finished")
	r.open(r.demo.url + "/tokens?organization=contoso&q=git:")
	r.press(r.in.link("git: https://dev.azure.com/contoso on LAPTOP-7"))
	r.press(r.in.link("Rotate"))
	r.stop("rotate-made-by-tool", "for itself")
}

func (r tour) revoking() {
	r.t.Helper()
	r.token("contoso", "vsce publish")
	r.ask(r.in.link("Revoke"), "all your organizations at once")
	r.at("revoke-global")
	r.demo.fail("forbiddenJSON", "revoke")
	r.press(r.in.button("Revoke"))
	r.stop("revoke-refused", "You don't have access")
	r.list("contoso", "")
	r.press(r.in.link("nightly-build-2"))
	r.ask(r.in.link("Revoke"), "This can't be undone")
	r.press(r.in.button("Revoke"))
	r.stop("revoked", "no longer works")
}

func (r tour) unknownOutcomes() {
	r.t.Helper()
	r.form("lost-answer")
	r.demo.fail("resetAfterDoing", "create")
	r.press(r.in.button("Create token"))
	r.stop("unknown-one", "Revoke this token")
	r.list("contoso", "")
	r.stop("tokens-unknown", "what happened to")
	r.press(r.in.link("Find out"))
	r.press(r.in.button("Dismiss"))
	r.demo.failAlways("cutJSON", "list")
	r.demo.fail("cutJSONAfterDoing", "create")
	r.form("lost-answer")
	r.press(r.in.button("Create token"))
	r.stop("unknown-not-looked", "Check again")
	r.demo.mend()
	r.press(r.in.button("Check again"))
	r.stop("unknown-several", "Several tokens fit")
	r.press(r.in.button("Revoke this token"))
	r.stop("unknown-one-revoked", "Revoke this token")
	r.press(r.in.button("Revoke this token"))
	r.stop("unknown-settled", "no longer works")
	r.form("never-arrived")
	r.demo.fail("reset", "create")
	r.press(r.in.button("Create token"))
	r.stop("unknown-none", "create it again before")
}

func (r tour) otherPages() {
	r.t.Helper()
	r.press(r.in.link("Changes"))
	r.stop("changes", "the latest first")
	r.press(r.in.link("Scopes"))
	r.do("search", chromedp.SendKeys(r.in.field("Search"), "packages"))
	r.press(r.in.button("Search"))
	r.at("scopes")
	r.do("search", chromedp.SendKeys(r.in.field("Search"), " no such"))
	r.press(r.in.button("Search"))
	r.stop("scopes-nothing-found", "Nothing matches")
	r.press(r.in.link("Sessions"))
	r.stop("sessions", "This one")
	r.press(r.in.button("End all my other sessions"))
	r.stop("sessions-ended", "no other session")
	r.calendar()
	r.open(r.demo.url + "/vaults")
	r.stop("vaults", "patdesk looks into these vaults")
	r.ask(r.in.link("Keyboard shortcuts"), "Search on this page")
	r.at("shortcuts")
	r.open(r.demo.url + "/jump")
	r.stop("jump", "northwind-labs")
	r.press(r.in.link("Overview"))
	r.press(r.in.link("Another organization"))
	r.do("a name that is none", chromedp.SendKeys(r.in.field("Organization"), "not/a name"))
	r.at("organizations")
	r.press(r.in.button("Open"))
	r.stop("organizations-mistake", "as it stands in its address")
	r.do("one that isn't there", chromedp.Clear(r.in.field("Organization")), chromedp.SendKeys(r.in.field("Organization"), "nobody-has-this"))
	r.press(r.in.button("Open"))
	r.stop("organization-not-found", "No organization named")
}

func (r tour) calendar() {
	r.t.Helper()
	r.open(r.demo.url + "/calendar")
	r.stop("calendar-none", "How to add it")
	r.press(r.in.button("Make an address"))
	r.stop("calendar-made", "Copy it now")
	r.open(r.demo.url + "/calendar")
	r.stop("calendar", "Status")
	r.press(r.in.button("Revoke the address"))
	r.stop("calendar-revoked", "is revoked")
}

func (r tour) failures() {
	r.t.Helper()
	r.demo.failAlways("html203", "list")
	r.list("contoso", "")
	r.stop("failure-sign-in", "its own sign-in page")
	r.demo.mend()
	r.demo.failAlways("forbiddenConditionalAccess", "list")
	r.list("contoso", "")
	r.stop("failure-conditional-access", "security rule")
	r.demo.mend()
	r.demo.failAlways("hugeBody", "list")
	r.list("contoso", "")
	r.stop("failure-too-large", "too large")
	r.demo.mend()
	r.demo.fail("patTokenError:accessDenied", "get")
	r.list("contoso", "")
	r.press(r.in.link("Terraform"))
	r.stop("failure-refused", "allow list")
	r.demo.mend()
}

func (r tour) leaving() {
	r.t.Helper()
	r.form("typed-before-the-end")
	other := openTab(r.t)
	other.open(r.demo.url)
	other.signIn("Mona Rivera")
	other.press(r.in.link("Sessions"))
	other.press(r.in.button("End all my other sessions"))
	r.press(r.in.button("Create token"))
	r.stop("session-ended", "What you typed is kept")
	r.signIn("Mona Rivera")
	if name := read(r.tab, "name", chromedp.Value(r.in.field("Name"))); name != "typed-before-the-end" {
		r.t.Errorf("the name is %q", name)
	}
	r.press(r.in.link("Cancel"))
	r.do("sign out", chromedp.Click(r.in.button("Sign out")))
	r.see(r.in.link("Sign in"))
	if strings.Contains(r.text(), "Mona") {
		r.t.Error("the page after signing out knows who was signed in")
	}
}
