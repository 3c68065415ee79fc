package entra

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/patdesk/patdesk/internal/simulator"
)

// After sign-in an access token costs nothing, and it is the same until its time has come.
func TestAccessTokenFromTheCache(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		w := newWorld(t, simulator.Options{})
		id, c := w.signedIn()
		w.sim.ResetCalls()
		first := w.token(c, id.Account)
		for range 69 { // of 75 minutes that it lives; the last five count as over
			pass(time.Minute)
			if w.token(c, id.Account) != first {
				t.Fatal("another token")
			}
		}
		if calls := w.sim.AllCalls(); len(calls) != 0 || c.locks != 0 {
			t.Errorf("calls %v, %d locks", calls, c.locks)
		}
		pass(time.Minute + time.Second)
		if w.token(c, id.Account) == first {
			t.Error("the old token is still served")
		}
		if saves, drops := c.counts(); w.sim.Calls(simulator.CallToken) != 1 || saves != 1 || drops != 0 {
			t.Errorf("%d token calls, %d saves, %d drops", w.sim.Calls(simulator.CallToken), saves, drops)
		}
	})
}

// askAll asks for a token n times at once, at one Provider after the other.
func askAll(t *testing.T, n int, c TokenCache, account string, providers ...*Provider) {
	t.Helper()
	var wg sync.WaitGroup
	tokens := make([]string, n)
	for i := range n {
		wg.Go(func() {
			var err error
			if tokens[i], err = providers[i%len(providers)].AccessToken(t.Context(), c, account); err != nil {
				t.Errorf("request %d: %v", i, err)
			}
		})
	}
	wg.Wait()
	for i, token := range tokens {
		if token == "" || token != tokens[0] {
			t.Errorf("request %d got another token", i)
		}
	}
}

// The simulator's refresh tokens work once: a second call would sign everybody out.
func TestOneCallForAll(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		w := newWorld(t, simulator.Options{})
		id, c := w.signedIn()
		for round := range 3 {
			pass(80 * time.Minute)
			w.sim.ResetCalls()
			// Ten seconds for the answer: longer than anybody waits for a lock that isn't held on to.
			w.sim.SetFault("tokenHangAfterDoing", simulator.FaultOptions{Delay: 10 * time.Second})
			askAll(t, 50, c, id.Account, w.Provider)
			if calls := w.sim.Calls(simulator.CallToken); calls != 1 {
				t.Errorf("round %d: %d token calls", round, calls)
			}
			w.sim.ClearFaults()
		}
		if saves, drops := c.counts(); saves != 3 || drops != 0 {
			t.Errorf("%d saves, %d drops", saves, drops)
		}
	})
}

func TestOneCallOverTwoProcesses(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		w := newWorld(t, simulator.Options{})
		id, c := w.signedIn()
		second := w.another()
		for range 3 {
			pass(80 * time.Minute)
			w.sim.ResetCalls()
			w.sim.SetFault("tokenHangAfterDoing", simulator.FaultOptions{Delay: 10 * time.Second})
			askAll(t, 50, c, id.Account, w.Provider, second)
			if calls := w.sim.Calls(simulator.CallToken); calls != 1 {
				t.Errorf("%d token calls", calls)
			}
			w.sim.ClearFaults()
		}
		if saves, drops := c.counts(); saves != 3 || drops != 0 {
			t.Errorf("%d saves, %d drops", saves, drops)
		}
		if w.log.String() != "" { // who comes second has nothing to complain of
			t.Errorf("log: %s", w.log)
		}
	})
}

// A hundred sessions over one hung one: theirs neither wait for it nor for one another.
func TestSlowEndpointDelaysOnlyItsOwn(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		w, f := newFakeWorld(t)
		id, slow := w.signedInAt(f)
		pass(time.Hour)
		_, quick := w.signedInAt(f) // has a valid token
		_, other := w.signedInAt(f)
		other.mu.Lock()
		other.blob = slow.blob // has none, but is another session
		other.mu.Unlock()

		gate := make(chan struct{})
		var once sync.Once
		f.set(func(f *fake) {
			f.instead = func(rw http.ResponseWriter, _ *http.Request) {
				first := false
				once.Do(func() { first = true })
				if first {
					<-gate
				}
				giveJSON(rw, http.StatusOK, f.tokenAnswer())
			}
		})
		done := make(chan error)
		go func() { _, err := w.AccessToken(t.Context(), slow, id.Account); done <- err }()
		synctest.Wait() // it hangs now
		start := time.Now()
		for range 100 {
			w.token(quick, id.Account)
		}
		w.token(other, id.Account)
		if took := time.Since(start); took != 0 {
			t.Errorf("the others took %s", took)
		}
		close(gate)
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// A hanging endpoint holds nobody for ever, and is left alone for a while then.
func TestHangIsBounded(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		w, f := newFakeWorld(t)
		id, c := w.signedInAt(f)
		pass(time.Hour)
		gate := make(chan struct{})
		defer close(gate)
		f.set(func(f *fake) { f.instead = func(http.ResponseWriter, *http.Request) { <-gate } })
		calls := f.count("token")
		start := time.Now()
		_, err := w.AccessToken(t.Context(), c, id.Account)
		wantKind(t, err, KindUnavailable)
		if took := time.Since(start); took > callTimeout || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("took %s: %v", took, err)
		}
		_, err = w.AccessToken(t.Context(), c, id.Account)
		wantKind(t, err, KindUnavailable)
		if n := f.count("token") - calls; n != 1 {
			t.Errorf("%d calls", n)
		}
	})
}

// Whoever leaves isn't waited for, and takes nobody along.
func TestFirstToAskMayLeave(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		w, f := newFakeWorld(t)
		id, c := w.signedInAt(f)
		pass(time.Hour)
		gate := make(chan struct{})
		f.set(func(f *fake) {
			f.instead = func(rw http.ResponseWriter, _ *http.Request) { <-gate; giveJSON(rw, http.StatusOK, f.tokenAnswer()) }
		})
		calls := f.count("token")
		first, leave := context.WithCancel(t.Context())
		gone, stayed := make(chan error, 1), make(chan error, 1)
		go func() { _, err := w.AccessToken(first, c, id.Account); gone <- err }()
		synctest.Wait()
		go func() { _, err := w.AccessToken(t.Context(), c, id.Account); stayed <- err }()
		synctest.Wait()
		start := time.Now()
		leave()
		err := <-gone
		wantKind(t, err, KindUnavailable)
		if !errors.Is(err, context.Canceled) || time.Since(start) != 0 {
			t.Errorf("after %s: %v", time.Since(start), err)
		}
		close(gate)
		if err := <-stayed; err != nil {
			t.Errorf("the other one: %v", err)
		}
		if saves, _ := c.counts(); saves != 1 || f.count("token")-calls != 1 {
			t.Errorf("%d saves, %d calls", saves, f.count("token")-calls)
		}
	})
}

// failures are what a token endpoint may answer without the sign-in being over.
var failures = map[string]struct {
	answer http.HandlerFunc
	want   Kind
}{
	"500 in JSON":     {refusing(http.StatusInternalServerError, map[string]any{"error": "invalid_grant"}), KindUnavailable},
	"500":             {raw(http.StatusInternalServerError, "text/html", "<html>"), KindUnavailable},
	"503 in JSON":     {refusing(http.StatusServiceUnavailable, map[string]any{"error": "temporarily_unavailable", "error_codes": []int{90033}}), KindUnavailable},
	"429":             {raw(http.StatusTooManyRequests, "text/html", "slow down"), KindUnavailable},
	"429 in JSON":     {refusing(http.StatusTooManyRequests, map[string]any{"error": "invalid_grant"}), KindUnavailable},
	"HTML":            {raw(http.StatusOK, "text/html", "<!DOCTYPE html><title>Captive portal</title>"), KindUnavailable},
	"forbidden":       {raw(http.StatusForbidden, "text/html", "proxy"), KindUnavailable},
	"empty":           {raw(http.StatusOK, "application/json", ""), KindUnavailable},
	"null":            {raw(http.StatusOK, "application/json", "null"), KindUnavailable},
	"list":            {raw(http.StatusOK, "application/json", "[]"), KindUnavailable},
	"no token":        {raw(http.StatusOK, "application/json", `{"token_type":"Bearer"}`), KindUnavailable},
	"cut":             {raw(http.StatusOK, "application/json", `{"access_token":"canary-`), KindUnavailable},
	"too large":       {raw(http.StatusOK, "application/json", `{"access_token":"`+strings.Repeat("x", 2<<20)+`"}`), KindUnavailable},
	"redirect":        {raw(http.StatusTemporaryRedirect, "text/html", "", "Location", host+"/elsewhere"), KindUnavailable},
	"not a bearer":    {refusing(http.StatusOK, map[string]any{"access_token": "canary", "token_type": "pop"}), KindUnavailable},
	"error with 200":  {refusing(http.StatusOK, map[string]any{"error": "server_error"}), KindUnavailable},
	"reset":           {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, KindUnavailable},
	"expired secret":  {refusing(http.StatusUnauthorized, map[string]any{"error": "invalid_client", "error_codes": []int{7000222}}), KindMisconfigured},
	"unknown app":     {refusing(http.StatusBadRequest, map[string]any{"error": "unauthorized_client", "error_codes": []int{700016}}), KindMisconfigured},
	"something new":   {refusing(http.StatusBadRequest, map[string]any{"error": "something_new"}), KindOther},
	"hostile error":   {refusing(http.StatusBadRequest, map[string]any{"error": "<script>", "error_description": "canary"}), KindOther},
	"wrong in itself": {refusing(http.StatusBadRequest, map[string]any{"error": "invalid_request", "claims": "canary"}), KindMisconfigured},
}

// Nobody is signed out by a failure that will pass, and what is wrong is told; the calls become rarer.
func TestFailuresOfARefresh(t *testing.T) {
	t.Parallel()
	for name, c := range failures {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w, f := newFakeWorld(t)
				id, session := w.signedInAt(f)
				pass(time.Hour)
				f.set(func(f *fake) { f.instead = c.answer })
				calls := f.count("token")
				_, err := w.AccessToken(t.Context(), session, id.Account)
				wantKind(t, err, c.want)
				_, err = w.AccessToken(t.Context(), session, id.Account)
				wantKind(t, err, c.want)
				if n := f.count("token") - calls; n != 1 || f.count("unknown") != 0 {
					t.Errorf("%d calls", n)
				}
				f.set(func(f *fake) { f.instead = nil })
				pass(firstPause)
				w.token(session, id.Account)
				if _, drops := session.counts(); drops != 0 {
					t.Error("the sign-in was dropped")
				}
			})
		})
	}
}

// backOff lets a page be viewed every second for ten minutes, and returns when token calls were made.
func backOff(t *testing.T, w *world, f *fake, view func() error) (seconds []int) {
	t.Helper()
	start, calls := time.Now(), f.count("token")
	for time.Since(start) < 10*time.Minute {
		if err := view(); err != nil {
			t.Fatalf("after %s: %v", time.Since(start), err)
		}
		synctest.Wait()
		if n := f.count("token"); n != calls {
			seconds, calls = append(seconds, int(time.Since(start).Seconds())), n
		}
		pass(time.Second)
	}
	return seconds
}

// 1 s, 2 s, 4 s … 60 s, and from then on every minute.
var wantBackOff = "[0 1 3 7 15 31 63 123 183 243 303 363 423 483 543]"

func TestBackOffWithoutAToken(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		w, f := newFakeWorld(t)
		id, c := w.signedInAt(f)
		pass(time.Hour)
		f.set(func(f *fake) { f.instead = raw(http.StatusBadGateway, "text/html", "") })
		got := backOff(t, w, f, func() error {
			if _, err := w.AccessToken(t.Context(), c, id.Account); kindOf(err) != KindUnavailable {
				return fmt.Errorf("got %w", err)
			}
			return nil
		})
		if fmt.Sprint(got) != wantBackOff {
			t.Errorf("asked after %v s", got)
		}
		f.set(func(f *fake) { f.instead = nil })
		pass(longestPause)
		w.token(c, id.Account)
		// All is forgotten then.
		f.set(func(f *fake) { f.instead = raw(http.StatusBadGateway, "text/html", "") })
		pass(time.Hour)
		_, err := w.AccessToken(t.Context(), c, id.Account)
		wantKind(t, err, KindUnavailable)
		f.set(func(f *fake) { f.instead = nil })
		pass(firstPause)
		w.token(c, id.Account)
	})
}

// The token is due for renewal but good still: people notice nothing, whatever comes of that.
func TestBackOffWhileTheTokenIsGood(t *testing.T) {
	t.Parallel()
	for _, failure := range []http.HandlerFunc{
		raw(http.StatusBadGateway, "text/html", ""),
		refusing(http.StatusUnauthorized, map[string]any{"error": "invalid_client"}),
		refusing(http.StatusBadRequest, map[string]any{"error": "something_new"}),
		refusing(http.StatusBadRequest, map[string]any{"error": "interaction_required", "error_codes": []int{53003}}),
		refusing(http.StatusBadRequest, map[string]any{"error": "interaction_required", "error_codes": []int{50076}, "claims": `{"a":{}}`}),
		refusing(http.StatusBadRequest, map[string]any{"error": "invalid_grant", "suberror": "consent_required"}),
	} {
		bubble(t, func(t *testing.T) {
			w, f := newFakeWorld(t)
			f.fields = map[string]any{"refresh_in": 600}
			id, c := w.signedInAt(f)
			first := w.token(c, id.Account)
			pass(11 * time.Minute)
			f.set(func(f *fake) { f.instead = failure })
			got := backOff(t, w, f, func() error {
				token, err := w.AccessToken(t.Context(), c, id.Account)
				if err == nil && token != first {
					err = errors.New("another token")
				}
				return err
			})
			if fmt.Sprint(got) != wantBackOff {
				t.Errorf("asked after %v s", got)
			}
			if saves, drops := c.counts(); saves != 0 || drops != 0 {
				t.Errorf("%d saves, %d drops", saves, drops)
			}
			if !strings.Contains(w.log.String(), "could not be refreshed") {
				t.Error("the operator isn't told")
			}
			pass(longestPause)
			if token, err := w.refresh(want{c, id.Account, w.options.Scopes}); err != nil || token != first { // for who comes upon it meanwhile
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestRetryAfterIsObeyed(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]time.Duration{"30": 30 * time.Second, "3600": retryAtMost, "0": firstPause, "-5": firstPause, "soon": firstPause, "99999999999999999999": retryAtMost, "1.5": 1500 * time.Millisecond, "2, 20": 20 * time.Second} {
		bubble(t, func(t *testing.T) {
			w, f := newFakeWorld(t)
			id, c := w.signedInAt(f)
			pass(time.Hour)
			f.set(func(f *fake) { f.instead = raw(http.StatusTooManyRequests, "text/html", "", "Retry-After", value) })
			_, err := w.AccessToken(t.Context(), c, id.Account)
			wantKind(t, err, KindUnavailable)
			f.set(func(f *fake) { f.instead = nil })
			pass(want - time.Millisecond)
			_, err = w.AccessToken(t.Context(), c, id.Account)
			wantKind(t, err, KindUnavailable)
			pass(time.Millisecond)
			w.token(c, id.Account)
		})
	}
}

// refresh_in: the old token is served at once, the new one from then on.
func TestProactiveRefresh(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		w, f := newFakeWorld(t)
		f.fields = map[string]any{"refresh_in": 1800}
		id, c := w.signedInAt(f)
		first := w.token(c, id.Account)
		pass(30*time.Minute + time.Second)
		gate := make(chan struct{})
		f.set(func(f *fake) {
			f.instead = func(rw http.ResponseWriter, _ *http.Request) { <-gate; giveJSON(rw, http.StatusOK, f.tokenAnswer()) }
		})
		for range 50 {
			if w.token(c, id.Account) != first {
				t.Error("not the token that is there")
			}
		}
		close(gate)
		synctest.Wait()
		if saves, _ := c.counts(); saves != 1 || f.count("token") != 2 {
			t.Fatalf("%d saves, %d token calls", saves, f.count("token"))
		}
		if second := w.token(c, id.Account); second == first {
			t.Error("the new token isn't served")
		}
		if form := f.lastForm(); form["grant_type"] != "refresh_token" || form["refresh_token"] != "canary-refresh-1" {
			t.Errorf("asked with %s", form["grant_type"])
		}
	})
}

// The simulator's way, with its refresh token that works once.
func TestProactiveRefreshAtTheSimulator(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		w := newWorld(t, simulator.Options{RefreshIn: 30 * time.Minute})
		id, c := w.signedIn()
		for range 48 { // a day
			pass(31 * time.Minute)
			w.token(c, id.Account)
			synctest.Wait()
		}
		if grants := w.sim.AllCalls(); grants["token.refresh_token"] != 48 || grants["token.client_credentials"] != 0 {
			t.Errorf("calls %v", grants)
		}
	})
}

// The sign-in was revoked: that is the end of it, also while the token would be good for some minutes.
func TestRevokedSignIn(t *testing.T) {
	t.Parallel()
	for name, age := range map[string]time.Duration{"token expired": 2 * time.Hour, "token good still": 31 * time.Minute} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t, simulator.Options{RefreshIn: 30 * time.Minute})
				id, c := w.signedIn()
				w.sim.RevokeSignIns()
				pass(age)
				calls := w.sim.Calls(simulator.CallToken)
				if name == "token good still" {
					w.token(c, id.Account)
					synctest.Wait()
				}
				_, err := w.AccessToken(t.Context(), c, id.Account)
				e := asKind(t, err, KindInteraction)
				if name == "token expired" && (e.Code != "invalid_grant" || e.AADSTS == "" || e.CorrelationID == "") {
					t.Errorf("got %v", e)
				}
				if _, drops := c.counts(); drops == 0 || c.blob != nil {
					t.Error("the dead refresh token is kept")
				}
				_, err = w.AccessToken(t.Context(), c, id.Account)
				wantKind(t, err, KindInteraction)
				if n := w.sim.Calls(simulator.CallToken) - calls; n != 1 {
					t.Errorf("%d token calls", n)
				}
			})
		})
	}
}

// What ends a sign-in, and what is passed on for the next one.
func TestRefusalsOfARefresh(t *testing.T) {
	t.Parallel()
	for name, fields := range map[string]map[string]any{
		"revoked":            {"error": "invalid_grant", "error_codes": []int{50173}},
		"more factors":       {"error": "interaction_required", "error_codes": []int{50076}},
		"conditional access": {"error": "interaction_required", "error_codes": []int{53003}},
		"consent taken back": {"error": "invalid_grant", "suberror": "consent_required", "error_codes": []int{65001}},
		"no longer assigned": {"error": "invalid_grant", "error_codes": []int{50105}},
		"with status 200":    {"error": "invalid_grant", "error_codes": []int{50173}, "status": http.StatusOK},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w, f := newFakeWorld(t)
				id, c := w.signedInAt(f)
				pass(time.Hour)
				fields["claims"], fields["error_description"] = `{"access_token":{"capolids":{"essential":true}}}`, "canary"
				status := http.StatusBadRequest
				if given, ok := fields["status"].(int); ok {
					status = given
				}
				f.set(func(f *fake) { f.instead = refusing(status, fields) })
				_, err := w.AccessToken(t.Context(), c, id.Account)
				e := asKind(t, err, KindInteraction)
				if e.Claims != fields["claims"] || e.Code != fields["error"] || e.AADSTS == "" {
					t.Errorf("got %v with claims %q", e, e.Claims)
				}
				if _, drops := c.counts(); drops != 1 {
					t.Errorf("%d drops", drops)
				}
			})
		})
	}
}

func TestCachesThatHoldNothing(t *testing.T) {
	t.Parallel()
	w, f := newFakeWorld(t)
	id, good := w.signedInAt(f)
	for name, blob := range map[string]string{
		"none": "", "empty object": "{}", "null": "null", "not JSON": "garbage", "cut": string(good.blob[:len(good.blob)/2]),
		"list": "[]", "wrong types": `{"AccessToken":7}`, "another's": strings.ReplaceAll(string(good.blob), fakePerson, fakeTenant),
	} {
		t.Run(name, func(t *testing.T) {
			c := newCache([]byte(blob))
			calls := f.count("token")
			for range 2 {
				_, err := w.AccessToken(t.Context(), c, id.Account)
				wantKind(t, err, KindInteraction)
			}
			if _, drops := c.counts(); drops == 0 || c.blob != nil || f.count("token") != calls {
				t.Errorf("%d drops, %d bytes left, %d calls", drops, len(c.blob), f.count("token")-calls)
			}
		})
	}
	for _, account := range []string{"", "somebody.else", fakePerson} {
		_, err := w.AccessToken(t.Context(), newCache(good.blob), account)
		wantKind(t, err, KindInteraction)
	}
	w.token(good, id.Account)
}

// Without a refresh token the sign-in is over with the access token, not earlier.
func TestNoRefreshToken(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		w, f := newFakeWorld(t)
		f.fields = map[string]any{"refresh_token": nil}
		id, c := w.signedInAt(f)
		pass(54 * time.Minute)
		w.token(c, id.Account)
		pass(2 * time.Minute)
		_, err := w.AccessToken(t.Context(), c, id.Account)
		wantKind(t, err, KindInteraction)
	})
}

// A token of the app itself isn't the person's: it is never handed out, whoever put it into the cache.
func TestAppOnlyTokens(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		w, f := newFakeWorld(t)
		id, c := w.signedInAt(f)
		var blob map[string]map[string]map[string]any
		if err := json.Unmarshal(c.blob, &blob); err != nil {
			t.Fatal(err)
		}
		delete(blob, "Account")
		delete(blob, "IdToken")
		appOnly, err := json.Marshal(blob)
		if err != nil {
			t.Fatal(err)
		}
		app := newCache(appOnly)
		if token, err := w.AccessToken(t.Context(), app, id.Account); kindOf(err) != KindInteraction || token != "" {
			t.Errorf("got %v", err)
		}
		// And the wire refuses to ask for one, whatever MSAL's version has in mind (1.4.2 to 1.9.0 did that).
		client, err := w.client(Credential{Secret: fakeSecret}, &sessionCache{})
		if err != nil {
			t.Fatal(err)
		}
		calls := f.count("token")
		for _, x := range []*exchange{{mayAsk: true}, {offline: true}, {}} {
			_, err = client.AcquireTokenByCredential(withExchange(t.Context(), x), []string{apiScope})
			if err == nil || f.count("token") != calls {
				t.Errorf("a token of the app was asked for: %v", err)
			}
		}
		if _, err := client.AcquireTokenByCredential(t.Context(), []string{apiScope}); err == nil || f.count("token") != calls {
			t.Error("a token was asked for outside of any exchange")
		}
		// A code is redeemed by Finish alone.
		for _, x := range []*exchange{{offline: true}, {}} {
			if _, err := client.AcquireTokenByAuthCode(withExchange(t.Context(), x), "code", redirectURI, []string{apiScope}); err == nil || f.count("token") != calls {
				t.Error("a code was redeemed by somebody who may not")
			}
		}
	})
}

// Answers that are cut off for their size or lead elsewhere are said to be so.
func TestWordsForOddAnswers(t *testing.T) {
	t.Parallel()
	w, f := newFakeWorld(t)
	for name, want := range map[string]error{"too large": errTooLarge, "redirect": errRedirect, "HTML": errNotJSON, "not a bearer": errTokenType} {
		f.set(func(f *fake) { f.instead = failures[name].answer })
		_, a := w.begin(BeginOptions{})
		if _, _, err := w.Finish(t.Context(), a, backWith(a)); !errors.Is(err, want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	f.set(func(f *fake) {
		f.instead = raw(http.StatusFound, "text/html", "", "Location", "https://portal.corp.example:8443/login?for=canary")
	})
	_, a := w.begin(BeginOptions{})
	_, _, err := w.Finish(t.Context(), a, backWith(a))
	if err == nil || !strings.Contains(err.Error(), "a redirect to portal.corp.example:8443, ") || strings.Contains(err.Error(), "canary") {
		t.Errorf("a proxy's own sign-in page: %v", err)
	}
}

// MSAL would send everybody to a regional host if the environment says so.
func TestRegionsDoNotMatter(t *testing.T) {
	t.Setenv("MSAL_FORCE_REGION", "westeurope")
	w := newWorld(t, simulator.Options{})
	id, c := w.signedIn()
	c.blob = aged(t, c.blob)
	w.token(c, id.Account)
	for _, r := range w.sim.Requests() {
		if "https://"+r.Host != host {
			t.Errorf("a call went to %s", r.Host)
		}
	}
}

// Sessions that end while their token is refreshed stay ended.
func TestEndedSessionIsNotRevived(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		w, f := newFakeWorld(t)
		id, c := w.signedInAt(f)
		pass(time.Hour)
		gate := make(chan struct{})
		f.set(func(f *fake) {
			f.instead = func(rw http.ResponseWriter, _ *http.Request) { <-gate; giveJSON(rw, http.StatusOK, f.tokenAnswer()) }
		})
		done := make(chan error)
		go func() { _, err := w.AccessToken(t.Context(), c, id.Account); done <- err }()
		synctest.Wait()
		c.end()
		close(gate)
		if err := <-done; !errors.Is(err, errEnded) {
			t.Errorf("got %v", err)
		}
		if saves, _ := c.counts(); saves != 0 || c.blob != nil {
			t.Error("the session was revived")
		}
	})
}

// Failures of the store are passed on as they are; they sign nobody out, and don't have Entra asked over and over.
func TestFailingStore(t *testing.T) {
	t.Parallel()
	down := errors.New("the store is down")
	for _, method := range []string{"Load", "Lock", "Save"} {
		t.Run(method, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w, f := newFakeWorld(t)
				id, c := w.signedInAt(f)
				pass(time.Hour)
				c.fail(method, down)
				calls := f.count("token")
				for range 20 {
					if _, err := w.AccessToken(t.Context(), c, id.Account); !errors.Is(err, down) {
						t.Fatalf("got %v", err)
					}
				}
				if n := f.count("token") - calls; n > 1 {
					t.Errorf("%d token calls", n)
				}
				c.fail(method, nil)
				pass(firstPause)
				w.token(c, id.Account)
				if _, drops := c.counts(); drops != 0 {
					t.Error("the sign-in was dropped")
				}
			})
		})
	}
	bubble(t, func(t *testing.T) {
		w, _ := newFakeWorld(t)
		c := newCache(nil)
		c.fail("Drop", down)
		if _, err := w.AccessToken(t.Context(), c, "a.b"); !errors.Is(err, down) {
			t.Errorf("Drop: got %v", err)
		}
	})
}

// A cache that panics costs its own session one failure, not the process its life.
func TestPanicInARefresh(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		w, f := newFakeWorld(t)
		id, c := w.signedInAt(f)
		pass(time.Hour)
		for _, thrown := range []any{"canary", errors.New("canary")} {
			_, err := w.AccessToken(t.Context(), panicking{c, thrown}, id.Account)
			wantKind(t, err, KindOther)
		}
		if log := w.log.String(); strings.Contains(log, "canary") || !strings.Contains(log, "panicking") {
			t.Errorf("log: %s", log)
		}
		w.token(c, id.Account) // the lock isn't held on to
	})
}

type panicking struct {
	*memoryCache
	thrown any
}

func (p panicking) Save(context.Context, []byte) error { panic(p.thrown) }

// Time that a slow answer has used up isn't missing when it is kept.
func TestLateAnswerIsKept(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		w, f := newFakeWorld(t)
		id, c := w.signedInAt(f)
		pass(time.Hour)
		release, err := c.Lock(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		f.set(func(f *fake) {
			f.instead = func(rw http.ResponseWriter, _ *http.Request) {
				<-time.After(callTimeout - time.Second) // of the bubble's clock
				giveJSON(rw, http.StatusOK, f.tokenAnswer())
			}
		})
		done := make(chan error)
		go func() { _, err := w.AccessToken(t.Context(), slowToSave{c}, id.Account); done <- err }()
		pass(refreshTimeout - callTimeout + 500*time.Millisecond)
		release()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if saves, _ := c.counts(); saves != 1 {
			t.Error("what came wasn't kept")
		}
	})
}

type slowToSave struct{ *memoryCache }

func (s slowToSave) Save(ctx context.Context, blob []byte) error {
	<-time.After(time.Second) // of the bubble's clock
	return s.memoryCache.Save(ctx, blob)
}

// Tokens of a few minutes are used for most of their life, though MSAL wouldn't even keep them.
func TestShortTokens(t *testing.T) {
	t.Parallel()
	for life, calls := range map[int]int{60: 67, 240: 17, 600: 7, 1800: 3, 3600: 2} {
		bubble(t, func(t *testing.T) {
			w, f := newFakeWorld(t)
			f.fields = map[string]any{"expires_in": life}
			id, c := w.signedInAt(f)
			issued, token := time.Now(), ""
			step := time.Duration(life) * time.Second / 60
			for since := time.Duration(0); since < time.Hour; since += step { // a page view every now and then for an hour
				if got := w.token(c, id.Account); got != token {
					issued, token = time.Now(), got
				}
				if age := time.Since(issued); age >= time.Duration(life)*time.Second {
					t.Fatalf("a token of %d s is served after %s", life, age)
				}
				pass(step)
			}
			if n := f.count("token"); n > calls+1 || n < calls-1 {
				t.Errorf("%d s: %d token calls, want about %d", life, n, calls)
			}
		})
	}
}

// A token that is over when it comes isn't kept, but handed out; that isn't for us to judge.
func TestTokenWithoutLife(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		w, f := newFakeWorld(t)
		f.fields = map[string]any{"expires_in": 0}
		id, c := w.signedInAt(f)
		w.token(c, id.Account)
		w.token(c, id.Account)
		if _, drops := c.counts(); drops != 0 {
			t.Error("the sign-in was dropped")
		}
	})
}
