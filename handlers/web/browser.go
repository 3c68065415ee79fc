package web

import (
	"strings"

	"github.com/patdesk/patdesk/templates"
)

// browsers and systems are what the User-Agent of a browser has in it, the more special ones first: nearly all of them
// call themselves Safari and Linux too.
var (
	browsers = []productMark{{"Edg", "Edge"}, {"OPR/", "Opera"}, {"FxiOS/", "Firefox"}, {"Firefox/", "Firefox"}, {"CriOS/", "Chrome"}, {"Chrome/", "Chrome"}, {"Safari/", "Safari"}}
	systems  = []productMark{{"Windows", "Windows"}, {"Android", "Android"}, {"iPhone", "iPhone"}, {"iPad", "iPad"}, {"Mac OS X", "macOS"}, {"CrOS", "ChromeOS"}, {"Linux", "Linux"}}
)

type productMark struct{ mark, name string }

func productName(marks []productMark, userAgent string) string {
	for _, m := range marks {
		if strings.Contains(userAgent, m.mark) {
			return m.name
		}
	}
	return ""
}

// BrowserName words a User-Agent: "Firefox on Windows". One that isn't a known browser's stays as it is.
func BrowserName(w *templates.Words, userAgent string) string {
	browser := productName(browsers, userAgent)
	if browser == "" {
		return userAgent
	}
	return w.Message("sessions.browser", map[string]any{"Browser": browser, "System": productName(systems, userAgent)}).Title
}
