package inventory

import (
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"github.com/patdesk/patdesk/internal/azuredevops"
)

const (
	discoveryLife     = 5 * time.Minute // how long a discovered list is taken as true
	discoveryPause    = time.Minute     // how long a failed discovery isn't tried again by itself
	maxDiscoveryCache = 10_000          // sessions
	maxDiscoveryBytes = 16 << 20        // of all of them
)

// discoveries keeps what discovery said for each session, so that a page's frame costs no call. Where there is no room,
// those that weren't looked at for the longest time go: they are only asked for again.
type discoveries struct {
	now   func() time.Time
	mu    sync.Mutex
	kept  *simplelru.LRU[string, discovered]
	bytes int // of all of them
}

type discovered struct {
	organizations []azuredevops.Organization
	err           error // why there are none, or not all
	until         time.Time
}

// size is about how much memory it takes.
func (d discovered) size() int {
	size := 512 // with its entry in the cache, and with an error
	for _, o := range d.organizations {
		size += 64 + len(o.ID) + len(o.Name)
	}
	return size
}

func newDiscoveries(now func() time.Time) *discoveries {
	c := &discoveries{now: now}
	c.kept = newLRU(maxDiscoveryCache, func(_ string, d discovered) { c.bytes -= d.size() })
	return c
}

// newLRU is a simplelru.LRU, whose error is for a size that isn't positive.
func newLRU[V any](size int, evicted func(string, V)) *simplelru.LRU[string, V] {
	cache, err := simplelru.NewLRU(size, evicted)
	if err != nil {
		panic("inventory: " + err.Error())
	}
	return cache
}

func (c *discoveries) get(session string) (d discovered, fresh bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	d, ok := c.kept.Get(session)
	return d, ok && c.now().Before(d.until)
}

func (c *discoveries) put(session string, d discovered) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.kept.Remove(session) // counts it no more; Add would only replace it
	for c.kept.Len() > 0 && c.bytes+d.size() > maxDiscoveryBytes {
		c.kept.RemoveOldest()
	}
	c.kept.Add(session, d)
	c.bytes += d.size()
}

func (c *discoveries) forget(session string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.kept.Remove(session)
}

func mergeOrganizations(found []azuredevops.Organization, typed []string) []string {
	var names []string
	for _, o := range found {
		names = append(names, o.Name)
	}
	for _, name := range typed {
		if !ContainsFold(names, name) {
			names = append(names, name)
		}
	}
	slices.SortFunc(names, func(a, b string) int { return strings.Compare(strings.ToLower(a), strings.ToLower(b)) })
	return names
}

// ContainsFold reports whether name is among the names of organizations, which are the same in upper and lower case.
func ContainsFold(names []string, name string) bool {
	return slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, name) })
}
