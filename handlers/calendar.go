package handlers

import (
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/patdesk/patdesk/internal/audit"
	"github.com/patdesk/patdesk/internal/calendar"
	"github.com/patdesk/patdesk/templates"
)

const (
	// makeCalendar is what the form that makes a calendar address is drawn for. It begins no operation: nothing is sent.
	makeCalendar = "calendar"
	// calendarWait is how long the answer to that form waits for what the calendar is filled with: programs that read it
	// may come at once, and then not again for a day.
	calendarWait = 4 * time.Second
)

// calendarPage tells of the person's calendar address, and shows a new one, once.
type calendarPage struct {
	base
	Address         string // just made
	Exists          bool
	Made, Refreshed when
	Lapsed          bool // refreshed too long ago to be shown
	Asked           when
	AskedBy         string // program and address
	Places          []calendarPlace
	LocalOnly       bool // no other machine can read it
	Problem         *problemSummary
	Done            string
	Form, Mark      string
	MakeAction      string
	RevokeAction    string
	Public          string // half of the address that names it
	OverviewURL     string
}

// calendarPlace is an organization in the calendar.
type calendarPlace struct {
	Organization string
	Count, Left  int
	Read         when
}

func (h *Handlers) showCalendar(v *visit) (answer, error) {
	done := ""
	if v.URL.Query().Has("revoked") {
		done = templates.Message("calendar.revoked", nil).What
	}
	return h.calendarAnswer(v, "", done, formState{})
}

// makeCalendarAddress answers with the address itself, as it is kept nowhere. Sending the form again gives the same one.
func (h *Handlers) makeCalendarAddress(v *visit) (answer, error) {
	person, form, mark := v.session.Person().Key(), v.PostForm.Get("form"), v.PostForm.Get("mark")
	_, err := h.forms.Check(form, person, makeCalendar, mark)
	if status, key := formRefusal(err); status != 0 {
		fieldsOf(v.Context()).Err = err
		return h.calendarAnswer(v, "", "", formState{status: status, problem: summary(key, nil)})
	}
	if err != nil {
		return nil, err
	}
	address, made, err := h.Calendar.Make(v.Context(), person, form, mark)
	if errors.Is(err, calendar.ErrChanged) {
		return h.calendarAnswer(v, "", "", formState{status: http.StatusConflict, problem: summary("calendar.changed", nil)})
	}
	if err != nil {
		return nil, err
	}
	if made {
		audit.Record(v.Context(), h.Log, "make-calendar-address")
	}
	h.fillCalendar(v)
	return h.calendarAnswer(v, address, "", formState{})
}

func (h *Handlers) revokeCalendarAddress(v *visit) (answer, error) {
	revoked, err := h.Calendar.Revoke(v.Context(), v.session.Person().Key(), v.PostForm.Get("public"))
	if revoked {
		audit.Record(v.Context(), h.Log, "revoke-calendar-address")
	}
	if err != nil {
		return nil, err
	}
	return v.to(CalendarPath + "?revoked"), nil
}

func (h *Handlers) calendarAnswer(v *visit, address, done string, no formState) (answer, error) {
	person := v.session.Person().Key()
	feed, err := h.Calendar.Of(v.Context(), person)
	if err != nil {
		return nil, err
	}
	p := calendarPage{
		base:   h.base(v, templates.Message("calendar.title", nil).Title, "overview"),
		Exists: feed.Address != "", Made: v.when(feed.Made), Refreshed: v.when(feed.Refreshed), Asked: v.when(feed.Asked),
		LocalOnly: loopbackOrigin(v.address), Problem: no.problem, Done: done,
		Form: h.forms.Draw(person, makeCalendar, feed.Mark()), Mark: feed.Mark(), MakeAction: v.link(CalendarPath + MakeStep),
		RevokeAction: v.link(CalendarPath + RevokeStep), Public: feed.Address, OverviewURL: v.link(OverviewPath),
		Lapsed: !feed.Refreshed.IsZero() && v.now.Sub(feed.Refreshed) >= calendar.Life,
	}
	if feed.Unreadable && p.Problem == nil {
		p.Problem = summary("calendar.unreadable", nil)
	}
	if address != "" {
		p.Address = v.address.url(feedPath(address))
	}
	if !feed.Asked.IsZero() {
		p.AskedBy = templates.Message("calendar.askedBy", map[string]any{"Browser": browserName(feed.AskedBy.Program), "Address": feed.AskedBy.Address}).Title
	}
	if !p.Exists || p.Lapsed {
		return page{status: no.status, template: "calendar", data: p}, nil
	}
	parts, err := h.Calendar.Parts(v.Context(), person)
	if err != nil {
		return nil, err
	}
	for _, part := range parts {
		p.Places = append(p.Places, calendarPlace{part.Organization, len(part.Expiries), part.Left, v.when(part.Read)})
	}
	return page{status: no.status, template: "calendar", data: p}, nil
}

// loopbackOrigin says that only this machine can open our address.
func loopbackOrigin(a publicAddress) bool {
	u, err := url.Parse(a.origin)
	return err == nil && loopbackHost(u.Host)
}
