package account

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/patdesk/patdesk/handlers/web"
	"github.com/patdesk/patdesk/internal/audit"
	"github.com/patdesk/patdesk/internal/calendar"
	"github.com/patdesk/patdesk/templates"
)

const (
	// makeCalendar is what the form that makes a calendar address is drawn for. It begins no operation: nothing is
	// sent.
	makeCalendar = "calendar"
	// calendarWait is how long the answer to that form waits for what the calendar is filled with: programs that read
	// it may come at once, and then not again for a day.
	calendarWait = 4 * time.Second
)

// calendarPage is about the person's calendar address, and shows a new one, once.
type calendarPage struct {
	web.Base
	Address         string // just made
	Files           []calendarFile
	Exists          bool
	Made, Refreshed templates.When
	Lapsed          bool // refreshed too long ago to be shown
	Asked           templates.When
	AskedBy         string // program and address
	Places          []calendarPlace
	Total           int  // tokens in the calendar, each once
	Counted         int  // and in the table
	LocalOnly       bool // no other machine can read it
	Problem         *web.ProblemSummary
	Done            string
	Form, Mark      string
	MakeAction      string
	RevokeAction    string
	Language        string // that its entries are written in, in that language; "": the one that the program asks for
	SpeakAction     string // has them written in the language of the page; "": they are
	Public          string // half of the address that names it
	OverviewURL     string
}

// calendarFile is a file at the private address, beside the calendar.
type calendarFile struct {
	Name    string
	Purpose string
	Address string // where the page shows it: just made
}

// calendarPlace is an organization in the calendar.
type calendarPlace struct {
	Organization string
	Count, Left  int
	Read, Failed templates.When // Failed: after Read
	Undated      int
}

// ShowCalendar shows how the person's calendar address stands.
func (h *Handlers) ShowCalendar(v *web.Request) (web.Answer, error) {
	done := ""
	if v.URL.Query().Has("revoked") {
		done = v.Words.Message("calendar.revoked", nil).What
	}
	return h.calendarAnswer(v, "", done, web.FormState{})
}

// MakeCalendar answers with the address itself, as it is kept nowhere. Sending the form again gives the same one.
func (h *Handlers) MakeCalendar(v *web.Request) (web.Answer, error) {
	person, form, mark := v.Person(), v.PostForm.Get("form"), v.PostForm.Get("mark")
	_, err := h.Site.Forms.Check(form, person, makeCalendar, mark)
	if status, key := web.FormRefusal(err); status != 0 {
		v.NoteError(err)
		return h.calendarAnswer(v, "", "", web.FormState{Status: status, Problem: web.Summary(v.Words, key, nil)})
	}
	if err != nil {
		return nil, err
	}
	address, made, err := h.Calendar.Make(v.Context(), person, form, mark)
	if errors.Is(err, calendar.ErrChanged) {
		return h.calendarAnswer(v, "", "", web.FormState{Status: http.StatusConflict, Problem: web.Summary(v.Words, "calendar.changed", nil)})
	}
	if err != nil {
		return nil, err
	}
	if made {
		audit.Record(v.Context(), h.Site.Log, "make-calendar-address")
		if err := h.Calendar.Speak(v.Context(), person, v.Words.Language()); err != nil {
			v.NoteError(err) // the calendar program's language will do, and the page offers this one
		}
	}
	h.fillCalendar(v)
	return h.calendarAnswer(v, address, "", web.FormState{})
}

// RevokeCalendar makes the address open nothing any more.
func (h *Handlers) RevokeCalendar(v *web.Request) (web.Answer, error) {
	revoked, err := h.Calendar.Revoke(v.Context(), v.Person(), v.PostForm.Get("public"))
	if revoked {
		audit.Record(v.Context(), h.Site.Log, "revoke-calendar-address")
	}
	if err != nil {
		return nil, err
	}
	return v.To(web.CalendarPath + "?revoked"), nil
}

// SpeakCalendar has the calendar written in the language of the page.
func (h *Handlers) SpeakCalendar(v *web.Request) (web.Answer, error) {
	if err := h.Calendar.Speak(v.Context(), v.Person(), v.Words.Language()); err != nil {
		return nil, err
	}
	return v.To(web.CalendarPath), nil
}

func (h *Handlers) calendarAnswer(v *web.Request, address, done string, state web.FormState) (web.Answer, error) {
	person := v.Person()
	feed, err := h.Calendar.Of(v.Context(), person)
	if err != nil {
		return nil, err
	}
	p := calendarPage{
		Base:   v.Base(v.Words.Message("calendar.title", nil).Title, "calendar"),
		Exists: feed.Address != "", Made: v.When(feed.Made), Refreshed: v.When(feed.Refreshed), Asked: v.When(feed.Asked),
		LocalOnly: loopbackOrigin(v.Address), Problem: state.Problem, Done: done,
		Form: v.DrawForm(makeCalendar, feed.Mark()), Mark: feed.Mark(), MakeAction: v.Link(web.CalendarPath + web.MakeStep),
		RevokeAction: v.Link(web.CalendarPath + web.RevokeStep), Public: feed.Address, OverviewURL: v.Link(web.OverviewPath),
		Lapsed: !feed.Refreshed.IsZero() && v.Now.Sub(feed.Refreshed) >= calendar.Life,
	}
	if words := h.Site.WordsOf(feed.Language); words != nil {
		p.Language = words.Text("language.name")
	}
	if feed.Language != v.Words.Language() {
		p.SpeakAction = v.Link(web.CalendarPath + web.SpeakStep)
	}
	if feed.Unreadable && p.Problem == nil {
		p.Problem = web.Summary(v.Words, "calendar.unreadable", nil)
	}
	p.Failed = p.Problem != nil
	if address != "" {
		p.Address = v.Address.URL(web.FeedPath(address, web.CalendarFile))
	}
	p.Files = calendarFiles(v, address)
	if !feed.Asked.IsZero() {
		p.AskedBy = v.Words.Message("calendar.askedBy", map[string]any{"Browser": web.BrowserName(v.Words, feed.AskedBy.Program), "Address": feed.AskedBy.Address}).Title
	}
	if !p.Exists || p.Lapsed {
		return web.Page{Status: state.Status, Template: "calendar", Data: p}, nil
	}
	parts, err := h.Calendar.Parts(v.Context(), person)
	if err != nil {
		return nil, err
	}
	for range calendar.Each(parts) {
		p.Total++
	}
	for _, part := range parts {
		p.Counted += len(part.Expiries)
		p.Places = append(p.Places, calendarPlace{part.Organization, len(part.Expiries), part.Left, v.When(part.Read), v.When(part.Failed), part.Undated})
	}
	return web.Page{Status: state.Status, Template: "calendar", Data: p, Private: address != ""}, nil
}

// calendarFiles are the files beside the calendar, with their addresses if that is known.
func calendarFiles(v *web.Request, address string) (files []calendarFile) {
	for _, one := range []struct{ file, key string }{
		{web.AtomFile, "calendar.file.atom"}, {web.ListFile, "calendar.file.json"}, {web.MetricsFile, "calendar.file.metrics"},
	} {
		file := calendarFile{Name: strings.TrimPrefix(one.file, "/"), Purpose: v.Words.Text(one.key)}
		if address != "" {
			file.Address = v.Address.URL(web.FeedPath(address, one.file))
		}
		files = append(files, file)
	}
	return files
}

// loopbackOrigin reports whether only this machine can open our address.
func loopbackOrigin(a web.Address) bool {
	u, err := url.Parse(a.Origin)
	return err == nil && web.LoopbackHost(u.Host)
}
