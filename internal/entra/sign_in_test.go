package entra

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/patdesk/patdesk/internal/simulator"
)

func TestAuthorizationRequest(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Options{})
	address, a := w.begin(BeginOptions{LoginHint: mona, Prompt: "login"})
	q := address.Query()
	for name, want := range map[string]string{
		"client_id": w.sim.ClientID(), "redirect_uri": redirectURI, "response_type": "code", "response_mode": "query",
		"scope": apiScope + " openid profile offline_access", "state": a.State, "nonce": a.Nonce,
		"code_challenge": challengeOf(a.Verifier), "code_challenge_method": "S256", "login_hint": mona, "prompt": "login",
	} {
		if got := q[name]; len(got) != 1 || got[0] != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	for _, secret := range []string{a.Verifier, w.sim.ClientSecret()} {
		if strings.Contains(address.String(), secret) {
			t.Error("the address holds a secret")
		}
	}
	if !strings.Contains(q.Get("claims"), "cp1") {
		t.Errorf("the capability cp1 isn't declared: claims is %q", q.Get("claims"))
	}
	if w.begin(BeginOptions{}); w.sim.Calls(simulator.CallMetadata) != 1 {
		t.Errorf("%d calls for the metadata", w.sim.Calls(simulator.CallMetadata))
	}
	if a.Started.IsZero() || len(a.Verifier) < 43 || len(a.Verifier) > 128 { // RFC 7636, section 4.1
		t.Errorf("attempt started %s with a verifier of %d characters", a.Started, len(a.Verifier))
	}
}

// RFC 7636, appendix B.
func TestChallenge(t *testing.T) {
	t.Parallel()
	if got := challengeOf("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"); got != "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM" {
		t.Errorf("got %s", got)
	}
}

func TestEachAttemptIsItsOwn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Options{})
	seen := map[string]bool{}
	for range 50 {
		_, a := w.begin(BeginOptions{})
		for _, s := range []string{a.State, a.Nonce, a.Verifier} {
			if len(s) < 43 || seen[s] { // 256 bits
				t.Fatalf("a repeated or short random value")
			}
			seen[s] = true
		}
	}
}

func TestPromptsAndHints(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Options{})
	for prompt, want := range map[string]string{"": "", "select_account": "select_account", "login": "login", "consent": "consent", "none": "", "evil&x=y": ""} {
		address, _ := w.begin(BeginOptions{Prompt: prompt})
		if got := address.Query().Get("prompt"); got != want {
			t.Errorf("prompt %q became %q", prompt, got)
		}
		if address.Query().Has("login_hint") {
			t.Error("a hint that nobody gave")
		}
	}
}

// Claims that don't fit into an address are refused before Entra does: leaving them out would ask for the same sign-in
// again and again.
func TestClaimsThatAreTooLong(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Options{})
	ofLength := func(escaped int) string {
		return `{"a":"` + strings.Repeat("x", escaped-len(url.QueryEscape(`{"a":""}`))) + `"}`
	}
	for claims, fits := range map[string]bool{
		"": true, ofLength(300): true, ofLength(maxClaims): true, "  " + ofLength(maxClaims) + "\n": true,
		ofLength(maxClaims + 1): false, ofLength(4000): false, `{"a":"` + strings.Repeat("ü", maxClaims/6) + `"}`: false,
	} {
		address, _, err := w.Begin(t.Context(), BeginOptions{RedirectURI: redirectURI, Claims: claims, LoginHint: mona})
		if e := new(Error); FitsSignIn(claims) != fits || (err == nil) != fits || err != nil && (!errors.As(err, &e) || e.Kind != KindTooLong) || len(address) > maxAddress {
			t.Errorf("%d bytes of claims: %v, an address of %d bytes", len(claims), err, len(address))
		}
	}
	long := "https://patdesk.example/" + strings.Repeat("p", 1200)
	if _, _, err := w.Begin(t.Context(), BeginOptions{RedirectURI: long, Claims: ofLength(maxClaims)}); err == nil {
		t.Error("an address that is too long in all was made")
	}
	if e := classify(oauthError{Error: "invalid_request", Description: "AADSTS90015: Requested query string is too long."}); e.Kind != KindTooLong || e.AADSTS != "90015" {
		t.Errorf("Entra's own refusal: %+v", e)
	}
}

// A claims challenge is merged with the capability; what isn't a JSON object is left out.
func TestClaimsOfAChallenge(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Options{})
	const challenge = `{"access_token":{"nbf":{"essential":true,"value":"1700000000"}}}`
	address, a := w.begin(BeginOptions{Claims: challenge})
	var got map[string]map[string]map[string]any
	if err := json.Unmarshal([]byte(address.Query().Get("claims")), &got); err != nil {
		t.Fatal(err)
	}
	if got["access_token"]["nbf"]["value"] != "1700000000" || got["access_token"]["xms_cc"] == nil || a.Claims != challenge {
		t.Errorf("claims %v, kept %q", got, a.Claims)
	}
	if _, _, err := w.Finish(t.Context(), a, w.approve(address, mona)); err != nil {
		t.Fatal(err)
	}
	requests := w.sim.Requests()
	form, err := url.ParseQuery(requests[slices.IndexFunc(requests, func(r simulator.Request) bool { return r.Call == simulator.CallToken })].Body)
	if err != nil || !strings.Contains(form.Get("claims"), "1700000000") {
		t.Errorf("the code was redeemed with claims %q", form.Get("claims"))
	}
	for _, bad := range []string{"eyJhIjoxfQ==", "null", "[]", "1", `{"a":1}{"b":2}`, "{"} {
		if _, a := w.begin(BeginOptions{Claims: bad}); a.Claims != "" {
			t.Errorf("%.20q was taken as claims", bad)
		}
	}
}

func TestSignIn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Options{})
	id, c := w.signedIn()
	p := w.sim.People()[0]
	want := Identity{TenantID: p.TenantID, ObjectID: p.ObjectID, Name: p.Name, Username: p.Username, Account: p.ObjectID + "." + p.TenantID}
	if id != want {
		t.Errorf("got %+v", id)
	}
	w.token(c, id.Account)
	calls := w.sim.AllCalls()
	if calls[simulator.CallToken] != 1 || calls[simulator.CallMetadata] != 1 || calls[simulator.CallJWKS] != 1 {
		t.Errorf("the first sign-in cost %v", calls)
	}
	w.sim.ResetCalls()
	if _, _, err := w.finish(simulator.Jonas); err != nil {
		t.Fatal(err)
	}
	calls = w.sim.AllCalls()
	if calls[simulator.CallToken] != 1 || calls[simulator.CallMetadata] != 0 || calls[simulator.CallJWKS] != 0 {
		t.Errorf("the second sign-in cost %v", calls)
	}
}

// The attempt comes back from a store as JSON.
func TestAttemptAsJSON(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Options{})
	address, a := w.begin(BeginOptions{})
	stored, err := json.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	var b Attempt
	if err := json.Unmarshal(stored, &b); err != nil {
		t.Fatal(err)
	}
	if _, _, err := w.Finish(t.Context(), b, w.approve(address, mona)); err != nil {
		t.Error(err)
	}
}

func TestTenTabsInAnyOrder(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Options{})
	type tab struct {
		attempt Attempt
		back    url.Values
	}
	var tabs []tab
	for i := range 10 {
		address, a := w.begin(BeginOptions{})
		tabs = append(tabs, tab{a, w.approve(address, []string{mona, simulator.Jonas}[i%2])})
	}
	for _, i := range []int{7, 2, 9, 0, 4, 1, 8, 3, 6, 5} {
		id, _, err := w.Finish(t.Context(), tabs[i].attempt, tabs[i].back)
		if err != nil || id.Username != []string{mona, simulator.Jonas}[i%2] {
			t.Errorf("tab %d: %q, %v", i, id.Username, err)
		}
	}
}

// Nothing is sent to Entra for a redirect that doesn't fit the attempt.
func TestForgedRedirects(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Options{})
	_, a := w.begin(BeginOptions{})
	_, other := w.begin(BeginOptions{})
	for name, q := range map[string]url.Values{
		"nothing":         {},
		"no state":        {"code": {"c"}},
		"empty state":     {"code": {"c"}, "state": {""}},
		"wrong state":     {"code": {"c"}, "state": {strings.Repeat("A", 43)}},
		"part of a state": {"code": {"c"}, "state": {a.State[:42]}},
		"another's state": {"code": {"c"}, "state": {other.State}},
		"state twice":     {"code": {"c"}, "state": {a.State, a.State}},
		"state and evil":  {"code": {"c"}, "state": {a.State, "evil"}},
		"code twice":      {"code": {"c", "d"}, "state": {a.State}},
		"error twice":     {"error": {"access_denied", "x"}, "state": {a.State}},
		"iss twice":       {"code": {"c"}, "state": {a.State}, "iss": {host + "/" + simulator.DefaultTenantID + "/v2.0", "https://evil.example"}},
		"neither":         {"state": {a.State}},
		"empty code":      {"state": {a.State}, "code": {""}},
		"error, no state": {"error": {"access_denied"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, blob, err := w.Finish(t.Context(), a, q)
			wantKind(t, err, KindForged)
			if blob != nil {
				t.Error("there is a token cache")
			}
		})
	}
	if _, _, err := w.Finish(t.Context(), Attempt{Started: time.Now()}, url.Values{"code": {"c"}, "state": {""}}); kindOf(err) != KindForged {
		t.Errorf("an empty attempt: %v", err)
	}
	if n := w.sim.Calls(simulator.CallToken); n != 0 {
		t.Errorf("%d token calls", n)
	}
}

func TestAttemptsGetOld(t *testing.T) {
	t.Parallel()
	for age, fine := range map[time.Duration]bool{
		0: true, 15 * time.Minute: true, 15*time.Minute + time.Second: false, 24 * time.Hour: false,
		-clockSkew: true, -clockSkew - time.Second: false, // begun by a replica whose clock is ahead
	} {
		bubble(t, func(t *testing.T) {
			var now time.Time
			w, f := newFakeWorld(t, func(o *Options) { o.Now = func() time.Time { return now } })
			now = time.Now()
			_, a := w.begin(BeginOptions{})
			f.set(func(f *fake) { f.nonce = a.Nonce })
			now = now.Add(age)
			_, _, err := w.Finish(t.Context(), a, backWith(a))
			if fine && err != nil || !fine && (kindOf(err) != KindExpired || f.count("token") != 0) {
				t.Errorf("after %s: %v, %d token calls", age, err, f.count("token"))
			}
		})
	}
}

func TestResponseIssuer(t *testing.T) {
	t.Parallel()
	good := host + "/" + fakeTenant + "/v2.0"
	for name, c := range map[string]struct {
		advertised bool
		iss        []string
		fine       bool
		calls      int // of the token endpoint
	}{
		"absent":                {fine: true, calls: 1},
		"absent but advertised": {advertised: true},
		"equal":                 {iss: []string{good}, fine: true, calls: 1},
		"equal and advertised":  {advertised: true, iss: []string{good}, fine: true, calls: 1},
		"another host":          {iss: []string{"https://evil.example/" + fakeTenant + "/v2.0"}},
		"another version":       {iss: []string{host + "/" + fakeTenant + "/v1.0"}},
		"empty":                 {iss: []string{""}},
		"empty and advertised":  {advertised: true, iss: []string{""}},
		"template":              {iss: []string{host + "/{tenantid}/v2.0"}, calls: 1}, // told apart once the tenant is known
		"another tenant":        {iss: []string{host + "/" + simulator.OtherTenantID + "/v2.0"}, calls: 1},
		"longer":                {iss: []string{good + "/"}},
	} {
		t.Run(name, func(t *testing.T) {
			w, f := newFakeWorld(t)
			f.metadata = map[string]any{"authorization_response_iss_parameter_supported": c.advertised}
			_, a := w.begin(BeginOptions{})
			f.set(func(f *fake) { f.nonce = a.Nonce })
			q := backWith(a)
			if c.iss != nil {
				q["iss"] = c.iss
			}
			_, _, err := w.Finish(t.Context(), a, q)
			if c.fine != (err == nil) || !c.fine && kindOf(err) != KindForged {
				t.Errorf("got %v", err)
			}
			if f.count("token") != c.calls {
				t.Errorf("%d token calls", f.count("token"))
			}
		})
	}
	w := newWorld(t, simulator.Options{ResponseIssuer: true})
	if _, _, err := w.finish(mona); err != nil {
		t.Errorf("at the simulator: %v", err)
	}
	w.sim.SetFault("wrongResponseIssuer", simulator.FaultOptions{})
	_, _, err := w.finish(mona)
	wantKind(t, err, KindForged)
}

// The same holds for an error: without it, anybody could make people believe that their administrator has to act.
func TestResponseIssuerOfAnError(t *testing.T) {
	t.Parallel()
	w, f := newFakeWorld(t)
	f.metadata = map[string]any{"authorization_response_iss_parameter_supported": true}
	_, a := w.begin(BeginOptions{})
	q := url.Values{"state": {a.State}, "error": {"access_denied"}}
	_, _, err := w.Finish(t.Context(), a, q)
	wantKind(t, err, KindForged)
	q.Set("iss", host+"/"+fakeTenant+"/v2.0")
	_, _, err = w.Finish(t.Context(), a, q)
	wantKind(t, err, KindDeclined)
}

// With the metadata out of reach it can't be said if the issuer fits, but nobody is accused of forging.
func TestResponseIssuerWithoutMetadata(t *testing.T) {
	t.Parallel()
	w, f := newFakeWorld(t)
	_, a := w.begin(BeginOptions{})
	f.set(func(f *fake) { f.document = raw(http.StatusServiceUnavailable, "text/html", "down") })
	_, _, err := w.another().Finish(t.Context(), a, backWith(a, "iss", host+"/"+fakeTenant+"/v2.0"))
	wantKind(t, err, KindUnavailable)
}

// description is like Entra's: with numbers and ids, and with what must not get anywhere.
func description(number string) string {
	return "AADSTS" + number + ": canary-description <script>alert(1)</script>\r\nTrace ID: 5f0b1f0e-1111-4222-8333-444455556666\r\n" +
		"Correlation ID: 0d9e8c7b-aaaa-4bbb-8ccc-ddddeeeeffff\r\nTimestamp: 2026-11-22 10:00:00Z"
}

func TestErrorsOnTheRedirectURI(t *testing.T) {
	t.Parallel()
	w, f := newFakeWorld(t)
	for _, c := range []struct {
		code, number, subcode string
		want                  Kind
	}{
		{"access_denied", "", "", KindDeclined},
		{"access_denied", "65004", "", KindDeclined},
		{"access_denied", "", "cancel", KindDeclined},
		{"consent_required", "", "", KindConsent},
		{"consent_required", "65001", "", KindConsent},
		{"invalid_grant", "65001", "", KindConsent},
		{"interaction_required", "", "consent_required", KindConsent},
		{"access_denied", "90094", "", KindAdminApproval},
		{"consent_required", "90094", "", KindAdminApproval},
		{"access_denied", "90093", "", KindAdminApproval},
		{"access_denied", "90095", "", KindAdminApproval},
		{"interaction_required", "53003", "", KindConditionalAccess},
		{"access_denied", "53000", "", KindConditionalAccess},
		{"interaction_required", "530031", "", KindConditionalAccess},
		{"interaction_required", "50105", "", KindNotAssigned},
		{"invalid_grant", "50105", "", KindNotAssigned},
		{"access_denied", "50020", "", KindWrongTenant},
		{"invalid_request", "50020", "", KindWrongTenant},
		{"interaction_required", "50076", "", KindInteraction},
		{"interaction_required", "", "", KindInteraction},
		{"login_required", "50058", "", KindInteraction},
		{"login_required", "", "", KindInteraction},
		{"account_selection_required", "16000", "", KindInteraction},
		{"server_error", "", "", KindUnavailable},
		{"server_error", "90033", "", KindUnavailable},
		{"temporarily_unavailable", "", "", KindUnavailable},
		{"invalid_request", "", "", KindMisconfigured},
		{"unauthorized_client", "700016", "", KindMisconfigured},
		{"invalid_scope", "70011", "", KindMisconfigured},
		{"invalid_resource", "", "", KindMisconfigured},
		{"unsupported_response_type", "", "", KindMisconfigured},
		{"something_new", "99999999", "", KindOther},
		{"something_new", "", "", KindOther},
		{"<script>alert(1)</script>", "", "", KindOther},
	} {
		t.Run(c.code+c.number+c.subcode, func(t *testing.T) {
			_, a := w.begin(BeginOptions{})
			q := url.Values{"state": {a.State}, "error": {c.code}, "error_subcode": {c.subcode}, "error_description": {"canary-description"}}
			if c.number != "" {
				q.Set("error_description", description(c.number))
			}
			_, blob, err := w.Finish(t.Context(), a, q)
			e := asKind(t, err, c.want)
			if blob != nil || e.AADSTS != c.number {
				t.Errorf("blob %d bytes, AADSTS %q", len(blob), e.AADSTS)
			}
			if c.number != "" && e.CorrelationID != "0d9e8c7b-aaaa-4bbb-8ccc-ddddeeeeffff" {
				t.Errorf("correlation id %q", e.CorrelationID)
			}
			for _, text := range allTexts(err) {
				if strings.Contains(text, "canary") || strings.Contains(text, "<") {
					t.Errorf("told: %s", text)
				}
			}
		})
	}
	if f.count("token") != 0 {
		t.Error("a token was asked for")
	}
}

// What an error carries for the program isn't printed, whatever the verb.
func TestErrorsPrintNoClaims(t *testing.T) {
	t.Parallel()
	e := &Error{Kind: KindInteraction, Code: "invalid_grant", AADSTS: "50173", CorrelationID: "0d9e8c7b", Claims: "canary", Err: errors.New("for a reason")}
	const want = "entra: interaction, invalid_grant, AADSTS50173, correlation id 0d9e8c7b: for a reason"
	for _, got := range []string{e.Error(), fmt.Sprintf("%v", e), fmt.Sprintf("%+v", e), fmt.Sprintf("%#v", e), fmt.Sprintf("%s", e), e.LogValue().String()} {
		if got != want {
			t.Errorf("got %s", got)
		}
	}
}

// allTexts are an error's texts in all forms, with everything that it wraps.
func allTexts(err error) []string {
	var texts []string
	for ; err != nil; err = errors.Unwrap(err) {
		texts = append(texts, err.Error(), fmt.Sprintf("%v %+v %#v %s %q %x", err, err, err, err, err, err))
	}
	return texts
}

// Simulated faults of the sign-in page: the whole way, with the parameters as they come there.
func TestFaultsOfTheSignInPage(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Options{})
	for fault, want := range map[string]Kind{
		"accessDenied": KindDeclined, "consentRequired": KindConsent, "adminApproval": KindAdminApproval, "conditionalAccess": KindConditionalAccess,
		"notAssigned": KindNotAssigned, "wrongTenant": KindWrongTenant, "authorizeInteractionRequired": KindInteraction, "loginRequired": KindInteraction,
		"serverError": KindUnavailable, "temporarilyUnavailable": KindUnavailable, "hostileDescription": KindDeclined,
		"wrongState": KindForged, "noState": KindForged, "noCode": KindForged, "wrongResponseIssuer": KindForged,
	} {
		t.Run(fault, func(t *testing.T) {
			w.sim.SetFault(fault, simulator.FaultOptions{})
			defer w.sim.ClearFaults()
			_, _, err := w.finish(mona)
			wantKind(t, err, want)
			if n := w.sim.Calls(simulator.CallToken); n != 0 {
				t.Errorf("%d token calls", n)
			}
		})
	}
	address, a := w.begin(BeginOptions{})
	_, _, err := w.Finish(t.Context(), a, w.press(address, url.Values{"decline": {"yes"}}))
	wantKind(t, err, KindDeclined)
}

func TestCodesWorkOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Options{})
	address, a := w.begin(BeginOptions{})
	back := w.approve(address, mona)
	if _, _, err := w.Finish(t.Context(), a, back); err != nil {
		t.Fatal(err)
	}
	_, blob, err := w.Finish(t.Context(), a, back)
	e := asKind(t, err, KindInteraction)
	if blob != nil || e.AADSTS != "54005" || e.CorrelationID == "" {
		t.Errorf("%v, %d bytes", e, len(blob))
	}
}

// A code that was stolen from another attempt doesn't fit this one's verifier.
func TestCodeOfAnotherAttempt(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Options{})
	victim, _ := w.begin(BeginOptions{})
	stolen := w.approve(victim, mona)
	_, attempt := w.begin(BeginOptions{})
	stolen.Set("state", attempt.State)
	_, _, err := w.Finish(t.Context(), attempt, stolen)
	if e := asKind(t, err, KindInteraction); e.AADSTS != "501481" {
		t.Errorf("%v", e)
	}
}

func TestTokenEndpointAtSignIn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Options{})
	for fault, want := range map[string]Kind{
		"token500": KindUnavailable, "token503": KindUnavailable, "token429": KindUnavailable, "tokenHTML": KindUnavailable, "tokenCut": KindUnavailable,
		"tokenReset": KindUnavailable, "tokenResetAfterDoing": KindUnavailable, "tokenTransient": KindUnavailable,
		"invalidGrant": KindInteraction, "invalidClient": KindMisconfigured, "unauthorizedClient": KindMisconfigured,
		"interactionRequired": KindInteraction, "tokenConsentRequired": KindConsent, "tokenConditionalAccess": KindConditionalAccess,
		"noIDToken": KindForged, "noAccessToken": KindUnavailable,
	} {
		t.Run(fault, func(t *testing.T) {
			w.sim.SetFault(fault, simulator.FaultOptions{RetryAfter: 7 * time.Second})
			defer w.sim.ClearFaults()
			_, blob, err := w.finish(mona)
			e := asKind(t, err, want)
			if blob != nil {
				t.Error("there is a token cache")
			}
			if busy := fault == "token503" || fault == "token429"; busy && e.RetryAfter != 7*time.Second {
				t.Errorf("wait %s", e.RetryAfter)
			}
			if fault == "interactionRequired" && !strings.Contains(e.Claims, "capolids") {
				t.Errorf("claims %q", e.Claims)
			}
		})
	}
	for _, fault := range []string{"noClientInfo", "noRefreshToken", "scopeDeclined", "shortAccessToken", "refreshInNow"} {
		t.Run(fault, func(t *testing.T) {
			w.sim.SetFault(fault, simulator.FaultOptions{Times: 1})
			id, c := w.signedIn()
			w.token(c, id.Account)
		})
	}
}

// Whoever leaves while signing in isn't waited for.
func TestSignInIsGivenUp(t *testing.T) {
	t.Parallel()
	w, f := newFakeWorld(t)
	arrived, gate := make(chan struct{}), make(chan struct{})
	f.instead = func(w http.ResponseWriter, _ *http.Request) { close(arrived); <-gate }
	defer close(gate)
	_, a := w.begin(BeginOptions{})
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-arrived; cancel() }()
	_, _, err := w.Finish(ctx, a, backWith(a))
	wantKind(t, err, KindUnavailable)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// Entra's own refusal can ask for more than fits, too.
func TestLongClaimsOfARefusal(t *testing.T) {
	for n, want := range map[int]Kind{0: KindInteraction, 300: KindInteraction, 2000: KindTooLong, 100000: KindTooLong} {
		refusal := classify(oauthError{Error: "interaction_required", Codes: []int{50076}, Claims: `{"a":"` + strings.Repeat("x", n) + `"}`})
		if refusal.Kind != want || (refusal.Claims == "") != (want == KindTooLong) {
			t.Errorf("%d bytes: %v, claims %q", n, refusal, refusal.Claims)
		}
	}
}
