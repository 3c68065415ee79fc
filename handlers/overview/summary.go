package overview

import (
	"strconv"
	"strings"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/patdesk/patdesk/handlers/web"
	"github.com/patdesk/patdesk/internal/azuredevops"
	"github.com/patdesk/patdesk/internal/inventory"
	"github.com/patdesk/patdesk/templates"
)

// summary is what the overview says of the tokens alone.
type summary struct {
	attention []attentionGroup
	timeline  *timeline
	places    []place
	active    int
	tokens    int
}

// seen is what words about tokens depend on, but for the hour: which were read, and who reads when and where.
type seen struct {
	reads       string
	words       *templates.Words
	root, zone  string
	day         string
	globalsOver bool
}

func seenNow(v *web.Request, read inventory.Inventory) seen {
	return seen{
		reads: readsOf(read), words: v.Words, root: v.Link(""), zone: v.Now.Location().String(),
		day: v.Now.Format(time.DateOnly), globalsOver: azuredevops.GlobalTokensOver(v.Now),
	}
}

// keptFor is as long as what was read counts, too: what ends in minutes is worded by the minute.
const keptFor = time.Minute

// made is what was made lately, by all that it depends on but the hour. It is shared: callers leave it as it is.
type made[K comparable, V any] struct{ all *lru.Cache[K, dated[V]] }

type dated[V any] struct {
	at    time.Time
	value V
}

func newMade[K comparable, V any](most int) made[K, V] {
	all, _ := lru.New[K, dated[V]](most) // fails for sizes below one
	return made[K, V]{all}
}

// get returns what was made of that within keptFor, or makes it.
func (m made[K, V]) get(of K, now time.Time, build func() V) V {
	if known, ok := m.all.Get(of); ok && now.Sub(known.at).Abs() < keptFor {
		return known.value
	}
	value := build()
	m.all.Add(of, dated[V]{now, value})
	return value
}

// summaryOf is the summary of what was read. To look at thousands of tokens takes longer than all else of the page, so
// it is done once for what was read whole.
func (h *Handlers) summaryOf(v *web.Request, s inventory.Inventory) summary {
	if !s.Complete() {
		return newSummary(v, s)
	}
	return h.summaries.get(seenNow(v, s), v.Now, func() summary { return newSummary(v, s) })
}

// readsOf names the readings that s was put together from.
func readsOf(s inventory.Inventory) string {
	var b strings.Builder
	for _, o := range s.Organizations {
		b.WriteString(strconv.FormatUint(o.Reading, 36) + " ")
	}
	return b.String()
}

func newSummary(v *web.Request, s inventory.Inventory) summary {
	tokens := s.Tokens()
	out := summary{attention: attention(v, tokens), timeline: newTimeline(v, tokens), tokens: len(tokens), active: countActive(tokens)}
	for _, o := range s.Organizations {
		out.places = append(out.places, place{
			Name: o.Name, URL: v.Link(web.ListPath(o.Name)), Unread: o.Loading || len(o.Failed) > 0 && len(o.Tokens) == 0, Active: countActive(o.Tokens),
		})
	}
	return out
}

func countActive(tokens []inventory.Token) (n int) {
	for i := range tokens {
		if tokens[i].Status == azuredevops.Active {
			n++
		}
	}
	return n
}
