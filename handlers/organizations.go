package handlers

import (
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/patdesk/patdesk/internal/azuredevops"
	"github.com/patdesk/patdesk/internal/session"
	"github.com/patdesk/patdesk/templates"
)

const (
	discoveryLife     = 5 * time.Minute // how long a discovered list is taken as true
	discoveryPause    = time.Minute     // how long a failed discovery isn't tried again by itself
	maxDiscoveryCache = 10_000          // sessions
	maxDiscoveryBytes = 16 << 20        // of all of them
	maxTyped          = 30              // organizations typed by one person
)

// organizationsPage lets the person choose an organization, or type one.
type organizationsPage struct {
	base
	Action  string
	Choices []organizationLink
	Typed   string
	Error   string
	Problem *partialProblem // discovery failed; typing still works
	CanType bool
}

// partialProblem is a failure beside results that are there.
type partialProblem struct{ Heading, What, Advice, RetryURL string }

// organizationCache keeps what discovery said for each session, so that a page's frame costs no call.
type organizationCache struct {
	now   func() time.Time
	mu    sync.Mutex
	seen  map[string]discovered
	bytes int // of all of them
}

type discovered struct {
	organizations []azuredevops.Organization
	err           error // why there are none
	until         time.Time
}

// size is about how much memory it takes.
func (d discovered) size() int {
	size := 512 // with its place in the map, and with an error
	for _, o := range d.organizations {
		size += 64 + len(o.ID) + len(o.Name)
	}
	return size
}

func newOrganizationCache(now func() time.Time) *organizationCache {
	return &organizationCache{now: now, seen: map[string]discovered{}}
}

func (c *organizationCache) get(key string) (discovered, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	d, ok := c.seen[key]
	return d, ok && c.now().Before(d.until)
}

// put keeps what was discovered. Where there is no room, what is out of date goes first, and then anything: it is only asked
// for again.
func (c *organizationCache) put(key string, d discovered) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.drop(key)
	full := func() bool { return len(c.seen) >= maxDiscoveryCache || c.bytes+d.size() > maxDiscoveryBytes }
	if full() {
		now := c.now()
		for k, old := range c.seen {
			if now.After(old.until) {
				c.drop(k)
			}
		}
	}
	for k := range c.seen {
		if !full() {
			break
		}
		c.drop(k)
	}
	c.seen[key] = d
	c.bytes += d.size()
}

// drop forgets what is kept under key; c is locked.
func (c *organizationCache) drop(key string) {
	if d, ok := c.seen[key]; ok {
		c.bytes -= d.size()
		delete(c.seen, key)
	}
}

func (c *organizationCache) forget(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.drop(key)
}

// knownOrganizations is what can be said without a call: the operator's list, or what was discovered and typed.
func (h *Handlers) knownOrganizations(v *visit) []string {
	if len(h.Organizations) > 0 {
		return h.Organizations
	}
	found, _ := h.discover.get(v.session.Hash())
	return mergeOrganizations(found.organizations, v.session.State().Organizations)
}

func mergeOrganizations(found []azuredevops.Organization, typed []string) []string {
	var names []string
	for _, o := range found {
		names = append(names, o.Name)
	}
	for _, name := range typed {
		if !containsFold(names, name) {
			names = append(names, name)
		}
	}
	slices.SortFunc(names, func(a, b string) int { return strings.Compare(strings.ToLower(a), strings.ToLower(b)) })
	return names
}

func containsFold(names []string, name string) bool {
	return slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, name) })
}

// organizations asks discovery where nothing is known yet. The error comes beside what is known all the same.
func (h *Handlers) organizations(v *visit) ([]string, error) {
	if len(h.Organizations) > 0 {
		return h.Organizations, nil
	}
	if known, fresh := h.discover.get(v.session.Hash()); fresh {
		return h.knownOrganizations(v), known.err
	}
	found, err := h.caller(v).Organizations(v.Context())
	switch _, again := needsSignIn(err); {
	case again: // the answer after signing in will be another one
	case err != nil && v.Context().Err() == nil:
		h.discover.put(v.session.Hash(), discovered{err: err, until: v.now.Add(discoveryPause)})
	case err == nil:
		h.discover.put(v.session.Hash(), discovered{organizations: found, until: v.now.Add(discoveryLife)})
	}
	return h.knownOrganizations(v), err
}

// organizationNames maps organization ids, as tokens name them, to names.
func (h *Handlers) organizationNames(v *visit) map[string]string {
	names := map[string]string{marketplaceID: templates.Message("organization.marketplace", nil).Title}
	found, _ := h.discover.get(v.session.Hash())
	for _, o := range found.organizations {
		names[o.ID] = o.Name
	}
	return names
}

// marketplaceID stands in targetAccounts for the Visual Studio Marketplace.
const marketplaceID = "2663b13f-50e3-a655-a159-22f6f4725fab"

// currentOrganization is the visited one, or else the one last looked at.
func (h *Handlers) currentOrganization(v *visit) string {
	for _, name := range []string{v.param("organization"), v.URL.Query().Get("organization"), v.session.State().Organization} {
		if name != "" && h.allowedOrganization(name) {
			return name
		}
	}
	return ""
}

func (h *Handlers) allowedOrganization(name string) bool {
	if !azuredevops.ValidOrganization(name) {
		return false
	}
	return len(h.Organizations) == 0 || containsFold(h.Organizations, name)
}

// organizationOf is the organization that a request names; anything that can't be one is answered with 404.
func (h *Handlers) organizationOf(name string) (string, error) {
	if !h.allowedOrganization(name) {
		return "", &httpError{status: http.StatusNotFound, key: "organization.unknown", data: map[string]any{"Organization": name}}
	}
	return name, nil
}

// chooseOrganization shows the choice, or opens the one typed.
func (h *Handlers) chooseOrganization(v *visit) (answer, error) {
	if v.URL.Query().Has("retry") {
		h.discover.forget(v.session.Hash())
		return v.to("/organizations"), nil
	}
	typed := strings.TrimSpace(v.URL.Query().Get("organization"))
	problem := ""
	if typed != "" {
		if h.allowedOrganization(typed) {
			return v.to(listPath(typed)), nil
		}
		problem = templates.Message("form.organizationInvalid", map[string]any{"Organization": typed}).What
	}
	names, err := h.organizations(v)
	if _, again := needsSignIn(err); again {
		return nil, err
	}
	p := organizationsPage{
		base:   h.base(v, templates.Message("organizations.title", nil).Title, "tokens"),
		Action: v.link("/organizations"), Typed: typed, Error: problem, CanType: len(h.Organizations) == 0,
	}
	for _, name := range names {
		p.Choices = append(p.Choices, organizationLink{Name: name, URL: v.link(listPath(name)), Current: name == p.Organization})
	}
	status := http.StatusOK
	if err != nil {
		p.Problem = h.partial(v, err, v.link("/organizations?retry=1"))
	}
	if problem != "" {
		status = http.StatusUnprocessableEntity
	}
	return page{status: status, template: "organizations", data: p}, nil
}

func (h *Handlers) partial(v *visit, err error, retry string) *partialProblem {
	t := h.trouble(v, err)
	return &partialProblem{Heading: t.text.Title, What: t.text.What, Advice: t.text.Advice, RetryURL: retry}
}

// rememberCurrent notes the organization last looked at, and adds it to those that the person has. It is for one that
// has answered: a typing error is to be forgotten. Losing the note is no harm. A link from another site can only choose
// among those that the person has: what it names is proposed for the next token.
func (h *Handlers) rememberCurrent(v *visit, name string) {
	known := containsFold(h.knownOrganizations(v), name)
	if known && v.session.State().Organization == name || !known && v.fromElsewhere() {
		return
	}
	err := v.session.Change(v.Context(), func(s *session.State) {
		s.Organization = name
		if !known && len(s.Organizations) < maxTyped && !containsFold(s.Organizations, name) {
			s.Organizations = append(s.Organizations, name)
		}
	})
	if err != nil {
		h.Log.WarnContext(v.Context(), "organization last looked at was not noted", "request_id", requestID(v.Context()), "error", err)
	}
}
