package features

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"syscall"
	"testing"

	"github.com/patdesk/patdesk/internal/simulator"
	"github.com/patdesk/patdesk/internal/testkit"
	"github.com/patdesk/patdesk/internal/testkit/apptest"
	"github.com/patdesk/patdesk/internal/webtest"
)

// bulkSite is the program as processes, with that many tokens in one organization, and a browser on the page that asks
// whether to rotate them.
func bulkSite(t *testing.T, processes, tokens int) (*apptest.Site, *webtest.Browser) {
	t.Helper()
	o := apptest.ManyTokens(1)
	o.KeepSecrets = true
	s := apptest.NewSite(t, processes, o)
	apptest.FillOrganizations(s.Sim, tokens)
	b := s.SignedIn(apptest.Mona)
	apptest.PickAll(b, s.URL+"/tokens?organization=org-01", "Rotate selected")
	return s, b
}

// accounted checks that the batch's page accounts for every token: each old one has at most one successor whose secret
// is shown, and every other token that was made is named by its operation.
func accounted(t *testing.T, s *apptest.Site, b *webtest.Browser, tokens int) {
	t.Helper()
	batch, secrets := b.URL.String(), b.Page.Find("code.secret").Text()
	for i := range tokens {
		name := fmt.Sprintf("org-01 token %03d", i)
		var shown, others int
		for _, token := range apptest.Made(s.Sim, name)[1:] { // the first is the old one
			switch {
			case token.Revoked:
			case strings.Contains(secrets, token.Secret):
				shown++
			default:
				others++
			}
		}
		if shown > 1 || others > 1 || shown+others > 1 {
			t.Errorf("%s has %d successors with a secret and %d without", name, shown, others)
		}
		if others == 1 {
			b.Open(batch).Click("Find out: " + name + ", org-01")
			if apptest.Fate(b, apptest.Made(s.Sim, name)[1]) != "named" {
				t.Errorf("%s: a token was made that nobody is told of:\n%s", name, apptest.Says(b))
			}
			b.Press("Revoke this token").Open(batch)
		}
	}
	b.Open(batch)
}

// The process dies in the middle. What was in flight is found as it is with any change, what wasn't begun is left for
// the person to go on with, and in the end each token has one successor.
func TestBulkKilledInTheMiddle(t *testing.T) {
	t.Parallel()
	const tokens = 8
	for _, at := range []string{"batch begun", "claimed", "intended", "called", "kept", "recorded"} {
		t.Run(at, func(t *testing.T) {
			t.Parallel()
			s, b := bulkSite(t, 1, tokens)
			m := s.Members[0]
			_, to, form := b.Form(fmt.Sprintf("Rotate %d tokens", tokens))
			if at == "called" {
				var held []*simulator.Held
				for range 3 {
					held = append(held, s.Sim.Hold(simulator.CallCreate, "", true))
				}
				apptest.Send(context.Background(), b, s.Trip(), to, form)
				for _, h := range held {
					<-h.Reached()
				}
				m.Kill()
				for _, h := range held {
					h.Release()
				}
			} else {
				m.HoldAt(at)
				apptest.Send(context.Background(), b, s.Trip(), to, form)
				m.Held()
				m.Kill()
			}
			m.Start()
			b.Open(s.URL + "/tokens")
			if !strings.Contains(apptest.Banners(b), "isn't finished") && !strings.Contains(apptest.Banners(b), "waiting to be saved") {
				t.Errorf("banner %q", apptest.Banners(b))
			}
			b.Open(to.String())
			if b.Page.Find("[data-in-progress]").Length() != 0 {
				t.Fatalf("it goes on by itself:\n%s", apptest.Says(b))
			}
			if r := apptest.Send(context.Background(), b, s.Trip(), to, form); r.Status != http.StatusSeeOther {
				t.Errorf("the same form again: %s", r.Says())
			}
			accounted(t, s, apptest.WaitForBatch(t, b.Open(to.String())), tokens)
			if n := apptest.CountStates(b)["Not started"]; n > 0 {
				apptest.WaitForBatch(t, b.Press(apptest.GoOn(n)))
			}
			for b.Has("button", "Retry what failed") || b.Page.Find("form[action$='/retry'] input[name=all]").Length() > 0 {
				button := webtest.Fold(b.Page.Find("form[action$='/retry']:has(input[name=all]) button").Text())
				apptest.WaitForBatch(t, b.Press(button))
			}
			accounted(t, s, b, tokens)
			if apptest.CountStates(b)["Secret waiting"]+apptest.CountStates(b)["Not confirmed"] != tokens { // what was being sent may still turn up
				t.Errorf("%v\n%s", apptest.CountStates(b), apptest.Says(b))
			}
			s.WantQuietLog()
		})
	}
}

// A graceful stop waits for what is in flight and begins nothing more.
func TestBulkAndGracefulStop(t *testing.T) {
	t.Parallel()
	s, b := bulkSite(t, 1, 8)
	m := s.Members[0]
	var held []*simulator.Held
	for range 3 {
		held = append(held, s.Sim.Hold(simulator.CallCreate, "", false))
	}
	b.Press("Rotate 8 tokens")
	for _, h := range held {
		<-h.Reached()
	}
	testkit.Must(t, m.Cmd.Process.Signal(syscall.SIGTERM))
	m.WaitFor("msg=stopping")
	for _, h := range held {
		h.Release()
	}
	<-m.Done
	if code := m.Cmd.ProcessState.ExitCode(); code != 0 || s.Sim.Created() != 3 {
		t.Errorf("ended with %d, %d created\n%s", code, s.Sim.Created(), m.Log)
	}
	m.Start()
	if b.Open(b.URL.String()); apptest.CountStates(b)["Secret waiting"] != 3 || apptest.CountStates(b)["Not started"] != 5 {
		t.Errorf("%v\n%s", apptest.CountStates(b), apptest.Says(b))
	}
	if apptest.WaitForBatch(t, b.Press("Continue with the remaining 5")); apptest.CountStates(b)["Secret waiting"] != 8 || s.Sim.Created() != 8 {
		t.Errorf("%v, %d created", apptest.CountStates(b), s.Sim.Created())
	}
}

// Another replica shows a run as it goes, stops it, and neither runs it beside the first nor takes it for dead.
func TestBulkOverReplicas(t *testing.T) {
	t.Parallel()
	s, b := bulkSite(t, 2, 10)
	var held []*simulator.Held
	for range 3 {
		held = append(held, s.Sim.Hold(simulator.CallCreate, "", false))
	}
	s.Front.Use(0)
	b.Press("Rotate 10 tokens")
	batch := b.URL.Path
	s.Front.Use(-1)
	for _, h := range held {
		<-h.Reached()
	}
	for range 4 { // the front sends requests to both in turn
		if b.Open(s.URL + batch); b.Page.Find("[data-in-progress]").Length() != 1 || apptest.CountStates(b)["In progress"] != 3 {
			t.Errorf("%v\n%s", apptest.CountStates(b), apptest.Says(b))
		}
		b.Post(s.URL+batch+"/go-on", nil)
	}
	s.Front.Use(1) // not the one that is at work
	b.Post(s.URL+batch+"/stop", nil)
	s.Front.Use(-1)
	for _, h := range held {
		h.Release()
	}
	if apptest.WaitForBatch(t, b.Open(s.URL+batch)); s.Sim.Created() != 3 || apptest.CountStates(b)["Not started"] != 7 {
		t.Errorf("%d created, %v\n%s", s.Sim.Created(), apptest.CountStates(b), apptest.Says(b))
	}
	_, to, form := b.Form("Continue with the remaining 7")
	var answers []<-chan apptest.Reply
	for range 4 {
		answers = append(answers, apptest.Sending(context.Background(), b, s.Trip(), to, form))
	}
	for _, a := range answers {
		if r := <-a; r.Status != http.StatusSeeOther {
			t.Error(r.Says())
		}
	}
	if apptest.WaitForBatch(t, b.Open(s.URL+batch)); s.Sim.Created() != 10 || apptest.CountStates(b)["Secret waiting"] != 10 {
		t.Errorf("%d created, %v", s.Sim.Created(), apptest.CountStates(b))
	}
}

// The access token runs out in the middle of a run: it is renewed, and nobody notices.
func TestBulkRenewsTheAccessToken(t *testing.T) {
	t.Parallel()
	old := &apptest.Aging{}
	old.On.Store(true) // no access token is any good when its call is over
	d, b := apptest.StartWithTokens(t, 1, 9, apptest.Options{Wrap: old.Wrap})
	apptest.PickAll(b, d.URL+"/tokens?organization=org-01", "Revoke selected")
	var held []*simulator.Held
	for range 3 {
		held = append(held, d.Sim.Hold(simulator.CallRevoke, "", false))
	}
	b.Press("Revoke 9 tokens")
	for _, h := range held {
		<-h.Reached()
	}
	refreshes := d.Sim.Calls("token.refresh_token")
	for _, h := range held {
		h.Release()
	}
	if apptest.WaitForBatch(t, b); apptest.CountStates(b)["Done"] != 9 || d.Sim.Calls("token.refresh_token") == refreshes {
		t.Errorf("%v, %d refreshes\n%s", apptest.CountStates(b), d.Sim.Calls("token.refresh_token")-refreshes, apptest.Says(b))
	}
}
