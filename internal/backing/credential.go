package backing

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/patdesk/patdesk/config"
	"github.com/patdesk/patdesk/internal/entra"
	"github.com/patdesk/patdesk/internal/keyvault"
)

const (
	// vaultTimeout is how long the start waits for a Key Vault.
	vaultTimeout = 30 * time.Second
	// FewDays is from how many days left on a certificate that ends soon is a warning.
	FewDays = 30
)

// Credential is how patdesk proves to Entra ID which app it is, and what an operator should know of it.
type Credential struct {
	entra.Credential
	Note    string // for the operator; "" if there is nothing to say
	Warning bool   // the note is one
	Unread  bool   // it is in a vault that couldn't be read for the moment
}

// Record writes the note into the log.
func (c Credential) Record(log *slog.Logger) {
	switch {
	case c.Note == "":
	case c.Warning:
		log.Warn(c.Note)
	default:
		log.Info(c.Note)
	}
}

// ReadCredential reads the credential from where the settings say that it is. An error is a config.Fault. A vault that
// is out of reach for the moment is only a warning: it is read again when it is needed.
func ReadCredential(ctx context.Context, c config.Credential, client *http.Client, now func() time.Time) (Credential, error) {
	switch {
	case c.VaultURL != "":
		return readVault(ctx, c, keyvault.Options{URL: c.VaultURL, Secret: c.VaultSecret, Certificate: c.VaultCertificate, HTTPClient: client}, now)
	case c.CertificateFile == "":
		return Credential{Credential: entra.Credential{Secret: c.Secret.Reveal(), AssertionFile: c.AssertionFile}}, nil
	}
	const setting = "CLIENT_CERTIFICATE_FILE"
	content, err := os.ReadFile(c.CertificateFile)
	if err != nil {
		return Credential{}, config.Fault{Setting: setting, Problem: "can't be read: " + err.Error(), Fix: "Let the user that runs patdesk read it."}
	}
	certificate, err := usableCertificate(content, c.CertificatePassword.Reveal(), now())
	if err != nil {
		return Credential{}, credentialFault(setting, err)
	}
	read := Credential{Credential: entra.Credential{Certificate: certificate}}
	read.Note, read.Warning = daysLeft(setting, certificate, now())
	return read, nil
}

func usableCertificate(content []byte, password string, now time.Time) (*entra.Certificate, error) {
	certificate, err := entra.ParseCertificate(content, password)
	if err != nil {
		return nil, err
	}
	return certificate, certificate.Problem(now)
}

// credentialFault words err, whose text says what is wrong and after a colon what to do.
func credentialFault(setting string, err error) config.Fault {
	problem, fix, said := strings.Cut(err.Error(), ": ")
	if !said {
		fix = "look at what is there, and put in a client secret, or a certificate with its RSA key"
	}
	fix = strings.ToUpper(fix[:1]) + fix[1:] + "."
	return config.Fault{Setting: setting, Problem: "can't be used: " + problem, Fix: fix}
}

// daysLeft says how long a certificate can still be used; few means that it is time for a new one.
func daysLeft(setting string, c *entra.Certificate, now time.Time) (note string, few bool) {
	days := c.DaysLeft(now)
	return fmt.Sprintf("%s: the certificate can be used for %d more days, until %s.", setting, days, c.Leaf().NotAfter.UTC().Format(time.DateOnly)), days < FewDays
}

// readVault reads a vault once, to say at once what is wrong, and has it read again as long as patdesk runs.
func readVault(ctx context.Context, c config.Credential, o keyvault.Options, now func() time.Time) (Credential, error) {
	setting := "KEY_VAULT_SECRET"
	if c.VaultCertificate != "" {
		setting = "KEY_VAULT_CERTIFICATE"
	}
	vault, err := keyvault.New(o)
	if err != nil {
		return Credential{}, credentialFault("KEY_VAULT_URL", err)
	}
	current := func(ctx context.Context) (entra.Credential, error) { return fromVault(ctx, vault, setting, now()) }
	read := Credential{Credential: entra.Credential{Current: current}}
	ctx, cancel := context.WithTimeout(ctx, vaultTimeout)
	defer cancel()
	first, err := current(ctx)
	switch {
	case isTemporary(err):
		read.Note, read.Warning = "the Key Vault can't be read at the moment, so nobody can sign in: "+errors.Unwrap(err).Error(), true
		read.Unread = true
	case err != nil:
		return Credential{}, credentialFault(setting, errors.Unwrap(err))
	case first.Certificate != nil:
		read.Note, read.Warning = daysLeft(setting, first.Certificate, now())
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
		return entra.Credential{}, fmt.Errorf("%s: %w", setting, errNotExported)
	case err != nil:
		return entra.Credential{}, fmt.Errorf("%s: %w", setting, err)
	default:
		return entra.Credential{Certificate: certificate}, nil
	}
}

var errNotExported = errors.New(`the vault doesn't hand out its key: set "Exportable private key" in the certificate's policy, and make a new version`)

func isTemporary(err error) bool {
	e, ok := errors.AsType[*entra.Error](err)
	return ok && e.Kind == entra.KindUnavailable
}
