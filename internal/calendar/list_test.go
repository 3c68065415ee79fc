package calendar_test

import (
	"bytes"
	"encoding/xml"
	"net/http"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/patdesk/patdesk/internal/calendar"
)

func linkTo(organization, id string) string {
	return "https://patdesk.example/tokens/" + organization + "/" + id
}

// listOf is the list of one organization's tokens with these names, and of another that was never read.
func listOf(names ...string) calendar.List {
	part := calendar.Part{Organization: "contoso", Read: noon}
	for i, name := range names {
		e := ending(strings.Repeat("i", i+1), name, 40)
		e.Begins = noon
		part.Expiries = append(part.Expiries, e)
	}
	return calendar.ListOf(calendar.Feed{Refreshed: noon}, []calendar.Part{part, {Organization: "fabrikam", Failed: noon}}, linkTo)
}

// metricsOf reads the text form as Prometheus does.
func metricsOf(t *testing.T, l calendar.List) (samples map[string]int, labels []map[string]string) {
	t.Helper()
	content, contentType, err := calendar.EncodeMetrics(l, http.Header{"Accept": {"text/plain"}})
	if err != nil || !strings.HasPrefix(contentType, "text/plain; version=0.0.4") {
		t.Fatal(contentType, err)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(content))
	if err != nil {
		t.Fatalf("%v\n%s", err, content)
	}
	samples = map[string]int{}
	for name, f := range families {
		seen := map[string]bool{}
		for _, m := range f.Metric {
			all, key := map[string]string{}, ""
			for _, l := range m.Label {
				all[l.GetName()] = l.GetValue()
				key += l.GetName() + "\x00" + l.GetValue() + "\x00"
			}
			if seen[key] {
				t.Errorf("%s has a series twice: %q", name, key)
			}
			seen[key] = true
			samples[name]++
			if name == "patdesk_token_expiry_timestamp_seconds" {
				labels = append(labels, all)
				if at := time.UnixMilli(int64(m.GetGauge().GetValue() * 1000)); !at.Equal(noon.AddDate(0, 0, 40)) {
					t.Errorf("%q ends at %s", all["name"], at)
				}
			}
		}
	}
	return samples, labels
}

// Names that repeat, and what would end a label, are labels like all others.
func TestMetricsOfAnyNames(t *testing.T) {
	t.Parallel()
	names := []string{"twin", "twin", "", `"} 1`, `back\slash`, "line\nbreak", "\u2068اسم\u2069", "🤖", "a=\"b\",c", "# EOF", "\\\""}
	samples, labels := metricsOf(t, listOf(names...))
	if samples["patdesk_token_expiry_timestamp_seconds"] != len(names) || samples["patdesk_token_reminder_timestamp_seconds"] != len(names) || samples["patdesk_organization_read_timestamp_seconds"] != 1 || samples["patdesk_organization_read_success"] != 2 {
		t.Errorf("%v", samples)
	}
	for i, l := range labels {
		want := strings.Trim(names[i], "\u2068\u2069")
		if l["name"] != want || l["organization"] != "contoso" || l["authorization_id"] == "" {
			t.Errorf("%q is labelled %q", names[i], l)
		}
	}
}

// A new address has no tokens yet.
func TestMetricsOfNothing(t *testing.T) {
	t.Parallel()
	samples, _ := metricsOf(t, calendar.ListOf(calendar.Feed{}, nil, linkTo))
	if len(samples) != 1 || samples["patdesk_tokens_refreshed_timestamp_seconds"] != 1 {
		t.Errorf("%v", samples)
	}
}

func TestMetricsHaveTheFormThatIsAskedFor(t *testing.T) {
	t.Parallel()
	const open, plain = "application/openmetrics-text; version=1.0.0; charset=utf-8", "text/plain; version=0.0.4; charset=utf-8"
	for accept, want := range map[string]string{
		"": plain, "*/*": plain, "text/html": plain, "text/plain;version=0.0.4": plain,
		"application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1":                                                                 open,
		"application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited,application/openmetrics-text;version=1.0.0;q=0.8,text/plain;version=0.0.4;q=0.5":                            open,
		"application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;q=0.3,*/*;q=0.2": open,
	} {
		content, got, err := calendar.EncodeMetrics(listOf("ci"), http.Header{"Accept": {accept}})
		if err != nil || !strings.HasPrefix(got, want) || strings.HasSuffix(string(content), "# EOF\n") != (want == open) {
			t.Errorf("%q: %s, %v\n%s", accept, got, err, content)
		}
	}
}

// promtool reads it, and finds nothing to say of names and helps.
func TestMetricsForPromtool(t *testing.T) {
	t.Parallel()
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Fatalf("promtool is missing; scripts/test-deps installs it: %v", err)
	}
	content, _, err := calendar.EncodeMetrics(listOf("twin", "twin", `"} 1`), http.Header{})
	if err != nil {
		t.Fatal(err)
	}
	check := exec.CommandContext(t.Context(), promtool, "check", "metrics")
	check.Stdin = bytes.NewReader(content)
	if output, err := check.CombinedOutput(); err != nil || len(output) > 0 {
		t.Errorf("%v\n%s", err, output)
	}
}

func TestListSaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	read := calendar.Part{Organization: "contoso", Read: noon}
	full, undated, failed := read, read, read
	full.Left, undated.Undated, failed.Failed = 3, 1, noon.Add(time.Hour)
	for name, c := range map[string]struct {
		parts    []calendar.Part
		complete bool
	}{
		"nothing read": {nil, false}, "read": {[]calendar.Part{read}, true}, "too many": {[]calendar.Part{read, full}, false},
		"undated": {[]calendar.Part{undated}, false}, "failed": {[]calendar.Part{failed}, false},
	} {
		if l := calendar.ListOf(calendar.Feed{}, c.parts, linkTo); l.Complete != c.complete || len(l.Organizations) != len(c.parts) {
			t.Errorf("%s: %+v", name, l)
		}
	}
}

// A global token is in the list of every organization, and once in the list; tokens are in the order of their ends.
func TestListHasEachTokenOnce(t *testing.T) {
	t.Parallel()
	global := ending("g", "vsce", 5)
	global.Global = true
	l := calendar.ListOf(calendar.Feed{}, []calendar.Part{
		{Organization: "contoso", Read: noon, Expiries: []calendar.Expiry{global, ending("a", "ci", 9)}},
		{Organization: "fabrikam", Read: noon, Expiries: []calendar.Expiry{ending("b", "ci", 2), global}},
	}, linkTo)
	var ids []string
	for _, one := range l.Tokens {
		ids = append(ids, one.AuthorizationID+" "+one.Organization)
	}
	if !slices.Equal(ids, []string{"b fabrikam", "g ", "a contoso"}) || !l.Tokens[1].Global || l.Organizations[0].Tokens != 2 {
		t.Errorf("%q %+v", ids, l)
	}
}

// An attempt that failed is noted beside what was read before, until one succeeds; it makes nothing younger.
func TestReadingsThatFail(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	miss := func(organization string, begun time.Time) {
		t.Helper()
		if err := s.Miss(t.Context(), mona, organization, begun); err != nil {
			t.Fatal(err)
		}
	}
	miss("contoso", s.Now())
	if parts := s.parts(mona); len(parts) != 0 {
		t.Errorf("kept for a person without an address: %+v", parts)
	}
	s.make(mona, "form")
	s.refresh(mona, "contoso", ending("a", "ci", 40))
	read := s.Now()
	miss("contoso", read.Add(-time.Minute)) // overtaken by the reading
	if p := s.parts(mona)[0]; !p.Failed.IsZero() {
		t.Errorf("an older attempt counts: %+v", p)
	}
	s.Move(time.Minute)
	failed := s.Now()
	miss("contoso", failed)
	miss("fabrikam", failed) // never read
	s.Move(time.Minute)
	miss("contoso", s.Now()) // the same again
	parts := s.parts(mona)
	if len(parts) != 2 || !parts[0].Failed.Equal(failed) || !parts[0].Read.Equal(read) || len(parts[0].Expiries) != 1 || !parts[1].Failed.Equal(failed) || !parts[1].Read.IsZero() {
		t.Fatalf("%+v", parts)
	}
	if kept, _ := s.Of(t.Context(), mona); !kept.Refreshed.Equal(read) {
		t.Errorf("refreshed at %s", kept.Refreshed)
	}
	s.refresh(mona, "contoso", ending("a", "ci", 40)) // nothing new but that it can be read
	s.refresh(mona, "fabrikam")
	if parts := s.parts(mona); !parts[0].Failed.IsZero() || !parts[1].Failed.IsZero() || parts[1].Read.IsZero() {
		t.Errorf("still failed: %+v", parts)
	}
	kept, _ := s.Of(t.Context(), mona)
	if _, err := s.Revoke(t.Context(), mona, kept.Address); err != nil {
		t.Fatal(err)
	}
	if miss("contoso", s.Now().Add(time.Hour)); len(s.parts(mona)) != 0 {
		t.Error("kept after the address was revoked")
	}
}

// An Atom feed as it is read back.
type atom struct {
	XMLName xml.Name `xml:"http://www.w3.org/2005/Atom feed"`
	ID      string   `xml:"http://www.w3.org/2005/Atom id"`
	Updated string   `xml:"http://www.w3.org/2005/Atom updated"`
	Entries []struct {
		ID      string `xml:"http://www.w3.org/2005/Atom id"`
		Title   string `xml:"http://www.w3.org/2005/Atom title"`
		Updated string `xml:"http://www.w3.org/2005/Atom updated"`
	} `xml:"http://www.w3.org/2005/Atom entry"`
}

func atomOf(t *testing.T, d calendar.Document, now time.Time) (a atom) {
	t.Helper()
	content, err := calendar.EncodeAtom(d, now)
	if err == nil {
		err = xml.Unmarshal(content, &a)
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, content)
	}
	ids := map[string]bool{}
	for _, e := range a.Entries {
		if ids[e.ID] || !regexp.MustCompile(`^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`).MatchString(e.ID) || e.Updated > a.Updated {
			t.Errorf("%+v", e)
		}
		ids[e.ID] = true
	}
	return a
}

// Entries appear when their time has come, stay as they are, and are updated by a change alone.
func TestAtomEntriesAreStable(t *testing.T) {
	t.Parallel()
	event := calendar.Event{UID: calendar.UID("a"), Summary: "ends <soon> & \x01", Starts: noon, Modified: noon.Add(-time.Hour)}
	later := event
	later.Starts = noon.Add(time.Hour)
	d := calendar.Document{ID: "feed", Name: "n", Modified: noon.Add(-48 * time.Hour), Events: []calendar.Event{later, event}}
	if early := atomOf(t, d, noon.Add(-time.Second)); len(early.Entries) != 0 || early.Updated != d.Modified.Format(time.RFC3339) {
		t.Errorf("%+v", early)
	}
	first := atomOf(t, d, noon)
	if len(first.Entries) != 1 || first.Entries[0].Title != "ends <soon> & " || first.Entries[0].Updated != noon.Format(time.RFC3339) {
		t.Fatalf("%+v", first)
	}
	both := atomOf(t, d, later.Starts)
	if len(both.Entries) != 2 || both.Entries[1] != first.Entries[0] || both.ID != first.ID {
		t.Errorf("%+v", both)
	}
	renamed := d
	renamed.Events = []calendar.Event{event}
	renamed.Events[0].Summary, renamed.Events[0].Modified = "another", noon.Add(time.Minute)
	if got := atomOf(t, renamed, later.Starts).Entries[0]; got.ID != first.Entries[0].ID || got.Updated != noon.Add(time.Minute).Format(time.RFC3339) {
		t.Errorf("renamed: %+v", got)
	}
	if moved := both.Entries[0]; moved.ID == first.Entries[0].ID {
		t.Error("a token whose end was moved isn't reminded of anew")
	}
}
