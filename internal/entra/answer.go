package entra

import (
	"encoding/base64"
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"time"
)

const (
	// msalMargin is how long before its end MSAL takes a token for expired; one that lives shorter it doesn't even
	// keep.
	msalMargin = 5 * time.Minute
	// assumedLife is that of a token whose answer doesn't say (RFC 6749, section 5.1, allows that).
	assumedLife = time.Hour
	longestLife = 400 * 24 * time.Hour
)

// plainAnswer brings a token response into the shape that MSAL takes. MSAL fails on an answer whose scopes are fewer
// than were asked for, on an audience that is a list and on numbers written otherwise, and then its error text holds
// the whole answer; without client_info it files the tokens under a name under which it can't find them again.
func plainAnswer(body []byte, x *exchange) ([]byte, error) {
	var fields map[string]any
	if err := json.Unmarshal(body, &fields); err != nil || fields == nil {
		return nil, errNotJSON
	}
	if code, _ := fields["error"].(string); code != "" {
		var o oauthError
		if json.Unmarshal(body, &o) != nil {
			return nil, errNotJSON
		}
		return nil, classify(o)
	}
	if token, _ := fields["access_token"].(string); token == "" {
		return nil, errNotJSON
	}
	if kind, _ := fields["token_type"].(string); kind != "" && !strings.EqualFold(kind, "Bearer") {
		return nil, errTokenType
	}
	plain := map[string]any{"token_type": "Bearer", "expires_in": wholeSeconds(shownLife(seconds(fields["expires_in"], assumedLife)))}
	for _, name := range []string{"access_token", "refresh_token"} {
		if text, ok := fields[name].(string); ok {
			plain[name] = text
		}
	}
	if in := seconds(fields["refresh_in"], 0); in > 0 {
		plain["refresh_in"] = wholeSeconds(in)
	}
	claims := readIDToken(fields["id_token"], x)
	if x.idToken != "" {
		plain["id_token"] = claims.forMSAL()
	}
	var err error
	if plain["client_info"], err = accountOf(fields["client_info"], x.account, claims); err != nil {
		return nil, err
	}
	return json.Marshal(plain)
}

// shownLife is the life that MSAL sees: a token's own, but that of short tokens longer, so that MSAL's margin comes to
// a tenth of what they really live. Otherwise every page view would ask for such a token anew.
func shownLife(life time.Duration) time.Duration {
	return life + msalMargin - min(msalMargin, life/10)
}

func wholeSeconds(d time.Duration) int64 { return int64(d / time.Second) }

// seconds reads a number of seconds, in whatever form it comes.
func seconds(value any, otherwise time.Duration) time.Duration {
	var n float64
	switch v := value.(type) {
	case float64:
		n = v
	case string:
		var err error
		if n, err = strconv.ParseFloat(strings.TrimSpace(v), 64); err != nil {
			return otherwise
		}
	default:
		return otherwise
	}
	if math.IsNaN(n) {
		return otherwise
	}
	return time.Duration(max(0, min(n, longestLife.Seconds()))) * time.Second
}

// readIDToken takes the ID token out of an answer, if there is one that can be read. A sign-in is refused without; a
// refresh has no need of it.
func readIDToken(value any, x *exchange) idClaims {
	raw, _ := value.(string)
	claims, err := unverified(raw)
	if err != nil {
		return idClaims{}
	}
	x.idToken = raw
	return claims
}

// account is a person's home account, as MSAL names it: the object id in the home tenant, and that tenant.
type account struct {
	Object string `json:"uid"`
	Tenant string `json:"utid"`
}

// accountOf says whose tokens these are, as client_info: Entra's word if there is one, else the account that was asked
// for, else the ID token's person. Tokens of another person are refused.
func accountOf(given any, asked string, claims idClaims) (string, error) {
	expected := account{claims.ObjectID, claims.TenantID}
	if object, tenant, ok := strings.Cut(asked, "."); ok {
		expected = account{object, tenant}
	}
	text, _ := given.(string)
	info, ok := readClientInfo(text)
	switch {
	case !ok:
		info = expected
	case asked != "" && !info.is(expected):
		return "", forged("the tokens are another person's")
	}
	// A guest's object id is another one than at home.
	if claims.ObjectID != "" && strings.EqualFold(info.Tenant, claims.TenantID) && !strings.EqualFold(info.Object, claims.ObjectID) {
		return "", forged("the ID token is another person's")
	}
	content, err := json.Marshal(info)
	if err != nil { // two strings
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(content), nil
}

func (a account) is(b account) bool {
	return strings.EqualFold(a.Object, b.Object) && strings.EqualFold(a.Tenant, b.Tenant)
}

func readClientInfo(text string) (account, bool) {
	var a account
	content, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(text, "="))
	return a, err == nil && json.Unmarshal(content, &a) == nil && a.Object != "" && a.Tenant != ""
}
