package simulator_test

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/patdesk/patdesk/internal/simulator"
)

// ownHeaders are those by which an answer is known to be the service's.
var ownHeaders = []string{"Activityid", "X-Tfs-Session", "X-Vss-E2eid", "X-Vss-Userdata", "X-Tfs-Serviceerror", "X-Msedge-Ref"}

// What an intermediary answers has its own form and none of the service's headers, whatever the status, and the change
// is made or not as the name of the fault says.
func TestIntermediaries(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for _, name := range []string{"proxyHTML", "proxyEmpty", "proxyJSON", "proxyHTMLAfterDoing", "proxyEmptyAfterDoing", "proxyJSONAfterDoing"} {
		for _, status := range []int{400, 401, 403, 404, 407, 408, 409, 413, 421, 429, 451, 502, 503, 599} {
			created := r.s.Created()
			r.s.SetFault(name, simulator.FaultOptions{Value: strconv.Itoa(status), Times: 1, RetryAfter: 7 * time.Second})
			a := r.call(t, "create")
			if a.err != nil || a.status != status || strings.Contains(a.body, "typeKey") || strings.Contains(a.body, "patToken") {
				t.Errorf("%s %d: %d %v %.100s", name, status, a.status, a.err, a.body)
			}
			if i := slices.IndexFunc(ownHeaders, func(own string) bool { return a.header.Get(own) != "" }); i >= 0 {
				t.Errorf("%s %d: has the service's %s", name, status, ownHeaders[i])
			}
			if (a.header.Get("Retry-After") == "7") != (status == 429 || status == 503) || (status == 401) != (a.header.Get("WWW-Authenticate") != "") {
				t.Errorf("%s %d: %v", name, status, a.header)
			}
			if done := r.s.Created() - created; (done == 1) != strings.HasSuffix(name, "AfterDoing") {
				t.Errorf("%s %d: %d made", name, status, done)
			}
		}
	}
	r.s.SetFault("proxyEmpty", simulator.FaultOptions{})
	if a := r.call(t, "list"); a.status != http.StatusForbidden || a.body != "" {
		t.Errorf("an empty 403: %d %q", a.status, a.body)
	}
}

// The service's own refusals carry its headers, by which a client distinguishes them from an intermediary's.
func TestOwnRefusalsHaveOwnHeaders(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for name, a := range map[string]reply{
		"no such organization": api(t, r.s, r.mona, http.MethodGet, pats("nowhere", ""), nil),
		"no such token":        api(t, r.s, r.mona, http.MethodDelete, pats("contoso", "&authorizationId=00000000-0000-4000-8000-000000000000"), nil),
		"no such version":      api(t, r.s, r.mona, http.MethodGet, "/contoso/_apis/tokens/pats?api-version=99", nil),
		"no bearer":            api(t, r.s, "x", http.MethodGet, pats("contoso", ""), nil),
		"bad wish":             api(t, r.s, r.mona, http.MethodPost, pats("contoso", ""), map[string]any{"displayName": "", "scope": "vso.code"}),
	} {
		for _, own := range []string{"Activityid", "X-Tfs-Session", "X-Vss-E2eid"} {
			if a.header.Get(own) == "" {
				t.Errorf("%s: no %s", name, own)
			}
		}
	}
}

// names are those of the tokens that a list shows.
func (r rig) names(t *testing.T, filter string) []string {
	t.Helper()
	var names []string
	list, _ := api(t, r.s, r.mona, http.MethodGet, pats("contoso", "&displayFilterOption="+filter), nil).object(t)["patTokens"].([]any)
	for _, one := range list {
		token, _ := one.(map[string]any)
		names = append(names, text(token, "displayName"))
	}
	return names
}

func TestLagging(t *testing.T) {
	t.Parallel()
	k := newClock()
	s := start(t, simulator.Options{Now: k.Now})
	r := rig{s, bearer(t, s, simulator.Mona), s.AddToken(simulator.Token{DisplayName: "the one", Scope: "vso.code", Organization: "contoso"})}
	get := func(id string) reply {
		return api(t, s, r.mona, http.MethodGet, pats("contoso", "&authorizationId="+id), nil)
	}
	revoke := func(id string) int {
		return api(t, s, r.mona, http.MethodDelete, pats("contoso", "&authorizationId="+id), nil).status
	}
	s.SetFault("lagging", simulator.FaultOptions{Delay: time.Minute})
	id := text(patToken(t, r.call(t, "create")), "authorizationId")
	if got := r.names(t, "all"); !slices.Equal(got, []string{"the one"}) || strings.Contains(get(id).body, id) {
		t.Errorf("just made: %q, %s", got, get(id).body)
	}
	if status := revoke(id); status != http.StatusNotFound {
		t.Errorf("revoked before it is seen: %d", status)
	}
	if one, ok := s.Token(id); !ok || one.Revoked {
		t.Errorf("it is made: %t, revoked: %t", ok, one.Revoked)
	}
	r.call(t, "update")
	k.Move(40 * time.Second)
	r.call(t, "revoke")
	if got := r.names(t, "active"); !slices.Equal(got, []string{"the one"}) || !r.done("update") || !r.done("revoke") {
		t.Errorf("changed: %q", got)
	}
	k.Move(30 * time.Second) // creating and changing shows now, revoking not yet
	if got := r.names(t, "active"); !slices.Equal(got, []string{"changed", "new"}) || !strings.Contains(get(id).body, id) {
		t.Errorf("after the first lag: %q, %s", got, get(id).body)
	}
	k.Move(40 * time.Second)
	if got := r.names(t, "revoked"); !slices.Equal(got, []string{"changed"}) {
		t.Errorf("after the second lag: %q", got)
	}
	if status := revoke(id); status != http.StatusNoContent {
		t.Errorf("revoked when it is seen: %d", status)
	}
}

// What is done late is done although its client has gone.
func TestDoneLate(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.s.SetFault("doneLate", simulator.FaultOptions{Delay: 100 * time.Millisecond})
	impatient := *r.s.Client()
	impatient.Timeout = 30 * time.Millisecond
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.s.Endpoint()+pats("contoso", ""), strings.NewReader(`{"displayName":"x","scope":"vso.code"}`))
	if err != nil {
		t.Fatal(err)
	}
	request.Header = http.Header{"Authorization": {"Bearer " + r.mona}, "Content-Type": {"application/json"}}
	if a, err := impatient.Do(request); err == nil {
		a.Body.Close()
		t.Fatal("it was answered in time")
	}
	if n := r.s.Created(); n != 0 {
		t.Errorf("%d made too early", n)
	}
	for deadline := time.Now().Add(5 * time.Second); r.s.Created() == 0; <-time.After(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it is never done")
		}
	}
}
