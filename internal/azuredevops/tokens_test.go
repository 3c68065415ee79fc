package azuredevops_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/patdesk/patdesk/internal/azuredevops"
)

// What is sent, in each field.
func TestRequests(t *testing.T) {
	const pats = "/pat/" + org + "/_apis/tokens/pats"
	type query map[string][]string
	type body map[string]any
	tests := map[string]asked{
		"list": {method: "GET", path: pats, query: query{"api-version": {"7.2-preview.1"}, "displayFilterOption": {"active"},
			"sortByOption": {"displayDate"}, "isSortAscending": {"false"}, "$top": {"100"}}},
		"get": {method: "GET", path: pats, query: query{"api-version": {"7.2-preview.1"}, "authorizationId": {id}}},
		"create": {method: "POST", path: pats, query: query{"api-version": {"7.2-preview.1"}},
			body: body{"displayName": wanted.DisplayName, "scope": "vso.code vso.project", "validTo": "2027-01-31T11:30:15.123Z", "allOrgs": false}},
		"update": {method: "PUT", path: pats, query: query{"api-version": {"7.2-preview.1"}},
			body: body{"authorizationId": id, "displayName": wanted.DisplayName, "scope": "vso.code vso.project", "validTo": "2027-01-31T11:30:15.123Z"}},
		"revoke":        {method: "DELETE", path: pats, query: query{"api-version": {"7.2-preview.1"}, "authorizationId": {id}}},
		"organizations": {method: "GET", path: "/discovery/_apis/profile/profiles/me", query: query{"api-version": {"7.1"}}},
	}
	for call, want := range tests {
		s := serve(t, azuredevops.Options{APIVersion: "7.2-preview.1"}, reply{status: 403}.ServeHTTP)
		_, _ = calls[call](s.caller)
		requests := s.requests()
		if len(requests) != 1 {
			t.Fatalf("%s: %d requests", call, len(requests))
		}
		got := requests[0]
		for name, value := range map[string]string{"Authorization": "Bearer " + bearer, "Accept": "application/json", "Accept-Language": "en-US",
			"X-Tfs-Fedauthredirect": "Suppress", "User-Agent": "patdesk"} {
			if got.header.Get(name) != value {
				t.Errorf("%s: %s is %q, want %q", call, name, got.header.Get(name), value)
			}
		}
		if wantType := map[bool]string{true: "application/json"}[want.body != nil]; got.header.Get("Content-Type") != wantType {
			t.Errorf("%s: Content-Type %q", call, got.header.Get("Content-Type"))
		}
		got.header = nil
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: sent\n%v, want\n%v", call, got, want)
		}
	}
}

// An update sends what is changed and nothing else.
func TestUpdateSendsChangedFields(t *testing.T) {
	for want, w := range map[string]azuredevops.Wanted{
		`map[authorizationId:` + id + ` displayName:new]`:                  {DisplayName: "new"},
		`map[authorizationId:` + id + ` scope:vso.code]`:                   {Scopes: []string{"vso.code"}},
		`map[authorizationId:` + id + ` validTo:2027-01-01T00:00:00.000Z]`: {ValidTo: time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)},
	} {
		s := serve(t, azuredevops.Options{}, ok(resultJSON(id, "null")).ServeHTTP)
		if _, err := s.caller.Update(context.Background(), org, id, w); err != nil {
			t.Error(err)
		}
		if got := fmt.Sprint(s.requests()[0].body); got != want {
			t.Errorf("sent %s, want %s", got, want)
		}
	}
}

// Whatever can't be right is refused before anything is sent.
func TestNothingSent(t *testing.T) {
	noEntra := errors.New("sign in again")
	later := wanted.ValidTo
	c := context.Background()
	type caller = azuredevops.Caller
	tests := map[string]struct {
		bearer func() (string, error)
		call   func(*caller) error
		want   any // Kind or error
	}{
		"bearer fails":      {func() (string, error) { return "", noEntra }, func(a *caller) error { _, err := a.List(c, org, "active"); return err }, noEntra},
		"bearer empty":      {func() (string, error) { return "", nil }, func(a *caller) error { return a.Revoke(c, org, id) }, azuredevops.KindSignIn},
		"bearer two lines":  {func() (string, error) { return "a\r\nX: b", nil }, func(a *caller) error { return a.Revoke(c, org, id) }, azuredevops.KindSignIn},
		"no organization":   {nil, func(a *caller) error { _, err := a.List(c, "", "active"); return err }, azuredevops.KindOrganization},
		"path for a name":   {nil, func(a *caller) error { _, err := a.Get(c, "../x", id); return err }, azuredevops.KindOrganization},
		"query for a name":  {nil, func(a *caller) error { _, _, err := a.Create(c, "a?b=c", wanted); return err }, azuredevops.KindOrganization},
		"no id":             {nil, func(a *caller) error { return a.Revoke(c, org, "") }, azuredevops.Kind("invalidAuthorizationId")},
		"query for an id":   {nil, func(a *caller) error { _, err := a.Get(c, org, id+"&x=y"); return err }, azuredevops.Kind("invalidAuthorizationId")},
		"id of an update":   {nil, func(a *caller) error { _, err := a.Update(c, org, "a b", wanted); return err }, azuredevops.Kind("invalidAuthorizationId")},
		"nothing to change": {nil, func(a *caller) error { _, err := a.Update(c, org, id, azuredevops.Wanted{}); return err }, azuredevops.KindBadRequest},
		"no name":           {nil, create(azuredevops.Wanted{Scopes: wanted.Scopes, ValidTo: later}), azuredevops.Kind("displayNameRequired")},
		"huge name":         {nil, create(azuredevops.Wanted{DisplayName: strings.Repeat("n", 5000), Scopes: wanted.Scopes, ValidTo: later}), azuredevops.Kind("invalidDisplayName")},
		"name not UTF-8":    {nil, create(azuredevops.Wanted{DisplayName: "\xff", Scopes: wanted.Scopes, ValidTo: later}), azuredevops.Kind("invalidDisplayName")},
		"no scope":          {nil, create(azuredevops.Wanted{DisplayName: "n", ValidTo: later}), azuredevops.Kind("invalidScope")},
		"two scopes in one": {nil, create(azuredevops.Wanted{DisplayName: "n", Scopes: []string{"vso.code app_token"}, ValidTo: later}), azuredevops.Kind("invalidScope")},
		"empty scope":       {nil, create(azuredevops.Wanted{DisplayName: "n", Scopes: []string{"vso.code", ""}, ValidTo: later}), azuredevops.Kind("invalidScope")},
		"huge scope":        {nil, create(azuredevops.Wanted{DisplayName: "n", Scopes: []string{strings.Repeat("s", 20000)}, ValidTo: later}), azuredevops.Kind("invalidScope")},
		"no expiry":         {nil, create(azuredevops.Wanted{DisplayName: "n", Scopes: wanted.Scopes}), azuredevops.Kind("invalidValidTo")},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := serve(t, azuredevops.Options{}, emptyList.ServeHTTP)
			caller := s.caller
			if test.bearer != nil {
				caller = s.client.As(me, func(context.Context) (string, error) { return test.bearer() })
			}
			err := test.call(caller)
			if want, ok := test.want.(azuredevops.Kind); !ok && err != test.want { //nolint:errorlint // not even wrapped
				t.Errorf("got %v, want %v", err, test.want)
			} else if ok && (failure(t, err).Kind != want || failure(t, err).Unknown) {
				t.Errorf("got %v, want %v", err, want)
			}
			if n := len(s.requests()); n != 0 {
				t.Errorf("%d requests were sent", n)
			}
		})
	}
}

func create(w azuredevops.Wanted) func(*azuredevops.Caller) error {
	return func(c *azuredevops.Caller) error {
		_, _, err := c.Create(context.Background(), org, w)
		return err
	}
}

// A record is read in each form in which the service has sent it.
func TestRecords(t *testing.T) {
	full := azuredevops.Token{
		AuthorizationID: id, DisplayName: "n", Scopes: []string{"vso.code", "vso.project"}, TargetAccounts: []string{"a"},
		ValidFrom: time.Date(2026, 11, 22, 12, 0, 0, 123456700, time.UTC), ValidTo: time.Date(2027, 1, 31, 11, 30, 15, 120000000, time.UTC),
	}
	dated := func(from, to time.Time) azuredevops.Token {
		return azuredevops.Token{AuthorizationID: id, TargetAccounts: []string{}, ValidFrom: from, ValidTo: to}
	}
	record := func(fields string) string { return `{"patToken":{"authorizationId":"` + id + `",` + fields + `}}` }
	for body, want := range map[string]azuredevops.Token{
		resultJSON(id, "null"):          full,
		bom + resultJSON(id, "null"):    full,
		record(`"targetAccounts":null`): {AuthorizationID: id},
		record(`"targetAccounts":[],"scope":null,"displayName":null,"validTo":null`):  dated(time.Time{}, time.Time{}),
		record(`"targetAccounts":[],"validFrom":"2026-11-22T12:00:00"`):               dated(time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC), time.Time{}),
		record(`"targetAccounts":[],"validTo":"2026-11-22T12:00:00.5"`):               dated(time.Time{}, time.Date(2026, 11, 22, 12, 0, 0, 5e8, time.UTC)),
		record(`"targetAccounts":[],"validTo":"2026-11-22T12:00:00+02:00"`):           dated(time.Time{}, time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)),
		record(`"targetAccounts":["x"],"scope":"  a\tb ","targetAccounts":["a","b"]`): {AuthorizationID: id, Scopes: []string{"a", "b"}, TargetAccounts: []string{"a", "b"}},
	} {
		s := serve(t, azuredevops.Options{}, ok(body).ServeHTTP)
		got, err := s.caller.Get(context.Background(), org, id)
		if err != nil || !got.ValidFrom.Equal(want.ValidFrom) || !got.ValidTo.Equal(want.ValidTo) {
			t.Errorf("%s: got %+v, %v", body, got, err)
		}
		got.ValidFrom, got.ValidTo = want.ValidFrom, want.ValidTo
		if len(got.Scopes) == 0 && len(want.Scopes) == 0 {
			got.Scopes = want.Scopes
		}
		if want.ValidTo.IsZero() {
			want.Odd = []azuredevops.Member{azuredevops.MemberValidTo}
		}
		if !reflect.DeepEqual(got, want) || got.Global() != (want.TargetAccounts == nil) {
			t.Errorf("%s: got %+v, want %+v", body, got, want)
		}
	}
	commas := `a\",` + strings.Repeat(",", 200)
	s := serve(t, azuredevops.Options{}, ok(record(`"targetAccounts":["`+commas+`"]`)).ServeHTTP)
	if got, err := s.caller.Get(context.Background(), org, id); err != nil || len(got.TargetAccounts) != 1 {
		t.Errorf("commas in a text: %v, %v", got, err)
	}
	other := record(`"authorizationId":"00000000-0000-0000-0000-000000000000"`)
	_, err := serve(t, azuredevops.Options{}, ok(other).ServeHTTP).caller.Get(context.Background(), org, id)
	if e := failure(t, err); e.Kind != azuredevops.KindNotUnderstood {
		t.Errorf("another token: %s", e.Kind)
	}
}

// A secret that came is never dropped, and one that didn't is never made up.
func TestCreate(t *testing.T) {
	type want struct {
		kind    azuredevops.Kind // "" for success
		unknown bool
		token   bool // Error.Token names the orphan
	}
	quoted := `"` + secret + `"`
	for body, want := range map[string]want{
		resultJSON(id, quoted):                                                      {},
		`{"patToken":` + tokenJSON(id, quoted) + `}`:                                {},
		`{"patToken":{"token":` + quoted + `},"patTokenError":null}`:                {},
		resultJSON(id, "null"):                                                      {"notUnderstood", true, true},
		resultJSON(id, `""`):                                                        {"notUnderstood", true, true},
		`{"patToken":{"displayName":"n"},"patTokenError":"none"}`:                   {"notUnderstood", true, false},
		`{"patToken":` + tokenJSON(id, quoted) + `,"patTokenError":"accessDenied"}`: {"accessDenied", true, true},
	} {
		s := serve(t, azuredevops.Options{}, ok(body).ServeHTTP)
		token, got, err := s.caller.Create(context.Background(), org, wanted)
		if want.kind == "" {
			if err != nil || got != secret {
				t.Errorf("%s: secret %q, error %v", body, got, err)
			}
			continue
		}
		e := failure(t, err)
		if e.Kind != want.kind || e.Unknown != want.unknown || (e.Token != nil) != want.token || got != "" || token.AuthorizationID != "" {
			t.Errorf("%s: got %+v", body, *e)
		}
		if want.token && e.Token.AuthorizationID != id {
			t.Errorf("%s: orphan %+v", body, e.Token)
		}
	}
}

// The answer to a create, cut off after each byte: the secret is there when the whole of the object is, and otherwise
// the outcome is unknown.
func TestCreateCutAnywhere(t *testing.T) {
	t.Parallel()
	whole := resultJSON(id, `"`+secret+`"`)
	for _, length := range []string{"declared", "chunked"} {
		for k := range len(whole) + 1 {
			s := serve(t, azuredevops.Options{}, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				if length == "declared" {
					w.Header().Set("Content-Length", fmt.Sprint(len(whole)+1))
				}
				_, _ = w.Write([]byte(whole[:k]))
				_ = http.NewResponseController(w).Flush()
				panic(http.ErrAbortHandler)
			})
			_, got, err := s.caller.Create(context.Background(), org, wanted)
			if k == len(whole) && (err != nil || got != secret) {
				t.Errorf("%s, whole object: %q, %v", length, got, err)
			}
			if k < len(whole) {
				if e := failure(t, err); e.Kind != azuredevops.KindConnection || !e.Unknown {
					t.Errorf("%s, %d bytes: %+v", length, k, *e)
				}
			}
			if n := len(s.requests()); n != 1 {
				t.Errorf("%s, %d bytes: sent %d times", length, k, n)
			}
			s.Close()
		}
	}
}

// What revoke was answered with says whether it was done. That the service knows no such token isn't for revoke to
// judge: one that was just made may not be visible yet.
func TestRevoke(t *testing.T) {
	for name, test := range map[string]struct {
		answer           reply
		want             azuredevops.Kind // "" for revoked
		unknown, missing bool
	}{
		"204":                    {answer: reply{status: 204}},
		"204 of HTML":            {answer: reply{204, html, ""}},
		"200 none":               {answer: ok(`{"patToken":null,"patTokenError":"none"}`)},
		"200 empty":              {answer: reply{status: 200}, want: "notUnderstood", unknown: true},
		"200 empty, no type":     {answer: reply{200, "Content-Type: \n", ""}, want: "notUnderstood", unknown: true},
		"200 {}":                 {answer: ok(`{}`), want: "notUnderstood", unknown: true},
		"200 null":               {answer: ok(`null`), want: "notUnderstood", unknown: true},
		"200 true":               {answer: ok(`true`), want: "notUnderstood", unknown: true},
		"200 error":              {answer: ok(`{"patTokenError":"accessDenied"}`), want: "accessDenied"},
		"200 not found":          {answer: ok(`{"patTokenError":"tokenNotFound"}`), want: "tokenNotFound", missing: true},
		"202":                    {answer: reply{status: 202}, want: "notUnderstood", unknown: true},
		"404 of the service":     {answer: reply{404, activity, `{"typeKey":"AuthorizationNotFoundException"}`}, want: "authorizationNotFound", missing: true},
		"404 in its form alone":  {answer: reply{404, "", `{"typeKey":"AuthorizationNotFoundException"}`}, want: "authorizationNotFound", unknown: true},
		"404 of an organization": {answer: reply{404, activity, `{"typeKey":"HostDoesNotExistException"}`}, want: "organization"},
		"404 HTML":               {answer: reply{404, html, ""}, want: "notUnderstood", unknown: true},
		"404 empty":              {answer: reply{status: 404}, want: "notUnderstood", unknown: true},
		"400 not found":          {answer: reply{400, activity, `{"message":"AuthorizationNotFound","typeKey":"SessionTokenException"}`}, want: "authorizationNotFound", missing: true},
		"400":                    {answer: reply{status: 400}, want: "notUnderstood", unknown: true},
		"500":                    {answer: reply{status: 500}, want: "server", unknown: true},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, azuredevops.Options{}, test.answer.ServeHTTP)
			err := s.caller.Revoke(context.Background(), org, id)
			if test.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if e := failure(t, err); e.Kind != test.want || e.Unknown != test.unknown || e.Missing() != test.missing {
				t.Errorf("got %+v", *e)
			}
		})
	}
}

// A connection that broke before anything of the answer came isn't an empty answer.
func TestRevokeCutShort(t *testing.T) {
	s := serve(t, azuredevops.Options{}, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		w.Header().Set("Content-Length", "20")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})
	if e := failure(t, s.caller.Revoke(context.Background(), org, id)); !e.Unknown {
		t.Errorf("got %+v", *e)
	}
}

// Pages are followed to their end, in the forms in which lists come, and what was read before a failure is returned
// with it.
func TestPaging(t *testing.T) {
	page := func(next string, ids ...string) reply {
		var tokens []string
		for _, id := range ids {
			tokens = append(tokens, tokenJSON(id, "null"))
		}
		return ok(fmt.Sprintf(`{"continuationToken":%s,"patTokens":[%s]}`, next, strings.Join(tokens, ",")))
	}
	one := tokenJSON("1", "null")
	for name, test := range map[string]struct {
		pages []reply
		want  string // ids
		kind  azuredevops.Kind
		asked string // continuation tokens sent
	}{
		"none":                    {[]reply{emptyList}, "", "", "[]"},
		"null":                    {[]reply{ok(`{"continuationToken":null,"patTokens":null}`)}, "", "", "[]"},
		"ends with an empty text": {[]reply{page(`"a&b=c"`, "1", "2"), page(`""`, "3")}, "1 2 3", "", "[] [a&b=c]"},
		"ends with null":          {[]reply{page(`"x"`, "1"), page("null", "2")}, "1 2", "", "[] [x]"},
		"ends without the field":  {[]reply{page(`"x"`, "1"), ok(`{"patTokens":[` + one + `]}`)}, "1", "", "[] [x]"},
		"empty page between":      {[]reply{page(`"x"`, "1"), page(`"y"`), page(`""`, "2")}, "1 2", "", "[] [x] [y]"},
		"moved from page to page": {[]reply{page(`"x"`, "1", "2"), page(`""`, "2", "3")}, "1 2 3", "", "[] [x]"},
		"array in value":          {[]reply{ok(`{"count":1,"value":[` + one + `]}`)}, "1", "", "[]"},
		"page in value":           {[]reply{ok(`{"value":{"continuationToken":"x","patTokens":[` + one + `]}}`), page(`""`, "2")}, "1 2", "", "[] [x]"},
		"value beside next":       {[]reply{ok(`{"continuationToken":"x","value":[` + one + `]}`), page(`""`, "2")}, "1 2", "", "[] [x]"},
		"value in value":          {[]reply{ok(`{"value":{"value":[` + one + `]}}`)}, "", "notUnderstood", "[]"},
		"no list":                 {[]reply{ok(`{"continuationToken":""}`)}, "", "notUnderstood", "[]"},
		"number for next":         {[]reply{ok(`{"continuationToken":1,"patTokens":[]}`), page(`""`, "2")}, "2", "", "[] [1]"},
		"object for next":         {[]reply{ok(`{"continuationToken":{"next":1},"patTokens":[` + one + `]}`)}, "1", "notUnderstood", "[]"},
		"boolean for next":        {[]reply{ok(`{"continuationToken":true,"patTokens":[` + one + `]}`)}, "1", "notUnderstood", "[]"},
		"list for next":           {[]reply{ok(`{"continuationToken":["x"],"patTokens":[` + one + `]}`), page(`[]`, "2")}, "1 2", "notUnderstood", "[] [x]"},
		"space for next":          {[]reply{page(`" "`, "1")}, "1", "", "[]"},
		"object for the list":     {[]reply{ok(`{"patTokens":{"0":` + one + `}}`)}, "", "notUnderstood", "[]"},
		"text for the list":       {[]reply{ok(`{"patTokens":"none"}`)}, "", "notUnderstood", "[]"},
		"null, then the list":     {[]reply{ok(`{"patTokens":null,"patTokens":[` + one + `]}`)}, "1", "", "[]"},
		"the list, then null":     {[]reply{ok(`{"patTokens":[` + one + `],"patTokens":null}`)}, "1", "", "[]"},
		"null beside value":       {[]reply{ok(`{"patTokens":null,"value":[` + one + `]}`)}, "1", "", "[]"},
		"odd error beside list":   {[]reply{ok(`{"patTokenError":{},"patTokens":[` + one + `]}`)}, "1", "", "[]"},
		"repeats at once":         {[]reply{page(`"x"`, "1"), page(`"x"`, "2")}, "1 2", "notUnderstood", "[] [x]"},
		"goes round":              {[]reply{page(`"x"`, "1"), page(`"y"`, "2"), page(`"x"`, "3")}, "1 2 3", "notUnderstood", "[] [x] [y]"},
		"second page refused":     {[]reply{page(`"x"`, "1"), {status: 403}}, "1", "forbidden", "[] [x]"},
		"second page names error": {[]reply{page(`"x"`, "1"), ok(`{"patTokenError":"accessDenied"}`)}, "1", "accessDenied", "[] [x]"},
		"second page is HTML":     {[]reply{page(`"x"`, "1"), {200, html, "<html>"}}, "1", "intermediary", "[] [x]"},
		"a record without id":     {[]reply{page(`""`, "1", "", "3")}, "1  3", "", "[]"},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, azuredevops.Options{}, replies(test.pages...))
			tokens, err := s.caller.List(context.Background(), org, azuredevops.Expired)
			var ids, sent []string
			for _, token := range tokens {
				ids = append(ids, token.AuthorizationID)
			}
			for _, r := range s.requests() {
				sent = append(sent, fmt.Sprint(r.query["continuationToken"]))
				if r.query["displayFilterOption"][0] != "expired" || r.query["$top"][0] != "100" {
					t.Errorf("a page was asked for with %v", r.query)
				}
			}
			if strings.Join(ids, " ") != test.want || strings.Join(sent, " ") != test.asked {
				t.Errorf("got %v with %v, want %v with %v", ids, sent, test.want, test.asked)
			}
			if test.kind == "" && err != nil || test.kind != "" && failure(t, err).Kind != test.kind {
				t.Errorf("got %v, want %q", err, test.kind)
			}
		})
	}
}

// A list that never ends is left after 500 pages.
func TestEndlessList(t *testing.T) {
	var n int
	s := serve(t, azuredevops.Options{}, func(w http.ResponseWriter, r *http.Request) {
		n++
		ok(fmt.Sprintf(`{"continuationToken":"%d","patTokens":[%s]}`, n, tokenJSON(fmt.Sprint(n), "null"))).ServeHTTP(w, r)
	})
	tokens, err := s.caller.List(context.Background(), org, azuredevops.Active)
	if e := failure(t, err); e.Kind != azuredevops.KindNotUnderstood || len(tokens) != 500 || n != 500 {
		t.Errorf("%d tokens of %d pages, %v", len(tokens), n, e)
	}
}

func TestOrganizations(t *testing.T) {
	const profile = `{"displayName":"Mona","publicAlias":"` + id + `","emailAddress":"m@contoso.example","coreRevision":1,"id":"` + id + `"}`
	for name, test := range map[string]struct {
		profile, accounts reply
		want              string
		kind              azuredevops.Kind
	}{
		"sorted": {ok(profile), ok(`{"count":3,"value":[{"accountId":"3","accountName":"wingtip"},{"accountId":"1","accountName":"Contoso","accountUri":"u","properties":{}},{"accountId":"2","accountName":"fabrikam"}]}`),
			"[{1 Contoso} {2 fabrikam} {3 wingtip}]", ""},
		"closed ones left out": {ok(profile), ok(`{"value":[{"accountName":"a","accountStatus":"deleted"},{"accountName":"b","accountStatus":"Moved"},{"accountName":"c","accountStatus":2},
			{"accountId":"4","accountName":"d","accountStatus":"enabled"},{"accountId":"5","accountName":"e","accountStatus":1},{"accountId":"6","accountName":"f","accountStatus":null},{"accountId":"7","accountName":"F"}]}`),
			"[{4 d} {5 e} {6 f}]", ""},
		"odd ones said": {ok(profile), ok(`{"value":[{"accountId":1,"accountName":"a"},"b",null,7,["c"],{"accountName":"../x"},{"accountName":{}},{"accountId":"2","accountName":["d"]},{"accountId":"3","accountName":404},{"accountName":true,"accountStatus":"deleted"}]}`),
			"[{3 404} {1 a} {2 d}]", "organizationsOdd"},
		"named by their addresses": {ok(profile), ok(`{"value":[{"accountId":"1","accountName":"Contoso Ltd.","accountUri":"https://vssps.dev.azure.com:443/contoso/"},
			{"accountId":"2","accountUri":"https://fabrikam.visualstudio.com/DefaultCollection"},{"accountId":"3","accountName":"old","accountUri":"https://dev.azure.com/new"},
			{"accountId":"4","accountName":"host","accountUri":"https://app.vssps.visualstudio.com/A0000"},{"accountId":"5","accountName":"plain","accountUri":7},
			{"accountId":"6","accountName":"nowhere","accountUri":"https://%zz"},{"accountId":"7","accountName":"tailspin","accountUri":"https://tailspin.vssps.visualstudio.com/"}]}`),
			"[{1 contoso} {2 fabrikam} {4 host} {3 new} {6 nowhere} {5 plain} {7 tailspin}]", ""},
		"no list of accounts": {ok(profile), ok(`{"value":{"accountName":"a"}}`), "[]", "notUnderstood"},
		"id in braces":        {ok(`{"id":"{` + id + `}"}`), ok(`{"value":[]}`), "[]", ""},
		"odd id, alias":       {ok(`{"id":{"v":1},"publicAlias":"` + id + `"}`), ok(`{"value":[]}`), "[]", ""},
		"name with an escape": {ok(`{"id":"` + id + `","displayName":"CORP\vault"}`), ok(`{"value":[{"accountName":"a","owner":"CORP\x"}]}`), "[{ a}]", ""},
		"alias only":          {ok(`{"publicAlias":"` + id + `"}`), ok(`{"value":[]}`), "[]", ""},
		"no id":               {ok(`{}`), ok(`{"value":[]}`), "[]", "notUnderstood"},
		"id for a query":      {ok(`{"id":"a&b"}`), ok(`{"value":[]}`), "[]", "notUnderstood"},
		"no value":            {ok(profile), ok(`{"count":0}`), "[]", "notUnderstood"},
		"no permission":       {reply{401, "", bom + notMember}, ok(`{"value":[]}`), "[]", "refused"},
		"accounts refused":    {ok(profile), reply{400, "", `{"typeKey":"AccountException"}`}, "[]", "badRequest"},
		"accounts are HTML":   {ok(profile), reply{203, html, signInPage}, "[]", "signIn"},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, azuredevops.Options{}, func(w http.ResponseWriter, r *http.Request) {
				switch r.URL.Path + "?" + r.URL.RawQuery {
				case "/discovery/_apis/profile/profiles/me?api-version=7.1":
					test.profile.ServeHTTP(w, r)
				case "/discovery/_apis/accounts?api-version=7.1&memberId=" + id:
					test.accounts.ServeHTTP(w, r)
				default:
					t.Errorf("asked for %s", r.URL)
				}
			})
			got, err := s.caller.Organizations(context.Background())
			if fmt.Sprint(got) != test.want {
				t.Errorf("got %v, want %v", got, test.want)
			}
			if test.kind == "" && err != nil || test.kind != "" && failure(t, err).Kind != test.kind {
				t.Errorf("got %v, want %q", err, test.kind)
			}
		})
	}
}

func TestValidNames(t *testing.T) {
	for name, want := range map[string]bool{
		"a": true, "fabrikam": true, "Fabrikam-Fiber-2": true, "0x": true, "my_org": true, strings.Repeat("a", 64): true,
		"": false, ".": false, "..": false, "-a": false, "a-": false, "_apis": false, "a/b": false, "a b": false, "a?b": false, "a%2f": false, "ä": false, "a\n": false, strings.Repeat("a", 65): false,
	} {
		if azuredevops.ValidOrganization(name) != want {
			t.Errorf("ValidOrganization(%q) is %v", name, !want)
		}
	}
	for name, want := range map[string]bool{id: true, strings.ToUpper(id): true, "": false, "-": false, id + "&a": false, "{" + id + "}": false, "a\n": false, strings.Repeat("a", 65): false} {
		if azuredevops.ValidAuthorizationID(name) != want {
			t.Errorf("ValidAuthorizationID(%q) is %v", name, !want)
		}
	}
}
