package handlers

import "net/url"

// globalPath is the page that replaces a global token.
func globalPath(organization, id string) string {
	return "/global-tokens/" + url.PathEscape(organization) + "/" + url.PathEscape(id)
}
