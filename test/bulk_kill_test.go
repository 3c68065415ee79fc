package test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"syscall"
	"testing"

	"github.com/patdesk/patdesk/internal/simulator"
	"github.com/patdesk/patdesk/internal/testkit"
	"github.com/patdesk/patdesk/internal/webtest"
)

// bulkSite is the program as processes, with that many tokens in one organization, and a browser on the page that asks
// whether to rotate them.
func bulkSite(t *testing.T, processes, tokens int) (*site, *webtest.Browser) {
	t.Helper()
	o := many(1)
	o.KeepSecrets = true
	s := newSite(t, processes, o)
	fill(s.sim, tokens)
	b := s.signedIn(mona)
	pickAll(b, s.url+"/tokens?organization=org-01", "Rotate chosen")
	return s, b
}

// accounted checks that the batch's page accounts for every token: each old one has at most one successor whose secret is
// shown, and every other token that was made is named by its operation.
func accounted(t *testing.T, s *site, b *webtest.Browser, tokens int) {
	t.Helper()
	batch, secrets := b.URL.String(), b.Page.Find("code.secret").Text()
	for i := range tokens {
		name := fmt.Sprintf("org-01 token %03d", i)
		var shown, others int
		for _, token := range made(s.sim, name)[1:] { // the first is the old one
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
			if fate(b, made(s.sim, name)[1]) != "named" {
				t.Errorf("%s: a token was made that nobody is told of:\n%s", name, says(b))
			}
			b.Press("Revoke this token").Open(batch)
		}
	}
	b.Open(batch)
}

// The process dies in the middle. What was in flight is found as it is with any change, what wasn't begun is left for the
// person to go on with, and in the end each token has one successor.
func TestBulkKilledInTheMiddle(t *testing.T) {
	t.Parallel()
	const tokens = 8
	for _, at := range []string{"batch begun", "claimed", "intended", "called", "kept", "recorded"} {
		t.Run(at, func(t *testing.T) {
			t.Parallel()
			s, b := bulkSite(t, 1, tokens)
			m := s.members[0]
			_, to, form := b.Form(fmt.Sprintf("Rotate %d tokens", tokens))
			if at == "called" {
				var held []*simulator.Held
				for range 3 {
					held = append(held, s.sim.Hold(simulator.CallCreate, "", true))
				}
				send(context.Background(), b, s.trip(), to, form)
				for _, h := range held {
					<-h.Reached()
				}
				m.kill()
				for _, h := range held {
					h.Release()
				}
			} else {
				m.holdAt(at)
				send(context.Background(), b, s.trip(), to, form)
				m.held()
				m.kill()
			}
			m.start()
			b.Open(s.url + "/tokens")
			if !strings.Contains(waiting(b), "isn't finished") && !strings.Contains(waiting(b), "waiting to be saved") {
				t.Errorf("banner %q", waiting(b))
			}
			b.Open(to.String())
			if b.Page.Find("[data-in-progress]").Length() != 0 {
				t.Fatalf("it goes on by itself:\n%s", says(b))
			}
			if r := send(context.Background(), b, s.trip(), to, form); r.status != http.StatusSeeOther {
				t.Errorf("the same form again: %s", r.says())
			}
			accounted(t, s, ended(t, b.Open(to.String())), tokens)
			if n := counted(b)["Not begun"]; n > 0 {
				ended(t, b.Press(goOn(n)))
			}
			for b.Has("button", "Try again what isn't done") || b.Page.Find("form[action$='/retry'] input[name=all]").Length() > 0 {
				button := webtest.Fold(b.Page.Find("form[action$='/retry']:has(input[name=all]) button").Text())
				ended(t, b.Press(button))
			}
			accounted(t, s, b, tokens)
			if counted(b)["Secret waiting"]+counted(b)["Not known"] != tokens { // what was being sent may still turn up
				t.Errorf("%v\n%s", counted(b), says(b))
			}
			s.wantQuietLog()
		})
	}
}

func goOn(n int) string {
	if n == 1 {
		return "Go on with the one not begun"
	}
	return fmt.Sprintf("Go on with the %d not begun", n)
}

// A graceful stop waits for what is in flight and begins nothing more.
func TestBulkAndGracefulStop(t *testing.T) {
	t.Parallel()
	s, b := bulkSite(t, 1, 8)
	m := s.members[0]
	var held []*simulator.Held
	for range 3 {
		held = append(held, s.sim.Hold(simulator.CallCreate, "", false))
	}
	b.Press("Rotate 8 tokens")
	for _, h := range held {
		<-h.Reached()
	}
	testkit.Must(t, m.cmd.Process.Signal(syscall.SIGTERM))
	m.waitFor("msg=stopping")
	for _, h := range held {
		h.Release()
	}
	<-m.done
	if code := m.cmd.ProcessState.ExitCode(); code != 0 || s.sim.Created() != 3 {
		t.Errorf("ended with %d, %d created\n%s", code, s.sim.Created(), m.log)
	}
	m.start()
	if b.Open(b.URL.String()); counted(b)["Secret waiting"] != 3 || counted(b)["Not begun"] != 5 {
		t.Errorf("%v\n%s", counted(b), says(b))
	}
	if ended(t, b.Press("Go on with the 5 not begun")); counted(b)["Secret waiting"] != 8 || s.sim.Created() != 8 {
		t.Errorf("%v, %d created", counted(b), s.sim.Created())
	}
}

// Another replica shows a run as it goes, stops it, and neither runs it beside the first nor takes it for dead.
func TestBulkOverReplicas(t *testing.T) {
	t.Parallel()
	s, b := bulkSite(t, 2, 10)
	var held []*simulator.Held
	for range 3 {
		held = append(held, s.sim.Hold(simulator.CallCreate, "", false))
	}
	s.front.use(0)
	b.Press("Rotate 10 tokens")
	batch := b.URL.Path
	s.front.use(-1)
	for _, h := range held {
		<-h.Reached()
	}
	for range 4 { // the front sends requests to both in turn
		if b.Open(s.url + batch); b.Page.Find("[data-in-progress]").Length() != 1 || counted(b)["In progress"] != 3 {
			t.Errorf("%v\n%s", counted(b), says(b))
		}
		b.Post(s.url+batch+"/go-on", nil)
	}
	s.front.use(1) // not the one that is at work
	b.Post(s.url+batch+"/stop", nil)
	s.front.use(-1)
	for _, h := range held {
		h.Release()
	}
	if ended(t, b.Open(s.url+batch)); s.sim.Created() != 3 || counted(b)["Not begun"] != 7 {
		t.Errorf("%d created, %v\n%s", s.sim.Created(), counted(b), says(b))
	}
	_, to, form := b.Form("Go on with the 7 not begun")
	var answers []<-chan reply
	for range 4 {
		answers = append(answers, sending(context.Background(), b, s.trip(), to, form))
	}
	for _, a := range answers {
		if r := <-a; r.status != http.StatusSeeOther {
			t.Error(r.says())
		}
	}
	if ended(t, b.Open(s.url+batch)); s.sim.Created() != 10 || counted(b)["Secret waiting"] != 10 {
		t.Errorf("%d created, %v", s.sim.Created(), counted(b))
	}
}

// The access token runs out in the middle of a run: it is renewed, and nobody notices.
func TestBulkRenewsTheAccessToken(t *testing.T) {
	t.Parallel()
	old := &aging{}
	old.on.Store(true) // no access token is any good when its call is over
	d, b := bulkDesk(t, 1, 9, deskOptions{wrap: old.wrap})
	pickAll(b, d.url+"/tokens?organization=org-01", "Revoke chosen")
	var held []*simulator.Held
	for range 3 {
		held = append(held, d.sim.Hold(simulator.CallRevoke, "", false))
	}
	b.Press("Revoke 9 tokens")
	for _, h := range held {
		<-h.Reached()
	}
	refreshes := d.sim.Calls("token.refresh_token")
	for _, h := range held {
		h.Release()
	}
	if ended(t, b); counted(b)["Done"] != 9 || d.sim.Calls("token.refresh_token") == refreshes {
		t.Errorf("%v, %d refreshes\n%s", counted(b), d.sim.Calls("token.refresh_token")-refreshes, says(b))
	}
}
