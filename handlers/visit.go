package handlers

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/patdesk/patdesk/internal/operation"
	"github.com/patdesk/patdesk/internal/session"
	"github.com/patdesk/patdesk/templates"
)

// visit is one request as an action sees it.
type visit struct {
	*http.Request
	w       http.ResponseWriter // for cookies only; answers are returned
	session *session.Session
	address publicAddress
	now     time.Time
	barred  bool     // the session has just ended, as its person isn't let in any more
	step    string   // of a posted form: what its path has behind that of the page that holds it
	begun   func()   // says that a form's operation is under way; nil: nobody waits for that
	pending *pending // nil: not read yet

	delivery *operation.Delivery // the answer, for what may stand in this one only; respond.go ends it
}

// pending is what needs the visitor, as it stood when the page was first about it: a page shows it in several places.
type pending struct {
	operations []operation.Operation
	err        error
}

// pending reads what needs the visitor, once for each request.
func (h *Handlers) pending(v *visit) ([]operation.Operation, error) {
	if v.pending == nil {
		all, err := h.Journal.Pending(v.Context(), v.session.Person().Key())
		v.pending = &pending{all, err}
	}
	return v.pending.operations, v.pending.err
}

// action answers one kind of request. It decides; respond.go writes.
type action func(*visit) (answer, error)

// answer is what an action decided: a page or a redirect.
type answer interface{ isAnswer() }

// page is an HTML page; template names it, data embeds base.
type page struct {
	status   int // 0 = 200
	template string
	data     any
	header   http.Header
}

// redirect answers 303 See Other: the browser follows with a GET, whatever the method was.
type redirect struct{ to string }

func (page) isAnswer()     {}
func (redirect) isAnswer() {}

// link makes an address of ours from a path below the root.
func (v *visit) link(path string) string { return v.address.root + path }

// to redirects to a path of ours.
func (v *visit) to(path string) redirect { return redirect{v.link(path)} }

// when words a moment as seen now.
func (v *visit) when(t time.Time) templates.When { return templates.At(t, v.now) }

// fromElsewhere says that another site led here, by a link or without being asked
// (https://www.w3.org/TR/fetch-metadata/#sec-fetch-site-header). Coming back from Entra counts as that too.
func (v *visit) fromElsewhere() bool {
	site := v.Header.Get("Sec-Fetch-Site")
	return site == "cross-site" || site == "same-site"
}

// navigates says that the browser opens the page itself, as far as it says so
// (https://www.w3.org/TR/fetch-metadata/): not in a frame, as an image, for a script, or for later.
func (v *visit) navigates() bool {
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

// here is the visited path and query, below the root.
func (v *visit) here() string {
	if v.URL.RawQuery == "" {
		return v.URL.EscapedPath()
	}
	return v.URL.EscapedPath() + "?" + v.URL.RawQuery
}

// param is a path parameter, unescaped once. chi cuts it out of RawPath where there is one, and else out of Path,
// which is unescaped already.
func (v *visit) param(name string) string {
	raw := chi.URLParam(v.Request, name)
	if v.URL.RawPath == "" {
		return raw
	}
	if text, err := url.PathUnescape(raw); err == nil {
		return text
	}
	return raw
}
