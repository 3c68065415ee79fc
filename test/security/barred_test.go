package security

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/patdesk/patdesk/internal/simulator"
	"github.com/patdesk/patdesk/internal/testkit/apptest"
	"github.com/patdesk/patdesk/internal/webtest"
)

// A tenant that is taken out of ALLOWED_TENANTS is out at the next request: its sessions are over, with a page that
// says why and leads nowhere by itself, and its calendars are unknown addresses. People of other tenants go on, also in
// that browser.
func TestTenantTakenOut(t *testing.T) {
	t.Parallel()
	const aiko = "Aiko Tanaka"
	o := apptest.Seeded()
	dir := t.TempDir() + "/sessions"
	o.Env = map[string]string{"SESSION_DIR": dir}
	f, programs := apptest.StartBehind(t, apptest.PublicAddress{}, 1, o)
	d := programs[0]
	b, other, elsewhere := d.SignedInAt(apptest.Mona, "/changes"), d.SignedInAt(aiko, "/changes"), d.SignedInAt(apptest.Mona, "/changes")
	feed := apptest.NewCalendar(t, b, f.URL)
	tag := webtest.New(t, d.Transport()).OpenOnce(feed).Header.Get("ETag")
	b.Open(f.URL + "/tokens/new?organization=contoso")
	_, to, form := b.Form("Create token")

	after := apptest.Seeded()
	after.Env = map[string]string{"SESSION_DIR": dir, "BASE_URL": f.URL, "ALLOWED_TENANTS": simulator.OtherTenantID}
	now := apptest.StartOn(t, d.Sim, after, dir)
	f.Targets = append(f.Targets, &url.URL{Scheme: "http", Host: now.Address})
	f.Use(1)
	calls := len(d.Sim.Requests())

	barred := func(b *webtest.Browser) {
		t.Helper()
		apptest.CheckFailure(t, b, http.StatusForbidden)
		if !strings.Contains(b.Text(), "Your company is no longer allowed here") || !b.Has("link", "Sign in") || b.Has("button", "Sign out") {
			t.Errorf("%s: %d\n%s", b.URL, b.Status, b.Text())
		}
	}
	b.Post(to.String(), form)
	barred(b)
	for _, path := range []string{"/", "/tokens", "/sign-in"} { // the session is over: from here on it is like any first visit
		if b.Open(f.URL + path); b.Status != http.StatusOK || !b.Has("link", "Sign in") {
			t.Errorf("%s: %d\n%s", path, b.Status, b.Text())
		}
	}
	elsewhere.Open(f.URL + "/")
	barred(elsewhere)
	for _, condition := range []string{"", tag} {
		reader := webtest.New(t, d.Transport())
		reader.Edit(func(r *http.Request) { r.Header.Set("If-None-Match", condition) })
		unknown := webtest.New(t, d.Transport()).OpenOnce(f.URL + "/calendar/unknown/tokens.ics")
		for _, file := range apptest.FeedFiles {
			if reader.OpenOnce(apptest.FeedFile(feed, file)); reader.Status != http.StatusNotFound || reader.Body != unknown.Body {
				t.Errorf("%s: %d %s", file, reader.Status, reader.Body)
			}
		}
	}
	if n := len(d.Sim.Requests()) - calls; n != 0 || d.Sim.Created() != 0 {
		t.Errorf("%d calls were made for people who aren't let in", n)
	}
	if other.Open(f.URL + "/changes"); other.Status != http.StatusOK || !other.Has("button", "Sign out") {
		t.Errorf("another tenant: %d\n%s", other.Status, other.Text())
	}
	// Somebody who is let in signs in where a barred session still is: nothing stands in the way.
	f.Use(0)
	shared := d.SignedInAt(apptest.Mona, "/changes")
	f.Use(1)
	shared.Open(f.URL + "/sign-in?return=/changes")
	apptest.SignIn(shared, aiko)
	if shared.Status != http.StatusOK || !shared.Has("button", "Sign out") {
		t.Errorf("%s: %d\n%s", shared.URL, shared.Status, shared.Text())
	}
	f.Use(0)
	if b.Open(f.URL + "/changes"); b.Has("button", "Sign out") {
		t.Error("the session goes on where the setting is another one: it wasn't ended")
	}
}
