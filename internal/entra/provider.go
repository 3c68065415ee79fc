package entra

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/AzureAD/microsoft-authentication-library-for-go/apps/cache"
	"github.com/AzureAD/microsoft-authentication-library-for-go/apps/confidential"
	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/patdesk/patdesk/internal/panics"
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

	// Watch is called before each call to Entra (its name is one of Calls), and what it returns after it: with the HTTP
	// status, 0 if no answer came, and "ok" or what went wrong, a Kind as a rule. It may add to the header that is
	// sent. Refreshed is called when a refresh of an access token ends, with how (see Refreshes). It may be nil.
	Watch     func(ctx context.Context, call string, header http.Header) (done func(status int, outcome string))
	Refreshed func(outcome string)
}

// Calls returns the names of the calls to Entra.
func Calls() []string { return []string{callCode, callRefresh, callMetadata, callKeys} }

const (
	callCode     = "redeem_code"
	callRefresh  = "redeem_refresh_token"
	callMetadata = "metadata"
	callKeys     = "keys"
	callTrial    = "try_credential" // by -check alone
)

// Refreshes returns how a refresh can end.
func Refreshes() []string { return []string{refreshOK, refreshSignIn, refreshKept, refreshFailed} }

const (
	refreshOK     = "ok"
	refreshSignIn = "sign_in_again" // the person has to sign in again
	refreshKept   = "kept"          // it failed, and the token that is good still goes on
	refreshFailed = "failed"
)

// outcomeOK is the outcome of a call that brought what was asked for.
const outcomeOK = "ok"

// withDefaults fills in what was left out.
func (o Options) withDefaults() Options {
	if o.Now == nil {
		o.Now = time.Now
	}
	o.Log = cmp.Or(o.Log, slog.Default())
	if o.Watch == nil {
		o.Watch = func(context.Context, string, http.Header) func(int, string) { return func(int, string) {} }
	}
	if o.Refreshed == nil {
		o.Refreshed = func(string) {}
	}
	return o
}

// Provider is Entra ID for one app registration. It may be used by several goroutines.
type Provider struct {
	o        Options
	wire     *wire
	metadata string // address of the authority's OpenID configuration

	vault      *memo[Credential] // of Credential.Current
	refreshing panics.Flights
	pauses     pauses                      // after failed refreshes, by session
	peeked     *lru.Cache[string, holding] // what token caches hold, by their versions
}

// New makes a Provider. It makes no call.
func New(o Options) (*Provider, error) {
	o = o.withDefaults()
	if o.ClientID == "" || len(o.Scopes) == 0 {
		return nil, errors.New("entra: client id and scopes are needed")
	}
	u, err := url.Parse(o.Authority)
	if err != nil || u.Scheme != "https" || u.Host == "" || strings.Trim(u.Path, "/") == "" {
		return nil, errors.New("entra: the authority isn't an https address with a tenant")
	}
	if o.Credential.Current == nil {
		if _, err := o.Credential.forMSAL(); err != nil {
			return nil, err
		}
	}
	p := &Provider{o: o, metadata: o.Authority + "/v2.0/.well-known/openid-configuration", pauses: newPauses(o.Now)}
	p.peeked, _ = lru.New[string, holding](manyPeeked) // fails for sizes below one
	p.wire = newWire(o, p.metadata)
	p.vault = &memo[Credential]{
		fetch: p.readCurrent, fresh: credentialFresh, now: o.Now, log: o.Log, words: "the app's credential could not be read", kept: map[string]kept[Credential]{},
	}
	if first := (Credential{Secret: o.Credential.Secret, Certificate: o.Credential.Certificate}); first.Secret != "" || first.Certificate != nil {
		p.vault.kept[theCredential] = kept[Credential]{value: first, has: true, fetched: o.Now()}
	}
	return p, nil
}

// authorityTenant is the last segment of the authority's path, in lower case: a tenant id, a domain or "organizations".
func (p *Provider) authorityTenant() string {
	return strings.ToLower(p.o.Authority[strings.LastIndex(p.o.Authority, "/")+1:])
}

// client is an MSAL client for one use over one session's cache. A client that is shared mixes sessions up: between
// replacing its cache and reading it another session may come in between.
func (p *Provider) client(c Credential, cache *sessionCache) (confidential.Client, error) {
	credential, err := c.forMSAL()
	if err != nil {
		return confidential.Client{}, misconfigured(err)
	}
	client, err := confidential.New(p.o.Authority, p.o.ClientID, credential,
		confidential.WithCache(cache),
		confidential.WithHTTPClient(p.wire),
		// Knows Microsoft's own hosts only, and costs a call for each client.
		confidential.WithInstanceDiscovery(false),
		// MSAL_FORCE_REGION would send people's refreshes to a regional host.
		confidential.WithAzureRegion("DisableMsalForceRegion"),
		// Continuous access evaluation:
		// https://learn.microsoft.com/entra/identity-platform/app-resilience-continuous-access-evaluation
		confidential.WithClientCapabilities([]string{"cp1"}))
	if err != nil {
		return confidential.Client{}, misconfigured(errors.New("MSAL doesn't take the authority or the credential"))
	}
	return client, nil
}

// ask lets use ask Entra for tokens: once, or twice if Entra doesn't take the credential and there is a newer one.
func (p *Provider) ask(ctx context.Context, account string, cache *sessionCache, use func(context.Context, confidential.Client) error) (*exchange, error) {
	credential, err := p.credential(ctx)
	if err != nil {
		return &exchange{}, err
	}
	x, err := p.askWith(ctx, credential, account, cache, use)
	if x.failure == nil || x.failure.Code != "invalid_client" {
		return x, err
	}
	if newer, ok := p.newCredential(ctx, credential); ok {
		return p.askWith(ctx, newer, account, cache, use)
	}
	return x, err
}

func (p *Provider) askWith(ctx context.Context, c Credential, account string, cache *sessionCache, use func(context.Context, confidential.Client) error) (*exchange, error) {
	x := &exchange{account: account, mayAsk: true}
	client, err := p.client(c, cache)
	if err != nil {
		return x, err
	}
	return x, use(withExchange(ctx, x), client)
}

// fault words an error of MSAL's. What the wire has seen comes first: MSAL's own texts may hold a whole answer.
func (p *Provider) fault(x *exchange, err error) *Error {
	var own *Error
	switch {
	case x.failure != nil:
		return x.failure
	case errors.As(err, &own):
		return own
	case x.called && !x.answered: // MSAL has more to ask of the metadata than we have
		p.wire.documents.forget(p.metadata, networkError(errUnusable))
		return networkError(errUnusable)
	default:
		return networkError(err)
	}
}

// sessionCache hands a session's cache to MSAL and takes it back.
type sessionCache struct {
	blob    []byte
	changed bool
}

// Replace unmarshals nothing as well: otherwise what was in memory before would stay there.
func (c *sessionCache) Replace(_ context.Context, into cache.Unmarshaler, _ cache.ReplaceHints) error {
	if err := into.Unmarshal(c.blob); err != nil {
		return errCorruptCache
	}
	return nil
}

// Export ignores the hints: the cache belongs to the session, whatever MSAL takes for its key.
func (c *sessionCache) Export(_ context.Context, from cache.Marshaler, _ cache.ExportHints) error {
	blob, err := from.Marshal()
	if err != nil {
		return errCorruptCache
	}
	c.blob, c.changed = blob, true
	return nil
}

var errCorruptCache = errors.New("entra: the token cache can't be read")
