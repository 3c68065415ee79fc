package simulator

import (
	"encoding/json"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strings"

	_ "embed"
)

// The page's cookie, only with Options.RememberSignIn.
const personCookie = "simulator_person"

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
	silent      bool // prompt=none
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

// authorizePage answers the GET: a page with one button per person, or, if no choice is needed, the redirect at once.
func (s *Simulator) authorizePage(x *exchange, tenant string) *answer {
	req, refused := s.checkAuthorize(x, tenant)
	if refused != nil {
		return refused
	}
	remembered, known := s.rememberedPerson(x.r, req)
	if req.silent {
		if !known {
			return x.redirectError(req, oauthError{name: "login_required", number: 50058, text: "A silent sign-in request was sent but no user is signed in."})
		}
		return s.decide(x, req, remembered)
	}
	if known && req.prompt == "" {
		return s.decide(x, req, remembered)
	}
	return s.signInPage(x, req)
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
		return x.redirectError(req, oauthError{name: "access_denied", number: 65004, subcode: "cancel", text: "User declined to consent to access the app."})
	}
	p, ok := s.personByUsername(x.r.PostForm.Get("person"))
	if !ok {
		return x.errorPage(badRequestError(50034, "The user account doesn't exist."))
	}
	return s.decide(x, req, p)
}

// decide ends an authorization request once it is known who it is.
func (s *Simulator) decide(x *exchange, req authorizeRequest, p Person) *answer {
	if x.call == CallAuthorize { // without the page: no button was pressed
		x.takeFaults(CallChoose)
	}
	if e, ok := x.authorizeFault(p); ok {
		return x.redirectError(req, e)
	}
	if req.tenant != "" && req.tenant != p.TenantID {
		return x.redirectError(req, wrongTenant(p, s.o.ClientID))
	}
	return s.grantCode(x, req, p)
}

func wrongTenant(p Person, client string) oauthError {
	return oauthError{status: http.StatusBadRequest, name: "access_denied", number: 50020, text: "User account '" + p.Username +
		"' from identity provider 'https://sts.windows.net/" + p.TenantID + "/' does not exist in this tenant and cannot access the application '" +
		client + "' in that tenant. The account needs to be added as an external user in the tenant first."}
}

// rememberedPerson is who the cookie says is signed in here.
func (s *Simulator) rememberedPerson(r *http.Request, req authorizeRequest) (Person, bool) {
	c, err := r.Cookie(personCookie)
	if err != nil || !s.o.RememberSignIn {
		return Person{}, false
	}
	p, ok := s.personByUsername(c.Value)
	if req.loginHint != "" && !strings.EqualFold(req.loginHint, p.Username) {
		return Person{}, false
	}
	return p, ok && (req.tenant == "" || req.tenant == p.TenantID)
}

// checkAuthorize checks the request. Errors before the redirect URI is known to be registered are shown on the page;
// later ones go back to the application.
func (s *Simulator) checkAuthorize(x *exchange, tenant string) (authorizeRequest, *answer) {
	q := x.r.URL.Query()
	req := authorizeRequest{redirectURI: q.Get("redirect_uri"), state: q.Get("state"), nonce: q.Get("nonce"),
		challenge: q.Get("code_challenge"), claims: q.Get("claims"), prompt: q.Get("prompt"),
		loginHint: q.Get("login_hint"), scopes: strings.Fields(q.Get("scope")),
		clientInfo: q.Get("client_info") == "1", silent: q.Get("prompt") == "none"}
	if e := s.checkClientAndRedirect(q); e != nil {
		return req, x.errorPage(*e)
	}
	id, ok := s.tenantByName(tenant)
	if !ok {
		return req, x.errorPage(unknownTenant(tenant))
	}
	req.tenant = id
	if e := s.checkAuthorizeParameters(q, req); e != nil {
		return req, x.redirectError(req, *e)
	}
	return req, nil
}

// checkClientAndRedirect is what must hold before anything may be redirected.
func (s *Simulator) checkClientAndRedirect(q url.Values) *oauthError {
	for name, values := range q {
		if len(values) > 1 {
			e := badRequestError(9000411, "The request is not properly formatted. The parameter '%s' is duplicated.", name)
			return &e
		}
	}
	if q.Get("client_id") == "" {
		e := missingParameter("client_id")
		return &e
	}
	if q.Get("client_id") != s.o.ClientID {
		return &oauthError{name: "unauthorized_client", number: 700016, text: "Application with identifier '" + q.Get("client_id") + "' was not found in the directory."}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Contains(s.entra.redirectURIs, q.Get("redirect_uri")) {
		e := badRequestError(50011, "The redirect URI '%s' specified in the request does not match the redirect URIs configured for the application '%s'.", q.Get("redirect_uri"), s.o.ClientID)
		return &e
	}
	return nil
}

func (s *Simulator) checkAuthorizeParameters(q url.Values, req authorizeRequest) *oauthError {
	var e oauthError
	switch {
	case q.Get("response_type") == "":
		e = missingParameter("response_type")
	case q.Get("response_type") != "code":
		e = oauthError{name: "unsupported_response_type", number: 700054, text: "response_type '" + q.Get("response_type") + "' is not enabled for the application."}
	case q.Get("response_mode") != "" && q.Get("response_mode") != "query":
		e = badRequestError(70007, "'%s' is not a supported value of 'response_mode' when requesting a token.", q.Get("response_mode"))
	case len(req.scopes) == 0:
		e = missingParameter("scope")
	case !slices.Contains([]string{"", "none", "login", "select_account", "consent", "create"}, req.prompt):
		e = badRequestError(90023, "Unsupported 'prompt' value.")
	case req.claims != "" && !json.Valid([]byte(req.claims)):
		e = badRequestError(900144, "The 'claims' parameter is not valid JSON.")
	default:
		if scopeError := s.checkScopes(req.scopes); scopeError != nil {
			return scopeError
		}
		return s.checkChallenge(q)
	}
	return &e
}

// checkChallenge: PKCE with S256, see RFC 7636 section 4.2.
func (s *Simulator) checkChallenge(q url.Values) *oauthError {
	challenge, method := q.Get("code_challenge"), q.Get("code_challenge_method")
	var e oauthError
	switch {
	case challenge == "" && method == "" && s.o.AllowWithoutPKCE:
		return nil
	case challenge == "":
		e = badRequestError(9002325, "Proof Key for Code Exchange is required for cross-origin authorization code redemption.")
	case method != "S256":
		e = badRequestError(501461, "The code_challenge_method '%s' is not supported.", method)
	case len(challenge) < 43 || len(challenge) > 128:
		e = badRequestError(501491, "Invalid size of Code_Challenge parameter.")
	default:
		return nil
	}
	return &e
}

// grantCode sends the browser back with a code.
func (s *Simulator) grantCode(x *exchange, req authorizeRequest, p Person) *answer {
	code := "1." + randomText(600) // as long as Entra's: it must fit through every proxy
	a := &authorization{person: p, redirectURI: req.redirectURI, scopes: req.scopes, nonce: req.nonce,
		challenge: req.challenge, claims: req.claims, expires: s.now().Add(codeLifetime)}
	s.mu.Lock()
	s.entra.codes[code] = a
	s.entra.forget(s.now())
	s.keepSecret(code)
	s.mu.Unlock()
	q := url.Values{"code": {code}, "session_state": {newGUID()}}
	if req.clientInfo {
		q.Set("client_info", clientInfo(p))
	}
	back := x.redirectBack(req, p.TenantID, q)
	if s.o.RememberSignIn {
		c := http.Cookie{Name: personCookie, Value: p.Username, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode} //nolint:gosec // plain http on loopback: browsers would drop a Secure one
		back.header.Set("Set-Cookie", c.String())
	}
	return back
}

func (x *exchange) redirectError(req authorizeRequest, e oauthError) *answer {
	q := url.Values{"error": {e.name}, "error_description": {e.description(x.seen.ActivityID, x.correlationID(), x.s.now())}}
	if e.subcode != "" {
		q.Set("error_subcode", e.subcode)
	}
	if e.claims != "" {
		q.Set("claims", e.claims)
	}
	return x.redirectBack(req, x.s.o.TenantID, q)
}

// redirectBack is the redirect to the application, with its state unchanged.
func (x *exchange) redirectBack(req authorizeRequest, tenant string, q url.Values) *answer {
	if req.state != "" {
		q.Set("state", req.state)
	}
	if x.s.o.ResponseIssuer {
		q.Set("iss", x.s.machineBase(x.r)+"/"+tenant+"/v2.0")
	}
	x.spoilRedirect(q)
	target, err := url.Parse(req.redirectURI)
	if err != nil {
		return x.errorPage(badRequestError(50011, "The redirect URI can't be read."))
	}
	given := target.Query()
	for k, v := range q {
		given[k] = v
	}
	target.RawQuery = given.Encode()
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
func (s *Simulator) signInPage(x *exchange, req authorizeRequest) *answer {
	v := authorizeView{Hint: req.loginHint, Scopes: req.scopes, Panel: s.browserBase(x.r) + panelPath}
	for _, p := range s.o.People {
		hinted := req.loginHint != "" && strings.EqualFold(p.Username, req.loginHint)
		switch {
		case hinted:
			v.People = append([]Person{p}, v.People...)
		case p.TenantID == s.o.TenantID:
			v.People = append(v.People, p)
		default:
			v.Others = append(v.Others, p)
		}
	}
	a := x.authorizeHTML(http.StatusOK, v)
	if target, err := url.Parse(req.redirectURI); err == nil {
		// Browsers hold the redirect that follows a form's POST against form-action.
		a.header.Set("Content-Security-Policy", pagePolicy+"; form-action 'self' "+target.Scheme+"://"+target.Host)
	}
	return a
}

// errorPage shows an error that must not be sent to the redirect URI.
func (x *exchange) errorPage(e oauthError) *answer {
	return x.authorizeHTML(http.StatusBadRequest, authorizeView{Error: e.text, Code: e.number})
}

func (x *exchange) authorizeHTML(status int, v authorizeView) *answer {
	return pageAnswer(status, authorizeTemplate, v)
}

// serveLogout ends the sign-in here and returns to a registered address.
func (s *Simulator) serveLogout(w http.ResponseWriter, r *http.Request) {
	s.serve(w, r, CallLogout, "", func(x *exchange) *answer {
		back := r.URL.Query().Get("post_logout_redirect_uri")
		s.mu.Lock()
		registered := slices.Contains(s.entra.redirectURIs, back) || slices.Contains(s.entra.postLogoutURIs, back)
		s.mu.Unlock()
		a := x.authorizeHTML(http.StatusOK, authorizeView{})
		if registered {
			a = htmlAnswer(http.StatusFound, "")
			a.header.Set("Location", withState(back, r.URL.Query().Get("state")))
		}
		gone := http.Cookie{Name: personCookie, Path: "/", MaxAge: -1} //nolint:gosec // it is empty
		a.header.Set("Set-Cookie", gone.String())
		return a
	})
}

// withState appends state to a redirect address, if there is one.
func withState(address, state string) string {
	u, err := url.Parse(address)
	if err != nil || state == "" {
		return address
	}
	q := u.Query()
	q.Set("state", state)
	u.RawQuery = q.Encode()
	return u.String()
}
