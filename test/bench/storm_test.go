package bench

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/patdesk/patdesk/internal/simulator"
	"github.com/patdesk/patdesk/internal/testkit"
	"github.com/patdesk/patdesk/internal/webtest"
)

// Of many people who sign in at once none is sent away. It prints how others fare meanwhile and how much memory that takes.
func TestManySignInsAtOnce(t *testing.T) {
	if !*load {
		return // make bench
	}
	const count, delay = 1000, 300 * time.Millisecond
	u := startUpstream(t)
	p := startPatdesk(t, u, 1)
	u.sim.SetFault("tokenHang", simulator.FaultOptions{Delay: delay})
	browsers := make([]*webtest.Browser, count)
	for i := range browsers {
		browsers[i] = webtest.New(t, u.sim.Client().Transport).Open(p.url + "/").Click("Sign in")
	}
	_, usual := p.pagesFor(t, time.Second/10)
	begun, took := time.Now(), time.Duration(0)
	var all sync.WaitGroup
	for i, b := range browsers {
		all.Go(func() {
			if b.Press(fmt.Sprintf("Continue as Person %d", i%people)); b.Status != http.StatusOK || b.URL.Host == "" || b.Has("link", "Sign in") {
				t.Errorf("sign-in %d: %d at %s\n%s", i, b.Status, b.URL.Path, b.Heading())
			}
		})
	}
	done := make(chan struct{})
	go func() { all.Wait(); took = time.Since(begun); close(done) }()
	pages := p.pagesUntil(t, done)
	fmt.Printf("\n%d sign-ins at once against %v: over after %s ms; others' pages meanwhile: median %s ms, p99 %s ms, usually %s ms; largest memory %d MB\n",
		count, delay, ms(took), ms(at(pages, 50)), ms(at(pages, 99)), ms(usual), peakOf(t, p.Cmd.Process.Pid)>>10)
}

// Calls of some that the service holds up don't hold up others: 200 of 25 people. "make bench" prints what these notice.
func TestHeldUpCalls(t *testing.T) {
	if !*load {
		return // make bench; what doesn't depend on the machine: TestPeopleHoldUpOnlyThemselves
	}
	const some, each = 25, 8
	u := startUpstream(t)
	p := startPatdesk(t, u, people)
	for _, cookie := range p.cookies[:some] {
		get(t, p.url+listPath, cookie, "identity")
		u.held.Store(u.last.Load(), true)
	}
	others := p.cookies[some:]
	before := p.lists(t, others, 3*time.Second)
	ctx, release := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for i := range some * each {
		all.Go(func() {
			r, _ := http.NewRequestWithContext(ctx, http.MethodGet, p.url+listPath, http.NoBody) // the address is ours
			r.Header.Set("Cookie", p.cookies[i%some])
			if answer, err := http.DefaultClient.Do(r); err == nil {
				answer.Body.Close()
			}
		})
	}
	testkit.Until(t, "everybody's calls are held up", func() bool { return u.waiting.Load() >= some })
	during := p.lists(t, others, 3*time.Second)
	release()
	all.Wait()
	fmt.Printf("\n%d calls held up: others' lists p50 %s ms, p99 %s ms; before: %s, %s\n", some*each, ms(at(during, 50)), ms(at(during, 99)), ms(at(before, 50)), ms(at(before, 99)))
}

// lists opens lists, two at a time, and says how long each took.
func (p *patdesk) lists(t *testing.T, cookies []string, d time.Duration) []time.Duration {
	t.Helper()
	var took [2][]time.Duration
	var all sync.WaitGroup
	end := time.Now().Add(d)
	for w := range took {
		all.Go(func() {
			for i := w; time.Now().Before(end); i += len(took) {
				begun := time.Now()
				get(t, p.url+listPath, cookies[i%len(cookies)], "identity")
				took[w] = append(took[w], time.Since(begun))
			}
		})
	}
	all.Wait()
	return slices.Sorted(slices.Values(slices.Concat(took[:]...)))
}

// pagesUntil opens a page over and over until done.
func (p *patdesk) pagesUntil(t *testing.T, done <-chan struct{}) (took []time.Duration) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-done:
			slices.Sort(took)
			return took
		case <-tick.C:
			begun := time.Now()
			get(t, p.url+"/changes", p.cookies[0], "identity")
			took = append(took, time.Since(begun))
		}
	}
}

// at is a percentile of what is sorted.
func at(sorted []time.Duration, percent int) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(len(sorted)-1, len(sorted)*percent/100)]
}
