package browser

import (
	"fmt"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/patdesk/patdesk/internal/simulator"
	"github.com/patdesk/patdesk/internal/testkit"
	"github.com/patdesk/patdesk/internal/testkit/apptest"
)

// startVaults is a demo whose people add vaults of their own, in this process so that its clock can be moved: revoking at a
// time takes hours.
func startVaults(t *testing.T) *demo {
	t.Helper()
	clock, o := testkit.NewClock(), apptest.Seeded()
	o.Demo, o.Now, o.Sim.Now, o.Sim.AccessTokenLifetime = true, clock.Now, clock.Now, 400*24*time.Hour
	o.Env = map[string]string{"VAULTS_ALLOW": "*-vault.vault.azure.net", "SESSION_IDLE_TIMEOUT": "12h"}
	p := apptest.Start(t, o)
	return &demo{t: t, url: p.URL, panel: p.Sim.PanelURL(), sim: p.Sim, clock: clock}
}

// vaults leads through what is different where secrets go into vaults.
func (r tour) vaults() {
	r.t.Helper()
	r.open(r.demo.url)
	r.signIn("Mona Rivera")
	r.addedVaults()
	r.inVaults()
	r.intoVault()
	r.missedRevoke()
	r.manyIntoVaults()
}

func (r tour) addedVaults() {
	r.t.Helper()
	r.open(r.demo.url + "/vaults")
	r.stop("vaults-none", "There are none yet")
	r.addVault("team")
	r.stop("vaults-refused", "doesn't allow this vault")
	r.addVault("no-such-vault")
	r.stop("vaults-unknown", "No Azure Key Vault has this name")
	r.addVault("team-vault")
	r.stop("vaults-not-agreed", "Go on to Microsoft to agree")
	r.press(r.in.link("Go on to Microsoft to agree"))
	r.press(r.in.button("Continue as Mona Rivera"))
	r.stop("vaults-added", "secrets name a token")
}

func (r tour) addVault(name string) {
	r.t.Helper()
	r.do("name a vault", chromedp.Clear(r.in.field("Name or address of another vault")), chromedp.SendKeys(r.in.field("Name or address of another vault"), name))
	r.press(r.in.button("Look into this vault, too"))
}

func (r tour) inVaults() {
	r.t.Helper()
	r.list("contoso", "")
	r.stop("tokens-in-vaults", "team-vault/ci-nuget")
	r.list("contoso", "&is=unstored")
	r.do("unfold the filters", chromedp.Click(chromedp.CSS(".filters summary")))
	r.stop("tokens-in-no-vault", "Terraform")
	r.open(r.demo.url + "/overview")
	r.stop("overview-vaults", "In your vaults")
	r.token("contoso", "NuGet publish")
	r.stop("token-in-vault", "team-vault/ci-nuget")
	r.token("contoso", "npm restore on CI")
	r.stop("token-in-vault-differs", "which isn't the token's date")
	r.token("contoso", "Build agent pool")
	r.press(r.in.link("Choose the secret that has it already"))
	r.stop("adopt", "patdesk can't check this")
	r.press(r.in.button("Tag this secret"))
	r.stop("adopt-mistake", "Choose a secret.")
	read(r.tab, "choose the first", chromedp.Evaluate[int](`document.querySelector("#secret").selectedIndex = 1`))
	r.press(r.in.button("Tag this secret"))
	r.stop("adopted", "team-vault/smtp-password")
}

// intoVault creates a token whose secret goes into a vault, and rotates one whose secret is there, with what can come
// between; the old token is revoked two hours later.
func (r tour) intoVault() {
	r.t.Helper()
	r.form("vaulted")
	r.chooseVault("Don't show it to me")
	r.press(r.in.button("Create token"))
	r.stop("secret-in-vault", "It was shown to nobody")
	r.token("contoso", "NuGet publish")
	r.press(r.in.link("Rotate"))
	r.chooseVault("Don't show it to me", "Disable the previous version when the old token is revoked", "Revoke it at the time below")
	r.press(r.in.button("Rotate"))
	r.stop("rotate-into-vault", "Choose the day and time")
	r.setTime()
	r.demo.failAlways("vaultForbiddenByRole", simulator.CallVaultWrite)
	r.press(r.in.button("Rotate"))
	r.stop("rotated-not-in-vault", "The secret was not put into")
	at := read(r.tab, "address", chromedp.Location())
	r.press(r.in.link("Changes"))
	r.stop("changes-not-in-vault", "the latest first")
	r.open(at)
	r.press(r.in.button("Show it to me"))
	r.stop("rotated-shown-instead", "The secret was not put into")
	r.demo.mend()
	r.press(r.in.button("Try again"))
	r.stop("rotated-scheduled", "The old token is revoked later")
	r.demo.clock.Move(2 * time.Hour)
	r.open(at)
	r.stop("rotated-into-vault", "The previous version, with the old token's secret, is disabled.")
}

// chooseVault unfolds the form's part about vaults and fills it in, with choices by their labels.
func (r tour) chooseVault(choices ...string) {
	r.t.Helper()
	read(r.tab, "unfold", chromedp.Evaluate[bool](`document.querySelector(".vault-part").open = true`)) // or it is already
	r.do("choose a vault", chromedp.SetValue(r.in.field("Vault"), simulator.TeamVault))
	for _, label := range choices {
		r.do(label, chromedp.Click(chromedp.Search(`//label[`+r.in.called(label)+`]`)))
	}
}

// setTime chooses the time two hours from now.
func (r tour) setTime() {
	r.t.Helper()
	at := r.demo.clock.Now().UTC().Add(2 * time.Hour).Format("2006-01-02T15:04")
	read(r.tab, "set the time", chromedp.Evaluate[string](fmt.Sprintf(`(() => {
		const field = document.querySelector("#old-at");
		field.closest("details")?.setAttribute("open", "");
		return field.value = %q;
	})()`, at)))
}

// missedRevoke signs out before the time that was chosen.
func (r tour) missedRevoke() {
	r.t.Helper()
	r.token("contoso", "Terraform")
	r.press(r.in.link("Rotate"))
	r.press(r.in.button("Rotate"))
	r.press(r.in.button("I have saved it"))
	r.setTime()
	r.press(r.in.button("Revoke it then"))
	r.stop("rotation-scheduled", "The old token is revoked later")
	r.do("sign out", chromedp.Click(r.in.button("Sign out")))
	r.see(r.in.link("Sign in"))
	r.demo.clock.Move(3 * time.Hour)
	r.signIn("Mona Rivera")
	r.open(r.demo.url + "/overview")
	r.stop("overview-revoke-missed", "and wasn't: it still works")
	r.press(r.in.link("Finish the rotation"))
	r.stop("rotation-revoke-missed", "and it wasn't")
}

// manyIntoVaults rotates an organization's tokens into a vault, and replaces a global one.
func (r tour) manyIntoVaults() {
	r.t.Helper()
	ended := chromedp.CSS("#batch-state > .outcome:not([data-in-progress])")
	r.list("fabrikam", "")
	r.do("all that match", chromedp.Click(chromedp.CSS("#pick-all")))
	r.press(r.in.button("Rotate selected"))
	r.chooseVault("Don't show them to me", "Revoke each old token as soon as its new secret is in the vault")
	r.stop("bulk-into-vault", "Names of the secrets in the vault")
	r.demo.failAlways("vaultForbiddenByFirewall", simulator.CallVaultWrite)
	r.press(startButton)
	r.do("see the end", chromedp.WaitVisible(ended))
	r.stop("bulk-not-in-vault", "keeps patdesk out")
	r.demo.mend()
	r.press(r.in.with("button", "into the vault again"))
	r.do("see the end", chromedp.WaitVisible(ended))
	r.stop("bulk-in-vault", "secrets are in the vault")

	r.open(r.demo.url + "/global-tokens")
	r.press(chromedp.Search(`//main//a[contains(@href, "/global-tokens/") and contains(., "vsce publish")]`))
	r.do("choose", chromedp.Click(chromedp.CSS("#place-contoso")), chromedp.Click(chromedp.CSS("#place-fabrikam")))
	r.chooseVault("Don't show them to me")
	r.stop("global-replace-into-vault", "Where is it needed?")
	r.demo.failAlways("vaultForbiddenByRole", simulator.CallVaultWrite)
	r.press(r.in.button("Create the tokens"))
	r.stop("global-not-in-vault", "The secret was not put into")
	r.demo.mend()
	for range 2 {
		r.press(r.in.with("button", "Try again"))
	}
	r.stop("global-in-vault", "Then revoke the global token")

	r.token("contoso", "npm restore on CI")
	r.press(r.in.link("Rotate"))
	r.chooseVault("Don't show it to me")
	held := r.demo.sim.Hold(simulator.CallVaultWrite, "", false)
	defer held.Release()
	r.do("rotate", chromedp.Click(r.in.button("Rotate"))) // its answer waits for the vault
	<-held.Reached()
	r.open(r.demo.url + "/changes")
	r.stop("changes-writing", "Putting it into the vault")
	r.press(r.in.link("See progress"))
	r.stop("rotated-writing", "patdesk is writing the secret")
}
