package guarantees

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/patdesk/patdesk/internal/simulator"
	"github.com/patdesk/patdesk/internal/testkit"
	"github.com/patdesk/patdesk/internal/testkit/apptest"
	"github.com/patdesk/patdesk/internal/webtest"
)

// neighbours are a healthy person and others of the same organization, all signed in.
type neighbours struct {
	d       *apptest.Program
	healthy *webtest.Browser
	others  []*webtest.Browser
	names   []string
}

// heldUp is how long the calls of the others take: well beyond what a busy machine makes of a page.
const heldUp = 20 * time.Second

func newNeighbours(t *testing.T, n int) *neighbours {
	t.Helper()
	const organization = "org-01"
	o := apptest.ManyTokens(1)
	crowd := crowdOf(n, organization)
	o.People = append(o.People, crowd...)
	s := &neighbours{d: apptest.Start(t, apptest.Options{Sim: o, CallTimeout: heldUp, Env: map[string]string{"LOG_LEVEL": "info"}})}
	apptest.FillOrganizations(s.d.Sim, 20)
	s.healthy = s.d.SignedIn(apptest.Mona)
	for _, p := range crowd {
		s.others = append(s.others, s.d.SignedIn(p.Name))
		s.names = append(s.names, p.Username)
	}
	return s
}

// crowdOf returns n people of the home tenant who belong to that organization: "Person 1" and so on.
func crowdOf(n int, organization string) []simulator.Person {
	people := make([]simulator.Person, n)
	for i := range people {
		people[i] = simulator.Person{
			Name: fmt.Sprintf("Person %d", i+1), Username: fmt.Sprintf("person%d@contoso.example", i+1),
			ObjectID: fmt.Sprintf("00000000-0000-4000-8000-%012d", i+1), TenantID: simulator.DefaultTenantID, Organizations: []string{organization},
		}
	}
	return people
}

// storm has the others load lists and overviews, so many at a time, until ctx ends.
func (s *neighbours) storm(ctx context.Context, atOnce int) (ended *sync.WaitGroup) {
	ended = &sync.WaitGroup{}
	for i := range atOnce {
		jar := s.others[i%len(s.others)].Jar()
		client := &http.Client{Jar: jar, Transport: s.d.Transport()}
		path := []string{"/tokens?organization=org-01", "/tokens"}[i/len(s.others)%2]
		ended.Go(func() {
			for ctx.Err() == nil {
				request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.d.URL+path, http.NoBody)
				if err != nil {
					return
				}
				if answer, err := client.Do(request); err == nil {
					_ = answer.Body.Close()
				}
				select { // what is quick isn't loaded again at once: this is about waiting, not about work
				case <-time.After(time.Duration(3000+10*i) * time.Millisecond):
				case <-ctx.Done():
				}
			}
		})
	}
	return ended
}

// load has the healthy person load the list and the overview for that long: each has to be whole, and soon.
func (s *neighbours) load(t *testing.T, when string, lasts time.Duration) {
	t.Helper()
	var took []time.Duration
	for begun := time.Now(); time.Since(begun) < lasts || len(took) < 20; {
		for _, path := range []string{"/tokens?organization=org-01", "/tokens"} {
			started := time.Now()
			inProgress := func() bool { return s.healthy.Open(s.d.URL+path).Page.Find("[data-in-progress]").Length() > 0 }
			for inProgress() && time.Since(started) < heldUp { // what a busy machine hasn't read is there the next time
				continue
			}
			took = append(took, time.Since(started))
			if n := len(apptest.Listed(s.healthy)); s.healthy.Status != http.StatusOK || n != 20 {
				t.Fatalf("%s, %s: %d, %d tokens after %v\n%s", when, path, s.healthy.Status, n, took[len(took)-1], apptest.Says(s.healthy))
			}
		}
	}
	slices.Sort(took)
	// Who waits for a call of the others shows. The race detector and whatever else the machine does cost some time, too.
	middle, last := took[len(took)/2], took[len(took)-1]
	if t.Logf("%s: loading took %v mostly and %v at most", when, middle, last); middle > heldUp/6 || last > heldUp*3/4 {
		t.Errorf("%s: too long", when)
	}
}

// However Azure DevOps holds up other people of one's organization, one of them or many: one's own list and overview
// come whole and at once, before, beside 200 of their calls, and after. More ways and numbers of people, in simulated
// time, are in TestOneUserHoldsUpNoOthers (internal/azuredevops). A short run has one way for each number.
func TestHeldUpUsersHoldUpNoOthers(t *testing.T) { // not beside other tests: it measures time
	type way struct {
		fault string
		o     simulator.FaultOptions
	}
	for people, ways := range map[int][]way{
		1:  {{"hang", simulator.FaultOptions{}}, {"serverError500", simulator.FaultOptions{}}, {"reset", simulator.FaultOptions{}}},
		50: {{"hang", simulator.FaultOptions{}}, {"slow", simulator.FaultOptions{Delay: heldUp}}, {"unavailable503", simulator.FaultOptions{RetryAfter: 30 * time.Second}}},
	} {
		t.Run(fmt.Sprint(people), func(t *testing.T) {
			s := newNeighbours(t, people)
			s.load(t, "before", time.Second)
			for _, way := range testkit.Sample(t, 1, ways) {
				way.o.People = s.names
				s.d.Sim.SetFault(way.fault, way.o)
				ctx, stop := context.WithCancel(t.Context())
				ended := s.storm(ctx, 200)
				s.load(t, "beside "+way.fault, 2*time.Second)
				s.d.Sim.ClearFaults()
				s.load(t, "after "+way.fault, 500*time.Millisecond)
				stop()
				ended.Wait()
			}
			if log := s.d.Log.String(); strings.Contains(log, "panic") {
				t.Error(log)
			}
		})
	}
}
