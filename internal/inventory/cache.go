// Package inventory reads and keeps which tokens a person has in all of their organizations.
//
// A Cache keeps for a short while what was read for each session, so that searching, sorting and paging cost no call,
// and a page that reloads itself finds what came meanwhile. Load returns the Inventory: what is known at one moment,
// together with what is still being read and what could not be. A change of a token invalidates what was read of its
// organization.
package inventory

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/patdesk/patdesk/internal/azuredevops"
	"github.com/patdesk/patdesk/internal/panics"
)

// readTimeout is how long all lists of one organization may take to read.
const readTimeout = 2 * time.Minute

// Options is what a Cache needs to know.
type Options struct {
	Organizations []string // fixed by the operator; empty: discovered

	// SignInNeeded says of an error that a new sign-in helps: then the answer will be another one, and isn't kept.
	SignInNeeded func(error) bool
	// Observe, if set, is called with whatever was read of an organization.
	Observe func(context.Context, Read)

	Now func() time.Time
	Log *slog.Logger
}

// Read is what asking one organization for its lists has brought.
type Read struct {
	Person, Organization string
	Begun                time.Time
	Statuses             []azuredevops.Status // that were asked for
	Tokens               []Token
	Failed               []Missing
}

// Owner is whose tokens are read.
type Owner struct {
	Session string // under which what was read is kept
	Person  string
	API     *azuredevops.Caller
	Typed   func() []string // names of organizations that the person has typed
}

// Cache reads what people have, and keeps it for a short while.
type Cache struct {
	*snapshots
	options     Options
	discoveries *discoveries
	lists       *lru.Cache[list, Organization]
}

// New makes an empty Cache.
func New(o Options) *Cache {
	lists, _ := lru.New[list, Organization](manyLists) // fails for sizes below one
	return &Cache{newSnapshots(o.Now), o, newDiscoveries(o.Now), lists}
}

// Fixed reports whether the operator has named the organizations.
func (c *Cache) Fixed() bool { return len(c.options.Organizations) > 0 }

// Allowed reports whether name can be an organization that people may look at.
func (c *Cache) Allowed(name string) bool {
	return azuredevops.ValidOrganization(name) && (!c.Fixed() || ContainsFold(c.options.Organizations, name))
}

// Known is what can be said of the organizations without a call: the operator's list, or what was discovered and typed.
func (c *Cache) Known(o Owner) []string {
	if c.Fixed() {
		return c.options.Organizations
	}
	found, _ := c.discoveries.get(o.Session)
	return mergeOrganizations(found.organizations, o.Typed())
}

// Discovered are the organizations that discovery has found, if it was asked lately.
func (c *Cache) Discovered(session string) []azuredevops.Organization {
	found, _ := c.discoveries.get(session)
	return found.organizations
}

// Organizations asks discovery where nothing is known yet. The error comes beside what is known all the same.
func (c *Cache) Organizations(ctx context.Context, o Owner) ([]string, error) {
	if c.Fixed() {
		return c.options.Organizations, nil
	}
	if known, fresh := c.discoveries.get(o.Session); fresh {
		return c.Known(o), known.err
	}
	found, err := o.API.Organizations(ctx)
	switch {
	case err == nil || len(found) > 0:
		c.discoveries.put(o.Session, discovered{organizations: found, err: err, until: c.options.Now().Add(discoveryLife)})
	case !c.options.SignInNeeded(err) && ctx.Err() == nil:
		c.discoveries.put(o.Session, discovered{err: err, until: c.options.Now().Add(discoveryPause)})
	}
	return c.Known(o), err
}

// Load reads all organizations, and waits for them at most until enough is closed or ctx ends. What isn't there by then
// goes on being read.
func (c *Cache) Load(ctx context.Context, o Owner, enough <-chan time.Time) Inventory {
	kept := c.open(o.Session)
	names, found, err := c.awaitOrganizations(ctx, o, kept, enough)
	if !found {
		return Inventory{Discovering: true}
	}
	all := inventoryOf(c.read(ctx, o, kept, names, enough))
	all.DiscoveryErr = err
	return all
}

// LoadOrganizations is Load for these organizations alone.
func (c *Cache) LoadOrganizations(ctx context.Context, o Owner, names []string, enough <-chan time.Time) Inventory {
	return inventoryOf(c.read(ctx, o, c.open(o.Session), names, enough))
}

// read reads these organizations, or joins those who do, and waits for them like Load.
func (c *Cache) read(ctx context.Context, o Owner, kept *snapshot, names []string, enough <-chan time.Time) []*orgTokens {
	all := make([]*orgTokens, len(names))
	lasting := context.WithoutCancel(ctx)
	for i, name := range names {
		all[i] = kept.read(c.options.Log, name, func() ([]Token, []Missing) {
			ctx, cancel := context.WithTimeout(lasting, readTimeout)
			defer cancel()
			read := c.List(ctx, o, name, Statuses())
			return read.Tokens, read.Failed
		})
	}
	for _, one := range all {
		select {
		case <-one.done:
		case <-enough:
			return all
		case <-ctx.Done():
			return all
		}
	}
	return all
}

// awaitOrganizations asks discovery in the background where nothing is known, so that a slow one doesn't keep the page
// waiting.
func (c *Cache) awaitOrganizations(ctx context.Context, o Owner, kept *snapshot, enough <-chan time.Time) (names []string, found bool, err error) {
	if known, fresh := c.discoveries.get(o.Session); fresh || c.Fixed() {
		return c.Known(o), true, known.err
	}
	lasting := context.WithoutCancel(ctx)
	d := kept.discover(c.options.Log, func() ([]string, error) { return c.Organizations(lasting, o) })
	select {
	case <-d.done:
		return d.names, true, d.err
	case <-enough:
	case <-ctx.Done():
	}
	return nil, false, nil
}

// Forget drops everything of a session.
func (c *Cache) Forget(session string) {
	c.forget(session)
	c.discoveries.forget(session)
}

// ForgetOrganizations has discovery asked again.
func (c *Cache) ForgetOrganizations(session string) { c.discoveries.forget(session) }

// Find reads a token and its status. The status is known only from the list that holds the token, so the list of active
// ones is read beside it, and the others only where that one doesn't hold it.
func (c *Cache) Find(ctx context.Context, o Owner, organization, id string) (Token, error) {
	var (
		group   panics.Group
		single  azuredevops.Token
		active  []azuredevops.Token
		getErr  error
		listErr error
	)
	group.Go(func() error { single, getErr = o.API.Get(ctx, organization, id); return nil })
	group.Go(func() error { active, listErr = o.API.List(ctx, organization, azuredevops.Active); return nil })
	_ = group.Wait() // both errors are looked at below
	api, ok := errors.AsType[*azuredevops.Error](getErr)
	if getErr != nil && (!ok || !api.Kind.NotFound() && api.Kind != azuredevops.KindNotUnderstood) {
		return Token{}, getErr // where this answer holds no such token, a list may still hold it
	}
	for _, status := range []azuredevops.Status{azuredevops.Active, azuredevops.Revoked, azuredevops.Expired} {
		tokens, err := active, listErr
		if status != azuredevops.Active {
			tokens, err = o.API.List(ctx, organization, status)
		}
		// a part of a list may hold it, too
		if i := slices.IndexFunc(tokens, func(t azuredevops.Token) bool { return strings.EqualFold(t.AuthorizationID, id) }); i >= 0 {
			if getErr != nil {
				single = tokens[i]
			}
			return Token{Token: single, Status: status, Organization: organization}, nil
		}
		if err != nil {
			return Token{}, err
		}
	}
	if getErr != nil {
		return Token{}, getErr
	}
	// The service knows it, no list holds it: the dates are all there is to go by. Without one it may be active, and
	// can be revoked.
	status := azuredevops.Revoked
	switch {
	case single.ValidTo.IsZero():
		status = azuredevops.Active
	case single.ValidTo.Before(c.options.Now()):
		status = azuredevops.Expired
	}
	return Token{Token: single, Status: status, Organization: organization}, nil
}
