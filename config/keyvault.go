package config

import (
	"regexp"
	"strings"
)

const vaultFix = "Put the vault's address there, such as https://patdesk.vault.azure.net, and the name of what it holds into " +
	keyVaultSecret + " or " + keyVaultCertificate + "."

// vaultName is what a vault lets its secrets and certificates be called
// (https://learn.microsoft.com/azure/key-vault/general/about-keys-secrets-certificates#objects-identifiers-and-versioning).
var vaultName = regexp.MustCompile(`^[0-9A-Za-z-]{1,127}$`)

// readVaultURL takes any https host, so that sovereign clouds work. Which hosts get a vault's token, the SDK checks.
func readVaultURL(s *source) string {
	u := s.readURL(keyVaultURL, vaultFix)
	switch {
	case u == nil:
		return ""
	case u.Scheme != "https":
		s.fault(keyVaultURL, "doesn't begin with https://: "+quote(s.raw(keyVaultURL)), vaultFix)
	case strings.Trim(u.Path, "/") != "":
		s.fault(keyVaultURL, "has more than the vault's host: "+quote(u.String()), vaultFix)
	default:
		return u.Scheme + "://" + u.Host
	}
	return ""
}

func readVaultName(s *source, setting string) string {
	name := s.text(setting)
	if name != "" && !vaultName.MatchString(name) {
		s.fault(setting, "isn't a name in a vault: "+quote(name), "Put the name alone there, without address and version: letters, digits and hyphens.")
		return ""
	}
	return name
}

// checkVault: an address and one name belong together.
func checkVault(s *source) {
	hasURL, hasSecret, hasCertificate := given(s, keyVaultURL), given(s, keyVaultSecret), given(s, keyVaultCertificate)
	switch {
	case hasSecret && hasCertificate:
		s.fault(keyVaultCertificate, "is set beside "+keyVaultSecret, "Keep the one that patdesk is to use, and remove the other.")
	case hasURL && !hasSecret && !hasCertificate:
		s.fault(keyVaultURL, "is set, but not what to read from that vault", "Put the name of a secret into "+keyVaultSecret+", or that of a certificate into "+keyVaultCertificate+".")
	case hasSecret && !hasURL:
		s.fault(keyVaultSecret, "is set without "+keyVaultURL, vaultFix)
	case hasCertificate && !hasURL:
		s.fault(keyVaultCertificate, "is set without "+keyVaultURL, vaultFix)
	}
}
