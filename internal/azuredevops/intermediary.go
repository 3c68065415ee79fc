package azuredevops

import (
	"bytes"
	"cmp"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/patdesk/patdesk/internal/network"
)

// Proxies and portals of a network answer in their own name: they lead to where one signs in to them, or show a page.
// That helps no one as a failure of the service, or as a sign-in that has run out.

// serviceDomains are those of the service and of its sign-in: a redirect to them is its own.
//
// https://learn.microsoft.com/azure/devops/organizations/security/allow-list-ip-url
var serviceDomains = []string{
	"azure.com", "visualstudio.com", "microsoft.com", "microsoftonline.com", "microsoftonline.us", "microsoftonline.cn", "live.com", "windows.net",
}

// between reports whether a, which is of that kind by its status, comes from something on the way: nothing in it is the
// service's, and the service doesn't answer so.
func (q call) between(a answer, f fault, kind Kind) bool {
	if a.hasServiceHeader() || !a.foreign(f) {
		return false
	}
	switch {
	case a.status == http.StatusProxyAuthRequired, a.status == http.StatusNetworkAuthenticationRequired:
		return true
	case a.status == http.StatusForbidden, a.status == http.StatusUnavailableForLegalReasons:
		return a.isHTML() && !a.ofFrontDoor()
	case a.status/100 == 3:
		to := a.redirect()
		return to != nil && !q.knows(to.Hostname())
	case a.status/100 == 2:
		return a.isHTML() && (kind == KindNotUnderstood || kind == KindSignIn && a.status != http.StatusNonAuthoritativeInfo && !ownSignIn.Match(a.body))
	}
	return false
}

// ofFrontDoor reports whether a comes from what Microsoft has put before its services, which may refuse in its own
// words.
func (a answer) ofFrontDoor() bool {
	return a.header.Get("X-Msedge-Ref") != "" || a.header.Get("X-Azure-Ref") != ""
}

// knows reports whether host is the one that was asked, or another of the service's.
func (q call) knows(host string) bool {
	if asked, err := url.Parse(q.url); err != nil || strings.EqualFold(asked.Hostname(), host) {
		return true
	}
	return slices.ContainsFunc(serviceDomains, func(domain string) bool {
		return strings.HasSuffix("."+strings.ToLower(host), "."+domain)
	})
}

// refreshTarget is where a page leads by itself, as portals do that are given another's request.
var refreshTarget = regexp.MustCompile(`(?i)\burl\s*=\s*["']?((?:https?:)?//[^\s"'<>;]+)|\blocation(?:\.href|\.replace)?\s*[=(]\s*["']((?:https?:)?//[^\s"'<>]+)`)

// redirect is where a leads, by its header or by its page, nil if not to a host.
func (a answer) redirect() *url.URL {
	target := cmp.Or(a.header.Get("Location"), a.header.Get("Refresh"))
	if m := refreshTarget.FindStringSubmatch(target); m != nil {
		target = m[1]
	}
	if m := refreshTarget.FindSubmatch(a.body); target == "" && a.isHTML() && m != nil {
		target = string(m[1]) + string(m[2])
	}
	to, err := url.Parse(target)
	if err != nil || to.Hostname() == "" {
		return nil
	}
	return to
}

// intermediary is the host of what answered: the one that it leads to, or else the name that it gives itself in Via
// (RFC 9110, section 7.6.3); "" if there is none. Addresses beyond the host may hold what was asked for.
func (a answer) intermediary() string {
	host := ""
	if to := a.redirect(); to != nil {
		host = to.Host
	} else if via := strings.Fields(a.header.Get("Via")); len(via) > 1 {
		host = strings.TrimSuffix(via[1], ",")
	}
	return network.Host(host)
}

func (a answer) isHTML() bool {
	return strings.HasPrefix(strings.ToLower(a.header.Get("Content-Type")), "text/html") && len(bytes.TrimSpace(a.body)) > 0
}
