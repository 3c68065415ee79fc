package features

import (
	"net/http"
	"testing"

	"github.com/patdesk/patdesk/internal/testkit/apptest"
)

// The colours that are chosen at the foot of a page last: in this browser, through signing in and out, on pages of
// failures too.
func TestThemeLasts(t *testing.T) {
	t.Parallel()
	d := apptest.Start(t, apptest.Options{})
	b := d.Browser()
	is := func(when, want string) {
		t.Helper()
		if got := b.Page.Find("html").AttrOr("data-theme", ""); got != want {
			t.Errorf("%s: theme %q, want %q", when, got, want)
		}
	}
	is("at first", "")
	b.Open(d.URL + "/sign-in?return=%2Fscopes").Press("Dark")
	if is("chosen", "dark"); b.URL.Path != "/sign-in" || b.URL.Query().Get("return") != "/scopes" {
		t.Errorf("leads to %s", b.URL)
	}
	b.Click("Sign in").Press("Continue as " + apptest.Mona)
	is("signed in", "dark")
	b.Open(d.URL + "/no/such/page")
	is("a page that isn't there", "dark")
	b.Press("Sign out")
	is("signed out", "dark")
	b.Open(d.URL).Press("Light")
	is("chosen again", "light")
	b.Open(d.URL).Press("System")
	is("forgotten", "")
	if b.Post(d.URL+"/theme", map[string][]string{"theme": {"plaid"}}); b.Status != http.StatusBadRequest {
		t.Errorf("colours that aren't offered: %d", b.Status)
	}
}
