package session_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/patdesk/patdesk/internal/session"
	"github.com/patdesk/patdesk/internal/session/sessiontest"
	"github.com/patdesk/patdesk/internal/testkit"
)

var (
	mona = session.Person{TenantID: "t-1", ObjectID: "o-mona", Name: "Mona Lisa", Username: "mona@contoso.example", Account: "o-mona.t-1"}
	omar = session.Person{TenantID: "t-1", ObjectID: "o-omar", Name: "Omar", Username: "omar@contoso.example", Account: "o-omar.t-1"}
)

func testKey(c byte) []byte { return bytes.Repeat([]byte{c}, session.KeySize) }

// newManager fills in what the test doesn't care about: an idle timeout of one hour, a lifetime of twelve.
func newManager(tb testing.TB, b session.Backend, o session.Options) *session.Manager {
	tb.Helper()
	if o.Keys == nil {
		o.Keys = [][]byte{testKey('a')}
	}
	if o.IdleTimeout == 0 {
		o.IdleTimeout = time.Hour
	}
	if o.Lifetime == 0 {
		o.Lifetime = 12 * time.Hour
	}
	m, err := session.New(b, o)
	if err != nil {
		tb.Fatal(err)
	}
	for _, kind := range []string{"note", "bench", "claims", "secret", "operation"} {
		m.Records().Declare(session.Bound{Kind: kind, Each: session.MaxValue})
	}
	return m
}

// browser keeps cookies as a real one does.
type browser struct {
	t   testing.TB
	m   *session.Manager
	jar *cookiejar.Jar
}

var site = &url.URL{Scheme: "https", Host: "patdesk.example", Path: "/"}

func newBrowser(tb testing.TB, m *session.Manager) *browser {
	tb.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		tb.Fatal(err)
	}
	return &browser{tb, m, jar}
}

// request is what the browser sends now.
func (b *browser) request() *http.Request {
	r := httptest.NewRequest(http.MethodGet, site.String(), nil)
	r.Header.Set("User-Agent", "Browser/1.0")
	r.RemoteAddr = "192.0.2.1:4711"
	for _, c := range b.jar.Cookies(site) {
		r.AddCookie(c)
	}
	return r
}

// receive takes the cookies of an answer.
func (b *browser) receive(w *httptest.ResponseRecorder) { b.jar.SetCookies(site, w.Result().Cookies()) }

func (b *browser) cookies() []*http.Cookie { return b.jar.Cookies(site) }

func (b *browser) open() *session.Session {
	b.t.Helper()
	s, err := b.m.Open(b.request())
	if err != nil {
		b.t.Fatalf("Open: %v", err)
	}
	return s
}

func (b *browser) signIn(p session.Person, cache string) *session.Session {
	b.t.Helper()
	return b.signInStarted(p, cache, time.Now().Add(100*365*24*time.Hour))
}

// signInStarted finishes a sign-in that was started at the given time.
func (b *browser) signInStarted(p session.Person, cache string, started time.Time) *session.Session {
	b.t.Helper()
	w := httptest.NewRecorder()
	s, err := b.m.SignIn(w, b.request(), p, []byte(cache), started)
	if err != nil {
		b.t.Fatalf("SignIn: %v", err)
	}
	b.receive(w)
	return s
}

func (b *browser) signOut() {
	b.t.Helper()
	w := httptest.NewRecorder()
	if err := b.m.SignOut(w, b.request()); err != nil {
		b.t.Fatalf("SignOut: %v", err)
	}
	b.receive(w)
}

// copy is another browser with the same cookies: a thief's, or a request that is under way.
func (b *browser) copy() *browser {
	c := newBrowser(b.t, b.m)
	c.jar.SetCookies(site, b.cookies())
	return c
}

// fixture is a manager over a store in memory.
type fixture struct {
	*session.Manager
	t       testing.TB
	clock   *testkit.Clock
	backend *sessiontest.Memory
	log     *bytes.Buffer
}

func newFixture(tb testing.TB) *fixture {
	tb.Helper()
	c := testkit.NewClock()
	f := &fixture{t: tb, clock: c, backend: sessiontest.NewMemory(c.Now), log: &bytes.Buffer{}}
	f.Manager = f.another()
	return f
}

// another is the manager of another process on the same store.
func (f *fixture) another() *session.Manager {
	f.t.Helper()
	log := slog.New(slog.NewTextHandler(f.log, nil))
	return newManager(f.t, f.backend, session.Options{Secure: true, Now: f.clock.Now, Log: log})
}

func (f *fixture) browser() *browser { return newBrowser(f.t, f.Manager) }

func wantSignedIn(tb testing.TB, b *browser, p session.Person) *session.Session {
	tb.Helper()
	s := b.open()
	if !s.SignedIn() || s.Person() != p || s.Ended() {
		tb.Errorf("signed in: %v, as %q, ended: %v; want %q", s.SignedIn(), s.Person().Name, s.Ended(), p.Name)
	}
	return s
}

func wantEnded(tb testing.TB, b *browser) {
	tb.Helper()
	s := b.open()
	if s.SignedIn() || s.Person() != (session.Person{}) || s.State().Organization != "" || s.Hash() != "" {
		tb.Errorf("still signed in as %q", s.Person().Name)
	}
	if !s.Ended() {
		tb.Error("Ended = false for a cookie that is no longer any good")
	}
}

func wantCache(tb testing.TB, s *session.Session, want string) {
	tb.Helper()
	if got, err := s.Tokens().Load(tb.Context()); string(got) != want || err != nil {
		tb.Errorf("the token cache is %q, %v; want %q", got, err, want)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	t.Parallel()
	good := session.Options{Keys: [][]byte{testKey('a')}, IdleTimeout: time.Hour, Lifetime: time.Hour, Instance: "a1"}
	if _, err := session.New(sessiontest.NewMemory(time.Now), good); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*session.Options){
		"no key":            func(o *session.Options) { o.Keys = nil },
		"a short key":       func(o *session.Options) { o.Keys = append(o.Keys, make([]byte, 31)) },
		"no idle timeout":   func(o *session.Options) { o.IdleTimeout = 0 },
		"negative lifetime": func(o *session.Options) { o.Lifetime = -time.Second },
		"instance":          func(o *session.Options) { o.Instance = "a-b" },
		"cookie syntax":     func(o *session.Options) { o.Instance = "a;b" },
	} {
		o := good
		spoil(&o)
		if _, err := session.New(sessiontest.NewMemory(time.Now), o); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

func TestVisitorsLeaveNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	b := f.browser()
	s := b.open()
	if s.SignedIn() || s.Ended() || s.Hash() != "" || !s.Expires().IsZero() {
		t.Errorf("a visitor's session: %v, %v, %q, %v", s.SignedIn(), s.Ended(), s.Hash(), s.Expires())
	}
	wantCache(t, s, "")
	if err := s.Change(t.Context(), func(*session.State) {}); !errors.Is(err, session.ErrNotFound) {
		t.Errorf("Change: %v, want ErrNotFound", err)
	}
	if _, err := s.Tokens().Lock(t.Context()); !errors.Is(err, session.ErrNotFound) {
		t.Errorf("Lock: %v, want ErrNotFound", err)
	}
	if err := f.Ping(t.Context()); err != nil {
		t.Errorf("Ping: %v", err)
	}
	if err := s.Tokens().Save(t.Context(), []byte("x")); !errors.Is(err, session.ErrNotFound) {
		t.Errorf("Save: %v, want ErrNotFound", err)
	}
	if _, err := f.Sessions(t.Context(), s); !errors.Is(err, session.ErrNotFound) {
		t.Errorf("Sessions: %v, want ErrNotFound", err)
	}
	if _, err := f.EndOthers(t.Context(), s); !errors.Is(err, session.ErrNotFound) {
		t.Errorf("EndOthers: %v, want ErrNotFound", err)
	}
	if f.backend.Len() != 0 {
		t.Errorf("%d records were stored", f.backend.Len())
	}
}

func TestSignIn(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	b := f.browser()
	w := httptest.NewRecorder()
	s, err := f.SignIn(w, b.request(), mona, []byte("cache"), f.clock.Now())
	if err != nil {
		t.Fatal(err)
	}
	if !s.SignedIn() || s.Person() != mona {
		t.Errorf("SignIn returned a session of %q", s.Person().Name)
	}
	b.receive(w)
	opened := wantSignedIn(t, b, mona)
	wantCache(t, opened, "cache")
	if opened.Hash() != s.Hash() || opened.Tokens().Key() != s.Tokens().Key() || len(s.Hash()) != 16 {
		t.Errorf("hashes: %q and %q", opened.Hash(), s.Hash())
	}
	if !opened.Started().Equal(f.clock.Now()) || !opened.Expires().Equal(f.clock.Now().Add(12*time.Hour)) {
		t.Errorf("started %v, expires %v", opened.Started(), opened.Expires())
	}
	if _, err := f.SignIn(w, b.request(), session.Person{Name: "nobody"}, nil, f.clock.Now()); err == nil {
		t.Error("somebody without ids was signed in")
	}
}

func TestCookie(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		secure         bool
		instance, name string
	}{
		{true, "", "__Host-patdesk-session"},
		{true, "b2", "__Host-patdesk-session-b2"},
		{false, "", "patdesk-session"},
		{false, "b2", "patdesk-session-b2"},
	} {
		m := newManager(t, sessiontest.NewMemory(time.Now), session.Options{Secure: c.secure, Instance: c.instance})
		w := httptest.NewRecorder()
		if _, err := m.SignIn(w, httptest.NewRequest(http.MethodGet, "/", nil), mona, nil, time.Now()); err != nil {
			t.Fatal(err)
		}
		all := w.Result().Cookies()
		if len(all) != 1 {
			t.Fatalf("%d cookies", len(all))
		}
		got := all[0]
		if got.Name != c.name || got.Path != "/" || got.Domain != "" || !got.HttpOnly || got.Secure != c.secure ||
			got.SameSite != http.SameSiteLaxMode || got.MaxAge != 0 || !got.Expires.IsZero() || len(got.Value) != 43 {
			t.Errorf("cookie: %v", got)
		}
		signedIn := httptest.NewRequest(http.MethodGet, "/", nil)
		signedIn.AddCookie(got)
		w = httptest.NewRecorder()
		if err := m.SignOut(w, signedIn); err != nil {
			t.Fatal(err)
		}
		removed := w.Result().Cookies()[0]
		if removed.Name != c.name || removed.MaxAge >= 0 || removed.Value != "" || removed.Path != "/" ||
			!removed.HttpOnly || removed.Secure != c.secure || removed.SameSite != http.SameSiteLaxMode {
			t.Errorf("removed cookie: %v", removed)
		}
	}
}

// TestSignInChangesTheID: ASVS 5.0, 7.2.4.
func TestSignInChangesTheID(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	b := f.browser()
	first := b.signIn(mona, "first")
	if err := first.Change(t.Context(), func(s *session.State) { s.Organization = "contoso" }); err != nil {
		t.Fatal(err)
	}
	old := b.copy()
	second := b.signIn(mona, "second")
	if first.Hash() == second.Hash() || old.cookies()[0].Value == b.cookies()[0].Value {
		t.Error("the id stayed the same")
	}
	wantEnded(t, old)
	wantCache(t, first, "")
	wantCache(t, wantSignedIn(t, b, mona), "second")
	if got := b.open().State().Organization; got != "contoso" {
		t.Errorf("the organization is %q: a person's own state goes on", got)
	}
	if f.backend.Len() != 3 {
		t.Errorf("%d records, want those of one session", f.backend.Len())
	}
}

func TestSecondPersonFindsNothingOfTheFirst(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	b := f.browser()
	first := b.signInStarted(mona, "mona's", f.clock.Now().Add(-time.Minute))
	if err := first.Change(t.Context(), func(s *session.State) { s.Organizations = []string{"mona's"} }); err != nil {
		t.Fatal(err)
	}
	old := b.copy()
	// Also when Omar's attempt is older than Mona's session, as from another tab.
	b.signInStarted(omar, "omar's", f.clock.Now().Add(-time.Minute))
	s := wantSignedIn(t, b, omar)
	wantCache(t, s, "omar's")
	if len(s.State().Organizations) != 0 {
		t.Errorf("the second person sees %v", s.State())
	}
	wantEnded(t, old)
	wantCache(t, first, "")
}

func TestPlantedIDs(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	unknown := strings.Repeat("A", 43)
	for _, planted := range []string{unknown, unknown[:42], unknown + "A", "x", "../../etc/passwd", strings.Repeat("A", 42) + "B", strings.Repeat("A", 5000)} {
		b := f.browser()
		b.jar.SetCookies(site, []*http.Cookie{{Name: "__Host-patdesk-session", Value: planted, Path: "/", Secure: true}})
		thief := b.copy()
		wantEnded(t, b)
		b.signIn(mona, "cache")
		wantSignedIn(t, b, mona)
		if b.cookies()[0].Value == planted {
			t.Errorf("the planted id %.50q became Mona's session", planted)
		}
		wantEnded(t, thief)
	}
}

func TestASessionOfTheThiefPlanted(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	thief := f.browser()
	thief.signIn(omar, "omar's")
	victim := thief.copy()
	victim.signIn(mona, "mona's")
	wantSignedIn(t, victim, mona)
	wantEnded(t, thief)
}

func TestSeveralTabs(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	b := f.browser()
	started := f.clock.Now()
	f.clock.Move(time.Minute)
	first := b.signInStarted(mona, "tab 1", started)
	for i := range 9 {
		cache := "tab " + strconv.Itoa(i+2)
		if s := b.signInStarted(mona, cache, started); s.Hash() != first.Hash() {
			t.Errorf("%s got a session of its own", cache)
		}
		wantCache(t, wantSignedIn(t, b, mona), cache)
	}
	if f.backend.Len() != 3 {
		t.Errorf("%d records, want those of one session", f.backend.Len())
	}
	// A tab that comes back when the session has been ended begins another one.
	f.clock.Move(time.Minute)
	gone := b.copy()
	b.signOut()
	again := gone.signInStarted(mona, "late tab", started)
	if again.Hash() == first.Hash() {
		t.Error("a session that was signed out was brought back")
	}
	wantCache(t, wantSignedIn(t, gone, mona), "late tab")
}

func TestTwoTabsAtTheSameMoment(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	b := f.browser()
	r1, r2 := b.request(), b.request() // neither has a session's cookie
	var sessions [2]*session.Session
	var answers [2]*httptest.ResponseRecorder
	var both sync.WaitGroup
	for i, r := range []*http.Request{r1, r2} {
		answers[i] = httptest.NewRecorder()
		both.Go(func() {
			var err error
			if sessions[i], err = f.SignIn(answers[i], r, mona, []byte("cache"), f.clock.Now()); err != nil {
				t.Errorf("SignIn: %v", err)
			}
		})
	}
	both.Wait()
	for i, w := range answers {
		b.receive(w) // whichever comes last is the one that goes on
		if got := wantSignedIn(t, b, mona); got.Hash() != sessions[i].Hash() {
			t.Errorf("answer %d led to another session", i)
		}
	}
}

func TestSignOut(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	b := f.browser()
	b.signIn(mona, "cache")
	other := f.browser()
	other.signIn(omar, "omar's")
	old, slow := b.copy(), b.open()
	slowTokens := slow.Tokens()
	b.signOut()
	if len(b.cookies()) != 0 {
		t.Errorf("cookies are left: %v", b.cookies())
	}
	wantEnded(t, old)

	// A request that was under way brings nothing back.
	if err := slow.Change(t.Context(), func(s *session.State) { s.Organization = "x" }); !errors.Is(err, session.ErrNotFound) {
		t.Errorf("Change: %v, want ErrNotFound", err)
	}
	if err := slowTokens.Save(t.Context(), []byte("refreshed")); !errors.Is(err, session.ErrNotFound) {
		t.Errorf("Save: %v, want ErrNotFound", err)
	}
	if err := slowTokens.Drop(t.Context()); err != nil {
		t.Errorf("Drop: %v", err)
	}
	wantCache(t, slow, "")
	wantEnded(t, old)
	wantCache(t, wantSignedIn(t, other, omar), "omar's")
	if f.backend.Len() != 3 {
		t.Errorf("%d records, want Omar's three", f.backend.Len())
	}
	old.signOut() // again, and without a session: no harm
	f.browser().signOut()
}

// TestNoRevival signs out while other requests of the session change it as fast as they can.
func TestNoRevival(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.Manager = newManager(t, session.WithoutSync(openDir(t, t.TempDir(), f.clock.Now)), session.Options{Secure: true, Now: f.clock.Now})
	for range 20 {
		b := f.browser()
		b.signIn(mona, "cache")
		old := b.copy()
		var slow sync.WaitGroup
		for range 4 {
			s := b.open()
			slow.Go(func() {
				for {
					err := errors.Join(
						s.Change(context.Background(), func(st *session.State) { st.Organization += "x" }),
						s.Tokens().Save(context.Background(), []byte("cache")))
					if errors.Is(err, session.ErrNotFound) {
						return
					}
					if err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		b.signOut()
		slow.Wait()
		wantEnded(t, old)
	}
}

// TestLimits: a session is alive a second before a limit, and over at it and a second later.
func TestLimits(t *testing.T) {
	t.Parallel()
	const idle, lifetime = time.Hour, 12 * time.Hour
	for _, c := range []struct {
		name string
		uses []time.Duration // since the sign-in
		end  time.Duration
	}{
		{"never used", nil, idle},
		{"used at once", []time.Duration{time.Second}, time.Second + idle},
		{"used in the minute that isn't written", []time.Duration{59 * time.Second}, 59*time.Second + idle},
		{"used after a minute", []time.Duration{61 * time.Second, 100 * time.Second}, 100*time.Second + idle},
		{"used now and then", []time.Duration{30 * time.Minute, 89 * time.Minute, 90 * time.Minute}, 90*time.Minute + idle},
		{"used all the time", every(10*time.Minute, lifetime), lifetime},
		{"used until the last second", append(every(10*time.Minute, lifetime), lifetime-time.Second), lifetime},
	} {
		t.Run(c.name, func(t *testing.T) {
			for at, want := range map[time.Duration]bool{
				c.end - time.Second: true, c.end: false, c.end + time.Second: false, c.end + 24*time.Hour: false,
			} {
				f := newFixture(t)
				b := f.browser()
				b.signIn(mona, "cache")
				started := f.clock.Now()
				for _, use := range c.uses {
					f.clock.Set(started.Add(use))
					wantSignedIn(t, b, mona)
				}
				f.clock.Set(started.Add(at))
				if got := b.open().SignedIn(); got != want {
					t.Errorf("after %v: signed in = %v, want %v", at, got, want)
				}
			}
		})
	}
}

// every lists the multiples of step below end.
func every(step, end time.Duration) (list []time.Duration) {
	for d := step; d < end; d += step {
		list = append(list, d)
	}
	return list
}

// TestLimitsInAnotherProcess: it doesn't know of uses in the last minute, so there a session may end up to a minute
// early, but never late.
func TestLimitsInAnotherProcess(t *testing.T) {
	t.Parallel()
	for since, want := range map[time.Duration]bool{ // the last use
		59*time.Minute - time.Second: true,
		time.Hour:                    false,
	} {
		f := newFixture(t)
		b := f.browser()
		b.signIn(mona, "cache")
		for range 20 {
			f.clock.Move(35 * time.Second)
			wantSignedIn(t, b, mona)
		}
		f.clock.Move(since)
		b.m = f.another()
		if got := b.open().SignedIn(); got != want {
			t.Errorf("%v after the last use: signed in = %v, want %v", since, got, want)
		}
	}
}

// TestShortIdleTimeout: with a timeout near a minute, uses are written more often than that.
func TestShortIdleTimeout(t *testing.T) {
	t.Parallel()
	c := testkit.NewClock()
	store := sessiontest.NewMemory(c.Now)
	o := session.Options{Secure: true, IdleTimeout: time.Minute, Now: c.Now}
	b := newBrowser(t, newManager(t, store, o))
	b.signIn(mona, "cache")
	for range 9 {
		c.Move(35 * time.Second)
		wantSignedIn(t, b, mona)
	}
	c.Move(58 * time.Second)
	b.m = newManager(t, store, o)
	wantSignedIn(t, b, mona)
	c.Move(time.Minute)
	wantEnded(t, b)
}

// TestShorterLifetime: an operator who shortens the lifetime ends older sessions with the restart.
func TestShorterLifetime(t *testing.T) {
	t.Parallel()
	for after, want := range map[time.Duration]bool{30*time.Minute - time.Second: true, 30 * time.Minute: false} {
		f := newFixture(t)
		b := f.browser()
		b.signIn(mona, "cache")
		b.m = newManager(t, f.backend, session.Options{Secure: true, Lifetime: 30 * time.Minute, Now: f.clock.Now})
		f.clock.Move(after)
		if got := b.open().SignedIn(); got != want {
			t.Errorf("after %v: signed in = %v, want %v", after, got, want)
		}
	}
}

func TestUseIsWrittenOnceAMinute(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	b := f.browser()
	b.signIn(mona, "cache")
	var mu sync.Mutex
	updates := 0
	f.backend.Fail(func(method string, name session.Name) error {
		mu.Lock()
		defer mu.Unlock()
		if method == "Update" && name.Kind == "session" {
			updates++
		}
		return nil
	})
	for range 10 * 60 / 5 {
		f.clock.Move(5 * time.Second)
		var tabs sync.WaitGroup
		for range 3 {
			tabs.Go(func() { b.open() })
		}
		tabs.Wait()
	}
	if updates != 10 {
		t.Errorf("the session was written %d times in ten minutes, want 10", updates)
	}
}

// TestUseBesideAChange: another request writes or ends the session between the reading and the noting of a use.
func TestUseBesideAChange(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		meanwhile func(f *fixture, name session.Name) error
		writes    int // tried in three uses within a minute
		check     func(testing.TB, *browser)
	}{
		"changed": {func(f *fixture, name session.Name) error {
			value, version, err := f.backend.Read(f.t.Context(), name)
			if err != nil {
				return err
			}
			return f.backend.Update(f.t.Context(), name, version, value, f.clock.Now().Add(time.Hour))
		}, 2, func(tb testing.TB, b *browser) { tb.Helper(); wantSignedIn(tb, b, mona) }},
		"ended": {func(f *fixture, name session.Name) error {
			return f.backend.Delete(f.t.Context(), name)
		}, 1, wantEnded},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			b := f.browser()
			b.signIn(mona, "cache")
			f.clock.Move(2 * time.Minute)
			writes, inside := 0, false
			f.backend.Fail(func(method string, name session.Name) error {
				if inside || method != "Update" || name.Kind != "session" {
					return nil
				}
				writes++
				if writes > 1 {
					return nil
				}
				inside = true
				defer func() { inside = false }()
				return c.meanwhile(f, name)
			})
			for range 3 {
				c.check(t, b)
				f.clock.Move(time.Second)
			}
			if writes != c.writes {
				t.Errorf("%d writes were tried, want %d", writes, c.writes)
			}
		})
	}
}

func TestForgottenUses(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	b := f.browser()
	b.signIn(mona, "cache")
	f.clock.Move(30 * time.Second)
	wantSignedIn(t, b, mona)
	if _, err := f.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.clock.Move(time.Hour - time.Second)
	wantSignedIn(t, b, mona) // a sweep keeps what still counts
}

func TestStoreThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	b := f.browser()
	b.signIn(mona, "cache")
	f.backend.Fail(func(method string, _ session.Name) error {
		if method == "Update" {
			return errors.New("read only")
		}
		return nil
	})
	f.clock.Move(2 * time.Minute)
	wantSignedIn(t, b, mona)
	wantSignedIn(t, b, mona)
	if lines := strings.Count(f.log.String(), "\n"); lines != 1 {
		t.Errorf("%d lines were logged, want one:\n%s", lines, f.log)
	}
}

func TestStoreThatFails(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	b := f.browser()
	s := b.signIn(mona, "cache")
	stranger := f.browser()
	f.backend.Fail(func(string, session.Name) error { return errors.New("gone") })
	if _, err := f.Open(b.request()); !errors.Is(err, session.ErrUnavailable) {
		t.Errorf("Open: %v, want ErrUnavailable", err)
	}
	if _, err := f.Open(stranger.request()); err != nil {
		t.Errorf("Open without a cookie: %v; there is nothing to ask the store", err)
	}
	for name, call := range map[string]func(w http.ResponseWriter, r *http.Request) error{
		"SignIn": func(w http.ResponseWriter, r *http.Request) error {
			_, err := f.SignIn(w, r, mona, nil, f.clock.Now())
			return err
		},
		"SignOut": func(w http.ResponseWriter, r *http.Request) error { return f.SignOut(w, r) },
		"KeepAttempt": func(w http.ResponseWriter, r *http.Request) error {
			_, err := f.KeepAttempt(w, r, "s", 1, time.Hour)
			return err
		},
		"KeepDraft": func(w http.ResponseWriter, r *http.Request) error {
			_, _, err := f.KeepDraft(w, r, 1, time.Hour)
			return err
		},
		"Sessions":  func(http.ResponseWriter, *http.Request) error { _, err := f.Sessions(t.Context(), s); return err },
		"EndOthers": func(http.ResponseWriter, *http.Request) error { _, err := f.EndOthers(t.Context(), s); return err },
		"Load":      func(http.ResponseWriter, *http.Request) error { _, err := s.Tokens().Load(t.Context()); return err },
		"Drop":      func(http.ResponseWriter, *http.Request) error { return s.Tokens().Drop(t.Context()) },
	} {
		w := httptest.NewRecorder()
		if err := call(w, b.request()); !errors.Is(err, session.ErrUnavailable) {
			t.Errorf("%s: %v, want ErrUnavailable", name, err)
		}
		if len(w.Result().Cookies()) != 0 {
			t.Errorf("%s failed and set cookies: %v", name, w.Result().Cookies())
		}
	}
	f.backend.Fail(nil)
	wantSignedIn(t, b, mona) // a sign-out that failed can be tried again
}

// TestHalfASignIn: when a part of a new session can't be stored, nothing of it is left.
func TestHalfASignIn(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"tokens", "presence", "session"} {
		f := newFixture(t)
		f.backend.Fail(func(method string, name session.Name) error {
			if method == "Create" && name.Kind == kind {
				return errors.New("full")
			}
			return nil
		})
		w := httptest.NewRecorder()
		if _, err := f.SignIn(w, f.browser().request(), mona, nil, f.clock.Now()); !errors.Is(err, session.ErrUnavailable) {
			t.Errorf("without %s: %v, want ErrUnavailable", kind, err)
		}
		if f.backend.Len() != 0 || len(w.Result().Cookies()) != 0 {
			t.Errorf("without %s: %d records and %d cookies are left", kind, f.backend.Len(), len(w.Result().Cookies()))
		}
	}
}

func TestFlushedStore(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	b := f.browser()
	b.signIn(mona, "cache")
	f.clock.Move(24 * time.Hour)
	if removed, err := f.Sweep(t.Context()); removed != 3 || err != nil {
		t.Errorf("Sweep = %d, %v; want 3", removed, err)
	}
	wantEnded(t, b)
	b.signIn(mona, "cache")
	wantSignedIn(t, b, mona)
}

func TestChangesOfParallelRequests(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	b := f.browser()
	b.signIn(mona, "cache")
	var all sync.WaitGroup
	for i := range 50 {
		s := b.open()
		all.Go(func() {
			err := s.Change(context.Background(), func(st *session.State) {
				st.Organizations = append(st.Organizations, strconv.Itoa(i))
			})
			if err != nil {
				t.Errorf("Change: %v", err)
			}
			if err := s.Tokens().Save(context.Background(), []byte("cache "+strconv.Itoa(i))); err != nil {
				t.Errorf("Save: %v", err)
			}
		})
	}
	all.Wait()
	s := wantSignedIn(t, b, mona)
	if n := len(s.State().Organizations); n != 50 {
		t.Errorf("%d of 50 changes are there", n)
	}
	if cache, err := s.Tokens().Load(t.Context()); !strings.HasPrefix(string(cache), "cache ") {
		t.Errorf("the token cache is %q, %v", cache, err)
	}
}

func TestTokens(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	b := f.browser()
	tokens := b.signIn(mona, "first").Tokens()
	other := f.browser().signIn(mona, "other").Tokens()
	if err := tokens.Save(t.Context(), []byte("second")); err != nil {
		t.Fatal(err)
	}
	wantCache(t, b.open(), "second")
	if err := tokens.Drop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if blob, err := tokens.Load(t.Context()); blob != nil || err != nil {
		t.Errorf("Load after Drop = %q, %v; want nil", blob, err)
	}
	wantSignedIn(t, b, mona)
	if err := tokens.Save(t.Context(), []byte("third")); err != nil {
		t.Errorf("Save after Drop: %v", err)
	}
	wantCache(t, b.open(), "third")

	if tokens.Key() == other.Key() || tokens.Key() != b.open().Tokens().Key() || strings.Contains(tokens.Key(), b.cookies()[0].Value) {
		t.Error("Key doesn't name the session, or tells its id")
	}
	release, err := tokens.Lock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := b.open().Tokens().Lock(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("a second Lock: %v, want it to wait", err)
	}
	free, err := other.Lock(t.Context())
	if err != nil {
		t.Fatalf("Lock of another session: %v", err)
	}
	free()
	wantCache(t, b.open(), "third") // reading and writing don't wait for the lock
	release()
	if free, err = b.open().Tokens().Lock(t.Context()); err != nil {
		t.Fatal(err)
	}
	free()
}

func TestSessionsOfAPerson(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	start := f.clock.Now()
	laptop, phone, stranger := f.browser(), f.browser(), f.browser()
	laptop.signIn(mona, "laptop")
	f.clock.Move(10 * time.Minute)
	w, r := httptest.NewRecorder(), phone.request()
	r.RemoteAddr = "[2001:db8::1]:1234"
	r.Header.Set("User-Agent", "Phone/2.0\x1b[31m "+strings.Repeat("é", 500))
	if _, err := f.SignIn(w, r, mona, []byte("phone"), start); err != nil {
		t.Fatal(err)
	}
	phone.receive(w)
	stranger.signIn(omar, "omar's")
	f.clock.Move(10 * time.Minute)
	wantSignedIn(t, phone, mona)
	f.clock.Move(10 * time.Minute)

	s := wantSignedIn(t, laptop, mona)
	list, err := f.Sessions(t.Context(), s)
	if err != nil || len(list) != 2 {
		t.Fatalf("Sessions = %+v, %v; want two", list, err)
	}
	want := session.Summary{
		Hash: s.Hash(), Started: start.UTC(), LastSeen: f.clock.Now(),
		Address: "192.0.2.1", Browser: "Browser/1.0", Current: true,
	}
	if got := list[0]; got.Hash != want.Hash || !got.Started.Equal(want.Started) || !got.LastSeen.Equal(want.LastSeen) ||
		got.Address != want.Address || got.Browser != want.Browser || !got.Current {
		t.Errorf("the current session is %+v, want %+v", got, want)
	}
	other := list[1]
	if other.Current || other.Address != "2001:db8::1" || !other.Started.Equal(start.Add(10*time.Minute)) ||
		!other.LastSeen.Equal(start.Add(20*time.Minute)) || other.Hash == s.Hash() {
		t.Errorf("the other session is %+v", other)
	}
	if !strings.HasPrefix(other.Browser, "Phone/2.0[31m é") || len(other.Browser) > 256 || strings.ContainsRune(other.Browser, '\uFFFD') {
		t.Errorf("its browser is %q", other.Browser)
	}

	// What is over is not listed.
	f.clock.Move(52 * time.Minute)
	if list, err = f.Sessions(t.Context(), s); err != nil || len(list) != 1 || !list[0].Current {
		t.Errorf("when the phone has been idle for too long: %+v, %v", list, err)
	}
}

func TestEndOthers(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	laptop, phone, thief, stranger := f.browser(), f.browser(), f.browser(), f.browser()
	laptop.signIn(mona, "laptop")
	slow := phone.signIn(mona, "phone")
	thief.signIn(mona, "thief")
	stranger.signIn(omar, "omar's")
	s := laptop.open()
	if n, err := f.EndOthers(t.Context(), s); n != 2 || err != nil {
		t.Errorf("EndOthers = %d, %v; want 2", n, err)
	}
	wantEnded(t, phone)
	wantEnded(t, thief)
	wantCache(t, wantSignedIn(t, laptop, mona), "laptop")
	wantCache(t, wantSignedIn(t, stranger, omar), "omar's")
	if err := slow.Change(t.Context(), func(*session.State) {}); !errors.Is(err, session.ErrNotFound) {
		t.Errorf("Change of an ended session: %v, want ErrNotFound", err)
	}
	if err := slow.Tokens().Save(t.Context(), []byte("refreshed")); !errors.Is(err, session.ErrNotFound) {
		t.Errorf("Save for an ended session: %v, want ErrNotFound", err)
	}
	if f.backend.Len() != 6 {
		t.Errorf("%d records, want those of two sessions", f.backend.Len())
	}
	if n, err := f.EndOthers(t.Context(), s); n != 0 || err != nil {
		t.Errorf("EndOthers again = %d, %v; want 0", n, err)
	}
}

// TestRecordsOfOthers: a session's record copied over another's, or damaged, signs nobody in.
func TestRecordsOfOthers(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	alice, mallory := f.browser(), f.browser()
	alice.signIn(mona, "alice's")
	mallory.signIn(omar, "mallory's")
	name := func(b *browser, kind string) session.Name {
		return session.Key{Kind: kind, ID: b.cookies()[0].Value}.Name()
	}
	for _, kind := range []string{"session", "tokens"} {
		stolen, _, err := f.backend.Read(t.Context(), name(alice, kind))
		if err != nil {
			t.Fatal(err)
		}
		_, version, _ := f.backend.Read(t.Context(), name(mallory, kind))
		if err := f.backend.Update(t.Context(), name(mallory, kind), version, stolen, f.clock.Now().Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	wantEnded(t, mallory)
	wantEnded(t, mallory)
	if lines := strings.Count(f.log.String(), "\n"); lines != 1 {
		t.Errorf("%d lines were logged, want one:\n%s", lines, f.log)
	}
	old := mallory.copy()
	mallory.signIn(omar, "mallory's")
	if old.cookies()[0].Value == mallory.cookies()[0].Value {
		t.Error("the id of the damaged session was used again")
	}
	wantCache(t, wantSignedIn(t, mallory, omar), "mallory's")
	wantCache(t, wantSignedIn(t, alice, mona), "alice's")
}

func TestIDCountsUnderItsCookieOnly(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	b := f.browser()
	b.signIn(mona, "cache")
	m := newManager(t, f.backend, session.Options{Secure: true, Instance: "other", Now: f.clock.Now})
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.AddCookie(&http.Cookie{Name: "__Host-patdesk-session-other", Value: b.cookies()[0].Value})
	if s, err := m.Open(r); err != nil || s.SignedIn() {
		t.Errorf("Open = %v, %v: the id counts under another cookie", s.SignedIn(), err)
	}
}

func TestSweeper(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := sessiontest.NewMemory(time.Now)
		var log bytes.Buffer
		m := newManager(t, b, session.Options{Secure: true, Log: slog.New(slog.NewTextHandler(&log, nil))})
		newBrowser(t, m).signIn(mona, "cache")
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			m.Sweeper(ctx, 10*time.Minute)
			close(done)
		}()
		time.Sleep(12 * time.Hour) // of the bubble's clock, like all of this
		synctest.Wait()
		if b.Len() != 0 {
			t.Errorf("%d records are left after the lifetime", b.Len())
		}
		b.Fail(func(string, session.Name) error { return errors.New("gone") })
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if !strings.Contains(log.String(), "level=ERROR") {
			t.Errorf("a failing sweep was logged as: %s", &log)
		}
		b.Fail(func(string, session.Name) error { panic("a fault of the store") })
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		b.Fail(nil)
		newBrowser(t, m).signIn(mona, "cache")
		time.Sleep(12 * time.Hour)
		synctest.Wait()
		if b.Len() != 0 {
			t.Errorf("%d records are left after a sweep that panicked", b.Len())
		}
		cancel()
		<-done
	})
}
