package entra

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"software.sslmate.com/src/go-pkcs12"
)

// Faults of a certificate file, in the operator's words.
var (
	ErrNoCertificate = errors.New("it holds no certificate: put the certificate and its key into one PEM file, or give a PFX file")
	ErrNoKey         = errors.New("it holds no private key: put the key beside the certificate, in the same file")
	ErrNotRSA        = errors.New("its key is not an RSA key: Entra takes only RSA here, so make a certificate with an RSA key of 2048 bits or more")
	ErrWeakKey       = errors.New("its RSA key is too short: make a certificate with a key of 2048 bits or more")
	ErrMismatch      = errors.New("its key doesn't belong to its certificate: put the key in that the certificate was made with")
	ErrEncryptedPEM  = errors.New("its key is encrypted: give a PFX file with its password, or decrypt the key with \"openssl pkey\"")
	ErrPassword      = errors.New("the password doesn't open it: check CLIENT_CERTIFICATE_PASSWORD")
)

// minKeyBits is the shortest RSA key that still counts as safe (NIST SP 800-57 part 1, section 5.6).
const minKeyBits = 2048

// Certificate is an app's certificate with its key.
type Certificate struct {
	chain []*x509.Certificate // leaf first
	key   *rsa.PrivateKey
}

// Leaf is the app's own certificate, for its dates and its thumbprint.
func (c *Certificate) Leaf() *x509.Certificate { return c.chain[0] }

// Problem says what of its dates keeps the certificate from being used now; nil if nothing does.
func (c *Certificate) Problem(now time.Time) error {
	switch leaf := c.Leaf(); {
	case now.After(leaf.NotAfter):
		return fmt.Errorf("it expired on %s: make a new one and register it with the app", leaf.NotAfter.UTC().Format(time.DateOnly))
	case now.Add(clockSkew).Before(leaf.NotBefore):
		return fmt.Errorf("it isn't valid before %s: wait until then, use another one, or set this machine's clock right",
			leaf.NotBefore.UTC().Format(time.RFC3339))
	default:
		return nil
	}
}

// DaysLeft is how many whole days the certificate may be used still; negative if it has expired.
func (c *Certificate) DaysLeft(now time.Time) int {
	return int(math.Floor(c.Leaf().NotAfter.Sub(now).Hours() / 24))
}

// ParseCertificate reads a certificate with its RSA key from a PEM file or, with its password, from a PFX file, which
// may be written in base64, as Key Vault hands it out. Errors are the faults above or say what couldn't be parsed; they
// never hold a part of the file.
func ParseCertificate(content []byte, password string) (*Certificate, error) {
	if !bytes.Contains(content, []byte("-----BEGIN ")) {
		return parsePFX(content, password)
	}
	var (
		chain []*x509.Certificate
		key   crypto.PrivateKey
	)
	for block, rest := pem.Decode(content); block != nil; block, rest = pem.Decode(rest) {
		switch {
		case block.Type == "CERTIFICATE":
			c, err := x509.ParseCertificate(block.Bytes)
			if err != nil {
				return nil, errors.New("its certificate can't be parsed")
			}
			chain = append(chain, c)
		case block.Type == "ENCRYPTED PRIVATE KEY" || block.Headers["DEK-Info"] != "":
			return nil, ErrEncryptedPEM
		case strings.HasSuffix(block.Type, "PRIVATE KEY"):
			var err error
			if key, err = parseKey(block); err != nil {
				return nil, err
			}
		}
	}
	return pair(chain, key)
}

func parseKey(block *pem.Block) (crypto.PrivateKey, error) {
	if key, err := x509.ParsePKCS8PrivateKey(block.Bytes); err == nil {
		return key, nil
	}
	if key, err := x509.ParsePKCS1PrivateKey(block.Bytes); err == nil {
		return key, nil
	}
	if key, err := x509.ParseECPrivateKey(block.Bytes); err == nil {
		return key, nil
	}
	return nil, errors.New("its private key can't be parsed")
}

func parsePFX(content []byte, password string) (*Certificate, error) {
	if der, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(content))); err == nil {
		content = der
	}
	key, leaf, chain, err := pkcs12.DecodeChain(content, password)
	switch {
	case err == nil:
		return pair(append([]*x509.Certificate{leaf}, chain...), key)
	case errors.Is(err, pkcs12.ErrIncorrectPassword):
		return nil, ErrPassword
	case hasOnlyCertificates(content, password):
		return nil, ErrNoKey
	default:
		return nil, errors.New("it is neither PEM nor PFX with certificate and key")
	}
}

// hasOnlyCertificates reports whether the file is a .cer or a trust store, which are easily taken for a PFX with a key.
func hasOnlyCertificates(content []byte, password string) bool {
	if _, err := x509.ParseCertificates(content); err == nil && len(content) > 0 {
		return true
	}
	_, err := pkcs12.DecodeTrustStore(content, password)
	return err == nil
}

// pair puts the certificate that belongs to the key first.
func pair(chain []*x509.Certificate, key crypto.PrivateKey) (*Certificate, error) {
	if len(chain) == 0 {
		return nil, ErrNoCertificate
	}
	switch k := key.(type) {
	case nil:
		return nil, ErrNoKey
	case *ecdsa.PrivateKey, ed25519.PrivateKey:
		return nil, ErrNotRSA
	case *rsa.PrivateKey:
		if k.N.BitLen() < minKeyBits {
			return nil, ErrWeakKey
		}
		for i, c := range chain {
			if public, ok := c.PublicKey.(*rsa.PublicKey); ok && k.PublicKey.Equal(public) {
				chain[0], chain[i] = chain[i], chain[0]
				return &Certificate{chain: chain, key: k}, nil
			}
		}
		return nil, ErrMismatch
	default:
		return nil, ErrNotRSA
	}
}
