package features

import (
	"net/url"
	"strings"
	"testing"

	"github.com/patdesk/patdesk/internal/testkit/apptest"
)

// A page whose form wasn't accepted says so first, in its title.
func TestTitlesOfRefusedForms(t *testing.T) {
	t.Parallel()
	d := apptest.Start(t, apptest.Seeded())
	b := d.SignedIn(apptest.Mona)
	b.Open(d.URL + "/tokens?organization=contoso").Click("Nightly backup of repositories")
	token := b.URL.String()
	for address, form := range map[string]url.Values{
		d.URL + "/tokens/new":         {"organization": {"contoso"}},
		token + "/edit":               {"name": {""}},
		token + "/rotate":             {"form": {"made up"}},
		token + "/revoke":             {"form": {"made up"}, "confirmed": {"yes"}},
		d.URL + "/bulk":               {"do": {"revoke"}, "form": {"made up"}, "token": {"contoso/" + token[strings.LastIndex(token, "/")+1:]}},
		d.URL + "/calendar/make":      {"form": {"made up"}},
		d.URL + "/organizations?asks": nil,
	} {
		page := b.Twin()
		if form != nil {
			page.Post(address, form)
		} else {
			page.Open(d.URL + "/organizations?organization=not/a/name")
		}
		if title := page.Page.Find("title").Text(); page.Status < 400 || !strings.HasPrefix(title, "Error: ") {
			t.Errorf("%s: %d, titled %q", address, page.Status, title)
		}
	}
}
