package vault

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"

	"github.com/patdesk/patdesk/internal/network"
)

const (
	maxBody   = 1 << 20 // bytes; a page of properties is some 20 KB
	outcomeOK = "ok"
)

// credential is a person's token as the SDK asks for it.
type credential struct{ bearer Bearer }

// bearerError keeps an error of Bearer apart from those of the SDK.
type bearerError struct{ error }

// GetToken is called by the SDK, once the vault has said what it wants a token for.
func (c *credential) GetToken(ctx context.Context, o policy.TokenRequestOptions) (azcore.AccessToken, error) {
	if o.Claims != "" { // continuous access evaluation: only a new sign-in can satisfy it
		return azcore.AccessToken{}, &Error{Kind: KindSignIn, Status: http.StatusUnauthorized, Claims: validClaims(o.Claims)}
	}
	token, err := c.bearer(ctx)
	if err != nil {
		return azcore.AccessToken{}, bearerError{err}
	}
	// For the SDK's own memory, which ends with the call.
	return azcore.AccessToken{Token: token, ExpiresOn: time.Now().Add(time.Hour)}, nil
}

// validClaims lets only a JSON object through.
func validClaims(claims string) string {
	var object map[string]any
	if json.Unmarshal([]byte(claims), &object) != nil || object == nil {
		return ""
	}
	return claims
}

// exchange is the HTTP client under one operation. What it has seen of the vault comes before the SDK's words for it.
type exchange struct {
	client    *Client
	operation string
	host      string

	sent      bool   // a request with a bearer went out: whatever came, it may have been carried out
	challenge string // that was asked for
	failure   *Error // of the last answer
}

var errOtherHost = errors.New("the vault refers to another host")

// Do is called by the SDK. A call without a bearer asks for the vault's challenge, which is remembered once the vault has
// taken a bearer for it: what a portal on the way has said in the vault's place would else be believed until the end.
func (x *exchange) Do(r *http.Request) (*http.Response, error) {
	x.failure = nil
	if r.URL.Host != x.host || r.URL.Scheme != "https" { // by the address of a next page
		x.failure = &Error{Kind: KindNotUnderstood, Err: errOtherHost}
		return nil, x.failure
	}
	asks := r.Header.Get("Authorization") == ""
	if known, ok := x.client.challenges.Load(x.host); ok && asks {
		challenge, _ := known.(string)
		return answered(r, http.StatusUnauthorized, http.Header{"Www-Authenticate": {challenge}}, nil), nil
	}
	done := x.client.o.Watch(r.Context(), x.operation, r.Header)
	response, body, err := x.send(r, asks)
	switch {
	case err != nil:
		x.failure = networkError(err)
		done(0, string(x.failure.Kind))
		if x.failure.Kind == KindNoVault {
			return nil, final{x.failure}
		}
		return nil, x.failure
	case response.StatusCode >= http.StatusBadRequest && (!asks || response.StatusCode != http.StatusUnauthorized):
		x.failure = x.refusal(response, body)
		done(response.StatusCode, string(x.failure.Kind))
	default:
		done(response.StatusCode, outcomeOK)
	}
	switch {
	case asks:
		x.challenge = response.Header.Get("WWW-Authenticate")
	case response.StatusCode == http.StatusUnauthorized: // the vault has moved to another tenant
		x.client.challenges.Delete(x.host)
	case x.challenge != "":
		x.client.challenges.Store(x.host, x.challenge)
	}
	return answered(r, response.StatusCode, response.Header, body), nil
}

// final is an error after which the SDK tries no more: a name that isn't in DNS won't be a second later.
type final struct{ error }

func (f final) Unwrap() error { return f.error }

// NonRetriable is asked for by the SDK.
func (final) NonRetriable() {}

// send does one call and reads its answer, bounded.
func (x *exchange) send(r *http.Request, asks bool) (*http.Response, []byte, error) {
	trace := &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { x.sent = x.sent || !asks }}
	response, err := x.client.http.Do(r.WithContext(httptrace.WithClientTrace(r.Context(), trace)))
	if err != nil {
		return nil, nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxBody+1))
	switch {
	case err != nil:
		return nil, nil, err
	case len(body) > maxBody:
		return nil, nil, errTooLarge
	}
	return response, body, nil
}

var errTooLarge = errors.New("the answer is too large")

func answered(r *http.Request, status int, header http.Header, body []byte) *http.Response {
	return &http.Response{
		Status: http.StatusText(status), StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r,
		Header: header, Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)),
	}
}

// refused is the body of a refusal
// (https://learn.microsoft.com/azure/key-vault/general/rest-error-codes).
type refused struct {
	Error struct {
		Code    string `json:"code"`
		Message string `json:"message"`
		Inner   struct {
			Code string `json:"code"`
		} `json:"innererror"`
	} `json:"error"`
}

var (
	plainCode = regexp.MustCompile(`^[A-Za-z0-9]{1,64}$`)
	akvNumber = regexp.MustCompile(`\bAKV\d{4,6}\b`)
)

// refusal words an answer of 400 or above.
func (x *exchange) refusal(response *http.Response, body []byte) *Error {
	var words refused
	e := &Error{Status: response.StatusCode, RetryAfter: network.RetryAfter(response.Header, x.client.o.Now(), retryAtMost)}
	if json.Unmarshal(body, &words) == nil {
		for _, code := range []string{words.Error.Inner.Code, akvNumber.FindString(words.Error.Message), words.Error.Code} {
			if e.Code == "" && plainCode.MatchString(code) {
				e.Code = code
			}
		}
	}
	e.Kind = kindOf(response.StatusCode, e.Code)
	if e.Kind == KindForbidden && strings.Contains(words.Error.Message, "is not authorized and caller is not a trusted service") {
		e.Kind = KindForbiddenByFirewall
	}
	return e
}

// kindsByCode are refusals whose status alone says too little. The codes are the innermost that the service gives.
var kindsByCode = map[string]Kind{
	"ForbiddenByRbac": KindForbiddenByRole, "ForbiddenByPolicy": KindForbiddenByPolicy, "AccessDenied": KindForbiddenByPolicy,
	"ForbiddenByFirewall": KindForbiddenByFirewall, "ForbiddenByConnection": KindForbiddenByFirewall,
	"SecretDisabled": KindDisabled, "SecretNotFound": KindNoSecret, "VaultNotFound": KindNoVault,
	"ObjectIsDeletedButRecoverable": KindDeletedName, "ObjectIsBeingDeleted": KindDeletedName, "ObjectIsBeingRecovered": KindDeletedName,
	"SecretManagedByKeyVault": KindManaged,
	"AKV10032":                KindOtherTenant, // the issuer isn't the vault's tenant
}

func kindOf(status int, code string) Kind {
	if kind, ok := kindsByCode[code]; ok {
		return kind
	}
	switch {
	case status == http.StatusUnauthorized:
		return KindRefused
	case status == http.StatusForbidden:
		return KindForbidden
	case status == http.StatusNotFound:
		return KindNoSecret
	case status == http.StatusConflict:
		return KindDeletedName
	case status == http.StatusTooManyRequests:
		return KindThrottled
	case status == http.StatusRequestTimeout:
		return KindTimeout
	case status >= http.StatusInternalServerError:
		return KindUnavailable
	default:
		return KindBadRequest
	}
}

// networkError words why no answer came, without addresses.
func networkError(err error) *Error {
	var unknown *net.DNSError
	var words error
	if cause := network.Cause(err); cause != "" {
		words = errors.New(cause)
	}
	switch {
	case errors.Is(err, context.Canceled):
		return &Error{Kind: KindCanceled, Err: context.Canceled}
	case errors.Is(err, context.DeadlineExceeded):
		return &Error{Kind: KindTimeout, Err: context.DeadlineExceeded}
	case errors.Is(err, errTooLarge):
		return &Error{Kind: KindNotUnderstood, Err: errTooLarge}
	case errors.As(err, &unknown) && unknown.IsNotFound: // a vault's name is a name in DNS
		return &Error{Kind: KindNoVault, Err: words}
	}
	var slow net.Error
	if errors.As(err, &slow) && slow.Timeout() {
		return &Error{Kind: KindTimeout, Err: words}
	}
	return &Error{Kind: KindConnection, Err: words}
}

// fault is why an operation failed.
func (x *exchange) fault(ctx context.Context, err error, r Reference) error {
	var (
		theirs bearerError
		own    *Error
	)
	switch {
	case errors.As(err, &theirs):
		if !errors.As(theirs.error, &own) {
			return theirs.error
		}
	case errors.As(err, &own): // of the credential as well
	case x.failure != nil:
		own = x.failure
	case ctx.Err() != nil:
		own = networkError(ctx.Err())
	default: // another host's challenge, or an answer of another form
		own = &Error{Kind: KindNotUnderstood}
	}
	if x.operation == operationWrite && x.sent && (own.Status < 400 || own.Status >= 500 || own.Status == http.StatusRequestTimeout) && own.Claims == "" {
		own.Unknown = true
	}
	return own.at(r)
}

// at is the error as one of that vault and secret.
func (e *Error) at(r Reference) *Error {
	c := *e
	c.Vault, c.Name = r.Vault, r.Name
	return &c
}

func secretOf(vault string, id *azsecrets.ID, a *azsecrets.SecretAttributes, contentType *string, tags map[string]*string, managed *bool) Secret {
	s := Secret{Reference: Reference{Vault: vault}, ContentType: value(contentType), Managed: value(managed), Tags: map[string]string{}}
	s.Name, s.Version = parseID(string(value(id)))
	for name, text := range tags {
		s.Tags[name] = value(text)
	}
	if a != nil {
		s.Enabled = a.Enabled == nil || *a.Enabled
		s.Created, s.Updated, s.Expires = value(a.Created), value(a.Updated), value(a.Expires)
	}
	return s
}

// parseID takes a secret's address apart: https://{vault}/secrets/{name}, or with /{version}.
func parseID(id string) (name, version string) {
	u, err := url.Parse(id)
	if err != nil {
		return "", ""
	}
	parts := strings.Split(strings.Trim(u.Path, "/"), "/")
	if len(parts) < 2 || parts[0] != "secrets" || !ValidName(parts[1]) {
		return "", ""
	}
	if len(parts) > 2 {
		version = parts[2]
	}
	return parts[1], version
}

func value[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}

func pointers(texts map[string]string) map[string]*string {
	all := make(map[string]*string, len(texts))
	for name, text := range texts {
		all[name] = &text
	}
	return all
}
