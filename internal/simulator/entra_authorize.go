package simulator

import (
	"encoding/json"
	"html/template"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	_ "embed"
)

// authorizeRequest is a checked authorization request.
type authorizeRequest struct {
	tenant      string // "" for any
	redirectURI string
	state       string
	scopes      []string
	nonce       string
	challenge   string
	claims      string
	prompt      string
	loginHint   string
	clientInfo  bool
}

// serveAuthorize shows the sign-in page (GET) or acts on its buttons (POST).
func (s *Simulator) serveAuthorize(w http.ResponseWriter, r *http.Request, tenant string) {
	switch r.Method {
	case http.MethodGet:
		s.serve(w, r, CallAuthorize, "", func(x *exchange) *answer { return s.authorizePage(x, tenant) })
	case http.MethodPost:
		s.serve(w, r, CallChoose, "", func(x *exchange) *answer { return s.authorizeChoice(x, tenant) })
	default:
		w.Header().Set("Allow", "GET, POST")
		http.Error(w, "Method not allowed", http.StatusMethodNotAllowed)
	}
}

// authorizePage answers the GET: a page with one button per person. It remembers no one, so a silent request
// (prompt=none) is always refused.
func (s *Simulator) authorizePage(x *exchange, tenant string) *answer {
	req, refused := s.checkAuthorize(x, tenant)
	if refused != nil {
		return refused
	}
	if req.prompt == "none" {
		return x.redirectError(req, &oauthError{name: "login_required", number: 50058, text: "A silent sign-in request was sent but no user is signed in."})
	}
	return s.signInPage(req)
}

// authorizeChoice answers the POST of the page's buttons.
func (s *Simulator) authorizeChoice(x *exchange, tenant string) *answer {
	req, refused := s.checkAuthorize(x, tenant)
	if refused != nil {
		return refused
	}
	if err := x.r.ParseForm(); err != nil {
		return x.errorPage(badRequestError(90014, "The form can't be read."))
	}
	if x.r.PostForm.Get("decline") != "" {
		return x.redirectError(req, &oauthError{name: "access_denied", number: 65004, subcode: "cancel", text: "User declined to consent to access the app."})
	}
	p, ok := s.personByUsername(x.r.PostForm.Get("person"))
	if !ok {
		return x.errorPage(badRequestError(50034, "The user account doesn't exist."))
	}
	return s.decide(x, req, p)
}

// decide ends an authorization request once it is known who it is.
func (s *Simulator) decide(x *exchange, req authorizeRequest, p Person) *answer {
	e := x.oauthFault(p)
	if e == nil && req.tenant != "" && req.tenant != p.TenantID {
		e = wrongTenant(p)
	}
	if e != nil {
		return x.redirectError(req, e)
	}
	return s.grantCode(x, req, p)
}

func wrongTenant(p Person) *oauthError {
	return &oauthError{status: http.StatusBadRequest, name: "access_denied", number: 50020, text: "User account '" + p.Username +
		"' from identity provider 'https://sts.windows.net/" + p.TenantID + "/' does not exist in this tenant and cannot access the application '" +
		DefaultClientID + "' in that tenant. The account needs to be added as an external user in the tenant first."}
}

// checkAuthorize checks the request. Errors before the redirect URI is known to be registered are shown on the page;
// later ones go back to the application.
func (s *Simulator) checkAuthorize(x *exchange, tenant string) (authorizeRequest, *answer) {
	q := x.r.URL.Query()
	req := authorizeRequest{redirectURI: q.Get("redirect_uri"), state: q.Get("state"), nonce: q.Get("nonce"),
		challenge: q.Get("code_challenge"), claims: q.Get("claims"), prompt: q.Get("prompt"),
		loginHint: q.Get("login_hint"), scopes: strings.Fields(q.Get("scope")),
		clientInfo: q.Get("client_info") == "1"}
	if e := s.checkClientAndRedirect(q); e != nil {
		return req, x.errorPage(e)
	}
	id, ok := s.tenantByName(tenant)
	if !ok {
		return req, x.errorPage(unknownTenant(tenant))
	}
	req.tenant = id
	if e := s.checkAuthorizeParameters(q, req); e != nil {
		return req, x.redirectError(req, e)
	}
	return req, nil
}

// checkClientAndRedirect is what must hold before anything may be redirected.
func (s *Simulator) checkClientAndRedirect(q url.Values) *oauthError {
	if e := repeatedParameter(q); e != nil {
		return e
	}
	switch id := q.Get("client_id"); id {
	case "":
		return missingParameter("client_id")
	case DefaultClientID:
	default:
		return unknownClient(id)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Contains(s.entra.redirectURIs, q.Get("redirect_uri")) {
		return badRequestError(50011, "The redirect URI '%s' specified in the request does not match the redirect URIs configured for the application '%s'.", q.Get("redirect_uri"), DefaultClientID)
	}
	return nil
}

func (s *Simulator) checkAuthorizeParameters(q url.Values, req authorizeRequest) *oauthError {
	switch {
	case q.Get("response_type") == "":
		return missingParameter("response_type")
	case q.Get("response_type") != "code":
		return &oauthError{name: "unsupported_response_type", number: 700054, text: "response_type '" + q.Get("response_type") + "' is not enabled for the application."}
	case q.Get("response_mode") != "" && q.Get("response_mode") != "query":
		return badRequestError(70007, "'%s' is not a supported value of 'response_mode' when requesting a token.", q.Get("response_mode"))
	case len(req.scopes) == 0:
		return missingParameter("scope")
	case !slices.Contains([]string{"", "none", "login", "select_account", "consent", "create"}, req.prompt):
		return badRequestError(90023, "Unsupported 'prompt' value.")
	case req.claims != "" && !json.Valid([]byte(req.claims)):
		return badRequestError(900144, "The 'claims' parameter is not valid JSON.")
	}
	if e := s.checkScopes(req.scopes); e != nil {
		return e
	}
	return checkChallenge(q)
}

// checkChallenge: PKCE with S256, see RFC 7636 section 4.2.
func checkChallenge(q url.Values) *oauthError {
	challenge, method := q.Get("code_challenge"), q.Get("code_challenge_method")
	switch {
	case challenge == "":
		return badRequestError(9002325, "Proof Key for Code Exchange is required for cross-origin authorization code redemption.")
	case method != "S256":
		return badRequestError(501461, "The code_challenge_method '%s' is not supported.", method)
	case len(challenge) < 43 || len(challenge) > 128:
		return badRequestError(501491, "Invalid size of Code_Challenge parameter.")
	}
	return nil
}

// grantCode sends the browser back with a code.
func (s *Simulator) grantCode(x *exchange, req authorizeRequest, p Person) *answer {
	code := "1." + randomText(600) // as long as Entra's: it must fit through every proxy
	a := &authorization{person: p, redirectURI: req.redirectURI, scopes: req.scopes, nonce: req.nonce,
		challenge: req.challenge, claims: req.claims, expires: s.now().Add(codeLifetime)}
	s.mu.Lock()
	s.entra.codes[code] = a
	if slices.ContainsFunc(req.scopes, ofVaults) { // the page has asked
		s.vaults.consents[p.ObjectID] = true
	}
	s.entra.forget(s.now())
	s.keepSecret(code)
	s.mu.Unlock()
	q := url.Values{"code": {code}, "session_state": {newGUID()}}
	if req.clientInfo {
		q.Set("client_info", clientInfo(p))
	}
	return x.redirectBack(req, p.TenantID, q)
}

func (x *exchange) redirectError(req authorizeRequest, e *oauthError) *answer {
	q := url.Values{"error": {e.name}, "error_description": {e.description(x.seen.ActivityID, x.correlationID(), x.s.now())}}
	if e.subcode != "" {
		q.Set("error_subcode", e.subcode)
	}
	if e.claims != "" {
		q.Set("claims", e.claims)
	}
	return x.redirectBack(req, DefaultTenantID, q)
}

// redirectBack is the redirect to the application, with its state unchanged.
func (x *exchange) redirectBack(req authorizeRequest, tenant string, q url.Values) *answer {
	if req.state != "" {
		q.Set("state", req.state)
	}
	if x.s.o.ResponseIssuer {
		q.Set("iss", x.s.machineBase(x.r)+"/"+tenant+"/v2.0")
	}
	for _, f := range x.faults {
		if f.fault.redirect != nil {
			f.fault.redirect(q)
		}
	}
	return redirect(req.redirectURI, q)
}

// redirect leads to a registered address, with more in its query.
func redirect(address string, more url.Values) *answer {
	target, err := url.Parse(address)
	if err != nil {
		panic(err) // who registers an address registers one that can be read
	}
	q := target.Query()
	maps.Copy(q, more)
	target.RawQuery = q.Encode()
	a := htmlAnswer(http.StatusFound, "")
	a.header.Set("Location", target.String())
	return a
}

//go:embed authorize.html
var authorizeHTML string

var authorizeTemplate = template.Must(template.New("authorize").Parse(authorizeHTML))

// authorizeView is what authorize.html shows.
type authorizeView struct {
	People, Others []Person
	Hint           string
	Scopes         []string
	Panel          string
	Error          string // the error page instead
	Code           int
}

// signInPage asks who signs in. People of other tenants stand apart, unless the hint names one.
func (s *Simulator) signInPage(req authorizeRequest) *answer {
	v := authorizeView{Hint: req.loginHint, Scopes: req.scopes, Panel: panelPath}
	for _, p := range s.o.People {
		hinted := req.loginHint != "" && strings.EqualFold(p.Username, req.loginHint)
		switch {
		case hinted:
			v.People = append([]Person{p}, v.People...)
		case p.TenantID == DefaultTenantID:
			v.People = append(v.People, p)
		default:
			v.Others = append(v.Others, p)
		}
	}
	a := pageAnswer(http.StatusOK, authorizeTemplate, v)
	if target, err := url.Parse(req.redirectURI); err == nil {
		// Browsers hold the redirect that follows a form's POST against form-action.
		a.header.Set("Content-Security-Policy", pagePolicy+"; form-action 'self' "+target.Scheme+"://"+target.Host)
	}
	return a
}

// errorPage shows an error that must not be sent to the redirect URI.
func (x *exchange) errorPage(e *oauthError) *answer {
	return pageAnswer(http.StatusBadRequest, authorizeTemplate, authorizeView{Error: e.text, Code: e.number})
}

// serveLogout returns to a registered address.
func (s *Simulator) serveLogout(w http.ResponseWriter, r *http.Request) {
	s.serve(w, r, CallLogout, "", func(*exchange) *answer {
		q := r.URL.Query()
		back := q.Get("post_logout_redirect_uri")
		s.mu.Lock()
		registered := slices.Contains(s.entra.redirectURIs, back) || slices.Contains(s.entra.postLogoutURIs, back)
		s.mu.Unlock()
		if !registered {
			return pageAnswer(http.StatusOK, authorizeTemplate, authorizeView{})
		}
		maps.DeleteFunc(q, func(name string, _ []string) bool { return name != "state" })
		return redirect(back, q)
	})
}
