package simulator

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// The Azure DevOps resource, by id and by name, as scopes may spell it.
const (
	azureDevOpsResource     = "499b84ac-1321-427f-aa17-267ca6975798"
	azureDevOpsResourceName = "https://app.vssps.visualstudio.com"
)

// oidcScopes belong to no resource.
var oidcScopes = []string{"openid", "profile", "email", "offline_access"}

// grant is what a token request is entitled to.
type grant struct {
	person Person
	app    bool
	scopes []string // all that were granted, OIDC ones included
	asked  []string // those that this request named
	nonce  string
	claims string
}

// token answers the token endpoint.
func (s *Simulator) token(x *exchange, tenant string) *answer {
	form, e := s.tokenForm(x, tenant)
	if e == nil {
		s.mu.Lock()
		s.record.calls[CallToken+"."+form.Get("grant_type")]++
		s.mu.Unlock()
		e = s.checkClient(x, form, tenant)
	}
	if e == nil {
		e = x.oauthFault(Person{})
	}
	if e != nil {
		return x.entraError(e)
	}
	g, e := s.redeem(x, form, tenant)
	if e != nil {
		return x.entraError(e)
	}
	return s.tokenAnswer(x, form, g)
}

// tokenForm reads the form. Parameters in the URL don't count: they would end up in logs.
func (s *Simulator) tokenForm(x *exchange, tenant string) (url.Values, *oauthError) {
	contentType, _, _ := mime.ParseMediaType(x.r.Header.Get("Content-Type"))
	switch {
	case x.r.Method != http.MethodPost:
		return nil, badRequestError(900561, "The endpoint only accepts POST requests. Received a %s request.", x.r.Method)
	case contentType != "application/x-www-form-urlencoded":
		return nil, missingParameter("grant_type")
	}
	if _, ok := s.tenantByName(tenant); !ok {
		return nil, unknownTenant(tenant)
	}
	form, err := url.ParseQuery(string(x.body))
	if err != nil {
		return nil, badRequestError(9000410, "Malformed request body.")
	}
	return form, repeatedParameter(form)
}

func repeatedParameter(v url.Values) *oauthError {
	for name, values := range v {
		if len(values) > 1 {
			return badRequestError(9000411, "The request is not properly formatted. The parameter '%s' is duplicated.", name)
		}
	}
	return nil
}

func (s *Simulator) redeem(x *exchange, form url.Values, tenant string) (grant, *oauthError) {
	switch form.Get("grant_type") {
	case "authorization_code":
		return s.redeemCode(x, form, tenant)
	case "refresh_token":
		return s.redeemRefreshToken(x, form, tenant)
	case "client_credentials":
		return s.clientCredentials(form)
	case "":
		return grant{}, missingParameter("grant_type")
	}
	return grant{}, &oauthError{status: http.StatusBadRequest, name: "unsupported_grant_type", number: 70003,
		text: "The app requested an unsupported grant type '" + form.Get("grant_type") + "'."}
}

// redeemCode checks a code: known, unused, young, for this client, this redirect URI and this verifier. A code that was
// tried is gone, whatever came of it.
func (s *Simulator) redeemCode(x *exchange, form url.Values, tenant string) (grant, *oauthError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if form.Get("code") == "" {
		return grant{}, missingParameter("code")
	}
	a := s.entra.codes[form.Get("code")]
	if a == nil {
		return grant{}, badGrant(70000, "The provided value for the 'code' parameter is not valid.")
	}
	redeemed := a.redeemed
	a.redeemed = true
	if e := s.checkCode(a, redeemed, form, tenant); e != nil {
		return grant{}, e
	}
	g, e := s.narrow(grant{person: a.person, scopes: a.scopes, nonce: a.nonce, claims: a.claims}, form)
	if e == nil {
		e = x.vaultTokenFault(g)
	}
	return g, e
}

func (s *Simulator) checkCode(a *authorization, redeemed bool, form url.Values, tenant string) *oauthError {
	switch id, _ := s.tenantByName(tenant); {
	case redeemed:
		return badGrant(54005, "OAuth2 Authorization code was already redeemed, please retry with a new valid code or use an existing refresh token.")
	case s.now().After(a.expires):
		return badGrant(70008, "The provided authorization code or refresh token has expired due to inactivity. Send a new interactive authorization request for this user and resource.")
	case form.Get("redirect_uri") != a.redirectURI:
		return badGrant(500112, "The reply address '%s' does not match the reply address '%s' provided when requesting Authorization code.", form.Get("redirect_uri"), a.redirectURI)
	case id != "" && id != a.person.TenantID:
		return badGrant(700005, "Provided Authorization Code is intended to use against other tenant, thus rejected.")
	case !verifierFits(a.challenge, form.Get("code_verifier")):
		return badGrant(501481, "The Code_Verifier does not match the code_challenge supplied in the authorization request.")
	}
	return nil
}

// verifierFits checks PKCE: RFC 7636 section 4.6.
func verifierFits(challenge, verifier string) bool {
	if len(verifier) < 43 || len(verifier) > 128 {
		return false
	}
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:]) == challenge
}

// redeemRefreshToken checks a refresh token and uses it up: stricter than Entra ID, which lets old ones work on.
func (s *Simulator) redeemRefreshToken(x *exchange, form url.Values, tenant string) (grant, *oauthError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.entra.refreshTokens[form.Get("refresh_token")]
	id, _ := s.tenantByName(tenant)
	switch {
	case form.Get("refresh_token") == "":
		return grant{}, missingParameter("refresh_token")
	case t == nil:
		return grant{}, badGrant(9002313, "Invalid request. Request is malformed or invalid.")
	case t.revoked:
		return grant{}, suberror("bad_token", badGrant(50173, "The provided grant has expired due to it being revoked, a fresh auth token is needed."))
	case s.now().After(t.expires):
		return grant{}, suberror("token_expired", badGrant(700082, "The refresh token has expired due to inactivity."))
	case id != "" && id != t.person.TenantID:
		e := wrongTenant(t.person)
		e.name = "invalid_grant"
		return grant{}, e
	}
	// A refresh token isn't bound to a resource: what was consented to counts, and a refusal leaves it as it was.
	asked := slices.DeleteFunc(strings.Fields(form.Get("scope")), func(scope string) bool { return slices.Contains(oidcScopes, scope) })
	g, e := s.narrow(grant{person: t.person, scopes: slices.Concat(t.scopes, asked), claims: t.claims}, form)
	if e == nil {
		e = x.vaultTokenFault(g)
	}
	if e != nil {
		return g, e
	}
	t.revoked = true
	g.scopes = t.scopes
	return g, nil
}

// clientCredentials gives the application itself a token. A web app for people never needs one; the PAT API refuses it.
func (s *Simulator) clientCredentials(form url.Values) (grant, *oauthError) {
	scopes := slices.DeleteFunc(strings.Fields(form.Get("scope")), func(scope string) bool {
		return slices.Contains([]string{"openid", "offline_access", "profile"}, scope) // MSAL sends them here, too
	})
	if len(scopes) != 1 || !strings.HasSuffix(scopes[0], "/.default") {
		return grant{}, badScope("The provided request must include a '.default' scope.")
	}
	if e := s.checkScopes(scopes); e != nil {
		return grant{}, e
	}
	return grant{app: true, scopes: scopes, asked: scopes, claims: form.Get("claims")}, nil
}

// narrow reads the request's own scope and claims: never more of the resource than was granted; OIDC scopes that
// weren't granted are left out without a word.
func (s *Simulator) narrow(g grant, form url.Values) (grant, *oauthError) {
	if c := form.Get("claims"); c != "" {
		if !json.Valid([]byte(c)) {
			return g, badRequestError(900144, "The 'claims' parameter is not valid JSON.")
		}
		g.claims = mergeClaims(g.claims, c)
	}
	g.asked = strings.Fields(form.Get("scope"))
	if len(g.asked) == 0 {
		g.asked = g.scopes
		return g, nil
	}
	if e := s.checkScopes(g.asked); e != nil {
		return g, e
	}
	if slices.ContainsFunc(g.asked, ofVaults) && !s.vaults.consents[g.person.ObjectID] {
		return g, noConsent()
	}
	for _, scope := range g.asked {
		if !slices.Contains(oidcScopes, scope) && !containsFold(g.scopes, scope) {
			return g, badGrant(70000, "The request was denied because one or more scopes requested are unauthorized or expired. The user must first sign in and grant the client application access to the requested scope.")
		}
	}
	return g, nil
}

// mergeClaims joins two claims parameters: those of the authorization request and those of the token request both
// count. The later one wins where both name a claim.
func mergeClaims(earlier, later string) string {
	if earlier == "" {
		return later
	}
	var a, b map[string]map[string]any
	if json.Unmarshal([]byte(earlier), &a) != nil || json.Unmarshal([]byte(later), &b) != nil || a == nil {
		return later
	}
	for token, claims := range b {
		if a[token] == nil {
			a[token] = map[string]any{}
		}
		maps.Copy(a[token], claims)
	}
	return string(encode(a))
}

func containsFold(list []string, s string) bool {
	return slices.ContainsFunc(list, func(e string) bool { return strings.EqualFold(e, s) })
}

// has reports whether an OIDC scope was granted and is asked for now.
func (g grant) has(scope string) bool {
	return slices.Contains(g.scopes, scope) && slices.Contains(g.asked, scope)
}

// checkScopes: each is an OIDC scope or one of Azure DevOps, and .default stands alone.
func (s *Simulator) checkScopes(scopes []string) *oauthError {
	var defaults, named, vaults int
	for _, scope := range scopes {
		if slices.Contains(oidcScopes, scope) {
			continue
		}
		if permission, ok := vaultPermission(scope); ok && (permission == "user_impersonation" || permission == ".default") {
			vaults++
			continue
		}
		permission, ok := azureDevOpsPermission(scope)
		switch {
		case !ok:
			return badScope("The provided request must include a 'scope' input parameter. The provided value for the input parameter 'scope' is not valid. The scope '%s' does not exist.", scope)
		case permission == ".default":
			defaults++
		default:
			named++
			if !containsFold(s.o.GrantedScopes, permission) && permission != "user_impersonation" {
				return noConsent()
			}
		}
	}
	// The real service redeems for one resource at a time; what it lets a sign-in ask for at once isn't relied upon.
	if vaults > 0 && defaults+named > 0 {
		return badRequestError(28000, "Provided value for the input parameter scope is not valid because it contains more than one resource.")
	}
	if defaults > 0 && named > 0 {
		return badScope(".default scope can't be combined with resource-specific scopes.")
	}
	return nil
}

func noConsent() *oauthError {
	return suberror("consent_required", badGrant(65001, "The user or administrator has not consented to use the application with ID '%s'. Send an interactive authorization request for this user and resource.", DefaultClientID))
}

// azureDevOpsPermission takes the resource off a scope.
func azureDevOpsPermission(scope string) (string, bool) {
	for _, resource := range []string{azureDevOpsResource, azureDevOpsResourceName} {
		if len(scope) > len(resource)+1 && strings.EqualFold(scope[:len(resource)], resource) && scope[len(resource)] == '/' {
			return scope[len(resource)+1:], true
		}
	}
	return "", false
}

// tokenAnswer issues what was granted.
func (s *Simulator) tokenAnswer(x *exchange, form url.Values, g grant) *answer {
	reported, real := x.s.o.AccessTokenLifetime, x.s.o.AccessTokenLifetime
	if x.has("shortAccessToken") {
		reported, real = time.Second, time.Minute // the reported one makes it stale; the real one lets a slow machine use it
	}
	body := map[string]any{
		"token_type":     "Bearer",
		"scope":          s.answeredScope(g),
		"expires_in":     int(reported / time.Second),
		"ext_expires_in": int(reported / time.Second),
		"access_token":   s.issueAccessToken(g, real),
	}
	if g.app {
		delete(body, "scope")
		return x.spoilTokens(body)
	}
	if refresh := s.o.RefreshIn; refresh > 0 {
		body["refresh_in"] = int(refresh / time.Second)
	}
	if g.has("offline_access") {
		body["refresh_token"] = s.issueRefreshToken(g)
	}
	if g.has("openid") {
		body["id_token"] = s.issueIDToken(x, g)
	}
	if form.Get("client_info") == "1" {
		body["client_info"] = clientInfo(g.person)
	}
	return x.spoilTokens(body)
}

// answeredScope is the scope that Entra reports of a grant: the resource's scopes, with .default echoed and all
// consented ones spelled out; no OIDC scopes.
func (s *Simulator) answeredScope(g grant) string {
	var reported []string
	for _, scope := range g.asked {
		if ofVaults(scope) {
			reported = append(reported, scope)
		}
		permission, ok := azureDevOpsPermission(scope)
		if !ok {
			continue
		}
		if permission == ".default" {
			prefix := strings.TrimSuffix(scope, ".default")
			for _, granted := range s.o.GrantedScopes {
				reported = append(reported, prefix+granted)
			}
		}
		reported = append(reported, scope)
	}
	return strings.Join(reported, " ")
}

// issueAccessToken makes a bearer that is only a name for what it stands for. Entra puts every consented scope into it,
// whichever were asked for.
func (s *Simulator) issueAccessToken(g grant, lifetime time.Duration) string {
	bearer := randomText(1100) // as long as Entra's: caches must cope with it
	t := &accessToken{person: g.person, app: g.app, scopes: s.o.GrantedScopes, claims: g.claims, expires: s.now().Add(lifetime)}
	if !slices.ContainsFunc(g.asked, func(scope string) bool { _, ok := azureDevOpsPermission(scope); return ok }) {
		t.scopes, t.vaults = nil, slices.ContainsFunc(g.asked, ofVaults) // for another resource
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.entra.accessTokens[bearer] = t
	s.entra.forget(s.now())
	s.keepSecret(bearer)
	return bearer
}

func (s *Simulator) issueRefreshToken(g grant) string {
	text := "1." + randomText(700)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.entra.refreshTokens[text] = &refreshToken{person: g.person, scopes: g.scopes, claims: g.claims, expires: s.now().Add(refreshTokenLifetime)}
	s.keepSecret(text)
	return text
}

// clientInfo names the account: uid and utid of its home tenant.
func clientInfo(p Person) string {
	return base64.RawURLEncoding.EncodeToString(encode(map[string]string{"uid": p.ObjectID, "utid": p.TenantID}))
}
