// Package vault keeps a person's secrets in Azure Key Vault, in that person's name: it writes new versions, and reads,
// tags and disables them. It never reads a value. A client of the vault's data plane, an answer of its own, or the rules
// for names and tags belong here; which token is in which secret is others' to say.
//
// Values are written and never read: there is no call here that returns one. The service has none that returns the
// properties of one version without its value, but for listing all of a secret's versions, so that is what is used
// (https://learn.microsoft.com/rest/api/keyvault/secrets/operation-groups).
package vault

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"net"
	"net/http"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"

	"github.com/patdesk/patdesk/internal/network"
)

// apiVersion is the newest that all clouds are known to have; the SDK's own default is newer and brings nothing that is
// used here (https://learn.microsoft.com/rest/api/keyvault/secrets/operation-groups?view=rest-keyvault-secrets-7.4).
const apiVersion = "7.4"

const (
	tryTimeout   = 8 * time.Second
	retries      = 2 // of what changes nothing or can be done twice
	firstDelay   = 500 * time.Millisecond
	maxDelay     = 5 * time.Second
	readTimeout  = 30 * time.Second // of a whole list with its pages and tries
	writeTimeout = 30 * time.Second
	retryAtMost  = 5 * time.Minute // of what Retry-After can ask for

	// MaxSecrets is how many secrets of a vault, and versions of a secret, are read. A page has 25
	// (https://learn.microsoft.com/rest/api/keyvault/secrets/get-secrets/get-secrets).
	MaxSecrets = 2000
)

// Options configures a Client.
type Options struct {
	Vaults []string // addresses that the operator names: https://team.vault.azure.net
	Allow  []string // patterns of hosts that people may use besides: *.vault.azure.net
	Suffix string   // of this cloud's vaults; vault.azure.net if empty

	HTTPClient *http.Client     // its transport is used; nil: one of our own with limits
	Now        func() time.Time // nil: time.Now

	// Watch is called before each exchange with a vault (operation is one of Operations), and what it returns after it:
	// with the HTTP status, 0 if no answer came, and "ok" or a Kind. It may add to the header that is sent. It may be
	// nil.
	Watch func(ctx context.Context, operation string, header http.Header) (done func(status int, outcome string))

	FirstDelay time.Duration // before the first of two tries more; 0: half a second
}

// Names of the operations.
const (
	operationList     = "list"
	operationVersions = "versions"
	operationWrite    = "write"
	operationUpdate   = "update"
)

// Operations returns the names of a Client's operations, as Watch gets them.
func Operations() []string {
	return []string{operationList, operationVersions, operationWrite, operationUpdate}
}

// Client calls the vaults of one cloud. It is safe for concurrent use; a program needs one.
type Client struct {
	o          Options
	http       *http.Client
	challenges sync.Map // host -> what a vault answers a call without a bearer
}

// New makes a Client. It makes no call.
func New(o Options) *Client {
	o.Suffix, o.FirstDelay = cmp.Or(o.Suffix, "vault.azure.net"), cmp.Or(o.FirstDelay, firstDelay)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Watch == nil {
		o.Watch = func(context.Context, string, http.Header) func(int, string) { return func(int, string) {} }
	}

	return &Client{o: o, http: newHTTPClient(o.HTTPClient)}
}

// newHTTPClient follows no redirects: a vault sends none.
func newHTTPClient(given *http.Client) *http.Client {
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	if given != nil {
		client.Transport = given.Transport
		return client
	}
	client.Transport = &http.Transport{
		Proxy: http.ProxyFromEnvironment, OnProxyConnectResponse: network.RefusedByProxy,
		DialContext:         (&net.Dialer{Timeout: tryTimeout}).DialContext,
		TLSHandshakeTimeout: tryTimeout, MaxIdleConnsPerHost: 8, IdleConnTimeout: time.Minute, ForceAttemptHTTP2: true,
		HTTP2: &http.HTTP2Config{SendPingTimeout: 10 * time.Second, PingTimeout: 5 * time.Second},
	}
	return client
}

// Bearer returns an access token for vaults of the person on whose behalf is called. Its error reaches the caller as it
// is, and nothing is sent then.
type Bearer func(ctx context.Context) (string, error)

// Caller is a Client for one person. It is safe for concurrent use.
type Caller struct {
	client *Client
	bearer Bearer
}

// As returns a Caller for a person, for whom b speaks.
func (c *Client) As(b Bearer) *Caller { return &Caller{client: c, bearer: b} }

// Secret is one version of a secret, without its value.
type Secret struct {
	Reference
	Version     string
	Enabled     bool
	Created     time.Time
	Updated     time.Time
	Expires     time.Time // zero: never
	ContentType string
	Tags        map[string]string
	Managed     bool // it belongs to a certificate or a storage account: not to be written
}

// Properties are what a new version has besides its value.
type Properties struct {
	Tags        map[string]string // at most 15, names and values of at most 256 characters
	ContentType string            // at most 255 characters
	Expires     time.Time         // whole seconds; zero: never
}

// List returns the newest version of each secret of a vault, in the vault's order. With KindTooMany it returns those
// that were read. The version's own name isn't known to it. Errors: *Error, or Bearer's own.
func (c *Caller) List(ctx context.Context, vault string) ([]Secret, error) {
	var found []Secret
	err := c.call(ctx, operationList, Reference{Vault: vault}, func(ctx context.Context, secrets *azsecrets.Client) error {
		pages := secrets.NewListSecretPropertiesPager(nil)
		return readAll(ctx, pages, vault, &found, func(p azsecrets.ListSecretPropertiesResponse) []*azsecrets.SecretProperties { return p.Value })
	})
	return found, err
}

// Versions returns all versions of a secret, in the vault's order. With KindTooMany it returns those that were read.
// Errors: as those of List.
func (c *Caller) Versions(ctx context.Context, r Reference) ([]Secret, error) {
	var found []Secret
	err := c.call(ctx, operationVersions, r, func(ctx context.Context, secrets *azsecrets.Client) error {
		pages := secrets.NewListSecretPropertiesVersionsPager(r.Name, nil)
		return readAll(ctx, pages, r.Vault, &found, func(p azsecrets.ListSecretPropertiesVersionsResponse) []*azsecrets.SecretProperties { return p.Value })
	})
	return found, err
}

// readAll adds what can be understood of all pages: KindTooMany with those that were read.
func readAll[P any](ctx context.Context, pages *runtime.Pager[P], vault string, found *[]Secret, in func(P) []*azsecrets.SecretProperties) error {
	for pages.More() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return err
		}
		for _, p := range in(page) {
			if p == nil {
				continue
			}
			if s := secretOf(vault, p.ID, p.Attributes, p.ContentType, p.Tags, p.Managed); s.Name != "" {
				*found = append(*found, s)
			}
		}
		if len(*found) > MaxSecrets {
			*found = (*found)[:MaxSecrets]
			return &Error{Kind: KindTooMany}
		}
	}
	return nil
}

// Write adds a version with that value, which becomes the newest, and returns it without the value. It is sent at most
// once. Where Error.Unknown is set it may have been written: Versions says so. Errors: as those of List.
func (c *Caller) Write(ctx context.Context, r Reference, value string, p Properties) (Secret, error) {
	var written Secret
	if err := p.check(); err != nil {
		return Secret{}, err.at(r)
	}
	err := c.call(ctx, operationWrite, r, func(ctx context.Context, secrets *azsecrets.Client) error {
		attributes := &azsecrets.SecretAttributes{Enabled: new(true)}
		if !p.Expires.IsZero() {
			attributes.Expires = new(p.Expires.UTC().Truncate(time.Second))
		}
		answer, err := secrets.SetSecret(ctx, r.Name, azsecrets.SetSecretParameters{
			Value: &value, ContentType: &p.ContentType, Tags: pointers(p.Tags), SecretAttributes: attributes,
		}, nil)
		if err != nil {
			return err
		}
		// The answer repeats the value, which goes no further.
		written = secretOf(r.Vault, answer.ID, answer.Attributes, answer.ContentType, answer.Tags, answer.Managed)
		if written.Name == "" || written.Version == "" {
			return &Error{Kind: KindNotUnderstood, Unknown: true}
		}
		return nil
	})
	return written, err
}

// Disable makes the version's value unreadable for all, until it is enabled again in the vault. Errors: as those of
// List.
func (c *Caller) Disable(ctx context.Context, r Reference, version string) error {
	return c.update(ctx, r, version, azsecrets.UpdateSecretPropertiesParameters{
		SecretAttributes: &azsecrets.SecretAttributes{Enabled: new(false)},
	})
}

// Tag gives a version these tags in place of all that it has. Errors: as those of List.
func (c *Caller) Tag(ctx context.Context, r Reference, version string, tags map[string]string) error {
	if err := (Properties{Tags: tags}).check(); err != nil {
		return err.at(r)
	}
	return c.update(ctx, r, version, azsecrets.UpdateSecretPropertiesParameters{Tags: pointers(tags)})
}

func (c *Caller) update(ctx context.Context, r Reference, version string, change azsecrets.UpdateSecretPropertiesParameters) error {
	return c.call(ctx, operationUpdate, r, func(ctx context.Context, secrets *azsecrets.Client) error {
		_, err := secrets.UpdateSecretProperties(ctx, r.Name, version, change, nil)
		return err
	})
}

// check returns why the service would refuse the properties.
func (p Properties) check() *Error {
	if len(p.Tags) > maxTags {
		return &Error{Kind: KindBadRequest, Err: errTags}
	}
	for name, value := range maps.All(p.Tags) {
		if utf8.RuneCountInString(name) > maxTagLength || utf8.RuneCountInString(value) > maxTagLength {
			return &Error{Kind: KindBadRequest, Err: errTags}
		}
	}
	if utf8.RuneCountInString(p.ContentType) > maxContentType {
		return &Error{Kind: KindBadRequest, Err: errContentType}
	}
	return nil
}

// Causes that are found before anything is sent.
var (
	errTags        = errors.New("more tags, or longer ones, than a vault takes")
	errContentType = errors.New("a longer content type than a vault takes")
)

// call does one operation, within its time. It is the one way to the network.
func (c *Caller) call(ctx context.Context, operation string, r Reference, do func(context.Context, *azsecrets.Client) error) (err error) {
	switch {
	case !c.client.allowed(r.Vault):
		return &Error{Kind: KindNotAllowed, Vault: r.Vault, Name: r.Name}
	case operation != operationList && !ValidName(r.Name):
		return &Error{Kind: KindBadName, Vault: r.Vault}
	}
	timeout, most := readTimeout, int32(retries)
	if operation == operationWrite {
		timeout, most = writeTimeout, -1 // never twice: each time there would be one more version
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	x := &exchange{client: c.client, operation: operation, host: r.Vault[len("https://"):]}
	// The challenge's resource stays verified: it keeps an address that isn't a vault's from getting a vault's token
	// (https://aka.ms/azsdk/blog/vault-uri).
	secrets, err := azsecrets.NewClient(r.Vault, &credential{c.bearer}, &azsecrets.ClientOptions{ClientOptions: azcore.ClientOptions{
		APIVersion: apiVersion, Transport: x, Telemetry: policy.TelemetryOptions{ApplicationID: "patdesk"},
		Retry: policy.RetryOptions{MaxRetries: most, RetryDelay: c.client.o.FirstDelay, MaxRetryDelay: maxDelay, TryTimeout: tryTimeoutOf(operation)},
	}})
	if err != nil {
		return &Error{Kind: KindBadVault, Vault: r.Vault, Name: r.Name}
	}
	defer func() { // the SDK trips over some challenges
		if recover() != nil {
			err = (&Error{Kind: KindNotUnderstood, Unknown: x.sent && operation == operationWrite}).at(r)
		}
	}()
	if err = do(ctx, secrets); err != nil {
		return x.fault(ctx, err, r)
	}
	return nil
}

// tryTimeoutOf gives a write all the time there is.
func tryTimeoutOf(operation string) time.Duration {
	if operation == operationWrite {
		return writeTimeout
	}
	return tryTimeout
}
