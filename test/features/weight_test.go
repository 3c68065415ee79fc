package features

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"

	"github.com/patdesk/patdesk/internal/testkit/apptest"
	"github.com/patdesk/patdesk/internal/webtest"
)

// What a first visit brings to a browser, compressed, stays below these bounds: a page with its styles, scripts and
// icon.
func TestFirstVisitIsLight(t *testing.T) {
	t.Parallel()
	const kilobyte = 1000
	d, b := apptest.StartWithTokens(t, 3, 100, apptest.Options{})
	apptest.OpenWhole(t, b, d.URL+"/overview")
	b.Open(d.URL + "/tokens?organization=org-01").Click("org-01 token 001")
	token := b.URL.Path
	b.Open(d.URL+"/tokens/new?organization=org-01").Fill("Name", "light").Choose("Code", "Read").Press("Create token")
	operation := b.URL.Path
	for path, most := range map[string]int{
		"/overview": 40 * kilobyte, "/signed-out": 30 * kilobyte, "/tokens?organization=org-01": 30 * kilobyte, "/tokens": 40 * kilobyte, "/tokens/new?organization=org-01": 30 * kilobyte,
		token: 30 * kilobyte, token + "/edit": 30 * kilobyte, token + "/rotate": 30 * kilobyte, token + "/revoke": 30 * kilobyte, operation: 30 * kilobyte, "/changes": 30 * kilobyte,
		"/scopes": 30 * kilobyte, "/calendar": 30 * kilobyte, "/sessions": 30 * kilobyte, "/global-tokens": 30 * kilobyte, "/organizations": 30 * kilobyte, "/nowhere": 30 * kilobyte,
	} {
		b := b
		if path == "/signed-out" {
			b, path = d.Browser(), "/"
		}
		page := b.Open(d.URL + path).Page
		total, parts := sent(t, d, b, b.URL.RequestURI()), []string{}
		page.Find("link[rel=stylesheet], link[rel=icon], script[src]").Each(func(_ int, s *goquery.Selection) {
			address := s.AttrOr("src", s.AttrOr("href", ""))
			size := sent(t, d, b, address)
			total += size
			parts = append(parts, fmt.Sprintf("%s %d", address, size))
		})
		if total > most {
			t.Errorf("%s: %d bytes, more than %d: %s", path, total, most, strings.Join(parts, ", "))
		}
		t.Logf("%6d %s", total, path)
	}
}

// sent is how many bytes an address is answered with.
func sent(t *testing.T, d *apptest.Program, b *webtest.Browser, path string) int {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, d.URL+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range b.Jar().Cookies(request.URL) {
		request.AddCookie(c)
	}
	request.Header.Set("Accept-Encoding", "gzip")
	answer, err := d.Transport().RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if path != "/nowhere" && answer.StatusCode != http.StatusOK {
		t.Errorf("%s: %d to %s", path, answer.StatusCode, answer.Header.Get("Location"))
	}
	n, err := io.Copy(io.Discard, answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return int(n)
}

// A row takes less than 500 bytes of a list, a list of 100 tokens less than 60 KB.
func TestRowsAreShort(t *testing.T) {
	t.Parallel()
	d, b := apptest.StartWithTokens(t, 1, 100, apptest.Options{})
	b.Open(d.URL + "/tokens?organization=org-01")
	_, rows, _ := strings.Cut(b.Body, `<tbody id="token-rows"`)
	rows, _, _ = strings.Cut(rows, "</tbody>")
	if n := strings.Count(rows, "<tr"); n == 0 || len(rows)/n >= 500 || len(b.Body) > 60_000 {
		t.Errorf("%d rows of %d bytes, a page of %d:\n%.1500s", n, len(rows)/max(n, 1), len(b.Body), rows)
	}
}
