package web_test

import (
	"html"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/patdesk/patdesk/handlers"
	"github.com/patdesk/patdesk/handlers/web"

	"github.com/go-chi/chi/v5"
)

// A fault of ours ends in a page with all headers, and its cause in the log alone.
func TestPanic(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(o *handlers.Options) { o.Sessions = nil }) // the first to use it panics
	answer := w.get("/tokens")
	body := answer.Body.String()
	if answer.Code != http.StatusInternalServerError || answer.Header().Get("Content-Security-Policy") != web.ContentSecurityPolicy || answer.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("%d %v", answer.Code, answer.Header())
	}
	if !strings.Contains(body, answer.Header().Get("X-Request-Id")) || strings.Contains(body, "goroutine") || strings.Contains(body, "nil pointer") {
		t.Error(body)
	}
	if log := w.log.Drain(); !strings.Contains(log, "nil pointer") || !strings.Contains(log, "stack=") || !strings.Contains(log, "status=500") {
		t.Error(log)
	}
}

// A path parameter is unescaped once: twice would let something through that was checked as something else.
func TestParameterIsUnescapedOnce(t *testing.T) {
	t.Parallel()
	for escaped, want := range map[string]string{
		"contoso": "contoso", "cont%6fso": "contoso", "a%20b": "a b", "a%2fb": "a/b", "a%252fb": "a%2fb", "%2541": "%41", "%2525": "%25", "%c3%bc": "ü", "a+b": "a+b", "%00": "\x00", "%ff": "\ufffd", "..%2f..": "../..",
	} {
		got := "nothing"
		routes := chi.NewRouter()
		routes.Get("/tokens/{organization}/{id}", func(_ http.ResponseWriter, r *http.Request) { got = (&web.Request{Request: r}).Param("id") })
		routes.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/tokens/contoso/"+escaped, http.NoBody))
		if got != want {
			t.Errorf("%s became %q, want %q", escaped, got, want)
		}
	}
}

// HEAD is answered like GET, and a method that a path doesn't take names those that it takes.
func TestMethods(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	for _, c := range []struct {
		method, path string
		status       int
		allow        string
	}{
		{http.MethodHead, "/", 200, ""}, {http.MethodHead, "/healthz", 200, ""}, {http.MethodHead, "/tokens", 303, ""}, {http.MethodHead, "/none", 404, ""},
		{http.MethodPost, "/tokens", 405, "GET, HEAD"}, {http.MethodDelete, "/tokens/new", 405, "GET, HEAD, POST"}, {http.MethodGet, "/sessions/end-others", 405, "POST"}, {"BREW", "/tokens", 405, "GET, HEAD"}, {http.MethodOptions, "/tokens", 405, "GET, HEAD"}, {http.MethodTrace, "/", 405, "GET, HEAD"}, {http.MethodPut, "/none", 404, ""},
	} {
		r := httptest.NewRequest(c.method, localAddress+c.path, http.NoBody)
		if answer := w.ask(r); answer.Code != c.status || strings.Join(answer.Header().Values("Allow"), ", ") != c.allow {
			t.Errorf("%s %s: %d, allowed %q", c.method, c.path, answer.Code, answer.Header().Values("Allow"))
		}
		if log := w.log.Drain(); strings.Contains(log, ` "`) || c.status == http.StatusNotFound && !strings.Contains(log, "error=404") {
			t.Errorf("%s %s is logged as %s", c.method, c.path, log)
		}
	}
}

// The id of a trusted proxy is adopted if it is one, in the answer, on the page and in the log; anybody else's never
// is.
func TestRequestID(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(o *handlers.Options) {
		trusting("10.0.0.0/24")(o)
		o.BaseURL = o.Local
	})
	ask := func(peer string, ids ...string) string {
		r := httptest.NewRequest(http.MethodGet, localAddress+"/none", http.NoBody)
		r.RemoteAddr = peer
		for _, id := range ids {
			r.Header.Add("X-Request-Id", id)
		}
		answer := w.ask(r)
		id := answer.Header().Get("X-Request-Id")
		if log := w.log.Drain(); !strings.Contains(log, "request_id="+id) && !strings.Contains(log, `request_id="`+id+`"`) {
			t.Errorf("%s isn't in the record: %s", id, log)
		}
		if !strings.Contains(answer.Body.String(), html.EscapeString(id)) {
			t.Errorf("%s isn't on the page", id)
		}
		return id
	}
	own := regexp.MustCompile(`^[A-Z2-7]{16}$`)
	const proxy = "10.0.0.7:1234"
	for _, id := range []string{
		"4bf92f3577b34da6a3ce929d0e0e4736", "0b1f2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d", "7F000001:C1A2_7F000001:0050_65A1B2C3_0001:1A2B", "Root=1-67891233-abcdef012345678912345678", "a", strings.Repeat("x", 128),
	} {
		if got := ask(proxy, id); got != id {
			t.Errorf("%s became %s", id, got)
		}
		if got := ask("203.0.113.9:1", id); !own.MatchString(got) {
			t.Errorf("a stranger's %s became %s", id, got)
		}
	}
	for _, id := range []string{"", " ", "a b", "<script>", "a\nb", `a"b`, "ü", "a,b", ".a", strings.Repeat("x", 129), "%0a", "a;b", "${jndi:x}"} {
		if got := ask(proxy, id); !own.MatchString(got) {
			t.Errorf("%q became %q", id, got)
		}
	}
	if got := ask(proxy, "one", "two"); !own.MatchString(got) {
		t.Errorf("two became %s", got)
	}
}

// One request is one record of bounded length, on one line, whatever a stranger sends.
func TestLogRecordsAreBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	r := httptest.NewRequest(http.MethodGet, localAddress+"/tokens/contoso/"+strings.Repeat("%0alevel=ERROR%20%e2%80%ae", 800), http.NoBody)
	r.Method = strings.Repeat("M", 5000)
	r.Header.Set("User-Agent", strings.Repeat("u", 5000))
	w.ask(r)
	if log := w.log.Drain(); strings.Count(log, "\n") != 1 || len(log) > 2000 || strings.Contains(log, "\u202e") {
		t.Errorf("%d bytes, %d lines:\n%.2000s", len(log), strings.Count(log, "\n"), log)
	}
}
