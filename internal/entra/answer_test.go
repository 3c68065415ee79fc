package entra

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"
)

// clientInfoOf is client_info as Entra sends it.
func clientInfoOf(object, tenant string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(`{"uid":"` + object + `","utid":"` + tenant + `"}`))
}

// Answers of other shapes than Entra's usual one: signing in and refreshing both work, and the tokens are found again.
func TestShapesOfAnswers(t *testing.T) {
	t.Parallel()
	for name, fields := range map[string]map[string]any{
		"as ever":                   {},
		"expires_in as text":        {"expires_in": "3600"},
		"expires_in with fraction":  {"expires_in": 3599.5},
		"expires_in as odd text":    {"expires_in": " 3600.0 "},
		"expires_in missing":        {"expires_in": nil},
		"expires_in of other type":  {"expires_in": []int{1}},
		"expires_in not a number":   {"expires_in": "NaN"},
		"expires_in beyond all":     {"expires_in": 1e300},
		"expires_on instead":        {"expires_in": nil, "expires_on": "tomorrow"},
		"ext_expires_in odd":        {"ext_expires_in": "long"},
		"no scope":                  {"scope": nil},
		"empty scope":               {"scope": ""},
		"fewer scopes":              {"scope": "openid"},
		"other scopes":              {"scope": "499b84ac-1321-427f-aa17-267ca6975798/vso.pats"},
		"scope in other case":       {"scope": strings.ToUpper(apiScope)},
		"scope as list":             {"scope": []string{apiScope}},
		"no token type":             {"token_type": nil},
		"token type in other case":  {"token_type": "bearer"},
		"no client_info":            {"client_info": nil},
		"client_info empty":         {"client_info": ""},
		"client_info no base64":     {"client_info": "***"},
		"client_info no JSON":       {"client_info": "aGVsbG8"},
		"client_info without utid":  {"client_info": base64.RawURLEncoding.EncodeToString([]byte(`{"uid":"x"}`))},
		"client_info with padding":  {"client_info": base64.URLEncoding.EncodeToString([]byte(`{"uid":"` + fakePerson + `","utid":"` + fakeTenant + `"} `))},
		"client_info in other case": {"client_info": clientInfoOf(strings.ToUpper(fakePerson), strings.ToUpper(fakeTenant))},
		"refresh_in as text":        {"refresh_in": "1800"},
		"refresh_in of other type":  {"refresh_in": true},
		"refresh_in null":           {"refresh_in": json.RawMessage("null")},
		"more than we know":         {"foci": "1", "extra": map[string]any{"a": 1}},
		"error empty":               {"error": ""},
		"foci of other type":        {"foci": 1},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w, f := newFakeWorld(t)
				f.fields = fields
				id, c := w.signedInAt(f)
				if !strings.EqualFold(id.Account, fakePerson+"."+fakeTenant) {
					t.Errorf("account %q", id.Account)
				}
				w.token(c, id.Account)
				f.set(func(f *fake) { f.claims = map[string]any{"nonce": nil} }) // as in a refresh
				for range 3 {
					pass(2 * longestLife)
					calls := f.count("token")
					first := w.token(c, id.Account)
					if w.token(c, id.Account) != first || f.count("token") != calls+1 {
						t.Errorf("%d token calls for one refresh", f.count("token")-calls)
					}
				}
				if _, drops := c.counts(); drops != 0 {
					t.Error("the sign-in was dropped")
				}
			})
		})
	}
}

// What may be missing or odd in a refresh, though not at sign-in.
func TestShapesOfRefreshes(t *testing.T) {
	t.Parallel()
	for name, fields := range map[string]map[string]any{
		"no ID token":                  {"id_token": nil},
		"ID token can't be read":       {"id_token": "canary"},
		"no refresh token":             {"refresh_token": nil},
		"neither client_info nor that": {"id_token": nil, "client_info": nil},
		"nothing but an access token":  {"id_token": nil, "client_info": nil, "refresh_token": nil, "scope": nil, "expires_in": nil},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w, f := newFakeWorld(t)
				id, c := w.signedInAt(f)
				f.set(func(f *fake) { f.fields = fields })
				for range 3 {
					pass(time.Hour)
					calls := f.count("token")
					first := w.token(c, id.Account)
					if w.token(c, id.Account) != first || f.count("token") != calls+1 {
						t.Errorf("%d token calls for one refresh", f.count("token")-calls)
					}
				}
				if _, drops := c.counts(); drops != 0 {
					t.Error("the sign-in was dropped")
				}
				want := "canary-refresh-3" // the newest one, or the only one there ever was
				if _, kept := fields["refresh_token"]; kept {
					want = "canary-refresh-1"
				}
				if got := f.lastForm()["refresh_token"]; got != want {
					t.Errorf("asked with %s", got)
				}
			})
		})
	}
}

// Somebody else's tokens end the sign-in, they are never handed out.
func TestTokensOfAnotherUser(t *testing.T) {
	t.Parallel()
	const other = "00000000-0000-0000-0000-00000000000f"
	for name, set := range map[string]func(*fake){
		"client_info":        func(f *fake) { f.fields = map[string]any{"client_info": clientInfoOf(other, fakeTenant)} },
		"client_info's home": func(f *fake) { f.fields = map[string]any{"client_info": clientInfoOf(fakePerson, other)} },
		"ID token":           func(f *fake) { f.claims = map[string]any{"oid": other} },
		"ID token alone": func(f *fake) {
			f.claims, f.fields = map[string]any{"oid": other}, map[string]any{"client_info": nil}
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w, f := newFakeWorld(t)
				id, c := w.signedInAt(f)
				pass(time.Hour)
				f.set(set)
				token, err := w.AccessToken(t.Context(), c, id.Account)
				wantKind(t, err, KindInteraction)
				if _, drops := c.counts(); token != "" || drops != 1 {
					t.Errorf("%d drops", drops)
				}
			})
		})
	}
}

// The same at sign-in: client_info isn't signed.
func TestSignInOfAnotherUser(t *testing.T) {
	t.Parallel()
	w, f := newFakeWorld(t)
	f.fields = map[string]any{"client_info": clientInfoOf("00000000-0000-0000-0000-00000000000f", fakeTenant)}
	_, blob, err := w.finishFake(f)
	wantKind(t, err, KindForged)
	if blob != nil {
		t.Error("there is a token cache")
	}
}

func TestSeconds(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		value any
		want  time.Duration
	}{
		{3600.0, time.Hour}, {"3600", time.Hour}, {"3599.9", 3599 * time.Second}, {0.0, 0}, {-5.0, 0}, {"-5", 0},
		{nil, time.Minute}, {"soon", time.Minute}, {"", time.Minute}, {"NaN", time.Minute}, {true, time.Minute}, {"Inf", longestLife}, {1e300, longestLife},
	} {
		if got := seconds(c.value, time.Minute); got != c.want {
			t.Errorf("%v: %s, want %s", c.value, got, c.want)
		}
	}
}

// MSAL takes a token for expired five minutes before what it is told.
func TestShownLife(t *testing.T) {
	t.Parallel()
	for life, served := range map[time.Duration]time.Duration{
		time.Hour: 55 * time.Minute, 50 * time.Minute: 45 * time.Minute, 10 * time.Minute: 9 * time.Minute, time.Minute: 54 * time.Second, 0: 0,
	} {
		if got := shownLife(life) - msalMargin; got != served {
			t.Errorf("%s: served for %s, want %s", life, got, served)
		}
	}
}

// An error keeps what support asks for, also when the answer says "later".
func TestRefusalsKeepTheirIDs(t *testing.T) {
	t.Parallel()
	w, f := newFakeWorld(t)
	_, a := w.begin(BeginOptions{})
	f.instead = refusing(http.StatusServiceUnavailable, map[string]any{
		"error": "temporarily_unavailable", "error_codes": []int{90033}, "correlation_id": "0d9e8c7b-aaaa-4bbb-8ccc-ddddeeeeffff", "error_description": "canary",
	})
	_, _, err := w.Finish(t.Context(), a, backWith(a))
	e := asKind(t, err, KindUnavailable)
	if e.AADSTS != "90033" || e.CorrelationID != "0d9e8c7b-aaaa-4bbb-8ccc-ddddeeeeffff" || e.Code != "temporarily_unavailable" {
		t.Errorf("got %v", e)
	}
}

// The causes of a broken connection are told in our own words, without the address.
func TestNetworkWords(t *testing.T) {
	t.Parallel()
	w, _ := newFakeWorld(t)
	w.options.HTTPClient = &http.Client{} // trusts other certificates, and reaches nobody
	for authority, want := range map[string]string{"https://127.0.0.1:1/organizations": "connection refused", "https://patdesk.invalid/organizations": "entra: unavailable"} {
		w.options.Authority = authority
		_, _, err := w.another().Begin(t.Context(), BeginOptions{})
		e := asKind(t, err, KindUnavailable)
		if !strings.Contains(e.Error(), want) || strings.Contains(e.Error(), "127.0.0.1") || strings.Contains(e.Error(), "invalid/") {
			t.Errorf("got %v", e)
		}
	}
}
