package test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"

	"github.com/patdesk/patdesk/internal/simulator"
	"github.com/patdesk/patdesk/internal/testkit"
	"github.com/patdesk/patdesk/internal/webtest"
)

// pickAll opens a list, ticks all that match and presses the button.
func pickAll(b *webtest.Browser, address, button string) *webtest.Browser {
	b.Open(address)
	all := b.Page.Find("label[for=pick-all]").Text()
	return b.Check(webtest.Fold(all)).Press(button)
}

// tick ticks single tokens of the list that is shown.
func tick(b *webtest.Browser, names ...string) *webtest.Browser {
	for _, name := range names {
		b.Check("Choose " + name)
	}
	return b
}

// ended opens the batch's page again until nothing is at work on it.
func ended(t testing.TB, b *webtest.Browser) *webtest.Browser {
	t.Helper()
	testkit.Until(t, "the batch has ended", func() bool {
		b.Open(b.URL.String())
		return b.Page.Find("[data-in-progress]").Length() == 0
	})
	return b
}

// states are the tokens of a batch's page with how they stand: "name: state".
func states(b *webtest.Browser) []string {
	return b.Page.Find("#batch-rows tbody tr").Map(func(_ int, s *goquery.Selection) string {
		return webtest.Fold(s.Find("th").Text()) + ": " + webtest.Fold(s.Find(".status").Text())
	})
}

// counted counts the states.
func counted(b *webtest.Browser) map[string]int {
	count := map[string]int{}
	for _, s := range states(b) {
		count[s[strings.LastIndex(s, ": ")+2:]]++
	}
	return count
}

// bulkDesk is a desk with that many tokens in each of several organizations.
func bulkDesk(t *testing.T, organizations, each int, o deskOptions) (*desk, *webtest.Browser) {
	t.Helper()
	o.sim = many(organizations)
	o.sim.KeepSecrets = true
	d := startDesk(t, o)
	fill(d.sim, each)
	return d, d.signedIn(mona)
}

func TestBulkRevoke(t *testing.T) {
	t.Parallel()
	d := startDesk(t, seeded())
	b := d.signedIn(mona)
	whole(t, b, d.url+"/overview?status=all")
	tick(b, "Terraform, contoso", "Container scan, fabrikam", "vsce publish, All organizations", "Leaked in a screenshot, contoso", "Sprint report, contoso").Press("Revoke chosen")
	if b.Status != http.StatusOK || b.Heading() != "Revoke 3 tokens?" || d.sim.Revoked() != 0 {
		t.Fatalf("%d %q, %d revoked\n%s", b.Status, b.Heading(), d.sim.Revoked(), says(b))
	}
	for _, want := range []string{"This can't be undone", "vsce publish All organizations", "It is revoked already", "It has expired", "Terraform", "Container scan"} {
		if !strings.Contains(says(b), want) {
			t.Errorf("the plan doesn't say %q:\n%s", want, says(b))
		}
	}
	if ended(t, b.Press("Revoke 3 tokens")); b.Heading() != "Revoking 3 tokens" || counted(b)["Done"] != 3 || d.sim.Revoked() != 3 {
		t.Fatalf("%q %v, %d revoked\n%s", b.Heading(), counted(b), d.sim.Revoked(), says(b))
	}
	if got := waiting(b.Open(d.url + "/tokens")); got != "" {
		t.Errorf("still waiting: %q", got)
	}
	if b.Open(d.url + "/changes"); !strings.Contains(says(b), "Revoke 3 tokens 2 organizations") || strings.Count(says(b), "127.0.0.1") != 1 {
		t.Errorf("the changes don't list it:\n%s", says(b))
	}
}

func TestBulkRotate(t *testing.T) {
	t.Parallel()
	d, b := bulkDesk(t, 3, 4, deskOptions{})
	whole(t, b, d.url+"/overview")
	if pickAll(b, d.url+"/overview?organization=org-02", "Rotate chosen"); b.Heading() != "Rotate 4 tokens?" {
		t.Fatalf("%q\n%s", b.Heading(), says(b))
	}
	b.Choose("Expiry", "30 days").Press("Show the new dates")
	if want := time.Now().Add(30 * 24 * time.Hour).UTC().Format("2 Jan 2006"); strings.Count(says(b), want) < 4 {
		t.Errorf("the new end %s isn't shown for each:\n%s", want, says(b))
	}
	ended(t, b.Press("Rotate 4 tokens"))
	if d.sim.Created() != 4 || d.sim.Revoked() != 0 || counted(b)["Secret waiting"] != 4 {
		t.Fatalf("%d created, %d revoked, %v\n%s", d.sim.Created(), d.sim.Revoked(), counted(b), says(b))
	}
	if got := b.Page.Find("code.secret").Map(func(_ int, s *goquery.Selection) string { return s.Text() }); len(got) != 4 {
		t.Errorf("%d secrets", len(got))
	}
	batch := b.URL.String()
	if b.Open(d.url + "/tokens"); strings.Count(waiting(b), "waiting to be saved") != 1 || !strings.Contains(waiting(b), "4 new secrets") {
		t.Errorf("banner %q", waiting(b))
	}
	b.Open(batch).Press("I have saved all 4")
	if b.URL.String() != batch || b.Page.Find("code.secret").Length() != 0 || counted(b)["Old token still works"] != 4 {
		t.Fatalf("%s %v\n%s", b.URL, counted(b), says(b))
	}
	if b.Press("Revoke the 4 old tokens"); b.Status != http.StatusUnprocessableEntity || d.sim.Revoked() != 0 {
		t.Errorf("without saying that the new ones are in place: %d, %d revoked", b.Status, d.sim.Revoked())
	}
	ended(t, b.Check("The new ones are in place").Press("Revoke the 4 old tokens"))
	if d.sim.Revoked() != 4 || counted(b)["Done"] != 4 || waiting(b.Open(d.url+"/tokens")) != "" {
		t.Errorf("%d revoked, waiting %q\n%s", d.sim.Revoked(), waiting(b), says(b))
	}
}

func TestBulkExtend(t *testing.T) {
	t.Parallel()
	d, b := bulkDesk(t, 2, 0, deskOptions{})
	now := time.Now()
	for _, days := range []int{5, 100, 300} {
		d.sim.AddToken(simulator.Token{DisplayName: fmt.Sprint("ends in ", days), Organization: "org-01", Scope: "vso.code", ValidFrom: now, ValidTo: now.AddDate(0, 0, days)})
	}
	b.Open(d.url + "/tokens?organization=org-01")
	tick(b, "ends in 5, org-01", "ends in 100, org-01").Press("Extend chosen")
	if b.Heading() != "Extend one token?" || !strings.Contains(says(b), "It lasts at least as long already") {
		t.Fatalf("%q\n%s", b.Heading(), says(b))
	}
	b.Choose("Expiry", "One year").Press("Show the new dates")
	if b.Heading() != "Extend 2 tokens?" {
		t.Fatalf("%q\n%s", b.Heading(), says(b))
	}
	ended(t, b.Press("Extend 2 tokens"))
	for _, token := range d.sim.Tokens("") {
		left := token.ValidTo.Sub(now).Hours() / 24
		if chosen := !strings.HasSuffix(token.DisplayName, "300"); chosen != (left > 360) {
			t.Errorf("%s ends in %.0f days", token.DisplayName, left)
		}
	}
	if counted(b)["Done"] != 2 || d.sim.Calls(simulator.CallUpdate) != 2 {
		t.Errorf("%v, %d updates", counted(b), d.sim.Calls(simulator.CallUpdate))
	}
}

// What was rotated in another window since is left out: nobody wants a third token.
func TestBulkRotateBesideAnotherRotation(t *testing.T) {
	t.Parallel()
	d, b := bulkDesk(t, 1, 3, deskOptions{})
	pickAll(b, d.url+"/tokens?organization=org-01", "Rotate chosen")
	b.Twin().Open(d.url + "/tokens?organization=org-01").Click("org-01 token 001").Click("Rotate").Press("Rotate")
	second := b.Twin()
	pickAll(second, d.url+"/tokens?organization=org-01", "Rotate chosen")
	if !strings.Contains(says(second), "Its last rotation isn't finished") {
		t.Errorf("a plan made afterwards:\n%s", says(second))
	}
	ended(t, b.Press("Rotate 3 tokens"))
	if d.sim.Created() != 3 || len(states(b)) != 2 || !strings.Contains(b.Text(), "Its last rotation isn't finished") {
		t.Errorf("%d created\n%s", d.sim.Created(), says(b))
	}
}
