package azuredevops

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

// discoveryVersion is the version of the profile and accounts APIs. Both have left preview.
const discoveryVersion = "7.1"

// discoveryTimeout is the time that the service has for both of its calls: pages can do without what they say.
const discoveryTimeout = 15 * time.Second

// Organization is one that the person belongs to.
type Organization struct {
	ID   string `json:"id"` // accountId, which is what a token's TargetAccounts hold
	Name string `json:"name"`
}

var organizationPattern = regexp.MustCompile(`^[0-9A-Za-z](?:[0-9A-Za-z_-]{0,62}[0-9A-Za-z])?$`)

// ValidOrganization reports whether name can be an organization's name, so that nothing else gets into an address. New
// names have up to 50 letters, digits and hyphens; older ones may have more.
//
// https://learn.microsoft.com/azure/devops/organizations/settings/naming-restrictions
func ValidOrganization(name string) bool { return organizationPattern.MatchString(name) }

// scopePattern is what a scope may look like. Spaces separate scopes on the wire.
var scopePattern = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9._-]{0,99}$`)

// ValidScope reports whether id can be a scope, whether or not it is a known one.
func ValidScope(id string) bool { return scopePattern.MatchString(id) }

// Organizations discovers the person's organizations, sorted by name. Those that are disabled, deleted or moved are
// left out. With an error it also returns those that are understood.
//
// https://learn.microsoft.com/rest/api/azure/devops/account/accounts/list
func (c *Caller) Organizations(ctx context.Context) ([]Organization, error) {
	left := c.client.timeForRead()
	left.service = min(left.service, discoveryTimeout)
	member, err := c.memberID(ctx, left)
	if err != nil {
		return nil, err
	}
	q := c.discoveryCall("/_apis/accounts", url.Values{"memberId": {member}}, left)
	a, err := c.do(ctx, q)
	if err != nil {
		return nil, err
	}
	var w struct {
		Value list[wireAccount, *wireAccount] `json:"value"`
	}
	if failure := q.decode(a, &w); failure != nil {
		return nil, failure
	}
	if !w.Value.there {
		return nil, q.notUnderstood(a, errType)
	}
	found, unnamed := organizations(w.Value.items)
	switch {
	case unnamed > 0:
		c.client.odd(ctx, Oddity{Call: q.name, Count: unnamed, Members: []Member{MemberRecord}})
		e := q.fail(KindOrganizationsOdd, errUnnamed)
		e.describe(answer{status: a.status, header: a.header})
		return found, e
	case w.Value.more:
		return found, q.notUnderstood(a, errLength)
	}
	return found, nil
}

// memberID returns the person's id in the profile service.
func (c *Caller) memberID(ctx context.Context, left *allowance) (string, error) {
	q := c.discoveryCall("/_apis/profile/profiles/me", url.Values{}, left)
	a, err := c.do(ctx, q)
	if err != nil {
		return "", err
	}
	var w struct {
		ID          text `json:"id"`
		PublicAlias text `json:"publicAlias"`
	}
	if failure := q.decode(a, &w); failure != nil {
		return "", failure
	}
	for _, t := range []text{w.ID, w.PublicAlias} {
		if id := plainID(t.string); ValidAuthorizationID(id) {
			return id, nil
		}
	}
	return "", q.notUnderstood(a, errType)
}

func (c *Caller) discoveryCall(path string, query url.Values, left *allowance) call {
	query.Set("api-version", discoveryVersion)
	return call{
		name:    "organizations",
		method:  http.MethodGet,
		url:     c.client.discovery + path + "?" + query.Encode(),
		maxBody: maxBody,
		time:    left,
	}
}

// wireAccount is an organization as the accounts API sends it.
type wireAccount struct {
	ID     text `json:"accountId"`
	Name   text `json:"accountName"`
	URI    text `json:"accountUri"`
	Status text `json:"accountStatus"` // a name or a number, and mostly not there
}

// UnmarshalJSON reads an object, and understands nothing of anything else.
func (a *wireAccount) UnmarshalJSON(b []byte) error {
	type members wireAccount
	if b[0] != '{' {
		return nil
	}
	return json.Unmarshal(b, (*members)(a))
}

// closed reports whether the organization can't be worked in.
func (a *wireAccount) closed() bool {
	return slices.Contains([]string{"disabled", "2", "deleted", "3", "moved", "4"}, strings.ToLower(a.Status.string))
}

// name is what the organization is called in addresses, "" if unknown. Where its own address can be read,
// that decides: it need not be what the organization is called elsewhere.
func (a *wireAccount) name() string {
	for _, name := range []string{nameInURI(a.URI.string), strings.TrimSpace(a.Name.string)} {
		if ValidOrganization(name) {
			return name
		}
	}
	return ""
}

// nameInURI is the organization in https://dev.azure.com/{name} or https://{name}.visualstudio.com.
//
// https://learn.microsoft.com/azure/devops/extend/develop/work-with-urls
func nameInURI(uri string) string {
	u, err := url.Parse(uri)
	if err != nil {
		return ""
	}
	host := strings.ToLower(u.Hostname())
	if host == "dev.azure.com" || strings.HasSuffix(host, ".dev.azure.com") {
		name, _, _ := strings.Cut(strings.TrimPrefix(u.Path, "/"), "/")
		return name
	}
	name, ok := strings.CutSuffix(host, ".visualstudio.com")
	name = strings.TrimSuffix(name, ".vssps")
	if !ok || name == "app" || name == "vssps" {
		return ""
	}
	return name
}

// organizations are those that can be worked in; unnamed counts those whose name is unknown.
func organizations(accounts []wireAccount) (found []Organization, unnamed int) {
	for _, a := range accounts {
		name := a.name()
		switch {
		case a.closed():
		case name == "":
			unnamed++
		default:
			found = append(found, Organization{ID: printable(plainID(a.ID.string)), Name: name})
		}
	}
	byName := func(a, b Organization) int {
		return strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name))
	}
	slices.SortStableFunc(found, byName)
	return slices.CompactFunc(found, func(a, b Organization) bool { return byName(a, b) == 0 }), unnamed
}
