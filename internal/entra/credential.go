package entra

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/AzureAD/microsoft-authentication-library-for-go/apps/confidential"
)

// Credential is how patdesk proves to Entra that it is the registered app. Exactly one field is set.
type Credential struct {
	Secret        string
	Certificate   *Certificate
	AssertionFile string // workload identity federation: read again for every token call, because it rotates
}

// Certificate is an app's certificate with its key.
type Certificate struct {
	chain []*x509.Certificate // leaf first
	key   *rsa.PrivateKey
}

// Leaf is the app's own certificate, for its dates and its thumbprint.
func (c *Certificate) Leaf() *x509.Certificate { return c.chain[0] }

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
		return confidential.Credential{}, errors.New("entra: no credential")
	}
}

func readAssertion(file string) (string, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("entra: the federated token file can't be read: %w", err)
	}
	if assertion := strings.TrimSpace(string(content)); assertion != "" {
		return assertion, nil
	}
	return "", fmt.Errorf("entra: the federated token file %s is empty", file)
}
