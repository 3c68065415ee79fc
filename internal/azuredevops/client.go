package azuredevops

import (
	"cmp"
	"context"
	"net/http"
	"strings"
	"time"
)

// Limits of a call when Options doesn't say otherwise. The service delays people who ask much for up to 30 s before it
// refuses them, which a read needn't wait for. A change is given longer: cutting one off can lose a secret.
//
// https://learn.microsoft.com/azure/devops/integrate/concepts/rate-limits
const (
	defaultTimeout       = 30 * time.Second
	defaultChangeTimeout = 60 * time.Second
)

// Addresses and versions of the public service.
const (
	defaultEndpoint   = "https://vssps.dev.azure.com"
	defaultDiscovery  = "https://app.vssps.visualstudio.com"
	defaultAPIVersion = "7.1-preview.1"
)

// Options configures a Client. The zero value calls the public service.
type Options struct {
	Endpoint          string // https://vssps.dev.azure.com if empty; may have a path
	APIVersion        string // 7.1-preview.1 if empty
	DiscoveryEndpoint string // https://app.vssps.visualstudio.com if empty; may have a path

	// HTTPClient lends its Transport; its other fields are not used. Nil means a transport of our own with the limits
	// below, the proxy that the environment names and the system's certificates.
	HTTPClient *http.Client

	// The time that the service has for a whole read with its retries and pages, and for a whole change; 0 = 30s and
	// 60s. Pauses, and waiting for one's turn here, come on top of it: 20 s and 10 s at most, in proportion.
	Timeout       time.Duration
	ChangeTimeout time.Duration

	Now   func() time.Time                                 // time.Now if nil
	Sleep func(ctx context.Context, d time.Duration) error // waits for d or until ctx ends; a timer if nil

	// Watch is called before each exchange with the service, tries again included, and what it returns after it. It may
	// add to the header that is sent. It may be nil.
	Watch func(ctx context.Context, operation string, header http.Header) (done func(Exchange))

	// Odd is called where an answer holds something that isn't understood and that costs no more than itself. It may be
	// nil.
	Odd func(ctx context.Context, o Oddity)
}

// Oddity is what of an answer isn't understood.
type Oddity struct {
	Call         string // as in Error
	Organization string // "" for organizations
	Count        int    // tokens or organizations that it is about
	Members      []Member
}

// Operations returns the names of a Client's operations, as Watch gets them.
func Operations() []string {
	return []string{"list", "get", "create", "update", "revoke", "organizations"}
}

// Exchange is how one exchange with the service went.
type Exchange struct {
	Status     int    // HTTP status, 0 if no answer came
	Kind       Kind   // "" if it went well
	ActivityID string // the service's own id for it, "" if it sent none
}

// Client calls the PAT Lifecycle Management API and organization discovery. It is safe for concurrent use; a program
// needs one.
type Client struct {
	endpoint, apiVersion, discovery string
	timeout, changeTimeout          time.Duration
	reads, changes                  http.RoundTripper
	now                             func() time.Time
	sleep                           func(context.Context, time.Duration) error
	guards                          *guards
	pages                           pages
	watch                           func(context.Context, string, http.Header) func(Exchange)
	odd                             func(context.Context, Oddity)
}

// New makes a Client. It makes no call.
func New(o Options) *Client {
	o = o.withDefaults()
	reads, changes := o.transports()
	return &Client{
		endpoint:      strings.TrimRight(o.Endpoint, "/"),
		apiVersion:    o.APIVersion,
		discovery:     strings.TrimRight(o.DiscoveryEndpoint, "/"),
		timeout:       o.Timeout,
		changeTimeout: o.ChangeTimeout,
		reads:         reads,
		changes:       changes,
		now:           o.Now,
		sleep:         o.Sleep,
		guards:        newGuards(o.Now),
		pages:         newPages(),
		watch:         o.Watch,
		odd:           o.Odd,
	}
}

func (o Options) withDefaults() Options {
	o.Endpoint = cmp.Or(o.Endpoint, defaultEndpoint)
	o.APIVersion = cmp.Or(o.APIVersion, defaultAPIVersion)
	o.DiscoveryEndpoint = cmp.Or(o.DiscoveryEndpoint, defaultDiscovery)
	o.Timeout = cmp.Or(o.Timeout, defaultTimeout)
	o.ChangeTimeout = cmp.Or(o.ChangeTimeout, defaultChangeTimeout)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Sleep == nil {
		o.Sleep = wait
	}
	if o.Watch == nil {
		o.Watch = func(context.Context, string, http.Header) func(Exchange) { return func(Exchange) {} }
	}
	if o.Odd == nil {
		o.Odd = func(context.Context, Oddity) {}
	}
	return o
}

// wait returns after d, or earlier with the error of ctx.
func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Bearer returns an Entra access token for the person on whose behalf is called. Its error reaches the caller as it is,
// and nothing is sent then.
type Bearer func(ctx context.Context) (string, error)

// Caller is a Client for one person. It is safe for concurrent use.
type Caller struct {
	client *Client
	person string
	bearer Bearer
}

// As returns a Caller for a person, under a key that is theirs for good: bounds, pauses and the breaker count for that
// person. b speaks for the same person.
func (c *Client) As(person string, b Bearer) *Caller {
	return &Caller{client: c, person: person, bearer: b}
}

// Pauses returns the organizations that are left alone for now in the person's name, because calls to them failed again
// and again, with the time until which. The name "" stands for the discovery of organizations.
func (c *Caller) Pauses() map[string]time.Time { return c.client.guards.pauses(c.person) }

// Load says how much is under way, and what is left alone.
func (c *Client) Load() Load { return c.guards.load() }
