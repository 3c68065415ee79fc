package bench

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/patdesk/patdesk/internal/testkit"
	"github.com/patdesk/patdesk/internal/testkit/apptest"
)

// cost is what one page takes of what doesn't depend on the machine.
type cost struct {
	Allocations int `json:"allocations"` // objects
	Allocated   int `json:"allocated"`   // bytes
	HTML        int `json:"html"`        // bytes
	Sent        int `json:"sent"`        // bytes, compressed
	Lists       int `json:"lists"`       // calls for a list
	Others      int `json:"others"`      // other calls, to Entra or Azure DevOps
}

var pages = map[string]string{"list of 100": listPath, "new token": "/tokens/new?organization=" + organization, "changes": "/changes", "scopes": "/scopes", "overview": "/overview"}

const recorded = "test/bench/testdata/cost.json"

// No page takes a tenth more than was recorded, nor one call more. "make bench-record" records anew.
func TestPagesCostNoMoreThanRecorded(t *testing.T) {
	u := startUpstream(t)
	p := startPatdesk(t, u, 1)
	measured := map[string]cost{}
	for name, path := range pages {
		measured[name] = p.cost(t, u, path)
	}
	if *record {
		content, err := json.MarshalIndent(measured, "", "  ")
		if err == nil {
			err = os.WriteFile(filepath.Join(testkit.Root, recorded), append(content, '\n'), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		return
	}
	var want map[string]cost
	if err := json.Unmarshal(testkit.ReadFile(t, recorded), &want); err != nil {
		t.Fatal(err)
	}
	for name, got := range measured {
		for what, v := range map[string][2]int{
			"objects allocated": {got.Allocations, want[name].Allocations}, "bytes allocated": {got.Allocated, want[name].Allocated},
			"bytes of HTML": {got.HTML, want[name].HTML}, "bytes sent": {got.Sent, want[name].Sent},
		} {
			if v[0]*10 > v[1]*11 {
				t.Errorf("%s: %d %s, recorded are %d", name, v[0], what, v[1])
			}
		}
		if got.Lists > want[name].Lists || got.Others > want[name].Others {
			t.Errorf("%s: %d calls for lists and %d others, recorded are %d and %d", name, got.Lists, got.Others, want[name].Lists, want[name].Others)
		}
	}
	t.Logf("%+v", measured)
}

// cost opens a page some times and reads what the program counted meanwhile. Of several rounds it is the least: a garbage
// collection empties pools, and what they held is then allocated anew.
func (p *patdesk) cost(t *testing.T, u *upstream, path string) cost {
	t.Helper()
	const rounds, times = 5, 40
	for range 10 { // connections, pools, caches
		get(t, p.url+path, p.cookies[0], "gzip")
	}
	c := cost{Allocations: math.MaxInt, Allocated: math.MaxInt}
	lists, others := u.lists.Load(), u.other.Load()
	for range rounds {
		objects, bytes := p.counted(t, "go_memstats_mallocs_total"), p.counted(t, "go_memstats_alloc_bytes_total")
		for range times {
			c.Sent = get(t, p.url+path, p.cookies[0], "gzip")
		}
		c.Allocations = min(c.Allocations, int(p.counted(t, "go_memstats_mallocs_total")-objects)/times)
		c.Allocated = min(c.Allocated, int(p.counted(t, "go_memstats_alloc_bytes_total")-bytes)/times)
	}
	c.Lists, c.Others = int(u.lists.Load()-lists)/(rounds*times), int(u.other.Load()-others)/(rounds*times)
	c.HTML = get(t, p.url+path, p.cookies[0], "identity")
	return c
}

// counted is one of the program's own metrics.
func (p *patdesk) counted(t *testing.T, name string) float64 {
	t.Helper()
	_, text := apptest.Scrape(t, "GET", p.metrics)
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			n, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
	}
	t.Fatal(fmt.Errorf("no metric %s", name))
	return 0
}
