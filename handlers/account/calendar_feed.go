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

// feed is what the files at a private address are made from.
type feed struct {
	calendar.Feed
	parts []calendar.Part
	now   time.Time
	at    web.Address
	words *templates.Words
	head  http.Header // of the request
}

// feedFile is one of the files at a private address.
type feedFile struct {
	encode func(feed) (content []byte, contentType string, err error)
	mute   bool   // it is the same in every language
	varies string // what else of the request's head it depends on
}

var feedFiles = map[string]feedFile{
	web.CalendarFile: {encode: func(f feed) ([]byte, string, error) {
		content, err := calendar.Encode(f.calendar())
		return content, "text/calendar; charset=utf-8; method=PUBLISH", err
	}},
	web.AtomFile: {encode: func(f feed) ([]byte, string, error) {
		content, err := calendar.EncodeAtom(f.atom(), f.now)
		return content, "application/atom+xml; charset=utf-8", err
	}},
	web.ListFile: {mute: true, encode: func(f feed) ([]byte, string, error) {
		content, err := calendar.EncodeJSON(f.list())
		return content, "application/json; charset=utf-8", err
	}},
	web.MetricsFile: {mute: true, varies: "Accept", encode: func(f feed) ([]byte, string, error) {
		return calendar.EncodeMetrics(f.list(), f.head)
	}},
}

// ServeFeed answers programs that read a file at a private address: calendars and others. They have no session: who
// knows the address may read it. No cookie is read or set, and the request's log record leaves the address out. It reports
// whether there is one at that address; if there isn't, nothing is answered.
func (h *Handlers) ServeFeed(path string) func(w http.ResponseWriter, r *http.Request) (found bool) {
	file := feedFiles[path]
	return func(w http.ResponseWriter, r *http.Request) (found bool) {
		by := calendar.Reader{Address: web.ClientOf(r), Program: plaintext.Line(r.UserAgent(), plaintext.NameLength)}
		person, kept, err := h.Calendar.Open(r.Context(), chi.URLParam(r, "address"), by, h.personAllowed)
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
			h.refuseFeed(w, r, kept, http.StatusServiceUnavailable, "store.unavailable")
			return true
		case !kept.Refreshed.IsZero() && h.Site.Now().Sub(kept.Refreshed) >= calendar.Life:
			h.refuseFeed(w, r, kept, http.StatusGone, "calendar.lapsed")
			return true
		}
		f := feed{Feed: kept, parts: parts, now: h.Site.Now().UTC(), at: web.AddressOf(r.Context()), head: r.Header}
		if !file.mute {
			f.words = h.wordsOfFeed(w, r, kept)
		}
		content, contentType, err := file.encode(f)
		if err != nil {
			web.NoteError(r.Context(), err)
			h.refuseFeed(w, r, kept, http.StatusInternalServerError, "http.500")
			return true
		}
		if file.varies != "" {
			w.Header().Add("Vary", file.varies)
		}
		w.Header().Set("Content-Type", contentType)
		w.Header().Set("Content-Disposition", `attachment; filename="`+strings.TrimPrefix(path, "/")+`"`)
		serveFeed(w, r, content)
		return true
	}
}

// serveFeed sends what programs ask for again and again: once, as long as it is the same.
func serveFeed(w http.ResponseWriter, r *http.Request, content []byte) {
	sum := sha256.Sum256(content)
	// Weak, as it may be compressed (RFC 9110, 8.8.1).
	w.Header().Set("ETag", `W/"`+base64.RawURLEncoding.EncodeToString(sum[:15])+`"`)
	w.Header().Set("Cache-Control", "private, no-cache")
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
}

// UnknownFeed is the one answer for every address that opens nothing: a made-up one, a revoked one, and that of a
// person who isn't let in any more.
func (h *Handlers) UnknownFeed(w http.ResponseWriter, r *http.Request) {
	h.refuseFeed(w, r, calendar.Feed{}, http.StatusNotFound, "calendar.unknown")
}

// personAllowed reports whether a person, by their key, would still be let in.
func (h *Handlers) personAllowed(key string) bool {
	return h.Entra.TenantAllowed(session.TenantOf(key))
}

// refuseFeed answers in plain text: these programs show no pages, some of them show that.
func (h *Handlers) refuseFeed(w http.ResponseWriter, r *http.Request, kept calendar.Feed, status int, key string) {
	words := h.wordsOfFeed(w, r, kept)
	text := words.Message(key, nil)
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text.Title + "\n\n" + words.Sentences(text.What, text.Advice) + "\n" + web.AddressOf(r.Context()).URL(web.CalendarPath) + "\n")) // the visitor may be gone
}

// wordsOfFeed are in the language that the feed's owner chose, else in the one that the program asks for. The head says
// which that is: what keeps the answer must not give it to a program that asks for another.
func (h *Handlers) wordsOfFeed(w http.ResponseWriter, r *http.Request, kept calendar.Feed) *templates.Words {
	words := h.Site.WordsForProgram(r, kept.Language)
	w.Header().Add("Vary", "Accept-Language")
	w.Header().Set("Content-Language", words.Language())
	return words
}

// calendar is the calendar as it stands now. As long as nothing was read anew it is the same, but for the reminder of a
// stale one, which moves on with the day.
func (f feed) calendar() calendar.Document {
	text := f.words.Message("calendar.document", map[string]any{"Date": f.words.At(f.Refreshed, f.now).Date})
	var left, undated int // expiries without room in the kept parts, and tokens without a date
	for _, part := range f.parts {
		left, undated = left+part.Left, undated+part.Undated
	}
	if left > 0 {
		text.What = f.words.Sentences(text.What, f.words.Text("calendar.document.left", "Count", left))
	}
	if undated > 0 {
		text.What = f.words.Sentences(text.What, f.words.Text("calendar.document.undated", "Count", undated))
	}
	d := calendar.Document{Name: text.Title, Description: text.What + "\n" + f.at.URL(web.CalendarPath), Product: calendarProduct, Modified: f.Refreshed}
	for part, e := range calendar.Each(f.parts) {
		d.Events = append(d.Events, f.expiryEvents(part, e)...)
	}
	if since := f.since(); f.now.Sub(f.Refreshed) >= calendarStale {
		today := f.now.Truncate(web.Day)
		e := f.staleEvent(today)
		e.AllDay, e.Stamp, e.Sequence = true, today, int(today.Sub(since.Truncate(web.Day))/web.Day)
		d.Events = append(d.Events, e)
	}
	return d
}

// atom is the feed of what is about to expire: the calendar's entries, of which it shows those that have begun. The
// reminder of a stale one stays where it is.
func (f feed) atom() calendar.Document {
	text := f.words.Message("feed.document", nil)
	d := calendar.Document{ID: f.Address, Language: f.words.Language(), URL: f.at.URL(web.OverviewPath), Name: text.Title, Description: text.What, Modified: f.Made}
	for part, e := range calendar.Each(f.parts) {
		d.Events = append(d.Events, f.entries(part, e)...)
	}
	switch {
	case f.Refreshed.IsZero():
		d.Events = append(d.Events, f.staleEvent(f.Made))
	case f.now.Sub(f.Refreshed) >= calendarStale:
		d.Events = append(d.Events, f.staleEvent(f.Refreshed.Add(calendarStale)))
	}
	return d
}

// list is what programs read.
func (f feed) list() calendar.List {
	return calendar.ListOf(f.Feed, f.parts, func(organization, id string) string { return f.at.URL(web.TokenPath(organization, id, "")) })
}

// expiryEvents are the end of a token and the reminders of it, as entries of their own: most programs leave the alarms
// of a subscribed calendar out. They are timed, not all-day: a token ends at a moment, which all-day entries would put
// on the wrong day for everybody who doesn't live by UTC.
func (f feed) expiryEvents(part calendar.Part, e calendar.Expiry) []calendar.Event {
	event := func(uid, key string, starts time.Time) calendar.Event {
		event, advice := f.event(part, e, key, starts)
		event.UID, event.Starts, event.Description = calendar.UID(uid), starts, event.Description+"\n"+event.URL+"\n\n"+advice
		return event
	}
	events := []calendar.Event{event(e.ID, "calendar.event", e.Ends)}
	for i, ahead := range calendar.Reminders(e.Life()) {
		events = append(events, event(reminderOf(e, i), "calendar.ahead", e.Ends.Add(-ahead)))
	}
	return events
}

// entries are the same in a feed, where an entry is read when it appears: a reminder of a token that was seen or renamed
// after its time says how far away the end was then, and is left out if the next one's time had come, too.
func (f feed) entries(part calendar.Part, e calendar.Expiry) (entries []calendar.Event) {
	entry := func(uid, key string, starts time.Time) {
		said := starts
		if e.Changed.After(said) {
			said = e.Changed
		}
		entry, _ := f.event(part, e, key, said)
		name, place := f.named(part, e)
		ends := f.words.At(e.Ends, said)
		entry.UID, entry.Starts = calendar.UID(uid), starts
		entry.Description = f.words.Text("feed.entry", "Token", name, "Organization", place, "Date", ends.Date, "Clock", ends.Clock)
		entries = append(entries, entry)
	}
	reminders := append(calendar.Reminders(e.Life()), 0)
	for i, ahead := range reminders[:len(reminders)-1] {
		if next := e.Ends.Add(-reminders[i+1]); next.After(e.Changed) {
			entry(reminderOf(e, i), "calendar.ahead", e.Ends.Add(-ahead))
		}
	}
	entry(e.ID, "calendar.event", e.Ends)
	return entries
}

// reminderOf names a token's reminders, from 0 on.
func reminderOf(e calendar.Expiry, i int) string { return fmt.Sprintf("reminder %d of %s", i+1, e.ID) }

// event is about the end of a token as it is said at a time, without its UID and its own time.
func (f feed) event(part calendar.Part, e calendar.Expiry, key string, said time.Time) (event calendar.Event, advice string) {
	name, place := f.named(part, e)
	ends := f.words.At(e.Ends, said)
	text := f.words.Message(key, map[string]any{
		"Token": name, "Organization": place, "When": ends.Relative, "Clock": ends.Clock, "Date": f.words.At(part.Read, f.now).Date,
	})
	return calendar.Event{
		Summary: text.Title, Description: text.What, URL: f.at.URL(web.TokenPath(part.Organization, e.ID, "")),
		Stamp: part.Read, Modified: e.Changed, Sequence: e.Sequence,
	}, text.Advice
}

// named is what a token and where it works are called.
func (f feed) named(part calendar.Part, e calendar.Expiry) (name, place string) {
	name, place = e.Name, part.Organization
	if plaintext.Blank(name) {
		name = f.words.Text("token.unnamed")
	}
	if e.Global {
		place = f.words.Text("organization.all")
	}
	return name, place
}

// since is from when on nothing was read.
func (f feed) since() time.Time {
	if f.Refreshed.IsZero() {
		return f.Made
	}
	return f.Refreshed
}

// staleEvent stands there until its owner looks.
func (f feed) staleEvent(starts time.Time) calendar.Event {
	key := "calendar.stale"
	if f.Refreshed.IsZero() {
		key = "calendar.empty"
	}
	page := f.at.URL(web.OverviewPath)
	text := f.words.Message(key, map[string]any{"Date": f.words.At(f.since(), f.now).Date, "Until": f.words.At(f.since().Add(calendar.Life), f.now).Date})
	return calendar.Event{
		UID: calendar.UID("reminder " + f.Address), Summary: text.Title, Description: text.What + "\n\n" + text.Advice + "\n" + page, URL: page,
		Starts: starts, Modified: starts,
	}
}
