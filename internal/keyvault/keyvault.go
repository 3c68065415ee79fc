// Package keyvault reads the app's own credential from Azure Key Vault: a client secret, or a certificate with its key.
// It is the only user of the Azure SDK; what a credential is for, internal/entra knows.
//
// A certificate's key can't be had from the vault's certificates, but from the secret of the same name, which the vault
// keeps beside each of them as long as the certificate's policy lets its key be exported
// (https://learn.microsoft.com/azure/key-vault/certificates/about-certificates#composition-of-a-certificate).
package keyvault

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"
)

const (
	tryTimeout = 5 * time.Second
	retries    = 2
	firstDelay = 500 * time.Millisecond // before the first retry; the second waits longer
)

// Options says what to read. Either Secret or Certificate is set.
type Options struct {
	URL         string // https://{name}.vault.azure.net, or of another cloud
	Secret      string // the name of a secret
	Certificate string // the name of a certificate whose key may be exported

	// Identity is who reads; nil: whatever this machine has, as azidentity.DefaultAzureCredential finds it.
	Identity azcore.TokenCredential
	// HTTPClient's transport is used; nil: one of our own with limits.
	HTTPClient *http.Client

	retryDelay time.Duration // 0: firstDelay
}

// Vault reads one credential. It may be used by several goroutines.
type Vault struct {
	name        string
	certificate bool
	client      *azsecrets.Client
}

// New makes a Vault. It makes no call.
func New(o Options) (*Vault, error) {
	if o.URL == "" || (o.Secret == "") == (o.Certificate == "") {
		return nil, errors.New("keyvault: an address and either a secret or a certificate are needed")
	}
	client := azcore.ClientOptions{
		Transport: newHTTPClient(o.HTTPClient),
		Retry: policy.RetryOptions{
			MaxRetries: retries, TryTimeout: tryTimeout, RetryDelay: cmp.Or(o.retryDelay, firstDelay), MaxRetryDelay: tryTimeout,
		},
		Telemetry: policy.TelemetryOptions{ApplicationID: "patdesk"},
	}
	if o.Identity == nil {
		usual, err := azidentity.NewDefaultAzureCredential(&azidentity.DefaultAzureCredentialOptions{ClientOptions: client})
		if err != nil {
			return nil, &Error{Reason: ReasonNoIdentity}
		}
		o.Identity = usual
	}
	// The challenge's resource stays verified: it keeps an address that isn't a vault's from getting a vault's token
	// (https://aka.ms/azsdk/blog/vault-uri).
	secrets, err := azsecrets.NewClient(o.URL, identity{o.Identity}, &azsecrets.ClientOptions{ClientOptions: client})
	if err != nil {
		return nil, errors.New("keyvault: the SDK doesn't take the address")
	}
	return &Vault{name: o.Secret + o.Certificate, certificate: o.Certificate != "", client: secrets}, nil
}

// newHTTPClient follows no redirects: a vault sends none.
func newHTTPClient(given *http.Client) *http.Client {
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	if given != nil {
		client.Transport = given.Transport
		return client
	}
	client.Transport = &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: tryTimeout}).DialContext,
		TLSHandshakeTimeout: tryTimeout, ResponseHeaderTimeout: tryTimeout, IdleConnTimeout: time.Minute, ForceAttemptHTTP2: true,
	}
	return client
}

// Credential is what was read. Exactly one field is set.
type Credential struct {
	Secret      string
	Certificate []byte // PFX without a password, or PEM, with its key if that may be exported
}

// Format keeps the secret out of everything that is printed, whatever the verb.
func (c Credential) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "credential from a vault") }

// LogValue is the same for structured logs.
func (c Credential) LogValue() slog.Value { return slog.StringValue("credential from a vault") }

// Content types of the secret that belongs to a certificate
// (https://learn.microsoft.com/azure/key-vault/secrets/about-secrets#secret-attributes).
const (
	typePFX = "application/x-pkcs12"
	typePEM = "application/x-pem-file"
)

// Read returns the credential's newest version. Errors are of type *Error.
func (v *Vault) Read(ctx context.Context) (c Credential, err error) {
	defer func() { // the SDK trips over some challenges
		if recover() != nil {
			c, err = Credential{}, &Error{Reason: ReasonOther}
		}
	}()
	answer, err := v.client.GetSecret(ctx, v.name, "", nil)
	if err != nil {
		return Credential{}, classify(ctx, err)
	}
	var value, contentType string
	if answer.Value != nil {
		value = *answer.Value
	}
	if answer.ContentType != nil {
		contentType, _, _ = strings.Cut(strings.ToLower(strings.TrimSpace(*answer.ContentType)), ";")
	}
	return v.decode(value, contentType)
}

func (v *Vault) decode(value, contentType string) (Credential, error) {
	switch {
	case strings.TrimSpace(value) == "":
		return Credential{}, &Error{Reason: ReasonEmpty}
	case contentType == typePEM:
		return Credential{Certificate: []byte(value)}, nil
	case contentType == typePFX:
		content, err := base64.StdEncoding.DecodeString(strings.TrimSpace(value))
		if err != nil {
			return Credential{}, &Error{Reason: ReasonUnreadable}
		}
		return Credential{Certificate: content}, nil
	case v.certificate:
		return Credential{}, &Error{Reason: ReasonNotACertificate}
	default:
		return Credential{Secret: strings.TrimRight(value, "\r\n")}, nil
	}
}
