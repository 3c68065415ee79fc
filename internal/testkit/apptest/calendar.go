package apptest

import (
	"bytes"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/emersion/go-ical"
	"github.com/patdesk/patdesk/internal/webtest"
)

// MadeAddress is the calendar address that the page shows, "" if none.
func MadeAddress(b *webtest.Browser) string {
	return strings.TrimSpace(b.Page.Find("#calendar-address").Text())
}

// FeedFiles are the files at a calendar's address, by their names.
var FeedFiles = []string{"tokens.ics", "tokens.atom", "tokens.json", "metrics"}

// FeedFile is the address of another file beside the calendar.
func FeedFile(calendar, name string) string { return strings.TrimSuffix(calendar, "tokens.ics") + name }

// NewCalendar makes an address on the calendar's page.
func NewCalendar(t *testing.T, b *webtest.Browser, at string) string {
	t.Helper()
	b.Open(at + "/calendar")
	button := "Make an address"
	if b.Has("button", "Make a new address") {
		button = "Make a new address"
	}
	b.Press(button)
	address := MadeAddress(b)
	if b.Status != http.StatusOK || !strings.HasPrefix(address, at+"/calendar/") || !strings.HasSuffix(address, "/tokens.ics") {
		t.Fatalf("%d, %q\n%s", b.Status, address, b.Text())
	}
	return address
}

// FeedAnswer is an answer to a calendar program, which has neither cookies nor a browser.
type FeedAnswer struct {
	Status int
	Header http.Header
	Body   string
}

// ReadFeed asks for a calendar's address as a calendar program does.
func ReadFeed(t *testing.T, d *Program, method, address string, header ...string) FeedAnswer {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Accept-Encoding", "identity")
	request.Header.Set("User-Agent", "Google-Calendar-Importer")
	for i := 0; i+1 < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	answer, err := d.Transport().RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return FeedAnswer{answer.StatusCode, answer.Header, string(body)}
}

// Events are the entries of a calendar by their titles, read with a parser of another kind than the one that wrote it.
func (f FeedAnswer) Events(t *testing.T) map[string]ical.Event {
	t.Helper()
	if f.Status != http.StatusOK || !strings.HasPrefix(f.Header.Get("Content-Type"), "text/calendar; charset=utf-8") {
		t.Fatalf("%d %v\n%s", f.Status, f.Header, f.Body)
	}
	parsed, err := ical.NewDecoder(bytes.NewReader([]byte(f.Body))).Decode()
	if err != nil {
		t.Fatalf("%v\n%s", err, f.Body)
	}
	all := map[string]ical.Event{}
	for _, e := range parsed.Events() {
		title, err := e.Props.Text("SUMMARY")
		if _, twice := all[title]; err != nil || twice {
			t.Errorf("%q: twice %v, %v", title, twice, err)
		}
		all[title] = e
	}
	return all
}

// reminderTitle begins the titles of the entries that remind of a token's end.
const reminderTitle = "Token expires in "

// Reminders are the entries that remind of a token's end, the earliest first.
func (f FeedAnswer) Reminders(t *testing.T, token string) (found []ical.Event) {
	t.Helper()
	for title, e := range f.Events(t) {
		if strings.HasPrefix(title, reminderTitle) && strings.Contains(title, token) {
			found = append(found, e)
		}
	}
	slices.SortFunc(found, func(a, b ical.Event) int {
		return strings.Compare(a.Props.Get("DTSTART").Value, b.Props.Get("DTSTART").Value)
	})
	return found
}

// Event finds the entry of a token's end, or the one with that title.
func (f FeedAnswer) Event(t *testing.T, token string) (ical.Event, bool) {
	t.Helper()
	for title, e := range f.Events(t) {
		if strings.Contains(title, token) && !strings.HasPrefix(title, reminderTitle) {
			return e, true
		}
	}
	return ical.Event{}, false
}

// Has says if there is an entry of a token.
func (f FeedAnswer) Has(t *testing.T, token string) bool {
	t.Helper()
	_, ok := f.Event(t, token)
	return ok || len(f.Reminders(t, token)) > 0
}
