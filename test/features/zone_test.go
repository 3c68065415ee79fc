package features

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/patdesk/patdesk/internal/testkit/apptest"
)

// Dates and times are those of the reader's own zone where the browser has said which: the day that a form asks for is
// the day that every page shows.
func TestReadersTimeZone(t *testing.T) {
	t.Parallel()
	now := time.Now().UTC()
	day := now.AddDate(0, 0, 40)
	d := apptest.Start(t, apptest.Options{})
	b := d.SignedIn(apptest.Mona)
	footer := func() string { return strings.Join(strings.Fields(b.Page.Find("footer").Text()), " ") }
	if b.Open(d.URL + "/tokens/new"); !strings.Contains(footer(), "Dates and times are in UTC") || b.Page.Find("input[name=zone]").Length() != 0 {
		t.Errorf("without a zone: %s", footer())
	}
	b.Edit(func(r *http.Request) {
		if r.URL.Port() == strings.Split(d.Address, ":")[1] {
			r.Header.Add("Cookie", "patdesk-zone=Pacific/Auckland")
		}
	})
	b.Open(d.URL + "/tokens/new?organization=contoso")
	if !strings.Contains(footer(), "Dates and times are in Pacific/Auckland") || !strings.Contains(b.Text(), "until that day ends in Pacific/Auckland") {
		t.Errorf("with a zone: %s", b.Text())
	}
	b.Fill("Name", "down under").Choose("Code", "Read").Choose("Expiry", "Custom date").Fill("Date", day.Format(time.DateOnly)).Press("Create token")
	b.Press("I have saved it")
	auckland, err := time.LoadLocation("Pacific/Auckland")
	if err != nil {
		t.Fatal(err)
	}
	want := time.Date(day.Year(), day.Month(), day.Day(), 23, 59, 59, 0, auckland)
	var found bool
	for _, token := range d.Sim.Tokens("contoso") {
		if token.DisplayName == "down under" {
			if found = true; !token.ValidTo.Equal(want) {
				t.Errorf("it ends at %s, asked for was %s", token.ValidTo, want.UTC())
			}
		}
	}
	if !found {
		t.Fatalf("no token was made:\n%s", b.Text())
	}
	shown := b.Open(d.URL + "/tokens?organization=contoso&q=down").Page.Find("time[datetime^='" + want.Format(time.RFC3339) + "']")
	if got, title := shown.Text(), shown.AttrOr("title", ""); got != want.Format("2 Jan 2006") || !strings.HasSuffix(title, "23:59 UTC+13") && !strings.HasSuffix(title, "23:59 UTC+12") {
		t.Errorf("the list shows %q (%s)", got, title)
	}
	same, before, after := want.Format(time.DateOnly), want.AddDate(0, 0, -1).Format(time.DateOnly), want.AddDate(0, 0, 1).Format(time.DateOnly)
	for query, matches := range map[string]bool{"from=" + same + "&to=" + same: true, "from=" + after: false, "to=" + before: false} {
		apptest.OpenWhole(t, b, d.URL+"/tokens?organization=contoso&"+query)
		if got := b.Page.Find("main time[datetime='"+want.Format(time.RFC3339)+"']").Length() > 0; got != matches {
			t.Errorf("%s: %t", query, got)
		}
	}
	b.Edit(func(r *http.Request) { r.Header.Add("Cookie", "patdesk-zone=../../../etc/passwd") })
	if b.Open(d.URL + "/tokens"); b.Status != http.StatusOK || !strings.Contains(footer(), "in UTC") {
		t.Errorf("a hostile zone: %d %s", b.Status, footer())
	}
}
