package web

import (
	"net/url"
	"path"
	"strings"
)

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
