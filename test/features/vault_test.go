package features

import (
	"net/http"
	"strings"
	"testing"

	"github.com/patdesk/patdesk/internal/simulator"
	"github.com/patdesk/patdesk/internal/testkit/apptest"
	"github.com/patdesk/patdesk/internal/webtest"
)

// startedWithVaults is a program whose people may use the simulator's vaults.
func startedWithVaults(t *testing.T) (*apptest.Program, *apptest.Recorder) {
	t.Helper()
	d := apptest.Start(t, apptest.Options{Env: map[string]string{"VAULTS": simulator.TeamVault + "," + simulator.PlatformVault}})
	return d, apptest.Record(t, d)
}

// fillNew fills in the form for a new token whose secret goes into a vault.
func fillNew(b *webtest.Browser, at, name, secret string, unseen bool) *webtest.Browser {
	b.Open(at+"/tokens/new?organization=contoso").Fill("Name", name).Choose("Code", "Read")
	b.Fill("Vault", "team-vault.vault.azure.net").Fill("Name of the secret in the vault", secret)
	if unseen {
		b.Check("Don't show it to me")
	}
	return b
}

// onlyOne is the one version of a secret in the team's vault.
func onlyOne(t *testing.T, d *apptest.Program, name string) simulator.VaultSecret {
	t.Helper()
	versions := d.Sim.VaultSecrets(simulator.TeamVault, name)
	if len(versions) != 1 {
		t.Fatalf("%d versions of %s", len(versions), name)
	}
	return versions[0]
}

// A person agrees once, comes back to the form with what was typed, and has a secret put into a vault without seeing it.
func TestCreateIntoAVault(t *testing.T) {
	t.Parallel()
	d, seen := startedWithVaults(t)
	b := d.SignedIn(apptest.Mona)
	fillNew(b, d.URL, "vaulted", "", true).Press("Create token")
	if !strings.Contains(b.Text(), "needs your agreement once") { // by a link: a form's answer may not lead to another site
		t.Fatalf("no consent is asked: %s %s", b.URL, apptest.Says(b))
	}
	if n := len(apptest.Made(d.Sim, "vaulted")); n > 0 {
		t.Fatalf("%d tokens before the person has agreed", n)
	}
	apptest.SignIn(b, apptest.Mona)
	if got := b.Page.Find("#name").AttrOr("value", ""); got != "vaulted" || b.Page.Find("#vault-unseen[checked]").Length() != 1 {
		t.Fatalf("the form came back with %q at %s\n%s", got, b.URL, apptest.Says(b))
	}
	b.Press("Create token")
	v := onlyOne(t, d, "vaulted")
	made := apptest.Made(d.Sim, "vaulted")
	if len(made) != 1 || v.Tags["patdesk-authorization-id"] != made[0].AuthorizationID || v.Tags["patdesk-organization"] != "contoso" || v.ContentType == "" ||
		v.Expires.Unix() != made[0].ValidTo.Unix() {
		t.Errorf("%+v of %+v", v, made)
	}
	if b.Status != http.StatusOK || apptest.SecretOf(b) != "" || !strings.Contains(b.Text(), "It was shown to nobody") || !strings.Contains(b.Text(), "AzureKeyVault@2") {
		t.Errorf("%d\n%s", b.Status, apptest.Says(b))
	}
	for _, a := range seen.Answers() {
		if strings.Contains(a.All(), v.Value) {
			t.Errorf("the secret is in the answer to %s", a.URL)
		}
	}
}

// Without vaults nothing on the forms is about them, and fields for one do nothing.
func TestFormsWithoutVaults(t *testing.T) {
	t.Parallel()
	d := apptest.Start(t, apptest.Options{})
	b := d.SignedIn(apptest.Mona).Open(d.URL + "/tokens/new?organization=contoso")
	if b.Page.Find("#vault, .vault-part").Length() > 0 || strings.Contains(b.Text(), "Key Vault") {
		t.Errorf("the form speaks of vaults\n%s", apptest.Says(b))
	}
	b.Fill("Name", "plain").Choose("Code", "Read")
	_, to, values := b.Form("Create token")
	values.Set("vault", simulator.TeamVault)
	values.Set("vault-unseen", "yes")
	if b.Post(to.String(), values); apptest.SecretOf(b) == "" || b.Page.Find(".in-vault").Length() > 0 {
		t.Errorf("%d\n%s", b.Status, apptest.Says(b))
	}
}

// What a vault refuses is said before a token is made, each in its own words, with the form as it was typed.
func TestVaultRefusesBeforeACreation(t *testing.T) {
	t.Parallel()
	d, _ := startedWithVaults(t)
	d.Sim.ConsentToVaults(simulator.Mona)
	b := d.SignedIn(apptest.Mona)
	for fault, want := range map[string]string{
		"vaultForbiddenByRole": "Key Vault Secrets Officer", "vaultForbiddenByPolicy": "Get, List and Set", "vaultForbiddenByFirewall": "firewall",
		"vaultThrottled": "busy", "vaultUnavailable": "reported an error", "vaultHTML": "can't read the answer",
	} {
		d.Sim.SetFault(fault, simulator.FaultOptions{})
		fillNew(b, d.URL, "refused", "refused-secret", false).Press("Create token")
		if b.Status < 400 || !strings.Contains(b.Text(), want) || b.Page.Find("#vault-secret").AttrOr("value", "") != "refused-secret" {
			t.Errorf("%s: %d\n%s", fault, b.Status, apptest.Says(b))
		}
		d.Sim.ClearFaults()
	}
	if n := len(apptest.Made(d.Sim, "refused")); n > 0 {
		t.Errorf("%d tokens were made", n)
	}
	d.Sim.AddVaultSecret(simulator.VaultSecret{Vault: simulator.TeamVault, Name: "smtp-password"})
	fillNew(b, d.URL, "taken", "smtp-password", false).Press("Create token")
	if b.Status != http.StatusUnprocessableEntity || b.Page.Find("#vault-over").Length() != 1 || len(apptest.Made(d.Sim, "taken")) > 0 {
		t.Errorf("a name that is taken: %d\n%s", b.Status, apptest.Says(b))
	}
	b.Check("Write a new version of the secret that is there").Press("Create token")
	if n := len(d.Sim.VaultSecrets(simulator.TeamVault, "smtp-password")); n != 2 || apptest.SecretOf(b) == "" {
		t.Errorf("%d versions\n%s", n, apptest.Says(b))
	}
	if !strings.Contains(b.Text(), "The vault has its secret") || strings.Contains(b.Text(), "isn't saved yet") {
		t.Errorf("a secret that is in its vault, and shown:\n%s", apptest.Says(b))
	}
	fillNew(b, d.URL, "odd", "no_name", false).Press("Create token")
	if b.Status != http.StatusUnprocessableEntity || !strings.Contains(b.Text(), "up to 127 letters") {
		t.Errorf("a name that is none: %d\n%s", b.Status, apptest.Says(b))
	}
}

// A secret that can't be put into its vault waits there, unseen, and can be tried again or shown. An old token is revoked,
// and its version disabled, only when the new one is there.
func TestRotateIntoAVaultThatFails(t *testing.T) {
	t.Parallel()
	for _, shown := range []bool{false, true} {
		d, seen := startedWithVaults(t)
		d.Sim.ConsentToVaults(simulator.Mona)
		b := d.SignedIn(apptest.Mona)
		fillNew(b, d.URL, "turned", "turned", true).Press("Create token")
		old := onlyOne(t, d, "turned")
		token := apptest.Made(d.Sim, "turned")[0]
		d.Sim.SetFault("vaultForbiddenByRole", simulator.FaultOptions{Call: simulator.CallVaultWrite})
		b.Open(d.URL + "/tokens/contoso/" + token.AuthorizationID + "/rotate") // it proposes the secret that holds the token
		if got := b.Page.Find("#vault option[selected]").AttrOr("value", "") + "/" + b.Page.Find("#vault-secret").AttrOr("value", ""); got != simulator.TeamVault+"/turned" {
			t.Errorf("proposed is %q", got)
		}
		b.Choose("The old token", "Revoke it at once").Check("Don't show it to me").Check("Disable the previous version when the old token is revoked").Press("Rotate")
		if _, active := newest(d, "turned"); active != 2 || apptest.SecretOf(b) != "" || !b.Has("button", "Try again") || b.Has("button", "Revoke the old token") {
			t.Fatalf("%d active\n%s", active, apptest.Says(b))
		}
		onlyOne(t, d, "turned")
		d.Sim.ClearFaults()
		if shown {
			b.Press("Show it to me")
			if apptest.SecretOf(b) == "" {
				t.Errorf("it isn't shown\n%s", apptest.Says(b))
			}
		}
		b.Press("Try again")
		versions := d.Sim.VaultSecrets(simulator.TeamVault, "turned")
		if _, active := newest(d, "turned"); active != 1 || len(versions) != 2 || !versions[0].Disabled || versions[0].Version != old.Version || versions[1].Disabled {
			t.Errorf("%d active, %+v\n%s", active, versions, apptest.Says(b))
		}
		for _, a := range seen.Answers() {
			if !shown && strings.Contains(a.All(), versions[1].Value) {
				t.Errorf("the secret is in the answer to %s", a.URL)
			}
		}
	}
}

// A vault that wants another sign-in doesn't ask for an agreement that was given: it says so, and leads back with what was
// typed.
func TestVaultThatChecksAgain(t *testing.T) {
	t.Parallel()
	for _, fault := range []string{"vaultClaimsChallenge", "tokenVaultInteraction"} {
		d, _ := startedWithVaults(t)
		d.Sim.ConsentToVaults(simulator.Mona)
		d.Sim.SetFault(fault, simulator.FaultOptions{})
		b := d.SignedIn(apptest.Mona)
		fillNew(b, d.URL, "checked", "", true).Press("Create token")
		if !strings.Contains(b.Text(), "Azure Key Vault wants to check again that it's you") || strings.Contains(b.Text(), "your agreement once") {
			t.Fatalf("%s: %s %s", fault, b.URL, apptest.Says(b))
		}
		apptest.SignIn(b, apptest.Mona)
		if b.Press("Create token"); b.Status != http.StatusOK || len(d.Sim.VaultSecrets(simulator.TeamVault, "checked")) != 1 {
			t.Errorf("%s: %d %s\n%s", fault, b.Status, b.URL, apptest.Says(b))
		}
	}
}
