package web

import (
	"net/http"
	"slices"

	"github.com/patdesk/patdesk/internal/session"
)

// Look is how pages are shown in this browser.
type Look struct {
	Theme     string // "light" or "dark"; "": as the system has it
	Shortcuts bool   // single keys do something
}

// themes are the values of the form at the foot of each page; "" is that of the system.
var themes = []string{"", "light", "dark"}

// lookOf reads what was chosen. What no page offers counts as not chosen.
func (o Options) lookOf(r *http.Request) Look {
	if o.Sessions == nil {
		return Look{Shortcuts: true}
	}
	look := Look{Theme: o.Sessions.Preference(r, session.Theme), Shortcuts: o.Sessions.Preference(r, session.Shortcuts) != "off"}
	if !slices.Contains(themes, look.Theme) {
		look.Theme = ""
	}
	return look
}

// ChooseTheme keeps the colours that were chosen at the foot of a page, and leads back there.
func (s *Site) ChooseTheme(v *Request) (Answer, error) {
	theme := v.PostForm.Get("theme")
	if !slices.Contains(themes, theme) {
		return nil, &HTTPError{Status: http.StatusBadRequest}
	}
	s.Sessions.SetPreference(v.Writer, session.Theme, theme)
	return v.To(choiceReturn(v.PostForm.Get("return"))), nil
}
