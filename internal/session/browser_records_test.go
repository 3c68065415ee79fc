package session_test

import (
	"errors"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/patdesk/patdesk/internal/session"
	"github.com/patdesk/patdesk/internal/session/sessiontest"
	"github.com/patdesk/patdesk/internal/testkit"
)

const attemptLife = 15 * time.Minute

func (b *browser) keepAttempt(state, value string) {
	b.t.Helper()
	w := httptest.NewRecorder()
	if _, err := b.m.KeepAttempt(w, b.request(), state, value, attemptLife); err != nil {
		b.t.Fatalf("KeepAttempt: %v", err)
	}
	b.receive(w)
}

func (b *browser) keepDraft(value string) (id string) {
	b.t.Helper()
	w := httptest.NewRecorder()
	id, _, err := b.m.KeepDraft(w, b.request(), value, attemptLife)
	if err != nil {
		b.t.Fatalf("KeepDraft: %v", err)
	}
	b.receive(w)
	return id
}

func wantAttempt(tb testing.TB, b *browser, state, want string) {
	tb.Helper()
	var got string
	if err := b.m.TakeAttempt(b.request(), state, &got); err != nil || got != want {
		tb.Errorf("TakeAttempt(%q) = %q, %v; want %q", state, got, err, want)
	}
}

func wantNoAttempt(tb testing.TB, b *browser, state string) {
	tb.Helper()
	var got string
	if err := b.m.TakeAttempt(b.request(), state, &got); !errors.Is(err, session.ErrNotFound) {
		tb.Errorf("TakeAttempt(%q) = %q, %v; want ErrNotFound", state, got, err)
	}
}

func wantDraft(tb testing.TB, b *browser, id, want string) {
	tb.Helper()
	var got string
	if err := b.m.Draft(b.request(), id, &got); err != nil || got != want {
		tb.Errorf("Draft = %q, %v; want %q", got, err, want)
	}
}

func wantNoDraft(tb testing.TB, b *browser, id string) {
	tb.Helper()
	var got string
	if err := b.m.Draft(b.request(), id, &got); !errors.Is(err, session.ErrNotFound) {
		tb.Errorf("Draft = %q, %v; want ErrNotFound", got, err)
	}
}

func TestAttempt(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	b, other := f.browser(), f.browser()
	other.keepAttempt("other-state", "other's")
	b.keepAttempt("state", "verifier")
	for _, state := range []string{"", "unknown", "other-state", "state "} {
		wantNoAttempt(t, b, state)
	}
	wantNoAttempt(t, other, "state")
	wantNoAttempt(t, f.browser(), "state")
	wantAttempt(t, b, "state", "verifier")
	wantNoAttempt(t, b, "state")
	wantAttempt(t, other, "other-state", "other's")
	if _, err := f.KeepAttempt(httptest.NewRecorder(), b.request(), "", "x", attemptLife); err == nil {
		t.Error("an attempt without a state was kept")
	}
}

// TestAttemptCookieOfAnotherState: the cookie of one attempt renamed for another finds nothing.
func TestAttemptCookieOfAnotherState(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	b := f.browser()
	b.keepAttempt("first", "first's")
	b.keepAttempt("second", "second's")
	c := b.cookies()
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.AddCookie(&http.Cookie{Name: c[0].Name, Value: c[1].Value})
	r.AddCookie(&http.Cookie{Name: c[1].Name, Value: c[0].Value})
	for _, state := range []string{"first", "second"} {
		var got string
		if err := f.TakeAttempt(r, state, &got); !errors.Is(err, session.ErrNotFound) {
			t.Errorf("TakeAttempt(%q) = %q, %v; want ErrNotFound", state, got, err)
		}
	}
}

func TestAttemptEnds(t *testing.T) {
	t.Parallel()
	for after, want := range map[time.Duration]bool{attemptLife - time.Second: true, attemptLife: false} {
		f := newFixture(t)
		b := f.browser()
		b.keepAttempt("state", "verifier")
		f.clock.Move(after)
		if want {
			wantAttempt(t, b, "state", "verifier")
		} else {
			wantNoAttempt(t, b, "state")
		}
	}
}

func TestAttemptIsTakenOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	b := f.browser()
	b.keepAttempt("state", "verifier")
	var all sync.WaitGroup
	taken := make(chan string, 20)
	for range 20 {
		r := b.request()
		all.Go(func() {
			var got string
			if f.TakeAttempt(r, "state", &got) == nil {
				taken <- got
			}
		})
	}
	all.Wait()
	if len(taken) != 1 {
		t.Errorf("the attempt was taken %d times", len(taken))
	}
}

// TestTabsThatStartAtOnce: ten tabs ask at the same moment, none with a cookie yet, and come back in any order.
func TestTabsThatStartAtOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	b := f.browser()
	var all sync.WaitGroup
	answers := make([]*httptest.ResponseRecorder, 10)
	for i := range answers {
		r := b.request()
		answers[i] = httptest.NewRecorder()
		all.Go(func() {
			if _, err := f.KeepAttempt(answers[i], r, "state "+strconv.Itoa(i), i, attemptLife); err != nil {
				t.Errorf("KeepAttempt: %v", err)
			}
		})
	}
	all.Wait()
	for _, w := range answers {
		b.receive(w)
	}
	started := f.clock.Now()
	f.clock.Move(time.Second)
	for _, i := range rand.Perm(len(answers)) {
		var got int
		if err := f.TakeAttempt(b.request(), "state "+strconv.Itoa(i), &got); err != nil || got != i {
			t.Errorf("tab %d: %d, %v", i, got, err)
		}
		b.signInStarted(mona, "cache", started)
		wantSignedIn(t, b, mona)
	}
	if got := b.cookies(); len(got) != 1 || got[0].Name != "__Host-patdesk-session" {
		t.Errorf("cookies when all are signed in: %v", got)
	}
	if f.backend.Len() != 3 {
		t.Errorf("%d records, want those of one session", f.backend.Len())
	}
}

func TestAtMostTwentyAttemptsAndDrafts(t *testing.T) {
	t.Parallel()
	c := testkit.NewClock()
	m := newManager(t, sessiontest.NewMemory(c.Now), session.Options{Secure: true, Instance: strings.Repeat("x", 16), Now: c.Now})
	b := newBrowser(t, m)
	b.signIn(mona, "cache")
	draft := b.keepDraft("typed first")
	for i := range 25 {
		c.Move(time.Second)
		b.keepAttempt("state "+strconv.Itoa(i), "value "+strconv.Itoa(i))
		head := 0
		for _, cookie := range b.cookies() {
			head += len(cookie.String()) + len("; ")
		}
		if n := len(b.cookies()); n > 21 || head > 2048 {
			t.Errorf("after %d: %d cookies of %d bytes", i+1, n, head)
		}
	}
	wantNoDraft(t, b, draft)
	for i := range 25 {
		if state := "state " + strconv.Itoa(i); i < 5 {
			wantNoAttempt(t, b, state)
		} else {
			wantAttempt(t, b, state, "value "+strconv.Itoa(i))
		}
	}
}

// TestManyPlantedCookies: removing them can't make an answer's head too large for a proxy.
func TestManyPlantedCookies(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	b := f.browser()
	b.keepAttempt("genuine", "value")
	genuine := b.cookies()[0]
	r := b.request()
	for i := range 150 {
		name := strings.TrimRight(genuine.Name[:len(genuine.Name)-8], "-") + "-planted" + string(rune('a'+i%26))
		r.AddCookie(&http.Cookie{Name: name, Value: genuine.Value[:22] + "." + strconv.Itoa(i)})
	}
	for name, call := range map[string]func(w http.ResponseWriter) error{
		"KeepAttempt": func(w http.ResponseWriter) error {
			_, err := f.KeepAttempt(w, r, "new", "value", attemptLife)
			return err
		},
		"SignIn":  func(w http.ResponseWriter) error { _, err := f.SignIn(w, r, mona, nil, f.clock.Now()); return err },
		"SignOut": func(w http.ResponseWriter) error { return f.SignOut(w, r) },
	} {
		w := httptest.NewRecorder()
		if err := call(w); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		size := 0
		for _, line := range w.Header().Values("Set-Cookie") {
			size += len("Set-Cookie: ") + len(line) + 2
		}
		if size == 0 || size > 2048 {
			t.Errorf("%s set %d bytes of cookies", name, size)
		}
	}
}

func TestAttemptCookie(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	w := httptest.NewRecorder()
	if _, err := f.KeepAttempt(w, f.browser().request(), "state", "value", attemptLife); err != nil {
		t.Fatal(err)
	}
	if _, _, err := f.KeepDraft(w, f.browser().request(), "value", attemptLife); err != nil {
		t.Fatal(err)
	}
	for i, prefix := range []string{"__Host-patdesk-signin-", "__Host-patdesk-draft-"} {
		c := w.Result().Cookies()[i]
		if !strings.HasPrefix(c.Name, prefix) || c.Path != "/" || !c.HttpOnly || !c.Secure || c.SameSite != http.SameSiteLaxMode ||
			c.MaxAge != int(attemptLife/time.Second) || strings.Contains(c.Name+c.Value, "state") {
			t.Errorf("cookie: %v", c)
		}
	}
}

func TestDraft(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	b, other := f.browser(), f.browser()
	large := strings.Repeat("x", session.MaxDraft-2)
	id := b.keepDraft(large)
	second := b.keepDraft("second")
	for range 3 {
		wantDraft(t, b, id, large)
		wantDraft(t, b, second, "second")
	}
	wantNoDraft(t, other, id)
	wantNoDraft(t, b, "")
	wantNoDraft(t, b, "unknown")
	wantNoAttempt(t, b, id)
	b.signIn(mona, "cache")
	wantDraft(t, b, id, large)
	if _, _, err := f.KeepDraft(httptest.NewRecorder(), b.request(), large+"x", attemptLife); !errors.Is(err, session.ErrTooLarge) {
		t.Errorf("KeepDraft of too much: %v, want ErrTooLarge", err)
	}
	f.clock.Move(attemptLife - time.Second)
	wantDraft(t, b, id, large)
	f.clock.Move(time.Second)
	wantNoDraft(t, b, id)
}

func TestSignOutLeavesNoDraft(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	b := f.browser()
	b.signIn(mona, "cache")
	id := b.keepDraft("typed")
	b.keepAttempt("state", "value")
	old := b.copy()
	b.signOut()
	wantNoDraft(t, old, id)
	wantNoAttempt(t, old, "state")
	if f.backend.Len() != 0 || len(b.cookies()) != 0 {
		t.Errorf("%d records and %d cookies are left", f.backend.Len(), len(b.cookies()))
	}
}

// TestCopiesOnOneHost: two copies of the program with other instance names share a browser.
func TestCopiesOnOneHost(t *testing.T) {
	t.Parallel()
	c := testkit.NewClock()
	b := newBrowser(t, nil)
	instances := []string{"", "a", "abcdefgh"}
	copies := make([]*session.Manager, len(instances))
	for i, instance := range instances {
		copies[i] = newManager(t, sessiontest.NewMemory(c.Now), session.Options{Instance: instance, Now: c.Now})
		b.m = copies[i]
		b.signIn(mona, "cache of "+instance)
		b.keepAttempt("state of "+instance, instance)
	}
	for i, instance := range instances {
		b.m = copies[i]
		wantCache(t, wantSignedIn(t, b, mona), "cache of "+instance)
		wantAttempt(t, b, "state of "+instance, instance)
		b.signOut()
		if s := b.open(); s.SignedIn() || s.Ended() {
			t.Errorf("instance %q: still signed in or a cookie is left", instance)
		}
	}
	if got := b.cookies(); len(got) != 0 {
		t.Errorf("cookies are left: %v", got)
	}
}
