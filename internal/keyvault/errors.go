package keyvault

import (
	"context"
	"errors"
	"net/http"
	"regexp"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
)

// Reason says why there is no credential, in words for the operator.
type Reason string

// The reasons, and what to do about them.
const (
	ReasonNoIdentity      Reason = "nothing here can sign in to the vault: give this machine a managed or workload identity, or sign in with \"az login\""
	ReasonForbidden       Reason = "the vault doesn't let this identity read it: give it the role \"Key Vault Secrets User\", and look at the vault's firewall and whether the secret is enabled"
	ReasonNotFound        Reason = "the vault holds nothing of that name"
	ReasonEmpty           Reason = "it is empty"
	ReasonUnreadable      Reason = "it isn't written in base64, as a PFX in a vault is"
	ReasonNotACertificate Reason = "it is a secret, not a certificate"
	ReasonUnavailable     Reason = "the vault doesn't answer as it should"
	ReasonOther           Reason = "the vault gave an unexpected answer: check its address"
)

// Error is every failure of Read. It never holds a text of the vault or of the SDK.
type Error struct {
	Reason Reason
	Code   string // the service's, such as SecretNotFound: letters, at most 64
	Err    error  // a context's error
}

func (e *Error) Error() string {
	if e.Code != "" {
		return string(e.Reason) + " (" + e.Code + ")"
	}
	return string(e.Reason)
}

func (e *Error) Unwrap() error { return e.Err }

// Temporary reports whether it may work later by itself.
func (e *Error) Temporary() bool { return e.Reason == ReasonUnavailable }

var plainCode = regexp.MustCompile(`^[A-Za-z]{1,64}$`)

// classify turns an error of the SDK into an Error, without its text: that holds addresses and whole answers.
func classify(ctx context.Context, err error) *Error {
	var (
		own     *Error
		refused *azcore.ResponseError
		stopped interface{ NonRetriable() }
	)
	switch {
	case ctx.Err() != nil:
		return &Error{Reason: ReasonUnavailable, Err: ctx.Err()}
	case errors.As(err, &own):
		return own
	case errors.As(err, &refused):
		e := &Error{Reason: reasonOf(refused.StatusCode)}
		if plainCode.MatchString(refused.ErrorCode) {
			e.Code = refused.ErrorCode
		}
		return e
	case errors.As(err, &stopped): // the challenge isn't one of this vault's
		return &Error{Reason: ReasonOther}
	default:
		return &Error{Reason: ReasonUnavailable}
	}
}

func reasonOf(status int) Reason {
	switch {
	case status == http.StatusNotFound:
		return ReasonNotFound
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return ReasonForbidden
	case status == http.StatusTooManyRequests || status == http.StatusRequestTimeout || status >= http.StatusInternalServerError:
		return ReasonUnavailable
	default:
		return ReasonOther
	}
}

// identity is an identity whose errors are ours: those of the SDK can't be distinguished any more once they have gone
// through it.
type identity struct{ azcore.TokenCredential }

// GetToken is called by the SDK.
func (i identity) GetToken(ctx context.Context, o policy.TokenRequestOptions) (azcore.AccessToken, error) {
	token, err := i.TokenCredential.GetToken(ctx, o)
	var failed *azidentity.AuthenticationFailedError
	switch {
	case err == nil:
		return token, nil
	case ctx.Err() != nil:
		return azcore.AccessToken{}, &Error{Reason: ReasonUnavailable, Err: ctx.Err()}
	case errors.As(err, &failed) && (failed.RawResponse == nil || reasonOf(failed.RawResponse.StatusCode) == ReasonUnavailable):
		return azcore.AccessToken{}, &Error{Reason: ReasonUnavailable}
	default:
		return azcore.AccessToken{}, &Error{Reason: ReasonNoIdentity}
	}
}
