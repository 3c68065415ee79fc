package simulator_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/patdesk/patdesk/internal/simulator"
)

// press sends a form of the panel.
func press(t *testing.T, s *simulator.Simulator, form url.Values, header http.Header) reply {
	t.Helper()
	if header == nil {
		header = http.Header{}
	}
	header.Set("Content-Type", "application/x-www-form-urlencoded")
	return do(t, s.Client(), http.MethodPost, s.PanelURL(), header, strings.NewReader(form.Encode()))
}

func TestPanelShowsEveryFault(t *testing.T) {
	t.Parallel()
	s := start(t, simulator.Options{})
	page := do(t, s.Client(), http.MethodGet, s.PanelURL(), nil, nil)
	if page.status != http.StatusOK || !strings.Contains(page.header.Get("Content-Security-Policy"), "default-src 'none'") {
		t.Fatalf("%d %v", page.status, page.header)
	}
	for _, f := range simulator.Faults() {
		if !strings.Contains(page.body, `value="`+f.Name+`"`) {
			t.Errorf("%s isn't there", f.Name)
		}
	}
	if strings.Contains(page.body, "<script") {
		t.Error("it has a script")
	}
	style := do(t, s.Client(), http.MethodGet, s.PanelURL()+"/style.css", nil, nil)
	if style.header.Get("Content-Type") != "text/css; charset=utf-8" || len(style.body) < 1000 {
		t.Errorf("style: %d %v", style.status, style.header)
	}
	if root := do(t, s.Client(), http.MethodGet, s.BrowserURL()+"/", nil, nil); root.header.Get("Location") != "/simulator" {
		t.Errorf("the root leads to %q", root.header.Get("Location"))
	}
	if a := do(t, s.Client(), http.MethodDelete, s.PanelURL(), nil, nil); a.status != http.StatusMethodNotAllowed {
		t.Errorf("DELETE: %d", a.status)
	}
}

func TestPanelSwitchesFaults(t *testing.T) {
	t.Parallel()
	s := start(t, simulator.Options{})
	a := press(t, s, url.Values{"fault": {"serverError500"}, "call": {"list"}, "organization": {"contoso"}, "times": {"once"}}, nil)
	if a.status != http.StatusSeeOther || !slices.Equal(s.ActiveFaults(), []string{"serverError500"}) {
		t.Fatalf("%d %q", a.status, s.ActiveFaults())
	}
	page := do(t, s.Client(), http.MethodGet, s.PanelURL(), nil, nil)
	if !strings.Contains(page.body, "<code>serverError500</code>: once, only list, only in contoso") {
		t.Errorf("what is on isn't shown")
	}
	mona := bearer(t, s, simulator.Mona)
	for _, want := range []int{500, 200} {
		if got := api(t, s, mona, http.MethodGet, pats("contoso", ""), nil); got.status != want {
			t.Errorf("%d, not %d", got.status, want)
		}
	}
	if page = do(t, s.Client(), http.MethodGet, s.PanelURL(), nil, nil); !strings.Contains(page.body, "<td>500</td><td>serverError500</td>") || strings.Contains(page.body, mona) {
		t.Error("the last requests aren't shown, or with the bearer")
	}
	press(t, s, url.Values{"fault": {"patTokenError:accessDenied"}}, nil)
	press(t, s, url.Values{"do": {"clear"}}, nil)
	if len(s.ActiveFaults()) != 0 {
		t.Errorf("left: %q", s.ActiveFaults())
	}
	if a := press(t, s, url.Values{"fault": {"<b>nothing"}}, nil); a.status != http.StatusBadRequest || !strings.Contains(a.body, "&lt;b&gt;nothing") {
		t.Errorf("an unknown fault: %d", a.status)
	}
}

func TestPanelActsAtOnce(t *testing.T) {
	t.Parallel()
	s := start(t, simulator.Options{})
	signedIn := signIn(t, s, simulator.Mona, nil)
	press(t, s, url.Values{"do": {"expire"}}, nil)
	if a := api(t, s, text(signedIn, "access_token"), http.MethodGet, pats("contoso", ""), nil); a.status != http.StatusNonAuthoritativeInfo {
		t.Errorf("expired: %d", a.status)
	}
	press(t, s, url.Values{"do": {"revoke"}}, nil)
	checkOAuth(t, tokenCall(t, s, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {text(signedIn, "refresh_token")}}), "invalid_grant 50173")
	press(t, s, url.Values{"do": {"rotate"}}, nil)
	again := signIn(t, s, simulator.Mona, nil)
	if strings.Split(text(again, "id_token"), ".")[0] == strings.Split(text(signedIn, "id_token"), ".")[0] {
		t.Error("the same key")
	}
}

// The measures that tests set can be set on the page too, each at the faults that go by it.
func TestPanelTakesMeasures(t *testing.T) {
	t.Parallel()
	s := start(t, simulator.Options{})
	mona := bearer(t, s, simulator.Mona)
	list := func(form url.Values) reply {
		t.Helper()
		if a := press(t, s, form, nil); a.status != http.StatusSeeOther {
			t.Fatalf("%v: %d", form, a.status)
		}
		defer press(t, s, url.Values{"do": {"clear"}}, nil)
		return api(t, s, mona, http.MethodGet, pats("contoso", ""), nil)
	}
	if a := list(url.Values{"fault": {"throttled429"}, "measure": {" 7 "}}); a.header.Get("Retry-After") != "7" {
		t.Errorf("Retry-After: %q", a.header.Get("Retry-After"))
	}
	if a := list(url.Values{"fault": {"cutJSON"}, "measure": {"9"}}); len(a.body) != 9 {
		t.Errorf("%d bytes", len(a.body))
	}
	if a := list(url.Values{"fault": {"hang"}, "measure": {"0.001"}}); a.status != http.StatusOK {
		t.Errorf("after a short delay: %d", a.status)
	}
	press(t, s, url.Values{"fault": {"patTokenError:accessDenied"}, "other": {"neverHeardOf"}}, nil)
	if a := api(t, s, mona, http.MethodGet, pats("contoso", "&authorizationId=x"), nil); !strings.Contains(a.body, "neverHeardOf") {
		t.Errorf("another value: %s", a.body)
	}
	for _, bad := range []string{"soon", "-1", "NaN", "1e300"} {
		if a := press(t, s, url.Values{"fault": {"throttled429"}, "measure": {bad}}, nil); a.status != http.StatusBadRequest || !strings.Contains(a.body, "Retry-After in seconds: that") {
			t.Errorf("%q: %d", bad, a.status)
		}
	}
	fields := strings.Count(do(t, s.Client(), http.MethodGet, s.PanelURL(), nil, nil).body, `name="measure"`)
	if fields < 20 {
		t.Errorf("%d fields for measures", fields)
	}
}

// A web site that is visited while the demo runs can't switch faults.
func TestPanelRefusesOtherSites(t *testing.T) {
	t.Parallel()
	s := start(t, simulator.Options{})
	form := url.Values{"fault": {"hang"}}
	for name, header := range map[string]http.Header{
		"another origin": {"Origin": {"https://evil.example"}},
		"another site":   {"Sec-Fetch-Site": {"cross-site"}},
	} {
		if a := press(t, s, form, header); a.status != http.StatusForbidden {
			t.Errorf("%s: %d", name, a.status)
		}
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.PanelURL(), strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	r.Host = "rebound.evil.example"
	a, err := s.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	a.Body.Close()
	if a.StatusCode != http.StatusMisdirectedRequest || len(s.ActiveFaults()) != 0 {
		t.Errorf("a name that leads here: %d, %q", a.StatusCode, s.ActiveFaults())
	}
	if ok := press(t, s, form, http.Header{"Origin": {s.BrowserURL()}, "Sec-Fetch-Site": {"same-origin"}}); ok.status != http.StatusSeeOther {
		t.Errorf("its own form: %d", ok.status)
	}
}
