package handlers

import (
	"log/slog"
	"strconv"
	"strings"

	"github.com/patdesk/patdesk/internal/audit"
	"github.com/patdesk/patdesk/templates"
)

// sessionsPage lists the person's sessions.
type sessionsPage struct {
	base
	Sessions  []sessionRow
	EndAction string
	Most      int // sessions that one person can have
	Done      string
}

type sessionRow struct {
	Started, LastSeen when
	Address, Browser  string
	Current           bool
}

func (h *Handlers) listSessions(v *visit) (answer, error) {
	sessions, err := h.Sessions.Sessions(v.Context(), v.session)
	if err != nil {
		return nil, err
	}
	p := sessionsPage{base: h.base(v, templates.Message("sessions.title", nil).Title, "sessions"), EndAction: v.link(SessionsPath + "/end-others"), Most: h.Sessions.PerPerson()}
	if n, err := strconv.Atoi(v.URL.Query().Get("ended")); err == nil && n >= 0 {
		p.Done = templates.Message("sessions.ended", map[string]any{"Count": n}).What
		if n == 0 {
			p.Done = templates.Message("sessions.ended.none", nil).Title
		}
	}
	for _, s := range sessions {
		p.Sessions = append(p.Sessions, sessionRow{
			Started: v.when(s.Started), LastSeen: v.when(s.LastSeen), Address: s.Address, Browser: browserName(s.Browser), Current: s.Current,
		})
	}
	return page{template: "sessions", data: p}, nil
}

func (h *Handlers) endOtherSessions(v *visit) (answer, error) {
	n, err := h.Sessions.EndOthers(v.Context(), v.session)
	if n > 0 {
		audit.Record(v.Context(), h.Log, "end-sessions", slog.Int("count", n))
	}
	if err != nil {
		return nil, err
	}
	return v.to(SessionsPath + "?ended=" + strconv.Itoa(n)), nil
}

// browsers and systems are what the User-Agent of a browser has in it, the more special ones first: nearly all of
// them call themselves Safari and Linux too.
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

// browserName words a User-Agent: "Firefox on Windows". One that isn't a known browser's stays as it is.
func browserName(userAgent string) string {
	browser := productName(browsers, userAgent)
	if browser == "" {
		return userAgent
	}
	return templates.Message("sessions.browser", map[string]any{"Browser": browser, "System": productName(systems, userAgent)}).Title
}
