package azuredevops_test

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/patdesk/patdesk/internal/azuredevops"
)

// Reads are tried again after passing faults, three times at most, waiting as long as asked for; changes and other
// faults are not.
func TestRetries(t *testing.T) {
	t.Parallel()
	again := func(status int, after string) reply { return reply{status, "Retry-After: " + after + "\n", ""} }
	token := ok(resultJSON(id, `"`+secret+`"`))
	for name, test := range map[string]struct {
		answers []reply
		want    azuredevops.Kind // of a get
		sent    int              // of a get
		waited  []time.Duration  // at least; at most a quarter more
	}{
		"429 in seconds":         {[]reply{again(429, "2"), token}, "", 2, []time.Duration{2 * time.Second}},
		"503 with a date":        {[]reply{again(503, "Sun, 22 Nov 2026 12:00:03 GMT"), token}, "", 2, []time.Duration{3 * time.Second}},
		"503 without":            {[]reply{{status: 503}, token}, "", 2, []time.Duration{250 * time.Millisecond}},
		"503 for nonsense":       {[]reply{again(503, "soon"), token}, "", 2, []time.Duration{250 * time.Millisecond}},
		"429 in the past":        {[]reply{again(429, "Sun, 22 Nov 2026 11:00:00 GMT"), token}, "", 2, []time.Duration{250 * time.Millisecond}},
		"503 again and again":    {[]reply{{status: 503}}, "unavailable", 3, []time.Duration{250 * time.Millisecond, time.Second}},
		"429 for too long":       {[]reply{again(429, "31"), token}, "throttled", 1, nil},
		"429 for an absurd time": {[]reply{again(429, "99999999999999999999"), token}, "throttled", 1, nil},
		"500":                    {[]reply{{status: 500}, token}, "server", 1, nil},
		"404":                    {[]reply{{status: 404}, token}, "organization", 1, nil},
		"cut JSON":               {[]reply{ok("{"), token}, "notUnderstood", 1, nil},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, azuredevops.Options{}, replies(test.answers...))
			_, err := s.caller.Get(context.Background(), org, id)
			if test.want == "" && err != nil || test.want != "" && failure(t, err).Kind != test.want {
				t.Errorf("got %v, want %q", err, test.want)
			}
			if n := len(s.requests()); n != test.sent {
				t.Errorf("sent %d times, want %d", n, test.sent)
			}
			if len(s.clock.slept) != len(test.waited) {
				t.Fatalf("waited %v, want %v", s.clock.slept, test.waited)
			}
			for i, d := range s.clock.slept {
				if d < test.waited[i] || d > test.waited[i]*5/4+time.Millisecond {
					t.Errorf("waited %v, want %v", d, test.waited[i])
				}
			}
			for _, call := range changes {
				s := serve(t, azuredevops.Options{}, replies(test.answers...))
				_, _ = calls[call](s.caller)
				if n := len(s.requests(http.MethodPost, http.MethodPut, http.MethodDelete)); n != 1 {
					t.Errorf("%s was sent %d times", call, n)
				}
			}
		})
	}
}

// A reset is tried again, before the answer and in the middle of it.
func TestRetryAfterReset(t *testing.T) {
	for _, written := range []string{"", `{"patToken":`} {
		var n atomic.Int32
		s := serve(t, azuredevops.Options{}, func(w http.ResponseWriter, r *http.Request) {
			if n.Add(1) > 2 {
				ok(resultJSON(id, "null")).ServeHTTP(w, r)
				return
			}
			if written != "" {
				ok(written).ServeHTTP(w, r)
				_ = http.NewResponseController(w).Flush()
			}
			panic(http.ErrAbortHandler)
		})
		if _, err := s.caller.Get(context.Background(), org, id); err != nil {
			t.Errorf("after %q: %v", written, err)
		}
	}
}

// Nobody waits beyond the deadline or for somebody who has gone.
func TestRetryInTime(t *testing.T) {
	s := serve(t, azuredevops.Options{Timeout: time.Second}, replies(reply{503, "Retry-After: 2\n", ""}))
	_, err := s.caller.Get(context.Background(), org, id)
	if e := failure(t, err); e.Kind != azuredevops.KindUnavailable || e.RetryAfter != 2*time.Second || len(s.clock.slept) != 0 {
		t.Errorf("got %+v after %v", *e, s.clock.slept)
	}
	ctx, cancel := context.WithCancel(context.Background())
	s = serve(t, azuredevops.Options{}, func(w http.ResponseWriter, r *http.Request) { cancel(); reply{status: 503}.ServeHTTP(w, r) })
	_, err = s.caller.Get(ctx, org, id)
	if e := failure(t, err); e.Kind != azuredevops.KindUnavailable && e.Kind != azuredevops.KindCanceled || len(s.requests()) != 1 {
		t.Errorf("sent %d times: %+v", len(s.requests()), *e)
	}
}

// The service's wish to be left alone is kept: per person and organization, by reads also when it came with a result,
// by changes only when it came with a refusal.
func TestHolds(t *testing.T) {
	type step struct {
		answer string // "status retry-after", "" if nothing may be sent
		call   string
		other  string // "person" or "organization": somebody or something else
		after  time.Duration
		want   azuredevops.Kind
		waited time.Duration // at least
	}
	for name, steps := range map[string][]step{
		"hint that fits": {{answer: "200 4", call: "get"}, {answer: "200", call: "get", waited: 4 * time.Second}, {answer: "200", call: "get"}},
		"hint that is too long": {{answer: "200 40", call: "get"}, {call: "get", want: "throttled"}, {call: "list", want: "throttled"},
			{answer: "200", call: "create"}, {answer: "200", call: "get", other: "person"}, {answer: "200", call: "get", other: "organization"},
			{answer: "200", call: "get", after: 41 * time.Second}},
		"refused": {{answer: "429 40", call: "create", want: "throttled"}, {call: "create", want: "throttled"}, {call: "revoke", want: "throttled"},
			{answer: "200", call: "create", other: "person"}, {answer: "200", call: "create", after: 41 * time.Second}},
		"refused, soon over": {{answer: "429 5", call: "update", want: "throttled"}, {answer: "200", call: "update", waited: 4 * time.Second}},
		"unavailable":        {{answer: "503 40", call: "get", want: "unavailable"}, {call: "create", want: "unavailable"}},
		"bounded":            {{answer: "429 80000", call: "get", want: "throttled"}, {answer: "200", call: "get", after: 301 * time.Second}},
		"other statuses":     {{answer: "500 40", call: "create", want: "server"}, {answer: "200", call: "get"}},
		"discovery":          {{answer: "429 40", call: "organizations", want: "throttled"}, {call: "organizations", want: "throttled"}, {answer: "200", call: "get"}},
		"longest counts":     {{answer: "200 40", call: "get"}, {answer: "200 1", call: "create"}, {call: "get", want: "throttled", after: 5 * time.Second}},
	} {
		t.Run(name, func(t *testing.T) {
			var answer string
			s := serve(t, azuredevops.Options{}, func(w http.ResponseWriter, r *http.Request) {
				var status int
				var after string
				_, _ = fmt.Sscan(answer, &status, &after)
				if status == 200 {
					reply{200, "Retry-After: " + after, strings.Replace(resultJSON(id, `"`+secret+`"`), "{", `{"patTokens":[],`, 1)}.ServeHTTP(w, r)
					return
				}
				reply{status, "Retry-After: " + after, ""}.ServeHTTP(w, r)
			})
			for i, step := range steps {
				s.clock.Move(step.after)
				answer = step.answer
				start, sent := s.clock.Now(), len(s.requests())
				caller, call := s.caller, calls[step.call]
				switch step.other {
				case "person":
					caller = s.client.As("another", signedIn)
				case "organization":
					call = func(c *azuredevops.Caller) (any, error) { return c.Get(context.Background(), "other", id) }
				}
				_, err := call(caller)
				if step.want == "" && err != nil || step.want != "" && failure(t, err).Kind != step.want {
					t.Errorf("step %d: %v, want %q", i, err, step.want)
				}
				if got := len(s.requests()) - sent; (got > 0) != (step.answer != "") {
					t.Errorf("step %d: %d requests sent", i, got)
				}
				if step.answer == "" {
					if e := failure(t, err); e.Unknown || e.Status != 0 || e.RetryAfter <= 0 || e.RetryAfter > 40*time.Second {
						t.Errorf("step %d: %+v", i, *e)
					}
				}
				if waited := s.clock.Now().Sub(start); waited < step.waited || waited > step.waited*2 {
					t.Errorf("step %d: waited %v, want %v", i, waited, step.waited)
				}
			}
		})
	}
}

// After five calls that failed one after the other an organization is left alone for 30 s; then one call tries it.
func TestBreaker(t *testing.T) {
	broken := true
	s := serve(t, azuredevops.Options{}, func(w http.ResponseWriter, r *http.Request) {
		if broken && strings.Contains(strings.ToLower(r.URL.Path), org) {
			reply{status: 500}.ServeHTTP(w, r)
			return
		}
		ok(resultJSON(id, "null")).ServeHTTP(w, r)
	})
	get := func(organization string) *azuredevops.Error {
		_, err := s.caller.Get(context.Background(), organization, id)
		if err == nil {
			return nil
		}
		return failure(t, err)
	}
	for range 5 {
		if e := get(org); e == nil || e.Kind != azuredevops.KindServer {
			t.Fatalf("got %v", e)
		}
	}
	until := s.clock.Now().Add(30 * time.Second)
	if got := s.caller.Pauses(); len(got) != 1 || !got[org].Equal(until) {
		t.Errorf("pauses %v, want until %v", got, until)
	}
	s.clock.Move(10 * time.Second)
	sent := len(s.requests())
	for _, call := range slices.Concat(changes, []string{"list", "get"}) {
		_, err := calls[call](s.caller)
		if e := failure(t, err); e.Kind != azuredevops.KindPaused || e.RetryAfter != 20*time.Second || e.Unknown {
			t.Errorf("%s: %+v", call, *e)
		}
	}
	if e := get("FABRIKAM"); e == nil || e.Kind != azuredevops.KindPaused {
		t.Errorf("in capital letters: %v", e)
	}
	if e := get("contoso"); e != nil || len(s.requests()) != sent+1 {
		t.Errorf("another organization: %v", e)
	}

	s.clock.Move(20 * time.Second)
	if e := get(org); e == nil || e.Kind != azuredevops.KindServer {
		t.Errorf("probe: %v", e)
	}
	if e := get(org); e == nil || e.Kind != azuredevops.KindPaused || e.RetryAfter != 30*time.Second {
		t.Errorf("after a failed probe: %v", e)
	}
	s.clock.Move(30 * time.Second)
	broken = false
	for range 2 {
		if e := get(org); e != nil {
			t.Errorf("after recovery: %v", e)
		}
	}
	if got := s.caller.Pauses(); len(got) != 0 {
		t.Errorf("pauses %v", got)
	}
}

// What makes a pause and what doesn't.
func TestBreakerCounts(t *testing.T) {
	t.Parallel()
	series := func(n int, r reply) []reply { return slices.Repeat([]reply{r}, n) }
	fine := ok(resultJSON(id, `"`+secret+`"`))
	for name, test := range map[string]struct {
		answers []reply
		gap     time.Duration
		paused  bool
	}{
		"500":                      {series(5, reply{status: 500}), 0, true},
		"502":                      {series(5, reply{502, html, ""}), 0, true},
		"four only":                {series(4, reply{status: 500}), 0, false},
		"a success between":        {slices.Concat(series(4, reply{status: 500}), series(1, fine), series(4, reply{status: 500})), 0, false},
		"a refusal between":        {slices.Concat(series(4, reply{status: 500}), series(1, reply{status: 403}), series(4, reply{status: 500})), 0, false},
		"far between":              {series(5, reply{status: 500}), 6 * time.Minute, false},
		"401":                      {series(20, reply{status: 401}), 0, false},
		"404":                      {series(20, reply{status: 404}), 0, false},
		"408":                      {series(20, reply{status: 408}), 0, false},
		"429":                      {series(20, reply{status: 429}), 0, false},
		"sign-in page":             {series(20, reply{203, html, signInPage}), 0, false},
		"answers not understood":   {series(20, ok("{")), 0, false},
		"refused with an own name": {series(20, reply{400, "", `{"patTokenError":"accessDenied"}`}), 0, false},
	} {
		s := serve(t, azuredevops.Options{}, replies(test.answers...))
		for range test.answers {
			s.clock.Move(test.gap)
			_, _, _ = s.caller.Create(context.Background(), org, wanted)
		}
		if got := len(s.caller.Pauses()) == 1; got != test.paused {
			t.Errorf("%s: paused is %v", name, got)
		}
	}
}

// A call that its own caller gave up says nothing about the organization.
func TestBreakerIgnoresCanceled(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	s := serve(t, azuredevops.Options{}, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut {
			cancel()
			<-r.Context().Done()
		}
		reply{status: 500}.ServeHTTP(w, r)
	})
	for range 4 {
		_ = create(wanted)(s.caller)
	}
	_, err := s.caller.Update(ctx, org, id, wanted)
	if e := failure(t, err); e.Kind != azuredevops.KindCanceled || len(s.caller.Pauses()) != 0 {
		t.Errorf("got %+v, pauses %v", *e, s.caller.Pauses())
	}
	_ = create(wanted)(s.caller)
	if len(s.caller.Pauses()) != 1 {
		t.Error("the series was broken off")
	}
}

// Names that people type don't pile up.
func TestGuardsAreForgotten(t *testing.T) {
	clock := newClock()
	answer := canned{status: 403}
	client := azuredevops.New(azuredevops.Options{HTTPClient: &http.Client{Transport: &answer}, Now: clock.Now, Sleep: clock.Sleep})
	caller := client.As(me, signedIn)
	for _, answer.status = range []int{403, 500} {
		before := heap()
		for i := range 3000 {
			_, _ = caller.Get(context.Background(), fmt.Sprintf("%064d", i), id)
		}
		clock.Move(time.Hour)
		_, _ = caller.Get(context.Background(), "fresh", id)
		if grown := heap() - before; grown > 300<<10 {
			t.Errorf("status %d: %d kB are left", answer.status, grown>>10)
		}
	}
	runtime.KeepAlive(client)
}

// heap returns how many bytes are in use.
func heap() int64 {
	runtime.GC()
	runtime.GC() // pools keep what they hold over one collection
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// gate holds requests back until it is opened.
type gate struct {
	arrived chan struct{}
	open    chan struct{}
}

func newGate() gate { return gate{make(chan struct{}, 100), make(chan struct{})} }

func (g gate) pass() {
	g.arrived <- struct{}{}
	<-g.open
}

// While one call tries a paused organization, the others are refused.
func TestOneProbe(t *testing.T) {
	g := newGate()
	probing := false
	s := serve(t, azuredevops.Options{}, func(w http.ResponseWriter, r *http.Request) {
		if !probing {
			reply{status: 500}.ServeHTTP(w, r)
			return
		}
		g.pass()
		ok(resultJSON(id, "null")).ServeHTTP(w, r)
	})
	for range 5 {
		_, _ = calls["get"](s.caller)
	}
	s.clock.Move(30 * time.Second)
	probing = true
	probe := make(chan error)
	go func() { _, err := calls["get"](s.caller); probe <- err }()
	<-g.arrived
	for range 3 {
		_, err := calls["get"](s.caller)
		if e := failure(t, err); e.Kind != azuredevops.KindPaused || e.RetryAfter != time.Second {
			t.Errorf("beside the probe: %+v", *e)
		}
	}
	close(g.open)
	if err := <-probe; err != nil {
		t.Error(err)
	}
	if _, err := calls["get"](s.caller); err != nil {
		t.Error(err)
	}
}

// An organization that hangs takes the places that one person has there, and none of another organization's or
// person's. Who waits for a place can go away, or is told that their other calls are the reason; nothing of theirs is
// sent.
func TestBulkhead(t *testing.T) {
	g := newGate()
	s := serve(t, azuredevops.Options{Timeout: 90 * time.Millisecond, ChangeTimeout: time.Minute}, func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, org) && r.Method == http.MethodPut {
			g.pass()
		}
		ok(resultJSON(id, `"`+secret+`"`)).ServeHTTP(w, r)
	})
	var hanging sync.WaitGroup
	for range 8 {
		hanging.Go(func() {
			if _, err := calls["update"](s.caller); err != nil {
				t.Error(err)
			}
		})
	}
	for range 8 {
		<-g.arrived
	}
	other := s.client.As("another", signedIn)
	for i := range 50 {
		if _, err := s.caller.Get(context.Background(), "other", id); err != nil {
			t.Errorf("call %d to another organization: %v", i, err)
		}
		if _, err := calls["get"](other); err != nil {
			t.Errorf("call %d of another person: %v", i, err)
		}
	}
	deadline, cancel := context.WithTimeout(context.Background(), 5*time.Millisecond)
	defer cancel()
	gone, leave := context.WithCancel(context.Background())
	leave()
	for ctx, want := range map[context.Context]azuredevops.Kind{deadline: "busy", gone: "canceled", context.Background(): "busy"} {
		_, _, err := s.caller.Create(ctx, org, wanted)
		if e := failure(t, err); e.Kind != want || e.Unknown || e.Status != 0 || want == "busy" && e.RetryAfter <= 0 {
			t.Errorf("waiting for a place: %+v, want %s", *e, want)
		}
	}
	if n := len(s.requests(http.MethodPost)); n != 0 {
		t.Errorf("%d requests sent", n)
	}
	if load := s.client.Load(); load.Exchanges != 8 || load.Waiting != 0 || load.Refused[azuredevops.BoundOrganization] != 2 || load.Open != 0 {
		t.Errorf("%+v", load)
	}
	close(g.open)
	hanging.Wait()
	if err := create(wanted)(s.caller); err != nil {
		t.Errorf("after the hang: %v", err)
	}
	if load := s.client.Load(); load.Exchanges != 0 {
		t.Errorf("%+v", load)
	}
}

// Who waits for a place while the organization fails finds it paused.
func TestPausedWhileWaiting(t *testing.T) {
	g := newGate()
	s := serve(t, azuredevops.Options{}, func(w http.ResponseWriter, _ *http.Request) {
		g.pass()
		reply{status: 500}.ServeHTTP(w, nil)
	})
	failures := make(chan error)
	for range 40 {
		go func() { failures <- create(wanted)(s.caller) }()
	}
	for range 8 {
		<-g.arrived
	}
	close(g.open)
	count := map[azuredevops.Kind]int{}
	for range 40 {
		count[failure(t, <-failures).Kind]++
	}
	if sent := len(s.requests()); count[azuredevops.KindPaused] == 0 || sent != count[azuredevops.KindServer] || sent+count[azuredevops.KindPaused] != 40 {
		t.Errorf("%d requests sent, %v", sent, count)
	}
}

// Many at once, for the race detector.
func TestManyAtOnce(t *testing.T) {
	var n atomic.Int32
	s := serve(t, azuredevops.Options{}, func(w http.ResponseWriter, r *http.Request) {
		if n.Add(1)%7 == 0 {
			reply{429, "Retry-After: 1\n", ""}.ServeHTTP(w, r)
			return
		}
		ok(strings.Replace(resultJSON(id, `"`+secret+`"`), "{", `{"patTokens":[],`, 1)).ServeHTTP(w, r)
	})
	var group sync.WaitGroup
	for i := range 200 {
		call := slices.Sorted(maps.Keys(calls))[i%len(calls)]
		caller := s.client.As(fmt.Sprint(i%5), signedIn)
		group.Go(func() {
			_, _ = calls[call](caller)
			_ = s.caller.Pauses()
		})
	}
	group.Wait()
}
