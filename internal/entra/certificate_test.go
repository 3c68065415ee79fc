package entra

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"software.sslmate.com/src/go-pkcs12"
)

// The days that test certificates are valid on.
var (
	validFrom = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	validTo   = time.Date(2126, 1, 1, 0, 0, 0, 0, time.UTC)
)

// issued is a certificate with its key, signed by its issuer, or by itself.
type issued struct {
	certificate *x509.Certificate
	key         crypto.Signer
}

func issue(t *testing.T, name string, key crypto.Signer, issuer *issued) *issued {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, NotBefore: validFrom, NotAfter: validTo,
		IsCA: true, BasicConstraintsValid: true,
	}
	parent, signer := template, key
	if issuer != nil {
		parent, signer = issuer.certificate, issuer.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &issued{c, key}
}

// weakKey is made once, as fakeKeys are.
var weakKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		panic(err)
	}
	return key
})

func appCertificate(t *testing.T) *issued { return issue(t, "patdesk", fakeKeys()[0].key, nil) }

func (i *issued) pem() []byte { return block("CERTIFICATE", i.certificate.Raw) }

func (i *issued) keyPEM(t *testing.T) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(i.key)
	if err != nil {
		t.Fatal(err)
	}
	return block("PRIVATE KEY", der)
}

func block(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

func joined(parts ...[]byte) []byte { return bytes.Join(parts, []byte("some words between\r\n")) }

func pfx(t *testing.T, e *pkcs12.Encoder, i *issued, password string, chain ...*x509.Certificate) []byte {
	t.Helper()
	content, err := e.Encode(i.key, i.certificate, chain, password)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func TestCertificatesThatCanBeRead(t *testing.T) {
	t.Parallel()
	root := issue(t, "root", fakeKeys()[2].key, nil)
	app := issue(t, "patdesk", fakeKeys()[0].key, root)
	rsaKey, _ := app.key.(*rsa.PrivateKey)
	pkcs1 := block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rsaKey))
	for name, c := range map[string]struct {
		content  []byte
		password string
		chain    int
	}{
		"PEM":                    {joined(app.pem(), app.keyPEM(t)), "", 1},
		"PEM, key first":         {joined(app.keyPEM(t), app.pem()), "", 1},
		"PEM, PKCS#1":            {joined(app.pem(), pkcs1), "", 1},
		"PEM with chain":         {joined(app.pem(), root.pem(), app.keyPEM(t)), "", 2},
		"PEM with chain, root 1": {joined(root.pem(), app.keyPEM(t), app.pem()), "", 2},
		"PEM, Windows lines":     {bytes.ReplaceAll(joined(app.pem(), app.keyPEM(t)), []byte("\n"), []byte("\r\n")), "", 1},
		"PEM, useless password":  {joined(app.pem(), app.keyPEM(t)), "canary", 1},
		"PEM on one line":        {oneLine(joined(app.pem(), app.keyPEM(t))), "", 1},
		"PEM without any break":  {bytes.ReplaceAll(joined(app.pem(), app.keyPEM(t)), []byte("\n"), nil), "", 1},
		"PEM, literal \\n":       {literal(joined(app.pem(), app.keyPEM(t))), "", 1},
		"PEM, literal \\r\\n":    {bytes.ReplaceAll(joined(app.pem(), app.keyPEM(t)), []byte("\n"), []byte(`\r\n`)), "", 1},
		"PEM, byte order mark":   {append([]byte("\uFEFF"), joined(app.pem(), app.keyPEM(t))...), "", 1},
		"PEM, indented":          {bytes.ReplaceAll(app.pemAndKey(t), []byte("\n"), []byte("\n    ")), "", 1},
		"PEM, no newline at end": {bytes.TrimSpace(app.pemAndKey(t)), "", 1},
		"PEM, empty lines":       {bytes.ReplaceAll(app.pemAndKey(t), []byte("\n"), []byte("\n\n")), "", 1},
		"PEM in base64":          {[]byte(base64.StdEncoding.EncodeToString(app.pemAndKey(t))), "", 1},
		"PEM in quotes":          {[]byte(`"` + string(literal(app.pemAndKey(t))) + `"`), "", 1},
		"PEM, one line, chain":   {oneLine(joined(app.pem(), root.pem(), app.keyPEM(t))), "", 2},
		"PFX and a newline":      {append(pfx(t, pkcs12.Modern, app, "canary"), '\n'), "canary", 1},
		"PFX and \\r\\n":         {append(pfx(t, pkcs12.LegacyDES, app, "canary"), "\r\n"...), "canary", 1},
		"PFX in base64, lines":   {wrapped(pfx(t, pkcs12.Modern, app, "canary")), "canary", 1},
		"PFX in base64, mark":    {append([]byte("\uFEFF"), wrapped(pfx(t, pkcs12.Modern, app, "canary"))...), "canary", 1},
		"PFX in base64, URLs'":   {[]byte(base64.RawURLEncoding.EncodeToString(pfx(t, pkcs12.Modern, app, "canary"))), "canary", 1},
		"PFX":                    {pfx(t, pkcs12.Modern, app, "canary"), "canary", 1},
		"PFX in base64":          {[]byte(base64.StdEncoding.EncodeToString(pfx(t, pkcs12.Modern, app, "canary")) + "\r\n"), "canary", 1},
		"PFX with chain":         {pfx(t, pkcs12.Modern, app, "canary", root.certificate), "canary", 2},
		"PFX, old ciphers":       {pfx(t, pkcs12.LegacyDES, app, "canary"), "canary", 1},
		"PFX, oldest ciphers":    {pfx(t, pkcs12.LegacyRC2, app, "canary"), "canary", 1},
		"PFX, no password":       {pfx(t, pkcs12.Modern, app, ""), "", 1},
		"PFX, password in UTF-8": {pfx(t, pkcs12.Modern, app, "pässwörd"), "pässwörd", 1},
		"PFX without encryption": {pfx(t, pkcs12.Passwordless, app, ""), "", 1},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := ParseCertificate(c.content, c.password)
			if err != nil {
				t.Fatal(err)
			}
			if got.Leaf().Subject.CommonName != "patdesk" || !got.key.Equal(app.key) || len(got.chain) != c.chain {
				t.Errorf("%s first of %d", got.Leaf().Subject, len(got.chain))
			}
			if text := fmt.Sprintf("%v %+v %#v %s", got, got, *got, []any{got}); strings.Contains(text, rsaKey.D.String()[:20]) || strings.Contains(text, "big.Int") {
				t.Error("the key is printed")
			}
		})
	}
}

func TestCertificatesThatAreOfNoUse(t *testing.T) {
	t.Parallel()
	app := appCertificate(t)
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	curve, edwards, weak := issue(t, "curve", ec, nil), issue(t, "edwards", ed, nil), issue(t, "weak", weakKey(), nil)
	ecDER, err := x509.MarshalECPrivateKey(ec)
	if err != nil {
		t.Fatal(err)
	}
	rsaKey, _ := app.key.(*rsa.PrivateKey)
	dek := pem.EncodeToMemory(&pem.Block{
		Type: "RSA PRIVATE KEY", Headers: map[string]string{"Proc-Type": "4,ENCRYPTED", "DEK-Info": "AES-256-CBC,000102030405060708090A0B0C0D0E0F"},
		Bytes: x509.MarshalPKCS1PrivateKey(rsaKey),
	})
	good := pfx(t, pkcs12.Modern, app, "canary-password")
	cut := app.keyPEM(t)
	for name, c := range map[string]struct {
		content  []byte
		password string
		want     error // nil: some other sentence
	}{
		"empty":                      {nil, "", nil},
		"garbage":                    {[]byte("canary garbage"), "", nil},
		"a secret by mistake":        {[]byte("canary~secret~value"), "canary", nil},
		"no key":                     {app.pem(), "", ErrNoKey},
		"no key, DER":                {app.certificate.Raw, "", ErrNoKey},
		"no certificate":             {app.keyPEM(t), "", ErrNoCertificate},
		"neither":                    {block("DH PARAMETERS", []byte{1}), "", ErrNoCertificate},
		"another's key":              {joined(app.pem(), issue(t, "x", fakeKeys()[1].key, nil).keyPEM(t)), "", ErrMismatch},
		"another's key, curve":       {joined(curve.pem(), app.keyPEM(t)), "", ErrMismatch},
		"EC":                         {joined(curve.pem(), curve.keyPEM(t)), "", ErrNotRSA},
		"EC, SEC 1":                  {joined(curve.pem(), block("EC PARAMETERS", []byte{6}), block("EC PRIVATE KEY", ecDER)), "", ErrNotRSA},
		"EC in a PFX":                {pfx(t, pkcs12.Modern, curve, "canary"), "canary", ErrNotRSA},
		"Ed25519":                    {joined(edwards.pem(), edwards.keyPEM(t)), "", ErrNotRSA},
		"weak":                       {joined(weak.pem(), weak.keyPEM(t)), "", ErrWeakKey},
		"weak in a PFX":              {pfx(t, pkcs12.Modern, weak, "canary"), "canary", ErrWeakKey},
		"encrypted, DEK-Info":        {joined(app.pem(), dek), "canary", ErrEncryptedPEM},
		"encrypted, PKCS#8":          {joined(app.pem(), block("ENCRYPTED PRIVATE KEY", []byte{1})), "canary", ErrEncryptedPEM},
		"broken certificate":         {joined(block("CERTIFICATE", []byte("canary")), app.keyPEM(t)), "", nil},
		"broken key":                 {joined(app.pem(), block("PRIVATE KEY", []byte("canary"))), "", nil},
		"key cut off":                {joined(app.pem(), cut[:len(cut)/2]), "", ErrBrokenPEM},
		"PFX, wrong password":        {good, "another", ErrPassword},
		"PFX, password missing":      {good, "", ErrNoPassword},
		"PFX in base64, no password": {[]byte(base64.StdEncoding.EncodeToString(good)), "", ErrNoPassword},
		"PFX in base64, wrong one":   {[]byte(base64.StdEncoding.EncodeToString(good)), "another", ErrPassword},
		"PFX, newline, wrong one":    {append(slices.Clone(good), '\n'), "another", ErrPassword},
		"UTF-16":                     {utf16Text(joined(app.pem(), app.keyPEM(t))), "", ErrUTF16},
		"UTF-16, the other way":      {[]byte{0xFE, 0xFF, 0, '-'}, "", ErrUTF16},
		"a newline alone":            {[]byte("\r\n"), "", ErrEmpty},
		"a byte order mark alone":    {[]byte("\uFEFF"), "", ErrEmpty},
		"no key, one line":           {oneLine(app.pem()), "", ErrNoKey},
		"no key, literal \\n":        {literal(app.pem()), "", ErrNoKey},
		"no key, byte order mark":    {append([]byte("\uFEFF"), app.pem()...), "", ErrNoKey},
		"no key, .cer in base64":     {[]byte(base64.StdEncoding.EncodeToString(app.certificate.Raw)), "", ErrNoKey},
		"no key, DER and newline":    {append(slices.Clone(app.certificate.Raw), '\n'), "", ErrNoKey},
		"no certificate, one line":   {oneLine(app.keyPEM(t)), "", ErrNoCertificate},
		"encrypted, one line":        {oneLine(joined(app.pem(), block("ENCRYPTED PRIVATE KEY", []byte{1}))), "canary", ErrEncryptedPEM},
		"encrypted, literal \\n":     {literal(joined(app.pem(), dek)), "canary", ErrEncryptedPEM},
		"one line, cut off":          {oneLine(app.keyPEM(t))[:200], "", ErrBrokenPEM},
		"one line, no base64":        {[]byte("-----BEGIN CERTIFICATE----- canary! -----END CERTIFICATE-----"), "", ErrBrokenPEM},
		"Java's key store":           {[]byte{0xFE, 0xED, 0xFE, 0xED, 0, 0, 0, 2}, "", ErrKeyStore},
		"request, with its key":      {joined(block("NEW CERTIFICATE REQUEST", []byte("canary")), app.keyPEM(t)), "", ErrRequest},
		"PFX, cut off":               {good[:len(good)/2], "canary-password", nil},
		"PFX, old, wrong password":   {pfx(t, pkcs12.LegacyDES, app, "canary"), "another", ErrPassword},
		"PFX in base64, cut off":     {[]byte(base64.StdEncoding.EncodeToString(good)[:400]), "canary-password", nil},
		"PFX, certificates only":     {trustStore(t, app), "canary", ErrNoKey},
		"public key":                 {joined(app.pem(), block("PUBLIC KEY", []byte("canary"))), "", ErrNoKey},
		"an OpenSSH key":             {joined(app.pem(), block("OPENSSH PRIVATE KEY", []byte("canary"))), "", ErrOpenSSH},
		"certificate request":        {joined(block("CERTIFICATE REQUEST", []byte("canary")), app.keyPEM(t)), "", ErrRequest},
		"PEM begin without an end":   {[]byte("-----BEGIN CERTIFICATE-----\ncanary"), "", ErrBrokenPEM},
		"a whole megabyte of zeros":  {make([]byte, 1<<20), "", nil},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := ParseCertificate(c.content, c.password)
			if err == nil || got != nil || c.want != nil && !errors.Is(err, c.want) {
				t.Fatalf("got %v, want %v", err, c.want)
			}
			if strings.Contains(err.Error(), "canary") {
				t.Errorf("told: %v", err)
			}
		})
	}
}

func (i *issued) pemAndKey(t *testing.T) []byte { return append(i.pem(), i.keyPEM(t)...) }

// oneLine is PEM as it arrives where line breaks became spaces, and literal where they became a backslash and an n.
func oneLine(content []byte) []byte { return bytes.ReplaceAll(content, []byte("\n"), []byte(" ")) }
func literal(content []byte) []byte { return bytes.ReplaceAll(content, []byte("\n"), []byte(`\n`)) }

// wrapped is base64 as the command of that name writes it.
func wrapped(content []byte) []byte {
	var b bytes.Buffer
	for chunk := range slices.Chunk([]byte(base64.StdEncoding.EncodeToString(content)), 76) {
		b.Write(append(chunk, '\n'))
	}
	return b.Bytes()
}

func utf16Text(content []byte) []byte {
	wide := []byte{0xFF, 0xFE}
	for _, c := range content {
		wide = append(wide, c, 0)
	}
	return wide
}

func trustStore(t *testing.T, i *issued) []byte {
	t.Helper()
	content, err := pkcs12.Modern.EncodeTrustStore([]*x509.Certificate{i.certificate}, "canary")
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func TestDatesOfACertificate(t *testing.T) {
	t.Parallel()
	app := appCertificate(t)
	c, err := ParseCertificate(joined(app.pem(), app.keyPEM(t)), "")
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range []struct {
		now     time.Time
		days    int
		problem string
	}{
		{validTo.Add(-30 * 24 * time.Hour), 30, ""},
		{validTo.Add(-30*24*time.Hour - time.Hour), 30, ""},
		{validTo.Add(-time.Hour), 0, ""},
		{validTo, 0, ""},
		{validTo.Add(time.Second), -1, "expired on 2126-01-01"},
		{validTo.Add(25 * time.Hour), -2, "expired on 2126-01-01"},
		{validFrom, int(validTo.Sub(validFrom).Hours() / 24), ""},
		{validFrom.Add(-clockSkew), int(validTo.Sub(validFrom).Hours() / 24), ""},
		{validFrom.Add(-time.Hour), int(validTo.Sub(validFrom).Hours() / 24), "isn't valid before 2026-01-01T00:00:00Z"},
	} {
		if got := c.DaysLeft(d.now); got != d.days {
			t.Errorf("%s: %d days left, want %d", d.now, got, d.days)
		}
		problem := c.Problem(d.now)
		if d.problem == "" && problem != nil || d.problem != "" && (problem == nil || !strings.Contains(problem.Error(), d.problem)) {
			t.Errorf("%s: %v", d.now, problem)
		}
	}
}

// The sentences of all faults differ, and each says what to do.
func TestFaultsOfCertificatesSayWhatToDo(t *testing.T) {
	t.Parallel()
	var seen []string
	for _, err := range []error{ErrNoCertificate, ErrNoKey, ErrNotRSA, ErrWeakKey, ErrMismatch, ErrEncryptedPEM, ErrPassword, ErrNoPassword,
		ErrEmpty, ErrUTF16, ErrRequest, ErrOpenSSH, ErrKeyStore, ErrBrokenPEM, ErrNeither} {
		if slices.Contains(seen, err.Error()) || !strings.Contains(err.Error(), ": ") {
			t.Errorf("%q", err)
		}
		seen = append(seen, err.Error())
	}
}
