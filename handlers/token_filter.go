package handlers

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/patdesk/patdesk/internal/azuredevops"
	"github.com/patdesk/patdesk/internal/inventory"
)

const maxWithin = 3660 // days

// tokenFilter narrows the overview down. Its zero value lets everything through.
type tokenFilter struct {
	organization string
	scope        string
	within       int       // days between now and the end, ahead or past; 0: any
	from, to     time.Time // days of the end, both included; zero: any
	is           []string  // kinds, all of which must fit
}

// tokenKinds are the kinds of tokens that can be asked for.
var tokenKinds = []struct {
	name string
	fits func(inventory.Token) bool
}{
	{"full", inventory.Token.FullAccess},
	{"high", inventory.Token.HighPrivilege},
	{"long", inventory.Token.LongLived},
	{"global", func(t inventory.Token) bool { return t.Global() }},
	{"tool", func(t inventory.Token) bool { return azuredevops.MadeBy(t.DisplayName) != "" }},
	{"twin", func(t inventory.Token) bool { return t.Twin }},
}

// readTokenFilter takes what makes sense and leaves the rest out: an address typed by hand still shows something.
func readTokenFilter(q url.Values) tokenFilter {
	f := tokenFilter{organization: strings.TrimSpace(q.Get("organization")), scope: strings.TrimSpace(q.Get("scope"))}
	if len(f.scope) > maxScopeLength || !scopePattern.MatchString(f.scope) {
		f.scope = ""
	}
	if n, err := strconv.Atoi(q.Get("within")); err == nil && n > 0 && n <= maxWithin {
		f.within = n
	}
	f.from, _ = time.Parse(dateLayout, q.Get("from")) // what is no date is none
	f.to, _ = time.Parse(dateLayout, q.Get("to"))
	for _, kind := range tokenKinds {
		if slices.Contains(q["is"], kind.name) {
			f.is = append(f.is, kind.name)
		}
	}
	return f
}

// daysFrom counts calendar days, as the words beside a date do: what ends "in 7 days" ends within 7 days.
func daysFrom(now, end time.Time) int {
	return int(end.UTC().Truncate(day).Sub(now.UTC().Truncate(day)) / day)
}

// values is the filter in an address, but for the organization, which every list has.
func (f tokenFilter) values() url.Values {
	q := url.Values{}
	if f.scope != "" {
		q.Set("scope", f.scope)
	}
	if f.within > 0 {
		q.Set("within", strconv.Itoa(f.within))
	}
	if !f.from.IsZero() {
		q.Set("from", f.from.Format(dateLayout))
	}
	if !f.to.IsZero() {
		q.Set("to", f.to.Format(dateLayout))
	}
	if len(f.is) > 0 {
		q["is"] = f.is
	}
	return q
}

// lets says if t passes.
func (f tokenFilter) lets(t inventory.Token, now time.Time) bool {
	switch {
	case f.organization != "" && !t.Global() && !strings.EqualFold(t.Organization, f.organization):
		return false
	case f.scope != "" && !slices.Contains(t.Scopes, f.scope):
		return false
	case f.within > 0 && max(daysFrom(now, t.ValidTo), daysFrom(t.ValidTo, now)) > f.within:
		return false
	case !f.from.IsZero() && t.ValidTo.Before(f.from):
		return false
	case !f.to.IsZero() && !t.ValidTo.Before(f.to.Add(day)):
		return false
	}
	for _, kind := range tokenKinds {
		if slices.Contains(f.is, kind.name) && !kind.fits(t) {
			return false
		}
	}
	return true
}
