package features

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/patdesk/patdesk/internal/testkit/apptest"
	"github.com/patdesk/patdesk/internal/webtest"
)

// What ends within 30 days is named on the page that signing in leads to, and 20 tokens of three organizations are
// revoked from the list by a box, a button and a confirmation.
func TestEffortOfManyTokens(t *testing.T) {
	t.Parallel()
	d, _ := apptest.StartWithTokens(t, 3, 100, apptest.Options{})
	b := apptest.OpenWhole(t, d.SignedIn(apptest.Mona), d.URL+"/overview")
	named := webtest.Fold(b.Page.Find("#overview-attention").Text())
	for n := range 30 { // the n-th ends in n+1 days
		for place := range 3 {
			if name := fmt.Sprintf("org-%02d token %03d", place+1, n); !strings.Contains(named, name) {
				t.Errorf("%s isn't named", name)
			}
		}
	}
	apptest.PickAll(b, d.URL+"/tokens?q=token+00", "Revoke selected").Press("Revoke 30 tokens")
	if apptest.WaitForBatch(t, b); d.Sim.Revoked() != 30 {
		t.Errorf("%d revoked\n%s", d.Sim.Revoked(), apptest.Says(b))
	}
}

// What is ticked goes along, without scripts, where the list is sorted, narrowed down or shown in another status.
func TestSelectionOutlivesTheView(t *testing.T) {
	t.Parallel()
	d, b := apptest.StartWithTokens(t, 2, 3, apptest.Options{})
	apptest.OpenWhole(t, b, d.URL+"/tokens")
	apptest.Tick(b, "org-01 token 000, org-01", "org-02 token 001, org-02").Press("Name")
	b.Fill("Search", "org-02").Press("Search")
	b.Press("Expired").Press("Active")
	if says := apptest.Says(b); !strings.Contains(says, "2 selected in 2 organizations") || !strings.Contains(says, "1 of them isn't shown here") {
		t.Errorf("%s: %s", b.URL, says)
	}
	if b.Press("Revoke selected"); b.Heading() != "Revoke 2 tokens?" {
		t.Errorf("%d %q", b.Status, b.Heading())
	}
	if old, _ := url.Parse(d.URL + "/overview?is=high&sort=name"); b.Open(old.String()).URL.Path != "/tokens" || b.URL.Query().Get("is") != "high" {
		t.Errorf("an old address leads to %s", b.URL)
	}
}
