package web

import (
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"sync"
	"time"
	_ "time/tzdata" // the container has no files of time zones

	"github.com/patdesk/patdesk/internal/session"
	"github.com/patdesk/patdesk/templates"
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

// wordsFor are those of the visitor's language: the one that was chosen in this browser, else what the browser asks
// for.
func (o Options) wordsFor(r *http.Request) *templates.Words {
	choice := ""
	if o.Sessions != nil {
		choice = o.Sessions.Preference(r, session.Language)
	}
	return o.Languages.Choose(choice, r.Header.Get("Accept-Language"))
}

// WordsForProgram are for programs that read an address, and have no cookies: in the language that was chosen for the
// address, "" if none was, else in the one that they ask for.
func (o Options) WordsForProgram(r *http.Request, chosen string) *templates.Words {
	return o.Languages.Choose(chosen, r.Header.Get("Accept-Language"))
}

// WordsOf are those of a language; nil if it isn't offered.
func (o Options) WordsOf(tag string) *templates.Words {
	if !o.Languages.Has(tag) {
		return nil
	}
	return o.Languages.Choose(tag, "")
}

// ChooseLanguage keeps the language that was chosen at the foot of a page, and leads back there.
func (s *Site) ChooseLanguage(v *Request) (Answer, error) {
	tag := v.PostForm.Get("language")
	if !s.Languages.Has(tag) {
		return nil, &HTTPError{Status: http.StatusBadRequest}
	}
	s.Sessions.SetPreference(v.Writer, session.Language, tag)
	return v.To(choiceReturn(v.PostForm.Get("return"))), nil
}

// choiceReturn is where a choice at the foot of a page was made. Other than after signing in, that may be the page
// where one signs in.
func choiceReturn(raw string) string {
	back := SafeReturn(raw)
	if u, err := url.Parse(raw); err == nil && back == HomePath && len(raw) <= maxReturnPath && u.Scheme == "" && u.Host == "" && u.Path == SignInPath {
		back = (&url.URL{Path: SignInPath, RawQuery: u.Query().Encode()}).String()
	}
	return back
}

// ZoneField is the field of a form that says in which time zone its dates are.
const ZoneField = "zone"

// zoneName is what names of places where people live look like (https://data.iana.org/time-zones/theory.html#naming).
// Others, such as "Local" and "posix/Asia/Seoul", depend on the machine.
var zoneName = regexp.MustCompile(`^(UTC|[A-Z][A-Za-z_]{1,14}(/[A-Z][A-Za-z0-9_+-]{1,30}){1,2})$`)

// zones are those that were asked for: there are some 600.
var zones sync.Map // string -> *time.Location

// ZoneNamed is the time zone of that name, UTC if there is none.
func ZoneNamed(name string) *time.Location {
	if zone, ok := zones.Load(name); ok {
		return zone.(*time.Location) //nolint:forcetypeassert,errcheck // nothing else is stored
	}
	if !zoneName.MatchString(name) {
		return time.UTC
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		return time.UTC
	}
	zones.Store(name, zone)
	return zone
}

// nowFor is the time on the reader's own clock.
func (o Options) nowFor(r *http.Request) time.Time { return o.Now().In(ZoneNamed(session.TimeZone(r))) }

// zoneShown is the name of a time zone where it isn't UTC.
func zoneShown(zone *time.Location) string {
	if zone.String() == time.UTC.String() {
		return ""
	}
	return zone.String()
}

// Midnight is the beginning of t's day, in t's zone.
func Midnight(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, t.Location())
}

// DayIn is the beginning of the same day of the calendar in another zone.
func DayIn(date time.Time, zone *time.Location) time.Time {
	return time.Date(date.Year(), date.Month(), date.Day(), 0, 0, 0, 0, zone)
}
