package features

import (
	"encoding/csv"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"

	"github.com/patdesk/patdesk/internal/simulator"
	"github.com/patdesk/patdesk/internal/testkit"
	"github.com/patdesk/patdesk/internal/testkit/apptest"
	"github.com/patdesk/patdesk/internal/webtest"
)

// withOdd is a program with two tokens in one organization. Faults hit the one that is listed first, "odd one".
func withOdd(t *testing.T) (*apptest.Program, *webtest.Browser) {
	t.Helper()
	d := apptest.Start(t, apptest.Options{Sim: simulator.Options{KeepSecrets: true}})
	for _, one := range []simulator.Token{
		{AuthorizationID: oddID, DisplayName: "odd one", ValidTo: time.Now().AddDate(0, 0, 200)}, {DisplayName: "plain one", ValidTo: time.Now().AddDate(0, 0, 100)},
	} {
		one.Organization, one.Owner, one.Scope = "contoso", simulator.Mona, "vso.code"
		d.Sim.AddToken(one)
	}
	return d, d.SignedInAt(apptest.Mona, "/changes") // where nothing is read yet
}

const (
	oddID     = "0dd00000-0000-4000-8000-000000000001"
	notFully  = "doesn't fully understand"
	noIDWords = "Without its ID it can't be opened"
)

// One odd value costs at most what it says: every token stands in the list and is counted, what isn't understood is
// said on its row and in the log, without the value, and the token can be revoked.
func TestOddMembersCostOneRowAtMost(t *testing.T) {
	t.Parallel()
	const secretly = "value-that-nobody-logs"
	all := map[string]struct {
		member, shown string
		odd           string // what the row says
	}{
		"zone without a colon": {`validTo:"2126-12-30T00:00:00+0000"`, "30 Dec 2126", ""},
		"space for T":          {`validTo:"2126-12-30 00:00:00"`, "30 Dec 2126", ""},
		"old Microsoft date":   {`validTo:"\/Date(4954262400000)\/"`, "30 Dec 2126", ""},
		"no end at all":        {`validTo:`, "odd one", "when it expires"},
		"end is null":          {`validTo:null`, "odd one", "when it expires"},
		"least date of .NET":   {`validTo:"0001-01-01T00:00:00"`, "odd one", "when it expires"},
		"end of time":          {`validTo:"9999-12-31T23:59:59-08:00"`, "31 Dec 9999", ""},
		"odd date":             {`validTo:"` + secretly + `"`, "odd one", "when it expires"},
		"odd beginning":        {`validFrom:{"a":"` + secretly + `"}`, "odd one", "when it was created"},
		"name is a number":     {`displayName:42`, "42", ""},
		"name is an object":    {`displayName:{"a":"` + secretly + `"}`, "(no name)", "its name"},
		"escape that is none":  {`displayName:"CORP\vault"`, `CORP\vault`, ""},
		"backslash at the end": {`displayName:"CORP\"`, `CORP\`, ""},
		"not UTF-8":            {"displayName:\"odd \xff\"", "odd \ufffd", ""},
		"half a character":     {`displayName:"odd \ud83d"`, "odd \ufffd", ""},
		"scope is a list":      {`scope:["vso.build","vso.code"]`, "Build: Read", ""},
		"scope is an object":   {`scope:{"a":"` + secretly + `"}`, "odd one", "its scopes"},
		"scope is empty":       {`scope:""`, "odd one", ""},
		"scope is unknown":     {`scope:"vso.brand_new"`, "vso.brand_new", ""},
		"accounts are a text":  {`targetAccounts:"` + secretly + `"`, "odd one", ""},
		"accounts are a dict":  {`targetAccounts:{"a":"` + secretly + `"}`, "odd one", "its organizations"},
		"account is null":      {`targetAccounts:[null]`, "odd one", "its organizations"},
	}
	for _, name := range testkit.Sample(t, 8, slices.Sorted(maps.Keys(all))) {
		test := all[name]
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, b := withOdd(t)
			d.Sim.SetFault("oddMember", simulator.FaultOptions{Value: test.member})
			for _, path := range []string{"/tokens?organization=contoso", "/tokens"} {
				apptest.OpenWhole(t, b, d.URL+path)
				row := b.Page.Find("#token-rows tr").FilterFunction(func(_ int, s *goquery.Selection) bool { return !strings.Contains(s.Text(), "plain one") })
				if b.Status != http.StatusOK || b.Page.Find("#token-rows tr").Length() != 2 || row.Length() != 1 || !strings.Contains(webtest.Fold(row.Text()), test.shown) {
					t.Fatalf("%s: %d\n%s", path, b.Status, b.Text())
				}
				if says := strings.Contains(row.Text(), notFully); says != (test.odd != "") || !strings.Contains(row.Text(), test.odd) {
					t.Errorf("%s: the row says %q", path, webtest.Fold(row.Text()))
				}
				if row.Find(".badge-warning").Length() > 0 {
					t.Errorf("%s: taken for a global token", path)
				}
			}
			if logged := strings.Contains(d.Log.String(), "parts of an answer of Azure DevOps are not understood"); logged != (test.odd != "") || strings.Contains(d.Log.String(), secretly) {
				t.Errorf("logged: %v, with its value: %v", logged, strings.Contains(d.Log.String(), secretly))
			}
			if b.Open(d.URL + "/tokens/contoso/" + oddID); b.Status != http.StatusOK || strings.Contains(b.Text(), notFully) != (test.odd != "") {
				t.Errorf("its page: %d\n%s", b.Status, b.Text())
			}
			b.Click("Revoke").Press("Revoke")
			if one, _ := d.Sim.Token(oddID); b.Status != http.StatusOK || !one.Revoked {
				t.Errorf("not revoked: %d\n%s", b.Status, b.Text())
			}
		})
	}
}

// What isn't a token, or has no id, is a row all the same: of the list, the overview and its exports, and of a plan.
func TestRecordsWithoutAnID(t *testing.T) {
	t.Parallel()
	for name, record := range map[string]string{
		"null": `null`, "text": `"what is this"`, "number": `7`, "list": `[]`, "empty": `{}`, "id is null": `{"authorizationId":null,"displayName":"strange"}`,
		"id is a path": `{"authorizationId":"../../x","displayName":"strange","validTo":"2126-01-01","targetAccounts":["x"],"scope":"vso.code"}`, "id is an object": `{"authorizationId":{}}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, b := withOdd(t)
			d.Sim.SetFault("oddRecord", simulator.FaultOptions{Value: record, Organization: "contoso"})
			for _, path := range []string{"/tokens?organization=contoso", "/tokens"} {
				apptest.OpenWhole(t, b, d.URL+path)
				if b.Status != http.StatusOK || !strings.Contains(b.Text(), "3 tokens") || strings.Count(b.Page.Find("#token-rows").Text(), noIDWords) != 1 || b.Page.Find("#token-rows input[name=token]").Length() != 2 {
					t.Errorf("%s: %d\n%s", path, b.Status, b.Text())
				}
			}
			apptest.OpenWhole(t, b, d.URL+"/overview")
			if !strings.Contains(b.Page.Find("#overview-attention").Text(), "Not fully understood 1") {
				t.Errorf("no attention is asked for it\n%s", b.Page.Find("#overview-attention").Text())
			}
			b.Open(d.URL + "/tokens").Click("CSV")
			rows, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(b.Body, "\ufeff"))).ReadAll()
			if err != nil || len(rows) != 4 {
				t.Errorf("CSV: %d rows, %v", len(rows), err)
			}
			apptest.OpenWhole(t, b, d.URL+"/tokens").Click("JSON")
			var exported struct {
				Tokens []struct{ NotUnderstood []string }
			}
			if err := json.Unmarshal([]byte(b.Body), &exported); err != nil || len(exported.Tokens) != 3 || !strings.Contains(b.Body, "notUnderstood") {
				t.Errorf("JSON: %v\n%s", err, b.Body)
			}
			apptest.PickAll(b, d.URL+"/tokens?organization=contoso", "Revoke selected")
			if b.Status != http.StatusOK || !strings.Contains(b.Text(), "Azure DevOps sent no ID for it") || !b.Has("button", "Revoke 2 tokens") {
				t.Errorf("the plan: %d\n%s", b.Status, b.Text())
			}
		})
	}
}

// A new token's secret is shown whatever else of the answer is odd.
func TestSecretOfAnOddAnswer(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string][2]string{
		"date": {"oddMember", `validTo:{"a":1}`}, "zone": {"oddMember", `validTo:"2026-12-30T00:00:00+0000"`}, "name": {"oddMember", `displayName:["a","b"]`}, "escape": {"oddMember", `displayName:"CORP\vault"`},
		"scope": {"oddMember", `scope:7`}, "accounts": {"oddMember", `targetAccounts:"x"`}, "id": {"oddMember", `authorizationId:{}`}, "no id": {"oddMember", `authorizationId:`},
		"error": {"oddPatTokenError", `{}`}, "error as a text": {"oddPatTokenError", `"0"`}, "no error": {"oddPatTokenError", `false`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, b := withOdd(t)
			d.Sim.SetFault(fault[0], simulator.FaultOptions{Call: simulator.CallCreate, Value: fault[1]})
			b.Open(d.URL+"/tokens/new?organization=contoso&preset=clone-only").Fill("Name", "made").Press("Create token")
			made := apptest.NamedTokens(d, "made")["contoso"]
			if b.Status != http.StatusOK || made.Secret == "" || !strings.Contains(b.Body, made.Secret) {
				t.Fatalf("%d, made: %v\n%s", b.Status, made.AuthorizationID, b.Text())
			}
			if b.Press("I have saved it"); b.Status != http.StatusOK {
				t.Errorf("saved: %d\n%s", b.Status, b.Text())
			}
		})
	}
}

// An organization that isn't understood is said, and costs none of the others.
func TestOddOrganizations(t *testing.T) {
	t.Parallel()
	for name, account := range map[string]string{
		"null": `null`, "text": `"contoso"`, "no name": `{"accountId":"1"}`, "odd name": `{"accountName":{"a":1}}`, "name with spaces": `{"accountName":"Contoso Ltd"}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := apptest.Start(t, apptest.Seeded())
			d.Sim.SetFault("oddAccount", simulator.FaultOptions{Value: account})
			b := d.SignedIn(apptest.Mona)
			apptest.OpenWhole(t, b, d.URL+"/tokens")
			if b.Status != http.StatusOK || b.Page.Find("#token-rows tr").Length() < 5 || !strings.Contains(b.Page.Find("#list-state").Text(), "Not all of your organizations are here") {
				t.Errorf("%d\n%s", b.Status, b.Text())
			}
			b.Open(d.URL + "/organizations")
			if b.Status != http.StatusOK || !strings.Contains(b.Text(), "fabrikam") || !strings.Contains(b.Text(), "Not all of your organizations are here") {
				t.Errorf("%d\n%s", b.Status, b.Text())
			}
		})
	}
}

// What can't be copied can't be rotated, and that is said before anything is done.
func TestRotatingWhatCannotBeCopied(t *testing.T) {
	t.Parallel()
	for _, member := range []string{`scope:""`, `scope:null`, `scope:{}`, `displayName:{}`, `displayName:""`} {
		d, b := withOdd(t)
		d.Sim.SetFault("oddMember", simulator.FaultOptions{Value: member})
		if b.Open(d.URL + "/tokens/contoso/" + oddID); b.Has("link", "Rotate") || !strings.Contains(b.Text(), "Create a new token with the scopes that its job needs") {
			t.Errorf("%s: %s", member, b.Text())
		}
		if b.Open(d.URL + "/tokens/contoso/" + oddID + "/rotate"); b.Status != http.StatusConflict || b.Heading() != "This token can't be rotated here" {
			t.Errorf("%s: %d %s", member, b.Status, b.Text())
		}
		apptest.PickAll(b, d.URL+"/tokens?organization=contoso", "Rotate selected")
		if !b.Has("button", "Rotate one token") || !strings.Contains(b.Text(), "can't tell what this needs") {
			t.Errorf("%s: the plan\n%s", member, b.Text())
		}
	}
}
