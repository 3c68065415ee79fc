package testkit

import (
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
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"software.sslmate.com/src/go-pkcs12"

	"github.com/patdesk/patdesk/config"
	"github.com/patdesk/patdesk/internal/simulator"
)

// VaultURL is the KEY_VAULT_URL of a Vault.
const VaultURL = "https://patdesk.vault.azure.net"

// Vault is a stand-in of a Key Vault and of the managed identity that may read it.
type Vault struct {
	mu          sync.Mutex
	value, kind string
	status      int
	reads       int
}

// Set changes what it answers.
func (v *Vault) Set(status int, value, kind string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.status, v.value, v.kind = status, value, kind
}

// Reads is how often it was read.
func (v *Vault) Reads() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.reads
}

// ServeHTTP implements http.Handler.
func (v *Vault) ServeHTTP(w http.ResponseWriter, r *http.Request) {
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
	_ = json.NewEncoder(w).Encode(map[string]any{"id": VaultURL + "/secrets/app/1", "value": v.value, "contentType": v.kind})
}

// StartVault returns the stand-in and a client that reaches it and the simulator. The environment has an identity.
func StartVault(t *testing.T, sim *simulator.Simulator) (*Vault, *http.Client) {
	t.Helper()
	v := &Vault{status: http.StatusOK}
	server := httptest.NewTLSServer(v)
	t.Cleanup(server.Close)
	StartIdentity(t).Set(http.StatusOK, "managed", time.Hour)
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

// NewCertificate is a certificate with its key that ends after so long.
func NewCertificate(t *testing.T, life time.Duration) (*rsa.PrivateKey, *x509.Certificate) {
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

// PEM is both in one file; a nil key is left out.
func PEM(t *testing.T, key *rsa.PrivateKey, c *x509.Certificate) string {
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

// PFX is both as a vault hands them out.
func PFX(t *testing.T, key *rsa.PrivateKey, c *x509.Certificate) string {
	t.Helper()
	content, err := pkcs12.Modern.Encode(key, c, nil, "")
	if err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(content)
}

// VaultConfig is what an operator has set.
func VaultConfig(t *testing.T, sim *simulator.Simulator, setting string) config.Config {
	t.Helper()
	env := map[string]string{"CLIENT_ID": sim.ClientID(), "AUTHORITY": sim.Authority(), "KEY_VAULT_URL": VaultURL, setting: "app"}
	cfg, err := config.Load(func(name string) string { return env[name] }, "")
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}
