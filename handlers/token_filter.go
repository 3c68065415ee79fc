package handlers

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/patdesk/patdesk/internal/azuredevops"
)

const (
	longLife  = 180 * day // from here on a token counts as long-lived
	maxWithin = 3660      // days
)

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
	fits func(listedToken) bool
}{
	{"full", fullAccess},
	{"high", highPrivilege},
	{"long", longLived},
	{"global", func(t listedToken) bool { return t.Global() }},
	{"tool", func(t listedToken) bool { return azuredevops.MadeBy(t.DisplayName) != "" }},
	{"twin", func(t listedToken) bool { return t.twin }},
}

func fullAccess(t listedToken) bool { return slices.Contains(t.Scopes, azuredevops.FullAccess) }

func highPrivilege(t listedToken) bool {
	return slices.ContainsFunc(t.Scopes, func(id string) bool { return azuredevops.LookupScope(id).High })
}

func longLived(t listedToken) bool {
	return !t.ValidFrom.IsZero() && t.ValidTo.Sub(t.ValidFrom) > longLife
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
func (f tokenFilter) lets(t listedToken, now time.Time) bool {
	switch {
	case f.organization != "" && !t.Global() && !strings.EqualFold(t.organization, f.organization):
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
