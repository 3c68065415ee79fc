package simulator

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The calls that faults of Azure DevOps can hit.
var (
	devOpsCalls = []string{CallList, CallGet, CallCreate, CallUpdate, CallRevoke, CallProfile, CallAccounts}
	changeCalls = []string{CallCreate, CallUpdate, CallRevoke}
)

func (x *exchange) isChange() bool { return slices.Contains(changeCalls, x.call) }

// shape turns one answer into another: the service's own, or, for a change that isn't done, a pretended one.
type shape func(x *exchange, o FaultOptions, a *answer) *answer

// twofold makes two faults of one shape. The first leaves changes undone. The second, named afterDoing, does what was
// asked and only then spoils the answer.
func twofold(name, afterDoing, group, sentence string, spoil shape) []Fault {
	undone := Fault{Name: name, Group: group, Sentence: sentence, Calls: devOpsCalls,
		before: func(x *exchange, o FaultOptions) *answer {
			if !x.isChange() {
				return nil
			}
			return spoil(x, o, x.pretended())
		},
		after: func(x *exchange, o FaultOptions, a *answer) *answer {
			if x.isChange() {
				return a
			}
			return spoil(x, o, a)
		}}
	done := Fault{Name: afterDoing, Group: group, Calls: changeCalls, after: spoil,
		Sentence: "The change is made first. " + sentence}
	return []Fault{undone, done}
}

// pretended is what a change might have been answered with, had it been done.
func (x *exchange) pretended() *answer {
	if x.call == CallRevoke {
		return newAnswer(x.s.o.RevokeStatus, "", nil)
	}
	t := Token{DisplayName: "Never made", Scope: "vso.profile", TargetAccounts: []string{newGUID()},
		ValidFrom: x.s.now(), ValidTo: x.s.now().Add(time.Hour), AuthorizationID: newGUID()}
	secret := newSecret(x.s.o.RealisticSecrets)
	return x.patResult(t.wire(&secret))
}

// answerFaults are whole answers of another kind than the service gives when all is well.
func answerFaults() []Fault {
	g := GroupAnswers
	only := func(name, sentence string, give func(x *exchange, o FaultOptions) *answer) []Fault {
		return []Fault{{Name: name, Group: g, Sentence: sentence, Calls: devOpsCalls, before: give}}
	}
	both := func(name, afterDoing, sentence string, give func(x *exchange, o FaultOptions) *answer) []Fault {
		return twofold(name, afterDoing, g, sentence, func(x *exchange, o FaultOptions, _ *answer) *answer { return give(x, o) })
	}
	return slices.Concat(
		both("html203", "html203AfterDoing", "203 with the HTML of the sign-in page: the bearer isn't accepted.",
			func(x *exchange, _ FaultOptions) *answer { return x.signInPage203() }),
		only("redirect302", "302 to a sign-in page elsewhere.", (*exchange).redirect302),
		only("unauthorizedBOM", "401 with TF400813 in JSON behind a byte order mark.",
			func(x *exchange, _ FaultOptions) *answer { p, _ := x.caller(); return x.unauthorized(p) }),
		only("unauthorizedEmpty", "401 without a body.",
			func(x *exchange, _ FaultOptions) *answer { return x.unauthorizedEmpty() }),
		[]Fault{{Name: "claimsChallenge", Group: g, Calls: devOpsCalls, Value: "the claims wanted, as JSON",
			Sentence: "401 with a claims challenge, until a sign-in has carried the claims. Only for clients that declared cp1; others get a 401 without."},
			{Name: "claimsChallengeAgain", Group: g, Calls: devOpsCalls, Value: "the claims wanted, as JSON",
				Sentence: "401 with a claims challenge that no sign-in satisfies."}},
		only("forbiddenJSON", "403 in JSON: known, but not allowed.", (*exchange).forbiddenJSON),
		only("forbiddenConditionalAccess", "403 with VS403463 in a large HTML page: a conditional access policy has failed.", (*exchange).conditionalAccessHTML),
		only("forbiddenConditionalAccessJSON", "403 with VS403463 in JSON.", (*exchange).conditionalAccessJSON),
		only("servicePrincipal", "403: service principals are not allowed.",
			func(x *exchange, _ FaultOptions) *answer { return x.servicePrincipalRefused() }),
		only("notFound", "404 in JSON: there is no such organization.",
			func(x *exchange, _ FaultOptions) *answer { return x.unknownOrganization() }),
		only("notFoundHTML", "404 in HTML.", func(*exchange, FaultOptions) *answer {
			return htmlAnswer(http.StatusNotFound, "<!DOCTYPE html><title>404 - Not Found</title><h1>404 - The resource cannot be found.</h1>")
		}),
		only("badRequest400", "400 with TF400898: the body was not understood.",
			func(x *exchange, _ FaultOptions) *answer { return x.unreadableJSON() }),
		both("serverError500", "serverErrorAfterDoing", "500 with TF400898.", (*exchange).serverError500),
		both("badGateway502", "badGatewayAfterDoing", "502 in HTML, from a gateway.", badGateway502),
		both("unavailable503", "unavailableAfterDoing", "503 with Retry-After in seconds.", (*exchange).unavailable503),
		only("unavailable503Date", "503 with Retry-After as a date.", func(x *exchange, o FaultOptions) *answer {
			return x.retryAtDate(x.unavailable503(o), o)
		}),
		both("throttled429", "throttledAfterDoing", "429 with Retry-After in seconds.", (*exchange).throttled429),
		only("throttled429Date", "429 with Retry-After as a date.", func(x *exchange, o FaultOptions) *answer {
			return x.retryAtDate(x.throttled429(o), o)
		}),
		[]Fault{{Name: "throttled200", Group: g, Calls: devOpsCalls, after: (*exchange).throttled200,
			Sentence: "All goes well, but the headers say to slow down: Retry-After and X-RateLimit."},
			{Name: "localeBug", Group: g, Calls: devOpsCalls, before: (*exchange).localeBug,
				Sentence: "500 for everybody whose Accept-Language isn't English."}},
	)
}

// badGateway502 is the page of the service's own entrance, which knows nothing of the service's headers.
func badGateway502(x *exchange, _ FaultOptions) *answer {
	a := htmlAnswer(http.StatusBadGateway, "<html><head><title>502 Bad Gateway</title></head><body>Our services aren't available right now</body></html>")
	a.foreign = true
	a.header.Set("X-Azure-Ref", x.s.now().Format("20060102T150405Z")+"-sim01")
	return a
}

// redirect302 leads to another host. A client that follows it must not carry the bearer there.
func (x *exchange) redirect302(FaultOptions) *answer {
	a := htmlAnswer(http.StatusFound, "<html><head><title>Object moved</title></head><body><h2>Object moved to <a href=\"/_signin\">here</a>.</h2></body></html>")
	a.header.Set("Location", x.s.browserBase(x.r)+"/_signin?realm=vssps.dev.azure.com&reply_to="+x.r.URL.Path)
	return a
}

func (x *exchange) forbiddenJSON(FaultOptions) *answer {
	return x.json(http.StatusForbidden, vssError("UnauthorizedRequestException", "TF50309: The following account does not have sufficient permissions to complete the operation."))
}

const conditionalAccessText = "VS403463: The conditional access policy defined by your Microsoft Entra administrator has failed."

// conditionalAccessHTML is over 40 KB, most of it a picture, as the real page is.
func (x *exchange) conditionalAccessHTML(FaultOptions) *answer {
	picture := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte("picture "), 4000))
	return htmlAnswer(http.StatusForbidden, "<!DOCTYPE html><html><head><title>Access Denied</title></head><body><img src=\"data:image/png;base64,"+
		picture+"\"><p>"+conditionalAccessText+"</p></body></html>")
}

func (x *exchange) conditionalAccessJSON(FaultOptions) *answer {
	return x.json(http.StatusForbidden, vssError("AccessCheckException", conditionalAccessText))
}

func (x *exchange) serverError500(FaultOptions) *answer {
	return x.json(http.StatusInternalServerError, vssError("VssServiceException", x.internalError()))
}

func (x *exchange) unavailable503(o FaultOptions) *answer {
	a := htmlAnswer(http.StatusServiceUnavailable, "<!DOCTYPE html><title>Service Unavailable</title><h1>Azure DevOps Services is currently unavailable.</h1>")
	a.header.Set("Retry-After", seconds(o.RetryAfter))
	return a
}

func (x *exchange) throttled429(o FaultOptions) *answer {
	a := x.json(http.StatusTooManyRequests, vssError("RequestBlockedException",
		"TF400733: The request has been canceled: Request was blocked due to exceeding usage of resource 'Concurrency' in namespace 'User'."))
	x.rateLimit(a, o)
	return a
}

func (x *exchange) throttled200(o FaultOptions, a *answer) *answer {
	x.rateLimit(a, o)
	return a
}

func (x *exchange) rateLimit(a *answer, o FaultOptions) {
	a.header.Set("Retry-After", seconds(o.RetryAfter))
	a.header.Set("X-Ratelimit-Resource", "Core")
	a.header.Set("X-Ratelimit-Delay", "0.500")
	a.header.Set("X-Ratelimit-Limit", "200")
	a.header.Set("X-Ratelimit-Remaining", "0")
	a.header.Set("X-Ratelimit-Reset", strconv.FormatInt(x.s.now().Add(o.RetryAfter).Unix(), 10))
}

func (x *exchange) retryAtDate(a *answer, o FaultOptions) *answer {
	a.header.Set("Retry-After", x.s.now().Add(o.RetryAfter).Format(http.TimeFormat))
	return a
}

// localeBug: see "Application Prohibited Internationally", 2025-12.
func (x *exchange) localeBug(o FaultOptions) *answer {
	if l := x.r.Header.Get("Accept-Language"); l == "" || strings.HasPrefix(strings.ToLower(l), "en") {
		return nil
	}
	return x.serverError500(o)
}

func seconds(d time.Duration) string { return strconv.Itoa(int(d / time.Second)) }

// defaultChallenge is the kind that continuous access evaluation sends.
const defaultChallenge = `{"access_token":{"nbf":{"essential":true,"value":"1604106651"}}}`

// claimsChallenge is the 401 that asks for a sign-in with certain claims, if a fault wants that and the bearer wasn't
// issued for them. See https://learn.microsoft.com/entra/identity-platform/claims-challenge.
func (x *exchange) claimsChallenge(bearer accessToken) *answer {
	o, again := x.fault("claimsChallengeAgain")
	if !again {
		var ok bool
		if o, ok = x.fault("claimsChallenge"); !ok {
			return nil
		}
	}
	wanted := cmp.Or(o.Value, defaultChallenge)
	if !again && claimsInclude(bearer.claims, wanted) {
		return nil
	}
	a := newAnswer(http.StatusUnauthorized, "", nil)
	if !claimsInclude(bearer.claims, `{"access_token":{"xms_cc":{"values":["cp1"]}}}`) {
		a.header.Set("WWW-Authenticate", `Bearer error="invalid_token"`)
		return a
	}
	a.header.Set("WWW-Authenticate", `Bearer realm="", authorization_uri="https://login.microsoftonline.com/common/oauth2/authorize", error="insufficient_claims", claims="`+
		base64.StdEncoding.EncodeToString([]byte(wanted))+`"`)
	return a
}

// claimsInclude reports whether every member that wanted has under access_token is in have, unchanged.
func claimsInclude(have, wanted string) bool {
	type parameter struct {
		AccessToken map[string]any `json:"access_token"`
	}
	var h, w parameter
	if json.Unmarshal([]byte(have), &h) != nil || json.Unmarshal([]byte(wanted), &w) != nil {
		return false
	}
	for name, value := range w.AccessToken {
		if !bytes.Equal(encode(h.AccessToken[name]), encode(value)) {
			return false
		}
	}
	return true
}

// patTokenErrors are the values that the API can refuse with. See PatTokenError in
// https://learn.microsoft.com/rest/api/azure/devops/tokens/pats/create.
var patTokenErrors = []string{
	"displayNameRequired", "invalidDisplayName", "invalidValidTo", "invalidScope", "userIdRequired",
	"invalidUserId", "invalidUserType", "accessDenied", "failedToIssueAccessToken", "invalidClient",
	"invalidClientType", "invalidClientId", "invalidTargetAccounts", "hostAuthorizationNotFound",
	"authorizationNotFound", "failedToUpdateAccessToken", "sourceNotSupported", "invalidSourceIP",
	"invalidSource", "duplicateHash", "sshPolicyDisabled", "invalidToken", "tokenNotFound",
	"invalidAuthorizationId", "failedToReadTenantPolicy", "globalPatPolicyViolation",
	"fullScopePatPolicyViolation", "patLifespanPolicyViolation", "invalidTokenType", "invalidAudience",
	"invalidSubject", "deploymentHostNotSupported", "disablePatCreationPolicyViolation",
	"failedToReadOrgPolicy", "globalPATCreationBlocked", "expiredPatCannotBeExtended",
}

func refusalFaults() []Fault {
	var faults []Fault
	for _, value := range patTokenErrors {
		faults = append(faults, patTokenErrorFault(value))
	}
	return faults
}

func patTokenErrorFault(value string) Fault {
	return Fault{Name: "patTokenError:" + value, Group: GroupRefusals,
		Calls:    []string{CallGet, CallCreate, CallUpdate, CallRevoke},
		Sentence: "The API refuses with patTokenError " + value + ".",
		before:   func(x *exchange, _ FaultOptions) *answer { return x.patError(value) }}
}
