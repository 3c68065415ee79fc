package main

import (
	"context"
	"crypto/rand"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/patdesk/patdesk/internal/simulator"
	"github.com/patdesk/patdesk/internal/webtest"
)

// F2, F7: the browser goes away at once, after a while, or when the service has done it; the next page leads to the
// secret.
func TestBrowserGoesAway(t *testing.T) {
	t.Parallel()
	d := startDesk(t, seeded())
	b := d.signedIn(mona)
	for _, c := range []struct {
		name       string
		after      time.Duration // from when the service has the request
		afterDoing bool
	}{{"at once", 0, false}, {"after 50 ms", 50 * time.Millisecond, false}, {"after 200 ms", 200 * time.Millisecond, false}, {"when it is done", 0, true}} {
		t.Run(c.name, func(t *testing.T) {
			to, form := createForm(b, d.url, "contoso", c.name)
			held := d.sim.Hold(simulator.CallCreate, "contoso", c.afterDoing)
			ctx, giveUp := context.WithCancel(context.Background())
			answer := sending(ctx, b, d.transport(), to, form)
			<-held.Reached()
			time.AfterFunc(c.after, giveUp)
			if r := <-answer; r.err == nil {
				t.Fatal("an answer came:", r.says())
			}
			if got := waiting(b.Open(d.url + "/tokens")); !strings.Contains(got, "“"+c.name+"” is still being created") {
				t.Errorf("while it is made, the banner says %q", got)
			}
			held.Release()
			b.Click("See how it goes") // waits for the outcome
			if len(made(d.sim, c.name)) != 1 || fate(b, made(d.sim, c.name)[0]) != "shown" || createsOf(d.sim, c.name) != 1 {
				t.Errorf("%d creates; %d %s", createsOf(d.sim, c.name), b.Status, says(b))
			}
			if b.Open(d.url + "/changes").Click("Show the secret"); secretOf(b) == "" {
				t.Error(says(b))
			}
			b.Press("I have saved it")
		})
	}
}

// F2 before anything is sent: whoever leaves while patdesk still looks at the tokens that are there has asked all the
// same, and finds the secret.
func TestBrowserGoesAwayBeforeTheCall(t *testing.T) {
	t.Parallel()
	d := startDesk(t, seeded())
	b := d.signedIn(mona)
	to, form := createForm(b, d.url, "contoso", "gone early")
	held := d.sim.Hold(simulator.CallList, "contoso", false)
	ctx, giveUp := context.WithCancel(context.Background())
	answer := sending(ctx, b, d.transport(), to, form)
	<-held.Reached()
	giveUp()
	<-answer
	held.Release()
	if b.Open(d.url + "/changes").Click("Create gone early"); fate(b, made(d.sim, "gone early")[0]) != "shown" {
		t.Errorf("%d %s", b.Status, says(b))
	}
}

// F9: signing out in one tab while another one creates. It is asked about first; whoever does it all the same finds
// the secret after signing in again, and nobody else does.
func TestSignOutWhileCreating(t *testing.T) {
	t.Parallel()
	d := startDesk(t, seeded())
	b := d.signedIn(mona)
	to, form := createForm(b, d.url, "contoso", "left alone")
	held := d.sim.Hold(simulator.CallCreate, "contoso", true)
	answer := sending(context.Background(), b, d.transport(), to, form)
	<-held.Reached()
	tab := b.Twin().Open(d.url + "/tokens").Press("Sign out")
	if !strings.Contains(says(tab), "“left alone” is still being created") || !tab.Open(d.url+"/tokens").Has("button", "Sign out") {
		t.Fatalf("not asked: %s", says(tab))
	}
	tab.Open(d.url + "/sign-out").Press("Sign out")
	if tab.Open(d.url + "/tokens"); tab.Has("button", "Sign out") {
		t.Fatal("still signed in")
	}
	held.Release()
	if r := <-answer; r.status != http.StatusSeeOther {
		t.Error(r.says())
	}
	operation := (<-sending(context.Background(), b, d.transport(), to, form)).to
	if !strings.HasPrefix(operation, "/sign-in") || createsOf(d.sim, "left alone") != 1 {
		t.Errorf("without a session the form leads to %q; %d creates", operation, createsOf(d.sim, "left alone"))
	}
	wantFoundBy(t, d, "left alone")
}

// wantFoundBy: the secret waits for the person who created it, in whatever session, and for nobody else.
func wantFoundBy(t *testing.T, d *desk, name string) {
	t.Helper()
	other := d.signedIn(jonas)
	if strings.Contains(waiting(other), name) || strings.Contains(other.Open(d.url+"/changes").Body, name) {
		t.Error("somebody else is told of it")
	}
	again := d.signedIn(mona)
	if again.Click("Show the secret"); fate(again, made(d.sim, name)[0]) != "shown" {
		t.Errorf("%d %s", again.Status, says(again))
	}
	if other.Open(again.URL.String()); other.Status != http.StatusNotFound || secretOf(other) != "" {
		t.Errorf("somebody else sees it: %d %s", other.Status, says(other))
	}
	again.Press("I have saved it")
}

// Signing out while a secret waits is asked about; signing in again as the same person finds it.
func TestSignOutWithASecretWaiting(t *testing.T) {
	t.Parallel()
	d := startDesk(t, seeded())
	b := d.signedIn(mona)
	to, form := createForm(b, d.url, "contoso", "not yet saved")
	b.Post(to.String(), form)
	if b.Press("Sign out"); !strings.Contains(says(b), "“not yet saved” is waiting to be saved") || !b.Has("link", "Show the secret") {
		t.Fatalf("not asked: %d %s", b.Status, says(b))
	}
	if b.Click("Show the secret"); secretOf(b) == "" {
		t.Errorf("the way back: %s", says(b))
	}
	b.Open(d.url + "/sign-out").Press("Sign out")
	if b.Open(d.url + "/tokens"); b.Has("button", "Sign out") {
		t.Fatal("still signed in")
	}
	wantFoundBy(t, d, "not yet saved")
	if quiet := d.signedIn(mona).Press("Sign out"); quiet.Has("button", "Sign out") {
		t.Errorf("asked although nothing waits: %s", says(quiet))
	}
}

// The time to save a secret runs out: it is said, nobody can see it any more, and the ways on are offered.
func TestDisplayTimeOver(t *testing.T) {
	t.Parallel()
	clock := newTestClock()
	o := seeded()
	o.now, o.sim.Now = clock.now, clock.now
	d := startDesk(t, o)
	b := d.signedIn(mona)
	to, form := createForm(b, d.url, "too late", "too late")
	form.Set("organization", "contoso")
	operation := b.Post(to.String(), form).URL.String()
	clock.move(10*time.Minute - time.Second)
	if secretOf(b.Open(operation)) == "" {
		t.Errorf("a second before: %s", says(b))
	}
	clock.move(time.Second)
	if got := waiting(b.Open(d.url + "/tokens")); !strings.Contains(got, "“too late” was not saved in time") {
		t.Errorf("banner: %q", got)
	}
	b.Click("See what to do")
	if secretOf(b) != "" || strings.Contains(b.Body, made(d.sim, "too late")[0].Secret) || !b.Has("link", "Rotate the token") || !b.Has("link", "Revoke the token") {
		t.Errorf("%d %s", b.Status, says(b))
	}
	if b.Post(to.String(), form); b.URL.String() != operation || createsOf(d.sim, "too late") != 1 {
		t.Errorf("the form sent again: %s, %d creates", b.URL, createsOf(d.sim, "too late"))
	}
	b.Press("Dismiss")
	if got := waiting(b.Open(d.url + "/tokens")); got != "" {
		t.Errorf("still waiting: %q", got)
	}
}

// F12: the session ends, for good or for want of use, a second after the create was sent. The answer leads through a
// sign-in, and the secret is there.
func TestSessionEndsWhileCreating(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		settings map[string]string
		wait     time.Duration // until the form is sent
		end      time.Duration // from then until the answer
	}{
		"at its absolute end": {map[string]string{"SESSION_LIFETIME": "1h", "SESSION_IDLE_TIMEOUT": "1h"}, time.Hour - time.Second, 2 * time.Second},
		"for want of use":     {map[string]string{"SESSION_IDLE_TIMEOUT": "5m"}, 4 * time.Minute, 5*time.Minute + time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			clock := newTestClock()
			o := seeded()
			o.env, o.now, o.sim.Now = c.settings, clock.now, clock.now
			d := startDesk(t, o)
			b := d.signedIn(mona)
			to, form := createForm(b, d.url, "contoso", name)
			clock.move(c.wait)
			held := d.sim.Hold(simulator.CallCreate, "contoso", true)
			answer := sending(context.Background(), b, d.transport(), to, form)
			<-held.Reached()
			clock.move(c.end)
			held.Release()
			r := <-answer
			if r.status != http.StatusSeeOther || !strings.HasPrefix(r.to, "/operations/") {
				t.Fatal(r.says())
			}
			if b.Open(d.url + r.to); b.Has("button", "Sign out") || secretOf(b) != "" {
				t.Fatalf("the session goes on: %s", says(b))
			}
			signIn(b, mona)
			if b.URL.Path != r.to || fate(b, made(d.sim, name)[0]) != "shown" || createsOf(d.sim, name) != 1 {
				t.Errorf("%s %d %s", b.URL, b.Status, says(b))
			}
		})
	}
}

// F8: fifty ordinary requests of the same session beside each create, with a token refresh in between. Not one secret
// and not one session is lost.
func TestManyRequestsBesideACreate(t *testing.T) {
	t.Parallel()
	d := startDesk(t, seeded())
	d.sim.SetFault("shortAccessToken", simulator.FaultOptions{Call: simulator.CallToken}) // so every call needs a fresh one
	b := d.signedIn(mona)
	refreshed := d.sim.Calls("token.refresh_token")
	for range 4 {
		name := "beside others " + rand.Text()
		to, form := createForm(b, d.url, "contoso", name)
		tabs := make(chan *webtest.Browser, 50)
		for i := range cap(tabs) {
			go func() {
				tab := b.Twin()
				tabs <- tab.Open(d.url + []string{"/tokens?organization=fabrikam", "/changes", "/tokens?organization=contoso&status=all", "/sessions", "/tokens/new"}[i%5])
			}()
		}
		b.Post(to.String(), form)
		for range cap(tabs) {
			if tab := <-tabs; tab.Status != http.StatusOK || !tab.Has("button", "Sign out") {
				t.Errorf("%s: %d %s", tab.URL, tab.Status, says(tab))
			}
		}
		if b.Open(d.url + "/changes").Click("Create " + name); fate(b, made(d.sim, name)[0]) != "shown" || createsOf(d.sim, name) != 1 {
			t.Errorf("%d %s", b.Status, says(b))
		}
		b.Press("I have saved it")
	}
	if d.sim.Calls("token.refresh_token") < refreshed+4 {
		t.Error("no access token was refreshed meanwhile")
	}
}
