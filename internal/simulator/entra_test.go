package simulator_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/patdesk/patdesk/internal/simulator"
	"github.com/patdesk/patdesk/internal/testkit"
)

func TestMetadata(t *testing.T) {
	t.Parallel()
	s := start(t, simulator.Options{})
	shared := getJSON(t, s, s.Authority()+"/v2.0/.well-known/openid-configuration")
	home := getJSON(t, s, s.TenantAuthority(simulator.DefaultTenantID)+"/v2.0/.well-known/openid-configuration")
	for _, c := range []struct{ what, got, want string }{
		{"issuer for any tenant", text(shared, "issuer"), s.Endpoint() + "/{tenantid}/v2.0"},
		{"issuer for one tenant", text(home, "issuer"), s.Endpoint() + "/" + simulator.DefaultTenantID + "/v2.0"},
		{"token endpoint", text(shared, "token_endpoint"), s.Endpoint() + "/organizations/oauth2/v2.0/token"},
		{"authorization endpoint", text(shared, "authorization_endpoint"), s.BrowserURL() + "/organizations/oauth2/v2.0/authorize"},
		{"sign-out", text(shared, "end_session_endpoint"), s.BrowserURL() + "/organizations/oauth2/v2.0/logout"},
	} {
		if c.got != c.want {
			t.Errorf("%s: %q, not %q", c.what, c.got, c.want)
		}
	}
	if !strings.HasPrefix(s.BrowserURL(), "http://") || !strings.HasPrefix(s.Endpoint(), "https://") {
		t.Errorf("browsers at %s, machines at %s", s.BrowserURL(), s.Endpoint())
	}
	unknown := do(t, s.Client(), http.MethodGet, s.Endpoint()+"/nowhere.example/v2.0/.well-known/openid-configuration", nil, nil)
	if unknown.status != http.StatusBadRequest || !strings.Contains(unknown.body, "AADSTS90002") {
		t.Errorf("unknown tenant: %d %s", unknown.status, unknown.body)
	}
	if s.Calls(simulator.CallMetadata) != 3 {
		t.Errorf("%d metadata calls", s.Calls(simulator.CallMetadata))
	}
}

// Machines' addresses aren't served to browsers, where nothing is encrypted.
func TestPlainListenerServesBrowsersOnly(t *testing.T) {
	t.Parallel()
	s := start(t, simulator.Options{})
	for _, path := range []string{"/organizations/v2.0/.well-known/openid-configuration", "/organizations/oauth2/v2.0/token", "/contoso/_apis/tokens/pats", "/_apis/accounts"} {
		if a := do(t, s.Client(), http.MethodGet, s.BrowserURL()+path, nil, nil); a.status != http.StatusNotFound {
			t.Errorf("%s: %d", path, a.status)
		}
	}
}

func TestOneHandlerForAll(t *testing.T) {
	t.Parallel()
	s := simulator.New(simulator.Options{RedirectURIs: []string{redirectURI}})
	defer s.Close()
	srv := httptest.NewTLSServer(s.Handler())
	defer srv.Close()
	a := do(t, srv.Client(), http.MethodGet, srv.URL+"/common/v2.0/.well-known/openid-configuration", nil, nil)
	if got := text(a.object(t), "authorization_endpoint"); got != srv.URL+"/common/oauth2/v2.0/authorize" {
		t.Errorf("authorize at %s", got)
	}
}

func TestStartTLSGivesBrowsersTLS(t *testing.T) {
	t.Parallel()
	s := simulator.New(simulator.Options{RedirectURIs: []string{redirectURI}})
	if err := s.StartTLS(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if s.BrowserURL() != s.Endpoint() {
		t.Errorf("browsers at %s, machines at %s", s.BrowserURL(), s.Endpoint())
	}
	if text(signIn(t, s, simulator.Mona, nil), "access_token") == "" {
		t.Error("no access token")
	}
	if err := s.Start(t.Context()); err == nil {
		t.Error("started twice")
	}
}

func TestCertificateIsTrustedByItsOwnAuthorityOnly(t *testing.T) {
	t.Parallel()
	s := start(t, simulator.Options{})
	stranger := &http.Client{Transport: &http.Transport{}}
	if a := do(t, stranger, http.MethodGet, s.Authority(), nil, nil); a.err == nil {
		t.Error("trusted by everybody")
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(s.CertPEM()) || !pool.Equal(s.CertPool()) {
		t.Error("CertPEM and CertPool differ")
	}
}

func TestStopsWithItsContext(t *testing.T) {
	t.Parallel()
	s := simulator.New(simulator.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	if err := s.Start(ctx); err != nil {
		t.Fatal(err)
	}
	cancel()
	deadline := time.Now().Add(5 * time.Second)
	for {
		a := do(t, s.Client(), http.MethodGet, s.Authority()+"/v2.0/.well-known/openid-configuration", nil, nil)
		if a.err != nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("still serving")
		}
	}
}

func TestAuthorizeRefusesOnThePage(t *testing.T) {
	t.Parallel()
	s := start(t, simulator.Options{})
	_, challenge := pkce()
	for name, extra := range map[string]map[string]string{
		"unknown client":            {"client_id": "0"},
		"no client":                 {"client_id": ""},
		"other redirect URI":        {"redirect_uri": "http://localhost:5000/getatoken"},
		"redirect URI with a slash": {"redirect_uri": redirectURI + "/"},
		"other port":                {"redirect_uri": "http://localhost:5001/getAToken"},
		"no redirect URI":           {"redirect_uri": ""},
	} {
		all := map[string]string{"code_challenge": challenge, "code_challenge_method": "S256"}
		for k, v := range extra {
			all[k] = v
		}
		address := authorizeURL(t, s, all)
		a := do(t, s.Client(), http.MethodGet, address, nil, nil)
		if a.status != http.StatusBadRequest || a.header.Get("Location") != "" || !strings.Contains(a.body, "AADSTS") {
			t.Errorf("%s: %d %s", name, a.status, a.header.Get("Location"))
		}
		if _, err := testkit.Approve(t.Context(), s, address, simulator.Mona); err == nil {
			t.Errorf("%s: approved", name)
		}
	}
	twice := authorizeURL(t, s, nil) + "&state=another"
	if a := do(t, s.Client(), http.MethodGet, twice, nil, nil); a.status != http.StatusBadRequest {
		t.Errorf("two states: %d", a.status)
	}
}

func TestAuthorizeRefusesOnTheRedirectURI(t *testing.T) {
	t.Parallel()
	s := start(t, simulator.Options{})
	_, challenge := pkce()
	for name, c := range map[string]struct {
		extra map[string]string
		want  string
	}{
		"no response type":     {map[string]string{"response_type": ""}, "invalid_request"},
		"token response type":  {map[string]string{"response_type": "token"}, "unsupported_response_type"},
		"form_post":            {map[string]string{"response_mode": "form_post"}, "invalid_request"},
		"no scope":             {map[string]string{"scope": ""}, "invalid_request"},
		"unknown scope":        {map[string]string{"scope": "openid everything"}, "invalid_scope"},
		"default with another": {map[string]string{"scope": resource + "/.default " + resource + "/vso.pats"}, "invalid_scope"},
		"not consented":        {map[string]string{"scope": resource + "/vso.code"}, "invalid_grant"},
		"unknown prompt":       {map[string]string{"prompt": "admin_consent"}, "invalid_request"},
		"claims in base64":     {map[string]string{"claims": "eyJhY2Nlc3NfdG9rZW4iOnt9fQ=="}, "invalid_request"},
		"no PKCE":              {map[string]string{"code_challenge": "", "code_challenge_method": ""}, "invalid_request"},
		"plain PKCE":           {map[string]string{"code_challenge_method": "plain"}, "invalid_request"},
		"short challenge":      {map[string]string{"code_challenge": "short"}, "invalid_request"},
		"silent":               {map[string]string{"prompt": "none"}, "login_required"},
	} {
		all := map[string]string{"code_challenge": challenge, "code_challenge_method": "S256"}
		for k, v := range c.extra {
			all[k] = v
		}
		a := do(t, s.Client(), http.MethodGet, authorizeURL(t, s, all), nil, nil)
		back, err := url.Parse(a.header.Get("Location"))
		if err != nil || a.status != http.StatusFound {
			t.Errorf("%s: %d %v", name, a.status, err)
			continue
		}
		q := back.Query()
		if !strings.HasPrefix(back.String(), redirectURI+"?") || q.Get("error") != c.want || q.Get("state") != "the state/+?" ||
			!strings.Contains(q.Get("error_description"), "Trace ID: ") {
			t.Errorf("%s: %s", name, back)
		}
	}
}

func TestSignInPage(t *testing.T) {
	t.Parallel()
	s := start(t, simulator.Options{})
	_, challenge := pkce()
	address := authorizeURL(t, s, map[string]string{"code_challenge": challenge, "code_challenge_method": "S256"})
	a := do(t, s.Client(), http.MethodGet, address, nil, nil)
	for _, want := range []string{"Demo sign-in: nothing real", ">Continue as Mona Rivera</button>", ">Continue as Jonas Weber</button>", ">Decline</button>"} {
		if !strings.Contains(a.body, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if csp := a.header.Get("Content-Security-Policy"); !strings.Contains(csp, "form-action 'self' http://localhost:5000") {
		t.Errorf("browsers would block the redirect: %q", csp)
	}
	back, err := testkit.Decline(t.Context(), s, address)
	if err != nil || back.Query().Get("error") != "access_denied" || back.Query().Get("state") != "the state/+?" {
		t.Errorf("declined: %v %v", back, err)
	}
	hinted := do(t, s.Client(), http.MethodGet, address+"&login_hint="+simulator.Jonas, nil, nil)
	if strings.Index(hinted.body, "Jonas") > strings.Index(hinted.body, "Mona") {
		t.Error("the hinted person isn't the first")
	}
	cross := do(t, s.Client(), http.MethodPost, address, http.Header{"Origin": {"https://evil.example"},
		"Content-Type": {"application/x-www-form-urlencoded"}}, strings.NewReader("person="+simulator.Mona))
	if cross.status != http.StatusForbidden {
		t.Errorf("a form of another site: %d", cross.status)
	}
}

func TestWrongTenantAtASingleTenantAuthority(t *testing.T) {
	t.Parallel()
	s := start(t, simulator.Options{})
	_, challenge := pkce()
	address := authorizeURL(t, s, map[string]string{"code_challenge": challenge, "code_challenge_method": "S256"})
	address = strings.Replace(address, "/organizations/", "/"+simulator.DefaultTenantID+"/", 1)
	back, err := testkit.Approve(t.Context(), s, address, simulator.Aiko)
	if err != nil || !strings.Contains(back.Query().Get("error_description"), "AADSTS50020") {
		t.Errorf("%v %v", back, err)
	}
	if back, err = testkit.Approve(t.Context(), s, address, simulator.Mona); err != nil || back.Query().Get("code") == "" {
		t.Errorf("the tenant's own person: %v %v", back, err)
	}
}

func TestSignOut(t *testing.T) {
	t.Parallel()
	s := start(t, simulator.Options{})
	s.SetPostLogoutURIs("http://localhost:5000/")
	for back, want := range map[string]string{
		"http://localhost:5000/": "http://localhost:5000/?state=s",
		redirectURI:              redirectURI + "?state=s",
		"https://evil.example/":  "",
		"":                       "",
	} {
		a := do(t, s.Client(), http.MethodGet, s.BrowserURL()+"/organizations/oauth2/v2.0/logout?state=s&post_logout_redirect_uri="+url.QueryEscape(back), nil, nil)
		if a.header.Get("Location") != want {
			t.Errorf("%q leads to %q", back, a.header.Get("Location"))
		}
	}
	s.SetPostLogoutURIs("https://pat.example/")
	s.SetRedirectURIs()
	if a := do(t, s.Client(), http.MethodGet, s.BrowserURL()+"/organizations/oauth2/v2.0/logout?post_logout_redirect_uri=http://localhost:5000/", nil, nil); a.header.Get("Location") != "" {
		t.Error("an address that isn't registered any more")
	}
}

func TestTokenAnswer(t *testing.T) {
	t.Parallel()
	s := start(t, simulator.Options{RefreshIn: 30 * time.Minute})
	a := signIn(t, s, simulator.Mona, nil)
	scope := strings.Fields(text(a, "scope"))
	if text(a, "token_type") != "Bearer" || a["expires_in"] != 4500.0 || a["refresh_in"] != 1800.0 ||
		text(a, "refresh_token") == "" || len(scope) != 4 || scope[len(scope)-1] != resource+"/.default" {
		t.Errorf("%v", a)
	}
	info, err := base64.RawURLEncoding.DecodeString(text(a, "client_info"))
	if err != nil || !strings.Contains(string(info), `"utid":"`+simulator.DefaultTenantID+`"`) {
		t.Errorf("client_info %s %v", info, err)
	}
}

// idClaims checks an ID token against the published keys and returns its claims.
func idClaims(t *testing.T, s *simulator.Simulator, raw string) (map[string]any, error) {
	t.Helper()
	meta := getJSON(t, s, s.Authority()+"/v2.0/.well-known/openid-configuration")
	keys := do(t, s.Client(), http.MethodGet, text(meta, "jwks_uri"), nil, nil)
	var set jose.JSONWebKeySet
	if err := json.Unmarshal([]byte(keys.body), &set); err != nil {
		t.Fatal(err)
	}
	parsed, err := jose.ParseSignedCompact(raw, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		return nil, err
	}
	payload, err := parsed.Verify(&set)
	if err != nil {
		return nil, err
	}
	var claims map[string]any
	return claims, json.Unmarshal(payload, &claims)
}

func TestIDToken(t *testing.T) {
	t.Parallel()
	c := newClock()
	s := start(t, simulator.Options{Now: c.Now})
	claims, err := idClaims(t, s, text(signIn(t, s, simulator.Aiko, nil), "id_token"))
	if err != nil {
		t.Fatal(err)
	}
	now := float64(c.Now().Unix())
	for name, want := range map[string]any{"iss": s.Endpoint() + "/" + simulator.OtherTenantID + "/v2.0", "aud": s.ClientID(),
		"tid": simulator.OtherTenantID, "nonce": "the nonce", "name": "Aiko Tanaka", "preferred_username": simulator.Aiko,
		"ver": "2.0", "iat": now, "nbf": now, "exp": now + 3600} {
		if claims[name] != want {
			t.Errorf("%s is %v, not %v", name, claims[name], want)
		}
	}
	if text(claims, "oid") == "" || text(claims, "sub") == "" || claims["oid"] == claims["sub"] {
		t.Errorf("oid %v, sub %v", claims["oid"], claims["sub"])
	}
}

func TestRotateKeys(t *testing.T) {
	t.Parallel()
	s := start(t, simulator.Options{})
	old := text(signIn(t, s, simulator.Mona, nil), "id_token")
	s.RotateKeys()
	fresh := text(signIn(t, s, simulator.Mona, nil), "id_token")
	if strings.Split(old, ".")[0] == strings.Split(fresh, ".")[0] {
		t.Error("the same key after rotation")
	}
	for _, raw := range []string{old, fresh} {
		if _, err := idClaims(t, s, raw); err != nil {
			t.Error(err)
		}
	}
	s.RotateKeys()
	if _, err := idClaims(t, s, old); err == nil {
		t.Error("the oldest key is still published")
	}
}

func TestCodeIsChecked(t *testing.T) {
	t.Parallel()
	other := "http://localhost:5000/other"
	for name, c := range map[string]struct {
		form  url.Values
		after time.Duration
		want  string // error and number
	}{
		"all well":           {nil, 0, ""},
		"almost too late":    {nil, 10 * time.Minute, ""},
		"too late":           {nil, 10*time.Minute + time.Second, "invalid_grant 70008"},
		"unknown code":       {url.Values{"code": {"another"}}, 0, "invalid_grant 70000"},
		"no code":            {url.Values{"code": {""}}, 0, "invalid_request 900144"},
		"other redirect URI": {url.Values{"redirect_uri": {other}}, 0, "invalid_grant 500112"},
		"no redirect URI":    {url.Values{"redirect_uri": {""}}, 0, "invalid_grant 500112"},
		"wrong verifier":     {url.Values{"code_verifier": {strings.Repeat("v", 43)}}, 0, "invalid_grant 501481"},
		"no verifier":        {url.Values{"code_verifier": {""}}, 0, "invalid_grant 501481"},
		"more scope":         {url.Values{"scope": {resource + "/vso.pats"}}, 0, "invalid_grant 70000"},
		"strange scope":      {url.Values{"scope": {"everything"}}, 0, "invalid_scope 70011"},
		"broken claims":      {url.Values{"claims": {"{"}}, 0, "invalid_request 900144"},
		"no grant type":      {url.Values{"grant_type": {""}}, 0, "invalid_request 900144"},
		"password grant":     {url.Values{"grant_type": {"password"}}, 0, "unsupported_grant_type 70003"},
		"two codes":          {url.Values{"code": {"a", "b"}}, 0, "invalid_request 9000411"},
		"no client":          {url.Values{"client_id": {""}}, 0, "invalid_request 900144"},
		"other client":       {url.Values{"client_id": {"0"}}, 0, "unauthorized_client 700016"},
		"wrong secret":       {url.Values{"client_secret": {"wrong"}}, 0, "invalid_client 7000215"},
		"no secret":          {url.Values{"client_secret": {""}}, 0, "invalid_client 7000218"},
	} {
		t.Run(name, func(t *testing.T) {
			k := newClock()
			s := start(t, simulator.Options{Now: k.Now, RedirectURIs: []string{redirectURI, other}})
			got, verifier := code(t, s, simulator.Mona, nil)
			k.Move(c.after)
			form := url.Values{"grant_type": {"authorization_code"}, "code": {got}, "code_verifier": {verifier}, "redirect_uri": {redirectURI}, "scope": {scopes}}
			for k, v := range c.form {
				form[k] = v
			}
			checkOAuth(t, tokenCall(t, s, form), c.want)
		})
	}
}

// checkOAuth compares an answer of the token endpoint with "error number", "" being success.
func checkOAuth(t *testing.T, a reply, want string) {
	t.Helper()
	if want == "" {
		if a.status != http.StatusOK {
			t.Errorf("%d %s", a.status, a.body)
		}
		return
	}
	e := a.object(t)
	numbers, err := json.Marshal(e["error_codes"])
	if err != nil {
		t.Fatal(err)
	}
	if got := text(e, "error") + " " + strings.Trim(string(numbers), "[]"); got != want || a.status < 400 {
		t.Errorf("%d %s, not %s", a.status, got, want)
	}
	for _, name := range []string{"error_description", "timestamp", "trace_id", "correlation_id"} {
		if text(e, name) == "" {
			t.Errorf("no %s: %s", name, a.body)
		}
	}
}

func TestCodeIsUsedOnce(t *testing.T) {
	t.Parallel()
	s := start(t, simulator.Options{})
	c, verifier := code(t, s, simulator.Mona, nil)
	form := url.Values{"grant_type": {"authorization_code"}, "code": {c}, "code_verifier": {strings.Repeat("x", 50)}, "redirect_uri": {redirectURI}, "scope": {scopes}}
	checkOAuth(t, tokenCall(t, s, form), "invalid_grant 501481")
	form.Set("code_verifier", verifier)
	checkOAuth(t, tokenCall(t, s, form), "invalid_grant 54005")
}

func TestCodeOfAnotherTenant(t *testing.T) {
	t.Parallel()
	s := start(t, simulator.Options{})
	for tenant, want := range map[string]string{simulator.DefaultTenantID: "invalid_grant 700005", simulator.OtherTenantID: ""} {
		c, verifier := code(t, s, simulator.Aiko, nil)
		form := url.Values{"client_id": {s.ClientID()}, "client_secret": {s.ClientSecret()}, "grant_type": {"authorization_code"},
			"code": {c}, "code_verifier": {verifier}, "redirect_uri": {redirectURI}}
		checkOAuth(t, do(t, s.Client(), http.MethodPost, s.TenantAuthority(tenant)+"/oauth2/v2.0/token",
			http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}, strings.NewReader(form.Encode())), want)
	}
}

// Scopes of OpenID Connect count only if they were in the authorization request.
func TestScopesOfOpenIDConnect(t *testing.T) {
	t.Parallel()
	s := start(t, simulator.Options{})
	a := signIn(t, s, simulator.Mona, map[string]string{"scope": resource + "/.default"})
	if text(a, "id_token") != "" || text(a, "refresh_token") != "" || text(a, "access_token") == "" {
		t.Errorf("%v", a)
	}
}

func TestTokenEndpointFormat(t *testing.T) {
	t.Parallel()
	s := start(t, simulator.Options{})
	address := s.Authority() + "/oauth2/v2.0/token"
	for name, c := range map[string]struct {
		method, address, contentType, body, want string
	}{
		"GET":              {http.MethodGet, address, "", "", "invalid_request 900561"},
		"JSON":             {http.MethodPost, address, "application/json", "{}", "invalid_request 900144"},
		"in the address":   {http.MethodPost, address + "?grant_type=client_credentials&client_id=" + s.ClientID(), "application/x-www-form-urlencoded", "", "invalid_request 900144"},
		"malformed":        {http.MethodPost, address, "application/x-www-form-urlencoded", "a=%zz", "invalid_request 9000410"},
		"unknown tenant":   {http.MethodPost, s.Endpoint() + "/nowhere/oauth2/v2.0/token", "application/x-www-form-urlencoded", "", "invalid_tenant 90002"},
		"two ways to sign": {http.MethodPost, address, "application/x-www-form-urlencoded", "client_id=" + s.ClientID() + "&client_secret=a&client_assertion=b", "invalid_request 90014"},
	} {
		t.Run(name, func(t *testing.T) {
			checkOAuth(t, do(t, s.Client(), c.method, c.address, http.Header{"Content-Type": {c.contentType}}, strings.NewReader(c.body)), c.want)
		})
	}
}

func TestRefresh(t *testing.T) {
	t.Parallel()
	k := newClock()
	s := start(t, simulator.Options{Now: k.Now})
	first := text(signIn(t, s, simulator.Mona, nil), "refresh_token")
	refresh := func(token string) reply {
		return tokenCall(t, s, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}, "scope": {scopes}})
	}
	a := refresh(first)
	second := text(a.object(t), "refresh_token")
	if second == "" || second == first || text(a.object(t), "id_token") == "" {
		t.Fatalf("%s", a.body)
	}
	checkOAuth(t, refresh(first), "invalid_grant 50173")
	checkOAuth(t, refresh("unknown"), "invalid_grant 9002313")
	third := text(refresh(second).object(t), "refresh_token")
	k.Move(91 * 24 * time.Hour)
	checkOAuth(t, refresh(third), "invalid_grant 700082")
	fourth := text(signIn(t, s, simulator.Mona, nil), "refresh_token")
	s.RevokeSignIns()
	checkOAuth(t, refresh(fourth), "invalid_grant 50173")
	if n := s.Calls("token.refresh_token"); n != 6 {
		t.Errorf("%d refreshes counted", n)
	}
}

func TestRefreshInAnotherTenant(t *testing.T) {
	t.Parallel()
	s := start(t, simulator.Options{})
	token := text(signIn(t, s, simulator.Aiko, nil), "refresh_token")
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}, "client_id": {s.ClientID()}, "client_secret": {s.ClientSecret()}}
	a := do(t, s.Client(), http.MethodPost, s.TenantAuthority(simulator.DefaultTenantID)+"/oauth2/v2.0/token",
		http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}, strings.NewReader(form.Encode()))
	checkOAuth(t, a, "invalid_grant 50020")
}

func TestBasicClientAuthentication(t *testing.T) {
	t.Parallel()
	s := start(t, simulator.Options{ClientSecret: "se:cr+et/ü"})
	for secret, want := range map[string]string{"se:cr+et/ü": "", "wrong": "invalid_client 7000215"} {
		c, verifier := code(t, s, simulator.Mona, nil)
		form := url.Values{"grant_type": {"authorization_code"}, "code": {c}, "code_verifier": {verifier}, "redirect_uri": {redirectURI}}
		basic := base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(s.ClientID()) + ":" + url.QueryEscape(secret)))
		a := do(t, s.Client(), http.MethodPost, s.Authority()+"/oauth2/v2.0/token",
			http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, "Authorization": {"Basic " + basic}}, strings.NewReader(form.Encode()))
		checkOAuth(t, a, want)
	}
}

// certificate makes a key with its self-signed certificate.
func certificate(t *testing.T) (*rsa.PrivateKey, *x509.Certificate) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "app"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return key, c
}

// assertion signs a client assertion.
func assertion(t *testing.T, alg jose.SignatureAlgorithm, key *rsa.PrivateKey, c *x509.Certificate, claims map[string]any) string {
	t.Helper()
	sum := sha256.Sum256(c.Raw)
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key},
		(&jose.SignerOptions{}).WithHeader("x5t#S256", base64.StdEncoding.EncodeToString(sum[:])))
	if err != nil {
		t.Fatal(err)
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestClientAssertion(t *testing.T) {
	t.Parallel()
	s := start(t, simulator.Options{})
	key, c := certificate(t)
	strangerKey, stranger := certificate(t)
	s.RegisterCertificate(c)
	s.SetFederatedAssertions("from-the-file")
	good := func() map[string]any {
		return map[string]any{"iss": s.ClientID(), "sub": s.ClientID(), "aud": s.Authority() + "/oauth2/v2.0/token",
			"exp": time.Now().Add(time.Minute).Unix(), "nbf": time.Now().Unix()}
	}
	with := func(name string, value any) map[string]any {
		claims := good()
		claims[name] = value
		return claims
	}
	const refused = "invalid_client 700027"
	for name, a := range map[string]struct{ raw, want string }{
		"PS256":            {assertion(t, jose.PS256, key, c, good()), ""},
		"RS256":            {assertion(t, jose.RS256, key, c, good()), ""},
		"PS384":            {assertion(t, jose.PS384, key, c, good()), refused},
		"federated":        {"from-the-file", ""},
		"old federated":    {"from-the-old-file", refused},
		"not registered":   {assertion(t, jose.PS256, strangerKey, stranger, good()), refused},
		"another's key":    {assertion(t, jose.PS256, strangerKey, c, good()), refused},
		"another issuer":   {assertion(t, jose.PS256, key, c, with("iss", "0")), refused},
		"another subject":  {assertion(t, jose.PS256, key, c, with("sub", "0")), refused},
		"another audience": {assertion(t, jose.PS256, key, c, with("aud", "https://evil.example")), refused},
		"expired":          {assertion(t, jose.PS256, key, c, with("exp", time.Now().Add(-time.Second).Unix())), refused},
		"too early":        {assertion(t, jose.PS256, key, c, with("nbf", time.Now().Add(time.Hour).Unix())), refused},
	} {
		t.Run(name, func(t *testing.T) {
			checkOAuth(t, tokenCall(t, s, url.Values{"grant_type": {"client_credentials"}, "scope": {resource + "/.default"}, "client_secret": {""},
				"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}, "client_assertion": {a.raw}}), a.want)
		})
	}
	checkOAuth(t, tokenCall(t, s, url.Values{"grant_type": {"client_credentials"}, "client_secret": {""}, "client_assertion": {"from-the-file"}}), "invalid_request 900144")
}

func TestApplicationsOwnToken(t *testing.T) {
	t.Parallel()
	s := start(t, simulator.Options{})
	a := tokenCall(t, s, url.Values{"grant_type": {"client_credentials"}, "scope": {resource + "/.default"}}).object(t)
	if text(a, "access_token") == "" || text(a, "id_token") != "" || text(a, "refresh_token") != "" {
		t.Errorf("%v", a)
	}
	got := api(t, s, text(a, "access_token"), http.MethodGet, pats("contoso", ""), nil)
	if got.status != http.StatusForbidden || !strings.Contains(got.body, "Service principals are not allowed") {
		t.Errorf("%d %s", got.status, got.body)
	}
	checkOAuth(t, tokenCall(t, s, url.Values{"grant_type": {"client_credentials"}, "scope": {resource + "/vso.pats"}}), "invalid_scope 70011")
}

func TestResponseIssuer(t *testing.T) {
	t.Parallel()
	s := start(t, simulator.Options{ResponseIssuer: true})
	_, challenge := pkce()
	back, err := testkit.Approve(t.Context(), s, authorizeURL(t, s, map[string]string{"code_challenge": challenge, "code_challenge_method": "S256"}), simulator.Aiko)
	if err != nil || back.Query().Get("iss") != s.Endpoint()+"/"+simulator.OtherTenantID+"/v2.0" {
		t.Errorf("%v %v", back, err)
	}
	if getJSON(t, s, s.Authority()+"/v2.0/.well-known/openid-configuration")["authorization_response_iss_parameter_supported"] != true {
		t.Error("not told in the metadata")
	}
}

func TestSecretsAreRemembered(t *testing.T) {
	t.Parallel()
	s := start(t, simulator.Options{KeepSecrets: true})
	a := signIn(t, s, simulator.Mona, nil)
	known := strings.Join(s.Secrets(), "\n")
	for _, name := range []string{"access_token", "refresh_token", "id_token"} {
		if !strings.Contains(known, text(a, name)) {
			t.Errorf("%s isn't among the secrets", name)
		}
	}
	if !strings.Contains(known, s.ClientSecret()) || len(start(t, simulator.Options{Seed: true}).Secrets()) != 1 {
		t.Error("the client's secret, and no more without KeepSecrets")
	}
}
