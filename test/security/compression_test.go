package security

import (
	"net/http"
	"strings"
	"testing"

	"github.com/patdesk/patdesk/internal/testkit/apptest"
)

// BREACH: the length of a compressed page tells what stands in it twice. So no page with a secret is compressed, however
// its reader asks for it, and none that another site asks for in words of its own.
func TestNoSecretIsCompressed(t *testing.T) {
	t.Parallel()
	s := apptest.SetStage(t)
	b, site := s.B, ""
	b.Edit(func(r *http.Request) {
		r.Header.Set("Accept-Encoding", "gzip, deflate, br, zstd")
		if site != "" {
			r.Header.Set("Sec-Fetch-Site", site)
		}
	})
	compressed := func() bool { return b.Header.Get("Content-Encoding") != "" }

	if b.Open(s.D.URL + "/operations/" + s.Waiting); apptest.SecretOf(b) == "" || compressed() {
		t.Errorf("the page of a waiting secret (%t) has the coding %q", apptest.SecretOf(b) != "", b.Header.Get("Content-Encoding"))
	}
	b.Open(s.D.URL+"/tokens/new?organization=contoso").Fill("Name", "just made").Choose("Code", "Read").Press("Create token")
	if apptest.SecretOf(b) == "" || compressed() {
		t.Errorf("the page of a new secret has the coding %q", b.Header.Get("Content-Encoding"))
	}
	if address := apptest.NewCalendar(t, b, s.D.URL); compressed() {
		t.Errorf("the page with the calendar's address %q has the coding %q", address, b.Header.Get("Content-Encoding"))
	}
	if b.Open(s.D.URL + "/calendar"); !compressed() {
		t.Error("the calendar's page isn't compressed where it shows no address")
	}

	const chosen = "/tokens?organization=contoso&q=guess"
	for _, c := range []struct {
		site, path string
		want       bool
	}{
		{"same-origin", chosen, true},
		{"none", chosen, true}, // typed, or a bookmark
		{"", chosen, true},     // padding makes guessing slow where a browser doesn't say
		{"cross-site", chosen, false},
		{"same-site", chosen, false},
		{"cross-site", "/changes", true}, // as after a sign-in
		{"cross-site", "/tokens/new?organization=contoso&name=guess", false},
	} {
		site = c.site
		if b.Open(s.D.URL + c.path); compressed() != c.want || b.Status != http.StatusOK {
			t.Errorf("Sec-Fetch-Site %q, %s: status %d, Content-Encoding %q", c.site, c.path, b.Status, b.Header.Get("Content-Encoding"))
		}
		if !strings.Contains(strings.Join(b.Header.Values("Vary"), ","), "Accept-Encoding") && c.want {
			t.Errorf("%s: Vary %q", c.path, b.Header.Values("Vary"))
		}
	}
}
