package tokenlist

import (
	"strings"
	"time"

	"github.com/patdesk/patdesk/handlers/web"
	"github.com/patdesk/patdesk/internal/inventory"
	"github.com/patdesk/patdesk/templates"
)

const Wait = 700 * time.Millisecond // how long the page waits for organizations before it shows what is there

// Progress is how far the organizations have been read.
type Progress struct {
	Address  string         // of this view, to look again
	Since    templates.When // how old the oldest of it is
	AgainURL string         // reads everything again
	Loading  bool           // the page is to look again
	Finding  bool           // for the organizations themselves
	Count    int            // organizations
	Read     int            // that have answered
	Reading  []string
	Unfound  *web.PartialProblem
	Problems []OrganizationProblem
}

// OrganizationProblem is an organization that couldn't be read, beside those that could.
type OrganizationProblem struct {
	Organization          string
	Heading, What, Advice string
	Named                 bool           // the heading has the organization's name
	Until                 templates.When // it is paused until then
	Partly                bool           // some of its tokens are there
	RetryURL, RetryText   string
	Details               []web.Field
}

// ReadAgain forgets what failed in one organization. Where a new sign-in is what it takes, that comes first.
func ReadAgain(kept *inventory.Cache, v *web.Request, view View, organization string) (web.Answer, error) {
	err := kept.Failure(v.Session.Hash(), organization)
	if organization == "" {
		kept.Forget(v.Session.Hash())
		return v.To(view.Address()), nil
	}
	kept.Invalidate(v.Session.Hash(), organization, v.Now)
	if _, again := web.NeedsSignIn(err); again {
		return nil, err
	}
	return v.To(view.Address()), nil
}

// ProgressOf says which organizations have answered, and how.
func ProgressOf(v *web.Request, view View, s inventory.Inventory) Progress {
	p := Progress{
		Address: v.Link(view.Address()), Loading: !s.Complete(), Finding: s.Discovering, Count: len(s.Organizations),
		Since: v.When(s.Since), AgainURL: v.Link(retryAddress(view, "")),
	}
	if s.DiscoveryErr != nil {
		p.Unfound = v.Partial(s.DiscoveryErr, v.Link(retryAddress(view, "")))
	}
	pauses := v.Caller().Pauses()
	for _, o := range s.Organizations {
		switch {
		case o.Loading:
			p.Reading = append(p.Reading, o.Name)
		default:
			p.Read++
			if len(o.Failed) > 0 {
				p.Problems = append(p.Problems, problemOf(v, view, o, pauses))
			}
		}
	}
	return p
}

func problemOf(v *web.Request, view View, o inventory.Organization, pauses map[string]time.Time) OrganizationProblem {
	t := web.DescribeBeside(v, o.Failed[0].Err)
	p := OrganizationProblem{
		Organization: o.Name, Heading: t.Text.Title, Named: t.Named, What: t.Text.What, Advice: t.Text.Advice, Details: v.Support(t),
		Partly:   len(o.Failed) < len(inventory.Statuses()) || len(o.Tokens) > 0,
		RetryURL: v.Link(retryAddress(view, o.Name)), RetryText: v.Words.Message("action.tryAgain", nil).Title,
	}
	if _, again := web.NeedsSignIn(o.Failed[0].Err); again {
		p.RetryText = v.Words.Message("action.signInAgain", nil).Title
	}
	for name, until := range pauses {
		if strings.EqualFold(name, o.Name) {
			p.Until = v.When(until)
		}
	}
	return p
}

func retryAddress(view View, organization string) string {
	q := view.Values()
	q.Set("retry", organization)
	return view.Path + "?" + q.Encode()
}
