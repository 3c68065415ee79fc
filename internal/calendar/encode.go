package calendar

import (
	"bytes"
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"strings"
	"time"

	ics "github.com/arran4/golang-ical"
)

const (
	// refreshEvery is how often programs are asked to come again: what they would find changes only by their owner's
	// visits. RFC 7986, 5.7; Outlook goes by X-PUBLISHED-TTL (MS-OXCICAL, 2.1.3.1.1.15).
	refreshEvery = "PT6H"
	// eventLength is how long an event of a moment is drawn.
	eventLength = 30 * time.Minute
	lineBytes   = 75 // RFC 5545, 3.1: without the line break
)

// Document is a calendar with all its words.
type Document struct {
	Name, Description string
	Product           string // PRODID
	Modified          time.Time
	ID, Language, URL string // of an Atom feed: what it is known by, BCP 47 tag, the page about it
	Events            []Event
}

// Event is one entry. All times are written in UTC.
type Event struct {
	UID                  string
	Summary, Description string
	URL                  string // "": none
	Starts               time.Time
	AllDay               bool // Starts is a day, which the event takes; others take eventLength
	Stamp, Modified      time.Time
	Sequence             int
}

// UID is the name of a token's event: the same for good, whatever the organization is called, and unique in the world
// as RFC 7986, 5.3 wants it. It is a hash, as what the service returns might be any text.
func UID(authorizationID string) string {
	sum := sha256.Sum256([]byte("patdesk token " + strings.ToLower(authorizationID)))
	return strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(sum[:20])) + "@patdesk"
}

// Encode writes the calendar as RFC 5545 wants it: lines of 75 octets at most, ended by CRLF. The same document gives
// the same bytes.
func Encode(d Document) ([]byte, error) {
	cal := ics.NewCalendarFor("")
	cal.CalendarProperties = nil
	cal.SetProductId(d.Product)
	cal.SetVersion("2.0")
	cal.SetCalscale("GREGORIAN")
	cal.SetMethod(ics.MethodPublish)
	cal.SetName(clean(d.Name))
	cal.SetXWRCalName(clean(d.Name))
	cal.SetDescription(clean(d.Description))
	cal.SetXWRCalDesc(clean(d.Description))
	cal.SetRefreshInterval(refreshEvery) // the library's name of it has VALUE=DURATION
	cal.SetXPublishedTTL(refreshEvery)
	if !d.Modified.IsZero() {
		cal.SetLastModified(d.Modified)
	}
	for _, e := range d.Events {
		cal.AddVEvent(e.encode())
	}
	if len(d.Events) == 0 {
		addUTC(cal)
	}
	var b bytes.Buffer
	if err := cal.SerializeTo(&b, ics.WithLineLength(lineBytes), ics.WithNewLineWindows); err != nil {
		return nil, fmt.Errorf("calendar: encoding: %w", err)
	}
	return b.Bytes(), nil
}

// addUTC adds a time zone: a calendar has at least one component (RFC 5545, 3.6), and this is the one that shows nothing.
func addUTC(cal *ics.Calendar) {
	standard := cal.AddTimezone("UTC").AddStandard()
	standard.SetProperty(ics.ComponentPropertyDtStart, "19700101T000000")
	standard.SetProperty(ics.ComponentProperty(ics.PropertyTzoffsetfrom), "+0000")
	standard.SetProperty(ics.ComponentProperty(ics.PropertyTzoffsetto), "+0000")
}

// encode writes an event that doesn't make the person look busy, though it has an end: programs give one without an end
// a length of their own. Its class is left out: programs hide the titles of private events, even in a calendar of one's own.
func (e Event) encode() *ics.VEvent {
	v := ics.NewEvent(e.UID)
	v.SetDtStampTime(e.Stamp)
	if e.AllDay {
		v.SetAllDayStartAt(e.Starts.UTC())
		v.SetAllDayEndAt(e.Starts.UTC().Add(day)) // the end isn't part of it
	} else {
		v.SetStartAt(e.Starts)
		v.SetEndAt(e.Starts.Add(eventLength))
	}
	v.SetSummary(clean(e.Summary))
	v.SetDescription(clean(e.Description))
	v.SetSequence(e.Sequence)
	v.SetModifiedAt(e.Modified)
	v.SetTimeTransparency(ics.TransparencyTransparent)
	if e.URL != "" {
		v.SetURL(e.URL)
	}
	return v
}

// clean leaves out what RFC 5545, 3.1 doesn't allow in a value: control characters but tab and the line breaks, which
// are escaped.
func clean(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return r
		case r < ' ' || r >= 0x7f && r < 0xa0:
			return -1
		}
		return r
	}, strings.ToValidUTF8(text, "\ufffd"))
}

const day = 24 * time.Hour

// Reminders says how long before its end a token's owner is reminded of it, the longest first: 7 days and 1 day. A short
// life has its first reminder in its last quarter, or none where that is within two days of the end. A life of less than
// two days has only that one. life <= 0: it isn't known, and counts as long.
func Reminders(life time.Duration) []time.Duration {
	first := 7 * day
	if life > 0 {
		first = min(first, life/4)
	}
	switch {
	case life > 0 && life < 2*day:
		return []time.Duration{first}
	case first < 2*day:
		return []time.Duration{day}
	default:
		return []time.Duration{first, day}
	}
}
