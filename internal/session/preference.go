package session

import (
	"encoding/base64"
	"net/http"
	"strings"
)

// Preference is what somebody has chosen for this browser, whoever is signed in: its cookie's name. These cookies aren't
// signed, as they decide nothing but how pages look; those of OwnPreference are.
type Preference string

// What can be chosen.
const (
	Language  Preference = "language"  // BCP 47 tag
	Theme     Preference = "theme"     // "light" or "dark"
	Shortcuts Preference = "shortcuts" // "off"

	Vaults Preference = "vaults" // names of vaults, of one person: see OwnPreference
)

// preferenceLife is how long a browser keeps what its user has chosen, in seconds.
const preferenceLife = 365 * 24 * 60 * 60

// maxPreference bounds what is read of a cookie: the longest value in use is far shorter.
const maxPreference = 35

// Preference is what was chosen in this browser, as the cookie has it; "" if nothing was. It may be anything.
func (m *Manager) Preference(r *http.Request, p Preference) string {
	value, _ := cookieValue(r, m.cookieName(string(p)))
	if len(value) > maxPreference {
		return ""
	}
	return value
}

// SetPreference keeps a choice in the browser, beyond the session's end; "" forgets it.
func (m *Manager) SetPreference(w http.ResponseWriter, p Preference, value string) {
	if value == "" {
		m.removeCookie(w, m.cookieName(string(p)))
		return
	}
	m.setCookie(w, m.cookieName(string(p)), value, preferenceLife)
}

// maxOwn bounds what is kept of one person in a browser: every page's request carries it.
const maxOwn = 250

// OwnPreference is what a person has chosen in this browser, "" if nothing, if somebody else has used it since, or if it
// isn't what SetOwnPreference has kept.
func (m *Manager) OwnPreference(r *http.Request, p Preference, of Person) string {
	kept, _ := cookieValue(r, m.cookieName(string(p)))
	proof, value, ok := strings.Cut(kept, "~")
	mac, err := base64.RawURLEncoding.DecodeString(proof)
	if !ok || err != nil || !m.records.CheckMAC(mac, string(p), of.Key(), value) {
		return ""
	}
	return value
}

// SetOwnPreference is SetPreference for a choice that only this person gets back. A value takes at most 250 characters,
// those of names: a longer one isn't kept.
func (m *Manager) SetOwnPreference(w http.ResponseWriter, p Preference, of Person, value string) {
	if value == "" || len(value) > maxOwn {
		m.removeCookie(w, m.cookieName(string(p)))
		return
	}
	mac := base64.RawURLEncoding.EncodeToString(m.records.MAC(string(p), of.Key(), value))
	m.setCookie(w, m.cookieName(string(p)), mac+"~"+value, preferenceLife)
}

// maxZone bounds what is read of the cookie with the time zone: the longest name in use is shorter.
const maxZone = 50

// TimeZone is the name of the time zone that the browser says its user lives in, "" if it doesn't. A script of ours sets
// the cookie (static/assets/zone.js); it may be anything, and decides nothing but how dates are worded.
func TimeZone(r *http.Request) string {
	value, _ := cookieValue(r, "patdesk-zone")
	if len(value) > maxZone {
		return ""
	}
	return value
}
