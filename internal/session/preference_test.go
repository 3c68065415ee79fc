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

// What one person has chosen isn't another's, nor anybody's who makes it up; it outlives a session, and new keys.
func TestOwnPreference(t *testing.T) {
	t.Parallel()
	m := newManager(t, sessiontest.NewMemory(time.Now), session.Options{})
	mona, jonas := session.Person{TenantID: "t", ObjectID: "mona"}, session.Person{TenantID: "t", ObjectID: "jonas"}
	w := httptest.NewRecorder()
	m.SetOwnPreference(w, session.Vaults, mona, "team.platform")
	kept := w.Result().Cookies()[0]
	if !kept.HttpOnly || kept.MaxAge != 365*24*60*60 {
		t.Errorf("cookie: %v", kept)
	}
	for value, want := range map[string]string{
		kept.Value: "team.platform", "team.platform": "", "~team": "", "AAAA~team": "", kept.Value + "x": "", "": "", strings.Repeat("x", 4000): "",
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.AddCookie(&http.Cookie{Name: kept.Name, Value: value})
		if got := m.OwnPreference(r, session.Vaults, mona); got != want {
			t.Errorf("%.40q: %q", value, got)
		}
		if got := m.OwnPreference(r, session.Vaults, jonas); got != "" {
			t.Errorf("%.40q is somebody else's, too", value)
		}
	}
	for _, value := range []string{"", strings.Repeat("x", 251)} {
		w = httptest.NewRecorder()
		if m.SetOwnPreference(w, session.Vaults, mona, value); w.Result().Cookies()[0].MaxAge >= 0 {
			t.Errorf("%d characters are kept", len(value))
		}
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
