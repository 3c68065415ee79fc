package azuredevops_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/patdesk/patdesk/internal/azuredevops"
	"github.com/patdesk/patdesk/internal/testkit"
)

// crowd is a service without a network that treats people differently: the bearer is the person's name. Time is that of
// the bubble that it runs in.
type crowd struct {
	client *azuredevops.Client
	answer func(r *http.Request, who string) (*http.Response, error)

	mu    sync.Mutex
	now   int // requests being answered
	most  int
	total int
}

func newCrowd(answer func(r *http.Request, who string) (*http.Response, error)) *crowd {
	c := &crowd{answer: answer}
	c.client = azuredevops.New(azuredevops.Options{HTTPClient: &http.Client{Transport: c}})
	return c
}

func (c *crowd) RoundTrip(r *http.Request) (*http.Response, error) {
	c.count(1)
	defer c.count(-1)
	return c.answer(r, strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
}

func (c *crowd) count(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now += n
	c.most = max(c.most, c.now)
	c.total += max(0, n)
}

// peak is how many were under way at the same time, and sending how many are now.
func (c *crowd) peak() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.most
}

func (c *crowd) sending() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *crowd) sent() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.total
}

func (c *crowd) as(who string) *azuredevops.Caller {
	return c.client.As(who, func(context.Context) (string, error) { return who, nil })
}

// after answers when the time is over, unless the caller goes away.
func after(r *http.Request, d time.Duration, a canned) (*http.Response, error) {
	select {
	case <-time.After(d):
		return a.RoundTrip(r)
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
}

// anything is an answer to every read.
var anything = canned{200, "", strings.Replace(strings.Replace(resultJSON(id, "null"), "{", `{"patTokens":[],"value":[],"id":"`+id+`",`, 1), "patTokenError", "_", 1)}

func quick(r *http.Request) (*http.Response, error) { return after(r, 50*time.Millisecond, anything) }

// ways in which the service can treat people.
var ways = map[string]func(r *http.Request) (*http.Response, error){
	"hangs": func(r *http.Request) (*http.Response, error) { return after(r, time.Hour, anything) },
	"500": func(r *http.Request) (*http.Response, error) {
		return after(r, 50*time.Millisecond, canned{status: 500})
	},
	"503 with Retry-After": func(r *http.Request) (*http.Response, error) { return after(r, 0, canned{503, "Retry-After: 30", ""}) },
	"429 with Retry-After": func(r *http.Request) (*http.Response, error) { return after(r, 0, canned{429, "Retry-After: 5", ""}) },
	"resets": func(*http.Request) (*http.Response, error) {
		return nil, &net.OpError{Op: "read", Err: syscall.ECONNRESET}
	},
	"29 s of delay": func(r *http.Request) (*http.Response, error) { return after(r, 29*time.Second, anything) },
}

// However many people are held up, and however: somebody else's list and organizations come at once, before, during and
// after. Time is simulated.
func TestOneUserHoldsUpNoOthers(t *testing.T) {
	for way, treat := range ways {
		for _, people := range []int{1, 3, 100} {
			t.Run(fmt.Sprint(way, ", ", people), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					var trouble atomic.Bool
					c := newCrowd(func(r *http.Request, who string) (*http.Response, error) {
						if who != me && trouble.Load() {
							return treat(r)
						}
						return quick(r)
					})
					ctx, stop := context.WithCancel(t.Context())
					var others sync.WaitGroup
					for i := range 100 { // calls at once
						caller := c.as(fmt.Sprint("other", i%people))
						others.Go(func() {
							for n := i; ctx.Err() == nil; n++ {
								begun := time.Now()
								_, _ = caller.List(ctx, org, azuredevops.Active)
								if n%4 == 0 {
									_, _ = caller.Organizations(ctx)
								}
								if time.Since(begun) < time.Second {
									time.Sleep(15 * time.Second)
								}
							}
						})
					}
					for phase, lasts := range []time.Duration{5 * time.Second, 90 * time.Second, 40 * time.Second} {
						trouble.Store(phase == 1)
						for begun := time.Now(); time.Since(begun) < lasts; time.Sleep(3 * time.Second) {
							healthyPerson(t, c, phase)
						}
					}
					if _, err := c.as("other0").List(ctx, org, azuredevops.Active); err != nil {
						t.Errorf("40 s after the trouble those who had it are still held up: %v", err)
					}
					stop()
					others.Wait()
				})
			})
		}
	}
}

// healthyPerson reads what a page shows: three lists at once, and the organizations.
func healthyPerson(t *testing.T, c *crowd, phase int) {
	t.Helper()
	begun, caller := time.Now(), c.as(me)
	errs := make([]error, 4)
	var reads sync.WaitGroup
	for i, s := range []azuredevops.Status{azuredevops.Active, azuredevops.Expired, azuredevops.Revoked} {
		reads.Go(func() { _, errs[i] = caller.List(t.Context(), org, s) })
	}
	reads.Go(func() { _, errs[3] = caller.Organizations(t.Context()) })
	reads.Wait()
	if err := errors.Join(errs...); err != nil || time.Since(begun) > time.Second || len(caller.Pauses()) > 0 {
		t.Errorf("phase %d: after %v: %v; pauses %v", phase, time.Since(begun), err, caller.Pauses())
	}
}

// hold begins n calls of each caller that are held up, and returns when no more of them can begin.
func hold(t *testing.T, n int, callers ...*azuredevops.Caller) (ended *sync.WaitGroup) {
	ended = &sync.WaitGroup{}
	for _, caller := range callers {
		for i := range n {
			ended.Go(func() { _, _ = caller.Get(t.Context(), fmt.Sprint(org, i%7), id) })
		}
	}
	synctest.Wait()
	return ended
}

func (c *crowd) many(n int) []*azuredevops.Caller {
	callers := make([]*azuredevops.Caller, n)
	for i := range callers {
		callers[i] = c.as(fmt.Sprint("other", i))
	}
	return callers
}

// The process's bound is kept, and shared out so that the next person gets in at once, whoever came before. Beyond any
// reasonable number of people it is said that patdesk is too busy.
func TestProcessBound(t *testing.T) {
	t.Parallel()
	for _, test := range testkit.Sample(t, 2, []struct{ people, calls, most int }{
		{1, 96, 32}, {10, 96, 320}, {200, 40, 2048}, {1500, 3, 2048 + 1500},
	}) {
		synctest.Test(t, func(t *testing.T) {
			c := newCrowd(func(r *http.Request, who string) (*http.Response, error) {
				if who == me {
					return quick(r)
				}
				return ways["hangs"](r)
			})
			ended := hold(t, test.calls, c.many(test.people)...)
			if c.peak() > test.most || c.client.Load().Exchanges != c.peak() {
				t.Errorf("%+v: %d at once", test, c.peak())
			}
			healthyPerson(t, c, 1)
			ended.Wait()
			if l := c.client.Load(); l.Exchanges != 0 || l.Waiting != 0 {
				t.Errorf("%+v: in the end %+v", test, l)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd(func(r *http.Request, _ string) (*http.Response, error) { return ways["hangs"](r) })
		ended := hold(t, 1, c.many(9000)...)
		begun := time.Now()
		_, err := calls["get"](c.as(me))
		if e := failure(t, err); e.Kind != azuredevops.KindOverloaded || c.peak() != 8192 || time.Since(begun) > 10*time.Second {
			t.Errorf("one too many of %d: %+v", c.peak(), *e)
		}
		if l := c.client.Load(); l.Refused[azuredevops.BoundProcess] == 0 || l.PeoplePaused != 0 {
			t.Errorf("%+v", l)
		}
		ended.Wait()
	})
}

// One organization isn't capped: whoever has few calls under way there gets all of them through at once.
func TestManyPeopleInOneOrganization(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd(func(r *http.Request, _ string) (*http.Response, error) { return quick(r) })
		begun := time.Now()
		var all sync.WaitGroup
		for _, caller := range c.many(400) {
			for range 4 {
				all.Go(func() {
					if _, err := calls["get"](caller); err != nil {
						t.Error(err)
					}
				})
			}
		}
		all.Wait()
		if took := time.Since(begun); took != 50*time.Millisecond || c.peak() != 1600 {
			t.Errorf("%d at once, in %v", c.peak(), took)
		}
	})
}

// Within one person's calls, too, what hangs leaves something for the other organizations.
func TestOrganizationsOfOnePerson(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd(func(r *http.Request, _ string) (*http.Response, error) {
			if strings.Contains(r.URL.Path, "other") {
				return quick(r)
			}
			return ways["hangs"](r)
		})
		ended := hold(t, 64, c.as(me))
		for range 10 {
			begun := time.Now()
			if _, err := c.as(me).Get(t.Context(), "other", id); err != nil || time.Since(begun) > time.Second {
				t.Errorf("beside %d calls that hang: %v after %v", c.sending(), err, time.Since(begun))
			}
		}
		_, err := c.as(me).Get(t.Context(), org+"1", id)
		if e := failure(t, err); e.Kind != azuredevops.KindBusy || e.RetryAfter != 5*time.Second {
			t.Errorf("one more that would hang: %+v", *e)
		}
		ended.Wait()
	})
}

// Who has waited in vain is told so after a while, at once where too many wait already, and none of it counts as the
// organization's failure.
func TestWaitingIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd(func(r *http.Request, _ string) (*http.Response, error) { return after(r, 29*time.Second, anything) })
		var waited []time.Duration
		var mu sync.Mutex
		var all sync.WaitGroup
		for range 100 {
			all.Go(func() {
				begun := time.Now()
				_, err := calls["get"](c.as(me))
				if err == nil {
					return
				}
				mu.Lock()
				defer mu.Unlock()
				waited = append(waited, time.Since(begun))
				if e := failure(t, err); e.Kind != azuredevops.KindBusy || e.Status != 0 || e.Unknown {
					t.Errorf("%+v", *e)
				}
			})
		}
		all.Wait()
		slices.Sort(waited)
		if len(waited) != 92 || waited[27] != 0 || waited[28] != 10*time.Second || waited[91] != 10*time.Second {
			t.Errorf("%d were refused, after %v", len(waited), waited)
		}
		if l := c.client.Load(); l.Refused[azuredevops.BoundOrganization] != 92 || l.Open != 0 || len(c.as(me).Pauses()) != 0 {
			t.Errorf("%+v", l)
		}
	})
}

// The service's time is its own: neither waiting for one's turn nor pauses shorten it or count as its failure.
func TestTimeOfTheService(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd(func(r *http.Request, who string) (*http.Response, error) {
			if r.Method == http.MethodPost {
				return after(r, 55*time.Second, canned{200, "", resultJSON(id, `"`+secret+`"`)})
			}
			return after(r, 9*time.Second, anything)
		})
		var held sync.WaitGroup
		for range 8 { // all that one person can have there, for nine seconds
			held.Go(func() { _, _ = c.as(me).Get(t.Context(), org+"0", id) })
		}
		synctest.Wait()
		begun := time.Now()
		_, _, err := c.as(me).Create(t.Context(), org+"0", wanted)
		if took := time.Since(begun); err != nil || took != 64*time.Second {
			t.Errorf("a create that waited for its turn: %v after %v", err, took)
		}
		held.Wait()
	})
	synctest.Test(t, func(t *testing.T) {
		n := 0
		c := newCrowd(func(r *http.Request, _ string) (*http.Response, error) {
			if n++; n == 1 {
				return after(r, time.Second, canned{429, "Retry-After: 9", ""})
			}
			return after(r, 28*time.Second, anything)
		})
		if _, err := c.as(me).List(t.Context(), org, azuredevops.Active); err != nil {
			t.Errorf("a read with a pause: %v", err)
		}
		if _, err := c.as(me).List(t.Context(), org, azuredevops.Active); err != nil {
			t.Errorf("another one: %v", err)
		}
	})
}

// What is cut off by our own side says nothing about the organization: it neither begins nor ends a series.
func TestOwnLimitsAreNeutral(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd(func(r *http.Request, _ string) (*http.Response, error) {
			if strings.Contains(r.URL.RawQuery, "displayFilterOption=revoked") {
				return after(r, 0, canned{status: 500})
			}
			return ways["hangs"](r)
		})
		fail := func() { _, _ = c.as(me).List(t.Context(), org, azuredevops.Revoked) }
		for range 4 {
			fail()
		}
		for i := range 10 {
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			_, err := c.as(me).List(ctx, org, azuredevops.Active)
			if e := failure(t, err); e.Kind != azuredevops.KindTimeout || len(c.as(me).Pauses()) > 0 {
				t.Errorf("%d: %+v, pauses %v", i, *e, c.as(me).Pauses())
			}
			cancel()
		}
		if fail(); len(c.as(me).Pauses()) != 1 {
			t.Error("the series was broken off")
		}
	})
	synctest.Test(t, func(t *testing.T) { // but what the service doesn't answer in its own time counts
		c := newCrowd(func(r *http.Request, _ string) (*http.Response, error) { return ways["hangs"](r) })
		for range 5 {
			_, _ = c.as(me).List(t.Context(), org, azuredevops.Active)
		}
		if len(c.as(me).Pauses()) != 1 {
			t.Error("five that were never answered make no pause")
		}
	})
}

// When an organization counts as down for everybody, and what that means for whom.
func TestOrganizationIsDown(t *testing.T) {
	type step struct {
		who   string // several: one letter each
		times int
		fine  bool          // the service answers them
		after time.Duration // before
		sent  int           // of all these calls
		down  int           // organizations, afterwards
	}
	for name, steps := range map[string][]step{
		"one person only":             {{who: "a", times: 20, sent: 5}, {who: "b", times: 1, fine: true, sent: 1}},
		"two people":                  {{who: "ab", times: 20, sent: 10}, {who: "c", times: 2, fine: true, sent: 2}},
		"three, once each":            {{who: "abc", times: 1, sent: 3}, {who: "abc", times: 1, sent: 2, down: 1}},
		"three, but somebody is well": {{who: "ab", times: 2, sent: 4}, {who: "d", times: 1, fine: true, sent: 1}, {who: "c", times: 2, sent: 2}},
		"three, far between":          {{who: "ab", times: 2, sent: 4}, {who: "c", times: 2, sent: 2, after: 3 * time.Minute}},
		"paused after one failure": {{who: "abc", times: 2, sent: 5, down: 1}, {who: "abc", times: 3, sent: 0, down: 1},
			{who: "d", times: 3, sent: 1, down: 1}, {who: "e", times: 1, sent: 1, down: 1}},
		"lifted by a newcomer": {{who: "abc", times: 2, sent: 5, down: 1}, {who: "d", times: 1, fine: true, sent: 1}, {who: "abc", times: 2, fine: true, sent: 6}},
		"one's own five stay":  {{who: "a", times: 5, sent: 5}, {who: "bc", times: 1, sent: 2, down: 1}, {who: "d", times: 1, fine: true, sent: 1}, {who: "a", times: 2, fine: true, sent: 0}, {who: "bc", times: 2, fine: true, sent: 4}},
		"each tries again after 30 s": {{who: "abc", times: 2, sent: 5, down: 1}, {who: "abc", times: 2, after: 29 * time.Second, sent: 0, down: 1},
			{who: "abc", times: 2, after: 2 * time.Second, sent: 3, down: 1}, {who: "abc", times: 2, sent: 0, down: 1}, {who: "a", times: 2, fine: true, after: 31 * time.Second, sent: 2}, {who: "bc", times: 2, fine: true, sent: 4}},
		"forgotten": {{who: "abc", times: 2, sent: 5, down: 1}, {who: "abc", times: 1, after: 10 * time.Minute, sent: 3, down: 0}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				fine := false
				c := newCrowd(func(r *http.Request, _ string) (*http.Response, error) {
					if fine {
						return quick(r)
					}
					return after(r, 0, canned{status: 500})
				})
				for i, step := range steps {
					time.Sleep(step.after)
					before := c.sent()
					fine = step.fine
					for range step.times {
						for _, who := range step.who {
							_, err := calls["get"](c.as(string(who)))
							if err != nil && failure(t, err).Kind == azuredevops.KindPaused && c.as(string(who)).Pauses()[org].Before(time.Now()) {
								t.Errorf("step %d: %c is refused, and no page could say until when", i, who)
							}
						}
					}
					if n := c.sent() - before; n != step.sent || c.client.Load().OrganizationsPaused != step.down {
						t.Errorf("step %d: %d sent, want %d; %+v", i, n, step.sent, c.client.Load())
					}
				}
			})
		})
	}
}

// A person whose pause is over sends one call, and the pauses of others don't matter to it.
func TestProbesAreOnesOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd(func(r *http.Request, who string) (*http.Response, error) {
			if who == "hanging" {
				return ways["hangs"](r)
			}
			return after(r, 0, canned{status: 500})
		})
		for range 5 {
			_, _ = calls["get"](c.as("hanging"))
			_, _ = calls["get"](c.as("failing"))
		}
		time.Sleep(31 * time.Second)
		var probe sync.WaitGroup
		probe.Go(func() { _, _ = calls["get"](c.as("hanging")) })
		synctest.Wait()
		before := c.sent()
		_, _ = calls["get"](c.as("hanging"))
		_, err := calls["get"](c.as("failing"))
		if e := failure(t, err); e.Kind != azuredevops.KindServer || c.sent() != before+1 {
			t.Errorf("beside another one's probe: %+v", *e)
		}
		if l := c.client.Load(); l.HalfOpen != 1 || l.Open != 1 || l.PeoplePaused != 2 || l.OrganizationsPaused != 0 {
			t.Errorf("%+v", l)
		}
		probe.Wait()
	})
}

// However an exchange ends, its place and the memory for its answer are free again.
func TestSlotsAreReleased(t *testing.T) {
	long := strings.Repeat(" ", 260<<10) + emptyList.body
	broken := func(r *http.Request, body io.Reader) (*http.Response, error) {
		a, err := canned{200, "", ""}.RoundTrip(r)
		a.Body = io.NopCloser(body)
		return a, err
	}
	ends := map[string]func(r *http.Request) (*http.Response, error){
		"panics":             func(*http.Request) (*http.Response, error) { panic("a fault") },
		"panics in the body": func(r *http.Request) (*http.Response, error) { return broken(r, panicking{}) },
		"redirects":          canned{302, "Location: https://elsewhere.example/", ""}.RoundTrip,
		"breaks off": func(r *http.Request) (*http.Response, error) {
			return broken(r, io.MultiReader(strings.NewReader(long), iotest.ErrReader(io.ErrUnexpectedEOF)))
		},
		"is long":             canned{200, "", long}.RoundTrip,
		"is too long":         canned{200, "", strings.Repeat(long, 33)}.RoundTrip,
		"refuses":             canned{403, "", long}.RoundTrip,
		"hangs and is left":   ways["hangs"],
		"asks for a pause":    canned{429, "Retry-After: 9", ""}.RoundTrip,
		"asks for a long one": canned{503, "Retry-After: 99", ""}.RoundTrip,
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := newCrowd(func(r *http.Request, who string) (*http.Response, error) {
					if who == me {
						return canned{200, "", long}.RoundTrip(r)
					}
					return end(r)
				})
				var all sync.WaitGroup
				for i, caller := range c.many(2) {
					for n := range 10 { // some wait, and some leave while they do
						ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i*n)*200*time.Millisecond)
						all.Go(func() {
							defer func() { _ = recover() }()
							defer cancel()
							_, _ = caller.List(ctx, org, azuredevops.Active)
						})
					}
				}
				all.Wait()
				if l := c.client.Load(); l.Exchanges != 0 || l.Waiting != 0 {
					t.Errorf("%+v", l)
				}
				if _, err := c.as(me).List(t.Context(), org, azuredevops.Active); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

type panicking struct{}

func (panicking) Read([]byte) (int, error) { panic("a fault in reading") }

// Trouble of long ago holds up nobody: all calls of a page are sent at once, not one as a probe.
func TestPausesAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fine := false
		c := newCrowd(func(r *http.Request, _ string) (*http.Response, error) {
			if fine {
				return quick(r)
			}
			return after(r, 0, canned{status: 500})
		})
		for range 5 {
			_, _ = calls["get"](c.as(me))
		}
		if len(c.as(me).Pauses()) != 1 {
			t.Fatal("no pause")
		}
		time.Sleep(time.Hour)
		fine = true
		var page sync.WaitGroup
		for range 3 {
			page.Go(func() {
				if _, err := calls["get"](c.as(me)); err != nil {
					t.Error(err)
				}
			})
		}
		page.Wait()
	})
}

// slowBody gives what it has, and its end only when it may.
type slowBody struct {
	io.Reader
	end <-chan struct{}
}

func (s *slowBody) Read(p []byte) (int, error) {
	n, err := s.Reader.Read(p)
	if errors.Is(err, io.EOF) {
		<-s.end
	}
	return n, err
}

func (s *slowBody) Close() error { return nil }

// Long answers share a bounded memory; those of usual length need none of it.
func TestMemoryForLongAnswers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		end := make(chan struct{})
		long, usual := bytes.Repeat([]byte(" "), 1<<20), bytes.Repeat([]byte(" "), 200<<10)
		c := newCrowd(func(r *http.Request, who string) (*http.Response, error) {
			a, err := emptyListAnswer(r)
			if who == me {
				a.Body = io.NopCloser(io.MultiReader(bytes.NewReader(usual), a.Body))
				return a, err
			}
			a.Body = &slowBody{io.MultiReader(bytes.NewReader(long), a.Body), end}
			return a, err
		})
		var refused, read atomic.Int32
		var all sync.WaitGroup
		for _, caller := range c.many(20) {
			for range 3 {
				all.Go(func() {
					_, err := caller.List(t.Context(), org, azuredevops.Active)
					if err == nil {
						read.Add(1)
					} else if e := failure(t, err); e.Kind == azuredevops.KindOverloaded && e.RetryAfter > 0 {
						refused.Add(1)
					}
				})
			}
		}
		synctest.Wait()
		if held := 60 - refused.Load(); held < 3 || held > 8 {
			t.Errorf("%d long answers are held", held)
		}
		if _, err := c.as(me).List(t.Context(), org, azuredevops.Active); err != nil {
			t.Errorf("one of usual length: %v", err)
		}
		close(end)
		all.Wait()
		if read.Load()+refused.Load() != 60 || c.client.Load().Refused[azuredevops.BoundMemory] != uint64(refused.Load()) || c.client.Load().Open != 0 {
			t.Errorf("%d read, %d refused: %+v", read.Load(), refused.Load(), c.client.Load())
		}
		end = make(chan struct{})
		close(end)
		if _, err := c.many(1)[0].List(t.Context(), org, azuredevops.Active); err != nil {
			t.Errorf("a long one afterwards: %v", err)
		}
	})
}

func emptyListAnswer(r *http.Request) (*http.Response, error) {
	return canned{200, "", emptyList.body}.RoundTrip(r)
}

// However many people meet trouble in however many organizations, what is remembered of it is bounded, and is forgotten
// when it makes no difference any more.
func TestFailuresAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd(func(r *http.Request, who string) (*http.Response, error) {
			if who == me {
				return anything.RoundTrip(r)
			}
			return canned{503, "Retry-After: 300", ""}.RoundTrip(r)
		})
		before := heap()
		for i := range 10_000 {
			_, _ = calls["get"](c.as(fmt.Sprint("other", i)))
		}
		if grown := heap() - before; grown > 7<<20 {
			t.Errorf("%d kB for many people", grown>>10)
		}
		time.Sleep(time.Hour)
		_, _ = calls["get"](c.as(me))
		if grown := heap() - before; grown > 1<<20 { // empty maps keep some
			t.Errorf("%d kB are left", grown>>10)
		}
		if l := c.client.Load(); l.Open != 0 || l.PeoplePaused != 0 {
			t.Errorf("%+v", l)
		}
	})
}

// deafening is a listener whose connections can go silent: what is written to them is lost, and nothing is closed.
type deafening struct{ net.Listener }

type silenced struct {
	net.Conn
	silent atomic.Bool
}

func (d deafening) Accept() (net.Conn, error) {
	c, err := d.Listener.Accept()
	return &silenced{Conn: c}, err
}

func (s *silenced) Write(p []byte) (int, error) {
	if s.silent.Load() {
		return len(p), nil
	}
	return s.Conn.Write(p)
}

type connectionKey struct{}

// Each exchange has a connection to itself, even where the service speaks HTTP/2: those that hang or go silent keep
// nobody else waiting, neither for one of few streams nor for the end of a connection that is shared. Connections are
// used again.
func TestSilentConnectionsHoldUpNoOthers(t *testing.T) {
	const others = 60
	var connections atomic.Int32
	arrived, end := make(chan *silenced, others), make(chan struct{})
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+me {
			connection, _ := r.Context().Value(connectionKey{}).(*silenced)
			arrived <- connection
			<-end
		}
		emptyList.ServeHTTP(w, r)
	}))
	server.Config.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		connections.Add(1)
		if secure, ok := c.(*tls.Conn); ok {
			c = secure.NetConn()
		}
		return context.WithValue(ctx, connectionKey{}, c)
	}
	server.Listener = deafening{server.Listener}
	server.Config.HTTP2 = &http.HTTP2Config{MaxConcurrentStreams: 10}
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	client := azuredevops.New(azuredevops.Options{Endpoint: server.URL, HTTPClient: server.Client()})
	list := func(ctx context.Context, who string) error {
		_, err := client.As(who, func(context.Context) (string, error) { return who, nil }).List(ctx, org, azuredevops.Active)
		return err
	}
	mine := func(when string) {
		for range 10 {
			begun := time.Now()
			if err := list(t.Context(), me); err != nil || time.Since(begun) > time.Second {
				t.Errorf("%s: %v after %v", when, err, time.Since(begun))
			}
		}
	}
	mine("before")
	ctx, stop := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for i := range others {
		all.Go(func() { _ = list(ctx, fmt.Sprint("other", i%20)) })
	}
	var held []*silenced
	for range others {
		select {
		case connection := <-arrived:
			held = append(held, connection)
		case <-time.After(10 * time.Second):
			stop() // they are given up, so that the server can be closed
			close(end)
			t.Fatalf("only %d of %d calls have come", len(held), others)
		}
	}
	mine("beside calls that hang")
	if n := connections.Load(); n != others+1 {
		t.Errorf("%d connections", n)
	}
	for _, connection := range held {
		connection.silent.Store(true)
	}
	mine("beside silent connections")
	stop()
	all.Wait()
	close(end)
	mine("after")
}
