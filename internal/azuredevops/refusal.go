package azuredevops

import (
	"bytes"
	"net/http"
	"regexp"
	"slices"
	"strings"
)

// A change that was refused was not made, and saying so ends the matter. So a refusal is believed only if it is
// certainly the token service's own. Proxies that inspect what passes, gateways and portals put their own page in place
// of an answer, also of one that held a new token's secret.
//
// Two things have to come together: the form in which the service refuses, and something that only the service sends.
// Not all of its answers are known to carry its headers, so its vocabulary counts as well.

// serviceNamespaces begin the names of the service's own exceptions, in typeName.
var serviceNamespaces = []string{"Microsoft.VisualStudio.", "Microsoft.TeamFoundation.", "Newtonsoft.Json."}

// serviceRealm is what the service names when it asks for other credentials.
var serviceRealm = regexp.MustCompile(`(?i)\brealm="https://[a-z0-9.-]+\.(?:visualstudio\.com|azure\.com)/?"`)

// refuses reports whether a is certainly the service's own refusal of a change, so that nothing was done. What slows
// people down or gives up on slow requests (429, 408) stands before the service, like what signs them in (203,
// redirects): it may have answered although the change went through.
func (a answer) refuses(f fault) bool {
	switch {
	case f.missingToken() && a.ownForm(f): // also with 5xx
		return true
	case a.status/100 != 4, a.status == http.StatusTooManyRequests, a.status == http.StatusRequestTimeout:
		return false
	case a.status == http.StatusUnauthorized && claims(a.header) != "":
		return true
	case a.status == http.StatusUnauthorized && len(bytes.TrimSpace(a.body)) == 0:
		return a.header.Get("X-Tfs-Serviceerror") != "" || serviceRealm.MatchString(strings.Join(a.header.Values("WWW-Authenticate"), " "))
	case bytes.Contains(a.body, []byte(conditionalAccessNumber)) && a.hasServiceHeader(): // comes as HTML, too
		return true
	}
	if !a.isJSON() || !wholeObject(a.body) {
		return false
	}
	return a.names(f.PatTokenError) && !f.PatToken.there() || a.ownForm(f)
}

// ownForm reports whether a describes an error as the service does, and holds something that only the service sends.
func (a answer) ownForm(f fault) bool {
	return f.typeKey() != "" && a.isJSON() && wholeObject(a.body) && (a.hasServiceHeader() || f.inServiceTerms())
}

// missingException is what the service calls it that there is no such token, with whatever status.
var missingException = regexp.MustCompile(`(?i)^(?:session|personalaccess)?(?:token|authorization(?:id)?)notfoundexception$`)

// missingToken reports whether f means a token that isn't there.
func (f fault) missingToken() bool { return missingException.MatchString(f.typeKey()) }

// typeKey is the name of the exception. Without one it is the last part of typeName, before the assembly's name.
func (f fault) typeKey() string {
	if f.TypeKey != "" {
		return f.TypeKey
	}
	name, _, _ := strings.Cut(f.TypeName, ",")
	return strings.TrimSpace(name[strings.LastIndexByte(name, '.')+1:])
}

// names reports whether p can only come from the service: it is a value that is known, or came with the service's
// headers.
func (a answer) names(p patTokenError) bool {
	_, known := lookupPatTokenError(string(p))
	return p.failed() && (known || a.hasServiceHeader())
}

// inServiceTerms reports whether f describes an error in terms that only the service uses.
func (f fault) inServiceTerms() bool {
	if f.Message == "" {
		return false
	}
	ours := func(namespace string) bool { return strings.HasPrefix(f.TypeName, namespace) }
	return slices.ContainsFunc(serviceNamespaces, ours) || f.named() != ""
}

// hasServiceHeader reports whether a came through the service. What X-MSEdge-Ref names stands before many other sites,
// too.
func (a answer) hasServiceHeader() bool {
	for name := range a.header {
		if name == "Activityid" || name == "X-Vss-E2eid" || strings.HasPrefix(name, "X-Tfs-") {
			return true
		}
	}
	return false
}

// foreign reports whether nothing in a refusal is the service's, so that its status says nothing of the service either.
func (a answer) foreign(f fault) bool {
	return f.typeKey() == "" && f.named() == "" && !numberPattern.MatchString(f.Message+" "+a.serviceError()) && !bytes.Contains(a.body, []byte(conditionalAccessNumber))
}
