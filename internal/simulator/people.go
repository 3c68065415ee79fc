package simulator

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
)

// Person is a user who can sign in.
type Person struct {
	Name     string
	Username string // preferred_username, an address
	ObjectID string // oid
	TenantID string // tid, the home tenant
	// Organizations are the names of those the person is a member of.
	Organizations []string
}

// Organization is an Azure DevOps organization.
type Organization struct {
	Name     string
	ID       string // accountId, which is what targetAccounts holds
	TenantID string // the one tenant whose people it accepts
}

// The default people. Mona owns most of the seeded tokens.
const (
	Mona  = "mona.rivera@contoso.example"
	Jonas = "jonas.weber@contoso.example"
	Aiko  = "aiko.tanaka@woodgrove.example" // lives in OtherTenantID
)

var defaultPeople = []Person{
	{Name: "Mona Rivera", Username: Mona, ObjectID: "30aa0000-de30-4000-8000-000000000011", TenantID: DefaultTenantID,
		Organizations: []string{"contoso", "fabrikam", "northwind-labs"}},
	{Name: "Jonas Weber", Username: Jonas, ObjectID: "10a50000-de30-4000-8000-000000000012", TenantID: DefaultTenantID,
		Organizations: []string{"contoso", "fabrikam"}},
	{Name: "Aiko Tanaka", Username: Aiko, ObjectID: "a1c00000-de30-4000-8000-000000000013", TenantID: OtherTenantID},
}

var defaultOrganizations = []Organization{
	{Name: "contoso", ID: "c0470500-0b60-4000-8000-000000000021", TenantID: DefaultTenantID},
	{Name: "fabrikam", ID: "fab12ca0-0b60-4000-8000-000000000022", TenantID: DefaultTenantID},
	{Name: "northwind-labs", ID: "00274410-0b60-4000-8000-000000000023", TenantID: DefaultTenantID},
}

// People returns everybody who can sign in.
func (s *Simulator) People() []Person { return slices.Clone(s.o.People) }

// Organizations returns the organizations.
func (s *Simulator) Organizations() []Organization { return slices.Clone(s.o.Organizations) }

// find returns the first of all for which is is true.
func find[T any](all []T, is func(T) bool) (first T, ok bool) {
	if i := slices.IndexFunc(all, is); i >= 0 {
		return all[i], true
	}
	return first, false
}

// personByUsername finds a person; names are compared as addresses are, without case.
func (s *Simulator) personByUsername(name string) (Person, bool) {
	return find(s.o.People, func(p Person) bool { return strings.EqualFold(p.Username, name) })
}

func (s *Simulator) organization(name string) (Organization, bool) {
	return find(s.o.Organizations, func(o Organization) bool { return strings.EqualFold(o.Name, name) })
}

// memberOf reports whether the organization lets the person in: the same tenant, and a member.
func (p Person) memberOf(o Organization) bool {
	return p.TenantID == o.TenantID &&
		slices.ContainsFunc(p.Organizations, func(n string) bool { return strings.EqualFold(n, o.Name) })
}

// profileID is the person's id in Azure DevOps, which isn't the oid of Entra.
func (p Person) profileID() string { return guidFrom("profile " + p.ObjectID) }

// domain is what follows the @ of the person's username.
func (p Person) domain() string {
	_, after, _ := strings.Cut(p.Username, "@")
	return after
}

// tenantIDs are the tenants that exist: the home one and those of people and organizations.
func (s *Simulator) tenantIDs() []string {
	ids := []string{DefaultTenantID}
	for _, p := range s.o.People {
		ids = append(ids, p.TenantID)
	}
	for _, o := range s.o.Organizations {
		ids = append(ids, o.TenantID)
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// tenantByName resolves the tenant segment of an Entra URL: "" for the shared ones (organizations, common), else the
// tenant's id. Domains are names too.
func (s *Simulator) tenantByName(name string) (id string, ok bool) {
	name = strings.ToLower(name)
	if name == "organizations" || name == "common" {
		return "", true
	}
	if slices.Contains(s.tenantIDs(), name) {
		return name, true
	}
	for _, p := range s.o.People {
		if strings.EqualFold(p.domain(), name) {
			return p.TenantID, true
		}
	}
	return "", false
}

// guidFrom makes a GUID that depends on nothing but its name.
func guidFrom(name string) string {
	sum := sha256.Sum256([]byte(name))
	return guid([16]byte(sum[:16]))
}

func guid(b [16]byte) string {
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	h := hex.EncodeToString(b[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}
