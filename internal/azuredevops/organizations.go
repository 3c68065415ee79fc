package azuredevops

import (
	"cmp"
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
// left out.
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
		Value *list[wireAccount] `json:"value"`
	}
	if failure := q.decode(a, &w); failure != nil {
		return nil, failure
	}
	if w.Value == nil {
		return nil, q.notUnderstood(a, errType)
	}
	return organizations(*w.Value), nil
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
	id := string(cmp.Or(w.ID, w.PublicAlias))
	if !ValidAuthorizationID(id) {
		return "", q.notUnderstood(a, errType)
	}
	return id, nil
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
	ID     text          `json:"accountId"`
	Name   text          `json:"accountName"`
	Status accountStatus `json:"accountStatus"`
}

// accountStatus is a name or a number, and mostly not there.
type accountStatus string

// UnmarshalJSON reads a name or a number.
func (s *accountStatus) UnmarshalJSON(b []byte) error {
	if b[0] == '"' {
		return json.Unmarshal(b, (*text)(s))
	}
	*s = accountStatus(b[:min(len(b), 16)])
	return nil
}

// closed says that the organization can't be worked in.
func (s accountStatus) closed() bool {
	return slices.Contains([]string{"disabled", "2", "deleted", "3", "moved", "4"}, strings.ToLower(string(s)))
}

func organizations(accounts []wireAccount) []Organization {
	var found []Organization
	for _, a := range accounts {
		if name := string(a.Name); ValidOrganization(name) && !a.Status.closed() {
			found = append(found, Organization{ID: printable(string(a.ID)), Name: name})
		}
	}
	byName := func(a, b Organization) int {
		return strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name))
	}
	slices.SortStableFunc(found, byName)
	return slices.CompactFunc(found, func(a, b Organization) bool { return byName(a, b) == 0 })
}
