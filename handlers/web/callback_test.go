package web_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/patdesk/patdesk/internal/simulator"
)

// begin starts a sign-in and returns its state, a code for it, and the cookies of the browser that began.
func (w *world) begin() (state, code string, cookies []*http.Cookie) {
	return w.beginFrom("192.0.2.1:1234")
}

func (w *world) beginFrom(peer string) (state, code string, cookies []*http.Cookie) {
	start := httptest.NewRequest(http.MethodGet, localAddress+"/sign-in/start", http.NoBody)
	start.RemoteAddr = peer
	started := w.ask(start)
	to := started.Header().Get("Location")
	choose := httptest.NewRequest(http.MethodPost, to, strings.NewReader(url.Values{"person": {simulator.Mona}}.Encode()))
	choose.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	chosen := httptest.NewRecorder()
	w.sim.Handler().ServeHTTP(chosen, choose)
	back, err := url.Parse(chosen.Header().Get("Location"))
	if err != nil || back.Query().Get("code") == "" {
		panic(fmt.Sprintf("%d %s: %d %v %s", started.Code, to, chosen.Code, err, chosen.Body)) // a fuzz target has no helper
	}
	return back.Query().Get("state"), back.Query().Get("code"), started.Result().Cookies()
}

// Whatever comes back on the redirect URI: only the one state, with the one code, once, begins a session or asks Entra
// for tokens; the answer leads nowhere else, and nothing of the query stands in it or in the log.
func FuzzCallback(f *testing.F) {
	for _, query := range []string{
		"state=STATE&code=CODE", "code=CODE&state=STATE&session_state=x", "state=STATE&code=CODE&iss=https://services.example/x/v2.0", "state=STATE&state=STATE&code=CODE", "state=STATE&code=CODE&code=CODE",
		"state=STATE", "state=STATE&code=", "code=CODE", "state=&code=CODE", "state=STATE&error=access_denied&error_description=AADSTS65004%3a+marker-%3Cscript%3E", "state=STATE&error=<script>marker-</script>&code=CODE",
		"error=marker-", "state=marker-&code=marker-", "state=STATE%00&code=CODE", "state=%20STATE&code=CODE", "STATE=STATE&CODE=CODE", "state=STATE;code=CODE", "state=STATE&code=CODE&error=", "state=STATE&error=interaction_required&claims=%7B%22access_token%22%3A%7B%7D%7D",
		"state=STATE&code=%ff%fe", "%zz", "", "&&&", "state[]=STATE&code[]=CODE", "state=STATE&code=CODE#x", "state=STATE&code=CODE&return=//evil.example", "state=STATE&code=CODE&iss=", "state=STATE&error=server_error", "state=STATE&error=invalid_client",
	} {
		f.Add(query)
	}
	w := newWorld(f, nil)
	f.Fuzz(func(t *testing.T, query string) {
		w.log.Drain()
		state, code, cookies := w.begin()
		raw := strings.NewReplacer("STATE", state, "CODE", code).Replace(query)
		values, _ := url.ParseQuery(raw) // as net/http does: what can't be read is left out
		honest := len(values["state"]) == 1 && values.Get("state") == state && len(values["code"]) == 1 && values.Get("error") == "" && len(values["error"]) < 2 && len(values["iss"]) < 2
		calls := w.sim.Calls(simulator.CallToken)
		answer := w.get("/getAToken?"+raw, cookies...)
		asked := w.sim.Calls(simulator.CallToken) - calls
		begun := strings.Contains(strings.Join(answer.Header().Values("Set-Cookie"), "\n"), "patdesk-session")
		if asked > 1 || asked == 1 && (!honest || values.Get("code") == "") {
			t.Fatalf("%q: %d calls for tokens", query, asked)
		}
		if begun && (!honest || values.Get("code") != code) {
			t.Fatalf("%q began a session", query)
		}
		if query == "state=STATE&code=CODE" && !begun {
			t.Fatalf("the honest one: %d\n%s", answer.Code, answer.Body)
		}
		if to := answer.Header().Get("Location"); to != "" && to != "/" {
			t.Fatalf("%q leads to %q", query, to)
		}
		log := w.log.Drain()
		for _, secret := range []string{code, state, "marker-"} {
			if strings.Contains(answer.Body.String(), secret) || strings.Contains(log, secret) {
				t.Fatalf("%q: %q is told:\n%s\n%s", query, secret, answer.Body, log)
			}
		}
		if strings.Contains(log, "panic") {
			t.Fatalf("%q: %s", query, log)
		}
		again := w.get("/getAToken?"+raw, cookies...)
		if values.Get("state") == state && (w.sim.Calls(simulator.CallToken)-calls > asked || strings.Contains(strings.Join(again.Header().Values("Set-Cookie"), "\n"), "patdesk-session")) {
			t.Fatalf("%q: the attempt could be used twice", query)
		}
	})
}
