package account

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/patdesk/patdesk/handlers/web"
	"github.com/patdesk/patdesk/internal/calendar"
	"github.com/patdesk/patdesk/internal/plaintext"
	"github.com/patdesk/patdesk/internal/session"
	"github.com/patdesk/patdesk/templates"
)

const (
	// calendarStale is after how long without a visit the calendar itself reminds of one.
	calendarStale = 14 * web.Day
	// calendarProduct names who wrote it (RFC 5545, 3.7.3).
	calendarProduct = "-//patdesk//Token expiries//EN"
)

// ServeCalendar answers programs that read calendars. They have no session: who knows the address may read it. No
// cookie is read or set, and the request's log record leaves the address out. It reports whether there is one at that
// address; if there isn't, nothing is answered.
func (h *Handlers) ServeCalendar(w http.ResponseWriter, r *http.Request) (found bool) {
	by := calendar.Reader{Address: web.ClientOf(r), Program: plaintext.Line(r.UserAgent(), plaintext.NameLength)}
	person, feed, err := h.Calendar.Open(r.Context(), chi.URLParam(r, "address"), by, h.personAllowed)
	var parts []calendar.Part
	if err == nil {
		parts, err = h.Calendar.Parts(r.Context(), person)
	}
	switch {
	case errors.Is(err, calendar.ErrUnknown):
		return false
	case err != nil:
		web.NoteError(r.Context(), err)
		w.Header().Set("Retry-After", "600")
		h.refuseCalendar(w, r, feed, http.StatusServiceUnavailable, "store.unavailable")
		return true
	case !feed.Refreshed.IsZero() && h.Site.Now().Sub(feed.Refreshed) >= calendar.Life:
		h.refuseCalendar(w, r, feed, http.StatusGone, "calendar.lapsed")
		return true
	}
	words := h.wordsOfFeed(w, r, feed)
	content, err := calendar.Encode(calendarDocument(words, web.AddressOf(r.Context()), feed, parts, h.Site.Now().UTC()))
	if err != nil {
		web.NoteError(r.Context(), err)
		h.refuseCalendar(w, r, feed, http.StatusInternalServerError, "http.500")
		return true
	}
	sum := sha256.Sum256(content)
	// Weak, as it may be compressed (RFC 9110, 8.8.1).
	w.Header().Set("ETag", `W/"`+base64.RawURLEncoding.EncodeToString(sum[:15])+`"`)
	w.Header().Set("Cache-Control", "private, no-cache")
	w.Header().Set("Content-Type", "text/calendar; charset=utf-8; method=PUBLISH")
	w.Header().Set("Content-Disposition", `attachment; filename="tokens.ics"`)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
	return true
}

// UnknownCalendar is the one answer for every address that opens nothing: a made-up one, a revoked one, and that of a
// person who isn't let in any more.
func (h *Handlers) UnknownCalendar(w http.ResponseWriter, r *http.Request) {
	h.refuseCalendar(w, r, calendar.Feed{}, http.StatusNotFound, "calendar.unknown")
}

// personAllowed says if a person, by their key, would still be let in.
func (h *Handlers) personAllowed(key string) bool {
	return h.Entra.TenantAllowed(session.TenantOf(key))
}

// refuseCalendar answers in plain text: these programs show no pages, some of them show that.
func (h *Handlers) refuseCalendar(w http.ResponseWriter, r *http.Request, feed calendar.Feed, status int, key string) {
	words := h.wordsOfFeed(w, r, feed)
	text := words.Message(key, nil)
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text.Title + "\n\n" + words.Sentences(text.What, text.Advice) + "\n" + web.AddressOf(r.Context()).URL(web.CalendarPath) + "\n")) // the visitor may be gone
}

// wordsOfFeed are in the language that the feed's owner chose, else in the one that the program asks for. The head says
// which that is: what keeps the answer must not give it to a program that asks for another.
func (h *Handlers) wordsOfFeed(w http.ResponseWriter, r *http.Request, feed calendar.Feed) *templates.Words {
	words := h.Site.WordsForProgram(r, feed.Language)
	w.Header().Add("Vary", "Accept-Language")
	w.Header().Set("Content-Language", words.Language())
	return words
}

// calendarDocument is the calendar as it stands at now. As long as nothing was read anew it is the same, but for the
// reminder of a stale one, which moves on with the day.
func calendarDocument(words *templates.Words, a web.Address, feed calendar.Feed, parts []calendar.Part, now time.Time) calendar.Document {
	text := words.Message("calendar.document", map[string]any{"Date": words.At(feed.Refreshed, now).Date})
	if left := expiriesLeft(parts); left > 0 {
		text.What = words.Sentences(text.What, words.Text("calendar.document.left", "Count", left))
	}
	if undated := expiriesUndated(parts); undated > 0 {
		text.What = words.Sentences(text.What, words.Text("calendar.document.undated", "Count", undated))
	}
	d := calendar.Document{Name: text.Title, Description: text.What + "\n" + a.URL(web.CalendarPath), Product: calendarProduct, Modified: feed.Refreshed}
	seen := map[string]bool{} // a global token is in the list of every organization
	for _, part := range parts {
		for _, e := range part.Expiries {
			if !seen[e.ID] {
				seen[e.ID] = true
				d.Events = append(d.Events, expiryEvents(words, a, part, e, now)...)
			}
		}
	}
	if now.Sub(feed.Refreshed) >= calendarStale {
		d.Events = append(d.Events, staleEvent(words, a, feed, now))
	}
	return d
}

// expiriesLeft counts those that found no room in the kept parts.
func expiriesLeft(parts []calendar.Part) (n int) {
	for _, part := range parts {
		n += part.Left
	}
	return n
}

// expiriesUndated counts the tokens that no entry can stand for.
func expiriesUndated(parts []calendar.Part) (n int) {
	for _, part := range parts {
		n += part.Undated
	}
	return n
}

// expiryEvents are the end of a token and the reminders of it, as entries of their own: most programs leave the alarms
// of a subscribed calendar out. They are timed, not all-day: a token ends at a moment, which all-day entries would put
// on the wrong day for everybody who doesn't live by UTC.
func expiryEvents(words *templates.Words, a web.Address, part calendar.Part, e calendar.Expiry, now time.Time) []calendar.Event {
	place := part.Organization
	if e.Global {
		place = words.Message("organization.all", nil).Title
	}
	name := e.Name
	if strings.TrimSpace(name) == "" {
		name = words.Text("token.unnamed")
	}
	page := a.URL(web.TokenPath(part.Organization, e.ID, ""))
	event := func(uid, key string, starts time.Time) calendar.Event {
		ends := words.At(e.Ends, starts)
		text := words.Message(key, map[string]any{
			"Token": name, "Organization": place, "When": ends.Relative, "Clock": ends.Clock, "Date": words.At(part.Read, now).Date,
		})
		return calendar.Event{
			UID: calendar.UID(uid), Summary: text.Title, Description: text.What + "\n" + page + "\n\n" + text.Advice, URL: page, Starts: starts,
			Stamp: part.Read, Modified: e.Changed, Sequence: e.Sequence,
		}
	}
	events := []calendar.Event{event(e.ID, "calendar.event", e.Ends)}
	for i, ahead := range calendar.Reminders(e.Life()) {
		events = append(events, event(fmt.Sprintf("reminder %d of %s", i+1, e.ID), "calendar.ahead", e.Ends.Add(-ahead)))
	}
	return events
}

// staleEvent stands on today, all day, until its owner looks.
func staleEvent(words *templates.Words, a web.Address, feed calendar.Feed, now time.Time) calendar.Event {
	key, since := "calendar.stale", feed.Refreshed
	if since.IsZero() {
		key, since = "calendar.empty", feed.Made
	}
	page := a.URL(web.OverviewPath)
	text := words.Message(key, map[string]any{
		"Date": words.At(since, now).Date, "Until": words.At(since.Add(calendar.Life), now).Date,
	})
	today := now.UTC().Truncate(web.Day)
	return calendar.Event{
		UID: calendar.UID("reminder " + feed.Address), Summary: text.Title, Description: text.What + "\n\n" + text.Advice + "\n" + page, URL: page,
		Starts: today, AllDay: true, Stamp: today, Modified: today, Sequence: int(today.Sub(since.Truncate(web.Day)) / web.Day),
	}
}
