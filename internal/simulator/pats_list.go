package simulator

import (
	"cmp"
	"crypto/rand"
	"encoding/base64"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// maxTop is the largest page.
const maxTop = 100

// defaultTop is the page size when none is asked for; Microsoft documents none.
const defaultTop = 20

// page is what a continuation token stands for: the rest of one list.
type page struct {
	list string // who asked for what; must be asked for again
	rest []wireToken
}

// list answers GET without authorizationId.
func (x *exchange) list(p Person, o Organization) *answer {
	q := x.r.URL.Query()
	top, err := strconv.Atoi(cmp.Or(queryFold(q, "$top"), strconv.Itoa(defaultTop)))
	if err != nil || top < 1 || top > maxTop {
		return x.badArgument("$top")
	}
	filter := strings.ToLower(cmp.Or(queryFold(q, "displayFilterOption"), "active"))
	sort := strings.ToLower(cmp.Or(queryFold(q, "sortByOption"), "displayName"))
	ascending, err := strconv.ParseBool(cmp.Or(queryFold(q, "isSortAscending"), "true"))
	switch {
	case !slices.Contains([]string{"active", "revoked", "expired", "all"}, filter):
		return x.badArgument("displayFilterOption")
	case !slices.Contains([]string{"displayname", "displaydate", "status"}, sort):
		return x.badArgument("sortByOption")
	case err != nil:
		return x.badArgument("isSortAscending")
	}
	x.s.mu.Lock()
	defer x.s.mu.Unlock()
	want := strings.Join([]string{p.ObjectID, o.ID, filter, sort, strconv.FormatBool(ascending)}, " ")
	rest := x.s.pats.sorted(x.s, p, o, filter, sort, ascending)
	if token := queryFold(q, "continuationToken"); token != "" {
		continued, ok := x.s.pats.pages[token]
		if !ok || continued.list != want {
			return x.badArgument("continuationToken")
		}
		rest = continued.rest
	}
	return x.json(http.StatusOK, x.page(want, rest, min(top, x.s.o.PageSize)))
}

// page cuts one page off and keeps the rest under a continuation token; Simulator.mu is held.
func (x *exchange) page(want string, rest []wireToken, size int) wireList {
	end := ""
	l := wireList{ContinuationToken: &end, PatTokens: rest}
	if len(rest) > size {
		next := newContinuation()
		x.s.pats.remember(next, page{want, rest[size:]})
		l.ContinuationToken, l.PatTokens = &next, rest[:size]
	}
	x.spoilPage(&l, want, rest)
	return l
}

// maxPages bounds the continuation tokens that are remembered at a time.
const maxPages = 10_000

// remember keeps the rest of a list under its continuation token; Simulator.mu is held.
func (p *patState) remember(token string, rest page) {
	if len(p.pages) >= maxPages {
		clear(p.pages)
	}
	p.pages[token] = rest
}

// newContinuation is opaque, and full of what must be escaped in a URL.
func newContinuation() string {
	b := make([]byte, 46)
	rand.Read(b) // never fails, see crypto/rand
	return "+/" + base64.StdEncoding.EncodeToString(b)
}

func (x *exchange) badArgument(name string) *answer {
	return x.json(http.StatusBadRequest, vssError("ArgumentOutOfRangeException", "The value of '"+name+"' is out of range. Parameter name: "+name))
}

// sorted are the person's tokens that the organization lists under a filter; Simulator.mu is held.
func (p *patState) sorted(s *Simulator, owner Person, org Organization, filter, sort string, ascending bool) []wireToken {
	now := s.now()
	var found []*Token
	for id, t := range p.tokens {
		if t = p.shown(t, now); t == nil {
			continue
		}
		status := t.Status(now)
		if p.visible(id, owner, org) == nil || filter != "all" && filter != status {
			continue
		}
		found = append(found, t)
	}
	slices.SortFunc(found, func(a, b *Token) int {
		var order int
		switch sort {
		case "displaydate":
			order = a.ValidTo.Compare(b.ValidTo)
		case "status":
			order = cmp.Compare(a.Status(now), b.Status(now))
		default:
			order = cmp.Compare(strings.ToLower(a.DisplayName), strings.ToLower(b.DisplayName))
		}
		if !ascending {
			order = -order
		}
		return cmp.Or(order, cmp.Compare(a.AuthorizationID, b.AuthorizationID))
	})
	list := make([]wireToken, 0, len(found))
	for _, t := range found {
		list = append(list, *t.wire(nil))
	}
	return list
}
