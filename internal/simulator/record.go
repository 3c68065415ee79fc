package simulator

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"time"
)

// The calls that are counted. The token call is also counted by its grant, as in "token.refresh_token".
const (
	CallMetadata  = "metadata"
	CallJWKS      = "jwks"
	CallAuthorize = "authorize" // the page is shown
	CallChoose    = "choose"    // a button on it is pressed
	CallToken     = "token"
	CallLogout    = "logout"
	CallList      = "list"
	CallGet       = "get"
	CallCreate    = "create"
	CallUpdate    = "update"
	CallRevoke    = "revoke"
	CallProfile   = "profile"
	CallAccounts  = "accounts"

	CallVaultList     = "vaultList"
	CallVaultVersions = "vaultVersions"
	CallVaultGet      = "vaultGet" // a value is read
	CallVaultWrite    = "vaultWrite"
	CallVaultUpdate   = "vaultUpdate"

	CallSignIn  = "signin"  // where redirect302 leads; no client should come
	CallUnknown = "unknown" // no such address
)

// Request is one request as it arrived, and what became of it.
type Request struct {
	Time         time.Time
	Call         string
	Organization string // as spelled in the path
	Method       string
	Host         string
	Path         string
	Query        url.Values
	Header       http.Header // with Authorization
	Body         string      // the first 64 KB
	Faults       []string    // those that hit it
	Status       int         // 0: no complete answer was given (yet)
	ActivityID   string
}

// record is what was seen; guarded by Simulator.mu.
type record struct {
	calls    map[string]int
	created  int
	revoked  int
	requests []*Request
}

// Calls says how often a call was made. See the Call constants for the names.
func (s *Simulator) Calls(name string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.record.calls[name]
}

// AllCalls returns the counters of all calls.
func (s *Simulator) AllCalls() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.record.calls)
}

// ResetCalls sets all counters to zero and forgets the requests seen.
func (s *Simulator) ResetCalls() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.record = record{calls: map[string]int{}}
}

// Created says how many tokens the API has made, whatever the caller was answered.
func (s *Simulator) Created() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.record.created
}

// Revoked says how many tokens the API has revoked, whatever the caller was answered.
func (s *Simulator) Revoked() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.record.revoked
}

// Requests returns the requests seen, oldest first, the last 10,000 at most.
func (s *Simulator) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	seen := make([]Request, len(s.record.requests))
	for i, r := range s.record.requests {
		seen[i] = *r
		seen[i].Faults = slices.Clone(r.Faults)
	}
	return seen
}

// note counts and remembers a request; s.mu is held.
func (rec *record) note(r *Request) {
	rec.calls[r.Call]++
	if len(rec.requests) >= maxRememberedRequests {
		rec.requests = slices.Delete(rec.requests, 0, maxRememberedRequests/10)
	}
	rec.requests = append(rec.requests, r)
}
