package bench

import (
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/patdesk/patdesk/internal/testkit"
)

// mostIdle is what an idle program takes of its own, in KiB: beside its file, as far as that is in memory.
const mostIdle = 30 << 10

// However many sessions are in the folder, the program takes as little memory. "make bench" prints how long it takes to
// start, and pages while the sessions are swept: 100 ms and 50 ms more than usual are what it should be at most.
func TestStartBesideManySessions(t *testing.T) {
	counts := []int{1, 2000}
	if *load {
		counts = []int{1, 1000, 100_000}
		fmt.Println("| sessions in the folder | start to ready ms | idle MB, its own | slowest page of the sweep ms | median ms |\n|---|---|---|---|---|")
	}
	u := startUpstream(t)
	p := startPatdesk(t, u, 1)
	first := sessionFile(t, p.dir)
	for _, count := range counts {
		p.Terminate()
		copies(t, first, count)
		begun := time.Now()
		p.start(t)
		took := ready(t, p, begun)
		idle := statusOf(t, p.Cmd.Process.Pid, "RssAnon:")
		slowest, median := p.pagesFor(t, time.Second)
		if *load {
			fmt.Printf("| %d | %s | %d | %s | %s |\n", count, ms(took), idle>>10, ms(slowest), ms(median))
		}
		if idle > mostIdle {
			t.Errorf("%d sessions: %d KiB are in use", count, idle)
		}
	}
}

// sessionFile is the record of the one session that there is.
func sessionFile(t *testing.T, dir string) (path string) {
	t.Helper()
	err := filepath.WalkDir(filepath.Join(dir, "sessions", "session"), func(p string, e fs.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() {
			path = p
		}
		return err
	})
	if err != nil || path == "" {
		t.Fatal("no session is on disk: ", err)
	}
	return path
}

// copies puts so many records beside the first one. They can't be read under another name, which a sweep doesn't need.
func copies(t *testing.T, first string, count int) {
	t.Helper()
	content, err := os.ReadFile(first)
	testkit.Must(t, err)
	root := filepath.Dir(filepath.Dir(first))
	for i := range count {
		name := fmt.Sprintf("%02x%062x", i%256, i)
		testkit.Must(t, os.MkdirAll(filepath.Join(root, name[:2]), 0o700))
		testkit.Must(t, os.WriteFile(filepath.Join(root, name[:2], name), content, 0o600))
	}
}

// ready waits for /readyz and says how long that took.
func ready(t *testing.T, p *patdesk, since time.Time) time.Duration {
	t.Helper()
	testkit.Until(t, "the program is ready", func() bool {
		answer, err := http.Get(p.url + "/readyz")
		if err != nil {
			return false
		}
		defer answer.Body.Close()
		return answer.StatusCode == http.StatusOK
	})
	return time.Since(since)
}

// pagesFor opens a page over and over.
func (p *patdesk) pagesFor(t *testing.T, d time.Duration) (slowest, median time.Duration) {
	t.Helper()
	var all []time.Duration
	for end := time.Now().Add(d); time.Now().Before(end); {
		begun := time.Now()
		get(t, p.url+"/changes", p.cookies[0], "gzip")
		all = append(all, time.Since(begun))
	}
	slices.Sort(all)
	return all[len(all)-1], all[len(all)/2]
}
