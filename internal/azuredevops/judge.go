package azuredevops

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"syscall"
	"time"

	"github.com/patdesk/patdesk/internal/network"
)

const (
	maxClaims     = 2 << 10        // bytes of a challenge that are kept; no sign-in can carry that many
	maxRetryAfter = 24 * time.Hour // whatever the service says
)

// conditionalAccessNumber is that of a refusal by a conditional access policy.
const conditionalAccessNumber = "VS403463"

var (
	numberPattern   = regexp.MustCompile(`\b(?:TF|VS)[0-9]{5,7}\b`)
	activityPattern = regexp.MustCompile(`(?i)activity id:?\s+([0-9a-f-]{36})`)
	signInPattern   = regexp.MustCompile(`(?i)<title>[^<]*sign in|/_signin\b`)
	ownSignIn       = regexp.MustCompile(`(?i)/_signin\b|\b(?:microsoftonline|visualstudio|live)\.(?:com|us|cn)\b|azure devops|aadcdn|msauth|msftauth`)
	claimsPattern   = regexp.MustCompile(`(?i)\bclaims\s*=\s*"?([A-Za-z0-9+/_=-]+)`)
)

// result reports whether the answer can hold the result of a call. 203 can't: with it the service sends its sign-in
// page.
func (a answer) result() bool {
	switch {
	case a.status == http.StatusNoContent:
		return true
	case a.status == http.StatusNonAuthoritativeInfo, a.status/100 != 2:
		return false
	}
	return a.isJSON()
}

// isJSON goes by the content type, not by the look of the body.
func (a answer) isJSON() bool {
	t, _, err := mime.ParseMediaType(a.header.Get("Content-Type"))
	if err != nil && !errors.Is(err, mime.ErrInvalidMediaParameter) {
		return false
	}
	return t == "application/json" || t == "text/json" || strings.HasSuffix(t, "+json")
}

// fault is the body of an answer that says what went wrong. In older versions message is the name of a patTokenError.
type fault struct {
	Message       string        `json:"message"`
	TypeName      string        `json:"typeName"`
	TypeKey       string        `json:"typeKey"`
	PatToken      presence      `json:"patToken"`
	PatTokenError patTokenError `json:"patTokenError"`
}

func (a answer) fault() fault {
	var f fault
	if a.isJSON() {
		// What is there of it is used; the status says the rest.
		_ = unmarshal(a.body, &f)
	}
	return f
}

// named returns the patTokenError that the body names, "" if none.
func (f fault) named() patTokenError {
	if f.PatTokenError.failed() {
		return f.PatTokenError
	}
	words := strings.Fields(strings.TrimRight(f.Message, ". "))
	if len(words) == 0 {
		return ""
	}
	last := words[len(words)-1]
	if k, ok := lookupPatTokenError(last); ok && k != patTokenErrorNone {
		return patTokenError(last)
	}
	return ""
}

// judge says what an answer means that isn't a result.
func (q call) judge(a answer) *Error {
	f := a.fault()
	e := q.fail("", nil)
	e.describe(a)
	e.Unknown = q.change() && !a.refuses(f)
	if named := f.named(); named != "" && a.status/100 == 4 {
		e.Kind, e.Code = named.kind(), printable(string(named))
		return e
	}
	if q.namesToken && f.missingToken() && a.refuses(f) {
		e.Kind = kindAuthorizationNotFound
		return e
	}
	if e.Kind = a.kind(f); q.between(a, f, e.Kind) {
		e.Kind, e.Code = KindIntermediary, a.intermediary()
		return e
	}
	switch e.Kind {
	case KindForbidden, KindBadRequest:
		if e.Unknown && a.foreign(f) {
			e.Kind = KindNotUnderstood
		}
	case KindClaims:
		e.Claims = claims(a.header)
	case KindOrganization:
		// The organization itself answered, so what is missing is the token; unless the answer says that it is the
		// host.
		if q.namesToken && f.typeKey() != "" && !strings.HasPrefix(f.typeKey(), "HostDoesNotExist") {
			e.Kind = kindAuthorizationNotFound
		} else if e.Unknown && a.foreign(f) {
			e.Kind = KindNotUnderstood
		}
	case KindNotUnderstood:
		e.Err = errNotJSON
	}
	return e
}

// kind goes by the status and by what distinguishes answers of one status.
func (a answer) kind(f fault) Kind {
	switch {
	case a.status == http.StatusNonAuthoritativeInfo, a.status/100 == 3:
		return KindSignIn
	case a.status/100 == 2:
		if signInPattern.Match(a.body) {
			return KindSignIn
		}
		return KindNotUnderstood
	case a.status/100 == 4 && bytes.Contains(a.body, []byte(conditionalAccessNumber)):
		return KindConditionalAccess
	case a.status/100 == 4 && f.peopleOnly():
		return KindServicePrincipal
	}
	switch a.status {
	case http.StatusUnauthorized:
		return a.kindOf401(f)
	case http.StatusForbidden:
		return KindForbidden
	case http.StatusNotFound, http.StatusGone:
		return KindOrganization
	case http.StatusRequestTimeout:
		return KindTimeout
	case http.StatusTooManyRequests:
		return KindThrottled
	case http.StatusServiceUnavailable:
		return KindUnavailable
	}
	switch a.status / 100 {
	case 4:
		return KindBadRequest
	case 5:
		return KindServer
	}
	return KindNotUnderstood
}

// peopleOnly: the API takes neither service principals nor tokens as bearer.
func (f fault) peopleOnly() bool {
	return strings.EqualFold(f.typeKey(), "InvalidAccessException") ||
		strings.HasPrefix(f.Message, "Service principals are not allowed") ||
		strings.HasPrefix(f.Message, "The requested operation is not allowed")
}

// unnamedUser is how a refusal names the user whom the service has not recognized.
var unnamedUser = regexp.MustCompile(`(?i)\buser (?:'\s*'|"\s*"|‘\s*’|“\s*”|&#39;\s*&#39;|&quot;\s*&quot;|) is not authorized|\banonymous access\b`)

// kindOf401 distinguishes a bearer that the service understood and refused from one that it could do nothing with.
func (a answer) kindOf401(f fault) Kind {
	switch {
	case claims(a.header) != "":
		return KindClaims
	case unnamedUser.MatchString(f.Message + " " + a.serviceError()):
		return KindSignIn
	case f.typeKey() != "", a.header.Get("X-Tfs-Serviceerror") != "", numberPattern.MatchString(f.Message):
		return KindRefused
	}
	return KindSignIn
}

// claims returns the claims of a challenge, a JSON object, or "". Of one that is far too long it returns the beginning, as it
// has to be known that there is one.
//
// https://learn.microsoft.com/entra/identity-platform/claims-challenge
func claims(h http.Header) string {
	for _, challenge := range h.Values("WWW-Authenticate") {
		m := claimsPattern.FindStringSubmatch(challenge)
		if m == nil {
			continue
		}
		encoded := strings.NewReplacer("-", "+", "_", "/", "=", "").Replace(m[1])
		decoded, err := base64.RawStdEncoding.DecodeString(encoded)
		if err == nil && wholeObject(decoded) {
			return strings.ToValidUTF8(string(decoded[:min(len(decoded), maxClaims)]), "")
		}
	}
	return ""
}

// describe notes status, code and activity id of an answer.
func (e *Error) describe(a answer) {
	e.Status = a.status
	f := a.fault()
	switch number := numberPattern.FindString(f.Message + " " + a.serviceError()); {
	case f.PatTokenError.failed():
		e.Code = printable(string(f.PatTokenError))
	case number != "":
		e.Code = number
	case f.typeKey() != "":
		e.Code = printable(f.typeKey())
	default:
		e.Code = string(numberPattern.Find(a.body[:min(len(a.body), maxErrorBody)]))
	}
	if e.ActivityID = activityID(a.header); e.ActivityID != "" {
		return
	}
	if m := activityPattern.FindStringSubmatch(f.Message); m != nil {
		e.ActivityID = m[1]
	}
}

// serviceError is the text of an error that stands in a header.
func (a answer) serviceError() string {
	text, _ := url.QueryUnescape(a.header.Get("X-Tfs-Serviceerror")) // "" if it can't be read
	return text
}

// activityID is the service's own id for a call, from its header.
func activityID(header http.Header) string {
	for _, name := range []string{"ActivityId", "X-VSS-E2EID"} {
		if id := printable(header.Get(name)); id != "" {
			return id
		}
	}
	return ""
}

// verdict of a failed exchange about the organization. An answer that refuses speaks for its health, and a certificate
// is not its fault.
func (e *Error) verdict() verdict {
	switch e.Kind {
	case KindTimeout, KindConnection, KindServer, KindUnavailable:
		if e.Status/100 == 4 {
			return healthy
		}
		return failing
	case KindCanceled, KindTLS, KindOverloaded:
		return neutral
	}
	return healthy
}

// broken is the Error of an exchange that ended without a whole answer.
func (q call) broken(ctx context.Context, err error) *Error {
	return q.fail(kindOf(ctx, err), safe(err))
}

// kindOf distinguishes the ways in which an exchange can break. What our own side decided comes first: it shows as all
// sorts of errors.
func kindOf(ctx context.Context, err error) Kind {
	var timeout net.Error
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return KindCanceled
	case ctx.Err() == nil && errors.Is(err, syscall.ETIMEDOUT): // the other end is gone, which is no sign of a slow service
		return KindConnection
	case ctx.Err() != nil, errors.As(err, &timeout) && timeout.Timeout():
		return KindTimeout
	case untrusted(err):
		return KindTLS
	case garbled(err):
		return KindNotUnderstood
	}
	return KindConnection
}

// garbled reports whether the body isn't compressed as its header says.
func garbled(err error) bool {
	var corrupt flate.CorruptInputError
	return errors.Is(err, gzip.ErrHeader) || errors.Is(err, gzip.ErrChecksum) || errors.As(err, &corrupt)
}

// untrusted reports whether the TLS handshake failed.
func untrusted(err error) bool {
	var verification *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	var alert tls.AlertError
	var authority x509.UnknownAuthorityError
	var host x509.HostnameError
	var certificate x509.CertificateInvalidError
	return errors.As(err, &verification) || errors.As(err, &record) || errors.As(err, &alert) ||
		errors.As(err, &authority) || errors.As(err, &host) || errors.As(err, &certificate)
}

// dialing reports whether err is of making a connection.
func dialing(err error) bool {
	var operation *net.OpError
	var dns *net.DNSError
	return errors.As(err, &operation) && operation.Op == "dial" || errors.As(err, &dns) || untrusted(err)
}

// safe returns err if its text can't hold anything that the service has sent, else a sentence of our own: net/http
// quotes what it doesn't take for HTTP.
func safe(err error) error {
	var operation *net.OpError
	var timeout net.Error
	var refusal *network.Refusal
	switch {
	case errors.As(err, &refusal):
		return refusal
	case untrusted(err) && network.Cause(err) != "":
		return errors.New(network.Cause(err))
	case untrusted(err), errors.As(err, &timeout) && timeout.Timeout():
		return err
	case errors.As(err, &operation):
		return operation
	}
	for _, known := range []error{context.Canceled, context.DeadlineExceeded, io.EOF, io.ErrUnexpectedEOF, syscall.ECONNRESET} {
		if errors.Is(err, known) {
			return known
		}
	}
	return errBroken
}
