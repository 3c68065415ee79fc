package web

import (
	"net/url"
	"path"
	"strings"

	"github.com/patdesk/patdesk/internal/azuredevops"
)

// Paths of pages, below the public address's root. The route table and everything that links to a page take them from
// here.
const (
	HomePath          = "/"
	SignInPath        = "/sign-in"
	StartSignInPath   = "/sign-in/start"
	SignOutPath       = "/sign-out"
	OverviewPath      = "/overview"
	OrganizationsPath = "/organizations"
	TokensPath        = "/tokens"
	NewTokenPath      = "/tokens/new"
	ScopesPath        = "/scopes"
	GlobalTokensPath  = "/global-tokens"
	BulkPath          = "/bulk"
	ChangesPath       = "/changes"
	SessionsPath      = "/sessions"
	CalendarPath      = "/calendar"
	ShortcutsPath     = "/shortcuts"
	JumpPath          = "/jump"
	VaultsPath        = "/vaults"
	AgreePath         = "/vaults/agree"

	HealthPath    = "/healthz"
	ReadyPath     = "/readyz"
	StaticPattern = "/static/*"
	FaviconPath   = "/favicon.ico"
	RobotsPath    = "/robots.txt"

	operationsPath = "/operations"
)

// Patterns of pages that have a name in their path, and the steps below the calendar's page.
const (
	TokenPattern     = TokensPath + "/{organization}/{id}"
	GlobalPattern    = GlobalTokensPath + "/{organization}/{id}"
	OperationPattern = operationsPath + "/{operation}"
	BatchPattern     = BulkPath + "/{batch}"

	LanguageStep = "language" // below HomePath, which ends with a slash
	ThemeStep    = "theme"
	MakeStep     = "/make"
	RevokeStep   = "/revoke"
	SpeakStep    = "/language"
)

// Files below the private address of a person's calendar.
const (
	CalendarFile = "/tokens.ics"
	AtomFile     = "/tokens.atom"
	ListFile     = "/tokens.json"
	MetricsFile  = "/metrics"
)

// FeedFiles are all of them.
var FeedFiles = []string{CalendarFile, AtomFile, ListFile, MetricsFile}

// FeedPath is where programs read one of them, and with "{address}" its pattern.
func FeedPath(address, file string) string { return CalendarPath + "/" + address + file }

// TokenPath is the address of a token's page, or with a verb of one of its forms.
func TokenPath(organization, id, verb string) string {
	path := TokensPath + "/" + url.PathEscape(organization) + "/" + url.PathEscape(id)
	if verb != "" {
		path += "/" + verb
	}
	return path
}

// ListPath is the address of an organization's token list, "" for that of all.
func ListPath(organization string) string {
	if organization == "" {
		return TokensPath
	}
	return TokensPath + "?" + url.Values{"organization": {organization}}.Encode()
}

// NewPath is the form for a new token, in that organization if one is named.
func NewPath(organization string) string {
	if organization == "" {
		return NewTokenPath
	}
	return NewTokenPath + "?" + url.Values{"organization": {organization}}.Encode()
}

// OperationPath is the page of an operation.
func OperationPath(id string) string { return operationsPath + "/" + url.PathEscape(id) }

// BatchPath is the page of a batch.
func BatchPath(id string) string { return BulkPath + "/" + url.PathEscape(id) }

// GlobalPath is the page that replaces a global token.
func GlobalPath(organization, id string) string {
	return GlobalTokensPath + "/" + url.PathEscape(organization) + "/" + url.PathEscape(id)
}

// StartPath begins a sign-in that leads back to a page, with what was typed there.
func StartPath(returnTo, draft string) string {
	q := url.Values{}
	if returnTo != "" && returnTo != HomePath {
		q.Set("return", returnTo)
	}
	if draft != "" {
		q.Set("draft", draft)
	}
	if len(q) == 0 {
		return StartSignInPath
	}
	return StartSignInPath + "?" + q.Encode()
}

// ReplacementPath is the form for a new token like t.
func ReplacementPath(organization string, t azuredevops.Token) string {
	q := url.Values{"organization": {organization}, "name": {t.DisplayName}, "scope": {strings.Join(t.Scopes, " ")}}
	return NewTokenPath + "?" + q.Encode()
}

// maxReturnPath bounds an address to return to, in bytes. Escaped once more it is up to three times as long, and the
// whole head of an answer has to stay below 4 KB.
const maxReturnPath = 1024

// SafeReturn gives the path (below the root, with query) to go to after signing in. Whatever isn't plainly a path of
// ours becomes "/": browsers read backslashes as slashes and drop tabs and line ends, so those are refused rather than
// repaired (https://url.spec.whatwg.org/#url-parsing).
func SafeReturn(raw string) string {
	if len(raw) > maxReturnPath || !strings.HasPrefix(raw, "/") || strings.HasPrefix(raw, "//") {
		return "/"
	}
	for _, c := range raw {
		if c <= ' ' || c == '\\' || c == 0x7f || c > 0x7e {
			return "/"
		}
	}
	u, err := url.Parse(raw)
	if err != nil || u.IsAbs() || u.Host != "" || u.User != nil || u.Fragment != "" || u.Opaque != "" {
		return "/"
	}
	if !plainPath(u) {
		return "/"
	}
	if strings.HasPrefix(u.Path, SignInPath) || strings.HasPrefix(u.Path, SignOutPath) {
		return "/"
	}
	if u.RawQuery != "" {
		return u.EscapedPath() + "?" + u.RawQuery
	}
	return u.EscapedPath()
}

// plainPath refuses every way, encoded or not, to leave our prefix or to start an authority.
func plainPath(u *url.URL) bool {
	clean := path.Clean(u.Path)
	if u.Path != clean && u.Path != clean+"/" {
		return false // dot segments, doubled slashes
	}
	lower := strings.ToLower(u.EscapedPath())
	for _, encoded := range []string{"%2f", "%5c", "%2e", "%00", "%0a", "%0d", "%09"} {
		if strings.Contains(lower, encoded) {
			return false
		}
	}
	return !strings.ContainsRune(u.Path, '\\')
}
