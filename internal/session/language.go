package session

import "net/http"

// languageLife is how long a browser keeps the language that its user has chosen.
const languageLife = 365 * 24 * 60 * 60

// maxLanguage bounds what is read of the cookie: the longest tag in use is far shorter.
const maxLanguage = 35

// Language is the language that was chosen in this browser, as the cookie has it; "" if none was. It may be anything:
// the cookie isn't signed, as it decides nothing but words.
func (m *Manager) Language(r *http.Request) string {
	value, _ := cookieValue(r, m.cookieName("language"))
	if len(value) > maxLanguage {
		return ""
	}
	return value
}

// SetLanguage keeps the chosen language in the browser, beyond the session's end.
func (m *Manager) SetLanguage(w http.ResponseWriter, tag string) {
	m.setCookie(w, m.cookieName("language"), tag, languageLife)
}
