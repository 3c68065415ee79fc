package guarantees

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/patdesk/patdesk/internal/simulator"
	"github.com/patdesk/patdesk/internal/testkit"
	"github.com/patdesk/patdesk/internal/testkit/apptest"
	"github.com/patdesk/patdesk/internal/webtest"
)

// F5, F14: the store fails before the form is claimed, before the call is recorded, or before the secret is kept, with
// somebody there to read the answer and without.
func TestStoreFails(t *testing.T) {
	t.Parallel()
	for _, fault := range apptest.StoreFaults(t) {
		t.Run(fault.Name, func(t *testing.T) {
			t.Parallel()
			sim := simulator.New(apptest.Seeded().Sim)
			testkit.Must(t, sim.Start(t.Context()))
			t.Cleanup(sim.Close)
			d := apptest.StartOn(t, sim, apptest.Options{}, fault.Dir)
			b := d.SignedIn(apptest.Mona)
			t.Run("before the claim", func(t *testing.T) { storeFailsBeforeSending(t, d, b, fault, nil) })
			t.Run("before the intent", func(t *testing.T) {
				storeFailsBeforeSending(t, d, b, fault, d.Sim.Hold(simulator.CallList, "contoso", true))
			})
			t.Run("before the secret", func(t *testing.T) { storeFailsForTheSecret(t, d, b, fault) })
			t.Run("before the secret, nobody there", func(t *testing.T) { storeFailsWithNobodyThere(t, d, b, fault) })
			apptest.WantNoSecret(t, d.Sim, "the log", d.Log.String())
		})
	}
}

// storeFailsBeforeSending: nothing is sent and everybody is told; the same form works when the store does.
func storeFailsBeforeSending(t *testing.T, d *apptest.Program, b *webtest.Browser, fault apptest.StoreFault, held *simulator.Held) {
	name := t.Name()
	to, form := createForm(b, d.URL, "contoso", name)
	if held == nil {
		fault.Spoil()
	}
	answer := apptest.Sending(context.Background(), b, d.Transport(), to, form)
	if held != nil {
		<-held.Reached()
		fault.Spoil()
		held.Release()
	}
	r := <-answer
	fault.Mend()
	if r.Status != http.StatusServiceUnavailable || createsOf(d.Sim, name) != 0 {
		t.Errorf("%d creates; %s", createsOf(d.Sim, name), r.Says())
	}
	if b.Post(to.String(), form); b.Has("button", "Create token") { // the claim couldn't be taken back: it says so, with a fresh form
		b.Press("Create token")
	}
	if len(apptest.Made(d.Sim, name)) != 1 || apptest.Fate(b, apptest.Made(d.Sim, name)[0]) != "shown" || createsOf(d.Sim, name) != 1 {
		t.Errorf("sent again: %d, %d creates\n%s", b.Status, createsOf(d.Sim, name), apptest.Says(b))
	}
	b.Press("I have saved it")
}

// storeFailsForTheSecret: it stands in the answer itself, with a warning; afterwards nothing untrue is said of it, and
// how to get rid of the token.
func storeFailsForTheSecret(t *testing.T, d *apptest.Program, b *webtest.Browser, fault apptest.StoreFault) {
	name := t.Name()
	to, form := createForm(b, d.URL, "contoso", name)
	held := d.Sim.Hold(simulator.CallCreate, "contoso", true)
	answer := apptest.Sending(context.Background(), b, d.Transport(), to, form)
	<-held.Reached()
	fault.Spoil()
	held.Release()
	r := <-answer
	fault.Mend()
	secret := apptest.Made(d.Sim, name)[0].Secret
	if strings.Contains(r.Says(), "Its secret will wait for you") {
		t.Errorf("a banner leads away from the only copy of the secret: %s", r.Says())
	}
	if r.Status != http.StatusOK || !strings.Contains(r.Body, secret) || !strings.Contains(r.Body, "Copy it now") {
		t.Error(r.Says())
	}
	apptest.OpenChange(b.Open(d.URL+"/changes"), "Create "+name)
	if !strings.Contains(apptest.Says(b), "couldn't keep its secret. It stood in the answer to your form") || apptest.SecretOf(b) != "" || !b.Has("link", "Rotate the token") {
		t.Errorf("%d\n%s", b.Status, apptest.Says(b))
	}
	b.Click("Revoke the token").Press("Revoke")
	if createsOf(d.Sim, name) != 1 || !apptest.Made(d.Sim, name)[0].Revoked {
		t.Errorf("%d creates; %+v", createsOf(d.Sim, name), apptest.Made(d.Sim, name))
	}
}

// storeFailsWithNobodyThere: a secret that can be neither kept nor shown is worth nothing, so its token goes; if even
// that can't be done, it is named.
func storeFailsWithNobodyThere(t *testing.T, d *apptest.Program, b *webtest.Browser, fault apptest.StoreFault) {
	name := t.Name()
	to, form := createForm(b, d.URL, "contoso", name)
	held := d.Sim.Hold(simulator.CallCreate, "contoso", true)
	ctx, giveUp := context.WithCancel(context.Background())
	answer := apptest.Sending(ctx, b, d.Transport(), to, form)
	<-held.Reached()
	giveUp()
	if r := <-answer; r.Err == nil {
		t.Fatal("an answer came:", r.Says())
	}
	fault.Spoil()
	held.Release()
	testkit.Until(t, "the program is done with it", func() bool { return strings.Contains(d.Log.String(), "could be neither kept nor shown") })
	fault.Mend()
	apptest.OpenChange(b.Open(d.URL+"/changes"), "Create "+name)
	got := apptest.Fate(b, apptest.Made(d.Sim, name)[0])
	if got != "revoked" && got != "named" || createsOf(d.Sim, name) != 1 {
		t.Errorf("%s, %d creates\n%s", got, createsOf(d.Sim, name), apptest.Says(b))
	}
	if got == "named" {
		b.Press("Revoke this token")
	}
}

// The store fails between the secret and the record of the outcome: the secret is in the answer, and again on the
// change's page when the store works.
func TestStoreFailsForTheOutcome(t *testing.T) {
	t.Parallel()
	for _, fault := range apptest.StoreFaults(t) {
		t.Run(fault.Name, func(t *testing.T) {
			t.Parallel()
			s := apptest.NewSite(t, 1, apptest.Seeded().Sim, "SESSION_DIR="+fault.Dir)
			s.Dir = fault.Dir
			b := s.SignedIn(apptest.Mona)
			to, form := createForm(b, s.URL, "contoso", "kept")
			s.Members[0].HoldAt("kept")
			answer := apptest.Sending(context.Background(), b, s.Trip(), to, form)
			s.Members[0].Held()
			fault.Spoil()
			s.Members[0].LetGo()
			r := <-answer
			fault.Mend()
			token := apptest.Made(s.Sim, "kept")[0]
			if r.Status != http.StatusOK || !strings.Contains(r.Body, token.Secret) {
				t.Error(r.Says())
			}
			restart(s.Members[0])
			if b.Open(s.URL + "/tokens").Click("Show the secret"); apptest.Fate(b, token) != "shown" || createsOf(s.Sim, "kept") != 1 {
				t.Errorf("%d\n%s", b.Status, apptest.Says(b))
			}
			s.WantQuietLog()
		})
	}
}

// The store, which keeps the access tokens too, fails after the claim of a change: nothing is sent, and the page says
// what has failed. It wasn't Entra ID.
func TestStoreFailsForTheAccessToken(t *testing.T) {
	t.Parallel()
	fault := apptest.FolderGone(t)
	s := apptest.NewSite(t, 1, apptest.Seeded().Sim, "SESSION_DIR="+fault.Dir)
	b := s.SignedIn(apptest.Mona)
	d := &apptest.Program{T: t, URL: s.URL, Sim: s.Sim}
	for _, verb := range []string{"revoke", "edit"} {
		c := newNetworkCase(t, d, b, verb, verb+" without an access token")
		_, to, form := b.Form(c.button)
		s.Members[0].HoldAt("claimed")
		answer := apptest.Sending(context.Background(), b, s.Trip(), to, form)
		s.Members[0].Held()
		fault.Spoil()
		goOnTo(s.Members[0], "answered")
		fault.Mend()
		s.Members[0].LetGo()
		r := <-answer
		if r.Status != http.StatusServiceUnavailable || !strings.Contains(r.Says(), "can't reach its storage") || strings.Contains(r.Says(), "Entra") {
			t.Errorf("%s: %s", verb, r.Says())
		}
		if now, _ := s.Sim.Token(c.old.AuthorizationID); now.Revoked || now.DisplayName != c.name {
			t.Errorf("%s: it was done: %+v", verb, now)
		}
	}
}

// F5, the last of four: the store fails when all is recorded and the answer is sent. It leads to a page that can't be
// shown yet; when the store works, the secret is there.
func TestStoreFailsForTheSession(t *testing.T) {
	t.Parallel()
	for _, fault := range apptest.StoreFaults(t) {
		t.Run(fault.Name, func(t *testing.T) {
			t.Parallel()
			s := apptest.NewSite(t, 1, apptest.Seeded().Sim, "SESSION_DIR="+fault.Dir)
			b := s.SignedIn(apptest.Mona)
			to, form := createForm(b, s.URL, "contoso", "recorded")
			s.Members[0].HoldAt("recorded")
			answer := apptest.Sending(context.Background(), b, s.Trip(), to, form)
			s.Members[0].Held()
			fault.Spoil()
			s.Members[0].LetGo()
			r := <-answer
			while := b.Twin().Open(s.URL + "/scopes")
			fault.Mend()
			if r.Status != http.StatusSeeOther || !strings.HasPrefix(r.To, "/operations/") {
				t.Error(r.Says())
			}
			if while.Status != http.StatusOK && while.Status != http.StatusServiceUnavailable {
				t.Errorf("meanwhile: %d %s", while.Status, apptest.Says(while))
			}
			if b.Open(s.URL + r.To); apptest.Fate(b, apptest.Made(s.Sim, "recorded")[0]) != "shown" || createsOf(s.Sim, "recorded") != 1 {
				t.Errorf("%d\n%s", b.Status, apptest.Says(b))
			}
		})
	}
}
