package session

import (
	"net/http"

	"github.com/gorilla/sessions"
)

// cookieName returns the name of our cookie for purpose. With https it begins with __Host-, which makes browsers refuse
// it from a sibling host or over http (RFC 6265bis, 4.1.3.2).
func (m *Manager) cookieName(purpose string) string {
	name := "patdesk-" + purpose
	if m.instance != "" {
		name += "-" + m.instance
	}
	if m.secure {
		return "__Host-" + name
	}
	return name
}

func (m *Manager) sessionCookie() string { return m.cookieName("session") }

// cookieOptions are the attributes of all our cookies. Lax, because a strict cookie doesn't arrive with the redirect
// from Entra ID. Without a MaxAge the cookie is gone with the browser.
func (m *Manager) cookieOptions() *sessions.Options {
	return &sessions.Options{Path: "/", HttpOnly: true, Secure: m.secure, SameSite: http.SameSiteLaxMode}
}

// cookieValue is the value of the request's cookie called name. Of several the first counts.
func cookieValue(r *http.Request, name string) (value string, ok bool) {
	cookies := r.CookiesNamed(name)
	if len(cookies) == 0 {
		return "", false
	}
	return cookies[0].Value, true
}

// setCookie makes the browser keep a cookie for maxAge seconds; 0: as long as it runs.
func (m *Manager) setCookie(w http.ResponseWriter, name, value string, maxAge int) {
	o := m.cookieOptions()
	o.MaxAge = maxAge
	http.SetCookie(w, sessions.NewCookie(name, value, o))
}

// removeCookie makes the browser forget a cookie.
func (m *Manager) removeCookie(w http.ResponseWriter, name string) { m.setCookie(w, name, "", -1) }
