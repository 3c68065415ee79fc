package web

import (
	"net/url"
	"strings"
	"time"

	"github.com/patdesk/patdesk/internal/azuredevops"
	"github.com/patdesk/patdesk/templates"
)

func NameOf(t *azuredevops.Token) string {
	if t == nil {
		return ""
	}
	if t.DisplayName == "" {
		return t.AuthorizationID
	}
	return t.DisplayName
}

const DateLayout = "2006-01-02" // of <input type=date>

func ScopeList(ids []string) []string {
	var out []string
	for _, id := range ids {
		out = append(out, ScopeName(azuredevops.LookupScope(id)))
	}
	return out
}

func ShownName(name string) string {
	if strings.TrimSpace(name) == "" {
		return templates.Message("token.unnamed", nil).Title
	}
	return name
}

// ScopeName is a scope in words: "Code: Read & write". What the table doesn't know is shown as it is.
func ScopeName(s azuredevops.Scope) string {
	switch {
	case !s.Known:
		return s.ID
	case s.ID == azuredevops.FullAccess || s.Level == "" || s.Level == s.Group:
		return s.Group
	default:
		return s.Group + ": " + s.Level
	}
}

func ScopeWords(ids []string) string {
	var words []string
	for _, id := range ids {
		words = append(words, ScopeName(azuredevops.LookupScope(id)))
	}
	return strings.Join(words, ", ")
}

const Day = 24 * time.Hour

// TokenURL is a token's page, for links from operations.
func TokenURL(v *Request, organization string, t *azuredevops.Token) string {
	if t == nil || t.AuthorizationID == "" {
		return ""
	}
	return v.Link("/tokens/" + url.PathEscape(organization) + "/" + url.PathEscape(t.AuthorizationID))
}
