package config

import (
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// readEntra reads what identifies patdesk to Entra ID, and who may sign in.
func readEntra(s *source, c *Config) {
	c.ClientID = readClientID(s)
	c.Credential = readCredential(s)
	c.Authority = readAuthority(s)
	c.AllowedTenants = readAllowedTenants(s)
	c.Scopes = readScopes(s)
}

var (
	guid   = regexp.MustCompile(`^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$`)
	token  = regexp.MustCompile(`^[!-~]+$`) // printable ASCII without spaces
	tenant = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)
)

const clientIDFix = `Put the "Application (client) ID" there, a GUID from the Overview page of the app registration.`

// readClientID takes anything that could be an id: stand-ins of Entra ID need not use GUIDs.
func readClientID(s *source) string {
	id := s.text(clientID)
	switch {
	case id == "":
		s.missing(clientID, clientIDFix)
	case !token.MatchString(id):
		s.fault(clientID, "has spaces or other characters that no id has", clientIDFix)
	case !guid.MatchString(id):
		s.warn(clientID, "it isn't a GUID, which the ids of Entra ID are.")
	}
	return id
}

// credentialKinds are the settings of which each stands for one kind of credential.
var credentialKinds = []string{clientSecret, certificateFile, federatedTokenFile, keyVaultURL}

func readCredential(s *source) Credential {
	c := Credential{
		Secret:              s.secret(clientSecret),
		CertificateFile:     readCredentialFile(s, certificateFile),
		CertificatePassword: s.secret(certificatePassword),
		AssertionFile:       readCredentialFile(s, federatedTokenFile),
		VaultURL:            readVaultURL(s),
		VaultSecret:         readVaultName(s, keyVaultSecret),
		VaultCertificate:    readVaultName(s, keyVaultCertificate),
	}
	checkVault(s)
	countCredentials(s)
	if readsVaultByFederation(s) {
		c.AssertionFile = ""
	}
	if c.Secret.IsSet() && guid.MatchString(c.Secret.Reveal()) {
		s.warn(clientSecret, "it looks like the secret's ID. Entra ID's list of client secrets shows both: the Value is needed.")
	}
	if given(s, certificatePassword) && !given(s, certificateFile) {
		s.fault(certificatePassword, "is set without "+certificateFile, "Remove it, or name the certificate that it opens.")
	}
	return c
}

// readCredentialFile returns the path of a file that exists. What is in it is for internal/entra to judge.
func readCredentialFile(s *source, name string) string {
	path := s.text(name)
	if path == "" || !s.checkFile(name, path) {
		return ""
	}
	return path
}

// given reports whether the setting is there in any form, good or bad.
func given(s *source, name string) bool {
	return s.raw(name) != "" || s.raw(name+fileSuffix) != ""
}

// readsVaultByFederation reports whether the federated token is how the Key Vault is read, and no credential of the app
// beside it. On AKS the webhook of workload identity puts the token's file, and AZURE_CLIENT_ID, AZURE_TENANT_ID and
// AZURE_AUTHORITY_HOST, into the environment of every pod that may sign in to anything, and the Azure SDK finds them
// there: https://azure.github.io/azure-workload-identity/docs/installation/mutating-admission-webhook.html. It reads no
// .env: a file that only that names was meant as the app's own.
func readsVaultByFederation(s *source) bool {
	return given(s, keyVaultURL) && s.environment(federatedTokenFile) != ""
}

func countCredentials(s *source) {
	var found []string
	for _, name := range credentialKinds {
		switch {
		case name == federatedTokenFile && readsVaultByFederation(s):
		case s.raw(name) != "":
			found = append(found, s.origin(name))
		case s.raw(name+fileSuffix) != "" && slices.Contains(Names(), name+fileSuffix):
			found = append(found, s.origin(name+fileSuffix))
		}
	}
	switch len(found) {
	case 0:
		s.missing(clientSecret, "patdesk must prove to Entra ID which app it is. Set one of "+clientSecret+", "+
			clientSecret+fileSuffix+", "+certificateFile+", "+federatedTokenFile+" or "+keyVaultURL+".")
	case 1:
	default:
		fix := "Keep one kind of credential and remove the others."
		if s.raw(federatedTokenFile) != "" {
			fix += " On Kubernetes " + federatedTokenFile + " is put there by the label azure.workload.identity/use: take the label off to use another kind."
		}
		s.fault(clientSecret, "and its like are given more than once: "+strings.Join(found, ", "), fix)
	}
}

// Credentials names the settings that hold a real credential, so that the demo can refuse to run beside one.
func Credentials(getenv func(string) string, dotenv string) []string {
	s := newSource(getenv, dotenv)
	var found []string
	for _, name := range append(slices.Clone(credentialKinds), clientSecret+fileSuffix) {
		if s.raw(name) != "" {
			found = append(found, s.origin(name))
		}
	}
	return found
}

const authorityFix = "Put https://login.microsoftonline.com/ and the tenant's ID there, for example " +
	"https://login.microsoftonline.com/11111111-2222-3333-4444-555555555555."

// readAuthority takes any https host, so that sovereign clouds and stand-ins work, followed by exactly one tenant. MSAL
// demands https and the tenant, and loses anything else.
func readAuthority(s *source) string {
	u := s.readURL(authority, authorityFix)
	if u == nil {
		return ""
	}
	path := strings.Trim(u.Path, "/")
	switch {
	case u.Scheme != "https":
		s.fault(authority, "doesn't begin with https://: "+quote(s.raw(authority)), "Entra ID and its stand-ins are spoken to over TLS only.")
	case unsupportedHost(u.Host):
		s.fault(authority, "is an address of Azure AD B2C or Entra External ID, whose accounts Azure DevOps doesn't know", authorityFix)
	case path == "":
		s.fault(authority, "names no tenant: "+quote(u.String()), authorityFix)
	case strings.HasSuffix(path, "/v2.0"):
		s.fault(authority, "ends in /v2.0", "Remove that: it is added where it is needed.")
	case strings.Contains(path, "/"):
		s.fault(authority, "has more than the tenant after the host: "+quote(u.String()), authorityFix)
	case strings.EqualFold(path, "consumers"):
		s.fault(authority, "ends in /consumers, but Azure DevOps's tokens can't be managed with personal Microsoft accounts", authorityFix)
	case strings.EqualFold(path, "adfs") || !tenant.MatchString(path):
		s.fault(authority, "names something that isn't a tenant: "+quote(u.String()), authorityFix)
	default:
		return u.Scheme + "://" + u.Host + "/" + path
	}
	return ""
}

// unsupportedHost knows the hosts of Microsoft's services for customers' accounts.
func unsupportedHost(host string) bool {
	host, _, _ = strings.Cut(strings.ToLower(host), ":")
	return strings.HasSuffix(host, ".b2clogin.com") || strings.HasSuffix(host, ".ciamlogin.com")
}

// readAllowedTenants takes ids only: the token that names the tenant knows no domain names.
func readAllowedTenants(s *source) []string {
	var ids []string
	for _, id := range list(s.text(allowedTenants)) {
		if !guid.MatchString(id) {
			s.fault(allowedTenants, "has an entry that isn't a tenant ID: "+quote(id),
				`Put the tenants' IDs there, separated by commas. They are GUIDs, shown as "Directory (tenant) ID".`)
			continue
		}
		if id = strings.ToLower(id); !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids
}

// readScopes takes one or several, separated by commas or spaces.
func readScopes(s *source) []string {
	var scopes []string
	for _, item := range list(s.text(scope)) {
		scopes = append(scopes, strings.Fields(item)...)
	}
	for _, one := range scopes {
		if checkScope(s, one); s.faulty(scope) {
			return scopes
		}
	}
	if resources := resourcesOf(scopes); len(resources) > 1 {
		s.fault(scope, "asks for permissions of several services: "+strings.Join(resources, ", "), "Entra ID gives out tokens for one service at a time. Keep those of "+azureDevOpsResourceID+".")
	}
	if len(scopes) == 0 {
		s.missing(scope, "Remove the setting to use "+defaultOf(scope)+".")
	}
	return scopes
}

// otherServices are resources whose permissions are taken for those of Azure DevOps: Microsoft Graph and its
// predecessor, by address and by id.
var otherServices = []string{
	"https://graph.microsoft.com", "00000003-0000-0000-c000-000000000000", "https://graph.windows.net", "00000002-0000-0000-c000-000000000000",
	"https://management.azure.com", "https://management.core.windows.net",
}

func checkScope(s *source, one string) {
	fix := "Remove the setting to use " + defaultOf(scope) + "."
	resource := resourceOf(one)
	switch {
	case slices.Contains([]string{"openid", "profile", "offline_access", "email"}, strings.ToLower(one)):
		s.fault(scope, "has "+quote(one)+", which patdesk adds by itself", "Remove it and keep the scopes of Azure DevOps.")
	case !token.MatchString(one) || strings.ContainsAny(one, `"\[]`):
		s.fault(scope, "has a scope with characters that no scope has: "+quote(one), fix)
	case resource == "":
		s.fault(scope, "has a scope without the service that it is of: "+quote(one)+", which Entra ID takes for one of Microsoft Graph",
			"Write "+azureDevOpsResourceID+"/ in front of the name. "+fix)
	case containsFold(otherServices, resource):
		s.fault(scope, "has a scope of another service than Azure DevOps: "+quote(one), fix)
	case strings.HasSuffix(one, "/user_impersonation"):
		s.warn(scope, "user_impersonation lets patdesk do all that a person may do in Azure DevOps. vso.pats and vso.pats_manage are enough.")
	case !strings.EqualFold(resource, azureDevOpsResourceID) && !strings.EqualFold(resource, "https://app.vssps.visualstudio.com"):
		s.warn(scope, "it asks for permissions of "+quote(resource)+". Azure DevOps is "+azureDevOpsResourceID+": other tokens it doesn't take.")
	}
}

// resourceOf is the part of a scope that names the service, "" if it names none.
func resourceOf(one string) string {
	end := strings.LastIndex(one, "/")
	if end < 0 {
		return ""
	}
	return strings.TrimRight(one[:end], "/")
}

func resourcesOf(scopes []string) []string {
	var all []string
	for _, one := range scopes {
		if resource := strings.ToLower(resourceOf(one)); !slices.Contains(all, resource) {
			all = append(all, resource)
		}
	}
	return all
}

// readURL parses a setting that is an address. It is nil, and a fault, if it isn't one. Parse errors are not shown:
// they repeat the whole address with a password that may be in it.
func (s *source) readURL(name, fix string) *url.URL {
	value := s.text(name)
	if value == "" {
		return nil
	}
	u, err := url.Parse(value)
	switch {
	case strings.ContainsFunc(value, func(r rune) bool { return r > unicode.MaxASCII }):
		s.fault(name, "has letters that no address has: "+quote(value), "Write the name as browsers send it: https://xn--caf-dma.example for https://café.example.")
	case err != nil || u.Host == "" || u.Hostname() == "" || !token.MatchString(value):
		s.fault(name, "isn't an address: "+quote(value), fix)
	case u.Scheme != "https" && u.Scheme != "http":
		s.fault(name, "doesn't begin with https://: "+quote(value), fix)
	case u.User != nil:
		s.fault(name, "has a user name or password in it", "Remove everything between :// and @.")
	case !validHost(u.Hostname()):
		s.fault(name, "has a host that isn't a name or an address: "+quote(value), fix)
	case !validPort(u.Port(), 1) && u.Port() != "" || strings.HasSuffix(u.Host, ":"):
		s.fault(name, "has a port that isn't a number from 1 to 65535: "+quote(value), fix)
	case u.Fragment != "" || strings.Contains(value, "#"):
		s.fault(name, "has a # in it: "+quote(value), fix)
	case name != endpoint && (u.RawQuery != "" || u.ForceQuery):
		s.fault(name, "has a ? in it: "+quote(value), fix)
	default:
		u.Host = strings.ToLower(u.Host)
		return u
	}
	return nil
}
