package azuredevops_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/patdesk/patdesk/internal/azuredevops"
)

// fields is a token's record with these members instead of the usual ones.
func fields(instead string) string {
	return `{"displayName":"n","validTo":"2027-01-31T11:30:15.12Z","scope":"vso.code","targetAccounts":["a"],"validFrom":"2026-11-22T12:00:00Z","authorizationId":"` +
		id + `","token":null,"new":{"a":[1]},` + instead + `}`
}

func odd(t azuredevops.Token) string {
	var names []string
	for _, m := range t.Odd {
		names = append(names, string(m))
	}
	return strings.Join(names, " ")
}

// Each member of a token is read by itself. What isn't understood is named, costs nothing else, and is reported without
// its value.
func TestOddMembers(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a ", 600)
	for record, want := range map[string]string{
		fields(`"displayName":42`):                    "42 [vso.code] [a]",
		fields(`"displayName":["x"]`):                 "x [vso.code] [a]",
		fields(`"displayName":null`):                  "n [vso.code] [a]", // of two the one that says something
		fields(`"displayName":"x","displayName":{}`):  "x [vso.code] [a]",
		fields(`"displayName":"x","displayName":"y"`): "y [vso.code] [a]",
		fields(`"displayName":"CORP\vault"`):          `CORP\vault [vso.code] [a]`,
		fields(`"displayName":"C:\Users\x41\'"`):      `C:\Users\x41\' [vso.code] [a]`,
		fields(`"displayName":"\u12"`):                `\u12 [vso.code] [a]`,
		fields(`"displayName":"ends\"`):               `ends\ [vso.code] [a]`,
		fields(`"displayName":"says \"hi\", \q"`):     `says "hi", \q [vso.code] [a]`,
		fields("\"displayName\":\"a\tb\nc\""):         "a b c [vso.code] [a]",
		fields("\"displayName\":\"\xff\xfe\""):        "\ufffd\ufffd [vso.code] [a]",
		fields(`"displayName":"\ud83d"`):              "\ufffd [vso.code] [a]",
		fields(`"DISPLAYNAME":"x"`):                   "x [vso.code] [a]",
		fields(`"scope":["vso.code","vso.build"]`):    "n [vso.code vso.build] [a]",
		fields(`"scope":[]`):                          "n [] [a]",
		fields(`"scope":["vso.code",null,{}]`):        "n [vso.code] [a] scope",
		fields(`"scope":7`):                           "n [vso.code] [a]", // the good one of two counts
		fields(`"targetAccounts":"x"`):                "n [vso.code] [x]",
		fields(`"targetAccounts":"x, y"`):             "n [vso.code] [x y]",
		fields(`"targetAccounts":["x",null,7,{}]`):    "n [vso.code] [x 7] targetAccounts",
		fields(`"targetAccounts":{"id":"x"}`):         "n [vso.code] [a]",
		fields(`"targetAccounts":7`):                  "n [vso.code] [a]",
		fields(`"targetAccounts":null`):               "n [vso.code] [a]",
		fields(`"validFrom":{}`):                      "n [vso.code] [a]",
		`{"authorizationId":"` + id + `","displayName":{"a":1},"scope":{"a":1},"targetAccounts":true,"validFrom":[],"validTo":"soon"}`: " [] [] displayName scope targetAccounts validFrom validTo",
		`{"authorizationId":"` + id + `","displayName":true,"scope":false,"targetAccounts":"","validFrom":false,"validTo":{}}`:         " [] [] displayName scope targetAccounts validFrom validTo",
		`{"authorizationId":"` + id + `","scope":"` + long + `","validTo":"2027-01-31","targetAccounts":[]}`:                           " [" + strings.TrimSpace(long[:1000]) + "] [] scope",
		`{"authorizationId":"` + id + `","targetAccounts":["x"` + strings.Repeat(`,"y"`, 200) + `],"validTo":"2027-01-31"}`:            " [] [x" + strings.Repeat(" y", 99) + "] targetAccounts",
	} {
		var reported []azuredevops.Oddity
		s := serve(t, azuredevops.Options{Odd: func(_ context.Context, o azuredevops.Oddity) { reported = append(reported, o) }},
			ok(bom+`{"patTokens":[`+record+`,`+tokenJSON("2", "null")+`]}`).ServeHTTP)
		tokens, err := s.caller.List(context.Background(), org, azuredevops.Active)
		if err != nil || len(tokens) != 2 || tokens[0].AuthorizationID != id {
			t.Errorf("%s: %+v, %v", record, tokens, err)
			continue
		}
		one := tokens[0]
		if got := strings.TrimRight(fmt.Sprintf("%s %v %v %s", one.DisplayName, one.Scopes, one.TargetAccounts, odd(one)), " "); got != want || one.Global() {
			t.Errorf("%s: got %q, global: %v; want %q", record, got, one.Global(), want)
		}
		if whole := odd(one) == ""; whole != (len(reported) == 0) || !whole && (reported[0].Count != 1 || reported[0].Call != "list" || reported[0].Organization != org) {
			t.Errorf("%s: reported %+v", record, reported)
		}
		s.Close()
	}
}

// What stands in a list is a token, whatever it looks like: none is left out.
func TestOddRecords(t *testing.T) {
	t.Parallel()
	records := []string{
		`null`, `"text"`, `7`, `true`, `[]`, `[1,2]`, `{}`, `{"authorizationId":null}`, `{"authorizationId":""}`, `{"authorizationId":"a/b"}`, `{"authorizationId":".."}`,
		`{"authorizationId":{"id":"x"}}`, `{"authorizationId":"` + strings.Repeat("a", 65) + `"}`, `{"displayName":"no id at all"}`, `{"authorizationId":true}`, `{"authorizationId":-5}`,
	}
	addressed := map[string]string{
		`{"authorizationId":12345}`:              "12345",
		`{"authorizationId":"{` + id + `}"}`:     id,
		`{"authorizationId":" ` + id + `\n"}`:    id,
		`{"authorizationId":["` + id + `"]}`:     id,
		`[{"authorizationId":"` + id + `"}]`:     id,
		`{"authorizationId":"not-a-guid"}`:       "not-a-guid",
		`{"authorizationId":"x","validTo":null}`: "x",
	}
	list := func(records string) []azuredevops.Token {
		s := serve(t, azuredevops.Options{}, ok(`{"patTokens":[`+records+`]}`).ServeHTTP)
		tokens, err := s.caller.List(context.Background(), org, azuredevops.Active)
		if err != nil {
			t.Errorf("%s: %v", records, err)
		}
		return tokens
	}
	tokens := list(strings.Join(records, ","))
	if len(tokens) != len(records) {
		t.Errorf("%d tokens of %d", len(tokens), len(records))
	}
	for i, one := range tokens {
		if one.Addressable() || !one.NotUnderstood(azuredevops.MemberID) {
			t.Errorf("%s: %+v", records[i], one)
		}
	}
	for record, want := range addressed {
		if tokens := list(record); len(tokens) != 1 || tokens[0].AuthorizationID != want {
			t.Errorf("%s: %+v", record, tokens)
		}
	}
	many := list(`{}` + strings.Repeat(`,{}`, 999))
	if len(many) != 1000 {
		t.Errorf("%d of 1000", len(many))
	}
}

// What spoils the JSON around it costs its own record at most, and says so: it is addressed if its id can be made out, and
// never taken for a global token.
func TestOddJSON(t *testing.T) {
	t.Parallel()
	for record, want := range map[string]string{
		fields(`"extra":NaN`):              id + " n [vso.code] [a]",
		fields(`"extra":007`):              id + " n [vso.code] [a]",
		fields(`"extra":True,`):            id + " n [vso.code] [a]",
		fields(`"extra":'x'`):              id + " n [vso.code] [a]",
		fields(`"extra":/* c */1`):         id + " n [vso.code] [a]",
		fields(`,"extra":`):                id + " n [vso.code] [a]",
		fields(`extra:1`):                  id + " n [vso.code] [a]",
		fields(`"extra":"a "b" },x{ c\q"`): id + " n [vso.code] [a]",
		`{"displayName":"say "hi"","authorizationId":"` + id + `","scope":"vso.code","targetAccounts":["a"],"validTo":"2027-01-31"}`: id + "  [vso.code] [a] displayName validFrom",
		`{"displayName":undefined,"authorizationId":"` + id + `","scope":"vso.code","targetAccounts":["a"],"validTo":"2027-01-31"}`:  id + "  [vso.code] [a] displayName validFrom",
		`{"displayName":"x","authorizationId":"` + id + `","targetAccounts":None,"validFrom":"2026-11-22","validTo":NaN}`:            id + " x [] [] scope targetAccounts validTo",
		`{"displayName":"x" "authorizationId":"` + id + `","authorizationId":"other","validTo":"2027-01-31"}`:                        " [] [] authorizationId displayName scope targetAccounts validFrom",
		`{"authorizationId":` + id + `}`: " [] [] authorizationId displayName scope targetAccounts validFrom validTo",
		`undefined`:                      " [] [] record",
		`NaN`:                            " [] [] record",
	} {
		for _, list := range []string{`{"continuationToken":"","patTokens":[%s,%s]}`, bom + `{"patTokens":[%[2]s,%[1]s,],"continuationToken":null}`, `{"count":2,"value":[%s,%s]}`} {
			s := serve(t, azuredevops.Options{}, ok(fmt.Sprintf(list, record, tokenJSON("2", "null"))).ServeHTTP)
			tokens, err := s.caller.List(context.Background(), org, azuredevops.Active)
			if err != nil || len(tokens) != 2 {
				t.Errorf("%s: %+v, %v", record, tokens, err)
				continue
			}
			one := tokens[0]
			if one.AuthorizationID == "2" {
				one = tokens[1]
			}
			got := strings.TrimRight(fmt.Sprintf("%s %s %v %v %s", one.AuthorizationID, one.DisplayName, one.Scopes, one.TargetAccounts, odd(one)), " ")
			if strings.TrimLeft(got, " ") != strings.TrimLeft(want, " ") || one.Global() {
				t.Errorf("%s in %s: got %q, global: %v; want %q", record, list, got, one.Global(), want)
			}
			s.Close()
		}
	}
	for _, cut := range []string{`{"patTokens":[%[1]s,%[1]s`, `{"patTokens":[%s]`, `{"patTokens":[%s,{"authorizationId":"3","disp`, `{"patTokens":[%s],"continuationToken":"ab`, `{"patTokens":[{"a":[{"b":NaN}]},%s]}`, `{"patTokens":[`} {
		s := serve(t, azuredevops.Options{}, ok(strings.Split(fmt.Sprintf(cut, tokenJSON("2", "null")), "%!")[0]).ServeHTTP)
		tokens, err := s.caller.List(context.Background(), org, azuredevops.Active)
		if e := failure(t, err); len(tokens) != 0 || e.Kind != azuredevops.KindNotUnderstood { // part of a list must not look like all of it
			t.Errorf("%s: %+v, %v", cut, tokens, e)
		}
		s.Close()
	}
}

// Dates in every form that was seen. What might be another day than it looks like isn't read at all.
func TestDates(t *testing.T) {
	t.Parallel()
	const end = "2026-12-30T00:00:00Z"
	for date, want := range map[string]string{
		`"2026-12-30T00:00:00Z"`: end, `"2026-12-30T00:00:00+0000"`: end, `"2026-12-30T00:00:00+00"`: end, `"2026-12-30T00:00:00"`: end,
		`"2026-12-30T00:00:00.0000000Z"`: end, `"2026-12-30T00:00:00.0000000"`: end, `"2026-12-30T00:00:00.000000000000Z"`: end, `"2026-12-30t00:00:00z"`: end,
		`"2026-12-30 00:00:00"`: end, `"2026-12-30 00:00:00Z"`: end, `"2026-12-30 00:00:00 +0000"`: end, `"2026-12-30 00:00:00 UTC"`: end, `"2026-12-30 00:00"`: end,
		`"2026-12-30T02:00:00+0200"`: end, `"2026-12-30T02:00:00+02:00"`: end, `"2026-12-29T19:00:00.5-0500"`: "2026-12-30T00:00:00.5Z", `" 2026-12-30T00:00:00Z "`: end,
		`"2026-12-30"`: end, `"20261230"`: end, `"20261230T000000Z"`: end, `"2026-12-30T00:00Z"`: end, `"2026-12-30T00:00:00,0Z"`: end,
		`"/Date(1798588800000)/"`: end, `"\/Date(1798588800000+0200)\/"`: end, `1798588800`: end, `1798588800000`: end, `1798588800.5`: "2026-12-30T00:00:00.5Z", `"1798588800"`: end, `1.7985888e9`: end,
		`"Wed, 30 Dec 2026 00:00:00 GMT"`: end, `"Wed, 30 Dec 2026 00:00:00 +0000"`: end, `"12/30/2026 12:00:00 AM"`: end,
		`"9999-12-31T23:59:59.9999999Z"`: "9999-12-31T23:59:59.9999999Z", `"9999-12-31T23:59:59-08:00"`: "9999-12-31T23:59:59Z", `"9999-12-31"`: "9999-12-31T00:00:00Z",
		`"2026-12-30T00:00:00 +00:00"`: end, `"2026-12-30T01:00:00+01:00[Europe/Berlin]"`: end, `"Wed Dec 30 2026 01:00:00 GMT+0100 (Central European Standard Time)"`: end, `"Wed Dec 30 00:00:00 UTC 2026"`: end,
		`"12/30/2026 00:00:00"`: end, `"30/12/2026 00:00:00 +00:00"`: end, `"12/30/2026 12:00:00\u202fAM"`: end, `"12/12/2026"`: "2026-12-12T00:00:00Z", `"Wednesday, 30-Dec-26 00:00:00 GMT"`: end, `"30 Dec 2026 00:00:00 GMT"`: end, `"Dec 30, 2026"`: end,
		`"2026/12/30 00:00:00"`: end, `"2026-12-29T19:00:00\u221205:00"`: end, `"2026-12-29T24:00:00Z"`: end, `"2026-12-29T23:59:60Z"`: end, `"2026-12-30T00Z"`: end, `"2026-12-30Z"`: end, `"2026-364"`: end, `"2026-12-30T00:00:00GMT"`: end, `"20261230000000"`: end,
		`1798588800000000`: end, `1798588800000000000`: end, `639341856000000000`: end,
		`"Wed, 30 Dec 2026 00:00:00 PST"`: "", `"01/02/2026 00:00:00"`: "", `"2026-12-30T25:00:00Z"`: "", `"2026-W53-3"`: "",
		`"0001-01-01T00:00:00"`: "", `"0001-01-01T00:00:00+08:00"`: "", `"0001-01-01T00:00:00Z"`: "", `""`: "", `null`: "",
		`"soon"`: "", `"30.12.2026"`: "", `"01/02/2026"`: "", `"2026-13-45T00:00:00Z"`: "", `"2026-02-30"`: "", `0`: "", `-5`: "", `7`: "", `1e300`: "", `"1e300"`: "", `"NaN"`: "", `"Infinity"`: "", `true`: "", `{}`: "", `["2026-12-30"]`: "",
		`739000000000000000`: "", `"/Date(x)/"`: "", `"` + strings.Repeat("2", 20000) + `"`: "",
	} {
		s := serve(t, azuredevops.Options{}, ok(`{"patToken":{"authorizationId":"`+id+`","validTo":`+date+`}}`).ServeHTTP)
		one, err := s.caller.Get(context.Background(), org, id)
		got := ""
		if !one.ValidTo.IsZero() {
			got = one.ValidTo.Format(time.RFC3339Nano)
		}
		if err != nil || got != want || one.NotUnderstood(azuredevops.MemberValidTo) != (want == "") || one.ValidTo.Location() != time.UTC {
			t.Errorf("%.60s: got %q, %v, odd: %q; want %q", date, got, err, odd(one), want)
		}
		s.Close()
	}
}

// A creation's secret is never lost for the sake of anything else in its answer.
func TestSecretBesideOddities(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"date without a colon":  `{"patToken":` + made(`"validTo":"2026-12-30T00:00:00+0000"`) + `,"patTokenError":"none"}`,
		"odd date":              `{"patToken":` + made(`"validTo":{}`) + `,"patTokenError":"none"}`,
		"name is a number":      `{"patToken":` + made(`"displayName":1`) + `,"patTokenError":"none"}`,
		"scope is an array":     `{"patToken":` + made(`"scope":["vso.code"]`) + `,"patTokenError":"none"}`,
		"accounts are a text":   `{"patToken":` + made(`"targetAccounts":"x"`) + `,"patTokenError":"none"}`,
		"no id":                 `{"patToken":{"token":"` + secret + `"},"patTokenError":"none"}`,
		"odd id":                `{"patToken":{"token":"` + secret + `","authorizationId":{}},"patTokenError":"none"}`,
		"escapes":               `{"patToken":` + made(`"displayName":"CORP\vault"`) + `,"patTokenError":"none"}`,
		"escape at the end":     `{"patToken":` + made(`"displayName":"CORP\"`) + `,"patTokenError":"none"}`,
		"control character":     `{"patToken":` + made("\"displayName\":\"a\tb\"") + `,"patTokenError":"none"}`,
		"not UTF-8":             `{"patToken":` + made("\"displayName\":\"\xff\"") + `,"patTokenError":"none"}`,
		"behind a BOM":          bom + `{"patToken":` + made(`"a":1`) + `}`,
		"odd error":             `{"patToken":` + made(`"a":1`) + `,"patTokenError":{}}`,
		"error is a list":       `{"patToken":` + made(`"a":1`) + `,"patTokenError":[0]}`,
		"error is a figure":     `{"patToken":` + made(`"a":1`) + `,"patTokenError":"0"}`,
		"error is no word":      `{"patToken":` + made(`"a":1`) + `,"patTokenError":false}`,
		"in a list":             `{"patToken":[` + made(`"a":1`) + `]}`,
		"record, then null":     `{"patToken":` + made(`"a":1`) + `,"patToken":null}`,
		"secret, then null":     `{"patToken":` + made(`"token":null`) + `}`,
		"secret, then odd":      `{"patToken":` + made(`"token":{}`) + `}`,
		"secret in a list":      `{"patToken":{"authorizationId":"` + id + `","token":["` + secret + `"]}}`,
		"member twice":          `{"patToken":` + made(`"authorizationId":null,"displayName":"x","displayName":[[]]`) + `}`,
		"quotes in the name":    `{"patToken":` + made(`"displayName":"say "hi""`) + `,"patTokenError":"none"}`,
		"a number that is none": `{"patToken":` + made(`"validTo":NaN`) + `,"patTokenError":"none"}`,
		"a comma too many":      `{"patToken":` + made(`"a":1,`) + `,"patTokenError":"none",}`,
		"nested deep and large": `{"patToken":` + made(`"extra":`+strings.Repeat("[", 500)+strings.Repeat("]", 500)+`,"displayName":"`+strings.Repeat("é", 20000)+`"`) + `}`,
	} {
		s := serve(t, azuredevops.Options{}, ok(body).ServeHTTP)
		_, got, err := s.caller.Create(context.Background(), org, wanted)
		if err != nil || got != secret {
			t.Errorf("%s: %q, %v", name, got, err)
		}
		s.Close()
	}
	for name, body := range map[string]string{
		"endless secret": `{"patToken":{"token":"` + strings.Repeat("a", 20000) + `"}}`, "odd secret": `{"patToken":{"token":{"value":"x"}}}`, "two secrets": `{"patToken":{"token":["a","b"]}}`,
	} {
		s := serve(t, azuredevops.Options{}, ok(body).ServeHTTP)
		_, got, err := s.caller.Create(context.Background(), org, wanted)
		if e := failure(t, err); got != "" || !e.Unknown {
			t.Errorf("%s: %q, %+v", name, got, *e)
		}
		s.Close()
	}
}

// made is the record of a token that was just made, with this member after the others.
func made(member string) string {
	return strings.Replace(fields(member), `"token":null`, `"token":"`+secret+`"`, 1)
}

// An update whose answer is odd is done if it is certainly about the token; a revoke isn't taken for done.
func TestChangesAnsweredOddly(t *testing.T) {
	t.Parallel()
	for body, known := range map[string]bool{
		`{"patToken":` + fields(`"validTo":{},"displayName":1`) + `,"patTokenError":"none"}`: true,
		`{"patToken":` + fields(`"displayName":"CORP\vault"`) + `}`:                          true,
		`{"patToken":{"displayName":"x"},"patTokenError":"none"}`:                            false,
		`{"patToken":` + fields(`"a":1`) + `,"patTokenError":{}}`:                            false,
		`{"patToken":"done","patTokenError":"none"}`:                                         false,
	} {
		s := serve(t, azuredevops.Options{}, ok(body).ServeHTTP)
		_, err := s.caller.Update(context.Background(), org, id, wanted)
		if known != (err == nil) || err != nil && !failure(t, err).Unknown {
			t.Errorf("%s: %v", body, err)
		}
		s.Close()
	}
	for _, body := range []string{`{"patTokenError":{}}`, `{"patTokenError":false}`, `[]`, `{"patToken":"x"}`, `{"patToken":"x","patTokenError":"none"}`,
		`{"patToken":{"authorizationId":false,"displayName":42},"patTokenError":0}`, `{"patToken":{"authorizationId":7},"patTokenError":"none"}`, `{"patToken":{},"patTokenError":"none"}`} {
		s := serve(t, azuredevops.Options{}, ok(body).ServeHTTP)
		if e := failure(t, s.caller.Revoke(context.Background(), org, id)); !e.Unknown {
			t.Errorf("%s: %+v", body, *e)
		}
		s.Close()
	}
}
