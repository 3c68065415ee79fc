package entra

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/AzureAD/microsoft-authentication-library-for-go/apps/confidential"
)

// Credential is how patdesk proves to Entra that it is the registered app. Exactly one field is set, but that beside
// Current there may be the Secret or the Certificate that it would return at first.
type Credential struct {
	Secret        string
	Certificate   *Certificate
	AssertionFile string // workload identity federation: read again for every token call, because it rotates

	// Current reads the credential from where it is kept, such as a vault or a file; it returns a Secret or a Certificate. What
	// it returns is used for ten minutes, and for longer if it can't be read again; it is read again at once when Entra
	// doesn't take it. An error should be an *Error, otherwise it counts as KindMisconfigured; it must not hold the
	// credential.
	Current func(context.Context) (Credential, error)
}

const (
	credentialFresh = 10 * time.Minute
	maxAssertion    = 64 << 10 // bytes
)

// Format keeps the secret out of everything that is printed, whatever the verb.
func (c Credential) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, c.kind()) }

// LogValue is the same for structured logs.
func (c Credential) LogValue() slog.Value { return slog.StringValue(c.kind()) }

func (c Credential) kind() string {
	switch {
	case c.Current != nil:
		return "credential kept elsewhere"
	case c.Secret != "":
		return "client secret"
	case c.Certificate != nil:
		return "certificate"
	case c.AssertionFile != "":
		return "federated token file"
	default:
		return "no credential"
	}
}

var errNoCredential = errors.New("entra: no credential")

func (c Credential) forMSAL() (confidential.Credential, error) {
	switch {
	case c.Secret != "":
		return confidential.NewCredFromSecret(c.Secret)
	case c.Certificate != nil:
		return confidential.NewCredFromCert(c.Certificate.chain, c.Certificate.key)
	case c.AssertionFile != "":
		return confidential.NewCredFromAssertionCallback(func(context.Context, confidential.AssertionRequestOptions) (string, error) {
			return readAssertion(c.AssertionFile)
		}), nil
	default:
		return confidential.Credential{}, errNoCredential
	}
}

// is reports whether both are the same secret or certificate.
func (c Credential) is(other Credential) bool {
	if c.Certificate != nil && other.Certificate != nil {
		return c.Certificate.Leaf().Equal(other.Certificate.Leaf())
	}
	return c.Certificate == nil && other.Certificate == nil && c.Secret == other.Secret
}

func readAssertion(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", misconfigured(fmt.Errorf("the federated token file can't be read: %w", err))
	}
	defer file.Close()
	content, err := io.ReadAll(io.LimitReader(file, maxAssertion+1))
	assertion := strings.TrimSpace(string(content))
	switch {
	case err != nil:
		return "", misconfigured(fmt.Errorf("the federated token file can't be read: %w", err))
	case len(content) > maxAssertion:
		return "", misconfigured(fmt.Errorf("the federated token file %s is too large", path))
	case assertion == "":
		return "", misconfigured(fmt.Errorf("the federated token file %s is empty", path))
	default:
		return assertion, nil
	}
}

// misconfigured is for faults of our own credential. Their texts name files, never contents.
func misconfigured(err error) *Error { return &Error{Kind: KindMisconfigured, Err: err} }

// offlineCredential is for clients that make no calls: where the real one is kept may be out of reach at that moment.
var offlineCredential = Credential{Secret: "unused"}

// theCredential is the key of the only thing that the memo of a Credential holds.
const theCredential = ""

// credential is the one to use now.
func (p *Provider) credential(ctx context.Context) (Credential, error) {
	if p.o.Credential.Current == nil {
		return p.o.Credential, nil
	}
	return p.vault.get(ctx, theCredential)
}

// CredentialEnd is when the certificate in use runs out; zero if the credential is none, or a vault's that wasn't read
// yet. Nothing is fetched.
func (p *Provider) CredentialEnd() time.Time {
	c := p.o.Credential
	if c.Current != nil {
		c, _, _ = p.vault.peek(theCredential)
	}
	if c.Certificate == nil {
		return time.Time{}
	}
	return c.Certificate.Leaf().NotAfter
}

// RenewCredential has Current read the credential now. If that fails the one in use goes on.
func (p *Provider) RenewCredential(ctx context.Context) error {
	if p.o.Credential.Current == nil {
		return nil
	}
	_, err := p.vault.wait(ctx, theCredential)
	return err
}

// newCredential reports whether there is another credential than the one that Entra didn't take, and which.
func (p *Provider) newCredential(ctx context.Context, refused Credential) (Credential, bool) {
	if p.o.Credential.Current == nil {
		return Credential{}, false
	}
	c, err := p.vault.get(ctx, theCredential) // another request may have been quicker
	if err != nil || c.is(refused) {
		var ok bool
		if c, ok = p.vault.getNewer(ctx, theCredential); !ok {
			return Credential{}, false
		}
	}
	return c, !c.is(refused)
}

// readCurrent asks Credential.Current, for the memo.
func (p *Provider) readCurrent(ctx context.Context, _ string) (Credential, error) {
	c, err := p.o.Credential.Current(ctx)
	var own *Error
	switch {
	case errors.As(err, &own):
		return Credential{}, own
	case err != nil:
		return Credential{}, misconfigured(err)
	case c.Secret == "" && c.Certificate == nil:
		return Credential{}, misconfigured(errNoCredential)
	}
	return c, nil
}
