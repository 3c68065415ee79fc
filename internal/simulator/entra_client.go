package simulator

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"time"
)

const jwtBearer = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" //nolint:gosec // a type, not a credential

// checkClient checks that the caller is the registered application, by exactly one credential.
func (s *Simulator) checkClient(x *exchange, form url.Values, tenant string) *oauthError {
	id, secret := form.Get("client_id"), form.Get("client_secret")
	if user, password, ok := x.r.BasicAuth(); ok {
		if secret != "" || form.Get("client_assertion") != "" {
			return badRequestError(90014, "Only one client authentication method may be used.")
		}
		id, secret = unescaped(user), unescaped(password)
	}
	switch assertion := form.Get("client_assertion"); {
	case id == "" && assertion == "":
		return missingParameter("client_id")
	case id != "" && id != DefaultClientID:
		return unknownClient(id)
	case secret != "" && assertion != "":
		return badRequestError(90014, "Only one client authentication method may be used.")
	case assertion != "":
		return s.checkAssertion(x, form, tenant)
	case secret == "":
		return badClient(7000218, "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.")
	case subtle.ConstantTimeCompare([]byte(secret), []byte(s.o.ClientSecret)) != 1:
		return badClient(7000215, "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '%s'.", DefaultClientID)
	}
	return nil
}

// unescaped undoes the form encoding that RFC 6749 section 2.3.1 asks for within Basic.
func unescaped(v string) string {
	if plain, err := url.QueryUnescape(v); err == nil {
		return plain
	}
	return v
}

// checkAssertion accepts a registered federated assertion, or a JWT signed by a registered certificate's key.
func (s *Simulator) checkAssertion(x *exchange, form url.Values, tenant string) *oauthError {
	if form.Get("client_assertion_type") != jwtBearer {
		return missingParameter("client_assertion_type")
	}
	s.mu.Lock()
	federated, certificates := slices.Clone(s.entra.assertions), slices.Clone(s.entra.certificates)
	s.mu.Unlock()
	assertion := form.Get("client_assertion")
	if slices.Contains(federated, assertion) {
		return nil
	}
	reason := s.verifyAssertion(assertion, certificates, []string{
		s.machineBase(x.r) + "/" + tenant + "/oauth2/v2.0/token",
		s.machineBase(x.r) + "/" + tenant + "/v2.0",
	})
	if reason == "" {
		return nil
	}
	return badClient(700027, "Client assertion failed signature validation. %s", reason)
}

// verifyAssertion says what is wrong with a client assertion, "" if nothing is. See
// https://learn.microsoft.com/entra/identity-platform/certificate-credentials.
func (s *Simulator) verifyAssertion(assertion string, certificates []*x509.Certificate, audiences []string) string {
	parts := strings.Split(assertion, ".")
	if len(parts) != 3 {
		return "It is not a JWT."
	}
	var header struct {
		Alg    string `json:"alg"`
		X5T256 string `json:"x5t#S256"`
	}
	var claims struct {
		Iss, Sub, Aud string
		Exp, Nbf      int64
	}
	if !decodePart(parts[0], &header) || !decodePart(parts[1], &claims) {
		return "It is not a JWT."
	}
	key := certificateKey(certificates, header.X5T256)
	if key == nil {
		return "The key was not found."
	}
	if !signatureFits(key, header.Alg, parts) {
		return "The signature is not valid."
	}
	// The machine's clock: that is what clients sign with.
	now := time.Now()
	switch {
	case claims.Iss != DefaultClientID || claims.Sub != DefaultClientID:
		return "The issuer or subject is not the application."
	case !slices.Contains(audiences, claims.Aud):
		return "The audience is not this endpoint."
	case now.After(time.Unix(claims.Exp, 0)) || now.Add(5*time.Minute).Before(time.Unix(claims.Nbf, 0)):
		return "It is not within its valid time range."
	}
	return ""
}

func decodePart(part string, into any) bool {
	b, err := base64.RawURLEncoding.DecodeString(part)
	return err == nil && json.Unmarshal(b, into) == nil
}

// certificateKey finds the key by thumbprint, given in either base64: clients send both kinds.
func certificateKey(certificates []*x509.Certificate, thumbprint string) *rsa.PublicKey {
	for _, c := range certificates {
		sum := sha256.Sum256(c.Raw)
		if thumbprint == base64.StdEncoding.EncodeToString(sum[:]) || thumbprint == base64.RawURLEncoding.EncodeToString(sum[:]) {
			key, _ := c.PublicKey.(*rsa.PublicKey)
			return key
		}
	}
	return nil
}

func signatureFits(key *rsa.PublicKey, alg string, parts []string) bool {
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil {
		return false
	}
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	switch alg {
	case "PS256":
		return rsa.VerifyPSS(key, crypto.SHA256, sum[:], signature, nil) == nil
	case "RS256":
		return rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], signature) == nil
	}
	return false
}
