package security

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
	"github.com/patdesk/patdesk/internal/testkit"
	"github.com/patdesk/patdesk/internal/testkit/apptest"
	"github.com/patdesk/patdesk/internal/webtest"
)

// fetched is a page as a goroutine gets it.
type fetched struct {
	status int
	body   string
	err    error
}

func fetch(d *apptest.Program, address string, cookie *http.Cookie) fetched {
	request, err := http.NewRequestWithContext(context.Background(), http.MethodGet, address, http.NoBody)
	if err != nil {
		return fetched{err: err}
	}
	request.AddCookie(cookie)
	answer, err := d.Transport().RoundTrip(request)
	if err != nil {
		return fetched{err: err}
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	return fetched{answer.StatusCode, string(body), err}
}

// fetchAll opens an address n times at once.
func fetchAll(d *apptest.Program, address string, cookie *http.Cookie, n int) chan fetched {
	pages := make(chan fetched, n)
	for range n {
		go func() { pages <- fetch(d, address, cookie) }()
	}
	return pages
}

// S13: fifty requests at the moment when the access token has run out, spread over two programs on one session folder,
// cost one call to Entra, whose refresh token works once only, and sign nobody out.
func TestParallelRefresh(t *testing.T) {
	t.Parallel()
	for _, slow := range []bool{false, true} {
		t.Run(fmt.Sprintf("slow %t", slow), func(t *testing.T) {
			t.Parallel()
			g, old, o := apptest.NewGate(refreshes), &apptest.Aging{}, apptest.Seeded()
			o.Wrap = func(next http.RoundTripper) http.RoundTripper { return g.Wrap(old.Wrap(next)) }
			f, programs := apptest.StartBehind(t, apptest.PublicAddress{}, 2, o)
			b := signedInStale(programs[0], old, apptest.Mona)
			cookie := apptest.SessionCookie(t, b, f.URL)
			if !slow {
				g.Open()
			}
			const n = 50
			pages := fetchAll(programs[0], f.URL+"/tokens?organization=contoso", cookie, n)
			if slow {
				g.Wait(t)
				// Meanwhile nobody else has to wait: not this session's other pages, not other sessions.
				other := programs[1].SignedInAt(apptest.Jonas, "/tokens?organization=contoso")
				if len(apptest.TokenNames(other)) == 0 {
					t.Errorf("another session's list: %d\n%s", other.Status, other.Text())
				}
				if b.Open(f.URL + "/changes"); b.Status != http.StatusOK {
					t.Errorf("a page that needs no access token: %d", b.Status)
				}
				g.Open()
			}
			for range n {
				if p := <-pages; p.err != nil || p.status != http.StatusOK || !strings.Contains(p.body, "Nightly backup") {
					t.Errorf("%d %v", p.status, p.err)
				}
			}
			if calls := programs[0].Sim.Calls("token.refresh_token"); calls != 1 {
				t.Errorf("%d refreshes", calls)
			}
			for i := range programs {
				f.Use(i)
				if b.Open(f.URL + "/tokens?organization=fabrikam"); len(apptest.TokenNames(b)) == 0 {
					t.Errorf("program %d afterwards: %d\n%s", i, b.Status, b.Text())
				}
			}
			if calls := programs[0].Sim.Calls("token.refresh_token"); calls != 1 {
				t.Errorf("%d refreshes in the end", calls)
			}
		})
	}
}

// A token endpoint that fails is left alone for a while, and the session lives on.
func TestFailingRefreshIsBackedOff(t *testing.T) {
	t.Parallel()
	clock, old, o := testkit.NewClock(), &apptest.Aging{}, apptest.Seeded()
	o.Now, o.Wrap = clock.Now, old.Wrap
	d := apptest.Start(t, o)
	b := signedInStale(d, old, apptest.Mona)
	d.Sim.SetFault("token500", simulator.FaultOptions{})
	calls := d.Sim.Calls(simulator.CallToken)
	for range 10 {
		apptest.CheckFailure(t, b.Open(d.URL+"/tokens?organization=contoso"), http.StatusServiceUnavailable)
	}
	if n := d.Sim.Calls(simulator.CallToken) - calls; n != 1 {
		t.Errorf("ten pages asked a failing Entra %d times", n)
	}
	clock.Move(2 * time.Minute)
	b.Open(d.URL + "/tokens?organization=contoso")
	if n := d.Sim.Calls(simulator.CallToken) - calls; n != 2 {
		t.Errorf("two minutes later it was asked %d times in all", n)
	}
	d.Sim.ClearFaults()
	clock.Move(5 * time.Minute)
	if b.Open(d.URL + "/tokens?organization=contoso"); len(apptest.TokenNames(b)) == 0 {
		t.Errorf("in the end: %d at %s\n%s", b.Status, b.URL, b.Text())
	}
}

// Page views cost no call to Entra, whatever the number of sessions: no metadata, no keys, no tokens. Not even in a
// program that has just been started on their folder.
func TestPagesCostNoCallToEntra(t *testing.T) {
	t.Parallel()
	f, programs := apptest.StartBehind(t, apptest.PublicAddress{}, 2, apptest.Seeded())
	f.Use(0)
	var sessions []*webtest.Browser
	for i := range 20 {
		sessions = append(sessions, programs[0].SignedInAt([]string{apptest.Mona, apptest.Jonas}[i%2], "/changes"))
	}
	if n := programs[0].Sim.Calls(simulator.CallMetadata); n != 1 {
		t.Errorf("twenty sign-ins fetched the metadata %d times", n)
	}
	if n := programs[0].Sim.Calls(simulator.CallJWKS); n != 1 {
		t.Errorf("twenty sign-ins fetched the keys %d times", n)
	}
	programs[0].Sim.ResetCalls()
	for i := range programs {
		f.Use(i)
		for _, b := range sessions {
			if b.Open(f.URL + "/tokens?organization=contoso"); b.Status != http.StatusOK {
				t.Fatalf("%d\n%s", b.Status, b.Text())
			}
		}
	}
	for _, call := range []string{simulator.CallMetadata, simulator.CallJWKS, simulator.CallToken, simulator.CallAuthorize} {
		if n := programs[0].Sim.Calls(call); n != 0 {
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
			clock := testkit.NewClock()
			o := apptest.Seeded()
			o.Now = clock.Now
			o.Env = map[string]string{"SESSION_IDLE_TIMEOUT": "24h", "SESSION_LIFETIME": "24h"}
			f, programs := apptest.StartBehind(t, apptest.PublicAddress{}, 2, o)
			d := programs[0]
			f.Use(0)
			b := d.SignedIn(apptest.Mona)
			d.Sim.SetFault(fault, simulator.FaultOptions{})
			for i := range programs { // the second has asked Entra for nothing yet
				f.Use(i)
				for range 3 {
					if b.Open(f.URL + "/tokens?organization=contoso"); len(apptest.TokenNames(b)) == 0 {
						t.Fatalf("program %d: %d\n%s", i, b.Status, b.Text())
					}
					clock.Move(2 * time.Hour) // past the life of the metadata's copy
				}
			}
			fresh := webtest.New(t, d.Transport()).Open(f.URL + "/").Click("Sign in")
			apptest.CheckFailure(t, fresh, http.StatusServiceUnavailable)
			f.Use(0) // has an old copy, which is better than none
			if fresh.Open(f.URL + "/").Click("Sign in"); !strings.HasSuffix(fresh.URL.Path, "/authorize") {
				t.Errorf("with an old copy: %s (%d)\n%s", fresh.URL, fresh.Status, fresh.Text())
			}
		})
	}
}

// S12: the idle limit to the second, by the server's clock alone; each use moves it.
func TestIdleLimit(t *testing.T) {
	t.Parallel()
	clock := testkit.NewClock()
	o := apptest.Seeded()
	o.Now, o.Sim.Now, o.Env = clock.Now, clock.Now, map[string]string{"SESSION_IDLE_TIMEOUT": "1h", "SESSION_LIFETIME": "12h"}
	f, programs := apptest.StartBehind(t, apptest.PublicAddress{}, 2, o)
	f.Use(0)
	b := programs[0].SignedInAt(apptest.Mona, "/changes")
	for range 3 {
		clock.Move(time.Hour - time.Second)
		if b.Open(f.URL + "/changes"); !b.Has("button", "Sign out") {
			t.Fatalf("ended a second early: %s\n%s", b.URL, b.Text())
		}
	}
	clock.Move(time.Hour)
	if b.Open(f.URL + "/changes"); b.Has("button", "Sign out") || b.URL.Path != "/sign-in" || !strings.Contains(b.Text(), "ended") {
		t.Errorf("an hour without use: %s\n%s", b.URL, b.Text())
	}
	// The other program agrees, although it learns of uses here only within a minute.
	b = programs[0].SignedInAt(apptest.Mona, "/changes")
	clock.Move(30 * time.Minute)
	b.Open(f.URL + "/changes")
	f.Use(1)
	clock.Move(time.Hour - time.Minute - time.Second)
	if b.Open(f.URL + "/changes"); !b.Has("button", "Sign out") {
		t.Errorf("ended early on the other program:\n%s", b.Text())
	}
	clock.Move(time.Hour)
	for i := range programs {
		f.Use(i)
		if b.Open(f.URL + "/changes"); b.Has("button", "Sign out") {
			t.Errorf("program %d lets in what has ended", i)
		}
	}
}

// S12: the absolute limit to the second. Nothing extends it, and the browser has no say.
func TestAbsoluteLimit(t *testing.T) {
	t.Parallel()
	clock := testkit.NewClock()
	o := apptest.Seeded()
	o.Now, o.Sim.Now, o.Env = clock.Now, clock.Now, map[string]string{"SESSION_IDLE_TIMEOUT": "1h", "SESSION_LIFETIME": "4h"}
	f, programs := apptest.StartBehind(t, apptest.PublicAddress{}, 2, o)
	b := programs[0].SignedInAt(apptest.Mona, "/changes")
	stay := func() {
		t.Helper()
		for i := range programs {
			f.Use(i)
			if b.Open(f.URL + "/changes"); !b.Has("button", "Sign out") {
				t.Fatalf("ended early: %s\n%s", b.URL, b.Text())
			}
		}
	}
	for range 7 {
		clock.Move(30 * time.Minute)
		stay()
	}
	clock.Move(30*time.Minute - time.Second)
	stay()
	clock.Move(time.Second)
	for i := range programs {
		f.Use(i)
		if b.Open(f.URL + "/changes"); b.Has("button", "Sign out") || b.URL.Path != "/sign-in" {
			t.Errorf("program %d, after four hours: %s\n%s", i, b.URL, b.Text())
		}
	}
}

// An attempt to sign in ends too, although its cookie is still there.
func TestAttemptLimit(t *testing.T) {
	t.Parallel()
	clock := testkit.NewClock()
	o := apptest.Seeded()
	o.Now, o.Sim.Now = clock.Now, clock.Now
	d := apptest.Start(t, o)
	for _, c := range []struct {
		after time.Duration
		ok    bool
	}{{15*time.Minute - time.Second, true}, {15*time.Minute + time.Second, false}} {
		b := webtest.New(t, d.Transport()).Open(d.URL + "/sign-in?return=/changes").Click("Sign in")
		clock.Move(c.after)
		_, to, form := b.Form("Continue as " + apptest.Mona)
		callback, calls := apptest.CallbackOf(t, b, to, form), d.Sim.Calls(simulator.CallToken)
		if b.Open(callback); b.Has("button", "Sign out") != c.ok {
			t.Errorf("after %s: %d\n%s", c.after, b.Status, b.Text())
		}
		if !c.ok && (b.Status != http.StatusBadRequest || d.Sim.Calls(simulator.CallToken) != calls) {
			t.Errorf("after %s: %d, %d token calls", c.after, b.Status, d.Sim.Calls(simulator.CallToken)-calls)
		}
	}
}

// A sign-in that was under way when the process was replaced is finished by the next one.
func TestSignInOutlivesARestart(t *testing.T) {
	t.Parallel()
	f, programs := apptest.StartBehind(t, apptest.PublicAddress{}, 2, apptest.Seeded())
	f.Use(0)
	b := webtest.New(t, programs[0].Transport()).Open(f.URL + "/sign-in?return=/scopes").Click("Sign in")
	var wait sync.WaitGroup
	wait.Go(func() { _ = programs[0].Stop() })
	wait.Wait()
	f.Use(1)
	if b.Press("Continue as " + apptest.Mona); b.URL.String() != f.URL+"/scopes" || !b.Has("button", "Sign out") {
		t.Errorf("ended at %s (%d)\n%s", b.URL, b.Status, b.Text())
	}
}
