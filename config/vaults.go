package config

import (
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// Vaults are the Azure Key Vaults into which people may put their tokens' secrets, in their own names. The zero value is
// none: then there is nothing of vaults on any page.
type Vaults struct {
	Addresses []string // https://team.vault.azure.net
	Allow     []string // patterns of hosts that people may add: *.vault.azure.net
	Suffix    string   // of this cloud's vaults: vault.azure.net
}

// On reports whether people may use any vault.
func (v Vaults) On() bool { return len(v.Addresses)+len(v.Allow) > 0 }

// Scopes are what a person's access token for vaults is asked for with. The vault's challenge names the resource, which
// is the suffix (https://learn.microsoft.com/azure/key-vault/general/authentication).
func (v Vaults) Scopes() []string {
	if !v.On() {
		return nil
	}
	return []string{"https://" + v.Suffix + "/user_impersonation"}
}

// vaultSuffixes are those of the clouds, and by which Entra ID their people sign in
// (https://learn.microsoft.com/azure/key-vault/general/about-keys-secrets-certificates#dns-suffixes-for-object-identifiers).
var vaultSuffixes = map[string][]string{
	"vault.azure.net":         {"login.microsoftonline.com"},
	"vault.azure.cn":          {"login.partner.microsoftonline.cn", "login.chinacloudapi.cn"},
	"vault.usgovcloudapi.net": {"login.microsoftonline.us"},
}

const (
	vaultsFix = "Put the vaults' addresses there, separated by commas, such as https://team.vault.azure.net: the Vault URI on a vault's Overview page."
	allowFix  = "Put patterns of vaults' hosts there, separated by commas, such as *.vault.azure.net or team-*.vault.azure.net."
)

var (
	// https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules#microsoftkeyvault
	nameOfVault    = regexp.MustCompile(`^[a-z](-?[a-z0-9])+$`)
	patternOfVault = regexp.MustCompile(`^[a-z0-9*-]+$`)
)

func readVaults(s *source, c *Config) {
	c.Vaults = Vaults{}
	for _, entry := range list(s.text(vaults)) {
		if suffix, address, ok := readVault(s, entry); ok && c.Vaults.ofOneCloud(s, vaults, suffix) && !slices.Contains(c.Vaults.Addresses, address) {
			c.Vaults.Addresses = append(c.Vaults.Addresses, address)
		}
	}
	for _, entry := range list(s.text(vaultsAllow)) {
		if strings.EqualFold(entry, "none") {
			continue
		}
		if suffix, pattern, ok := readVaultPattern(s, entry); ok && c.Vaults.ofOneCloud(s, vaultsAllow, suffix) && !slices.Contains(c.Vaults.Allow, pattern) {
			c.Vaults.Allow = append(c.Vaults.Allow, pattern)
		}
	}
}

// readVault checks one address, and explains those that are nearly one.
func readVault(s *source, entry string) (suffix, address string, ok bool) {
	u, err := url.Parse(strings.ToLower(entry))
	host := ""
	if err == nil {
		host = strings.TrimSuffix(u.Host, ":443")
	}
	fault := func(problem, fix string) (string, string, bool) {
		s.fault(vaults, problem+": "+quote(entry), fix)
		return "", "", false
	}
	name, suffix, known := cutVaultSuffix(host)
	_, _, bare := cutVaultSuffix(strings.ToLower(entry))
	bare = bare && !strings.Contains(entry, "/")
	switch {
	case strings.Contains(entry, "*"):
		return fault("has an entry with a *, which names no vault", "Put patterns into "+vaultsAllow+".")
	case bare:
		return fault("has an entry without https://", "Put https://"+strings.ToLower(entry)+" there.")
	case err != nil || host == "":
		return fault("has an entry that isn't an address", vaultsFix)
	case u.Scheme != "https":
		return fault("has an entry that doesn't begin with https://", "Secrets go there, so it must be encrypted.")
	case strings.HasSuffix(host, ".managedhsm.azure.net"):
		return fault("has a Managed HSM, which holds keys and no secrets", vaultsFix)
	case strings.Contains(host, "vaultcore."):
		return fault("has the name of a private endpoint, which isn't the vault's own", "Put the vault's own address there; DNS leads it to the endpoint.")
	case host == "portal.azure.com":
		return fault("has an address of the Azure portal", vaultsFix)
	case !known:
		return fault("has an address that isn't one of a vault", vaultsFix)
	case len(name) < 3 || len(name) > 24 || !nameOfVault.MatchString(name):
		return fault("has an address whose first part can't be a vault's name", vaultsFix)
	case strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil:
		return fault("has more than the vault's address", "Put https://"+host+" there.")
	}
	return suffix, "https://" + host, true
}

func cutVaultSuffix(host string) (name, suffix string, ok bool) {
	for suffix := range vaultSuffixes {
		if name, ok := strings.CutSuffix(host, "."+suffix); ok {
			return name, suffix, true
		}
	}
	return "", "", false
}

// readVaultPattern checks one pattern. One that reaches beyond a cloud's vaults would send what is for a vault anywhere.
func readVaultPattern(s *source, entry string) (suffix, pattern string, ok bool) {
	pattern = strings.ToLower(entry)
	fault := func(problem, fix string) (string, string, bool) {
		s.fault(vaultsAllow, problem+": "+quote(entry), fix)
		return "", "", false
	}
	name, suffix, known := cutVaultSuffix(pattern)
	switch {
	case strings.Contains(pattern, "/"):
		return fault("has an entry that isn't a host alone", "Leave out https:// and everything after the host.")
	case !known:
		return fault("has an entry that doesn't end in .vault.azure.net, or as the vaults of another cloud do", allowFix)
	case !patternOfVault.MatchString(name):
		return fault("has an entry that can't match a vault's name", allowFix)
	}
	return suffix, pattern, true
}

// ofOneCloud: all vaults take a token for one resource, and that depends on the cloud.
func (v *Vaults) ofOneCloud(s *source, setting, suffix string) bool {
	if v.Suffix == "" {
		v.Suffix = suffix
	}
	if v.Suffix != suffix {
		s.fault(setting, "has vaults of several clouds: "+v.Suffix+" and "+suffix, "Keep those of the cloud that people sign in to.")
		return false
	}
	return true
}

// vaultsOfCloud: a sign-in of one cloud has no tokens for the vaults of another.
func (c Config) vaultsOfCloud() []contradiction {
	u, err := url.Parse(c.Authority)
	if err != nil || !c.Vaults.On() || slices.Contains(vaultSuffixes[c.Vaults.Suffix], u.Hostname()) {
		return nil
	}
	for suffix, hosts := range vaultSuffixes {
		if slices.Contains(hosts, u.Hostname()) {
			return []contradiction{{Fault{vaults,
				"has vaults of another cloud (" + c.Vaults.Suffix + ") than " + authority + " (" + u.Hostname() + "), whose vaults end in ." + suffix,
				"Name vaults of the cloud that people sign in to.",
			}, []string{vaults, vaultsAllow, authority}}}
		}
	}
	return nil
}

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
