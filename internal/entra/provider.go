package entra

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/AzureAD/microsoft-authentication-library-for-go/apps/cache"
	"github.com/AzureAD/microsoft-authentication-library-for-go/apps/confidential"
	"golang.org/x/sync/singleflight"
)

// Options configures a Provider.
type Options struct {
	ClientID       string
	Authority      string   // https://login.microsoftonline.com/organizations, no trailing slash
	Scopes         []string // of the API, e.g. 499b84ac-1321-427f-aa17-267ca6975798/.default
	AllowedTenants []string // tenant ids; empty: any that the authority lets in
	Credential     Credential
	HTTPClient     *http.Client     // its transport is used; nil: one of our own with limits
	Now            func() time.Time // nil: time.Now
	Log            *slog.Logger     // nil: slog.Default
}

// Provider is Entra ID for one app registration. It may be used by several goroutines.
type Provider struct {
	o        Options
	wire     *wire
	metadata string // address of the authority's OpenID configuration

	refreshing singleflight.Group
	mu         sync.Mutex
	pauses     map[string]pause // after failed refreshes, by session
}

// New makes a Provider. It makes no call.
func New(o Options) (*Provider, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.ClientID == "" || len(o.Scopes) == 0 {
		return nil, errors.New("entra: client id and scopes are needed")
	}
	u, err := url.Parse(o.Authority)
	if err != nil || u.Scheme != "https" || u.Host == "" || strings.Trim(u.Path, "/") == "" {
		return nil, errors.New("entra: the authority isn't an https address with a tenant")
	}
	if _, err := o.Credential.forMSAL(); err != nil {
		return nil, err
	}
	p := &Provider{o: o, metadata: o.Authority + "/v2.0/.well-known/openid-configuration", pauses: map[string]pause{}}
	p.wire = newWire(o.HTTPClient, p.metadata, o.Now, o.Log)
	return p, nil
}

// authorityTenant is the last segment of the authority's path, in lower case: a tenant id, a domain or "organizations".
func (p *Provider) authorityTenant() string {
	return strings.ToLower(p.o.Authority[strings.LastIndex(p.o.Authority, "/")+1:])
}

// client is an MSAL client for one use over one session's cache. A client that is shared mixes sessions up: between
// replacing its cache and reading it another session may come in between.
func (p *Provider) client(c *sessionCache) (confidential.Client, error) {
	credential, err := p.o.Credential.forMSAL()
	if err != nil {
		return confidential.Client{}, err
	}
	return confidential.New(p.o.Authority, p.o.ClientID, credential,
		confidential.WithCache(c),
		confidential.WithHTTPClient(p.wire),
		// Knows Microsoft's own hosts only, and costs a call for each client.
		confidential.WithInstanceDiscovery(false),
		// MSAL_FORCE_REGION would send people's refreshes to a regional host.
		confidential.WithAzureRegion("DisableMsalForceRegion"),
		// Continuous access evaluation: https://learn.microsoft.com/entra/identity-platform/app-resilience-continuous-access-evaluation
		confidential.WithClientCapabilities([]string{"cp1"}))
}

// sessionCache hands a session's cache to MSAL and takes it back.
type sessionCache struct {
	blob    []byte
	changed bool
}

// Replace always unmarshals something: otherwise what was in memory before would stay there.
func (c *sessionCache) Replace(_ context.Context, into cache.Unmarshaler, _ cache.ReplaceHints) error {
	blob := c.blob
	if len(blob) == 0 {
		blob = []byte("{}")
	}
	if err := into.Unmarshal(blob); err != nil {
		return errCorruptCache
	}
	return nil
}

// Export ignores the hints: the cache belongs to the session, whoever MSAL thinks it belongs to.
func (c *sessionCache) Export(_ context.Context, from cache.Marshaler, _ cache.ExportHints) error {
	blob, err := from.Marshal()
	if err != nil {
		return errCorruptCache
	}
	c.blob, c.changed = blob, true
	return nil
}

var errCorruptCache = errors.New("entra: the token cache can't be read")
