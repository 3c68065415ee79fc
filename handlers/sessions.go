package handlers

import (
	"strconv"

	"github.com/patdesk/patdesk/templates"
)

// sessionsPage lists the person's sessions.
type sessionsPage struct {
	base
	Sessions  []sessionRow
	EndAction string
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
	p := sessionsPage{base: h.base(v, templates.Message("sessions.title", nil).Title, "sessions"), EndAction: v.link("/sessions/end-others")}
	if n, err := strconv.Atoi(v.URL.Query().Get("ended")); err == nil && n >= 0 {
		p.Done = templates.Message("sessions.ended", map[string]any{"Count": n}).What
	}
	for _, s := range sessions {
		p.Sessions = append(p.Sessions, sessionRow{
			Started: v.when(s.Started), LastSeen: v.when(s.LastSeen), Address: s.Address, Browser: s.Browser, Current: s.Current,
		})
	}
	return page{template: "sessions", data: p}, nil
}

func (h *Handlers) endOtherSessions(v *visit) (answer, error) {
	n, err := h.Sessions.EndOthers(v.Context(), v.session)
	if err != nil {
		return nil, err
	}
	return v.to("/sessions?ended=" + strconv.Itoa(n)), nil
}
