package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"software.sslmate.com/src/go-pkcs12"

	"github.com/patdesk/patdesk/config"
	"github.com/patdesk/patdesk/internal/entra"
	"github.com/patdesk/patdesk/internal/simulator"
)

const vaultURL = "https://patdesk.vault.azure.net"

// vaults is a stand-in of a Key Vault and of the managed identity that may read it.
type vaults struct {
	mu          sync.Mutex
	value, kind string
	status      int
	reads       int
}

func (v *vaults) set(status int, value, kind string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.status, v.value, v.kind = status, value, kind
}

func (v *vaults) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if r.Header.Get("Authorization") != "Bearer managed" {
		w.Header().Set("WWW-Authenticate", `Bearer authorization="https://login.microsoftonline.com/tenant", resource="https://vault.azure.net"`)
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	v.reads++
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(v.status)
	if v.status != http.StatusOK {
		fmt.Fprint(w, `{"error":{"code":"Refused","message":"canary"}}`)
		return
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"id": vaultURL + "/secrets/app/1", "value": v.value, "contentType": v.kind})
}

// startVault returns the stand-in and a client that reaches it and the simulator. The environment has an identity.
func startVault(t *testing.T, sim *simulator.Simulator) (*vaults, *http.Client) {
	t.Helper()
	v := &vaults{status: http.StatusOK}
	server := httptest.NewTLSServer(v)
	t.Cleanup(server.Close)
	identity := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"access_token":"managed","expires_on":"%d","token_type":"Bearer","resource":"https://vault.azure.net"}`, time.Now().Add(time.Hour).Unix())
	}))
	t.Cleanup(identity.Close)
	t.Setenv("IDENTITY_ENDPOINT", identity.URL)
	t.Setenv("IDENTITY_HEADER", "header")
	t.Setenv("AZURE_TOKEN_CREDENTIALS", "ManagedIdentityCredential")
	trust := sim.CertPool()
	trust.AddCert(server.Certificate())
	dial := func(ctx context.Context, _, address string) (net.Conn, error) {
		host, _, _ := net.SplitHostPort(address)
		if strings.HasSuffix(host, ".vault.azure.net") {
			address, host = server.Listener.Addr().String(), "example.com" // which its certificate is for
		}
		return (&tls.Dialer{Config: &tls.Config{RootCAs: trust, ServerName: host}}).DialContext(ctx, "tcp", address)
	}
	return v, &http.Client{Transport: &http.Transport{DialTLSContext: dial, DisableKeepAlives: true}}
}

// madeCertificate is a certificate with its key that ends after so long.
func madeCertificate(t *testing.T, life time.Duration) (*rsa.PrivateKey, *x509.Certificate) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "patdesk"},
		NotBefore: time.Now().Add(-1000 * time.Hour), NotAfter: time.Now().Add(life),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return key, c
}

func asPEM(t *testing.T, key *rsa.PrivateKey, c *x509.Certificate) string {
	t.Helper()
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
	if key == nil {
		return string(text)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})) + string(text)
}

func asPFX(t *testing.T, key *rsa.PrivateKey, c *x509.Certificate) string {
	t.Helper()
	content, err := pkcs12.Modern.Encode(key, c, nil, "")
	if err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(content)
}

// vaultConfig is what an operator has set.
func vaultConfig(t *testing.T, sim *simulator.Simulator, setting string) config.Config {
	t.Helper()
	env := map[string]string{"CLIENT_ID": sim.ClientID(), "AUTHORITY": sim.Authority(), "KEY_VAULT_URL": vaultURL, setting: "app"}
	cfg, err := config.Load(func(name string) string { return env[name] }, "")
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

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
	back, err := sim.Approve(t.Context(), address, simulator.Mona)
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
	vault, client := startVault(t, sim)
	oldKey, oldCertificate := madeCertificate(t, 100*24*time.Hour+time.Hour)
	key, certificate := madeCertificate(t, 100*24*time.Hour+time.Hour)
	sim.RegisterCertificate(certificate)
	for name, c := range map[string]struct {
		setting         string
		kind            string
		before, rotated string
		note            string
	}{
		"secret":           {"KEY_VAULT_SECRET", "", "canary-outdated", sim.ClientSecret(), ""},
		"certificate, PEM": {"KEY_VAULT_CERTIFICATE", "application/x-pem-file", asPEM(t, oldKey, oldCertificate), asPEM(t, key, certificate), "KEY_VAULT_CERTIFICATE: the certificate can be used for 100 more days"},
		"certificate, PFX": {"KEY_VAULT_CERTIFICATE", "application/x-pkcs12", asPFX(t, oldKey, oldCertificate), asPFX(t, key, certificate), "for 100 more days"},
	} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			vault.set(http.StatusOK, c.before, c.kind)
			p, err := newProvider(t.Context(), vaultConfig(t, sim, c.setting), client, &telemetry{}, time.Now, slog.New(slog.NewTextHandler(&log, nil)))
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(log.String(), c.note) {
				t.Errorf("log: %s", &log)
			}
			if err := signInWith(t, p, sim, func() { vault.set(http.StatusOK, c.rotated, c.kind) }); err != nil {
				t.Errorf("after the rotation: %v", err)
			}
			reads := vault.reads
			if err := signInWith(t, p, sim, func() {}); err != nil || vault.reads != reads {
				t.Errorf("the next one: %v, read %d times", err, vault.reads-reads)
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
	vault, client := startVault(t, sim)
	vault.set(http.StatusOK, sim.ClientSecret(), "")
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
	t.Setenv("KEY_VAULT_URL", vaultURL)
	t.Setenv("KEY_VAULT_SECRET", "app")
	cfg, err := config.Load(os.Getenv, "")
	if err != nil {
		t.Fatal(err)
	}
	p, err := newProvider(t.Context(), cfg, client, &telemetry{}, time.Now, slog.New(slog.DiscardHandler))
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

// What is wrong with a vault is said at start, in the operator's words; one that is out of reach is waited for.
func TestKeyVaultAtStart(t *testing.T) {
	sim := startSimulator(t)
	vault, client := startVault(t, sim)
	_, certificate := madeCertificate(t, time.Hour)
	expiredKey, expired := madeCertificate(t, -time.Hour)
	for name, c := range map[string]struct {
		setting, value, kind string
		status               int
		want                 string
	}{
		"not there":        {"KEY_VAULT_SECRET", "", "", http.StatusNotFound, "KEY_VAULT_SECRET: the vault holds nothing of that name (Refused)"},
		"not allowed":      {"KEY_VAULT_SECRET", "", "", http.StatusForbidden, `the role "Key Vault Secrets User"`},
		"empty":            {"KEY_VAULT_SECRET", " ", "", http.StatusOK, "KEY_VAULT_SECRET: it is empty"},
		"no certificate":   {"KEY_VAULT_CERTIFICATE", "canary", "", http.StatusOK, "KEY_VAULT_CERTIFICATE: it is a secret, not a certificate"},
		"key not exported": {"KEY_VAULT_CERTIFICATE", asPEM(t, nil, certificate), "application/x-pem-file", http.StatusOK, "Exportable private key"},
		"broken":           {"KEY_VAULT_CERTIFICATE", "Y2FuYXJ5", "application/x-pkcs12", http.StatusOK, "neither PEM nor PFX"},
		"expired":          {"KEY_VAULT_CERTIFICATE", asPFX(t, expiredKey, expired), "application/x-pkcs12", http.StatusOK, "expired on"},
	} {
		t.Run(name, func(t *testing.T) {
			vault.set(c.status, c.value, c.kind)
			_, err := readCredential(t.Context(), vaultConfig(t, sim, c.setting).Credential, client, time.Now)
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "canary") {
				t.Errorf("got %v", err)
			}
		})
	}
	// The transport leads to nobody: that may pass.
	unreachable := &http.Client{Transport: &http.Transport{DialTLSContext: func(context.Context, string, string) (net.Conn, error) { return nil, net.ErrClosed }}}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	read, err := readCredential(ctx, vaultConfig(t, sim, "KEY_VAULT_SECRET").Credential, unreachable, time.Now)
	if err != nil || !read.warning || !strings.Contains(read.note, "KEY_VAULT_SECRET: the vault doesn't answer") || read.Current == nil {
		t.Errorf("out of reach: %q, %v", read.note, err)
	}
}

// -check says how long a certificate lasts, and what is wrong with it.
func TestCheckOfACertificate(t *testing.T) {
	good, goodCertificate := madeCertificate(t, 100*24*time.Hour+time.Hour)
	soon, soonCertificate := madeCertificate(t, 7*24*time.Hour+time.Hour)
	expired, expiredCertificate := madeCertificate(t, -time.Hour)
	for name, c := range map[string]struct {
		content, want string
		code          int
	}{
		"good":          {asPEM(t, good, goodCertificate), "\nCLIENT_CERTIFICATE_FILE: the certificate can be used for 100 more days, until " + goodCertificate.NotAfter.UTC().Format(time.DateOnly), exitOK},
		"ends soon":     {asPEM(t, soon, soonCertificate), "warning: CLIENT_CERTIFICATE_FILE: the certificate can be used for 7 more days", exitOK},
		"expired":       {asPEM(t, expired, expiredCertificate), "CLIENT_CERTIFICATE_FILE: it expired on ", exitMisused},
		"another's key": {asPEM(t, good, soonCertificate), "CLIENT_CERTIFICATE_FILE: its key doesn't belong to its certificate", exitMisused},
		"no key":        {asPEM(t, nil, goodCertificate), "CLIENT_CERTIFICATE_FILE: it holds no private key", exitMisused},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "app.pem")
			if err := os.WriteFile(file, []byte(c.content), 0o600); err != nil {
				t.Fatal(err)
			}
			env := map[string]string{"CLIENT_ID": "3b2f1c9e-7a44-4b1c-9c55-0f6a5d1e2c3b", "CLIENT_CERTIFICATE_FILE": file, "AUTHORITY": "https://login.microsoftonline.com/11111111-2222-3333-4444-555555555555"}
			code, out, stderr := runOnce(t, env, "-check", "-offline")
			if code != c.code || !strings.Contains("\n"+out+stderr, c.want) {
				t.Errorf("%d\n%s%s", code, out, stderr)
			}
		})
	}
}
