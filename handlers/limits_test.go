package handlers

import (
	"cmp"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/patdesk/patdesk/internal/operation"
	"github.com/patdesk/patdesk/internal/simulator"
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
	w := newWorld(t, func(o *Options) {
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
}

// What was begun and never finished is bounded as well, however slowly it is begun.
func TestUnfinishedSignInsAreBounded(t *testing.T) {
	now := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	w := newWorld(t, func(o *Options) { o.SignInsPerMinute, o.Now = 1_000_000, func() time.Time { return now } })
	kept := 0
	for range maxPending + 20 {
		if w.startsFrom("203.0.113.1:1") == http.StatusSeeOther {
			kept++
		}
	}
	if kept != maxPending {
		t.Errorf("%d sign-ins were begun, want %d", kept, maxPending)
	}
	if w.startsFrom("203.0.113.2:1") != http.StatusSeeOther {
		t.Error("another network is held up")
	}
}

// A sign-in that couldn't be begun, because Entra can't be reached, doesn't count as unfinished: when that is over, nobody
// is shut out by it.
func TestOutagesShutNobodyOut(t *testing.T) {
	now := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	w := newWorld(t, func(o *Options) { o.SignInsPerMinute, o.Now = 1_000_000, func() time.Time { return now } })
	w.sim.SetFault("metadataDown", simulator.FaultOptions{})
	for range maxPending + 1 {
		if status := w.startsFrom("203.0.113.1:1"); status != http.StatusServiceUnavailable {
			t.Fatalf("without metadata: %d", status)
		}
	}
	if wait := w.h.limits.pending.Begin("203.0.113.1"); wait > 0 {
		t.Errorf("sign-ins that weren't begun count: wait for %v", wait)
	}
}

// A form whose sign-in is over is kept for whoever sent it, but not any number of them.
func TestFormsOfStrangersAreLimited(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.SignInsPerMinute = 3 })
	form := url.Values{"form": {w.h.Journal.Form("tenant.person", operation.Create, "")}, "name": {"typed"}}.Encode()
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
	w := newWorld(t, nil)
	w.h.finishWait = 20 * time.Millisecond
	state, code, cookies := w.begin()
	callback := "/getAToken?" + "code=" + code + "&state=" + state
	var leave []func()
	for range maxFinishingEach {
		out, err := w.h.limits.finishing.Enter(t.Context(), "192.0.2.1") // where httptest's requests come from
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
	w := newWorld(t, nil)
	const many = maxFinishingEach + 10
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

// Whoever guesses addresses that are secrets is stopped, and then learns nothing from what is right either. Right ones,
// and other failures, cost nothing.
func TestGuessesAreLimited(t *testing.T) {
	w := newWorld(t, nil)
	now := time.Now()
	w.h.Now = func() time.Time { return now }
	w.h.limits = newLimits(w.h.Options)
	looked := 0
	guarded := w.h.limitGuesses(func(w http.ResponseWriter, r *http.Request) {
		looked++
		status := map[string]int{"/right": http.StatusOK, "/broken": http.StatusServiceUnavailable}[r.URL.Path]
		w.WriteHeader(cmp.Or(status, http.StatusNotFound))
	})
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
	looked = 0
	for i := range 500 {
		ask(fmt.Sprint("/", i), "203.0.113.1:1")
	}
	if looked != guessesPerMinute {
		t.Errorf("%d guesses were looked up, want %d", looked, guessesPerMinute)
	}
	answer := ask("/right", "203.0.113.1:2")
	if answer.Code != http.StatusTooManyRequests || answer.Header().Get("Retry-After") == "" || !strings.Contains(answer.Body.String(), "wrong addresses") {
		t.Errorf("the right one after too many wrong ones: %d %v\n%s", answer.Code, answer.Header(), answer.Body)
	}
	if answer := ask("/right", "203.0.113.2:1"); answer.Code != http.StatusOK {
		t.Errorf("somebody else: %d", answer.Code)
	}
	now = now.Add(time.Minute)
	if answer := ask("/right", "203.0.113.1:1"); answer.Code != http.StatusOK {
		t.Errorf("after a minute: %d", answer.Code)
	}
}

// Each limit has words that say when to try again.
func TestLimitsAreWorded(t *testing.T) {
	for _, name := range Limits() {
		if text := templates.Message("limit."+name, map[string]any{"Clock": "14:03:20 UTC"}); !strings.Contains(text.Advice, "14:03:20 UTC") {
			t.Errorf("%s: %+v", name, text)
		}
	}
}
