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

// Filter narrows a list down. Its zero value lets everything through.
type Filter struct {
	Scope    string
	Within   int       // days between now and the end, ahead or past; 0: any
	From, To time.Time // days of the end, both included, whatever their zone; zero: any
	Is       []string  // kinds, all of which must fit
}

// TokenKinds are the kinds of tokens that can be asked for.
var TokenKinds = []struct {
	Name string
	fits func(t inventory.Token, now time.Time) bool
}{
	{"ending", inventory.Token.Ending},
	{"notEnding", func(t inventory.Token, now time.Time) bool { return !t.Ending(now) }},
	{"full", anytime(inventory.Token.FullAccess)},
	{"high", anytime(inventory.Token.HighPrivilege)},
	{"long", anytime(inventory.Token.LongLived)},
	{"global", func(t inventory.Token, _ time.Time) bool { return t.Global() }},
	{"tool", func(t inventory.Token, _ time.Time) bool { return azuredevops.MadeBy(t.DisplayName) != "" }},
	{"odd", anytime(inventory.Token.NotUnderstood)},
	{"twin", func(t inventory.Token, _ time.Time) bool { return t.Twin }},
	{Unstored, func(t inventory.Token, _ time.Time) bool { return t.Unstored }},
}

// Unstored is the kind of tokens that no vault is known to hold. It can be asked for where there are vaults.
const Unstored = "unstored"

// Marked is tokens marked by what the vaults hold, where the view asks for that.
func (l View) Marked(tokens []inventory.Token) []inventory.Token {
	if l.Kept == nil || !slices.Contains(l.Narrow.Is, Unstored) {
		return tokens
	}
	marked := slices.Clone(tokens) // they are everybody's
	for i := range marked {
		marked[i].Unstored = !l.Kept.Holds(marked[i])
	}
	return marked
}

func anytime(fits func(inventory.Token) bool) func(inventory.Token, time.Time) bool {
	return func(t inventory.Token, _ time.Time) bool { return fits(t) }
}

// readFilter takes what makes sense and leaves the rest out: an address typed by hand still shows something.
func readFilter(q url.Values) Filter {
	f := Filter{Scope: strings.TrimSpace(q.Get("scope"))}
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

// Values is the filter in an address.
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
	case f.Scope != "" && !slices.Contains(t.Scopes, f.Scope):
		return false
	case f.Within > 0 && max(inventory.DaysUntil(t.Ends(), now), -inventory.DaysUntil(t.Ends(), now)) > f.Within:
		return false
	case !f.From.IsZero() && t.Ends().Before(web.DayIn(f.From, now.Location())):
		return false
	case !f.To.IsZero() && !t.Ends().Before(web.DayIn(f.To, now.Location()).AddDate(0, 0, 1)):
		return false
	}
	for _, kind := range TokenKinds {
		if slices.Contains(f.Is, kind.Name) && !kind.fits(t, now) {
			return false
		}
	}
	return true
}
