package simulator

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"time"
)

// The calls that faults of Entra ID can hit. CallChoose is the press of a button on the sign-in page.
var (
	chooseCall    = []string{CallChoose}
	tokenCall     = []string{CallToken}
	metadataCalls = []string{CallMetadata}
	keysCalls     = []string{CallJWKS}
)

// oauthFault answers with one of Entra's errors.
func oauthFault(name, group string, calls []string, sentence string, e *oauthError) Fault {
	return Fault{Name: name, Group: group, Calls: calls, Sentence: sentence,
		oauth: func(Person) *oauthError { return e }}
}

// signInFaults are outcomes of the sign-in page, reported on the redirect URI.
func signInFaults() []Fault {
	onRedirect := func(name, sentence, oauth string, number int, text string) Fault {
		return oauthFault(name, GroupSignIn, chooseCall, sentence, &oauthError{name: oauth, number: number, text: text})
	}
	spoilt := func(name, sentence string, spoil func(q url.Values)) Fault {
		return Fault{Name: name, Group: GroupSignIn, Calls: chooseCall, Sentence: sentence, redirect: spoil}
	}
	return []Fault{
		onRedirect("accessDenied", "The person declines.", "access_denied", 65004, "User declined to consent to access the app."),
		onRedirect("consentRequired", "Nobody has consented to the application.", "consent_required", 65001,
			"The user or administrator has not consented to use the application. Send an interactive authorization request for this user and resource."),
		onRedirect("adminApproval", "An administrator has to approve the application.", "access_denied", 90094,
			"The grant requires admin permission. An administrator has set a policy that prevents you from granting the permissions the application is requesting."),
		onRedirect("conditionalAccess", "A conditional access policy blocks the sign-in.", "interaction_required", 53003,
			"Access has been blocked by Conditional Access policies. The access policy does not allow token issuance."),
		onRedirect("notAssigned", "The person isn't assigned to the application.", "interaction_required", 50105,
			"Your administrator has configured the application to block users unless they are specifically granted ('assigned') access to the application."),
		{Name: "wrongTenant", Group: GroupSignIn, Calls: chooseCall, Sentence: "The account belongs to another tenant.",
			oauth: wrongTenant},
		onRedirect("authorizeInteractionRequired", "More than a silent sign-in is needed.", "interaction_required", 50076,
			"Due to a configuration change made by your administrator, or because you moved to a new location, you must use multi-factor authentication."),
		onRedirect("loginRequired", "Nobody is signed in.", "login_required", 50058, "A silent sign-in request was sent but no user is signed in."),
		onRedirect("serverError", "Entra ID fails.", "server_error", 90033, "A transient error has occurred. Please try again."),
		onRedirect("temporarilyUnavailable", "Entra ID is busy.", "temporarily_unavailable", 90033, "A transient error has occurred. Please try again."),
		onRedirect("hostileDescription", "An error whose description is full of markup.", "access_denied\"><script>alert(1)</script>", 65004,
			"<script>alert(document.domain)</script> <a href=\"https://evil.example\">Click here</a> {{.}}"),
		spoilt("wrongState", "The state that comes back isn't the one that was sent.", func(q url.Values) { q.Set("state", "another-"+newGUID()) }),
		spoilt("noState", "No state comes back.", func(q url.Values) { q.Del("state") }),
		spoilt("noCode", "Neither code nor error comes back.", func(q url.Values) { q.Del("code") }),
		spoilt("wrongResponseIssuer", "The response names another issuer (RFC 9207).", func(q url.Values) { q.Set("iss", wrongIssuer) }),
	}
}

// oauthFault is the error that a fault answers with for this person, nil for none.
func (x *exchange) oauthFault(p Person) *oauthError {
	for _, f := range x.faults {
		if f.fault.oauth != nil {
			return f.fault.oauth(p)
		}
	}
	return nil
}

// tokenFaults are outcomes of the token endpoint.
func tokenFaults() []Fault {
	g := GroupToken
	instead := func(name, sentence string, give func(*exchange, FaultOptions) *answer) Fault {
		return Fault{Name: name, Group: g, Calls: tokenCall, Sentence: sentence, before: give}
	}
	spoilt := func(name, sentence string, spoil func(body map[string]any)) Fault {
		return Fault{Name: name, Group: g, Calls: tokenCall, Sentence: sentence, tokens: spoil}
	}
	without := func(name, sentence, member string) Fault {
		return spoilt(name, sentence, func(body map[string]any) { delete(body, member) })
	}
	refused := func(name, sentence string, e *oauthError) Fault { return oauthFault(name, g, tokenCall, sentence, e) }
	return slices.Concat([]Fault{
		instead("token500", "500 in HTML.", func(*exchange, FaultOptions) *answer {
			return htmlAnswer(http.StatusInternalServerError, "<html><body>The page cannot be displayed because an internal server error has occurred.</body></html>")
		}),
		instead("token503", "503 with Retry-After.", entraBusy(http.StatusServiceUnavailable)),
		instead("token429", "429 with Retry-After.", entraBusy(http.StatusTooManyRequests)),
		instead("tokenHTML", "200 with a web page.", func(*exchange, FaultOptions) *answer {
			return htmlAnswer(http.StatusOK, "<!DOCTYPE html><title>Captive portal</title><h1>Welcome to the airport</h1>")
		}),
		{Name: "tokenCut", Group: g, Calls: tokenCall, Sentence: "JSON that stops in the middle; what was asked is done.", after: cutJSON},
		instead("tokenReset", "The connection is reset without an answer.", func(*exchange, FaultOptions) *answer { return &answer{header: http.Header{}, send: reset} }),
		{Name: "tokenResetAfterDoing", Group: g, Calls: tokenCall, Sentence: "Tokens are issued, the old refresh token is used up, and the connection is reset.",
			after: func(_ *exchange, _ FaultOptions, a *answer) *answer { a.send = reset; return a }},
		refused("invalidGrant", "invalid_grant: the sign-in was revoked.", suberror("bad_token", badGrant(50173, "The provided grant has expired due to it being revoked, a fresh auth token is needed."))),
		refused("invalidClient", "invalid_client: the application's credential is wrong or has expired.", badClient(7000222, "The provided client secret keys for app are expired.")),
		refused("unauthorizedClient", "unauthorized_client: the application isn't known here.", &oauthError{status: 400, name: "unauthorized_client", number: 700016, text: "Application was not found in the directory."}),
		refused("interactionRequired", "interaction_required: another factor is needed, with claims to ask for.", &oauthError{status: 400, name: "interaction_required", number: 50076, suberror: "basic_action",
			claims: `{"access_token":{"capolids":{"essential":true,"values":["de300000-0000-4000-8000-0000000000ca"]}}}`,
			text:   "Due to a configuration change made by your administrator, or because you moved to a new location, you must use multi-factor authentication."}),
		refused("tokenConsentRequired", "invalid_grant: nobody has consented.", suberror("consent_required", badGrant(65001, "The user or administrator has not consented to use the application."))),
		refused("tokenConditionalAccess", "A conditional access policy blocks the token.", &oauthError{status: 400, name: "interaction_required", number: 53003, suberror: "message_only",
			text: "Access has been blocked by Conditional Access policies. The access policy does not allow token issuance."}),
		refused("tokenTransient", "temporarily_unavailable, in JSON.", &oauthError{status: 503, name: "temporarily_unavailable", number: 90033, text: "A transient error has occurred. Please try again."}),
		without("noIDToken", "The answer has no ID token.", "id_token"),
		without("noClientInfo", "The answer has no client_info.", "client_info"),
		without("noRefreshToken", "The answer has no refresh token.", "refresh_token"),
		without("noAccessToken", "The answer has no access token.", "access_token"),
		spoilt("scopeDeclined", "The answer's scope lacks what was asked for.",
			func(body map[string]any) { body["scope"] = azureDevOpsResource + "/vso.profile" }),
		{Name: "shortAccessToken", Group: g, Calls: tokenCall, Sentence: "The access token is said to live for one second; it works for a minute."},
		spoilt("refreshInNow", "The access token should be refreshed at once (refresh_in 1).",
			func(body map[string]any) { body["refresh_in"] = 1 }),
	}, hangFaults("tokenHang", "tokenHangAfterDoing", "The answer takes 10 seconds.", g, tokenCall, tokenCall, 10*time.Second))
}

// entraBusy is Entra's 429 or 503.
func entraBusy(status int) func(*exchange, FaultOptions) *answer {
	return func(x *exchange, o FaultOptions) *answer {
		a := x.entraError(&oauthError{status: status, name: "temporarily_unavailable", number: 90055, text: "The tenant request is throttled. Try again later."})
		a.header.Set("Retry-After", seconds(o.RetryAfter))
		return a
	}
}

// spoilTokens lets faults change the token answer.
func (x *exchange) spoilTokens(body map[string]any) *answer {
	for _, f := range x.faults {
		if f.fault.tokens != nil {
			f.fault.tokens(body)
		}
	}
	return entraJSON(http.StatusOK, body)
}

// wrongIssuer is none of the tenants that the simulator knows.
const wrongIssuer = "https://evil.example/" + DefaultTenantID + "/v2.0"

// idTokenFaults are ID tokens that must not be believed.
func idTokenFaults() []Fault {
	spoilt := func(name, sentence string, spoil func(x *exchange, t *idToken)) Fault {
		return Fault{Name: name, Group: GroupIDToken, Calls: tokenCall, Sentence: sentence, idToken: spoil}
	}
	without := func(name, sentence, claim string) Fault {
		return spoilt(name, sentence, func(_ *exchange, t *idToken) { delete(t.claims, claim) })
	}
	with := func(name, sentence, claim string, value any) Fault {
		return spoilt(name, sentence, func(_ *exchange, t *idToken) { t.claims[claim] = value })
	}
	shifted := func(name, sentence string, start, end time.Duration) Fault {
		return spoilt(name, sentence, func(x *exchange, t *idToken) {
			now := x.s.now()
			t.claims["iat"], t.claims["nbf"], t.claims["exp"] = now.Add(start).Unix(), now.Add(start).Unix(), now.Add(end).Unix()
		})
	}
	const anotherClient = "de300000-0000-4000-8000-0000000000ff"
	return []Fault{
		with("wrongNonce", "The nonce is another one.", "nonce", "another-"+newGUID()),
		without("noNonce", "There is no nonce.", "nonce"),
		with("wrongAudience", "It was issued for another application.", "aud", anotherClient),
		with("audienceArray", "The audience is a list that names another application too.", "aud", []string{DefaultClientID, anotherClient}),
		with("wrongIssuer", "It was issued by somebody else.", "iss", wrongIssuer),
		with("wrongTenantID", "Its tid isn't the tenant of its issuer.", "tid", OtherTenantID),
		without("noTenantID", "It has no tid.", "tid"),
		without("noObjectID", "It has no oid.", "oid"),
		spoilt("otherPerson", "It names another person than client_info does.", func(_ *exchange, t *idToken) {
			maps.Copy(t.claims, map[string]any{"oid": newGUID(), "sub": randomText(32), "name": "Mallory", "preferred_username": "mallory@evil.example"})
		}),
		shifted("expiredIDToken", "It expired an hour ago.", -2*time.Hour, -time.Hour),
		shifted("futureIDToken", "It isn't valid for another hour.", time.Hour, 2*time.Hour),
		spoilt("algNone", "It isn't signed (alg none).", func(_ *exchange, t *idToken) {
			t.header = map[string]any{"typ": "JWT", "alg": "none"}
			t.sign = func(string) string { return "" }
		}),
		spoilt("algHS256", "It is signed with the client secret (HS256).", func(x *exchange, t *idToken) {
			t.header["alg"] = "HS256"
			t.sign = func(input string) string {
				mac := hmac.New(sha256.New, []byte(x.s.o.ClientSecret))
				mac.Write([]byte(input))
				return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
			}
		}),
		spoilt("unknownKid", "It is signed with a key that isn't published.", func(_ *exchange, t *idToken) {
			t.header["kid"] = strangerKey().id
			t.sign = strangerKey().sign
		}),
		spoilt("badSignature", "Its signature doesn't fit.", func(_ *exchange, t *idToken) { t.sign = strangerKey().sign }),
	}
}

// metadataFaults are about openid-configuration and the published keys.
func metadataFaults() []Fault {
	g := GroupMetadata
	down := func(name, sentence string, calls []string) Fault {
		return Fault{Name: name, Group: g, Calls: calls, Sentence: sentence, before: func(*exchange, FaultOptions) *answer {
			return htmlAnswer(http.StatusServiceUnavailable, "<!DOCTYPE html><title>Service unavailable</title><h1>Service unavailable</h1>")
		}}
	}
	hang := func(name, sentence string, calls []string) Fault {
		return Fault{Name: name, Group: g, Calls: calls, Sentence: sentence, before: func(x *exchange, o FaultOptions) *answer { return x.hold(o.Delay) }}
	}
	return []Fault{
		down("metadataDown", "The metadata can't be had: 503.", metadataCalls),
		hang("metadataHang", "The metadata never comes.", metadataCalls),
		{Name: "metadataHTML", Group: g, Calls: metadataCalls, Sentence: "The metadata is a web page.", before: func(*exchange, FaultOptions) *answer {
			return htmlAnswer(http.StatusOK, "<!DOCTYPE html><title>Captive portal</title>")
		}},
		{Name: "metadataWrongIssuer", Group: g, Calls: metadataCalls, Sentence: "The metadata names an issuer on another host."},
		down("jwksDown", "The keys can't be had: 503.", keysCalls),
		hang("jwksHang", "The keys never come.", keysCalls),
	}
}
