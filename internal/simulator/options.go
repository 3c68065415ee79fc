package simulator

import (
	"cmp"
	"net/http"
	"time"
)

// Defaults of the registered application and of its tenants. None of them is real; the credentials say so themselves.
const (
	DefaultClientID     = "5d0a0000-de30-4000-8000-000000000001"
	DefaultClientSecret = "FAKE~demo.client-secret~not-a-real-one"
	DefaultTenantID     = "c0470500-de30-4000-8000-00000000000a"
	// OtherTenantID is a tenant that owns none of the default organizations.
	OtherTenantID = "000d6240-de30-4000-8000-00000000000b"
)

// Lifetimes of what Entra hands out when Options doesn't say otherwise.
const (
	codeLifetime           = 10 * time.Minute
	defaultAccessLifetime  = 75 * time.Minute
	refreshTokenLifetime   = 90 * 24 * time.Hour
	idTokenLifetime        = time.Hour
	maxRememberedRequests  = 10_000
	maxRememberedBody      = 64 << 10
	defaultLifespanOfAYear = 365 * 24 * time.Hour
)

// Answer says which of several possible answers the PAT API gives.
type Answer string

// The answers to a question about a token that doesn't exist.
const (
	AnswerPatTokenError Answer = "patTokenError" // an object with authorizationNotFound
	AnswerNotFound      Answer = "404"           // a plain 404 with a typeKey
	AnswerSuccess       Answer = "success"       // for revoke only: as if it had been revoked
)

// Options configures a Simulator. Its zero value is a strict and empty service: default organizations and people, no
// redirect URI, no tokens.
type Options struct {
	// Now is the clock of all services; nil means time.Now.
	Now func() time.Time

	// ClientSecret is the registered application's; empty means the default above.
	ClientSecret string
	// RedirectURIs are the registered ones, compared letter for letter.
	RedirectURIs []string
	// GrantedScopes are the delegated permissions consented to for the application; nil means vso.pats, vso.pats_manage
	// and vso.profile.
	GrantedScopes []string

	// People and Organizations replace the default ones.
	People        []Person
	Organizations []Organization
	// Vaults replaces the default ones.
	Vaults []Vault
	// Seed fills the organizations with about forty demo tokens, and the vaults with some secrets.
	Seed bool

	// AccessTokenLifetime is reported as expires_in; 0 means 75 minutes.
	AccessTokenLifetime time.Duration
	// RefreshIn is reported as refresh_in; 0 leaves it out.
	RefreshIn time.Duration
	// ResponseIssuer sends iss with every authorization response (RFC 9207) and says so in the metadata.
	ResponseIssuer bool

	// ErrorStatus is the HTTP status that carries a patTokenError: 200 or 4xx; 0 means 200, which a careless client
	// takes for success.
	ErrorStatus int
	// UnknownToken is the answer for an authorizationId that doesn't exist.
	UnknownToken Answer
	// RevokeStatus is the status of a revoke that worked: 204 (0 means that) or 200.
	RevokeStatus int
	// PageSize caps the page whatever $top asks for; 0 means 100.
	PageSize int
	// MaxLifespan is the tenant's policy, which shortens expiries: from now at creation, from validFrom at update; 0 is
	// none.
	MaxLifespan time.Duration
	// RealisticSecrets makes secrets of the real shape (…AZDO…), instead of those that say that they are fakes.
	RealisticSecrets bool

	// FullHandshakes resumes no TLS session, so that all connections begin with as many bytes.
	FullHandshakes bool
	// KeepSecrets remembers every secret handed out, for Secrets.
	KeepSecrets bool
}

// withDefaults fills in what was left out.
func (o Options) withDefaults() Options {
	if o.Now == nil {
		o.Now = time.Now
	}
	o.ClientSecret = cmp.Or(o.ClientSecret, DefaultClientSecret)
	if o.GrantedScopes == nil {
		o.GrantedScopes = []string{"vso.pats", "vso.pats_manage", "vso.profile"}
	}
	if o.Organizations == nil {
		o.Organizations = defaultOrganizations
	}
	if o.People == nil {
		o.People = defaultPeople
	}
	if o.Vaults == nil {
		o.Vaults = defaultVaults
	}
	o.AccessTokenLifetime = cmp.Or(o.AccessTokenLifetime, defaultAccessLifetime)
	o.ErrorStatus = cmp.Or(o.ErrorStatus, http.StatusOK)
	o.UnknownToken = cmp.Or(o.UnknownToken, AnswerPatTokenError)
	o.RevokeStatus = cmp.Or(o.RevokeStatus, http.StatusNoContent)
	o.PageSize = cmp.Or(o.PageSize, maxTop)
	return o
}
