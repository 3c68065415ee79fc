package account

import (
	"log/slog"
	"strconv"

	"github.com/patdesk/patdesk/handlers/web"
	"github.com/patdesk/patdesk/internal/audit"
	"github.com/patdesk/patdesk/templates"
)

// sessionsPage lists the person's sessions.
type sessionsPage struct {
	web.Base
	Sessions  []sessionRow
	EndAction string
	Most      int // sessions that one person can have
	Done      string
}

type sessionRow struct {
	Started, LastSeen templates.When
	Address, Browser  string
	Current           bool
}

// ListSessions lists where the person is signed in.
func (h *Handlers) ListSessions(v *web.Request) (web.Answer, error) {
	sessions, err := h.Sessions.Sessions(v.Context(), v.Session)
	if err != nil {
		return nil, err
	}
	p := sessionsPage{Base: v.Base(v.Words.Message("sessions.title", nil).Title, "sessions"), EndAction: v.Link(web.SessionsPath + "/end-others"), Most: h.Sessions.PerPerson()}
	if n, err := strconv.Atoi(v.URL.Query().Get("ended")); err == nil && n >= 0 {
		p.Done = v.Words.Message("sessions.ended", map[string]any{"Count": n}).What
		if n == 0 {
			p.Done = v.Words.Message("sessions.ended.none", nil).Title
		}
	}
	for _, s := range sessions {
		p.Sessions = append(p.Sessions, sessionRow{
			Started: v.When(s.Started), LastSeen: v.When(s.LastSeen), Address: s.Address, Browser: web.BrowserName(v.Words, s.Browser), Current: s.Current,
		})
	}
	return web.Page{Template: "sessions", Data: p}, nil
}

// EndOtherSessions ends all sessions but this one.
func (h *Handlers) EndOtherSessions(v *web.Request) (web.Answer, error) {
	n, err := h.Sessions.EndOthers(v.Context(), v.Session)
	if n > 0 {
		audit.Record(v.Context(), h.Site.Log, "end-sessions", slog.Int("count", n))
	}
	if err != nil {
		return nil, err
	}
	return v.To(web.SessionsPath + "?ended=" + strconv.Itoa(n)), nil
}
