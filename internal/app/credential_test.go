package app

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/patdesk/patdesk/config"
	"github.com/patdesk/patdesk/internal/entra"
	"github.com/patdesk/patdesk/internal/simulator"
	"github.com/patdesk/patdesk/internal/testkit"
)

const testRedirectURI = "https://patdesk.test/getAToken"

// startSimulator starts one at which a provider can sign people in.
func startSimulator(t *testing.T) *simulator.Simulator {
	t.Helper()
	sim := simulator.New(simulator.Options{RedirectURIs: []string{testRedirectURI}})
	if err := sim.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return sim
}

// signInWith does a whole sign-in. Between leaving for Entra ID and coming back, meanwhile is called.
func signInWith(t *testing.T, p *entra.Provider, sim *simulator.Simulator, meanwhile func()) error {
	t.Helper()
	address, attempt, err := p.Begin(t.Context(), entra.BeginOptions{RedirectURI: testRedirectURI})
	if err != nil {
		return err
	}
	back, err := testkit.Approve(t.Context(), sim, address, simulator.Mona)
	if err != nil {
		t.Fatal(err)
	}
	meanwhile()
	_, _, err = p.Finish(t.Context(), attempt, back.Query())
	return err
}

// From the settings to a sign-in, with a secret and with certificates, over a rotation.
func TestCredentialFromAKeyVault(t *testing.T) {
	sim := startSimulator(t)
	vault, client := testkit.StartVault(t, sim)
	oldKey, oldCertificate := testkit.NewCertificate(t, 100*24*time.Hour+time.Hour)
	key, certificate := testkit.NewCertificate(t, 100*24*time.Hour+time.Hour)
	sim.RegisterCertificate(certificate)
	for name, c := range map[string]struct {
		setting         string
		kind            string
		before, rotated string
		note            string
	}{
		"secret":           {"KEY_VAULT_SECRET", "", "canary-outdated", sim.ClientSecret(), ""},
		"certificate, PEM": {"KEY_VAULT_CERTIFICATE", "application/x-pem-file", testkit.PEM(t, oldKey, oldCertificate), testkit.PEM(t, key, certificate), "KEY_VAULT_CERTIFICATE: the certificate can be used for 100 more days"},
		"certificate, PFX": {"KEY_VAULT_CERTIFICATE", "application/x-pkcs12", testkit.PFX(t, oldKey, oldCertificate), testkit.PFX(t, key, certificate), "for 100 more days"},
	} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			vault.Set(http.StatusOK, c.before, c.kind)
			p, err := newProvider(t.Context(), testkit.VaultConfig(t, sim, c.setting), Options{Client: client, Now: time.Now}, &telemetry{}, slog.New(slog.NewTextHandler(&log, nil)))
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(log.String(), c.note) {
				t.Errorf("log: %s", &log)
			}
			if err := signInWith(t, p, sim, func() { vault.Set(http.StatusOK, c.rotated, c.kind) }); err != nil {
				t.Errorf("after the rotation: %v", err)
			}
			reads := vault.Reads()
			if err := signInWith(t, p, sim, func() {}); err != nil || vault.Reads() != reads {
				t.Errorf("the next one: %v, read %d times", err, vault.Reads()-reads)
			}
			if strings.Contains(log.String(), "canary") {
				t.Errorf("log: %s", &log)
			}
		})
	}
}

// On AKS the webhook of workload identity puts four variables into the pod. The vault is read with them, and they are
// no second credential of the app.
func TestKeyVaultByWorkloadIdentity(t *testing.T) {
	sim := startSimulator(t)
	vault, client := testkit.StartVault(t, sim)
	vault.Set(http.StatusOK, sim.ClientSecret(), "")
	var asked string
	entraID := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		const tenant = "https://login.microsoftonline.com/tenant"
		switch {
		case strings.HasSuffix(r.URL.Path, "/oauth2/v2.0/token"):
			asked = strings.Join([]string{r.FormValue("grant_type"), r.FormValue("client_id"), r.FormValue("client_assertion"), r.FormValue("scope")}, " ")
			fmt.Fprint(w, `{"access_token":"managed","expires_in":3600,"token_type":"Bearer"}`)
		case strings.Contains(r.URL.Path, "discovery/instance"):
			fmt.Fprintf(w, `{"tenant_discovery_endpoint":"%s/v2.0/.well-known/openid-configuration","metadata":[{"preferred_network":"login.microsoftonline.com","preferred_cache":"login.windows.net","aliases":["login.microsoftonline.com"]}]}`, tenant)
		default:
			fmt.Fprintf(w, `{"issuer":"%s/v2.0","authorization_endpoint":"%[1]s/oauth2/v2.0/authorize","token_endpoint":"%[1]s/oauth2/v2.0/token"}`, tenant)
		}
	}))
	t.Cleanup(entraID.Close)
	transport, _ := client.Transport.(*http.Transport)
	elsewhere := transport.DialTLSContext
	transport.DialTLSContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		if strings.HasPrefix(address, "login.microsoft") {
			return (&net.Dialer{}).DialContext(ctx, network, entraID.Listener.Addr().String())
		}
		return elsewhere(ctx, network, address)
	}
	token := filepath.Join(t.TempDir(), "azure-identity-token")
	if err := os.WriteFile(token, []byte("projected-token"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("IDENTITY_ENDPOINT", "")
	t.Setenv("AZURE_TOKEN_CREDENTIALS", "WorkloadIdentityCredential")
	t.Setenv("AZURE_FEDERATED_TOKEN_FILE", token)
	t.Setenv("AZURE_CLIENT_ID", "identity-of-the-pod")
	t.Setenv("AZURE_TENANT_ID", "tenant")
	t.Setenv("AZURE_AUTHORITY_HOST", "https://login.microsoftonline.com/")
	t.Setenv("CLIENT_ID", sim.ClientID())
	t.Setenv("AUTHORITY", sim.Authority())
	t.Setenv("KEY_VAULT_URL", testkit.VaultURL)
	t.Setenv("KEY_VAULT_SECRET", "app")
	cfg, err := config.Load(os.Getenv, "")
	if err != nil {
		t.Fatal(err)
	}
	p, err := newProvider(t.Context(), cfg, Options{Client: client, Now: time.Now}, &telemetry{}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if want := "client_credentials identity-of-the-pod projected-token https://vault.azure.net/.default"; !strings.HasPrefix(asked, want) {
		t.Errorf("Entra ID was asked %q, want %q", asked, want)
	}
	if err := signInWith(t, p, sim, func() {}); err != nil {
		t.Errorf("signing in with what the vault holds: %v", err)
	}
}
