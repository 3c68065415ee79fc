package calendar_test

import (
	"bytes"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/emersion/go-ical"

	"github.com/patdesk/patdesk/internal/calendar"
)

var hostileNames = []string{
	"plain", "", " ", strings.Repeat("n", 1000), strings.Repeat("long words ", 91), strings.Repeat("ü", 500), strings.Repeat("🤖", 250), strings.Repeat("e\u0301", 300),
	"جسر التقارير اليومية", "\u202eevil\u2066", "a;b,c:d\\e\"f'g", "one\ntwo\r\nthree\rfour", "tab\tbell\anul\x00del\x7fnext\u0085", "BEGIN:VEVENT\r\nSUMMARY:x", "\\n \\, \\;",
	strings.Repeat("<a> ", 100), "\xff\xfe broken", strings.Repeat("x", 66) + "é", strings.Repeat(",", 200), "END:VCALENDAR", "=HYPERLINK(1)", strings.Repeat("x ", 33) + "\n\n",
}

// printed is what of a text may stand in a calendar.
func printed(text string) string {
	text = strings.ToValidUTF8(text, "\ufffd")
	return strings.Map(func(r rune) rune {
		if r != '\n' && r != '\t' && (r < ' ' || r >= 0x7f && r < 0xa0) {
			return -1
		}
		return r
	}, text)
}

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func documentOf(names ...string) calendar.Document {
	d := calendar.Document{Name: "Tokens; of, Mona", Description: "All\nof them", Product: "-//patdesk//EN", Modified: noon}
	for i, name := range names {
		d.Events = append(d.Events, calendar.Event{
			UID: calendar.UID(name), Summary: name, Description: name + "\n" + name, URL: "https://desk.example/tokens/a%20b/" + strings.Repeat("c", 100),
			Starts: noon.Add(time.Duration(i) * time.Hour).In(time.FixedZone("east", 7200)), Stamp: noon, Modified: noon.Add(-time.Hour), Sequence: i,
		})
	}
	return d
}

// checkCalendar holds a calendar against RFC 5545 with a parser of another kind than the one that wrote it, and against
// what was put in.
func checkCalendar(t *testing.T, d calendar.Document) {
	t.Helper()
	content, err := calendar.Encode(d)
	if err != nil {
		t.Fatal(err)
	}
	if !utf8.Valid(content) || !bytes.HasSuffix(content, []byte("\r\n")) {
		t.Errorf("not UTF-8, or without an end: %q", content)
	}
	for line := range strings.SplitSeq(strings.TrimSuffix(string(content), "\r\n"), "\r\n") {
		if len(line) > 75 || line == "" || !utf8.ValidString(line) || strings.ContainsAny(line, "\r\n\x00\x07\x7f") {
			t.Errorf("a line of %d octets: %q", len(line), line)
		}
	}
	checkParameters(t, string(content))
	parsed, err := ical.NewDecoder(bytes.NewReader(content)).Decode()
	if err != nil {
		t.Fatalf("%v\n%s", err, content)
	}
	text := func(p ical.Props, name string) string {
		value, err := p.Text(name)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		return value
	}
	for name, want := range map[string]string{
		"VERSION": "2.0", "PRODID": "-//patdesk//EN", "METHOD": "PUBLISH", "CALSCALE": "GREGORIAN", "NAME": d.Name, "X-WR-CALNAME": d.Name, "DESCRIPTION": d.Description,
	} {
		if got := text(parsed.Props, name); got != want {
			t.Errorf("%s is %q", name, got)
		}
	}
	if p := parsed.Props.Get("REFRESH-INTERVAL"); p == nil || p.Value != "PT6H" || p.ValueType() != ical.ValueDuration || parsed.Props.Get("X-PUBLISHED-TTL").Value != "PT6H" {
		t.Errorf("the interval is %+v", p)
	}
	events := parsed.Events()
	if len(events) != len(d.Events) || len(parsed.Children) != max(1, len(d.Events)) {
		t.Fatalf("%d events of %d", len(events), len(d.Events))
	}
	for i, e := range events {
		want := d.Events[i]
		for name, value := range map[string]string{"UID": want.UID, "SUMMARY": printed(want.Summary), "DESCRIPTION": printed(want.Description), "TRANSP": "TRANSPARENT"} {
			if got := text(e.Props, name); got != value {
				t.Errorf("%s is %q, not %q", name, got, value)
			}
		}
		if start, err := e.DateTimeStart(time.UTC); err != nil || !start.Equal(want.Starts) || !want.AllDay && !strings.HasSuffix(e.Props.Get("DTSTART").Value, "Z") {
			t.Errorf("starts at %s, %v", start, err)
		}
		if uri, err := e.Props.URI("URL"); want.URL != "" && (err != nil || uri.String() != want.URL) {
			t.Errorf("the address is %s, %v", uri, err)
		}
		end, err := e.DateTimeEnd(time.UTC)
		if length := end.Sub(want.Starts); err != nil || !want.AllDay && length != 30*time.Minute || want.AllDay && length != 24*time.Hour {
			t.Errorf("ends at %s, %v", end, err)
		}
		if len(e.Children) != 0 || e.Props.Get("CLASS") != nil {
			t.Errorf("there is more in it: %+v %+v", e.Props, e.Children)
		}
	}
}

// checkParameters looks for a parameter that a property has twice (RFC 5545, 3.2 gives each one place), and for a
// property that a component has twice where it may have one.
func checkParameters(t *testing.T, content string) {
	t.Helper()
	var seen map[string]bool
	for line := range strings.SplitSeq(strings.ReplaceAll(content, "\r\n ", ""), "\r\n") {
		if strings.HasPrefix(line, "BEGIN:") {
			seen = map[string]bool{}
			continue
		}
		head, _, _ := strings.Cut(line, ":")
		name, params, _ := strings.Cut(head, ";")
		if seen[name] && name != "END" && name != "" {
			t.Errorf("%s stands twice in a component", name)
		}
		seen[name] = true
		has := map[string]bool{}
		for param := range strings.SplitSeq(params, ";") {
			if key, _, _ := strings.Cut(param, "="); has[key] {
				t.Errorf("a property has a parameter twice: %q", line)
			} else {
				has[key] = true
			}
		}
	}
}

func TestCalendarsAreReadBackAsWritten(t *testing.T) {
	t.Parallel()
	checkCalendar(t, documentOf())
	checkCalendar(t, documentOf(hostileNames...))
	day := documentOf("plain")
	day.Events[0].AllDay, day.Events[0].Starts, day.Events[0].URL = true, noon.Truncate(24*time.Hour), ""
	checkCalendar(t, day)
}

func FuzzEncode(f *testing.F) {
	for _, name := range hostileNames {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) { checkCalendar(t, documentOf(name, name)) })
}

// The same token has the same UID, whatever its letters' case; two tokens have two.
func TestUID(t *testing.T) {
	t.Parallel()
	a, b := calendar.UID("5E7C0000-0000-4000-8000-0000000000AB"), calendar.UID("5e7c0000-0000-4000-8000-0000000000ab")
	if a != b || a == calendar.UID("another") || strings.Contains(a, "5e7c") || len(a) != 40 {
		t.Errorf("%s %s", a, b)
	}
}
