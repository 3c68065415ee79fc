package features

import (
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/patdesk/patdesk/internal/simulator"
	"github.com/patdesk/patdesk/internal/testkit"
	"github.com/patdesk/patdesk/internal/testkit/apptest"
	"github.com/patdesk/patdesk/internal/webtest"
)

// heldUp checks that an answer is the one for what came too often, and returns how long it says to wait.
func heldUp(t *testing.T, b *webtest.Browser) time.Duration {
	t.Helper()
	seconds, err := strconv.Atoi(b.Header.Get("Retry-After"))
	if b.Status != http.StatusTooManyRequests || err != nil || seconds < 1 || seconds > 60*60 {
		t.Fatalf("%s: %d, Retry-After %q, want 429 and some seconds\n%s", b.URL, b.Status, b.Header.Get("Retry-After"), b.Text())
	}
	return time.Duration(seconds) * time.Second
}

// Sign-ins are begun so often and not more; the page says when to try again, and then it goes on to where the visitor
// wanted to go. Whoever is signed in, and every other page, isn't held up.
func TestSignInsAreLimited(t *testing.T) {
	t.Parallel()
	clock := testkit.NewClock()
	d := apptest.Start(t, apptest.Options{Sim: simulator.Options{Seed: true}, Now: clock.Now, Env: map[string]string{"RATE_LIMIT_SIGN_INS": "3"}})
	in := d.SignedIn(apptest.Mona)
	const start = "/sign-in/start?return=%2Fchanges"
	for range 2 {
		if b := d.Browser().OpenOnce(d.URL + start); b.Status != http.StatusSeeOther {
			t.Fatalf("%d", b.Status)
		}
	}
	b := d.Browser().Open(d.URL + start)
	wait := heldUp(t, b)
	if !strings.Contains(b.Text(), "Too many sign-ins") || b.Header.Get("Set-Cookie") != "" || b.Has("link", "Sign in again") {
		t.Errorf("%v\n%s", b.Header, b.Text())
	}
	for _, path := range []string{"/", "/sign-in", "/scopes", "/healthz", "/readyz"} {
		if other := d.Browser().Open(d.URL + path); other.Status != http.StatusOK {
			t.Errorf("%s: %d while sign-ins are held up", path, other.Status)
		}
	}
	if in.Open(d.URL + "/tokens?organization=contoso"); in.Status != http.StatusOK {
		t.Errorf("somebody who is signed in: %d", in.Status)
	}
	clock.Move(wait)
	b.Click("Try again").Press("Continue as " + apptest.Jonas)
	if b.Status != http.StatusOK || b.URL.Path != "/changes" {
		t.Errorf("after the wait: %d at %s\n%s", b.Status, b.URL, b.Text())
	}
	if !strings.Contains(d.Log.String(), "429 limit.signIns") {
		t.Errorf("the log doesn't name the limit:\n%s", d.Log)
	}
}

// A form that came too soon comes back with what was typed, and isn't used up: sent again it makes one token. The same
// form sent many times counts once, buttons lead back to where they were, and nobody else is held up.
func TestChangesAreLimited(t *testing.T) {
	t.Parallel()
	clock := testkit.NewClock()
	d := apptest.Start(t, apptest.Options{Sim: simulator.Options{Seed: true}, Now: clock.Now, Env: map[string]string{"RATE_LIMIT_CHANGES": "2"}})
	b := d.SignedIn(apptest.Mona)
	newToken := func(b *webtest.Browser, name string) *webtest.Browser {
		return b.Open(d.URL+"/tokens/new?organization=contoso").Fill("Name", name).Choose("Code", "Read")
	}
	waits := newToken(b.Twin(), "first")
	_, to, form := waits.Form("Create token")
	var group sync.WaitGroup
	for range 10 {
		group.Go(func() {
			if twin := b.Twin().Post(to.String(), form); twin.Status != http.StatusOK || apptest.SecretOf(twin) == "" {
				t.Errorf("one of many clicks: %d at %s", twin.Status, twin.URL)
			}
		})
	}
	group.Wait()
	waits.Press("Create token")
	newToken(b.Twin(), "second").Press("Create token")

	newToken(b, "third <&\"'> ü").Press("Create token")
	wait := heldUp(t, b)
	if value, _ := b.Page.Find("input[name=name]").Attr("value"); value != "third <&\"'> ü" || b.Page.Find("input[value='vso.code']:checked, input[value='vso.code'][checked]").Length() == 0 {
		t.Errorf("what was typed is lost: %q\n%s", value, b.Text())
	}
	if made := d.Sim.Calls(simulator.CallCreate); made != 2 {
		t.Errorf("%d tokens were made, want 2", made)
	}
	waits.Press("I have saved it")
	heldUp(t, waits)
	if back := waits.Twin().Open(waits.URL.String()); back.Status != http.StatusMethodNotAllowed {
		t.Errorf("loading the page again: %d", back.Status)
	}
	if b := waits.Twin().Open(strings.TrimSuffix(waits.URL.String(), "/acknowledge")); apptest.SecretOf(b) == "" {
		t.Errorf("the secret is gone at %s (%d)", b.URL, b.Status)
	}
	if !waits.Has("link", "Back to the page") {
		t.Errorf("no way back:\n%s", waits.Text())
	}
	other := newToken(d.SignedIn(apptest.Jonas), "of another").Press("Create token")
	if other.Status != http.StatusOK || apptest.SecretOf(other) == "" {
		t.Errorf("another person is held up: %d", other.Status)
	}
	clock.Move(2 * wait)
	if waits.Press("Send again"); waits.Status != http.StatusOK || apptest.SecretOf(waits) != "" || !strings.Contains(waits.Text(), "saved") {
		t.Errorf("sent again: %d at %s\n%s", waits.Status, waits.URL, waits.Text())
	}
	if b.Press("Create token"); b.Status != http.StatusOK || apptest.SecretOf(b) == "" || d.Sim.Calls(simulator.CallCreate) != 4 {
		t.Errorf("after the wait: %d at %s, %d tokens made\n%s", b.Status, b.URL, d.Sim.Calls(simulator.CallCreate), b.Text())
	}
}

// Every route that changes something for somebody who is signed in is limited, and does nothing then. The table is
// walked, so that none is forgotten; one that needs no limit is named here.
func TestEveryChangeIsLimited(t *testing.T) {
	t.Parallel()
	s := setStageWith(t, map[string]string{"RATE_LIMIT_CHANGES": "7"}) // as many as setting the stage takes
	for wait := time.Duration(0); wait == 0; {
		if b := s.B.Twin().Post(s.D.URL+"/operations/none/check", url.Values{}); b.Status == http.StatusTooManyRequests {
			wait = heldUp(t, b)
		}
	}
	before, checked := s.Seen(), 0
	for _, r := range apptest.RouteTable(t) {
		switch {
		case r.Method != http.MethodPost, strings.HasPrefix(r.Pattern, "/static/"),
			r.Pattern == "/sign-out", // must always be possible
			slices.Contains([]string{"/language", "/theme", "/shortcuts"}, r.Pattern): // change cookies of this browser alone
			continue
		}
		path, form := s.Address(r)
		b := s.B.Twin().Post(s.D.URL+path, form)
		if b.Status != http.StatusTooManyRequests || b.Header.Get("Retry-After") == "" {
			t.Errorf("%s %s: %d", r.Method, r.Pattern, b.Status)
		}
		checked++
	}
	s.Unchanged(before)
	if checked < 10 {
		t.Errorf("%d routes were checked", checked)
	}
}

// One person has so many sessions and no more. The one that wasn't used for the longest time ends, and its browser says
// so; other people's stay.
func TestSessionsPerPerson(t *testing.T) {
	t.Parallel()
	clock := testkit.NewClock()
	d := apptest.Start(t, apptest.Options{Sim: simulator.Options{Seed: true}, Now: clock.Now, Env: map[string]string{"SESSIONS_PER_PERSON": "3"}})
	other := d.SignedIn(apptest.Jonas)
	var browsers []*webtest.Browser
	in := func() {
		browsers = append(browsers, d.SignedIn(apptest.Mona))
		clock.Move(2 * time.Minute)
	}
	alive := func(want ...bool) {
		t.Helper()
		for i, b := range browsers {
			if look := b.Twin().Open(d.URL + "/scopes"); look.Has("button", "Sign out") != want[i] {
				t.Errorf("browser %d: signed in %v, want %v", i+1, !want[i], want[i])
			}
		}
	}
	in()
	in()
	in()
	browsers[0].Open(d.URL + "/changes") // used: not the oldest any more
	clock.Move(2 * time.Minute)
	in()
	alive(true, false, true, true)
	if text := browsers[1].Open(d.URL + "/changes").Text(); !strings.Contains(text, "ended") {
		t.Errorf("the browser whose session was ended isn't told:\n%s", text)
	}
	if rows := browsers[3].Open(d.URL + "/sessions").Page.Find("table.sessions tbody tr").Length(); rows != 3 {
		t.Errorf("%d sessions are listed", rows)
	}
	if other.Open(d.URL + "/changes"); !other.Has("button", "Sign out") {
		t.Error("another person's session was ended")
	}
	if text := browsers[3].Text(); !strings.Contains(text, "3 sessions") {
		t.Errorf("the limit isn't said:\n%s", text)
	}
	browsers[3].Open(d.URL + "/sign-in?return=/changes&ended=1").Click("Sign in").Press("Continue as " + apptest.Mona) // takes its own place
	alive(true, false, true, true)
}

// Strangers who hold 300 connections open (heads that never end, bodies that drip) leave no mark: others are answered,
// and they are cut off in the time that internal/app states, which is longer for bodies.
func TestSlowConnectionsLeaveNoMark(t *testing.T) {
	t.Parallel()
	const readHeaderTimeout = 5 * time.Second // of internal/app
	d := apptest.Start(t, apptest.Options{ReadTimeout: readHeaderTimeout + 4*time.Second})
	in := d.SignedIn(apptest.Mona)
	const each = 150
	heads, bodies := make(chan time.Duration, each), make(chan time.Duration, each)
	at := d.Address
	for range each {
		go func() { heads <- slowly(t, at, "GET / HTTP/1.1\r\nHost: "+at+"\r\n", "X-A: b\r\n") }()
		go func() {
			bodies <- slowly(t, at, "POST /sign-out HTTP/1.1\r\nHost: "+at+"\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 100000\r\n\r\n", "a")
		}()
	}
	for range 20 {
		if in.Open(d.URL + "/tokens?organization=contoso"); in.Status != http.StatusOK {
			t.Fatalf("others: %d", in.Status)
		}
	}
	var head, body []time.Duration
	for range each {
		head, body = append(head, <-heads), append(body, <-bodies)
	}
	slices.Sort(head)
	slices.Sort(body)
	if head[each/2] >= body[each/2] || max(head[each-1], body[each-1]) > readHeaderTimeout+30*time.Second { // a loaded machine is given time
		t.Errorf("heads were cut off after %v to %v, bodies after %v to %v", head[0], head[each-1], body[0], body[each-1])
	}
}

// slowly sends the beginning of a request and then more of it, bit by bit, until it is cut off, which it says after how
// long that was.
func slowly(t *testing.T, address, beginning, more string) time.Duration {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Error(err)
		return 0
	}
	defer conn.Close()
	start := time.Now()
	if _, err := io.WriteString(conn, beginning); err != nil {
		t.Error(err)
		return 0
	}
	ended := make(chan struct{})
	go func() { defer close(ended); _, _ = io.Copy(io.Discard, conn) }() // until the other side closes
	drip := time.NewTicker(500 * time.Millisecond)
	defer drip.Stop()
	for {
		select {
		case <-ended:
			return time.Since(start)
		case <-drip.C:
			_, _ = io.WriteString(conn, more)
		}
	}
}

// Heads and bodies beyond the limits are refused, with an answer that says so.
func TestSizesAreBounded(t *testing.T) {
	t.Parallel()
	d := apptest.Start(t, apptest.Options{})
	b := d.SignedIn(apptest.Mona)
	for name, c := range map[string]struct {
		ask  func(*http.Request)
		want int
	}{
		"a head of 64 KB":     {func(r *http.Request) { r.Header.Set("X-Long", strings.Repeat("x", 64<<10)) }, http.StatusRequestHeaderFieldsTooLarge},
		"an address of 64 KB": {func(r *http.Request) { r.URL.RawQuery = strings.Repeat("x", 64<<10) }, http.StatusRequestHeaderFieldsTooLarge},
	} {
		twin := b.Twin()
		twin.Edit(c.ask)
		if twin.Open(d.URL + "/changes"); twin.Status != c.want {
			t.Errorf("%s: %d, want %d", name, twin.Status, c.want)
		}
	}
	big := url.Values{"name": {strings.Repeat("x", 300<<10)}}
	if twin := b.Twin().Post(d.URL+"/tokens/new", big); twin.Status != http.StatusRequestEntityTooLarge {
		t.Errorf("a form of 300 KB: %d", twin.Status)
	}
}

// setStageWith is setStage with more settings.
func setStageWith(t *testing.T, env map[string]string) *apptest.Stage {
	t.Helper()
	o := apptest.Seeded()
	if o.Env == nil {
		o.Env = map[string]string{}
	}
	maps.Copy(o.Env, env)
	return apptest.SetStageOn(t, apptest.Start(t, o))
}
