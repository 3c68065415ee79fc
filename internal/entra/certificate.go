package entra

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
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
	ErrNoPassword    = errors.New("it needs a password: put that into CLIENT_CERTIFICATE_PASSWORD or CLIENT_CERTIFICATE_PASSWORD_FILE")
	ErrEmpty         = errors.New("it is empty: put the certificate and its key into one PEM file, or give a PFX file")
	ErrUTF16         = errors.New("it is written in UTF-16: save it as plain text (UTF-8)")
	ErrRequest       = errors.New("it holds a request for a certificate: put in what was made out of that")
	ErrOpenSSH       = errors.New("its key is in the form of OpenSSH: convert it with \"ssh-keygen -p -m PKCS8\"")
	ErrKeyStore      = errors.New("it is a key store of Java: export it as PFX with \"keytool -importkeystore -deststoretype PKCS12\"")
	ErrBrokenPEM     = errors.New("it is PEM that can't be parsed: put it in as it was made, with the lines of BEGIN and END")
	ErrNeither       = errors.New("it is neither PEM nor PFX with certificate and key: give one of these, with the RSA key in it")
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

// ParseCertificate reads a certificate with its RSA key from a PEM file or, with its password, from a PFX file. Either may
// be written in base64, as Key Vault and Kubernetes hand them out; PEM may have lost its line breaks, or have \n in their
// place, as it does in variables and JSON. Errors are the faults above or say what couldn't be parsed; they never hold a
// part of the file.
func ParseCertificate(content []byte, password string) (*Certificate, error) {
	content = bytes.TrimPrefix(content, []byte("\uFEFF"))
	switch {
	case len(bytes.TrimSpace(content)) == 0:
		return nil, ErrEmpty
	case bytes.HasPrefix(content, []byte{0xFF, 0xFE}), bytes.HasPrefix(content, []byte{0xFE, 0xFF}):
		return nil, ErrUTF16
	case bytes.HasPrefix(content, []byte{0xFE, 0xED, 0xFE, 0xED}):
		return nil, ErrKeyStore
	}
	isPEM := func(content []byte) bool { return bytes.Contains(content, []byte(pemBegin)) }
	if inside, ok := fromBase64(string(content)); ok && !isPEM(content) { // the dashes are letters of base64, too
		content = inside
	}
	if isPEM(content) {
		return parsePEM(content)
	}
	return parsePFX(content, password)
}

func parsePEM(content []byte) (*Certificate, error) {
	var (
		chain   []*x509.Certificate
		key     crypto.PrivateKey
		request bool
	)
	blocks, whole := pemBlocks(content)
	for _, block := range blocks {
		switch {
		case block.Type == "CERTIFICATE" || block.Type == "TRUSTED CERTIFICATE" || block.Type == "X509 CERTIFICATE":
			c, err := x509.ParseCertificate(block.Bytes)
			if err != nil {
				return nil, errors.New("its certificate can't be parsed")
			}
			chain = append(chain, c)
		case strings.HasSuffix(block.Type, "CERTIFICATE REQUEST"):
			request = true
		case block.Type == "ENCRYPTED PRIVATE KEY" || block.Headers["DEK-Info"] != "":
			return nil, ErrEncryptedPEM
		case block.Type == "OPENSSH PRIVATE KEY":
			return nil, ErrOpenSSH
		case strings.HasSuffix(block.Type, "PRIVATE KEY"):
			var err error
			if key, err = parseKey(block); err != nil {
				return nil, err
			}
		}
	}
	switch {
	case request && len(chain) == 0:
		return nil, ErrRequest
	case !whole && (len(chain) == 0 || key == nil):
		return nil, ErrBrokenPEM
	default:
		return pair(chain, key)
	}
}

const pemBegin, pemEnd, pemDashes = "-----BEGIN ", "-----END ", "-----"

// pemBlocks returns the blocks, and whether that is all of them. Those that have lost their line breaks, which
// encoding/pem doesn't take, are read all the same.
func pemBlocks(content []byte) (blocks []*pem.Block, whole bool) {
	text := string(content)
	for _, written := range []string{`\r\n`, `\n`} { // in place of line breaks
		text = strings.ReplaceAll(text, written, "\n")
	}
	for {
		_, after, found := strings.Cut(text, pemBegin)
		if !found {
			return blocks, true
		}
		kind, after, _ := strings.Cut(after, pemDashes)
		body, rest, closed := strings.Cut(after, pemEnd+kind+pemDashes)
		if !closed {
			return blocks, false
		}
		text = rest
		block, _ := pem.Decode([]byte(pemBegin + kind + pemDashes + body + pemEnd + kind + pemDashes + "\n"))
		if block == nil {
			der, ok := fromBase64(body)
			if !ok {
				return blocks, false
			}
			block = &pem.Block{Type: kind, Bytes: der}
		}
		blocks = append(blocks, block)
	}
}

// fromBase64 reads base64 of either alphabet, padded or not, with any white space in it.
func fromBase64(text string) ([]byte, bool) {
	text = strings.TrimRight(strings.Join(strings.Fields(text), ""), "=")
	text = strings.NewReplacer("-", "+", "_", "/").Replace(text)
	der, err := base64.RawStdEncoding.DecodeString(text)
	return der, err == nil && len(der) > 0
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
	var pfx asn1.RawValue
	if _, err := asn1.Unmarshal(content, &pfx); err == nil {
		content = pfx.FullBytes // an editor's newline after it is none of its own
	}
	key, leaf, chain, err := pkcs12.DecodeChain(content, password)
	switch {
	case err == nil:
		return pair(append([]*x509.Certificate{leaf}, chain...), key)
	case errors.Is(err, pkcs12.ErrIncorrectPassword) && password == "":
		return nil, ErrNoPassword
	case errors.Is(err, pkcs12.ErrIncorrectPassword):
		return nil, ErrPassword
	case hasOnlyCertificates(content, password), strings.Contains(err.Error(), "private key missing"):
		return nil, ErrNoKey
	case strings.Contains(err.Error(), "certificate missing"):
		return nil, ErrNoCertificate
	default:
		return nil, ErrNeither
	}
}

// hasOnlyCertificates reports whether the file is a .cer, a .p7b or a trust store, which are easily taken for a PFX with
// a key.
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
