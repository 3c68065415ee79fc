package entra

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/AzureAD/microsoft-authentication-library-for-go/apps/confidential"
)

// attemptLife is how old an attempt may be when the browser comes back.
const attemptLife = 15 * time.Minute

// Attempt is what must be kept between Begin and Finish, on the server and bound to the browser. It can be encoded as
// JSON.
type Attempt struct {
	State       string    `json:"state"`
	Nonce       string    `json:"nonce"`
	Verifier    string    `json:"verifier"`
	RedirectURI string    `json:"redirectUri"`
	Claims      string    `json:"claims,omitempty"`
	Scopes      []string  `json:"scopes,omitempty"` // of another resource than the API
	Started     time.Time `json:"started"`
}

// Format keeps the attempt's secrets out of everything that is printed, whatever the verb.
func (a Attempt) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "sign-in attempt") }

// LogValue is the same for structured logs.
func (a Attempt) LogValue() slog.Value { return slog.StringValue("sign-in attempt") }

// BeginOptions are the choices of one sign-in.
type BeginOptions struct {
	RedirectURI string
	Claims      string // decoded claims challenge, "" if none
	LoginHint   string
	Scopes      []string // of one other resource, to be consented to; nil: those of the API
	Prompt      string   // "", "select_account", "login" or "consent"
}

// ownScopes are asked for beside the API's, so that there is an ID token with a name and a refresh token. MSAL adds
// them by itself only when it redeems.
var ownScopes = []string{"openid", "profile", "offline_access"}

// Begin returns the address at Entra to send the browser to. Errors are of type *Error; KindTooLong: see FitsSignIn.
func (p *Provider) Begin(ctx context.Context, o BeginOptions) (string, Attempt, error) {
	if !FitsSignIn(o.Claims) {
		return "", Attempt{}, &Error{Kind: KindTooLong}
	}
	a := Attempt{
		State: random(), Nonce: random(), Verifier: random() + random(),
		RedirectURI: o.RedirectURI, Claims: validClaims(o.Claims), Scopes: o.Scopes, Started: p.o.Now(),
	}
	x := &exchange{}
	address, err := p.authorizeURL(withExchange(ctx, x), a)
	if err != nil {
		return "", Attempt{}, p.fault(x, err)
	}
	query := address.Query()
	query.Set("response_mode", "query") // with form_post no SameSite cookie would come back
	query.Set("state", a.State)
	query.Set("nonce", a.Nonce)
	query.Set("code_challenge", challengeOf(a.Verifier))
	query.Set("code_challenge_method", "S256")
	// A guest's name ("mona_contoso.com#EXT#@fabrikam.onmicrosoft.com", "live.com#mona@outlook.com") is none to sign in with.
	if o.LoginHint != "" && len(o.LoginHint) <= maxUsername && !strings.Contains(o.LoginHint, "#") {
		query.Set("login_hint", o.LoginHint)
	}
	if slices.Contains([]string{"select_account", "login", "consent"}, o.Prompt) {
		query.Set("prompt", o.Prompt)
	}
	if address.RawQuery = query.Encode(); len(address.String()) > maxAddress { // a hint is only a hint
		query.Del("login_hint")
		address.RawQuery = query.Encode()
	}
	if a.Claims != "" && len(address.String()) > maxAddress {
		return "", Attempt{}, &Error{Kind: KindTooLong}
	}
	return address.String(), a, nil
}

// scopesOf are those of one resource alone: Entra redeems a code for no more than one, and .default, which the API is
// asked for with, can't stand beside others. A token for the other resource comes by the refresh token, which isn't
// bound to any (https://learn.microsoft.com/entra/identity-platform/refresh-tokens).
func (p *Provider) scopesOf(a Attempt) []string {
	if len(a.Scopes) > 0 {
		return a.Scopes
	}
	return p.o.Scopes
}

func (p *Provider) authorizeURL(ctx context.Context, a Attempt) (*url.URL, error) {
	credential, err := p.credential(ctx) // isn't sent, but without it there is no use in going to Entra
	if err != nil {
		return nil, err
	}
	client, err := p.client(credential, &sessionCache{})
	if err != nil {
		return nil, err
	}
	var options []confidential.AuthCodeURLOption
	if a.Claims != "" {
		options = append(options, confidential.WithClaims(a.Claims))
	}
	text, err := client.AuthCodeURL(ctx, p.o.ClientID, a.RedirectURI, append(slices.Clone(p.scopesOf(a)), ownScopes...), options...)
	if err != nil {
		return nil, err
	}
	return url.Parse(text)
}

// random is 256 bits, in 43 characters: also what RFC 7636 asks of a verifier.
func random() string {
	b := make([]byte, 32)
	rand.Read(b)
	return base64.RawURLEncoding.EncodeToString(b)
}

func challengeOf(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

const (
	// maxAddress bounds the address at Entra, in bytes: it stands in the head of an answer, which has 4 KB at most.
	maxAddress = 2500
	// maxClaims is how long a claims challenge can be, in bytes, escaped as it is sent on. Those that are known have
	// some 300. Entra refuses an address that is too long (AADSTS90015); its exact limit isn't documented and wasn't
	// measured, ours comes first.
	maxClaims = 1000
)

// FitsSignIn reports whether a sign-in can be asked to satisfy these claims: they are short enough for its address.
// Without what it was to satisfy it would be asked for again and again.
func FitsSignIn(claims string) bool {
	return len(url.QueryEscape(strings.TrimSpace(claims))) <= maxClaims
}

// validClaims lets only a JSON object through: MSAL would pass anything on.
func validClaims(claims string) string {
	claims = strings.TrimSpace(claims)
	var object map[string]any
	if claims == "" || !FitsSignIn(claims) || json.Unmarshal([]byte(claims), &object) != nil || object == nil {
		return ""
	}
	return claims
}
