package features

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"

	"github.com/patdesk/patdesk/internal/simulator"
	"github.com/patdesk/patdesk/internal/testkit/apptest"
)

func TestBulkRevoke(t *testing.T) {
	t.Parallel()
	d := apptest.Start(t, apptest.Seeded())
	b := d.SignedIn(apptest.Mona)
	apptest.OpenWhole(t, b, d.URL+"/tokens?status=all")
	apptest.Tick(b, "Terraform, contoso", "Container scan, fabrikam", "vsce publish, All organizations")
	_, to, form := b.Form("Revoke selected")
	for _, over := range d.Sim.Tokens("contoso") { // they were active when the page was opened
		if over.DisplayName == "Leaked in a screenshot" || over.DisplayName == "Sprint report" {
			form.Add("token", "contoso/"+over.AuthorizationID)
		}
	}
	b.Post(to.String(), form)
	if b.Status != http.StatusOK || b.Heading() != "Revoke 3 tokens?" || d.Sim.Revoked() != 0 {
		t.Fatalf("%d %q, %d revoked\n%s", b.Status, b.Heading(), d.Sim.Revoked(), apptest.Says(b))
	}
	for _, want := range []string{"This can't be undone", "vsce publish All organizations", "It is revoked already", "It has expired", "Terraform", "Container scan"} {
		if !strings.Contains(apptest.Says(b), want) {
			t.Errorf("the plan doesn't say %q:\n%s", want, apptest.Says(b))
		}
	}
	if apptest.WaitForBatch(t, b.Press("Revoke 3 tokens")); b.Heading() != "3 tokens revoked" || apptest.CountStates(b)["Done"] != 3 || d.Sim.Revoked() != 3 {
		t.Fatalf("%q %v, %d revoked\n%s", b.Heading(), apptest.CountStates(b), d.Sim.Revoked(), apptest.Says(b))
	}
	if got := apptest.Banners(b.Open(d.URL + "/tokens")); got != "" {
		t.Errorf("still waiting: %q", got)
	}
	if b.Open(d.URL + "/changes"); !strings.Contains(apptest.Says(b), "Revoked 3 tokens") || strings.Count(apptest.Says(b), "127.0.0.1") != 1 {
		t.Errorf("the changes don't list it:\n%s", apptest.Says(b))
	}
}

func TestBulkRotate(t *testing.T) {
	t.Parallel()
	d, b := apptest.StartWithTokens(t, 3, 4, apptest.Options{})
	apptest.OpenWhole(t, b, d.URL+"/tokens")
	if apptest.PickAll(b, d.URL+"/tokens?organization=org-02", "Rotate selected"); b.Heading() != "Rotate 4 tokens?" {
		t.Fatalf("%q\n%s", b.Heading(), apptest.Says(b))
	}
	b.Choose("Expiry", "30 days").Press("Show the new dates")
	if want := time.Now().Add(30 * 24 * time.Hour).UTC().Format("2 Jan 2006"); strings.Count(apptest.Says(b), want) < 4 {
		t.Errorf("the new end %s isn't shown for each:\n%s", want, apptest.Says(b))
	}
	apptest.WaitForBatch(t, b.Press("Rotate 4 tokens"))
	if d.Sim.Created() != 4 || d.Sim.Revoked() != 0 || apptest.CountStates(b)["Secret waiting"] != 4 {
		t.Fatalf("%d created, %d revoked, %v\n%s", d.Sim.Created(), d.Sim.Revoked(), apptest.CountStates(b), apptest.Says(b))
	}
	if got := b.Page.Find("code.secret").Map(func(_ int, s *goquery.Selection) string { return s.Text() }); len(got) != 4 {
		t.Errorf("%d secrets", len(got))
	}
	batch := b.URL.String()
	if b.Open(d.URL + "/tokens"); strings.Count(apptest.Banners(b), "waiting to be saved") != 1 || !strings.Contains(apptest.Banners(b), "4 new secrets") {
		t.Errorf("banner %q", apptest.Banners(b))
	}
	b.Open(batch).Press("I have saved all 4")
	if b.URL.String() != batch || b.Page.Find("code.secret").Length() != 0 || apptest.CountStates(b)["Old token still works"] != 4 {
		t.Fatalf("%s %v\n%s", b.URL, apptest.CountStates(b), apptest.Says(b))
	}
	if b.Press("Revoke the 4 old tokens"); b.Status != http.StatusUnprocessableEntity || d.Sim.Revoked() != 0 {
		t.Errorf("without saying that the new ones are in place: %d, %d revoked", b.Status, d.Sim.Revoked())
	}
	apptest.WaitForBatch(t, b.Check("The new secrets are in place").Press("Revoke the 4 old tokens"))
	if d.Sim.Revoked() != 4 || apptest.CountStates(b)["Done"] != 4 || apptest.Banners(b.Open(d.URL+"/tokens")) != "" {
		t.Errorf("%d revoked, waiting %q\n%s", d.Sim.Revoked(), apptest.Banners(b), apptest.Says(b))
	}
}

func TestBulkExtend(t *testing.T) {
	t.Parallel()
	d, b := apptest.StartWithTokens(t, 2, 0, apptest.Options{})
	now := time.Now()
	for _, days := range []int{5, 100, 300} {
		d.Sim.AddToken(simulator.Token{DisplayName: fmt.Sprint("ends in ", days), Organization: "org-01", Scope: "vso.code", ValidFrom: now, ValidTo: now.AddDate(0, 0, days)})
	}
	b.Open(d.URL + "/tokens?organization=org-01")
	apptest.Tick(b, "ends in 5, org-01", "ends in 100, org-01").Press("Extend selected")
	if b.Heading() != "Extend one token?" || !strings.Contains(apptest.Says(b), "It lasts at least as long already") {
		t.Fatalf("%q\n%s", b.Heading(), apptest.Says(b))
	}
	b.Choose("Expiry", "One year").Press("Show the new dates")
	if b.Heading() != "Extend 2 tokens?" {
		t.Fatalf("%q\n%s", b.Heading(), apptest.Says(b))
	}
	apptest.WaitForBatch(t, b.Press("Extend 2 tokens"))
	for _, token := range d.Sim.Tokens("") {
		left := token.ValidTo.Sub(now).Hours() / 24
		if chosen := !strings.HasSuffix(token.DisplayName, "300"); chosen != (left > 360) {
			t.Errorf("%s ends in %.0f days", token.DisplayName, left)
		}
	}
	if apptest.CountStates(b)["Done"] != 2 || d.Sim.Calls(simulator.CallUpdate) != 2 {
		t.Errorf("%v, %d updates", apptest.CountStates(b), d.Sim.Calls(simulator.CallUpdate))
	}
}

// What was rotated in another window since is left out: nobody wants a third token.
func TestBulkRotateBesideAnotherRotation(t *testing.T) {
	t.Parallel()
	d, b := apptest.StartWithTokens(t, 1, 3, apptest.Options{})
	apptest.PickAll(b, d.URL+"/tokens?organization=org-01", "Rotate selected")
	b.Twin().Open(d.URL + "/tokens?organization=org-01").Click("org-01 token 001").Click("Rotate").Press("Rotate")
	second := b.Twin()
	apptest.PickAll(second, d.URL+"/tokens?organization=org-01", "Rotate selected")
	if !strings.Contains(apptest.Says(second), "Its last rotation isn't finished") {
		t.Errorf("a plan made afterwards:\n%s", apptest.Says(second))
	}
	apptest.WaitForBatch(t, b.Press("Rotate 3 tokens"))
	if d.Sim.Created() != 3 || len(apptest.BatchStates(b)) != 2 || !strings.Contains(b.Text(), "Its last rotation isn't finished") {
		t.Errorf("%d created\n%s", d.Sim.Created(), apptest.Says(b))
	}
}
