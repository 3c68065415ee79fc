package inventory

import (
	"slices"
	"strings"
	"time"

	"github.com/patdesk/patdesk/internal/azuredevops"
)

const day = 24 * time.Hour

// longLife is from where on a token counts as long-lived.
const longLife = 180 * day

// Token is a token with what only the lists know of it: the filter that returned it, and where it was found.
type Token struct {
	azuredevops.Token
	Status       azuredevops.Status
	Organization string // through which it is reached; a global token is found in all of them
	Twin         bool   // another active token of this organization has the same name
	Unstored     bool   // no vault is known to hold its secret; said where that is asked
}

// Missing is a status whose tokens could not be read, or not all of them.
type Missing struct {
	Status azuredevops.Status
	Err    error
}

// Statuses returns all statuses; of two that a token is listed under, the later one holds.
func Statuses() []azuredevops.Status {
	return []azuredevops.Status{azuredevops.Active, azuredevops.Expired, azuredevops.Revoked}
}

// OrganizationKey is the organization that a token belongs to, "" for a global one.
func (t Token) OrganizationKey() string {
	if t.Global() {
		return ""
	}
	return t.Organization
}

// FullAccess reports whether t may do whatever its owner may.
func (t Token) FullAccess() bool { return slices.Contains(t.Scopes, azuredevops.FullAccess) }

// HighPrivilege reports whether one of t's scopes is powerful.
func (t Token) HighPrivilege() bool {
	return slices.ContainsFunc(t.Scopes, func(id string) bool { return azuredevops.LookupScope(id).High })
}

// LongLived reports whether t was given a long life.
func (t Token) LongLived() bool {
	return !t.ValidFrom.IsZero() && t.ValidTo.Sub(t.ValidFrom) > longLife
}

// NotUnderstood reports whether something of t's record isn't understood.
func (t Token) NotUnderstood() bool { return len(t.Odd) > 0 }

// LivingGlobal reports whether t works in all organizations, now.
func (t Token) LivingGlobal() bool { return t.Global() && t.Status == azuredevops.Active }

// GlobalOver reports whether t has ended with all global tokens, although the service may still list it as active.
func (t Token) GlobalOver(now time.Time) bool {
	return t.LivingGlobal() && azuredevops.GlobalTokensOver(now)
}

// statusRank orders what several organizations say of one global token: the later status is the stronger.
func statusRank(s azuredevops.Status) int { return slices.Index(Statuses(), s) }

// once keeps each token once. Those can be there twice for which which is true: any of one answer, as tokens move from
// page to page meanwhile; of several organizations the global ones, which each of them lists, under the same id.
func once(tokens []Token, which func(*Token) bool) []Token {
	seen, out := make(map[string]int, len(tokens)), make([]Token, 0, len(tokens))
	for i := range tokens {
		t := &tokens[i]
		if !t.Addressable() || !which(t) {
			out = append(out, *t)
			continue
		}
		at, twice := seen[t.AuthorizationID]
		if !twice {
			seen[t.AuthorizationID] = len(out)
			out = append(out, *t)
			continue
		}
		if statusRank(t.Status) > statusRank(out[at].Status) {
			out[at].Status = t.Status
		}
	}
	return out
}

func anyToken(*Token) bool { return true }

// markTwins marks active tokens, of those for which which is true, that share their name with another one of the same
// organization.
func markTwins(tokens []Token, which func(*Token) bool) {
	type named struct{ organization, name string }
	first := make(map[named]*Token, len(tokens))
	for i := range tokens {
		t := &tokens[i]
		if !which(t) {
			continue
		}
		t.Twin = false
		if t.Status != azuredevops.Active {
			continue
		}
		name := named{t.OrganizationKey(), strings.TrimSpace(t.DisplayName)}
		if other, ok := first[name]; ok {
			other.Twin, t.Twin = true, true
			continue
		}
		first[name] = t
	}
}
