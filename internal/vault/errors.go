package vault

import (
	"fmt"
	"log/slog"
	"strings"
	"time"
)

// Kind says what went wrong, for the program; the words for people are kept elsewhere, under "vault.<kind>".
type Kind string

// What can go wrong.
const (
	KindConsent             Kind = "consent"             // the person hasn't agreed that patdesk reaches vaults in their name
	KindSignIn              Kind = "signIn"              // Entra ID or the vault wants a new sign-in; Claims may be set
	KindConditionalAccess   Kind = "conditionalAccess"   // a policy of the tenant keeps the person from the vault
	KindNotSetUp            Kind = "notSetUp"            // the app registration lacks the permission, or the tenant knows no Key Vault
	KindOtherTenant         Kind = "otherTenant"         // the vault belongs to another tenant than the sign-in
	KindRefused             Kind = "refused"             // 401 for another reason
	KindForbiddenByRole     Kind = "forbiddenByRole"     // 403: no role assignment lets the person do that
	KindForbiddenByPolicy   Kind = "forbiddenByPolicy"   // 403: the vault's access policies don't
	KindForbiddenByFirewall Kind = "forbiddenByFirewall" // 403: the vault's firewall keeps patdesk's address out, or the whole internet
	KindForbidden           Kind = "forbidden"           // 403 for another reason
	KindNoVault             Kind = "noVault"             // there is no vault of that name
	KindNoSecret            Kind = "noSecret"            // 404: the vault has no such secret, or no such version
	KindDeletedName         Kind = "deletedName"         // 409: a deleted secret still has that name, until it is recovered or purged
	KindDisabled            Kind = "disabled"            // the secret or its version is disabled
	KindManaged             Kind = "managed"             // the secret belongs to a certificate or a storage account
	KindBadRequest          Kind = "badRequest"          // 400 and other 4xx
	KindThrottled           Kind = "throttled"           // 429
	KindUnavailable         Kind = "unavailable"         // 5xx
	KindNotUnderstood       Kind = "notUnderstood"       // no JSON, another form than agreed, or not a vault that answers
	KindTooMany             Kind = "tooMany"             // more secrets, or versions of one, than are read
	KindTimeout             Kind = "timeout"             //
	KindConnection          Kind = "connection"          // refused, reset, certificate not trusted
	KindCanceled            Kind = "canceled"            // our own caller went away
	KindNotAllowed          Kind = "notAllowed"          // the operator doesn't let people use that vault
	KindBadVault            Kind = "badVault"            // not an address of a vault
	KindBadName             Kind = "badName"             // not a secret's name
)

// Kinds returns every Kind that an Error can have.
func Kinds() []Kind {
	return []Kind{
		KindConsent, KindSignIn, KindConditionalAccess, KindNotSetUp, KindOtherTenant, KindRefused, KindForbiddenByRole, KindForbiddenByPolicy,
		KindForbiddenByFirewall, KindForbidden, KindNoVault, KindNoSecret, KindDeletedName, KindDisabled, KindManaged, KindBadRequest,
		KindThrottled, KindUnavailable, KindNotUnderstood, KindTooMany, KindTimeout, KindConnection, KindCanceled, KindNotAllowed,
		KindBadVault, KindBadName,
	}
}

// Error is every failure, but for those of Bearer that say nothing about the vault. It never holds a value, a bearer or
// a text of the vault or the SDK.
type Error struct {
	Kind       Kind
	Vault      string // address; "" if not known
	Name       string // of the secret; "" if it is about the vault
	Status     int    // HTTP status of the answer, 0 if none came
	Code       string // the service's, such as ForbiddenByRbac: letters and digits, at most 64
	RetryAfter time.Duration
	Claims     string // KindSignIn: the decoded claims, a JSON object; "" if none
	Unknown    bool   // a new version may have been written though
	Err        error  // a context's error, or our own words for the cause
}

// Error is for logs.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("vault: ")
	if e.Vault != "" {
		b.WriteString(ShortName(e.Vault))
		if e.Name != "" {
			b.WriteString("/" + e.Name)
		}
		b.WriteString(": ")
	}
	b.WriteString(string(e.Kind))
	if e.Unknown {
		b.WriteString(", outcome unknown")
	}
	if e.Status != 0 {
		fmt.Fprintf(&b, ", status %d", e.Status)
	}
	if e.Code != "" {
		b.WriteString(", code " + e.Code)
	}
	if e.Err != nil {
		b.WriteString(": " + e.Err.Error())
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// LogValue keeps structured logs to what Error says: the claims stay out.
func (e *Error) LogValue() slog.Value { return slog.StringValue(e.Error()) }
