// Package failure holds why something that was asked of Azure DevOps, of Entra ID, of a vault or of the store was not
// done: in one form that is an error and can be recorded. The words for people are kept elsewhere, by Source and Kind.
package failure

import (
	"errors"
	"time"

	"github.com/patdesk/patdesk/internal/azuredevops"
	"github.com/patdesk/patdesk/internal/entra"
	"github.com/patdesk/patdesk/internal/session"
	"github.com/patdesk/patdesk/internal/vault"
)

// Where a Failure comes from.
const (
	SourceAzureDevOps = "azuredevops" // Kind is an azuredevops.Kind
	SourceEntra       = "entra"       // no access token could be had, nothing was sent; Kind is an entra.Kind
	SourceStore       = "store"       // our own store failed before anything was sent; Kind is Unavailable or Full with a kind of record
	SourceVault       = "vault"       // Kind is a vault.Kind
	SourceOperation   = "operation"   // Kind is Interrupted, Unreadable or NotKept
)

// Kinds of failures that are our own.
const (
	// Interrupted: the worker stopped (crash, kill, end of a graceful stop) before it knew the outcome.
	Interrupted = "interrupted"
	// Unreadable: an operation of a batch is recorded and can't be read.
	Unreadable = "unreadable"
	// NotKept: the store could not record the intent, so nothing was sent.
	NotKept = "notKept"
	// Unavailable: the store can't be reached.
	Unavailable = "unavailable"
	// FullPrefix stands before the kind of record of which there are as many as one person may have.
	FullPrefix = "full."
)

// Failure is an error in a form that can be recorded. It holds no secret and no body.
type Failure struct {
	ActivityID string        `json:"ActivityID"` // the service's id of the call
	Source     string        `json:"Source"`
	Kind       string        `json:"Kind"`
	Status     int           `json:"Status"` // HTTP status, 0 if no answer came
	Code       string        `json:"Code"`
	RetryAfter time.Duration `json:"RetryAfter"`
	Claims     string        `json:"Claims"`
	Unknown    bool          `json:"Unknown,omitempty"` // whatever the status: what was refused may have been done

	// What it belongs to records these.
	Organization string `json:"-"`
	Vault        string `json:"-"` // address
	Name         string `json:"-"` // of the secret in the vault
}

// Of is the one place where an error becomes a Failure. An error of no known kind comes from getting an access token.
func Of(err error) *Failure {
	var (
		already *Failure
		api     *azuredevops.Error
		sign    *entra.Error
		kept    *vault.Error
		full    *session.FullError
	)
	switch {
	case errors.As(err, &already):
		return already
	case errors.As(err, &api):
		return &Failure{
			Source: SourceAzureDevOps, Kind: string(api.Kind), Status: api.Status, Code: api.Code, ActivityID: api.ActivityID,
			RetryAfter: api.RetryAfter, Claims: api.Claims, Unknown: api.Unknown, Organization: api.Organization,
		}
	case errors.As(err, &kept):
		return &Failure{
			Source: SourceVault, Kind: string(kept.Kind), Status: kept.Status, Code: kept.Code, RetryAfter: kept.RetryAfter, Claims: kept.Claims,
			Unknown: kept.Unknown, Vault: kept.Vault, Name: kept.Name,
		}
	case errors.As(err, &full):
		return &Failure{Source: SourceStore, Kind: FullPrefix + full.Kind}
	case errors.Is(err, session.ErrUnavailable): // it keeps the access tokens
		return &Failure{Source: SourceStore, Kind: Unavailable}
	case errors.As(err, &sign):
		return &Failure{Source: SourceEntra, Kind: string(sign.Kind), Code: sign.Code, RetryAfter: sign.RetryAfter, Claims: sign.Claims}
	}
	return &Failure{Source: SourceEntra, Kind: string(entra.KindOther)}
}

// Error is for logs, as the error says it that the failure was made of.
func (f *Failure) Error() string {
	switch f.Source {
	case SourceStore:
		return session.ErrUnavailable.Error()
	case SourceEntra:
		return (&entra.Error{Kind: entra.Kind(f.Kind), Code: f.Code}).Error()
	case SourceVault:
		return (&vault.Error{Vault: f.Vault, Name: f.Name, Kind: vault.Kind(f.Kind), Status: f.Status, Code: f.Code, Unknown: f.Unknown}).Error()
	}
	return (&azuredevops.Error{
		Organization: f.Organization, Kind: azuredevops.Kind(f.Kind), Status: f.Status, Code: f.Code, ActivityID: f.ActivityID,
	}).Error()
}

// Is lets a failure of the store be recognized as one.
func (f *Failure) Is(target error) bool {
	return target == session.ErrUnavailable && f.Source == SourceStore
}

// In is the failure as one in an organization.
func (f *Failure) In(organization string) *Failure {
	if f == nil {
		return nil
	}
	c := *f
	c.Organization = organization
	return &c
}

// NeedsSignIn reports whether a new sign-in is what it takes, and with which claims.
func (f *Failure) NeedsSignIn() (claims string, ok bool) {
	switch f.Source {
	case SourceEntra:
		return f.Claims, f.Kind == string(entra.KindInteraction)
	case SourceAzureDevOps:
		return f.Claims, f.Kind == string(azuredevops.KindClaims)
	case SourceVault:
		return f.Claims, f.Kind == string(vault.KindConsent) || f.Kind == string(vault.KindSignIn)
	}
	return "", false
}

// KindNoLongerActive is the Kind of the failure of a token that was to be rotated or extended and was found to be
// revoked or expired before anything was sent. The service has the same word for what it doesn't know, in an answer
// with a Status: earlier releases, which may run beside this one, have words for no other.
const KindNoLongerActive azuredevops.Kind = "tokenNotFound"

// NoLongerActive reports whether nothing was sent as the token wasn't active any more.
func (f *Failure) NoLongerActive() bool {
	return f != nil && f.Source == SourceAzureDevOps && f.Kind == string(KindNoLongerActive) && f.Status == 0
}

// Certain reports whether the change was refused by what certainly hasn't done it: only then it needn't be looked for.
func (f *Failure) Certain() bool {
	return f != nil && !f.Unknown && (f.Source == SourceEntra || f.Status >= 400 && f.Status < 500)
}
