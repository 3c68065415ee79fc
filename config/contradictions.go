package config

import (
	"net"
	"net/netip"
	"net/url"
	"path"
	"slices"
	"strings"
)

// contradictions are the faults that no setting has alone.
func (c Config) contradictions() []contradiction {
	return slices.Concat(c.exposure(), c.plainHTTP(), c.doubledPath(), c.timeouts(), c.tenants(), c.vaultsOfCloud(), c.metricsBeside())
}

// exposure: who listens to other machines must know by which address people come. Otherwise any client's Host header
// would say where Entra ID sends the sign-in's answer.
func (c Config) exposure() []contradiction {
	if c.ListenSocket() != "" && c.BaseURL == "" {
		return []contradiction{{Fault{baseURL,
			"is not set, although " + listenAddress + " is a Unix socket, which nobody can open in a browser",
			"Put the address there that people open, such as https://patdesk.example.com.",
		}, []string{baseURL, listenAddress}}}
	}
	if c.ListenAddress == "" || c.ListensOnLoopback() || c.BaseURL != "" || len(c.TrustedProxies) > 0 {
		return nil
	}
	return []contradiction{{Fault{baseURL,
		"is not set, although " + listenAddress + " (" + c.ListenAddress + ") can be reached from other machines",
		"Put the address there that people open, such as https://patdesk.example.com. In a container whose port is published on this machine alone that is http://localhost:5000.",
	}, []string{baseURL, listenAddress, trustedProxies}}}
}

// plainHTTP: secrets and cookies would cross the network in clear.
func (c Config) plainHTTP() []contradiction {
	if !c.overPlainHTTP() || c.AllowHTTP {
		return nil
	}
	return []contradiction{{Fault{baseURL,
		"is without https: " + quote(c.BaseURL) + ". Everybody on the way could read the tokens' secrets",
		"Put an https address there, with a reverse proxy that has the certificate. To go without on purpose, set " + allowHTTP + "=true.",
	}, []string{baseURL, allowHTTP}}}
}

func (c Config) overPlainHTTP() bool {
	u, err := url.Parse(c.BaseURL)
	return err == nil && u.Scheme == "http" && !isLoopback(u.Hostname())
}

// doubledPath: an operator who takes BASE_URL for the redirect URI registers one address and sends another.
func (c Config) doubledPath() []contradiction {
	if c.BaseURL == "" || c.RedirectPath == "" || !strings.HasSuffix(strings.ToLower(c.BaseURL), strings.ToLower(c.RedirectPath)) {
		return nil
	}
	return []contradiction{{Fault{baseURL,
		"ends in " + quote(c.RedirectPath) + ", which is added to it: the redirect URI would be " + quote(c.RedirectURI()),
		"Leave that out: " + baseURL + " is the address that people open, and " + redirectPath + " stands below it.",
	}, []string{baseURL, redirectPath}}}
}

func (c Config) timeouts() []contradiction {
	if c.Lifetime >= c.IdleTimeout {
		return nil
	}
	return []contradiction{{Fault{sessionLifetime,
		"(" + spoken(c.Lifetime) + ") is shorter than " + sessionIdleTimeout + " (" + spoken(c.IdleTimeout) + ")",
		"Make it at least as long: it ends every session, the idle time only those that nobody uses.",
	}, []string{sessionLifetime, sessionIdleTimeout}}}
}

func (c Config) tenants() []contradiction {
	tenant := strings.ToLower(path.Base(c.Authority))
	if len(c.AllowedTenants) == 0 || !guid.MatchString(tenant) || slices.Contains(c.AllowedTenants, tenant) {
		return nil
	}
	return []contradiction{{Fault{allowedTenants,
		"leaves out " + tenant + ", the tenant in " + authority + ", so that nobody could sign in",
		"Add it, or remove the setting: the authority lets in that tenant alone.",
	}, []string{allowedTenants, authority}}}
}

// metricsBeside: two listeners can't have one port of one address.
func (c Config) metricsBeside() []contradiction {
	host, port, err := net.SplitHostPort(c.ListenAddress)
	metricsHost, metricsPort, metricsErr := net.SplitHostPort(c.MetricsAddress)
	if err != nil || metricsErr != nil || port == "0" || port != metricsPort || !sameHost(host, metricsHost) {
		return nil
	}
	return []contradiction{{Fault{metricsAddress,
		"(" + c.MetricsAddress + ") and " + listenAddress + " (" + c.ListenAddress + ") are the same address. The metrics have a listener of their own, which people's browsers don't reach",
		"Choose another port for one of them, such as localhost:9464 for the metrics.",
	}, []string{metricsAddress, listenAddress}}}
}

// sameHost reports whether listening on both would meet: one of them is all addresses, or they are the same.
func sameHost(a, b string) bool {
	every := func(host string) bool {
		ip, err := netip.ParseAddr(host)
		return host == "" || err == nil && ip.IsUnspecified()
	}
	return every(a) || every(b) || strings.EqualFold(a, b) || isLoopback(a) && isLoopback(b)
}

// advise says what is allowed but worth a second thought.
func advise(s *source, c Config) {
	if c.Credential.Secret.IsSet() {
		s.warn(clientSecret, "a client secret is fine for trying patdesk out. For production Microsoft advises a certificate: see "+certificateFile+".")
	}
	adviseCloud(s, c)
	switch strings.ToLower(path.Base(c.Authority)) {
	case "common":
		s.warn(authority, "with /common people are offered personal Microsoft accounts, which can't be used with Azure DevOps's tokens. /organizations, or better your tenant's ID, avoids that.")
		adviseTenants(s)
	case "organizations":
		adviseTenants(s)
	}
	if c.overPlainHTTP() && c.AllowHTTP {
		s.warn(baseURL, "tokens' secrets cross the network in clear, because "+allowHTTP+" is true. Entra ID itself takes redirect URIs without https for localhost only.")
	}
	if strings.HasPrefix(c.BaseURL, "https://") && !s.mayBeSet(trustedProxies) && c.ListenSocket() == "" {
		s.warn(trustedProxies, "it is not set, so everybody who comes through the proxy at "+baseURL+" counts as one client, in the log and for "+rateLimitSignIns+". Put the proxy's address there.")
	}
	if !s.mayBeSet(baseURL) && len(c.TrustedProxies) > 0 {
		s.warn(baseURL, "it is not set, so the public address is taken from the headers of the proxies in "+trustedProxies+". Setting it leaves nothing to them.")
	}
}

func adviseTenants(s *source) {
	if !s.mayBeSet(allowedTenants) {
		s.warn(allowedTenants, "it is not set, and "+authority+" names no tenant: work accounts of every company can sign in, and the app must be registered as multitenant. Name your tenant's ID in one of them.")
	}
}

// sovereign are the domains of Entra ID in the clouds beside the public one
// (https://learn.microsoft.com/entra/identity-platform/authentication-national-cloud).
var sovereign = []string{"microsoftonline.us", "login-us.microsoftonline.com", "microsoftonline.cn", "chinacloudapi.cn", "microsoftonline.de"}

// noServer is why Azure DevOps on one's own machines isn't supported.
const noServer = "Azure DevOps Server (TFS), on one's own machines, isn't supported: it has neither this API nor a sign-in by Entra ID."

// adviseCloud names what looks like the real services and hasn't what patdesk needs.
func adviseCloud(s *source, c Config) {
	if u, err := url.Parse(c.Authority); err == nil && slices.ContainsFunc(sovereign, func(domain string) bool { return within(u.Hostname(), domain) }) {
		s.warn(authority, u.Hostname()+" is the Entra ID of a sovereign cloud, which isn't supported: Azure DevOps Services exists in the public cloud only, so there are no tokens to manage. Its organizations' people sign in at https://login.microsoftonline.com.")
	}
	for _, at := range [][2]string{{endpoint, c.Endpoint}, {discoveryEndpoint, c.DiscoveryEndpoint}} {
		if u, err := url.Parse(at[1]); err == nil && at[1] != "" && !isLoopback(u.Hostname()) && !microsofts(u.Hostname()) {
			s.warn(at[0], u.Hostname()+" is not a host of Azure DevOps Services. "+noServer)
		}
	}
	if u, err := url.Parse(c.Traces.Endpoint); err == nil && u.Port() == "4317" {
		s.warn(tracesEndpoint, "port 4317 is where collectors take OTLP over gRPC as a rule. patdesk sends it over HTTP, which they take at 4318.")
	}
}

// microsofts reports whether host is one of Azure DevOps Services.
func microsofts(host string) bool {
	return within(host, "azure.com") || within(host, "visualstudio.com")
}

// within reports whether host is domain or below it.
func within(host, domain string) bool {
	host = strings.ToLower(host)
	return host == domain || strings.HasSuffix(host, "."+domain)
}
