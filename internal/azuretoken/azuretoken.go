// Package azuretoken gets tokens of Entra ID for patdesk itself, as whatever identity the machine has: a managed or a
// workload identity, or "az login". What a token opens, its user knows.
package azuretoken

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"github.com/patdesk/patdesk/internal/panics"
)

const (
	tryTimeout = 5 * time.Second
	retries    = 2
	retryDelay = 500 * time.Millisecond
	// longest bounds one request for a token, retries and all ways to get one included.
	longest = 20 * time.Second
)

// Errors of a Source. They hold no text of the SDK's, which has addresses and whole answers in it.
var (
	// ErrNoIdentity may be over later: an endpoint that doesn't answer yet looks like none.
	ErrNoIdentity = errors.New("nothing here can get a token of Entra ID")
	// ErrRefused is followed by the code that Entra ID gives, if any.
	ErrRefused = errors.New("this machine's identity is refused a token of Entra ID")
	// ErrUnavailable may be over later.
	ErrUnavailable = errors.New("what gives out tokens of Entra ID doesn't answer")
	errNoObject    = errors.New("the token of Entra ID has no object id, so the user must be given")
)

// Token is an access token. It is never printed.
type Token struct {
	text   string
	Object string // the object id (oid) of the identity; "" if the token doesn't have it
}

// Reveal is the token itself.
func (t Token) Reveal() string { return t.text }

// Format keeps the token out of everything that is printed, whatever the verb.
func (t Token) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "token of "+t.Object) }

// LogValue is the same for structured logs.
func (t Token) LogValue() slog.Value { return slog.StringValue("token of " + t.Object) }

// Source gives out tokens for one scope. The SDK keeps each until five minutes before its end. It may be used by several
// goroutines.
type Source struct {
	scope    string
	identity azcore.TokenCredential
	flights  panics.Flights
}

// New makes a Source for a scope such as https://redis.azure.com/.default. It makes no call.
func New(scope string) (*Source, error) {
	identity, err := azidentity.NewDefaultAzureCredential(&azidentity.DefaultAzureCredentialOptions{ClientOptions: azcore.ClientOptions{
		Transport: &http.Client{
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
			Transport: &http.Transport{
				Proxy: http.ProxyFromEnvironment, DialContext: (&net.Dialer{Timeout: tryTimeout}).DialContext,
				TLSHandshakeTimeout: tryTimeout, ResponseHeaderTimeout: tryTimeout, IdleConnTimeout: time.Minute, ForceAttemptHTTP2: true,
			},
		},
		Retry:     policy.RetryOptions{MaxRetries: retries, TryTimeout: tryTimeout, RetryDelay: retryDelay, MaxRetryDelay: tryTimeout},
		Telemetry: policy.TelemetryOptions{ApplicationID: "patdesk"},
	}})
	if err != nil {
		return nil, ErrNoIdentity
	}
	return &Source{scope: scope, identity: identity}, nil
}

// Token returns a token that is good for five minutes or more, unless the identity's endpoint hands out an older one. It
// takes 20 seconds at most. A caller that gives up earlier leaves the request running, for the next one: an endpoint that
// is slower than one call would otherwise never answer. Errors are those of this package.
func (s *Source) Token(ctx context.Context) (Token, error) {
	flight := s.flights.DoChan("", func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), longest)
		defer cancel()
		return s.request(ctx)
	})
	select {
	case r := <-flight:
		token, _ := r.Val.(Token)
		return token, r.Err
	case <-ctx.Done():
		return Token{}, ErrUnavailable
	}
}

func (s *Source) request(ctx context.Context) (Token, error) {
	got, err := s.identity.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{s.scope}})
	if err != nil {
		return Token{}, classify(ctx, err)
	}
	return Token{text: got.Token, Object: objectOf(got.Token)}, nil
}

// code is how Entra ID names what is wrong.
var code = regexp.MustCompile(`AADSTS[0-9]{1,10}`)

func classify(ctx context.Context, err error) error {
	var failed *azidentity.AuthenticationFailedError
	switch {
	case ctx.Err() != nil:
		return ErrUnavailable
	case !errors.As(err, &failed):
		return ErrNoIdentity
	case failed.RawResponse == nil || isPassing(failed.RawResponse.StatusCode):
		return ErrUnavailable
	}
	if c := code.FindString(failed.Error()); c != "" {
		return fmt.Errorf("%w (%s)", ErrRefused, c)
	}
	return ErrRefused
}

func isPassing(status int) bool {
	return status == http.StatusTooManyRequests || status == http.StatusRequestTimeout || status >= http.StatusInternalServerError
}

// Password is Token in the form in which Azure's Redis takes it: the token is the password, and the user is called by the
// object id of the identity, or by user if that isn't ""
// (https://learn.microsoft.com/azure/redis/entra-for-authentication#microsoft-entra-client-workflow).
func (s *Source) Password(ctx context.Context, user string) (name, password string, err error) {
	t, err := s.Token(ctx)
	if err != nil {
		return "", "", err
	}
	if user == "" {
		user = t.Object
	}
	if user == "" {
		return "", "", errNoObject
	}
	return user, t.Reveal(), nil
}

// objectOf reads a JWT without believing it: whom the token is shown to checks the signature.
func objectOf(token string) string {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return ""
	}
	var claims struct {
		Object string `json:"oid"`
	}
	body, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil || json.Unmarshal(body, &claims) != nil {
		return ""
	}
	return claims.Object
}
