package web

import (
	"cmp"
	"slices"
	"strings"

	"github.com/patdesk/patdesk/templates"
)

// Base is what the layout needs; every page struct embeds it.
type Base struct {
	Root          string // path prefix of all our links: "" or "/pat"
	Title         string
	Failed        bool // it is a form that wasn't accepted
	Demo          bool
	Version       string
	RequestID     string
	SignedIn      bool
	PersonName    string
	Username      string
	Organization  string                     // that the page is about, "" where it is about all
	Organizations []OrganizationLink         // for the switcher
	Notices       []Notice                   // on every page: secrets that wait, rotations half-way, unknown outcomes
	SignOutAsks   bool                       // as one of them would suffer from it
	Here          string                     // address of the page below the root, to come back to
	Languages     []templates.LanguageChoice // to choose among; none where there is one language
	Look          Look
	Zone          string // time zone of all dates, "" for UTC
	Section       string // active entry of the navigation: "overview", "tokens", "changes", "calendar", "scopes", "sessions"; or "sign-out"
}

// OrganizationLink leads to the tokens of an organization.
type OrganizationLink struct {
	Name, URL string
	Current   bool
}

// Field is a detail with its label.
type Field struct{ Label, Value string }

// NextAction is a link offered as a next step.
type NextAction struct {
	Text, URL string
	Primary   bool
}

// Base fills what every page shows. It reads the journal (for banners) and only what is already known of the
// organizations: no page view costs a call to Azure DevOps for its frame.
func (v *Request) Base(title, section string) Base {
	b := Base{
		Root: v.Address.root, Title: title, Demo: v.site.Demo, Version: v.site.Version,
		Zone: zoneShown(v.Now.Location()), RequestID: v.RequestID(), Section: section, Languages: v.site.Languages.Choices(v.Words), Here: v.here(), Look: v.site.lookOf(v.Request),
	}
	if v.Session == nil || !v.Session.SignedIn() {
		return b
	}
	person := v.Session.Person()
	b.SignedIn, b.PersonName, b.Username = true, cmp.Or(person.Name, person.Username), person.Username
	for _, name := range v.site.Inventory.Known(v.Owner()) {
		b.Organizations = append(b.Organizations, OrganizationLink{Name: name, URL: v.Link(ListPath(name))})
	}
	b.note(v.site.notices(v))
	return b.In(visitedOrganization(v))
}

func (b *Base) note(all []Notice) {
	b.Notices = all
	b.SignOutAsks = slices.ContainsFunc(all, func(n Notice) bool { return n.Kind == "secret" || n.Kind == "running" })
}

// LeaveOut takes notices off the page, as what they lead to stands on it.
func (b *Base) LeaveOut(which func(Notice) bool) { b.note(slices.DeleteFunc(b.Notices, which)) }

// In is the frame around what is about that organization, "" for none. A form that comes back names its own, which need
// not be the one last looked at.
func (b Base) In(organization string) Base {
	b.Organization, b.Organizations = organization, slices.Clone(b.Organizations)
	for i := range b.Organizations {
		b.Organizations[i].Current = strings.EqualFold(b.Organizations[i].Name, organization)
		if b.Organizations[i].Current {
			b.Organization = b.Organizations[i].Name
		}
	}
	return b
}
