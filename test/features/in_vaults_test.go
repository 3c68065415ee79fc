package features

import (
	"net/http"
	"strings"
	"testing"

	"github.com/patdesk/patdesk/internal/simulator"
	"github.com/patdesk/patdesk/internal/testkit/apptest"
)

// seededWithVaults is such a program with the demo's tokens and vaults.
func seededWithVaults(t *testing.T) *apptest.Program {
	t.Helper()
	o := apptest.Seeded()
	o.Env = map[string]string{"VAULTS": simulator.TeamVault + "," + simulator.PlatformVault}
	return apptest.Start(t, o)
}

// tokenNamed is Mona's token of that name in contoso.
func tokenNamed(t *testing.T, d *apptest.Program, name string) simulator.Token {
	t.Helper()
	for _, one := range d.Sim.Tokens("contoso") {
		if one.DisplayName == name && one.Organization == "contoso" && one.Owner == simulator.Mona {
			return one
		}
	}
	t.Fatalf("no token %s", name)
	return simulator.Token{}
}

// Where each token lives is read from tags, on the list, the overview and the token's page, once its owner has agreed;
// what doesn't fit is marked. No value is read.
func TestWhereTokensLive(t *testing.T) {
	t.Parallel()
	d := seededWithVaults(t)
	b := d.SignedIn(apptest.Mona)
	b.Open(d.URL + "/tokens")
	if !b.Has("link", "Go on to Microsoft to agree") || strings.Contains(b.Text(), "In team-vault/") {
		t.Fatalf("before anything was agreed to\n%s", apptest.Says(b))
	}
	b.Click("Go on to Microsoft to agree").Press("Continue as " + apptest.Mona)
	if b.URL.Path != "/tokens" || !strings.Contains(b.Text(), "In team-vault/ci-nuget") || b.Has("link", "Go on to Microsoft to agree") {
		t.Fatalf("at %s\n%s", b.URL, apptest.Says(b))
	}
	for name, want := range map[string]string{
		"NuGet publish":                  "In team-vault/ci-nuget",
		"npm restore on CI":              "which isn't the token's date",
		"Leaked in a screenshot":         "this token is revoked",
		"Trial of the migration tool":    "It is an older version that can still be read.",
		"Nightly backup of repositories": "An older version of this secret can still be read.",
	} {
		b.Open(d.URL + "/tokens/contoso/" + tokenNamed(t, d, name).AuthorizationID)
		if uses := strings.Contains(b.Text(), "az keyvault secret show"); uses != (name != "Leaked in a screenshot" && name != "Trial of the migration tool") {
			t.Errorf("%s: the lines that read it: %t", name, uses)
		}
		if !strings.Contains(b.Text(), want) {
			t.Errorf("%s\n%s", name, apptest.Says(b))
		}
	}
	b.Open(d.URL + "/overview")
	if !strings.Contains(b.Text(), "In your vaults") || !strings.Contains(b.Text(), "platform-vault/release-notes It names a token that isn't among yours") {
		t.Errorf("the overview\n%s", apptest.Says(b))
	}
	b.Open(d.URL + "/tokens?is=unstored")
	if strings.Contains(b.Text(), "npm restore on CI") || !strings.Contains(b.Text(), "Terraform") && !strings.Contains(b.Text(), "Build agent pool") {
		t.Errorf("what is in no vault\n%s", apptest.Says(b))
	}
	if n := d.Sim.Calls(simulator.CallVaultGet); n > 0 {
		t.Errorf("%d values were read", n)
	}
}

// A secret that is there already is tagged for a token, on its owner's word, and no value is read. One that names a
// token by then isn't taken from it.
func TestAdoptASecret(t *testing.T) {
	t.Parallel()
	d := seededWithVaults(t)
	d.Sim.ConsentToVaults(simulator.Mona)
	b := d.SignedIn(apptest.Mona)
	token := tokenNamed(t, d, "Build agent pool")
	at := d.URL + "/tokens/contoso/" + token.AuthorizationID
	b.Open(at).Click("Choose the secret that has it already")
	if !strings.Contains(b.Text(), "patdesk can't check this") || strings.Contains(b.Text(), "ci-nuget") {
		t.Errorf("%s", apptest.Says(b))
	}
	b.Press("Tag this secret")
	if b.Status != http.StatusUnprocessableEntity || !strings.Contains(b.Text(), "Choose a secret.") {
		t.Errorf("%d\n%s", b.Status, apptest.Says(b))
	}
	b.Fill("Secret", "team-vault/smtp-password").Press("Tag this secret")
	got := d.Sim.VaultSecrets(simulator.TeamVault, "smtp-password")
	if b.Status != http.StatusOK || len(got) != 1 || got[0].Tags["patdesk-authorization-id"] != token.AuthorizationID || !strings.Contains(b.Text(), "In team-vault/smtp-password") {
		t.Errorf("%d %+v\n%s", b.Status, got, apptest.Says(b))
	}
	b.Open(at+"/vault").Fill("Secret", "team-vault/sprint-board")
	d.Sim.AddVaultSecret(simulator.VaultSecret{Vault: simulator.TeamVault, Name: "sprint-board", Tags: map[string]string{"patdesk-authorization-id": "another"}})
	b.Press("Tag this secret")
	if b.Status != http.StatusConflict || !strings.Contains(b.Text(), "names another token by now") {
		t.Errorf("%d\n%s", b.Status, apptest.Says(b))
	}
	if n := d.Sim.Calls(simulator.CallVaultGet); n > 0 {
		t.Errorf("%d values were read", n)
	}
}

// Where the operator names no vault, those that people use or add are read, for the one who did, in each of that
// person's sessions in that browser.
func TestVaultsThatPeopleAdd(t *testing.T) {
	t.Parallel()
	o := apptest.Seeded()
	o.Env = map[string]string{"VAULTS_ALLOW": "*-vault.vault.azure.net"}
	d := apptest.Start(t, o)
	b := d.SignedIn(apptest.Mona)
	kept := d.URL + "/tokens/contoso/" + tokenNamed(t, d, "NuGet publish").AuthorizationID
	if b.Open(d.URL + "/tokens"); strings.Contains(b.Text(), "vault") {
		t.Errorf("the list before a vault was added\n%s", apptest.Says(b))
	}
	b.Open(kept).Click("Vaults that patdesk looks into")
	for typed, want := range map[string]string{"team": "doesn't allow this vault", "http://team-vault.vault.azure.net": "Enter the vault's name", "": "Enter the vault's name"} {
		b.Fill("Name or address of another vault", typed).Press("Look into this vault, too")
		if b.Status != http.StatusUnprocessableEntity || !strings.Contains(b.Text(), want) || b.Page.Find("#vault").AttrOr("value", "") != typed {
			t.Errorf("%q: %d\n%s", typed, b.Status, apptest.Says(b))
		}
	}
	b.Fill("Name or address of another vault", " https://Team-Vault.vault.azure.net/secrets ").Press("Look into this vault, too")
	b.Click("Go on to Microsoft to agree").Press("Continue as " + apptest.Mona)
	if b.URL.Path != "/vaults" || !strings.Contains(b.Text(), "secrets name a token.") {
		t.Fatalf("at %s\n%s", b.URL, apptest.Says(b))
	}
	for path, want := range map[string]string{"/tokens": "In team-vault/ci-nuget", "/overview": "In your vaults", kept[len(d.URL):]: "In team-vault/ci-nuget"} {
		if b.Open(d.URL + path); !strings.Contains(b.Text(), want) {
			t.Errorf("%s\n%s", path, apptest.Says(b))
		}
	}
	if b.Open(d.URL + "/tokens?is=unstored"); strings.Contains(b.Text(), "npm restore on CI") {
		t.Errorf("what is in no vault\n%s", apptest.Says(b))
	}
	if b.Open(kept + "/rotate"); b.Page.Find("#vault option[selected]").AttrOr("value", "") != simulator.TeamVault || b.Page.Find("#vault-secret").AttrOr("value", "") != "ci-nuget" {
		t.Errorf("what a rotation proposes\n%s", apptest.Says(b))
	}
	// The next session has it, too; somebody else's in the same browser doesn't.
	b.Open(d.URL + "/sign-out").Press("Sign out")
	for person, reads := range map[string]bool{apptest.Jonas: false, apptest.Mona: true} {
		apptest.SignIn(b.Open(d.URL+"/sign-in"), person)
		if b.Open(d.URL + "/vaults"); strings.Contains(b.Text(), "team-vault.vault.azure.net") != reads {
			t.Errorf("%s\n%s", person, apptest.Says(b))
		}
		b.Open(d.URL + "/sign-out").Press("Sign out")
	}
	// One that is written to is read from then on; what isn't wanted any more isn't.
	b = d.SignedIn(apptest.Mona)
	b.Open(d.URL+"/tokens/new?organization=contoso").Fill("Name", "vaulted").Choose("Code", "Read")
	b.Fill("Vault", "Another vault").Fill("Name or address of another vault", "platform-vault").Press("Create token")
	if b.Open(d.URL + "/tokens"); !strings.Contains(b.Text(), "In platform-vault/vaulted") {
		t.Errorf("after a delivery\n%s", apptest.Says(b))
	}
	if b.Open(d.URL + "/vaults").Press("Stop looking into it: platform-vault.vault.azure.net"); strings.Contains(b.Text(), "platform-vault") {
		t.Errorf("after it was removed\n%s", apptest.Says(b))
	}
	for i := range 9 {
		b.Open(d.URL+"/vaults").Fill("Name or address of another vault", strings.Repeat("x", i+1)+"-vault").Press("Look into this vault, too")
	}
	if !strings.Contains(b.Text(), "at most 8 vaults") || b.Page.Find(".vault-row").Length() != 8 || !strings.Contains(b.Text(), "No Azure Key Vault has this name") {
		t.Errorf("nine vaults: %d\n%s", b.Status, apptest.Says(b))
	}
}
