package features

import (
	"io"
	"net/http"
	"testing"

	"github.com/patdesk/patdesk/internal/testkit/apptest"
	"github.com/patdesk/patdesk/internal/webtest"
)

// BenchmarkOverview measures what ten organizations with 300 tokens each cost, through the front door, in the same
// process as the services: "first" reads everything anew, the others look at what was read. docs/limits.md has the
// figures.
func BenchmarkOverview(b *testing.B) {
	d := apptest.Start(b, apptest.Options{Sim: apptest.ManyTokens(10)})
	apptest.FillOrganizations(d.Sim, 300)
	browser := apptest.OpenWhole(b, d.SignedIn(apptest.Mona), d.URL+"/tokens")
	cookie := browser.Jar().Cookies(browser.URL)
	get := func(b *testing.B, path string) {
		b.Helper()
		request, err := http.NewRequestWithContext(b.Context(), http.MethodGet, d.URL+path, http.NoBody)
		if err != nil {
			b.Fatal(err)
		}
		for _, c := range cookie {
			request.AddCookie(c)
		}
		answer, err := d.Transport().RoundTrip(request)
		if err != nil {
			b.Fatal(err)
		}
		defer answer.Body.Close()
		n, err := io.Copy(io.Discard, answer.Body)
		if err != nil || answer.StatusCode >= http.StatusBadRequest {
			b.Fatalf("%s: %d, %v", path, answer.StatusCode, err)
		}
		b.ReportMetric(float64(n)/1024, "KiB/page")
	}
	b.Run("first", func(b *testing.B) {
		for b.Loop() {
			get(b, "/tokens?retry=") // forgets everything
			get(b, "/overview")
		}
	})
	apptest.OpenWhole(b, browser, d.URL+"/tokens")
	feed := newCalendarAddress(b, browser, d)
	for name, path := range map[string]string{
		"page": "/tokens", "search": "/tokens?q=token+299", "filter": "/tokens?is=high&within=30&sort=name", "last": "/tokens?page=15",
		"print": "/tokens?rows=all", "json": "/tokens.json", "calendar": feed,
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				get(b, path)
			}
		})
	}
}

// newCalendarAddress is the path of a new calendar address.
func newCalendarAddress(b *testing.B, browser *webtest.Browser, d *apptest.Program) string {
	b.Helper()
	browser.Open(d.URL + "/calendar").Press("Make an address")
	return apptest.MadeAddress(browser)[len(d.URL):]
}
