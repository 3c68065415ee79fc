package simulator

import (
	"cmp"
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// permissions are the delegated permissions that a call needs: any one of them. See
// https://learn.microsoft.com/rest/api/azure/devops/tokens/pats.
var permissions = map[string][]string{
	CallList:     {"vso.pats", "user_impersonation"},
	CallGet:      {"vso.pats", "user_impersonation"},
	CallCreate:   {"vso.pats_manage", "user_impersonation"},
	CallUpdate:   {"vso.pats_manage", "user_impersonation"},
	CallRevoke:   {"vso.pats_manage", "user_impersonation"},
	CallProfile:  {"vso.profile", "user_impersonation"},
	CallAccounts: {"vso.profile", "user_impersonation"},
}

// authenticate finds out who calls, and if the bearer allows the call.
func (x *exchange) authenticate(call string) (Person, *answer) {
	kind, value, _ := strings.Cut(x.r.Header.Get("Authorization"), " ")
	if strings.EqualFold(kind, "Basic") {
		return Person{}, x.basicRefused(value)
	}
	if !strings.EqualFold(kind, "Bearer") || len(x.r.Header.Values("Authorization")) != 1 {
		return Person{}, x.signInPage203()
	}
	bearer, ok := x.s.accessToken(value)
	switch {
	case !ok || x.s.now().After(bearer.expires) || bearer.scopes == nil:
		return Person{}, x.signInPage203()
	case bearer.app:
		return Person{}, x.servicePrincipalRefused()
	case !anyOf(bearer.scopes, permissions[call]):
		return bearer.person, x.unauthorized(bearer.person)
	}
	if challenge := x.claimsChallenge(bearer); challenge != nil {
		return bearer.person, challenge
	}
	return bearer.person, nil
}

func anyOf(have, wanted []string) bool {
	return slices.ContainsFunc(wanted, func(w string) bool { return slices.Contains(have, w) })
}

// basicRefused: the API takes no personal access token. The answer to a valid one says so; an invalid one gets an empty
// 401.
func (x *exchange) basicRefused(value string) *answer {
	plain, _ := base64.StdEncoding.DecodeString(value)
	_, secret, _ := strings.Cut(string(plain), ":")
	if _, ok := x.s.SecretBelongsTo(secret); ok {
		return x.json(http.StatusForbidden, vssError("InvalidAccessException", "The requested operation is not allowed."))
	}
	return x.unauthorizedEmpty()
}

// unauthorizedEmpty is the 401 without a body that personal access tokens get.
func (x *exchange) unauthorizedEmpty() *answer {
	a := newAnswer(http.StatusUnauthorized, "", nil)
	a.header.Set("WWW-Authenticate", `Basic realm="https://tfsprodweu3.visualstudio.com/"`)
	return a
}

// servicePrincipalRefused is what an application without a person gets.
func (x *exchange) servicePrincipalRefused() *answer {
	return x.json(http.StatusForbidden, vssError("InvalidAccessException", "Service principals are not allowed to perform this action."))
}

// unauthorized is TF400813, whose JSON comes behind a byte order mark: understood, but refused.
func (x *exchange) unauthorized(p Person) *answer {
	message := "TF400813: The user '" + cmp.Or(p.ObjectID, newGUID()) + "' is not authorized to access this resource."
	a := x.json(http.StatusUnauthorized, vssError("InvalidIdentityException", message))
	a.body = append([]byte("\ufeff"), a.body...)
	a.header.Set("WWW-Authenticate", "Bearer")
	a.header.Set("X-Tfs-Serviceerror", url.QueryEscape(message))
	return a
}

// signInPage203 is the answer to a bearer that means nothing here: a 2xx, but a web page.
func (x *exchange) signInPage203() *answer {
	a := htmlAnswer(http.StatusNonAuthoritativeInfo, signInHTML())
	a.header.Set("WWW-Authenticate", `Bearer authorization_uri=https://login.microsoftonline.com/common, Basic realm="https://app.vssps.visualstudio.com/", TFS-Federated`)
	return a
}

// signInHTML is about 16 KB, as the real page is.
func signInHTML() string {
	return "<!DOCTYPE html>\r\n<html lang=\"en-US\">\r\n<head><title>\r\n\tAzure DevOps Services | Sign In\r\n</title>" +
		"<script>var filler = \"" + strings.Repeat("0123456789abcdef", 1000) + "\";</script></head>\r\n" +
		"<body class=\"platform\"><div id=\"signin\">Sign in to Azure DevOps</div></body>\r\n</html>"
}

// addHeaders adds what every answer of Azure DevOps or Entra ID carries.
func (s *Simulator) addHeaders(x *exchange, a *answer) {
	h := a.header
	h.Set("X-Content-Type-Options", "nosniff")
	switch x.call {
	case CallMetadata, CallJWKS, CallToken, CallAuthorize, CallChoose, CallLogout, CallUnknown:
		h.Set("X-Ms-Request-Id", x.seen.ActivityID)
		return
	}
	if strings.HasPrefix(x.call, "vault") {
		h.Set("X-Ms-Request-Id", x.seen.ActivityID)
		h.Set("X-Ms-Keyvault-Region", "westeurope")
		h.Set("X-Ms-Keyvault-Service-Version", "1.9.0")
		return
	}
	h.Set("Activityid", x.seen.ActivityID)
	h.Set("X-Tfs-Session", x.seen.ActivityID)
	h.Set("X-Vss-E2eid", x.seen.ActivityID)
	h.Set("X-Msedge-Ref", "Ref A: "+strings.ToUpper(strings.ReplaceAll(x.seen.ActivityID, "-", ""))+" Ref B: SIM01 Ref C: "+s.now().Format("2006-01-02T15:04:05Z"))
	h.Set("P3P", `CP="CAO DSP COR ADMa DEV CONo TELo CUR PSA PSD TAI IVDo OUR SAMi BUS DEM NAV STA UNI COM INT PHY ONL FIN PUR LOC CNT"`)
	if p, ok := x.caller(); ok {
		h.Set("X-Vss-Userdata", p.profileID()+":"+p.Username)
	}
}

// caller is whose bearer the request carries.
func (x *exchange) caller() (Person, bool) {
	_, value, _ := strings.Cut(x.r.Header.Get("Authorization"), " ")
	t, ok := x.s.accessToken(value)
	return t.person, ok && !t.app
}

// accessToken is the token that has this value, as it stands now; not ok if there never was one.
func (s *Simulator) accessToken(value string) (t accessToken, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	issued, ok := s.entra.accessTokens[value]
	if !ok {
		return accessToken{}, false
	}
	return *issued, true
}
