package backing

import (
	"context"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/patdesk/patdesk/internal/simulator"
	"github.com/patdesk/patdesk/internal/testkit"
)

// What is wrong with a vault is said at start, in the operator's words; one that is out of reach is waited for.
func TestKeyVaultAtStart(t *testing.T) {
	sim := simulator.New(simulator.Options{})
	if err := sim.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	vault, client := testkit.StartVault(t, sim)
	_, certificate := testkit.NewCertificate(t, time.Hour)
	expiredKey, expired := testkit.NewCertificate(t, -time.Hour)
	for name, c := range map[string]struct {
		setting, value, kind string
		status               int
		want                 string
	}{
		"not there":        {"KEY_VAULT_SECRET", "", "", http.StatusNotFound, "KEY_VAULT_SECRET can't be used: the vault holds nothing of that name (Refused)"},
		"not allowed":      {"KEY_VAULT_SECRET", "", "", http.StatusForbidden, `the role "Key Vault Secrets User"`},
		"empty":            {"KEY_VAULT_SECRET", " ", "", http.StatusOK, "KEY_VAULT_SECRET can't be used: it is empty"},
		"no certificate":   {"KEY_VAULT_CERTIFICATE", "canary", "", http.StatusOK, "KEY_VAULT_CERTIFICATE can't be used: it is a secret, not a certificate"},
		"key not exported": {"KEY_VAULT_CERTIFICATE", testkit.PEM(t, nil, certificate), "application/x-pem-file", http.StatusOK, "Exportable private key"},
		"broken":           {"KEY_VAULT_CERTIFICATE", "Y2FuYXJ5", "application/x-pkcs12", http.StatusOK, "neither PEM nor PFX"},
		"expired":          {"KEY_VAULT_CERTIFICATE", testkit.PFX(t, expiredKey, expired), "application/x-pkcs12", http.StatusOK, "expired on"},
	} {
		t.Run(name, func(t *testing.T) {
			vault.Set(c.status, c.value, c.kind)
			_, err := ReadCredential(t.Context(), testkit.VaultConfig(t, sim, c.setting).Credential, client, time.Now)
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "canary") {
				t.Errorf("got %v", err)
			}
		})
	}
	// The transport leads to nobody: that may pass.
	unreachable := &http.Client{Transport: &http.Transport{DialTLSContext: func(context.Context, string, string) (net.Conn, error) { return nil, net.ErrClosed }}}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	read, err := ReadCredential(ctx, testkit.VaultConfig(t, sim, "KEY_VAULT_SECRET").Credential, unreachable, time.Now)
	if err != nil || !read.Warning || !strings.Contains(read.Note, "KEY_VAULT_SECRET: the vault doesn't answer") || read.Current == nil {
		t.Errorf("out of reach: %q, %v", read.Note, err)
	}
}
