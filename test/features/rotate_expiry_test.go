package features

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/patdesk/patdesk/internal/simulator"
	"github.com/patdesk/patdesk/internal/testkit"
	"github.com/patdesk/patdesk/internal/testkit/apptest"
	"github.com/patdesk/patdesk/internal/webtest"
)

// rotatable adds a token that was made ten days ago and ends in that many days, and returns the address of its rotation.
func rotatable(d *apptest.Program, now time.Time, name string, left int) string {
	token := d.Sim.AddToken(simulator.Token{
		DisplayName: name, Organization: "contoso", Owner: simulator.Mona, Scope: "vso.code", ValidFrom: now.AddDate(0, 0, -10), ValidTo: now.AddDate(0, 0, left),
	})
	return d.URL + "/tokens/contoso/" + token.AuthorizationID + "/rotate"
}

// newest is the token of that name that was made last, and how many of them are active.
func newest(d *apptest.Program, name string) (last simulator.Token, active int) {
	for _, token := range apptest.Made(d.Sim, name) {
		if token.ValidFrom.After(last.ValidFrom) {
			last = token
		}
		if token.Status(time.Now()) == "active" {
			active++
		}
	}
	return last, active
}

// A rotation's new token ends when its owner chooses; without a choice it lives as long as the old one was to.
func TestRotateChoosesTheExpiry(t *testing.T) {
	t.Parallel()
	clock := testkit.NewClock()
	d := startedOn(t, clock)
	b, now := d.SignedIn(apptest.Mona), clock.Now()
	date := now.AddDate(0, 0, 45).UTC().Format(time.DateOnly)
	for name, c := range map[string]struct {
		choose func()
		days   int
	}{
		"as proposed":  {func() {}, 30},
		"same":         {func() { b.Choose("Expiry", "As long as before, 30 days") }, 30},
		"a month more": {func() { b.Choose("Expiry", "60 days") }, 60},
		"a quarter":    {func() { b.Choose("Expiry", "90 days") }, 90},
		"a year":       {func() { b.Choose("Expiry", "One year") }, 365},
		"own date":     {func() { b.Choose("Expiry", "Custom date").Fill("Date", date) }, 45},
	} {
		b.Open(rotatable(d, now, name, 20))
		c.choose()
		b.Press("Rotate")
		made, active := newest(d, name)
		if left := made.ValidTo.Sub(now).Hours() / 24; apptest.SecretOf(b) == "" || active != 2 || int(left+0.01) != c.days {
			t.Errorf("%s: %d, %d active, the new one ends in %.2f days\n%s", name, b.Status, active, left, apptest.Says(b))
		}
	}
}

// What is wrong with the expiry is asked about, and what was typed stays; nothing is sent.
func TestRotateAsksAboutTheExpiry(t *testing.T) {
	t.Parallel()
	d := apptest.Start(t, apptest.Seeded())
	b, now := d.SignedIn(apptest.Mona), time.Now()
	at := rotatable(d, now, "asked", 20)
	for name, c := range map[string]struct{ choice, date, says string }{
		"beside the proposal":    {"", now.AddDate(0, 0, 50).Format(time.DateOnly), "You entered a date but chose another expiry."},
		"beside another choice":  {"60 days", now.AddDate(0, 0, 50).Format(time.DateOnly), "You entered a date but chose another expiry."},
		"no date":                {"Custom date", "", "Enter the date as year-month-day"},
		"a date that lies back":  {"Custom date", "2020-01-01", "Choose a date in the future."},
		"a date beyond the most": {"Custom date", now.AddDate(2, 0, 0).Format(time.DateOnly), "year"},
	} {
		b.Open(at).Choose("The old token", "Revoke it at once")
		if c.choice != "" {
			b.Choose("Expiry", c.choice)
		}
		b.Fill("Date", c.date).Press("Rotate")
		_, _, form := b.Form("Rotate")
		if b.Status != http.StatusUnprocessableEntity || !strings.Contains(b.Text(), c.says) || form.Get("date") != c.date || form.Get("old") != "now" {
			t.Errorf("%s: %d, kept %v\n%s", name, b.Status, form, apptest.Says(b))
		}
	}
	_, to, form := b.Open(at).Form("Rotate")
	form.Set("expiry", "forever")
	if b.Post(to.String(), form); b.Status != http.StatusUnprocessableEntity || !strings.Contains(b.Text(), "Choose when the token expires.") {
		t.Errorf("%d\n%s", b.Status, apptest.Says(b))
	}
	if n := d.Sim.Calls("create") + d.Sim.Calls("revoke"); n != 0 {
		t.Errorf("%d changes were made", n)
	}
	b.Open(at).Fill("Date", now.AddDate(0, 0, 50).Format(time.DateOnly)).Press("Rotate").Choose("Expiry", "Custom date").Press("Rotate")
	if apptest.SecretOf(b) == "" {
		t.Errorf("mended: %d\n%s", b.Status, apptest.Says(b))
	}
}

// A choice that ends before the old token says so, and doesn't end the old one, whatever was chosen for it.
func TestRotateForLessThanTheOldOneHas(t *testing.T) {
	t.Parallel()
	d := apptest.Start(t, apptest.Seeded())
	b, now := d.SignedIn(apptest.Mona), time.Now()
	b.Open(rotatable(d, now, "longer", 50))
	for choice, sooner := range map[string]bool{"7": true, "30": true, "60": false, "90": false, "same": false, "date": false} {
		if hint := b.Page.Find("#expiry-" + choice + "-hint").Text(); strings.Contains(hint, "before the old one expires") != sooner {
			t.Errorf("%s: %q", choice, hint)
		}
	}
	if !strings.Contains(b.Text(), "isn't revoked by itself") {
		t.Errorf("before it is sent, nothing is said:\n%s", apptest.Says(b))
	}
	b.Choose("Expiry", "30 days").Choose("The old token", "Revoke it at once").Press("Rotate")
	if _, active := newest(d, "longer"); apptest.SecretOf(b) == "" || active != 2 || d.Sim.Calls("revoke") != 0 {
		t.Errorf("%d, %d active\n%s", b.Status, active, apptest.Says(b))
	}
	if b.Press("I have saved it"); !b.Has("button", "Revoke the old token") {
		t.Errorf("it isn't asked:\n%s", apptest.Says(b))
	}
}

// What was chosen survives a sign-in that has ended, and is sent as it was then.
func TestRotateKeepsTheExpiryThroughASignIn(t *testing.T) {
	t.Parallel()
	d := apptest.Start(t, apptest.Seeded())
	b := d.SignedIn(apptest.Mona)
	_, to, form := b.Open(rotatable(d, time.Now(), "kept", 20)).Choose("Expiry", "60 days").Choose("The old token", "Revoke it at once").Form("Rotate")
	b.Twin().Open(d.URL + "/changes").Press("Sign out")
	if b.Post(to.String(), form); b.URL.Path != "/sign-in" || d.Sim.Calls("create") != 0 {
		t.Fatalf("%d %s", b.Status, b.URL)
	}
	apptest.SignIn(b, apptest.Mona)
	if _, _, again := b.Form("Rotate"); again.Get("expiry") != "60" || again.Get("old") != "now" {
		t.Errorf("after signing in the form holds %v", again)
	}
}

// What was chosen survives a form that came too soon.
func TestRotateKeepsTheExpiryWhenItComesTooSoon(t *testing.T) {
	t.Parallel()
	clock := testkit.NewClock()
	d := apptest.Start(t, apptest.Options{Sim: simulator.Options{Seed: true}, Now: clock.Now, Env: map[string]string{"RATE_LIMIT_CHANGES": "1"}})
	b := d.SignedIn(apptest.Mona)
	b.Open(rotatable(d, clock.Now(), "first", 20)).Press("Rotate")
	b.Open(rotatable(d, clock.Now(), "second", 20)).Choose("Expiry", "60 days").Press("Rotate")
	clock.Move(2 * heldUp(t, b))
	b.Press("Send again")
	if made, _ := newest(d, "second"); apptest.SecretOf(b) == "" || made.ValidTo.Sub(clock.Now()).Round(time.Hour) != 60*24*time.Hour {
		t.Errorf("%d, made until %s\n%s", b.Status, made.ValidTo, apptest.Says(b))
	}
}

// "As long as before" means what was given last: extending a token doesn't make the lives of those after it longer.
func TestSameLifeDoesNotGrowWithExtensions(t *testing.T) {
	t.Parallel()
	clock := testkit.NewClock()
	d := startedOn(t, clock)
	b := d.SignedIn(apptest.Mona)
	b.Open(d.URL+"/tokens/new?organization=contoso").Fill("Name", "extended").Choose("Wiki", "Read").Choose("Expiry", "30 days").Press("Create token").Press("I have saved it")
	first, _ := newest(d, "extended")
	page := d.URL + "/tokens/contoso/" + first.AuthorizationID
	for i := range 5 {
		clock.Move(20 * 24 * time.Hour)
		b = d.SignedIn(apptest.Mona).Open(page+"/edit").Choose("Expiry", "30 days").Press("Save changes")
		if got := lifeOffered(b.Open(page + "/rotate")); got != "As long as before, 30 days" {
			t.Errorf("after %d extensions: %q", i+1, got)
		}
	}
	apptest.PickAll(b, d.URL+"/tokens?organization=contoso&q=extended", "Rotate selected")
	apptest.WaitForBatch(t, b.Press("Rotate one token"))
	made, _ := newest(d, "extended")
	if life := made.ValidTo.Sub(clock.Now()); made.AuthorizationID == first.AuthorizationID || life.Round(time.Hour) != 30*24*time.Hour {
		t.Errorf("the new token lives for %s\n%s", life, apptest.Says(b))
	}
	if got := lifeOffered(b.Open(fmt.Sprintf("%s/tokens/contoso/%s/rotate", d.URL, made.AuthorizationID))); got != "As long as before, 30 days" {
		t.Errorf("the new one's rotation: %q", got)
	}
}

// lifeOffered is the first choice of an expiry.
func lifeOffered(b *webtest.Browser) string {
	return webtest.Fold(b.Page.Find("label[for=expiry-same]").Text())
}
