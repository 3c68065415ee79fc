package simulator_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/patdesk/patdesk/internal/simulator"
)

// token returns the patToken of an answer, or fails.
func patToken(t *testing.T, a reply) map[string]any {
	t.Helper()
	o := a.object(t)
	p, ok := o["patToken"].(map[string]any)
	if !ok || text(o, "patTokenError") != "none" || a.status != http.StatusOK {
		t.Fatalf("%d %s", a.status, a.body)
	}
	return p
}

// patError returns the patTokenError of an answer.
func patError(t *testing.T, a reply) string {
	t.Helper()
	o := a.object(t)
	if o["patToken"] != nil {
		t.Errorf("a token with an error: %s", a.body)
	}
	return text(o, "patTokenError")
}

func TestLifeOfAToken(t *testing.T) {
	t.Parallel()
	s := start(t, simulator.Options{})
	mona := bearer(t, s, simulator.Mona)
	made := patToken(t, api(t, s, mona, http.MethodPost, pats("Contoso", ""), wish("<b>& ключ")))
	id, secret := text(made, "authorizationId"), text(made, "token")
	if len(secret) != 84 || !strings.HasPrefix(secret, "FAKE-DEMO-SECRET-") {
		t.Errorf("the secret is %q", secret)
	}
	if accounts, ok := made["targetAccounts"].([]any); !ok || len(accounts) != 1 || accounts[0] != s.Organizations()[0].ID {
		t.Errorf("targetAccounts %v", made["targetAccounts"])
	}
	got := patToken(t, api(t, s, mona, http.MethodGet, "/contoso/_APIS/Tokens/Pats?authorizationId="+id+"&API-Version="+version, nil))
	if text(got, "displayName") != "<b>& ключ" || got["token"] != nil {
		t.Errorf("%v", got)
	}
	changed := patToken(t, api(t, s, mona, http.MethodPut, pats("contoso", ""), map[string]any{"authorizationId": id, "displayName": "renamed"}))
	if text(changed, "displayName") != "renamed" || text(changed, "scope") != "vso.code" || changed["validTo"] != made["validTo"] || changed["token"] != nil {
		t.Errorf("%v", changed)
	}
	if owner, ok := s.SecretBelongsTo(secret); !ok || owner.DisplayName != "renamed" {
		t.Error("the secret doesn't open the token any more")
	}
	for range 2 { // twice: it is revoked already
		if a := api(t, s, mona, http.MethodDelete, pats("contoso", "&authorizationId="+id), nil); a.status != http.StatusNoContent || a.body != "" {
			t.Errorf("revoke: %d %q", a.status, a.body)
		}
	}
	if _, ok := s.SecretBelongsTo(secret); ok || s.Revoked() != 1 || s.Created() != 1 {
		t.Errorf("%d created, %d revoked", s.Created(), s.Revoked())
	}
	if e := patError(t, api(t, s, mona, http.MethodPut, pats("contoso", ""), map[string]any{"authorizationId": id, "displayName": "again"})); e != "failedToUpdateAccessToken" {
		t.Errorf("an update of a revoked token: %s", e)
	}
	if len(s.Tokens("contoso")) != 1 || len(s.Tokens("fabrikam")) != 0 || s.Tokens("contoso")[0].Status(time.Now()) != "revoked" {
		t.Errorf("%v", s.Tokens(""))
	}
}

func TestCreateIsChecked(t *testing.T) {
	t.Parallel()
	s := start(t, simulator.Options{})
	mona := bearer(t, s, simulator.Mona)
	for name, c := range map[string]struct {
		field string
		value any
		want  string
	}{
		"all well":             {"", nil, "none"},
		"no name":              {"displayName", nil, "displayNameRequired"},
		"empty name":           {"displayName", " ", "displayNameRequired"},
		"long name":            {"displayName", strings.Repeat("é", 256), "invalidDisplayName"},
		"longest name":         {"displayName", strings.Repeat("é", 255), "none"},
		"control character":    {"displayName", "a\nb", "invalidDisplayName"},
		"no scope":             {"scope", nil, "invalidScope"},
		"empty scope":          {"scope", "", "invalidScope"},
		"unknown scope":        {"scope", "vso.code vso.everything", "invalidScope"},
		"permission as scope":  {"scope", "vso.pats", "invalidScope"},
		"comma":                {"scope", "vso.code,vso.work", "invalidScope"},
		"two spaces":           {"scope", "vso.code  vso.work", "invalidScope"},
		"twice the same":       {"scope", "vso.code vso.code", "invalidScope"},
		"several":              {"scope", "vso.code vso.work", "none"},
		"full access":          {"scope", "app_token", "none"},
		"full access and more": {"scope", "app_token vso.code", "invalidScope"},
		"past":                 {"validTo", time.Now().Add(-time.Minute).Format(time.RFC3339), "invalidValidTo"},
		"no date":              {"validTo", "tomorrow", "invalidValidTo"},
		"all organizations":    {"allOrgs", true, "globalPATCreationBlocked"},
		"unknown field":        {"colour", "green", "none"},
	} {
		w := wish(name)
		if c.field != "" {
			w[c.field] = c.value
		}
		before := s.Created()
		a := api(t, s, mona, http.MethodPost, pats("contoso", ""), w)
		if got := text(a.object(t), "patTokenError"); got != c.want || a.status != http.StatusOK {
			t.Errorf("%s: %d %s, not %s", name, a.status, got, c.want)
		}
		if made := s.Created() - before; (made == 1) != (c.want == "none") {
			t.Errorf("%s: %d made", name, made)
		}
	}
}

func TestBodyMustBeAJSONObject(t *testing.T) {
	t.Parallel()
	s := start(t, simulator.Options{})
	mona := bearer(t, s, simulator.Mona)
	for _, body := range []string{"", "{", "null", `"{\"displayName\":\"twice encoded\"}"`, "[]", `{"displayName":7}`, `{"allOrgs":"no"}`, "{} {}"} {
		for _, method := range []string{http.MethodPost, http.MethodPut} {
			a := api(t, s, mona, method, pats("contoso", ""), body)
			if a.status != http.StatusBadRequest || !strings.Contains(a.body, "TF400898") || !strings.Contains(a.body, "Newtonsoft.Json.JsonReaderException") {
				t.Errorf("%s %q: %d %s", method, body, a.status, a.body)
			}
		}
	}
	a := do(t, s.Client(), http.MethodPost, s.Endpoint()+pats("contoso", ""), http.Header{"Authorization": {"Bearer " + mona}, "Content-Type": {"text/plain"}}, strings.NewReader("{}"))
	if a.status != http.StatusUnsupportedMediaType {
		t.Errorf("text/plain: %d", a.status)
	}
}

func TestVersions(t *testing.T) {
	t.Parallel()
	s := start(t, simulator.Options{})
	mona := bearer(t, s, simulator.Mona)
	for v, want := range map[string]string{"": "VssVersionNotSpecifiedException", "7.1": "VssInvalidPreviewVersionException", "9.9-preview.1": "VssVersionOutOfRangeException",
		"7.1-preview.2": "VssVersionOutOfRangeException", "7.1-preview": "", "7.1-preview.1": "", "7.2-preview.1": ""} {
		a := api(t, s, mona, http.MethodGet, "/contoso/_apis/tokens/pats?api-version="+v, nil)
		if got := text(a.object(t), "typeKey"); got != want || (a.status == http.StatusOK) != (want == "") {
			t.Errorf("%q: %d %s", v, a.status, got)
		}
	}
	inHeader := do(t, s.Client(), http.MethodGet, s.Endpoint()+"/contoso/_apis/tokens/pats", http.Header{"Authorization": {"Bearer " + mona}, "Accept": {"application/json; api-version=7.1-preview.1"}}, nil)
	if inHeader.status != http.StatusOK {
		t.Errorf("version in Accept: %d", inHeader.status)
	}
	w := wish("")
	for v, want := range map[string]bool{"7.1-preview.1": false, "7.2-preview.1": true} {
		a := api(t, s, mona, http.MethodPost, "/contoso/_apis/tokens/pats?api-version="+v, w)
		if _, ok := a.object(t)["patTokenErrorMessage"]; ok != want {
			t.Errorf("%s: patTokenErrorMessage is there: %v", v, ok)
		}
	}
}

func TestWhoMayCall(t *testing.T) {
	t.Parallel()
	k := newClock()
	s := start(t, simulator.Options{Now: k.Now})
	mona, aiko := bearer(t, s, simulator.Mona), bearer(t, s, simulator.Aiko)
	path := s.Endpoint() + pats("contoso", "")
	pat := s.AddToken(simulator.Token{Organization: "contoso"})
	basic := func(secret string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte(":"+secret)) }
	for name, c := range map[string]struct {
		authorization string
		status        int
		says          string
	}{
		"member":          {"Bearer " + mona, http.StatusOK, "patTokens"},
		"nobody":          {"", http.StatusNonAuthoritativeInfo, "Azure DevOps Services | Sign In"},
		"unknown bearer":  {"Bearer " + mona + "x", http.StatusNonAuthoritativeInfo, "Sign In"},
		"other tenant":    {"Bearer " + aiko, http.StatusUnauthorized, "\ufeff{"},
		"a PAT":           {basic(pat.Secret), http.StatusForbidden, "The requested operation is not allowed."},
		"a PAT, unknown":  {basic("x"), http.StatusUnauthorized, ""},
		"a PAT as bearer": {"Bearer " + pat.Secret, http.StatusNonAuthoritativeInfo, "Sign In"},
	} {
		a := do(t, s.Client(), http.MethodGet, path, http.Header{"Authorization": {c.authorization}}, nil)
		if a.status != c.status || !strings.Contains(a.body, c.says) {
			t.Errorf("%s: %d %.80s", name, a.status, a.body)
		}
	}
	refused := api(t, s, aiko, http.MethodGet, pats("contoso", ""), nil)
	if !strings.Contains(refused.body, "TF400813") || !strings.Contains(refused.header.Get("X-Tfs-Serviceerror"), "TF400813%3A+") {
		t.Errorf("%v %s", refused.header, refused.body)
	}
	k.Move(74 * time.Minute)
	if a := api(t, s, mona, http.MethodGet, pats("contoso", ""), nil); a.status != http.StatusOK {
		t.Errorf("within its time: %d", a.status)
	}
	k.Move(2 * time.Minute)
	if a := api(t, s, mona, http.MethodGet, pats("contoso", ""), nil); a.status != http.StatusNonAuthoritativeInfo {
		t.Errorf("after its time: %d", a.status)
	}
}

func TestNotAMemberAndNoSuchOrganization(t *testing.T) {
	t.Parallel()
	s := start(t, simulator.Options{})
	jonas := bearer(t, s, simulator.Jonas)
	for organization, want := range map[string]int{"contoso": 200, "northwind-labs": 401, "nobody-has-this": 404} {
		if a := api(t, s, jonas, http.MethodGet, pats(organization, ""), nil); a.status != want {
			t.Errorf("%s: %d", organization, a.status)
		}
	}
	if a := api(t, s, jonas, http.MethodPatch, pats("contoso", ""), "{}"); a.status != http.StatusMethodNotAllowed {
		t.Errorf("PATCH: %d", a.status)
	}
}

// An organization accepts only its own tenant's tokens, also from a member of another home tenant.
func TestMemberOfAnotherTenant(t *testing.T) {
	t.Parallel()
	guest := simulator.Person{Name: "Guest", Username: "guest@woodgrove.example", ObjectID: "guest", TenantID: simulator.OtherTenantID, Organizations: []string{"contoso"}}
	s := start(t, simulator.Options{People: []simulator.Person{guest}})
	if a := api(t, s, bearer(t, s, guest.Username), http.MethodGet, pats("contoso", ""), nil); a.status != http.StatusUnauthorized {
		t.Errorf("%d", a.status)
	}
	if len(s.People()) != 1 || len(s.Organizations()) != 3 {
		t.Errorf("%v in %v", s.People(), s.Organizations())
	}
}

func TestPermissions(t *testing.T) {
	t.Parallel()
	s := start(t, simulator.Options{GrantedScopes: []string{"vso.pats"}})
	mona := bearer(t, s, simulator.Mona)
	for name, c := range map[string]struct {
		method, path string
		want         int
	}{
		"list": {http.MethodGet, pats("contoso", ""), 200}, "create": {http.MethodPost, pats("contoso", ""), 401},
		"profile": {http.MethodGet, "/_apis/profile/profiles/me?api-version=7.1", 401},
	} {
		if a := api(t, s, mona, c.method, c.path, "{}"); a.status != c.want {
			t.Errorf("%s: %d", name, a.status)
		}
	}
	all := start(t, simulator.Options{GrantedScopes: []string{"user_impersonation"}})
	if a := api(t, all, bearer(t, all, simulator.Mona), http.MethodPost, pats("contoso", ""), wish("x")); a.status != 200 {
		t.Errorf("impersonation: %d", a.status)
	}
}

// list follows the continuation tokens and returns all names.
func list(t *testing.T, s *simulator.Simulator, bearer, organization, query string) (names []string, pages int) {
	t.Helper()
	continuation := ""
	for {
		a := api(t, s, bearer, http.MethodGet, pats(organization, query+"&continuationToken="+url.QueryEscape(continuation)), nil)
		if a.status != http.StatusOK {
			t.Fatalf("%d %s", a.status, a.body)
		}
		pages++
		tokens, ok := a.object(t)["patTokens"].([]any)
		if !ok {
			t.Fatalf("no list: %s", a.body)
		}
		for _, one := range tokens {
			if m, ok := one.(map[string]any); ok {
				names = append(names, text(m, "displayName"))
			}
		}
		if continuation = text(a.object(t), "continuationToken"); continuation == "" {
			return names, pages
		}
	}
}

func TestListFiltersSortsAndPages(t *testing.T) {
	t.Parallel()
	s := start(t, simulator.Options{})
	now := time.Now()
	for i := range 7 {
		s.AddToken(simulator.Token{DisplayName: fmt.Sprintf("live %d", i), Organization: "contoso", ValidTo: now.Add(time.Duration(9-i) * time.Hour)})
	}
	s.AddToken(simulator.Token{DisplayName: "past", Organization: "contoso", ValidTo: now.Add(-time.Hour)})
	s.AddToken(simulator.Token{DisplayName: "gone", Organization: "contoso", Revoked: true})
	s.AddToken(simulator.Token{DisplayName: "global"})
	s.AddToken(simulator.Token{DisplayName: "elsewhere", Organization: "fabrikam"})
	s.AddToken(simulator.Token{DisplayName: "another's", Organization: "contoso", Owner: simulator.Jonas})
	mona := bearer(t, s, simulator.Mona)
	live := []string{"live 0", "live 1", "live 2", "live 3", "live 4", "live 5", "live 6"}
	backwards := slices.Clone(live)
	slices.Reverse(backwards)
	for query, c := range map[string]struct {
		want  []string
		pages int
	}{
		"":                             {append([]string{"global"}, live...), 1},
		"&displayFilterOption=Active":  {append([]string{"global"}, live...), 1},
		"&displayFilterOption=expired": {[]string{"past"}, 1},
		"&displayFilterOption=revoked": {[]string{"gone"}, 1},
		"&displayFilterOption=all&$top=3&sortByOption=displayName": {append([]string{"global", "gone"}, append(slices.Clone(live), "past")...), 4},
		"&sortByOption=displayDate&$top=1":                         {append(backwards, "global"), 8},
		"&sortByOption=displayName&isSortAscending=false":          {append(slices.Clone(backwards), "global"), 1},
	} {
		names, pages := list(t, s, mona, "contoso", query)
		if !slices.Equal(names, c.want) || pages != c.pages {
			t.Errorf("%s: %q on %d pages", query, names, pages)
		}
	}
	a := api(t, s, mona, http.MethodGet, pats("contoso", ""), nil)
	if !strings.Contains(a.body, `"continuationToken":""`) || strings.Contains(a.body, `"token":"`) {
		t.Errorf("%s", a.body)
	}
	if elsewhere, _ := list(t, s, mona, "fabrikam", ""); !slices.Equal(elsewhere, []string{"elsewhere", "global"}) {
		t.Errorf("fabrikam: %q", elsewhere)
	}
}

func TestListIsChecked(t *testing.T) {
	t.Parallel()
	s := start(t, simulator.Options{Seed: true, PageSize: 2})
	mona := bearer(t, s, simulator.Mona)
	for _, query := range []string{"&$top=101", "&$top=0", "&$top=many", "&displayFilterOption=dead", "&sortByOption=age", "&isSortAscending=up", "&continuationToken=made-up"} {
		if a := api(t, s, mona, http.MethodGet, pats("contoso", query), nil); a.status != http.StatusBadRequest {
			t.Errorf("%s: %d", query, a.status)
		}
	}
	first := api(t, s, mona, http.MethodGet, pats("contoso", "&$top=100"), nil)
	next := url.QueryEscape(text(first.object(t), "continuationToken"))
	if next == "" || strings.Count(first.body, "authorizationId") != 2 {
		t.Fatalf("the page size isn't held: %s", first.body)
	}
	// The filters must be repeated, in the same organization, by the same person.
	for path, want := range map[string]int{
		pats("contoso", "&displayFilterOption=expired&continuationToken="+next): 400,
		pats("fabrikam", "&continuationToken="+next):                            400,
		pats("contoso", "&continuationToken="+next):                             200,
	} {
		if a := api(t, s, mona, http.MethodGet, path, nil); a.status != want {
			t.Errorf("%s: %d", path, a.status)
		}
	}
	if a := api(t, s, bearer(t, s, simulator.Jonas), http.MethodGet, pats("contoso", "&continuationToken="+next), nil); a.status != 400 {
		t.Errorf("another's continuation: %d", a.status)
	}
}

func TestExpiryRules(t *testing.T) {
	t.Parallel()
	day := 24 * time.Hour
	k := newClock()
	for name, c := range map[string]struct {
		o      simulator.Options
		wanted time.Duration
		want   time.Duration
	}{
		"as asked":     {simulator.Options{}, 30 * day, 30 * day},
		"a year":       {simulator.Options{}, 365 * day, 365 * day},
		"too far, cut": {simulator.Options{}, 800 * day, 365 * day},
		"policy cuts":  {simulator.Options{MaxLifespan: 14 * day}, 30 * day, 14 * day},
		"not given":    {simulator.Options{}, 0, 30 * day},
	} {
		c.o.Now = k.Now
		s := start(t, c.o)
		w := wish(name)
		w["validTo"] = k.Now().Add(c.wanted).Format(time.RFC3339Nano)
		if c.wanted == 0 {
			delete(w, "validTo")
		}
		a := api(t, s, bearer(t, s, simulator.Mona), http.MethodPost, pats("contoso", ""), w)
		if got := text(patToken(t, a), "validTo"); got != k.Now().Add(c.want).Format(time.RFC3339Nano) {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// At update the maximum lifespan counts from the token's creation, so that an extension may come back short.
func TestLifespanAtUpdate(t *testing.T) {
	t.Parallel()
	day := 24 * time.Hour
	k := newClock()
	s := start(t, simulator.Options{Now: k.Now, MaxLifespan: 14 * day})
	mona := bearer(t, s, simulator.Mona)
	old := s.AddToken(simulator.Token{Organization: "contoso", ValidFrom: k.Now().Add(-10 * day), ValidTo: k.Now().Add(day)})
	tooOld := s.AddToken(simulator.Token{Organization: "contoso", ValidFrom: k.Now().Add(-20 * day), ValidTo: k.Now().Add(day)})
	past := s.AddToken(simulator.Token{Organization: "contoso", ValidFrom: k.Now().Add(-20 * day), ValidTo: k.Now().Add(-day)})
	extend := func(id string) reply {
		return api(t, s, mona, http.MethodPut, pats("contoso", ""), map[string]any{"authorizationId": id, "validTo": k.Now().Add(30 * day).Format(time.RFC3339)})
	}
	if got := text(patToken(t, extend(old.AuthorizationID)), "validTo"); got != k.Now().Add(4*day).Format(time.RFC3339) {
		t.Errorf("extended to %s", got)
	}
	if got := patError(t, extend(tooOld.AuthorizationID)); got != "patLifespanPolicyViolation" {
		t.Error(got)
	}
	if got := patError(t, extend(past.AuthorizationID)); got != "expiredPatCannotBeExtended" {
		t.Error(got)
	}
}

func TestUpdateIsChecked(t *testing.T) {
	t.Parallel()
	s := start(t, simulator.Options{})
	mona := bearer(t, s, simulator.Mona)
	one := s.AddToken(simulator.Token{DisplayName: "one", Scope: "vso.code", Organization: "contoso"})
	others := s.AddToken(simulator.Token{DisplayName: "another's", Organization: "contoso", Owner: simulator.Jonas})
	elsewhere := s.AddToken(simulator.Token{DisplayName: "elsewhere", Organization: "fabrikam"})
	for name, c := range map[string]struct {
		body map[string]any
		want string
	}{
		"no id":         {map[string]any{"displayName": "x"}, "invalidAuthorizationId"},
		"no GUID":       {map[string]any{"authorizationId": "7"}, "invalidAuthorizationId"},
		"unknown":       {map[string]any{"authorizationId": "00000000-0000-4000-8000-000000000000"}, "authorizationNotFound"},
		"another's":     {map[string]any{"authorizationId": others.AuthorizationID}, "authorizationNotFound"},
		"elsewhere":     {map[string]any{"authorizationId": elsewhere.AuthorizationID}, "authorizationNotFound"},
		"empty name":    {map[string]any{"displayName": ""}, "displayNameRequired"},
		"unknown scope": {map[string]any{"scope": "vso.nothing"}, "invalidScope"},
		"past":          {map[string]any{"validTo": "2020-01-01T00:00:00Z"}, "invalidValidTo"},
		"no date":       {map[string]any{"validTo": "soon"}, "invalidValidTo"},
		"made global":   {map[string]any{"allOrgs": true}, "globalPATCreationBlocked"},
		"nulls":         {map[string]any{"displayName": nil, "scope": nil, "validTo": nil}, "none"},
	} {
		if _, ok := c.body["authorizationId"]; !ok && name != "no id" {
			c.body["authorizationId"] = strings.ToUpper(one.AuthorizationID)
		}
		if got := text(api(t, s, mona, http.MethodPut, pats("contoso", ""), c.body).object(t), "patTokenError"); got != c.want {
			t.Errorf("%s: %s, not %s", name, got, c.want)
		}
	}
	if after, ok := s.Token(one.AuthorizationID); !ok || after.DisplayName != "one" || after.Scope != "vso.code" || !after.ValidTo.Equal(one.ValidTo) {
		t.Errorf("changed all the same: %v", after)
	}
}

func TestAnswersThatArePossible(t *testing.T) {
	t.Parallel()
	unknown := "&authorizationId=00000000-0000-4000-8000-000000000000"
	for name, c := range map[string]struct {
		o                        simulator.Options
		get, revoke, revokeKnown int
	}{
		"default":    {simulator.Options{}, 200, 200, 204},
		"400":        {simulator.Options{ErrorStatus: 400}, 400, 400, 204},
		"404":        {simulator.Options{UnknownToken: simulator.AnswerNotFound}, 404, 404, 204},
		"success":    {simulator.Options{UnknownToken: simulator.AnswerSuccess, RevokeStatus: 200}, 200, 200, 200},
		"no content": {simulator.Options{UnknownToken: simulator.AnswerSuccess}, 200, 204, 204},
	} {
		s := start(t, c.o)
		mona := bearer(t, s, simulator.Mona)
		known := s.AddToken(simulator.Token{Organization: "contoso"})
		for what, call := range map[string]struct {
			method, query string
			want          int
		}{
			"get":          {http.MethodGet, unknown, c.get},
			"revoke":       {http.MethodDelete, unknown, c.revoke},
			"revoke known": {http.MethodDelete, "&authorizationId=" + known.AuthorizationID, c.revokeKnown},
		} {
			if a := api(t, s, mona, call.method, pats("contoso", call.query), nil); a.status != call.want {
				t.Errorf("%s, %s: %d %s", name, what, a.status, a.body)
			}
		}
	}
	s := start(t, simulator.Options{})
	for _, method := range []string{http.MethodGet, http.MethodDelete} {
		if got := patError(t, api(t, s, bearer(t, s, simulator.Mona), method, pats("contoso", "&authorizationId=7"), nil)); got != "invalidAuthorizationId" {
			t.Errorf("%s of no GUID: %s", method, got)
		}
	}
}

// The service rounds as SQL Server's datetime does, and leaves out zeros at the end.
func TestGrainOfTime(t *testing.T) {
	t.Parallel()
	s := start(t, simulator.Options{RealisticSecrets: true})
	mona := bearer(t, s, simulator.Mona)
	second := time.Now().UTC().Add(time.Hour).Truncate(time.Second).Format("2006-01-02T15:04:05")
	for sent, want := range map[string]string{".319Z": ".32Z", ".3216Z": ".32Z", ".001Z": "Z", ".002Z": ".003Z", ".005Z": ".007Z", ".5Z": ".5Z", "Z": "Z"} {
		w := wish(sent)
		w["validTo"] = second + sent
		made := patToken(t, api(t, s, mona, http.MethodPost, pats("contoso", ""), w))
		if got := text(made, "validTo"); got != second+want {
			t.Errorf("%s became %s", sent, got)
		}
		if secret := text(made, "token"); len(secret) != 84 || secret[75:79] != "AZDO" {
			t.Errorf("a realistic secret: %q", secret)
		}
	}
}

func TestHeadersAndRecord(t *testing.T) {
	t.Parallel()
	s := start(t, simulator.Options{})
	mona := bearer(t, s, simulator.Mona)
	s.ResetCalls()
	a := api(t, s, mona, http.MethodPost, pats("contoso", ""), wish("recorded"))
	if s.AllCalls()["create"] != 1 || len(s.Requests()) != 1 {
		t.Fatalf("%v", s.AllCalls())
	}
	r := s.Requests()[0]
	if id := a.header.Get("Activityid"); id == "" || id != r.ActivityID || a.header.Get("X-Vss-E2eid") != id {
		t.Errorf("activity %q, recorded as %q", id, r.ActivityID)
	}
	if r.Call != "create" || r.Organization != "contoso" || r.Method != http.MethodPost || r.Status != 200 || !strings.Contains(r.Body, "recorded") ||
		r.Header.Get("Authorization") != "Bearer "+mona || "https://"+r.Host != s.Endpoint() || r.Query.Get("api-version") != version {
		t.Errorf("%+v", r)
	}
	if !strings.HasSuffix(a.header.Get("X-Vss-Userdata"), ":"+simulator.Mona) {
		t.Errorf("user data %q", a.header.Get("X-Vss-Userdata"))
	}
}

func TestBearersCanBeExpired(t *testing.T) {
	t.Parallel()
	s := start(t, simulator.Options{})
	mona := bearer(t, s, simulator.Mona)
	s.ExpireAccessTokens()
	if a := api(t, s, mona, http.MethodGet, pats("contoso", ""), nil); a.status != http.StatusNonAuthoritativeInfo {
		t.Errorf("%d", a.status)
	}
}

func TestDiscovery(t *testing.T) {
	t.Parallel()
	s := start(t, simulator.Options{})
	for person, want := range map[string][]string{simulator.Mona: {"contoso", "fabrikam", "northwind-labs"}, simulator.Jonas: {"contoso", "fabrikam"}, simulator.Aiko: nil} {
		token := bearer(t, s, person)
		me := api(t, s, token, http.MethodGet, "/_apis/profile/profiles/me?api-version=7.2-preview.3", nil).object(t)
		if text(me, "emailAddress") != person || text(me, "id") == "" || text(me, "id") != text(me, "publicAlias") {
			t.Errorf("%v", me)
		}
		a := api(t, s, token, http.MethodGet, "/_apis/accounts?api-version=7.1&memberId="+text(me, "id"), nil).object(t)
		var names []string
		accounts, ok := a["value"].([]any)
		for _, one := range accounts {
			if m, ok := one.(map[string]any); ok && text(m, "accountId") != "" {
				names = append(names, text(m, "accountName"))
			}
		}
		if !ok || !slices.Equal(names, want) || a["count"] != float64(len(want)) {
			t.Errorf("%s: %v", person, a)
		}
	}
	mona := bearer(t, s, simulator.Mona)
	for path, want := range map[string]int{"/_apis/accounts?api-version=7.1": 400, "/_apis/accounts?api-version=7.1&memberId=00000000-0000-4000-8000-000000000000": 403,
		"/_apis/accounts": 400, "/_apis/profile/profiles/me": 400, "/_apis/profile/profiles/me?api-version=99": 400} {
		if a := api(t, s, mona, http.MethodGet, path, nil); a.status != want {
			t.Errorf("%s: %d", path, a.status)
		}
	}
	if a := api(t, s, "nobody", http.MethodGet, "/_apis/accounts?api-version=7.1", nil); a.status != http.StatusNonAuthoritativeInfo {
		t.Errorf("nobody: %d", a.status)
	}
	if a := api(t, s, mona, http.MethodPost, "/_apis/accounts?api-version=7.1", "{}"); a.status != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d", a.status)
	}
}

// The demo has something of everything that a page must be able to show.
func TestSeed(t *testing.T) {
	t.Parallel()
	now := time.Now()
	s := simulator.New(simulator.Options{Seed: true})
	defer s.Close()
	var mine, others, global, full, soon, later, unknown, tools int
	status := map[string]int{}
	for _, one := range s.Tokens("") {
		if one.Owner != simulator.Mona {
			others++
			continue
		}
		mine++
		status[one.Status(now)]++
		left := one.ValidTo.Sub(now).Hours() / 24
		count := map[*int]bool{&global: one.TargetAccounts == nil, &full: one.Scope == "app_token",
			&soon: left > 0 && left < 7 && !one.Revoked, &later: left >= 7 && left < 30 && !one.Revoked,
			&unknown: strings.Contains(one.Scope, "future_thing"), &tools: strings.HasPrefix(one.DisplayName, "git: ")}
		for n, yes := range count {
			if yes {
				*n++
			}
		}
		if !strings.HasPrefix(one.Secret, "FAKE-DEMO-SECRET") || one.ValidTo.Sub(one.ValidFrom) > 366*24*time.Hour || !one.ValidTo.After(one.ValidFrom) {
			t.Errorf("%q: %s to %s", one.DisplayName, one.ValidFrom, one.ValidTo)
		}
	}
	if mine < 38 || mine > 45 || others < 3 || global < 2 || full < 2 || soon < 3 || later < 3 || unknown < 1 || tools < 3 ||
		status["active"] < 20 || status["expired"] < 5 || status["revoked"] < 4 {
		t.Errorf("mine %d, others %d, global %d, full %d, soon %d, later %d, unknown %d, tools %d, %v", mine, others, global, full, soon, later, unknown, tools, status)
	}
	for _, o := range s.Organizations() {
		if n := len(s.Tokens(o.Name)); n < 5 {
			t.Errorf("%s has %d tokens", o.Name, n)
		}
	}
	s.Forget("Prototype")
	if slices.ContainsFunc(s.Tokens(""), func(one simulator.Token) bool { return one.DisplayName == "Prototype" }) {
		t.Error("not forgotten")
	}
}
