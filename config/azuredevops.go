package config

import (
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// defaultAPIVersion is the newest one that Microsoft documents in full:
// https://learn.microsoft.com/rest/api/azure/devops/tokens/pats?view=azure-devops-rest-7.1
const defaultAPIVersion = "7.1-preview.1"

var (
	apiVersion = regexp.MustCompile(`^[67]\.[0-9](-preview(\.[0-9]+)?)?$`)

	// organization is a little wider than Azure DevOps's rule for new names (letters, digits and hyphens, 50 at most),
	// because older ones may have more. It is the same that internal/azuredevops lets into an address.
	// https://learn.microsoft.com/azure/devops/organizations/settings/naming-restrictions
	organization = regexp.MustCompile(`^[0-9A-Za-z](?:[0-9A-Za-z_-]{0,62}[0-9A-Za-z])?$`)
)

const (
	endpointFix = "Put https://vssps.dev.azure.com there, or the whole form " +
		"https://vssps.dev.azure.com/{organization}/_apis/Tokens/Pats?api-version=" + defaultAPIVersion + "."
	organizationsFix = "Put the organizations' names there, separated by commas: the part after https://dev.azure.com/."
)

// readAzureDevOps reads where the API is and which organizations are offered.
func readAzureDevOps(s *source, c *Config) {
	var named string
	c.Endpoint, named, c.APIVersion = readEndpoint(s)
	c.Organizations = readOrganizations(s, named)
	c.DiscoveryEndpoint = readDiscoveryEndpoint(s)
}

// readEndpoint takes the address of the service alone, with an organization, or in the whole form of the Flask sample,
// and distinguishes its parts.
func readEndpoint(s *source) (base, org, version string) {
	u := s.readURL(endpoint, endpointFix)
	if u == nil || !checkServiceHost(s, endpoint, u, "vssps.dev.azure.com") {
		return "", "", defaultAPIVersion
	}
	before, org := splitPath(u.Path)
	alone := before == "" && org == ""
	whole := isPlainPath(before) && organization.MatchString(org)
	if !alone && !whole {
		fix := endpointFix
		if !microsofts(u.Hostname()) {
			fix += " " + noServer
		}
		s.fault(endpoint, "doesn't have the form of the API's address: "+quote(u.String()), fix)
		return "", "", defaultAPIVersion
	}
	return u.Scheme + "://" + u.Host + before, org, readAPIVersion(s, u)
}

// splitPath takes "/contoso/_apis/Tokens/Pats" apart into what comes before the organization ("" at Microsoft's own
// host) and the organization. If the path is no such thing, org isn't the name of one.
func splitPath(path string) (before, org string) {
	const api = "/_apis/tokens/pats"
	path = strings.TrimRight(path, "/")
	if strings.HasSuffix(strings.ToLower(path), api) {
		path = path[:len(path)-len(api)]
		if path == "" {
			return "/", ""
		}
		i := strings.LastIndex(path, "/")
		return path[:i], path[i+1:]
	}
	return "", strings.TrimPrefix(path, "/")
}

func readAPIVersion(s *source, u *url.URL) string {
	if u.RawQuery == "" {
		return defaultAPIVersion
	}
	name, version, _ := strings.Cut(u.RawQuery, "=")
	switch {
	case !strings.EqualFold(name, "api-version") || strings.Contains(version, "&"):
		s.fault(endpoint, "has something other than an api-version after the ?", endpointFix)
	case !apiVersion.MatchString(version):
		s.fault(endpoint, "has an api-version that patdesk doesn't speak: "+quote(version),
			"Put a version from 6.0 to 7.9 there, such as "+defaultAPIVersion+", or leave it out.")
	default:
		return version
	}
	return defaultAPIVersion
}

// checkServiceHost demands https, but for stand-ins on this machine, and knows the addresses of Azure DevOps that are
// taken for the right one.
func checkServiceHost(s *source, name string, u *url.URL, right string) bool {
	host := u.Hostname()
	known := within(host, "dev.azure.com") || within(host, "visualstudio.com")
	switch {
	case u.Scheme != "https" && !isLoopback(host):
		s.fault(name, "doesn't begin with https://: "+quote(u.String()), "The access token of the person who is signed in goes there, so it must be encrypted.")
	case known && host != right:
		s.fault(name, "is another service of Azure DevOps: "+quote(host), "Put https://"+right+" there.")
	default:
		return true
	}
	return false
}

// readOrganizations puts the one that ENDPOINT names, if any, first: it is the one that is opened.
func readOrganizations(s *source, named string) []string {
	var names []string
	for _, name := range list(s.text(organizations)) {
		if !organization.MatchString(name) {
			fix := organizationsFix
			if u, err := url.Parse(name); err == nil && u.Host != "" && !microsofts(u.Hostname()) {
				fix += " " + noServer
			}
			s.fault(organizations, "has an entry that can't be an organization's name: "+quote(name), fix)
			continue
		}
		if !containsFold(names, name) {
			names = append(names, name)
		}
	}
	switch {
	case named == "":
		return names
	case len(names) > 0 && !containsFold(names, named):
		s.fault(organizations, "leaves out "+quote(named)+", the organization in "+endpoint, "Add it, or remove it from "+endpoint+".")
		return names
	}
	names = slices.DeleteFunc(names, func(n string) bool { return strings.EqualFold(n, named) })
	return append([]string{named}, names...)
}

func containsFold(names []string, name string) bool {
	return slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, name) })
}

func readDiscoveryEndpoint(s *source) string {
	fix := "Put " + defaultOf(discoveryEndpoint) + " there, or remove the setting."
	u := s.readURL(discoveryEndpoint, fix)
	if u == nil || !checkServiceHost(s, discoveryEndpoint, u, "app.vssps.visualstudio.com") {
		return ""
	}
	if strings.Contains(strings.ToLower(u.Path), "/_apis") {
		s.fault(discoveryEndpoint, "has a path of the API in it: "+quote(u.Path), fix)
		return ""
	}
	return u.Scheme + "://" + u.Host + strings.TrimRight(u.Path, "/")
}
