package testkit

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"
)

// Identity is a stand-in of the endpoint at which a managed identity gets its tokens, as App Service and Container Apps
// have it (https://learn.microsoft.com/azure/app-service/overview-managed-identity#rest-endpoint-reference).
type Identity struct {
	mu     sync.Mutex
	status int
	token  string
	life   time.Duration
	held   chan struct{}
	asked  int
	scope  string
}

// StartIdentity starts one and gives it to the environment. What it answers is Set first.
func StartIdentity(t *testing.T) *Identity {
	t.Helper()
	i := &Identity{status: http.StatusServiceUnavailable}
	server := httptest.NewServer(i)
	t.Cleanup(server.Close)
	t.Setenv("IDENTITY_ENDPOINT", server.URL)
	t.Setenv("IDENTITY_HEADER", "header")
	t.Setenv("AZURE_CLIENT_ID", rand.Text()) // the library keeps an identity's token for as long as the process lives
	t.Setenv("AZURE_TOKEN_CREDENTIALS", "ManagedIdentityCredential")
	return i
}

// Set changes what it answers. The library doesn't keep a token that lives for less than five minutes.
func (i *Identity) Set(status int, token string, life time.Duration) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.status, i.token, i.life = status, token, life
}

// Hold makes it wait with its answers until release is called.
func (i *Identity) Hold() (release func()) {
	held := make(chan struct{})
	i.mu.Lock()
	defer i.mu.Unlock()
	i.held = held
	return sync.OnceFunc(func() { close(held) })
}

// Asked is how often it was asked, and for what the last time.
func (i *Identity) Asked() (times int, resource string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.asked, i.scope
}

// ServeHTTP implements http.Handler.
func (i *Identity) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	i.asked++
	i.scope = r.FormValue("resource")
	held := i.held
	i.mu.Unlock()
	if held != nil {
		<-held
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(i.status)
	if i.status != http.StatusOK {
		fmt.Fprint(w, `{"error":"refused","error_description":"AADSTS700016: canary"}`)
		return
	}
	_ = json.NewEncoder(w).Encode(map[string]string{
		"access_token": i.token, "expires_on": fmt.Sprint(time.Now().Add(i.life).Unix()), "token_type": "Bearer", "resource": i.scope,
	})
}

// TokenOf is a token of Entra ID, unsigned, of the identity with that object id. No two are alike.
func TokenOf(object string) string {
	body := fmt.Sprintf(`{"oid":%q,"jti":%q}`, object, rand.Text())
	return "e30." + base64.RawURLEncoding.EncodeToString([]byte(body)) + ".canary"
}
