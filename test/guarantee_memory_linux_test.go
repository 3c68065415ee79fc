package test

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"testing"

	"github.com/patdesk/patdesk/internal/simulator"
	"github.com/patdesk/patdesk/internal/testkit"
)

// memory is what the process occupies now and has occupied at most since resetPeak, in MB.
func (m *member) memory() (now, peak int) {
	m.site.t.Helper()
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", m.cmd.Process.Pid))
	testkit.Must(m.site.t, err)
	read := func(name string) int {
		found := regexp.MustCompile(name + `:\s+(\d+) kB`).FindSubmatch(content)
		if found == nil {
			m.site.t.Fatalf("no %s in\n%s", name, content)
		}
		kb, err := strconv.Atoi(string(found[1]))
		testkit.Must(m.site.t, err)
		return kb >> 10
	}
	return read("VmRSS"), read("VmHWM")
}

func (m *member) resetPeak() {
	m.site.t.Helper()
	testkit.Must(m.site.t, os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", m.cmd.Process.Pid), []byte("5"), 0))
}

// U2: 10 GB of JSON, and 10 MB that unpack to 10 GB, as the answer to any call: the program stops reading, says so, and
// its memory stays as it was but for what it may read of one answer.
func TestMemoryIsBounded(t *testing.T) {
	t.Parallel()
	s := newSite(t, 1, seeded().sim)
	b := s.signedIn(mona)
	m := s.members[0]
	d := &desk{t: t, url: s.url, sim: s.sim}
	for _, verb := range []string{"create", "edit", "revoke", "rotate", "list"} { // what an ordinary use takes
		newNetworkCase(t, d, b, verb, verb+" as usual").act()
	}
	const allowed = 20 // MB: an 8 MB list in a growing buffer, and what the collector hasn't taken back yet
	for _, fault := range []string{"hugeBody", "gzipBomb"} {
		for _, verb := range []string{"create", "edit", "revoke", "rotate", "list"} {
			name := verb + " with " + fault
			c := newNetworkCase(t, d, b, verb, name)
			m.resetPeak()
			before, _ := m.memory()
			s.sim.SetFault(fault, simulator.FaultOptions{})
			c.act()
			s.sim.ClearFaults()
			now, peak := m.memory()
			t.Logf("%s: %d MB before, %d MB at most, %d MB after", name, before, peak, now)
			if peak > before+allowed {
				t.Errorf("%s: %d MB before, %d MB at most", name, before, peak)
			}
			if b.Status < 400 && verb != "list" || verb == "list" && len(names(b)) > 0 {
				t.Errorf("%s: %d %s", name, b.Status, says(b))
			}
			b.Open(s.url + "/tokens?organization=contoso")
		}
	}
}
