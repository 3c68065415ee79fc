package guarantees

import (
	"context"
	"crypto/rand"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/patdesk/patdesk/internal/simulator"
	"github.com/patdesk/patdesk/internal/testkit"
	"github.com/patdesk/patdesk/internal/testkit/apptest"
	"github.com/patdesk/patdesk/internal/webtest"
)

// death is where in a change the process is killed.
type death struct {
	at      string // a named point of the worker; "calling", "called": the service has the request; "redirected"
	want    string // what the change's page says afterwards, see fate; "not done", "nothing found"
	creates int
}

// strike sends the form and kills the process where d says, and starts it again.
func (d death) strike(s *apptest.Site, b *webtest.Browser, call string, to *url.URL, form url.Values) {
	s.T.Helper()
	m := s.Members[0]
	switch d.at {
	case "calling", "called":
		held := s.Sim.Hold(call, "", d.at == "called")
		answer := apptest.Sending(context.Background(), b, s.Trip(), to, form)
		<-held.Reached()
		m.Kill()
		held.Release()
		<-answer
	case "redirected":
		if r := apptest.Send(context.Background(), b, s.Trip(), to, form); r.Status != http.StatusSeeOther {
			s.T.Error(r.Says())
		}
		m.Kill()
	default:
		m.HoldAt(d.at)
		answer := apptest.Sending(context.Background(), b, s.Trip(), to, form)
		m.Held()
		m.Kill()
		<-answer
	}
	m.Start()
}

// F6: whenever the process dies, its successor shows the secret, names the token, or says truly that nothing was done;
// and the same form sent again finds the same change.
func TestKilledWhileCreating(t *testing.T) {
	t.Parallel()
	s := apptest.NewSite(t, 1, apptest.Seeded().Sim)
	b := s.SignedIn(apptest.Mona)
	for _, d := range []death{
		{"claimed", "not done", 0},
		{"listed", "not done", 0},
		{"intended", "nothing found", 0},
		{"called", "named", 1},
		{"answered", "named", 1},
		{"kept", "shown", 1},
		{"recorded", "shown", 1},
		{"redirected", "shown", 1},
	} {
		t.Run(d.at, func(t *testing.T) {
			name := "killed when " + d.at
			to, form := createForm(b, s.URL, "contoso", name)
			d.strike(s, b, simulator.CallCreate, to, form)
			wantBanner(t, b.Open(s.URL+"/tokens"), name, d.want)
			operation := apptest.OpenChange(b.Open(s.URL+"/changes"), "Create "+name).URL.Path
			wantEnd(t, s.Sim, b, name, d.want)

			r := apptest.Send(context.Background(), b, s.Trip(), to, form)
			if d.want == "not done" {
				if r.Status != http.StatusBadGateway || !strings.Contains(r.Body, `id="name"`) {
					t.Errorf("the form sent again: %d, want itself with what happened", r.Status)
				}
			} else if r.Status != http.StatusSeeOther || r.To != operation {
				t.Errorf("the form sent again leads to %d %q, want %s", r.Status, r.To, operation)
			}
			if n := createsOf(s.Sim, name); n != d.creates {
				t.Errorf("%d creates, want %d", n, d.creates)
			}
			finish(t, s.Sim, b, name, d.want)
			if got := apptest.Banners(b.Open(s.URL + "/tokens")); got != "" {
				t.Errorf("still waiting: %q", got)
			}
		})
	}
	s.WantQuietLog()
}

// createsOf counts the requests to create a token of that name, however they were answered.
func createsOf(sim *simulator.Simulator, name string) (n int) {
	for _, r := range sim.Requests() {
		if r.Call == simulator.CallCreate && strings.Contains(r.Body, `"`+name+`"`) {
			n++
		}
	}
	return n
}

// wantBanner: what needs the person is said on any page, by its name.
func wantBanner(t *testing.T, b *webtest.Browser, name, want string) {
	t.Helper()
	if got := strings.Contains(apptest.Banners(b), "“"+name+"”"); got != (want != "not done") {
		t.Errorf("banner: %q", apptest.Banners(b))
	}
}

// wantEnd checks what a change's page says.
func wantEnd(t *testing.T, sim *simulator.Simulator, b *webtest.Browser, name, want string) {
	t.Helper()
	tokens := apptest.Made(sim, name)
	switch want {
	case "not done":
		if !strings.Contains(b.Text(), "This was not done") || len(tokens) != 0 || b.Status < 500 {
			t.Errorf("%d tokens, %d\n%s", len(tokens), b.Status, apptest.Says(b))
		}
	case "nothing found":
		if !strings.Contains(apptest.Says(b), "No such token has been seen so far") || b.Has("link", "Try again") || len(tokens) != 0 || b.Status < 500 {
			t.Errorf("%d tokens, %d\n%s", len(tokens), b.Status, apptest.Says(b))
		}
	default:
		if len(tokens) != 1 || apptest.Fate(b, tokens[0]) != want {
			t.Errorf("%d tokens: %+v, want one %s; %d\n%s", len(tokens), tokens, want, b.Status, apptest.Says(b))
		}
	}
}

// finish takes the next step that the change's page offers.
func finish(t *testing.T, sim *simulator.Simulator, b *webtest.Browser, name, want string) {
	t.Helper()
	switch want {
	case "shown":
		b.Press("I have saved it")
	case "named":
		if b.Press("Revoke this token"); !apptest.Made(sim, name)[0].Revoked {
			t.Errorf("not revoked: %d\n%s", b.Status, apptest.Says(b))
		}
	case "nothing found":
		b.Press("Dismiss")
	}
}

// The request is at the service when the process dies, and the service carries it out only after its successor has
// looked: nothing was there, which proves nothing yet. Nobody has to ask for it: whatever page is open, it is looked
// again, and the banner says that a token has turned up.
func TestKilledBeforeTheServiceActs(t *testing.T) {
	t.Parallel()
	s := apptest.NewSite(t, 1, apptest.Seeded().Sim)
	b := s.SignedIn(apptest.Mona)
	to, form := createForm(b, s.URL, "contoso", "late")
	held := s.Sim.Hold(simulator.CallCreate, "", false)
	answer := apptest.Sending(context.Background(), b, s.Trip(), to, form)
	<-held.Reached()
	restart(s.Members[0])
	<-answer
	apptest.OpenChange(b.Open(s.URL+"/changes"), "Create late")
	wantEnd(t, s.Sim, b, "late", "nothing found")
	held.Release()
	testkit.Until(t, "the service has made the token", func() bool { return len(apptest.Made(s.Sim, "late")) == 1 })
	testkit.Until(t, "the token is found by itself", func() bool {
		return strings.Contains(apptest.Banners(b.Open(s.URL+"/sessions")), "A token that fits was found")
	})
	b.Click("Find out")
	wantEnd(t, s.Sim, b, "late", "named")
}

// A refusal that isn't true, and the process dies before it has looked behind it: its successor still knows that this
// is to be done, says so on every page, and finds the token.
func TestKilledInDoubt(t *testing.T) {
	t.Parallel()
	s := apptest.NewSite(t, 1, apptest.Seeded().Sim)
	b := s.SignedIn(apptest.Mona)
	for _, fault := range []string{"throttledAfterDoing", "html203AfterDoing"} {
		to, form := createForm(b, s.URL, "contoso", fault)
		s.Sim.SetFault(fault, simulator.FaultOptions{Call: simulator.CallCreate, Times: 1, RetryAfter: time.Second})
		death{at: "refused"}.strike(s, b, simulator.CallCreate, to, form)
		if got := apptest.Banners(b.Open(s.URL + "/sessions")); !strings.Contains(got, "We couldn't confirm what happened to “"+fault+"”") {
			t.Errorf("banner: %q", got)
		}
		testkit.Until(t, "it was looked, as soon as the service allows", func() bool {
			return strings.Contains(apptest.Banners(b.Open(s.URL+"/sessions")), "A token that fits was found")
		})
		b.Click("Find out")
		wantEnd(t, s.Sim, b, fault, "named")
		finish(t, s.Sim, b, fault, "named")
	}
}

// A rotation outlives the process at each point: the old token stays until the new secret is safe, and what is left to
// do is said until it is done.
func TestKilledWhileRotating(t *testing.T) {
	t.Parallel()
	s := apptest.NewSite(t, 1, apptest.Seeded().Sim)
	b := s.SignedIn(apptest.Mona)
	for _, d := range []struct {
		death
		oldRevoked bool
	}{
		{death{"intended", "nothing found", 0}, false},
		{death{"called", "named", 1}, false},
		{death{"kept", "shown", 1}, false},
		{death{"recorded", "shown", 1}, false},
		{death{"retired", "shown", 1}, true},
	} {
		t.Run(d.at, func(t *testing.T) {
			name := "rotated, killed when " + d.at
			old := s.Sim.AddToken(simulator.Token{DisplayName: name, Scope: "vso.code", Organization: "contoso", Owner: simulator.Mona})
			b.Open(s.URL+"/tokens/contoso/"+old.AuthorizationID+"/rotate").Choose("The old token", "Revoke it at once")
			_, to, form := b.Form("Rotate")
			d.strike(s, b, simulator.CallCreate, to, form)
			wantBanner(t, b.Open(s.URL+"/tokens"), name, d.want)
			apptest.OpenChange(b.Open(s.URL+"/changes"), "Rotate "+name)
			tokens := apptest.Made(s.Sim, name)
			old, tokens = tokens[0], tokens[1:]
			if len(tokens) != d.creates || len(tokens) == 1 && apptest.Fate(b, tokens[0]) != d.want {
				t.Fatalf("%d new tokens, want %d, %s\n%s", len(tokens), d.creates, d.want, apptest.Says(b))
			}
			if old.Revoked != d.oldRevoked {
				t.Errorf("the old token is revoked: %t", old.Revoked)
			}
			switch d.want {
			case "shown": // half-way until it is settled
				b.Press("I have saved it")
				if d.oldRevoked { // that was seen by itself
					break
				}
				if got := apptest.Banners(b.Open(s.URL + "/tokens")); !strings.Contains(got, "isn't finished") {
					t.Errorf("the banner says %q", got)
				}
				b.Click("Finish the rotation")
				if b.Has("button", "Revoke the old token") {
					b.Press("Revoke the old token")
				} else { // it was being revoked, and nobody knows how that went
					b.Press("Revoke the old token")
				}
			case "named":
				if !strings.Contains(apptest.Says(b), "The old token is untouched") || !strings.Contains(apptest.Says(b), "revoke it below and rotate again") {
					t.Errorf("a successor that is lost: %s", apptest.Says(b))
				}
				b.Press("Revoke this token")
			default:
				b.Press("Dismiss")
			}
			if got := apptest.Banners(b.Open(s.URL + "/tokens")); got != "" {
				t.Errorf("still waiting: %q", got)
			}
			if old, _ := s.Sim.Token(old.AuthorizationID); old.Revoked != (d.want == "shown") {
				t.Errorf("in the end the old token is revoked: %t", old.Revoked)
			}
		})
	}
	s.WantQuietLog()
}

// Update and revoke: what the successor says is what the service has done.
func TestKilledWhileChanging(t *testing.T) {
	t.Parallel()
	s := apptest.NewSite(t, 1, apptest.Seeded().Sim)
	b := s.SignedIn(apptest.Mona)
	for _, d := range []death{{at: "claimed"}, {at: "called"}, {at: "answered"}} {
		for _, verb := range []string{"revoke", "edit"} {
			t.Run(verb+" "+d.at, func(t *testing.T) {
				name := verb + ", killed when " + d.at
				token := s.Sim.AddToken(simulator.Token{DisplayName: name, Scope: "vso.code", Organization: "contoso", Owner: simulator.Mona})
				b.Open(s.URL + "/tokens/contoso/" + token.AuthorizationID + "/" + verb)
				button, call, what := "Revoke", simulator.CallRevoke, "Revoke "+name
				if verb == "edit" {
					b.Fill("Name", name+" again")
					button, call, what = "Save changes", simulator.CallUpdate, "Change "+name+" again"
				}
				_, to, form := b.Form(button)
				d.strike(s, b, call, to, form)
				now, _ := s.Sim.Token(token.AuthorizationID)
				done := now.Revoked || now.DisplayName != name
				if done == (d.at == "claimed") {
					t.Fatalf("done: %t", done)
				}
				apptest.OpenChange(b.Open(s.URL+"/changes"), what)
				if said := b.Status == http.StatusOK; said != done {
					t.Errorf("done: %t, but the page is %d\n%s", done, b.Status, apptest.Says(b))
				}
				if !done && !strings.Contains(apptest.Says(b), "We couldn't confirm whether") { // the service may still be at it
					t.Error(apptest.Says(b))
				}
			})
		}
	}
}

// F1, over two processes on one folder: twenty sendings of one form end at the same secret of the one token.
func TestOneFormOverTwoProcesses(t *testing.T) {
	t.Parallel()
	s := apptest.NewSite(t, 2, apptest.Seeded().Sim)
	b := s.SignedIn(apptest.Mona)
	for range 5 {
		name := "both " + rand.Text()
		to, form := createForm(b, s.URL, "contoso", name)
		var wg sync.WaitGroup
		secrets := make([]string, 20)
		for i := range secrets {
			wg.Go(func() { secrets[i] = apptest.SecretOf(b.Twin().Post(to.String(), form)) })
		}
		wg.Wait()
		tokens := apptest.Made(s.Sim, name)
		if len(tokens) != 1 || createsOf(s.Sim, name) != 1 {
			t.Fatalf("%d tokens from %d creates", len(tokens), createsOf(s.Sim, name))
		}
		for _, secret := range secrets {
			if secret != tokens[0].Secret {
				t.Errorf("an answer shows %q", secret)
			}
		}
	}
	s.WantQuietLog()
}

// One of two processes is killed in the middle of a create: those who wait at the other hear from it what happened.
func TestOneOfTwoProcessesKilled(t *testing.T) {
	t.Parallel()
	s := apptest.NewSite(t, 2, apptest.Seeded().Sim)
	b := s.SignedIn(apptest.Mona)
	for _, afterDoing := range []bool{false, true} {
		name := map[bool]string{false: "not yet made", true: "made and lost"}[afterDoing]
		to, form := createForm(b, s.URL, "contoso", name)
		held := s.Sim.Hold(simulator.CallCreate, "", afterDoing)
		s.Front.Use(0)
		dying := apptest.Sending(context.Background(), b, s.Trip(), to, form)
		<-held.Reached()
		s.Front.Use(1)
		var surviving []<-chan apptest.Reply
		for range 5 {
			surviving = append(surviving, apptest.Sending(context.Background(), b, s.Trip(), to, form))
		}
		s.Members[0].Kill()
		operation := ""
		for _, r := range surviving {
			r := <-r
			if operation == "" {
				operation = r.To
			}
			if r.Status != http.StatusSeeOther || r.To != operation {
				t.Errorf("an answer at the other process: %d %q", r.Status, r.To)
			}
		}
		if r := <-dying; r.Status == http.StatusSeeOther || r.Status == http.StatusOK {
			t.Error("an answer of the dead:", r.Says())
		}
		want := "nothing found"
		if afterDoing {
			want = "named"
		}
		b.Open(s.URL + operation)
		wantEnd(t, s.Sim, b, name, want)
		held.Release()
		s.Members[0].Start()
		s.Front.Use(0)
		if b.Open(s.URL + operation); b.Status < 500 {
			t.Errorf("after its restart the first process says %d\n%s", b.Status, apptest.Says(b))
		}
		if n := createsOf(s.Sim, name); n != 1 {
			t.Errorf("%d creates", n)
		}
	}
}
