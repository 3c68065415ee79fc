package security

import (
	"io"
	"net/http"
	"strings"

	"github.com/patdesk/patdesk/internal/testkit/apptest"
	"github.com/patdesk/patdesk/internal/webtest"
)

// What the security tests stand on: a clock, a reverse proxy before one or several programs, a record of every answer
// that a browser got, and a gate before the services. docs/security.md says which promise each test shows.

// refreshes says if a request asks Entra for new tokens with a refresh token.
func refreshes(r *http.Request) bool {
	if r.Method != http.MethodPost || !strings.HasSuffix(r.URL.Path, "/oauth2/v2.0/token") || r.GetBody == nil {
		return false
	}
	body, err := r.GetBody()
	if err != nil {
		return false
	}
	defer body.Close()
	content, err := io.ReadAll(body)
	return err == nil && strings.Contains(string(content), "grant_type=refresh_token")
}

// signedInStale signs in so that the next call to Azure DevOps needs a fresh access token.
func signedInStale(d *apptest.Program, a *apptest.Aging, person string) *webtest.Browser {
	d.T.Helper()
	a.On.Store(true)
	defer a.On.Store(false)
	return d.SignedInAt(person, "/changes")
}
