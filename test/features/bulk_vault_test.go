package features

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/patdesk/patdesk/internal/simulator"
	"github.com/patdesk/patdesk/internal/testkit/apptest"
	"github.com/patdesk/patdesk/internal/webtest"
)

// bulkWithVaults is a program with vaults and n tokens in one organization, whose person has agreed, and a plan to
// rotate them all.
func bulkWithVaults(t *testing.T, n int) (*apptest.Program, *webtest.Browser, *apptest.Recorder) {
	t.Helper()
	d, b := apptest.StartWithTokens(t, 1, n, apptest.Options{Env: map[string]string{"VAULTS": simulator.TeamVault + "," + simulator.PlatformVault}})
	seen := apptest.Record(t, d)
	d.Sim.ConsentToVaults(simulator.Mona)
	for i, old := range d.Sim.Tokens("org-01") {
		if i%2 == 0 { // every second token lives in the vault
			d.Sim.AddVaultSecret(simulator.VaultSecret{
				Vault: simulator.TeamVault, Name: fmt.Sprint("held-", i), Expires: old.ValidTo, Tags: map[string]string{"patdesk-authorization-id": old.AuthorizationID},
			})
		}
	}
	return d, apptest.PickAll(b, d.URL+"/tokens?organization=org-01", "Rotate selected"), seen
}

// inVault counts the versions in the team's vault that a change has written, and those before them that are disabled.
func inVault(d *apptest.Program) (written map[string]string, disabled int) {
	written = map[string]string{}
	for _, one := range d.Sim.VaultSecrets(simulator.TeamVault, "") {
		if one.Tags["patdesk-operation"] != "" {
			written[one.Name+" "+one.Version] = one.Value
		} else if one.Disabled {
			disabled++
		}
	}
	return written, disabled
}

// One confirmation puts 20 new secrets into a vault, revokes the old tokens and disables their versions; nobody sees a
// secret.
func TestBulkRotateIntoAVault(t *testing.T) {
	t.Parallel()
	const n = 20
	d, b, seen := bulkWithVaults(t, n)
	if b.Page.Find(".vault-name input[type=text]").Length() != n || b.Page.Find(`.vault-name input[value^="held-"]`).Length() != n/2 {
		t.Fatalf("the names that are proposed\n%s", apptest.Says(b))
	}
	b.Fill("Vault", "team-vault.vault.azure.net").Check("Don't show them to me").Check("Revoke each old token as soon as its new secret is in the vault").
		Check("Disable each previous version when its old token is revoked")
	apptest.WaitForBatch(t, b.Press(fmt.Sprintf("Rotate %d tokens", n)))
	written, disabled := inVault(d)
	if len(written) != n || disabled != n/2 || d.Sim.Created() != n || d.Sim.Revoked() != n || apptest.CountStates(b)["Done"] != n {
		t.Fatalf("%d versions, %d disabled, %d created, %d revoked, %v\n%s", len(written), disabled, d.Sim.Created(), d.Sim.Revoked(), apptest.CountStates(b), apptest.Says(b))
	}
	if !strings.Contains(b.Text(), "20 of 20 secrets are in the vault.") || !strings.Contains(b.Text(), "In team-vault/held-0") || apptest.Banners(b.Open(d.URL+"/overview")) != "" {
		t.Errorf("%q\n%s", apptest.Banners(b), apptest.Says(b))
	}
	for _, a := range seen.Answers() {
		for at, secret := range written {
			if strings.Contains(a.All(), secret) {
				t.Errorf("the secret of %s is in the answer to %s", at, a.URL)
			}
		}
	}
}

// What a vault refuses to some is named, each with what can be done; to all, it ends the run. Nothing is lost.
func TestBulkRotateIntoAVaultThatFails(t *testing.T) {
	t.Parallel()
	const n = 12
	d, b, _ := bulkWithVaults(t, n)
	d.Sim.SetFault("vaultForbiddenByFirewall", simulator.FaultOptions{Call: simulator.CallVaultWrite})
	b.Fill("Vault", "team-vault.vault.azure.net").Check("Don't show them to me").Check("Revoke each old token as soon as its new secret is in the vault")
	apptest.WaitForBatch(t, b.Press(fmt.Sprintf("Rotate %d tokens", n)))
	made := d.Sim.Created()
	if written, _ := inVault(d); made == n || len(written) > 0 || d.Sim.Revoked() > 0 || apptest.CountStates(b)["Secret not in the vault"] != made || !strings.Contains(b.Text(), "The firewall of team-vault keeps patdesk out") {
		t.Fatalf("%d of %d made, %d versions, %d revoked\n%s", made, n, len(written), d.Sim.Revoked(), apptest.Says(b))
	}
	batch := b.URL.String()
	if b.Open(d.URL + "/tokens"); !strings.Contains(apptest.Banners(b), "couldn't be put into the vault") {
		t.Errorf("banner %q", apptest.Banners(b))
	}
	b.Open(batch).Press("Show it to me: " + tokenOf(b)) // one of them is saved by hand
	if got := b.Page.Find("code.secret").Length(); got != 1 || b.URL.String() != batch {
		t.Errorf("%d secrets are shown at %s\n%s", got, b.URL, apptest.Says(b))
	}
	d.Sim.ClearFaults()
	apptest.WaitForBatch(t, b.Press(fmt.Sprintf("Put the %d secrets into the vault again", made)))
	if written, _ := inVault(d); len(written) != n || d.Sim.Created() != n || d.Sim.Revoked() != n {
		t.Errorf("%d versions, %d created, %d revoked\n%s", len(written), d.Sim.Created(), d.Sim.Revoked(), apptest.Says(b))
	}
}

// tokenOf names the first token whose secret can be shown, as its button does.
func tokenOf(b *webtest.Browser) string {
	return strings.TrimSpace(strings.TrimPrefix(b.Page.Find(`form[action$="/show-instead"] .visually-hidden`).First().Text(), ": "))
}

// Names that can't be used are said before anything is made, each at its field, with what was typed.
func TestNamesOfABulkRotation(t *testing.T) {
	t.Parallel()
	d, b, _ := bulkWithVaults(t, 3)
	d.Sim.AddVaultSecret(simulator.VaultSecret{Vault: simulator.TeamVault, Name: "smtp-password"})
	plan := b.URL.String()
	for _, c := range []struct {
		what  string
		names []string
	}{{"up to 127 letters", []string{"no_name"}}, {"can't be put into one secret", []string{"twice", "Twice"}}, {"already has a secret with this name", []string{"smtp-password"}}} {
		b.Open(plan).Fill("Vault", "team-vault.vault.azure.net")
		_, to, form := b.Form("Rotate 3 tokens")
		for i, name := range c.names {
			form.Set(b.Page.Find(".vault-name input[type=text]").Eq(i).AttrOr("name", ""), name)
		}
		b.Post(to.String(), form)
		if b.Status != http.StatusUnprocessableEntity || !strings.Contains(b.Text(), c.what) || b.Page.Find(`.vault-name input[aria-invalid]`).Length() != 1 || d.Sim.Created() > 0 {
			t.Fatalf("%q: %d, %d made\n%s", c.names, b.Status, d.Sim.Created(), apptest.Says(b))
		}
	}
	apptest.WaitForBatch(t, b.Check("Write a new version of the secret that is there").Press("Rotate 3 tokens"))
	if n := len(d.Sim.VaultSecrets(simulator.TeamVault, "smtp-password")); n != 2 || d.Sim.Created() != 3 {
		t.Errorf("%d versions\n%s", n, apptest.Says(b))
	}
}

// A global token is replaced by one for each organization, each with a secret of its own in a vault; it is revoked only
// when all of them are there.
func TestReplaceAGlobalTokenIntoAVault(t *testing.T) {
	t.Parallel()
	d := seededWithVaults(t)
	d.Sim.ConsentToVaults(simulator.Mona)
	seen := apptest.Record(t, d)
	b := d.SignedIn(apptest.Mona)
	b.Open(d.URL + "/global-tokens").Click("Replace vsce publish")
	b.Check("contoso").Check("fabrikam").Choose("The global token", "Revoke it as soon as all new ones are created").Fill("Vault", "team-vault.vault.azure.net").Check("Don't show them to me")
	d.Sim.SetFault("vaultForbiddenByRole", simulator.FaultOptions{Call: simulator.CallVaultWrite})
	revoked := d.Sim.Revoked()
	b.Press("Create the tokens")
	if d.Sim.Revoked() != revoked || b.Page.Find("code.secret").Length() > 0 || b.Page.Find(`form[action$="/deliver"]`).Length() != 2 || b.Page.Find(`form[action$="/show-instead"]`).Length() != 2 {
		t.Fatalf("%d revoked\n%s", d.Sim.Revoked(), apptest.Says(b))
	}
	d.Sim.ClearFaults()
	b.Press("Try again in contoso").Press("Try again in fabrikam")
	for _, place := range []string{"contoso", "fabrikam"} {
		v := onlyOne(t, d, "vsce-publish-"+place)
		if v.Tags["patdesk-organization"] != place || v.Tags["patdesk-authorization-id"] == "" {
			t.Errorf("%+v", v.Tags)
		}
		for _, a := range seen.Answers() {
			if strings.Contains(a.All(), v.Value) {
				t.Errorf("the secret for %s is in the answer to %s", place, a.URL)
			}
		}
	}
	if !strings.Contains(b.Text(), "The secret is in team-vault/vsce-publish-contoso") || d.Sim.Revoked() != revoked {
		t.Errorf("%d revoked\n%s", d.Sim.Revoked(), apptest.Says(b))
	}
}

// Where the vault takes them all, the global token is revoked as was asked.
func TestReplaceAGlobalTokenAtOnce(t *testing.T) {
	t.Parallel()
	d := seededWithVaults(t)
	d.Sim.ConsentToVaults(simulator.Mona)
	b := d.SignedIn(apptest.Mona)
	revoked := d.Sim.Revoked()
	replace := func(name string) *webtest.Browser {
		b.Open(d.URL + "/global-tokens").Click("Replace vsce publish")
		b.Check("contoso").Check("fabrikam").Choose("The global token", "Revoke it as soon as all new ones are created").Fill("Vault", "team-vault.vault.azure.net").Check("Don't show them to me")
		return b.Fill("vsce publish, contoso", name).Press("Create the tokens")
	}
	if replace("smtp-password"); b.Status != http.StatusUnprocessableEntity || b.Page.Find("#vault-secret-contoso-over").Length() != 1 || d.Sim.Revoked() != revoked {
		t.Fatalf("a name that is taken: %d\n%s", b.Status, apptest.Says(b))
	}
	if replace("vsce-contoso"); d.Sim.Revoked() != revoked+1 || len(d.Sim.VaultSecrets(simulator.TeamVault, "vsce-contoso")) != 1 || b.Page.Find("code.secret").Length() > 0 {
		t.Errorf("%d revoked\n%s", d.Sim.Revoked(), apptest.Says(b))
	}
}
