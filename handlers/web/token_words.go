package web

import (
	"cmp"
	"strings"
	"time"

	"github.com/patdesk/patdesk/internal/azuredevops"
	"github.com/patdesk/patdesk/templates"
)

// DateLayout is that of <input type=date>.
const DateLayout = "2006-01-02"

// Day is one of 24 hours.
const Day = 24 * time.Hour

// NameOf names a token, by its id if it has no name.
func NameOf(t *azuredevops.Token) string {
	if t == nil {
		return ""
	}
	return cmp.Or(t.DisplayName, t.AuthorizationID)
}

// ShownName is a token's name, or what stands for one that has none.
func ShownName(w *templates.Words, name string) string {
	if strings.TrimSpace(name) == "" {
		return w.Message("token.unnamed", nil).Title
	}
	return name
}

// WorksIn names the organizations where a token works that is read and changed through this one.
func WorksIn(w *templates.Words, t *azuredevops.Token, organization string) string {
	if t.Global() {
		return w.Message("organization.all", nil).Title
	}
	return organization
}

// TokenURL is a token's page, for links from operations.
func TokenURL(v *Request, organization string, t *azuredevops.Token) string {
	if t == nil || t.AuthorizationID == "" {
		return ""
	}
	return v.Link(TokenPath(organization, t.AuthorizationID, ""))
}
