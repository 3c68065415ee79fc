package test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/patdesk/patdesk/internal/simulator"
	"github.com/patdesk/patdesk/internal/webtest"
)

// fetched is a page as a goroutine gets it.
type fetched struct {
	status int
	body   string
	err    error
}

func fetch(d *desk, address string, cookie *http.Cookie) fetched {
	request, err := http.NewRequestWithContext(context.Background(), http.MethodGet, address, http.NoBody)
	if err != nil {
		return fetched{err: err}
	}
	request.AddCookie(cookie)
	answer, err := d.transport().RoundTrip(request)
	if err != nil {
		return fetched{err: err}
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	return fetched{answer.StatusCode, string(body), err}
}

// fetchAll opens an address n times at once.
func fetchAll(d *desk, address string, cookie *http.Cookie, n int) chan fetched {
	pages := make(chan fetched, n)
	for range n {
		go func() { pages <- fetch(d, address, cookie) }()
	}
	return pages
}

// S13: fifty requests at the moment when the access token has run out, spread over two programs on one session
// folder, cost one call to Entra, whose refresh token works once only, and sign nobody out.
func TestParallelRefresh(t *testing.T) {
	t.Parallel()
	for _, slow := range []bool{false, true} {
		t.Run(fmt.Sprintf("slow %t", slow), func(t *testing.T) {
			t.Parallel()
			g, old, o := newGate(refreshes), &aging{}, seeded()
			o.wrap = func(next http.RoundTripper) http.RoundTripper { return g.wrap(old.wrap(next)) }
			f, desks := startBehind(t, place{}, 2, o)
			b := desks[0].signedInStale(old, mona)
			cookie := sessionCookie(t, b, f.url)
			if !slow {
				g.open()
			}
			const n = 50
			pages := fetchAll(desks[0], f.url+"/tokens?organization=contoso", cookie, n)
			if slow {
				g.wait(t)
				// Meanwhile nobody else has to wait: not this session's other pages, not other sessions.
				other := desks[1].signedInAt(jonas, "/tokens?organization=contoso")
				if len(names(other)) == 0 {
					t.Errorf("another session's list: %d\n%s", other.Status, other.Text())
				}
				if b.Open(f.url + "/changes"); b.Status != http.StatusOK {
					t.Errorf("a page that needs no access token: %d", b.Status)
				}
				g.open()
			}
			for range n {
				if p := <-pages; p.err != nil || p.status != http.StatusOK || !strings.Contains(p.body, "Nightly backup") {
					t.Errorf("%d %v", p.status, p.err)
				}
			}
			if calls := desks[0].sim.Calls("token.refresh_token"); calls != 1 {
				t.Errorf("%d refreshes", calls)
			}
			for i := range desks {
				f.use(i)
				if b.Open(f.url + "/tokens?organization=fabrikam"); len(names(b)) == 0 {
					t.Errorf("program %d afterwards: %d\n%s", i, b.Status, b.Text())
				}
			}
			if calls := desks[0].sim.Calls("token.refresh_token"); calls != 1 {
				t.Errorf("%d refreshes in the end", calls)
			}
		})
	}
}

// A token endpoint that fails is left alone for a while, and the session lives on.
func TestFailingRefreshIsBackedOff(t *testing.T) {
	t.Parallel()
	clock, old, o := newTestClock(), &aging{}, seeded()
	o.now, o.wrap = clock.now, old.wrap
	d := startDesk(t, o)
	b := d.signedInStale(old, mona)
	d.sim.SetFault("token500", simulator.FaultOptions{})
	calls := d.sim.Calls(simulator.CallToken)
	for range 10 {
		checkFailure(t, b.Open(d.url+"/tokens?organization=contoso"), http.StatusServiceUnavailable)
	}
	if n := d.sim.Calls(simulator.CallToken) - calls; n != 1 {
		t.Errorf("ten pages asked a failing Entra %d times", n)
	}
	clock.move(2 * time.Minute)
	b.Open(d.url + "/tokens?organization=contoso")
	if n := d.sim.Calls(simulator.CallToken) - calls; n != 2 {
		t.Errorf("two minutes later it was asked %d times in all", n)
	}
	d.sim.ClearFaults()
	clock.move(5 * time.Minute)
	if b.Open(d.url + "/tokens?organization=contoso"); len(names(b)) == 0 {
		t.Errorf("in the end: %d at %s\n%s", b.Status, b.URL, b.Text())
	}
}

// Page views cost no call to Entra, whatever the number of sessions: no metadata, no keys, no tokens. Not even in a
// program that has just been started on their folder.
func TestPagesCostNoCallToEntra(t *testing.T) {
	t.Parallel()
	f, desks := startBehind(t, place{}, 2, seeded())
	f.use(0)
	var sessions []*webtest.Browser
	for i := range 20 {
		sessions = append(sessions, desks[0].signedInAt([]string{mona, jonas}[i%2], "/changes"))
	}
	if n := desks[0].sim.Calls(simulator.CallMetadata); n != 1 {
		t.Errorf("twenty sign-ins fetched the metadata %d times", n)
	}
	if n := desks[0].sim.Calls(simulator.CallJWKS); n != 1 {
		t.Errorf("twenty sign-ins fetched the keys %d times", n)
	}
	desks[0].sim.ResetCalls()
	for i := range desks {
		f.use(i)
		for _, b := range sessions {
			if b.Open(f.url + "/tokens?organization=contoso"); b.Status != http.StatusOK {
				t.Fatalf("%d\n%s", b.Status, b.Text())
			}
		}
	}
	for _, call := range []string{simulator.CallMetadata, simulator.CallJWKS, simulator.CallToken, simulator.CallAuthorize} {
		if n := desks[0].sim.Calls(call); n != 0 {
			t.Errorf("40 page views made %d calls of %s", n, call)
		}
	}
}

// Metadata that can't be had breaks no session: not when the copy is old, not in a program that never had one. Only
// signing in has to wait, and says so.
func TestMetadataFailuresBreakNoSession(t *testing.T) {
	t.Parallel()
	for _, fault := range []string{"metadataDown", "metadataHTML", "metadataWrongIssuer"} {
		t.Run(fault, func(t *testing.T) {
			t.Parallel()
			clock := newTestClock()
			o := seeded()
			o.now = clock.now
			o.env = map[string]string{"SESSION_IDLE_TIMEOUT": "24h", "SESSION_LIFETIME": "24h"}
			f, desks := startBehind(t, place{}, 2, o)
			d := desks[0]
			f.use(0)
			b := d.signedIn(mona)
			d.sim.SetFault(fault, simulator.FaultOptions{})
			for i := range desks { // the second has asked Entra for nothing yet
				f.use(i)
				for range 3 {
					if b.Open(f.url + "/tokens?organization=contoso"); len(names(b)) == 0 {
						t.Fatalf("program %d: %d\n%s", i, b.Status, b.Text())
					}
					clock.move(2 * time.Hour) // past the life of the metadata's copy
				}
			}
			fresh := webtest.New(t, d.transport()).Open(f.url + "/").Click("Sign in")
			checkFailure(t, fresh, http.StatusServiceUnavailable)
			f.use(0) // has an old copy, which is better than none
			if fresh.Open(f.url + "/").Click("Sign in"); !strings.HasSuffix(fresh.URL.Path, "/authorize") {
				t.Errorf("with an old copy: %s (%d)\n%s", fresh.URL, fresh.Status, fresh.Text())
			}
		})
	}
}

// S12: the idle limit to the second, by the server's clock alone; each use moves it.
func TestIdleLimit(t *testing.T) {
	t.Parallel()
	clock := newTestClock()
	o := seeded()
	o.now, o.sim.Now, o.env = clock.now, clock.now, map[string]string{"SESSION_IDLE_TIMEOUT": "1h", "SESSION_LIFETIME": "12h"}
	f, desks := startBehind(t, place{}, 2, o)
	f.use(0)
	b := desks[0].signedInAt(mona, "/changes")
	for range 3 {
		clock.move(time.Hour - time.Second)
		if b.Open(f.url + "/changes"); !b.Has("button", "Sign out") {
			t.Fatalf("ended a second early: %s\n%s", b.URL, b.Text())
		}
	}
	clock.move(time.Hour)
	if b.Open(f.url + "/changes"); b.Has("button", "Sign out") || b.URL.Path != "/sign-in" || !strings.Contains(b.Text(), "ended") {
		t.Errorf("an hour without use: %s\n%s", b.URL, b.Text())
	}
	// The other program agrees, although it learns of uses here only within a minute.
	b = desks[0].signedInAt(mona, "/changes")
	clock.move(30 * time.Minute)
	b.Open(f.url + "/changes")
	f.use(1)
	clock.move(time.Hour - time.Minute - time.Second)
	if b.Open(f.url + "/changes"); !b.Has("button", "Sign out") {
		t.Errorf("ended early on the other program:\n%s", b.Text())
	}
	clock.move(time.Hour)
	for i := range desks {
		f.use(i)
		if b.Open(f.url + "/changes"); b.Has("button", "Sign out") {
			t.Errorf("program %d lets in what has ended", i)
		}
	}
}

// S12: the absolute limit to the second. Nothing extends it, and the browser has no say.
func TestAbsoluteLimit(t *testing.T) {
	t.Parallel()
	clock := newTestClock()
	o := seeded()
	o.now, o.sim.Now, o.env = clock.now, clock.now, map[string]string{"SESSION_IDLE_TIMEOUT": "1h", "SESSION_LIFETIME": "4h"}
	f, desks := startBehind(t, place{}, 2, o)
	b := desks[0].signedInAt(mona, "/changes")
	stay := func() {
		t.Helper()
		for i := range desks {
			f.use(i)
			if b.Open(f.url + "/changes"); !b.Has("button", "Sign out") {
				t.Fatalf("ended early: %s\n%s", b.URL, b.Text())
			}
		}
	}
	for range 7 {
		clock.move(30 * time.Minute)
		stay()
	}
	clock.move(30*time.Minute - time.Second)
	stay()
	clock.move(time.Second)
	for i := range desks {
		f.use(i)
		if b.Open(f.url + "/changes"); b.Has("button", "Sign out") || b.URL.Path != "/sign-in" {
			t.Errorf("program %d, after four hours: %s\n%s", i, b.URL, b.Text())
		}
	}
}

// An attempt to sign in ends too, although its cookie is still there.
func TestAttemptLimit(t *testing.T) {
	t.Parallel()
	clock := newTestClock()
	o := seeded()
	o.now, o.sim.Now = clock.now, clock.now
	d := startDesk(t, o)
	for _, c := range []struct {
		after time.Duration
		ok    bool
	}{{15*time.Minute - time.Second, true}, {15*time.Minute + time.Second, false}} {
		b := webtest.New(t, d.transport()).Open(d.url + "/sign-in?return=/changes").Click("Sign in")
		clock.move(c.after)
		_, to, form := b.Form("Continue as " + mona)
		callback, calls := callbackOf(t, b, to, form), d.sim.Calls(simulator.CallToken)
		if b.Open(callback); b.Has("button", "Sign out") != c.ok {
			t.Errorf("after %s: %d\n%s", c.after, b.Status, b.Text())
		}
		if !c.ok && (b.Status != http.StatusBadRequest || d.sim.Calls(simulator.CallToken) != calls) {
			t.Errorf("after %s: %d, %d token calls", c.after, b.Status, d.sim.Calls(simulator.CallToken)-calls)
		}
	}
}

// A sign-in that was under way when the process was replaced is finished by the next one.
func TestSignInOutlivesARestart(t *testing.T) {
	t.Parallel()
	f, desks := startBehind(t, place{}, 2, seeded())
	f.use(0)
	b := webtest.New(t, desks[0].transport()).Open(f.url + "/sign-in?return=/scopes").Click("Sign in")
	var wait sync.WaitGroup
	wait.Go(func() { desks[0].stop() })
	wait.Wait()
	f.use(1)
	if b.Press("Continue as " + mona); b.URL.String() != f.url+"/scopes" || !b.Has("button", "Sign out") {
		t.Errorf("ended at %s (%d)\n%s", b.URL, b.Status, b.Text())
	}
}
