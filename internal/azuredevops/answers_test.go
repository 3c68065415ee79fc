package azuredevops_test

import (
	"encoding/base64"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/patdesk/patdesk/internal/azuredevops"
	"github.com/patdesk/patdesk/internal/testkit"
)

const (
	html       = "Content-Type: text/html; charset=utf-8\n"
	signInPage = "<!DOCTYPE html><html><head><title>\r\n\tAzure DevOps Services | Sign In\r\n</title></head></html>"
	bom        = "\ufeff"
	activity   = "ActivityId: 5a3b1c9e-0000-4000-8000-000000000001\n"
	notMember  = `{"$id":"1","innerException":null,"message":"TF400813: The user 'aaaa' is not authorized to access this resource.","typeName":"Microsoft.TeamFoundation.Framework.Server.UnauthorizedRequestException","typeKey":"InvalidIdentityException","errorCode":0,"eventId":3000}`
)

// What each answer means, and whether a change may have been carried out.
func TestAnswers(t *testing.T) {
	t.Parallel()
	type want struct {
		kind    azuredevops.Kind
		unknown bool // of a change
		code    string
	}
	tests := map[string]struct {
		reply reply
		want  want
	}{
		"203 sign-in page":            {reply{203, html, signInPage}, want{kind: "signIn", unknown: true}},
		"203 that says JSON":          {reply{203, "", `{"patTokens":[]}`}, want{kind: "signIn", unknown: true}},
		"302 to sign-in":              {reply{302, html + "Location: https://spsprodweu1.vssps.visualstudio.com/_signin?realm=x\n", "<h2>Object moved</h2>"}, want{kind: "signIn", unknown: true}},
		"307 within the host":         {reply{307, "Location: /elsewhere\n", ""}, want{kind: "signIn", unknown: true}},
		"302 with a broken location":  {reply{302, "Location: http://%zz/\n", ""}, want{kind: "signIn", unknown: true}},
		"304":                         {reply{304, "", ""}, want{kind: "signIn", unknown: true}},
		"200 sign-in page":            {reply{200, html, signInPage}, want{kind: "signIn", unknown: true}},
		"200 other HTML":              {reply{200, html, "<html>Welcome to the hotel's Wi-Fi</html>"}, want{kind: "intermediary", unknown: true}},
		"200 HTML that says it is":    {reply{200, "", "<html>"}, want{kind: "notUnderstood", unknown: true}},
		"200 plain text":              {reply{200, "Content-Type: text/plain\n", resultJSON(id, `"`+secret+`"`)}, want{kind: "notUnderstood", unknown: true}},
		"200 cut JSON":                {reply{200, "", resultJSON(id, `"`+secret+`"`)[:200]}, want{kind: "notUnderstood", unknown: true}},
		"200 JSON array":              {reply{200, "", `[]`}, want{kind: "notUnderstood", unknown: true}},
		"200 wrong type":              {reply{200, "", `{"patToken":7,"patTokens":7,"value":7,"id":7}`}, want{kind: "notUnderstood", unknown: true}},
		"201 without a body":          {reply{201, "", ""}, want{kind: "notUnderstood", unknown: true}},
		"401 TF400813 behind a BOM":   {reply{401, "WWW-Authenticate: Bearer\n" + activity, bom + notMember}, want{"refused", false, "TF400813"}},
		"401 service error in header": {reply{401, html + "WWW-Authenticate: Bearer\nX-TFS-ServiceError: TF400813%3a+The+user\n", ""}, want{"refused", false, "TF400813"}},
		"401 empty, Basic":            {reply{401, "Content-Type: \nWWW-Authenticate: Basic realm=\"https://tfsprodweu3.visualstudio.com/\"\n", ""}, want{kind: "signIn"}},
		"401 HTML":                    {reply{401, html, signInPage}, want{kind: "signIn", unknown: true}},
		"401 claims challenge":        {reply{401, "WWW-Authenticate: Bearer realm=\"\", error=\"insufficient_claims\", claims=\"eyJhY2Nlc3NfdG9rZW4iOnsibmJmIjp7ImVzc2VudGlhbCI6dHJ1ZX19fQ==\"\n", ""}, want{kind: "claims"}},
		"401 claims that aren't":      {reply{401, "WWW-Authenticate: Bearer error=\"insufficient_claims\", claims=\"bm90IGpzb24=\"\n", ""}, want{kind: "signIn", unknown: true}},
		"401 claims without end":      {reply{401, "WWW-Authenticate: Bearer error=\"insufficient_claims\", claims=\"" + base64.StdEncoding.EncodeToString([]byte(`{"a":"`+strings.Repeat("x", 80000)+`"}`)) + "\"\n", ""}, want{kind: "claims"}},
		"401 service principal":       {reply{401, activity, `{"message":"Service principals are not allowed to perform this action.","typeKey":"InvalidAccessException"}`}, want{"servicePrincipal", false, "InvalidAccessException"}},
		"400 token as bearer":         {reply{400, activity, `{"message":"The requested operation is not allowed.","typeKey":"InvalidAccessException"}`}, want{"servicePrincipal", false, "InvalidAccessException"}},
		"403 not allowed":             {reply{403, "", `{"message":"Access denied.","typeKey":"AccessCheckException"}`}, want{"forbidden", true, "AccessCheckException"}},
		"403 HTML of the front door":  {reply{403, html + "X-Azure-Ref: 1\n", "<html>no</html>"}, want{kind: "forbidden", unknown: true}},
		"200 page of a sign-in":       {reply{200, html, "<title>Sign in to your account</title><script src=https://aadcdn.msauth.net/x>"}, want{kind: "signIn", unknown: true}},
		"403 conditional access":      {reply{403, "", `{"message":"VS403463: The conditional access policy defined by your Azure Active Directory administrator has failed."}`}, want{"conditionalAccess", true, "VS403463"}},
		"403 conditional access HTML": {reply{403, html, "<img src='data:image/png;base64," + strings.Repeat("A", 40<<10) + "'>VS403463: failed"}, want{"conditionalAccess", true, "VS403463"}},
		"404 HTML":                    {reply{404, html, "<html>not found</html>"}, want{kind: "organization", unknown: true}},
		"404 empty":                   {reply{404, "", ""}, want{kind: "organization", unknown: true}},
		"400 JsonReaderException":     {reply{400, "", `{"message":"TF400898: An Internal Error Occurred. Activity Id: 5a3b1c9e-0000-4000-8000-000000000001.","typeName":"Newtonsoft.Json.JsonReaderException","typeKey":"JsonReaderException"}`}, want{"badRequest", false, "TF400898"}},
		"400 cut JSON":                {reply{400, "", `{"message":"`}, want{kind: "badRequest", unknown: true}},
		"405":                         {reply{405, "", ""}, want{kind: "badRequest", unknown: true}},
		"408":                         {reply{408, "", ""}, want{kind: "timeout", unknown: true}},
		"429 blocked":                 {reply{429, "Retry-After: 3600\n", `{"message":"TF400733: The request has been canceled"}`}, want{"throttled", true, "TF400733"}},
		"500 TF400898":                {reply{500, activity, `{"message":"TF400898: An Internal Error Occurred."}`}, want{"server", true, "TF400898"}},
		"500 HTML":                    {reply{500, html, "<html>oops</html>"}, want{kind: "server", unknown: true}},
		"500 naming an error":         {reply{500, "", `{"patToken":null,"patTokenError":"failedToIssueAccessToken"}`}, want{"server", true, "failedToIssueAccessToken"}},
		"502 from a gateway":          {reply{502, html, "<html>Bad Gateway</html>"}, want{kind: "server", unknown: true}},
		"503 with a date":             {reply{503, "Retry-After: Sun, 22 Nov 2026 13:00:00 GMT\n", ""}, want{kind: "unavailable", unknown: true}},
		"299 HTML":                    {reply{299, html, ""}, want{kind: "notUnderstood", unknown: true}},
		"dirty code":                  {reply{403, "ActivityId: a\tb" + strings.Repeat("c", 100) + "\n", `{"typeKey":"\u0000\u202eEvil` + strings.Repeat("x", 100) + `"}`}, want{kind: "forbidden"}},
	}
	foreign := map[string]bool{"403 HTML of the front door": true, "404 HTML": true, "404 empty": true, "405": true, "400 cut JSON": true}
	for i, name := range slices.Sorted(maps.Keys(tests)) {
		test := tests[name]
		for _, call := range testkit.SampleFor(t, i, 2, every) {
			t.Run(name+"/"+call, func(t *testing.T) {
				s := serve(t, azuredevops.Options{}, test.reply.ServeHTTP)
				_, err := calls[call](s.caller)
				e := failure(t, err)
				kind := test.want.kind
				if foreign[name] && isChange(call) { // its status is that of something in between
					kind = azuredevops.KindNotUnderstood
				}
				if e.Kind != kind || e.Unknown != (test.want.unknown && isChange(call)) {
					t.Errorf("got %s, unknown %v; want %s, unknown %v for changes", e.Kind, e.Unknown, test.want.kind, test.want.unknown)
				}
				if e.Call != call || e.Status != test.reply.status {
					t.Errorf("call %q, status %d; want %q, %d", e.Call, e.Status, call, test.reply.status)
				}
				if test.want.code != "" && e.Code != test.want.code {
					t.Errorf("code %q, want %q", e.Code, test.want.code)
				}
				if strings.Contains(test.reply.headers+test.reply.body, "5a3b1c9e") && e.ActivityID != "5a3b1c9e-0000-4000-8000-000000000001" {
					t.Errorf("activity id %q", e.ActivityID)
				}
				if strings.Contains(test.reply.headers, "Retry-After") && e.RetryAfter != time.Hour {
					t.Errorf("retry after %v, want 1h", e.RetryAfter)
				}
				if want := `{"access_token":{"nbf":{"essential":true}}}`; e.Kind == "claims" && e.Claims != want && len(e.Claims) != 2<<10 {
					t.Errorf("claims %q, want %q", e.Claims, want)
				}
				if n := len(s.requests(http.MethodPost, http.MethodPut, http.MethodDelete)); isChange(call) && n != 1 {
					t.Errorf("the change was sent %d times", n)
				}
			})
		}
	}
}

// What a proxy or portal answers in place of the service is named as that, with its host and nothing else of it.
func TestIntermediaries(t *testing.T) {
	t.Parallel()
	const page = "<html><h1>Blocked</h1></html>"
	long := strings.Repeat("a", 60) + ".example"
	for name, c := range map[string]struct {
		reply reply
		kind  azuredevops.Kind
		host  string
	}{
		"307 to another host":            {reply{307, "Location: https://user:pw@login.proxy.example:8443/ask?url=CANARY#x\n", ""}, "intermediary", "login.proxy.example:8443"},
		"302 to another host":            {reply{302, html + "Location: http://10.1.2.3/blocked?CANARY\n", page}, "intermediary", "10.1.2.3"},
		"303 without a scheme":           {reply{303, "Location: //[2001:db8::1]/CANARY\n", ""}, "intermediary", "[2001:db8::1]"},
		"302 to a host like ours":        {reply{302, "Location: https://dev.azure.com.evil.example/\n", ""}, "intermediary", "dev.azure.com.evil.example"},
		"302 to a host of our ending":    {reply{302, "Location: https://notazure.com/\n", ""}, "intermediary", "notazure.com"},
		"302 to a long name":             {reply{302, "Location: https://" + long + "/\n", ""}, "intermediary", ""},
		"302 to a name that isn't ASCII": {reply{302, "Location: https://pr%C3%B6xy.example/\n", ""}, "intermediary", ""},
		"302 of the service elsewhere":   {reply{302, activity + "Location: https://adfs.example/\n", ""}, "signIn", ""},
		"302 to Entra":                   {reply{302, "Location: https://LOGIN.microsoftonline.com/common/oauth2/authorize\n", ""}, "signIn", ""},
		"302 to a sovereign cloud":       {reply{302, "Location: https://login.partner.microsoftonline.cn/x\n", ""}, "signIn", ""},
		"302 to Azure DevOps":            {reply{302, "Location: https://spsprodweu1.vssps.visualstudio.com/_signin\n", ""}, "signIn", ""},
		"302 nowhere":                    {reply{302, "", page}, "signIn", ""},
		"200 with a page":                {reply{200, html + "Via: 1.1 proxy.example (squid/6.10), 1.1 other\n", page}, "intermediary", "proxy.example"},
		"200 with the service's page":    {reply{200, html + activity, page}, "notUnderstood", ""},
		"200 with text":                  {reply{200, "Content-Type: text/plain\n", "Blocked"}, "notUnderstood", ""},
		"407 with a page":                {reply{407, html + "Proxy-Authenticate: Basic realm=CANARY\n", page}, "intermediary", ""},
		"407 empty, named":               {reply{407, "Via: 1.1 gw-7\n", ""}, "intermediary", "gw-7"},
		"407 with JSON":                  {reply{407, "", `{"statusCode":407,"message":"CANARY"}`}, "intermediary", ""},
		"407 of the service":             {reply{407, activity, ""}, "badRequest", ""},
		"511 with a page":                {reply{511, html, page}, "intermediary", ""},
		"403 of a proxy":                 {reply{403, html + "Via: HTTP/1.1 proxy.example:3128\n", page}, "intermediary", "proxy.example:3128"},
		"403 of a proxy without Via":     {reply{403, html, page}, "intermediary", ""},
		"302 within a proxy":             {reply{302, html + "Location: /_signin\n", page}, "signIn", ""},
		"200 page of a portal":           {reply{200, html, "<html><title>Sign in to Hotel Wi-Fi</title><form></form>"}, "intermediary", ""},
		"200 that leads on":              {reply{200, html, `<html><META HTTP-EQUIV="refresh" CONTENT="0; URL=http://portal.example/?CANARY">`}, "intermediary", "portal.example"},
		"200 that leads on by script":    {reply{200, html, `<html><script>window.location.href = "https://portal.example:8/CANARY"</script>`}, "intermediary", "portal.example:8"},
		"511 that leads on":              {reply{511, html + "Refresh: 0; url=https://login.example/CANARY\n", page}, "intermediary", "login.example"},
		"403 through a proxy":            {reply{403, html + activity + "Via: 1.1 proxy.example\n", page}, "forbidden", ""},
		"403 with JSON, through a proxy": {reply{403, "Via: 1.1 proxy.example\n", `{"message":"Access denied.","typeKey":"AccessCheckException"}`}, "forbidden", ""},
		"451 of a proxy":                 {reply{451, html + "Via: 1.1 <b>CANARY</b>\n", page}, "intermediary", ""},
		"503 through a proxy":            {reply{503, html + "Via: 1.1 proxy.example\n", page}, "unavailable", ""},
	} {
		for _, call := range every {
			s := serve(t, azuredevops.Options{}, c.reply.ServeHTTP)
			_, err := calls[call](s.caller)
			e := failure(t, err)
			if (e.Kind != c.kind || c.kind == "intermediary" && e.Code != c.host) && (c.kind != "forbidden" && c.kind != "badRequest" || e.Kind != azuredevops.KindNotUnderstood || !isChange(call)) {
				t.Errorf("%s, %s: %s from %q, want %s from %q", name, call, e.Kind, e.Code, c.kind, c.host)
			}
			if strings.Contains(e.Error(), "CANARY") || e.Unknown != isChange(call) {
				t.Errorf("%s, %s: %v", name, call, e)
			}
			s.Close()
		}
	}
}

// Only what is certainly the service's own is believed as a refusal of a change: its form, and something that nobody
// else sends.
func TestWhoseRefusal(t *testing.T) {
	t.Parallel()
	const (
		own      = `{"$id":"1","innerException":null,"message":"TF50309: no.","typeName":"Microsoft.VisualStudio.Services.Common.X, Microsoft.VisualStudio.Services.Common","typeKey":"X","errorCode":0,"eventId":3000}`
		noTypes  = `{"message":"Blocked.","typeKey":"X"}`
		patError = `{"patToken":null,"patTokenError":"accessDenied"}`
		newError = `{"patToken":null,"patTokenError":"brandNew"}`
		made     = `{"patToken":{"authorizationId":"` + id + `","displayName":"x","scope":"vso.code"},"patTokenError":"accessDenied"}`
		page     = "<html>Blocked by policy</html>"
		access   = "VS403463: The conditional access policy defined by your Microsoft Entra administrator has failed."
	)
	headers := map[string]string{
		"none": "", "ActivityId": activity, "E2EID": "X-VSS-E2EID: 1\n", "TFS": "X-TFS-Session: 1\n", "front door": "X-MSEdge-Ref: Ref A: 1\n", "proxy": "Via: 1.1 proxy\nServer: Squid\n",
	}
	ofService := []string{"ActivityId", "E2EID", "TFS"}
	bodies := map[string]struct{ body, believed string }{ // believed: "always", "with" a header of the service's, "never"
		"own form": {own, "always"}, "patTokenError": {patError, "always"}, "new patTokenError": {newError, "with"}, "no types": {noTypes, "with"},
		"conditional access": {strings.Replace(own, "TF50309: no.", access, 1), "always"}, "conditional access, no types": {`{"message":"` + access + `"}`, "with"},
		"conditional access in HTML": {"<html><p>" + access + "</p></html>", "with"},
		"own form behind a BOM":      {bom + own, "always"}, "cut": {own[:len(own)-2], "never"}, "twice": {own + own, "never"}, "made all the same": {made, "never"},
		"HTML": {page, "never"}, "empty": {"", "never"}, "JSON of another kind": {`{"error":{"code":403,"message":"Blocked"}}`, "never"},
		"message alone": {`{"message":"accessDenied"}`, "never"}, "array": {"[" + own + "]", "never"}, "null": {"null", "never"}, "text": {`"accessDenied"`, "never"},
	}
	for _, status := range []int{400, 401, 403, 404, 407, 409, 413, 421, 451} {
		for name, body := range bodies {
			for header, line := range headers {
				s := serve(t, azuredevops.Options{}, reply{status, line, body.body}.ServeHTTP)
				_, err := calls["create"](s.caller)
				believed := body.believed == "always" || body.believed == "with" && slices.Contains(ofService, header)
				if e := failure(t, err); e.Unknown == believed {
					t.Errorf("%d, %s, header %s: %+v", status, name, header, *e)
				}
				s.Close()
			}
		}
	}
	for _, status := range []int{203, 302, 408, 429, 500, 503} { // these stand before the service, or fail
		for _, call := range []string{"create", "update", "revoke"} {
			s := serve(t, azuredevops.Options{}, reply{status, activity, own}.ServeHTTP)
			_, err := calls[call](s.caller)
			if e := failure(t, err); !e.Unknown {
				t.Errorf("%d to %s: %+v", status, call, *e)
			}
			s.Close()
		}
	}
}

// A 404 of the organization itself to a call that names a token is about the token.
func TestMissingToken(t *testing.T) {
	notFound := reply{404, "", `{"message":"no such token","typeKey":"AuthorizationIdNotFoundException"}`}
	for call, want := range map[string]azuredevops.Kind{"get": "authorizationNotFound", "update": "authorizationNotFound", "revoke": "authorizationNotFound", "list": "organization", "create": "organization"} {
		_, err := calls[call](serve(t, azuredevops.Options{}, notFound.ServeHTTP).caller)
		if e := failure(t, err); e.Kind != want {
			t.Errorf("%s: %s, want %s", call, e.Kind, want)
		}
	}
}

// The values of patTokenError, in the order of the service's enumeration.
var patTokenErrors = strings.Fields(`none displayNameRequired invalidDisplayName invalidValidTo invalidScope userIdRequired
	invalidUserId invalidUserType accessDenied failedToIssueAccessToken invalidClient invalidClientType invalidClientId
	invalidTargetAccounts hostAuthorizationNotFound authorizationNotFound failedToUpdateAccessToken sourceNotSupported
	invalidSourceIP invalidSource duplicateHash sshPolicyDisabled invalidToken tokenNotFound invalidAuthorizationId
	failedToReadTenantPolicy globalPatPolicyViolation fullScopePatPolicyViolation patLifespanPolicyViolation
	invalidTokenType invalidAudience invalidSubject deploymentHostNotSupported disablePatCreationPolicyViolation
	failedToReadOrgPolicy globalPATCreationBlocked expiredPatCannotBeExtended`)

// Each patTokenError, in each form, with each status that it can come with, is the Kind of that name, and the change
// was definitely not made.
func TestPatTokenErrors(t *testing.T) {
	t.Parallel()
	if len(patTokenErrors) != 37 {
		t.Fatalf("%d values, want 37", len(patTokenErrors))
	}
	forms := map[string]func(i int, name string) string{
		"name": func(_ int, name string) string { return fmt.Sprintf(`{"patToken":null,"patTokenError":%q}`, name) },
		"Name": func(_ int, name string) string {
			return fmt.Sprintf(`{"patTokenError":%q}`, strings.ToUpper(name[:1])+name[1:])
		},
		"number": func(i int, _ string) string { return fmt.Sprintf(`{"patToken":null,"patTokenError":%d}`, i) },
		"message": func(_ int, name string) string {
			return fmt.Sprintf(`{"message":%q,"typeKey":"SessionTokenCreateException"}`, name)
		},
		"sentence": func(_ int, name string) string {
			return fmt.Sprintf(`{"message":"Failed to create PAT: %s.","typeKey":"SessionTokenCreateException"}`, name)
		},
	}
	for i, name := range patTokenErrors[1:] {
		for form, body := range forms {
			for _, status := range []int{200, 400, 403, 409} {
				if status == 200 && (form == "message" || form == "sentence") {
					continue
				}
				s := serve(t, azuredevops.Options{}, reply{status, "", body(i+1, name)}.ServeHTTP)
				_, err := calls["create"](s.caller)
				e := failure(t, err)
				if string(e.Kind) != name || e.Unknown || e.Status != status || !strings.EqualFold(e.Code, name) {
					t.Errorf("%s as %s with %d: got %+v", name, form, status, *e)
				}
				s.Close()
			}
		}
	}
}

// Values that aren't in the table are kept, and none of them is taken for success.
func TestUnknownPatTokenError(t *testing.T) {
	for body, want := range map[string]azuredevops.Error{
		`{"patTokenError":"quotaExceeded"}`:        {Kind: "unknownPatError", Code: "quotaExceeded", Unknown: true}, // without the service's headers
		`{"patTokenError":37}`:                     {Kind: "unknownPatError", Code: "37", Unknown: true},
		`{"patTokenError":-1}`:                     {Kind: "unknownPatError", Code: "-1", Unknown: true},
		`{"patTokenError":1.5}`:                    {Kind: "unknownPatError", Code: "1.5", Unknown: true},
		`{"patTokenError":[1]}`:                    {Kind: "notUnderstood", Unknown: true},
		`{"patTokenError":{"a":1}}`:                {Kind: "notUnderstood", Unknown: true},
		`{"patTokenError":true}`:                   {Kind: "notUnderstood", Unknown: true},
		`{"patToken":null,"patTokenError":"none"}`: {Kind: "notUnderstood", Unknown: true},
		`{"patToken":null,"patTokenError":0}`:      {Kind: "notUnderstood", Unknown: true},
		`{}`:                                       {Kind: "notUnderstood", Unknown: true},
		`null`:                                     {Kind: "notUnderstood", Unknown: true},
		"":                                         {Kind: "notUnderstood", Unknown: true},
	} {
		s := serve(t, azuredevops.Options{}, ok(body).ServeHTTP)
		for _, call := range []string{"create", "update"} {
			_, err := calls[call](s.caller)
			if e := failure(t, err); e.Kind != want.Kind || e.Code != want.Code || e.Unknown != want.Unknown {
				t.Errorf("%s answered %s: got %+v", call, body, *e)
			}
		}
	}
}
