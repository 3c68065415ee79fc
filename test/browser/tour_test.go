package browser

import (
	"strings"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// tour leads through every page and form, in the states that matter, and stops at each: at is called with a name for
// it.
type tour struct {
	*tab
	demo *demo
	at   func(name string)
}

// all is the whole tour. It begins and ends signed out.
func (r tour) all() {
	r.t.Helper()
	r.signedOutPages()
	r.open(r.demo.url)
	r.signIn("Mona Rivera")
	r.overview()
	r.lists()
	r.details()
	r.newToken()
	r.secret()
	r.changing()
	r.rotation()
	r.revoking()
	r.unknownOutcomes()
	r.bulk()
	r.otherPages()
	r.failures()
	r.leaving()
}

// stop waits until the page says that and stops there.
func (r tour) stop(name, says string) {
	r.t.Helper()
	r.see(words(says))
	r.at(name)
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
	r.press(link(name))
}

// form opens the form for a new token and fills in the least.
func (r tour) form(name string) {
	r.t.Helper()
	r.open(r.demo.url + "/tokens/new?organization=contoso")
	r.do("fill in", chromedp.SendKeys(field("Name"), name), chromedp.Click(choice("Code", "Read & write")))
}

func (r tour) signedOutPages() {
	r.t.Helper()
	r.open(r.demo.url)
	r.stop("sign-in", "All your Azure DevOps tokens")
	r.press(link("Sign in"))
	r.press(button("Decline"))
	r.stop("sign-in-declined", "You declined the sign-in")
	r.demo.fail("adminApproval", "")
	r.press(link("Sign in again"))
	r.press(button("Continue as Mona Rivera"))
	r.stop("sign-in-approval", "Your administrator has to approve")
	r.open(r.demo.url + "/no/such/page")
	r.stop("not-found", "There is no such page")
	r.open(r.demo.url + "/scopes")
	r.stop("scopes-signed-out", "What a token may do")
}

func (r tour) overview() {
	r.t.Helper()
	r.open(r.demo.url + "/overview")
	r.stop("overview", "What needs attention")
	r.press(chromedp.Search(`(//section[contains(@class, "timeline")]//*[local-name()="svg"]//*[local-name()="a"])[1]`))
	r.stop("tokens-week", "Only tokens whose time ends")
	r.do("search", chromedp.SendKeys(field("Search"), "nothing like this"))
	r.press(button("Search"))
	r.stop("tokens-nothing-matches", "No tokens match")
	r.open(r.demo.url + "/global-tokens")
	r.stop("global-tokens", "Global tokens stop")
	r.press(chromedp.Search(`//a[contains(., "Replace") and contains(., "Everything everywhere")]`))
	r.stop("global-replace", "Where is it needed?")
	r.press(button("Create the tokens"))
	r.stop("global-replace-mistake", "Choose at least one organization.")
	r.do("choose", chromedp.Click(chromedp.CSS("#place-contoso")), chromedp.Click(chromedp.CSS("#place-fabrikam")))
	r.demo.fail("patTokenError:disablePatCreationPolicyViolation", "create")
	r.press(button("Create the tokens"))
	r.stop("global-result", "1 of 2 tokens")
	r.press(chromedp.Search(`//button[contains(., "Try again")]`))
	r.stop("global-result-again", "2 of 2 tokens")
	for range 2 {
		r.press(chromedp.Search(`(//button[contains(., "I have saved it")])[1]`))
	}
	r.stop("global-result-saved", "Then revoke the global token")
}

func (r tour) lists() {
	r.t.Helper()
	r.open(r.demo.url + "/tokens")
	r.stop("tokens", "NuGet publish")
	r.list("contoso", "")
	r.stop("tokens-of-one", "NuGet publish")
	r.press(button("All"))
	r.stop("tokens-all", "Leaked in a screenshot")
	r.press(button("Name"))
	r.stop("tokens-by-name", "Terraform")
	r.press(button("Expired"))
	r.stop("tokens-expired", "Sprint report")
	r.do("search", chromedp.SendKeys(field("Search"), "nothing like this"))
	r.press(button("Search"))
	r.stop("tokens-nothing-found", "Nothing matches")
	r.do("open the switcher", chromedp.Click(chromedp.Search(`//summary[contains(., "contoso")]`)))
	r.at("switcher")
	r.press(link("northwind-labs"))
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
	r.press(link("New token"))
	r.stop("new", "Templates")
	r.press(button("Create token"))
	r.stop("new-mistakes", "Please check what you entered")
	r.do("fill in", chromedp.SendKeys(field("Name"), "nightly-build"))
	r.template("Run pipelines")
	r.do("explain", chromedp.Click(field("Explain levels")))
	r.stop("new-explained", "Queue builds")
	read(r.tab, "unfold", chromedp.Evaluate[bool](`document.querySelector("details:has([name=full])").open = true`)) // or it is already
	r.do("full access", chromedp.SendKeys(field("Full access"), " "))
	r.press(button("Create token"))
	r.stop("new-conflict", "Choose either Full access or single scopes")
	r.form("no-more-than-30-days")
	r.demo.fail("patTokenError:patLifespanPolicyViolation", "create")
	r.press(button("Create token"))
	r.stop("new-refused", "live this long")
}

func (r tour) secret() {
	r.t.Helper()
	r.demo.fail("shortenedValidTo", "create")
	r.form("nightly-build")
	r.press(button("Create token"))
	r.stop("secret", "I have saved it")
	r.press(link("Back to tokens"))
	r.stop("tokens-secret-waiting", "is waiting to be saved")
	r.ask(button("Sign out"), "A secret is still waiting")
	r.at("sign-out-question")
	r.press(chromedp.Search(`(//a[normalize-space()="Show the secret"])[last()]`)) // behind a dialog stands the banner's
	r.press(button("I have saved it"))
	r.stop("secret-saved", "You have saved its secret")
}

func (r tour) changing() {
	r.t.Helper()
	r.token("contoso", "nightly-build")
	r.press(link("Edit"))
	r.stop("edit", "As it is now")
	r.press(button("Save changes"))
	r.stop("edit-nothing", "Nothing to change")
	r.do("another name", chromedp.SendKeys(field("Name"), kb.End+"-2"))
	r.press(button("Save changes"))
	r.stop("edited", "has been changed")
}

func (r tour) rotation() {
	r.t.Helper()
	r.press(link("Rotate"))
	r.stop("rotate", "The old token")
	r.press(button("Rotate"))
	r.stop("rotated", "I have saved it")
	r.press(button("I have saved it"))
	r.stop("rotation-half-way", "Revoke the old token")
	r.list("contoso", "&q=nightly-build-2")
	r.stop("tokens-half-way", "Rotation not finished")
	r.press(link("Finish the rotation"))
	r.demo.fail("forbiddenJSON", "revoke")
	r.press(button("Revoke the old token"))
	r.stop("rotation-old-failed", "could not be revoked")
	r.press(button("Revoke the old token"))
	r.stop("rotation-done", "The rotation is finished")
	r.open(r.demo.url + "/tokens?organization=contoso&q=git:")
	r.press(link("git: https://dev.azure.com/contoso on LAPTOP-7"))
	r.press(link("Rotate"))
	r.stop("rotate-made-by-tool", "for itself")
}

func (r tour) revoking() {
	r.t.Helper()
	r.token("contoso", "vsce publish")
	r.ask(link("Revoke"), "all your organizations at once")
	r.at("revoke-global")
	r.demo.fail("forbiddenJSON", "revoke")
	r.press(button("Revoke"))
	r.stop("revoke-refused", "You don't have access")
	r.list("contoso", "")
	r.press(link("nightly-build-2"))
	r.ask(link("Revoke"), "This can't be undone")
	r.press(button("Revoke"))
	r.stop("revoked", "no longer works")
}

func (r tour) unknownOutcomes() {
	r.t.Helper()
	r.form("lost-answer")
	r.demo.fail("resetAfterDoing", "create")
	r.press(button("Create token"))
	r.stop("unknown-one", "Revoke this token")
	r.list("contoso", "")
	r.stop("tokens-unknown", "what happened to")
	r.press(link("Find out"))
	r.press(button("Dismiss"))
	r.demo.failAlways("cutJSON", "list")
	r.demo.fail("cutJSONAfterDoing", "create")
	r.form("lost-answer")
	r.press(button("Create token"))
	r.stop("unknown-not-looked", "Check again")
	r.demo.mend()
	r.press(button("Check again"))
	r.stop("unknown-several", "Several tokens fit")
	r.press(button("Revoke this token"))
	r.stop("unknown-one-revoked", "Revoke this token")
	r.press(button("Revoke this token"))
	r.stop("unknown-settled", "no longer works")
	r.form("never-arrived")
	r.demo.fail("reset", "create")
	r.press(button("Create token"))
	r.stop("unknown-none", "create it again before")
}

func (r tour) otherPages() {
	r.t.Helper()
	r.press(link("Changes"))
	r.stop("changes", "the latest first")
	r.press(link("Scopes"))
	r.do("search", chromedp.SendKeys(field("Search"), "packages"))
	r.press(button("Search"))
	r.stop("scopes", "with “packages”")
	r.do("search", chromedp.SendKeys(field("Search"), " no such"))
	r.press(button("Search"))
	r.stop("scopes-nothing-found", "Nothing matches")
	r.press(link("Sessions"))
	r.stop("sessions", "This one")
	r.press(button("End all my other sessions"))
	r.stop("sessions-ended", "no other session")
	r.calendar()
	r.ask(link("Keyboard shortcuts"), "Search on this page")
	r.at("shortcuts")
	r.open(r.demo.url + "/jump")
	r.stop("jump", "northwind-labs")
	r.press(link("Overview"))
	r.press(link("Another organization"))
	r.do("a name that is none", chromedp.SendKeys(field("Organization"), "not/a name"))
	r.at("organizations")
	r.press(button("Open"))
	r.stop("organizations-mistake", "as it stands in its address")
	r.do("one that isn't there", chromedp.Clear(field("Organization")), chromedp.SendKeys(field("Organization"), "nobody-has-this"))
	r.press(button("Open"))
	r.stop("organization-not-found", "No organization named")
}

func (r tour) calendar() {
	r.t.Helper()
	r.open(r.demo.url + "/calendar")
	r.stop("calendar-none", "How to add it")
	r.press(button("Make an address"))
	r.stop("calendar-made", "Copy it now")
	r.open(r.demo.url + "/calendar")
	r.stop("calendar", "Status")
	r.press(button("Revoke the address"))
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
	r.press(link("Terraform"))
	r.stop("failure-refused", "allow list")
	r.demo.mend()
}

func (r tour) leaving() {
	r.t.Helper()
	r.form("typed-before-the-end")
	other := openTab(r.t)
	other.open(r.demo.url)
	other.signIn("Mona Rivera")
	other.press(link("Sessions"))
	other.press(button("End all my other sessions"))
	r.press(button("Create token"))
	r.stop("session-ended", "What you typed is kept")
	r.signIn("Mona Rivera")
	if name := read(r.tab, "name", chromedp.Value(field("Name"))); name != "typed-before-the-end" {
		r.t.Errorf("the name is %q", name)
	}
	r.press(link("Cancel"))
	r.signOut()
	if strings.Contains(r.text(), "Mona") {
		r.t.Error("the page after signing out knows who was signed in")
	}
}
