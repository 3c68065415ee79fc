package vault

import (
	"path"
	"regexp"
	"slices"
	"strings"
)

// Reference names a secret in a vault.
type Reference struct {
	Vault string `json:"Vault"` // https://team.vault.azure.net
	Name  string `json:"Name"`  // 1 to 127 letters, digits and "-"
}

// String is what people see: "team/ci-nuget".
func (r Reference) String() string { return ShortName(r.Vault) + "/" + r.Name }

// ShortName is a vault's own name: "team" of https://team.vault.azure.net.
func ShortName(vault string) string {
	name, _, _ := strings.Cut(strings.TrimPrefix(vault, "https://"), ".")
	return name
}

// Tags by which a secret says what it holds. A vault's other tags are left as they are.
const (
	TagAuthorizationID = "patdesk-authorization-id" // the token's
	TagOrganization    = "patdesk-organization"     // the token's; "" of a global one
	TagOperation       = "patdesk-operation"        // which wrote the version, to recognize a repetition
)

// MaxName is how long a secret's name may be, in characters.
const MaxName = 127

// Limits of the service
// (https://learn.microsoft.com/azure/key-vault/secrets/about-secrets,
// https://learn.microsoft.com/azure/key-vault/general/about-keys-secrets-certificates#objects-identifiers-and-versioning).
const (
	maxTags        = 15
	maxTagLength   = 256 // characters, of a tag's name and of its value
	maxContentType = 255 // characters
)

var (
	secretName = regexp.MustCompile(`^[0-9A-Za-z-]{1,127}$`)
	// 3 to 24 letters, digits and single hyphens, from a letter on and not up to a hyphen
	// (https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules#microsoftkeyvault).
	vaultName  = regexp.MustCompile(`^[a-z](-?[a-z0-9])+$`)
	notAllowed = regexp.MustCompile(`[^0-9A-Za-z]+`)
)

// ValidName reports whether a secret may have that name.
func ValidName(name string) bool { return secretName.MatchString(name) }

// SuggestName makes a secret's name of a token's: "ci: NuGet feed" becomes "ci-NuGet-feed". Of a name that has no letter
// or digit of ASCII nothing is left but fallback.
func SuggestName(token, fallback string) string {
	name := strings.Trim(notAllowed.ReplaceAllString(token, "-"), "-")
	if len(name) > MaxName {
		name = strings.TrimRight(name[:MaxName], "-")
	}
	if name == "" {
		return fallback
	}
	return name
}

// Vaults are those that the operator has named, as addresses, in that order.
func (c *Client) Vaults() []string { return slices.Clone(c.o.Vaults) }

// MayAdd reports whether people may use vaults that the operator hasn't named.
func (c *Client) MayAdd() bool { return len(c.o.Allow) > 0 }

// Address is the address of the vault that a person has typed: its name, its host, its address or that of something in
// it. Errors: *Error with KindBadVault or KindNotAllowed.
func (c *Client) Address(typed string) (string, error) {
	host := strings.ToLower(strings.TrimSpace(typed))
	host = strings.TrimPrefix(host, "https://")
	host, _, _ = strings.Cut(host, "/")
	host = strings.TrimSuffix(host, ":443")
	if !strings.Contains(host, ".") && host != "" {
		host += "." + c.o.Suffix
	}
	address := "https://" + host
	if !c.isVault(address) {
		return "", &Error{Kind: KindBadVault}
	}
	if !c.allowed(address) {
		return "", &Error{Kind: KindNotAllowed, Vault: address}
	}
	return address, nil
}

// isVault reports whether address is that of a vault in this cloud, and nothing more: no port, path or user.
func (c *Client) isVault(address string) bool {
	host, encrypted := strings.CutPrefix(address, "https://")
	name, known := strings.CutSuffix(host, "."+c.o.Suffix)
	return encrypted && known && len(name) >= 3 && len(name) <= 24 && vaultName.MatchString(name)
}

// allowed reports whether it is a vault that the operator lets people use. A pattern's * would else stand for more than
// a part of a name.
func (c *Client) allowed(address string) bool {
	host := strings.TrimPrefix(address, "https://")
	return c.isVault(address) && (slices.Contains(c.o.Vaults, address) || slices.ContainsFunc(c.o.Allow, func(pattern string) bool {
		match, err := path.Match(pattern, host)
		return err == nil && match
	}))
}
