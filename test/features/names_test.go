package features

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"
	"golang.org/x/net/html"

	"github.com/patdesk/patdesk/internal/simulator"
	"github.com/patdesk/patdesk/internal/testkit/apptest"
	"github.com/patdesk/patdesk/internal/webtest"
)

// astray finds where a name stands among other words without being kept apart from them: neither in a <bdi> nor between
// isolates. A name written from right to left would move these words.
func astray(b *webtest.Browser, name string) (places []string) {
	b.Page.Find("body, title").Find("*").AddBack().Contents().Each(func(_ int, s *goquery.Selection) {
		node := s.Get(0)
		if node.Type != html.TextNode || !strings.Contains(node.Data, name) {
			return
		}
		if s.Closest("bdi").Length() > 0 || strings.Contains(node.Data, "\u2068"+name+"\u2069") || strings.TrimSpace(node.Data) == name && s.Closest("svg, title").Length() > 0 {
			return
		}
		places = append(places, webtest.Fold(node.Data))
	})
	return places
}

// On every page that names a token, a name from right to left leaves its neighbours alone.
func TestNamesDoNotDisturbTheirNeighbours(t *testing.T) {
	t.Parallel()
	const name = "اسم الرمز 7"
	d := apptest.Start(t, apptest.Seeded())
	d.Sim.AddToken(simulator.Token{AuthorizationID: "5e7c0000-0000-4000-8000-00000000fffe", DisplayName: name, Organization: "contoso", Owner: simulator.Mona, Scope: "app_token", ValidTo: time.Now().AddDate(0, 0, 5)})
	b := d.SignedIn(apptest.Mona)
	named := 0
	check := func(what string) {
		t.Helper()
		if strings.Contains(b.Text(), name) {
			named++
		}
		if b.Status == http.StatusInternalServerError {
			t.Errorf("%s: %d", what, b.Status)
		}
		for _, place := range astray(b, name) {
			t.Errorf("%s: not kept apart in %q", what, place)
		}
	}
	const token = "/tokens/contoso/5e7c0000-0000-4000-8000-00000000fffe"
	for _, path := range []string{"/tokens?organization=contoso", token, token + "/edit", token + "/revoke", token + "/rotate"} {
		b.Open(d.URL + path)
		check(path)
	}
	apptest.OpenWhole(t, b, d.URL+"/tokens")
	check("/overview")
	b.Open(d.URL + token + "/rotate").Press("Rotate")
	check("the operation")
	b.Open(d.URL + "/tokens?organization=contoso")
	check("the notice")
	b.Open(d.URL + "/changes")
	check("/changes")
	b.Click("Rotated " + name).Press("I have saved it")
	check("saved")
	b.Press("Revoke the old token")
	check("finished")
	b.Open(d.URL+"/tokens?organization=contoso&q=7").Click(name).Click("Edit").Fill("Name", name+" b")
	d.Sim.SetFault("resetAfterDoing", simulator.FaultOptions{Call: simulator.CallUpdate, Times: 1})
	d.Sim.SetFault("serverError500", simulator.FaultOptions{Call: simulator.CallGet})
	b.Press("Save changes")
	check("an unknown outcome")
	if named < 10 {
		t.Errorf("only %d pages named the token", named)
	}
}
