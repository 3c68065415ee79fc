package web_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/patdesk/patdesk/handlers"
	"github.com/patdesk/patdesk/handlers/web"

	"github.com/patdesk/patdesk/internal/failure"
	"github.com/patdesk/patdesk/internal/limit"
	"github.com/patdesk/patdesk/internal/operation"
	"github.com/patdesk/patdesk/templates"
)

// startsFrom asks for a sign-in to be begun, by a peer and with forwarded headers, and returns the status.
func (w *world) startsFrom(peer string, forwardedFor ...string) int {
	r := httptest.NewRequest(http.MethodGet, localAddress+"/sign-in/start", http.NoBody)
	r.RemoteAddr = peer
	for _, value := range forwardedFor {
		r.Header.Add("X-Forwarded-For", value)
	}
	return w.ask(r).Code
}

// P3: who is held up is the client as a trusted proxy names it, never as a client names itself; of IPv6 a /64.
func TestLimitsGoByTheClientsNetwork(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(o *handlers.Options) {
		trusting("10.0.0.0/24", "fd00::/64")(o)
		o.BaseURL, o.SignInsPerMinute = o.Local, 2
	})
	const proxy = "10.0.0.7:1234"
	start := func(want int, peer string, forwardedFor ...string) {
		t.Helper()
		if got := w.startsFrom(peer, forwardedFor...); got != want {
			t.Errorf("%s for %q: %d, want %d", peer, forwardedFor, got, want)
		}
	}
	start(303, proxy, "203.0.113.1")
	start(303, proxy, "203.0.113.1:5555")
	start(429, proxy, "203.0.113.1")
	start(429, proxy, "198.51.100.66, 203.0.113.1")             // what the client wrote itself stands left of its address
	start(429, proxy, "198.51.100.67", "203.0.113.1, 10.0.0.9") // also over two lines, and with two proxies
	start(429, "[fd00::9]:1", "::ffff:203.0.113.1")
	start(303, proxy, "203.0.113.2")

	start(303, "203.0.113.9:1", "198.51.100.1") // nobody's proxy: its headers count for nothing
	start(303, "203.0.113.9:2", "198.51.100.2")
	start(429, "203.0.113.9:3", "198.51.100.3")

	start(303, proxy, "2001:db8:0:1::1")
	start(303, proxy, "[2001:db8:0:1:ffff::2]:80")
	start(429, proxy, "2001:db8:0:1:dead:beef:0:3")
	start(303, proxy, "2001:db8:0:2::1")
	for i := 3; i <= 7; i++ { // of a /48 so many /64 as there is room for
		start(303, proxy, fmt.Sprintf("2001:db8:0:%x::1", i))
	}
	start(429, proxy, "2001:db8:0:8::1")
	start(303, proxy, "2001:db8:1:1::1")
}

// A network's unfinished sign-ins are bounded, and nobody is locked out by that: the oldest goes for the newest, which
// can be finished. Another network's stay.
func TestUnfinishedSignInsAreBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(o *handlers.Options) { o.SignInsPerMinute = 1_000_000 })
	web.SetPending(w.h.Site, limit.NewPending(50, 60, web.AttemptLife, time.Now))
	other := w.begun("203.0.113.2:1")
	first := w.begun("203.0.113.1:1")
	for i := range 500 {
		if status := w.startsFrom("203.0.113.1:1"); status != http.StatusSeeOther {
			t.Fatalf("number %d: %d", i, status)
		}
	}
	last := w.begun("203.0.113.1:1")
	for name, c := range map[string]struct {
		attempt begunSignIn
		want    int
	}{"the oldest": {first, http.StatusBadRequest}, "another network's": {other, http.StatusSeeOther}, "the newest": {last, http.StatusSeeOther}} {
		if answer := w.get(c.attempt.callback, c.attempt.cookies...); answer.Code != c.want {
			t.Errorf("%s: %d, want %d", name, answer.Code, c.want)
		}
	}
}

// Whatever address a stranger wants to come back to, a sign-in that is begun keeps no more than 4 KB.
func TestUnfinishedSignInsAreSmall(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	for _, c := range "a&<>\"'%=#;{~" {
		kept := w.store.Bytes()
		back := "/tokens?" + strings.Repeat(string(c), web.MaxReturnPath-len("/tokens?"))
		if answer := w.get("/sign-in/start?return=" + url.QueryEscape(back)); answer.Code != http.StatusSeeOther {
			t.Fatalf("%c: %d", c, answer.Code)
		}
		if kept = w.store.Bytes() - kept; kept > 4<<10 {
			t.Errorf("%c: %d bytes are kept", c, kept)
		}
	}
}

// begunSignIn is one that only needs to come back.
type begunSignIn struct {
	callback string
	cookies  []*http.Cookie
}

func (w *world) begun(peer string) begunSignIn {
	state, code, cookies := w.beginFrom(peer)
	return begunSignIn{"/getAToken?code=" + code + "&state=" + state, cookies}
}

// A page that is fetched, framed, shown as an image or got in advance begins no sign-in: nothing is counted, and
// nothing is kept. People whose browsers open it do, with and without the headers that say so.
func TestOnlyNavigationBeginsSignIns(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(o *handlers.Options) { o.SignInsPerMinute = 7 })
	start := func(headers ...string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodGet, localAddress+"/sign-in/start", http.NoBody)
		for i := 0; i+1 < len(headers); i += 2 {
			r.Header.Set(headers[i], headers[i+1])
		}
		return w.ask(r)
	}
	const mode, dest, site = "Sec-Fetch-Mode", "Sec-Fetch-Dest", "Sec-Fetch-Site"
	for range 20 {
		for _, headers := range [][]string{
			{mode, "no-cors", dest, "image", site, "cross-site"}, {mode, "no-cors", dest, "script", site, "cross-site"}, {mode, "cors", dest, "empty"}, {mode, "same-origin", dest, "empty", site, "same-origin"}, {mode, "websocket"}, {mode, "nested-navigate"},
			{mode, "navigate", dest, "iframe", site, "cross-site"}, {mode, "navigate", dest, "frame"}, {mode, "navigate", dest, "embed"}, {mode, "navigate", dest, "object"}, {dest, "image"}, {dest, "style"},
			{mode, "navigate", dest, "document", "Sec-Purpose", "prefetch"}, {mode, "navigate", dest, "document", "Sec-Purpose", "prefetch;prerender"}, {"Purpose", "prefetch"}, {"X-Moz", "prefetch"}, {"X-Purpose", "preview"},
		} {
			answer := start(headers...)
			if answer.Code != http.StatusForbidden || len(answer.Header().Values("Set-Cookie")) > 0 || answer.Header().Get("Location") != "" {
				t.Fatalf("%v: %d %v", headers, answer.Code, answer.Header())
			}
		}
	}
	for _, headers := range [][]string{{}, {mode, "navigate", dest, "document", site, "same-origin"}, {mode, "navigate", dest, "document", site, "cross-site"}, {mode, "navigate", dest, "document", site, "none", "Sec-Fetch-User", "?1"}, {mode, "navigate"}, {dest, "document"}, {"Purpose", "x"}} {
		if answer := start(headers...); answer.Code != http.StatusSeeOther {
			t.Errorf("%v: %d", headers, answer.Code)
		}
	}
	if answer := start(); answer.Code != http.StatusTooManyRequests || answer.Header().Get("Retry-After") == "" {
		t.Errorf("the eighth: %d", answer.Code)
	} else if seconds, err := strconv.Atoi(answer.Header().Get("Retry-After")); err != nil || seconds < 1 || seconds > 60 {
		t.Errorf("Retry-After: %s", answer.Header().Get("Retry-After"))
	}
}

// A form whose sign-in is over is kept for whoever sent it, but not any number of them.
func TestFormsOfStrangersAreLimited(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(o *handlers.Options) { o.SignInsPerMinute = 3 })
	form := url.Values{"form": {w.h.Site.Journal.Form("tenant.person", operation.Create, "")}, "name": {"typed"}}.Encode()
	var statuses []int
	for range 5 {
		r := httptest.NewRequest(http.MethodPost, localAddress+"/tokens/new", strings.NewReader(form))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Origin", localAddress)
		statuses = append(statuses, w.ask(r).Code)
	}
	if !slices.Equal(statuses, []int{303, 303, 303, 429, 429}) {
		t.Errorf("%v", statuses)
	}
}

// Only so many sign-ins are finished at the same time; who has to be sent away keeps the attempt, and can come again.
func TestFinishingSignInsIsBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	web.SetFinishWait(w.h.Site, 20*time.Millisecond)
	state, code, cookies := w.begin()
	callback := "/getAToken?" + "code=" + code + "&state=" + state
	var leave []func()
	for range web.MaxFinishingEach {
		out, err := web.EnterFinishing(t.Context(), w.h.Site, "192.0.2.1") // where httptest's requests come from
		if err != nil {
			t.Fatal(err)
		}
		leave = append(leave, out)
	}
	answer := w.get(callback, cookies...)
	body := answer.Body.String()
	if answer.Code != http.StatusTooManyRequests || answer.Header().Get("Retry-After") == "" || !strings.Contains(body, "reload this page") || strings.Contains(body, code) || strings.Contains(body, state) {
		t.Errorf("%d %v\n%s", answer.Code, answer.Header(), body)
	}
	for _, out := range leave {
		out()
	}
	if answer := w.get(callback, cookies...); answer.Code != http.StatusSeeOther {
		t.Errorf("the same address again: %d\n%s", answer.Code, answer.Body)
	}
}

// A sign-in that has to wait goes on when there is room.
func TestFinishingSignInsWaitForTheirTurn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	const many = web.MaxFinishingEach + 10
	var group sync.WaitGroup
	for range many {
		state, code, cookies := w.begin()
		group.Go(func() {
			if answer := w.get("/getAToken?code="+code+"&state="+state, cookies...); answer.Code != http.StatusSeeOther {
				t.Errorf("%d\n%s", answer.Code, answer.Body)
			}
		})
	}
	group.Wait()
}

// Wrong addresses are held up after too many of them, and right ones of the same network never are. Right ones, and
// other failures, cost nothing.
func TestGuessesAreLimited(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	now := time.Now()
	o := w.h.Site.Options
	o.Now = func() time.Time { return now }
	looking, gate := make(chan struct{}, 100), make(chan struct{})
	guarded := web.NewLimits(o).LimitGuesses(func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/slow" {
			looking <- struct{}{}
			<-gate
		}
		status, found := map[string]int{"/right": http.StatusOK, "/slow": http.StatusOK, "/broken": http.StatusServiceUnavailable}[r.URL.Path]
		if found {
			w.WriteHeader(status)
		}
		return found
	}, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) })
	ask := func(path, peer string) *httptest.ResponseRecorder {
		r, answer := httptest.NewRequest(http.MethodGet, path, http.NoBody), httptest.NewRecorder()
		r.RemoteAddr = peer
		guarded(answer, r)
		return answer
	}
	for range 500 {
		ask("/broken", "203.0.113.1:1")
		if answer := ask("/right", "203.0.113.1:1"); answer.Code != http.StatusOK {
			t.Fatal(answer.Code)
		}
	}
	statuses := map[int]int{}
	for i := range 500 {
		answer := ask(fmt.Sprint("/", i), "203.0.113.1:1")
		statuses[answer.Code]++
		if held := answer.Code == http.StatusTooManyRequests; held && (answer.Header().Get("Retry-After") == "" || !strings.Contains(answer.Body.String(), "wrong addresses")) {
			t.Fatalf("%v\n%s", answer.Header(), answer.Body)
		}
		if answer := ask("/right", "203.0.113.1:2"); answer.Code != http.StatusOK {
			t.Fatalf("the right one after %d wrong ones: %d", i, answer.Code)
		}
	}
	if statuses[http.StatusNotFound] != web.GuessesPerMinute || statuses[http.StatusTooManyRequests] != 500-web.GuessesPerMinute {
		t.Errorf("%v", statuses)
	}
	var group sync.WaitGroup
	for range web.MaxLookupsEach {
		group.Go(func() { ask("/slow", "203.0.113.1:1") })
		<-looking
	}
	if answer := ask("/right", "203.0.113.2:1"); answer.Code != http.StatusOK {
		t.Errorf("somebody else: %d", answer.Code)
	}
	if answer := ask("/slow", "203.0.113.1:1"); answer.Code != http.StatusTooManyRequests {
		t.Errorf("one more at a time: %d", answer.Code)
	}
	close(gate)
	group.Wait()
	now = now.Add(time.Minute)
	if answer := ask("/none", "203.0.113.1:1"); answer.Code != http.StatusNotFound {
		t.Errorf("after a minute: %d", answer.Code)
	}
}

// Each limit has words that say when to try again; or, of what is full, what to do.
func TestLimitsAreWorded(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"operation", "unfinished", "batch"} {
		if text := templates.Offered()[0].Message("store."+failure.FullPrefix+kind, nil); text.Title == "" || strings.Contains(text.What, "no words") {
			t.Errorf("%s: %+v", kind, text)
		}
	}
	for _, name := range web.LimitNames() {
		if name == web.LimitFull {
			continue
		}
		if text := templates.Offered()[0].Message("limit."+name, map[string]any{"Clock": "14:03:20 UTC"}); !strings.Contains(text.Advice, "14:03:20 UTC") {
			t.Errorf("%s: %+v", name, text)
		}
	}
}

// Many networks of one customer with a sign-in each keep no more records than there may be in all, and an honest one
// that was begun before them can be finished.
func TestManyNetworksStayBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	web.SetPending(w.h.Site, limit.NewPending(web.MaxPending, 100, web.AttemptLife, time.Now))
	state, code, cookies := w.begin()
	for i := range 1000 {
		w.startsFrom(fmt.Sprintf("[2001:db8:9:%x::1]:80", i))
	}
	if n := web.PendingSignIns(w.h.Site); n != 100 {
		t.Errorf("%d are kept", n)
	}
	if answer := w.get("/getAToken?code="+code+"&state="+state, cookies...); answer.Code != http.StatusSeeOther {
		t.Errorf("the honest one: %d", answer.Code)
	}
}

// Forms that strangers send are kept in a bounded number.
func TestDraftsAreBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	web.SetDrafts(w.h.Site, limit.NewPending(3, 100, web.AttemptLife, time.Now))
	before := w.store.Len()
	form := url.Values{"form": {w.h.Site.Journal.Form("tenant.person", operation.Create, "")}, "name": {"typed"}}.Encode()
	for range 10 {
		r := httptest.NewRequest(http.MethodPost, localAddress+"/tokens/new", strings.NewReader(form))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Origin", localAddress)
		if answer := w.ask(r); answer.Code != http.StatusSeeOther {
			t.Fatalf("%d", answer.Code)
		}
	}
	if n := w.store.Len() - before; n != 3 {
		t.Errorf("%d are kept", n)
	}
}
