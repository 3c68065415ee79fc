package azuredevops

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Kind says what went wrong, for the program; the words for people are kept elsewhere, under "azuredevops.<kind>". For
// a patTokenError the Kind is that value as the service spells it ("fullScopePatPolicyViolation").
type Kind string

// What can go wrong beside the patTokenErrors.
const (
	KindSignIn            Kind = "signIn"            // 203, redirect, sign-in page, bare 401: the bearer is not accepted here
	KindRefused           Kind = "refused"           // 401 TF400813 and the like: understood, but not allowed (not a member, other tenant, missing permission)
	KindClaims            Kind = "claims"            // 401 insufficient_claims: Claims holds the decoded JSON
	KindForbidden         Kind = "forbidden"         // 403
	KindConditionalAccess Kind = "conditionalAccess" // VS403463
	KindServicePrincipal  Kind = "servicePrincipal"  // only people who sign in through Entra may do this
	KindOrganization      Kind = "organization"      // 404: no such organization (or no longer), or a name that can't be one
	KindBadRequest        Kind = "badRequest"        // 400 and other 4xx without patTokenError
	KindThrottled         Kind = "throttled"         // 429, or nothing was sent because the service asked for a pause (Status 0)
	KindServer            Kind = "server"            // 500 and other 5xx
	KindUnavailable       Kind = "unavailable"       // 503, or nothing was sent because the service asked for a pause (Status 0)
	KindIntermediary      Kind = "intermediary"      // a proxy or portal on the way answered in place of the service; Code holds its host, "" if unknown
	KindNotUnderstood     Kind = "notUnderstood"     // cut JSON, HTML, wrong type, missing fields
	KindOrganizationsOdd  Kind = "organizationsOdd"  // organizations: some of those listed are not understood
	KindTooLarge          Kind = "tooLarge"          // body over the cap
	KindTimeout           Kind = "timeout"
	KindConnection        Kind = "connection"      // refused, reset, DNS
	KindTLS               Kind = "tls"             // certificate not trusted
	KindCanceled          Kind = "canceled"        // our own caller went away
	KindPaused            Kind = "paused"          // the organization failed again and again; nothing was sent (RetryAfter says how long)
	KindBusy              Kind = "busy"            // the person's other calls took all the slots that one person can have; nothing was sent
	KindOverloaded        Kind = "overloaded"      // those of all people took all slots, or all memory for long answers; nothing was sent, or Unknown says otherwise
	KindUnknownPatError   Kind = "unknownPatError" // a patTokenError that the table doesn't know; Code holds it
)

// Kinds returns every Kind that an Error can have.
func Kinds() []Kind {
	kinds := []Kind{
		KindSignIn, KindRefused, KindClaims, KindForbidden, KindConditionalAccess, KindServicePrincipal,
		KindOrganization, KindBadRequest, KindThrottled, KindServer, KindUnavailable, KindIntermediary, KindNotUnderstood,
		KindOrganizationsOdd, KindTooLarge, KindTimeout, KindConnection, KindTLS, KindCanceled, KindPaused, KindBusy, KindOverloaded,
		KindUnknownPatError,
	}
	return append(kinds, patTokenErrors[1:]...)
}

// NotFound reports whether what was asked for isn't there: the organization, or the token.
func (k Kind) NotFound() bool {
	switch k {
	case KindOrganization, "authorizationNotFound", "tokenNotFound", "hostAuthorizationNotFound":
		return true
	default:
		return false
	}
}

// patTokenErrors are the values of patTokenError in the order of the service's enumeration, which sends the name, or in
// older versions the number.
//
// https://learn.microsoft.com/rest/api/azure/devops/tokens/pats/create
var patTokenErrors = []Kind{
	patTokenErrorNone,
	kindDisplayNameRequired,
	kindInvalidDisplayName,
	kindInvalidValidTo,
	kindInvalidScope,
	"userIdRequired",
	"invalidUserId",
	"invalidUserType",
	"accessDenied",
	"failedToIssueAccessToken",
	"invalidClient",
	"invalidClientType",
	"invalidClientId",
	"invalidTargetAccounts",
	"hostAuthorizationNotFound",
	kindAuthorizationNotFound,
	"failedToUpdateAccessToken",
	"sourceNotSupported",
	"invalidSourceIP",
	"invalidSource",
	"duplicateHash",
	"sshPolicyDisabled",
	"invalidToken",
	kindTokenNotFound,
	kindInvalidAuthorizationID,
	"failedToReadTenantPolicy",
	"globalPatPolicyViolation",
	"fullScopePatPolicyViolation",
	"patLifespanPolicyViolation",
	"invalidTokenType",
	"invalidAudience",
	"invalidSubject",
	"deploymentHostNotSupported",
	"disablePatCreationPolicyViolation",
	"failedToReadOrgPolicy",
	"globalPATCreationBlocked",
	"expiredPatCannotBeExtended",
}

// The values that this package itself acts on or answers with.
const (
	patTokenErrorNone          Kind = "none"
	kindDisplayNameRequired    Kind = "displayNameRequired"
	kindInvalidDisplayName     Kind = "invalidDisplayName"
	kindInvalidValidTo         Kind = "invalidValidTo"
	kindInvalidScope           Kind = "invalidScope"
	kindAuthorizationNotFound  Kind = "authorizationNotFound"
	kindTokenNotFound          Kind = "tokenNotFound"
	kindInvalidAuthorizationID Kind = "invalidAuthorizationId"
)

// lookupPatTokenError finds name in the table. Older versions of the service begin it with a capital letter.
func lookupPatTokenError(name string) (Kind, bool) {
	for _, k := range patTokenErrors {
		if strings.EqualFold(string(k), name) {
			return k, true
		}
	}
	return "", false
}

// Error is every failure of a call, but for those of Bearer.
type Error struct {
	Call         string // "list", "get", "create", "update", "revoke", "organizations"
	Organization string // "" for organizations
	Kind         Kind
	Status       int    // HTTP status of the answer, 0 if none came
	Code         string // patTokenError, TF or VS number, or typeKey as received, or a host (KindIntermediary): printable ASCII, at most 64 characters
	ActivityID   string // the service's own id for this call, for support: printable ASCII, at most 64 characters
	RetryAfter   time.Duration
	Claims       string // KindClaims: the decoded claims, a JSON object
	Unknown      bool   // a change whose outcome can't be known: it may have been done
	Token        *Token // create: what the service says it has made, though no secret came with it; else nil
	Err          error  // cause; never contains a bearer, a secret or a body
}

// Error is for logs. It names what happened and holds nothing secret.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("azuredevops: ")
	where := e.Call // not known of a failure that was recorded
	if e.Organization != "" {
		where = strings.TrimSpace(where + " in " + e.Organization)
	}
	if where != "" {
		b.WriteString(where + ": ")
	}
	b.WriteString(string(e.Kind))
	if e.Unknown {
		b.WriteString(", outcome unknown")
	}
	if e.Status != 0 {
		fmt.Fprintf(&b, ", status %d", e.Status)
	}
	switch {
	case e.Code != "" && e.Kind == KindIntermediary:
		fmt.Fprintf(&b, ", from %s", e.Code)
	case e.Code != "":
		fmt.Fprintf(&b, ", code %s", e.Code)
	}
	if e.ActivityID != "" {
		fmt.Fprintf(&b, ", activity %s", e.ActivityID)
	}
	if e.Err != nil {
		fmt.Fprintf(&b, ": %v", e.Err)
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Missing reports whether e is the service's word that it knows no such token.
func (e *Error) Missing() bool {
	return !e.Unknown && (e.Kind == kindAuthorizationNotFound || e.Kind == kindTokenNotFound)
}

// Causes that are found by this package and not by a library.
var (
	errNoBearer     = errors.New("no access token")
	errName         = errors.New("not a valid name")
	errNothing      = errors.New("nothing to change")
	errLength       = errors.New("the answer is longer than the limit")
	errNotJSON      = errors.New("the answer is not JSON")
	errType         = errors.New("the answer is not of the agreed form")
	errNoRecord     = errors.New("the answer holds no token")
	errOtherRecord  = errors.New("the answer holds another token")
	errVague        = errors.New("the answer doesn't say what was done")
	errUnnamed      = errors.New("the answer lists organizations without a name that is understood")
	errNoSecret     = errors.New("the answer holds no secret")
	errMemory       = errors.New("too many long answers are being read")
	errEndless      = errors.New("the list does not end")
	errContradicted = errors.New("the answer holds a token and an error")
	errBroken       = errors.New("the connection broke or did not carry HTTP")
)

// printable returns s without anything but printable ASCII, cut to 64 characters: what the service sends as a code or
// id is shown and logged.
func printable(s string) string {
	const most = 64
	out := make([]byte, 0, min(len(s), most))
	for i := 0; i < len(s) && len(out) < most; i++ {
		if s[i] >= ' ' && s[i] <= '~' {
			out = append(out, s[i])
		}
	}
	return strings.TrimSpace(string(out))
}
