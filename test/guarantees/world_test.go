package guarantees

import (
	"net/url"
	"os"

	"github.com/patdesk/patdesk/internal/testkit"
	"github.com/patdesk/patdesk/internal/testkit/apptest"
	"github.com/patdesk/patdesk/internal/webtest"
)

// What the tests of docs/guarantees.md stand on: the program as real processes that can be held at a point of their
// work and killed there, and a way to send a form that survives that.

// restart starts the process again on the same data.
func restart(m *apptest.Member) {
	m.Site.T.Helper()
	m.Kill()
	m.Start()
}

// goOnTo lets the held worker go on to another point.
func goOnTo(m *apptest.Member, point string) {
	m.Site.T.Helper()
	m.HoldAt(point)
	testkit.Must(m.Site.T, os.Remove(m.Hold+".held"))
	m.Held()
}

// createForm fills the form for a new token and returns what pressing its button would send.
func createForm(b *webtest.Browser, home, organization, name string) (to *url.URL, form url.Values) {
	b.Open(home+"/tokens/new"+apptest.Query("organization", organization)).Fill("Name", name).Choose("Code", "Read")
	_, to, form = b.Form("Create token")
	return to, form
}
