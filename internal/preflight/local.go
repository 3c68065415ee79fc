package preflight

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/patdesk/patdesk/config"
	"github.com/patdesk/patdesk/internal/backing"
	"github.com/patdesk/patdesk/internal/session"
	"github.com/patdesk/patdesk/internal/session/redisstore"
)

// credential says how long what proves the app's identity can still be used, as far as that can be seen from here.
func (c Check) credential(ctx context.Context) row {
	switch o := c.Config.Credential; {
	case o.VaultURL != "" && c.Offline:
		return ok("It is in a Key Vault, which wasn't asked (-offline).")
	case o.VaultURL != "":
		return c.vault(ctx)
	case o.CertificateFile != "":
		return c.judged(backing.ReadCredential(ctx, o, nil, c.Now))
	case o.AssertionFile != "":
		return c.assertion(o.AssertionFile)
	default:
		return ok("A client secret. The day on which it expires can't be seen from here: the app registration shows it under Certificates & secrets.")
	}
}

func (c Check) judged(read backing.Credential, err error) row {
	switch {
	case err != nil:
		return failedBy(err)
	case read.Warning:
		return warning(read.Note, "Make a new one in time and register it with the app beside the old one.")
	default:
		return ok(read.Note)
	}
}

func (c Check) vault(ctx context.Context) row {
	o := c.Config.Credential
	host := hostIn(o.VaultURL)
	read, err := backing.ReadCredential(ctx, o, &http.Client{Transport: c.wire}, c.Now)
	last := c.wire.last(host)
	switch {
	case err != nil:
		return failedBy(err)
	case read.Unread && last.Err != nil:
		return failed(last.words())
	case read.Unread:
		return failed(sentence(read.Note), "Look if the vault, and Entra ID or the managed identity's endpoint from which its token comes, can be reached from here.")
	case read.Note == "":
		return ok(fmt.Sprintf("A client secret, read from %s, %s.", host, last.way()))
	default:
		row := c.judged(read, nil)
		row.Found += fmt.Sprintf(" Read from %s, %s.", host, last.way())
		return row
	}
}

// assertion shows what must stand in the app's federated credential, which is hard to find out elsewhere.
func (c Check) assertion(path string) row {
	const advice = "Look if whatever writes AZURE_FEDERATED_TOKEN_FILE runs: on Kubernetes, the service account's projected token."
	content, err := os.ReadFile(path)
	if err != nil {
		return failed("The federated token can't be read.", advice)
	}
	claims, err := claimsOf(strings.TrimSpace(string(content)))
	switch {
	case err != nil:
		return failed("The file of the federated token holds something else.", advice)
	case claims.Expires != 0 && !c.Now().Before(time.Unix(claims.Expires, 0)):
		return failed("The federated token has expired.", advice)
	}
	return ok(fmt.Sprintf("A federated token. The app's federated credential must have the issuer %s and the subject %s.", quoted(claims.Issuer), quoted(claims.Subject)))
}

type assertionClaims struct {
	Issuer  string `json:"iss"`
	Subject string `json:"sub"`
	Expires int64  `json:"exp"`
}

// claimsOf reads a JWT's claims without believing them: Entra ID checks the signature.
func claimsOf(token string) (claims assertionClaims, err error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return claims, errors.New("not a JWT")
	}
	body, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return claims, err
	}
	err = json.Unmarshal(body, &claims)
	if err == nil && (claims.Issuer == "" || claims.Subject == "") {
		err = errors.New("no issuer or subject")
	}
	return claims, err
}

func (c Check) inspect() (session.Inspection, error) {
	if c.Config.SessionDirGroup {
		return session.InspectGroupDir(c.Config.SessionDir)
	}
	return session.InspectDir(c.Config.SessionDir)
}

func (c Check) folder(context.Context) row {
	path := quoted(c.Config.SessionDir)
	seen, err := c.inspect()
	switch {
	case err != nil:
		return failed("SESSION_DIR can't be used: "+sentence(strings.ReplaceAll(err.Error(), "session: ", "")), "Run -check as the user that runs patdesk. "+backing.FolderAdvice(err, c.Config.SessionDirGroup))
	case !seen.Exists:
		return ok(path + " isn't there yet; the first start makes it.")
	case seen.Open:
		return warning(path+" can be read by others.", "The next start takes that from them. To do it now: chmod 700.")
	case c.Config.SessionDirGroup:
		return ok(path + " can be written, and is closed to all but its owner and its group.")
	default:
		return ok(path + " can be written, and is closed to others.")
	}
}

// redis does once all that patdesk asks of Redis.
func (c Check) redis(ctx context.Context) row {
	o, err := backing.RedisOptions(*c.Config.Redis)
	if err != nil {
		return failedBy(err)
	}
	o.Now, o.Log = c.Now, slog.New(slog.DiscardHandler)
	store := redisstore.Open(o)
	defer func() { _ = store.Close() }() // nothing is left to be written
	where := redisAddress(*c.Config.Redis)
	warnings, err := store.Check(ctx)
	if err == nil {
		err = session.Probe(ctx, store, c.Now())
	}
	days, ends := c.clientCertificate(*c.Config.Redis)
	switch {
	case err != nil:
		cause := strings.ReplaceAll(err.Error(), session.ErrUnavailable.Error()+": ", "") // it holds no password
		return failed(where+": "+sentence(cause), backing.RedisAdvice(*c.Config.Redis, err)+".")
	case len(warnings) > 0:
		but := ""
		for _, w := range warnings {
			but += " " + backing.RedisWarnings[w] + "."
		}
		return warning(where+" can be used, but "+lowerFirst(but[1:]), "")
	case ends != "" && days < backing.FewDays:
		return warning(where+" can be used. "+ends, "Make a new certificate in time.")
	default:
		return ok(strings.TrimSpace(where + " can be used: a record was written, read, changed, locked and deleted. " + ends))
	}
}

// redisAddress is where Redis is, without user and password.
func redisAddress(r config.Redis) string {
	address := strings.Join(r.Addresses, ", ")
	if r.Socket != "" {
		address = r.Socket
	}
	if r.TLS {
		return address + " (TLS)"
	}
	return address
}

func (c Check) clientCertificate(r config.Redis) (days int, ends string) {
	if r.CertFile == "" {
		return 0, ""
	}
	pair, err := tls.LoadX509KeyPair(r.CertFile, r.KeyFile)
	if err != nil || pair.Leaf == nil {
		return 0, ""
	}
	left := pair.Leaf.NotAfter.Sub(c.Now())
	return int(left.Hours() / 24), fmt.Sprintf("The certificate that is shown to it ends on %s.", pair.Leaf.NotAfter.UTC().Format(time.DateOnly))
}

// authorities looks at what Go passes over in silence: a file or folder that can't be read leaves no authority trusted,
// or those of the system.
func (c Check) authorities(setting string) row {
	var files []string
	for _, path := range filepath.SplitList(c.Getenv(setting)) {
		info, err := os.Stat(path)
		switch {
		case err != nil:
			return failed(fmt.Sprintf("%s can't be read.", quoted(path)), "Put the path of a file with certificates in PEM there that the user of patdesk can read.")
		case info.IsDir() && setting == "SSL_CERT_FILE":
			return failed(quoted(path)+" is a folder.", "Put the path of a file there, or the folder into SSL_CERT_DIR.")
		case info.IsDir():
			inside, _ := filepath.Glob(filepath.Join(path, "*")) // the pattern is right
			files = append(files, inside...)
		default:
			files = append(files, path)
		}
	}
	good, expired := 0, 0
	for _, file := range files {
		g, e := c.countAuthorities(file)
		good, expired = good+g, expired+e
	}
	switch {
	case good+expired == 0:
		return failed("No certificate in PEM is there.", "A certificate in DER is made PEM by: openssl x509 -inform der -in ca.cer -out ca.pem.")
	case good == 0:
		return failed("All its certificates have expired.", "Ask whoever runs your network's authority for the new one.")
	default: // the bundles of systems have expired ones among them
		return ok(fmt.Sprintf("%d certificates that are still valid.", good))
	}
}

func (c Check) countAuthorities(file string) (good, expired int) {
	content, err := os.ReadFile(file)
	if err != nil {
		return 0, 0
	}
	for block, rest := pem.Decode(content); block != nil; block, rest = pem.Decode(rest) {
		certificate, err := x509.ParseCertificate(block.Bytes)
		switch {
		case block.Type != "CERTIFICATE" || err != nil:
		case c.Now().After(certificate.NotAfter):
			expired++
		default:
			good++
		}
	}
	return good, expired
}

// sentence makes one of an error's text.
func sentence(text string) string {
	if text == "" {
		return ""
	}
	return strings.TrimRight(strings.ToUpper(text[:1])+text[1:], ".") + "."
}

func lowerFirst(text string) string { return strings.ToLower(text[:1]) + text[1:] }
