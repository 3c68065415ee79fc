package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/patdesk/patdesk/config"
	"github.com/patdesk/patdesk/internal/entra"
	"github.com/patdesk/patdesk/internal/keyvault"
)

const (
	// vaultTimeout is how long the start waits for a Key Vault.
	vaultTimeout = 30 * time.Second
	// fewDays is when a certificate that ends soon becomes a warning.
	fewDays = 30
)

// appCredential is how patdesk proves to Entra ID which app it is, and what an operator should know of it.
type appCredential struct {
	entra.Credential
	note    string
	warning bool // the note is one
	unread  bool // it is in a vault that couldn't be read for the moment
}

// tell says the note in the log.
func (c appCredential) tell(log *slog.Logger) {
	switch {
	case c.note == "":
	case c.warning:
		log.Warn(c.note)
	default:
		log.Info(c.note)
	}
}

// readCredential reads the credential from where the settings say that it is. Errors name the setting. A vault that is
// out of reach for the moment is only a warning: it is read again when it is needed.
func readCredential(ctx context.Context, c config.Credential, client *http.Client, now func() time.Time) (appCredential, error) {
	switch {
	case c.VaultURL != "":
		return readVault(ctx, c, keyvault.Options{URL: c.VaultURL, Secret: c.VaultSecret, Certificate: c.VaultCertificate, HTTPClient: client}, now)
	case c.CertificateFile == "":
		return appCredential{Credential: entra.Credential{Secret: c.Secret.Reveal(), AssertionFile: c.AssertionFile}}, nil
	}
	const setting = "CLIENT_CERTIFICATE_FILE"
	content, err := os.ReadFile(c.CertificateFile)
	if err != nil {
		return appCredential{}, fmt.Errorf("%s can't be read: %w", setting, err)
	}
	certificate, err := usableCertificate(content, c.CertificatePassword.Reveal(), now())
	if err != nil {
		return appCredential{}, fmt.Errorf("%s: %w", setting, err)
	}
	read := appCredential{Credential: entra.Credential{Certificate: certificate}}
	read.note, read.warning = daysLeft(setting, certificate, now())
	return read, nil
}

func usableCertificate(content []byte, password string, now time.Time) (*entra.Certificate, error) {
	certificate, err := entra.ParseCertificate(content, password)
	if err != nil {
		return nil, err
	}
	return certificate, certificate.Problem(now)
}

// daysLeft says how long a certificate can still be used; few means that it is time for a new one.
func daysLeft(setting string, c *entra.Certificate, now time.Time) (note string, few bool) {
	days := c.DaysLeft(now)
	return fmt.Sprintf("%s: the certificate can be used for %d more days, until %s.", setting, days, c.Leaf().NotAfter.UTC().Format(time.DateOnly)), days < fewDays
}

// readVault reads a vault once, to say at once what is wrong, and has it read again as long as patdesk runs.
func readVault(ctx context.Context, c config.Credential, o keyvault.Options, now func() time.Time) (appCredential, error) {
	setting := "KEY_VAULT_SECRET"
	if c.VaultCertificate != "" {
		setting = "KEY_VAULT_CERTIFICATE"
	}
	vault, err := keyvault.New(o)
	if err != nil {
		return appCredential{}, fmt.Errorf("KEY_VAULT_URL: %w", err)
	}
	current := func(ctx context.Context) (entra.Credential, error) { return fromVault(ctx, vault, setting, now()) }
	read := appCredential{Credential: entra.Credential{Current: current}}
	ctx, cancel := context.WithTimeout(ctx, vaultTimeout)
	defer cancel()
	first, err := current(ctx)
	switch {
	case isTemporary(err):
		read.note, read.warning = "the Key Vault can't be read at the moment, so nobody can sign in: "+errors.Unwrap(err).Error(), true
		read.unread = true
	case err != nil:
		return appCredential{}, err
	case first.Certificate != nil:
		read.note, read.warning = daysLeft(setting, first.Certificate, now())
	}
	return read, nil
}

// fromVault is an entra.Credential.Current. Errors that will pass are an *entra.Error of that kind.
func fromVault(ctx context.Context, vault *keyvault.Vault, setting string, now time.Time) (entra.Credential, error) {
	c, err := vault.Read(ctx)
	var failed *keyvault.Error
	switch {
	case errors.As(err, &failed) && failed.Temporary():
		return entra.Credential{}, &entra.Error{Kind: entra.KindUnavailable, Err: fmt.Errorf("%s: %w", setting, err)}
	case err != nil:
		return entra.Credential{}, fmt.Errorf("%s: %w", setting, err)
	case c.Secret != "":
		return entra.Credential{Secret: c.Secret}, nil
	}
	certificate, err := usableCertificate(c.Certificate, "", now)
	switch {
	case errors.Is(err, entra.ErrNoKey):
		return entra.Credential{}, fmt.Errorf(`%s: the vault doesn't hand out its key: set "Exportable private key" in the certificate's policy, and make a new version`, setting)
	case err != nil:
		return entra.Credential{}, fmt.Errorf("%s: %w", setting, err)
	default:
		return entra.Credential{Certificate: certificate}, nil
	}
}

func isTemporary(err error) bool {
	var e *entra.Error
	return errors.As(err, &e) && e.Kind == entra.KindUnavailable
}
