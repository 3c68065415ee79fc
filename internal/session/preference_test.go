package session_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/patdesk/patdesk/internal/session"
	"github.com/patdesk/patdesk/internal/session/sessiontest"
)

func TestTimeZone(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{"": "", "Asia/Seoul": "Asia/Seoul", strings.Repeat("x", 4000): ""} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.AddCookie(&http.Cookie{Name: "patdesk-zone", Value: value})
		if got := session.TimeZone(r); got != want {
			t.Errorf("%.20q: %q", value, got)
		}
	}
	if got := session.TimeZone(httptest.NewRequest(http.MethodGet, "/", nil)); got != "" {
		t.Errorf("%q without a cookie", got)
	}
}

func TestPreferenceCookie(t *testing.T) {
	t.Parallel()
	for _, secure := range []bool{true, false} {
		m := newManager(t, sessiontest.NewMemory(time.Now), session.Options{Secure: secure, Instance: "b2"})
		name := map[bool]string{true: "__Host-patdesk-language-b2", false: "patdesk-language-b2"}[secure]
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		if got := m.Preference(r, session.Language); got != "" {
			t.Errorf("%q without a cookie", got)
		}
		w := httptest.NewRecorder()
		m.SetPreference(w, session.Language, "zh-Hant")
		got := w.Result().Cookies()[0]
		if got.Name != name || got.Path != "/" || got.Domain != "" || !got.HttpOnly || got.Secure != secure ||
			got.SameSite != http.SameSiteLaxMode || got.MaxAge != 365*24*60*60 || got.Value != "zh-Hant" {
			t.Errorf("cookie: %v", got)
		}
		r.AddCookie(got)
		if got := m.Preference(r, session.Language); got != "zh-Hant" {
			t.Errorf("%q comes back", got)
		}
		long := httptest.NewRequest(http.MethodGet, "/", nil)
		long.AddCookie(&http.Cookie{Name: name, Value: strings.Repeat("x", 4000)})
		if got := m.Preference(long, session.Language); got != "" {
			t.Errorf("%d bytes are read", len(got))
		}
		w = httptest.NewRecorder()
		m.SetPreference(w, session.Language, "")
		if got := w.Result().Cookies()[0]; got.Name != name || got.MaxAge >= 0 {
			t.Errorf("forgetting leaves %v", got)
		}
	}
}
