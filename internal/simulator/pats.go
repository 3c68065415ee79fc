package simulator

import (
	"cmp"
	"crypto/rand"
	"maps"
	"slices"
	"strings"
	"time"
)

// Token is a personal access token as the simulator knows it: more than the API returns.
type Token struct {
	AuthorizationID string
	DisplayName     string
	Scope           string
	TargetAccounts  []string // nil: global
	ValidFrom       time.Time
	ValidTo         time.Time
	Owner           string // username
	Organization    string // name; "" for a global one
	Revoked         bool
	Secret          string
}

// Status is "revoked", "expired" or "active" at the given time.
func (t Token) Status(now time.Time) string {
	switch {
	case t.Revoked:
		return "revoked"
	case !t.ValidTo.After(now):
		return "expired"
	}
	return "active"
}

// patState is what the PAT API remembers; guarded by Simulator.mu.
type patState struct {
	tokens map[string]*Token
	pages  map[string]page  // what continuation tokens stand for
	lags   map[string][]lag // of tokens that were changed under the fault lagging, by id, oldest first
}

func newPATState() patState {
	return patState{tokens: map[string]*Token{}, pages: map[string]page{}, lags: map[string][]lag{}}
}

// Tokens returns the tokens that an organization lists, of all owners, oldest first; global ones included. An empty
// name means all tokens there are.
func (s *Simulator) Tokens(organization string) []Token {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []Token
	for _, t := range s.pats.tokens {
		if organization == "" || t.Organization == "" || strings.EqualFold(t.Organization, organization) {
			found = append(found, t.clone())
		}
	}
	slices.SortFunc(found, func(a, b Token) int {
		return cmp.Or(a.ValidFrom.Compare(b.ValidFrom), cmp.Compare(a.AuthorizationID, b.AuthorizationID))
	})
	return found
}

// Token returns one token by its id.
func (s *Simulator) Token(authorizationID string) (Token, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, ok := s.pats.tokens[strings.ToLower(authorizationID)]
	if !ok {
		return Token{}, false
	}
	return t.clone(), true
}

// AddToken puts a token there without asking the API's rules. What is missing is made up: an id, a secret, the first
// person as owner, a life from now for 30 days, and the accounts that fit the organization (none: a global token).
func (s *Simulator) AddToken(t Token) Token {
	t.Owner = cmp.Or(t.Owner, s.o.People[0].Username)
	if t.ValidFrom.IsZero() {
		t.ValidFrom = s.now()
	}
	if t.ValidTo.IsZero() {
		t.ValidTo = s.now().Add(30 * 24 * time.Hour)
	}
	t.ValidFrom, t.ValidTo = serviceGrain(t.ValidFrom), serviceGrain(t.ValidTo)
	if o, ok := s.organization(t.Organization); ok && t.TargetAccounts == nil {
		t.TargetAccounts = []string{o.ID}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pats.add(s, t).clone()
}

// add stores a token under a new id, with a secret; Simulator.mu is held.
func (p *patState) add(s *Simulator, t Token) *Token {
	t.AuthorizationID = strings.ToLower(cmp.Or(t.AuthorizationID, newGUID()))
	t.Secret = cmp.Or(t.Secret, newSecret(s.o.RealisticSecrets))
	s.keepSecret(t.Secret)
	p.tokens[t.AuthorizationID] = &t
	return &t
}

// Forget takes all tokens of that name away, as if they had never been: the service does so with old ones, and says
// nowhere when.
func (s *Simulator) Forget(displayName string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.DeleteFunc(s.pats.tokens, func(_ string, t *Token) bool { return t.DisplayName == displayName })
}

// SecretBelongsTo reports which living token a secret opens: what using the token would show.
func (s *Simulator) SecretBelongsTo(secret string) (Token, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.pats.tokens {
		if t.Secret == secret && t.Status(s.now()) == "active" {
			return t.clone(), true
		}
	}
	return Token{}, false
}

func (t *Token) clone() Token {
	c := *t
	c.TargetAccounts = slices.Clone(t.TargetAccounts)
	return c
}

// visible returns the person's token if that organization lists it; Simulator.mu is held.
func (p *patState) visible(id string, owner Person, org Organization) *Token {
	t := p.tokens[strings.ToLower(id)]
	if t == nil || !strings.EqualFold(t.Owner, owner.Username) {
		return nil
	}
	if t.TargetAccounts != nil && !strings.EqualFold(t.Organization, org.Name) {
		return nil
	}
	return t
}

// secretLength is that of current secrets. Microsoft: 84 characters, of which 52 are random, with the fixed AZDO near
// the end.
const secretLength = 84

const base62 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

func newSecret(realistic bool) string {
	if !realistic {
		const start = "FAKE-DEMO-SECRET-OPENS-NOTHING-"
		return start + randomBase62(secretLength-len(start))
	}
	return randomBase62(75) + "AZDO" + randomBase62(secretLength-79)
}

func randomBase62(n int) string {
	b := make([]byte, n)
	rand.Read(b) // never fails, see crypto/rand
	for i := range b {
		b[i] = base62[int(b[i])%len(base62)]
	}
	return string(b)
}

// serviceGrain rounds as SQL Server's datetime does: to thirds of 10 ms, written as .000, .003 and .007. A client must
// not compare for equality.
func serviceGrain(t time.Time) time.Time {
	t = t.UTC()
	whole := t.Truncate(time.Second)
	ticks := (t.Sub(whole).Nanoseconds()*300 + 5e8) / 1e9
	ms := (ticks*10 + 1) / 3 // 1/300 s is 3.33 ms
	return whole.Add(time.Duration(ms) * time.Millisecond)
}
