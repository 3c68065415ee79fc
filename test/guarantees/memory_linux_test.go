package guarantees

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"testing"

	"github.com/patdesk/patdesk/internal/simulator"
	"github.com/patdesk/patdesk/internal/testkit"
	"github.com/patdesk/patdesk/internal/testkit/apptest"
)

// memory is what the process occupies now and has occupied at most since resetPeak, in MB.
func memory(m *apptest.Member) (now, peak int) {
	m.Site.T.Helper()
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", m.Cmd.Process.Pid))
	testkit.Must(m.Site.T, err)
	read := func(name string) int {
		found := regexp.MustCompile(name + `:\s+(\d+) kB`).FindSubmatch(content)
		if found == nil {
			m.Site.T.Fatalf("no %s in\n%s", name, content)
		}
		kb, err := strconv.Atoi(string(found[1]))
		testkit.Must(m.Site.T, err)
		return kb >> 10
	}
	return read("VmRSS"), read("VmHWM")
}

func resetPeak(m *apptest.Member) {
	m.Site.T.Helper()
	testkit.Must(m.Site.T, os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", m.Cmd.Process.Pid), []byte("5"), 0))
}

// U2: 10 GB of JSON, and 10 MB that unpack to 10 GB, as the answer to any call: the program stops reading, says so, and
// its memory stays as it was but for what it may read of one answer. A short run makes two of the calls.
func TestMemoryIsBounded(t *testing.T) {
	t.Parallel()
	s := apptest.NewSite(t, 1, apptest.Seeded().Sim)
	b := s.SignedIn(apptest.Mona)
	m := s.Members[0]
	d := &apptest.Program{T: t, URL: s.URL, Sim: s.Sim}
	for _, verb := range []string{"create", "edit", "revoke", "rotate", "list"} { // what an ordinary use takes
		newNetworkCase(t, d, b, verb, verb+" as usual").act()
	}
	const allowed = 30 // MB: an 8 MB list in a growing buffer, compressors, and what the collector hasn't taken back yet
	for _, fault := range []string{"hugeBody", "gzipBomb"} {
		for _, verb := range testkit.Sample(t, 2, []string{"create", "edit", "revoke", "rotate", "list"}) {
			name := verb + " with " + fault
			c := newNetworkCase(t, d, b, verb, name)
			resetPeak(m)
			before, _ := memory(m)
			s.Sim.SetFault(fault, simulator.FaultOptions{})
			c.act()
			s.Sim.ClearFaults()
			now, peak := memory(m)
			t.Logf("%s: %d MB before, %d MB at most, %d MB after", name, before, peak, now)
			if peak > before+allowed {
				t.Errorf("%s: %d MB before, %d MB at most", name, before, peak)
			}
			if b.Status < 400 && verb != "list" || verb == "list" && len(apptest.TokenNames(b)) > 0 {
				t.Errorf("%s: %d %s", name, b.Status, apptest.Says(b))
			}
			b.Open(s.URL + "/tokens?organization=contoso")
		}
	}
}
