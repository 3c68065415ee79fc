package simulator

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
)

// idToken is an ID token in the making: faults may change it before it is signed.
type idToken struct {
	header map[string]any
	claims map[string]any
	sign   func(input string) string // the signature part
}

// issueIDToken makes the ID token of a grant, spoilt by the faults of this request.
func (s *Simulator) issueIDToken(x *exchange, g grant) string {
	now := s.now()
	s.mu.Lock()
	key := s.entra.keys[0]
	s.mu.Unlock()
	t := idToken{
		header: map[string]any{"typ": "JWT", "alg": "RS256", "kid": key.id},
		claims: map[string]any{
			"ver": "2.0",
			"iss": s.machineBase(x.r) + "/" + g.person.TenantID + "/v2.0",
			"aud": DefaultClientID,
			"sub": subject(g.person),
			"oid": g.person.ObjectID, "tid": g.person.TenantID,
			"name": g.person.Name, "preferred_username": g.person.Username,
			"iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(idTokenLifetime).Unix(),
			"rh": "1." + randomText(12), "uti": randomText(16),
		},
		sign: key.sign,
	}
	if g.nonce != "" {
		t.claims["nonce"] = g.nonce
	}
	for _, f := range x.faults {
		if f.fault.idToken != nil {
			f.fault.idToken(x, &t)
		}
	}
	text := t.encode()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keepSecret(text)
	return text
}

// subject is pairwise: another one for each application.
func subject(p Person) string {
	sum := sha256.Sum256([]byte(p.ObjectID + DefaultClientID))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

func (t idToken) encode() string {
	input := base64.RawURLEncoding.EncodeToString(encode(t.header)) + "." + base64.RawURLEncoding.EncodeToString(encode(t.claims))
	return input + "." + t.sign(input)
}

// sign is the signature part of a JWT, by RS256.
func (k signingKey) sign(input string) string {
	sum := sha256.Sum256([]byte(input))
	signature, err := rsa.SignPKCS1v15(nil, k.key, crypto.SHA256, sum[:])
	if err != nil {
		panic(err) // only for a key that is too small
	}
	return base64.RawURLEncoding.EncodeToString(signature)
}
