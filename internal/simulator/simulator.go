package simulator

import (
	"crypto/rand"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Simulator is one Entra ID with one registered application, and one Azure DevOps with its organizations. Its methods
// may be called from any goroutine, also while it serves.
type Simulator struct {
	o    Options
	done chan struct{} // closed by Close: hanging answers end

	serving serving // set by Start, see server.go

	mu      sync.Mutex
	closed  bool
	entra   entraState
	pats    patState
	vaults  vaultState
	faults  []*activeFault
	holds   []*Held
	record  record
	secrets []string
}

// New makes a Simulator. It listens nowhere until Start, or until its Handler is served.
func New(o Options) *Simulator {
	s := &Simulator{o: o.withDefaults(), done: make(chan struct{})}
	s.entra = newEntraState(s.o)
	s.pats = newPATState()
	s.vaults = newVaultState()
	s.record.calls = map[string]int{}
	if o.Seed {
		s.seed()
	}
	return s
}

// ClientID is the id of the registered application.
func (s *Simulator) ClientID() string { return DefaultClientID }

// ClientSecret is the application's secret.
func (s *Simulator) ClientSecret() string { return s.o.ClientSecret }

// SetRedirectURIs replaces the registered redirect URIs.
func (s *Simulator) SetRedirectURIs(uris ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.entra.redirectURIs = slices.Clone(uris)
}

// SetPostLogoutURIs replaces the addresses that sign-out may return to, beside the redirect URIs.
func (s *Simulator) SetPostLogoutURIs(uris ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.entra.postLogoutURIs = slices.Clone(uris)
}

// Secrets returns everything secret that was handed out since New: codes, access, refresh and ID tokens and the secrets
// of personal access tokens, and the client's own secret. Only with Options.KeepSecrets. A test for leaks searches
// logs, pages and stored bytes for each of them.
func (s *Simulator) Secrets() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string{s.o.ClientSecret}, s.secrets...)
}

// keepSecret remembers a secret for Secrets; s.mu is held.
func (s *Simulator) keepSecret(secret string) {
	if s.o.KeepSecrets {
		s.secrets = append(s.secrets, secret)
	}
}

// Handler serves everything on one host: Entra ID, the PAT API, organization discovery and the page of faults.
// Addresses in the metadata are those of the request, unless Start has been called.
func (s *Simulator) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !s.serveMachines(w, r) && !s.serveBrowsers(w, r) {
			s.serveUnknown(w, r)
		}
	})
}

// now is the time of all services, in UTC.
func (s *Simulator) now() time.Time { return s.o.Now().UTC() }

// newGUID is a random GUID, as used for activity and correlation ids.
func newGUID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails, see crypto/rand
	return guid(b)
}
