package security

import (
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/patdesk/patdesk/internal/simulator"
	"github.com/patdesk/patdesk/internal/testkit/apptest"
)

// hosts records where a program calls.
type hosts struct {
	mu   sync.Mutex
	seen map[string]bool
}

func (h *hosts) wrap(next http.RoundTripper) http.RoundTripper {
	return apptest.RoundTripFunc(func(r *http.Request) (*http.Response, error) {
		h.mu.Lock()
		h.seen[r.URL.Host] = true
		h.mu.Unlock()
		return next.RoundTrip(r)
	})
}

// Whatever is typed, chosen or forged as a vault: what isn't the address of a vault that the operator allows is refused
// with a form, is never called, and no token is made for it.
func TestVaultAddressesThatAreRefused(t *testing.T) {
	t.Parallel()
	o, h := apptest.Seeded(), &hosts{seen: map[string]bool{}}
	o.Env = map[string]string{"VAULTS": simulator.TeamVault, "VAULTS_ALLOW": "ci-*.vault.azure.net"}
	o.Wrap = h.wrap
	d := apptest.Start(t, o)
	d.Sim.ConsentToVaults(simulator.Mona)
	b := d.SignedIn(apptest.Mona)
	b.Open(d.URL+"/tokens/new?organization=contoso").Fill("Name", "hostile").Choose("Code", "Read")
	_, create, form := b.Form("Create token")
	token := d.Sim.Tokens("contoso")[0]
	for _, one := range d.Sim.Tokens("contoso") {
		if one.DisplayName == "Build agent pool" {
			token = one
		}
	}
	b.Open(d.URL + "/vaults")
	calls := d.Sim.AllCalls()
	h.mu.Lock()
	clear(h.seen)
	h.mu.Unlock()
	for _, address := range []string{
		"https://127.0.0.1", "https://[::1]", "https://169.254.169.254/metadata", "https://10.0.0.1:8080", "http://team-vault.vault.azure.net",
		"https://team-vault.vault.azure.net:8443", "https://team-vault.vault.azure.net.", "https://team-vault.vault.azure.net.evil.example",
		"https://evil.example#.vault.azure.net", "https://ci-evil.example#.vault.azure.net", "https://ci-x@evil.example/.vault.azure.net",
		"https://user:pass@team-vault.vault.azure.net", "https://evil.example\\.vault.azure.net", "https://ci-a.b.vault.azure.net", "https://ci-ä.vault.azure.net",
		"https://ci-xn--4ca.vault.azure.net", "https://platform-vault.vault.azure.net", "file:///etc/passwd", "//evil.example", "https://ci-a%2eevil.vault.azure.net",
		"ci-a\r\nHost: evil.example", "https://ci-\x00.vault.azure.net", "https://localhost", "https://metadata.google.internal", "*.vault.azure.net", "https://login.microsoftonline.com",
	} {
		for name, fields := range map[string]url.Values{"chosen": {"vault": {address}}, "typed": {"vault": {"other"}, "vault-typed": {address}}} {
			posted := url.Values{}
			for _, from := range []url.Values{form, fields} {
				for key, values := range from {
					posted[key] = values
				}
			}
			if b.Post(create.String(), posted); b.Status != http.StatusUnprocessableEntity || !strings.Contains(b.Text(), "vault") {
				t.Errorf("%s %q: %d\n%s", name, address, b.Status, apptest.Says(b))
			}
		}
		if b.Post(d.URL+"/vaults", url.Values{"vault": {address}}); b.Status != http.StatusUnprocessableEntity {
			t.Errorf("added %q: %d\n%s", address, b.Status, apptest.Says(b))
		}
		if b.Post(d.URL+"/tokens/contoso/"+token.AuthorizationID+"/vault", url.Values{"secret": {address + " ci"}}); b.Status < 400 || b.Status >= 500 {
			t.Errorf("tagged in %q: %d\n%s", address, b.Status, apptest.Says(b))
		}
	}
	for host := range h.seen {
		if host != "team-vault.vault.azure.net" && !strings.HasPrefix(host, "127.0.0.1:") && !strings.HasPrefix(host, "localhost:") {
			t.Errorf("%s was called", host)
		}
	}
	for _, call := range []string{simulator.CallCreate, simulator.CallVaultWrite, simulator.CallVaultUpdate} {
		if n := d.Sim.Calls(call) - calls[call]; n != 0 {
			t.Errorf("%d calls of %s", n, call)
		}
	}
}

// A secret's name is letters, digits and hyphens, or nothing is made; what was typed comes back as text.
func TestSecretNamesThatAreRefused(t *testing.T) {
	t.Parallel()
	o := apptest.Seeded()
	o.Env = map[string]string{"VAULTS": simulator.TeamVault}
	d := apptest.Start(t, o)
	d.Sim.ConsentToVaults(simulator.Mona)
	b := d.SignedIn(apptest.Mona)
	b.Open(d.URL+"/tokens/new?organization=contoso").Fill("Name", "odd").Choose("Code", "Read").Fill("Vault", "team-vault.vault.azure.net")
	_, to, form := b.Form("Create token")
	created := d.Sim.Created()
	for _, name := range []string{
		"../secrets/smtp-password", "a/b", "a%2fb", "a?api-version=1", "a#b", "a b", "ä", "a.b", "a_b", "<script>alert(1)</script>", "\"><img src=x>", "a\x00b", "a\r\nb",
		strings.Repeat("a", 128), "{{.}}", "🔑", "a;b", "a\\b", "\u202eb",
	} {
		form.Set("vault-secret", name)
		if b.Post(to.String(), form); b.Status != http.StatusUnprocessableEntity || !strings.Contains(b.Text(), "Enter a name for the secret in the vault") || b.Page.Find("main script:not([src]), main img").Length() > 0 {
			t.Errorf("%q: %d\n%s", name, b.Status, apptest.Says(b))
		}
	}
	if d.Sim.Created() != created || d.Sim.Calls(simulator.CallVaultWrite) > 0 {
		t.Error("something was made")
	}
}

// A vault that a person may not write to stays closed, and makes no token; what one person has under way into a vault
// isn't another's to go on with.
func TestVaultsOfOthers(t *testing.T) {
	t.Parallel()
	o := apptest.Seeded()
	o.Env = map[string]string{"VAULTS": simulator.TeamVault + "," + simulator.PlatformVault}
	d := apptest.Start(t, o)
	d.Sim.ConsentToVaults(simulator.Mona)
	d.Sim.ConsentToVaults(simulator.Jonas)
	jonas, created := d.SignedInAt(apptest.Jonas, "/changes"), d.Sim.Created()
	jonas.Open(d.URL+"/tokens/new?organization=contoso").Fill("Name", "not his").Choose("Code", "Read").Fill("Vault", "platform-vault.vault.azure.net").Press("Create token")
	if jonas.Status != http.StatusForbidden || !strings.Contains(jonas.Text(), "Key Vault Secrets Officer") || d.Sim.Created() != created {
		t.Errorf("%d\n%s", jonas.Status, apptest.Says(jonas))
	}
	mona := d.SignedIn(apptest.Mona)
	mona.Open(d.URL+"/tokens/new?organization=contoso").Fill("Name", "hers").Choose("Code", "Read").Fill("Vault", "team-vault.vault.azure.net").Check("Don't show it to me")
	d.Sim.SetFault("vaultForbiddenByRole", simulator.FaultOptions{Call: simulator.CallVaultWrite})
	mona.Press("Create token")
	page := mona.URL.String()
	d.Sim.ClearFaults()
	if !mona.Has("button", "Show it to me") {
		t.Fatalf("%s", apptest.Says(mona))
	}
	for _, step := range []string{"deliver", "show-instead", "disable-previous", "schedule", "revoke-old", "acknowledge"} {
		if jonas.Post(page+"/"+step, url.Values{"old-at": {"2030-01-01T00:00"}, "drop": {"yes"}}); jonas.Status != http.StatusNotFound {
			t.Errorf("%s: %d\n%s", step, jonas.Status, apptest.Says(jonas))
		}
	}
	if mona.Open(page); !mona.Has("button", "Show it to me") || apptest.SecretOf(mona) != "" || len(d.Sim.VaultSecrets(simulator.TeamVault, "hers")) > 0 {
		t.Errorf("%s", apptest.Says(mona))
	}
	if mona.Press("Try again"); len(d.Sim.VaultSecrets(simulator.TeamVault, "hers")) != 1 {
		t.Errorf("%s", apptest.Says(mona))
	}
}

// The access token for vaults goes to vaults alone, and the one for Azure DevOps never does.
func TestBearersOfVaultsStayApart(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	bearers := map[bool]map[string]bool{true: {}, false: {}} // by whether it went to a vault
	o := apptest.Seeded()
	o.Env = map[string]string{"VAULTS": simulator.TeamVault}
	o.Wrap = func(next http.RoundTripper) http.RoundTripper {
		return apptest.RoundTripFunc(func(r *http.Request) (*http.Response, error) {
			if bearer := r.Header.Get("Authorization"); bearer != "" {
				mu.Lock()
				bearers[strings.HasSuffix(r.URL.Host, ".vault.azure.net")][bearer] = true
				mu.Unlock()
			}
			return next.RoundTrip(r)
		})
	}
	d := apptest.Start(t, o)
	d.Sim.ConsentToVaults(simulator.Mona)
	b := d.SignedIn(apptest.Mona)
	b.Open(d.URL+"/tokens/new?organization=contoso").Fill("Name", "apart").Choose("Code", "Read").Fill("Vault", "team-vault.vault.azure.net").Press("Create token")
	d.Sim.SetFault("vaultForeignChallenge", simulator.FaultOptions{})
	b.Open(d.URL + "/vaults")
	d.Sim.ClearFaults()
	b.Open(d.URL + "/overview")
	mu.Lock()
	defer mu.Unlock()
	if len(bearers[true]) == 0 || len(bearers[false]) == 0 {
		t.Fatalf("%d bearers to vaults, %d elsewhere", len(bearers[true]), len(bearers[false]))
	}
	for bearer := range bearers[true] {
		if bearers[false][bearer] {
			t.Error("one bearer was sent to both")
		}
	}
}
