package tokenlist

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/patdesk/patdesk/handlers/web"
	"github.com/patdesk/patdesk/internal/azuredevops"
	"github.com/patdesk/patdesk/internal/inventory"
)

const maxWithin = 3660 // days

// Filter narrows the overview down. Its zero value lets everything through.
type Filter struct {
	Organization string
	Scope        string
	Within       int       // days between now and the end, ahead or past; 0: any
	From, To     time.Time // days of the end, both included; zero: any
	Is           []string  // kinds, all of which must fit
}

// TokenKinds are the kinds of tokens that can be asked for.
var TokenKinds = []struct {
	Name string
	fits func(inventory.Token) bool
}{
	{"full", inventory.Token.FullAccess},
	{"high", inventory.Token.HighPrivilege},
	{"long", inventory.Token.LongLived},
	{"global", func(t inventory.Token) bool { return t.Global() }},
	{"tool", func(t inventory.Token) bool { return azuredevops.MadeBy(t.DisplayName) != "" }},
	{"twin", func(t inventory.Token) bool { return t.Twin }},
}

// readFilter takes what makes sense and leaves the rest out: an address typed by hand still shows something.
func readFilter(q url.Values) Filter {
	f := Filter{Organization: strings.TrimSpace(q.Get("organization")), Scope: strings.TrimSpace(q.Get("scope"))}
	if !azuredevops.ValidScope(f.Scope) {
		f.Scope = ""
	}
	if n, err := strconv.Atoi(q.Get("within")); err == nil && n > 0 && n <= maxWithin {
		f.Within = n
	}
	f.From, _ = time.Parse(web.DateLayout, q.Get("from")) // what is no date is none
	f.To, _ = time.Parse(web.DateLayout, q.Get("to"))
	for _, kind := range TokenKinds {
		if slices.Contains(q["is"], kind.Name) {
			f.Is = append(f.Is, kind.Name)
		}
	}
	return f
}

// DaysFrom counts calendar days, as the words beside a date do: what ends "in 7 days" ends within 7 days.
func DaysFrom(now, end time.Time) int {
	return int(end.UTC().Truncate(web.Day).Sub(now.UTC().Truncate(web.Day)) / web.Day)
}

// Values is the filter in an address, but for the organization, which every list has.
func (f Filter) Values() url.Values {
	q := url.Values{}
	if f.Scope != "" {
		q.Set("scope", f.Scope)
	}
	if f.Within > 0 {
		q.Set("within", strconv.Itoa(f.Within))
	}
	if !f.From.IsZero() {
		q.Set("from", f.From.Format(web.DateLayout))
	}
	if !f.To.IsZero() {
		q.Set("to", f.To.Format(web.DateLayout))
	}
	if len(f.Is) > 0 {
		q["is"] = f.Is
	}
	return q
}

// lets says if t passes.
func (f Filter) lets(t inventory.Token, now time.Time) bool {
	switch {
	case f.Organization != "" && !t.Global() && !strings.EqualFold(t.Organization, f.Organization):
		return false
	case f.Scope != "" && !slices.Contains(t.Scopes, f.Scope):
		return false
	case f.Within > 0 && max(DaysFrom(now, t.ValidTo), DaysFrom(t.ValidTo, now)) > f.Within:
		return false
	case !f.From.IsZero() && t.ValidTo.Before(f.From):
		return false
	case !f.To.IsZero() && !t.ValidTo.Before(f.To.Add(web.Day)):
		return false
	}
	for _, kind := range TokenKinds {
		if slices.Contains(f.Is, kind.Name) && !kind.fits(t) {
			return false
		}
	}
	return true
}
