package web

import (
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/go-chi/chi/v5"

	"github.com/patdesk/patdesk/internal/operation"
	"github.com/patdesk/patdesk/internal/plaintext"
	"github.com/patdesk/patdesk/internal/session"
	"github.com/patdesk/patdesk/templates"
)

// userAgentLength bounds what is kept of a User-Agent.
const userAgentLength = 256

// Request is one request as an action sees it.
type Request struct {
	*http.Request
	Writer  http.ResponseWriter // for cookies only; answers are returned
	site    *Site
	Words   *templates.Words // of the visitor's language
	Session *session.Session
	Address Address
	Now     time.Time // by the reader's own clock, see preferences.go
	Barred  bool      // the session has just ended, as its person isn't let in any more
	step    string    // of a posted form: what its path has behind that of the page that holds it
	Begun   func()    // says that a form's operation is under way; nil: nothing waits for that
	pending *pending  // nil: not read yet

	Delivery *operation.Delivery // the answer, for what may stand in this one only; respond.go ends it
}

// Action answers one kind of request. It decides; respond.go writes.
type Action func(*Request) (Answer, error)

// OriginOf is where a request comes from, for the journal and the audit trail.
func OriginOf(r *http.Request) operation.Origin {
	return operation.Origin{Address: ClientOf(r), Browser: plaintext.Line(r.UserAgent(), userAgentLength)}
}

// ClientOf is the client's address without its port.
func ClientOf(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

// Person is the key of who is signed in.
func (v *Request) Person() string { return v.Session.Person().Key() }

// RequestID is the request's id in the log, and on pages for support.
func (v *Request) RequestID() string { return RequestID(v.Context()) }

// NoteError has the request's log record say what went wrong.
func (v *Request) NoteError(err error) { NoteError(v.Context(), err) }

// Link makes an address of ours from a path below the root.
func (v *Request) Link(path string) string { return v.Address.root + path }

// To redirects to a path of ours.
func (v *Request) To(path string) Redirect { return Redirect{v.Link(path)} }

// When words a moment as seen now.
func (v *Request) When(t time.Time) templates.When { return v.Words.At(t, v.Now) }

// fromElsewhere reports whether another site led here, by a link or without being asked
// (https://www.w3.org/TR/fetch-metadata/#sec-fetch-site-header). Coming back from Entra counts as that too.
func (v *Request) fromElsewhere() bool {
	site := v.Header.Get("Sec-Fetch-Site")
	return site == "cross-site" || site == "same-site"
}

// navigates reports whether the browser opens the page itself, as far as it says so
// (https://www.w3.org/TR/fetch-metadata/): not in a frame, as an image, for a script, or for later.
func (v *Request) navigates() bool {
	mode, dest := v.Header.Get("Sec-Fetch-Mode"), v.Header.Get("Sec-Fetch-Dest")
	if mode != "" && mode != "navigate" || dest != "" && dest != "document" {
		return false
	}
	for _, name := range []string{"Sec-Purpose", "Purpose", "X-Purpose", "X-Moz"} {
		if purpose := strings.ToLower(strings.Join(v.Header.Values(name), ",")); strings.Contains(purpose, "prefetch") || strings.Contains(purpose, "prerender") || strings.Contains(purpose, "preview") {
			return false
		}
	}
	return true
}

// Here is the visited path and query, below the root.
func (v *Request) Here() string {
	if v.URL.RawQuery == "" {
		return v.URL.EscapedPath()
	}
	return v.URL.EscapedPath() + "?" + v.URL.RawQuery
}

// here is where a choice at the foot of the page leads back to: the page that holds a posted form, and not the address
// that a person comes back to from Entra, which holds a code, nor one below the calendar's, which may hold the secret one.
func (v *Request) here() string {
	switch {
	case v.URL.Path == v.site.RedirectPath:
		return HomePath
	case v.Method == http.MethodPost:
		return v.formPath()
	case strings.HasPrefix(v.URL.Path, CalendarPath+"/"):
		return CalendarPath
	default:
		return v.Here()
	}
}

// Param is a path parameter, unescaped once. chi cuts it out of RawPath where there is one, and else out of Path, which
// is unescaped already.
func (v *Request) Param(name string) string {
	raw := chi.URLParam(v.Request, name)
	if v.URL.RawPath == "" {
		return validText(raw)
	}
	if text, err := url.PathUnescape(raw); err == nil {
		return validText(text)
	}
	return validText(raw)
}

// withReadableQuery is r with a query of text that any page can hold: pages and their links repeat it. One that is fine
// stays as it was written.
func withReadableQuery(r *http.Request) *http.Request {
	values, changed := cleaned(r.URL.Query(), readableText)
	if !changed {
		return r
	}
	address := *r.URL
	address.RawQuery = values.Encode()
	r = r.WithContext(r.Context()) // a copy
	r.URL = &address
	return r
}

// cleaned returns values with clean applied to all names and values, and whether that changed any.
func cleaned(values url.Values, clean func(string) string) (out url.Values, changed bool) {
	out = make(url.Values, len(values))
	for name, all := range values {
		for _, value := range all {
			c, n := clean(value), clean(name)
			changed = changed || c != value || n != name
			out.Add(n, c)
		}
	}
	return out, changed
}

// validText marks bytes that aren't UTF-8, so that they are seen and refused where they don't belong.
func validText(text string) string { return strings.ToValidUTF8(text, "\ufffd") }

// readableText is validText without the control characters that no HTML may hold. Forms name these as a fault by
// themselves.
func readableText(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\t' && r != '\n' && r != '\r' {
			return utf8.RuneError
		}
		return r
	}, validText(text))
}
