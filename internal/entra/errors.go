package entra

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"time"

	"github.com/patdesk/patdesk/internal/network"
)

// Kind says what went wrong. The words for people stand in the templates' catalogue.
type Kind string

const (
	KindDeclined          Kind = "declined"          // access_denied: the person said no
	KindConsent           Kind = "consent"           // the person has not agreed to the permissions
	KindAdminApproval     Kind = "adminApproval"     // only an administrator can agree to them
	KindConditionalAccess Kind = "conditionalAccess" // a policy of the tenant
	KindNotAssigned       Kind = "notAssigned"       // the app wants people to be assigned to it
	KindWrongTenant       Kind = "wrongTenant"       // the account is of a tenant that isn't let in
	KindInteraction       Kind = "interaction"       // sign in again; Claims may be set
	KindTooLong           Kind = "tooLong"           // the claims that a sign-in has to satisfy don't fit into its address
	KindExpired           Kind = "expired"           // the attempt is too old
	KindForged            Kind = "forged"            // state, issuer, nonce, audience, signature … don't fit
	KindMisconfigured     Kind = "misconfigured"     // the app registration or our settings
	KindUnavailable       Kind = "unavailable"       // network, 429, 5xx, no JSON: later
	KindOther             Kind = "other"
)

// Kinds returns every Kind that an Error can have.
func Kinds() []Kind {
	return []Kind{
		KindDeclined, KindConsent, KindAdminApproval, KindConditionalAccess, KindNotAssigned, KindWrongTenant, KindInteraction,
		KindTooLong, KindExpired, KindForged, KindMisconfigured, KindUnavailable, KindOther,
	}
}

// Error is every failure. It never holds a text of MSAL or Entra, a body, a code or a token.
type Error struct {
	Kind          Kind
	Code          string // OAuth error, e.g. "invalid_grant": letters, digits, "_", "-" and ".", at most 64
	AADSTS        string // Microsoft's number, e.g. "65001"; "" if none
	CorrelationID string // for Microsoft's support
	Claims        string // decoded claims challenge, validated JSON
	RetryAfter    time.Duration
	Err           error // our own words for the cause, or a context's or network's error without address
}

func (e *Error) Error() string {
	text := "entra: " + string(e.Kind)
	if e.Code != "" {
		text += ", " + e.Code
	}
	if e.AADSTS != "" {
		text += ", AADSTS" + e.AADSTS
	}
	if e.CorrelationID != "" {
		text += ", correlation id " + e.CorrelationID
	}
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

func (e *Error) Unwrap() error { return e.Err }

// LogValue keeps structured logs to what Error says: the claims stay out.
func (e *Error) LogValue() slog.Value { return slog.StringValue(e.Error()) }

// Format keeps %+v and %#v to it as well.
func (e *Error) Format(f fmt.State, _ rune) { fmt.Fprint(f, e.Error()) }

func forged(why string) *Error { return &Error{Kind: KindForged, Err: errors.New(why)} }

// oauthError is an error answer, at the token endpoint or on the redirect URI (RFC 6749, sections 4.1.2.1 and 5.2).
type oauthError struct {
	Error         string `json:"error"`
	Suberror      string `json:"suberror"`
	Description   string `json:"error_description"`
	CorrelationID string `json:"correlation_id"`
	Claims        string `json:"claims"`
	Codes         []int  `json:"error_codes"`
}

var (
	aadsts      = regexp.MustCompile(`AADSTS(\d{4,10})`)
	correlation = regexp.MustCompile(`(?i)Correlation ID:\s*([0-9a-f-]{36})`)
	plainCode   = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,64}$`)
	plainGUID   = regexp.MustCompile(`^[0-9A-Fa-f-]{8,64}$`)
)

// kindsByNumber are refusals whose OAuth error alone says too little. Microsoft advises not to depend on the numbers
// (https://learn.microsoft.com/entra/identity-platform/reference-error-codes): they only choose better words.
var kindsByNumber = map[string]Kind{
	"65001": KindConsent, "65004": KindDeclined,
	"90093": KindAdminApproval, "90094": KindAdminApproval, "90095": KindAdminApproval,
	"50105": KindNotAssigned,
	"90015": KindTooLong,
	"50020": KindWrongTenant, "90072": KindWrongTenant, "50194": KindMisconfigured, "500200": KindWrongTenant, "700005": KindWrongTenant,
	"50076": KindInteraction, "50078": KindInteraction, "50079": KindInteraction,
	"53000": KindConditionalAccess, "53001": KindConditionalAccess, "53002": KindConditionalAccess, "53003": KindConditionalAccess,
	"53004": KindConditionalAccess, "530031": KindConditionalAccess, "50097": KindConditionalAccess, "50131": KindConditionalAccess, "50005": KindConditionalAccess,
}

var kindsByCode = map[string]Kind{
	"access_denied": KindDeclined, "consent_required": KindConsent,
	"interaction_required": KindInteraction, "login_required": KindInteraction, "invalid_grant": KindInteraction, "account_selection_required": KindInteraction,
	"invalid_client": KindMisconfigured, "unauthorized_client": KindMisconfigured, "invalid_request": KindMisconfigured, "invalid_scope": KindMisconfigured,
	"invalid_resource": KindMisconfigured, "unsupported_response_type": KindMisconfigured, "unsupported_grant_type": KindMisconfigured, "invalid_target": KindMisconfigured,
	"server_error": KindUnavailable, "temporarily_unavailable": KindUnavailable,
}

// classify turns an error answer into an Error.
func classify(o oauthError) *Error {
	e := &Error{Kind: KindOther, Claims: validClaims(o.Claims)}
	if plainCode.MatchString(o.Error) {
		e.Code = o.Error
	}
	if plainGUID.MatchString(o.CorrelationID) {
		e.CorrelationID = o.CorrelationID
	} else if found := correlation.FindStringSubmatch(o.Description); found != nil {
		e.CorrelationID = found[1]
	}
	if found := aadsts.FindStringSubmatch(o.Description); found != nil {
		e.AADSTS = found[1]
	} else if len(o.Codes) > 0 && o.Codes[0] > 0 {
		e.AADSTS = fmt.Sprint(o.Codes[0])
	}
	if kind, ok := kindsByCode[o.Error]; ok {
		e.Kind = kind
	}
	if kind, ok := kindsByNumber[e.AADSTS]; ok {
		e.Kind = kind
	}
	if e.Kind == KindInteraction && !FitsSignIn(o.Claims) {
		e.Kind = KindTooLong
	}
	if o.Suberror == "consent_required" && e.Kind == KindInteraction {
		e.Kind = KindConsent
	}
	return e
}

// networkError turns an error of the network into an Error, without its text: that names addresses with their queries.
func networkError(err error) *Error {
	for _, known := range []error{context.Canceled, context.DeadlineExceeded, errTooLarge, errNotJSON, errTokenType, errUnusable} {
		if errors.Is(err, known) {
			return &Error{Kind: KindUnavailable, Err: known}
		}
	}
	var own *Error
	if errors.As(err, &own) {
		return own
	}
	return &Error{Kind: KindUnavailable, Err: errors.New(networkWords(err))}
}

// networkWords say why there was no usable answer. What isn't known stays unsaid: texts of the network name addresses
// with their queries.
func networkWords(err error) string {
	if cause := network.Cause(err); cause != "" {
		return "no usable answer from Entra: " + cause
	}
	return "no usable answer from Entra"
}
