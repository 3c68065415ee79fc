package entra

import (
	"encoding/json"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"
)

// What the token endpoint may answer: the outcome is an answer that MSAL can take, or an *Error that tells nothing of
// it; never a panic.
func FuzzTokenAnswer(f *testing.F) {
	service := newFake(f)
	good, err := json.Marshal(service.tokenAnswer())
	if err != nil {
		f.Fatal(err)
	}
	seeds := []string{
		string(good), string(good[:len(good)/2]), "", "null", "[]", "7", `"text"`, "{}", "\xff\xfe", "\ufeff{}",
		`{"access_token":"a"}`, `{"access_token":"a","expires_in":"3600"}`, `{"access_token":"a","expires_in":1e300,"refresh_in":-1}`,
		`{"access_token":"a","id_token":"e30.e30."}`, `{"access_token":"a","id_token":"a.b.c"}`, `{"access_token":"a","id_token":"e30.eyJhdWQiOlsxXX0.x"}`,
		`{"access_token":"a","id_token":"e30.eyJhdWQiOlsiYSIsImIiXSwiZXhwIjoxZTMwMH0.x","client_info":"e30"}`,
		`{"access_token":"a","token_type":"PoP"}`, `{"access_token":"a","client_info":"eyJ1aWQiOiJhIiwidXRpZCI6ImIifQ=="}`,
		`{"error":"invalid_grant","error_description":"AADSTS50173: x Correlation ID: 0d9e8c7b-aaaa-4bbb-8ccc-ddddeeeeffff","error_codes":[50173]}`,
		`{"error":"invalid_grant","error_codes":"50173"}`, `{"error":"<script>","claims":"{\"access_token\":{}}","suberror":"consent_required"}`,
		`{"access_token":{"a":1},"refresh_token":[],"expires_in":null}`,
	}
	for _, s := range seeds {
		f.Add([]byte(s), "")
		f.Add([]byte(s), fakePerson+"."+fakeTenant)
	}
	f.Fuzz(func(t *testing.T, body []byte, asked string) {
		x := &exchange{account: asked}
		plain, err := plainAnswer(body, x)
		if err != nil {
			told := networkError(err)
			if told.Kind == "" || len(told.Error()) > 500 || len(told.Code) > 64 || strings.ContainsAny(told.Error(), "<>\n\r") {
				t.Fatalf("told: %q", told.Error())
			}
			if told.Claims != "" && !json.Valid([]byte(told.Claims)) {
				t.Fatalf("claims %q", told.Claims)
			}
			return
		}
		var got struct {
			AccessToken string `json:"access_token"`
			ExpiresIn   int64  `json:"expires_in"`
			RefreshIn   int64  `json:"refresh_in"`
			ClientInfo  string `json:"client_info"`
			IDToken     string `json:"id_token"`
		}
		if err := json.Unmarshal(plain, &got); err != nil || got.AccessToken == "" {
			t.Fatalf("%s: %v", plain, err)
		}
		if most := int64((longestLife + msalMargin).Seconds()); got.ExpiresIn < 0 || got.ExpiresIn > most || got.RefreshIn < 0 || got.RefreshIn > most {
			t.Fatalf("%d s, to be refreshed after %d s", got.ExpiresIn, got.RefreshIn)
		}
		if object, tenant, ok := strings.Cut(asked, "."); ok && json.Valid([]byte(`"`+asked+`"`)) {
			if told, fine := readClientInfo(got.ClientInfo); fine && !told.is(account{object, tenant}) {
				t.Fatalf("the tokens of %s are filed under %v", asked, told)
			}
		}
		if (got.IDToken == "") != (x.idToken == "") {
			t.Fatal("the ID token was lost")
		}
	})
}

// Any text as ID token: it isn't believed.
func FuzzIDToken(f *testing.F) {
	service := newFake(f)
	good := service.idToken()
	parts := strings.Split(good, ".")
	for _, s := range []string{good, good + "x", parts[0] + "." + parts[1] + ".", "e30." + parts[1] + ".", "..", "", "a.b.c", strings.Repeat(".", 1000),
		"eyJhbGciOiJub25lIn0." + parts[1] + ".", "eyJhbGciOiJSUzI1NiIsImNyaXQiOlsieCJdfQ." + parts[1] + "." + parts[2],
		"eyJhbGciOiJSUzI1NiIsImI2NCI6ZmFsc2V9." + parts[1] + "." + parts[2]} {
		f.Add(s)
	}
	keys, err := json.Marshal(service.keysAnswer())
	if err != nil {
		f.Fatal(err)
	}
	metadata, err := json.Marshal(service.metadataAnswer())
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		p, err := New(Options{ClientID: fakeClient, Authority: host + "/organizations", Scopes: []string{apiScope}, Credential: Credential{Secret: "s"}})
		if err != nil {
			t.Fatal(err)
		}
		now := time.Now()
		p.wire.documents.kept[p.metadata] = kept[[]byte]{value: metadata, has: true, fetched: now}
		p.wire.documents.kept[host+"/keys"] = kept[[]byte]{value: keys, has: true, fetched: now, forced: now}
		_, err = p.checkIDToken(t.Context(), raw, "the nonce")
		if kindOf(err) != KindForged {
			t.Fatalf("%q: %v", raw, err)
		}
	})
}

// Whatever the browser brings back: without the attempt's state nothing is believed of it.
func FuzzRedirectQuery(f *testing.F) {
	a := Attempt{State: strings.Repeat("s", 43), Nonce: "n", Verifier: strings.Repeat("v", 43), RedirectURI: redirectURI, Started: time.Now()}
	for _, s := range []string{"", "state=" + a.State + "&code=c", "code=c", "state=" + a.State + "&error=access_denied&error_description=AADSTS65004%3A+x",
		"state=" + a.State + "&state=x&code=c", "state=" + a.State + "&code=c&iss=https%3A%2F%2Fentra.test%2F" + fakeTenant + "%2Fv2.0", "state=%00&code=%ff",
		"state=" + a.State + "&error=%3Cscript%3E&error_description=" + strings.Repeat("A", 5000), "state=" + a.State + "&error=interaction_required&claims=%7B%7D",
		"%zz", "state=" + a.State + "&iss=&code=c", "state=" + a.State[:42] + "&code=c", ";;&&==", "state=" + a.State + "&error=invalid_grant&error_subcode=consent_required"} {
		f.Add(s)
	}
	metadata, err := json.Marshal(newFake(f).metadataAnswer())
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		query, _ := url.ParseQuery(text) // what could be parsed, as net/http has it
		p, err := New(Options{ClientID: fakeClient, Authority: host + "/organizations", Scopes: []string{apiScope}, Credential: Credential{Secret: "s"}})
		if err != nil {
			t.Fatal(err)
		}
		p.wire.documents.kept[p.metadata] = kept[[]byte]{value: metadata, has: true, fetched: time.Now()}
		code, err := p.checkQuery(t.Context(), a, query)
		honest := len(query["state"]) == 1 && query.Get("state") == a.State
		if err == nil {
			if !honest || code == "" || len(query["code"]) != 1 || query.Get("error") != "" {
				t.Fatalf("taken: %q", text)
			}
			return
		}
		var e *Error
		if !errors.As(err, &e) || code != "" || !honest && e.Kind != KindForged {
			t.Fatalf("%q: %v, %q", text, err, code)
		}
		if len(e.Error()) > 500 || strings.ContainsAny(e.Error(), "<>\n\r") {
			t.Fatalf("told: %q", e.Error())
		}
	})
}
